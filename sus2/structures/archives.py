"""Many structures at once: files and zip archives of files, read in memory as data that may be hostile.

Nothing is written to disk and no path of an archive is used but to show it. What is unpacked is counted as it comes
out, because the sizes that an archive states may be false.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ase import Atoms

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.files import read_structure

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_ENTRY: Final = b"PK\x01\x02"
"""Begins the record of each member in an archive's directory."""
_PACKED: Final = (*_ZIP, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 1 << 16
_TAR_MAGIC = slice(257, 262)


@dataclass(frozen=True, eq=False)
class StructureFiles:
    """What some files hold.

    Attributes
    ----------
    structures
        Crystals by the name of their file, in the order of the files.
    problems
        Why a file has none, by its name.
    """

    structures: dict[str, Atoms] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read_structures(files: Iterable[tuple[str, bytes]]) -> StructureFiles:
    """The crystals in files and zip archives.

    Archives are recognised by their content. An extended XYZ file gives every frame, as "name #2"; other files give
    their first crystal. Folders, hidden files and what macOS adds to archives are passed over.

    Refused: archives in archives, encrypted members, links, compression other than deflate; more members, unpacked
    MiB, or crystals in all than the settings allow.

    Parameters
    ----------
    files
        (name, content) each.

    Returns
    -------
    StructureFiles
        Each file that cannot be read has its sentence in `problems`; nothing is raised.
    """
    reader = _Reader()
    for name, data in files:
        shown = reader.name_for(name)
        if data[:4] in _ZIP:
            reader.read_archive(shown, data)
        else:
            reader.read_file(shown, data)
    return reader.found


class _Reader:
    """What is read so far, the names that are taken, and the bytes that may still be unpacked."""

    def __init__(self) -> None:
        self.found = StructureFiles()
        self.limits = settings()
        self.left = self.limits.max_unpacked_mb * 2**20
        self._taken: set[str] = set()

    def name_for(self, path: str) -> str:
        """A name to show that no other file has."""
        name = plain = _shown(path)
        k = 1
        while name in self._taken:
            k += 1
            name = f"{plain} ({k})"
        self._taken.add(name)
        return name

    def read_archive(self, name: str, data: bytes) -> None:
        limits, problems = self.limits, self.found.problems
        if len(data) > limits.max_archive_mb * 2**20:
            problems[name] = (
                f"{name} has {len(data) / 2**20:.1f} MiB; at most {limits.max_archive_mb} MiB are allowed for an "
                "archive: make several smaller ones."
            )
            return
        # Before zipfile makes an object of a kilobyte for each of them.
        if data.count(_ENTRY) > limits.max_archive_members:
            problems[name] = (
                f"{name} has more than {limits.max_archive_members:,} members; make several smaller archives of it."
            )
            return
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
            problems[name] = f"{name} is a damaged zip archive; make it again."
            return
        with archive:
            members = [m for m in archive.infolist() if not _passed_over(m.filename) and not m.filename.endswith("/")]
            if not members:
                problems[name] = f"{name} has no files in it."
            if _overlap(members):
                problems[name] = f"{name} is damaged: several of its files are the same part of it; make it again."
                return
            for member in members:
                if self.left <= 0:
                    problems[name] = (
                        f"{name} unpacks to more than {limits.max_unpacked_mb} MiB: what comes after that was not "
                        "read; make several smaller archives of it."
                    )
                    return
                shown = self.name_for(member.filename)
                try:
                    content = self._unpacked(archive, member, shown)
                except StructureError as error:
                    problems[shown] = str(error)
                    continue
                self.read_file(shown, content)

    def _unpacked(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
        """The content of a member, at most what one file may have and what is left; raises StructureError."""
        if member.flag_bits & 0x1:
            raise StructureError(f"{name} is encrypted; make the archive without a password.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise StructureError(f"{name} is a link and not a file; put the file itself into the archive.")
        if member.compress_type not in _METHODS:
            raise StructureError(
                f"{name} is compressed in a way that is not read here; use the usual compression of zip."
            )
        parts: list[bytes] = []
        size = 0
        try:
            with archive.open(member) as stream:
                while self.left > 0 and (chunk := stream.read(_CHUNK)):
                    size += len(chunk)
                    self.left -= len(chunk)
                    if size > self.limits.max_upload_mb * 2**20:
                        raise StructureError(
                            f"{name} has more than {self.limits.max_upload_mb} MiB, the limit for one file."
                        )
                    parts.append(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
            raise StructureError(f"{name} is damaged in its archive; make the archive again.") from None
        if self.left <= 0:
            raise StructureError(f"{name} was not read: the limit of what is unpacked was reached in it.")
        return b"".join(parts)

    def read_file(self, name: str, data: bytes) -> None:
        limits, found = self.limits, self.found
        if data.startswith(_PACKED) or data[_TAR_MAGIC] == b"ustar":
            found.problems[name] = f"{name} is an archive or compressed file itself; unpack it first."
            return
        for label, content in _frames(name, data):
            if len(found.structures) >= limits.max_structures:
                found.problems[label] = (
                    f"{label} was not read: at most {limits.max_structures:,} crystals are allowed at once."
                )
                return
            try:
                found.structures[label] = read_structure(label, content)
            except StructureError as error:
                found.problems[label] = str(error)


def _overlap(members: list[zipfile.ZipInfo]) -> bool:
    """Whether members share bytes of the archive, which unpacks to far more than it holds."""
    spans = sorted((m.header_offset, m.header_offset + max(1, m.compress_size)) for m in members)
    return any(end > start for (_, end), (start, _) in pairwise(spans))


def _frames(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """The frames of an XYZ file with more than one, as files of their own; any other file as it is."""
    is_xyz = re.match(rb"\s*\d{1,6}\s*\n", data) and len(data) <= settings().max_upload_mb * 2**20
    lines = data.split(b"\n") if is_xyz else []
    starts: list[tuple[int, int]] = []
    at = 0
    while at < len(lines) and lines[at].strip():
        word = lines[at].strip()
        if not word.isdigit() or len(word) > 6:
            break
        # One that is cut off comes too: the reader says what is wrong with it.
        starts.append((at, min(at + 2 + int(word), len(lines))))
        at = starts[-1][1]
    if len(starts) < 2:
        yield name, data
        return
    for k, (first, stop) in enumerate(starts, 1):
        yield f"{name} #{k}", b"\n".join(lines[first:stop]) + b"\n"


def _passed_over(path: str) -> bool:
    parts = [p for p in re.split(r"[\\/]", path) if p not in ("", ".", "..")]
    return not parts or parts[0] == "__MACOSX" or any(p.startswith(".") for p in parts) or parts[-1] == "Thumbs.db"


def _shown(path: str) -> str:
    """A path as it is shown: its last folder and its name, without anything that could mislead."""
    parts = [p.strip() for p in re.split(r"[\\/]", path)]
    parts = ["".join(c for c in p if c.isprintable()) for p in parts if p not in ("", ".", "..")]
    parts = [p if len(p) <= 40 else p[:37] + "..." for p in parts if p]
    return "/".join(parts[-2:]) or "unnamed file"
