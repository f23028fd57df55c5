"""Does molecular dynamics conserve energy? NVE of a 64-atom crystal at 300 K for each shipped potential.

    python benchmarks/dynamics.py                          a look: 5 ps each, nothing kept
    python benchmarks/dynamics.py --picoseconds 1000       the full run: hours; stop and start it as you like
    python benchmarks/dynamics.py --so-far                 what the full run has got to

Velocity Verlet in float64, forces by Potential.compute with a list of sus2.potential.verlet_list; the step is the
largest of TIMESTEPS_FS of which the period of the highest frequency has STEPS_PER_PERIOD. The full run keeps a
checkpoint of each potential in SUS2_CACHE (else ~/.cache/sus2) and goes on from there; what is finished goes to
benchmarks/runs/dynamics/, from which docs/scripts/numerical_checks.py makes its section of docs/validation.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from ase import Atoms, units  # noqa: E402
from ase.build import bulk  # noqa: E402
from ase.data import atomic_numbers, reference_states  # noqa: E402

import sus2  # noqa: E402
from sus2.native.build import available, cache_folder  # noqa: E402
from sus2.potential.packed import pack_structures  # noqa: E402
from sus2.potential.potential import Potential  # noqa: E402
from sus2.potential.verlet_list import SkinList  # noqa: E402
from sus2.relaxation.relax import relax  # noqa: E402
from sus2.types import Array  # noqa: E402

RUNS = Path(__file__).with_name("runs")
TARGET_EV_PER_ATOM_NS = 1e-5
KEEP_EVERY = 20  # steps
SAVE_SECONDS = 30.0
KEPT_FROM_PS = 100.0  # shorter runs keep no checkpoint
SETTLE_STEPS = 5000
BLOCKS = 50
MIN_ATOMS = 64
TIMESTEPS_FS = (1.0, 0.5, 0.25)
STEPS_PER_PERIOD = 40


def crystal_of(name: str) -> Atoms:
    """A crystal of 64 atoms that the potential of that name is meant for: with few neighbours, so that a step is
    cheap."""
    elements = next(card.elements for card in sus2.models() if card.name == name)
    if len(elements) == 1:
        # Eight times the conventional cell of diamond, 64 times the primitive cell of the others.
        diamond = reference_states[atomic_numbers[elements[0]]]["symmetry"] == "diamond" or elements[0] == "C"
        return bulk(elements[0], "diamond", cubic=True) * (2, 2, 2) if diamond else bulk(elements[0]) * (4, 4, 4)
    return bulk("Ca") * (4, 4, 4)


def timestep_of(potential: Potential) -> float:
    """The time step for the crystal of a potential, fs: short beside its fastest vibration."""
    mesh = [[a / 4, b / 4, c / 4] for a in range(3) for b in range(3) for c in range(3)]
    fastest_thz = float(sus2.phonons(crystal_of(potential.name), potential).frequencies_thz(mesh).max())
    period_fs = 1000.0 / fastest_thz
    return next((t for t in TIMESTEPS_FS if period_fs >= STEPS_PER_PERIOD * t), TIMESTEPS_FS[-1])


class Dynamics:
    """Velocity Verlet of one crystal; velocities in ASE's units, A per sqrt(amu A^2 / eV)."""

    def __init__(self, atoms: Atoms, potential: Potential, *, timestep_fs: float = 1.0) -> None:
        self.potential = potential
        self.dt = timestep_fs * units.fs
        self.masses = atoms.get_masses()[:, None]
        self.velocities: Array = atoms.get_velocities()
        self.structures = pack_structures([atoms], potential.elements)
        self.skin = SkinList(potential.cutoff) if available() else None
        self.energy_ev, self.forces = self._compute()

    def _compute(self) -> tuple[float, Array]:
        edges = None if self.skin is None else self.skin.edges(self.structures)
        site, forces, _ = self.potential.compute(self.structures, edges=edges)
        return float(site.sum()), forces

    @property
    def kinetic_ev(self) -> float:
        return float(0.5 * np.sum(self.masses * self.velocities**2))

    @property
    def temperature_k(self) -> float:
        """Of 3N - 3 degrees of freedom: the total momentum is zero."""
        return 2.0 * self.kinetic_ev / ((3 * len(self.masses) - 3) * units.kB)

    def step(self) -> None:
        """One time step."""
        self.velocities += 0.5 * self.dt * self.forces / self.masses
        self.structures.positions[:] += self.dt * self.velocities
        self.energy_ev, self.forces = self._compute()
        self.velocities += 0.5 * self.dt * self.forces / self.masses


def start(potential: Potential, temperature_k: float, timestep_fs: float, seed: int = 7) -> Dynamics:
    """A relaxed crystal, settled at about that temperature: kicked with twice of it, run, and scaled."""
    atoms = relax(crystal_of(potential.name), potential, fmax=1e-4).require_converged().atoms
    assert len(atoms) == MIN_ATOMS
    rng = np.random.default_rng(seed)
    masses = atoms.get_masses()[:, None]
    velocities = rng.normal(size=(len(atoms), 3)) * np.sqrt(2.0 * units.kB * temperature_k / masses)
    atoms.set_velocities(velocities - (masses * velocities).sum(axis=0) / masses.sum())
    run = Dynamics(atoms, potential, timestep_fs=timestep_fs)
    for attempt in range(2):
        found = []
        for _ in range(SETTLE_STEPS // 2):
            run.step()
            found.append(run.temperature_k)
        if attempt == 0:
            run.velocities *= np.sqrt(max(0.25, 2.0 * temperature_k / np.mean(found) - 1.0))
    return run


@dataclass(frozen=True)
class Drift:
    """A straight line through total energies, per atom: slope and its standard error (of block means)."""

    ev_per_atom_ns: float
    error_ev_per_atom_ns: float
    fluctuation_ev_per_atom: float


def drift(energies_ev_per_atom: Array, interval_fs: float) -> Drift:
    """Least squares through the means of blocks, which are long beside the vibrations, so nearly independent."""
    blocks = BLOCKS
    count = len(energies_ev_per_atom) // blocks
    if count < 1:
        raise ValueError(f"{len(energies_ev_per_atom)} energies are fewer than {blocks} blocks")
    used = energies_ev_per_atom[: count * blocks]
    means = used.reshape(blocks, count).mean(axis=1)
    t = (np.arange(blocks) - (blocks - 1) / 2.0) * count * interval_fs * 1e-6  # ns
    slope = float(t @ means / (t @ t))
    residual = means - means.mean() - slope * t
    error = float(np.sqrt(residual @ residual / (blocks - 2) / (t @ t)))
    every = (np.arange(len(used)) - (len(used) - 1) / 2.0) * interval_fs * 1e-6
    return Drift(slope, error, float(np.std(used - slope * every)))


def trajectory(run: Dynamics, steps: int, done: int = 0) -> Iterator[tuple[int, float, float]]:
    """Step, total energy (eV) and temperature (K) every KEEP_EVERY steps."""
    for step in range(done + 1, steps + 1):
        run.step()
        if step % KEEP_EVERY == 0:
            yield step, run.energy_ev + run.kinetic_ev, run.temperature_k


def checkpoint_file(potential: Potential, temperature_k: float, timestep_fs: float) -> Path:
    spec = potential.spec
    formula = crystal_of(potential.name).get_chemical_formula()
    text = repr((potential.name, formula, temperature_k, timestep_fs, KEEP_EVERY)).encode()
    weights = np.concatenate([np.ravel(a) for a in (spec.radial_weights, spec.moment_coeffs, spec.alpha)]).tobytes()
    key = hashlib.sha256(text + weights).hexdigest()[:12]
    return cache_folder() / "runs" / "nve" / f"{potential.name}-{key}.npz"


def conserve(
    name: str, picoseconds: float, *, timestep_fs: float | None = None, temperature_k: float = 300.0
) -> dict[str, object]:
    """One run, from its checkpoint where there is one; the row of the table."""
    potential = sus2.load(name)
    timestep_fs = timestep_fs or timestep_of(potential)
    path = checkpoint_file(potential, temperature_k, timestep_fs)
    steps = round(1000.0 * picoseconds / timestep_fs)
    keep = picoseconds >= KEPT_FROM_PS
    energies: list[float] = []
    temperatures: list[float] = []
    done = 0
    if keep and path.exists():
        with np.load(path) as kept:
            atoms = Atoms(kept["numbers"], positions=kept["positions"], cell=kept["cell"], pbc=True)
            atoms.set_velocities(kept["velocities"])
            done, sites = int(kept["step"]), kept["sites"]
            energies, temperatures = kept["energies"].tolist(), kept["temperatures"].tolist()
        run = Dynamics(atoms, potential, timestep_fs=timestep_fs)
    else:
        run = start(potential, temperature_k, timestep_fs)
        sites = run.structures.positions.copy()
    numbers = crystal_of(name).numbers
    saved, began, first = time.monotonic(), time.process_time(), done
    for step, energy, temperature in trajectory(run, steps, done):
        energies.append(energy)
        temperatures.append(temperature)
        if keep and (time.monotonic() - saved > SAVE_SECONDS or step == steps):
            saved = time.monotonic()
            save(
                path,
                numbers=numbers,
                positions=run.structures.positions,
                cell=run.structures.cells[0],
                step=step,
                velocities=run.velocities,
                sites=sites,
                energies=energies,
                temperatures=temperatures,
            )
            each = 1e6 * (time.process_time() - began) / (step - first)
            print(f"{name}: {step * timestep_fs / 1000:.0f} ps, {each:.0f} us/step", flush=True)
    count = steps // KEEP_EVERY
    moved = run.structures.positions - sites
    return row(name, np.array(energies[:count]), np.array(temperatures[:count]), moved, timestep_fs)


def row(name: str, energies_ev: Array, temperatures_k: Array, moved_a: Array, timestep_fs: float) -> dict[str, object]:
    """What is kept of a run: total energies (n,) and temperatures (n,) every KEEP_EVERY steps, displacements (N, 3)."""
    crystal = crystal_of(name)
    found = drift(energies_ev / len(crystal), KEEP_EVERY * timestep_fs)
    return {
        "potential": name,
        "crystal": crystal.get_chemical_formula("metal"),
        "atoms": len(crystal),
        "picoseconds": len(energies_ev) * KEEP_EVERY * timestep_fs / 1000.0,
        "timestep_fs": timestep_fs,
        "temperature_k": float(np.mean(temperatures_k)),
        **asdict(found),
        "largest_displacement_a": float(np.linalg.norm(moved_a - moved_a.mean(axis=0), axis=1).max()),
    }


def so_far(name: str, *, timestep_fs: float | None = None, temperature_k: float = 300.0) -> dict[str, object] | None:
    """The row of a run that is not finished, from its checkpoint; None where there is none."""
    potential = sus2.load(name)
    timestep_fs = timestep_fs or timestep_of(potential)
    path = checkpoint_file(potential, temperature_k, timestep_fs)
    if not path.exists():
        return None
    with np.load(path) as kept:
        moved = kept["positions"] - kept["sites"]
        return row(name, kept["energies"], kept["temperatures"], moved, timestep_fs)


def save(path: Path, **arrays: object) -> None:
    """All or nothing: a kill in mid-write leaves the checkpoint before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(part, **{k: np.asarray(v) for k, v in arrays.items()})
    part.replace(path)


def keep_row(found: dict[str, object]) -> None:
    """A file for each potential, so that several may run at once."""
    path = RUNS / "dynamics" / f"{found['potential']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picoseconds", type=float, default=5.0)
    parser.add_argument("--timestep", type=float, help="fs, by default as the highest frequency asks for")
    parser.add_argument("--so-far", action="store_true", help="run nothing: keep what the checkpoints hold")
    parser.add_argument("names", nargs="*", help="potentials, all shipped ones by default")
    options = parser.parse_args()
    for name in options.names or [card.name for card in sus2.models()]:
        if options.so_far:
            found = so_far(name, timestep_fs=options.timestep)
            if found is None:
                continue
        else:
            found = conserve(name, options.picoseconds, timestep_fs=options.timestep)
        print(
            f"{name} {found['crystal']} {found['temperature_k']:.0f} K, {found['picoseconds']:.0f} ps: drift "
            f"{found['ev_per_atom_ns']:.1e} +- {found['error_ev_per_atom_ns']:.1e} eV/atom/ns, "
            f"fluctuation {found['fluctuation_ev_per_atom']:.1e} eV/atom",
            flush=True,
        )
        if options.timestep is None and (options.so_far or options.picoseconds >= 1000.0):
            keep_row(found)


if __name__ == "__main__":
    main()
