"""Weights by stability: a hull that is known by hand, and what the weights follow."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from numpy.testing import assert_allclose

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.stability import energies_above_hull, weighted_by_stability
from sus2.training.fit import sources
from sus2.training.fit.config import Source, TrainConfig


def made(rows: list[tuple[str, str, str, float]]) -> TrainingSet:
    """Structures from (formula, kind, base, energy in eV/atom)."""
    atoms = []
    for formula, *_ in rows:
        a = Atoms(formula, pbc=True)
        a.set_cell(np.eye(3) * 6.0)
        a.positions = np.random.default_rng(len(formula)).uniform(0.0, 6.0, (len(a), 3))
        atoms.append(a)
    energies = [e * len(a) for a, (_, _, _, e) in zip(atoms, rows, strict=True)]
    return make_set(
        atoms,
        energies,
        [np.zeros((len(a), 3)) for a in atoms],
        [np.zeros(6)] * len(atoms),
        set_name="toy",
        kind=[r[1] for r in rows],
        base=[r[2] for r in rows],
    )


PHASES = [
    ("Mg", "relaxed", "hcp:Mg", -1.0),
    ("Mg", "relaxed", "fcc:Mg", -0.9),
    ("O", "relaxed", "O2", -3.0),
    # 1 eV/atom below its elements. MgO3 is 0.3 below its elements, but 0.2 above MgO and O.
    ("MgO", "relaxed", "rocksalt:Mg-O", -3.0),
    ("MgO", "relaxed", "CsCl:Mg-O", -2.7),
    ("MgO3", "relaxed", "ReO3", -2.8),
]


def test_energies_above_a_hull_known_by_hand() -> None:
    data = made(PHASES)
    above = energies_above_hull(data, data)
    assert_allclose(
        [above[b] for b in ("hcp:Mg", "fcc:Mg", "O2", "rocksalt:Mg-O", "CsCl:Mg-O")],
        [0.0, 0.1, 0.0, 0.0, 0.3],
        atol=1e-9,
    )
    assert_allclose(above["ReO3"], -2.8 - (0.5 * -3.0 + 0.5 * -3.0), atol=1e-9)


def test_a_base_counts_with_its_lowest_structure_and_a_crystal_below_the_hull_has_zero() -> None:
    phases = made(PHASES)
    others = made([("MgO", "volume", "B4", -2.0), ("Mg2O2", "rattle", "B4", -2.9), ("MgO", "relaxed", "B1", -3.2)])
    above = energies_above_hull(others, phases)
    assert above == pytest.approx({"B4": 0.1, "B1": 0.0}, abs=1e-9)


def test_a_missing_element_is_named() -> None:
    with pytest.raises(DataError, match="element Mg"):
        energies_above_hull(made(PHASES), made(PHASES[2:]))


def test_weights_fall_with_the_energy_and_close_structures_keep_theirs() -> None:
    data = made([*PHASES, ("MgO", "strain", "CsCl:Mg-O", -2.5), ("MgO", "dimer", "dimer:Mg-O", 9.0)])
    data = data.with_weights(np.full(len(data), 2.0))
    weight = weighted_by_stability(data, data, 0.1).weight
    assert_allclose(weight[[0, 1, 3, 4, 6, 7]], [2.0, 1.0, 2.0, 0.2, 0.2, 2.0])


def test_the_hull_of_a_configuration_is_that_of_all_families(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Source] = []

    def read(source: Source, config: TrainConfig, split: str) -> TrainingSet:
        asked.append(source)
        assert split == "train"
        return made(PHASES)

    monkeypatch.setattr(sources, "read_source", read)
    plain = TrainConfig.model_validate(
        {
            "name": "toy",
            "functional": "PBE",
            "elements": ["Mg", "O"],
            "stages": [{"kind": "project"}],
            "sources": [{"kind": "distilled", "name": "x", "families": ["c"]}, {"kind": "matpes-elements"}],
        }
    )
    salts = made(PHASES[3:])
    assert sources.weighted(plain, salts) is salts
    assert not asked
    weight = sources.weighted(plain.model_copy(update={"stability_ev_per_atom": 0.1}), salts).weight
    assert_allclose(weight, [1.0, 0.1, 1.0 / 5.0])
    assert [(s.name, s.families) for s in asked] == [("x", ())]
