"""Regular grids of wave vectors, irreducible under the point group: phonopy's, without what phonopy needs beside them.

phonopy makes a supercell, a dynamical matrix, a search for symmetry and permutations of atoms before it can make a
grid, and reduces it in Python. Where the grid keeps the point group all of it follows from the rotations.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.native.arrays import pointer
from sus2.native.build import library
from sus2.structures.crystal import SYMPREC_A
from sus2.structures.symmetry import dataset, standing
from sus2.types import Array, Index

# Pairs of reciprocal lattice vectors that a rotation may make equally long, in the order of phonopy.length2mesh.
_PAIRS: Final = ((1, 2), (2, 0), (0, 1))


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid around Gamma of the cell of a crystal, and its irreducible points.

    Attributes
    ----------
    mesh_numbers
        (3,), points along each reciprocal vector.
    ir_grid_points
        (n,), irreducible points; point x + m0 (y + m1 z) of m0 m1 m2.
    grid_mapping_table
        (m0 m1 m2,), the irreducible point of each.
    microzone
        (3, 3), steps of the grid in columns, 1/angstrom.
    """

    mesh_numbers: Index
    ir_grid_points: Index
    grid_mapping_table: Index
    microzone: Array

    @cached_property
    def weights(self) -> Index:
        """How many points each irreducible one stands for, (n,)."""
        counts = np.bincount(self.grid_mapping_table, minlength=len(self.grid_mapping_table))
        return np.asarray(counts[self.ir_grid_points], dtype=np.int64)

    @cached_property
    def qpoints(self) -> Array:
        """The irreducible points in the first Brillouin zone, (n, 3) in units of the reciprocal vectors."""
        d = self.mesh_numbers
        q = addresses(self.ir_grid_points, d) / d
        q -= np.round(q)
        images = np.array(list(product((0.0, 1.0, -1.0), repeat=3)))
        every = q[:, None] + images
        lengths = np.linalg.norm((every * d) @ self.microzone.T, axis=2)
        # The first of those that are equally near.
        nearest = np.argmax(lengths < lengths.min(axis=1, keepdims=True) * (1.0 + 1e-6) + 1e-9, axis=1)
        return np.asarray(every[np.arange(len(q)), nearest])


def addresses(points: Index, numbers: Index) -> Index:
    """Places of points of a grid along its three axes.

    Parameters
    ----------
    points
        (n,), counted as in Grid.
    numbers
        (3,), points along each axis.

    Returns
    -------
    ndarray
        (n, 3), from 0 on.
    """
    a, b, _ = numbers
    return np.stack([points % a, points // a % b, points // (a * b)], axis=-1)


def regular_grid(atoms: Atoms, mesh: float | ArrayLike) -> Grid | None:
    """The grid that phonopy would make for a mesh around Gamma.

    Parameters
    ----------
    atoms
        A primitive cell.
    mesh
        Three numbers, or a length in angstrom.

    Returns
    -------
    Grid or None
        None where phonopy has to make it: a grid that breaks the point group, a left-handed cell, no symmetry, or no
        compiler.
    """
    built = library()
    if built is None or np.linalg.det(atoms.cell.array) < 0.0:
        return None
    found = dataset(standing(atoms), SYMPREC_A)
    if found is None:
        return None
    # On reciprocal coordinates the transposed rotations act; reversal of time brings the inversion.
    turns = np.unique(np.concatenate([found.rotations, -found.rotations]).transpose(0, 2, 1), axis=0).astype(np.int64)
    reciprocal = np.linalg.inv(atoms.cell.array)
    numbers = np.asarray(mesh)
    d = _numbers(float(numbers), reciprocal, turns) if numbers.shape == () else numbers.astype(np.int64)
    # A turned address is D R D^-1 times the address: whole numbers where the grid keeps the point group.
    moved = turns * d[:, None] / d
    whole = np.round(moved)
    if np.abs(moved - whole).max() > 1e-5:
        return None
    table = np.empty(int(np.prod(d)), dtype=np.int64)
    rotations, counts = np.ascontiguousarray(whole, dtype=np.int64), np.ascontiguousarray(d, dtype=np.int64)
    built.sus2_irreducible(pointer(rotations), ctypes.c_int64(len(rotations)), pointer(counts), pointer(table))
    irreducible = np.flatnonzero(table == np.arange(len(table)))
    return Grid(counts, irreducible, table, reciprocal / d)


def _numbers(length_a: float, reciprocal: Array, turns: Index) -> Index:
    """Numbers of points for a length, equal along axes that a rotation exchanges (as phonopy's length2mesh)."""
    d = np.rint(length_a * np.linalg.norm(reciprocal, axis=0)).astype(np.int64)
    lone = (np.abs(turns).sum(axis=1) == 1) & (np.abs(turns).max(axis=1) == 1)  # (turns, axis): an axis goes to an axis
    unequal = [d[a] != d[b] for a, b in _PAIRS]
    for (a, b), differ in zip(_PAIRS, unequal, strict=True):
        to_other = (lone[:, a] & (turns[:, b, a] != 0)) | (lone[:, b] & (turns[:, a, b] != 0))
        if differ and to_other.any():
            d[[a, b]] = d[[a, b]].max()
    return np.maximum(d, 1)
