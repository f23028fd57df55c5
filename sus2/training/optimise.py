"""Optimisers of a SUS2 model: variable projection, Gauss-Newton, full-batch L-BFGS and minibatch Adam.

Each takes a flat vector of parameters and gives a better one; none keeps hidden state between calls, so that a
run that is stopped between two calls continues with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sus2.training.objective import Objective
from sus2.training.parameters import ParameterSpace

Array = NDArray[np.float64]
# Weak pull of every parameter to its value at the start of a step, relative to the data's own curvature.
_RIDGE = 1e-10


def total(space: ParameterSpace, parts: Sequence[Objective], x: Array, prior: float = 0.0) -> tuple[float, Array]:
    """Loss and gradient summed over the parts of a set, with a quadratic prior on theta (strength `prior`)."""
    spec = space.unpack(x)
    loss, gradient = 0.0, np.zeros(space.size)
    for part in parts:
        value, tables, shift = part.value_and_gradient(spec)
        loss += value
        gradient += space.gradient(x, tables, shift)
    theta = space.slices()["theta"]
    loss += prior * float(x[theta] @ x[theta])
    gradient[theta] += 2.0 * prior * x[theta]
    return loss, gradient


def project_linear(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: float = 0.0) -> Array:
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
    normal[np.arange(n), np.arange(n)] += prior
    solution = _solve(normal, right, _RIDGE)
    solved, slices = x.copy(), space.slices()
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


def lbfgs(space: ParameterSpace, x: Array, parts: Sequence[Objective], iterations: int, prior: float = 0.0) -> Array:
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


def gauss_newton(space: ParameterSpace, state: Damped, parts: Sequence[Objective], prior: float = 0.0) -> Damped:
    """One accepted Levenberg-Marquardt step over all parameters; the state itself where none lowers the loss.

    Columns of theta and shifts are exact; those of the radial part are differences of predictions. For a set of
    few elements only: the cost is one evaluation for each parameter.
    """
    x, steps = state.x, space.steps
    spec = space.unpack(x)
    slices = space.slices()
    theta, shift = slices["theta"], slices["shift"]
    linear = np.r_[np.arange(theta.start, theta.stop), np.arange(shift.start, shift.stop)]
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
    inside = np.arange(theta.start, theta.stop)
    normal[inside, inside] += prior * steps[inside] ** 2
    right[inside] -= prior * steps[inside] * x[inside]
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
    rate: float, rng: np.random.Generator, prior: float = 0.0, after: Callable[[int], None] | None = None,
) -> tuple[Array, tuple[Array, Array], int]:  # fmt: skip
    """One pass over the minibatches in random order (Kingma and Ba, arXiv 1412.6980).

    `step` counts the updates made before; gives x, the two moments and the new count.
    """
    m, v = (a.copy() for a in moments)
    x, steps, share = x.copy(), space.steps, len(parts)
    for done, k in enumerate(rng.permutation(len(parts)), 1):
        _, gradient = total(space, [parts[k]], x, prior / share)
        gradient = gradient * steps * share
        norm = np.linalg.norm(gradient)
        gradient *= min(1.0, 1e3 / max(float(norm), 1e-300))
        step += 1
        m += 0.1 * (gradient - m)
        v += 0.001 * (gradient**2 - v)
        x -= rate * steps * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        if after is not None:
            after(done)
    return x, (m, v), step
