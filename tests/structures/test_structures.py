"""Sample crystals, description, standard cells, and what is accepted as a crystal."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.formula import Formula
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures import (
    check_crystal,
    content_key,
    crystal_system,
    describe,
    elements_of,
    sample,
    samples,
    shortest_distance,
    standardise,
    to_atoms,
)
from sus2.structures.crystal import near_pairs
from sus2.structures.samples import KINDS, find_samples

KEYS = [s.key for s in samples()]


SPACE_GROUPS = {
    "diamond": 227,
    "zincblende": 216,
    "wurtzite": 186,
    "rocksalt": 225,
    "CsCl": 221,
    "fluorite": 225,
    "perovskite": 221,
    "rutile": 136,
    "quartz": 154,
    "fcc": 225,
    "bcc": 229,
    "hcp": 194,
    "antifluorite": 225,
    "anatase": 141,
    "corundum": 167,
    "spinel": 227,
    "Cu3Au": 221,
    "pyrite": 205,
    "graphite": 194,
    "h-BN": 194,
    "molybdenite": 194,
    "tetradymite": 166,
}


# Samples ------------------------------------------------------------------------------------------------------


def test_there_are_enough_samples_with_different_keys() -> None:
    assert len(KEYS) >= 40
    assert len(set(KEYS)) == len(KEYS)
    assert {s.kind for s in samples()} == set(KINDS)
    assert len({(s.formula, s.name) for s in samples()}) == len(KEYS)


def test_samples_are_found_by_formula_elements_and_names() -> None:
    def keys(text: str, kind: str = "") -> set[str]:
        return {s.key for s in find_samples(text, kind)}

    assert keys("TiO2") == keys("O2Ti") == {"tio2", "anatase"}
    assert keys("Ti O") == {"tio2", "anatase", "srtio3", "batio3"}
    assert keys("Ti", "Metals") == {"ti"}
    assert keys("perov") == keys("", "Perovskites") == {"srtio3", "batio3", "bazro3", "kmgf3"}
    assert keys("silicon") == {"si", "sic"}
    assert "ta" not in keys("alum")  # tantalum has it in the middle
    assert keys("o") == keys("Xe") == keys("(") == set()
    assert keys("") == set(KEYS)


def test_samples_are_what_they_are_called() -> None:
    for s in samples():
        atoms = s.atoms()
        assert elements_of(atoms) == s.elements, s.key
        counted = atoms.symbols.formula.reduce()[0].count()
        assert counted == Formula(s.formula).reduce()[0].count(), s.key


@pytest.mark.parametrize("key", KEYS)
def test_sample_is_the_crystal_it_says(key: str) -> None:
    s = sample(key)
    info = describe(s.atoms())
    assert info.space_group_number == SPACE_GROUPS[s.prototype]
    assert info.elements == s.elements
    assert s.atoms() is not s.atoms()


def test_unknown_sample() -> None:
    with pytest.raises(StructureError, match=r"no sample 'xx'.*srtio3"):
        sample("xx")


# Description ----------------------------------------------------------------------------------------------------


def test_description_of_silicon() -> None:
    info = describe(bulk("Si", a=5.431))
    assert (info.formula, info.formula_units, info.n_atoms) == ("Si", 2, 2)
    assert (info.space_group_symbol, info.space_group_number) == ("Fd-3m", 227)
    assert (info.point_group, info.crystal_system) == ("m-3m", "cubic")
    assert info.volume_a3 == pytest.approx(5.431**3 / 4)
    assert info.density_g_per_cm3 == pytest.approx(2.329, abs=1e-3)
    assert info.cell_angles_deg == pytest.approx((60, 60, 60))
    assert info.shortest_distance_a == pytest.approx(5.431 * 3**0.5 / 4)
    assert [(o.element, o.count) for o in info.orbits] == [("Si", 2)]
    assert info.orbits[0].wyckoff in "ab"


def test_wyckoff_letters_of_rutile() -> None:
    orbits = describe(sample("tio2").atoms()).orbits
    assert {(o.element, o.wyckoff, o.count) for o in orbits} == {("Ti", "a", 2), ("O", "f", 4)}


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "triclinic"), (2, "triclinic"), (3, "monoclinic"), (75, "tetragonal"), (143, "trigonal"), (230, "cubic")],
)
def test_crystal_system(number: int, name: str) -> None:
    assert crystal_system(number) == name


def test_crystal_system_needs_a_space_group() -> None:
    with pytest.raises(StructureError, match="231"):
        crystal_system(231)


@pytest.mark.parametrize("key", ["si", "srtio3", "quartz", "gan", "mg"])
def test_standard_cells(key: str) -> None:
    atoms = sample(key).atoms()
    supercell = atoms * (2, 1, 1)
    primitive, conventional = standardise(supercell), standardise(supercell, "conventional")
    assert len(primitive) <= len(conventional) <= len(supercell)
    for cell in (primitive, conventional):
        assert describe(cell).space_group_number == describe(atoms).space_group_number
        assert cell.cell.volume / len(cell) == pytest.approx(atoms.cell.volume / len(atoms))


def test_standardise_keeps_the_hand_of_quartz() -> None:
    atoms = sample("quartz").atoms()
    left = Atoms(
        atoms.numbers,
        scaled_positions=atoms.get_scaled_positions()[:, [1, 0, 2]],
        cell=np.asarray(atoms.cell)[[1, 0, 2]],
        pbc=True,
    )
    assert left.cell.volume > 0
    assert np.linalg.det(np.asarray(left.cell)) < 0
    assert describe(left).space_group_symbol == describe(atoms).space_group_symbol == "P3_221"
    mirrored = atoms.copy()
    mirrored.set_cell(-np.asarray(atoms.cell), scale_atoms=True)
    assert describe(mirrored).space_group_symbol == "P3_121"


@given(
    key=st.sampled_from(KEYS),
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: sum(x * x for x in v) > 0.01),
    angle=st.floats(0, 360),
    shift=st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_rotated_and_shifted_cells_keep_their_space_group(key, axis, angle, shift) -> None:
    atoms = sample(key).atoms()
    expected = describe(atoms)
    atoms.rotate(angle, axis, rotate_cell=True)
    atoms.translate(shift)
    got = describe(atoms)
    assert got.space_group_number == expected.space_group_number
    assert got.volume_a3 == pytest.approx(expected.volume_a3)
    assert got.shortest_distance_a == pytest.approx(expected.shortest_distance_a)


@pytest.mark.parametrize("seed", range(40))
def test_near_pairs_are_those_of_a_neighbour_list(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = 4.0 * np.eye(3) + rng.uniform(-1.8, 1.8, (3, 3))
    cell[0] *= (-1) ** seed  # half of them left-handed
    atoms = Atoms("Si12", cell=cell, pbc=True, scaled_positions=rng.uniform(-2.0, 2.0, (12, 3)))
    for some, reach in ((atoms, 0.5), (atoms, 0.8), (atoms, 3.0), (atoms[:1], 9.0), (atoms.repeat(2), 3.0)):
        i, j, d, shifts = near_pairs(some, reach)
        expected = neighbor_list("ijdS", some, reach)
        assert sorted(zip(i, j, d.round(9), map(tuple, shifts), strict=True)) == sorted(
            zip(expected[0], expected[1], expected[2].round(9), map(tuple, expected[3]), strict=True)
        )
        np.testing.assert_allclose(
            np.linalg.norm(some.positions[j] + shifts @ np.asarray(some.cell) - some.positions[i], axis=1), d, atol=1e-9
        )


def test_shortest_distance_of_atoms_far_apart() -> None:
    assert shortest_distance(Atoms("H", cell=[20, 20, 30], pbc=True)) == pytest.approx(20)
    assert shortest_distance(Atoms("H")) == float("inf")


def test_content_key_depends_on_content_alone() -> None:
    atoms = sample("mgo").atoms()
    assert content_key(atoms) == content_key(atoms.copy())
    moved = atoms.copy()
    moved.positions[0, 0] += 1e-4
    assert content_key(atoms) != content_key(moved)
    assert len(content_key(atoms)) == 40


# to_atoms and check_crystal -------------------------------------------------------------------------------------


def test_to_atoms_copies_and_drops_the_calculator() -> None:
    from ase.calculators.lj import LennardJones

    atoms = bulk("Cu")
    atoms.calc = LennardJones()
    copy = to_atoms(atoms)
    copy.positions += 1
    assert copy.calc is None
    assert np.all(atoms.positions == 0)


def test_to_atoms_takes_molecules_and_single_atoms() -> None:
    assert len(to_atoms(molecule("H2O"))) == 3
    assert len(to_atoms(Atoms("Si"))) == 1


def test_to_atoms_takes_pymatgen() -> None:
    structure = Structure(Lattice.cubic(4.2), ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    atoms = to_atoms(structure)
    assert atoms.get_chemical_symbols() == ["Mg", "O"]
    assert atoms.pbc.all()
    assert np.allclose(atoms.positions[1], 2.1)


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        (Atoms(), "no atoms"),
        (Atoms([0], cell=[3, 3, 3], pbc=True), "atomic number 0"),
        (Atoms("H", positions=[[float("nan"), 0, 0]]), "atom 1 is not a finite"),
        (Atoms("H", cell=[[float("inf"), 0, 0], [0, 3, 0], [0, 0, 3]], pbc=True), "cell has an entry"),
        (Atoms("H", cell=[3, 3, 0], pbc=True), "no volume"),
        (Atoms("H", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 3]], pbc=True), "no volume"),
        (Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]), "partially occupied"),
        (Structure(Lattice.cubic(4), ["X"], [[0, 0, 0]]), "no chemical element"),
        ("Si", "not a str"),
    ],
)
def test_to_atoms_refuses(atoms, text) -> None:
    with pytest.raises(StructureError, match=text):
        to_atoms(atoms)


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        (molecule("H2O"), "molecule without a cell"),
        (Atoms("H", cell=[3, 3, 3], pbc=[True, True, False]), "along 2 of 3"),
        (Atoms("H2", positions=[[0, 0, 0], [0.1, 0, 0]], cell=[3, 3, 3], pbc=True), "0.100 Å apart"),
        (Atoms("H", cell=[3, 3, 0.01], pbc=True), "flat"),
        (Atoms("H", cell=[3, 3, 1e5], pbc=True), "at most 500 Å"),
        (bulk("Cu", cubic=True) * (11, 11, 11), "5,324 atoms; at most 1,000"),
    ],
)
def test_check_crystal_refuses(atoms, text) -> None:
    with pytest.raises(StructureError, match=text):
        check_crystal(atoms)


def test_limit_of_atoms_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_MAX_ATOMS", "3")
    settings.cache_clear()
    try:
        with pytest.raises(StructureError, match="4 atoms; at most 3"):
            check_crystal(bulk("Cu", cubic=True))
    finally:
        settings.cache_clear()
