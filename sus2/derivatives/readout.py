"""Energies and their second derivatives as they are before the readout: linear functions of theta.

E_i = shift[Z] + species[Z] (1 + sum_s theta_s B_s), so whatever is linear in E is linear in theta. With M the basic
moments of a site, F its features (moments and their products) and a direction in which the atoms move,

    d2(F_i F_j) = F_i'' F_j + F_i F_j'' + 2 Re(F_i'* F_j')

gives the second derivative of every scalar along it without any theta (sus2.potential.moments.quadratic_form). A
committee of readouts then costs one small matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import GraphError
from sus2.native.arrays import Edges
from sus2.native.directional import along, edge_jets
from sus2.native.neighbours import Neighbours, neighbours
from sus2.potential.moments.quadratic_form import QuadraticHead, two_level
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.potential.scalars import scalars
from sus2.types import Array, ComplexArray, Index
from sus2.voigt import PAIRS

# torch takes seconds to import, and energies do without it.
if TYPE_CHECKING:
    from sus2.potential.model import Sus2Model

# Numbers held at once by a group of directions.
_HELD = 4_000_000


@dataclass(frozen=True, eq=False)
class Sites:
    """The basic moments of the N sites of one structure and how they change with the E edges.

    Attributes
    ----------
    edge_i
        (E,), the central atom.
    edge_j
        (E,), the neighbour.
    vector
        (E, 3) A.
    types
        (N,), place of the element in the potential's list.
    moments
        (N, nb).
    first
        (E, 3, nb), first derivatives of each edge's share in the moments of its central atom, 1/A.
    second
        (E, 6, nb), their second derivatives, Voigt as free variables, 1/A^2.
    """

    edge_i: Index
    edge_j: Index
    vector: Array
    types: Index
    moments: Array
    first: Array
    second: Array


class ReadoutBasis:
    """Linear functions of theta of a potential, on R directions of the space of readouts.

    Parameters
    ----------
    potential
        Its graph, radial part and species coefficients are used, its readout is not.
    directions
        Directions of theta.

    Raises
    ------
    GraphError
        The moment graph is deeper than two levels.
    """

    def __init__(self, potential: Potential, directions: Array) -> None:
        self.potential = potential
        self._directions = np.asarray(directions, dtype=np.float64)
        self.head: QuadraticHead = two_level(potential.spec)
        linear, pairs = zip(*(self.head.coefficients(d) for d in directions.T), strict=True)
        used = np.unique(self.head.linear[:, 1])
        self._linear_features = used
        self._linear = np.array(linear).T[used]  # (nl, R)
        self._pairs = np.array(pairs).T  # (np, R)
        assert potential.spec.species_coeffs is not None
        self._scale = np.asarray(potential.spec.species_coeffs, dtype=np.float64)

    @cached_property
    def _model(self) -> Sus2Model:
        import torch

        from sus2.potential.model import Sus2Model

        p = self.potential
        return Sus2Model(p.spec, device="cpu", dtype=torch.float64).requires_grad_(False)

    def sites(self, atoms: Atoms) -> Sites:
        """The basic moments of a structure and their derivatives by the edges.

        Parameters
        ----------
        atoms
            Any structure.

        Returns
        -------
        Sites
            In float64.
        """
        p = self.potential
        edges = neighbours(atoms, p.cutoff)
        types = np.asarray(type_indices(atoms, p.elements), dtype=np.int64)
        if p.kernel is None:
            return self._sites_by_torch(edges, types)
        packed = Edges.from_lists(edges.index_i, edges.index_j, edges.vector, types)
        return Sites(edges.index_i, edges.index_j, edges.vector, types, *edge_jets(p.kernel, packed))

    def _sites_by_torch(self, edges: Neighbours, types: Index) -> Sites:
        import torch

        from sus2.derivatives.jets import angular_jet, radial_jet

        model = self._model
        vector = torch.as_tensor(edges.vector, dtype=torch.float64)
        species = torch.as_tensor(types)
        i, j = torch.as_tensor(edges.index_i), torch.as_tensor(edges.index_j)
        r = vector.norm(dim=1)
        unit = vector / r[:, None]
        mu = model.basic_mu
        rank = model.basic_powers.sum(dim=1).to(torch.float64)
        with torch.no_grad():
            f0, f1, f2 = (x.T.contiguous().index_select(1, mu) for x in radial_jet(model, r, species[i], species[j]))
            powers, which = torch.unique(model.basic_powers, dim=0, return_inverse=True)
            a0, a1, a2 = (x.index_select(-1, which) for x in angular_jet(unit, powers))
            inverse = (1.0 / r)[:, None]
            # phi = R(r) A(n), A homogeneous of degree l, as in sus2.derivatives.local_hessian.
            h0, h1 = f0 * inverse, f1 - rank * f0 * inverse
            h2 = f2 - 2.0 * rank * f1 * inverse + rank * (rank + 1.0) * f0 * inverse**2
            first = unit[:, :, None] * (h1 * a0)[:, None, :] + h0[:, None, :] * a1
            across = h1 * a0 * inverse
            mixed = a1 * (h1 * inverse)[:, None, :]
            second_ = a2 * (h0 * inverse)[:, None, :]
            for v, (x, y) in enumerate(PAIRS):
                nn = (unit[:, x] * unit[:, y])[:, None]
                second_[:, v] += nn * (h2 * a0 - across) + (across if x == y else 0.0)
                second_[:, v] += unit[:, x, None] * mixed[:, y] + unit[:, y, None] * mixed[:, x]
            moments = f0.new_zeros(len(types), len(mu)).index_add(0, i, f0 * a0)
        return Sites(edges.index_i, edges.index_j, edges.vector, types, moments.numpy(), first.numpy(), second_.numpy())

    # ---- energies

    def energies(self, structures: Sequence[Atoms]) -> Array:
        """Derivatives of the energy by the directions, summed over the sites of each element.

        Parameters
        ----------
        structures
            n of them.

        Returns
        -------
        ndarray
            (n, C, R) eV.
        """
        return self._of_all(*self.energies_of_present(structures))

    def energies_of_present(self, structures: Sequence[Atoms]) -> tuple[Index, Array]:
        """As energies, of the elements that occur.

        Parameters
        ----------
        structures
            n of them.

        Returns
        -------
        tuple of ndarray
            Types (P,) of these elements, and (n, P, R) eV.
        """
        p = self.potential
        types = np.concatenate([np.zeros(0, dtype=np.int64), *(type_indices(a, p.elements) for a in structures)])
        present, kinds = np.unique(types, return_inverse=True)
        system = np.repeat(np.arange(len(structures)), [len(a) for a in structures])
        # Sums of scalars first: they are products with the directions then, one for each element of a structure.
        sums = np.zeros((len(structures), len(present), len(self._directions)))
        np.add.at(sums, (system, kinds), scalars(p, structures))
        return present, self._scale[present, None] * (sums @ self._directions)

    def _of_all(self, present: Index, lines: Array) -> Array:
        """Lines (n, P, R) of some elements among those of all, (n, C, R)."""
        out = np.zeros((len(lines), len(self.potential.elements), lines.shape[2]))
        out[:, present] = lines
        return out

    # ---- second derivatives

    def curvatures(self, sites: Sites, moves: NDArray) -> Array:
        """d2E / d(direction) along D moves of the edges, summed over the sites of each element, (D, C, R).

        Parameters
        ----------
        sites
            With derivatives.
        moves
            Rate of change of each edge vector; complex ones stand for waves, and give the mean over the phase.

        Returns
        -------
        ndarray of shape (D, C, R)
            For unit rates in angstrom: eV/A^2.
        """
        return self._of_all(*self.curvatures_of_present(sites, moves))

    def curvatures_of_present(self, sites: Sites, moves: NDArray) -> tuple[Index, Array]:
        """As curvatures, of the elements that occur.

        Parameters
        ----------
        sites
            With derivatives.
        moves
            As of curvatures.

        Returns
        -------
        tuple of ndarray
            Types (P,) of these elements, and (D, P, R).
        """
        one = self._curvatures if self.potential.kernel is None else self._curvatures_by_kernel
        present, kinds = np.unique(sites.types, return_inverse=True)
        step = max(1, _HELD // (len(sites.types) * (len(self.head.pairs) + 1)))
        parts = [one(sites, kinds, moves[k : k + step]) for k in range(0, len(moves), step)]
        lines = np.concatenate(parts, axis=1) if parts else np.zeros((len(present), 0, self._pairs.shape[1]))
        return present, (self._scale[present, None, None] * lines).swapaxes(0, 1)

    def _curvatures_by_kernel(self, sites: Sites, kinds: Index, moves: NDArray) -> Array:
        n, nb, count = len(sites.types), self.head.basic_count, len(moves)
        parts = (moves.real, moves.imag) if np.iscomplexobj(moves) else (moves,)
        first, second = np.empty((n, nb, len(parts), count)), np.empty((n, nb, count))
        square = _squares(moves)
        for i, edges in enumerate(_edges_of_sites(sites)):
            slopes = sites.first[edges].reshape(-1, nb).T
            for k, part in enumerate(parts):
                first[i, :, k] = slopes @ part[:, edges].reshape(count, -1).T
            second[i] = sites.second[edges].reshape(-1, nb).T @ square[:, edges].reshape(count, -1).T
        kernel = self.potential.kernel
        assert kernel is not None
        found = along(kernel, kinds, sites.moments, first, second)  # (P, S, D)
        return np.asarray(found.swapaxes(1, 2) @ self._directions)

    def _curvatures(self, sites: Sites, kinds: Index, moves: NDArray) -> Array:
        n, nb, count = len(sites.types), self.head.basic_count, len(moves)
        # Features come first: rows of products are then gathered as whole rows of memory.
        first = np.zeros((nb, n, count), dtype=moves.dtype)
        second = np.zeros((nb, n, count))
        square = _squares(moves)
        for i, part in enumerate(_edges_of_sites(sites)):
            first[:, i] = sites.first[part].reshape(-1, nb).T @ moves[:, part].reshape(count, -1).T
            second[:, i] = sites.second[part].reshape(-1, nb).T @ square[:, part].reshape(count, -1).T
        features = self.head.features(sites.moments).T[:, :, None]  # (nf, N, 1)
        slope, curve = first, second
        if len(self.head.products):
            p, q, factor = self.head.products.T
            m, f = features[:nb], factor[:, None, None].astype(np.float64)
            offsets = self.head.product_offsets[:-1]
            rows = (f * m[p]) * first[q] + (f * m[q]) * first[p]
            slope = np.concatenate([first, np.add.reduceat(rows, offsets, axis=0)])
            bent = (f * m[p]) * second[q] + (f * m[q]) * second[p] + 2.0 * f * _real(first[p], first[q])
            curve = np.concatenate([second, np.add.reduceat(bent, offsets, axis=0)])
        p, q = self.head.pairs.T
        out = []
        for k in range(int(kinds.max(initial=-1)) + 1):
            own = kinds == k
            t, c, v = (np.ascontiguousarray(x[:, own]) for x in (slope, curve, features))
            both = 2.0 * _real(t[p], t[q]).sum(axis=1)
            both += np.einsum("pnd,pn->pd", c[p], v[q, :, 0]) + np.einsum("pnd,pn->pd", c[q], v[p, :, 0])
            values = c[self._linear_features].sum(axis=1).T @ self._linear + both.T @ self._pairs
            out.append(values)
        return np.array(out)


def _edges_of_sites(sites: Sites) -> list[slice]:
    """The edges of each site, which lie side by side."""
    every = np.arange(len(sites.types))
    starts, ends = np.searchsorted(sites.edge_i, every), np.searchsorted(sites.edge_i, every, side="right")
    return [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def _squares(moves: NDArray) -> Array:
    """What the second derivatives of an edge are multiplied by, (D, E, 6) in Voigt order."""
    a, b = np.array(PAIRS).T
    return np.asarray((moves[..., a].conj() * moves[..., b]).real * np.where(a == b, 1.0, 2.0))


def _real(a: NDArray, b: NDArray) -> Array:
    """Real part of conj(a) b."""
    if not np.iscomplexobj(a):
        return np.asarray(a * b, dtype=np.float64)
    return np.asarray(a.real * b.real + a.imag * b.imag, dtype=np.float64)


def strain_moves(vector: Array) -> Array:
    """Changes of edges with the six strains r -> (1 + e) r, Voigt with engineering shear.

    Parameters
    ----------
    vector
        (E, 3) edges, angstrom.

    Returns
    -------
    ndarray
        (6, E, 3) angstrom.
    """
    out = np.zeros((6, *vector.shape))
    for v, (a, b) in enumerate(PAIRS):
        if a == b:
            out[v, :, a] = vector[:, a]
        else:
            out[v, :, a], out[v, :, b] = 0.5 * vector[:, b], 0.5 * vector[:, a]
    return out


def wave_moves(sites: Sites, cell: Array, q: Array, patterns: ComplexArray) -> ComplexArray:
    """Changes of edges with D lattice waves of wave vector q.

    Parameters
    ----------
    sites
        The structure.
    cell
        Its lattice vectors, A.
    q
        In units of the reciprocal lattice vectors.
    patterns
        Displacement of each atom in phonopy's phase convention, where phases carry the positions.

    Returns
    -------
    ndarray of shape (D, E, 3)
        Relative to the phase of the central atom.
    """
    between = sites.vector @ np.linalg.inv(cell)
    phase = np.exp(2j * np.pi * (between @ q))
    return patterns[:, sites.edge_j] * phase[None, :, None] - patterns[:, sites.edge_i]


def readout_basis(potential: Potential, directions: Array) -> ReadoutBasis | None:
    """The basis of a potential.

    Parameters
    ----------
    potential
        Of moment tensors.
    directions
        (R, ...) in the space of theta.

    Returns
    -------
    ReadoutBasis or None
        None where its graph is deeper than two levels.
    """
    try:
        return ReadoutBasis(potential, directions)
    except GraphError:
        return None
