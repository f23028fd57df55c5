"""Training sets as arrays: checks of labels, splits, subsets, hashes."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from sus2.errors import DataError
from sus2.training.data.dataset import (
    TrainingSet,
    bad_labels,
    checked,
    fit_references,
    make_set,
    reduced_formula,
    split_of,
)

REFERENCE = {"Na": -1.3, "Cl": -5.1}


def salt_set(count: int = 24) -> TrainingSet:
    """Rattled Na-Cl cells whose energy is the sum of references plus a little."""
    rng = np.random.default_rng(3)
    structures = []
    for k in range(count):
        atoms = bulk("NaCl", "rocksalt", a=5.6 + 0.02 * (k % 5)) * (1, 1, 1 + k % 3)
        atoms.symbols[0] = ("Na", "Cl")[k % 2]
        atoms.rattle(0.03, seed=k)
        structures.append(atoms)
    energies = [sum(REFERENCE[s] for s in a.symbols) + 0.05 * rng.standard_normal() for a in structures]
    forces = [rng.normal(0.0, 0.3, (len(a), 3)) for a in structures]
    return make_set(structures, energies, forces, [np.full(6, 0.01)] * count, set_name="salt")


def changed(data: TrainingSet, **arrays: np.ndarray) -> TrainingSet:
    from dataclasses import replace

    return replace(data, **arrays)


def test_good_set_passes_unchanged() -> None:
    data = salt_set()
    assert bad_labels(data) == []
    assert checked(data) is data


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("energy_ev", np.nan, "energy"),
        ("forces_ev_per_a", np.nan, "force on atom 0"),
        ("positions", np.inf, "position"),
        ("stress_ev_per_a3", np.inf, "stress"),
    ],
)
def test_values_that_are_not_numbers_are_named_with_their_index(field: str, value: float, words: str) -> None:
    data = salt_set()
    array = getattr(data, field).copy()
    per_atom = field in ("forces_ev_per_a", "positions")
    array[data.offsets[7] if per_atom else 7] = value
    bad = bad_labels(changed(data, **{field: array}))
    assert [b.index for b in bad] == [7]
    assert words in bad[0].reason


def test_missing_forces_and_overlapping_atoms_are_named() -> None:
    data = salt_set()
    forces = data.forces_ev_per_a.copy()
    forces[data.offsets[3] : data.offsets[4]] = np.nan
    positions = data.positions.copy()
    positions[data.offsets[5] + 1] = positions[data.offsets[5]] + 0.05
    bad = bad_labels(changed(data, forces_ev_per_a=forces, positions=positions))
    assert [b.index for b in bad] == [3, 5]
    assert "forces are missing" in bad[0].reason
    assert "on top of each other" in bad[1].reason


@pytest.mark.parametrize(
    ("factor", "unit"), [(1 / 27.2114, "Hartree"), (23.0605, "kcal/mol"), (96.4853, "kJ/mol"), (1000.0, "meV")]
)
def test_an_energy_in_another_unit_is_named(factor: float, unit: str) -> None:
    data = salt_set()
    energy = data.energy_ev.copy()
    energy[11] *= factor
    bad = bad_labels(changed(data, energy_ev=energy))
    assert [b.index for b in bad] == [11]
    assert unit in bad[0].reason


def test_a_compressed_cell_with_large_stress_is_no_outlier() -> None:
    data = salt_set()
    energy, stress = data.energy_ev.copy(), data.stress_ev_per_a3.copy()
    energy[4] += 5.0 * data.sizes[4]
    stress[4] = -1.5
    assert bad_labels(changed(data, energy_ev=energy, stress_ev_per_a3=stress)) == []
    assert [b.index for b in bad_labels(changed(data, energy_ev=energy))] == [4]


def test_bad_structures_are_refused_or_skipped_on_request() -> None:
    data = salt_set()
    energy = data.energy_ev.copy()
    energy[[2, 9]] = np.nan
    broken = changed(data, energy_ev=energy)
    with pytest.raises(DataError, match=r"2 bad of 24 structures \(structure 2: .*structure 9: "):
        checked(broken, source="salt.xyz")
    kept = checked(broken, "skip")
    assert len(kept) == 22
    assert np.all(np.isfinite(kept.energy_ev))
    with pytest.raises(DataError, match="no usable structure"):
        checked(changed(data, energy_ev=np.full(len(data), np.nan)), "skip")


def test_force_array_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"Structure 0 of x has 1 atoms but forces of shape \(2, 3\)"):
        make_set([Atoms("Cu")], [0.0], [np.zeros((2, 3))], [None], set_name="x")


def test_subset_and_concatenate_keep_every_row() -> None:
    data = salt_set()
    odd, even = data.subset(np.arange(len(data)) % 2 == 1), data.subset(np.arange(0, len(data), 2))
    assert len(odd) + len(even) == len(data)
    picked = data.subset([5, 2])
    for new, old in enumerate((5, 2)):
        a, b = picked.to_atoms(new), data.to_atoms(old)
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.numbers, b.numbers)
        assert a.get_potential_energy() == b.get_potential_energy()
        assert np.array_equal(a.get_forces(), b.get_forces())
        assert np.array_equal(a.get_stress(), b.get_stress())
    whole = TrainingSet.concatenate([data.subset(range(10)), data.subset(range(10, len(data)))])
    assert whole.hash == data.hash
    with pytest.raises(DataError, match="at least one"):
        TrainingSet.concatenate([])


def test_hash_follows_every_array() -> None:
    data = salt_set()
    assert salt_set().hash == data.hash
    moved = data.positions.copy()
    moved[0, 0] += 1e-12
    assert changed(data, positions=moved).hash != data.hash
    assert changed(data, kind=np.array(["other"] * len(data))).hash != data.hash
    assert data.with_weights(np.full(len(data), 2.0)).hash != data.hash


def test_references_are_recovered_despite_outliers() -> None:
    data = salt_set(40)
    energy = data.energy_ev.copy()
    energy[::9] += 30.0
    fitted = fit_references(changed(data, energy_ev=energy), ("Na", "Cl"))
    assert fitted == pytest.approx([-1.3, -5.1], abs=0.06)


def test_counts_name_an_element_that_is_not_asked_for() -> None:
    data = salt_set(4)
    assert data.counts(("Cl", "Na")).sum() == len(data.numbers)
    with pytest.raises(DataError, match="The set has Cl, which is not among Na"):
        data.counts(("Na",))


def test_reduced_formula() -> None:
    assert reduced_formula([12, 8, 12, 8]) == "MgO"
    assert reduced_formula([8] * 6 + [13] * 4) == "Al2O3"
    assert reduced_formula([29] * 4) == "Cu"


def test_splits_are_by_composition_about_80_10_10_and_elements_train() -> None:
    names = [f"{a}{b}{n}" for a in ("Al", "Si", "Zr", "Cu", "Mg") for b in ("O", "S", "Te", "N") for n in range(2, 40)]
    splits = [split_of(name) for name in names]
    assert splits == [split_of(name) for name in names]
    assert 0.7 < splits.count("train") / len(splits) < 0.9
    assert splits.count("val") > 0.05 * len(splits)
    assert splits.count("test") > 0.05 * len(splits)
    assert all(split_of(element) == "train" for element in ("Si", "O", "W", "Cu", "U"))


def test_in_split_parts_cover_the_set_without_overlap() -> None:
    data = salt_set()
    parts = [data.in_split(split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(data)
    compositions = [set(p.composition.tolist()) for p in parts]
    assert not compositions[0] & compositions[1]
    assert not compositions[0] & compositions[2]
