"""Radial functions and monomials of an edge with their first and second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from sus2.potential.formats.moment_tensor import MomentTensorModel
from sus2.potential.model import Sus2Model
from sus2.voigt import PAIRS


def radial_jet(model: Sus2Model, r: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Radial functions with two derivatives, by the Chebyshev recurrence differentiated.

    Parameters
    ----------
    model
        M radial functions.
    r
        (E,) distances, angstrom.
    zi
        (E,) types of the central atoms.
    zj
        (E,) types of the neighbours.

    Returns
    -------
    tuple of Tensor
        R_mu(r) and its first and second derivative by r, (M, E) each.
    """
    if isinstance(model, MomentTensorModel):
        return model.radial_jet(r, zi, zj)
    slope = 0.5 * model.alpha[:, zi, zj]  # (kappa, E)
    xi = torch.tanh(slope * (r - model.r0[:, zi, zj]))
    d_xi = slope * (1.0 - xi * xi)
    dd_xi = -2.0 * slope * xi * d_xi
    zero, one = torch.zeros_like(xi), torch.ones_like(xi)
    t, dt, ddt = [one, xi], [zero, one], [zero, zero]
    for _ in range(model.spec.radial_basis_size - 2):
        ddt.append(4.0 * dt[-1] + 2.0 * xi * ddt[-1] - ddt[-2])
        dt.append(2.0 * t[-1] + 2.0 * xi * dt[-1] - dt[-2])
        t.append(2.0 * xi * t[-1] - t[-2])
    size = model.spec.radial_basis_size
    table = torch.stack([torch.stack(x[:size]) for x in (t, dt, ddt)])  # (3, R, kappa, E)
    s, s_xi, s_xixi = (table[:, :, model.kappa] * model.weights.T[:, :, None]).sum(1)
    d_xi, dd_xi = d_xi[model.kappa], dd_xi[model.kappa]
    ds, dds = s_xi * d_xi, s_xixi * d_xi**2 + s_xi * dd_xi
    x = r - model.cutoff
    # Where p = 2 the second derivative jumps at the cutoff; edges there are left out by the neighbour list (r < rc).
    scale = torch.where(x < 0.0, model.spec.scaling * model.pair_factor[zi] * model.pair_factor[zj], 0.0)
    if model.neighbour is not None:
        scale = scale * model.neighbour[:, zj]
    p = model.spec.envelope_power
    e0, e1, e2 = x**p, p * x ** (p - 1), p * (p - 1) * x ** (p - 2)
    return scale * e0 * s, scale * (e1 * s + e0 * ds), scale * (e2 * s + 2.0 * e1 * ds + e0 * dds)


def angular_jet(unit: Tensor, powers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Monomials x^a y^b z^c at unit vectors, with derivatives by x, y, z as free variables.

    Parameters
    ----------
    unit
        (E, 3) unit vectors.
    powers
        (nb, 3): a, b, c.

    Returns
    -------
    tuple of Tensor
        Values (E, nb), gradient (E, 3, nb), second derivatives (E, 6, nb) in Voigt order.
    """
    top = int(powers.max()) if len(powers) else 0
    table = [torch.ones_like(unit)]
    for _ in range(top):
        table.append(table[-1] * unit)
    stacked = torch.stack(table)  # (power, E, 3)

    def factor(axis: int, order: int) -> Tensor:
        p = powers[:, axis]
        coefficient = (torch.ones_like(p), p, p * (p - 1))[order]
        return coefficient * stacked[(p - order).clamp(min=0), :, axis].T  # (E, nb)

    jets = [[factor(axis, order) for order in range(3)] for axis in range(3)]

    def derivative(*axes: int) -> Tensor:
        x, y, z = (jets[axis][axes.count(axis)] for axis in range(3))
        return x * y * z

    first = torch.stack([derivative(a) for a in range(3)], dim=1)
    second = torch.stack([derivative(a, b) for a, b in PAIRS], dim=1)
    return derivative(), first, second
