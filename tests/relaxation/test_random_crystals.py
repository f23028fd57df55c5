"""No relaxation is silently wrong: random crystals, results verified by a path that shares no code with the kernels.

benchmarks/random_relaxations.py does the same with 1,100 of them; here are 60, and what its own checks would catch.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.relaxation.checks import check_relaxation
from sus2.relaxation.relax import relax
from sus2.relaxation.relax_many import relax_many
from sus2.training.data.families import METALS
from sus2.training.data.reference_sets import binary_crystals

COUNTS = {
    "si-mlearn-pbe": 12,
    "sus2-universal-pbe": 24,
    "sus2-universal-r2scan": 24,
}


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    folder = str(Path(__file__).resolve().parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    yield importlib.import_module("random_relaxations")
    sys.path.remove(folder)
    sys.modules.pop("random_relaxations", None)


@pytest.mark.parametrize("name", COUNTS)
def test_none_is_silently_wrong(bench: ModuleType, name: str) -> None:
    seeds = range(5000, 5000 + COUNTS[name])
    row = bench.run(name, seeds)
    assert row["faults"] == []
    assert row["wrong"] == 0
    ended = ("converged", "steps_used_up", "collapsed", "flew_apart", "infinite", "refused")
    assert sum(row[k] for k in ended) == len(seeds)
    # Otherwise there would be nothing to verify.
    assert row["converged"] >= len(seeds) // 3
    assert row["checks_pass"] + row["checks_warn"] + row["checks_fail"] == row["converged"]


@pytest.mark.usefixtures("shared")
def test_known_alloys_come_back_from_far() -> None:
    """From 15 % less and more of their volume to one and the same crystal; benchmarks/from_far.py takes all of them."""
    potential = sus2.load("sus2-universal-pbe")
    known = [a for _, a, *_ in binary_crystals() if set(a.get_chemical_symbols()) <= set(METALS)]
    starts = []
    for atoms in known[::20]:
        for change in (-0.15, 0.15):
            start = atoms.copy()
            start.set_cell(start.cell[:] * (1.0 + change) ** (1.0 / 3.0), scale_atoms=True)
            starts.append(start)
    assert len(starts) >= 20
    found = relax_many(starts, potential)
    assert all(r.converged for r in found)
    volumes = np.array([r.atoms.get_volume() for r in found]).reshape(-1, 2)
    assert volumes[:, 0] == pytest.approx(volumes[:, 1], rel=1e-3)


def test_the_same_number_is_the_same_crystal(bench: ModuleType) -> None:
    potential = sus2.load("sus2-universal-pbe")
    one, two, other = (bench.draw(potential, k) for k in (3, 3, 4))
    assert one.atoms == two.atoms
    assert one.atoms != other.atoms
    drawn = [bench.draw(potential, k) for k in range(60)]
    assert 3 <= sum(c.extreme for c in drawn) <= 20
    assert 15 <= sum(c.symmetry for c in drawn) <= 45


@pytest.fixture(scope="module")
def silicon(bench: ModuleType) -> tuple[object, object, object]:
    potential = sus2.load("si-mlearn-pbe")
    atoms = bulk("Si", a=5.6)
    atoms.positions[1] += 0.05
    return potential, bench.Case(atoms, "diamond", False, False), relax(atoms, potential, symmetry=False)


def test_a_sound_result_has_no_faults(bench: ModuleType, silicon: tuple) -> None:
    assert bench.faults(*silicon) == []
    assert bench.outcome(*silicon) == ("converged", [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("moved", "force by differences"),
        ("strained", "stress anew"),
        ("energy", "energy"),
        ("element", "other atoms"),
        ("nan", "not finite"),
        ("both", "failed at once"),
        ("silent", "no step"),
    ],
)
def test_a_lie_is_found(bench: ModuleType, silicon: tuple, change: str, says: str) -> None:
    potential, case, result = silicon
    atoms = result.atoms.copy()
    fields: dict[str, object] = {"atoms": atoms}
    if change == "moved":
        atoms.positions[0, 0] += 0.002
    elif change == "strained":
        atoms.set_cell(atoms.cell.array * 1.001, scale_atoms=True)
    elif change == "energy":
        fields["energy_ev"] = result.energy_ev - 1e-6
    elif change == "element":
        case = bench.Case(bulk("Ge"), "diamond", False, False)
    elif change == "nan":
        atoms.positions[0, 0] = np.nan
    elif change == "both":
        fields["failure"] = "collapsed"
    else:
        fields.update(converged=False, steps=0)
    _, found = bench.outcome(potential, case, dataclasses.replace(result, **fields))
    assert any(says in text for text in found), found


def test_differences_are_the_forces(bench: ModuleType) -> None:
    """The verification itself, on a crystal far from rest."""
    potential = sus2.load("sus2-universal-pbe")
    atoms = bulk("NaCl", "rocksalt", a=5.4, cubic=True)
    rng = np.random.default_rng(1)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.positions += 0.1 * rng.normal(size=(8, 3))
    forces, stress = bench.numeric(potential, atoms)
    exact = potential.evaluate([atoms])[0]
    np.testing.assert_allclose(forces, exact.forces_ev_per_a, rtol=0.0, atol=2e-6)
    np.testing.assert_allclose(stress, exact.stress_ev_per_a3, rtol=0.0, atol=2e-7)


def test_a_way_up_is_a_fault_unless_its_own_check_fails(
    bench: ModuleType, silicon: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    potential, case, result = silicon
    up = dataclasses.replace(result, energies_ev=(result.energy_ev - 0.1, *result.energies_ev[1:]))
    assert bench.said(potential, result) != "fail"
    assert bench.outcome(potential, case, up) == ("converged", [])
    assert bench.said(potential, up) == "fail"
    # The same result from a check that does not look.
    monkeypatch.setattr(bench, "check_relaxation", lambda _: check_relaxation(result))
    kind, found = bench.outcome(potential, case, up)
    assert kind == "wrong"
    assert any("went up" in text for text in found), found
