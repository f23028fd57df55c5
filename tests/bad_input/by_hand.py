"""Structure files written to do harm, and crystals at the edge of sense."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.bad_input.bases import structures
from tests.bad_input.cells_by_hand import cells, extended_xyz
from tests.bad_input.tables_by_hand import cif_files, json_files
from tests.bad_input.texts import MARKUP, cif, poscar, xyz
from tests.helpers_programs import outcar

Make = Callable[[], bytes]

HOSTILE_YAML = (
    "!!python/object/apply:os.system ['touch CANARY']",
    "!!python/object/new:os.system ['touch CANARY']",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/object/apply:subprocess.check_output [['touch', 'CANARY']]",
    "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "a: &a {b: *a}",
    "<<: &x {<<: *x}",
    "[" * 20_000,
    "{a: " * 20_000,
    "- " * 20_000 + "x",
    "? " * 5_000,
    "--- a\n--- b\n",
    "%YAML 9.9\n---\nx",
    "a: !!binary !!!",
    "a: 1\na: 2\n",
    "2001-99-99",
    "!!timestamp 9999-99-99",
    "0o7777777777777777777777777777777777777777777777",
    "1:" * 3000 + "1",
    "a: !!int '" + "9" * 5000 + "'",
    "\t- x",
    "a: |\n" + " x\n" * 100_000,
)


def _bytes() -> Iterator[tuple[str, bytes]]:
    text = structures()["poscar"][1].decode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "utf-8-sig"):
        yield f"in {encoding}", text.encode(encoding)
    yield "latin-1", text.replace("Si\n", "Café Å\n", 1).encode("latin-1")
    yield "mixed encodings", "é".encode() + b"\xe9" + text.encode()
    yield "windows lines", text.replace("\n", "\r\n").encode()
    yield "old mac lines", text.replace("\n", "\r").encode()
    yield "unicode lines", text.replace("\n", "\u2028").encode()
    yield "no-break spaces", text.replace(" ", "\u00a0").encode()
    yield "empty", b""
    yield "only spaces", b" \t\r\n" * 100
    yield "only a byte-order mark", b"\xef\xbb\xbf"
    yield "byte-order marks", b"\xef\xbb\xbf" * 5 + text.encode()
    yield "unicode spaces", "\u2003\u00a0\u3000\u0085".encode()
    yield "separators", b"\x1c\x1d\x1e\x1f"
    yield "NUL bytes", b"\0" * 1000
    yield "a NUL inside", text.replace("Direct", "Dir\0ect").encode()
    yield "escape sequences", b"\x1b]0;owned\x07" + text.encode()
    yield "random bytes", random.Random(1).randbytes(100_000)
    yield "a megabyte of newlines", b"\n" * 1_000_000 + text.encode()
    yield "five megabytes of newlines", b"\n" * 5_000_000
    yield "five megabytes of spaces and data", b" " * 4_900_000 + b"data"
    yield "newlines before data_", b"\n \n" * 1_000_000 + b"data"
    yield "underscores and newlines", b"x" + b"\n" * 3_000_000 + b"_cell_length"
    yield "one long line", b"Si " * 1_500_000
    yield "a long first line", b"1" * 5_000_000
    yield "a long line of digits", b"x\n" + b"9" * 5_000_000
    yield "a long word", text.replace("Direct", "D" * 4_000_000).encode()
    yield "a comment line", b"#" * 5_000_000
    yield "an executable", b"\x7fELF" + bytes(100)
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(100)
    yield "a notebook", b'{"cells": [], "metadata": {}, "nbformat": 4}'
    yield "a script", b"#!/bin/sh\ntouch CANARY\n"
    yield "python", b"import os\nos.system('touch CANARY')\n"
    yield "html", b"<html><script>alert(1)</script></html>"
    yield "xml entities", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    yield "xml of a file", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><modeling>&a;</modeling>'


def pickles() -> Iterator[tuple[str, bytes]]:
    """Pickles that would make a file named CANARY, in the shapes that readers unpickle."""
    for protocol, call in (
        (0, b"cos\nsystem\n(S'touch CANARY'\ntR."),
        (2, b"\x80\x02cos\nsystem\nX\x0c\0\0\0touch CANARY\x85R."),
    ):
        yield f"pickle {protocol}", call
        yield f"pickle {protocol} as a trajectory", b"- of Ulm" + call
        header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
        npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + call
        yield f"pickle {protocol} in npy", npy


def by_hand() -> Iterator[tuple[str, str, Make]]:
    """(name, file name, content) of structure files."""
    groups = (cells, extended_xyz, cif_files, json_files, _bytes, pickles)
    for group in groups:
        for name, data in group():
            yield f"{group.__name__.strip('_')}: {name}", "file.cif", lambda data=data: data
    for k, text in enumerate(HOSTILE_YAML):
        yield f"yaml: {k}", "band.yaml", lambda text=text: text.encode()
    for word in MARKUP:
        named = structures()["poscar"][1].replace(b"Si\n", word.encode() + b"\n", 1)
        yield f"file name: {word[:20]}", f"{word}.vasp", lambda named=named: named
        yield f"element: {word[:20]}", "x.vasp", lambda word=word: poscar("5 0 0\n0 5 0\n0 0 5", names=word)
        yield f"symbol: {word[:20]}", "x.xyz", lambda word=word: xyz(f"{word} 0 0 0")
        yield f"bad name: {word[:20]}", word, lambda word=word: word.encode()
    for name in (
        "../../../etc/passwd",
        "/etc/passwd",
        "C:\\windows\\x.cif",
        "a" * 5000,
        "\0",
        "x\ny.cif",
        "",
        ".",
        "con",
        "@0",
    ):
        yield f"name {name[:20]!r}", name, lambda: structures()["cif"][1]
    yield "a million atoms", "big.xyz", _million
    yield "a million atoms in CIF", "big.cif", lambda: cif({"Na1 Na+ 0 0 0 1\n": "Na1 Na+ 0.1 0.2 0.3 1\n" * 150_000})
    yield (
        "a million promised",
        "big.vasp",
        lambda: poscar("99 0 0\n0 99 0\n0 0 99", "0 0 0\n" * 100_000, counts="100000"),
    )
    yield "ten thousand atoms", "big.vasp", lambda: poscar("99 0 0\n0 99 0\n0 0 99", _grid(22), counts=str(22**3))
    yield "a thousand atoms", "big.vasp", lambda: poscar("30 0 0\n0 30 0\n0 0 30", _grid(10), counts="1000")
    yield (
        "OUTCAR: a thousand million atoms",
        "OUTCAR",
        lambda: outcar().replace("   1   1\n", "   1   999999999\n").encode(),
    )
    yield "OUTCAR: less than no atoms", "OUTCAR", lambda: outcar().replace("   1   1\n", "   3   -1\n").encode()
    yield "OUTCAR: thousands of steps", "OUTCAR", _outcar_of_many_steps
    yield "hundred megabytes", "big.cif", lambda: bytes(100 * 2**20)
    yield "hundred megabytes of text", "big.cif", lambda: b"data_x\n" * (100 * 2**20 // 7)


def _outcar_of_many_steps() -> bytes:
    head, step = outcar().split("\n--", 1)
    return (head + ("\n--" + step) * 1500).encode()


def _million() -> bytes:
    return b'1000000\nLattice="500 0 0 0 500 0 0 0 500"\n' + b"Si 1 2 3\n" * 1_000_000


def _grid(n: int) -> str:
    return "".join(f"{i / n:.5f} {j / n:.5f} {k / n:.5f}\n" for i in range(n) for j in range(n) for k in range(n))
