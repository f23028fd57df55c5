"""The report of a model check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from sus2.checks import Check, Verdict, worst
from sus2.structures.formula import formula_units, with_subscripts
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class Curve:
    """Energies along a line.

    Attributes
    ----------
    x
        (n,) distance (angstrom) of a dimer, volume (angstrom^3) of a crystal, or time (ps).
    energies_ev
        (n,) eV.
    """

    x: Array
    energies_ev: Array


@dataclass(frozen=True, eq=False)
class ModelCheck:
    """The checks in the order of the report, and the curves behind them.

    Attributes
    ----------
    potential
        Name of the potential.
    functional
        Of the potential.
    formula
        Of the crystal.
    atoms
        The relaxed crystal.
    checks
        In the order of the report.
    dimers
        Pair, "Al-Cu" -> its curve.
    wide
        E(V) with the atoms carried along.
    dynamics
        Total energy (x in ps) of the run at constant energy, None where it was left out.
    """

    potential: str
    functional: str
    formula: str
    atoms: Atoms
    checks: tuple[Check, ...]
    dimers: Mapping[str, Curve]
    wide: Curve | None
    dynamics: Curve | None

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        return worst(self.checks)

    @property
    def summary(self) -> str:
        """One sentence."""
        count = {v: sum(c.verdict == v for c in self.checks) for v in ("pass", "warn", "fail")}
        text = f"{self.potential} for {with_subscripts(formula_units(self.atoms).formula)}: {count['pass']} checks pass"
        if count["warn"]:
            text += f", {count['warn']} warn"
        if count["fail"]:
            names = ", ".join(c.name.lower() for c in self.checks if c.verdict == "fail")
            text += f", {count['fail']} fail ({names})"
        return text + "."

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "potential": self.potential,
            "functional": self.functional,
            "formula": self.formula,
            "verdict": self.verdict,
            "checks": [c.to_dict() for c in self.checks],
            "dimers": {
                k: {"distance_a": c.x.tolist(), "energy_ev": c.energies_ev.tolist()} for k, c in self.dimers.items()
            },
            "wide": None
            if self.wide is None
            else {"volume_a3": self.wide.x.tolist(), "energy_ev": self.wide.energies_ev.tolist()},
            "dynamics": None
            if self.dynamics is None
            else {
                "time_ps": self.dynamics.x.tolist(),
                # An energy that has run away is no number in JSON.
                "total_energy_ev": [e if math.isfinite(e) else None for e in self.dynamics.energies_ev.tolist()],
            },
        }
