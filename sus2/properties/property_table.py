"""The same properties of many crystals in one run, and a reason for each number that is missing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import CancelledError, Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties import catalogue
from sus2.properties.property import Property, Quantity
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import describe, elements_of, to_atoms
from sus2.trust.estimate import HasTrust
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sus2.potential.evaluation import Calculates

__all__ = ["PropertyRow", "PropertyTable", "columns", "evaluate_many", "properties"]

AS_GIVEN: Final = "energy"
_GIVEN_COLUMNS: Final = (
    Quantity("volume_a3_per_atom", "volume", "Volume", "Å³/atom", 3, "Volume of the given cell."),
    Quantity("density_g_per_cm3", "density", "Density", "g/cm³", 3, "Density of the given crystal."),
    Quantity(
        "shortest_distance_a",
        "shortest distance",
        "Shortest distance",
        "Å",
        3,
        "Shortest distance between two atoms of the given crystal.",
    ),
)
_ENERGY_COLUMNS: Final = (
    Quantity(
        "energy_ev_per_atom",
        "energy",
        "Energy",
        "eV/atom",
        4,
        "Energy of the given crystal on the potential's own scale: compare only crystals with the same elements.",
    ),
    Quantity(
        "max_force_ev_per_a",
        "largest force",
        "Largest force",
        "eV/Å",
        4,
        "Largest force on an atom as given.",
    ),
    Quantity(
        "pressure_gpa",
        "pressure",
        "Pressure",
        "GPa",
        3,
        "Pressure of the given cell, positive where the crystal expands on relaxation.",
    ),
)
# Share of the time for a crystal, in relaxations: energies cost next to nothing.
_ENERGY_COST: Final = 0.02


def properties() -> dict[str, str]:
    """List the names of what evaluate_many computes, and what each means."""
    return {AS_GIVEN: "energy and forces, as given"} | {
        name: entry.title for name, entry in catalogue.catalogue().items()
    }


def columns() -> dict[str, tuple[str, Quantity]]:
    """List the columns of numbers by key: the property of each ("structure": as given) and its description."""
    return (
        {q.key: ("structure", q) for q in _GIVEN_COLUMNS}
        | {q.key: (AS_GIVEN, q) for q in _ENERGY_COLUMNS}
        | {key: (entry.name, q) for key, (entry, q) in catalogue.columns().items()}
    )


@dataclass(frozen=True, eq=False)
class PropertyRow:
    """One crystal of many.

    name: as it was given; formula: reduced, and space_group as "Fd-3m (227)", both as given and empty where the
    structure is no crystal; values: column -> number, unit in the column's name; texts: column -> words; problems:
    property -> one sentence that says why its numbers are missing ("structure" where all are);
    atoms: as given, relaxed: after the relaxation, None where there is none; sigmas: column -> one standard deviation,
    where it is known; verdicts: column -> good, rough, not to be trusted or unknown; potential: of this row.
    """

    name: str
    formula: str
    space_group: str
    n_atoms: int
    values: dict[str, float]
    texts: dict[str, str]
    problems: dict[str, str]
    atoms: Atoms | None
    relaxed: Atoms | None
    sigmas: dict[str, float] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    potential: str = ""

    @property
    def complete(self) -> bool:
        """Nothing that was asked for is missing."""
        return not self.problems


@dataclass(frozen=True, eq=False)
class PropertyTable:
    """Properties of many crystals, in the order in which they were given.

    potential_name: of all rows, or what chose that of each. Energies are on the potential's own scale, so only those of
    the same elements and the same potential can be compared.
    """

    potential_name: str
    functional: str
    properties: tuple[str, ...]
    rows: tuple[PropertyRow, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns of numbers, in the order of the properties."""
        found = {c for row in self.rows for c in row.values}
        return tuple(c for c in columns() if c in found)

    @property
    def complete(self) -> tuple[PropertyRow, ...]:
        """The rows from which nothing is missing."""
        return tuple(row for row in self.rows if row.complete)

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) numbers of a column, nan where a crystal has none."""
        return np.array([row.values.get(name, math.nan) for row in self.rows])

    @cached_property
    def uncertain(self) -> tuple[str, ...]:
        """Names of the columns of which a standard deviation is known for some crystal."""
        return tuple(c for c in self.columns if any(c in row.sigmas for row in self.rows))

    def table(self) -> list[dict[str, Any]]:
        """One flat dict per crystal.

        Name, formula, space group, atoms, numbers (None if missing) each with its standard deviation (..._sigma) and
        verdict (..._verdict) where these are known for some crystal, words, potential, problems.
        """
        texts = list(dict.fromkeys(c for row in self.rows for c in row.texts))
        return [
            {
                "name": row.name,
                "formula": row.formula,
                "space_group": row.space_group,
                "n_atoms": row.n_atoms,
                **{key: value for c in self.columns for key, value in self._cells(row, c).items()},
                **{c: row.texts.get(c, "") for c in texts},
                "potential": row.potential or self.potential_name,
                "problems": " ".join(dict.fromkeys(row.problems.values())),
            }
            for row in self.rows
        ]

    def _cells(self, row: PropertyRow, column: str) -> dict[str, Any]:
        """A number, with what is known of its error."""
        out: dict[str, Any] = {column: _finite(row.values.get(column))}
        if column in self.uncertain:
            out[f"{column}_sigma"] = _finite(row.sigmas.get(column))
            out[f"{column}_verdict"] = row.verdicts.get(column, "unknown")
        return out

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and texts, with units in the names, for JSON."""
        return {
            "potential": self.potential_name,
            "functional": self.functional,
            "properties": list(self.properties),
            "rows": [
                {
                    "name": row.name,
                    "formula": row.formula,
                    "space_group": row.space_group,
                    "n_atoms": row.n_atoms,
                    "values": {c: _finite(v) for c, v in row.values.items()},
                    "texts": dict(row.texts),
                    "problems": dict(row.problems),
                    "sigmas": dict(row.sigmas),
                    "verdicts": dict(row.verdicts),
                    "potential": row.potential or self.potential_name,
                }
                for row in self.rows
            ],
        }

    def to_csv(self) -> str:
        """The table, one row per crystal, empty where a number is missing."""
        out = io.StringIO()
        rows = self.table()
        writer = csv.DictWriter(out, list(rows[0]) if rows else ["name"], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(v) for k, v in row.items()})
        return out.getvalue()


def evaluate_many(
    structures: Mapping[str, Atoms | Structure],
    potential: Calculates,
    *,
    properties: Sequence[str] = ("energy",),
    progress: Progress | None = None,
) -> PropertyTable:
    """The chosen properties of every crystal; one that fails says why and does not stop the others.

    structures: by name; properties: of PROPERTIES, each with the defaults of its own function, so that a row has the
    numbers which sus2.relax, sus2.eos and sus2.elastic give for that crystal alone.

    Raises Sus2Error (no structures, an unknown property) and CancelledError (from progress).
    """
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
    rows = []
    for k, (name, structure) in enumerate(structures.items()):
        if progress is not None:
            progress(name, k / len(structures))
        report = None if progress is None else _part(progress, name, k / len(structures), 1.0 / len(structures))
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
            self.problems["structure"] = f"{self.potential.name} does not know {', '.join(missing)}."
        else:
            entries = catalogue.catalogue()
            costs = {name: entries[name].cost if name in entries else _ENERGY_COST for name in self.properties}
            done = 0.0
            for name, cost in costs.items():
                report = None
                if self.progress is not None:
                    report = _part(self.progress, "", done / sum(costs.values()), cost / sum(costs.values()))
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
            first, rest = (None, None) if report is None else (_part(report, "", 0, 0.3), _part(report, "", 0.3, 0.7))
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


def _part(progress: Progress, name: str, start: float, share: float) -> Callable[[str, float], None]:
    def report(stage: str, fraction: float) -> None:
        words = f"{name}: {stage}" if name and stage else name or stage
        progress(words, start + share * min(1.0, max(0.0, fraction)))

    return report


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    # A spreadsheet takes text that begins so for a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
