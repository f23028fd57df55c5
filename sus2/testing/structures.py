"""The structures that the laws are tried on."""

from __future__ import annotations

from typing import Final

import numpy as np
from ase import Atoms

from sus2.potential.evaluation import Calculates
from sus2.types import Array

DEFAULT_REACH_A: Final = 8.0
"""How far a potential reaches that names no cutoff."""


def rattled(atoms: Atoms, seed: int = 0, size_a: float = 0.05) -> Atoms:
    """Displace every atom at random, so that nothing vanishes by symmetry.

    Parameters
    ----------
    atoms
        The crystal.
    seed
        Of the random numbers.
    size_a
        Standard deviation of each coordinate, angstrom.

    Returns
    -------
    ase.Atoms
        A copy.
    """
    out = atoms.copy()
    out.positions += np.random.default_rng(seed).normal(scale=size_a, size=out.positions.shape)
    return out


def deformed(atoms: Atoms, gradient: Array) -> Atoms:
    """Deform a crystal, its atoms carried along.

    Parameters
    ----------
    atoms
        The crystal.
    gradient
        What the lattice vectors (rows) are multiplied with from the right.

    Returns
    -------
    ase.Atoms
        A copy.
    """
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ gradient, scale_atoms=True)
    return out


def reach_a(potential: Calculates) -> float:
    """Return how far a potential reaches.

    Parameters
    ----------
    potential
        The potential.

    Returns
    -------
    float
        Its `cutoff` in angstrom where it has one, else DEFAULT_REACH_A.
    """
    return float(getattr(potential, "cutoff", DEFAULT_REACH_A))


def lone_atom(atoms: Atoms, potential: Calculates) -> Atoms:
    """Put one atom in a box in which it does not reach its images.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.

    Returns
    -------
    ase.Atoms
        One atom in a periodic box.
    """
    box = 2.5 * max(reach_a(potential), DEFAULT_REACH_A)
    return Atoms([atoms.get_chemical_symbols()[0]], [[0.1, 0.2, 0.3]], cell=[box] * 3, pbc=True)
