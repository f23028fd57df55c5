"""Structure files written to do harm, and crystals at the edge of sense."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import numpy as np

from tests.bad_input.bases import MINIMAL_CIF, structures

Make = Callable[[], bytes]

MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<b>bold</b>",
    "**bold** _it_ `code`",
    "# title",
    "[link](javascript:alert(1))",
    "![p](http://example.invalid/p.png)",
    "$\\int_0^1 x\\,dx$",
    "~~s~~ :red[x] :smile:",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "{{7*7}}",
    "%s%n%x",
    "\u202egnp.exe",
    "'; DROP TABLE results; --",
    '=HYPERLINK("http://example.invalid")',
    "| a | b |",
    "<!--",
    "]]>",
    "\\u003cscript",
    ":material/error: x",
    "<iframe src='data:text/html,x'>",
    "$$x$$",
    "http://example.invalid",
)
"""Names that a browser, Markdown, LaTeX, a shell, SQL or a spreadsheet would take for more than text."""
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


def poscar(cell: str, rows: str = "0 0 0", names: str = "Si", counts: str = "1", mode: str = "Direct") -> bytes:
    return f"x\n1.0\n{cell}\n{names}\n{counts}\n{mode}\n{rows}\n".encode()


def xyz(rows: str, lattice: str = "5 0 0 0 5 0 0 0 5", extra: str = "") -> bytes:
    return f'{len(rows.splitlines())}\nLattice="{lattice}" {extra}\n{rows}\n'.encode()


def cif(changes: dict[str, str], tail: str = "") -> bytes:
    text = MINIMAL_CIF
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return (text + tail).encode()


def _cells() -> Iterator[tuple[str, bytes]]:
    cubic = "5 0 0\n0 5 0\n0 0 5"
    for name, cell in {
        "huge": "1e6 0 0\n0 1e6 0\n0 0 1e6",
        "long": "500 0 0\n0 500 0\n0 0 500",
        "endless": "1e308 0 0\n0 1e308 0\n0 0 1e308",
        "zero": "0 0 0\n0 0 0\n0 0 0",
        "flat": "5 0 0\n0 5 0\n5 5 0",
        "thin": "5 0 0\n0 5 0\n0 0 0.51",
        "needle": "400 0 0\n0 0.6 0\n0 0 0.6",
        "sheared": "5 0 0\n499 5 0\n0 499 5",
        "left-handed": "0 5 0\n5 0 0\n0 0 5",
        "negative": "-5 0 0\n0 -5 0\n0 0 -5",
        "tiny": "1e-300 0 0\n0 1e-300 0\n0 0 1e-300",
        "nan": "nan 0 0\n0 5 0\n0 0 5",
        "almost flat": "5 0 0\n0 5 0\n5 5 1e-9",
        "denormal": "5 0 0\n0 5 0\n0 1e-310 5",
    }.items():
        yield f"cell {name}", poscar(cell)
    for name, row in {
        "far": "1e300 0 0",
        "beyond": "1e19 0 0",
        "just far": "1e15 0.5 0",
        "nan": "nan 0 0",
        "inf": "inf 0 0",
        "minus zero": "-0 -0.0 -0e5",
        "integers": "9223372036854775808 0 0",
        "complex": "1j 0 0",
    }.items():
        yield f"position {name}", poscar(cubic, row)
        yield f"cartesian {name}", poscar(cubic, row, mode="Cartesian")
    yield "overlapping", poscar(cubic, "0 0 0\n0.01 0 0", counts="2")
    yield "the same place", poscar(cubic, "0 0 0\n" * 50, counts="50")
    yield "the same place through the cell", poscar(cubic, "0 0 0\n1 1 1", counts="2")
    for scale in ("0", "-0", "-1e-300", "-1e300", "1e200", "nan", "1 1", "1 1 1", "1 -1 1", "0 1 1", "", "x"):
        yield f"scale {scale}", f"x\n{scale}\n{cubic}\nSi\n1\nDirect\n0 0 0\n".encode()
    for counts in ("0", "-1", "1000000", "999999999999", "1 1", "1e3", "1.0", "٣", "²", "1_0", "1" * 5000):
        yield f"counts {counts[:20]}", poscar(cubic, counts=counts)
    for names in (
        "Si Si",
        "Xx",
        "D",
        "T",
        "Si4+",
        "Og",
        "Uuo",
        "X",
        "si",
        "SI",
        "Si_pv",
        "Si/abc",
        "<b>",
        "14",
        "0",
        "119",
    ):
        yield f"names {names}", poscar(cubic, names=names)
    yield "POSCAR of one line", b"x\n1.0\n5 0 0\n0 5 0\n0 0 5"
    yield "POSCAR with velocities", poscar(cubic) + b"\n0 0 0\n"


def _extended() -> Iterator[tuple[str, bytes]]:
    row = "Si 0 0 0"
    for pbc in ("T T F", "F F F", "T", "T T T T", "1 1 1", "x y z", "", "True False maybe"):
        yield f"pbc {pbc}", xyz(row, extra=f'pbc="{pbc}"')
    for fields in (
        "species:S:1:pos:R:3",
        "pos:R:3:species:S:1",
        "species:S:1",
        "pos:R:999999999999",
        "species:S:-1:pos:R:3",
        "species:S:1:pos:R:3:" * 500,
        "::::",
        "species:S:99999:pos:R:3",
        "species:S:1:pos:R",
        "pos:R:3:species",
    ):
        yield f"properties {fields[:30]}", xyz(row, extra=f"Properties={fields}")
    for lattice in ("", "1 2 3", "5 0 0 0 5 0 0 0 nan", "5 " * 9, "5,0,0,0,5,0,0,0,5", "x" * 9, "5 0 0 0 5 0 0 0 5 0"):
        yield f"lattice {lattice[:20]}", xyz(row, lattice)
    for count in ("0", "-1", "1000000", "9" * 30, "1.0", "١", "²", "1 "):
        yield f"count {count}", f'{count}\nLattice="5 0 0 0 5 0 0 0 5"\n{row}\n'.encode()
    yield "a comment of quotes", b"1\n" + b'"' * 50_000 + b"\nSi 0 0 0\n"
    yield "a comment of keys", b"1\n" + b"a=" * 50_000 + b"\nSi 0 0 0\n"
    yield "a comment of braces", b"1\n" + b"a={" * 50_000 + b"\nSi 0 0 0\n"
    yield "a comment of words", b"1\n" + b"a" * 500_000 + b"\nSi 0 0 0\n"
    yield "a comment of open quotes", b"1\n" + b"a='" * 50_000 + b"\nSi 0 0 0\n"
    for symbol in (
        "D",
        "T",
        "Si4+",
        "O2-",
        "X",
        "Xx",
        "0",
        "119",
        "14",
        "999",
        "Si1",
        "SI",
        "sI",
        "Ｓi",
        "S\u0130",
        "<b>",
    ):
        yield f"symbol {symbol}", xyz(f"{symbol} 0 0 0")
    yield "no rows", b'1\nLattice="5 0 0 0 5 0 0 0 5"'
    yield "numbers only", b"1\n2\n3\n"
    yield "a count alone", b"1"


def _cif() -> Iterator[tuple[str, bytes]]:
    for occupancy in ("0.5", "0", "-1", "nan", "1e308", "2", "?", ".", "1.0000001", "0.999"):
        yield f"occupancy {occupancy}", cif({"0 0 0 1\n": f"0 0 0 {occupancy}\n"})
    yield "two on a site", cif({"0 0 0 1\n": "0 0 0 0.5\nK1 K+ 0 0 0 0.5\n"})
    for symbol in (
        "D",
        "T",
        "D1-",
        "Na1+",
        "Na+",
        "Na9+",
        "Xx",
        "X",
        "Vac",
        "Wat",
        "?",
        ".",
        "Na2O",
        "14",
        "<b>Na</b>",
    ):
        yield f"symbol {symbol}", cif({"Na1 Na+": f"{symbol} {symbol}"})
    for label in ("Na1", "D1", "Na1A_2*", "1Na", "N a", "'Na 1'", "Na" + "1" * 3000, "$\\alpha$"):
        yield f"label {label[:20]}", cif({"Na1 Na+": f"{label} Na+"})
    for name in ("'F m -3 m'", "Fm-3m", "'x'", "'P 1'", "?", "'" + "F " * 3000 + "'", "'<script>'", "'P -9999'"):
        yield f"space group {name[:15]}", cif({}, f"_symmetry_space_group_name_H-M {name}\n")
    for n in ("225", "0", "231", "-5", "1e9", "nan", "?", "2.5", "9" * 300):
        yield f"number {n[:10]}", cif({}, f"_symmetry_Int_Tables_number {n}\n")
    for angle in ("0", "180", "1e-9", "360", "-90", "179.9999", "nan", "90(", "1e308", "?"):
        yield f"angle {angle}", cif({"alpha 90": f"alpha {angle}"})
    for length in ("0", "-5", "1e-9", "1e308", "nan", "?", ".", "5.64(99999999)", "(5)", "5..6", "'5'"):
        yield f"length {length}", cif({"5.64(2)": length})
    operations = (
        "x,y,z",
        "x+1/0,y,z",
        "x/0,y,z",
        "y,y,y",
        "2**99999999*x,y,z",
        "x,y",
        "x,y,z,w",
        "__import__('os'),y,z",
        "1e999,y,z",
        "x+(((((1,y,z",
        "lambda:0,y,z",
        "x,y,z+1/3+1/3+1/3+1/99999",
        "-x,-y,-z",
        "exec(1),y,z",
        "0,0,0",
        "X,Y,Z",
        "½x,y,z",
    )
    for operation in operations:
        tail = f"loop_\n_symmetry_equiv_pos_as_xyz\n'{operation}'\n'-x,-y,z'\n"
        yield f"operation {operation[:20]}", cif({}, tail)
    many = "".join(f"'x+{k}/7919,y+{k * k % 7919}/7919,z'\n" for k in range(4000))
    yield (
        "thousands of operations",
        cif({}, "loop_\n_symmetry_equiv_pos_as_xyz\n" + many),
    )
    atoms = "".join(f"Na{k} Na+ 0.{k:05d} 0.{k * 7 % 99991:05d} 0.{k * 13 % 99991:05d} 1\n" for k in range(1, 30_000))
    yield "atoms times operations", cif({"Na1 Na+ 0 0 0 1\n": atoms})
    yield "atoms on top of each other", cif({"Na1 Na+ 0 0 0 1\n": "Na1 Na+ 0 0 0 1\n" * 300})
    yield "many blocks", b"data_x\n" * 40_000 + cif({})
    yield "copies of the file", cif({}) * 300
    yield "an endless loop header", b"data_x\n_cell_length_a 5\nloop_\n" + b"_a\n" * 40_000
    yield "an open quote", cif({}, "_x 'never closed\n" + "a " * 100_000)
    yield "an open text field", cif({}, "_x\n;never closed\n" + "a\n" * 40_000)
    yield "quotes", cif({}, "_x " + "' " * 100_000)
    yield "semicolons", cif({}, ";\n" * 40_000)
    yield "underscores", cif({}, "_" * 1_000_000)
    yield "a loop that does not fit", cif({"_atom_site_occupancy\n": ""})
    yield "a cell in a loop", cif({"_cell_length_a 5.64(2)": "loop_\n_cell_length_a\n5.64\n5.65"})
    yield "magnetic", cif({}, "_space_group_magn.number_BNS 9999.1\n_space_group_magn.transform_BNS_Pp_abc 'a,b,c'\n")
    yield "modulated", cif({}, "_cell_modulation_dimension 1\nloop_\n_atom_site_moment.label\nNa1\n")
    for word in MARKUP[:12]:
        yield f"formula {word[:15]}", cif({"data_nacl": f"data_{word}"}, f"_chemical_formula_sum '{word}'\n")


def _json() -> Iterator[tuple[str, bytes]]:
    yield "deep list", b"[" * 100_000
    yield "deep closed list", b"[" * 50_000 + b"]" * 50_000
    yield "deep object", b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    yield "many keys", ("{" + ",".join(f'"{k}":{k}' for k in range(200_000)) + "}").encode()
    yield "a long number", b'{"numbers": [' + b"9" * 100_000 + b'], "positions": [[0,0,0]]}'
    for content in (
        [],
        {},
        [[]],
        [{}],
        "x",
        1,
        None,
        [None],
        {"sites": []},
        {"sites": None},
        {"sites": {}},
        {"sites": "abc"},
        {"structure": {"structure": {}}},
        {"crystal": {}},
        {"crystal": {"symbols": "Si", "cell_a": 5, "positions_a": 0}},
        {"crystal": {"symbols": [], "cell_a": np.eye(3).tolist(), "positions_a": []}},
        {"numbers": [14], "positions": [[0, 0, 0]], "cell": [[5, 0], [0, 5]]},
        {"numbers": 14, "positions": [0, 0, 0], "cell": 5},
        {"numbers": [1e300], "positions": [[0, 0, 0]]},
        {"numbers": [14.5], "positions": [[0, 0, 0]]},
        {"numbers": [-1], "positions": [[0, 0, 0]]},
        {"numbers": ["Si"], "positions": [[0, 0, 0]]},
        {"numbers": [True], "positions": [[0, 0, 0]], "cell": [5, 5, 5]},
        {"numbers": {"__ndarray__": [[10**12], "float64", [14]]}, "positions": {"__ndarray__": [[1, 3], "O", [0] * 3]}},
        {"numbers": {"__ndarray__": [[-1], "x", [14]]}, "positions": {"__ndarray__": [[3, -1], "x", [0] * 3]}},
        {"numbers": {"__ndarray__": "abc"}, "positions": {}},
        {"numbers": {"__complex_ndarray__": 1}, "positions": []},
        {"1": {"numbers": [14], "positions": [[0, 0, 0]], "cell": np.eye(3).tolist(), "pbc": [[True]]}},
        {"numbers": [14], "positions": [[0, 0, 0]], "cell": (5 * np.eye(3)).tolist(), "pbc": "TTT"},
        {"numbers": [14], "positions": [[0, 0, 0]], "cell": (5 * np.eye(3)).tolist(), "pbc": [float("nan")] * 3},
        {"@module": "os", "@class": "system", "@version": "1", "sites": [], "lattice": {}},
        {"__class__": "os.system", "sites": [{"species": [{"element": {"__reduce__": 1}}]}]},
        {"py/object": "os.system", "py/reduce": [{"py/type": "os.system"}, ["touch CANARY"]]},
    ):
        yield f"json {json.dumps(content)[:25]} {json.dumps(content)[-40:]}", json.dumps(content).encode()
    base = json.loads(structures()["pymatgen"][1])
    for name, change in {
        "occu 0.5": {"occu": 0.5},
        "occu nan": {"occu": float("nan")},
        "occu null": {"occu": None},
        "D": {"element": "D"},
        "Zn2+": {"element": "Zn2+", "oxidation_state": 2},
        "dummy": {"element": "X0+"},
        "list": {"element": ["Zn"]},
        "markup": {"element": MARKUP[0]},
        "huge": {"occu": 10**400},
        "true": {"element": True},
    }.items():
        site = base["sites"][0] | {"species": [base["sites"][0]["species"][0] | change]}
        yield f"site {name}", json.dumps(base | {"sites": [site, *base["sites"][1:]]}).encode()
    for name, value in {
        "null": None,
        "list": [],
        "nan": [[float("nan")] * 3] * 3,
        "text": "x",
        "ragged": [[1], [1, 2]],
    }.items():
        yield f"matrix {name}", json.dumps(base | {"lattice": {"matrix": value}}).encode()
    for pbc in ([True, True], [False] * 3, "no", None, [[True] * 3], {"a": 1}):
        yield f"pbc {pbc}", json.dumps(base | {"lattice": base["lattice"] | {"pbc": pbc}}).encode()
    yield "keys twice", structures()["ase json"][1].replace(b'"1": {', b'"1": {"numbers": [1], ', 1)


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
    groups = (_cells, _extended, _cif, _json, _bytes, pickles)
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
    yield "hundred megabytes", "big.cif", lambda: bytes(100 * 2**20)
    yield "hundred megabytes of text", "big.cif", lambda: b"data_x\n" * (100 * 2**20 // 7)


def _million() -> bytes:
    return b'1000000\nLattice="500 0 0 0 500 0 0 0 500"\n' + b"Si 1 2 3\n" * 1_000_000


def _grid(n: int) -> str:
    return "".join(f"{i / n:.5f} {j / n:.5f} {k / n:.5f}\n" for i in range(n) for j in range(n) for k in range(n))
