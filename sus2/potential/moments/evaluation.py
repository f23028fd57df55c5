"""Moments and scalars of a moment graph in plain numpy, and what they cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sus2.potential.moments.quadratic_form import GraphArrays
from sus2.types import Array


def basic_moments(basic: ArrayLike, directions: ArrayLike, radial: ArrayLike) -> Array:
    """Basic moments M_i = sum_j R_mu(j) nx^a ny^b nz^c.

    Parameters
    ----------
    basic
        (nb, 4) rows mu, a, b, c.
    directions
        (E, N, 3) unit vectors to N neighbours in E environments.
    radial
        (E, N, M) values of the radial functions.

    Returns
    -------
    ndarray
        (E, nb).
    """
    table = np.asarray(basic)
    n = np.asarray(directions, dtype=np.float64)
    values = np.asarray(radial, dtype=np.float64)
    out = np.empty((len(n), len(table)))
    for i, (mu, *powers) in enumerate(table):
        out[:, i] = np.sum(values[:, :, mu] * np.prod(n ** np.array(powers), axis=-1), axis=1)
    return out


def evaluate_graph(graph: GraphArrays, basic: ArrayLike) -> Array:
    """All scalars of a graph, row by row in the order of its table.

    Parameters
    ----------
    graph
        The graph.
    basic
        Basic moments, (..., nb).

    Returns
    -------
    ndarray
        B_s, (..., S).
    """
    start = np.asarray(basic, dtype=np.float64)
    m = np.zeros((graph.moments_count, *start.shape[:-1]))
    m[: start.shape[-1]] = np.moveaxis(start, -1, 0)
    for p, q, factor, t in graph.times:
        m[t] += factor * m[p] * m[q]
    return np.moveaxis(m[graph.mapping], 0, -1)


def multiplications(graph: GraphArrays) -> int:
    """Multiplications of one atom's sum_s theta_s B_s by rows.

    Parameters
    ----------
    graph
        The graph.

    Returns
    -------
    int
        One a row, two where its multiplier is not 1, and one a scalar.
    """
    return len(graph.times) + int(np.count_nonzero(graph.times[:, 2] != 1)) + len(graph.mapping)
