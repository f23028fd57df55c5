"""Stresses with another sign or another order of shears are found, said and put right; right ones are left alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.readers import read_training_set
from sus2.training.data.reference_sets import shared_root
from sus2.training.frames.check import check_frames
from sus2.training.frames.stresses import as_meant, stress_convention

JUDGE = "sus2-universal-pbe"


def sheared(count: int = 12, seed: int = 0) -> TrainingSet:
    """Strained and rattled copper, labelled by the potential with an error of a tenth and a pressure of 3 GPa."""
    rng = np.random.default_rng(seed)
    atoms = []
    for _ in range(count):
        cell = bulk("Cu", "fcc", a=3.64, cubic=True)
        strain = rng.normal(scale=0.02, size=(3, 3))
        cell.set_cell(cell.cell.array @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
        cell.positions += rng.normal(scale=0.03, size=cell.positions.shape)
        atoms.append(cell)
    found = sus2.load(JUDGE).evaluate(atoms)
    stress = np.array([r.stress_ev_per_a3 for r in found])
    stress *= 1.0 + 0.1 * rng.normal(size=stress.shape)
    stress[:, :3] -= 0.02
    forces = [r.forces_ev_per_a for r in found]
    return make_set(atoms, [r.energy_ev for r in found], forces, list(stress), set_name="made")


def as_read(data: TrainingSet, sign: int, order: tuple[int, ...]) -> TrainingSet:
    return replace(data, stress_ev_per_a3=sign * data.stress_ev_per_a3[:, [0, 1, 2, *(3 + k for k in order)]])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_sign_and_order_is_put_right(sign: int, order: tuple[int, ...]) -> None:
    data = sheared()
    read = as_read(data, sign, order)
    found = stress_convention(read, sus2.load(JUDGE))
    if (sign, order) == (1, (0, 1, 2)):
        assert found is None
        return
    assert found is not None
    right, said = as_meant(read, found)
    assert right.stress_ev_per_a3 == pytest.approx(data.stress_ev_per_a3, abs=1e-15)
    assert ("sign" in said) == (sign < 0)
    assert ("order" in said) == (order != (0, 1, 2))


def test_a_check_says_what_it_did() -> None:
    data = sheared()
    read = as_read(data, -1, (1, 0, 2))
    checked = check_frames(read, referee=sus2.load(JUDGE))
    assert checked.data.stress_ev_per_a3 == pytest.approx(data.stress_ev_per_a3, abs=1e-15)
    assert any("opposite sign" in n and "xz, yz, xy is yz, xz, xy" in n for n in checked.notices)
    untouched = check_frames(read)
    assert untouched.data.stress_ev_per_a3 == pytest.approx(read.stress_ev_per_a3, abs=1e-15)


def test_nothing_is_said_of_few_frames_or_of_what_the_potential_does_not_know() -> None:
    judge = sus2.load(JUDGE)
    read = as_read(sheared(), -1, (0, 1, 2))
    assert stress_convention(read.subset(np.arange(5)), judge) is None
    assert stress_convention(read, sus2.load("si-mlearn-pbe")) is None
    still = replace(read, stress_ev_per_a3=np.full_like(read.stress_ev_per_a3, -0.01))
    assert stress_convention(still, judge) is None


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(("element", "order"), [("Mo", (1, 0, 2)), ("Ge", None), ("Li", None)])
def test_a_published_set_has_two_orders(element: str, order: tuple[int, ...] | None) -> None:
    """Of molybdenum all frames have another order, of germanium those of moving atoms alone."""
    data = read_training_set(shared_root() / "data" / "mlearn" / f"{element}_training.json.gz", name=element)
    found = stress_convention(data, sus2.load(JUDGE))
    assert (None if found is None else found.order) == order
    if element == "Ge":
        moving = data.subset(np.flatnonzero(data.kind == "AIMD-NVT"))
        found = stress_convention(moving, sus2.load(JUDGE))
        assert found is not None
        assert found.order == (1, 0, 2)
