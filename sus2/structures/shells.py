"""Neighbour shells of each atom, and the shortest distance of each pair of elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms

from sus2.errors import StructureError
from sus2.native.neighbours import neighbours
from sus2.structures.crystal import check_crystal, shortest_distance, to_atoms
from sus2.types import Array, Index, StrArray

if TYPE_CHECKING:
    from pymatgen.core import Structure

COORDINATION: Final = 1.1
"""Atoms within this factor of the nearest one's distance count as coordinated (pymatgen's MinimumDistanceNN)."""
MAX_REACH_A: Final = 20.0
_MAX_PAIRS = 2_000_000

Pair = tuple[str, str]


@dataclass(frozen=True)
class NeighbourShell:
    """Neighbours of one element at about one distance.

    Attributes
    ----------
    element
        Chemical symbol.
    count
        How many.
    distance_a
        Their mean distance, angstrom.
    spread_a
        Largest difference of their distances, angstrom.
    """

    element: str
    count: int
    distance_a: float
    spread_a: float


@dataclass(frozen=True)
class Surroundings:
    """What is around one atom.

    Attributes
    ----------
    site
        Number of the atom, from 0.
    element
        Its chemical symbol.
    nearest_a
        Distance of the nearest atom, angstrom; inf where none is within reach.
    coordination
        How many are within COORDINATION of that.
    shells
        Neighbours by distance.
    """

    site: int
    element: str
    nearest_a: float
    coordination: int
    shells: tuple[NeighbourShell, ...]


def surroundings(
    structure: Atoms | Structure, *, reach_a: float | None = None, tolerance_a: float = 0.02
) -> tuple[Surroundings, ...]:
    """Neighbours of every atom.

    Parameters
    ----------
    structure
        A crystal.
    reach_a
        How far to look, angstrom; by default 1.6 times the longest of the nearest distances, at least 3.
    tolerance_a
        Neighbours of one element whose distances follow each other this closely are one shell.

    Returns
    -------
    tuple of Surroundings
        In the order of the atoms.

    Raises
    ------
    StructureError
        Not a crystal, a reach or tolerance out of range.
    """
    atoms = to_atoms(structure)
    check_crystal(atoms)
    if not 0.0 < tolerance_a <= 1.0:
        raise StructureError(f"A tolerance of {tolerance_a:g} Å is out of range; give one above 0 and up to 1 Å.")
    reach = _default_reach(atoms) if reach_a is None else reach_a
    if not 0.0 < reach <= MAX_REACH_A:
        raise StructureError(f"A reach of {reach:g} Å is out of range; give one above 0 and up to {MAX_REACH_A:g} Å.")
    i, j, d = _neighbours(atoms, reach)
    symbols = np.array(atoms.get_chemical_symbols())
    order = np.lexsort((d, i))
    i, j, d = i[order], j[order], d[order]
    bounds = np.searchsorted(i, np.arange(len(atoms) + 1))
    out = []
    for site, (start, stop) in enumerate(pairwise(bounds)):
        mine = d[start:stop]
        nearest = float(mine[0]) if len(mine) else math.inf
        near = int(np.count_nonzero(mine <= COORDINATION * nearest)) if len(mine) else 0
        shells = _shells(symbols[j[start:stop]], mine, tolerance_a)
        out.append(Surroundings(site, str(symbols[site]), nearest, near, shells))
    return tuple(out)


def distinct(found: Sequence[Surroundings], *, tolerance_a: float = 0.005) -> tuple[tuple[int, ...], ...]:
    """Sites of one element with the same shells.

    Symmetrically equivalent atoms are together; others may be too, where only angles tell them apart.

    Parameters
    ----------
    found
        As surroundings gives it.
    tolerance_a
        Within which distances are equal, angstrom.

    Returns
    -------
    tuple
        Groups of sites, the first ones first.
    """
    groups: list[list[Surroundings]] = []
    for one in found:
        for group in groups:
            first = group[0]
            if (first.element, first.coordination, len(first.shells)) == (
                one.element,
                one.coordination,
                len(one.shells),
            ) and all(
                (a.element, a.count) == (b.element, b.count) and abs(a.distance_a - b.distance_a) <= tolerance_a
                # By element first: of two elements at one distance, rounding says which comes first.
                for a, b in zip(sorted(first.shells, key=_by_element), sorted(one.shells, key=_by_element), strict=True)
            ):
                group.append(one)
                break
        else:
            groups.append([one])
    return tuple(tuple(one.site for one in group) for group in groups)


def shortest_by_pair(atoms: Atoms, reach_a: float) -> dict[Pair, float]:
    """The shortest distance of each pair of elements that comes within reach.

    Parameters
    ----------
    atoms
        Any structure.
    reach_a
        Angstrom.

    Returns
    -------
    dict
        Pair of elements (alphabetical) -> angstrom.
    """
    i, j, d = _neighbours(atoms, reach_a)
    symbols = np.array(atoms.get_chemical_symbols())
    kinds, index = np.unique(symbols, return_inverse=True)
    shortest = np.full((len(kinds), len(kinds)), np.inf)
    np.minimum.at(shortest, (index[i], index[j]), d)
    return {
        (str(kinds[a]), str(kinds[b])): float(min(shortest[a, b], shortest[b, a]))
        for a in range(len(kinds))
        for b in range(a, len(kinds))
        if np.isfinite(min(shortest[a, b], shortest[b, a]))
    }


def _neighbours(atoms: Atoms, reach: float) -> tuple[Index, Index, Array]:
    expected = len(atoms) ** 2
    if atoms.pbc.all():
        expected = int(len(atoms) ** 2 * 4.19 * reach**3 / abs(float(atoms.cell.volume)))
    if expected > _MAX_PAIRS:
        raise StructureError(
            f"Within {reach:.3g} Å there are about {expected:,} pairs of atoms, too many to list; look less far."
        )
    found = neighbours(atoms, reach)
    return found.index_i, found.index_j, np.linalg.norm(found.vector, axis=1)


def _default_reach(atoms: Atoms) -> float:
    """Far enough for the first shells of every atom, also of one that is far from the others."""
    reach = 1.6 * max(shortest_distance(atoms), 3.0 / 1.6)
    for _ in range(8):
        i, _, d = _neighbours(atoms, min(reach, MAX_REACH_A))
        nearest = np.full(len(atoms), np.inf)
        np.minimum.at(nearest, i, d)
        wanted = 1.6 * float(nearest.max())
        if wanted <= reach or reach >= MAX_REACH_A:
            break
        reach = wanted if math.isfinite(wanted) else 1.5 * reach
    return min(reach, MAX_REACH_A)


def _shells(symbols: StrArray, distances: Array, tolerance: float) -> tuple[NeighbourShell, ...]:
    """Shells of ascending distances (n,) by element."""
    shells = []
    for element in np.unique(symbols):
        mine = distances[symbols == element]
        for part in np.split(mine, np.flatnonzero(np.diff(mine) > tolerance) + 1):
            shells.append(NeighbourShell(str(element), len(part), float(part.mean()), float(np.ptp(part))))
    return tuple(sorted(shells, key=lambda s: (round(s.distance_a, 6), s.element)))


def _by_element(shell: NeighbourShell) -> tuple[str, float]:
    return shell.element, shell.distance_a
