"""One run over many crystals: the same properties of each, and a reason for each that is missing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import CancelledError, Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.result import Method
from sus2.properties.eos.calculate import eos
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import describe, elements_of, to_atoms
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sus2.potential.evaluation import Calculates

__all__ = ["COLUMNS", "PROPERTIES", "Column", "ManyResult", "ManyRow", "evaluate_many"]

PROPERTIES: Final[dict[str, str]] = {
    "energy": "energy and forces, as given",
    "relax": "relaxation",
    "eos": "equation of state",
    "elastic": "elastic constants",
}
"""Names of what evaluate_many computes, and what each means."""


@dataclass(frozen=True)
class Column:
    """A column of numbers: the property that it belongs to ("structure": as given), label and unit (empty for a plain
    number) for people, digits after the point, and what it means."""

    of: str
    label: str
    unit: str
    digits: int
    meaning: str

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


COLUMNS: Final[dict[str, Column]] = {
    "volume_a3_per_atom": Column("structure", "volume", "Å³/atom", 3, "Of the cell as given."),
    "density_g_per_cm3": Column("structure", "density", "g/cm³", 3, "As given."),
    "shortest_distance_a": Column("structure", "shortest distance", "Å", 3, "Between two atoms, as given."),
    "energy_ev_per_atom": Column(
        "energy", "energy", "eV/atom", 4, "As given, on the scale of the potential: compare only equal elements."
    ),
    "max_force_ev_per_a": Column("energy", "largest force", "eV/Å", 4, "On an atom of the crystal as given."),
    "pressure_gpa": Column("energy", "pressure", "GPa", 3, "Of the cell as given, positive where it wants to expand."),
    "relaxed_energy_ev_per_atom": Column("relax", "relaxed energy", "eV/atom", 4, "At rest, at zero pressure."),
    "relaxed_volume_a3_per_atom": Column("relax", "relaxed volume", "Å³/atom", 3, "At rest, at zero pressure."),
    "volume_change_percent": Column("relax", "change of volume", "%", 2, "From the cell as given to the relaxed one."),
    "relaxed_a_a": Column("relax", "relaxed a", "Å", 4, "First lattice vector of the relaxed cell."),
    "relaxed_b_a": Column("relax", "relaxed b", "Å", 4, "Second lattice vector of the relaxed cell."),
    "relaxed_c_a": Column("relax", "relaxed c", "Å", 4, "Third lattice vector of the relaxed cell."),
    "relaxation_steps": Column("relax", "steps", "", 0, "Of the relaxation."),
    "v0_a3_per_atom": Column("eos", "V₀", "Å³/atom", 3, "Volume at the minimum of the fitted E(V)."),
    "b0_gpa": Column("eos", "B₀", "GPa", 2, "Bulk modulus of the fitted E(V)."),
    "b0_gpa_error": Column("eos", "standard error of B₀", "GPa", 2, "Of the fit alone."),
    "b0_prime": Column("eos", "B₀′", "", 2, "Derivative of the bulk modulus with pressure."),
    "e0_ev_per_atom": Column("eos", "E₀", "eV/atom", 4, "Energy at the minimum of the fitted E(V)."),
    "k_vrh_gpa": Column("elastic", "K", "GPa", 2, "Bulk modulus, mean of Voigt and Reuss."),
    "g_vrh_gpa": Column("elastic", "G", "GPa", 2, "Shear modulus, mean of Voigt and Reuss."),
    "e_vrh_gpa": Column("elastic", "E", "GPa", 2, "Young's modulus of a polycrystal."),
    "nu_vrh": Column("elastic", "ν", "", 3, "Poisson's ratio of a polycrystal."),
    "universal_anisotropy": Column("elastic", "anisotropy", "", 3, "Universal anisotropy, 0 where isotropic."),
    "smallest_eigenvalue_gpa": Column(
        "elastic", "smallest eigenvalue", "GPa", 2, "Of the elastic tensor; negative where the crystal is unstable."
    ),
}
"""The columns of numbers, by name."""

# Share of the time of a structure, for the progress: energies cost next to nothing.
_WEIGHTS: Final = {"energy": 0.02, "relax": 1.0, "eos": 1.0, "elastic": 2.0}


@dataclass(frozen=True, eq=False)
class ManyRow:
    """One crystal of many.

    name: as it was given; formula: reduced, and space_group as "Fd-3m (227)", both as given and empty where the
    structure is no crystal; values: column -> number, unit in the column's name; texts: column -> words; problems:
    property -> one sentence that says why its numbers are missing ("structure" where all are);
    atoms: as given, relaxed: after the relaxation, None where there is none.
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

    @property
    def complete(self) -> bool:
        """Nothing that was asked for is missing."""
        return not self.problems


@dataclass(frozen=True, eq=False)
class ManyResult:
    """Properties of many crystals in one potential, in the order in which they were given.

    Energies are on the potential's own scale, so only those of the same elements can be compared.
    """

    potential_name: str
    functional: str
    properties: tuple[str, ...]
    rows: tuple[ManyRow, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns of numbers, in the order of the properties."""
        found = {c for row in self.rows for c in row.values}
        return tuple(c for c in COLUMNS if c in found)

    @property
    def complete(self) -> tuple[ManyRow, ...]:
        """The rows from which nothing is missing."""
        return tuple(row for row in self.rows if row.complete)

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) numbers of a column, nan where a crystal has none."""
        return np.array([row.values.get(name, math.nan) for row in self.rows])

    def table(self) -> list[dict[str, Any]]:
        """One flat dict per crystal: name, formula, space group, atoms, numbers (None if missing), words, problems."""
        texts = [c for c in _TEXTS if any(c in row.texts for row in self.rows)]
        return [
            {
                "name": row.name,
                "formula": row.formula,
                "space_group": row.space_group,
                "n_atoms": row.n_atoms,
                **{c: _finite(row.values.get(c)) for c in self.columns},
                **{c: row.texts.get(c, "") for c in texts},
                "problems": " ".join(dict.fromkeys(row.problems.values())),
            }
            for row in self.rows
        ]

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
) -> ManyResult:
    """The chosen properties of every crystal; one that fails says why and does not stop the others.

    structures: by name; properties: of PROPERTIES, each with the defaults of its own function, so that a row has the
    numbers which sus2.relax, sus2.eos and sus2.elastic give for that crystal alone.

    Raises Sus2Error (no structures, an unknown property) and CancelledError (from progress).
    """
    wanted = tuple(p for p in PROPERTIES if p in properties)
    unknown = [p for p in properties if p not in PROPERTIES]
    if unknown or not wanted:
        raise Sus2Error(
            f"There is no property '{unknown[0]}'; choose of {', '.join(PROPERTIES)}."
            if unknown
            else f"No property is chosen; choose of {', '.join(PROPERTIES)}."
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
    return ManyResult(potential.name, potential.functional, wanted, tuple(rows))


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
        self.relaxation: RelaxResult | None = None
        self.failure: Sus2Error | None = None

    def compute(self, structure: Atoms | Structure) -> ManyRow:
        try:
            atoms = to_atoms(structure)
            info = describe(atoms)
        except Sus2Error as error:
            return ManyRow(self.name, "", "", 0, {}, {}, {"structure": str(error)}, None, None)
        group = f"{info.space_group_symbol} ({info.space_group_number})"
        self.values["volume_a3_per_atom"] = info.volume_a3 / info.n_atoms
        self.values["density_g_per_cm3"] = info.density_g_per_cm3
        self.values["shortest_distance_a"] = info.shortest_distance_a
        missing = [e for e in elements_of(atoms) if e not in self.potential.elements]
        if missing:
            self.problems["structure"] = f"{self.potential.name} does not know {', '.join(missing)}."
        else:
            total = sum(_WEIGHTS[p] for p in self.properties)
            done = 0.0
            for name in self.properties:
                self._property(name, atoms, done / total, _WEIGHTS[name] / total)
                done += _WEIGHTS[name]
        relaxed = None if self.relaxation is None else self.relaxation.atoms
        return ManyRow(
            self.name, info.formula, group, info.n_atoms, self.values, self.texts, self.problems, atoms, relaxed
        )

    def _property(self, name: str, atoms: Atoms, start: float, share: float) -> None:
        report = None if self.progress is None else _part(self.progress, "", start, share)
        try:
            getattr(self, f"_{name}")(atoms, report)
        except CancelledError:
            raise
        except Sus2Error as error:
            self.problems[name] = str(error)
        except (ArithmeticError, ValueError) as error:
            # What numpy and scipy raise for numbers out of range, LinAlgError among them.
            words = " ".join(str(error).split())[:120].rstrip(".")
            self.problems[name] = f"{PROPERTIES[name].capitalize()}: the numbers went out of range ({words})."

    def _energy(self, atoms: Atoms, progress: Progress | None) -> None:
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

    def _relax(self, atoms: Atoms, progress: Progress | None) -> None:
        found = self._relaxed(atoms, progress)
        n = len(atoms)
        self.values["relaxed_energy_ev_per_atom"] = found.energy_ev / n
        self.values["relaxed_volume_a3_per_atom"] = found.volume_a3 / n
        self.values["volume_change_percent"] = found.volume_change_percent
        for key, length in zip("abc", found.atoms.cell.lengths(), strict=True):
            self.values[f"relaxed_{key}_a"] = float(length)
        self.values["relaxation_steps"] = float(found.steps)
        self.texts["relaxed_space_group"] = found.spacegroup_after
        found.require_converged()

    def _eos(self, atoms: Atoms, progress: Progress | None) -> None:
        # eos() begins with just this relaxation.
        first, rest = (None, None) if progress is None else (_part(progress, "", 0, 0.3), _part(progress, "", 0.3, 0.7))
        centre = self._relaxed(atoms, first).require_converged().atoms
        found = eos(centre, self.potential, relaxed=True, progress=rest)
        self.values["v0_a3_per_atom"] = found.v0_a3_per_atom
        self.values["b0_gpa"] = found.b0_gpa
        self.values["b0_gpa_error"] = found.b0_gpa_error
        self.values["b0_prime"] = found.b0_prime
        self.values["e0_ev_per_atom"] = found.e0_ev_per_atom

    def _elastic(self, atoms: Atoms, progress: Progress | None) -> None:
        method: Method = "exact" if isinstance(self.potential, Potential) else "finite"
        found = elastic(atoms, self.potential, method=method, cross_checks=False, progress=progress)
        self.values["k_vrh_gpa"] = found.k_vrh_gpa
        self.values["g_vrh_gpa"] = found.g_vrh_gpa
        self.values["e_vrh_gpa"] = found.e_vrh_gpa
        self.values["nu_vrh"] = found.nu_vrh
        self.values["universal_anisotropy"] = found.universal_anisotropy
        self.values["smallest_eigenvalue_gpa"] = float(found.eigenvalues_gpa[0])
        self.texts["elastically"] = "stable" if found.stable else "unstable"


_TEXTS: Final = ("relaxed_space_group", "elastically")


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
