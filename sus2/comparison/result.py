"""The result of a comparison: one crystal in two or more potentials."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from ase import Atoms

from sus2.comparison.differences import (
    ENERGIES,
    PRESSURE,
    BandAgreement,
    Difference,
    band_agreement,
    differences,
    lattice,
)
from sus2.comparison.energies import EnergyScales
from sus2.comparison.paired import difference_estimates
from sus2.comparison.words import effects_of, imaginary_words, summary_of
from sus2.potential.evaluation import Calculates
from sus2.properties.catalogue import catalogue
from sus2.properties.phonons.qpath import QPath
from sus2.properties.property import Quantity
from sus2.relaxation.result import RelaxResult
from sus2.trust.estimate import Estimate

Mode = Literal["own", "fixed"]

ZERO_EV_PER_ATOM = 1e-4
_COLUMNS = ("key", "label", "unit", "reference", "value", "own", "percent", "fixed", "volume_effect", "error")


@dataclass(frozen=True, eq=False)
class Side:
    """One potential in one cell, with relaxed ions.

    Attributes
    ----------
    potential : Calculates
        The potential.
    mode : {"own", "fixed"}
        Whether the cell is the potential's own relaxed one or the fixed one.
    atoms : Atoms
        The standard primitive cell.
    relaxation : RelaxResult
        How it was relaxed.
    energy_ev_per_atom : float
        Energy on the potential's own scale.
    pressure_gpa : float
        Pressure of the cell.
    results : mapping
        Result of each property, by the names of the catalogue; what was not asked for or could not be computed is
        missing. Equations of state and quasi-harmonic properties belong to the own cell alone; phonons are a
        `PhononReport` on the path that all potentials share.
    problems : tuple of str
        What could not be computed, one sentence each.
    """

    potential: Calculates
    mode: Mode
    atoms: Atoms
    relaxation: RelaxResult
    energy_ev_per_atom: float
    pressure_gpa: float
    results: Mapping[str, Any]
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the potential."""
        return self.potential.name

    @cached_property
    def described(self) -> dict[Quantity, float]:
        """Every finite number of this side."""
        found = lattice(self.atoms)
        if self.mode == "fixed":
            found[PRESSURE] = self.pressure_gpa
        for name, entry in catalogue().items():
            if name in self.results:
                found |= entry.compared(self.results[name])
        return {q: value for q, value in found.items() if math.isfinite(value)}

    @cached_property
    def quantities(self) -> dict[str, float]:
        """The same by key, units in the keys."""
        return {q.key: value for q, value in self.described.items()}

    def to_dict(self) -> dict[str, Any]:
        """Convert to numbers, lists and texts for JSON, with units in the names."""
        phonons = self.results.get("phonons")
        dos = None
        if phonons is not None:
            dos = {
                "frequencies_thz": phonons.dos.frequencies_thz.tolist(),
                "total_per_thz": phonons.dos.total_per_thz.tolist(),
            }
        others = {name: r.to_dict() for name, r in self.results.items() if name != "phonons"}
        return {
            "potential": self.name,
            "mode": self.mode,
            "symbols": self.atoms.get_chemical_symbols(),
            "cell_a": self.atoms.cell.tolist(),
            "scaled_positions": self.atoms.get_scaled_positions().tolist(),
            "raw_energy_ev_per_atom": self.energy_ev_per_atom,
            "pressure_gpa": self.pressure_gpa,
            "quantities": self.quantities,
            "bands_thz": None if phonons is None else phonons.bands.frequencies_thz.tolist(),
            "dos": dos,
            **others,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two or more potentials for one crystal; differences are against the first.

    Attributes
    ----------
    formula : str
        Reduced formula.
    potentials : tuple of Calculates
        The potentials.
    own : tuple of Side
        Each potential in its own relaxed cell.
    fixed : tuple of Side
        Each potential in the one fixed cell.
    fixed_cell : str
        What that cell is, in words.
    path : QPath or None
        The path of all band structures.
    energies : EnergyScales or None
        Energies made comparable.
    """

    formula: str
    potentials: tuple[Calculates, ...]
    own: tuple[Side, ...]
    fixed: tuple[Side, ...]
    fixed_cell: str
    path: QPath | None
    energies: EnergyScales | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the potentials."""
        return tuple(p.name for p in self.potentials)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Short names: the functionals where they differ from each other, else the names."""
        functionals = tuple(p.functional for p in self.potentials)
        return functionals if len(set(functionals)) == len(functionals) else self.names

    @cached_property
    def differences(self) -> dict[str, tuple[Difference, ...]]:
        """Rows of each other potential against the first."""
        extra: list[dict[Quantity, float]] = [{} for _ in self.potentials]
        if self.energies is not None:
            # An element in its ground state is its own reference.
            single = len(set(self.own[0].atoms.numbers.tolist())) == 1
            for k, e in enumerate(self.energies.formation_ev_per_atom):
                if e is not None and not (single and abs(e) < ZERO_EV_PER_ATOM):
                    extra[k][ENERGIES[0]] = e
            for k, e in enumerate(self.energies.cohesive_ev_per_atom):
                extra[k] |= {} if e is None else {ENERGIES[1]: e}
        return {
            self.names[k]: differences(
                (self.potentials[0], self.potentials[k]),
                (self.own[0].described | extra[0], self.own[k].described | extra[k]),
                (self.fixed[0].described, self.fixed[k].described) if self.fixed else ({}, {}),
                self.formula,
                self.estimates[self.names[k]],
            )
            for k in range(1, len(self.potentials))
        }

    @cached_property
    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Calibrated errors of the differences of each other potential, by key."""
        return {self.names[k]: difference_estimates(self.own[0], self.own[k]) for k in range(1, len(self.potentials))}

    @property
    def uncertainty(self) -> dict[str, dict[str, float]]:
        """One standard deviation of each difference in its unit, by potential and key; nan where it is unknown.

        Calibrated ones alone: what the cards state of the two potentials is in the rows of `differences`.
        """
        return {
            name: {
                d.key: float(self.estimates[name][d.key].sigma) if d.key in self.estimates[name] else math.nan
                for d in rows
            }
            for name, rows in self.differences.items()
        }

    @cached_property
    def band_agreement(self) -> dict[str, dict[Mode, BandAgreement]]:
        """Agreement of all frequencies on the path with the first potential's, in both modes."""
        out: dict[str, dict[Mode, BandAgreement]] = {}
        for k, name in enumerate(self.names[1:], 1):
            out[name] = {}
            sides: tuple[tuple[Mode, tuple[Side, ...]], ...] = (("own", self.own), ("fixed", self.fixed))
            for mode, row in sides:
                first, other = (row[j].results.get("phonons") if row else None for j in (0, k))
                found = band_agreement(first.bands, other.bands) if first is not None and other is not None else None
                if found is not None:
                    out[name][mode] = found
        return out

    @cached_property
    def summary(self) -> dict[str, str]:
        """Summary of what changes from the first potential to each other one: a paragraph made from these numbers."""
        lowest = [s.quantities.get("lowest_frequency_thz") for s in self.own]
        return {
            name: summary_of(
                formula=self.formula,
                functionals=(self.labels[0], self.labels[k]),
                rows=self.differences[name],
                bands=self.band_agreement[name],
                lowest_thz=(lowest[0], lowest[k]),
            )
            for k, name in enumerate(self.names[1:], 1)
        }

    def largest_effects(self, name: str, most: int = 6) -> list[str]:
        """List what changes most from the first potential to another, the largest relative change first.

        Parameters
        ----------
        name
            Of the other potential.
        most
            How many lines at most.

        Returns
        -------
        list of str
            One line each.
        """
        return effects_of(self.differences[name], self.stability_change(name), most=most)

    def stability_change(self, name: str) -> str:
        """Say which of two potentials has imaginary modes.

        Parameters
        ----------
        name
            Of the other potential; the first is the one.

        Returns
        -------
        str
            One sentence; empty where neither has.

        Raises
        ------
        ValueError
            No potential of the comparison has that name.
        """
        k = self.names.index(name)
        lowest = [self.own[j].quantities.get("lowest_frequency_thz") for j in (0, k)]
        return imaginary_words((self.labels[0], self.labels[k]), (lowest[0], lowest[1]))

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be computed, one sentence each."""
        notes = self.energies.notes if self.energies is not None else ()
        return tuple(dict.fromkeys([p for s in (*self.own, *self.fixed) for p in s.problems] + list(notes)))

    def to_dict(self) -> dict[str, Any]:
        """Convert to numbers, lists and texts for JSON, with units in the names."""
        path = None
        if self.path is not None:
            labels = [[float(x), name] for x, name in self.path.ticks]
            path = {"q_fractional": self.path.q_fractional.tolist(), "labels": labels}
        agreement = {name: {mode: asdict(v) for mode, v in both.items()} for name, both in self.band_agreement.items()}
        return {
            "formula": self.formula,
            "potentials": [{"name": p.name, "functional": p.functional} for p in self.potentials],
            "fixed_cell": self.fixed_cell,
            "own": [s.to_dict() for s in self.own],
            "fixed": [s.to_dict() for s in self.fixed],
            "path": path,
            "differences": {name: [_row_dict(d) for d in rows] for name, rows in self.differences.items()},
            "band_agreement": agreement,
            "energies": None if self.energies is None else self.energies.to_dict(),
            "summary": self.summary,
            "largest_effects": {name: self.largest_effects(name) for name in self.names[1:]},
            "problems": list(self.problems),
        }

    def to_csv(self) -> str:
        """Write one row for each difference as CSV, empty where there is no number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["first", "other", *_COLUMNS, "error_source"])
        for name, rows in self.differences.items():
            for d in rows:
                values = [getattr(d, column) for column in _COLUMNS]
                writer.writerow([self.names[0], name, *("" if v is None else v for v in values), d.error_source])
        return out.getvalue()


def _row_dict(d: Difference) -> dict[str, Any]:
    derived = {"own": d.own, "percent": d.percent, "volume_effect": d.volume_effect, "below_error": d.below_error}
    return {**asdict(d), **derived}
