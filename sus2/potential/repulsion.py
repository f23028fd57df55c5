"""A fixed repulsion at short range, switched off before the distances of crystals begin.

Between two nuclei closer than the data of any training set the energy follows the screened Coulomb repulsion of
Ziegler, Biersack and Littmark (The Stopping and Range of Ions in Solids, Pergamon 1985),

    V(r) = Zi Zj e^2 / (4 pi eps0 r) sum_k c_k exp(-d_k r / a),   a = 0.46850 A / (Zi^0.23 + Zj^0.23),

times S(t) = 1 - 10 t^3 + 15 t^4 - 6 t^5 with t from 0 to 1 between the inner and the outer radius, which are fractions
of the sum of covalent radii: V S is smooth to the second derivative and nothing is left beyond.
Half of each pair's energy belongs to either atom.

Closer than any label the model is a polynomial that may fall faster than V rises, so a finished potential can have a
multiple of V. What is more than V itself begins at the shortest distance of each pair in the labels, so that it changes
nothing that the model has learnt: bonds of early transition metals, of yttrium or of lanthanum get shorter than three
quarters of their covalent radii in cells that are squeezed or hot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from sus2.types import Array, Index
from sus2.units import COULOMB_EV_A

_WEIGHTS: Final = np.array([0.18175, 0.50986, 0.28022, 0.02817])
_DECAYS: Final = np.array([3.19980, 0.94229, 0.40290, 0.20162])
_LENGTH_A: Final = 0.46850
# Width of the onset of what is more than V, in units of the sum of covalent radii.
_STEEP: Final = 0.08


@dataclass(frozen=True, eq=False)
class PairTerms:
    """Half of each pair's repulsion, for every edge closer than its outer radius.

    Attributes
    ----------
    edge
        (n,) index of the edge.
    energy_ev
        (n,) half the energy of the pair, eV.
    slope_ev_per_a
        (n,) its derivative by the distance, eV/angstrom.
    bend_ev_per_a2
        (n,) its second derivative, eV/angstrom^2.
    unit
        (n, 3) unit vectors.
    distance_a
        (n,) angstrom.
    """

    edge: Index
    energy_ev: Array
    slope_ev_per_a: Array
    bend_ev_per_a2: Array
    unit: Array
    distance_a: Array

    def gradient(self) -> Array:
        """Gradient dE/dr of each such edge.

        Returns
        -------
        ndarray
            (n, 3) eV/angstrom.
        """
        return self.slope_ev_per_a[:, None] * self.unit

    def curvature(self) -> Array:
        """Second derivative d2E/dr2 of each such edge.

        Returns
        -------
        ndarray
            (n, 3, 3) eV/angstrom^2.
        """
        nn = self.unit[:, :, None] * self.unit[:, None, :]
        across = (self.slope_ev_per_a / self.distance_a)[:, None, None] * (np.eye(3) - nn)
        return self.bend_ev_per_a2[:, None, None] * nn + across


class Repulsion:
    """The repulsion of one set of elements.

    Where no data are, a polynomial can fall deeper than V rises; a multiple of V then is a wall: V itself acts between
    the radii, strength - 1 times V closer than the labels of a pair; what is more is whole from 0.08 of the sum of
    covalent radii further in.

    Parameters
    ----------
    elements
        Chemical symbols in type order.
    inner
        Radius within which V is whole, in units of the sum of covalent radii.
    outer
        Radius from which V is zero, likewise.
    strength
        Factor on V.
    shortest_a
        Shortest labelled distance of pairs "A-B" (alphabetical), angstrom; the outer radius where there is none or it
        is shorter.
    """

    def __init__(
        self,
        elements: tuple[str, ...],
        inner: float,
        outer: float,
        strength: float = 1.0,
        shortest_a: Mapping[str, float] | None = None,
    ) -> None:
        self.inner, self.outer, self.strength = inner, outer, strength
        self._z = np.array([atomic_numbers[e] for e in elements])
        self._radii = covalent_radii[self._z]
        self.reach_a: Array = np.ascontiguousarray(outer * (self._radii[:, None] + self._radii))
        """(C, C) A: pairs of types further apart than this feel nothing."""
        self._longest = 2.0 * outer * float(self._radii.max())
        known = shortest_a or {}
        named = [[known.get("-".join(sorted((x, y))), np.inf) for y in elements] for x in elements]
        self._onset = np.minimum(self.reach_a, np.array(named))

    def terms(self, vectors: Array, types_i: Index, types_j: Index) -> PairTerms:
        """Half-pair energies and derivatives of edges.

        Parameters
        ----------
        vectors
            (E, 3) angstrom.
        types_i
            (E,) types of the central atoms.
        types_j
            (E,) types of the neighbours.

        Returns
        -------
        PairTerms
            Of the n edges that are close enough.
        """
        square = np.einsum("ex,ex->e", vectors, vectors)
        near = np.flatnonzero(square < self._longest**2)
        reach = self._radii[types_i[near]] + self._radii[types_j[near]]
        r = np.sqrt(square[near])
        inside = r < self.outer * reach
        near, reach, r = near[inside], reach[inside], r[inside]
        zi, zj = self._z[types_i[near]].astype(float), self._z[types_j[near]].astype(float)
        decay = _DECAYS[:, None] * (zi**0.23 + zj**0.23) / _LENGTH_A
        parts = _WEIGHTS[:, None] * np.exp(-decay * r)
        s0, s1, s2 = parts.sum(0), -(decay * parts).sum(0), (decay**2 * parts).sum(0)
        charge = 0.5 * COULOMB_EV_A * zi * zj
        v0 = charge * s0 / r
        v1 = charge * (s1 / r - s0 / r**2)
        v2 = charge * (s2 / r - 2.0 * s1 / r**2 + 2.0 * s0 / r**3)
        once = _fading(r, self.inner * reach, self.outer * reach)
        onset = self._onset[types_i[near], types_j[near]]
        more = _fading(r, onset - _STEEP * reach, onset)
        w0, w1, w2 = (a + (self.strength - 1.0) * b for a, b in zip(once, more, strict=True))
        return PairTerms(
            near, v0 * w0, v1 * w0 + v0 * w1, v2 * w0 + 2.0 * v1 * w1 + v0 * w2, vectors[near] / r[:, None], r
        )


def _fading(r: Array, inner: Array, outer: Array) -> tuple[Array, Array, Array]:
    """S and its two derivatives by r: one up to `inner`, zero from `outer` on."""
    width = outer - inner
    t = np.clip((r - inner) / width, 0.0, 1.0)
    return (
        1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t**2),
        -30.0 * t**2 * (1.0 - t) ** 2 / width,
        -60.0 * t * (1.0 - t) * (1.0 - 2.0 * t) / width**2,
    )
