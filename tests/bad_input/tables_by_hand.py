"""Hostile CIF and JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from tests.bad_input.bases import structures
from tests.bad_input.texts import MARKUP, cif


def cif_files() -> Iterator[tuple[str, bytes]]:
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


def json_files() -> Iterator[tuple[str, bytes]]:
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
