"""The linear head of a two-level moment graph as a quadratic form in its first-level moments.

The site energy of the model (Hu et al., PNAS 2025, doi 10.1073/pnas.2503439122) is linear in scalars B_s that
are built by a table of products. Where no product has a factor of the second level, the sum over scalars is

    sum_s theta_s B_s = lin . F + sum_(i <= j) c_ij F_i F_j = lin . F + F^T Q F

with F the basic moments followed by sums of products of two basic moments. Derivatives then need only
lin + 2 Q F and Q itself, whatever the number of scalars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from sus2.errors import GraphError
from sus2.types import Array, Index


class GraphArrays(Protocol):
    """What carries a moment graph: sus2.potential.mtp.ModelSpec or sus2.potential.moments.graph.MomentGraph."""

    @property
    def basic(self) -> Index:
        """(nb, 4) rows mu, a, b, c."""

    @property
    def times(self) -> Index:
        """(nt, 4) rows p, q, factor, t of M[t] += factor M[p] M[q]."""

    @property
    def moments_count(self) -> int:
        """Number of moments."""

    @property
    def mapping(self) -> Index:
        """(S,) the moment of each scalar."""


@dataclass(frozen=True, eq=False)
class QuadraticHead:
    """A two-level moment graph, independent of theta.

    nb basic moments, n1 first-level moments, nf = nb + n1 features F, np distinct pairs of features, S
    scalars. Feature i < nb is basic moment i; feature nb + t is the sum of m * F[p] * F[q] over the rows
    (p, q, m) of `products[product_offsets[t] : product_offsets[t + 1]]`, where p <= q < nb.

    Attributes
    ----------
    basic_count
        nb.
    scalar_count
        S.
    products
        (nr, 3) p, q, m, ordered by target.
    product_offsets
        (n1 + 1,).
    moment_of_feature
        (nf,) place of each feature in the graph's list of moments.
    linear
        (nl, 2) scalar s, feature i: B_s += F_i.
    pairs
        (np, 2) features i <= j, each pair once, in lexical order.
    quadratic
        (nq, 3) scalar s, pair c, multiplier m: B_s += m * F_i * F_j; ordered by scalar.
    """

    basic_count: int  # nb
    scalar_count: int  # S
    products: Index  # (nr, 3): p, q, m, ordered by target
    product_offsets: Index  # (n1 + 1,)
    moment_of_feature: Index  # (nf,): place of each feature in the graph's list of moments
    linear: Index  # (nl, 2): scalar s, feature i: B_s += F_i
    pairs: Index  # (np, 2): features i <= j, each pair once, in lexical order
    quadratic: Index  # (nq, 3): scalar s, pair c, multiplier m: B_s += m * F_i * F_j; ordered by scalar

    @property
    def feature_count(self) -> int:
        """nf: basic moments and first-level moments together."""
        return len(self.moment_of_feature)

    @property
    def multiplications(self) -> int:
        """Multiplications for one atom's sum_s theta_s B_s, with Q known and rows of pairs gathered first.

        Each product row counts 1, or 2 where its multiplier is not 1; then lin . F, Q F and F . (Q F).
        """
        rows = len(self.products) + int(np.count_nonzero(self.products[:, 2] != 1))
        lin = len(np.unique(self.linear[:, 1]))
        return rows + lin + len(self.pairs) + len(np.unique(self.pairs[:, 0]))

    def features(self, basic: ArrayLike) -> Array:
        """The features F: basic moments and the moments of the first level.

        Parameters
        ----------
        basic
            (..., nb) basic moments.

        Returns
        -------
        ndarray
            (..., nf).

        Raises
        ------
        GraphError
            Not as many basic moments as the graph has.
        """
        m = np.asarray(basic, dtype=np.float64)
        if m.shape[-1] != self.basic_count:
            raise GraphError(f"{self.basic_count} basic moments are needed, found {m.shape[-1]}; use this graph's own.")
        if not len(self.products):
            return m.copy()
        p, q, factor = self.products.T
        sums = np.add.reduceat(factor * m[..., p] * m[..., q], self.product_offsets[:-1], axis=-1)
        return np.concatenate([m, sums], axis=-1)

    def coefficients(self, theta: ArrayLike) -> tuple[Array, Array]:
        """Coefficients of sum_s theta_s B_s = lin . F + sum_c c F_i F_j.

        Parameters
        ----------
        theta
            (S,) coefficients of the scalars.

        Returns
        -------
        tuple of ndarray
            lin (nf,) and c (np,).

        Raises
        ------
        GraphError
            theta has another shape.
        """
        values = np.asarray(theta, dtype=np.float64)
        if values.shape != (self.scalar_count,):
            raise GraphError(
                f"theta must have shape ({self.scalar_count},), found {values.shape}; give one per scalar."
            )
        lin = np.bincount(self.linear[:, 1], values[self.linear[:, 0]], self.feature_count)
        scalar, pair, factor = self.quadratic.T
        c = np.bincount(pair, factor * values[scalar], len(self.pairs))
        return lin.astype(np.float64), c.astype(np.float64)

    def matrix(self, theta: ArrayLike) -> tuple[Array, Array]:
        """The quadratic form sum_s theta_s B_s = lin . F + F^T Q F.

        Parameters
        ----------
        theta
            (S,) coefficients of the scalars.

        Returns
        -------
        tuple of ndarray
            lin (nf,) and Q (nf, nf), symmetric.
        """
        lin, c = self.coefficients(theta)
        q = np.zeros((self.feature_count, self.feature_count))
        i, j = self.pairs.T
        q[i, j] += 0.5 * c
        q[j, i] += 0.5 * c
        return lin, q

    def value(self, basic: ArrayLike, theta: ArrayLike) -> Array:
        """The sum sum_s theta_s B_s.

        Parameters
        ----------
        basic
            (..., nb) basic moments.
        theta
            (S,) coefficients of the scalars.

        Returns
        -------
        ndarray
            (...).
        """
        f = self.features(basic)
        lin, c = self.coefficients(theta)
        i, j = self.pairs.T
        return np.asarray(f @ lin + (f[..., i] * f[..., j]) @ c, dtype=np.float64)

    def scalars(self, basic: ArrayLike) -> Array:
        """All scalars B_s.

        Parameters
        ----------
        basic
            (..., nb) basic moments.

        Returns
        -------
        ndarray
            (..., S).
        """
        f = self.features(basic)
        out = np.zeros((*f.shape[:-1], self.scalar_count))
        out[..., self.linear[:, 0]] = f[..., self.linear[:, 1]]
        scalar, pair, factor = self.quadratic.T
        i, j = self.pairs[pair].T
        which, start = np.unique(scalar, return_index=True)
        if len(which):
            out[..., which] = np.add.reduceat(factor * f[..., i] * f[..., j], start, axis=-1)
        return out


def graph_levels(graph: GraphArrays) -> Index:
    """Level of each moment: 0 for a basic one, else 1 + the highest level among its factors.

    Parameters
    ----------
    graph
        The table.

    Returns
    -------
    ndarray
        (moments_count,); -1 for a moment that no row computes.

    Raises
    ------
    GraphError
        A row uses such a moment, or a moment changes after its use, so that the rows are not valid in their order.
    """
    nb = len(graph.basic)
    level = np.full(graph.moments_count, -1, dtype=np.int64)
    level[:nb] = 0
    used = np.zeros(graph.moments_count, dtype=bool)
    for n, (p, q, _, t) in enumerate(graph.times):
        if level[p] < 0 or level[q] < 0:
            raise GraphError(f"Product row {n + 1} uses a moment before it is computed; order the rows by level.")
        used[[p, q]] = True
        if t < nb or used[t]:
            raise GraphError(f"Product row {n + 1} changes moment {t} after its use; put its rows before that.")
        level[t] = max(level[t], level[p] + 1, level[q] + 1)
    return level


def two_level(graph: GraphArrays) -> QuadraticHead:
    """The quadratic form of any moment graph that is at most two levels deep (all published ones are).

    Parameters
    ----------
    graph
        The table.

    Returns
    -------
    QuadraticHead
        The form, for any theta.

    Raises
    ------
    GraphError
        The graph is deeper, names a moment that nothing computes, or has rows out of order.
    """
    nb = len(graph.basic)
    level = graph_levels(graph)
    mapping = np.asarray(graph.mapping, dtype=np.int64)
    if np.any(level[mapping] < 0):
        raise GraphError(f"Scalar {int(np.argmax(level[mapping] < 0)) + 1} names a moment that nothing computes.")
    if level[mapping].max(initial=0) > 2:
        raise GraphError(
            f"The moment graph is {int(level[mapping].max())} levels deep, but a quadratic form has 2; "
            "evaluate it by its table of products instead."
        )
    times = np.asarray(graph.times, dtype=np.int64).reshape(-1, 4)
    needed = np.zeros(graph.moments_count, dtype=bool)
    needed[mapping] = True
    second = times[(level[times[:, 3]] == 2) & needed[times[:, 3]]]
    needed[second[:, :2].ravel()] = True
    first = np.flatnonzero(needed & (level == 1))
    feature = np.full(graph.moments_count, -1, dtype=np.int64)
    feature[:nb] = np.arange(nb)
    feature[first] = nb + np.arange(len(first))

    rows = times[(level[times[:, 3]] == 1) & needed[times[:, 3]]]
    products, targets = _merge(np.sort(rows[:, :2], axis=1), feature[rows[:, 3]] - nb, rows[:, 2])
    offsets = np.searchsorted(targets, np.arange(len(first) + 1))

    scalar = np.arange(len(mapping))
    is_feature = level[mapping] <= 1
    linear = np.stack([scalar[is_feature], feature[mapping[is_feature]]], axis=1)

    order = np.argsort(second[:, 3], kind="stable")
    second = second[order]
    start = np.searchsorted(second[:, 3], mapping, side="left")
    stop = np.searchsorted(second[:, 3], mapping, side="right")
    owner = np.repeat(scalar, stop - start)
    picked = second[np.concatenate([np.arange(a, b) for a, b in zip(start, stop, strict=True)]).astype(np.int64)]
    ends = np.sort(feature[picked[:, :2]], axis=1)
    terms, owners = _merge(ends, owner, picked[:, 2])
    pairs, which = np.unique(terms[:, :2], axis=0, return_inverse=True)
    return QuadraticHead(
        basic_count=nb,
        scalar_count=len(mapping),
        products=products,
        product_offsets=offsets.astype(np.int64),
        moment_of_feature=np.concatenate([np.arange(nb), first]),
        linear=linear,
        pairs=pairs.astype(np.int64).reshape(-1, 2),
        quadratic=np.stack([owners, which.reshape(-1), terms[:, 2]], axis=1),
    )


def _merge(ends: Index, target: Index, factor: Index) -> tuple[Index, Index]:
    """Rows (p, q, m) and their targets, ordered by target; equal products are added, vanishing sums kept."""
    keys, which = np.unique(np.column_stack([target, ends]), axis=0, return_inverse=True)
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, which.reshape(-1), factor)
    return np.column_stack([keys[:, 1:], total]), keys[:, 0]
