"""Archives made to fill memory, to write elsewhere or to be misread."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Iterator

from tests.bad_input.bases import structures
from tests.bad_input.by_hand import Make, pickles
from tests.bad_input.mutations import mutated
from tests.bad_input.texts import MARKUP

_DEFLATED = zipfile.ZIP_DEFLATED


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = _DEFLATED) -> bytes:
    """A zip archive in memory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            # A name alone would bring the time of day into the archive.
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            info.compress_type = method
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a name may come twice here
                archive.writestr(info, content)
    return out.getvalue()


def _crystals() -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [(name, data) for name, data in structures().values()]


def _with_mode(name: str, mode: int, content: bytes) -> bytes:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return zipped((info, content), ("ok.cif", structures()["cif"][1]))


def _bomb() -> bytes:
    return zipped(("zeros.cif", bytes(150 * 2**20)))


def _bombs_together() -> bytes:
    return zipped(*((f"{k}.cif", b" " * (4 * 2**20)) for k in range(40)))


def _overlapping() -> bytes:
    """Many members that are all the same bytes of the archive (a bomb without nesting)."""
    raw = zipped(("a.cif", b"x" * 2**20))
    directory = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry = raw[directory:end]
    tail = bytearray(raw[end:])
    n = 1500
    struct.pack_into("<HHLL", tail, 8, n, n, len(entry) * n, directory)
    return raw[:directory] + entry * n + bytes(tail)


def _false_sizes(size: int) -> bytes:
    """A directory that states another size than its member has."""
    raw = bytearray(zipped(("a.cif", structures()["cif"][1] * 50)))
    struct.pack_into("<L", raw, raw.index(b"PK\x01\x02") + 24, size)
    return bytes(raw)


def _flag(bits: int) -> bytes:
    raw = bytearray(zipped(("a.cif", structures()["cif"][1])))
    raw[raw.index(b"PK\x01\x02") + 8] |= bits
    return bytes(raw)


def _tar(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        content = structures()["cif"][1]
        info = tarfile.TarInfo("../../x.cif")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _nested(depth: int) -> bytes:
    data = zipped(("si.cif", structures()["cif"][1]))
    for k in range(depth):
        data = zipped((f"{k}.zip", data))
    return data


def archives() -> Iterator[tuple[str, str, Make]]:
    """(name, file name, content)."""
    content = structures()["cif"][1]
    made: dict[str, Make] = {
        "bomb": _bomb,
        "bombs together": _bombs_together,
        "overlapping members": _overlapping,
        "nested once": lambda: _nested(1),
        "nested deeply": lambda: _nested(60),
        "a zip named cif": lambda: zipped(("a.cif", zipped(("b.cif", content)))),
        "symbolic link": lambda: _with_mode("link.cif", stat.S_IFLNK | 0o777, b"/etc/passwd"),
        "link up": lambda: _with_mode("up", stat.S_IFLNK | 0o777, b"../../.."),
        "device": lambda: _with_mode("dev.cif", stat.S_IFCHR | 0o666, content),
        "pipe": lambda: _with_mode("pipe.cif", stat.S_IFIFO | 0o666, content),
        "set-user-id": lambda: _with_mode("suid.cif", stat.S_IFREG | 0o4777, content),
        "one name many times": lambda: zipped(*(("a.cif", content) for _ in range(300))),
        "thousands of members": lambda: zipped(*((f"{k}.cif", b"") for k in range(5000))),
        "many crystals": lambda: zipped(*((f"{k}.vasp", structures()["poscar"][1]) for k in range(900))),
        "bzip2": lambda: zipped(("a.cif", content), method=zipfile.ZIP_BZIP2),
        "lzma": lambda: zipped(("a.cif", content), method=zipfile.ZIP_LZMA),
        "encrypted": lambda: _flag(0x1),
        "strongly encrypted": lambda: _flag(0x41),
        "patched": lambda: _flag(0x20),
        "false size 0": lambda: _false_sizes(0),
        "false size small": lambda: _false_sizes(10),
        "false size huge": lambda: _false_sizes(0xFFFFFFFE),
        "only folders": lambda: zipped(("a/", b""), ("b/c/", b"")),
        "empty": lambda: zipped(),
        "only the magic": lambda: b"PK\x03\x04",
        "only an end": lambda: b"PK\x05\x06" + bytes(18),
        "an end that lies": lambda: b"PK\x05\x06" + b"\xff" * 18,
        "a comment": lambda: zipped(("a.cif", content))[:-2] + b"\xff\xff" + b"c" * 65535,
        "something before": lambda: b"#!/bin/sh\ntouch CANARY\n" + zipped(("a.cif", content)),
        "tar": lambda: _tar("w"),
        "tar.gz": lambda: _tar("w:gz"),
        "tar.xz": lambda: _tar("w:xz"),
        "frames": lambda: zipped(("run.extxyz", structures()["extxyz frames"][1] * 300)),
        "hundred megabytes": lambda: b"PK\x03\x04" + bytes(100 * 2**20),
    }
    for path in (
        "../../../evil.cif",
        "/etc/passwd",
        "/tmp/evil.cif",
        "C:\\evil.cif",
        "..\\..\\evil.cif",
        "a/../../b.cif",
        "~/x.cif",
        "x\0.cif",
        "a" * 60_000,
        "con.cif",
        ".hidden",
        "__MACOSX/._a",
        "a//b///c.cif",
        "\u202egpj.cif",
        "x\ny.cif",
        *MARKUP,
    ):
        # zipfile cuts names at a NUL and turns the separators of its own system; the record is patched instead.
        made[f"name {path[:20]!r}"] = lambda path=path: _named(path, content)
    for name, data in pickles():
        made[name] = lambda data=data: zipped(("data.pkl", data), ("a.cif", content))
    for name, make in made.items():
        yield f"archive: {name}", f"{name}.zip", make
    small = zipped(*_crystals())
    for how, data in mutated(small, 90, "zip"):
        yield f"archive, damaged: {how}", "x.zip", lambda data=data: data
    bad = zipped(*((f"{how}.cif", data) for how, data in mutated(content, 100, "in zip")))
    yield "archive: a hundred bad files", "x.zip", lambda: bad


def _named(path: str, content: bytes) -> bytes:
    wanted = path.encode("utf-8", errors="surrogatepass")[:60_000]
    raw = zipped(("n" * len(wanted), content))
    return raw.replace(b"n" * len(wanted), wanted)
