"""The arrays that the compiled kernels read and fill, and their C structures."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sus2.types import Array, Index

NO_VOLUME: Final = "The cell has no volume in its periodic directions; correct the lattice vectors."


class CEdges(ctypes.Structure):
    """Edges in C."""

    _fields_ = [
        ("atoms", ctypes.c_int64),
        *((n, ctypes.c_void_p) for n in ("first", "vectors", "j", "types")),
    ]


class CStructures(ctypes.Structure):
    """Structures in C."""

    _fields_ = [
        ("count", ctypes.c_int64),
        *((n, ctypes.c_void_p) for n in ("first", "positions", "cells", "periodic", "types")),
    ]


class CList(ctypes.Structure):
    """An EdgeList in C."""

    _fields_ = [(n, ctypes.c_void_p) for n in ("first", "j", "shift")]


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of many atoms sorted by central atom, in the arrays that the kernels read.

    Attributes
    ----------
    first
        (N + 1,), first edge of each atom.
    vectors
        (E, 3), A.
    j
        (E,), neighbours.
    types
        (N,).
    """

    first: Index
    vectors: Array
    j: Index
    types: Index

    @classmethod
    def from_lists(cls, index_i: Index, index_j: Index, vectors: Array, types: Index) -> Edges:
        """From edge lists sorted by index_i.

        Parameters
        ----------
        index_i
            (E,) central atoms, ascending.
        index_j
            (E,) neighbours.
        vectors
            (E, 3) from i to j, angstrom.
        types
            (N,) type of each atom.

        Returns
        -------
        Edges
            The same edges.
        """
        first = np.zeros(len(types) + 1, dtype=np.int64)
        np.cumsum(np.bincount(index_i, minlength=len(types)), out=first[1:])
        return cls(
            first,
            np.ascontiguousarray(vectors, dtype=np.float64),
            np.ascontiguousarray(index_j, dtype=np.int64),
            np.ascontiguousarray(types, dtype=np.int64),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Edges]) -> Edges:
        """The edges of several sets of atoms one after another.

        Parameters
        ----------
        parts
            One set of atoms each.

        Returns
        -------
        Edges
            Atoms counted on from one set to the next.
        """
        atoms = np.cumsum([0, *(len(p.types) for p in parts)])
        edges = np.cumsum([0, *(len(p.j) for p in parts)])
        first = [p.first[:-1] + e for p, e in zip(parts, edges, strict=False)]
        return cls(
            np.concatenate([*first, edges[-1:]]),
            np.concatenate([p.vectors for p in parts]),
            np.concatenate([p.j + a for p, a in zip(parts, atoms, strict=False)]),
            np.concatenate([p.types for p in parts]),
        )

    def range(self, begin: int, end: int) -> Edges:
        """The edges of atoms begin to end, whose neighbours must lie among them; counted from `begin`.

        Parameters
        ----------
        begin
            First atom.
        end
            Behind the last atom.

        Returns
        -------
        Edges
            Of these atoms alone.
        """
        first = self.first[begin : end + 1]
        part = slice(first[0], first[-1])
        return Edges(first - first[0], self.vectors[part], self.j[part] - begin, self.types[begin:end])


@dataclass(frozen=True, eq=False)
class Structures:
    """S structures with N atoms one after another, in the arrays that the kernels read.

    Attributes
    ----------
    first
        (S + 1,), first atom of each.
    positions
        (N, 3), A.
    cells
        (S, 3, 3), A, rows are lattice vectors.
    periodic
        (S, 3), 0 or 1.
    types
        (N,).
    """

    first: Index
    positions: Array
    cells: Array
    periodic: Index
    types: Index


@dataclass(frozen=True, eq=False)
class EdgeList:
    """Directed edges of Structures; the vector of an edge is positions[j] - positions[i] + shift @ cell.

    Attributes
    ----------
    first
        (N + 1,), first edge of each atom.
    j
        (E,), neighbours, counted within the structure.
    shift
        (E, 3), lattice translations.
    """

    first: Index
    j: NDArray[np.int32]
    shift: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class CloseEdges:
    """Edges shorter than a distance of their pair of types.

    Attributes
    ----------
    i
        (n,), atoms.
    j
        (n,), their neighbours.
    vectors
        (n, 3), A.
    """

    i: Index
    j: Index
    vectors: Array


@dataclass(frozen=True, eq=False)
class ParameterGradient:
    """Derivatives of a loss by the parameters of a model of C species, in the shapes of ModelSpec.

    Attributes
    ----------
    alpha
        (blocks, C, C).
    r0
        (blocks, C, C).
    weights
        (M, R).
    pair
        (C,), by row 0 of radial_species.
    species
        (C,).
    theta
        (S,), or (C, S) where each element has a readout of its own.
    neighbour
        (M, C), by amplitudes; None where there are none.
    """

    alpha: Array
    r0: Array
    weights: Array
    pair: Array
    species: Array
    theta: Array
    neighbour: Array | None


def pointer(x: NDArray[Any]) -> ctypes.c_void_p:
    """Where the numbers of an array are.

    Parameters
    ----------
    x
        Contiguous.

    Returns
    -------
    ctypes.c_void_p
        Of its first number.
    """
    return ctypes.c_void_p(x.ctypes.data)


def c_edges(e: Edges) -> CEdges:
    """Edges as the kernels take them; they must outlive it.

    Parameters
    ----------
    e
        To pass.

    Returns
    -------
    CEdges
        Points into the arrays.
    """
    return CEdges(len(e.types), e.first.ctypes.data, e.vectors.ctypes.data, e.j.ctypes.data, e.types.ctypes.data)


def c_structures(s: Structures) -> CStructures:
    """Structures as the kernels take them; they must outlive it.

    Parameters
    ----------
    s
        To pass.

    Returns
    -------
    CStructures
        Points into the arrays.
    """
    arrays = (s.first, s.positions, s.cells, s.periodic, s.types)
    return CStructures(len(s.cells), *(a.ctypes.data for a in arrays))


def c_list(e: EdgeList) -> CList:
    """A list of edges as the kernels take it; it must outlive this.

    Parameters
    ----------
    e
        To pass.

    Returns
    -------
    CList
        Points into the arrays.
    """
    return CList(e.first.ctypes.data, e.j.ctypes.data, e.shift.ctypes.data)
