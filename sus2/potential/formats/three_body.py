"""Tersoff and Stillinger-Weber potentials in LAMMPS' files: parameters of each triple of elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import StringIO
from itertools import product
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sus2.errors import PotentialFileError
from sus2.potential.formats.words import Words
from sus2.types import Array

TERSOFF: Final = ("m", "gamma", "lambda3", "c", "d", "costheta0", "n", "beta", "lambda2", "B", "R", "D", "lambda1", "A")
STILLINGER_WEBER: Final = ("epsilon", "sigma", "a", "lambda", "gamma", "costheta0", "A", "B", "p", "q", "tol")
_MAX_CUTOFF_A: Final = 30.0
_LARGEST_EXPONENT: Final = 69.0776  # as LAMMPS limits it
_TINY: Final = 1e-30  # keeps the slope of zeta^n finite where an atom has one bond


@dataclass(frozen=True, eq=False)
class Tersoff:
    """Tersoff's potential, Phys. Rev. B 37, 6991 (1988), doi 10.1103/PhysRevB.37.6991, as LAMMPS writes it.

    E_i = sum_j fc(r_ij) (A exp(-lambda1 r) - b_ij B exp(-lambda2 r)) / 2,  b = (1 + (beta zeta)^n)^(-1/(2n)),
    zeta = sum_k fc(r_ik) gamma (1 + c^2/d^2 - c^2/(d^2 + (cos - cos0)^2)) exp((lambda3 (r_ij - r_ik))^m).

    Attributes
    ----------
    elements
        Chemical symbols in type order.
    parameters
        (C, C, C, 14) in the order of TERSOFF.
    """

    elements: tuple[str, ...]
    parameters: Tensor

    @property
    def cutoff(self) -> float:
        """The longest R + D, angstrom."""
        return float((self.parameters[..., 10] + self.parameters[..., 11]).max())

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
        r = edge_vectors.norm(dim=1)
        zi, zj = species[edge_i], species[edge_j]
        n, beta, lambda2, b, centre, width, lambda1, a = self.parameters[zi, zj, zj][:, 6:].unbind(1)
        fade = _tersoff_fade(r, centre, width)
        first, second = bonded_pairs(edge_i, torch.nonzero(fade > 0.0).squeeze(1))
        m, gamma, lambda3, c, d, cos0, *_ = self.parameters[zi[first], zj[first], zj[second]].unbind(1)
        far = self.parameters[zi[first], zj[first], zj[second]]
        cosine = (edge_vectors[first] * edge_vectors[second]).sum(1) / (r[first] * r[second])
        angle = gamma * (1.0 + (c / d) ** 2 - c * c / (d * d + (cosine - cos0) ** 2))
        x = lambda3 * (r[first] - r[second])
        stretch = torch.where(m == 3.0, x**3, x).clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        term = _tersoff_fade(r[second], far[:, 10], far[:, 11]) * angle * torch.exp(stretch)
        zeta = r.new_zeros(len(r)).index_add(0, first, term)
        order = (1.0 + (beta * (zeta + _TINY)) ** n) ** (-0.5 / n)
        energy = 0.5 * fade * (a * torch.exp(-lambda1 * r) - order * b * torch.exp(-lambda2 * r))
        return energy.new_zeros(len(species)).index_add(0, edge_i, energy)


def _tersoff_fade(r: Tensor, centre: Tensor, width: Tensor) -> Tensor:
    x = ((r - centre) / width).clamp(-1.0, 1.0)
    return 0.5 - 0.5 * torch.sin(0.5 * math.pi * x)


@dataclass(frozen=True, eq=False)
class StillingerWeber:
    """The potential of Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), doi 10.1103/PhysRevB.31.5262.

    E = sum_(i<j) A eps (B (s/r)^p - (s/r)^q) exp(s/(r - a s))
        + sum_i sum_(j<k) lambda eps (cos - cos0)^2 exp(gamma s/(r_ij - a s)) exp(gamma s/(r_ik - a s)).

    Attributes
    ----------
    elements
        Chemical symbols in type order.
    parameters
        (C, C, C, 11) in the order of STILLINGER_WEBER; pairs take the entry of (i, j, j).
    """

    elements: tuple[str, ...]
    parameters: Tensor

    @property
    def cutoff(self) -> float:
        """The longest a sigma, angstrom."""
        return float((self.parameters[..., 1] * self.parameters[..., 2]).max())

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
        r = edge_vectors.norm(dim=1)
        zi, zj = species[edge_i], species[edge_j]
        epsilon, sigma, a, _, gamma, _, big_a, b, p, q, _ = self.parameters[zi, zj, zj].unbind(1)
        inside = r < a * sigma
        gap = torch.where(inside, r - a * sigma, -1.0)
        s = sigma / r
        pair = 0.5 * big_a * epsilon * (b * s**p - s**q) * torch.exp(sigma / gap)
        leg = torch.exp(gamma * sigma / gap)
        first, second = bonded_pairs(edge_i, torch.nonzero(inside).squeeze(1))
        below = first < second
        first, second = first[below], second[below]
        of_triple = self.parameters[zi[first], zj[first], zj[second]]
        cosine = (edge_vectors[first] * edge_vectors[second]).sum(1) / (r[first] * r[second])
        bend = of_triple[:, 3] * of_triple[:, 0] * (cosine - of_triple[:, 5]) ** 2 * leg[first] * leg[second]
        energy = pair.new_zeros(len(species)).index_add(0, edge_i, torch.where(inside, pair, 0.0))
        return energy.index_add(0, edge_i[first], bend)


def bonded_pairs(edge_i: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """All ordered pairs of different edges of one atom.

    Parameters
    ----------
    edge_i
        (E,) central atoms, ascending.
    kept
        Indices of the edges that count.

    Returns
    -------
    tuple of Tensor
        First and second edge of each pair.
    """
    centre = edge_i[kept]
    _, counts = torch.unique_consecutive(centre, return_counts=True)
    per_edge = counts.repeat_interleave(counts)
    begin = (counts.cumsum(0) - counts).repeat_interleave(counts)
    first = torch.arange(len(kept)).repeat_interleave(per_edge)
    place = torch.arange(len(first)) - (per_edge.cumsum(0) - per_edge)[first]
    second = begin[first] + place
    different = first != second
    return kept[first[different]], kept[second[different]]


def parse_three_body(text: str, *, source: str = "potential") -> Tersoff | StillingerWeber:
    """The parameters of a `tersoff` or `sw` file of LAMMPS, told apart by how many numbers an entry has.

    Parameters
    ----------
    text
        The content of the file.
    source
        Name of the file in errors.

    Returns
    -------
    Tersoff or StillingerWeber
        Its parameters for all triples of the elements that have an entry of their own.

    Raises
    ------
    PotentialFileError
        One sentence that names the line: entries that are missing, doubled or out of range.
    """
    words = Words(text, source, comment="#")
    names = TERSOFF if entry_length(text) == len(TERSOFF) else STILLINGER_WEBER
    entries: dict[tuple[str, ...], Array] = {}
    while len(words):
        line = words.line
        triple = tuple(words.element("three elements") for _ in range(3))
        values = words.numbers(len(names), f"the parameters of {'-'.join(triple)}")
        if triple in entries:
            raise words.fail(f"{'-'.join(triple)} has two entries.", line)
        _check(words, names, dict(zip(names, values.tolist(), strict=True)), line)
        entries[triple] = values
    elements = tuple(dict.fromkeys(e for triple in entries for e in triple))
    if not elements:
        raise PotentialFileError(f"{source}: there is no entry in this file.")
    missing = [t for t in product(elements, repeat=3) if t not in entries]
    if missing:
        raise PotentialFileError(
            f"{source}: the entry of {'-'.join(missing[0])} is missing; a file must have one for each triple of its "
            f"elements ({' '.join(elements)})."
        )
    c = len(elements)
    table = torch.from_numpy(np.array([entries[t] for t in product(elements, repeat=3)]).reshape(c, c, c, -1))
    return Tersoff(elements, table) if names is TERSOFF else StillingerWeber(elements, table)


def entry_length(text: str) -> int:
    """Count the numbers behind the three elements of the first entry.

    Parameters
    ----------
    text
        The text of the file.

    Returns
    -------
    int
        0 where there is no such entry.
    """
    wanted = 4 + len(TERSOFF)
    words: list[str] = []
    for line in StringIO(text, newline=None):
        words += line.partition("#")[0].split()[: wanted - len(words)]
        if len(words) >= wanted:
            break
    for k, word in enumerate(words[3 : 4 + len(TERSOFF)]):
        try:
            float(word)
        except ValueError:
            return k
    return min(len(words) - 3, len(TERSOFF)) if len(words) > 3 else 0


def _check(words: Words, names: tuple[str, ...], p: dict[str, float], line: int) -> None:
    if names is TERSOFF:
        sound = p["m"] in (1.0, 3.0) and p["n"] > 0.0 and p["D"] > 0.0 and p["d"] != 0.0 and p["beta"] >= 0.0
        reach, what = p["R"] + p["D"], "m must be 1 or 3, n and D positive, d not zero"
    else:
        sound = p["sigma"] > 0.0 and p["a"] >= 0.0
        reach, what = p["a"] * p["sigma"], "sigma must be positive and a not negative"
    if not (sound and 0.0 <= reach <= _MAX_CUTOFF_A):
        raise words.fail(f"{what}, and the cutoff at most {_MAX_CUTOFF_A:g} angstrom.", line)
