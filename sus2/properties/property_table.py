"""The same properties of many crystals in one run, and a reason for each number that is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of, silent
from sus2.properties import catalogue
from sus2.properties.property import Property
from sus2.properties.table import PropertyRow, PropertyTable, columns, properties
from sus2.registry.external import require_potential
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import describe, elements_of, labelled, to_atoms
from sus2.trust.estimate import HasTrust
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sus2.potential.evaluation import Calculates

__all__ = ["PropertyRow", "PropertyTable", "columns", "evaluate_many", "properties"]

# Share of the time for a crystal, in relaxations: energies cost next to nothing.
_ENERGY_COST: Final = 0.02


def evaluate_many(
    structures: Mapping[str, Atoms | Structure] | Sequence[Atoms | Structure],
    potential: Calculates,
    *,
    properties: Sequence[str] = ("energy",),
    progress: Progress | None = None,
) -> PropertyTable:
    """The chosen properties of every crystal; one that fails says why and does not stop the others.

    Parameters
    ----------
    structures
        With names as keys, or a sequence (named by formula).
    potential
        The potential.
    properties
        Names of `properties()`, each with the defaults of its own function, so that a row has the numbers which
        sus2.relax, sus2.eos and sus2.elastic give for that crystal alone.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    PropertyTable
        A row for each structure.

    Raises
    ------
    Sus2Error
        No structures, no potential, or an unknown property.
    StructureError
        Something in a sequence is no structure.
    CancelledError
        From `progress`.
    """
    require_potential(potential)
    known = _known()
    wanted = tuple(p for p in known if p in properties)
    unknown = [p for p in properties if p not in known]
    if unknown or not wanted:
        raise Sus2Error(
            f"There is no property '{unknown[0]}'; choose of {', '.join(known)}."
            if unknown
            else f"No property is chosen; choose of {', '.join(known)}."
        )
    if not structures:
        raise Sus2Error("There are no structures; give at least one.")
    named = structures if isinstance(structures, Mapping) else labelled(structures)
    rows = []
    for k, (name, structure) in enumerate(named.items()):
        if progress is not None:
            progress(name, k / len(named))
        report = None if progress is None else part_of(progress, name, k / len(named), 1.0 / len(named))
        rows.append(_Row(name, potential, wanted, report).compute(structure))
    if progress is not None:
        progress("done", 1.0)
    return PropertyTable(potential.name, potential.functional, wanted, tuple(rows))


class _Row:
    """A row in the making."""

    def __init__(
        self, name: str, potential: Calculates, properties: tuple[str, ...], progress: Progress | None
    ) -> None:
        self.name = name
        self.potential = potential
        self.properties = properties
        self.progress = progress
        self.values: dict[str, float] = {}
        self.texts: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self.sigmas: dict[str, float] = {}
        self.verdicts: dict[str, str] = {}
        self.relaxation: RelaxResult | None = None
        self.failure: Sus2Error | None = None

    def compute(self, structure: Atoms | Structure) -> PropertyRow:
        try:
            atoms = to_atoms(structure)
            info = describe(atoms)
        except Sus2Error as error:
            return PropertyRow(self.name, "", "", 0, {}, {}, {"structure": str(error)}, None, None)
        group = f"{info.space_group_symbol} ({info.space_group_number})"
        self.values["volume_a3_per_atom"] = info.volume_a3 / info.n_atoms
        self.values["density_g_per_cm3"] = info.density_g_per_cm3
        self.values["shortest_distance_a"] = info.shortest_distance_a
        missing = [e for e in elements_of(atoms) if e not in self.potential.elements]
        if missing:
            self.problems["structure"] = f"{self.potential.name} does not cover {', '.join(missing)}."
        else:
            entries = catalogue.catalogue()
            costs = {name: entries[name].cost if name in entries else _ENERGY_COST for name in self.properties}
            done = 0.0
            for name, cost in costs.items():
                report = None
                if self.progress is not None:
                    report = part_of(self.progress, "", done / sum(costs.values()), cost / sum(costs.values()))
                self._property(name, entries.get(name), atoms, report)
                done += cost
        relaxed = None if self.relaxation is None else self.relaxation.atoms
        return PropertyRow(
            name=self.name,
            formula=info.formula,
            space_group=group,
            n_atoms=info.n_atoms,
            values=self.values,
            texts=self.texts,
            problems=self.problems,
            atoms=atoms,
            relaxed=relaxed,
            sigmas=self.sigmas,
            verdicts=self.verdicts,
            potential=self.potential.name,
        )

    def _property(self, name: str, entry: Property | None, atoms: Atoms, report: Progress | None) -> None:
        try:
            if entry is None:
                self._energy(atoms)
            else:
                self._computed(entry, atoms, report)
        except CancelledError:
            raise
        except Sus2Error as error:
            self.problems[name] = str(error)
        except (ArithmeticError, ValueError) as error:
            # What numpy and scipy raise for numbers out of range, LinAlgError among them.
            words = " ".join(str(error).split())[:120].rstrip(".")
            self.problems[name] = f"{_known()[name].capitalize()}: the numbers went out of range ({words})."

    def _energy(self, atoms: Atoms) -> None:
        found = self.potential.evaluate([atoms])[0]
        forces = np.linalg.norm(found.forces_ev_per_a, axis=1)
        self.values["energy_ev_per_atom"] = found.energy_ev / len(atoms)
        self.values["max_force_ev_per_a"] = float(forces.max())
        self.values["pressure_gpa"] = -float(found.stress_ev_per_a3[:3].mean()) * EV_PER_A3_TO_GPA

    def _relaxed(self, atoms: Atoms, progress: Progress | None) -> RelaxResult:
        """The relaxation, done once; raises what it raised, each time."""
        if self.failure is not None:
            raise self.failure
        if self.relaxation is None:
            try:
                self.relaxation = relax(atoms, self.potential, progress=progress)
            except Sus2Error as error:
                self.failure = error
                raise
        return self.relaxation

    def _trust(self, result: Any, numbers: Mapping[str, float]) -> None:
        """How far to trust the numbers, where the result says so."""
        judged = getattr(result, "phonons", result)
        estimates = judged.trust.estimates if isinstance(judged, HasTrust) else {}
        for column in numbers:
            estimate = estimates.get(_ESTIMATED.get(column, column))
            if estimate is None or np.ndim(estimate.sigma):
                continue
            self.verdicts[column] = str(estimate.verdict)
            if math.isfinite(float(estimate.sigma)):
                self.sigmas[column] = float(estimate.sigma)

    def _computed(self, entry: Property, atoms: Atoms, report: Progress | None) -> None:
        settings = entry.for_potential(exact=isinstance(self.potential, Potential))
        if entry.compute is relax:
            result: Any = self._relaxed(atoms, report)
        elif entry.begins_with_relaxation:
            tell = report or silent
            first, rest = part_of(tell, "", 0.0, 0.3), part_of(tell, "", 0.3, 0.7)
            centre = self._relaxed(atoms, first).require_converged().atoms
            result = entry.compute(centre, self.potential, relaxed=True, progress=rest, **settings)
        else:
            result = entry.compute(atoms, self.potential, progress=report, **settings)
        numbers = entry.numbers(result)
        self.values |= numbers
        self._trust(result, numbers)
        self.texts |= {key: word for key, word in entry.words(result).items() if key not in self.texts}
        if entry.check is not None:
            entry.check(result)


_known = properties
# Names under which a result estimates the error of a column, where they differ.
_ESTIMATED: Final = {"highest_frequency_thz": "max_frequency_thz"}
