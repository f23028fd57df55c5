"""Structures made of a crystal at rest: volumes, strains, rattles, and pairs whose differences are second derivatives.

A pair of strains +-e has stresses that differ by twice the elastic response to e, a pair of displacements +-u forces
that differ by -2 H u: curvature for the price of two labels, for a trainer that is told which structures are a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from sus2.training.data.generate import supercell
from sus2.types import Array

PAIR_STRAIN: Final = 0.01
PAIR_DISPLACEMENT_A: Final = 0.02
_WIDE, _NARROW = (0.78, 1.3), (0.93, 1.08)
_VOLUMES: Final = {
    0: ((0.80, 1.25),),
    1: ((0.80, 0.97), (1.0, 1.25)),
    2: ((0.78, 0.90), (0.90, 1.02), (1.02, 1.25)),
}


@dataclass(frozen=True)
class Variation:
    """A structure made of a crystal.

    Attributes
    ----------
    atoms
        The structure.
    kind
        How it was made.
    volume_ratio
        Its volume over the crystal's.
    """

    atoms: Atoms
    kind: str
    volume_ratio: float


def _deformed(atoms: Atoms, gradient: Array) -> Atoms:
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ gradient, scale_atoms=True)
    return out


def _at_volume(gradient: Array, ratio: float) -> Array:
    scaled: Array = gradient * (ratio / np.linalg.det(gradient)) ** (1.0 / 3.0)
    return scaled


def _strain(size: float, rng: np.random.Generator) -> Array:
    """A random symmetric strain whose largest component is `size`."""
    e = rng.uniform(-1.0, 1.0, (3, 3))
    e = 0.5 * (e + e.T)
    strain: Array = size * e / np.abs(e).max()
    return strain


def _moves(count: int, size: float, rng: np.random.Generator) -> Array:
    """Normal displacements (count, 3), cut at 2.5 standard deviations, without drift."""
    moves: Array = size * np.clip(rng.standard_normal((count, 3)), -2.5, 2.5)
    return moves - moves.mean(axis=0) if count > 1 else moves


def strain_pair(atoms: Atoms, rng: np.random.Generator, *, along_axes: bool) -> tuple[Atoms, Atoms]:
    """The crystal strained by +e and -e, of one per cent in the largest component.

    Parameters
    ----------
    atoms
        The crystal at rest.
    rng
        Of the strain.
    along_axes
        One normal and the opposite shear component (which in a cubic crystal gives C11, C12 and C44), instead of a
        random symmetric strain.

    Returns
    -------
    (Atoms, Atoms)
        Plus and minus.
    """
    if along_axes:
        e = np.zeros((3, 3))
        a = int(rng.integers(3))
        b, c = (a + 1) % 3, (a + 2) % 3
        e[a, a] = e[b, c] = e[c, b] = PAIR_STRAIN
    else:
        e = _strain(PAIR_STRAIN, rng)
    return _deformed(atoms, np.eye(3) + e), _deformed(atoms, np.eye(3) - e)


def displaced_pair(atoms: Atoms, rng: np.random.Generator) -> tuple[Atoms, Atoms]:
    """The crystal, or a small supercell of it, with all atoms displaced by +u and -u.

    Parameters
    ----------
    atoms
        The crystal at rest.
    rng
        Of the displacements and of the supercell.

    Returns
    -------
    (Atoms, Atoms)
        Plus and minus.
    """
    n = len(atoms)
    if n >= 4 and rng.random() < 0.8:
        cell = atoms
    else:
        cell = supercell(atoms, max(int(rng.choice([2, 3, 4])) * n, 2) if n < 6 else n)
    if len(cell) == 1:
        cell = atoms.repeat((2, 1, 1))
    u = _moves(len(cell), PAIR_DISPLACEMENT_A / np.sqrt(3.0), rng)
    plus, minus = cell.copy(), cell.copy()
    plus.positions += u
    minus.positions -= u
    return plus, minus


def _rattled(atoms: Atoms, rng: np.random.Generator, volumes: tuple[float, float]) -> tuple[Atoms, float]:
    n = len(atoms)
    if n <= 6 and rng.random() < (0.5 if n == 1 else 0.25):
        atoms = supercell(atoms, min(12, int(rng.choice([2, 3, 4])) * n))
    if len(atoms) == 1:
        atoms = supercell(atoms, int(rng.choice([2, 3, 4])))
    ratio = float(rng.uniform(*volumes))
    out = _deformed(atoms, _at_volume(np.eye(3) + _strain(float(rng.uniform(0.0, 0.03)), rng), ratio))
    size = float(np.exp(rng.uniform(np.log(0.03), np.log(0.25))))
    out.positions += _moves(len(out), size, rng) / np.sqrt(3.0) * 1.3
    return out, ratio


def varied(atoms: Atoms, detail: int, rng: np.random.Generator, *, rich: bool = False) -> list[Variation]:
    """The structures of one crystal at rest.

    Parameters
    ----------
    atoms
        The crystal at rest, a primitive cell.
    detail
        0 for few, 1 for the usual, 2 for many structures.
    rng
        Of everything.
    rich
        A few more structures, as the first shards have them.

    Returns
    -------
    list of Variation
        The crystal itself first; the two of a pair follow each other.
    """
    n = len(atoms)
    few = n > (10 if rich else 8)
    made = [Variation(atoms.copy(), "relaxed", 1.0)]
    strata = _VOLUMES[detail]
    if few and detail:
        strata = strata[:1] if rng.random() < 0.5 else strata[-1:]
    for low, high in strata:
        made.append(_scaled(atoms, "volume", float(rng.uniform(low, high))))
    if rng.random() < (0.08 if detail < 2 else 0.25) and n <= 6:
        made.append(_scaled(atoms, "wall", float(rng.uniform(0.62, 0.78))))
    for k in range(1 if few or detail < 2 else 2):
        made += [Variation(a, "strain-pair", 1.0) for a in strain_pair(atoms, rng, along_axes=k == 0)]
    pairs = min(detail, 1)
    if n <= 6:
        drawn = rng.random() < (0.5 if rich else 0.3)
        pairs = detail or int(drawn)
    for _ in range(pairs):
        made += [Variation(a, "displaced-pair", 1.0) for a in displaced_pair(atoms, rng)]
    if detail:
        ratio = float(rng.uniform(0.94, 1.06))
        strained = _deformed(atoms, _at_volume(np.eye(3) + _strain(float(rng.uniform(0.01, 0.08)), rng), ratio))
        strained.positions += _moves(n, 0.02, rng)
        made.append(Variation(strained, "strain", ratio))
    rattles = 1 if few else {0: 2 if rich else 1, 1: 2, 2: 3}[detail]
    for k in range(rattles):
        wide = k == 1 or (detail == 0 and not rich and rng.random() < 0.4)
        moved, ratio = _rattled(atoms, rng, _WIDE if wide else _NARROW)
        made.append(Variation(moved, "rattle-volume" if wide else "rattle", ratio))
    return made


def _scaled(atoms: Atoms, kind: str, ratio: float) -> Variation:
    return Variation(_deformed(atoms, np.eye(3) * ratio ** (1.0 / 3.0)), kind, ratio)
