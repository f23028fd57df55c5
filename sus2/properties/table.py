"""Columns, rows and tables of the properties of many crystals."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.properties import catalogue
from sus2.properties.property import Quantity
from sus2.types import Array

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

    Attributes
    ----------
    name
        As it was given.
    formula
        Reduced, as given; empty where the structure is no crystal.
    space_group
        As "Fd-3m (227)", as given; likewise.
    n_atoms
        In the cell as given.
    values
        Column -> number, unit in the column's name.
    texts
        Column -> words.
    problems
        Property -> one sentence that says why its numbers are missing ("structure" where all are).
    atoms
        As given; None where the structure is no crystal.
    relaxed
        After the relaxation; None where there is none.
    sigmas
        Column -> one standard deviation, where it is known.
    verdicts
        Column -> good, rough, not to be trusted or unknown.
    potential
        Of this row.
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

    Energies are on the potential's own scale, so only those of the same elements and potential can be compared.

    Attributes
    ----------
    potential_name
        Of all rows, or what chose that of each.
    functional
        Of the potential.
    properties
        That were asked for.
    rows
        One for each crystal.
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

    def column(self, name: str) -> Array:
        """The numbers of a column.

        Parameters
        ----------
        name
            Of the column.

        Returns
        -------
        ndarray
            (n,), nan where a crystal has none.
        """
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


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    # A spreadsheet takes text that begins so for a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
