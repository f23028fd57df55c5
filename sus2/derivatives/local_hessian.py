"""Exact second derivatives of the site energies, in the low-rank form that the model's locality gives.

With M_i = sum_e phi(r_e) over the edges e of atom i (shape (nb,)) and E_i = f_i(M_i) (equations: sus2.potential.model),

    d2E_i / dr_e dr_f = J_e^T H_i J_f + delta_ef K_e,
    J_e = dphi/dr_e (nb, 3),  H_i = d2f_i/dM2 (nb, nb),  K_e = sum_b (df_i/dM_b) d2phi_b/dr_e2 (3, 3).

Everything here is float64 whatever the dtype of the potential; units are angstrom and eV.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from sus2.errors import GraphError
from sus2.native import kernels
from sus2.potential.batch import Neighbours, neighbours
from sus2.potential.formats.moment_tensor import MomentTensorModel
from sus2.potential.model import Sus2Model
from sus2.potential.mtp import ModelSpec
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.potential.quadratic_form import two_level
from sus2.voigt import INDEX, PAIRS

# Numbers held at once by the second-order sweep over the product table: 4e6 of them are 32 MB per array.
_SWEEP_ELEMENTS = 4_000_000


@dataclass(frozen=True, eq=False)
class LocalHessian:
    """Site energies of one structure to second order in the edge vectors (N atoms, E edges sorted by atom).

    edge_i, edge_j (E,); shift (E, 3) integer lattice vector of the neighbour; vector (E, 3) A;
    first (N + 1,): edges of atom i are first[i]..first[i + 1]; site_energies (N,) eV; gradient (E, 3)
    dE_i/dr_e, eV/A; jacobian (E, 3, nb) 1/A; head (N, nb, nb) eV; curvature (E, 3, 3) eV/A^2.
    """

    edge_i: Tensor
    edge_j: Tensor
    shift: Tensor
    vector: Tensor
    first: NDArray[np.int64]
    site_energies: Tensor
    gradient: Tensor
    jacobian: Tensor
    head: Tensor
    curvature: Tensor
    packed: kernels.Edges | None = None  # the same edges as the compiled kernels read them, where they made this


def local_hessian(atoms: Atoms, potential: Potential) -> LocalHessian:
    """Second-order expansion of every site energy; raises StructureError and UnknownElementError."""
    edges = neighbours(atoms, potential.cutoff)
    types = type_indices(atoms, potential.elements)
    if potential.kernel is not None:
        found = _by_kernel(potential.kernel, types, edges)
    else:
        found = _by_torch(potential, types, edges)
    if potential.repulsion is not None:
        near = potential.repulsion.terms(edges.vector, types[edges.index_i], types[edges.index_j])
        edge = torch.as_tensor(near.edge, device=potential.device)
        for to, part in ((found.gradient, near.gradient()), (found.curvature, near.curvature())):
            to[edge] += torch.as_tensor(part, device=potential.device)
        found.site_energies.index_add_(0, found.edge_i[edge], torch.as_tensor(near.energy_ev, device=potential.device))
    return found


def _by_kernel(kernel: kernels.Kernel, types: NDArray[np.int64], edges: Neighbours) -> LocalHessian:
    packed = kernels.Edges.from_lists(edges.index_i, edges.index_j, edges.vector, types)
    site, gradient, jacobian, head, curvature = (torch.from_numpy(x) for x in kernel.second_order(packed))
    return LocalHessian(
        edge_i=torch.from_numpy(edges.index_i),
        edge_j=torch.from_numpy(edges.index_j),
        shift=torch.from_numpy(edges.shift),
        vector=torch.from_numpy(packed.vectors),
        first=packed.first,
        site_energies=site,
        gradient=gradient,
        jacobian=jacobian,
        head=head,
        curvature=curvature,
        packed=packed,
    )


def _by_torch(potential: Potential, types: NDArray[np.int64], edges: Neighbours) -> LocalHessian:
    device = potential.device
    model = potential.model
    if potential.dtype != torch.float64:
        model = potential.model_in(torch.float64)
    species = torch.as_tensor(types, device=device)
    edge_i = torch.as_tensor(edges.index_i, device=device)
    edge_j = torch.as_tensor(edges.index_j, device=device)
    vector = torch.as_tensor(edges.vector, dtype=torch.float64, device=device)
    r = vector.norm(dim=1)
    unit = vector / r[:, None]
    zi, zj = species[edge_i], species[edge_j]

    mu = model.basic_mu
    rank = model.basic_powers.sum(dim=1).to(torch.float64)  # l of each basic moment, (nb,)
    f0, f1, f2 = (x.T.contiguous().index_select(1, mu) for x in radial_jet(model, r, zi, zj))  # (E, nb) each
    inverse = (1.0 / r)[:, None]
    # phi = R(r) A(n) with A homogeneous of degree l: derivatives of R(r) / r^l, times the powers of r of A.
    h0, h1 = f0 * inverse, f1 - rank * f0 * inverse
    h2 = f2 - 2.0 * rank * f1 * inverse + rank * (rank + 1.0) * f0 * inverse**2
    # Several radial channels share each monomial x^a y^b z^c: nm of them for nb basic moments.
    powers, which = torch.unique(model.basic_powers, dim=0, return_inverse=True)
    a0, a1, a2 = angular_jet(unit, powers)  # (E, nm), (E, 3, nm), (E, 6, nm)
    share = torch.nn.functional.one_hot(which, len(powers)).to(torch.float64)  # (nb, nm)

    n_atoms = len(types)
    a = a0.index_select(1, which)
    basic = f0.new_zeros(n_atoms, len(mu)).index_add(0, edge_i, f0 * a)
    site, g, head = head_derivatives(model, basic, species)
    jacobian = torch.addcmul(unit[:, :, None] * (h1 * a)[:, None, :], h0[:, None, :], a1.index_select(2, which))
    ge = g[edge_i]  # (E, nb)
    g0, g1, g2 = (ge * h0) @ share, (ge * h1) @ share, (ge * h2) @ share  # (E, nm)
    slope = (g1 * a0).sum(1)
    gradient = slope[:, None] * unit + (a1 * g0[:, None]).sum(2)
    along, across = (g2 * a0).sum(1), slope / r
    mixed = (a1 * g1[:, None]).sum(2) * inverse
    tangential = (a2 * g0[:, None]).sum(2) * inverse
    nn = unit[:, :, None] * unit[:, None, :]
    eye = torch.eye(3, dtype=torch.float64, device=device)
    outer = unit[:, :, None] * mixed[:, None, :]
    curvature = along[:, None, None] * nn + across[:, None, None] * (eye - nn) + outer + outer.transpose(1, 2)
    curvature = curvature + tangential[:, _VOIGT_INDEX]
    return LocalHessian(
        edge_i=edge_i,
        edge_j=edge_j,
        shift=torch.as_tensor(edges.shift, device=device),
        vector=vector,
        first=np.searchsorted(edges.index_i, np.arange(n_atoms + 1)),
        site_energies=site,
        gradient=gradient,
        jacobian=jacobian,
        head=head,
        curvature=curvature,
    )


# Voigt place (xx yy zz yz xz xy) of each Cartesian pair.
_VOIGT_INDEX = torch.tensor(INDEX)


def radial_jet(model: Sus2Model, r: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R_mu(r) and its first and second derivative, each (M, E), by the Chebyshev recurrence differentiated."""
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
    """x^a y^b z^c at the unit vectors (E, 3) with its gradient and Voigt second derivatives (as free variables).

    Shapes (E, nb), (E, 3, nb), (E, 6, nb); powers (nb, 3).
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


def head_derivatives(model: Sus2Model, basic: Tensor, species: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E_i, dE_i/dM (N, nb) and d2E_i/dM2 (N, nb, nb) of site energies in the basic moments (N, nb).

    Graphs of two levels (all published ones) by their quadratic form, deeper ones by a forward and a reverse sweep
    over the product table, each carried with its tangents. Atoms are taken in groups that keep these small.
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

    linear: NDArray[np.float64]
    matrix: NDArray[np.float64]
    products: NDArray[np.int64]


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


def real_space_force_constants(local: LocalHessian, n_atoms: int) -> tuple[NDArray[np.int64], Tensor]:
    """Lattice vectors R (nR, 3) and Phi(j 0, k R) = d2E/du_j0 du_kR as (nR, N, N, 3, 3), eV/A^2.

    Atom i contributes to every pair of its neighbours and itself, so nothing exists beyond twice the cutoff;
    R runs over the lattice vectors that any pair reaches and contains -R with R.
    """
    device = local.vector.device
    reach = 2 * np.abs(local.shift.cpu().numpy()).max(axis=0, initial=0)
    size = 2 * reach + 1
    stride = torch.as_tensor([size[1] * size[2], size[2], 1], device=device)
    blocks = int(size.prod())
    flat = local.vector.new_zeros(blocks * n_atoms * n_atoms * 9)
    seen = torch.zeros(blocks, dtype=torch.bool, device=device)
    centre = int((torch.as_tensor(reach, device=device) * stride).sum())
    nine = torch.arange(9, device=device)
    for i in range(n_atoms):
        edges = slice(int(local.first[i]), int(local.first[i + 1]))
        x = local.jacobian[edges]
        x = torch.cat([x, -x.sum(0, keepdim=True)])  # the last row is the central atom itself
        n = len(x)
        x = x.reshape(3 * n, -1)
        a = (x @ local.head[i] @ x.T).reshape(n, 3, n, 3).transpose(1, 2).contiguous()
        k = local.curvature[edges]
        own = torch.arange(n - 1, device=device)
        a[own, own] += k
        a[own, n - 1] -= k
        a[n - 1, own] -= k
        a[n - 1, n - 1] += k.sum(0)
        atom = torch.cat([local.edge_j[edges], torch.tensor([i], device=device)])
        cell = torch.cat([(local.shift[edges] * stride).sum(1), torch.tensor([0], device=device)])
        block = centre + cell[None, :] - cell[:, None]
        seen[block.reshape(-1)] = True
        row = (block * n_atoms + atom[:, None]) * n_atoms + atom[None, :]
        flat.scatter_add_(0, (row[:, :, None] * 9 + nine).reshape(-1), a.reshape(-1))
    kept = torch.nonzero(seen).squeeze(1)
    phi = flat.reshape(blocks, n_atoms, n_atoms, 3, 3)[kept]
    lattice = np.stack(np.unravel_index(kept.cpu().numpy(), size), axis=1) - reach
    return lattice.astype(np.int64), phi


def _gamma_hessian(local: LocalHessian, n_atoms: int) -> Tensor:
    """d2E/du2 for displacements of the lattice period, (3N, 3N) eV/A^2: the sum of all blocks Phi(R)."""
    nb = local.head.shape[1]
    out = local.vector.new_zeros(3 * n_atoms, 3 * n_atoms)
    for i in range(n_atoms):
        edges = slice(int(local.first[i]), int(local.first[i + 1]))
        j, x = local.edge_j[edges], local.jacobian[edges]
        g = x.new_zeros(n_atoms, 3, nb).index_add_(0, j, x)
        g[i] -= x.sum(0)
        touched = torch.unique(torch.cat([j, torch.tensor([i], device=j.device)]))
        place = (3 * touched[:, None] + torch.arange(3, device=j.device)).reshape(-1)
        small = g[touched].reshape(len(place), nb)
        out[place[:, None], place] += small @ local.head[i] @ small.T
    pairs = local.curvature.new_zeros(n_atoms * n_atoms, 3, 3)
    ei, ej = local.edge_i, local.edge_j
    pairs.index_add_(0, ej * n_atoms + ej, local.curvature).index_add_(0, ei * n_atoms + ei, local.curvature)
    pairs.index_add_(0, ei * n_atoms + ej, -local.curvature).index_add_(0, ej * n_atoms + ei, -local.curvature)
    return out + pairs.reshape(n_atoms, n_atoms, 3, 3).transpose(1, 2).reshape(3 * n_atoms, 3 * n_atoms)


def _strain_vectors(vector: Tensor) -> Tensor:
    """dr/d(strain) in Voigt order with engineering shear for r -> (1 + strain) r: (E, 6, 3), A."""
    out = vector.new_zeros(len(vector), 6, 3)
    for v, (a, b) in enumerate(PAIRS):
        if a == b:
            out[:, v, a] = vector[:, a]
        else:
            out[:, v, a] = 0.5 * vector[:, b]
            out[:, v, b] = 0.5 * vector[:, a]
    return out


def response(local: LocalHessian, n_atoms: int) -> Tensor:
    """Second derivatives by displacements of the lattice period and by strains, (3N + 6, 3N + 6).

    r_e = (1 + strain) r_e0 + u_j - u_i with a symmetric strain (Voigt, engineering shear): u are Cartesian
    displacements of the strained crystal, and strains are six more columns of the low-rank form.
    d2E/du2 in eV/A^2, d2E/du d(strain) in eV/A, d2E/d(strain)2 in eV.
    """
    if local.packed is not None:
        parts = (x.numpy() for x in (local.jacobian, local.head, local.curvature))
        return torch.from_numpy(kernels.response(local.packed, *parts))
    n = 3 * n_atoms
    out = local.vector.new_empty(n + 6, n + 6)
    out[:n, :n] = _gamma_hessian(local, n_atoms)
    out[n:, n:], internal = _strain_blocks(local, n_atoms)
    out[:n, n:] = internal.reshape(n, 6)
    out[n:, :n] = out[:n, n:].T
    return out


def _strain_blocks(local: LocalHessian, n_atoms: int) -> tuple[Tensor, Tensor]:
    """d2E/d(strain)2 (6, 6) eV and d2E/du d(strain) (N, 3, 6) eV/A."""
    dr = _strain_vectors(local.vector)  # (E, 6, 3)
    s = local.vector.new_zeros(n_atoms, 6, local.head.shape[1])
    s.index_add_(0, local.edge_i, torch.bmm(dr, local.jacobian))
    hs = torch.bmm(s, local.head)  # (N, 6, nb)
    kr = torch.bmm(dr, local.curvature)  # (E, 6, 3)
    second = torch.einsum("ivb,iwb->vw", hs, s) + torch.einsum("evx,ewx->vw", kr, dr)
    edge = torch.bmm(local.jacobian, hs[local.edge_i].transpose(1, 2)) + kr.transpose(1, 2)  # (E, 3, 6)
    internal = edge.new_zeros(n_atoms, 3, 6).index_add_(0, local.edge_j, edge).index_add_(0, local.edge_i, -edge)
    return second, internal


def strain_gradient(local: LocalHessian) -> Tensor:
    """dE/d(strain), (6,) eV, Voigt with engineering shear."""
    w = local.vector.T @ local.gradient
    return torch.stack([0.5 * (w[a, b] + w[b, a]) for a, b in PAIRS])


def forces(local: LocalHessian, n_atoms: int) -> Tensor:
    """Forces -dE/du, (N, 3) eV/A."""
    g = local.gradient
    return g.new_zeros(n_atoms, 3).index_add_(0, local.edge_i, g).index_add_(0, local.edge_j, -g)
