"""Embedded-atom potentials in LAMMPS' tables, `eam/alloy` and `eam/fs` (setfl files).

Daw and Baskes, Phys. Rev. B 29, 6443 (1984), doi 10.1103/PhysRevB.29.6443; Finnis and Sinclair, Phil. Mag. A 50, 45
(1984), doi 10.1080/01418618408244210:

    E_i = F_Zi( sum_j rho(r_ij) ) + sum_j phi(r_ij) / 2,        phi = (r phi in the file) / r.

Between the points of the tables lie the cubic pieces that LAMMPS uses, with slopes of five points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sus2.potential.formats.words import Words
from sus2.types import Array

_TITLES: Final = 3  # lines of text at the beginning of a setfl file
_MAX_POINTS: Final = 1_000_000
_MAX_CUTOFF_A: Final = 30.0


@dataclass(frozen=True, eq=False)
class EmbeddedAtom:
    """The tables of a setfl file with C elements, as values and slopes at the points.

    Attributes
    ----------
    elements
        Chemical symbols in type order.
    cutoff
        Cutoff radius, angstrom.
    density_step
        Step of the density.
    distance_step_a
        Step of the distance, angstrom.
    embedding
        (C, 2, n_rho) eV by the density.
    density
        (C, C, 2, n_r): that which an atom of the second element feels of one of the first.
    pair
        (C, C, 2, n_r): r phi in eV angstrom.
    """

    elements: tuple[str, ...]
    cutoff: float
    density_step: float
    distance_step_a: float
    embedding: Tensor
    density: Tensor
    pair: Tensor

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
        rho = interpolate(self.density[zj, zi], r / self.distance_step_a)
        phi = interpolate(self.pair[zi, zj], r / self.distance_step_a) / r
        n = len(species)
        density = rho.new_zeros(n).index_add(0, edge_i, rho)
        half = phi.new_zeros(n).index_add(0, edge_i, 0.5 * phi)
        at = density / self.density_step
        last = self.embedding.shape[2] - 1
        # Beyond its table the embedding energy goes on as a straight line, as in LAMMPS.
        beyond = torch.clamp(at - last, min=0.0) * self.embedding[species, 1, last]
        return interpolate(self.embedding[species], at.clamp(0.0, float(last))) + beyond + half


def interpolate(table: Tensor, at: Tensor) -> Tensor:
    """Cubic Hermite pieces of tables, each at its own place.

    Parameters
    ----------
    table
        (E, 2, n) values and slopes by the step.
    at
        (E,) places in units of the step.

    Returns
    -------
    Tensor
        (E,).
    """
    last = table.shape[2] - 2
    k = at.detach().floor().clamp(0, last).long()
    p = (at - k).clamp(max=1.0)
    e = torch.arange(len(at), device=at.device)
    f0, f1, s0, s1 = table[e, 0, k], table[e, 0, k + 1], table[e, 1, k], table[e, 1, k + 1]
    rise = f1 - f0
    return ((s0 + s1 - 2.0 * rise) * p + 3.0 * rise - 2.0 * s0 - s1) * p * p + s0 * p + f0


def with_slopes(values: Array) -> Array:
    """Slopes of tables as LAMMPS takes them.

    Parameters
    ----------
    values
        (..., n).

    Returns
    -------
    ndarray
        (..., 2, n) values and slopes by the step.
    """
    f = values
    s = np.empty_like(f)
    s[..., 0], s[..., -1] = f[..., 1] - f[..., 0], f[..., -1] - f[..., -2]
    s[..., 1], s[..., -2] = 0.5 * (f[..., 2] - f[..., 0]), 0.5 * (f[..., -1] - f[..., -3])
    s[..., 2:-2] = (f[..., :-4] - f[..., 4:] + 8.0 * (f[..., 3:-1] - f[..., 1:-3])) / 12.0
    return np.stack([f, s], axis=-2)


def parse_setfl(text: str, *, source: str = "potential") -> EmbeddedAtom:
    """The tables of a setfl file of LAMMPS, `eam/alloy` or `eam/fs`, told apart by how many numbers it holds.

    Parameters
    ----------
    text
        The content of the file.
    source
        Name of the file in errors.

    Returns
    -------
    EmbeddedAtom
        Its tables, float64.

    Raises
    ------
    PotentialFileError
        One sentence that names the line.
    """
    words = Words(text, source, skipped=_TITLES)
    c = words.count("the number of elements", 1, 30)
    elements = tuple(words.element("the elements") for _ in range(c))
    if len(set(elements)) != c:
        raise words.fail("an element appears twice.", _TITLES + 1)
    line = words.line
    n_rho = words.count("the number of densities", 5, _MAX_POINTS)
    d_rho = words.number("the step of the density")
    n_r = words.count("the number of distances", 5, _MAX_POINTS)
    d_r = words.number("the step of the distance")
    cutoff = words.number("the cutoff")
    if not (d_rho > 0.0 and d_r > 0.0 and 0.0 < cutoff <= _MAX_CUTOFF_A):
        raise words.fail(f"the steps must be positive and the cutoff between 0 and {_MAX_CUTOFF_A:g} angstrom.", line)
    # Tables may end one step before the cutoff; beyond that nothing is known.
    if cutoff > (n_r + 1) * d_r:
        raise words.fail("the cutoff lies beyond the table of distances.", line)
    header, pairs = 4, c * (c + 1) // 2
    per_density = {
        c * (header + n_rho + n_r) + pairs * n_r: 1,
        c * (header + n_rho + c * n_r) + pairs * n_r: c,
    }
    if len(words) not in per_density:
        expected = " or ".join(str(n) for n in per_density)
        raise words.fail(f"the tables of eam/alloy or eam/fs would have {expected} words, found {len(words)}.", line)
    blocks = per_density[len(words)]
    embedding, density = np.empty((c, n_rho)), np.empty((c, c, n_r))
    for k in range(c):
        for what in ("the atomic number", "the mass", "the lattice constant"):
            words.number(what)
        words.word("the lattice")
        embedding[k] = words.numbers(n_rho, f"the embedding energy of {elements[k]}")
        density[k] = words.numbers(blocks * n_r, f"the density of {elements[k]}").reshape(blocks, n_r)
    pair = np.empty((c, c, n_r))
    for i in range(c):
        for j in range(i + 1):
            pair[i, j] = pair[j, i] = words.numbers(n_r, f"the pair energy of {elements[i]} and {elements[j]}")
    words.end()
    tables = (torch.from_numpy(with_slopes(x)) for x in (embedding, density, pair))
    return EmbeddedAtom(elements, min(cutoff, (n_r - 1) * d_r), d_rho, d_r, *tables)
