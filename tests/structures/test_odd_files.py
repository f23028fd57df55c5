"""Files of kinds that are easily read as another crystal: the right one with a word, or a refusal."""

from __future__ import annotations

import pytest

import sus2
from sus2.structures import describe, read_structure

CELL = "".join(f"_cell_length_{k} 4.0\n" for k in "abc") + "_symmetry_space_group_name_H-M '{group}'\n"
LOOP = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
LATTICE = 'Lattice="3.3 0 0 0 3.3 0 0 0 3.3"'
POSCAR = "x\n1\n3.3 0 0\n0 3.3 0\n0 0 3.3\nCs Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n"
ESPRESSO = (
    "&control\n/\n&system\n ibrav=1, celldm(1)=6.236, nat=2, ntyp=2, ecutwfc=20\n/\n&electrons\n/\nATOMIC_SPECIES\n"
    "{label} {mass} x.upf\nCl 35.4 Cl.upf\nATOMIC_POSITIONS {{crystal}}\n{label} 0 0 0\nCl 0.5 0.5 1/2\n"
    "K_POINTS gamma\n"
)
SHELX = (
    "TITL x\nCELL 0.71 4 4 4 90 90 90\nLATT -1\n{symm}SFAC Cs Cl\nUNIT 1 1\nFVAR 1.0\nCs1 1 0 0 0 11 0.02\n"
    "Cl1 2 .5 .5 .5 11 0.02\nHKLF 4\nEND\n"
)


def cif(first: str, group: str = "P m -3 m", rest: str = "") -> str:
    return "data_x\n" + CELL.format(group=group) + LOOP + f"{first} 0 0 0\nCl1 0.5 0.5 0.5\n{rest}"


@pytest.mark.parametrize("label", ["Fe,Mg", "Al/Si1", "Ca;Na1", "Mg&Fe"])
def test_a_label_of_two_elements_is_neither(label: str) -> None:
    with pytest.raises(sus2.StructureError, match="more than one element"):
        read_structure("x", cif(label).encode())


@pytest.mark.parametrize("label", ["H2O1", "H2O", "D2O", "HOH1", "Wat1", "OH"])
def test_water_is_no_hydrogen(label: str) -> None:
    atoms = read_structure("x", cif(label).encode())
    assert describe(atoms).formula == "ClO"
    assert any("without its hydrogen" in n for n in atoms.info["notices"])


def test_a_hydrogen_is_named_after_its_oxygen() -> None:
    atoms = read_structure("x", cif("O1", "P 1", "H2O1 0.2 0.1 0.1\n").encode())
    assert sorted(atoms.get_chemical_symbols()) == ["Cl", "H", "O"]


@pytest.mark.parametrize(
    ("label", "mass", "symbol"),
    [
        ("HO", 1.008, "H"),
        ("Ho", 164.9, "Ho"),
        ("CO", 12.011, "C"),
        ("Co", 58.93, "Co"),
        ("CO", 58.93, "Co"),
        ("Cs_1", 132.9, "Cs"),
        ("NI", 1.0, "Ni"),
    ],
)
def test_the_mass_decides_what_a_label_of_espresso_means(label: str, mass: float, symbol: str) -> None:
    text = ESPRESSO.format(label=label, mass=mass)
    assert read_structure("x", text.encode()).get_chemical_symbols()[0] == symbol


def test_numbers_of_kinds_are_no_elements() -> None:
    rows = "1 0 0 0\n2 1.65 1.65 1.65\n"
    with pytest.raises(sus2.StructureError, match="do not say the elements"):
        read_structure("x", f"2\n{LATTICE} Properties=type:I:1:pos:R:3\n{rows}".encode())
    atoms = read_structure("x", f"2\n{LATTICE}\n{rows}".encode())
    assert any("atomic numbers: H, He" in n for n in atoms.info["notices"])


def test_rows_behind_the_last_atom_are_said() -> None:
    atoms = read_structure("x", (POSCAR + ".25 .25 .25\n").encode())
    assert any("promise 2 atoms" in n for n in atoms.info["notices"])
    velocities = "\n0 0 0\n0 0 0\n"
    assert read_structure("x", (POSCAR + velocities).encode()).info["notices"] == []


def test_operations_of_shelx_must_be_a_group() -> None:
    assert describe(read_structure("x", SHELX.format(symm="SYMM -x,-y,z\n").encode())).formula == "CsCl"
    with pytest.raises(sus2.StructureError, match="not a group"):
        read_structure("x", SHELX.format(symm="SYMM -y,x,z\n").encode())


def test_atoms_that_already_have_the_named_group_are_not_doubled() -> None:
    head = "data_x\n_cell_length_a 4.583\n_cell_length_b 4.583\n_cell_length_c 4.936\n"
    rows = "In1 0 0 0\nIn2 0.5 0.5 0\nIn3 0.5 0 0.5\nIn4 0 0.5 0.5\n"
    atoms = read_structure("x", f"{head}_symmetry_space_group_name_H-M 'I 4/m m m'\n{LOOP}{rows}".encode())
    assert (describe(atoms).n_atoms, describe(atoms).space_group_number) == (4, 139)
    assert any("as they are listed" in n for n in atoms.info["notices"])
    primitive = read_structure("x", f"{head}_symmetry_space_group_name_H-M 'I 4/m m m'\n{LOOP}In1 0 0 0\n".encode())
    assert describe(primitive).n_atoms == 2
    assert primitive.info["notices"] == []
