"""Many structures as one state with a system index; a single structure is a batch of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase import Atoms

from sus2 import _moved
from sus2.errors import StructureError
from sus2.native.arrays import Structures
from sus2.native.neighbours import Neighbours, neighbours
from sus2.potential.packed import type_indices
from sus2.types import Array, Index


@dataclass(frozen=True, eq=False)
class Batch:
    """S structures with N atoms and E directed edges in all, sorted by central atom.

    r_ij = positions[edge_j] - positions[edge_i] + edge_offset.

    Attributes
    ----------
    positions
        (N, 3) angstrom.
    cell
        (S, 3, 3) angstrom, rows are lattice vectors.
    species
        (N,) type index.
    system
        (N,) the structure of each atom.
    edge_i
        (E,) the central atom of each edge.
    edge_j
        (E,) its neighbour.
    edge_offset
        (E, 3) angstrom, the lattice translation of each edge.
    volume
        (S,) angstrom^3, nan where three lattice vectors are not given.
    n_atoms
        Of each structure.
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


def build_batch(
    structures: Sequence[Atoms],
    elements: Sequence[str],
    cutoff: float,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    lists: Sequence[Neighbours] | None = None,
) -> Batch:
    """Pack structures and their neighbours into one batch.

    Parameters
    ----------
    structures
        At least one; only read.
    elements
        Chemical symbols in type order.
    cutoff
        Of the neighbours, angstrom.
    device
        Where the tensors go.
    dtype
        Of positions, cells and vectors.
    lists
        Neighbours of each structure; found here where they are not given.

    Returns
    -------
    Batch
        The structures in their order.

    Raises
    ------
    StructureError
        Nothing to do, or bad coordinates.
    UnknownElementError
        An element that is not in `elements`.
    """
    if not structures:
        raise StructureError("There is no structure to evaluate; give at least one.")
    if any(len(a) == 0 for a in structures):
        raise StructureError("A structure has no atoms; remove it.")
    if lists is None:
        lists = [neighbours(a, cutoff) for a in structures]
    counts = np.array([len(a) for a in structures], dtype=np.int64)
    packed = Structures(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([a.get_positions() for a in structures]),
        np.stack([a.cell.array for a in structures]),
        np.stack([a.pbc for a in structures]).astype(np.int64),
        np.concatenate([type_indices(a, elements) for a in structures]),
    )
    return batch_of(packed, lists, device=device, dtype=dtype)


def batch_of(
    structures: Structures,
    lists: Sequence[Neighbours],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Batch:
    """Put structures and the neighbours of each into tensors.

    Parameters
    ----------
    structures
        S structures as arrays.
    lists
        Neighbours of each.
    device
        Where the tensors go.
    dtype
        Of positions, cells and vectors.

    Returns
    -------
    Batch
        The structures in their order.
    """
    counts, starts = np.diff(structures.first), structures.first[:-1]
    volume = np.abs(np.linalg.det(structures.cells))
    volume[volume < 1e-9] = np.nan
    offset = np.concatenate([n.shift @ c for n, c in zip(lists, structures.cells, strict=True)])

    def floats(x: Array) -> torch.Tensor:
        return torch.as_tensor(x, dtype=dtype, device=device)

    def ints(x: Index) -> torch.Tensor:
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
    """Group consecutive structures by their edges.

    Parameters
    ----------
    lists
        Neighbours of each structure. They may be made as they are needed: only one group is held at a time.
    max_edges
        Most edges of a group; a structure with more stands alone.

    Yields
    ------
    tuple[slice, list[Neighbours]]
        The structures of a group as a slice, and their neighbours.
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


def __getattr__(name: str) -> Any:
    return _moved.left("potential.batch", name)
