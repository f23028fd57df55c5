"""Parity with the authors' C++ program, on every published potential and on a set of real DFT data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import sus2
from sus2.potential.potential import Potential
from sus2.training.data.readers import read_training_set
from tests.contract.test_contract import TorchOnly

NAMES = ["alloy", "hh130", "m3gnet_l2k2", "m3gnet_l2k3", "perovskite", "solid_electrolytes"]


def published(shared: Path, name: str) -> Potential:
    about = json.loads((shared / "reference" / "models.json").read_text())[name]
    return sus2.load(shared / "reference" / about["file"], elements=about["elements"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["default", "torch"])
def test_published_potentials(shared: Path, name: str, backend: str) -> None:
    potential = published(shared, name)
    if backend == "torch":
        potential = TorchOnly(potential.spec, potential.card)
    cases = json.loads((shared / "reference" / f"{name}.json").read_text())
    assert len(cases) == 8
    structures = [Atoms(c["symbols"], positions=c["positions"], cell=c["cell"], pbc=True) for c in cases]
    for case, r in zip(cases, potential.evaluate(structures), strict=True):
        assert abs(r.energy_ev - case["energy_ev"]) <= 1e-9
        assert np.abs(r.forces_ev_per_a - case["forces_ev_per_a"]).max() <= 1e-9
        assert np.abs(r.stress_ev_per_a3 - case["stress_ev_per_a3_voigt"]).max() <= 1e-10


def test_alloy_errors_to_all_printed_digits(shared: Path) -> None:
    potential = published(shared, "alloy")
    data = read_training_set(shared / "data" / "dft" / "alloy_test.cfg", potential.elements)
    assert (len(data), len(data.numbers)) == (2417, 28991)
    found = potential.evaluate([data.to_atoms(k) for k in range(len(data))])
    size = data.sizes
    energy = 1e3 * (np.array([r.energy_ev for r in found]) - data.energy_ev) / size
    force = 1e3 * (np.concatenate([r.forces_ev_per_a for r in found]) - data.forces_ev_per_a)
    figures = [
        np.average(np.abs(energy), weights=size),
        np.sqrt(np.average(energy**2, weights=size)),
        np.abs(energy).mean(),
        np.sqrt((energy**2).mean()),
        np.abs(force).mean(),
        np.sqrt((force**2).mean()),
    ]
    assert [f"{x:.3f}" for x in figures] == ["17.969", "25.869", "18.406", "27.209", "123.385", "205.420"]
