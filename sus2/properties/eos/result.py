"""The result of an equation of state."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms

from sus2.potential.evaluation import Calculates
from sus2.properties.eos.equations import MODELS, EosFit
from sus2.properties.eos.trust import trust_eos
from sus2.properties.eos.volumes import scaled_to
from sus2.relaxation.result import RelaxResult
from sus2.trust.estimate import HasTrust, Trust
from sus2.trust.sentence import summary_sentence
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class EosResult(HasTrust):
    """The equation of state of a crystal; all volumes and energies are per cell unless the name says otherwise.

    Attributes
    ----------
    fit
        The chosen model's.
    fits
        Of every model that could be fitted, by name.
    volumes_a3
        (n,), A^3.
    energies_ev
        (n,), eV.
    pressures_gpa
        (n,), from the stress of the potential, -tr(sigma)/3.
    structures
        The n structures at these volumes, relaxed there where they had to be.
    atoms
        The crystal that the volumes were scaled from.
    relaxation
        How that crystal was relaxed; None where it was given relaxed.
    relaxed_points
        At how many volumes ions or shape had to be relaxed; 0 where symmetry leaves them no freedom.
    formula
        Of the formula unit.
    formula_units
        Number of them in the cell.
    potential
        Where it is one of this package, else None.
    """

    fit: EosFit
    fits: dict[str, EosFit]
    volumes_a3: Array
    energies_ev: Array
    pressures_gpa: Array
    structures: tuple[Atoms, ...]
    atoms: Atoms
    relaxation: RelaxResult | None
    relaxed_points: int
    formula: str
    formula_units: int
    potential: Calculates | None = field(default=None, repr=False)

    @cached_property
    def trust(self) -> Trust:
        """Estimates of the errors of these numbers, made at the first use."""
        return trust_eos(self)

    @property
    def model(self) -> str:
        """Name of the chosen model."""
        return self.fit.model

    @property
    def v0_a3(self) -> float:
        """Equilibrium volume, A^3 per cell."""
        return self.fit.v0_a3

    @property
    def v0_a3_error(self) -> float:
        """Standard error of v0_a3."""
        return self.fit.v0_a3_error

    @property
    def e0_ev(self) -> float:
        """Energy at the equilibrium volume, eV per cell."""
        return self.fit.e0_ev

    @property
    def e0_ev_error(self) -> float:
        """Standard error of e0_ev."""
        return self.fit.e0_ev_error

    @property
    def b0_gpa(self) -> float:
        """Bulk modulus at zero pressure, GPa."""
        return self.fit.b0_gpa

    @property
    def b0_gpa_error(self) -> float:
        """Standard error of b0_gpa."""
        return self.fit.b0_gpa_error

    @property
    def b0_prime(self) -> float:
        """dB/dP at zero pressure."""
        return self.fit.b0_prime

    @property
    def b0_prime_error(self) -> float:
        """Standard error of b0_prime."""
        return self.fit.b0_prime_error

    @property
    def residual_ev(self) -> Array:
        """Computed minus fitted energy at each volume (n,), eV per cell."""
        return self.fit.residual_ev

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.atoms)

    @property
    def v0_a3_per_atom(self) -> float:
        """Equilibrium volume, A^3 per atom."""
        return self.v0_a3 / self.n_atoms

    @property
    def e0_ev_per_atom(self) -> float:
        """Energy at the equilibrium volume, eV per atom."""
        return self.e0_ev / self.n_atoms

    @property
    def v0_a3_per_formula_unit(self) -> float:
        """Equilibrium volume, A^3 per formula unit."""
        return self.v0_a3 / self.formula_units

    @property
    def e0_ev_per_formula_unit(self) -> float:
        """Energy at the equilibrium volume, eV per formula unit."""
        return self.e0_ev / self.formula_units

    @property
    def rms_residual_mev_per_atom(self) -> float:
        """Root mean square of the residuals, meV per atom."""
        return 1e3 * self.fit.rms_residual_ev / self.n_atoms

    @property
    def pressure_deviation_gpa(self) -> float:
        """Largest difference, over the volumes, of the pressure from the stress and that of the fit, -dE/dV."""
        return float(np.abs(self.pressures_gpa - self.fit.pressure_gpa(self.volumes_a3)).max())

    @property
    def b0_spread_percent(self) -> float:
        """Largest difference of a model's B0 from that of the chosen one, percent of it."""
        return max(100.0 * abs(f.b0_gpa / self.b0_gpa - 1.0) for f in self.fits.values())

    @property
    def atoms_at_v0(self) -> Atoms:
        """The relaxed crystal at the nearest computed volume, scaled to the fitted equilibrium volume."""
        nearest = int(np.abs(self.volumes_a3 - self.v0_a3).argmin())
        return scaled_to(self.structures[nearest], self.v0_a3)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        return {
            "formula": self.formula,
            "n_atoms": self.n_atoms,
            "formula_units": self.formula_units,
            "model": self.model,
            "fits": {name: _fit_dict(f) for name, f in self.fits.items()},
            "volumes_a3": self.volumes_a3.tolist(),
            "energies_ev": self.energies_ev.tolist(),
            "pressures_gpa": self.pressures_gpa.tolist(),
            "residual_ev": self.residual_ev.tolist(),
            "rms_residual_mev_per_atom": self.rms_residual_mev_per_atom,
            "pressure_deviation_gpa": self.pressure_deviation_gpa,
            "b0_spread_percent": self.b0_spread_percent,
            "relaxed_points": self.relaxed_points,
            "trust": self.trust.to_dict(),
            "summary": summary_sentence(self),
        }


def _fit_dict(fit: EosFit) -> dict[str, Any]:
    names = ("v0_a3", "e0_ev", "b0_gpa", "b0_prime")
    values = {n: float(getattr(fit, n)) for name in names for n in (name, f"{name}_error")}
    return {**values, "rms_residual_ev": fit.rms_residual_ev, "citation": MODELS[fit.model].citation}
