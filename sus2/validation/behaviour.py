"""How a potential behaves on and around a crystal: derivatives, symmetries, smoothness, short distances, dynamics."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from ase import Atoms
from ase import units as ase_units
from ase.data import atomic_numbers, covalent_radii
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

from sus2.checks import Check, Verdict, graded
from sus2.potential.evaluation import Calculates
from sus2.structures import elements_of
from sus2.testing import structures
from sus2.testing.measures import Measures
from sus2.types import Array
from sus2.validation.result import Curve

WALL: Final = (0.5, 0.8)  # in units of the sum of covalent radii: a dimer must repel here
VOLUMES: Final = (0.6, 1.6)
_PATH_STRAIN: Final = 0.03
_PATH_MOVE_A: Final = 0.2  # the largest displacement of an atom on it
_DYNAMICS_ATOMS: Final = 32
_DYNAMICS_K: Final = 300.0


def derivative_checks(atoms: Atoms, potential: Calculates, seed: int = 0) -> list[Check]:
    """Forces and stress against fourth-order differences of the energy of a rattled crystal.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    seed
        Of the displacements and of the coordinates that are moved.

    Returns
    -------
    list of Check
        Forces (eV/angstrom) and stress (GPa).
    """
    # One atom alone in its cell has no force, whatever the potential.
    crystal = structures.rattled(atoms if len(atoms) > 1 else atoms.repeat((2, 1, 1)), seed)
    measures = Measures(crystal, potential)
    return [
        graded(
            "Forces against energy",
            measures.force_slope_ev_per_a(seed),
            "eV/Å",
            pass_limit=1e-4,
            warn_limit=1e-2,
            meaning="Forces must be the slope of the energy, or dynamics heats up and relaxation goes astray.",
        ),
        graded(
            "Stress against energy",
            measures.stress_slope_gpa(),
            "GPa",
            pass_limit=1e-2,
            warn_limit=0.1,
            meaning="The stress must be the slope of the energy under strain, or cells relax to a wrong size.",
        ),
    ]


def invariance_checks(atoms: Atoms, potential: Calculates, seed: int = 0) -> list[Check]:
    """Rotation and permutation invariance, size extensivity, and two atoms far apart, of a rattled crystal.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    seed
        Of the displacements and of the rotation.

    Returns
    -------
    list of Check
        Four, in this order.
    """
    crystal = structures.rattled(atoms, seed)
    measures = Measures(crystal, potential)
    rotated = measures.rotation(seed)
    reordered = measures.permutation()
    repeated = measures.extensivity().energy_ev_per_atom
    apart = measures.interaction_beyond_cutoff_ev()
    meaning = "A potential that breaks this gives numbers that depend on how a file was written."
    return [
        graded(
            "Rotation invariance",
            max(rotated.energy_ev_per_atom, rotated.force_ev_per_a),
            "eV, eV/Å",
            pass_limit=1e-8,
            warn_limit=1e-4,
            meaning=meaning,
        ),
        graded(
            "Permutation invariance",
            max(reordered.energy_ev_per_atom, reordered.force_ev_per_a),
            "eV, eV/Å",
            pass_limit=1e-8,
            warn_limit=1e-4,
            meaning=meaning,
        ),
        graded(
            "Size extensivity",
            repeated,
            "eV/atom",
            pass_limit=1e-8,
            warn_limit=1e-4,
            meaning="Twice the crystal must have twice the energy.",
        ),
        graded(
            "Two atoms far apart",
            apart,
            "eV",
            pass_limit=1e-6,
            warn_limit=1e-2,
            meaning="Beyond the cutoff atoms must not feel each other.",
        ),
    ]


def smoothness_checks(atoms: Atoms, potential: Calculates, points: int = 121, seed: int = 0) -> list[Check]:
    """Kinks of the first and jumps of the second derivative of E: strained by +-3 %, and as atoms move by 0.2 A.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    points
        Of each of the two paths.
    seed
        Of the direction in which the atoms move.

    Returns
    -------
    list of Check
        The larger kink (eV/atom) and the larger jump (percent of the typical second derivative) of the two paths.
    """
    paths = (_strained_path(atoms, potential, points), _moved_path(atoms, potential, points, seed))
    kink, jump = (max(values) for values in zip(*paths, strict=True))
    return [
        graded(
            "Kinks of the energy",
            kink,
            "eV/atom",
            pass_limit=1e-3,
            warn_limit=1e-2,
            meaning="The slope of the energy must not jump as the crystal is stretched or its atoms move.",
        ),
        graded(
            "Jumps of the stiffness",
            100.0 * jump,
            "%",
            pass_limit=5.0,
            warn_limit=25.0,
            meaning="The second derivative jumps where a shell of neighbours crosses the cutoff; large jumps make "
            "phonons and elastic constants depend on the exact volume.",
        ),
    ]


def _strained_path(atoms: Atoms, potential: Calculates, points: int) -> tuple[float, float]:
    strain = np.linspace(-_PATH_STRAIN, _PATH_STRAIN, points)
    found = potential.evaluate([structures.deformed(atoms, np.eye(3) * (1.0 + s)) for s in strain])
    volumes = np.array([abs(structures.deformed(atoms, np.eye(3) * (1.0 + s)).get_volume()) for s in strain])
    # dE/ds with r -> (1 + s) r is V tr(sigma) / (1 + s).
    slope = np.array([r.stress_ev_per_a3[:3].sum() for r in found]) * volumes / (1.0 + strain)
    return _roughness(strain, np.array([r.energy_ev for r in found]), slope, len(atoms))


def _moved_path(atoms: Atoms, potential: Calculates, points: int, seed: int) -> tuple[float, float]:
    # One atom alone in its cell cannot move against the others.
    crystal = atoms if len(atoms) > 1 else atoms.repeat((2, 1, 1))
    pattern = np.random.default_rng((seed, 3)).normal(size=crystal.positions.shape)
    pattern -= pattern.mean(axis=0)
    pattern /= np.linalg.norm(pattern, axis=1).max()
    amplitude = np.linspace(-_PATH_MOVE_A, _PATH_MOVE_A, points)
    moved = []
    for t in amplitude:
        copy = crystal.copy()
        copy.positions += t * pattern
        moved.append(copy)
    found = potential.evaluate(moved)
    slope = np.array([-(r.forces_ev_per_a * pattern).sum() for r in found])
    return _roughness(amplitude, np.array([r.energy_ev for r in found]), slope, len(crystal))


def _roughness(at: Array, energy: Array, slope: Array, n_atoms: int) -> tuple[float, float]:
    """Largest kink (energy per atom) and largest jump of the curvature over its typical size, along a path."""
    step = at[1] - at[0]
    trapezoid = np.diff(energy) - 0.5 * step * (slope[1:] + slope[:-1])
    curvature = np.diff(slope) / step
    typical = max(float(np.median(np.abs(curvature))), 1e-12)
    kink = float(np.abs(np.diff(trapezoid)).max()) / step / n_atoms
    return kink, float(np.abs(np.diff(curvature, 2)).max()) / typical


def dimer_curves(potential: Calculates, elements: tuple[str, ...], points: int = 61) -> dict[str, Curve]:
    """Energy of two atoms against their distance, from half the sum of covalent radii to the cutoff, by pair.

    Parameters
    ----------
    potential
        The potential; without a cutoff 6 angstrom are taken.
    elements
        Chemical symbols.
    points
        About how many distances.

    Returns
    -------
    dict
        Pair, such as "Al-Cu" -> its curve, to 1.8 times the sum of the radii at least.
    """
    out = {}
    for x, y in combinations_with_replacement(sorted(elements), 2):
        reach = _reach(x, y)
        far = max(1.8 * reach, float(getattr(potential, "cutoff", 6.0)))
        r = np.concatenate(
            [np.linspace(WALL[0], 1.2, 2 * points // 3) * reach, np.linspace(1.2 * reach, far, points // 3 + 1)[1:]]
        )
        found = potential.evaluate([Atoms([x, y], [[0, 0, 0], [0, 0, d]]) for d in r])
        out[f"{x}-{y}"] = Curve(r, np.array([f.energy_ev for f in found]))
    return out


def _reach(x: str, y: str) -> float:
    return float(covalent_radii[atomic_numbers[x]] + covalent_radii[atomic_numbers[y]])


def wall_checks(atoms: Atoms, potential: Calculates) -> tuple[list[Check], dict[str, Curve]]:
    """Whether every pair of a crystal's elements repels at short distances.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.

    Returns
    -------
    tuple of list of Check and dict
        One check, and the curves of dimer_curves.
    """
    curves = dimer_curves(potential, elements_of(atoms))
    bad = []
    for pair, curve in curves.items():
        wall = curve.x <= WALL[1] * _reach(*pair.split("-"))
        if (np.diff(curve.energies_ev[wall]) > 0).any():
            bad.append(pair)
    meaning = (
        f"Every pair repels between {WALL[0]:g} and {WALL[1]:g} of the sum of its covalent radii."
        if not bad
        else f"{', '.join(bad)} attract somewhere between {WALL[0]:g} and {WALL[1]:g} of the sum of their covalent "
        "radii: atoms that come so close fall together."
    )
    return [graded("Pairs without a repulsive wall", len(bad), "", pass_limit=0, warn_limit=0, meaning=meaning)], curves


def wide_volume_checks(atoms: Atoms, potential: Calculates) -> tuple[list[Check], Curve]:
    """Whether E(V) of the uniformly scaled crystal has one minimum over a wide range.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.

    Returns
    -------
    tuple of list of Check and Curve
        One check, and E(V) of the cell.
    """
    ratio = np.linspace(*VOLUMES, 81)
    found = potential.evaluate([structures.deformed(atoms, np.eye(3) * x ** (1 / 3)) for x in ratio])
    energy = np.array([r.energy_ev for r in found]) / len(atoms)
    curve = Curve(ratio * abs(atoms.get_volume()), energy * len(atoms))
    # Ends that are lower than their neighbours count: the energy still falls there.
    lower = np.r_[True, energy[1:] < energy[:-1]] & np.r_[energy[:-1] < energy[1:], True]
    places = ratio[lower]
    deepest = float(ratio[energy.argmin()])
    deeper = abs(deepest - 1.0) > 0.1
    meaning = (
        f"E(V) has one minimum between {VOLUMES[0]:g} and {VOLUMES[1]:g} of the volume."
        if len(places) == 1
        else f"E(V) has minima at {', '.join(f'{v:.2f}' for v in places)} of the volume"
        + (f", and that at {deepest:.2f} is the deepest" if deeper else "")
        + ": a crystal that is compressed or stretched far can fall into the wrong one."
    )
    verdict: Verdict = "pass" if len(places) == 1 else "fail" if deeper else "warn"
    return [Check("Minima of E(V)", float(len(places)), "", verdict, meaning)], curve


def dynamics_checks(
    atoms: Atoms, potential: Calculates, length_ps: float, seed: int = 0
) -> tuple[list[Check], Curve | None]:
    """Drift of the total energy at constant energy, by Verlet steps of 1 fs (0.5 fs with hydrogen).

    Parameters
    ----------
    atoms
        The crystal, which is repeated to 32 atoms or more.
    potential
        The potential.
    length_ps
        Of the run; nothing is computed where it is not positive.
    seed
        Of the velocities.

    Returns
    -------
    tuple of list of Check and Curve or None
        One check, and the total energy of the repeated crystal against time, ps; no check and None without a run.
    """
    if length_ps <= 0.0:
        return [], None
    cell = atoms.copy()
    while len(cell) < _DYNAMICS_ATOMS:
        shortest = int(np.argmin(cell.cell.lengths()))
        cell = cell.repeat([2 if k == shortest else 1 for k in range(3)])
    cell.calc = potential.calculator()
    rng = np.random.default_rng((seed, 3))
    # Maxwell and Boltzmann's, of twice the temperature: half of it goes into the potential. Written out, since ASE's
    # function has another name in each of the versions that are allowed.
    widths = np.sqrt(cell.get_masses() * ase_units.kB * 2 * _DYNAMICS_K)
    cell.set_momenta(widths[:, None] * rng.standard_normal((len(cell), 3)))
    Stationary(cell)
    step_fs = 0.5 if cell.get_masses().min() < 4.0 else 1.0
    run = VelocityVerlet(cell, timestep=step_fs * ase_units.fs)
    every = 10
    times, energies = [], []
    for k in range(round(1e3 * length_ps / step_fs / every)):
        run.run(every)
        times.append(1e-3 * step_fs * every * (k + 1))
        energies.append(cell.get_total_energy() / len(cell))
        if not np.isfinite(energies[-1]):
            break
    x, e = np.array(times), np.array(energies)
    drift = abs(float(np.polyfit(x, e, 1)[0])) if np.isfinite(e).all() and len(x) > 2 else math.inf
    return [
        graded(
            "Energy drift in dynamics",
            1e3 * drift,
            "meV/atom/ps",
            pass_limit=0.1,
            warn_limit=1.0,
            meaning=f"{length_ps:g} ps at constant energy, {_DYNAMICS_K:g} K, {len(cell)} atoms: the total energy "
            "must stay where it is.",
        ),
    ], Curve(x, e * len(cell))
