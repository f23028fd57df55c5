"""When a relaxation is done, and when it has to be given up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from sus2.errors import ConvergenceError
from sus2.native.arrays import Structures
from sus2.native.build import available
from sus2.native.neighbours import find_edges, neighbours
from sus2.types import Array, Mask
from sus2.units import EV_PER_A3_TO_GPA

CLOSEST_FRACTION = 0.5
VOLUME_BOUNDS = (0.4, 2.5)


def stress_deviation_gpa(stress_ev_per_a3: Array, pressure_gpa: float, fixed_volume: bool) -> float:
    """Measure how far a stress is from that of a target pressure.

    Parameters
    ----------
    stress_ev_per_a3
        (6,), Voigt, positive in tension, eV/angstrom^3.
    pressure_gpa
        Target pressure, positive in compression.
    fixed_volume
        Look at the deviatoric stress alone.

    Returns
    -------
    float
        Largest component of stress + P, or of the deviatoric stress, GPa.
    """
    stress = np.array(stress_ev_per_a3) * EV_PER_A3_TO_GPA
    stress[:3] -= stress[:3].mean() if fixed_volume else -pressure_gpa
    return float(np.abs(stress).max())


def check_sane(atoms: Atoms, energy_ev: float, forces: Array, start_volume: float) -> None:
    """Refuse a relaxation whose numbers are infinite, whose volume left its bounds, or whose atoms overlap.

    Parameters
    ----------
    atoms
        Where the relaxation is.
    energy_ev
        The energy there.
    forces
        (N, 3), eV/angstrom.
    start_volume
        Volume of the start, angstrom^3; 0 without a cell.

    Raises
    ------
    ConvergenceError
        The relaxation has to be given up; the message says why.
    """
    formula = atoms.get_chemical_formula("metal")
    advice = "the potential is not valid there: start from a better structure or choose another potential."
    if not (math.isfinite(energy_ev) and np.isfinite(forces).all() and np.isfinite(atoms.positions).all()):
        raise ConvergenceError(f"{formula}: energy or forces became infinite during the relaxation; {advice}")
    if start_volume > 0:
        ratio = abs(float(atoms.cell.volume)) / start_volume
        if not VOLUME_BOUNDS[0] < ratio < VOLUME_BOUNDS[1]:
            what = "collapsed" if ratio < 1 else "flew apart"
            raise ConvergenceError(f"{formula} {what}: its volume became {ratio:.2f} times that of the start; {advice}")
    radii = CLOSEST_FRACTION * covalent_radii[atoms.numbers]
    found = neighbours(atoms, 2.0 * float(radii.max()))
    distance = np.linalg.norm(found.vector, axis=1)
    close = np.flatnonzero(distance < radii[found.index_i] + radii[found.index_j])
    if close.size:
        k = close[distance[close].argmin()]
        pair = f"{atoms.symbols[found.index_i[k]]}-{atoms.symbols[found.index_j[k]]}"
        raise ConvergenceError(f"{formula} collapsed: {pair} atoms came within {distance[k]:.2f} Å; {advice}")


def suspects_of(structures: Sequence[Atoms]) -> Mask:
    """Which structures have atoms closer than a fraction of their covalent radii; all where there is no compiler.

    Parameters
    ----------
    structures
        n structures that were just evaluated, so that nothing else is left to be checked.

    Returns
    -------
    ndarray
        (n,).
    """
    if not structures or not available():
        return np.ones(len(structures), dtype=bool)
    first = np.cumsum([0, *map(len, structures)], dtype=np.int64)
    numbers = np.concatenate([a.numbers for a in structures])
    packed = Structures(
        first,
        np.concatenate([a.positions for a in structures]),
        np.array([a.cell.array for a in structures]),
        np.array([a.pbc for a in structures], dtype=np.int64),
        np.zeros(len(numbers), dtype=np.int64),
    )
    radii = CLOSEST_FRACTION * covalent_radii[numbers]
    start, j, _, vectors = find_edges(packed, 2.0 * float(radii.max()))
    i = np.repeat(np.arange(len(packed.types)), np.diff(start))
    system = np.repeat(np.arange(len(structures)), np.diff(packed.first))[i]
    close = np.linalg.norm(vectors, axis=1) < radii[i] + radii[j + packed.first[system]]
    out = np.zeros(len(structures), dtype=bool)
    out[system[close]] = True
    return out
