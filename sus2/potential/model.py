"""The SUS2 model in torch: the equations, differentiable and readable.

Hu et al., "Global universal scaling and ultrasmall parameterization in machine-learning interatomic
potentials with superlinearity", PNAS 2025, doi 10.1073/pnas.2503439122. Every other backend is tested
against this one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sus2.errors import PotentialFileError
from sus2.potential.batch import Batch
from sus2.potential.mtp import ModelSpec

__all__ = ["Sus2Model", "energy_forces_virial"]


class Sus2Model(nn.Module):
    """Site energies of the SUS2 model, with the coefficients of a trained ModelSpec as parameters.

    Source: Hu et al., PNAS 2025, doi 10.1073/pnas.2503439122.

    Parameters
    ----------
    spec
        The coefficients.
    device
        Where the parameters lie.
    dtype
        Of the parameters.

    Raises
    ------
    PotentialFileError
        The spec has no coefficients.
    """

    def __init__(
        self, spec: ModelSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        if not spec.trained:
            raise PotentialFileError(
                f"'{spec.potential_name or 'potential'}' is an untrained file: it has a basis but no coefficients."
            )
        self.spec = spec
        self.cutoff = spec.max_dist

        def parameter(values: object) -> nn.Parameter:
            return nn.Parameter(torch.as_tensor(np.asarray(values), dtype=dtype, device=device))

        self.alpha = parameter(spec.alpha)  # (kappa, C, C) 1/A
        self.r0 = parameter(spec.r0)  # (kappa, C, C) A
        self.weights = parameter(spec.radial_weights)  # (M, R)
        assert spec.radial_species is not None
        self.pair_factor = parameter(spec.radial_species[0])  # (C,)
        self.species_coeffs = parameter(spec.species_coeffs)  # (C,) eV
        self.theta = parameter(spec.moment_coeffs)  # (S,) or (C, S)
        self.neighbour = None if spec.neighbour_coeffs is None else parameter(spec.neighbour_coeffs)  # (M, C)
        # Shifts reach -6000 eV per atom in published files: they are added in float64 whatever the dtype.
        self.shift = nn.Parameter(torch.as_tensor(spec.shift_coeffs, dtype=torch.float64, device=device))

        def index(values: object) -> Tensor:
            return torch.as_tensor(np.asarray(values), dtype=torch.int64, device=device)

        self.kappa = index(spec.scaling_index)
        self.basic_mu = index(spec.basic[:, 0])
        self.basic_powers = index(spec.basic[:, 1:])
        self.mapping = index(spec.mapping)
        self.levels = [
            (
                index(rows[:, 0]),
                index(rows[:, 1]),
                index(rows[:, 3]),
                torch.as_tensor(rows[:, 2], device=device).to(dtype),
            )
            for rows in product_levels(spec)
        ]

    def radial(self, r: Tensor, zi: Tensor, zj: Tensor) -> Tensor:
        """Radial functions R_mu(r).

        xi = tanh(alpha (r - r0) / 2), the distance of the universal equation of state, then
        R_mu = scaling c_i c_j a[mu, j] (r - rc)^p sum_n w[mu, n] T_n(xi); zero beyond the cutoff. Published models have
        p = 2 and a = 1.

        Parameters
        ----------
        r
            (E,) distances, angstrom.
        zi
            (E,) types of the central atoms.
        zj
            (E,) types of the neighbours.

        Returns
        -------
        Tensor
            (E, M).
        """
        xi = torch.tanh(0.5 * self.alpha[:, zi, zj] * (r - self.r0[:, zi, zj]))  # (kappa, E)
        chebyshev = [torch.ones_like(xi), xi]
        while len(chebyshev) < self.spec.radial_basis_size:
            chebyshev.append(2.0 * xi * chebyshev[-1] - chebyshev[-2])
        t = torch.stack(chebyshev[: self.spec.radial_basis_size], dim=-1)  # (kappa, E, R)
        reach = (r - self.cutoff) ** self.spec.envelope_power
        smooth = torch.where(r < self.cutoff, reach, torch.zeros_like(r))
        prefactor = self.spec.scaling * self.pair_factor[zi] * self.pair_factor[zj] * smooth
        values = prefactor[:, None] * torch.einsum("men,mn->em", t[self.kappa], self.weights)
        return values if self.neighbour is None else values * self.neighbour[:, zj].T

    def basic_moments(self, edge_vectors: Tensor, edge_i: Tensor, zi: Tensor, zj: Tensor, n_atoms: int) -> Tensor:
        """Basic moments M_i = sum_j R_mu(r) x^a y^b z^c / r^(a+b+c).

        Parameters
        ----------
        edge_vectors
            (E, 3) from each central atom to its neighbour, angstrom.
        edge_i
            (E,) central atoms.
        zi
            (E,) their types.
        zj
            (E,) types of the neighbours.
        n_atoms
            Number of atoms N.

        Returns
        -------
        Tensor
            (N, nb).
        """
        r = edge_vectors.norm(dim=1)
        unit = edge_vectors / r[:, None]
        powers = [torch.ones_like(unit)]
        for _ in range(self.spec.max_rank):
            powers.append(powers[-1] * unit)
        table = torch.stack(powers, dim=1)  # (E, power, xyz)
        a, b, c = self.basic_powers.T
        angular = table[:, a, 0] * table[:, b, 1] * table[:, c, 2]
        edge_values = self.radial(r, zi, zj)[:, self.basic_mu] * angular
        return edge_values.new_zeros(n_atoms, len(a)).index_add(0, edge_i, edge_values)

    def moments(self, basic: Tensor) -> Tensor:
        """All moments of the graph, by M[t] += m M[p] M[q].

        Parameters
        ----------
        basic
            (N, nb) basic moments.

        Returns
        -------
        Tensor
            (N, moments_count).
        """
        extra = self.spec.moments_count - basic.shape[1]
        m = torch.cat([basic, basic.new_zeros(basic.shape[0], extra)], dim=1)
        for p, q, t, factor in self.levels:
            m = m.index_add(1, t, factor * m[:, p] * m[:, q])
        return m

    def scalars(self, basic: Tensor) -> Tensor:
        """The scalar basis functions B_s.

        Parameters
        ----------
        basic
            (N, nb) basic moments.

        Returns
        -------
        Tensor
            (N, S).
        """
        return self.moments(basic)[:, self.mapping]

    def site_energies(self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor) -> Tensor:
        """Site energies E_i = shift[Z] + species[Z] (1 + sum_s theta[Z, s] B_s); one theta where elements share it.

        Parameters
        ----------
        edge_vectors
            (E, 3) from each central atom to its neighbour, angstrom.
        edge_i
            (E,) central atoms.
        edge_j
            (E,) neighbours.
        species
            (N,) types.

        Returns
        -------
        Tensor
            (N,) eV, float64.
        """
        basic = self.basic_moments(edge_vectors, edge_i, species[edge_i], species[edge_j], len(species))
        scalars = self.scalars(basic)
        own = scalars @ self.theta if self.theta.ndim == 1 else (scalars * self.theta[species]).sum(1)
        local = self.species_coeffs[species] * (1.0 + own)
        return local.double() + self.shift[species]


def product_levels(spec: ModelSpec) -> list[np.ndarray]:
    """Group the rows of the product table so that each group needs only moments of earlier groups.

    Parameters
    ----------
    spec
        With the table.

    Returns
    -------
    list of ndarray
        Rows (p, q, factor, t) of each level.
    """
    level = np.zeros(spec.moments_count, dtype=int)
    for p, q, _, t in spec.times:
        level[t] = max(level[t], 1 + max(level[p], level[q]))
    row_level = level[spec.times[:, 3]]
    return [spec.times[row_level == k] for k in range(1, int(level.max(initial=0)) + 1)]


class HasSiteEnergies(Protocol):
    """Site energies (N,) of edge vectors (E, 3), of this package's model or of others."""

    def site_energies(self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor) -> Tensor:
        """Site energies from the vectors of edges.

        Parameters
        ----------
        edge_vectors
            (E, 3) angstrom.
        edge_i
            (E,) central atoms.
        edge_j
            (E,) neighbours.
        species
            (N,) types of the atoms.

        Returns
        -------
        Tensor
            (N,) eV.
        """


def energy_forces_virial(model: HasSiteEnergies, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Site energies, forces and virials by reverse differentiation.

    With g = dE/dr_ij: F_i = sum_j g_ij - sum_j g_ji and dE/d(strain) = sum_ij r_ij (x) g_ij; the stress is
    that over the volume (ASE's sign, positive in tension).

    Parameters
    ----------
    model
        A sum of site energies.
    batch
        S structures of N atoms in all.

    Returns
    -------
    tuple of Tensor
        (N,) eV, (N, 3) eV/angstrom and (S, 3, 3) eV.
    """
    vectors = batch.edge_vectors.detach().requires_grad_(True)
    site = model.site_energies(vectors, batch.edge_i, batch.edge_j, batch.species)
    (gradient,) = torch.autograd.grad(site.sum(), vectors)
    gradient, vectors = gradient.double(), vectors.detach().double()
    n, s = len(batch.species), len(batch.n_atoms)
    forces = gradient.new_zeros(n, 3).index_add(0, batch.edge_i, gradient).index_add(0, batch.edge_j, -gradient)
    outer = vectors[:, :, None] * gradient[:, None, :]
    virial = gradient.new_zeros(s, 3, 3).index_add(0, batch.system[batch.edge_i], outer)
    return site.detach(), forces, 0.5 * (virial + virial.transpose(1, 2))
