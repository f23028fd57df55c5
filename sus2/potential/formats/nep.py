"""Neuroevolution potentials of GPUMD, versions 3 and 4: the file `nep.txt` and its equations.

Fan et al., Phys. Rev. B 104, 104309 (2021), doi 10.1103/PhysRevB.104.104309; J. Chem. Phys. 157, 114801 (2022),
doi 10.1063/5.0106617. A descriptor q of each atom enters one layer of neurons,

    E_i = sum_m w1_m tanh( sum_d w0_md q_d s_d - b0_m ) - b1,                          s the file's scale of each q_d.

Radial part: q_n = sum_j g_n(r_ij), g_n = sum_k c_nk(Zi, Zj) f_k(r), f_k = (T_k(2 (r/rc - 1)^2 - 1) + 1)/2 fc(r),
fc = (1 + cos(pi r/rc))/2. Angular part, by the addition theorem in moments of the unit vectors u,

    q_nl = (2 l + 1)/(4 pi) sum_jk g_n(r_ij) g_n(r_ik) P_l(u_ij . u_ik),               l = 1 .. l_max,

the invariant of four bodies, proportional to Tr Q^3 with Q = sum_j g_n (u u - 1/3), and that of five, |sum_j g_n u|^4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.polynomial import legendre
from torch import Tensor

from sus2.potential.formats.words import Words, real, whole
from sus2.types import Array

FIRST_WORDS: Final = ("nep3", "nep3_zbl", "nep4", "nep4_zbl")
_FOUR_BODIES: Final = -36.0 * 0.007499480826664  # of Tr Q^3: the sum over m of the reference is this invariant
_FIVE_BODIES: Final = 0.026596810706114  # of |v|^4
# Ziegler, Biersack, Littmark (1985): the universal screening function, its length and e^2/(4 pi eps0) in eV A as GPUMD
# has them.
_ZBL: Final = ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
_ZBL_LENGTH: Final = 2.134563
_COULOMB_EV_A: Final = 14.399645
_MAX_CUTOFF_A: Final = 30.0


@dataclass(frozen=True, eq=False)
class Nep:
    """The numbers of a `nep.txt` with C elements, D descriptors and H neurons.

    Attributes
    ----------
    version
        Of the form: 3 or 4.
    elements
        Chemical symbols in type order.
    radial_cutoff_a
        Cutoff of the radial descriptors, angstrom.
    angular_cutoff_a
        Cutoff of the angular descriptors, angstrom.
    l_max
        Largest rank of the three-body descriptors.
    four_bodies
        Whether there are four-body descriptors.
    five_bodies
        Whether there are five-body descriptors.
    c_radial
        (C, C, n_radial, k_radial) expansion coefficients by (centre, neighbour).
    c_angular
        (C, C, n_angular, k_angular) likewise.
    w0
        (C, H, D) weights of the hidden layer, the same for all elements in version 3.
    b0
        (C, H) its biases.
    w1
        (C, H) weights of the output, eV.
    b1
        Its bias, eV.
    scale
        (D,) factors on the descriptors.
    zbl
        Distances between which the universal repulsion fades out, angstrom; None without.
    """

    version: int
    elements: tuple[str, ...]
    radial_cutoff_a: float
    angular_cutoff_a: float
    l_max: int
    four_bodies: bool
    five_bodies: bool
    c_radial: Tensor
    c_angular: Tensor
    w0: Tensor
    b0: Tensor
    w1: Tensor
    b1: float
    scale: Tensor
    zbl: tuple[float, float] | None

    @property
    def cutoff(self) -> float:
        """The longest cutoff, angstrom."""
        return max(self.radial_cutoff_a, self.angular_cutoff_a)

    def site_energies(self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor) -> Tensor:
        """Site energies; see sus2.potential.formats.site_potential.SiteEnergies.

        Parameters
        ----------
        edge_vectors
            (E, 3) angstrom.
        edge_i
            (E,) central atoms.
        edge_j
            (E,) neighbours.
        species
            (N,) types.

        Returns
        -------
        Tensor
            (N,) eV.
        """
        q = self.descriptors(edge_vectors, edge_i, edge_j, species) * self.scale
        hidden = torch.tanh(torch.einsum("nhd,nd->nh", self.w0[species], q) - self.b0[species])
        energy = (self.w1[species] * hidden).sum(1) - self.b1
        if self.zbl is not None:
            energy = energy + self._repulsion(edge_vectors, edge_i, edge_j, species, *self.zbl)
        return energy

    def descriptors(self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor) -> Tensor:
        """The descriptors before their scale.

        Parameters
        ----------
        edge_vectors
            (E, 3) angstrom.
        edge_i
            (E,) central atoms.
        edge_j
            (E,) neighbours.
        species
            (N,) types.

        Returns
        -------
        Tensor
            (N, D).
        """
        r = edge_vectors.norm(dim=1)
        zi, zj = species[edge_i], species[edge_j]
        n = len(species)
        near = torch.nonzero(r < self.radial_cutoff_a).squeeze(1)
        g = _expand(self.c_radial, r[near], self.radial_cutoff_a, zi[near], zj[near])
        radial = g.new_zeros(n, g.shape[1]).index_add(0, edge_i[near], g)

        near = torch.nonzero(r < self.angular_cutoff_a).squeeze(1)
        g = _expand(self.c_angular, r[near], self.angular_cutoff_a, zi[near], zj[near])
        unit = edge_vectors[near] / r[near, None]
        # M[n, abc] = sum_j g_n x^a y^b z^c: |M_k|^2 over all rank-k entries gives sum_jk g g (u.u)^k.
        moments, power = [], []
        for rank in range(self.l_max + 1):
            entries = [abc for abc in product(range(rank + 1), repeat=3) if sum(abc) == rank]
            times = [math.factorial(rank) // math.prod(math.factorial(p) for p in abc) for abc in entries]
            mono = torch.stack([_monomial(unit, abc) for abc in entries], dim=1)
            edge = g[:, :, None] * mono[:, None, :]
            m = edge.new_zeros(n, *edge.shape[1:]).index_add(0, edge_i[near], edge)
            moments.append(m)
            power.append((m * m * m.new_tensor(times)).sum(2))  # (N, n_angular)
        angular = []
        for rank in range(1, self.l_max + 1):
            legendre_p = legendre.leg2poly([0.0] * rank + [1.0])
            total = torch.stack([float(c) * power[k] for k, c in enumerate(legendre_p) if c]).sum(0)
            angular.append((2 * rank + 1) / (4.0 * math.pi) * total)
        if self.four_bodies:
            angular.append(_FOUR_BODIES * _third_invariant(moments[0][..., 0], moments[2]))
        if self.five_bodies:
            angular.append(_FIVE_BODIES * power[1] ** 2)
        return torch.cat([radial, *angular], dim=1)

    def _repulsion(
        self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor, inner: float, outer: float
    ) -> Tensor:
        r = edge_vectors.norm(dim=1)
        near = torch.nonzero(r < outer).squeeze(1)
        r = r[near]
        charge = r.new_tensor([float(atomic_numbers[e]) for e in self.elements])
        a, b = charge[species[edge_i[near]]], charge[species[edge_j[near]]]
        x = r * (a**0.23 + b**0.23) * _ZBL_LENGTH
        screened = torch.stack([weight * torch.exp(-rate * x) for weight, rate in _ZBL]).sum(0)
        fade = torch.clamp((r - inner) / (outer - inner), min=0.0)
        pair = _COULOMB_EV_A * a * b / r * screened * (0.5 + 0.5 * torch.cos(math.pi * fade))
        return pair.new_zeros(len(species)).index_add(0, edge_i[near], 0.5 * pair)


def _expand(c: Tensor, r: Tensor, cutoff: float, zi: Tensor, zj: Tensor) -> Tensor:
    """g_n(r) of each edge, shape (E, n)."""
    x = 2.0 * (r / cutoff - 1.0) ** 2 - 1.0
    t = [torch.ones_like(x), x]
    while len(t) < c.shape[3]:
        t.append(2.0 * x * t[-1] - t[-2])
    fade = 0.5 + 0.5 * torch.cos(math.pi * r / cutoff)
    basis = 0.5 * (torch.stack(t[: c.shape[3]], dim=1) + 1.0) * fade[:, None]
    return torch.einsum("enk,ek->en", c[zi, zj], basis)


def _monomial(unit: Tensor, powers: tuple[int, ...]) -> Tensor:
    out = torch.ones_like(unit[:, 0])
    for axis, power in enumerate(powers):
        for _ in range(power):
            out = out * unit[:, axis]
    return out


def _third_invariant(total: Tensor, second: Tensor) -> Tensor:
    """Tr Q^3 of the traceless tensors: total (N, n) = sum g, second (N, n, 6) in the order zz yz yy xz xy xx."""
    zz, yz, yy, xz, xy, xx = second.unbind(-1)
    third = total / 3.0
    a, b, c = xx - third, yy - third, zz - third
    # A traceless tensor has Tr Q^3 = 3 det Q.
    return 3.0 * (a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz))


def parse_nep(text: str, *, source: str = "nep.txt") -> Nep:
    """The numbers of a `nep.txt`.

    Parameters
    ----------
    text
        The content of the file.
    source
        Name of the file in errors.

    Returns
    -------
    Nep
        Its numbers, float64.

    Raises
    ------
    PotentialFileError
        One sentence that names the line: a model of another version or kind, a file that is cut or damaged.
    """
    words = Words(text, source)
    kind = words.word("the kind of the model")
    if kind not in FIRST_WORDS:
        raise words.fail(
            f"'{kind[:30]}' is not read here: only potentials of NEP versions 3 and 4 are ({', '.join(FIRST_WORDS)}).",
            1,
        )
    version = int(kind[3])
    n_types = words.count("the number of elements", 1, 118)
    elements = tuple(words.element("the elements") for _ in range(n_types))
    if len(set(elements)) != n_types:
        raise words.fail("an element appears twice.", 1)
    zbl = None
    if kind.endswith("_zbl"):
        inner, outer = _reals(words, "zbl", 2, 2)
        if not 0.0 <= inner < outer <= _MAX_CUTOFF_A:
            raise words.fail("the distances of 'zbl' must rise; tables of each pair (zeros) are not read here.")
        zbl = (inner, outer)
    cutoffs = _reals(words, "cutoff", 2, 4)
    radial_cutoff, angular_cutoff = cutoffs[0], cutoffs[1]
    if not (0.0 < radial_cutoff <= _MAX_CUTOFF_A and 0.0 < angular_cutoff <= _MAX_CUTOFF_A):
        raise words.fail(f"a cutoff must lie between 0 and {_MAX_CUTOFF_A:g} angstrom.")
    n_radial, n_angular = (k + 1 for k in _wholes(words, "n_max", 2, 2, 0, 30))
    k_radial, k_angular = (k + 1 for k in _wholes(words, "basis_size", 2, 2, 0, 30))
    ranks = _wholes(words, "l_max", 1, 3, 0, 8)
    four, five = [*ranks, 0, 0][1:3]
    if four not in (0, 2) or five not in (0, 1):
        raise words.fail("'l_max' names an invariant that is not read here; 8 2 1 is the most that is.")
    if (four or five) and ranks[0] < 2:
        raise words.fail("'l_max' must be 2 or more with invariants of four and five bodies.")
    neurons = _wholes(words, "ANN", 1, 2, 0, 1000)[0]
    dim = n_radial + n_angular * (ranks[0] + bool(four) + bool(five))
    nets = n_types if version == 4 else 1
    size = nets * (dim + 2) * neurons
    net = words.numbers(size, "the network").reshape(nets, -1)
    b1 = words.number("the bias")
    pairs = n_types * n_types
    c_radial = words.numbers(pairs * n_radial * k_radial, "the radial coefficients")
    c_angular = words.numbers(pairs * n_angular * k_angular, "the angular coefficients")
    scale = words.numbers(dim, "the scale of the descriptors")
    words.end()

    def by_type(c: Array, n: int, k: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(c.reshape(n, k, n_types, n_types).transpose(2, 3, 0, 1)))

    w0, b0, w1 = np.split(net, [neurons * dim, neurons * (dim + 1)], axis=1)
    network = (w0.reshape(nets, neurons, dim), b0, w1)
    weights = [torch.from_numpy(np.repeat(x, n_types // nets, axis=0)) for x in network]
    return Nep(
        version=version,
        elements=elements,
        radial_cutoff_a=radial_cutoff,
        angular_cutoff_a=angular_cutoff,
        l_max=ranks[0],
        four_bodies=bool(four),
        five_bodies=bool(five),
        c_radial=by_type(c_radial, n_radial, k_radial),
        c_angular=by_type(c_angular, n_angular, k_angular),
        w0=weights[0],
        b0=weights[1],
        w1=weights[2],
        b1=b1,
        scale=torch.from_numpy(scale),
        zbl=zbl,
    )


def _reals(words: Words, name: str, low: int, high: int) -> list[float]:
    line = words.line
    found = words.keyword(name)
    if not low <= len(found) <= high:
        raise words.fail(f"'{name}' must have {low} to {high} numbers, found {len(found)}.", line)
    return [real(words, w, f"'{name}'", line) for w in found]


def _wholes(words: Words, name: str, low: int, high: int, least: int, most: int) -> list[int]:
    line = words.line
    found = words.keyword(name)
    if not low <= len(found) <= high:
        raise words.fail(f"'{name}' must have {low} to {high} numbers, found {len(found)}.", line)
    return [whole(words, w, f"'{name}'", least, most, line) for w in found]
