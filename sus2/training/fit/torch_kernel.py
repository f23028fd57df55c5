"""Evaluation and parameter gradient in torch, on a CPU or a GPU: what sus2.native.kernels.Kernel does for training.

The gradient of a loss of energies, forces and virials is that of phi = sum_i (u_i E_i + dE_i/dt), where atoms move and
edges strain at the rates that Kernel.differentiate describes. Nothing is recorded for differentiation. In the notation
of sus2.potential.backends.torch_sweep, with its features F and dots for rates in t,

    a = dE/dm,  m. = sum_j (R_mu' r. mono_a + R_mu mono_a.),      dphi/dm = u a + a.,    dphi/dm. = a,
    dphi/dR_mu = sum_a (dphi/dm mono_a + a mono_a.),              dphi/dR_mu' = r. sum_a a mono_a,
    dphi/dQ_ij = sum_i species (u F_i F_j + F_i. F_j + F_i F_j.), dphi/dlin_i = sum_i species (u F_i + F_i.).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sus2.errors import Sus2Error
from sus2.native.arrays import Edges, ParameterGradient
from sus2.potential.backends.torch_sweep import EDGES_PER_BLOCK_CPU, Sweep, blocks
from sus2.potential.moments.quadratic_form import two_level
from sus2.potential.mtp import ModelSpec
from sus2.types import Array

EDGES_PER_BLOCK_GPU = 400_000


@dataclass(frozen=True, eq=False)
class Block:
    """Some atoms with their edges as a padded table.

    Attributes
    ----------
    begin
        Place of the first atom.
    end
        Place behind the last one.
    vectors
        (n, 3, K) angstrom, padding at the cutoff.
    held
        (n, K) which are edges.
    j
        (n, K) neighbours.
    zi
        (n,) types.
    zj
        (n, K) types of the neighbours.
    """

    begin: int
    end: int
    vectors: Tensor
    held: Tensor
    j: Tensor
    zi: Tensor
    zj: Tensor


def device_of(name: str) -> torch.device:
    """The torch device of a name.

    Parameters
    ----------
    name
        'cpu' or 'cuda'.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    Sus2Error
        There is no such device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise Sus2Error("There is no CUDA device for training here; set 'device: cpu'.")
    return torch.device(name)


def padded(edges: Edges, cutoff: float, device: torch.device) -> list[Block]:
    """The edges of a training set on a device, in blocks of atoms; made once, since positions stay.

    Parameters
    ----------
    edges
        Sorted by central atom.
    cutoff
        Angstrom.
    device
        Where they go.

    Returns
    -------
    list of Block
        In the order of the atoms.
    """
    types = torch.as_tensor(edges.types, device=device)
    j, first = torch.as_tensor(edges.j, device=device), torch.as_tensor(edges.first, device=device)
    vectors = torch.as_tensor(edges.vectors, device=device)
    counts = np.diff(edges.first)
    out = []
    for begin, end in blocks(counts, EDGES_PER_BLOCK_CPU if device.type == "cpu" else EDGES_PER_BLOCK_GPU):
        width = max(1, int(counts[begin:end].max(initial=0)))
        start = first[begin:end, None]
        slot = torch.arange(width, device=device)
        held = slot < first[begin + 1 : end + 1, None] - start
        zi = types[begin:end]
        if not len(edges.j):
            which_vectors, which_j = vectors.new_zeros((end - begin, width, 3)), j.new_zeros((end - begin, width))
        else:
            which = torch.where(held, start + slot, start.new_zeros(()))
            which_vectors, which_j = vectors[which], j[which]
        v = torch.where(held[..., None], which_vectors, vectors.new_tensor([cutoff, 0.0, 0.0]))
        at = torch.where(held, which_j, torch.arange(begin, end, device=device)[:, None])
        out.append(Block(begin, end, v.transpose(1, 2).contiguous(), held, at, zi, types[at]))
    return out


class TorchKernel:
    """One ModelSpec on one device; float64 sums whatever the arithmetic's precision.

    Raises GraphError for a graph of products deeper than two levels, which says how to go on.
    """

    def __init__(
        self, spec: ModelSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> None:
        self.spec = spec
        self.head = two_level(spec)
        self.sweep = Sweep(spec, device=device, dtype=dtype)
        self.device, self.dtype = self.sweep.device, dtype

    @torch.no_grad()
    def evaluate(self, table: list[Block], atoms: int) -> tuple[Array, Array, Array]:
        """Site energies, forces and strain derivatives, as Kernel.evaluate gives them.

        Parameters
        ----------
        table
            Edges.
        atoms
            Number of atoms N.

        Returns
        -------
        tuple of ndarray
            (N,) eV, (N, 3) eV/A and dE_i/d(strain) (N, 6) eV.
        """
        site = torch.zeros(atoms, dtype=torch.float64, device=self.device)
        forces = torch.zeros((atoms, 3), dtype=torch.float64, device=self.device)
        virial = torch.zeros((atoms, 6), dtype=torch.float64, device=self.device)
        for b in table:
            energy, gradient = self.sweep._block(b.vectors.to(self.dtype), b.zi, b.zj)
            site[b.begin : b.end] = energy
            g = torch.where(b.held[:, None], gradient.double(), 0.0)
            forces[b.begin : b.end] += g.sum(2)
            forces.index_add_(0, b.j.reshape(-1), -g.transpose(1, 2).reshape(-1, 3))
            w = torch.bmm(b.vectors, g.transpose(1, 2))
            w = 0.5 * (w + w.transpose(1, 2))
            virial[b.begin : b.end] = w[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        return site.cpu().numpy(), forces.cpu().numpy(), virial.cpu().numpy()

    @torch.no_grad()
    def differentiate(
        self, table: list[Block], energy_weight: Array, velocity: Array, strain: Array
    ) -> ParameterGradient:
        """Gradient of phi = sum_i (u_i E_i + dE_i/dt) by the parameters, as Kernel.differentiate gives it.

        Parameters
        ----------
        table
            Edges.
        energy_weight
            u, (N,).
        velocity
            (N, 3), rates of the positions.
        strain
            (N, 6), rates of the strain of each central atom, Voigt xx yy zz yz xz xy with tensor shears.

        Returns
        -------
        ParameterGradient
            By all parameters of the model.
        """
        s, sweep = self.spec, self.sweep
        c, count, size = s.species_count, s.scaling_blocks, s.radial_basis_size

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=self.device)

        u = torch.as_tensor(energy_weight, device=self.device)
        speed = torch.as_tensor(velocity, device=self.device)
        rate = torch.as_tensor(np.asarray(strain)[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]], device=self.device).reshape(-1, 3, 3)
        alpha, r0, pair, species = zeros(count, c * c), zeros(count, c * c), zeros(c), zeros(c)
        weights = [zeros(len(w), size) for w in sweep.blocks]
        nf = self.head.feature_count
        heads: dict[int, tuple[Tensor, Tensor]] = {}
        neighbour = None if sweep.neighbour is None else [zeros(*a.shape) for a in sweep.neighbour]
        for b in table:
            own = slice(b.begin, b.end)
            move = (speed[b.j] - speed[own, None]).transpose(1, 2) + torch.bmm(rate[own], b.vectors)
            move = torch.where(b.held[:, None], move, 0.0).to(self.dtype)
            part = self._gradient(b, move, u[own].to(self.dtype))
            for z, by_linear, by_quadratic in part.heads:
                linear, quadratic = heads.setdefault(z, (zeros(nf), zeros(nf, nf)))
                linear += by_linear
                quadratic += by_quadratic
            species.index_add_(0, b.zi, part.species)
            flat = (b.zi[:, None] * c + b.zj).reshape(-1)
            for k in range(count):
                weights[k] += part.weights[k]
                alpha[k].index_add_(0, flat, part.alpha[k].double().reshape(-1))
                r0[k].index_add_(0, flat, part.r0[k].double().reshape(-1))
                if neighbour is not None:
                    by_amplitude = part.neighbour[k].double().transpose(1, 2)  # (n, K, M_k)
                    neighbour[k].index_add_(0, b.zj.reshape(-1), by_amplitude.reshape(-1, by_amplitude.shape[2]))
            by_pair = part.pair.double()
            pair.index_add_(0, b.zi, by_pair.sum(1))
            pair.index_add_(0, b.zj.reshape(-1), by_pair.reshape(-1))
        order = np.argsort(np.asarray(s.scaling_index), kind="stable")
        by_weights = np.empty((s.radial_funcs_count, size))
        by_weights[order] = torch.cat(weights).cpu().numpy()
        by_neighbour = None
        if neighbour is not None:
            by_neighbour = np.empty((s.radial_funcs_count, c))
            by_neighbour[order] = torch.cat(neighbour, dim=1).T.cpu().numpy()
        theta = np.zeros((c, len(s.mapping)))
        for z, (linear, quadratic) in heads.items():
            theta[z] = self._theta(linear.cpu().numpy(), quadratic.cpu().numpy())
        return ParameterGradient(
            alpha=alpha.reshape(count, c, c).cpu().numpy(),
            r0=r0.reshape(count, c, c).cpu().numpy(),
            weights=by_weights,
            pair=(pair / sweep.pair.double()).cpu().numpy(),
            species=species.cpu().numpy(),
            theta=theta if s.own_readout else theta[0],
            neighbour=by_neighbour,
        )

    def _theta(self, linear: Array, quadratic: Array) -> Array:
        """Gradient by theta from those by the linear head and the products of features."""
        h = self.head
        out = np.zeros(h.scalar_count)
        np.add.at(out, h.linear[:, 0], linear[h.linear[:, 1]])
        scalar, place, factor = h.quadratic.T
        i, j = h.pairs[place].T
        np.add.at(out, scalar, factor * quadratic[i, j])
        return out

    def _gradient(self, b: Block, move: Tensor, u: Tensor) -> _Part:
        """What one block of atoms adds; move (n, 3, K) are the rates of its edges, u (n,) weights of its energies."""
        sweep, n = self.sweep, len(b.zi)
        v = b.vectors.to(self.dtype)
        r = v.square().sum(1).sqrt()
        unit = v / r[:, None]
        dr = (unit * move).sum(1)
        turn = (move - dr[:, None] * unit) / r[:, None]
        mono, mono_rate = [torch.ones_like(r)], [torch.zeros_like(r)]
        for parent, axis in sweep.parents:
            mono_rate.append(mono_rate[parent] * unit[:, axis] + mono[parent] * turn[:, axis])
            mono.append(mono[parent] * unit[:, axis])
        angular, angular_rate = torch.stack(mono, dim=1), torch.stack(mono_rate, dim=1)
        shells = list(self._shells(r, b.zi, b.zj))
        radial = torch.cat([x.f[:, None] * x.value for x in shells], dim=1)
        change = torch.cat([(x.df * dr)[:, None] * x.value + (x.f * x.slope * dr)[:, None] * x.bend for x in shells], 1)
        moments = torch.bmm(radial, angular.transpose(1, 2))
        moments_rate = torch.bmm(change, angular.transpose(1, 2)) + torch.bmm(radial, angular_rate.transpose(1, 2))
        basic, basic_rate = (m.reshape(n, -1)[:, sweep.basic_place] for m in (moments, moments_rate))
        adjoint, adjoint_rate, heads, species = self._head(b.zi, basic, basic_rate, u)

        def spread(values: Tensor) -> Tensor:
            back = values.new_zeros((n, moments.shape[1] * moments.shape[2]))
            return back.index_add_(1, sweep.basic_place, values).reshape(moments.shape)

        by_value, by_rate = spread(u[:, None] * adjoint + adjoint_rate), spread(adjoint)
        by_radial = torch.bmm(by_value, angular) + torch.bmm(by_rate, angular_rate)
        by_slope = torch.bmm(by_rate, angular) * dr[:, None]
        weights, alpha, r0, neighbour, pair, at = [], [], [], [], torch.zeros_like(r), 0
        for k, x in enumerate(shells):
            here = slice(at, at + x.value.shape[1])
            at = here.stop
            slope = by_slope[:, here]
            flat = by_radial[:, here] * x.f[:, None] + slope * x.df[:, None]
            steep = slope * (x.f * x.slope)[:, None]
            whole = flat * x.value + steep * x.bend
            flat_w, steep_w = flat, steep
            if sweep.neighbour is not None:  # the sums over Chebyshev polynomials have the amplitude in them
                amplitude = sweep.neighbour[k][b.zj].transpose(1, 2)
                neighbour.append(whole / amplitude)
                flat_w, steep_w = flat * amplitude, steep * amplitude
            weights.append(
                (torch.bmm(flat_w, x.t.transpose(1, 2)) + torch.bmm(steep_w, x.dt.transpose(1, 2))).double().sum(0)
            )
            to_slope = x.f * (slope * x.bend).sum(1)
            through = (flat * x.bend + steep * x.bend2).sum(1) - x.alpha * x.xi * to_slope
            alpha.append(0.5 * (1.0 - x.xi * x.xi) * (through * x.distance + to_slope))
            r0.append(-through * x.slope)
            pair += whole.sum(1)
        return _Part(weights, alpha, r0, pair, species, heads, neighbour)

    def _shells(self, r: Tensor, zi: Tensor, zj: Tensor) -> Iterator[_Shell]:
        """The radial functions of each scaling block, in the order of Sweep.blocks."""
        s, sweep, size = self.spec, self.sweep, self.spec.radial_basis_size
        reach = torch.clamp(r - s.max_dist, max=0.0)
        pair = s.scaling * sweep.pair[zi][:, None] * sweep.pair[zj]
        p = s.envelope_power
        f, df = pair * reach**p, p * pair * reach ** (p - 1)
        flat = zi[:, None] * s.species_count + zj
        for k, weights in enumerate(sweep.blocks):
            alpha = sweep.alpha[k].reshape(-1)[flat]
            distance = r - sweep.r0[k].reshape(-1)[flat]
            xi = torch.tanh(0.5 * alpha * distance)
            zero, one = torch.zeros_like(xi), torch.ones_like(xi)
            t, dt, ddt = [one, xi], [zero, one], [zero, zero]
            while len(t) < size:
                ddt.append(2.0 * (2.0 * dt[-1] + xi * ddt[-1]) - ddt[-2])
                dt.append(2.0 * (t[-1] + xi * dt[-1]) - dt[-2])
                t.append(2.0 * xi * t[-1] - t[-2])
            tables = [torch.stack(x[:size], dim=1) for x in (t, dt, ddt)]
            value, bend, bend2 = (torch.matmul(weights, x) for x in tables)
            if sweep.neighbour is not None:
                amplitude = sweep.neighbour[k][zj].transpose(1, 2)
                value, bend, bend2 = amplitude * value, amplitude * bend, amplitude * bend2
            slope = 0.5 * alpha * (1.0 - xi * xi)
            yield _Shell(f, df, alpha, distance, xi, slope, tables[0], tables[1], value, bend, bend2)

    def _head(
        self, zi: Tensor, basic: Tensor, rate: Tensor, u: Tensor
    ) -> tuple[Tensor, Tensor, list[tuple[int, Tensor, Tensor]], Tensor]:
        """dE/dm and its rate (n, nb), for each readout dphi/dlin (nf,) and dphi/dQ (nf, nf), dphi/dspecies (n,)."""
        w, nb = self.sweep, basic.shape[1]
        scale = w.species[zi][:, None]
        a, b, da, db = basic[:, w.first], basic[:, w.second], rate[:, w.first], rate[:, w.second]
        features = torch.cat([basic, (a * b) @ w.sums], dim=1)
        changes = torch.cat([rate, (da * b + a * db) @ w.sums], dim=1)
        slope, slope_rate = torch.empty_like(features), torch.empty_like(features)
        species, heads = torch.empty(len(zi), dtype=torch.float64, device=zi.device), []
        for z, atoms in w.by_readout(zi):
            lin, q = w.form_of(z)
            f, df, v, s = features[atoms], changes[atoms], u[atoms], scale[atoms]
            half, half_rate = f @ q, df @ q
            slope[atoms], slope_rate[atoms] = lin + 2.0 * half, 2.0 * half_rate
            value = f @ lin + (f * half).sum(1)
            value_rate = df @ lin + 2.0 * (df * half).sum(1)
            crossed = (s * (0.5 * v[:, None] * f + df)).double().T @ f.double()
            heads.append((z, (s * (v[:, None] * f + df)).double().sum(0), crossed + crossed.T))
            species[atoms] = (v * (1.0 + value) + value_rate).double()
        product, product_rate = slope[:, nb:] @ w.sums.T, slope_rate[:, nb:] @ w.sums.T
        adjoint = slope[:, :nb] + (product * b) @ w.to_first + (product * a) @ w.to_second
        adjoint_rate = (
            slope_rate[:, :nb]
            + (product_rate * b + product * db) @ w.to_first
            + (product_rate * a + product * da) @ w.to_second
        )
        return scale * adjoint, scale * adjoint_rate, heads, species


@dataclass(frozen=True, eq=False)
class _Shell:
    """f, f', alpha, r - r0, xi, xi' (n, K); T, T' (n, R, K); w T, w T', w T'' (n, M_k, K) of one scaling block."""

    f: Tensor
    df: Tensor
    alpha: Tensor
    distance: Tensor
    xi: Tensor
    slope: Tensor
    t: Tensor
    dt: Tensor
    value: Tensor
    bend: Tensor
    bend2: Tensor


@dataclass(frozen=True, eq=False)
class _Part:
    """A gradient by the parameters of n atoms.

    By weights (M_k, R), alpha, r0 (n, K) of each scaling block, pair (n, K), species (n,), of each readout (element,
    lin, Q), and amplitudes (n, M_k, K) of each scaling block.
    """

    weights: list[Tensor]
    alpha: list[Tensor]
    r0: list[Tensor]
    pair: Tensor
    species: Tensor
    heads: list[tuple[int, Tensor, Tensor]]
    neighbour: list[Tensor]
