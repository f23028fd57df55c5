"""Many structures as one state with a system index; a single structure is a batch of one.

Neighbour lists come from the compiled search, or from vesin where there is no compiler: full lists, periodic images in
the periodic directions only, for small, skewed and left-handed cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import vesin
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import StructureError
from sus2.native import kernels
from sus2.potential.packed import type_indices


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Directed edges i->j of one structure with distance below the cutoff.

    index_i, index_j: (E,) int64; shift: (E, 3) int64 lattice translations, so that
    vector = positions[j] - positions[i] + shift @ cell, (E, 3) in angstrom.
    """

    index_i: NDArray[np.int64]
    index_j: NDArray[np.int64]
    shift: NDArray[np.int64]
    vector: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Batch:
    """S structures with N atoms and E directed edges in all, sorted by central atom.

    positions (N, 3) A; cell (S, 3, 3) A, rows are lattice vectors; species (N,) type index; system (N,);
    edge_i, edge_j (E,) indices of atoms; edge_offset (E, 3) A, the lattice translation of each edge, so that
    r_ij = positions[edge_j] - positions[edge_i] + edge_offset; volume (S,) A^3 (nan where three lattice vectors are
    not given).
    """

    positions: torch.Tensor
    cell: torch.Tensor
    species: torch.Tensor
    system: torch.Tensor
    edge_i: torch.Tensor
    edge_j: torch.Tensor
    edge_offset: torch.Tensor
    volume: torch.Tensor
    n_atoms: tuple[int, ...]

    @property
    def edge_vectors(self) -> torch.Tensor:
        """r_ij, shape (E, 3), in angstrom."""
        return self.positions[self.edge_j] - self.positions[self.edge_i] + self.edge_offset


def neighbours(atoms: Atoms, cutoff: float) -> Neighbours:
    """All directed edges shorter than the cutoff (A), sorted by central atom.

    Found by the compiled search, by vesin where there is no compiler: the same edges. Raises StructureError for
    coordinates that are not finite or a flat cell in a periodic direction.
    """
    positions = np.ascontiguousarray(atoms.get_positions(), dtype=np.float64)
    cell = np.array(atoms.cell.array, dtype=np.float64)
    return _neighbours(positions, cell, np.array(atoms.pbc, dtype=bool), cutoff)


def neighbours_of(structures: kernels.Structures, k: int, cutoff: float) -> Neighbours:
    """As neighbours, of structure k of many."""
    atoms = slice(structures.first[k], structures.first[k + 1])
    return _neighbours(structures.positions[atoms], structures.cells[k], structures.periodic[k] != 0, cutoff)


def _neighbours(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float
) -> Neighbours:
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        raise StructureError("The structure has coordinates that are not finite numbers; correct the file.")
    if pbc.any():
        cell = _complete(cell, pbc)
        if abs(np.linalg.det(cell)) < 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
            raise StructureError(kernels.NO_VOLUME)
    n = len(positions)
    if kernels.available():
        one = kernels.Structures(
            np.array([0, n]), positions, cell[None], pbc[None].astype(np.int64), np.zeros(n, dtype=np.int64)
        )
        first, j, shift, vector = kernels.find_edges(one, cutoff)
        return Neighbours(np.repeat(np.arange(n), np.diff(first)), j, shift.astype(np.int64), vector)
    return by_vesin(positions, cell, pbc, cutoff)


MAX_BOX_IN_CUTOFFS = 40.0
"""Longer boxes go to ASE: in some of those that are long and thin vesin divides by zero, which ends the process."""


def by_vesin(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float
) -> Neighbours:
    """The same edges by vesin; the cell must have volume, also in directions that are not periodic."""
    box = _enclosing(positions, cell if pbc.any() else np.eye(3), pbc, cutoff)
    if np.linalg.norm(box, axis=1).max() > MAX_BOX_IN_CUTOFFS * cutoff:
        from ase.neighborlist import primitive_neighbor_list

        i, j, shift, vector, distance = primitive_neighbor_list(
            "ijSDd", (True,) * 3, box, positions, cutoff, self_interaction=False
        )
    else:
        calculator = vesin.NeighborList(cutoff=cutoff, full_list=True, sorted=True, n_threads=1)
        i, j, shift, vector, distance = calculator.compute(positions, box, True, quantities="ijSDd")
    # Rounding at the cutoff must not decide which of two equivalent edges is kept.
    inside = distance < cutoff
    return Neighbours(
        i[inside].astype(np.int64), j[inside].astype(np.int64), shift[inside].astype(np.int64), vector[inside]
    )


def _enclosing(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float
) -> NDArray[np.float64]:
    """The cell, in directions that are not periodic so wide that no image is within the cutoff."""
    inverse = np.linalg.inv(cell)
    span = np.ptp(positions @ inverse, axis=0)
    wide = np.maximum(span + 3.0 * cutoff * np.linalg.norm(inverse, axis=0), 1e-9)
    return cell * np.where(pbc, 1.0, wide)[:, None]


def _complete(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
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


def build_batch(
    structures: Sequence[Atoms],
    elements: Sequence[str],
    cutoff: float,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    lists: Sequence[Neighbours] | None = None,
) -> Batch:
    """Pack structures and their neighbours (made here unless given) into one batch.

    Raises StructureError (nothing to do, bad coordinates) and UnknownElementError.
    """
    if not structures:
        raise StructureError("There is no structure to evaluate; give at least one.")
    if any(len(a) == 0 for a in structures):
        raise StructureError("A structure has no atoms; remove it.")
    if lists is None:
        lists = [neighbours(a, cutoff) for a in structures]
    counts = np.array([len(a) for a in structures], dtype=np.int64)
    packed = kernels.Structures(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([a.get_positions() for a in structures]),
        np.stack([a.cell.array for a in structures]),
        np.stack([a.pbc for a in structures]).astype(np.int64),
        np.concatenate([type_indices(a, elements) for a in structures]),
    )
    return batch_of(packed, lists, device=device, dtype=dtype)


def batch_of(
    structures: kernels.Structures,
    lists: Sequence[Neighbours],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Batch:
    """Structures and the neighbours of each as tensors."""
    counts, starts = np.diff(structures.first), structures.first[:-1]
    volume = np.abs(np.linalg.det(structures.cells))
    volume[volume < 1e-9] = np.nan
    offset = np.concatenate([n.shift @ c for n, c in zip(lists, structures.cells, strict=True)])

    def floats(x: NDArray[np.float64]) -> torch.Tensor:
        return torch.as_tensor(x, dtype=dtype, device=device)

    def ints(x: NDArray[np.int64]) -> torch.Tensor:
        return torch.as_tensor(x, dtype=torch.int64, device=device)

    return Batch(
        positions=floats(structures.positions),
        cell=floats(structures.cells),
        species=ints(structures.types),
        system=ints(np.repeat(np.arange(len(counts)), counts)),
        edge_i=ints(np.concatenate([n.index_i + s for n, s in zip(lists, starts, strict=True)])),
        edge_j=ints(np.concatenate([n.index_j + s for n, s in zip(lists, starts, strict=True)])),
        edge_offset=floats(offset),
        volume=floats(volume),
        n_atoms=tuple(counts.tolist()),
    )


def pack(lists: Iterable[Neighbours], max_edges: int) -> Iterator[tuple[slice, list[Neighbours]]]:
    """Consecutive groups of structures with at most `max_edges` edges each (a larger one stands alone).

    Lists may be made as they are needed, so that only one group is held at a time.
    """
    start, total, group = 0, 0, list[Neighbours]()
    for k, item in enumerate(lists):
        if group and total + len(item.index_i) > max_edges:
            yield slice(start, k), group
            start, total, group = k, 0, []
        group.append(item)
        total += len(item.index_i)
    if group:
        yield slice(start, start + len(group)), group
