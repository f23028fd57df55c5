"""Searches for symmetry that are made once, and what follows from them, against spglib's own."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from sus2.kept import forget_all
from sus2.structures import symmetry
from sus2.structures.symmetry import dataset, dataset_within, right_handed, standard_cell, standing

SYMPREC_A = 1e-3
GROUPS = (1, 2, 5, 8, 12, 15, 20, 22, 23, 36, 38, 44, 63, 69, 79, 88, 122, 141, 146, 152, 160, 166, 167, 173, 186, 194)
CUBIC = (198, 199, 212, 216, 220, 221, 224, 225, 227, 229)


def of_group(number: int) -> Atoms:
    """A crystal with atoms in general positions, or in special ones where those are too many."""
    lengths, angles = np.array([6.6, 8.5, 10.7]), [78.0, 97.0, 105.0]
    if number > 2:
        angles[0] = angles[2] = 90.0
    if number > 15:
        angles[1] = 90.0
    if number > 74:
        lengths[1] = lengths[0]
    if 142 < number < 195:
        angles[2] = 120.0
    if number > 194:
        lengths[:] = 10.2
    rng = np.random.default_rng(number)
    sites = [rng.random(3), rng.random(3)] if number < 195 else [[0, 0, 0], [0.25, 0.25, 0.25]]
    made = crystal(["Na", "Cl"], sites, spacegroup=number, cellpar=[*lengths, *angles], onduplicates="replace")
    return Atoms(made.numbers, positions=made.positions, cell=made.cell, pbc=True)


def primitive_of(atoms: Atoms) -> Atoms:
    """Some primitive cell, turned."""
    lattice, scaled, numbers = spglib.standardize_cell(
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers),
        to_primitive=True,
        no_idealize=True,
        symprec=SYMPREC_A,
    )
    out = Atoms(numbers=numbers, cell=lattice, scaled_positions=scaled, pbc=True)
    out.rotate(33.0, (1, 2, 3), rotate_cell=True)
    return out


@pytest.mark.parametrize("primitive", [True, False])
@pytest.mark.parametrize("idealise", [True, False])
@pytest.mark.parametrize("number", [*GROUPS, *CUBIC])
@pytest.mark.filterwarnings("ignore:scaled_positions")
def test_standard_cells_are_spglibs(number, primitive, idealise):
    for atoms in (of_group(number), primitive_of(of_group(number))):
        cell, _ = right_handed(atoms)
        lattice, scaled, numbers = standard_cell(cell, SYMPREC_A, primitive=primitive, idealise=idealise)
        known = spglib.standardize_cell(cell, to_primitive=primitive, no_idealize=not idealise, symprec=SYMPREC_A)
        np.testing.assert_allclose(lattice, known[0], atol=1e-9)
        np.testing.assert_allclose(scaled, known[1], atol=1e-9)
        np.testing.assert_array_equal(numbers, known[2])


@pytest.mark.parametrize("idealise", [True, False])
@pytest.mark.parametrize("number", [*GROUPS, *CUBIC])
@pytest.mark.filterwarnings("ignore:scaled_positions")
def test_the_symmetry_of_a_primitive_cell_follows_from_that_of_the_crystal(number, idealise):
    forget_all()
    atoms = primitive_of(of_group(number))
    lattice, scaled, numbers = standard_cell(right_handed(atoms)[0], SYMPREC_A, primitive=True, idealise=idealise)
    cell, _ = right_handed(Atoms(numbers=numbers, cell=lattice, scaled_positions=scaled, pbc=True))
    known = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_A)
    found = dataset(cell, SYMPREC_A)
    assert (found.number, found.international) == (known.number, known.international)
    assert len(found.rotations) == len(known.rotations)
    assert {r.tobytes() for r in found.rotations} == {
        r.tobytes() for r in known.rotations.astype(found.rotations.dtype)
    }
    places = cell[1]
    for r, t in zip(found.rotations, found.translations, strict=True):
        gap = (places @ r.T + t)[:, None] - places
        gap -= np.round(gap)
        assert np.linalg.norm(gap @ cell[0], axis=2).min(axis=1).max() < 2.0 * SYMPREC_A
    # The conventional cell and the places of the atoms in it.
    conventional = cell[0].T @ np.linalg.inv(found.transformation_matrix)
    np.testing.assert_allclose(found.std_rotation_matrix @ conventional, found.std_lattice.T, atol=1e-4)
    moved = places @ found.transformation_matrix.T + found.origin_shift
    gap = moved[:, None] - found.std_positions
    assert np.abs(gap - np.round(gap)).max(axis=2).min(axis=1).max() < 2e-4
    assert sorted(found.site_symmetry_symbols) == sorted(known.site_symmetry_symbols)
    for mine, theirs in ((found.equivalent_atoms, known.equivalent_atoms), (found.std_types, known.std_types)):
        assert sorted(np.unique(mine, return_counts=True)[1]) == sorted(np.unique(theirs, return_counts=True)[1])
    np.testing.assert_array_equal(found.mapping_to_primitive, known.mapping_to_primitive)


@pytest.mark.parametrize("idealise", [True, False])
def test_the_primitive_cell_of_a_supercell_has_all_rotations_of_the_crystal(idealise):
    forget_all()
    # Twice as long along one axis, the cell has 16 of the 48 rotations.
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    lattice, scaled, numbers = standard_cell(right_handed(atoms)[0], SYMPREC_A, primitive=True, idealise=idealise)
    cell, _ = right_handed(Atoms(numbers=numbers, cell=lattice, scaled_positions=scaled, pbc=True))
    assert len(dataset(right_handed(atoms)[0], SYMPREC_A).rotations) == 16 * 8
    assert len(dataset(cell, SYMPREC_A).rotations) == 48


def test_one_search_serves_a_crystal_and_its_standard_cells(monkeypatch):
    forget_all()
    searches = []
    real = spglib.get_symmetry_dataset
    monkeypatch.setattr(symmetry.spglib, "get_symmetry_dataset", lambda *a, **k: searches.append(a) or real(*a, **k))
    monkeypatch.setattr(symmetry.spglib, "standardize_cell", lambda *a, **k: pytest.fail("a second search"))
    for atoms in (bulk("NaCl", "rocksalt", a=5.6), bulk("GaAs", "zincblende", a=5.7), bulk("Si", a=5.4)):
        searches.clear()
        for idealise in (True, False):
            found = standard_cell(right_handed(atoms)[0], SYMPREC_A, primitive=True, idealise=idealise)
            lattice, scaled, numbers = found
            made = Atoms(numbers=numbers, cell=lattice, scaled_positions=scaled, pbc=True)
            dataset(right_handed(made)[0], SYMPREC_A)
            dataset(standing(made), SYMPREC_A)
        assert len(searches) == 1


def test_crystals_of_one_formula_have_their_own_answers():
    forget_all()
    cells = [
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("NaCl", "zincblende", a=5.6),
        bulk("NaCl", "cesiumchloride", a=3.4),
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("NaCl", "rocksalt", a=5.7),
    ]
    cells[3].cell[0] *= 1.02  # sheared
    cells[3].positions[1] += [0.0, 0.0, 0.02]
    for _ in range(2):
        for atoms in cells:
            cell, _order = right_handed(atoms)
            found = dataset(cell, SYMPREC_A)
            assert found.number == spglib.get_symmetry_dataset(cell, symprec=SYMPREC_A).number
    # A cell that changes is searched anew.
    moving = cells[0].copy()
    before = dataset(right_handed(moving)[0], SYMPREC_A)
    moving.set_cell(moving.cell.array * 1.01, scale_atoms=True)
    after = dataset(right_handed(moving)[0], SYMPREC_A)
    assert after.std_lattice[0, 0] == pytest.approx(1.01 * before.std_lattice[0, 0], rel=1e-9)
    moving.positions[1, 0] += 0.05
    assert dataset(right_handed(moving)[0], SYMPREC_A).number != before.number


@pytest.mark.parametrize("off", [0.0, 0.004, 0.05])
@pytest.mark.parametrize(
    "atoms",
    [
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("NaCl", "zincblende", a=5.6),
        bulk("Si", a=5.4),
        bulk("Mg", "hcp", a=3.2, c=5.2),
        bulk("GaN", "wurtzite", a=3.2, c=5.2),
        bulk("Na", "bcc", a=4.2, cubic=True),
        # Nearly a rocksalt lattice of half the size, nearly centred.
        Atoms("Na2", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[4.0, 4.0, 4.0], pbc=True),
    ],
    ids=str,
)
def test_a_larger_tolerance_finds_what_spglib_finds(atoms, off):
    forget_all()
    moved = atoms.copy()
    moved.positions[-1] += off * np.array([0.3, 0.5, 0.8])
    for cell in (atoms, moved):
        found = dataset_within(right_handed(cell)[0], 0.01)
        assert found.number == spglib.get_symmetry_dataset(right_handed(cell)[0], symprec=0.01).number


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("NaCl", "zincblende", a=5.6),
        bulk("Si", a=5.4),
        bulk("Na", "bcc", a=4.2, cubic=True),
        bulk("Mg", "hcp", a=3.2, c=5.2),
    ],
    ids=str,
)
@pytest.mark.parametrize("change", ["volume", "shape", "moved", "nearly symmetric"])
def test_a_crystal_at_another_volume_has_the_symmetry_that_spglib_finds(atoms, change):
    forget_all()
    before, after = atoms.copy(), atoms.copy()
    if change == "nearly symmetric":
        # Within the tolerance before, outside of it after.
        before.positions[-1, 0] += 0.0009
        after.positions[-1, 0] += 0.0009
        after.set_cell(after.cell.array * 1.3, scale_atoms=True)
    elif change == "moved":
        after.positions[-1, 0] += 0.01
    else:
        stretch = np.array([1.03, 1.03, 1.03 if change == "volume" else 1.01])
        after.set_cell(after.cell.array * stretch, scale_atoms=True)
    cells = [right_handed(a)[0] for a in (before, after)]
    dataset(cells[0], SYMPREC_A)
    symmetry.keep_for_scaled(*cells, SYMPREC_A)
    found, known = dataset(cells[1], SYMPREC_A), spglib.get_symmetry_dataset(cells[1], symprec=SYMPREC_A)
    assert found.number == known.number
    np.testing.assert_array_equal(found.rotations, known.rotations)
    np.testing.assert_allclose(found.translations, known.translations, atol=1e-6)
    np.testing.assert_allclose(found.std_lattice, known.std_lattice, atol=1e-6)
    np.testing.assert_allclose(found.std_positions, known.std_positions, atol=1e-6)


def test_the_key_of_a_crystal_is_that_of_its_standard_cells_and_of_no_other_crystal():
    forget_all()
    atoms = bulk("GaAs", "zincblende", a=5.7)
    atoms.rotate(20.0, (1, 1, 3), rotate_cell=True)
    atoms.positions -= 1e-12 * atoms.cell.array.sum(axis=0)  # on the boundary of the cell but for the last digits
    cells = [standard_cell(right_handed(atoms)[0], SYMPREC_A, primitive=True, idealise=i) for i in (True, False)]
    made = [Atoms(numbers=n, cell=c, scaled_positions=s, pbc=True) for c, s, n in cells]
    keys = {symmetry.crystal_key(a) for a in (atoms, *made)}
    assert len(keys) == 1
    others = [bulk("GaAs", "zincblende", a=5.7001), bulk("GaAs", "rocksalt", a=5.7), bulk("AsGa", "zincblende", a=5.7)]
    # Made ideal, a crystal that is not quite so is another one.
    distorted = atoms.copy()
    distorted.positions[0, 0] += 1e-4
    c, s, n = standard_cell(right_handed(distorted)[0], SYMPREC_A, primitive=True)
    others += [distorted, Atoms(numbers=n, cell=c, scaled_positions=s, pbc=True)]
    assert len(keys | {symmetry.crystal_key(a) for a in others}) == 1 + len(others)


@pytest.mark.parametrize("far", [1e15, 1e300, -1e300])
def test_atoms_far_outside_of_the_cell_are_put_into_it(far):
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.positions[0] = far * atoms.cell.array[0]
    for cell in (right_handed(atoms)[0], standing(atoms)):
        assert ((cell[1] >= 0.0) & (cell[1] < 1.0)).all()
        assert dataset(cell, SYMPREC_A) is not None
