from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from sus2.errors import StructureError
from sus2.structures import describe, sample, samples, shortest_distance, standardise
from sus2.structures.edits import (
    strain,
    substitute_element,
    substitute_site,
    supercell,
    symmetrise,
    symmetry_by_tolerance,
    vacancy,
)

SILICON = bulk("Si", "diamond", 5.43)
SALT = bulk("NaCl", "rocksalt", 5.64, cubic=True)


def unchanged(before: Atoms, after: Atoms) -> bool:
    return bool(
        np.array_equal(before.positions, after.positions)
        and np.array_equal(before.cell.array, after.cell.array)
        and np.array_equal(before.numbers, after.numbers)
    )


def test_supercell_of_three_numbers_is_that_of_ase() -> None:
    block = supercell(SALT, (1, 2, 3))
    assert unchanged(SALT.repeat((1, 2, 3)), block)
    assert describe(block).density_g_per_cm3 == pytest.approx(describe(SALT).density_g_per_cm3)


def test_supercell_by_a_matrix_is_the_conventional_cell() -> None:
    conventional = supercell(SILICON, [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    assert len(conventional) == 8
    assert np.allclose(conventional.cell.cellpar(), [5.43] * 3 + [90] * 3)
    assert describe(conventional).space_group_number == 227
    assert shortest_distance(conventional) == pytest.approx(shortest_distance(SILICON))


@given(st.lists(st.integers(-2, 2), min_size=9, max_size=9))
def test_any_matrix_gives_the_same_crystal_or_a_sentence(entries: list[int]) -> None:
    matrix = np.array(entries).reshape(3, 3)
    size = abs(round(np.linalg.det(matrix)))
    if size == 0:
        with pytest.raises(StructureError, match="lie in one plane"):
            supercell(SILICON, matrix)
        return
    block = supercell(SILICON, matrix)
    assert len(block) == 2 * size
    assert np.allclose(block.cell.array, matrix @ SILICON.cell.array)
    assert shortest_distance(block) == pytest.approx(shortest_distance(SILICON))
    assert len(standardise(block, "primitive")) == 2


@pytest.mark.parametrize(
    ("repeats", "words"),
    [
        ((1, 2), "three whole numbers"),
        ((1, 2, 2.5), "2.5 is none"),
        ((0, 1, 1), "at least 1"),
        ((1, 1, float("nan")), "finite"),
        (("a", 1, 1), "three whole numbers"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], "one plane"),
        ((60, 1, 1), "at most 50"),
        ((10, 10, 10), "2,000 atoms; at most 1,000"),
    ],
)
def test_supercells_that_are_none(repeats: object, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        supercell(SILICON, repeats)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_strain_is_that_of_the_metric(percent: list[float]) -> None:
    strained = strain(SALT, percent)
    deformation = np.linalg.solve(SALT.cell.array, strained.cell.array)
    exx, eyy, ezz, gyz, gxz, gxy = np.array(percent) / 100
    assert np.allclose(np.diag(deformation) - 1, [exx, eyy, ezz])
    assert np.allclose(deformation, deformation.T, atol=1e-12)
    assert np.allclose([2 * deformation[1, 2], 2 * deformation[0, 2], 2 * deformation[0, 1]], [gyz, gxz, gxy])
    assert np.allclose(strained.get_scaled_positions(wrap=False), SALT.get_scaled_positions(wrap=False), atol=1e-12)
    assert unchanged(SALT, bulk("NaCl", "rocksalt", 5.64, cubic=True))


def test_strain_lowers_the_symmetry_as_it_must() -> None:
    groups = {
        (1, 1, 1, 0, 0, 0): "cubic",
        (0, 0, 1, 0, 0, 0): "tetragonal",
        (0, 1, 2, 0, 0, 0): "orthorhombic",
        (0, 0, 0, 1, 1, 1): "trigonal",
        (1, 0, 0, 0, 1, 0): "monoclinic",
        (1, 0, 2, 3, 1, 0.5): "triclinic",
    }
    assert {p: describe(strain(SALT, p)).crystal_system for p in groups} == groups


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        ((1, 2, 3), "six numbers, .*, not 3"),
        ((0, 0, 80, 0, 0, 0), "80 % along zz is too large"),
        ((-50, -50, -50, -50, -50, -50), "flatten the cell"),
        ((0, 0, np.inf, 0, 0, 0), "finite"),
        ("abc", "six numbers"),
    ],
)
def test_strains_that_are_refused(percent: object, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        strain(SALT, percent)


def test_substitution() -> None:
    assert describe(substitute_element(SALT, "Na", "K")).formula == "KCl"
    assert describe(substitute_element(SALT, "Na", "K")).space_group_number == 225
    one = substitute_site(SALT, 3, "Br")
    assert one.symbols[3] == "Br"
    assert [k for k in range(8) if one.numbers[k] != SALT.numbers[k]] == [3]
    assert describe(SALT).formula == "NaCl"


def test_vacancy() -> None:
    left = vacancy(SALT, 2)
    assert len(left) == 7
    assert np.array_equal(left.positions, np.delete(SALT.positions, 2, axis=0))
    assert describe(left).space_group_number == 221


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda: substitute_element(SALT, "Si", "Ge"), "no 'Si'; its elements are Na, Cl"),
        (lambda: substitute_element(SALT, "Na", "Qq"), "'Qq' is no chemical element"),
        (lambda: substitute_site(SALT, 8, "K"), "no site 8; the cell has sites 0 to 7"),
        (lambda: substitute_site(SALT, -1, "K"), "no site -1"),
        (lambda: substitute_site(SALT, 0, ""), "no chemical element"),
        (lambda: vacancy(SALT, 99), "no site 99"),
        (lambda: vacancy(bulk("Cu"), 0), "nothing is left"),
        (lambda: vacancy(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]]), 0), "molecule"),
        (lambda: symmetrise(SALT, 0.0), "out of range"),
        (lambda: symmetrise(SALT, float("nan")), "out of range"),
        (lambda: symmetry_by_tolerance(SALT, [2.0]), "out of range"),
    ],
)
def test_edits_that_make_no_sense(edit, words: str) -> None:
    with pytest.raises(StructureError, match=words) as caught:
        edit()
    assert str(caught.value).endswith(".")


def rattled(atoms: Atoms, size: float) -> Atoms:
    out = atoms.copy()
    rng = np.random.default_rng(7)
    out.set_cell(out.cell.array @ (np.eye(3) + rng.normal(0, 0.2 * size, (3, 3))), scale_atoms=True)
    out.positions += rng.normal(0, size, out.positions.shape)
    return out


@pytest.mark.parametrize("key", [s.key for s in samples()])
def test_symmetrise_brings_back_the_space_group(key: str) -> None:
    ideal = sample(key).atoms()
    wrong = rattled(ideal.repeat((2, 1, 1)), 0.004)
    assert describe(wrong).space_group_number == 1
    mended = symmetrise(wrong, 0.1)
    assert describe(mended, symprec=1e-5).space_group_number == describe(ideal).space_group_number
    assert np.array_equal(mended.numbers, wrong.numbers)
    assert np.abs(mended.positions - wrong.positions).max() < 0.1
    assert np.abs(mended.cell.array - wrong.cell.array).max() < 0.1


def test_symmetrise_leaves_an_ideal_crystal_alone() -> None:
    assert np.allclose(symmetrise(SALT).positions, SALT.positions, atol=1e-9)


def test_nothing_to_symmetrise() -> None:
    with pytest.raises(StructureError, match="P1"):
        symmetrise(rattled(sample("quartz").atoms(), 0.02), 1e-3)


def test_symmetry_grows_with_the_tolerance() -> None:
    found = symmetry_by_tolerance(rattled(SALT, 0.002))
    assert found[0] == (1e-4, "P1", 1)
    assert found[-1][1:] == ("Fm-3m", 225)
