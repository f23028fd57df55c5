"""Molecular dynamics with the calculator: energy is conserved, and its error is that of the integrator."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

import sus2


@pytest.fixture
def nve(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield importlib.import_module("dynamics")
    sys.modules.pop("dynamics", None)


def moving(atoms: Atoms, kelvin: float, seed: int = 3) -> Atoms:
    """At its sites, with twice the kinetic energy of that temperature and no momentum."""
    rng = np.random.default_rng(seed)
    mass = atoms.get_masses()[:, None]
    velocities = rng.normal(size=(len(atoms), 3)) * np.sqrt(2.0 * units.kB * kelvin / mass)
    atoms.set_velocities(velocities - (mass * velocities).sum(axis=0) / mass.sum())
    return atoms


# In each crystal 64 atoms, so that the calculator keeps its list of neighbours.
@pytest.mark.parametrize(
    ("name", "atoms"),
    [
        ("si-mlearn-pbe", bulk("Si", a=5.47, cubic=True) * (2, 2, 2)),
        ("sus2-universal-pbe", bulk("NaCl", "rocksalt", a=5.68, cubic=True) * (2, 2, 2)),
        ("sus2-universal-pbe", bulk("Al", a=4.06) * (4, 4, 4)),
    ],
)
def test_energy_through_ase(name: str, atoms: Atoms) -> None:
    """1 ps at 300 K: no drift beyond the integrator's own oscillation, which is tiny beside kT."""
    atoms = moving(atoms.copy(), 300.0)
    atoms.calc = sus2.load(name).calculator()
    run = VelocityVerlet(atoms, 1.0 * units.fs)
    energies = []
    for _ in range(100):
        run.run(10)
        energies.append(atoms.get_total_energy() / len(atoms))
    t = np.linspace(-0.5, 0.5, len(energies))  # ps
    e = np.array(energies)
    drift = float(t @ (e - e.mean()) / (t @ t))  # eV/atom/ps
    assert abs(drift) < 2e-5
    assert np.std(e) < 2e-5
    assert np.ptp(e) > 0.0
    assert atoms.get_temperature() > 50.0
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-8


def test_the_benchmarks_steps_are_those_of_ase(nve: ModuleType) -> None:
    atoms = moving(bulk("Si", a=5.47, cubic=True) * (2, 2, 2), 600.0)
    potential = sus2.load("si-mlearn-pbe")
    fast = nve.Dynamics(atoms.copy(), potential, timestep_fs=1.0)
    atoms.calc = potential.calculator()
    slow = VelocityVerlet(atoms, 1.0 * units.fs)
    for _ in range(50):
        fast.step()
    slow.run(50)
    np.testing.assert_allclose(fast.structures.positions, atoms.positions, rtol=0.0, atol=1e-10)
    np.testing.assert_allclose(fast.velocities, atoms.get_velocities(), rtol=0.0, atol=1e-10)
    assert fast.kinetic_ev == pytest.approx(atoms.get_kinetic_energy(), rel=1e-10)
    assert fast.energy_ev == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_half_the_step_has_a_quarter_of_the_fluctuation(nve: ModuleType) -> None:
    """Velocity Verlet conserves a Hamiltonian that differs from the true one by a term of second order in the step."""
    potential = sus2.load("si-mlearn-pbe")
    atoms = moving(bulk("Si", a=5.47, cubic=True) * (2, 2, 2), 300.0)
    spread = []
    for timestep in (2.0, 1.0, 0.5):
        run = nve.Dynamics(atoms.copy(), potential, timestep_fs=timestep)
        energies = []
        for step in range(round(300.0 / timestep)):
            run.step()
            if step % round(4.0 / timestep) == 0:
                energies.append(run.energy_ev + run.kinetic_ev)
        spread.append(np.std(energies))
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.15)
    assert spread[1] / spread[2] == pytest.approx(4.0, rel=0.15)


def test_the_line_and_its_error(nve: ModuleType) -> None:
    """A known slope under noise is found within its standard error, which is that of the noise."""
    rng = np.random.default_rng(5)
    interval, count = 20.0, 50_000  # fs: 1 ns
    t = np.arange(count) * interval * 1e-6
    errors = []
    for _ in range(40):
        found = nve.drift(-3.0 + 1e-5 * t + 1e-4 * rng.normal(size=count), interval)
        errors.append((found.ev_per_atom_ns - 1e-5) / found.error_ev_per_atom_ns)
        assert found.fluctuation_ev_per_atom == pytest.approx(1e-4, rel=0.05)
    assert 0.7 < np.std(errors) < 1.4
    with pytest.raises(ValueError, match="fewer"):
        nve.drift(np.zeros(10), interval)


def test_a_killed_run_goes_on(nve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its checkpoint it takes the path of a run in one go (to the rounding of another list of neighbours)."""
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setattr(nve, "SETTLE_STEPS", 20)
    monkeypatch.setattr(nve, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(nve, "KEPT_FROM_PS", 0.0)
    monkeypatch.setattr(nve, "BLOCKS", 4)
    monkeypatch.setattr(nve, "KEEP_EVERY", 5)
    monkeypatch.setattr(nve, "cache_folder", lambda: tmp_path)
    nve.conserve("si-mlearn-pbe", 0.06)
    (first,) = (tmp_path / "runs" / "nve").glob("*.npz")
    with np.load(first) as kept:
        assert int(kept["step"]) == 60
        assert len(kept["energies"]) == 12
    continued = nve.conserve("si-mlearn-pbe", 0.12)
    first.unlink()
    at_once = nve.conserve("si-mlearn-pbe", 0.12)
    for key in ("ev_per_atom_ns", "fluctuation_ev_per_atom", "temperature_k", "largest_displacement_a"):
        assert continued[key] == pytest.approx(at_once[key], rel=1e-6), key
    assert [f.name for f in (tmp_path / "runs" / "nve").iterdir()] == [first.name]


def test_the_step_follows_the_fastest_vibration(nve: ModuleType) -> None:
    """Diamond's period is 25 fs, of which steps of 1 fs let the energy rise; silicon's is 70 fs."""
    assert nve.timestep_of(sus2.load("si-mlearn-pbe")) == 1.0
    assert nve.timestep_of(sus2.load("c-diamond-dft")) == 0.5
