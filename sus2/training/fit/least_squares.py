"""The loss as a least-squares problem: theta and shifts solved exactly, and Levenberg-Marquardt steps for the rest.

Energies, forces and virials are linear in theta and the shifts y, at given radial parameters z. In variable projection
(Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973)) a step is judged by the loss min_y L(z, y), not by L(z, y) at
some y: z then moves much further in one step, since y follows it at once. The step itself is that of the whole
Jacobian with the damping on z alone, which eliminates y in Kaufman's approximation (BIT 15, 49 (1975)). The robust loss
is reweighted at each step (see Objective.residual_scales).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sus2.errors import DataError
from sus2.training.fit.normal_equations import normal_equations
from sus2.training.fit.objective import Objective
from sus2.training.fit.optimise import Prior
from sus2.training.fit.parameters import ParameterSpace
from sus2.types import Array, Index

# Weak pull of each linear parameter to its value before, relative to the data's own curvature.
_RIDGE = 1e-12
# The matrix of all parameters is formed and solved: 2 GB here, and as much again for its factors.
MAX_PARAMETERS = 16_000
_TRIALS = 10


@dataclass(frozen=True)
class Damped:
    """A place in the space of parameters.

    Attributes
    ----------
    x
        (size,) parameters.
    damping
        Of Levenberg and Marquardt, that the next step starts with.
    loss
        There.
    """

    x: Array
    damping: float
    loss: float


def loss_of(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior) -> float:
    """The loss summed over the parts of a set, with the prior.

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,).
    parts
        Of the set.
    prior
        The pull.

    Returns
    -------
    float
        Infinite where the model has none.
    """
    spec = space.unpack(x)
    value = sum(part.value(part.predict(spec)) for part in parts)
    value += float(prior.strength @ (x - prior.centre) ** 2)
    return value if np.isfinite(value) else float("inf")


def _linear(space: ParameterSpace) -> Index:
    """Places of theta (of what is particular to each element, where each has its own) and the shifts in the vector."""
    slices = space.slices()
    return np.r_[slices["theta_element" if space.own_readout else "theta"], slices["shift"]]


def _normal(
    space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior, *, linear: bool
) -> tuple[Array, Array]:
    """Gauss-Newton matrix and minus half the gradient at x, by all parameters or by theta and the shifts."""
    places = _linear(space) if linear else np.arange(space.size)
    chain = None if linear else space.jacobian(x)
    matrix, right = normal_equations(parts, space.unpack(x), linear=linear, chain=chain)
    matrix[np.diag_indices(len(places))] += prior.strength[places]
    return matrix, right - (prior.strength * (x - prior.centre))[places]


def _solve(matrix: Array, right: Array, damping: Array | float) -> Array:
    """Solve with `damping` relative to each diagonal entry; entries without data stay zero."""
    diagonal = np.diag(matrix)
    used = diagonal > 1e-30 * max(diagonal.max(initial=0.0), 1e-300)
    scale = 1.0 / np.sqrt(diagonal[used])
    solution = np.zeros(len(right))
    for more in (0.0, 1e-11, 1e-9):  # scalars that are nearly the same function make the matrix singular to rounding
        scaled = np.asfortranarray(matrix[np.ix_(used, used)])
        scaled *= scale
        scaled *= scale[:, None]
        scaled[np.diag_indices_from(scaled)] += np.broadcast_to(damping, len(right))[used] + more
        try:
            solution[used] = scale * cho_solve(cho_factor(scaled, overwrite_a=True), scale * right[used])
        except (np.linalg.LinAlgError, ValueError):
            continue
        return solution
    return np.full(len(right), np.nan)


def solve_linear(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior) -> Array:
    """Solve theta and shifts of the weighted least squares at the radial part of x.

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,).
    parts
        Of the set.
    prior
        The pull.

    Returns
    -------
    ndarray
        (size,).
    """
    matrix, right = _normal(space, x, parts, prior, linear=True)
    solved = x.copy()
    solved[_linear(space)] += _solve(matrix, right, _RIDGE)
    return solved


def solve_common(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior) -> Array:
    """Solve the theta that all elements have in common, and shifts, while none has more of its own.

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,).
    parts
        Of the set.
    prior
        The pull.

    Returns
    -------
    ndarray
        (size,).
    """
    places = np.r_[space.slices()["theta"], space.slices()["shift"]]
    spec = space.unpack(x)
    matrix, right = normal_equations(parts, replace(spec, moment_coeffs=spec.readout[0].copy()), linear=True)
    matrix[np.diag_indices(len(places))] += prior.strength[places]
    solved = x.copy()
    solved[places] += _solve(matrix, right - (prior.strength * (x - prior.centre))[places], _RIDGE)
    return solved


def project_linear(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior) -> Array:
    """As solve_linear, where that lowers the loss (the robust loss is reweighted, so the step is exact only nearly).

    Readouts of each element that are still all alike are solved as one.

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,).
    parts
        Of the set.
    prior
        The pull.

    Returns
    -------
    ndarray
        (size,).

    Raises
    ------
    DataError
        Readouts are many and not alike.
    """
    blocks = space.blocks(x)
    if space.own_readout and not any(blocks[n].any() for n in ("theta_element", "theta_right") if n in blocks):
        solved = solve_common(space, x, parts, prior)
    elif space.own_readout and not space.readout_full:
        raise DataError("A readout of low rank alone is not linear: leave out 'project' after the first stage.")
    elif len(_linear(space)) > MAX_PARAMETERS:
        raise DataError(
            f"The readouts of all elements are {len(_linear(space))} numbers, too many to solve for at once (at most "
            f"{MAX_PARAMETERS}): leave out 'project' after the first stage, 'adam' goes on with them."
        )
    else:
        solved = solve_linear(space, x, parts, prior)
    return solved if loss_of(space, solved, parts, prior) < loss_of(space, x, parts, prior) else x


def descend(space: ParameterSpace, x: Array, parts: Sequence[Objective], prior: Prior, iterations: int) -> Damped:
    """Solve the linear part at x, then take Gauss-Newton steps.

    Parameters
    ----------
    space
        Of the parameters.
    x
        (size,).
    parts
        Of the set.
    prior
        The pull.
    iterations
        Number of steps.

    Returns
    -------
    Damped
        Where it ends.
    """
    x = solve_linear(space, x, parts, prior)
    state = Damped(x, 1e-3, loss_of(space, x, parts, prior))
    for _ in range(iterations):
        state = gauss_newton(space, state, parts, prior)
    return state


def gauss_newton(space: ParameterSpace, state: Damped, parts: Sequence[Objective], prior: Prior) -> Damped:
    """Take one Levenberg-Marquardt step with variable projection, or only more damping where none helps.

    Parameters
    ----------
    space
        Of the parameters.
    state
        Where it begins.
    parts
        Of the set.
    prior
        The pull.

    Returns
    -------
    Damped
        Where it ends.

    Raises
    ------
    DataError
        A model whose tables have more than MAX_PARAMETERS parameters.
    """
    if space.size > MAX_PARAMETERS:
        raise DataError(
            f"Gauss-Newton is for at most {MAX_PARAMETERS} parameters, this model has {space.size}: use a factorised "
            "element space of lower rank, 'lbfgs' or 'adam'."
        )
    matrix, right = _normal(space, state.x, parts, prior, linear=False)
    damping = state.damping
    held = np.full(space.size, _RIDGE)
    nonlinear = np.setdiff1d(np.arange(space.size), _linear(space))
    for trial in range(_TRIALS):
        held[nonlinear] = damping
        x = state.x + _solve(matrix, right, held)
        if np.isfinite(x).all():
            x = solve_linear(space, x, parts, prior)
        loss = loss_of(space, x, parts, prior) if np.isfinite(x).all() else float("inf")
        if loss < state.loss:
            return Damped(x, max(damping / 4.0, 1e-12) if trial == 0 else damping, loss)
        damping *= 5.0
    return replace(state, damping=damping)
