"""Reading and writing files: round trips, dialects, and one sentence for each bad file."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sus2.errors import StructureError
from sus2.structures import (
    check_crystal,
    describe,
    read_structure,
    sample,
    samples,
    to_atoms,
    write_structure,
)

KEYS = [s.key for s in samples()]


def same_crystal(a: Atoms, b: Atoms, tolerance: float = 1e-6) -> bool:
    """Equal up to rotation, order of atoms and lattice translations of single atoms."""
    if sorted(a.numbers) != sorted(b.numbers):
        return False
    if not np.allclose(a.cell.cellpar(), b.cell.cellpar(), atol=tolerance):
        return False
    distances = [np.sort(x.get_all_distances(mic=True).ravel()) for x in (a, b)]
    return bool(np.allclose(*distances, atol=10 * tolerance))


def message(data: str | bytes, name: str = "upload.dat") -> str:
    with pytest.raises(StructureError) as caught:
        read_structure(name, data.encode() if isinstance(data, str) else data)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    assert text.endswith(".")
    return text


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ["cif", "poscar", "extxyz"])
@pytest.mark.parametrize("key", KEYS)
def test_round_trip_of_samples(key: str, fmt: str) -> None:
    atoms = sample(key).atoms()
    assert same_crystal(atoms, read_structure("x", write_structure(atoms, fmt).encode()))


def test_unknown_format_to_write() -> None:
    with pytest.raises(StructureError, match="no format 'pdb'"):
        write_structure(bulk("Cu"), "pdb")


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    lengths = [draw(st.floats(4.0, 9.0)) for _ in range(3)]
    angles = [draw(st.floats(65, 115)) for _ in range(3)]
    n = draw(st.integers(1, 4))
    corners = draw(st.permutations([(x, y, z) for x in (0.1, 0.6) for y in (0.1, 0.6) for z in (0.1, 0.6)]))
    small = st.floats(-0.05, 0.05)
    places = [[c + draw(small) for c in corner] for corner in corners[:n]]
    symbols = [draw(st.sampled_from(["H", "Li", "Si", "O", "U"])) for _ in range(n)]
    return Atoms(symbols, scaled_positions=places, cell=[*lengths, *angles], pbc=True)


@given(atoms=crystals(), fmt=st.sampled_from(["cif", "poscar", "extxyz"]))
def test_round_trip_of_any_crystal(atoms: Atoms, fmt: str) -> None:
    assert same_crystal(atoms, read_structure("x", write_structure(atoms, fmt).encode()))


def test_symmetric_cif() -> None:
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0, 0]])
    text = str(CifWriter(structure, symprec=0.01))
    info = describe(read_structure("nacl.cif", text.encode()))
    assert (info.formula, info.n_atoms, info.space_group_number) == ("NaCl", 8, 225)


def test_the_name_does_not_matter() -> None:
    atoms = sample("gaas").atoms()
    got = read_structure("weird@1:.POSCAR.json", write_structure(atoms, "cif").encode())
    assert same_crystal(atoms, got)


def test_pymatgen_and_ase_json() -> None:
    from ase.io.jsonio import encode

    structure = Structure(Lattice.from_parameters(3, 4, 5, 80, 95, 100), ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.4]])
    atoms = to_atoms(structure)
    assert same_crystal(atoms, read_structure("a", structure.to_json().encode()))
    assert same_crystal(atoms, read_structure("a", json.dumps({"structure": structure.as_dict()}).encode()))
    assert same_crystal(atoms, read_structure("a", encode(atoms).encode()))
    arrays = {"numbers": [12, 8], "positions": atoms.positions.tolist(), "cell": atoms.cell.tolist(), "pbc": [1, 1, 1]}
    assert same_crystal(atoms, read_structure("a", json.dumps({"1": arrays, "ids": [1]}).encode()))


def test_ase_database_json(tmp_path) -> None:
    from ase.io import write

    atoms = sample("mgo").atoms()
    write(tmp_path / "a.json", atoms)
    assert same_crystal(atoms, read_structure("a", (tmp_path / "a.json").read_bytes()))


def test_poscar_forms() -> None:
    atoms = bulk("Si", a=5.43)
    cell = "0 2.715 2.715\n2.715 0 2.715\n2.715 2.715 0\n"
    for text in (
        "c\n1.0\n" + cell + "Si\n2\nDirect\n0 0 0\n0.25 0.25 0.25\n",
        "c\n1.0\n" + cell + "Si Si\n1 1\nSelective dynamics\ndirect\n0 0 0 T T F\n0.25 0.25 0.25 T T T\n",
        "c\n5.43\n0 .5 .5\n.5 0 .5\n.5 .5 0\nSi_pv\n2\nCartesian\n0 0 0\n.25 .25 .25\n\n0 0 0\n0 0 0\n",
        f"c\n-{5.43**3 / 4}\n0 1 1\n1 0 1\n1 1 0\nSi\n2\nDirect\n0 0 0\n0.25 0.25 0.25\n",
        "Si\n1.0\n" + cell + "2\nDirect\n0 0 0\n0.25 0.25 0.25\n",
        "c\r\n1.0\r\n" + cell.replace("\n", "\r\n") + "Si\r\n2\r\nDirect\r\n0 0 0\r\n0.25 0.25 0.25\r\n",
    ):
        assert same_crystal(atoms, read_structure("POSCAR", text.encode()))


def test_xyz_forms() -> None:
    lattice = 'Lattice="0 2.715 2.715 2.715 0 2.715 2.715 2.715 0"'
    for text in (
        f"2\n{lattice}\nSi 0 0 0\nSi 1.3575 1.3575 1.3575\n",
        f'2\n{lattice} Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"\n'
        "Si 0 0 0 0 0 0\nSi 1.3575 1.3575 1.3575 0 0 0\n",
        f"2\n{lattice} Properties=id:I:1:pos:R:3:species:S:1 pbc='T T T' comment=@x\n"
        "1 0 0 0 Si\n2 1.3575 1.3575 1.3575 Si\n",
        f"2\n{lattice.lower()}\n14 0 0 0\nSI 1.3575 1.3575 1.3575\n2\n{lattice}\nSi 0 0 0\nSi 1 1 1\n",
    ):
        assert same_crystal(bulk("Si", a=5.43), read_structure("a.xyz", text.encode()))


SI_POSCAR = "c\n1.0\n0 2.7 2.7\n2.7 0 2.7\n2.7 2.7 0\nSi\n2\nDirect\n0 0 0\n0.25 0.25 0.25\n"

XYZ_CELL = 'Lattice="4 0 0 0 4 0 0 0 4"'

CIF = write_structure(sample("mgo").atoms(), "cif")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", "is empty"),
        ("  \n \n", "is empty"),
        (b"\x80\x04\x95pickle", "not a text file"),
        (b"PK\x03\x04 zip", "not a text file"),
        (bytes(range(128, 256)) * 4, "not a text file"),
        ("hello\nworld\n", "no format that can be read"),
        ("import os\nos.system('true')\n", "no format that can be read"),
        ("3\nwater\nO 0 0 0\nH 0 0 1\nH 0 1 0\n", "molecule without a cell"),
        ("3\nwater\nO 0 0 0\nH 0 0 1\n", "promises 3 atoms but only 2"),
        ("0\n\n", "no atoms"),
        (f"1\n{XYZ_CELL}\nQq 0 0 0\n", "'Qq' is no chemical element"),
        (f"1\n{XYZ_CELL}\nSi 0 zero 0\n", "Line 3: 'zero' is no number"),
        (f"1\n{XYZ_CELL}\nSi 0 0\n", "Line 3 has too few columns"),
        (f"1\n{XYZ_CELL}\nSi 0 nan 0\n", "not a finite number"),
        ('1\nLattice="4 0 0 0 4 0 0 0"\nSi 0 0 0\n', "nine numbers"),
        ('1\nLattice="4 0 0 4 0 0 0 0 4"\nSi 0 0 0\n', "no volume"),
        (f'1\n{XYZ_CELL} pbc="T T F"\nSi 0 0 0\n', "periodic along 2 of 3"),
        (f'1\n{XYZ_CELL} pbc="T"\nSi 0 0 0\n', "pbc must hold three"),
        (f"1\n{XYZ_CELL} Properties=name:S:1\nSi 0 0 0\n", "no 'species' or no 'pos'"),
        (f"2\n{XYZ_CELL}\nSi 0 0 0\nSi 0 0 0.2\n", "overlap"),
        (SI_POSCAR.replace("Si\n", "Xy\n"), "'Xy' is no chemical element"),
        (SI_POSCAR.replace("Si\n", ""), "does not name its elements"),
        (SI_POSCAR.replace("2\nDirect", "9\nDirect"), "ends too early"),
        (SI_POSCAR.replace("2\nDirect", "999999999\nDirect"), "promise 999,999,999"),
        (SI_POSCAR.replace("2\nDirect", "0\nDirect"), "'0' is no number of atoms"),
        (SI_POSCAR.replace("Direct\n", ""), "Direct or Cartesian"),
        (SI_POSCAR.replace("0.25 0.25 0.25", "0.25 0.25"), "Line 10 has fewer than three"),
        (SI_POSCAR.replace("0.25 0.25 0.25", "inf 0.25 0.25"), "not a finite number"),
        (SI_POSCAR.replace("2.7 2.7 0", "0 0 0"), "no volume"),
        ("\n".join(SI_POSCAR.splitlines()[:6]), "ends too early"),
        (CIF.replace("data_", "x_"), "no line 'data_...'"),
        (CIF.replace("_cell_length_a", "_x"), "gives no cell"),
        (CIF[: CIF.index("_atom_site_type_symbol")], "cannot be read|no atoms"),
        (CIF.replace("Mg", "Qx"), "no chemical element|cannot be read|no atoms"),
        (CIF.replace(" 1.0\n", " 0.5\n"), "partially occupied"),
        ("data_x\n", "gives no cell"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("{}", "neither pymatgen"),
        ("[]", "neither pymatgen"),
        ('{"sites": 3}', "does not describe a structure"),
        ('{"sites": []}', "no atoms"),
        ('{"numbers": [14], "positions": [[0, 0]]}', "does not describe a structure"),
        ('{"numbers": [1.5], "positions": [[0, 0, 0]]}', "no atomic number"),
        ('{"numbers": [14], "positions": [[0, 0, 0]]}', "molecule without a cell"),
        (json.dumps(Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]).as_dict()), "partially"),
    ],
)
def test_one_sentence_for_each_bad_file(data, text) -> None:
    import re

    assert re.search(text, message(data)), message(data)


def test_large_files_and_cells_are_refused() -> None:
    assert "at most 5 MiB" in message(b"a" * (5 * 2**20 + 1))
    big = bulk("Cu", cubic=True) * (10, 11, 12)
    assert "5,280 atoms; at most 1,000" in message(write_structure(big, "poscar"))
    assert "5,280 atoms; at most 1,000" in message(write_structure(big, "extxyz"))
    assert "5,280 atoms; at most 1,000" in message(write_structure(big, "cif"))


def test_names_in_messages_are_short_and_plain() -> None:
    assert message("x", "../../etc/passwd").startswith("passwd is")
    assert message("x", "a\x1b[31m\u202eb" * 100).count("a") > 0
    assert len(message("x", "n" * 10_000)) < len(message("x", "n")) + 100


def test_class_names_in_json_are_ignored(tmp_path) -> None:
    d = Structure(Lattice.cubic(4), ["Si"], [[0, 0, 0]]).as_dict()
    marker = tmp_path / "made"
    d["@module"], d["@class"] = "pathlib", "Path"
    d["sites"][0]["properties"] = {"x": {"@module": "os", "@class": "system", "command": f"touch {marker}"}}
    assert len(read_structure("a.json", json.dumps(d).encode())) == 1
    assert not marker.exists()


@given(
    base=st.sampled_from([SI_POSCAR, CIF, write_structure(sample("quartz").atoms(), "extxyz")]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.text(max_size=6)), min_size=1, max_size=5),
)
def test_damaged_files_give_a_crystal_or_a_sentence(base, cuts) -> None:
    for at, length, insert in cuts:
        k = int(at * len(base))
        base = base[:k] + insert + base[k + length :]
    try:
        atoms = read_structure("damaged", base.encode("utf-8", "surrogatepass"))
    except StructureError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        check_crystal(atoms)


@given(data=st.binary(max_size=400))
def test_random_bytes_give_a_sentence(data: bytes) -> None:
    with pytest.raises(StructureError):
        read_structure("noise", data)
