"""What lies on the way into the holes of a potential is found, labelled and read as a set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from pymatgen.core import Structure
from typer.testing import CliRunner

from sus2.cli.main import app
from sus2.potential.evaluation import Evaluation
from sus2.training.data.crystals.shard_files import read, write
from sus2.training.data.hold_out import HoldOut
from sus2.training.data.sets import load_set
from sus2.training.teachers.active_learning import added_shard, holes
from sus2.training.teachers.active_learning.holes import build_holes, find_holes, relaxed_from_far


class Spring:
    """E = (V - V0)^2 / 4 V0 for each atom; where it is deep, the energy falls without an end below 0.9 of V0."""

    name, functional, elements = "spring", "PBE", ("Al", "Mg", "O", "Ni")

    def __init__(self, rest_a3: float, deep: bool) -> None:
        self.rest_a3, self.deep = rest_a3, deep

    def calculator(self) -> Calculator:
        raise NotImplementedError

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        found = []
        for atoms in structures:
            assert isinstance(atoms, Atoms)
            volume = atoms.get_volume() / len(atoms)
            pressure = 0.5 * (self.rest_a3 - volume) / self.rest_a3
            if volume < (0.9 * self.rest_a3 if self.deep else 0.0):
                pressure = -0.5
            stress = np.array([-pressure] * 3 + [0.0] * 3)
            lowest = 0.9 * self.rest_a3 if self.deep else 0.0
            energy = 0.25 * (max(volume, lowest) - self.rest_a3) ** 2 / self.rest_a3 - 0.5 * max(lowest - volume, 0.0)
            n = len(atoms)
            found.append(Evaluation(energy * n, np.full(n, energy), np.zeros((n, 3)), stress))
        return found


ALUMINIUM = ("al", bulk("Al", cubic=True))
REST_A3 = float(ALUMINIUM[1].get_volume()) / 4


def test_a_sound_potential_has_no_holes() -> None:
    sound = Spring(REST_A3, deep=False)
    assert find_holes(sound, [ALUMINIUM]) == []
    found = relaxed_from_far(sound, [ALUMINIUM])
    assert [r.kind for r in found] == ["converged"] * 2
    assert [r.end.get_volume() for r in found] == pytest.approx([4 * REST_A3] * 2, rel=1e-3)


def test_what_collapses_is_found_with_the_way_into_it() -> None:
    (hole,) = find_holes(Spring(REST_A3, deep=True), [ALUMINIUM])
    assert (hole.name, hole.kind) == ("al", "collapsed")
    assert hole.start.get_volume() == pytest.approx(0.85 * hole.volume_a3)
    way = hole.between(np.random.default_rng(0))
    volumes = [a.get_volume() for a in way]
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[0] == pytest.approx(0.85 * hole.volume_a3)
    assert all(a.get_all_distances(mic=True)[np.triu_indices(4, 1)].min() > 0.6 for a in way)


def test_they_become_shards_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    oxide = bulk("NiO", "rocksalt", a=4.2)  # +U in the teacher
    monkeypatch.setattr(holes, "shared_crystals", lambda _: [ALUMINIUM, ("nio", oxide)])
    monkeypatch.setattr(added_shard, "hold_out", lambda: HoldOut(frozenset(), frozenset()))

    def label(folder: Path, model: str, number: str, report: object) -> None:
        made = read(folder / f"structures-{number}.npz")
        sizes = np.diff(made["offsets"])
        zero = {"forces": np.zeros((sizes.sum(), 3)), "stress": np.zeros((len(sizes), 6))}
        write(folder / f"labels-PBE-{number}.npz", energy=-3.0 * sizes, **zero)

    monkeypatch.setattr(added_shard, "ask_nequix", label)
    said: list[str] = []
    for _ in range(2):
        build_holes("holes", Spring(REST_A3, deep=True), report=said.append)
    assert said[0].endswith("collapsed, 0 flew apart, 0 dense")
    found = load_set("holes", "PBE", split="train")
    assert set(found.kind) == {"wall"}
    assert set(found.composition) == {"Al"}
    assert len(found) == 2 * int(said[1].split()[2])
    assert not np.allclose(found.positions[: len(found.positions) // 2], found.positions[len(found.positions) // 2 :])


def test_the_command_says_that_there_is_no_shared_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUS2_SHARED", raising=False)
    done = CliRunner().invoke(app, ["data", "holes", "x", "--potential", "si-mlearn-pbe"])
    assert done.exit_code != 0
    assert "SUS2_SHARED" in str(done.exception)
