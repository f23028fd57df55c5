"""The moment graph: which contractions of moment tensors are the scalars, and the table that computes them.

A moment tensor is M(k,l) = sum_j R_mu(r_ij) n_ij (x) ... (x) n_ij with l factors n = r_ij / |r_ij| and
mu = k * (max_rank + 1) + l (Hu et al., PNAS 2025, doi 10.1073/pnas.2503439122). The scalars are full
contractions of up to four of them, that is, up to body order five (see sus2.potential.moments.contractions).

Every graph made here is two levels deep: a scalar is a sum of products of two first-level moments (which
are basic moments, or sums of products of two basic moments), so the linear head is a quadratic form (see
sus2.potential.moments.quadratic_form).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product
from math import factorial, gcd, prod
from typing import Final, Literal

import numpy as np

from sus2.errors import GraphError
from sus2.potential.moments.contractions import (
    Contraction,
    Tensor,
    all_contractions,
    independent,
    same_channel_contractions,
)
from sus2.potential.moments.evaluation import basic_moments, evaluate_graph, multiplications
from sus2.potential.moments.quadratic_form import QuadraticHead, graph_levels, two_level
from sus2.types import Index

__all__ = [
    "PRESETS",
    "Contraction",
    "MomentGraph",
    "QuadraticHead",
    "basic_moments",
    "evaluate_graph",
    "graph",
    "graph_levels",
    "moment_graph",
    "multiplications",
    "two_level",
]

Rule = Literal["same-channel", "all"]
PRESETS: Final = ("l2k1", "l2k2", "l2k3", "l3k1", "l3k2", "l3k3")
MAX_RANK: Final = 5
MAX_CHANNELS: Final = 6
_SWEEPS: Final = 8

Powers = tuple[int, int, int]
Feature = tuple[tuple[int, int, int], ...]  # rows (p, q, m), p <= q; a basic moment p is ((p, -1, 1),)
Terms = dict[tuple[Feature, Feature], int]


@dataclass(frozen=True, eq=False)
class MomentGraph:
    """A moment graph in the form of the `.mtp` file, ready for sus2.potential.mtp.ModelSpec.

    Rows of `times` are in an order in which M[t] += m * M[p] * M[q] can be carried out, all rows of a target together;
    moments are the basic ones, then the first level, then the second. Scalars are ordered by tensors, ranks, channels.

    Attributes
    ----------
    max_rank
        Largest rank L of a tensor.
    channels
        Number K of radial channels.
    max_tensors
        Largest number of tensors in a scalar.
    rule
        Which contractions are taken.
    basic
        (nb, 4) rows mu, a, b, c.
    times
        (nt, 4) rows p, q, m, t.
    moments_count
        Number of moments.
    mapping
        (S,) the moment of each scalar.
    contractions
        What each scalar is.
    """

    max_rank: int
    channels: int
    max_tensors: int
    rule: Rule
    basic: Index  # (nb, 4): mu, a, b, c
    times: Index  # (nt, 4): p, q, multiplier, target
    moments_count: int
    mapping: Index  # (S,)
    contractions: tuple[Contraction, ...]  # (S,)

    @property
    def radial_funcs_count(self) -> int:
        """M, the number of radial functions."""
        return self.channels * (self.max_rank + 1)

    @property
    def tensor_counts(self) -> Index:
        """Number of tensors of each scalar, shape (S,); its body order is one more."""
        return np.array([len(c.tensors) for c in self.contractions], dtype=np.int64)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Readable form of each scalar (see Contraction.formula)."""
        return tuple(c.formula for c in self.contractions)


def graph(name: str) -> MomentGraph:
    """Make a moment graph by its name.

    Parameters
    ----------
    name
        `l3k2` has max_rank 3, 2 channels, rule same-channel; `full-l3k2` has rule all. The names that training offers
        are in PRESETS.

    Returns
    -------
    MomentGraph
        The graph.

    Raises
    ------
    GraphError
        A name of another form.
    """
    match = re.fullmatch(r"(full-)?l(\d)k(\d)", name)
    if not match:
        raise GraphError(f"There is no moment graph '{name}'; use a name like {PRESETS[1]} or full-{PRESETS[1]}.")
    return moment_graph(int(match[2]), int(match[3]), rule="all" if match[1] else "same-channel")


def moment_graph(max_rank: int, channels: int, max_tensors: int = 4, *, rule: Rule = "same-channel") -> MomentGraph:
    """Linearly independent contractions of up to `max_tensors` moment tensors and the table of products.

    Independence is decided for each set of tensors by the rank of the scalars on random environments
    (scalars of different sets are homogeneous of different degrees in the radial functions, hence
    independent); of dependent ones the products of simpler scalars are kept first.

    Parameters
    ----------
    max_rank
        Largest rank L of a tensor.
    channels
        Number K of radial channels; there are M = K (L + 1) radial functions.
    max_tensors
        Largest number of tensors in a scalar, 1 to 4: the body order is at most 5.
    rule
        `all`: every contraction (see sus2.potential.moments.contractions). `same-channel`: the size of the published
        models (62 scalars for l2k2, 175 l2k3, 109 l3k2, 322 l3k3): two tensors of any channels give their scalar
        product; a pair that keeps free indices is formed only within one radial channel, which has K of them instead
        of K^2. Scalars are those scalar products, their products with each other and with rank 0, and the contractions
        of same-channel pairs with a third tensor or with the like pair of any channel. Scalars of four tensors with a
        factor of rank 0 are left out.

    Returns
    -------
    MomentGraph
        The graph.

    Raises
    ------
    GraphError
        A size out of range.
    """
    if not 0 <= max_rank <= MAX_RANK or not 1 <= channels <= MAX_CHANNELS or not 1 <= max_tensors <= 4:
        raise GraphError(
            f"A moment graph needs max_rank 0..{MAX_RANK}, 1..{MAX_CHANNELS} channels and 1..4 tensors, "
            f"found {max_rank}, {channels} and {max_tensors}."
        )
    if rule not in ("same-channel", "all"):
        raise GraphError(f"The rule of a moment graph must be 'same-channel' or 'all', found '{rule}'.")
    made = _made(max_rank, channels, max_tensors, rule)
    return replace(made, basic=made.basic.copy(), times=made.times.copy(), mapping=made.mapping.copy())


@lru_cache(maxsize=16)
def _made(max_rank: int, channels: int, max_tensors: int, rule: Rule) -> MomentGraph:
    enumerate_scalars = all_contractions if rule == "all" else same_channel_contractions
    candidates = enumerate_scalars(max_rank, channels)
    scalars = independent([c for c in candidates if len(c.tensors) <= max_tensors])
    return _Builder(max_rank, channels).build(scalars, max_tensors, rule)


# ---------------------------------------------------------------------------------------------- product table


@lru_cache(maxsize=64)
def _powers(rank: int) -> tuple[Powers, ...]:
    """The independent components of a symmetric tensor, xx xy xz yy yz zz for rank 2."""
    return tuple((a, b, rank - a - b) for a in range(rank, -1, -1) for b in range(rank - a, -1, -1))


def _times_counted(p: Powers) -> int:
    """How often a component occurs in the full tensor."""
    return factorial(sum(p)) // prod(factorial(v) for v in p)


def _add(*powers: Powers) -> Powers:
    x, y, z = (sum(v) for v in zip((0, 0, 0), *powers, strict=True))
    return x, y, z


def _normalise(rows: dict[tuple[int, int], int]) -> tuple[Feature, int]:
    """The feature of a sum of products and the whole number that was divided out of it."""
    items = sorted((k, v) for k, v in rows.items() if v)
    factor = gcd(*(v for _, v in items)) * (1 if items[0][1] > 0 else -1)
    return tuple((p, q, v // factor) for (p, q), v in items), factor


class _Builder:
    """Chooses for each scalar the cheapest product of two first-level moments, sharing those among scalars."""

    def __init__(self, max_rank: int, channels: int) -> None:
        self.max_rank, self.channels = max_rank, channels
        width = max_rank + 1
        rows = [(mu, *p) for mu in range(channels * width) for p in _powers(mu % width)]
        self.basic = np.array(rows, dtype=np.int64)
        self.place = {row: i for i, row in enumerate(rows)}

    def moment(self, tensor: Tensor, powers: Powers) -> int:
        rank, k = tensor
        return self.place[(k * (self.max_rank + 1) + rank, *powers)]

    def inner(self, tensors: tuple[Tensor, ...], joined: int, free: tuple[Powers, ...]) -> tuple[Feature, int]:
        """A component of one tensor, or of two that share `joined` summed indices, as (feature, factor)."""
        if len(tensors) == 1:
            return ((self.moment(tensors[0], free[0]), -1, 1),), 1
        rows: Counter[tuple[int, int]] = Counter()
        for g in _powers(joined):
            p, q = (self.moment(t, _add(f, g)) for t, f in zip(tensors, free, strict=True))
            rows[min(p, q), max(p, q)] += _times_counted(g)
        return _normalise(rows)

    def plans(self, c: Contraction) -> Iterator[Terms]:
        """All ways to write the scalar as a sum of products of two features."""
        n = len(c.tensors)
        edge = {frozenset(e): m for e, m in zip(combinations(range(n), 2), c.edges, strict=True)}
        lefts = ((0, 1), (0, 2), (1, 2)) if n == 3 else ((0, 1), (0, 2), (0, 3))
        for left in lefts:
            right = tuple(v for v in range(n) if v not in left)
            raw = self.split(c, edge, left, right)
            yield raw
            yield _regroup(raw, 0)
            if len(right) == 2:
                yield _regroup(raw, 1)

    def split(
        self, c: Contraction, edge: dict[frozenset[int], int], left: tuple[int, ...], right: tuple[int, ...]
    ) -> Terms:
        cross = [(i, j) for i in left for j in right if edge[frozenset((i, j))]]
        terms: Counter[tuple[Feature, Feature]] = Counter()
        for choice in product(*(_powers(edge[frozenset(e)]) for e in cross)):
            weight = prod(_times_counted(g) for g in choice)
            sides = []
            for group in (left, right):
                free = tuple(_add(*(g for e, g in zip(cross, choice, strict=True) if v in e)) for v in group)
                feature, factor = self.inner(tuple(c.tensors[v] for v in group), edge.get(frozenset(group), 0), free)
                weight *= factor
                sides.append(feature)
            terms[sides[0], sides[1]] += weight
        return terms

    def choose(self, scalars: list[Contraction]) -> list[Terms]:
        """The cheapest plan of each scalar, given how many share its features; repeated until nothing changes."""
        plans = [list(self.plans(c)) for c in scalars]
        made = [[_products(terms) for terms in options] for options in plans]
        chosen = [0] * len(plans)
        uses = Counter(f for options in made for f in options[0])

        def cheapest(n: int) -> int:
            def cost(i: int) -> float:
                return len(plans[n][i]) + sum((len(f) + 1) / (uses[f] + 1) for f in sorted(made[n][i]))

            return min(range(len(plans[n])), key=cost)

        for _ in range(_SWEEPS):
            before = chosen.copy()
            for n in range(len(plans)):
                uses.subtract(made[n][chosen[n]])
                chosen[n] = cheapest(n)
                uses.update(made[n][chosen[n]])
            if chosen == before:
                break
        return [plans[n][i] for n, i in enumerate(chosen)]

    def build(self, scalars: list[Contraction], max_tensors: int, rule: Rule) -> MomentGraph:
        """Number the moments and write the rows."""
        number: dict[Feature, int] = {((p, -1, 1),): p for p in range(len(self.basic))}
        times: list[tuple[int, int, int, int]] = []

        def moment_of(feature: Feature) -> int:
            if feature not in number:
                number[feature] = len(number)
                times.extend((p, q, m, number[feature]) for p, q, m in feature)
            return number[feature]

        large = [c for c in scalars if len(c.tensors) > 2]
        mapping = []
        for c in scalars[: len(scalars) - len(large)]:
            none: tuple[Powers, ...] = ((0, 0, 0),) * len(c.tensors)
            mapping.append(moment_of(self.inner(c.tensors, sum(c.edges), none)[0]))
        chosen = self.choose(large)
        for terms in chosen:
            for f in sorted({f for pair in terms for f in pair}):
                moment_of(f)
        count = len(number)
        for terms in chosen:
            rows: Counter[tuple[int, int]] = Counter()
            for (f, g), m in terms.items():
                rows[min(number[f], number[g]), max(number[f], number[g])] += m
            times.extend((p, q, m, count) for (p, q), m in sorted(rows.items()))
            mapping.append(count)
            count += 1
        return MomentGraph(
            max_rank=self.max_rank,
            channels=self.channels,
            max_tensors=max_tensors,
            rule=rule,
            basic=self.basic,
            times=np.array(times, dtype=np.int64).reshape(-1, 4),
            moments_count=count,
            mapping=np.array(mapping, dtype=np.int64),
            contractions=tuple(scalars),
        )


def _products(terms: Terms) -> set[Feature]:
    """The features that are not basic moments."""
    return {f for pair in terms for f in pair if f[0][1] >= 0}


def _regroup(terms: Terms, side: int) -> Terms:
    """Sum the features of one side that meet the same feature of the other side into one."""
    sums: dict[Feature, Counter[tuple[int, int]]] = {}
    for pair, weight in terms.items():
        rows = sums.setdefault(pair[1 - side], Counter())
        for p, q, m in pair[side]:
            rows[p, q] += weight * m
    out: Counter[tuple[Feature, Feature]] = Counter()
    for other, rows in sums.items():
        feature, factor = _normalise(rows)
        out[(feature, other) if side == 0 else (other, feature)] += factor
    return out
