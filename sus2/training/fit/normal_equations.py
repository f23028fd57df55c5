"""J^T W J and J^T W (label - prediction) of labelled structures, J the derivatives by all parameters of a model.

A structure feels the pairs of its own elements alone. So structures of the same elements are taken together, with the
model of these elements: their Jacobian has some hundred columns however many elements the model covers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from sus2.native.arrays import Edges
from sus2.native.kernels import Kernel
from sus2.potential.mtp import ModelSpec
from sus2.training.fit.objective import Objective
from sus2.types import Array, Index

# Rows of a Jacobian held at once (100 to 1000 columns of eight bytes).
_ROWS_AT_ONCE = 12_000
_ROWS_OF_AN_ELEMENT = 2_000
# Of the minibatches so many are enough to tell how the loss curves by the readouts.
_ENOUGH_PARTS = 64


@dataclass(frozen=True, eq=False)
class _Rows:
    """One structure: its edges (types of the whole model), and weights and misses of energy, forces, virial.

    Also of their differences from the structure before it, where the two are a pair (else empty), virials turned by
    `turn` (6, 6).
    """

    edges: Edges
    weight: Array
    miss: Array
    pair_weight: Array
    pair_miss: Array
    turn: Array


def normal_equations(
    parts: Sequence[Objective], spec: ModelSpec, *, linear: bool = False, chain: csr_matrix | None = None
) -> tuple[Array, Array]:
    """Normal equations summed over all structures, with the weights of Objective.residual_scales.

    Q counts the columns of Kernel.jacobian and then the shifts (C,), of theta and the shifts where `linear`.

    Parameters
    ----------
    parts
        Of the set.
    spec
        The model.
    linear
        Whether only theta and the shifts vary.
    chain
        (Q, size) derivatives of these by other parameters, which then take their place: size instead of Q.

    Returns
    -------
    tuple of ndarray
        Matrix (Q, Q) and right side (Q,).
    """
    width = Kernel(spec).jacobian_width(linear=linear) + spec.species_count
    size = width if chain is None else chain.shape[1]
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for types, rows in _by_elements(parts, spec).items():
        columns = _columns(spec, np.array(types), linear=linear)
        m, r = _group(parts[0], spec.with_species(types), np.array(types), rows, linear=linear)
        if chain is not None:
            local = chain[columns]
            columns = np.unique(local.indices).astype(np.int64)
            local = csr_matrix(local[:, columns])
            m, r = local.T @ (local.T @ m).T, local.T @ r
        matrix[np.ix_(columns, columns)] += m
        right[columns] += r
    return matrix, right


def readout_curvature(parts: Sequence[Objective], spec: ModelSpec) -> NDArray[np.float32]:
    """Half the second derivative of the loss by the readout of each element alone: the blocks of J^T W J.

    Parameters
    ----------
    parts
        Labelled structures.
    spec
        A model with a readout of each element; it gives the scalars and the weights of the robust loss.

    Returns
    -------
    ndarray, shape (C, S, S)
        For each element the matrix of its S numbers theta.
    """
    scalars = len(spec.mapping)
    out = np.zeros((spec.species_count, scalars, scalars), dtype=np.float32)
    # Rows of many structures go into one product, which else would cost as much for a few rows as for a thousand.
    waiting: dict[int, list[NDArray[np.float32]]] = {z: [] for z in range(spec.species_count)}

    def add(z: int) -> None:
        block = np.concatenate(waiting[z])
        out[z] += block.T @ block
        waiting[z] = []

    for types, rows in _by_elements(parts, spec).items():
        for columns, _ in _weighted(parts[0], spec.with_species(types), np.array(types), rows, linear=True):
            for q, z in enumerate(types):
                waiting[z].append(columns[:, q * scalars : (q + 1) * scalars].astype(np.float32))
                if sum(map(len, waiting[z])) > _ROWS_OF_AN_ELEMENT:
                    add(z)
    for z, blocks in waiting.items():
        if blocks:
            add(z)
    return out


def estimated_curvature(parts: Sequence[Objective], spec: ModelSpec) -> NDArray[np.float32]:
    """What readout_curvature gives, estimated from some of the minibatches.

    Parameters
    ----------
    parts
        Minibatches of a set.
    spec
        As in readout_curvature.

    Returns
    -------
    ndarray, shape (C, S, S)
        For the whole set.
    """
    some = parts[:: math.ceil(len(parts) / _ENOUGH_PARTS)]
    return readout_curvature(some, spec) * np.float32(len(parts) / len(some))


def _by_elements(parts: Sequence[Objective], spec: ModelSpec) -> dict[tuple[int, ...], list[_Rows]]:
    """All structures by the types that occur in them."""
    found: dict[tuple[int, ...], list[_Rows]] = {}
    for part in parts:
        p = part.predict(spec)
        energy, force, virial = part.residual_scales(p)
        d_energy, d_force, d_virial = part.miss(p)
        offsets = part.data.offsets
        pairs = part.pairs
        by_force, by_virial = pairs.residual_scales(p, part.norm)
        miss_force, miss_virial = pairs.miss(p)
        place = {int(k) + 1: q for q, k in enumerate(pairs.first)}
        begin = np.concatenate([[0], np.cumsum(pairs.size)])
        for k in range(len(part.data)):
            a, b = offsets[k], offsets[k + 1]
            edges = part.edges.range(a, b)
            weight = np.concatenate([energy[k : k + 1], np.repeat(force[a:b], 3), np.full(6, virial[k])])
            miss = np.concatenate([d_energy[k : k + 1], d_force[a:b].ravel(), d_virial[k]])
            types = tuple(np.unique(edges.types).tolist())
            pair_weight, pair_miss, turn = np.zeros(0), np.zeros(0), np.eye(6)
            if (q := place.get(k)) is not None:
                own = slice(begin[q], begin[q + 1])
                pair_weight = np.concatenate([np.zeros(1), np.repeat(by_force[own], 3), by_virial[q]])
                turn = pairs.turn[q]
                pair_miss = -np.concatenate([np.zeros(1), miss_force[own].ravel(), turn @ miss_virial[q]])
            found.setdefault(types, []).append(_Rows(edges, weight, miss, pair_weight, pair_miss, turn))
    return found


def _chunks(rows: Sequence[_Rows]) -> Iterator[list[_Rows]]:
    chunk: list[_Rows] = []
    for row in rows:
        if chunk and not len(row.pair_weight) and sum(len(r.weight) for r in chunk) + len(row.weight) > _ROWS_AT_ONCE:
            yield chunk
            chunk = []
        chunk.append(row)
    yield chunk


def _group(
    part: Objective, spec: ModelSpec, types: Index, rows: Sequence[_Rows], *, linear: bool
) -> tuple[Array, Array]:
    """Matrix and right side of structures of the same types, by the parameters of the spec of these types."""
    width = part.kernel(spec).jacobian_width(linear=linear) + len(types)
    matrix, right = np.zeros((width, width)), np.zeros(width)
    for columns, miss in _weighted(part, spec, types, rows, linear=linear):
        own = slice(0, columns.shape[1])
        matrix[own, own] += columns.T @ columns
        right[own] += columns.T @ miss
    return matrix, right


def _weighted(
    part: Objective, spec: ModelSpec, types: Index, rows: Sequence[_Rows], *, linear: bool
) -> Iterator[tuple[Array, Array]]:
    """Rows of the Jacobian and misses, both times the roots of the weights, some structures at a time.

    The differences within pairs come by themselves, without the columns of the shifts, which move no force.
    """
    kernel = part.kernel(spec)
    for chunk in _chunks(rows):
        if part.pulse is not None:
            part.pulse()
        counts = np.array([len(r.edges.types) for r in chunk])
        first = np.concatenate([[0], np.cumsum(counts)])
        edges = Edges.concatenate([r.edges for r in chunk])
        edges = Edges(edges.first, edges.vectors, edges.j, np.searchsorted(types, edges.types))
        jacobian = kernel.jacobian(edges, first, linear=linear)
        shift = np.zeros((len(jacobian), len(types)))
        np.add.at(shift, (np.repeat(3 * first[:-1] + 7 * np.arange(len(chunk)), counts), edges.types), 1.0)
        root = np.sqrt(np.concatenate([r.weight for r in chunk]))
        columns = np.concatenate([jacobian, shift], axis=1)
        columns *= root[:, None]
        yield columns, root * np.concatenate([r.miss for r in chunk])
        at = np.concatenate([[0], np.cumsum([len(r.weight) for r in chunk])])
        paired = [k for k, r in enumerate(chunk) if len(r.pair_weight)]
        if paired:
            changes = [jacobian[at[k] : at[k + 1]] - jacobian[at[k - 1] : at[k]] for k in paired]
            for k, rows_of_pair in zip(paired, changes, strict=True):
                rows_of_pair[-6:] = chunk[k].turn @ rows_of_pair[-6:]
            change = np.concatenate(changes)
            root = np.sqrt(np.concatenate([chunk[k].pair_weight for k in paired]))
            change *= root[:, None]
            yield change, root * np.concatenate([chunk[k].pair_miss for k in paired])


def _columns(spec: ModelSpec, types: Index, *, linear: bool) -> Index:
    """Places of the columns of the spec of these types among those of the whole spec, shifts last."""
    c, scalars, own = spec.species_count, len(spec.mapping), spec.own_readout
    theta = (c if own else 1) * scalars
    readout = (types[:, None] * scalars + np.arange(scalars)).ravel() if own else np.arange(scalars)
    if linear:
        return np.concatenate([readout, theta + types])
    pairs = (types[:, None] * c + types).ravel()
    table = (np.arange(spec.scaling_blocks)[:, None] * c**2 + pairs).ravel()
    size, weights = spec.scaling_blocks * c**2, spec.radial_funcs_count * spec.radial_basis_size
    pair = 2 * size + weights
    species = pair + c
    amplitudes = np.arange(0)
    if spec.neighbour_coeffs is not None:
        amplitudes = species + (np.arange(spec.radial_funcs_count)[:, None] * c + types).ravel()
        species += spec.neighbour_coeffs.size
    return np.concatenate(
        [
            table,
            size + table,
            2 * size + np.arange(weights),
            pair + types,
            amplitudes,
            species + types,
            species + c + readout,
            species + c + theta + types,
        ]
    )
