"""The result of the quasi-harmonic approximation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.checks import Check
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.properties.thermal.trust import trust_thermal
from sus2.relaxation.result import RelaxResult
from sus2.trust.estimate import HasTrust, Trust
from sus2.trust.sentence import summary_sentence
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class ThermalResult(HasTrust):
    """Quasi-harmonic properties at zero pressure of the standard primitive cell of n_atoms atoms.

    temperatures_k (nt,); volumes_t_a3: equilibrium volume of the cell at each; thermal_expansion_per_k: the volume's,
    (1/V) dV/dT; bulk_modulus_gpa: isothermal; cp_j_per_k_mol, cv_j_per_k_mol: heat capacity per mole of cells at
    constant pressure and at the constant equilibrium volume; gibbs_ev: per cell; gruneisen: the thermodynamic
    parameter alpha B V/Cv; gruneisen_modes_average: the mean over the modes weighted with their heat capacities.
    volumes_a3 (nv,), energies_ev (nv,), free_energies_ev (nt, nv): the points that were fitted; left_out_a3 and
    left_out_thz: volumes left out for their imaginary modes, and the lowest frequency there.
    mode_frequencies_thz, mode_gruneisen (nq, 3N) and mode_weights (nq,): modes on the irreducible mesh at the static
    equilibrium volume; nan for acoustic modes at Gamma.
    requested_temperature_k: the highest one asked for; the axis ends earlier where the crystal expands beyond the
    computed volumes. volume_range: the fractions of the static volume that were used; tried: why others were not.
    """

    potential_name: str
    atoms: Atoms
    relaxation: RelaxResult | None
    equation: str
    mesh: tuple[int, int, int]
    temperatures_k: Array
    volumes_t_a3: Array
    thermal_expansion_per_k: Array
    bulk_modulus_gpa: Array
    cp_j_per_k_mol: Array
    cv_j_per_k_mol: Array
    gibbs_ev: Array
    gruneisen: Array
    gruneisen_modes_average: Array
    volumes_a3: Array
    energies_ev: Array
    free_energies_ev: Array
    left_out_a3: tuple[float, ...]
    left_out_thz: tuple[float, ...]
    mode_frequencies_thz: Array
    mode_gruneisen: Array
    mode_weights: NDArray[np.int64]
    requested_temperature_k: float
    checks: tuple[Check, ...] = field(default=())
    potential: Calculates | None = field(default=None, repr=False)
    volume_range: tuple[float, float] = (-0.04, 0.08)
    tried: tuple[str, ...] = ()

    @cached_property
    def trust(self) -> Trust:
        """Estimates of the errors of these numbers, made at the first use."""
        return trust_thermal(self)

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.atoms)

    @property
    def volumes_t_a3_per_atom(self) -> Array:
        """Equilibrium volume at each temperature, A^3 per atom."""
        return self.volumes_t_a3 / self.n_atoms

    @property
    def cp_j_per_k_mol_atoms(self) -> Array:
        """Heat capacity at constant pressure per mole of atoms."""
        return self.cp_j_per_k_mol / self.n_atoms

    @property
    def linear_expansion_per_k(self) -> Array:
        """A third of the volume's: the mean over directions."""
        return self.thermal_expansion_per_k / 3.0

    @property
    def note(self) -> str:
        """Volumes left out and temperatures not reached, in words; empty where there are none."""
        parts = []
        if self.tried:
            low, high = self.volume_range
            parts.append(f"Volumes from {100 * low:+.3g} to {100 * high:+.3g} % were taken. {' '.join(self.tried)}")
        if self.left_out_a3:
            listed = ", ".join(
                f"{v / self.n_atoms:.3f} Å³/atom ({abs(f):.2f}i THz)"
                for v, f in zip(self.left_out_a3, self.left_out_thz, strict=True)
            )
            parts.append(f"Left out for imaginary modes: {listed}.")
        if self.temperatures_k[-1] < self.requested_temperature_k - 1e-6:
            parts.append(
                f"Above {self.temperatures_k[-1]:g} K the equilibrium volume leaves the computed range: take a wider "
                "one to go further."
            )
        return " ".join(parts)

    def at(self, name: str, temperature_k: float) -> float:
        """A property of this result (the name of a field over temperatures_k) at a temperature, interpolated.

        Raises Sus2Error for a temperature outside the axis.
        """
        low, high = float(self.temperatures_k[0]), float(self.temperatures_k[-1])
        if not low <= temperature_k <= high:
            raise Sus2Error(f"{temperature_k:g} K lies outside the computed temperatures, {low:g} to {high:g} K.")
        return float(np.interp(temperature_k, self.temperatures_k, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        curves = (
            "temperatures_k",
            "volumes_t_a3",
            "thermal_expansion_per_k",
            "bulk_modulus_gpa",
            "cp_j_per_k_mol",
            "cv_j_per_k_mol",
            "gibbs_ev",
            "gruneisen",
            "gruneisen_modes_average",
            "volumes_a3",
            "energies_ev",
        )
        return {
            "potential": self.potential_name,
            "formula": self.atoms.get_chemical_formula("metal"),
            "n_atoms": self.n_atoms,
            "equation": self.equation,
            "mesh": list(self.mesh),
            **{
                name: [float(x) if math.isfinite(x) else None for x in np.asarray(getattr(self, name))]
                for name in curves
            },
            "left_out_a3": list(self.left_out_a3),
            "left_out_thz": list(self.left_out_thz),
            "note": self.note,
            "trust": self.trust.to_dict(),
            "summary": summary_sentence(self),
            "checks": [c.to_dict() for c in self.checks],
        }
