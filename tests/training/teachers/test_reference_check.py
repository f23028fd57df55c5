"""Relaxed bases are held against volumes that do not come from the teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from sus2.training.data.generate import Made, arrays_of
from sus2.training.data.prototypes import build
from sus2.training.teachers.reference_check import reference_volumes, volume_deviations, write_check


def at_volume(atoms: Atoms, volume_per_atom: float) -> Atoms:
    scaled = atoms.copy()
    factor = (volume_per_atom * len(atoms) / atoms.get_volume()) ** (1 / 3)
    scaled.set_cell(atoms.cell[:] * factor, scale_atoms=True)
    return scaled


@pytest.mark.usefixtures("shared")
def test_deviations_and_distrust(tmp_path: Path) -> None:
    reference = reference_volumes()
    wanted = {"fcc:Cu": 1.01, "rocksalt:Mg-O": 1.2, "fluorite:O-Na": 0.95, "perovskite:Sr-Ti-O": 1.0}
    crystals = {
        "fcc:Cu": build("fcc", ["Cu"]),
        "rocksalt:Mg-O": build("rocksalt", ["Mg", "O"]),
        "fluorite:O-Na": build("fluorite", ["O", "Na"]),
        "perovskite:Sr-Ti-O": build("perovskite", ["Sr", "Ti", "O"]),
    }
    made = []
    for name, factor in wanted.items():
        volume = reference[name][0] * factor if name in reference else 12.0
        made.append(Made(at_volume(crystals[name], volume), "relaxed", name, 1.0))
        made.append(Made(at_volume(crystals[name], 1.3 * volume), "volume", name, 1.3))
    np.savez(tmp_path / "structures-0000.npz", **arrays_of(made))
    deviations = volume_deviations(tmp_path / "structures-0000.npz")
    assert deviations == pytest.approx({k: v - 1.0 for k, v in wanted.items() if k in reference}, abs=1e-9)
    write_check(tmp_path / "structures-0000.npz", tmp_path / "check-0000.json")
    assert json.loads((tmp_path / "check-0000.json").read_text())["distrusted"] == ["rocksalt:Mg-O"]


@pytest.mark.usefixtures("shared")
def test_references_are_physical() -> None:
    reference = reference_volumes()
    assert len(reference) > 2400
    assert reference["fcc:Cu"][0] == pytest.approx(11.95, abs=0.15)
    assert reference["rocksalt:Mg-O"][0] == pytest.approx(9.57, abs=0.15)
    assert "perovskite:Sr-Ti-O" not in reference
