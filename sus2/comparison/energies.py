"""The energies of one crystal in several potentials, and what may be done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from sus2.comparison.references import PotentialEnergy, References, cohesive_energy_ev_per_atom, elemental_references
from sus2.errors import DataError
from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.relaxation.result import RelaxResult
from sus2.structures import elements_of


@dataclass(frozen=True, eq=False)
class EnergyScales:
    """Energies of the crystal in each potential: raw (not comparable), elemental references, and against them.

    Attributes
    ----------
    raw
        On the scale of each potential.
    references
        Elemental references of each potential.
    formation_ev_per_atom
        None where a reference is missing.
    cohesive_ev_per_atom
        None where the free atoms were not given, or not all of them.
    notes
        What is missing, one sentence each.
    """

    raw: tuple[PotentialEnergy, ...]
    references: tuple[References, ...]
    formation_ev_per_atom: tuple[float | None, ...]
    cohesive_ev_per_atom: tuple[float | None, ...]
    notes: tuple[str, ...]

    def raw_shift_ev_per_atom(self, k: int) -> float:
        """Shift of the scale of a potential against the first: no property of the crystal.

        Parameters
        ----------
        k
            Place of the potential.

        Returns
        -------
        float
            eV per atom.
        """
        return self.raw[k].raw_shift_ev_per_atom(self.raw[0])

    def reference_shift_ev_per_atom(self, k: int, atoms: Atoms) -> float | None:
        """The part of that shift that the elements explain.

        Parameters
        ----------
        k
            Place of the potential.
        atoms
            The crystal.

        Returns
        -------
        float or None
            eV per atom; None where a reference is missing.
        """
        symbols = atoms.get_chemical_symbols()
        first, other = self.references[0].found, self.references[k].found
        if not all(s in first and s in other for s in symbols):
            return None
        return float(np.mean([other[s].energy_ev_per_atom - first[s].energy_ev_per_atom for s in symbols]))

    def referenced_difference_ev_per_atom(self, k: int) -> float | None:
        """Formation energy of a potential minus that of the first.

        Parameters
        ----------
        k
            Place of the potential.

        Returns
        -------
        float or None
            eV per atom; None where one of the two is missing.
        """
        a, b = self.formation_ev_per_atom[0], self.formation_ev_per_atom[k]
        return None if a is None or b is None else b - a

    def to_dict(self) -> dict[str, Any]:
        """Convert to numbers, lists and texts for JSON, with units in the names."""
        every = range(len(self.raw))
        return {
            "raw_ev_per_atom": [r.ev_per_atom for r in self.raw],
            "raw_shift_ev_per_atom": [self.raw_shift_ev_per_atom(k) for k in every],
            "formation_ev_per_atom": list(self.formation_ev_per_atom),
            "cohesive_ev_per_atom": list(self.cohesive_ev_per_atom),
            "referenced_difference_ev_per_atom": [self.referenced_difference_ev_per_atom(k) for k in every],
            "references": [r.to_dict() for r in self.references],
            "notes": list(self.notes),
        }


def energy_scales(
    relaxed: Sequence[tuple[Calculates, RelaxResult]],
    free_atoms_ev: Mapping[str, Mapping[str, float]],
    step: Callable[[str], Progress | None],
) -> EnergyScales:
    """Energies of the relaxed crystal of each potential.

    Parameters
    ----------
    relaxed
        Each potential with its relaxation.
    free_atoms_ev
        Name of a potential, else functional -> element -> energy of the free atom, eV.
    step
        Called with the name of each step; gives the progress of that step.

    Returns
    -------
    EnergyScales
        What is missing is None, with a note.

    Raises
    ------
    CancelledError
        From the progress.
    """
    raw, references, notes = [], [], []
    formation: list[float | None] = []
    cohesive: list[float | None] = []
    for p, result in relaxed:
        atoms, energy = result.atoms, result.energy_ev
        raw.append(PotentialEnergy(energy / len(atoms), p.name, p.functional))
        references.append(elemental_references(p, elements_of(atoms), progress=step(f"{p.name}, elements")))
        try:
            formation.append(references[-1].formation_energy_ev_per_atom(atoms, energy))
        except DataError as error:
            formation.append(None)
            notes.append(str(error))
        free = free_atoms_ev.get(p.name, free_atoms_ev.get(p.functional))
        try:
            cohesive.append(None if free is None else cohesive_energy_ev_per_atom(atoms, energy, free))
        except DataError as error:
            cohesive.append(None)
            notes.append(f"{p.name}: {error}")
    return EnergyScales(tuple(raw), tuple(references), tuple(formation), tuple(cohesive), tuple(dict.fromkeys(notes)))
