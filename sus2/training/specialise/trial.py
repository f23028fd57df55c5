"""The student tried: its crystal relaxed, E(V), second derivatives and short dynamics, and where it guesses.

What the student does by itself is what its user will do with it. So the structures that a relaxation, a volume, a soft
mode or dynamics leads to are graded by how far their atoms are from the labels (sus2.registry.applicability), and
those that are far, or absurd, go back to the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import CancelledError, Sus2Error
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.progress import Tick
from sus2.registry.applicability import Information, descriptors, grade_of
from sus2.relaxation.relax import relax
from sus2.training.data.generate import Made, supercell
from sus2.training.specialise.response import Measured, measured_exactly
from sus2.training.specialise.structures import at_volume, moves, plain, too_close
from sus2.types import Array

KELVIN: Final = (300.0, 900.0)
_STEPS: Final = 60
_EVERY: Final = 15
# A grade above this is extrapolation (sus2.registry.applicability.WARN); beyond the other nothing is told any more.
GRADE: Final = 1.0
_LOST: Final = 30.0
_LARGEST_FORCE: Final = 15.0
# Relaxations that begin away from rest: ratio of the volume and displacement, A.
_STARTS: Final = ((0.90, 0.05), (1.10, 0.05), (1.0, 0.12))
_VOLUME_CHANGE: Final = 0.25


@dataclass(frozen=True, eq=False)
class Candidate:
    """A structure that the student led to.

    Attributes
    ----------
    made
        The structure.
    grade
        The largest grade of its atoms, nan where nothing is known.
    broken
        Why it is absurd, or empty.
    """

    made: Made
    grade: float
    broken: str


@dataclass(frozen=True, eq=False)
class Trial:
    """What came out.

    Attributes
    ----------
    atoms
        The crystal at the student's rest; None where it has none near the teacher's.
    measured
        Its properties there; None likewise.
    candidates
        Structures, the most doubtful first.
    problems
        What went wrong, one sentence each.
    """

    atoms: Atoms | None
    measured: Measured | None
    candidates: tuple[Candidate, ...]
    problems: tuple[str, ...]

    @property
    def largest_grade(self) -> float:
        """Of all candidates; nan without any."""
        grades = [c.grade for c in self.candidates if np.isfinite(c.grade)]
        return max(grades, default=float("nan"))


def properties(atoms: Atoms, potential: Potential, q: Array) -> tuple[Atoms, Measured]:
    """The crystal at the potential's rest and what it is like there.

    Parameters
    ----------
    atoms
        The crystal at the teacher's rest.
    potential
        The student.
    q
        Wave vectors (Q, 3).

    Returns
    -------
    (Atoms, Measured)
        Both in the axes of `atoms`.

    Raises
    ------
    Sus2Error
        It has no rest near there.
    """
    found = relax(atoms, potential, fmax=1e-4, stress_gpa=0.01, max_steps=200).require_converged()
    change = found.volume_a3 / abs(float(atoms.cell.volume)) - 1.0
    if abs(change) > _VOLUME_CHANGE or too_close(found.atoms):
        raise Sus2Error(f"The relaxation leaves the crystal: its volume changes by {100.0 * change:.0f} %.")
    return found.atoms, measured_exactly(second_derivatives(found.atoms, potential), q)


def tried(
    atoms: Atoms,
    potential: Potential,
    known: Information,
    q: Array,
    name: str,
    *,
    seed: int,
    dynamics: bool,
    tick: Tick,
) -> Trial:
    """Try a student on its crystal.

    Parameters
    ----------
    atoms
        The crystal at the teacher's rest.
    potential
        The student.
    known
        Summary of its labels.
    q
        Wave vectors (Q, 3) of the frequencies.
    name
        What structures are filed under.
    seed
        Of displacements and velocities.
    dynamics
        Whether to run dynamics.
    tick
        Called often with what is done; it may raise CancelledError.

    Returns
    -------
    Trial
        Properties and doubtful structures.
    """
    rng = np.random.default_rng((seed, 5))
    problems: list[str] = []
    led: list[tuple[Atoms, str]] = []
    rest, found = None, None
    tick("relaxation")
    try:
        rest, found = properties(atoms, potential, q)
        led.append((rest, "relaxation"))
    except CancelledError:
        raise
    except Sus2Error as error:
        problems.append(str(error))
        led += _way(atoms, potential)
    if found is not None:
        if not np.isfinite(found.c_gpa).all():
            problems.append("A mode that strain excites has no restoring force, so elastic constants do not exist.")
        if rest is not None and found.frequencies_thz.min() < -0.3:
            led += _soft(rest, potential, rng)
    for ratio, size in _STARTS:
        tick("relaxations from elsewhere")
        start = at_volume(atoms, ratio)
        start.positions += moves(len(start), size, rng) if len(start) > 1 else 0.0
        led += _way(start, potential)
    for ratio in (0.85, 1.15):
        tick("E(V)")
        led += _way(at_volume(atoms, ratio), potential, cell=False)
    if dynamics:
        for kelvin in KELVIN:
            tick(f"dynamics at {kelvin:.0f} K")
            led += _dynamics(rest or atoms, potential, kelvin, rng, tick)
    candidates = []
    for structure, kind in led:
        tick("grades")
        candidates.append(_graded(structure, kind, potential, known, name, abs(float(atoms.cell.volume)) / len(atoms)))
    candidates.sort(key=lambda c: (not c.broken, -np.nan_to_num(c.grade, nan=_LOST)))
    return Trial(rest, found, tuple(candidates), tuple(problems))


def _graded(
    atoms: Atoms, kind: str, potential: Potential, known: Information, name: str, volume_per_atom: float
) -> Candidate:
    ratio = abs(float(atoms.cell.volume)) / len(atoms) / volume_per_atom
    made = Made(plain(atoms), kind, name, ratio)
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return Candidate(made, float("nan"), "positions are no numbers")
    if too_close(atoms):
        return Candidate(made, float("nan"), "atoms are too close")
    grades = grade_of(known, descriptors(potential, [atoms]), type_indices(atoms, potential.elements))
    finite = grades[np.isfinite(grades)]
    grade = float(finite.max()) if len(finite) else float("nan")
    return Candidate(made, grade, "far from all labels" if grade > _LOST else "")


def _way(start: Atoms, potential: Potential, *, cell: bool = True) -> list[tuple[Atoms, str]]:
    """Stations of a relaxation from here on: after a few steps, and its end."""
    out: list[tuple[Atoms, str]] = []
    now = start
    for steps in (4, 12, 40):
        try:
            now = relax(now, potential, cell=cell, fmax=5e-3, stress_gpa=0.1, symmetry=False, max_steps=steps).atoms
        except CancelledError:
            raise
        except Sus2Error:
            # It collapsed: the station before is the last that means anything.
            break
        out.append((now, "relaxation"))
        if too_close(now):
            break
    return out


def _soft(rest: Atoms, potential: Potential, rng: np.random.Generator) -> list[tuple[Atoms, str]]:
    """The crystal displaced along its softest modes of the lattice's period."""
    modes = second_derivatives(rest, potential).modes([[0.0, 0.0, 0.0]])
    masses = atomic_masses[rest.numbers]
    out = []
    for k in range(min(3, modes.eigenvectors.shape[2])):
        u = modes.eigenvectors[0, :, k].real.reshape(-1, 3) / np.sqrt(masses)[:, None]
        size = float(np.linalg.norm(u, axis=1).max())
        if size < 1e-9:
            continue
        moved = rest.copy()
        moved.positions += float(rng.choice([0.1, 0.2])) * u / size
        out.append((moved, "soft mode"))
    return out


def _dynamics(
    rest: Atoms, potential: Potential, kelvin: float, rng: np.random.Generator, tick: Tick
) -> list[tuple[Atoms, str]]:
    """Snapshots of Langevin dynamics in a small supercell, until forces or distances make no sense."""
    atoms = supercell(plain(rest), max(8, 2 * len(rest)) if len(rest) <= 10 else len(rest))
    masses = atomic_masses[atoms.numbers]
    step = (0.5 if masses.min() < 3.0 else 2.0) * units.fs
    friction = 0.02 / units.fs
    # Velocities of twice the temperature: the crystal starts at rest, where it takes half of them.
    velocities = rng.standard_normal((len(atoms), 3)) * np.sqrt(2.0 * units.kB * kelvin / masses)[:, None]
    velocities -= (velocities * masses[:, None]).sum(axis=0) / masses.sum()
    decay = np.exp(-friction * step)
    kick = np.sqrt(units.kB * kelvin * (1.0 - decay**2) / masses)[:, None]
    out: list[tuple[Atoms, str]] = []
    try:
        forces = potential.evaluate([atoms])[0].forces_ev_per_a
        for k in range(_STEPS):
            velocities += 0.5 * step * forces / masses[:, None]
            atoms.positions += 0.5 * step * velocities
            velocities = decay * velocities + kick * rng.standard_normal(velocities.shape)
            atoms.positions += 0.5 * step * velocities
            forces = potential.evaluate([atoms])[0].forces_ev_per_a
            velocities += 0.5 * step * forces / masses[:, None]
            if too_close(atoms) or not np.linalg.norm(forces, axis=1).max() < _LARGEST_FORCE:
                break
            if (k + 1) % _EVERY == 0:
                tick(f"dynamics at {kelvin:.0f} K")
                out.append((atoms.copy(), "dynamics"))
    except CancelledError:
        raise
    except Sus2Error:
        return out
    return out


def doubtful(candidates: Sequence[Candidate], most: int, grade: float = GRADE) -> list[Made]:
    """The structures that the teacher should see: graded as extrapolation, different from each other.

    Parameters
    ----------
    candidates
        The most doubtful first.
    most
        How many at most.
    grade
        From what grade on.

    Returns
    -------
    list of Made
        In their order.
    """
    chosen: list[Made] = []
    for c in candidates:
        if len(chosen) >= most:
            break
        if c.broken == "atoms are too close" or c.broken.startswith("positions"):
            continue
        if c.broken or not c.grade <= grade:
            chosen.append(c.made)
    return chosen
