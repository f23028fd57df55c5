"""Site energies as functions of the basic moments, with their first and second derivatives."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sus2.errors import GraphError
from sus2.potential.model import Sus2Model
from sus2.potential.moments.quadratic_form import two_level
from sus2.potential.mtp import ModelSpec
from sus2.types import Array, Index

# Numbers held at once by the second-order sweep over the product table: 4e6 of them are 32 MB per array.
_SWEEP_ELEMENTS = 4_000_000


def head_derivatives(model: Sus2Model, basic: Tensor, species: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Site energies as functions of the basic moments, with two derivatives.

    Graphs of two levels (all published ones) by their quadratic form, deeper ones by a forward and a reverse sweep
    over the product table, each carried with its tangents. Atoms are taken in groups that keep these small.

    Parameters
    ----------
    model
        nb basic moments.
    basic
        (N, nb) moments.
    species
        (N,) types.

    Returns
    -------
    tuple of Tensor
        E_i (N,) eV, dE_i/dM (N, nb), d2E_i/dM2 (N, nb, nb).
    """
    n_atoms, nb = basic.shape
    if model.theta.ndim == 2:
        # Atoms of one element share a readout, and so a quadratic form.
        order = torch.argsort(species, stable=True)
        kinds, counts = torch.unique_consecutive(species[order], return_counts=True)
        groups = [(int(z), part) for z, part in zip(kinds, order.split(counts.tolist()), strict=True)]
    else:
        order, groups = torch.arange(n_atoms, device=basic.device), [(0, torch.arange(n_atoms, device=basic.device))]
    parts = []
    for z, members in groups:
        quadratic = _quadratic_form(model.spec, z)
        rows = len(quadratic.linear) if quadratic else max(len(model.spec.times), model.spec.moments_count)
        for some in members.split(max(1, _SWEEP_ELEMENTS // (rows * nb))):
            part, types = basic[some], species[some]
            parts.append(_two_levels(model, quadratic, part, types) if quadratic else _sweep(model, part, types))
    place = torch.argsort(order)
    energy, gradient, hessian = (torch.cat(x)[place] for x in zip(*parts, strict=True))
    return energy, gradient, hessian


class _QuadraticForm(NamedTuple):
    """sum_s theta_s B_s = linear . F + F^T matrix F, F = basic moments and products (p, q, factor, target in F)."""

    linear: Array
    matrix: Array
    products: Index


@lru_cache(maxsize=16)
def _quadratic_form(spec: ModelSpec, z: int) -> _QuadraticForm | None:
    """The form of the z-th element; None where the graph is deeper than two levels."""
    try:
        head = two_level(spec)
    except GraphError:
        return None
    target = len(spec.basic) + np.repeat(np.arange(len(head.product_offsets) - 1), np.diff(head.product_offsets))
    linear, matrix = head.matrix(spec.readout[z])
    return _QuadraticForm(linear, matrix, np.column_stack([head.products, target]))


def _two_levels(
    model: Sus2Model, form: _QuadraticForm, basic: Tensor, species: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    n, nb = basic.shape
    device = basic.device
    linear = torch.as_tensor(form.linear, device=device)
    matrix = torch.as_tensor(form.matrix, device=device)
    p, q, factor, t = torch.as_tensor(form.products, device=device).T
    f = factor.to(basic.dtype)
    nf = len(linear)
    mp, mq = f * basic[:, p], f * basic[:, q]
    features = torch.cat([basic, basic.new_zeros(n, nf - nb)], dim=1).index_add_(1, t, mp * basic[:, q])
    half = features @ matrix
    adjoint = linear + 2.0 * half  # d/dF
    # dF/dM is the unit matrix and, below it, that of the products, (n1, N, nb).
    lower = basic.new_zeros((nf - nb) * n * nb)
    place = ((t - nb) * n)[:, None] + torch.arange(n, device=device)
    lower.index_add_(0, (place * nb + p[:, None]).reshape(-1), mq.T.reshape(-1))
    lower.index_add_(0, (place * nb + q[:, None]).reshape(-1), mp.T.reshape(-1))
    lower = lower.reshape(nf - nb, n * nb)
    curvature = matrix[:, :nb].repeat(1, n) + matrix[:, nb:] @ lower  # matrix dF/dM, (nf, N nb)
    transposed = lower.reshape(nf - nb, n, nb).permute(1, 2, 0)
    hessian = torch.baddbmm(
        curvature[:nb].reshape(nb, n, nb).transpose(0, 1),
        transposed,
        curvature[nb:].reshape(nf - nb, n, nb).transpose(0, 1),
    )
    curved = basic.new_zeros(n, nb * nb)  # of F itself
    curved.index_add_(1, p * nb + q, f * adjoint[:, t]).index_add_(1, q * nb + p, f * adjoint[:, t])
    hessian = 2.0 * hessian + curved.reshape(n, nb, nb)
    gradient = adjoint[:, :nb] + torch.bmm(transposed, adjoint[:, nb:, None]).squeeze(2)
    scale = model.species_coeffs[species]
    energy = scale * (1.0 + features @ linear + (features * half).sum(1)) + model.shift[species]
    return energy, scale[:, None] * gradient, scale[:, None, None] * hessian


def _sweep(model: Sus2Model, basic: Tensor, species: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n, nb = basic.shape
    count = model.spec.moments_count
    m = basic.new_zeros(count, n)
    m[:nb] = basic.T
    dm = basic.new_zeros(count, nb, n)  # dM[t] / dM_basic[c]
    dm[:nb] = torch.eye(nb, dtype=basic.dtype, device=basic.device)[:, :, None]
    for p, q, t, factor in model.levels:
        f = factor[:, None]
        m.index_add_(0, t, f * m[p] * m[q])
        dm.index_add_(0, t, (f * m[q])[:, None] * dm[p] + (f * m[p])[:, None] * dm[q])
    scale = model.species_coeffs[species]
    theta = model.theta[:, None] if model.theta.ndim == 1 else model.theta[species].T
    adjoint = m.new_zeros(count, n).index_add_(0, model.mapping, theta * scale)
    d_adjoint = torch.zeros_like(dm)
    for p, q, t, factor in reversed(model.levels):
        fa, da = factor[:, None] * adjoint[t], factor[:, None, None] * d_adjoint[t]
        mp, mq = m[p], m[q]
        to_p = fa[:, None] * dm[q] + mq[:, None] * da
        to_q = fa[:, None] * dm[p] + mp[:, None] * da
        adjoint.index_add_(0, p, fa * mq)
        adjoint.index_add_(0, q, fa * mp)
        d_adjoint.index_add_(0, p, to_p)
        d_adjoint.index_add_(0, q, to_q)
    energy = scale * (1.0 + (theta * m[model.mapping]).sum(0)) + model.shift[species]
    hessian = d_adjoint[:nb].permute(2, 0, 1)
    return energy, adjoint[:nb].T, 0.5 * (hessian + hessian.transpose(1, 2))
