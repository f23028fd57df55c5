"""The readouts of all elements solved at once, at fixed descriptors: linear least squares by conjugate gradients.

Energies, forces and virials are linear in theta (C, S) and the shifts (C,), so with the weights of the robust loss
taken where a step begins the loss is a quadratic form whose matrix J^T W J + prior has 10^5 rows and more. It is never
formed: its product with a direction costs one evaluation and one gradient of the whole set. The preconditioner is the
part of the matrix that belongs to each element alone, which leaves what structures of several elements couple
(Saad, Iterative Methods for Sparse Linear Systems, 2nd ed., chapter 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from sus2.potential.mtp import ModelSpec
from sus2.training.fit.objective import Objective
from sus2.types import Array, Mask

# Relative to the start, in the norm of the preconditioner.
_SOLVED: Final = 1e-14
# Directions that a part of the set does not show are as stiff for the preconditioner as this share of the mean.
_FLOOR: Final = 1e-3


@dataclass(frozen=True, eq=False)
class _Weighted:
    """A part of the set with the weights of its squared residuals, as they are where a step begins."""

    part: Objective
    weights: tuple[Array, Array, Array]
    pairs: tuple[Array, Array]

    @classmethod
    def at(cls, part: Objective, spec: ModelSpec) -> tuple[_Weighted, Array, Array]:
        """With minus half the gradient of the loss by theta and shifts there."""
        p = part.predict(spec)
        own = cls(part, part.residual_scales(p), part.pairs.residual_scales(p, part.norm))
        energy, force, virial = part.miss(p)
        force_change, virial_change = part.pairs.miss(p)
        return own, *own._back(spec, energy, force, virial, -force_change, -virial_change)

    def _back(
        self, spec: ModelSpec, energy: Array, force: Array, virial: Array, pair_force: Array, pair_virial: Array
    ) -> tuple[Array, Array]:
        """J^T W of energies (S,), forces (N, 3), virials (S, 6) and differences within pairs: theta (C, S), shifts."""
        by_energy = self.weights[0] * energy
        by_force = self.weights[1][:, None] * force
        by_virial = self.weights[2][:, None] * virial
        if len(self.part.pairs.first):
            self.part.pairs.add_to(
                by_force,
                by_virial,
                self.pairs[0][:, None] * pair_force,
                self.part.pairs.turned_back(self.pairs[1], pair_virial),
            )
        by_virial[:, 3:] *= 0.5  # each shear stands for two equal entries of the tensor
        system = self.part.system
        kernel = self.part.kernel(spec)
        gradient = kernel.differentiate(self.part.edges, by_energy[system], -by_force, by_virial[system])
        return gradient.theta, self.part.counts.T @ by_energy

    def curve(self, spec: ModelSpec, theta: Array, shift: Array) -> tuple[Array, Array]:
        """J^T W J of a direction."""
        part = self.part
        # Site energies are shift + species (1 + theta B): without the one they are linear.
        linear = replace(spec, moment_coeffs=theta, shift_coeffs=shift - _given(spec.species_coeffs))
        p = part.predict(linear)
        virial = np.where(part.has_virial[:, None], p.virial_ev, 0.0)
        pairs = part.pairs
        second = pairs.rows + pairs.size[pairs.of_pair]
        pair_force = p.forces_ev_per_a[second] - p.forces_ev_per_a[pairs.rows]
        pair_virial = p.virial_ev[pairs.first + 1] - p.virial_ev[pairs.first]
        return self._back(spec, p.energy_ev, p.forces_ev_per_a, virial, pair_force, pair_virial)


def _given(values: Array | None) -> Array:
    assert values is not None  # of a trained model
    return values


def solved_readouts(
    spec: ModelSpec,
    parts: Sequence[Objective],
    curvature: NDArray[np.float32],
    *,
    prior: float,
    centre: Array,
    iterations: int,
    moving: Mask | None = None,
) -> ModelSpec:
    """The model with the readouts and shifts that so many steps of conjugate gradients find.

    Parameters
    ----------
    spec
        With a readout of each element.
    parts
        Of the set.
    curvature
        (C, S, S) of sus2.training.fit.normal_equations.readout_curvature.
    prior
        Strength of the pull to `centre`, in the loss for each squared unit of theta.
    centre
        (C, S) readouts.
    iterations
        At most so many steps.
    moving
        (C,) elements whose readout and shift are solved while the others rest; None: all.

    Returns
    -------
    ModelSpec
        With other theta and shifts.
    """
    moving = np.ones(spec.species_count, dtype=bool) if moving is None else moving
    factors = [
        cho_factor(h.astype(np.float64) + (prior + _FLOOR * np.trace(h) / len(h) + 1e-12) * np.eye(len(h)))
        for h in curvature[moving]
    ]
    weighted, right, right_shift = [], -prior * (spec.readout - centre), np.zeros(spec.species_count)
    for part in parts:
        own, theta, shift = _Weighted.at(part, spec)
        weighted.append(own)
        right += theta
        right_shift += shift
    atoms = sum((p.weights[0] * p.part.counts.T**2).sum(1) for p in weighted) + 1e-6

    def preconditioned(r: tuple[Array, Array]) -> tuple[Array, Array]:
        theta = np.zeros_like(r[0])
        theta[moving] = [cho_solve(f, row) for f, row in zip(factors, r[0][moving], strict=True)]
        return theta, moving * r[1] / atoms

    def product(a: tuple[Array, Array], b: tuple[Array, Array]) -> float:
        return float((a[0] * b[0]).sum() + a[1] @ b[1])

    rest = (right, right_shift)
    direction = z = preconditioned(rest)
    size = first = product(rest, z)
    theta, shift = spec.readout.copy(), _given(spec.shift_coeffs).copy()
    for _ in range(iterations):
        along, along_shift = prior * direction[0], np.zeros(len(shift))
        for own in weighted:
            a, b = own.curve(spec, *direction)
            along += a
            along_shift += b
        step = size / product(direction, (along, along_shift))
        theta, shift = theta + step * direction[0], shift + step * direction[1]
        rest = (rest[0] - step * along, rest[1] - step * along_shift)
        z = preconditioned(rest)
        before, size = size, product(rest, z)
        direction = (z[0] + size / before * direction[0], z[1] + size / before * direction[1])
        if size <= _SOLVED * first:
            break
    return replace(spec, moment_coeffs=theta, shift_coeffs=shift)
