"""Edges of crystals in batches, and labels from energies by their vectors; for the workers, whose environment it needs.

An edge joins two atoms, periodic images among them, within the cutoff, and is there in one direction only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pymatgen.optimization.neighbors import find_points_in_spheres

PBC = np.array([1, 1, 1], dtype=np.int64)
# What says the element of each atom, positions and cell; energy, forces and stress (eV, eV/A, eV/A^3, Voigt).
Crystal = tuple[np.ndarray, np.ndarray, np.ndarray]
Label = tuple[float, np.ndarray, np.ndarray]
HalfEdges = tuple[np.ndarray, np.ndarray, np.ndarray]


def half_edges(positions: np.ndarray, cell: np.ndarray, cutoff: float) -> HalfEdges:
    """Find the edges of a crystal.

    Parameters
    ----------
    positions
        (N, 3) angstrom.
    cell
        (3, 3) angstrom.
    cutoff
        Angstrom.

    Returns
    -------
    tuple of ndarray
        First and second atom and vector of each edge.
    """
    places = np.ascontiguousarray(positions)
    i, j, images, distance = find_points_in_spheres(
        places, places, r=cutoff, pbc=PBC, lattice=np.ascontiguousarray(cell), tol=1e-8
    )
    images = images.astype(np.int64)
    order = images[:, 0] * 1_000_000 + images[:, 1] * 1000 + images[:, 2]
    keep = (i < j) | ((i == j) & (order > 0) & (distance > 1e-8))
    i, j, images = i[keep], j[keep], images[keep]
    return i, j, positions[j] - positions[i] + images @ cell


@dataclass(frozen=True)
class Batch:
    """Edges of several crystals, their atoms counted through.

    Attributes
    ----------
    kinds
        (N,) of the atoms, as the crystals give them.
    pair
        (E,) the pair of atoms of each edge.
    first
        (P,) first atom of each pair.
    second
        (P,) second atom.
    owner
        (E,) the crystal of each edge.
    i
        (E,) its first atom.
    j
        (E,) its second atom.
    vectors
        (E, 3) angstrom.
    sizes
        Atoms of the crystals.
    volumes
        Of the crystals, angstrom^3.
    """

    kinds: np.ndarray
    pair: np.ndarray
    first: np.ndarray
    second: np.ndarray
    owner: np.ndarray
    i: np.ndarray
    j: np.ndarray
    vectors: np.ndarray
    sizes: list[int]
    volumes: list[float]

    @classmethod
    def of(cls, crystals: Sequence[Crystal], edges: Sequence[HalfEdges]) -> Batch:
        """Join the edges of crystals.

        Parameters
        ----------
        crystals
            Some crystals.
        edges
            Of each, as half_edges gives them.

        Returns
        -------
        Batch
            In their order.
        """
        pair, first, second, owner, edge_i, edge_j = [], [], [], [], [], []
        atoms = pairs = 0
        for index, ((kinds, _, _), (i, j, _)) in enumerate(zip(crystals, edges, strict=True)):
            size = len(kinds)
            codes, inverse = np.unique(i * size + j, return_inverse=True)
            pair.append(inverse.reshape(-1) + pairs)
            first.append(codes // size + atoms)
            second.append(codes % size + atoms)
            owner.append(np.full(len(i), index))
            edge_i.append(i + atoms)
            edge_j.append(j + atoms)
            atoms += size
            pairs += len(codes)

        def joined(parts: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(parts).astype(np.int64)

        return cls(
            kinds=np.concatenate([kinds for kinds, _, _ in crystals]),
            pair=joined(pair),
            first=joined(first),
            second=joined(second),
            owner=joined(owner),
            i=joined(edge_i),
            j=joined(edge_j),
            vectors=np.concatenate([vectors for _, _, vectors in edges]),
            sizes=[len(kinds) for kinds, _, _ in crystals],
            volumes=[abs(float(np.linalg.det(cell))) for _, _, cell in crystals],
        )

    def labels(
        self, energies: Callable[[torch.Tensor], torch.Tensor], references: np.ndarray, dtype: torch.dtype
    ) -> list[Label]:
        """Energy, forces and stress of each crystal.

        Parameters
        ----------
        energies
            Energies (N,) of the atoms as a function of the vectors.
        references
            (N,) what is added to the energy of each atom.
        dtype
            Of the arithmetic.

        Returns
        -------
        list of Label
            In the order of the crystals.
        """
        vectors = torch.tensor(self.vectors, dtype=dtype, requires_grad=True)
        found = energies(vectors)
        (gradient,) = torch.autograd.grad(found.sum(), vectors)
        slope = gradient.double().numpy()
        forces = np.zeros((len(self.kinds), 3))
        np.add.at(forces, self.i, slope)
        np.add.at(forces, self.j, -slope)
        virial = np.zeros((len(self.sizes), 3, 3))
        np.add.at(virial, self.owner, self.vectors[:, :, None] * slope[:, None, :])
        atomic = found.detach().double().numpy() + references
        results, start = [], 0
        for size, volume, v in zip(self.sizes, self.volumes, virial, strict=True):
            rows = slice(start, start + size)
            start = rows.stop
            s = v / volume
            s = 0.5 * (s + s.T)
            stress = np.array([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]])
            results.append((float(atomic[rows].sum()), forces[rows], stress))
        return results


def in_batches(
    count: int, order: Sequence[int], cost: Sequence[int], most: int, evaluate: Callable[[list[int]], list[Label]]
) -> list[Label]:
    """Label crystals, as many at a time as cost `most` together.

    Parameters
    ----------
    count
        Number of crystals.
    order
        In which they are evaluated.
    cost
        Of each.
    most
        Of a batch.
    evaluate
        Gives the labels of some crystals by their numbers.

    Returns
    -------
    list of Label
        In the order of the crystals.
    """
    results: dict[int, Label] = {}
    chunk: list[int] = []
    total = 0
    for k in order:
        if chunk and total + cost[k] > most:
            results.update(zip(chunk, evaluate(chunk), strict=True))
            chunk, total = [], 0
        chunk.append(k)
        total += cost[k]
    results.update(zip(chunk, evaluate(chunk), strict=True))
    return [results[k] for k in range(count)]
