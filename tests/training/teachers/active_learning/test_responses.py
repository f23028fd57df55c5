"""Strained crystals whose ions have moved as a potential says: as in a relaxation, and read as pairs of a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.derivatives.second_order import second_derivatives
from sus2.potential.potential import Potential
from sus2.registry.load import load_moments
from sus2.training.data.crystals.shard_files import read, write
from sus2.training.data.hold_out import HoldOut
from sus2.training.data.sets import load_set
from sus2.training.fit.loss import LossWeights, Pairs
from sus2.training.teachers.active_learning import added_shard, responses
from sus2.training.teachers.active_learning.responses import KIND, build_responses, response, response_pairs
from sus2.units import EV_PER_A3_TO_GPA

SHEAR = np.array([[0.0, 0.004, 0.0], [0.004, 0.0, 0.0], [0.0, 0.0, 0.0]])


@pytest.fixture
def silicon() -> tuple[Atoms, Potential]:
    potential = load_moments("si-mlearn-pbe")
    return sus2.relax(bulk("Si"), potential).atoms, potential


def test_ions_move_as_in_a_relaxation(silicon: tuple[Atoms, Potential]) -> None:
    atoms, potential = silicon
    strained = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    strained.set_cell(atoms.cell.array @ (np.eye(3) + SHEAR), scale_atoms=True)
    relaxed = sus2.relax(strained, potential, cell=False, fmax=1e-5).atoms
    moved = relaxed.positions - strained.positions
    wanted = response(atoms, potential, SHEAR)
    apart = (moved - moved.mean(0)) - (wanted - wanted.mean(0))
    assert np.linalg.norm(wanted) > 1e-3
    assert np.abs(apart).max() < 0.03 * np.linalg.norm(wanted)


def test_the_two_of_a_pair_hold_the_relaxed_elastic_constant(silicon: tuple[Atoms, Potential]) -> None:
    atoms, potential = silicon
    pairs = response_pairs(atoms, potential, np.random.default_rng(0))
    assert len(pairs) == 4
    plus, minus = potential.evaluate(pairs[:2])
    e = np.linalg.solve(atoms.cell.array, pairs[0].cell.array) - np.eye(3)
    strain = np.array([e[0, 0], e[1, 1], e[2, 2], 2.0 * e[1, 2], 2.0 * e[0, 2], 2.0 * e[0, 1]])
    stress = 0.5 * (plus.stress_ev_per_a3 - minus.stress_ev_per_a3) * EV_PER_A3_TO_GPA
    c = second_derivatives(atoms, potential).relaxed_elastic.stress_strain_gpa
    assert stress == pytest.approx(c @ strain, abs=0.02 * np.abs(c @ strain).max())
    # The potential finds hardly a force there; what the strain alone would make is an order of magnitude more.
    clamped = atoms.copy()
    clamped.set_cell(pairs[0].cell, scale_atoms=True)
    assert np.abs(plus.forces_ev_per_a).max() < 0.1 * np.abs(potential.evaluate([clamped])[0].forces_ev_per_a).max()


def test_where_symmetry_holds_the_atoms_there_is_none() -> None:
    potential = load_moments("sus2-universal-pbe")
    assert response_pairs(bulk("NaCl", "rocksalt", a=5.7), potential, np.random.default_rng(0)) == []


def test_they_become_pairs_of_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silicon: tuple[Atoms, Potential]
) -> None:
    atoms, potential = silicon
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setattr(added_shard, "hold_out", lambda: HoldOut(frozenset(), frozenset()))

    class Rest:
        kind, sizes, base = np.array(["relaxed", "rattle"]), np.array([2, 2]), np.array(["si", "si"])

        def to_atoms(self, k: int) -> Atoms:
            assert k == 0
            return atoms

    monkeypatch.setattr(responses, "load_set", lambda *_, **__: Rest())

    def label(folder: Path, model: str, number: str, report: object) -> None:
        made = read(folder / f"structures-{number}.npz")
        sizes = np.diff(made["offsets"])
        stress = np.tile([[0.01] * 6, [-0.01] * 6], (len(sizes) // 2, 1))
        none = np.zeros((sizes.sum(), 3))
        write(folder / f"labels-PBE-{number}.npz", energy=-5.0 * sizes, forces=none, stress=stress)

    monkeypatch.setattr(added_shard, "ask_nequix", label)
    build_responses("given", "crystals-2", potential, report=lambda _: None)
    found = load_set("given", "PBE", split="train")
    assert found.kind.tolist() == [KIND] * 4
    volumes = found.volumes_a3[:, None]
    pairs = Pairs.of(found, found.stress_ev_per_a3 * volumes, LossWeights())
    assert pairs.first.tolist() == [0, 2]
    assert pairs.virial == pytest.approx(-0.01 * (volumes[[0, 2]] + volumes[[1, 3]]) * np.ones(6))
