"""Contractions of moment tensors to scalars: enumeration, and which of them are linearly independent.

A scalar is a full contraction of up to four moment tensors M(k,l) (see sus2.potential.moments.graph): a multigraph with
the tensors as its vertices and the summed indices as its edges, the degree of a vertex being its rank (Shapeev,
Multiscale Model. Simul. 14, 1153 (2016), doi 10.1137/15M1054183).

No edge joins a vertex to itself: with |n| = 1 the trace of M(k,l) is a tensor of rank l - 2 with the radial
function of M(k,l), that is, one more radial channel, which more channels give directly; and a sum without a
product cannot be written in the table of the file. Contractions with the Levi-Civita tensor are left out,
since the energy must not tell a crystal from its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, combinations_with_replacement, permutations
from typing import Final

import numpy as np

Tensor = tuple[int, int]  # (rank l, channel k): sorts by rank first
# A dependent scalar leaves a residual of 1e-15 on random environments, an independent one 1e-3 or more.
_DEPENDENT: Final = 1e-9


@dataclass(frozen=True, order=True)
class Contraction:
    """A full contraction of moment tensors.

    Attributes
    ----------
    tensors
        (rank l, channel k) of each.
    edges
        Number of indices summed between each two, in the order of itertools.combinations.
    """

    tensors: tuple[Tensor, ...]
    edges: tuple[int, ...]

    @property
    def body_order(self) -> int:
        """One central atom and one neighbour for each tensor."""
        return len(self.tensors) + 1

    @property
    def components(self) -> int:
        """Number of connected parts; more than one means a product of simpler scalars."""
        part = list(range(len(self.tensors)))
        for (i, j), m in zip(combinations(part.copy(), 2), self.edges, strict=True):
            if m:
                part = [part[i] if p == part[j] else p for p in part]
        return len(set(part))

    @property
    def indices(self) -> tuple[str, ...]:
        """One string of index letters for each tensor, in the manner of einsum."""
        letters = iter("ijklmnopqrstuvwxyzabcdefgh")
        out = [""] * len(self.tensors)
        for (i, j), m in zip(combinations(range(len(self.tensors)), 2), self.edges, strict=True):
            for _ in range(m):
                letter = next(letters)
                out[i] += letter
                out[j] += letter
        return tuple(out)

    @property
    def formula(self) -> str:
        """Readable form, M(k,l) with repeated indices summed: `M(0,1)_i M(0,1)_j M(1,2)_ij`."""
        return " ".join(
            f"M({k},{rank})" + (f"_{names}" if names else "")
            for (rank, k), names in zip(self.tensors, self.indices, strict=True)
        )


def _canonical(tensors: list[Tensor], joins: dict[tuple[int, int], int]) -> Contraction:
    """The contraction with its tensors sorted and, among equal ones, the largest tuple of edges."""
    n = len(tensors)
    order = sorted(range(n), key=lambda v: tensors[v])
    kinds = tuple(tensors[v] for v in order)
    place = {v: i for i, v in enumerate(order)}
    table = np.zeros((n, n), dtype=np.int64)
    for (i, j), m in joins.items():
        table[place[i], place[j]] += m
        table[place[j], place[i]] += m
    same = [p for p in permutations(range(n)) if all(kinds[p[i]] == kinds[i] for i in range(n))]
    return Contraction(kinds, max(tuple(int(table[p[i], p[j]]) for i, j in combinations(range(n), 2)) for p in same))


@lru_cache(maxsize=1024)
def _edge_lists(ranks: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """All loop-free multigraphs with these vertex degrees, as edge numbers in the order of combinations."""
    pairs = list(combinations(range(len(ranks)), 2))
    found: list[tuple[int, ...]] = []

    def extend(chosen: tuple[int, ...], left: tuple[int, ...]) -> None:
        if len(chosen) == len(pairs):
            if not any(left):
                found.append(chosen)
            return
        i, j = pairs[len(chosen)]
        if any(left[v] for v in range(i)):
            return  # the pairs of vertices before i are all passed
        for m in range(min(left[i], left[j]) + 1):
            extend((*chosen, m), tuple(x - m * (v in (i, j)) for v, x in enumerate(left)))

    extend((), ranks)
    return tuple(found)


def all_contractions(max_rank: int, channels: int) -> list[Contraction]:
    """Every contraction of one to four tensors, each once.

    Parameters
    ----------
    max_rank
        Largest rank of a tensor.
    channels
        Number of radial channels.

    Returns
    -------
    list of Contraction
        In a fixed order.
    """
    kinds = [(rank, k) for rank in range(max_rank + 1) for k in range(channels)]
    out = set()
    for n in range(1, 5):
        for tensors in combinations_with_replacement(kinds, n):
            pairs = list(combinations(range(n), 2))
            for edges in _edge_lists(tuple(rank for rank, _ in tensors)):
                out.add(_canonical(list(tensors), dict(zip(pairs, edges, strict=True))))
    return sorted(out, key=_order)


def same_channel_contractions(max_rank: int, channels: int) -> list[Contraction]:
    """The contractions of the rule `same-channel` (see sus2.potential.moments.graph.moment_graph), each once.

    Parameters
    ----------
    max_rank
        Largest rank of a tensor.
    channels
        Number of radial channels.

    Returns
    -------
    list of Contraction
        In a fixed order.
    """
    ks = range(channels)
    ranks = range(1, max_rank + 1)
    ab = list(combinations_with_replacement(ks, 2))
    dots = [(rank, a, b) for rank in ranks for a, b in ab]
    out = [_canonical([(0, k)], {}) for k in ks]
    out += [_canonical([(0, a), (0, b)], {}) for a, b in ab]
    out += [_canonical([(0, a), (0, b), (0, c)], {}) for a, b, c in combinations_with_replacement(ks, 3)]
    for rank, a, b in dots:
        out.append(_canonical([(rank, a), (rank, b)], {(0, 1): rank}))
        out += [_canonical([(0, c), (rank, a), (rank, b)], {(1, 2): rank}) for c in ks]
    for (l1, a, b), (l2, c, d) in combinations_with_replacement(dots, 2):
        out.append(_canonical([(l1, a), (l1, b), (l2, c), (l2, d)], {(0, 1): l1, (2, 3): l2}))
    # (l_a l_a) contracted to a symmetric matrix; for l = 1 its square is a product of scalar products
    for rank in ranks if max_rank > 1 else ():
        matrix = {(0, 1): rank - 1}
        out += [_canonical([(rank, a), (rank, a), (2, b)], matrix | {(0, 2): 1, (1, 2): 1}) for a in ks for b in ks]
        if rank > 1:
            square = matrix | {(2, 3): rank - 1, (0, 2): 1, (1, 3): 1}
            out += [_canonical([(rank, a), (rank, a), (rank, b), (rank, b)], square) for a, b in ab]
    for rank in range(1, max_rank):
        # l_a (l+1)_a contracted to a vector; 1_a (x) l_a with l+1 is already there for l = 1
        joined = {(0, 1): rank, (2, 3): rank, (1, 3): 1}
        out += [_canonical([(rank, a), (rank + 1, a), (rank, b), (rank + 1, b)], joined) for a, b in ab]
        if rank > 1:
            outer = {(0, 2): 1, (1, 2): rank}
            out += [_canonical([(1, a), (rank, a), (rank + 1, b)], outer) for a in ks for b in ks]
    return sorted(set(out), key=_order)


def _order(c: Contraction) -> tuple[object, ...]:
    """Number of tensors, ranks, channels; then products of simpler scalars first, then heavy edges first."""
    ranks, channels = zip(*c.tensors, strict=True)
    weight = sum(m * m for m in c.edges)
    return len(c.tensors), ranks, channels, -c.components, -weight, tuple(-m for m in c.edges)


def independent(scalars: list[Contraction]) -> list[Contraction]:
    """Leave out scalars that are linear combinations of those before them.

    Scalars of different sets of tensors are homogeneous of different degrees in the radial functions, hence
    independent; within one set the rank on random environments decides.

    Parameters
    ----------
    scalars
        Contractions.

    Returns
    -------
    list of Contraction
        Those that are left, in their order.
    """
    blocks: dict[tuple[Tensor, ...], list[Contraction]] = {}
    for c in scalars:
        blocks.setdefault(c.tensors, []).append(c)
    out = []
    for tensors, block in blocks.items():
        # Only which tensors are equal matters: blocks that differ by a change of channels share the work.
        first = {t: tensors.index(t) for t in tensors}
        pattern = tuple((t[0], first[t]) for t in tensors)
        keep = _independent_pattern(pattern, tuple(c.edges for c in block))
        out += [c for c, kept in zip(block, keep, strict=True) if kept]
    return out


@lru_cache(maxsize=4096)
def _independent_pattern(pattern: tuple[Tensor, ...], edges: tuple[tuple[int, ...], ...]) -> tuple[bool, ...]:
    """Which of these contractions are not combinations of those before them, on random environments."""
    if len(edges) == 1:
        return (True,)
    rng = np.random.default_rng(len(edges))
    count, neighbours = 4 * len(edges) + 8, 24
    n = rng.normal(size=(count, neighbours, 3))
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    dense = {}
    for rank, which in set(pattern):
        tensor = rng.normal(size=(count, neighbours))
        for _ in range(rank):
            tensor = tensor[..., None] * n.reshape(count, neighbours, *([1] * (tensor.ndim - 2)), 3)
        dense[rank, which] = tensor.sum(axis=1)
    keep: list[bool] = []
    basis = np.zeros((count, 0))
    for e in edges:
        names = Contraction(pattern, e).indices
        column = np.einsum(",".join("Z" + s for s in names) + "->Z", *(dense[t] for t in pattern), optimize=True)
        column = column / np.linalg.norm(column)
        for _ in range(2):  # twice is enough for round-off
            column = column - basis @ (basis.T @ column)
        size = float(np.linalg.norm(column))
        keep.append(size > _DEPENDENT)
        if keep[-1]:
            basis = np.column_stack([basis, column / size])
    return tuple(keep)
