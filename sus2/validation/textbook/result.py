"""The scoreboard of a potential over the crystals of the textbook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from sus2.checks import Check

QUANTITIES: Final[Mapping[str, str]] = {
    "v0_a3_per_atom": "V0 (Å³/atom)",
    "b0_gpa": "B0 (GPa)",
    "k_vrh_gpa": "K (GPa)",
    "g_vrh_gpa": "G (GPa)",
    "gamma_to_thz": "Γ optical (THz)",
}
"""What is scored, with how it is written."""


@dataclass(frozen=True)
class CrystalScore:
    """What a potential says about one crystal, beside what is known of it.

    Attributes
    ----------
    crystal
        Formula and prototype, such as "Si diamond".
    values
        Quantity of QUANTITIES -> the potential's value.
    references
        Quantity -> the known value of the potential's functional, or of the nearest one, and which functional that is.
    measured
        Quantity -> the measured value.
    elastically_stable
        By Born's criteria; None where the step failed.
    dynamically_stable
        Whether there is no imaginary frequency on the mesh; None where the step failed.
    minima
        Minima of E(V) between 0.6 and 1.6 of the volume.
    softening
        Restoring force per displacement at 0.2 angstrom over that at 0.02 angstrom, of random displacements: 1 in a
        harmonic crystal, far below where the energy surface is too flat away from the minimum.
    problems
        One sentence for each step that failed.
    seconds
        Time that the crystal took.
    """

    crystal: str
    values: Mapping[str, float]
    references: Mapping[str, tuple[float, str]]
    measured: Mapping[str, float]
    elastically_stable: bool | None
    dynamically_stable: bool | None
    minima: int
    softening: float
    problems: tuple[str, ...]
    seconds: float

    def error_percent(self, quantity: str) -> float:
        """Deviation from the reference.

        Parameters
        ----------
        quantity
            One of QUANTITIES.

        Returns
        -------
        float
            Percent; nan where the value or the reference is missing.
        """
        if quantity not in self.values or quantity not in self.references:
            return math.nan
        return 100.0 * (self.values[quantity] / self.references[quantity][0] - 1.0)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CrystalScore:
        """The score that asdict and JSON have written.

        Parameters
        ----------
        content
            What JSON gave.

        Returns
        -------
        CrystalScore
            The score.
        """
        return cls(
            **{
                **content,
                "references": {k: (float(v[0]), str(v[1])) for k, v in content["references"].items()},
                "softening": math.nan if content["softening"] is None else float(content["softening"]),
                "problems": tuple(content["problems"]),
            }
        )


@dataclass(frozen=True)
class DimerScore:
    """The curve of two atoms.

    Attributes
    ----------
    pair
        Such as "Na-Cl".
    wall
        Whether the energy falls all the way from half to 0.8 of the sum of covalent radii.
    minima
        Minima between that and the cutoff.
    roughest_ev_per_a
        Largest difference between the slope of the energy and the force along the curve.
    bond_a
        Distance of the deepest minimum; nan without one.
    measured_bond_a
        Bond length of the molecule; nan where none is known.
    distances_a
        Of the curve.
    energies_ev
        At those distances.
    """

    pair: str
    wall: bool
    minima: int
    roughest_ev_per_a: float
    bond_a: float
    measured_bond_a: float
    distances_a: tuple[float, ...] = field(repr=False)
    energies_ev: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True)
class Textbook:
    """The whole report.

    Attributes
    ----------
    potential
        Its name.
    functional
        Of the potential.
    version
        Of the potential; that of its package for a plug-in.
    crystals
        In the order of the textbook, those whose elements the potential covers.
    left_out
        Crystals with elements that it does not cover.
    dimers
        Two atoms of each element, and the pairs of the compounds.
    checks
        Derivatives, symmetries, size extensivity and energy conservation on one crystal.
    checked_on
        That crystal.
    us_per_atom
        Time of energy, forces and stress, microseconds per atom, best of three, on this computer.
    peak_mib
        Largest memory of the process, MiB; nan where the system does not say.
    """

    potential: str
    functional: str
    version: str
    crystals: tuple[CrystalScore, ...]
    left_out: tuple[str, ...]
    dimers: tuple[DimerScore, ...]
    checks: tuple[Check, ...]
    checked_on: str
    us_per_atom: float
    peak_mib: float

    def median_error_percent(self, quantity: str) -> float:
        """Median over the crystals of the absolute deviation from the references.

        Parameters
        ----------
        quantity
            One of QUANTITIES.

        Returns
        -------
        float
            Percent; nan without any.
        """
        return _median(abs(c.error_percent(quantity)) for c in self.crystals)

    def mean_error_percent(self, quantity: str) -> float:
        """Mean over the crystals of the signed deviation: a bias such as softness.

        Parameters
        ----------
        quantity
            One of QUANTITIES.

        Returns
        -------
        float
            Percent; nan without any.
        """
        found = [e for e in (c.error_percent(quantity) for c in self.crystals) if math.isfinite(e)]
        return float(np.mean(found)) if found else math.nan

    @property
    def unstable(self) -> tuple[str, ...]:
        """Crystals that are elastically or dynamically unstable in the potential; all of them are stable in nature."""
        return tuple(c.crystal for c in self.crystals if c.elastically_stable is False or c.dynamically_stable is False)

    @property
    def summary(self) -> str:
        """Two sentences."""
        medians = ", ".join(
            f"{name.split(' (')[0]} {self.median_error_percent(q):.1f} %"
            for q, name in QUANTITIES.items()
            if math.isfinite(self.median_error_percent(q))
        )
        text = f"{self.potential} on {len(self.crystals)} textbook crystals: median deviations {medians or 'unknown'}."
        stable = len(self.crystals) - len(self.unstable)
        text += f" {stable} are stable" + (f", not {', '.join(self.unstable)}." if self.unstable else ".")
        return text

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not finite is None."""
        out = _plain(asdict(self))
        out["checks"] = [c.to_dict() for c in self.checks]
        out["medians_percent"] = _plain({q: self.median_error_percent(q) for q in QUANTITIES})
        out["means_percent"] = _plain({q: self.mean_error_percent(q) for q in QUANTITIES})
        out["unstable"] = list(self.unstable)
        return out


def _median(values: Iterable[float]) -> float:
    found = [v for v in values if math.isfinite(v)]
    return float(np.median(found)) if found else math.nan


def _plain(value: Any) -> Any:
    """The same with None for what is not finite, and rounded to what a reader needs."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
