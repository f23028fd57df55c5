"""Optimisers of a SUS2 model: variable projection, Gauss-Newton, full-batch L-BFGS and minibatch Adam.

Each takes a flat vector of parameters and gives a better one; none keeps hidden state between calls, so that a
run that is stopped between two calls continues with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sus2.training.objective import Objective
from sus2.training.parameters import ParameterSpace

Array = NDArray[np.float64]
# Weak pull of every parameter to its value at the start of a step, relative to the data's own curvature.
_RIDGE = 1e-10


@dataclass(frozen=True, eq=False)
class Prior:
    """A quadratic pull, sum_k strength_k (x_k - centre_k)^2, added to the loss; both arrays (size,)."""

    strength: Array
    centre: Array

    @classmethod
    def none(cls, space: ParameterSpace) -> Prior:
        """No pull at all."""
        return cls(np.zeros(space.size), np.zeros(space.size))


def total(space: ParameterSpace, parts: Sequence[Objective], x: Array, prior: Prior) -> tuple[float, Array]:
    """Loss and gradient summed over the parts of a set, with the prior."""
    spec = space.unpack(x)
    pull = prior.strength * (x - prior.centre)
    loss, gradient = float(pull @ (x - prior.centre)), 2.0 * pull
    for part in parts:
        value, tables, shift = part.value_and_gradient(spec)
        loss += value
        gradient += space.gradient(x, tables, shift)
    return loss, gradient


def project_linear(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior) -> Array:
    """Theta and shifts of the exact weighted least squares at a fixed radial part.

    Taken only where it lowers the loss (the robust loss is reweighted, so the step is exact only nearly).
    """
    blocks, spec = space.blocks(x), space.unpack(x)
    n = len(spec.mapping)
    size = n + spec.species_count
    normal, right = np.zeros((size, size)), np.zeros(size)
    zero = replace(spec, moment_coeffs=np.zeros(n), shift_coeffs=np.zeros(spec.species_count))
    for part in parts:
        scales = part.residual_scales(part.predict(spec))
        columns = part.linear_columns(spec, scales)
        target = part.rows(part.labels, scales) - part.rows(part.predict(zero), scales)
        normal += columns @ columns.T
        right += columns @ target
    slices = space.slices()
    linear = np.r_[slices["theta"], slices["shift"]]
    strength, centre = prior.strength[linear], prior.centre[linear]
    normal[np.diag_indices_from(normal)] += strength
    right += strength * centre
    solution = _solve(normal, right, _RIDGE)
    solved = x.copy()
    solved[slices["theta"]] = solution[:n]
    unused = np.diag(normal)[n:] == 0.0
    solved[slices["shift"]] = np.where(unused, blocks["shift"], solution[n:])
    return solved if total(space, parts, solved, prior)[0] < total(space, parts, x, prior)[0] else x


def _solve(normal: Array, right: Array, damping: float) -> Array:
    """Solve with a ridge relative to each diagonal entry; entries without data stay zero."""
    diagonal = np.diag(normal)
    used = diagonal > 1e-30 * max(diagonal.max(initial=0.0), 1e-300)
    scale = 1.0 / np.sqrt(diagonal[used])
    scaled = normal[np.ix_(used, used)] * np.outer(scale, scale)
    scaled[np.diag_indices_from(scaled)] += damping
    solution = np.zeros(len(right))
    solution[used] = scale * np.linalg.solve(scaled, scale * right[used])
    return solution


def lbfgs(space: ParameterSpace, x: Array, parts: Sequence[Objective], iterations: int, prior: Prior) -> Array:
    """Full-batch L-BFGS over all parameters (SciPy's, 40 corrections)."""
    steps = space.steps

    def scaled(z: Array) -> tuple[float, Array]:
        loss, gradient = total(space, parts, z * steps, prior)
        return loss, gradient * steps

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 40}
    best: Array = minimize(scaled, x / steps, jac=True, method="L-BFGS-B", options=options).x * steps
    return best


@dataclass(frozen=True)
class Damped:
    """Parameters, their loss, and the Levenberg-Marquardt damping that the next step starts with."""

    x: Array
    damping: float
    loss: float


def gauss_newton(space: ParameterSpace, state: Damped, parts: Sequence[Objective], prior: Prior) -> Damped:
    """One accepted Levenberg-Marquardt step over all parameters; the state itself where none lowers the loss.

    Columns of theta and shifts are exact; those of the radial part are differences of predictions. For a set of
    few elements only: the cost is one evaluation for each parameter.
    """
    x, steps = state.x, space.steps
    spec = space.unpack(x)
    slices = space.slices()
    linear = np.r_[slices["theta"], slices["shift"]]
    others = np.setdiff1d(np.arange(space.size), linear)
    normal, right = np.zeros((space.size, space.size)), np.zeros(space.size)
    h = 1e-6
    for part in parts:
        now = part.predict(spec)
        scales = part.residual_scales(now)
        base = part.rows(now, scales)
        jacobian = np.empty((space.size, len(base)))
        jacobian[linear] = part.linear_columns(spec, scales) * steps[linear, None]
        for k in others:
            moved = x.copy()
            moved[k] += h * steps[k]
            jacobian[k] = (part.rows(part.predict(space.unpack(moved)), scales) - base) / h
        normal += jacobian @ jacobian.T
        right += jacobian @ (part.rows(part.labels, scales) - base)
    normal[np.diag_indices_from(normal)] += prior.strength * steps**2
    right -= prior.strength * steps * (x - prior.centre)
    damping = state.damping
    for _ in range(12):
        trial = x + steps * _solve(normal, right, damping)
        loss = total(space, parts, trial, prior)[0]
        if np.isfinite(loss) and loss < state.loss:
            return Damped(trial, max(damping / 5.0, 1e-12), loss)
        damping *= 4.0
    return replace(state, damping=damping)


def adam_epoch(
    space: ParameterSpace, x: Array, moments: tuple[Array, Array], parts: Sequence[Objective], *, step: int,
    rate: float, rng: np.random.Generator, prior: Prior,
) -> tuple[Array, tuple[Array, Array], int]:  # fmt: skip
    """One pass over the minibatches in random order (Kingma and Ba, arXiv 1412.6980).

    `step` counts the updates made before; gives x, the two moments and the new count.
    """
    x, share = x.copy(), len(parts)
    part_prior = Prior(prior.strength / share, prior.centre)
    for k in rng.permutation(len(parts)):
        _, gradient = total(space, [parts[k]], x, part_prior)
        step += 1
        x, moments = adam_update(x, share * gradient, moments, step=step, rate=rate, steps=space.steps)
    return x, moments, step


def adam_update(
    x: Array, gradient: Array, moments: tuple[Array, Array], *, step: int, rate: float, steps: Array
) -> tuple[Array, tuple[Array, Array]]:
    """One update, the `step`-th from 1, in units of `steps`; gives x and the moments after it."""
    scaled = gradient * steps
    scaled *= min(1.0, 1e3 / max(float(np.linalg.norm(scaled)), 1e-300))
    m = moments[0] + 0.1 * (scaled - moments[0])
    v = moments[1] + 0.001 * (scaled**2 - moments[1])
    return x - rate * steps * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8), (m, v)
