"""Fused kernels for a GPU in Triton: edges to moments, and gradients of the moments to forces.

Both recompute distances, radial functions and monomials from the edge vectors instead of storing them: what is kept for
each edge is its vector and its neighbour. Between them sus2.potential.backends.torch_sweep turns moments into energies
and their gradient. With TRITON_INTERPRET=1 in the environment they run on a CPU, which is how they are tested where
there is no GPU. Triton is not among the requirements of this package; CUDA builds of torch bring it.

Scalars reach the kernels in arrays: Triton would pass a Python float in single precision.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
# The kernels are Triton's language, not Python's.

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr  # old interpreters of Triton know it by this name alone

from sus2.native.arrays import Edges
from sus2.potential.backends.torch_sweep import Sweep
from sus2.potential.mtp import ModelSpec
from sus2.types import Array, Index

ATOMS_PER_PROGRAM = 64
EDGES_PER_PROGRAM = 128


@triton.jit
def _radial(
    r,
    zi,
    zj,
    mu,
    kappa_p,
    alpha_p,
    r0_p,
    weights_p,
    pair_p,
    size_p,
    scalar_p,
    species: constexpr,
    size: constexpr,
    power: constexpr,
):
    """R_mu(r) and its derivative for one mu."""
    scaling = tl.load(scalar_p)
    reach = tl.minimum(r - tl.load(scalar_p + 1), 0.0)
    pair = scaling * tl.load(pair_p + zi) * tl.load(pair_p + zj) * tl.load(size_p + mu * species + zj)
    place = (tl.load(kappa_p + mu) * species + zi) * species + zj
    alpha = tl.load(alpha_p + place)
    # tanh(y / 2) = 1 - 2 / (exp(y) + 1); beyond 40 it is 1 to the last digit.
    y = tl.minimum(tl.maximum(alpha * (r - tl.load(r0_p + place)), -40.0), 40.0)
    xi = 1.0 - 2.0 / (tl.exp(y) + 1.0)
    before, now = xi * 0.0 + 1.0, xi
    slope_before, slope_now = xi * 0.0, xi * 0.0 + 1.0
    value = tl.load(weights_p + mu * size) * before
    bend = xi * 0.0
    for q in tl.static_range(1, size):
        w = tl.load(weights_p + mu * size + q)
        value += w * now
        bend += w * slope_now
        slope_next = 2.0 * (now + xi * slope_now) - slope_before
        following = 2.0 * xi * now - before
        before, now = now, following
        slope_before, slope_now = slope_now, slope_next
    steep = pair * reach
    if power == 3:
        steep = steep * reach
    radial = steep * reach * value
    slope = power * steep * value + steep * reach * bend * 0.5 * alpha * (1.0 - xi * xi)
    return radial, slope


@triton.jit
def _power(x, exponent, rank: constexpr):
    """x (n, 1) to the whole powers (1, w)."""
    out = x * 0.0 + tl.where(exponent >= 0, 1.0, 0.0)
    for step in tl.static_range(rank):
        out = tl.where(exponent > step, out * x, out)
    return out


@triton.jit
def _moments_kernel(
    first_p,
    vectors_p,
    j_p,
    types_p,
    atoms,
    kappa_p,
    alpha_p,
    r0_p,
    weights_p,
    pair_p,
    size_p,
    scalar_p,
    powers_p,
    out_p,
    species: constexpr,
    size: constexpr,
    rank: constexpr,
    width: constexpr,
    radial_count: constexpr,
    block: constexpr,
    power: constexpr,
):
    """out[i, mu, w] = sum_j R_mu(r_ij) x^a y^b z^c for the w-th monomial of mu; a program: a block of atoms, one mu."""
    mu = tl.program_id(1)
    i = tl.program_id(0) * block + tl.arange(0, block)
    live = i < atoms
    begin = tl.load(first_p + i, mask=live, other=0)
    count = tl.load(first_p + i + 1, mask=live, other=0) - begin
    zi = tl.load(types_p + i, mask=live, other=0)
    slots = tl.arange(0, width)
    a = tl.load(powers_p + (mu * width + slots) * 3)[None, :]
    b = tl.load(powers_p + (mu * width + slots) * 3 + 1)[None, :]
    c = tl.load(powers_p + (mu * width + slots) * 3 + 2)[None, :]
    cutoff = tl.load(scalar_p + 1)
    total = tl.zeros((block, width), dtype=vectors_p.dtype.element_ty)
    for k in range(0, tl.max(count, axis=0)):
        on = live & (k < count)
        edge = begin + k
        x = tl.load(vectors_p + 3 * edge, mask=on, other=0.0)
        y = tl.load(vectors_p + 3 * edge + 1, mask=on, other=0.0)
        z = tl.load(vectors_p + 3 * edge + 2, mask=on, other=0.0)
        zj = tl.load(types_p + tl.load(j_p + edge, mask=on, other=0), mask=on, other=0)
        r = tl.where(on, tl.sqrt(x * x + y * y + z * z), cutoff)
        radial, _ = _radial(
            r, zi, zj, mu, kappa_p, alpha_p, r0_p, weights_p, pair_p, size_p, scalar_p, species, size, power
        )
        radial = tl.where(on, radial, 0.0)
        mono = _power((x / r)[:, None], a, rank) * _power((y / r)[:, None], b, rank) * _power((z / r)[:, None], c, rank)
        total += radial[:, None] * mono
    target = (i[:, None] * radial_count + mu) * width + slots[None, :]
    tl.store(out_p + target, total, mask=live[:, None])


@triton.jit
def _forces_kernel(
    owner_p,
    vectors_p,
    j_p,
    types_p,
    edges,
    kappa_p,
    alpha_p,
    r0_p,
    weights_p,
    pair_p,
    size_p,
    scalar_p,
    powers_p,
    adjoint_p,
    forces_p,
    virial_p,
    species: constexpr,
    size: constexpr,
    rank: constexpr,
    width: constexpr,
    radial_count: constexpr,
    block: constexpr,
    power: constexpr,
):
    """Adds dE/dr_vec of a block of edges to the forces of both atoms and the virial of the centre, in float64."""
    edge = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    on = edge < edges
    i = tl.load(owner_p + edge, mask=on, other=0)
    j = tl.load(j_p + edge, mask=on, other=0)
    zi, zj = tl.load(types_p + i), tl.load(types_p + j)
    vx = tl.load(vectors_p + 3 * edge, mask=on, other=1.0)
    vy = tl.load(vectors_p + 3 * edge + 1, mask=on, other=0.0)
    vz = tl.load(vectors_p + 3 * edge + 2, mask=on, other=0.0)
    r = tl.sqrt(vx * vx + vy * vy + vz * vz)
    x, y, z = vx / r, vy / r, vz / r
    slots = tl.arange(0, width)
    along, gx, gy, gz = r * 0.0, r * 0.0, r * 0.0, r * 0.0
    for mu in range(0, radial_count):
        a = tl.load(powers_p + (mu * width + slots) * 3)[None, :]
        b = tl.load(powers_p + (mu * width + slots) * 3 + 1)[None, :]
        c = tl.load(powers_p + (mu * width + slots) * 3 + 2)[None, :]
        radial, slope = _radial(
            r, zi, zj, mu, kappa_p, alpha_p, r0_p, weights_p, pair_p, size_p, scalar_p, species, size, power
        )
        adjoint = tl.load(adjoint_p + (i[:, None] * radial_count + mu) * width + slots[None, :])
        px, py, pz = _power(x[:, None], a, rank), _power(y[:, None], b, rank), _power(z[:, None], c, rank)
        along += slope * tl.sum(adjoint * px * py * pz, axis=1)
        adjoint = adjoint * radial[:, None]
        gx += tl.sum(adjoint * a * _power(x[:, None], a - 1, rank) * py * pz, axis=1)
        gy += tl.sum(adjoint * b * px * _power(y[:, None], b - 1, rank) * pz, axis=1)
        gz += tl.sum(adjoint * c * px * py * _power(z[:, None], c - 1, rank), axis=1)
    inward = gx * x + gy * y + gz * z
    fx = (along * x + (gx - inward * x) / r).to(tl.float64)
    fy = (along * y + (gy - inward * y) / r).to(tl.float64)
    fz = (along * z + (gz - inward * z) / r).to(tl.float64)
    tl.atomic_add(forces_p + 3 * i, fx, mask=on)
    tl.atomic_add(forces_p + 3 * i + 1, fy, mask=on)
    tl.atomic_add(forces_p + 3 * i + 2, fz, mask=on)
    tl.atomic_add(forces_p + 3 * j, -fx, mask=on)
    tl.atomic_add(forces_p + 3 * j + 1, -fy, mask=on)
    tl.atomic_add(forces_p + 3 * j + 2, -fz, mask=on)
    dx, dy, dz = vx.to(tl.float64), vy.to(tl.float64), vz.to(tl.float64)
    tl.atomic_add(virial_p + 6 * i, dx * fx, mask=on)
    tl.atomic_add(virial_p + 6 * i + 1, dy * fy, mask=on)
    tl.atomic_add(virial_p + 6 * i + 2, dz * fz, mask=on)
    tl.atomic_add(virial_p + 6 * i + 3, 0.5 * (dy * fz + dz * fy), mask=on)
    tl.atomic_add(virial_p + 6 * i + 4, 0.5 * (dx * fz + dz * fx), mask=on)
    tl.atomic_add(virial_p + 6 * i + 5, 0.5 * (dx * fy + dy * fx), mask=on)


class TritonSweep(Sweep):
    """As Sweep, with both passes over the edges in fused kernels; sums over atoms in no fixed order.

    Parameters
    ----------
    spec
        The coefficients.
    device
        Where it computes.
    dtype
        Of the arithmetic.
    """

    def __init__(
        self, spec: ModelSpec, *, device: torch.device | str = "cuda", dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(spec, device=device, dtype=dtype)

        def real(values: Any) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float64)).to(self.device, dtype)

        mu = np.asarray(spec.basic[:, 0])
        self.width = max(2, 1 << (int(np.bincount(mu).max()) - 1).bit_length())
        rank_in_mu = np.array([int((mu[:b] == m).sum()) for b, m in enumerate(mu)])
        powers = np.zeros((spec.radial_funcs_count, self.width, 3), dtype=np.int32)
        powers[mu, rank_in_mu] = spec.basic[:, 1:]
        self.powers = torch.as_tensor(powers, device=self.device)
        self.place = torch.as_tensor(mu * self.width + rank_in_mu, device=self.device)
        self.kappa = torch.as_tensor(np.asarray(spec.scaling_index, dtype=np.int64), device=self.device)
        self.weights = real(spec.radial_weights)
        self.scalars = real([spec.scaling, spec.max_dist])
        ones = np.ones((spec.radial_funcs_count, spec.species_count))
        self.amplitudes = real(ones if spec.neighbour_coeffs is None else spec.neighbour_coeffs)
        self.shape = {
            "species": spec.species_count,
            "size": spec.radial_basis_size,
            "rank": spec.max_rank,
            "width": self.width,
            "radial_count": spec.radial_funcs_count,
            "power": spec.envelope_power,
        }

    @torch.no_grad()
    def evaluate(self, edges: Edges, *, max_edges: int = 0) -> tuple[Array, Array, Array]:
        """As Sweep.evaluate.

        Parameters
        ----------
        edges
            Edges, sorted by central atom.
        max_edges
            Without effect: nothing is stored for an edge beyond its vector.

        Returns
        -------
        tuple of ndarray
            (N,) eV, (N, 3) eV/angstrom and (N, 6) eV.
        """
        n, count = len(edges.types), len(edges.j)

        def index(values: Index) -> Tensor:
            return torch.as_tensor(values, device=self.device)

        first, j, types = index(edges.first), index(edges.j), index(edges.types)
        vectors = torch.as_tensor(edges.vectors, device=self.device).to(self.dtype).contiguous()
        tables = (self.kappa, self.alpha, self.r0, self.weights, self.pair, self.amplitudes, self.scalars, self.powers)
        moments = torch.zeros((n, self.spec.radial_funcs_count * self.width), dtype=self.dtype, device=self.device)
        forces = torch.zeros((n, 3), dtype=torch.float64, device=self.device)
        virial = torch.zeros((n, 6), dtype=torch.float64, device=self.device)
        if count:
            programs = (triton.cdiv(n, ATOMS_PER_PROGRAM), self.spec.radial_funcs_count)
            _moments_kernel[programs](
                first, vectors, j, types, n, *tables, moments, **self.shape, block=ATOMS_PER_PROGRAM
            )
        energy, gradient = self._heads(types, moments[:, self.place])
        if count:
            adjoint = torch.zeros_like(moments)
            adjoint[:, self.place] = gradient
            owner = torch.repeat_interleave(torch.arange(n, device=self.device), first[1:] - first[:-1])
            blocks = (triton.cdiv(count, EDGES_PER_PROGRAM),)
            _forces_kernel[blocks](
                owner, vectors, j, types, count, *tables, adjoint, forces, virial, **self.shape, block=EDGES_PER_PROGRAM
            )
        return energy.cpu().numpy(), forces.cpu().numpy(), virial.cpu().numpy()
