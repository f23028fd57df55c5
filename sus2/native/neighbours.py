"""The one neighbour search: all pairs of atoms within a cutoff.

Neighbours come from the compiled search, or from vesin where there is no compiler: full lists, periodic images in the
periodic directions only, for small, skewed and left-handed cells.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import StructureError, Sus2Error
from sus2.native.arrays import NO_VOLUME, EdgeList, Edges, Structures, c_list, c_structures, pointer
from sus2.native.build import available
from sus2.native.build import library as _library
from sus2.types import Array, Index, Mask


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Directed edges i->j of one structure with distance below the cutoff.

    Attributes
    ----------
    index_i
        (E,), central atoms.
    index_j
        (E,), neighbours.
    shift
        (E, 3), lattice translations.
    vector
        (E, 3), positions[j] - positions[i] + shift @ cell, A.
    """

    index_i: Index
    index_j: Index
    shift: Index
    vector: Array


def neighbours(atoms: Atoms, cutoff: float) -> Neighbours:
    """All directed edges shorter than the cutoff, sorted by central atom.

    Found by the compiled search, by vesin where there is no compiler: the same edges.

    Parameters
    ----------
    atoms
        Periodic in any of its directions, or not at all.
    cutoff
        Angstrom.

    Returns
    -------
    Neighbours
        Each pair in both directions.

    Raises
    ------
    StructureError
        Coordinates that are not finite, or a flat cell in a periodic direction.
    """
    positions = np.ascontiguousarray(atoms.get_positions(), dtype=np.float64)
    cell = np.array(atoms.cell.array, dtype=np.float64)
    return _neighbours(positions, cell, np.array(atoms.pbc, dtype=bool), cutoff)


def neighbours_of(structures: Structures, k: int, cutoff: float) -> Neighbours:
    """As neighbours, of structure k of many.

    Parameters
    ----------
    structures
        Many.
    k
        Which of them.
    cutoff
        Angstrom.

    Returns
    -------
    Neighbours
        Atoms counted within the structure.

    Raises
    ------
    StructureError
        As `neighbours`.
    """
    atoms = slice(structures.first[k], structures.first[k + 1])
    return _neighbours(structures.positions[atoms], structures.cells[k], structures.periodic[k] != 0, cutoff)


def _neighbours(positions: Array, cell: Array, pbc: Mask, cutoff: float) -> Neighbours:
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        raise StructureError("The structure has coordinates that are not finite numbers; correct the file.")
    if pbc.any():
        cell = _complete(cell, pbc)
        if abs(np.linalg.det(cell)) < 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
            raise StructureError(NO_VOLUME)
    n = len(positions)
    if available():
        one = Structures(
            np.array([0, n]), positions, cell[None], pbc[None].astype(np.int64), np.zeros(n, dtype=np.int64)
        )
        first, j, shift, vector = find_edges(one, cutoff)
        return Neighbours(np.repeat(np.arange(n), np.diff(first)), j, shift.astype(np.int64), vector)
    return by_vesin(positions, cell, pbc, cutoff)


MAX_BOX_IN_CUTOFFS = 40.0
"""Longer boxes go to ASE: in some of those that are long and thin vesin divides by zero, which ends the process."""


def by_vesin(positions: Array, cell: Array, pbc: Mask, cutoff: float) -> Neighbours:
    """The same edges by vesin; the cell must have volume, also in directions that are not periodic.

    Parameters
    ----------
    positions
        (N, 3) angstrom.
    cell
        (3, 3) lattice vectors in rows, angstrom.
    pbc
        (3,) which of them are periods.
    cutoff
        Angstrom.

    Returns
    -------
    Neighbours
        As `neighbours`.
    """
    box = _enclosing(positions, cell if pbc.any() else np.eye(3), pbc, cutoff)
    if np.linalg.norm(box, axis=1).max() > MAX_BOX_IN_CUTOFFS * cutoff:
        from ase.neighborlist import primitive_neighbor_list

        i, j, shift, vector, distance = primitive_neighbor_list(
            "ijSDd", (True,) * 3, box, positions, cutoff, self_interaction=False
        )
    else:
        import vesin

        calculator = vesin.NeighborList(cutoff=cutoff, full_list=True, sorted=True, n_threads=1)
        i, j, shift, vector, distance = calculator.compute(positions, box, True, quantities="ijSDd")
    # Rounding at the cutoff must not decide which of two equivalent edges is kept.
    inside = distance < cutoff
    return Neighbours(
        i[inside].astype(np.int64), j[inside].astype(np.int64), shift[inside].astype(np.int64), vector[inside]
    )


def _enclosing(positions: Array, cell: Array, pbc: Mask, cutoff: float) -> Array:
    """The cell, in directions that are not periodic so wide that no image is within the cutoff."""
    inverse = np.linalg.inv(cell)
    span = np.ptp(positions @ inverse, axis=0)
    wide = np.maximum(span + 3.0 * cutoff * np.linalg.norm(inverse, axis=0), 1e-9)
    return cell * np.where(pbc, 1.0, wide)[:, None]


def _complete(cell: Array, pbc: Mask) -> Array:
    """Give non-periodic directions without a lattice vector a unit normal, which no image ever uses."""
    cell = cell.copy()
    for k in range(3):
        if pbc[k] and np.linalg.norm(cell[k]) < 1e-6:
            raise StructureError("A periodic direction has no lattice vector; give the cell or set pbc to False.")
    missing = [k for k in range(3) if np.linalg.norm(cell[k]) < 1e-6]
    if missing:
        _, _, vt = np.linalg.svd(np.delete(cell, missing, axis=0))
        for k, normal in zip(missing, vt[3 - len(missing) :], strict=True):
            cell[k] = normal
    return cell


def find_edges(
    structures: Structures, cutoff: float, *, atoms: tuple[int, int] | None = None, method: int = 0
) -> tuple[Index, Index, NDArray[np.int32], Array]:
    """Directed edges shorter than the cutoff by the compiled search, sorted by central atom.

    Parameters
    ----------
    structures
        One or more.
    cutoff
        Angstrom.
    atoms
        First atom and the one behind the last; all by default.
    method
        1 enumerates lattice points, 2 searches bins, 0 chooses by the number of atoms.

    Returns
    -------
    tuple of ndarray
        First edge of each atom (end - begin + 1,), neighbours (E,) within the structure, lattice translations
        (E, 3), vectors (E, 3) in angstrom.

    Raises
    ------
    StructureError
        A cell without volume.
    Sus2Error
        There is no compiler.
    """
    library = _library()
    if library is None:
        raise Sus2Error("The fused kernels cannot be built here; use `neighbours` instead.")
    begin, end = atoms or (0, len(structures.types))
    room = 64 * (end - begin) + 1024
    first = np.empty(end - begin + 1, dtype=np.int64)
    while True:
        j, shift, vectors = np.empty(room, np.int64), np.empty((room, 3), np.int32), np.empty((room, 3))
        total = library.sus2_neighbours(
            ctypes.byref(c_structures(structures)),
            ctypes.c_double(cutoff),
            ctypes.c_int64(method),
            ctypes.c_int64(begin),
            ctypes.c_int64(end),
            ctypes.c_int64(room),
            pointer(first),
            pointer(j),
            pointer(shift),
            pointer(vectors),
        )
        if total < 0:
            raise StructureError(NO_VOLUME)
        if total <= room:
            return first, j[:total], shift[:total], vectors[:total]
        room = total


def refresh(structures: Structures, edges: EdgeList, cutoff: float) -> Edges:
    """The edges of a list that are shorter than the cutoff where the atoms are now.

    Parameters
    ----------
    structures
        Where the atoms are now.
    edges
        Found before, with a longer cutoff.
    cutoff
        Angstrom.

    Returns
    -------
    Edges
        Those of the list that are shorter than the cutoff.

    Raises
    ------
    Sus2Error
        There is no compiler.
    """
    library = _library()
    if library is None:
        raise Sus2Error("The fused kernels cannot be built here; use `neighbours` instead.")
    count = len(edges.j)
    first, j, vectors = np.empty_like(edges.first), np.empty(count, np.int64), np.empty((count, 3))
    total = library.sus2_refresh(
        ctypes.byref(c_structures(structures)),
        ctypes.byref(c_list(edges)),
        ctypes.c_double(cutoff),
        *map(pointer, (first, j, vectors)),
    )
    return Edges(first, vectors[:total], j[:total], structures.types)
