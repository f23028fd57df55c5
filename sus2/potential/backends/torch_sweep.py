"""Energies and first derivatives in torch with a hand-written reverse sweep, on a CPU or a GPU.

The equations are those of sus2.potential.model; here nothing is recorded for differentiation. Edges of a block of atoms
lie in a padded table (n atoms, K neighbours), the padding at the cutoff, where everything vanishes. With mono_a the
monomials x^a y^b z^c / r^(a+b+c) and m the basic moments,

    m[mu, a] = sum_j R_mu(r_ij) mono_a(r_ij),         E = shift + species (1 + lin . F + F^T Q F)   (see quadratic_form)
    dE/dR_mu = sum_a dE/dm[mu, a] mono_a,              dE/dmono_a = sum_mu dE/dm[mu, a] R_mu,
    dE/dr_vec = n sum_mu dE/dR_mu R_mu'(r) + (1 - n n^T) / r sum_a dE/dmono_a dmono_a/dn.

Graphs deeper than two levels take their table of products forwards and backwards instead of the quadratic form.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sus2.errors import GraphError
from sus2.native.arrays import Edges
from sus2.native.tables import monomial_table
from sus2.potential.model import product_levels
from sus2.potential.moments.quadratic_form import two_level
from sus2.potential.mtp import ModelSpec
from sus2.types import Array, Index

# On a CPU a block should stay in its cache; a GPU wants work for all of its processors.
EDGES_PER_BLOCK_CPU = 8_000


class Sweep:
    """One trained ModelSpec on one device.

    Parameters
    ----------
    spec
        The coefficients.
    device
        Where it computes.
    dtype
        Of the arithmetic; shifts, sums over edges and what is returned are in float64.
    """

    def __init__(
        self, spec: ModelSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> None:
        self.spec = spec
        self.device = torch.device(device)
        self.dtype = dtype

        def real(values: object, kind: torch.dtype = dtype) -> Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(device=self.device, dtype=kind)

        def index(values: object) -> Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.int64), device=self.device)

        assert spec.radial_species is not None
        self.alpha, self.r0 = real(spec.alpha), real(spec.r0)
        self.pair = real(spec.radial_species[0])
        amplitudes = spec.neighbour_coeffs
        self.species = real(spec.species_coeffs)
        self.shift = real(spec.shift_coeffs, torch.float64)
        # Radial functions in the order of their scaling blocks, so that each block is one matrix product.
        kappa = np.asarray(spec.scaling_index)
        order = np.argsort(kappa, kind="stable")
        weights = np.asarray(spec.radial_weights)
        here = [order[kappa[order] == k] for k in range(spec.scaling_blocks)]
        self.blocks = [real(weights[rows]) for rows in here]
        # Amplitudes by the neighbour's element of the same blocks, each (C, M_k).
        self.neighbour = None if amplitudes is None else [real(amplitudes[rows].T) for rows in here]
        place = np.argsort(order)

        table = monomial_table(spec.max_rank)
        powers = list(table)
        self.parents = []
        for p in powers[1:]:
            k = next(x for x in range(3) if p[x])
            down = tuple(v - (x == k) for x, v in enumerate(p))
            self.parents.append((table[down[0], down[1], down[2]], k))
        self.lower: list[tuple[Tensor, Tensor, Tensor]] = []
        for k in range(3):
            rows = [
                (table[p], table[tuple(v - (x == k) for x, v in enumerate(p))], p[k])  # type: ignore[index]
                for p in powers
                if p[k]
            ]
            upper, low, factor = zip(*rows, strict=True) if rows else ((), (), ())
            self.lower.append((index(upper), index(low), real(factor)[:, None]))
        self.angulars = len(powers)
        angular = [table[int(a), int(b), int(c)] for _, a, b, c in spec.basic]
        self.basic_place = index(place[np.asarray(spec.basic[:, 0])] * self.angulars + np.array(angular))

        theta = np.asarray(spec.moment_coeffs)
        self.levels: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        try:
            head = two_level(spec)
        except GraphError:
            self.form = None
            self.theta, self.mapping = real(theta), index(spec.mapping)
            self.levels = [
                (index(rows[:, 0]), index(rows[:, 1]), index(rows[:, 3]), real(rows[:, 2]))
                for rows in product_levels(spec)
            ]
        else:
            self.form = head
            self._forms: dict[int, tuple[Tensor, Tensor]] = {}
            p, q_, factor = head.products.T
            self.first, self.second = index(p), index(q_)
            sums = np.zeros((len(p), head.feature_count - head.basic_count))
            sums[np.arange(len(p)), np.repeat(np.arange(sums.shape[1]), np.diff(head.product_offsets))] = factor
            to_first, to_second = np.zeros((len(p), head.basic_count)), np.zeros((len(p), head.basic_count))
            to_first[np.arange(len(p)), p] = 1.0
            to_second[np.arange(len(p)), q_] = 1.0
            self.sums, self.to_first, self.to_second = real(sums), real(to_first), real(to_second)

    @torch.no_grad()
    def evaluate(self, edges: Edges, *, max_edges: int = 100_000) -> tuple[Array, Array, Array]:
        """Site energies, forces and virials of the N atoms of some structures.

        Parameters
        ----------
        edges
            Edges, sorted by central atom.
        max_edges
            Most edges, padding included, in one block of atoms (at least those of one atom).

        Returns
        -------
        tuple of ndarray
            (N,) eV, (N, 3) eV/angstrom and dE_i/d(strain) (N, 6) eV, Voigt xx yy zz yz xz xy.
        """
        n = len(edges.types)
        types = torch.as_tensor(edges.types, device=self.device)
        neighbour = torch.as_tensor(edges.j, device=self.device)
        vectors = torch.as_tensor(edges.vectors, device=self.device)
        first = torch.as_tensor(edges.first, device=self.device)
        site = torch.zeros(n, dtype=torch.float64, device=self.device)
        forces = torch.zeros((n, 3), dtype=torch.float64, device=self.device)
        virial = torch.zeros((n, 6), dtype=torch.float64, device=self.device)
        limit = min(max_edges, EDGES_PER_BLOCK_CPU) if self.device.type == "cpu" else max_edges
        counts = np.diff(edges.first)
        for begin, end in blocks(counts, limit):
            width = int(counts[begin:end].max(initial=0))
            here = types[begin:end]
            if width == 0:
                site[begin:end] = self._heads(here, vectors.new_zeros(end - begin, len(self.spec.basic)))[0]
                continue
            slot = torch.arange(width, device=self.device)
            start = first[begin:end, None]
            held = slot < first[begin + 1 : end + 1, None] - start
            which = torch.where(held, start + slot, start.new_zeros(()))
            v = vectors[which]
            v = torch.where(held[..., None], v, v.new_tensor([self.spec.max_dist, 0.0, 0.0])).transpose(1, 2)
            j = neighbour[which]
            energy, gradient = self._block(v.to(self.dtype), here, torch.where(held, types[j], here[:, None]))
            site[begin:end] = energy
            g = torch.where(held[:, None], gradient.double(), 0.0)
            forces[begin:end] += g.sum(2)
            forces.index_add_(0, j[held], -g.transpose(1, 2)[held])
            w = torch.bmm(v, g.transpose(1, 2))
            w = 0.5 * (w + w.transpose(1, 2))
            virial[begin:end] = w[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        return site.cpu().numpy(), forces.cpu().numpy(), virial.cpu().numpy()

    def _block(self, v: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor]:
        """Site energies (n,) and dE/dr_vec (n, 3, K) of edge vectors (n, 3, K)."""
        r = v.square().sum(1).sqrt()
        unit = v / r[:, None]
        radial, slope = self._radial(r, zi, zj)  # (n, M, K)
        columns = [torch.ones_like(r)]
        for parent, axis in self.parents:
            columns.append(columns[parent] * unit[:, axis])
        mono = torch.stack(columns, dim=1)  # (n, A, K)
        table = torch.bmm(radial, mono.transpose(1, 2))
        n = len(r)
        energy, adjoint = self._heads(zi, table.reshape(n, -1)[:, self.basic_place])
        back = torch.zeros_like(table).reshape(n, -1)
        back.index_add_(1, self.basic_place, adjoint)
        back = back.reshape(table.shape)
        along = (torch.bmm(back, mono) * slope).sum(1)  # (n, K)
        to_mono = torch.bmm(back.transpose(1, 2), radial)
        sideways = [
            (to_mono[:, upper] * mono[:, low] * factor).sum(1) if len(upper) else torch.zeros_like(r)
            for upper, low, factor in self.lower
        ]
        g = torch.stack(sideways, dim=1)
        inward = (g * unit).sum(1, keepdim=True)
        return energy, along[:, None] * unit + (g - inward * unit) / r[:, None]

    def _radial(self, r: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor]:
        """R_mu and its derivative by r, both (n, M, K), in the order of the scaling blocks."""
        reach = torch.clamp(r - self.spec.max_dist, max=0.0)
        pair = self.spec.scaling * self.pair[zi][:, None] * self.pair[zj]
        p = self.spec.envelope_power
        f, df = pair * reach**p, p * pair * reach ** (p - 1)
        flat = zi[:, None] * self.spec.species_count + zj
        values, slopes = [], []
        for k, weights in enumerate(self.blocks):
            alpha, r0 = self.alpha[k].reshape(-1)[flat], self.r0[k].reshape(-1)[flat]
            xi = torch.tanh(0.5 * alpha * (r - r0))
            steep = f * (0.5 * alpha * (1.0 - xi * xi))
            t, dt = [torch.ones_like(xi), xi], [torch.zeros_like(xi), torch.ones_like(xi)]
            while len(t) < self.spec.radial_basis_size:
                dt.append(2.0 * (t[-1] + xi * dt[-1]) - dt[-2])
                t.append(2.0 * xi * t[-1] - t[-2])
            size = self.spec.radial_basis_size
            value = torch.matmul(weights, torch.stack(t[:size], dim=1))
            bend = torch.matmul(weights, torch.stack(dt[:size], dim=1))
            if self.neighbour is not None:
                amplitude = self.neighbour[k][zj].transpose(1, 2)  # (n, M_k, K)
                value, bend = amplitude * value, amplitude * bend
            values.append(f[:, None] * value)
            slopes.append(df[:, None] * value + steep[:, None] * bend)
        return torch.cat(values, dim=1), torch.cat(slopes, dim=1)

    def _heads(self, zi: Tensor, basic: Tensor) -> tuple[Tensor, Tensor]:
        """Site energies (n,) in float64 and their derivatives by the basic moments (n, nb)."""
        basic = basic.to(self.dtype)
        scale = self.species[zi]
        value, adjoint = self._table(zi, basic) if self.form is None else self._quadratic(zi, basic)
        energy = (scale * (1.0 + value)).double() + self.shift[zi]
        return energy, scale[:, None] * adjoint

    def form_of(self, z: int) -> tuple[Tensor, Tensor]:
        """The readout of an element as a quadratic form of the features.

        Parameters
        ----------
        z
            Type of the element.

        Returns
        -------
        tuple of Tensor
            lin (nf,) and Q (nf, nf); one for all elements where they share it.
        """
        assert self.form is not None
        z = z if self.spec.own_readout else 0
        if z not in self._forms:
            lin, q = self.form.matrix(self.spec.readout[z])
            self._forms[z] = tuple(  # type: ignore[assignment]
                torch.as_tensor(x).to(device=self.device, dtype=self.dtype) for x in (lin, q)
            )
        return self._forms[z]

    def by_readout(self, zi: Tensor) -> list[tuple[int, Tensor | slice]]:
        """Atoms by the readout that they have.

        Parameters
        ----------
        zi
            (n,) types.

        Returns
        -------
        list
            Types and the places of their atoms; all atoms at once where they share a readout.
        """
        if not self.spec.own_readout:
            return [(0, slice(None))]
        return [(int(z), torch.nonzero(zi == z).squeeze(1)) for z in torch.unique(zi)]

    def _quadratic(self, zi: Tensor, basic: Tensor) -> tuple[Tensor, Tensor]:
        """sum_s theta_s B_s (n,) and its derivatives by the basic moments (n, nb), by the quadratic form."""
        a, b = basic[:, self.first], basic[:, self.second]
        features = torch.cat([basic, (a * b) @ self.sums], dim=1)
        value, slope = features.new_empty(len(basic)), torch.empty_like(features)
        for z, atoms in self.by_readout(zi):
            linear, quadratic = self.form_of(z)
            f = features[atoms]
            half = f @ quadratic
            value[atoms] = f @ linear + (f * half).sum(1)
            slope[atoms] = linear + 2.0 * half
        nb = basic.shape[1]
        product = slope[:, nb:] @ self.sums.T
        return value, slope[:, :nb] + (product * b) @ self.to_first + (product * a) @ self.to_second

    def _table(self, zi: Tensor, basic: Tensor) -> tuple[Tensor, Tensor]:
        """As _quadratic, for graphs deeper than two levels."""
        theta = self.theta.expand(len(basic), -1) if self.theta.ndim == 1 else self.theta[zi]
        m = torch.cat([basic, basic.new_zeros(len(basic), self.spec.moments_count - basic.shape[1])], dim=1)
        for p, q, t, factor in self.levels:
            m = m.index_add_(1, t, factor * m[:, p] * m[:, q])
        value = (m[:, self.mapping] * theta).sum(1)
        back = torch.zeros_like(m)
        back.index_add_(1, self.mapping, theta)
        for p, q, t, factor in reversed(self.levels):
            through = factor * back[:, t]
            to_p, to_q = through * m[:, q], through * m[:, p]
            back.index_add_(1, p, to_p)
            back.index_add_(1, q, to_q)
        return value, back[:, : basic.shape[1]]


def blocks(counts: Index, limit: int) -> list[tuple[int, int]]:
    """Divide consecutive atoms into blocks.

    Parameters
    ----------
    counts
        (N,) number of neighbours of each atom.
    limit
        Most edges of a block, which are its number of atoms times the largest count (or one atom).

    Returns
    -------
    list of tuple
        First atom of each block, and the one behind its last.
    """
    out, begin = [], 0
    while begin < len(counts):
        window = counts[begin : begin + max(1, limit)]
        size = np.maximum.accumulate(np.maximum(window, 1)) * np.arange(1, len(window) + 1)
        end = begin + max(1, int(np.searchsorted(size, limit, side="right")))
        out.append((begin, end))
        begin = end
    return out
