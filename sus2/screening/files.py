"""Structures for a screening, read one at a time: files, folders, patterns, zip archives, samples, crystals in memory.

A file is opened when its turn comes, and of a file with many frames only one is in memory.
"""

from __future__ import annotations

import glob
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ase import Atoms

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures import check_crystal, read_structure, sample, samples, to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

ENDINGS: Final = (".cif", ".vasp", ".poscar", ".xyz", ".extxyz", ".json", ".zip")
"""What is read in folders and archives, besides POSCAR and CONTCAR; a file that is named is read whatever its name."""
_LINE = 1 << 16
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, eq=False)
class Item:
    """A structure that is still to be read: the bytes of its file, or a crystal, or a problem.

    Attributes
    ----------
    name
        What it is called.
    data
        The bytes of its file.
    atoms
        The crystal.
    problem
        Why it cannot be read.
    """

    name: str
    data: bytes = b""
    atoms: Atoms | Structure | None = None
    problem: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, empty where there are none."""
        return hashlib.sha256(self.data).hexdigest() if self.data else ""

    def read(self) -> Atoms:
        """The crystal; raises StructureError."""
        if self.problem:
            raise StructureError(self.problem)
        if self.atoms is None:
            return read_structure(self.name, self.data)
        atoms = to_atoms(self.atoms)
        check_crystal(atoms)
        return atoms


def items_of(structures: Any) -> tuple[Iterable[Item], int | None]:
    """The structures one by one, and how many there are.

    Parameters
    ----------
    structures
        Paths (files, folders, patterns with * or ?, keys of samples), one of them or many; or crystals (ASE Atoms or
        pymatgen Structure), by name in a mapping or as any iterable.

    Returns
    -------
    tuple of iterable of Item and int or None
        None where the number is not cheap to know.

    Raises
    ------
    StructureError
        A path that does not exist, or a folder without structures, before anything is read.
    """
    if isinstance(structures, str | os.PathLike):
        structures = [structures]
    if isinstance(structures, Mapping):
        return (_item(str(name), one) for name, one in structures.items()), len(structures)
    if isinstance(structures, Atoms) or not isinstance(structures, Iterable):
        return [_item("structure", structures)], 1
    if isinstance(structures, list | tuple) and any(isinstance(s, str | os.PathLike) for s in structures):
        found = [part for s in structures for part in _expanded(str(s))]
        return (item for part in found for item in _read(part)), sum(_count(part) for part in found)
    count = len(structures) if isinstance(structures, list | tuple) else None
    return (_item(f"structure {k}", one) for k, one in enumerate(structures, 1)), count


def _item(name: str, structure: Any) -> Item:
    return Item(name, atoms=structure)


# Paths ------------------------------------------------------------------------------------------------------------


def _expanded(text: str) -> list[str]:
    """The files and samples that an argument stands for."""
    if os.path.isdir(text):
        found = sorted(
            os.path.join(folder, name)
            for folder, folders, names in os.walk(text)
            if not _hidden(os.path.relpath(folder, text))
            for name in names
            if _wanted(name)
        )
        if not found:
            raise StructureError(
                f"The folder '{text}' holds no structure files ({', '.join(ENDINGS)}, POSCAR, CONTCAR)."
            )
        return found
    if os.path.exists(text):
        return [text]
    if text in {s.key for s in samples()}:
        return [text]
    found = sorted(p for p in glob.glob(text, recursive=True) if os.path.isfile(p)) if glob.has_magic(text) else []
    if not found:
        raise StructureError(f"There is no file '{text}', nor a sample of that key (see: sus2 samples).")
    return found


def _hidden(path: str) -> bool:
    return any(part.startswith(".") and part != "." for part in Path(path).parts)


def _wanted(name: str) -> bool:
    lower = name.lower()
    return not name.startswith(".") and (lower.endswith(ENDINGS) or lower.startswith(("poscar", "contcar")))


def _read(path: str) -> Iterator[Item]:
    if not os.path.exists(path):
        yield Item(path, atoms=sample(path).atoms())
        return
    try:
        with open(path, "rb") as stream:
            packed = stream.read(4) == b"PK\x03\x04"
            stream.seek(0)
            yield from _archive(path, stream) if packed else _frames(path, stream)
    except OSError as error:
        yield Item(path, problem=f"{Path(path).name} cannot be read ({error.strerror}).")


def _archive(name: str, stream: IO[bytes]) -> Iterator[Item]:
    try:
        archive = zipfile.ZipFile(stream)
    except _BROKEN:
        yield Item(name, problem=f"{Path(name).name} is a damaged zip archive; make it again.")
        return
    with archive:
        for member in _members(archive):
            inside = member.filename
            shown = f"{name}/{inside}"
            try:
                with archive.open(member) as content:
                    yield from _frames(shown, content)
            except _BROKEN:
                yield Item(shown, problem=f"{Path(inside).name} is damaged in its archive; make the archive again.")


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        m
        for m in archive.infolist()
        if not (m.is_dir() or _hidden(m.filename) or m.filename.startswith("__MACOSX"))
        and _wanted(Path(m.filename).name)
    ]


# Frames -----------------------------------------------------------------------------------------------------------


def _frames(name: str, stream: IO[bytes]) -> Iterator[Item]:
    """Each frame of an XYZ file; any other file as a whole."""
    limit = settings().max_upload_mb * 2**20
    lines = _Lines(stream)
    number = lines.number()
    if number is None:
        yield Item(name, lines.rest(limit))
        return
    first, whole = lines.frame(number, limit)
    number = lines.number() if whole else None
    if number is None:
        # One frame, or another format that begins with a number.
        yield Item(name, first + lines.rest(limit))
        return
    k = 1
    yield Item(f"{name} #1", first)
    while number is not None:
        k += 1
        content, whole = lines.frame(number, limit)
        yield Item(f"{name} #{k}", content)
        number = lines.number() if whole else None
    if lines.rest(1).strip():
        yield Item(
            f"{name} #{k + 1}", problem=f"After frame {k} something else than a frame follows; correct the file."
        )


class _Lines:
    """Lines of a stream with one line that may be looked at in advance; long lines come in pieces."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = io.BufferedReader(stream, 1 << 20) if isinstance(stream, io.RawIOBase) else stream
        self._ahead = b""

    def number(self) -> int | None:
        """The number of atoms where the next line that is not blank holds one and nothing else."""
        blank = b""
        while True:
            line = self._ahead or self.stream.readline(_LINE)
            self._ahead = b""
            if not line or line.strip():
                break
            blank = (blank + line)[-_LINE:]
        if line.strip().isdigit() and len(line) < 20:
            self._ahead = line
            return int(line)
        self._ahead = blank + line
        return None

    def frame(self, n_atoms: int, limit: int) -> tuple[bytes, bool]:
        """A frame of that many atoms, and whether it is whole; at most `limit` bytes and a line of it."""
        parts, size = [self._ahead], len(self._ahead)
        self._ahead = b""
        for _ in range(n_atoms + 1):
            piece = self.stream.readline(_LINE)
            if not piece:
                return b"".join(parts), False
            while piece:
                size += len(piece)
                if size <= limit + _LINE:
                    parts.append(piece)
                piece = b"" if piece.endswith(b"\n") else self.stream.readline(_LINE)
        return b"".join(parts), True

    def rest(self, limit: int) -> bytes:
        """What follows, at most a byte more than the limit."""
        ahead, self._ahead = self._ahead, b""
        return ahead + self.stream.read(max(0, limit + 1 - len(ahead)))


def _count(path: str) -> int:
    """How many structures a file holds, without reading them; 1 where that is not clear."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            if start == b"PK\x03\x04":
                with zipfile.ZipFile(stream) as archive:
                    return len(_members(archive))
            count = 0
            while (line := stream.readline(_LINE)).strip().isdigit() and len(line) < 20:
                count += 1
                for _ in range(int(line) + 1):
                    if not stream.readline(_LINE):
                        break
            return max(1, count)
    except _BROKEN:
        return 1
