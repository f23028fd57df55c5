"""Coordination polyhedra of a crystal."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from scipy.spatial import ConvexHull, KDTree, QhullError

from sus2.types import Array, Index, Mask

LEAST_CORNERS = 4
_SAME_A = 1e-3


def polyhedra(
    block: Atoms,
    sites: Index,
    positions: Array,
    pairs: tuple[Index, Index, Index],
    corners: Mask,
) -> dict[int, tuple[Array, Index]]:
    """Find the convex hulls of bonded atoms around drawn ones, by the element in the middle.

    Parameters
    ----------
    block
        The atoms that the drawn ones are images of.
    sites
        Of each drawn atom, its number in block (n,).
    positions
        Of the drawn atoms (n, 3), A.
    pairs
        Bonds of block: i, j and the lattice translation of j (m, 3).
    corners
        Which atoms of block may be a corner (N,); the others may be in the middle.

    Returns
    -------
    dict
        Atomic number -> corners (k, 3), A, and triangles (t, 3) as numbers of corners. A polyhedron has at least
        LEAST_CORNERS corners, all of them drawn atoms, and is not flat.
    """
    i, j, shifts = pairs
    bonds = block.positions[j] + shifts @ np.asarray(block.cell) - block.positions[i]
    mine = ~corners[i] & corners[j]
    drawn = KDTree(positions)
    found: dict[int, tuple[list[Array], list[Index]]] = {}
    for site, middle in zip(sites.tolist(), positions, strict=True):
        ends = middle + bonds[mine & (i == site)]
        if len(ends) < LEAST_CORNERS or (drawn.query(ends)[0] > _SAME_A).any():
            continue
        try:
            faces = ConvexHull(ends).simplices
        except QhullError:  # flat, as the corners of a square
            continue
        points, triangles = found.setdefault(int(block.numbers[site]), ([], []))
        triangles.append(faces + sum(len(p) for p in points))
        points.append(ends)
    return {z: (np.concatenate(p), np.concatenate(t)) for z, (p, t) in found.items()}
