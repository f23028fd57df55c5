"""The errors on a card are those of the potential that is shipped, with its repulsion and all."""

from __future__ import annotations

import numpy as np
import pytest

import sus2
from sus2.training.data.reference_sets import mlearn_set


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("element", ["Si", "Ge", "Mo", "Li"])
def test_errors_on_the_card_are_those_of_the_whole_potential(element: str) -> None:
    p = sus2.load(f"{element.lower()}-mlearn-pbe")
    data = mlearn_set(element, "test")
    found = p.evaluate([data.to_atoms(i) for i in range(len(data))])
    forces = np.concatenate([r.forces_ev_per_a for r in found])
    force_mae = 1e3 * np.abs(forces - data.forces_ev_per_a).mean()
    assert force_mae == pytest.approx(p.card.errors["test_force_mae_mev_per_a"], rel=0.02)
    energy_mae = 1e3 * np.abs((np.array([r.energy_ev for r in found]) - data.energy_ev) / data.sizes).mean()
    assert energy_mae == pytest.approx(p.card.errors["test_energy_mae_mev_per_atom"], rel=0.02)
