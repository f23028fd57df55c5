"""Strained crystals whose ions have moved as a potential says, labelled by a teacher.

Shear with relaxed ions is the difference of two large numbers, what the strain asks for with clamped ions and what the
ions give back, and a fit that gets both to a tenth may have half of the difference. A pair of these structures,
r -> (1 +- e) r +- u with u = -Phi^-1 Lambda e of the potential (Born & Huang, Dynamical Theory of Crystal Lattices
(1954), section 27), holds that difference itself: where the teacher finds other stresses, or forces at all, the
potential's ions give way too much or too little. Once a round of fitting has changed the potential, u changes, and
another round may follow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.derivatives.second_order import second_derivatives
from sus2.potential.potential import Potential
from sus2.progress import Report
from sus2.training.data.crystals import blend
from sus2.training.data.sets import load_set
from sus2.training.teachers.active_learning.added_shard import add_shard
from sus2.types import Array

KIND: Final = "strain-response-pair"
LARGEST: Final = 12
STRAINS_OF_EACH: Final = 2
STRAIN: Final = 0.01
# Modes softer than this (eV/A^2) count as so stiff: where a potential is unstable its linear response means nothing.
_SOFTEST: Final = 0.3
# The strain is reduced until no atom moves farther; crystals whose atoms stay within the smaller one have no response.
_FARTHEST_A: Final = 0.06
_NEAREST_A: Final = 0.002


def response(atoms: Atoms, potential: Potential, strain: Array) -> Array:
    """Displacements u = -Phi^-1 Lambda e of the ions in a strained crystal, to first order.

    Parameters
    ----------
    atoms
        N atoms near a minimum.
    potential
        The potential.
    strain
        (3, 3), symmetric.

    Returns
    -------
    ndarray
        (N, 3) angstrom, beside what the strain carries along.
    """
    found = second_derivatives(atoms, potential)
    n = len(atoms)
    hessian = found.gamma_hessian_ev_per_a2
    values, vectors = np.linalg.eigh(hessian)
    # The three translations are no response, whatever their eigenvalues.
    shift = np.tile(np.eye(3), (n, 1)) / np.sqrt(n)
    vectors = vectors - shift @ (shift.T @ vectors)
    e = strain
    voigt = np.array([e[0, 0], e[1, 1], e[2, 2], 2.0 * e[1, 2], 2.0 * e[0, 2], 2.0 * e[0, 1]])
    pull = vectors.T @ (found.internal_strain_ev_per_a @ voigt)
    moved: Array = -(vectors @ (pull / np.maximum(values, _SOFTEST))).reshape(n, 3)
    return moved


def response_pairs(atoms: Atoms, potential: Potential, rng: np.random.Generator) -> list[Atoms]:
    """Pairs of strained crystals, each with its opposite after it.

    Parameters
    ----------
    atoms
        A crystal near a minimum.
    potential
        The potential whose response is taken.
    rng
        For the directions of the shear.

    Returns
    -------
    list of Atoms
        Empty where symmetry holds the atoms in place.
    """
    found = []
    for _ in range(STRAINS_OF_EACH):
        e = rng.standard_normal((3, 3))
        e = 0.5 * (e + e.T) - np.eye(3) * np.trace(e) / 3.0
        e *= STRAIN / np.abs(e).max()
        u = response(atoms, potential, e)
        farthest = float(np.linalg.norm(u, axis=1).max())
        if farthest < _NEAREST_A:
            continue
        share = min(1.0, _FARTHEST_A / farthest)
        for sign in (share, -share):
            turn = np.eye(3) + sign * e
            positions = atoms.positions @ turn + sign * u
            found.append(Atoms(atoms.numbers, positions, cell=atoms.cell.array @ turn, pbc=True))
    return found


def build_responses(name: str, source: str, potential: Potential, seed: int = 0, report: Report = print) -> Path:
    """Add a shard to a set with the responses of a potential for the training crystals of another set.

    Parameters
    ----------
    name
        Of the set that the pairs are added to; it is made if there is none.
    source
        Of the set with the crystals at rest, of which those of at most 12 atoms and without +U are taken.
    potential
        Whose ions move.
    seed
        Of the directions.
    report
        Called with a line for each step.

    Returns
    -------
    Path
        The set's folder, for `sus2 train` a source of kind 'distilled' with 'same_zero: true'. Raises DataError where
        there is no such set or no teacher.
    """
    data = load_set(source, "PBE", split="train")
    rest = np.flatnonzero((data.kind == "relaxed") & (data.sizes > 1) & (data.sizes <= LARGEST))
    crystals = [(str(data.base[k]), data.to_atoms(k)) for k in rest.tolist()]

    def pairs(rng: np.random.Generator) -> list[tuple[str, Atoms]]:
        free = [(base, atoms) for base, atoms in crystals if not blend.with_plus_u(atoms.numbers)]
        return [(base, pair) for base, atoms in free for pair in response_pairs(atoms, potential, rng)]

    return add_shard(name, pairs, KIND, seed, report)
