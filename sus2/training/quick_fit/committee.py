"""Members of a committee of readouts: random weights of the labels, and the spread of what the members say."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from sus2.training.fit.objective import Objective
from sus2.types import Array


def reweighted(part: Objective, rng: np.random.Generator) -> Objective:
    """The part with random weights of its structures: exponential ones, as a Bayesian bootstrap draws them.

    Parameters
    ----------
    part
        Labelled structures; those of a pair have one weight.
    rng
        What is drawn from.

    Returns
    -------
    Objective
        With its neighbours.
    """
    weight = rng.exponential(size=len(part.data))
    first = part.pairs.first
    weight[first + 1] = weight[first]
    out = copy(part)
    out.data = part.data.with_weights(part.data.weight * weight)
    out.pairs = replace(part.pairs, weight=part.pairs.weight * weight[first])
    return out


def members_spread(values: Sequence[Array]) -> Array:
    """Standard deviation over members, nan where fewer than two have a value.

    Parameters
    ----------
    values
        Of each member, of one shape.

    Returns
    -------
    ndarray
        Of that shape.
    """
    table = np.array(values, dtype=float)
    if len(table) < 2:
        return np.full(table.shape[1:], np.nan)
    known = np.isfinite(table).sum(axis=0) >= 2
    with np.errstate(invalid="ignore"):
        spread = (
            np.nanstd(np.where(np.isfinite(table), table, np.nan), axis=0, ddof=1) if known.any() else table[0] * np.nan
        )
    out: Array = np.where(known, spread, np.nan)
    return out
