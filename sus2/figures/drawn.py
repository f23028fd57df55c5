"""What of a crystal is drawn: radii, colours, bonds, and the atoms on the boundary of the cell."""

from __future__ import annotations

from itertools import product

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors

from sus2.structures.crystal import near_pairs
from sus2.types import Array, Index

NON_METALS = (1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 51, 52, 53, 54)


def radii_a(numbers: Index) -> Array:
    """Radii at which atoms are drawn.

    Parameters
    ----------
    numbers
        (N,) atomic numbers.

    Returns
    -------
    ndarray
        (N,) angstrom.
    """
    return np.asarray(0.42 * np.maximum(0.6, covalent_radii[numbers]))


def colour(z: int) -> str:
    """Jmol's colour of an element, softened.

    Parameters
    ----------
    z
        Atomic number.

    Returns
    -------
    str
        CSS.
    """
    # A little white and grey in it: Jmol's pure green and red glare on a screen.
    r, g, b = (round(255 * (0.84 * float(v) + 0.09)) for v in jmol_colors[z])
    return f"rgb({r},{g},{b})"


def bonded_pairs(atoms: Atoms) -> tuple[Index, Index, Index]:
    """Pairs of atoms that are drawn as bonds.

    Parameters
    ----------
    atoms
        Periodic in three directions.

    Returns
    -------
    tuple of ndarray
        First and second atom, and the lattice translation of the second.
    """
    largest = float(covalent_radii[atoms.numbers].max())
    i, j, d, shifts = near_pairs(atoms, 2.4 * largest + 0.1)
    keep = d <= 1.2 * (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
    metal = ~np.isin(atoms.numbers, NON_METALS)
    if not metal.all():
        # Cations beside each other in a salt are near but not bonded.
        keep &= ~(metal[i] & metal[j])
    i, j, d, shifts = i[keep], j[keep], d[keep], shifts[keep]
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, i, d)
    close = d <= 1.25 * np.minimum(nearest[i], nearest[j]) + 1e-9
    return i[close], j[close], shifts[close]


def drawn_atoms(
    block: Atoms, i: Index, j: Index, shifts: Index, boundary: bool
) -> tuple[Index, Array, list[tuple[Array, Array, int]]]:
    """Find what is drawn.

    Parameters
    ----------
    block
        The repeated cell.
    i
        First atoms of the bonds.
    j
        Second atoms.
    shifts
        Lattice translations of the second atoms.
    boundary
        Whether images on the boundary are drawn.

    Returns
    -------
    tuple
        Sites and positions of all drawn atoms, and half-bonds (start, end, atomic number of the start).
    """
    cell = np.asarray(block.cell)
    scaled = block.get_scaled_positions(wrap=True)
    scaled[scaled > 1 - 1e-4] = 0.0
    moved = np.rint(scaled - np.linalg.solve(cell.T, block.positions.T).T).astype(int)
    places: dict[tuple[int, ...], int] = {}
    rows: list[Array] = []
    sites: list[int] = []
    for k, s in enumerate(scaled):
        extra = [(0, 1) if boundary and x < 1e-4 else (0,) for x in s]
        for t in product(*extra):
            places[(k, *t)] = len(rows)
            rows.append((s + t) @ cell)
            sites.append(k)
    # Bonds were found between the atoms as given; the drawn ones are wrapped into the cell.
    offsets = shifts + moved[i] - moved[j]
    lines: list[tuple[Array, Array, int]] = []
    copies: dict[int, list[tuple[tuple[int, ...], int]]] = {}
    for place, index in places.items():
        copies.setdefault(place[0], []).append((place[1:], index))
    for first, second, offset in zip(i, j, offsets, strict=True):
        for t, index in copies[int(first)]:
            other = places.get((int(second), *(int(x) for x in np.add(t, offset))))
            if other is not None:
                middle = 0.5 * (rows[index] + rows[other])
                lines.append((rows[index], middle, int(block.numbers[sites[index]])))
    return np.array(sites), np.array(rows), lines
