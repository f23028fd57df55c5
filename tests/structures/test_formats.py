"""Structure files of other programs, small ones written here: the right crystal, or a sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

import sus2
from sus2.structures import OpenChoiceError, describe, read_structure, sample, write_structure
from tests.helpers_formats import CELL, CSCL, LATTICE


def pymatgen_cscl() -> Structure:
    return Structure(Lattice.cubic(3.3), ["Cs+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def is_cscl(atoms: Atoms) -> bool:
    info = describe(atoms)
    return (info.formula, info.n_atoms, info.space_group_number) == ("CsCl", 2, 221) and np.allclose(
        info.cell_lengths_a, 3.3, atol=1e-6
    )


@pytest.mark.parametrize("kind", CSCL)
def test_caesium_chloride_in_every_format(kind: str) -> None:
    assert is_cscl(read_structure(kind, CSCL[kind].encode()))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: [{"material_id": "mp-1", "structure": d}],
        lambda d: {"data": [{"structure": d}], "meta": {}},
        lambda d: {"output": {"structure": d}},
        lambda d: {"final_structure": d},
        lambda d: {**d, "lattice": {k: d["lattice"][k] for k in ("a", "b", "c", "alpha", "beta", "gamma")}},
    ],
)
def test_json_of_the_materials_project(wrap: Callable[[dict], object]) -> None:
    assert is_cscl(read_structure("x.json", json.dumps(wrap(pymatgen_cscl().as_dict())).encode()))


def test_json_of_optimade() -> None:
    attributes = {
        "lattice_vectors": (3.3 * np.eye(3)).tolist(),
        "cartesian_site_positions": [[0, 0, 0], [1.65] * 3],
        "species_at_sites": ["Cs", "Cl"],
    }
    assert is_cscl(read_structure("x", json.dumps({"data": [{"attributes": attributes}]}).encode()))


def test_lattices_of_espresso_have_the_right_volume() -> None:
    from sus2.structures.formats.espresso import bravais

    system = {"a": 4.0, "b": 5.0, "c": 6.0, "cosab": 0.1, "cosac": 0.2, "cosbc": 0.3}
    share = {2: 4, 3: 2, -3: 2, 7: 2, 9: 2, -9: 2, 91: 2, 10: 4, 11: 2, 13: 2, -13: 2}
    box = {1: 64.0, 2: 64.0, 3: 64.0, -3: 64.0, 4: 96 * 0.75**0.5, 6: 96.0, 7: 96.0}
    for index in (1, 2, 3, -3, 4, 6, 7, 8, 9, -9, 91, 10, 11):
        expected = box.get(index, 120.0) / share.get(index, 1)
        assert np.linalg.det(bravais(index, system)) == pytest.approx(expected)
    for index, sine in ((12, 0.99**0.5), (-12, 0.96**0.5), (13, 0.99**0.5), (-13, 0.96**0.5)):
        assert abs(np.linalg.det(bravais(index, system))) == pytest.approx(120 * sine / share.get(index, 1))
    for index in (5, -5):
        cell = bravais(index, {"a": 4.0, "cosab": 0.3})
        assert cell @ cell.T == pytest.approx(16 * (0.7 * np.eye(3) + 0.3))
    cell = bravais(14, system)
    assert np.linalg.norm(cell, axis=1) == pytest.approx([4, 5, 6])
    assert [cell[1] @ cell[2] / 30, cell[0] @ cell[2] / 24, cell[0] @ cell[1] / 20] == pytest.approx([0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CSCL["castep"].replace("positions_frac", "x"), "no block"),
        (CSCL["castep"].replace("ang", "parsec"), "no unit"),
        (CSCL["abinit"].replace("3*0.5", "999999999*0.5"), "cannot be read"),
        (CSCL["abinit"].replace("natom 2", "natom 999999999"), "atoms; at most"),
        (CSCL["espresso ibrav"].replace("ibrav=1", "ibrav=77"), "ibrav = 77"),
        (CSCL["espresso ibrav"].replace("{crystal}", "crystal_sg"), "space group"),
        (CSCL["shelx"].replace("LATT -1", "LATT 9"), "lattice"),
        (CSCL["cssr"].replace("2 0", "3 0"), "promises 3"),
        (CSCL["phonopy"].replace("0, 3.3, 0 ]", "0, 3.3 ]"), "cannot be read"),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><modeling></modeling>', "entities"),
        ("<modeling><generator/>", "vasprun"),
        (f"x\n1 2\n{CELL}Cs\n1\nDirect\n0 0 0\n", "one scale or three"),
        (f"x\n1 -1 1\n{CELL}Cs\n1\nDirect\n0 0 0\n", "positive"),
        (f'2\n{LATTICE} pbc="F F F"\nCs 0 0 0\nCl 1.65 1.65 1.65\n', "has a cell but says pbc F F F"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(sus2.StructureError, match=words) as caught:
        sus2.read_structure("x", text.encode())
    assert str(caught.value).endswith(".")


def test_masses_of_isotopes_are_kept() -> None:
    xyz = f"2\n{LATTICE} Properties=species:S:1:pos:R:3:masses:R:1\nLi 0 0 0 6.94\nH 1.65 1.65 1.65 2.014\n"
    for text in (xyz, CSCL["numeric comment"].replace("Cs Cl", "Li D"), CSCL["castep"].replace("Cl", "D")):
        atoms = read_structure("x", text.encode())
        assert atoms.get_masses()[1] == pytest.approx(2.014, abs=1e-3)
        assert any("hydrogen of mass 2.014" in n for n in atoms.info["notices"])
        for fmt in ("cif", "cif-symmetric", "extxyz"):
            assert read_structure("y", write_structure(atoms, fmt).encode()).get_masses()[1] == pytest.approx(
                2.014, abs=1e-3
            )


@pytest.mark.parametrize("fmt", ["cif", "cif-symmetric", "poscar", "extxyz"])
@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
@pytest.mark.parametrize("key", ["si", "quartz", "srtio3", "zno", "mg"])
def test_others_read_what_is_written(key: str, fmt: str) -> None:
    atoms = sample(key).atoms()
    text = write_structure(atoms, fmt)
    ours = describe(read_structure("x", text.encode()))
    assert ours.space_group_number == describe(atoms).space_group_number
    names = {"poscar": "vasp", "extxyz": "extxyz"}
    found = [read(io.StringIO(text), format=names.get(fmt, "cif"))]
    if fmt.startswith("cif"):
        import gemmi

        (structure,) = CifParser.from_str(text).parse_structures(primitive=False)
        found.append(structure.to_ase_atoms())
        small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
        cell = [getattr(small.cell, n) for n in ("a", "b", "c", "alpha", "beta", "gamma")]
        sites = small.get_all_unit_cell_sites()
        places = [s.fract.tolist() for s in sites]
        found.append(Atoms([s.element.name for s in sites], scaled_positions=places, cell=cell, pbc=True))
    for other in found:
        theirs = describe(Atoms(other.numbers, positions=other.positions, cell=other.cell, pbc=True))
        assert (theirs.formula, theirs.n_atoms, theirs.space_group_number) == (
            ours.formula,
            ours.n_atoms,
            ours.space_group_number,
        )
        assert theirs.volume_a3 == pytest.approx(ours.volume_a3, rel=1e-6)
        assert theirs.shortest_distance_a == pytest.approx(ours.shortest_distance_a, rel=1e-5)


def test_programs_write_what_is_read() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    for fmt in ("vasp-xdatcar", "espresso-in", "abinit-in"):
        out = io.StringIO()
        options = {"pseudopotentials": {"Na": "a", "Cl": "b"}} if fmt == "espresso-in" else {}
        try:
            write(out, atoms, format=fmt, **options)
        except (TypeError, ImportError, KeyError):
            # ASE needs a real file, or a program's keywords, for some formats.
            continue
        assert describe(read_structure(fmt, out.getvalue().encode())).space_group_number == 225, fmt


CU_AU = (
    "data_a\n_cell_length_a 3.8\n_cell_length_b 3.8\n_cell_length_c 3.8\n_symmetry_space_group_name_H-M 'F m -3 m'\n"
    "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\n"
    "Cu1 0 0 0 0.5\nAu1 0 0 0 0.5\n"
)


def test_disorder_is_named_and_an_ordered_crystal_offered() -> None:
    with pytest.raises(OpenChoiceError, match=r"Cu 0.5, Au 0.5.*order=True") as caught:
        read_structure("x", CU_AU.encode())
    (choice,) = caught.value.choices
    atoms = read_structure("x", CU_AU.encode(), **{choice.argument: choice.value})
    # Equal atoms as far apart as they can be: L1_0.
    assert (describe(atoms).formula, describe(atoms).space_group_number) == ("CuAu", 123)
    assert "whole atoms" in atoms.info["notices"][0]


def test_a_shared_site_of_vacancies_makes_a_supercell() -> None:
    text = CU_AU.replace("Au1 0 0 0 0.5\n", "Cl1 0.5 0.5 0.5 1\n").replace("0.5\nCl1", "0.75\nCl1")
    atoms = read_structure("x", text.encode(), order=True)
    counts = {s: list(atoms.symbols).count(s) for s in ("Cu", "Cl")}
    assert counts["Cu"] * 4 == counts["Cl"] * 3
