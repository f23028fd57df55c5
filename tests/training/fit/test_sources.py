"""The labels that a configuration names, and how much they count."""

from __future__ import annotations

import numpy as np
from ase.build import bulk

from sus2.training.data.dataset import make_set
from sus2.training.fit.sources import of_textbook_crystals


def test_textbook_crystals_are_known_in_their_own_structure_alone() -> None:
    salt, dense, unknown = (
        bulk("NaCl", "rocksalt", a=5.7),
        bulk("NaCl", "cesiumchloride", a=3.5),
        bulk("Po", "fcc", a=5),
    )
    strained = salt.copy()
    strained.set_cell(salt.cell.array * [[1.01], [1.0], [1.0]], scale_atoms=True)
    pair = salt.copy()
    structures = [salt, strained, dense, unknown, pair]
    data = make_set(
        structures,
        np.zeros(5),
        [np.zeros((len(a), 3)) for a in structures],
        np.zeros((5, 6)),
        set_name="made",
        kind=["relaxed", "strain-pair", "relaxed", "relaxed", "dimer"],
        base=["rocksalt:Na-Cl", "rocksalt:Na-Cl", "CsCl:Na-Cl", "FCC:Po", "rocksalt:Na-Cl"],
    )
    assert of_textbook_crystals(data).tolist() == [True, True, False, False, False]
