"""Files that were read wrongly, each of a kind, with what independent programs say."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import sus2
from sus2.structures import describe, read_structure

CASES = {
    "01_hm_p21c_short.cif": ("ZrO2", 12, 14),
    "03_hm_origin2.cif": ("Si", 8, 227),
    "05_hm_full_symbol.cif": ("NaCl", 8, 225),
    "07_origin2_with_number.cif": ("AlFe", 4, 59),
    "08_rhombohedral_axes.cif": ("CaCO3", 10, 167),
    "10b_hall_and_number.cif": ("CaTiO3", 20, 62),
    "11_tag_case_operations.cif": ("ZrO2", 12, 14),
    "13_label_OH.cif": ("MgO2", 3, 164),
    "15_symbol_NH3.cif": ("Cu(BrN3)2", 36, 225),
    "16_hydrogen_not_listed.cif": ("MgO2", 3, 164),
    "17_three_digits.cif": ("MoS2", 6, 194),
    "19_equivalents_listed.cif": ("NaCl", 8, 225),
    "21_occupancy_dot.cif": ("MgO", 8, 225),
    "23_cartesian_only.cif": ("CsCl", 2, 221),
    "24b_one_atom_no_loop.cif": ("Po", 1, 221),
    "25_numeric_comment.vasp": ("CsCl", 2, 221),
    "26b_bracket_before_data.cif": ("NaCl", 8, 225),
    "28_vasp4_trailing_symbols.vasp": ("CsCl", 2, 221),
    "30_fractional_mode.vasp": ("CsCl", 2, 221),
    "33_formula_units_KO.vasp": ("KO", 2, 225),
    "35_deuterium.cif": ("LiH", 8, 225),
    "38_operations_in_tables.cif": ("CsCl", 2, 221),
}
SAID = {
    "13_label_OH.cif": "2 of 2 H in the cell have no coordinates",
    "15_symbol_NH3.cif": "72 of 72 H in the cell have no coordinates",
    "16_hydrogen_not_listed.cif": "2 of 2 H in the cell have no coordinates",
    "35_deuterium.cif": "mass 2.014",
}
REFUSED = {
    "31_pbc_false.xyz": "has a cell but says pbc F F F",
    "40_first_block_skipped.cif": r"2 crystals, 'one' \(Mg-O\), 'two' \(Na-Cl\)",
}


@pytest.fixture
def folder() -> Path:
    place = Path(os.environ.get("SUS2_SHARED", ""), "cases", "structures")
    if not os.environ.get("SUS2_SHARED") or not place.is_dir():
        pytest.skip("SUS2_SHARED names no folder with the cases")
    return place


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, folder: Path) -> None:
    atoms = sus2.read_structure(name, (folder / name).read_bytes())
    info = describe(atoms)
    assert (info.formula, info.n_atoms, info.space_group_number) == CASES[name]
    if name in SAID:
        assert any(SAID[name] in notice for notice in atoms.info["notices"])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_case(name: str, folder: Path) -> None:
    with pytest.raises(sus2.StructureError, match=REFUSED[name]):
        sus2.read_structure(name, (folder / name).read_bytes())


# Kinds, with files of our own ----------------------------------------------------------------------------------------


def cif(
    sites: str, head: str = "", a: float = 4.0, angle: float = 90.0, columns: str = "fract_x fract_y fract_z"
) -> bytes:
    tags = "".join(f"_atom_site_{c}\n" for c in f"label {columns}".split())
    lengths = "".join(f"_cell_length_{x} {a}\n" for x in "abc")
    angles = "".join(f"_cell_angle_{x} {angle}\n" for x in ("alpha", "beta", "gamma"))
    return f"data_x\n{lengths}{angles}{head}\nloop_\n{tags}{sites}\n".encode()


@pytest.mark.parametrize(
    ("label", "formula", "symbol"),
    [
        ("HO1", "H O", "H"),
        ("HO1", "Ho O", "Ho"),
        ("Ho1", "", "Ho"),
        ("OH1", "", "O"),
        ("Ow", "", "O"),
        ("Wat", "", "O"),
        ("Ca2+", "", "Ca"),
        ("CA1", "", "Ca"),
        ("CA1", "C H", "C"),
        ("D1", "", "H"),
        ("Fe(1)", "", "Fe"),
        ("C1A", "", "C"),
        ("NH4", "N H4", "N"),
        ("si1", "", "Si"),
        ("Nb2_1", "", "Nb"),
        ("CL1", "", "Cl"),
        ("Hw1", "", "H"),
    ],
)
def test_labels(label: str, formula: str, symbol: str) -> None:
    head = f"_chemical_formula_sum '{formula}'" if formula else ""
    others = {"Ho O": "O1 .5 .5 .5", "H O": "O1 .5 .5 .5", "C H": "H1 .5 .5 .5"}.get(formula, "")
    atoms = read_structure("x", cif(f"{label} 0 0 0\n{others}", head))
    assert atoms.symbols[0] == symbol


@pytest.mark.parametrize("label", ["Xx1", "M1", "Vac", "Q", "T1", "HO1", "HF2", "Me", "A", "12", "Wxyz"])
def test_labels_that_name_no_element_are_quoted(label: str) -> None:
    with pytest.raises(sus2.StructureError, match=label):
        read_structure("x", cif(f"{label} 0 0 0"))


def test_a_label_with_two_readings_is_said() -> None:
    atoms = read_structure("x", cif("HO1 0 0 0\nO1 0.25 0 0"))
    assert atoms.symbols[0] == "H"
    assert any("'HO1' was read as H" in n for n in atoms.info["notices"])


def test_the_formula_chooses_between_two_origins() -> None:
    site = "Si1 0 0 0"
    name = "_symmetry_space_group_name_H-M 'F d -3 m'\n"
    with pytest.raises(sus2.StructureError, match="F d -3 m :1"):
        read_structure("x", cif(site, name, 5.43))
    stated = name + "_chemical_formula_sum Si\n_cell_formula_units_Z "
    assert len(read_structure("x", cif(site, stated + "8", 5.43))) == 8
    assert len(read_structure("x", cif(site, stated + "16", 5.43))) == 16
    assert len(read_structure("x", cif(site, name, 5.43), setting="F d -3 m :1")) == 8
    with_multiplicity = cif(site + " 8", name, 5.43, columns="fract_x fract_y fract_z site_symmetry_multiplicity")
    assert len(read_structure("x", with_multiplicity)) == 8


def test_a_primitive_cell_named_by_its_group_is_recognised() -> None:
    data = cif("Na1 0 0 0\nCl1 .5 .5 .5", "_space_group_name_H-M_alt 'F m -3 m'", 3.99, 60.0)
    atoms = read_structure("x", data)
    assert (len(atoms), describe(atoms).space_group_number) == (2, 225)
    assert "taken as they are" in atoms.info["notices"][0]


def test_a_setting_that_does_not_fit_is_no_primitive_cell() -> None:
    data = cif("Bi1 .234 .234 .234", "_space_group_name_H-M_alt 'R -3 m :H'", 4.746, 57.2)
    with pytest.raises(sus2.StructureError, match="R -3 m :R does"):
        read_structure("x", data)
    assert len(read_structure("x", data, setting="R -3 m :R")) == 2


def test_what_contradicts_itself_is_said_or_refused() -> None:
    both = "_symmetry_space_group_name_H-M 'P m -3 m'\n_symmetry_Int_Tables_number 225"
    assert "contradicts itself" in read_structure("x", cif("Po1 0 0 0", both)).info["notices"][0]
    with pytest.raises(sus2.StructureError, match="does not fit the cell"):
        read_structure("x", cif("Po1 0.1 0.2 0.3", "_symmetry_space_group_name_H-M 'P 63/m m c'"))
    with pytest.raises(sus2.StructureError, match="no Na is among"):
        read_structure("x", cif("Cl1 0 0 0", "_chemical_formula_sum 'Na Cl'"))
    said = read_structure("x", cif("Na1 0 0 0\nCl1 .5 .5 .5", "_chemical_formula_sum 'Na Cl2'")).info["notices"]
    assert any("its sites make NaCl" in n for n in said)
    with pytest.raises(sus2.StructureError, match="'P -9999' is not known"):
        read_structure("x", cif("Po1 0 0 0", "_symmetry_space_group_name_H-M 'P -9999'"))


def test_operations_without_their_centring_are_completed_by_the_formula() -> None:
    listed = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n"
    stated = "_symmetry_space_group_name_H-M 'F m -3 m'\n_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4\n"
    atoms = read_structure("x", cif("Na1 0 0 0\nCl1 .5 .5 .5", stated + listed, 5.64))
    assert len(atoms) == 8
    assert "does not give the content" in atoms.info["notices"][0]


@pytest.mark.parametrize("digits", [2, 3, 4, 5])
def test_rounded_special_positions(digits: int) -> None:
    third = f"{1 / 3:.{digits}f} {2 / 3:.{digits}f}"
    head = "_cell_length_a 3.16\n_cell_length_b 3.16\n_cell_length_c 12.294\n_cell_angle_gamma 120\n"
    tags = "loop_\n" + "".join(f"_atom_site_{t}\n" for t in ("label", "fract_x", "fract_y", "fract_z"))
    name = "_symmetry_space_group_name_H-M 'P 63/m m c'\n"
    atoms = read_structure("x", f"data_x\n{head}{name}{tags}Mo1 {third} .25\nS1 {third} .621\n".encode())
    assert (len(atoms), describe(atoms).space_group_number) == (6, 194)
    assert np.allclose(atoms.get_scaled_positions()[0, :2], [1 / 3, 2 / 3], atol=1e-9)


def test_equal_elements_share_a_site_and_equivalents_do_not() -> None:
    columns = "type_symbol fract_x fract_y fract_z occupancy"
    shared = cif("Fe1 Fe2+ 0 0 0 .33\nFe2 Fe3+ 0 0 0 .67", "_symmetry_space_group_name_H-M 'P m -3 m'", columns=columns)
    assert len(read_structure("x", shared)) == 1
    twice = "_symmetry_space_group_name_H-M 'F m -3 m'"
    with pytest.raises(sus2.StructureError, match=r"Fe 0.5"):
        read_structure("x", cif("Fe1 Fe 0 0 0 .5\nFe1 Fe 0 .5 .5 .5", twice, columns=columns))


def test_blocks_are_chosen_by_name() -> None:
    data = cif("Na1 0 0 0") + cif("Cl1 0 0 0").replace(b"data_x", b"data_y")
    with pytest.raises(sus2.StructureError, match="2 crystals") as caught:
        read_structure("x", data)
    (_, second) = caught.value.choices  # type: ignore[attr-defined]
    assert read_structure("x", data, block=second.value).get_chemical_formula() == "Cl"


def test_formula_units_without_exceptions() -> None:
    from ase import Atoms

    from sus2.structures import formula_units

    for formula, expected in (("K2O2", ("KO", 2)), ("N4", ("N", 4)), ("LaB6", ("LaB6", 1)), ("Ca2C2O6", ("CaCO3", 2))):
        found = formula_units(Atoms(formula))
        assert (found.formula, found.count) == expected
