"""Exact second derivatives of the site energies, in the low-rank form that the model's locality gives.

With M_i = sum_e phi(r_e) over the edges e of atom i (shape (nb,)) and E_i = f_i(M_i) (equations: sus2.potential.model),

    d2E_i / dr_e dr_f = J_e^T H_i J_f + delta_ef K_e,
    J_e = dphi/dr_e (nb, 3),  H_i = d2f_i/dM2 (nb, nb),  K_e = sum_b (df_i/dM_b) d2phi_b/dr_e2 (3, 3).

Everything here is float64 whatever the dtype of the potential; units are angstrom and eV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from sus2.derivatives.jets import angular_jet, radial_jet
from sus2.derivatives.moment_derivatives import head_derivatives
from sus2.native import kernels
from sus2.native.arrays import Edges
from sus2.native.neighbours import Neighbours, neighbours
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.types import Index
from sus2.voigt import INDEX, PAIRS


@dataclass(frozen=True, eq=False)
class LocalHessian:
    """Site energies of one structure to second order in the edge vectors (N atoms, E edges sorted by atom).

    Attributes
    ----------
    edge_i
        (E,), the central atom.
    edge_j
        (E,), the neighbour.
    shift
        (E, 3), integer lattice vector of the neighbour.
    vector
        (E, 3) A.
    first
        (N + 1,): edges of atom i are first[i]..first[i + 1].
    site_energies
        (N,) eV.
    gradient
        (E, 3), dE_i/dr_e, eV/A.
    jacobian
        (E, 3, nb) 1/A.
    head
        (N, nb, nb) eV.
    curvature
        (E, 3, 3) eV/A^2.
    packed
        The same edges as the compiled kernels read them, where they made this; else None.
    """

    edge_i: Tensor
    edge_j: Tensor
    shift: Tensor
    vector: Tensor
    first: Index
    site_energies: Tensor
    gradient: Tensor
    jacobian: Tensor
    head: Tensor
    curvature: Tensor
    packed: Edges | None = None  # the same edges as the compiled kernels read them, where they made this


def local_hessian(atoms: Atoms, potential: Potential) -> LocalHessian:
    """Second-order expansion of every site energy.

    Parameters
    ----------
    atoms
        Any structure.
    potential
        Of moment tensors.

    Returns
    -------
    LocalHessian
        In float64.

    Raises
    ------
    StructureError
        Coordinates or cell.
    UnknownElementError
        An element that the potential does not cover.
    """
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


def _by_kernel(kernel: kernels.Kernel, types: Index, edges: Neighbours) -> LocalHessian:
    packed = Edges.from_lists(edges.index_i, edges.index_j, edges.vector, types)
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


def _by_torch(potential: Potential, types: Index, edges: Neighbours) -> LocalHessian:
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


def real_space_force_constants(local: LocalHessian, n_atoms: int) -> tuple[Index, Tensor]:
    """Force constants between the atoms of the cell and those of every cell within reach.

    Atom i contributes to every pair of its neighbours and itself, so nothing exists beyond twice the cutoff;
    R runs over the lattice vectors that any pair reaches and contains -R with R.

    Parameters
    ----------
    local
        Of the cell.
    n_atoms
        N.

    Returns
    -------
    tuple
        Lattice vectors R (nR, 3), and Phi(j 0, k R) = d2E/du_j0 du_kR as (nR, N, N, 3, 3), eV/A^2.
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
    """Second derivatives by displacements of the lattice period and by strains.

    r_e = (1 + strain) r_e0 + u_j - u_i with a symmetric strain (Voigt, engineering shear): u are Cartesian
    displacements of the strained crystal, and strains are six more columns of the low-rank form.

    Parameters
    ----------
    local
        Of the cell.
    n_atoms
        N.

    Returns
    -------
    Tensor
        (3N + 6, 3N + 6): d2E/du2 in eV/A^2, d2E/du d(strain) in eV/A, d2E/d(strain)2 in eV.
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
    """First derivatives of the energy by strain.

    Parameters
    ----------
    local
        Of the cell.

    Returns
    -------
    Tensor
        (6,) eV, Voigt with engineering shear.
    """
    w = local.vector.T @ local.gradient
    return torch.stack([0.5 * (w[a, b] + w[b, a]) for a, b in PAIRS])


def forces(local: LocalHessian, n_atoms: int) -> Tensor:
    """Forces -dE/du.

    Parameters
    ----------
    local
        Of the structure.
    n_atoms
        N.

    Returns
    -------
    Tensor
        (N, 3) eV/A.
    """
    g = local.gradient
    return g.new_zeros(n_atoms, 3).index_add_(0, local.edge_i, g).index_add_(0, local.edge_j, -g)
