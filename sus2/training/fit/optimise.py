"""Optimisers of a SUS2 model by the gradient alone: full-batch L-BFGS and minibatch Adam.

Each takes a flat vector of parameters and gives a better one; none keeps hidden state between calls, so that a
run that is stopped between two calls continues with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sus2.training.fit.config import TrainConfig
from sus2.training.fit.objective import Objective
from sus2.training.fit.parameters import COMMON, PRODUCTS, ParameterSpace
from sus2.training.fit.precondition import Preconditioner
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class Prior:
    """A quadratic pull, sum_k strength_k (x_k - centre_k)^2, added to the loss.

    Attributes
    ----------
    strength
        (size,).
    centre
        (size,).
    """

    strength: Array
    centre: Array

    @classmethod
    def none(cls, space: ParameterSpace) -> Prior:
        """No pull at all.

        Parameters
        ----------
        space
            Of the parameters.

        Returns
        -------
        Prior
            Zero.
        """
        return cls(np.zeros(space.size), np.zeros(space.size))


def prior_of(config: TrainConfig, space: ParameterSpace, start: Array, own_start: bool, centre: Array) -> Prior:
    """Theta and the products of a factorised space towards zero; alpha and r0 of a table towards `centre`.

    With `start_prior` everything towards where the run started; what is particular to an element's readout too,
    where the model to start from has readouts of elements, by `readout_prior`.

    Parameters
    ----------
    config
        Says how strong.
    space
        Of the parameters.
    start
        (size,) where the run started, in a space with the same blocks where `start_prior` is given.
    own_start
        Whether the model to start from has readouts of elements.
    centre
        (size,) where a table of pairs began.

    Returns
    -------
    Prior
        For that space.
    """
    strength, slices = np.zeros(space.size), space.slices()
    strength[slices["theta"]] = config.theta_prior
    target = np.zeros(space.size)
    if config.start_prior > 0.0:
        for name in set(slices) - {"theta_element", "species", "shift"}:
            strength[slices[name]], target[slices[name]] = config.start_prior, start[slices[name]]
        strength[slices["theta"]] *= 0.01  # theta is larger than other parameters
        if "theta_element" in slices:
            strength[slices["theta_element"]] = config.readout_prior
            if own_start:
                target[slices["theta_element"]] = start[slices["theta_element"]]
        return Prior(strength, target)
    if "theta_element" in slices:
        strength[slices["theta_element"]] = config.readout_prior
    if "theta_right" in slices:
        strength[slices["theta_right"]] = config.theta_prior
    if "neighbour" in slices:
        strength[slices["neighbour"]] = config.amplitude_prior
        target[slices["neighbour"]] = 1.0
    for name in PRODUCTS & set(slices):
        strength[slices[name]] = config.product_prior
    for name in {"alpha", "r0"} & set(slices):
        strength[slices[name]] = config.pair_prior
        target[slices[name]] = centre[slices[name]]
    return Prior(strength, target)


def total(space: ParameterSpace, parts: Sequence[Objective], x: Array, prior: Prior) -> tuple[float, Array]:
    """Loss and gradient summed over the parts of a set, with the prior.

    Parameters
    ----------
    space
        Of the parameters.
    parts
        Of the set.
    x
        (size,).
    prior
        The pull.

    Returns
    -------
    tuple
        Loss and gradient (size,).
    """
    spec = space.unpack(x)
    pull = prior.strength * (x - prior.centre)
    loss, gradient = float(pull @ (x - prior.centre)), 2.0 * pull
    for part in parts:
        value, tables, shift = part.value_and_gradient(spec)
        loss += value
        gradient += space.gradient(x, tables, shift)
    return loss, gradient


def lbfgs(space: ParameterSpace, x: Array, parts: Sequence[Objective], iterations: int, prior: Prior) -> Array:
    """Full-batch L-BFGS over all parameters (SciPy's, 40 corrections).

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,) where it begins.
    parts
        Of the set.
    iterations
        Most iterations.
    prior
        The pull.

    Returns
    -------
    ndarray
        (size,) where it ends.
    """
    steps = space.steps

    def scaled(z: Array) -> tuple[float, Array]:
        loss, gradient = total(space, parts, z * steps, prior)
        return loss, gradient * steps

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 40}
    best: Array = minimize(scaled, x / steps, jac=True, method="L-BFGS-B", options=options).x * steps
    return best


def adam_epoch(
    space: ParameterSpace,
    x: Array,
    moments: tuple[Array, Array],
    parts: Sequence[Objective],
    *,
    step: int,
    rate: float,
    rng: np.random.Generator,
    prior: Prior,
    steps: Array,
    preconditioner: Preconditioner | None = None,
) -> tuple[Array, tuple[Array, Array], int, float]:
    """One pass over the minibatches in random order (Kingma and Ba, arXiv 1412.6980).

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,) where it begins.
    moments
        First and second moments (size,).
    parts
        The minibatches.
    step
        Updates made before.
    rate
        Learning rate.
    rng
        Random numbers.
    prior
        The pull.
    steps
        As in adam_update.
    preconditioner
        With it the readouts of elements move in its coordinates, and what they have in common rests.

    Returns
    -------
    tuple
        x, the moments, the new count, and the loss, with the prior, as it was on each minibatch before the
        update made of it.
    """
    x, share, loss = x.copy(), len(parts), 0.0
    part_prior = Prior(prior.strength / share, prior.centre)
    own, steps = slice(0, 0), steps.copy()
    if preconditioner is not None:
        slices = space.slices()
        own = slices["theta_element"]
        for name in COMMON & set(slices):
            steps[slices[name]] = 0.0
    for k in rng.permutation(len(parts)):
        value, gradient = total(space, [parts[k]], x, part_prior)
        loss += value
        step += 1
        if preconditioner is not None:
            gradient[own] = preconditioner(gradient[own])
        moved, moments = adam_update(x, share * gradient, moments, step=step, rate=rate, steps=steps)
        if preconditioner is not None:
            moved[own] = x[own] + preconditioner(moved[own] - x[own])
        x = moved
    return x, moments, step, loss


def adam_update(
    x: Array, gradient: Array, moments: tuple[Array, Array], *, step: int, rate: float, steps: Array
) -> tuple[Array, tuple[Array, Array]]:
    """One update of Adam.

    Parameters
    ----------
    x
        (size,).
    gradient
        (size,).
    moments
        First and second moments (size,).
    step
        Number of the update, from 1.
    rate
        Learning rate.
    steps
        (size,) units of the parameters.

    Returns
    -------
    tuple
        x and the moments after it.
    """
    scaled = gradient * steps
    scaled *= min(1.0, 1e3 / max(float(np.linalg.norm(scaled)), 1e-300))
    m = moments[0] + 0.1 * (scaled - moments[0])
    v = moments[1] + 0.001 * (scaled**2 - moments[1])
    return x - rate * steps * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8), (m, v)
