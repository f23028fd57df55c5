"""Crystals beside a teacher: a potential that teaches itself must come out without error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import DataError
from sus2.potential.potential import Potential
from sus2.training.data.generate import Made, arrays_of
from sus2.training.teachers import crystal_tests
from sus2.training.teachers.crystal_tests import (
    crystal_errors,
    property_errors,
    student_properties,
    teacher_properties,
    volume_shifts,
)


@pytest.fixture
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


def write(folder: Path, crystals: list[Atoms], teachers: dict[str, Potential], groups: list[str]) -> None:
    """What the builder and the teachers' worker leave."""
    folder.mkdir(parents=True)
    probes = [(k, s) for k, atoms in enumerate(crystals) for s in crystal_tests._probes(atoms)]
    np.savez(folder / "structures-0000.npz", **arrays_of([Made(s, "test", str(k), 1.0) for k, s in probes]))
    rows = [{"base": f"x:{k}", "group": group, "families": "bd"} for k, group in enumerate(groups)]
    (folder / "crystals.json").write_text(json.dumps(rows))
    for name, teacher in teachers.items():
        found = teacher.evaluate([s for _, s in probes])
        np.savez(
            folder / f"labels-{name}-0000.npz",
            energy=np.array([r.energy_ev for r in found]),
            forces=np.concatenate([r.forces_ev_per_a for r in found]),
            stress=np.array([r.stress_ev_per_a3 for r in found]),
        )


def test_a_potential_that_taught_itself_has_no_errors(
    silicon: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    crystals = [bulk("Si", a=5.47), bulk("Si", a=5.42)]
    write(tmp_path / "sets" / "x-crystals", crystals, {"PBE": silicon}, ["seen", "unseen"])
    for group in ("seen", "unseen"):
        found = property_errors("x", silicon, "PBE", "b", group)
        assert (found.crystals, found.failed) == (1, 0)
        assert found.v0_percent < 1e-9
        assert found.b0_percent < 1e-9
        assert 0 < found.c_percent < 0.5  # strains of 0.5 % are finite
        assert 0 < found.gamma_thz < 0.02
        assert 0 < found.boundary_thz < 0.02
    (taught, _), (own, _) = (
        teacher_properties(tmp_path / "sets" / "x-crystals", "PBE"),
        student_properties(tmp_path / "sets" / "x-crystals", silicon, [0, 1]),
    )
    assert taught is not None
    assert own is not None
    assert own.relaxed_c_gpa[2] < 0.9 * own.c_gpa[2]  # the two atoms of silicon move against each other under shear
    assert taught.relaxed_c_gpa == pytest.approx(own.relaxed_c_gpa, rel=0.01)
    card = crystal_errors("x", {"seen": silicon, "unseen": silicon}, "b")
    assert card["seen_crystals_crystals"] == 1
    assert card["unseen_crystals_c_percent"] == pytest.approx(found.c_percent, abs=1e-4)


def test_another_teacher_shows_as_errors_and_volume_shifts(
    silicon: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    # The same potential in units of another length: every length 1 % longer.
    spec = silicon.spec
    assert spec.r0 is not None
    assert spec.alpha is not None
    stretched = replace(
        spec, r0=1.01 * spec.r0, alpha=spec.alpha / 1.01, max_dist=1.01 * spec.max_dist, scaling=spec.scaling / 1.01**2
    )
    longer = Potential(stretched, silicon.card.model_copy(update={"functional": "r2SCAN"}))
    write(tmp_path / "sets" / "x-crystals", [bulk("Si", a=5.47)], {"PBE": silicon, "r2SCAN": longer}, ["seen"])
    teacher, student = volume_shifts("x", (silicon, longer), "b", "seen")
    assert teacher == pytest.approx([1.01**3 - 1.0], rel=1.5e-2)
    assert student == pytest.approx(teacher, rel=1e-9)
    wrong = property_errors("x", silicon, "r2SCAN", "b", "seen")
    assert wrong.v0_percent == pytest.approx(100 * (1 - 1 / 1.01**3), rel=1.5e-2)


def test_unstable_crystals_and_missing_ones(
    silicon: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="sus2 data crystals x"):
        property_errors("x", silicon, "PBE", "b", "seen")
    assert crystal_errors("x", {"seen": silicon}, "b") == {}
    write(tmp_path / "sets" / "x-crystals", [bulk("Si", "sc", a=2.53)], {"PBE": silicon}, ["seen"])
    (only,) = teacher_properties(tmp_path / "sets" / "x-crystals", "PBE")
    assert only is not None
    assert len(only.gamma_thz) == 0
    with pytest.raises(DataError, match="No unseen crystal"):
        property_errors("x", silicon, "PBE", "b", "unseen")
    with pytest.raises(DataError, match="no labels of 'r2SCAN'"):
        teacher_properties(tmp_path / "sets" / "x-crystals", "r2SCAN")


def test_moduli_of_a_polycrystal_are_those_of_the_whole_tensor() -> None:
    c = np.diag([0.0, 0, 0, 76, 76, 76])
    c[:3, :3] = 59.0
    c[np.arange(3), np.arange(3)] = 150.0
    compliance = np.linalg.inv(c)
    voigt = (c[0, 0] - c[0, 1] + 3 * c[3, 3]) / 5
    reuss = 15 / (12 * compliance[0, 0] - 12 * compliance[0, 1] + 9 * compliance[3, 3])
    assert crystal_tests.vrh_moduli_gpa(np.array([150.0, 59.0, 76.0])) == pytest.approx(
        ((150 + 118) / 3, 0.5 * (voigt + reuss))
    )


def test_only_crystals_that_symmetry_holds_are_taken() -> None:
    assert crystal_tests._held_by_symmetry(bulk("NaCl", "rocksalt", a=5.6))
    assert not crystal_tests._held_by_symmetry(bulk("Ti", "hcp", a=2.95, c=4.68))
    moved = bulk("NaCl", "rocksalt", a=5.6)
    moved.positions[1] += 0.1
    assert not crystal_tests._held_by_symmetry(moved)
