"""TensorNet of matgl as energies, forces and stresses of batches of crystals; runs where worker.py does.

The published TensorNet evaluates one (edges, channels, 3, 3) tensor after another; on a CPU these dominate.
Here the same weights are evaluated with the same equations in another order: the embedding is linear in
(3 radial functions + 1) x (1 + 3 + 6 geometric components) of an edge, and the messages depend on an edge through
scalars alone, so both are summed over the edges of each pair of atoms before any channel enters. Opposite edges
share their scalars and are evaluated once. In float64 the result is the exact function of the published weights;
``worker.py check`` compares it with matgl's own.
"""

from __future__ import annotations

import math
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
import matgl
import numpy as np
import torch
from half_edges import (  # type: ignore[import-not-found]  # beside this script
    Batch,
    Crystal,
    HalfEdges,
    Label,
    half_edges,
    in_batches,
)


class Teacher:
    """TensorNet of matgl as energy, forces and stress of a batch of periodic structures."""

    def __init__(self, folder: str, dtype: torch.dtype = torch.float64) -> None:
        self.potential = matgl.load_model(folder)
        self.potential.eval()
        model = self.potential.model
        if (
            type(model).__name__ != "TensorNet"
            or model.equivariance_invariance_group != "O(3)"
            or model.is_intensive
            or self.potential.calc_repuls
        ):
            raise SystemExit(f"{folder} is not an extensive O(3) TensorNet without repulsion.")
        self.elements = {symbol: k for k, symbol in enumerate(model.element_types)}
        self.cutoff = float(model.cutoff)
        self.dtype = dtype
        self.units = int(model.units)
        self.chunk_edges = 1200
        offset = self.potential.element_refs.property_offset
        self.offsets = offset.double().numpy().copy()
        self.std, self.mean = float(self.potential.data_std), float(self.potential.data_mean)
        self.model = model.to(dtype)
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        embedding = self.model.tensor_embedding
        self.radial = [
            torch.cat([layer.weight, layer.bias[:, None]], dim=1).T.contiguous()
            for layer in (embedding.distance_proj1, embedding.distance_proj2, embedding.distance_proj3)
        ]

    def energy(
        self, types: torch.Tensor, vectors: torch.Tensor, pair: torch.Tensor, pairs: torch.Tensor
    ) -> torch.Tensor:
        """Atomic energies without references (G. Simeon and G. De Fabritiis, TensorNet, arXiv 2306.06482).

        Parameters
        ----------
        types
            (N,), elements as the model numbers them.
        vectors
            (E, 3), half of the edges, A.
        pair
            (E,), the pair of each edge.
        pairs
            (2, P), atoms i <= j of each pair.

        Returns
        -------
        Tensor
            (N,), eV.
        """
        model, units = self.model, self.units
        embedding = model.tensor_embedding
        atoms, count = len(types), pairs.shape[1]
        distance = vectors.norm(dim=1)
        basis = model.bond_expansion(distance)
        smooth = 0.5 * (torch.cos(math.pi * distance / self.cutoff) + 1.0)
        unit = vectors / distance[:, None]
        x, y, z = unit.unbind(1)
        third = 1.0 / 3.0
        geometry = torch.stack(
            [torch.ones_like(x), x, y, z, x * x - third, y * y - third, z * z - third, y * z, x * z, x * y], dim=1
        )
        radial = torch.cat([basis, torch.ones_like(basis[:, :1])], dim=1) * smooth[:, None]
        outer = (radial[:, :, None] * geometry[:, None, :]).flatten(1)
        summed = outer.new_zeros(count, outer.shape[1]).index_add(0, pair, outer).view(count, 4, 10).transpose(1, 2)
        first, second = pairs
        part = torch.cat(
            [summed[:, :1] @ self.radial[0], summed[:, 1:4] @ self.radial[1], summed[:, 4:] @ self.radial[2]], dim=1
        )
        feature = embedding.emb(types)
        forward = embedding.emb2(torch.cat([feature[first], feature[second]], dim=-1))
        backward = embedding.emb2(torch.cat([feature[second], feature[first]], dim=-1))
        sign = vectors.new_tensor([1.0] + [-1.0] * 3 + [1.0] * 6)[:, None]
        tensor = part.new_zeros(atoms, 10, units)
        tensor = tensor.index_add(0, second, part * forward[:, None])
        tensor = tensor.index_add(0, first, part * sign * backward[:, None])
        norm = embedding.init_norm(square(tensor))
        tensor = linear(tensor, embedding.linears_tensor)
        for layer in embedding.linears_scalar:
            norm = embedding.act(layer(norm))
        norm = norm.view(atoms, units, 3)
        state = matrix(scale(tensor, norm))
        for layer in model.layers:
            edge = basis
            for scalar in layer.linears_scalar:
                edge = layer.act(scalar(edge))
            edge = edge * smooth[:, None]
            weight = edge.new_zeros(count, edge.shape[1]).index_add(0, pair, edge).view(count, units, 3)
            state = state / (square_matrix(state) + 1.0)[:, None, None]
            parts = linear(components(state), layer.linears_tensor[:3])
            message = parts.new_zeros(parts.shape)
            message = message.index_add(0, first, scale(parts[second], weight))
            message = message.index_add(0, second, scale(parts[first], weight))
            left, right = matrix(message), matrix(parts)
            parts = components(product(left, right) + product(right, left))
            parts = parts / (square(parts) + 1.0)[:, None]
            change = matrix(linear(parts, layer.linears_tensor[3:]))
            state = state + change + product(change, change)
        parts = components(state)
        invariants = torch.cat([3.0 * parts[:, 0] ** 2, 2.0 * (parts[:, 1:4] ** 2).sum(1), square_symmetric(parts)], -1)
        out = model.linear(model.out_norm(invariants))
        gated = model.final_layer.gated(out)
        return self.std * gated[:, 0]

    def evaluate(self, structures: list[Crystal]) -> list[Label]:
        """Label structures.

        Parameters
        ----------
        structures
            Types (n,), positions (n, 3) A and cell (3, 3) A of each.

        Returns
        -------
        list of tuple
            Energy (eV), forces (n, 3) eV/A and stress (6,) eV/A^3, Voigt, ASE sign, of each.
        """
        edges = [half_edges(positions, cell, self.cutoff) for _, positions, cell in structures]
        cost = [len(i) for i, _, _ in edges]
        return in_batches(
            len(structures),
            sorted(range(len(structures)), key=cost.__getitem__),
            cost,
            self.chunk_edges,
            lambda chosen: self._chunk([structures[k] for k in chosen], [edges[k] for k in chosen]),
        )

    def _chunk(self, crystals: list[Crystal], edges: list[HalfEdges]) -> list[Label]:
        batch = Batch.of(crystals, edges)
        types, pair = torch.from_numpy(batch.kinds), torch.from_numpy(batch.pair)
        pairs = torch.from_numpy(np.stack([batch.first, batch.second]))
        found = batch.labels(
            lambda vectors: self.energy(types, vectors, pair, pairs), self.offsets[batch.kinds], self.dtype
        )
        return [(energy + self.mean, forces, stress) for energy, forces, stress in found]


def matrix(parts: torch.Tensor) -> torch.Tensor:
    """Tensors of their parts.

    Parameters
    ----------
    parts
        (N, 10, C): trace part, skew vector, traceless symmetric part (xx yy zz yz xz xy).

    Returns
    -------
    Tensor
        (N, 3, 3, C).
    """
    i, ax, ay, az, xx, yy, zz, yz, xz, xy = parts.unbind(1)
    rows = [xx + i, xy - az, xz + ay, xy + az, yy + i, yz - ax, xz - ay, yz + ax, zz + i]
    return torch.stack(rows, dim=1).view(len(parts), 3, 3, -1)


def components(m: torch.Tensor) -> torch.Tensor:
    """Split tensors into their parts; the inverse of `matrix`.

    Parameters
    ----------
    m
        (N, 3, 3, C).

    Returns
    -------
    Tensor
        (N, 10, C): trace part, skew vector, traceless symmetric part (xx yy zz yz xz xy).
    """
    i = (m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]) / 3.0
    return torch.stack(
        [
            i,
            0.5 * (m[:, 2, 1] - m[:, 1, 2]),
            0.5 * (m[:, 0, 2] - m[:, 2, 0]),
            0.5 * (m[:, 1, 0] - m[:, 0, 1]),
            m[:, 0, 0] - i,
            m[:, 1, 1] - i,
            m[:, 2, 2] - i,
            0.5 * (m[:, 1, 2] + m[:, 2, 1]),
            0.5 * (m[:, 0, 2] + m[:, 2, 0]),
            0.5 * (m[:, 0, 1] + m[:, 1, 0]),
        ],
        dim=1,
    )


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Matrix product of (N, 3, 3, C) for each atom and channel."""
    return (a[:, :, 0, None] * b[:, None, 0]) + (a[:, :, 1, None] * b[:, None, 1]) + (a[:, :, 2, None] * b[:, None, 2])


def square_matrix(m: torch.Tensor) -> torch.Tensor:
    """Sum of the squares of the entries of (N, 3, 3, C), (N, C)."""
    return (m * m).sum((1, 2))


def square_symmetric(parts: torch.Tensor) -> torch.Tensor:
    """Sum of squares of the traceless symmetric part of (N, 10, C)."""
    return (parts[:, 4:7] ** 2).sum(1) + 2.0 * (parts[:, 7:] ** 2).sum(1)


def square(parts: torch.Tensor) -> torch.Tensor:
    """Sum of squares of all parts of (N, 10, C)."""
    return 3.0 * parts[:, 0] ** 2 + 2.0 * (parts[:, 1:4] ** 2).sum(1) + square_symmetric(parts)


def linear(parts: torch.Tensor, layers: torch.nn.ModuleList) -> torch.Tensor:
    """Mix the channels of (N, 10, C), each part by a layer of its own."""
    return torch.cat([layers[0](parts[:, :1]), layers[1](parts[:, 1:4]), layers[2](parts[:, 4:])], dim=1)


def scale(parts: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Times (N, C, 3): one factor each for trace, skew and symmetric part."""
    f, g, h = factor[:, None].unbind(-1)
    return torch.cat([parts[:, :1] * f, parts[:, 1:4] * g, parts[:, 4:] * h], dim=1)
