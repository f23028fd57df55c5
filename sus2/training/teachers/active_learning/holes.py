"""Structures on the way into holes of a potential, labelled, so that the next fit learns that there are none.

Crystals of at most 20 atoms are relaxed from 15 % less and 15 % more of their volume. Of those that collapse, fly apart
or end denser than anybody found them, what lies between start and end is labelled by Nequix-OMat-1 (active learning, as
in Zhang et al., Phys. Rev. Mater. 3, 023804 (2019), with the crystals that users have as what is explored). What has +U
in that teacher is left out, and splits are those of the second set, so that held-out compositions stay held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.potential.evaluation import Calculates
from sus2.progress import Report
from sus2.relaxation.relax_many import relax_many
from sus2.training.data import reference_sets
from sus2.training.teachers.active_learning.added_shard import add_shard

CHANGES: Final = (-0.15, 0.15)
LARGEST: Final = 20
HOLES: Final = ("collapsed", "flew apart", "dense")
# Denser than this share of the volume that the crystal came with, where the relaxation converged.
DENSE: Final = 0.7
# Where structures lie between start and end; what flies apart is of interest before it has gone.
_DENSER: Final = (0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0)
_APART: Final = (0.25, 0.5, 0.75, 1.0)
_LARGEST_RATIO: Final = 2.2
_RATTLE_A: Final = 0.04
# Closer than this no label means anything.
_CLOSEST_A: Final = 0.6


@dataclass(frozen=True, eq=False)
class FromFar:
    """A relaxation from far, and how it ended.

    Attributes
    ----------
    name : str
        Of the crystal.
    kind : str
        "collapsed", "flew apart" or "dense" (which are HOLES), "converged" or "steps used up".
    volume_a3 : float
        That the crystal came with.
    start : Atoms
        Where the relaxation began.
    end : Atoms
        Where it ended.
    """

    name: str
    kind: str
    volume_a3: float
    start: Atoms
    end: Atoms

    def between(self, rng: np.random.Generator) -> list[Atoms]:
        """Structures between start and end, with displaced atoms.

        Parameters
        ----------
        rng
            Random numbers.

        Returns
        -------
        list of Atoms
            Without those that are too far apart or too close to mean anything.
        """
        first = self.start.get_scaled_positions(wrap=False)
        way = self.end.get_scaled_positions(wrap=False) - first
        way -= np.round(way)
        found = []
        for t in _APART if self.kind == "flew apart" else _DENSER:
            cell = (1.0 - t) * self.start.cell.array + t * self.end.cell.array
            atoms = Atoms(self.start.numbers, scaled_positions=first + t * way, cell=cell, pbc=True)
            if t > 0.0:
                atoms.rattle(_RATTLE_A, rng=rng)
            near = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
            if atoms.get_volume() <= _LARGEST_RATIO * self.volume_a3 and near.min(initial=np.inf) > _CLOSEST_A:
                found.append(atoms)
        return found


def relaxed_from_far(potential: Calculates, crystals: Sequence[tuple[str, Atoms]]) -> list[FromFar]:
    """Relax crystals from 15 % less and 15 % more of their volume; ions and cell free, symmetry kept.

    Parameters
    ----------
    potential
        Covers all elements of the crystals.
    crystals
        Names and crystals.

    Returns
    -------
    list of FromFar
        Two of each crystal, in their order.
    """
    begun = []
    for name, atoms in crystals:
        for change in CHANGES:
            start = atoms.copy()
            start.set_cell(start.cell[:] * (1.0 + change) ** (1.0 / 3.0), scale_atoms=True)
            begun.append((name, float(atoms.get_volume()), start))
    found = []
    for (name, volume, start), r in zip(begun, relax_many([b[2] for b in begun], potential), strict=True):
        kind = next((k for k in HOLES[:2] if k in r.failure), "converged" if r.converged else "steps used up")
        if kind == "converged" and r.atoms.get_volume() < DENSE * volume:
            kind = "dense"
        found.append(FromFar(name, kind, volume, start, r.atoms))
    return found


def find_holes(potential: Calculates, crystals: Sequence[tuple[str, Atoms]]) -> list[FromFar]:
    """The relaxations from far that end where no crystal is.

    Parameters
    ----------
    potential
        Covers all elements of the crystals.
    crystals
        Names and crystals.

    Returns
    -------
    list of FromFar
        In the order of the crystals.
    """
    return [r for r in relaxed_from_far(potential, crystals) if r.kind in HOLES]


def shared_crystals(elements: Sequence[str]) -> list[tuple[str, Atoms]]:
    """The crystals of the Materials Project, WBM and Alexandria in the shared data, of at most 20 atoms.

    Parameters
    ----------
    elements
        Chemical symbols that may occur.

    Returns
    -------
    list of tuple of str and Atoms
        Names and crystals; raises DataError where there is no shared data.
    """
    found = [(name, atoms) for name, atoms, *_ in reference_sets.binary_crystals()]
    found += [*reference_sets.wbm_crystals(), *reference_sets.alexandria_crystals()]
    known = set(elements)
    return [(name, a) for name, a in found if len(a) <= LARGEST and set(a.get_chemical_symbols()) <= known]


def build_holes(name: str, potential: Calculates, seed: int = 0, report: Report = print) -> Path:
    """Add a shard to a set with what lies on the way into the holes of a potential.

    Parameters
    ----------
    name
        Of the set; it is made if there is none.
    potential
        To look for holes in.
    seed
        Of the displacements.
    report
        Called with a line for each step.

    Returns
    -------
    Path
        The set's folder, for `sus2 train` a source of kind 'distilled' with 'same_zero: true'. Raises DataError where
        there is no shared data or no teacher.
    """

    def between(rng: np.random.Generator) -> list[tuple[str, Atoms]]:
        holes = find_holes(potential, shared_crystals(potential.elements))
        kinds = {kind: sum(h.kind == kind for h in holes) for kind in HOLES}
        report(", ".join(f"{count} {kind}" for kind, count in kinds.items()))
        return [(hole.name, atoms) for hole in holes for atoms in hole.between(rng)]

    return add_shard(name, between, "wall", seed, report)
