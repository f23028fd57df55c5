"""Hostile POSCAR and extended XYZ files."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bad_input.texts import poscar, xyz


def cells() -> Iterator[tuple[str, bytes]]:
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


def extended_xyz() -> Iterator[tuple[str, bytes]]:
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
