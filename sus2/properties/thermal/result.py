"""The result of the quasi-harmonic approximation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms

from sus2.checks import Check
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.properties.thermal.trust import trust_thermal
from sus2.relaxation.result import RelaxResult
from sus2.trust.estimate import HasTrust, Trust
from sus2.trust.sentence import summary_sentence
from sus2.types import Array, Index


def check_within(temperature_k: float, temperatures_k: Array) -> None:
    """Refuse a temperature outside of an axis.

    Parameters
    ----------
    temperature_k
        The temperature, K.
    temperatures_k
        (n,) ascending, K.

    Raises
    ------
    Sus2Error
        It lies outside.
    """
    low, high = float(temperatures_k[0]), float(temperatures_k[-1])
    if not low <= temperature_k <= high:
        raise Sus2Error(f"{temperature_k:g} K lies outside the computed temperatures, {low:g} to {high:g} K.")


@dataclass(frozen=True, eq=False)
class ThermalResult(HasTrust):
    """Quasi-harmonic properties at zero pressure of the standard primitive cell of n_atoms atoms.

    Attributes
    ----------
    potential_name
        Of the potential.
    atoms
        The standard primitive cell at the static equilibrium volume.
    relaxation
        None where the structure was given relaxed.
    equation
        Of the fit.
    mesh
        Three numbers, of the phonons.
    temperatures_k
        (nt,) K; the axis ends early where the crystal expands beyond the computed volumes.
    volumes_t_a3
        (nt,) equilibrium volume of the cell.
    thermal_expansion_per_k
        (nt,) of the volume, (1/V) dV/dT.
    bulk_modulus_gpa
        (nt,) isothermal.
    cp_j_per_k_mol
        (nt,) heat capacity per mole of cells at constant pressure.
    cv_j_per_k_mol
        (nt,) the same at the constant equilibrium volume.
    gibbs_ev
        (nt,) per cell.
    gruneisen
        (nt,) the thermodynamic parameter alpha B V/Cv.
    gruneisen_modes_average
        (nt,) the mean over the modes weighted with their heat capacities.
    volumes_a3
        (nv,) volumes of the cell that were fitted.
    energies_ev
        (nv,) static energies of the cell there.
    free_energies_ev
        (nt, nv) Helmholtz energies of the cell there, with the static ones.
    left_out_a3
        Volumes left out for their imaginary modes.
    left_out_thz
        The lowest frequency at each of them.
    mode_frequencies_thz
        (nq, 3N) on the irreducible mesh at the static equilibrium volume.
    mode_gruneisen
        (nq, 3N) there; nan for acoustic modes at Gamma.
    mode_weights
        (nq,) of the points of the mesh.
    requested_temperature_k
        The highest one asked for.
    checks
        What `thermal_checks` finds.
    potential
        The potential; None where it was not given.
    volume_range
        The fractions beyond the static volume that were used, below and above zero.
    tried
        Why other ranges were not used, a sentence or more each.
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
    mode_weights: Index
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
            beyond = 100.0 * (float(self.volumes_a3.max()) / abs(float(self.atoms.cell.volume)) - 1.0)
            parts.append(
                f"The temperatures end at {self.temperatures_k[-1]:g} K instead of {self.requested_temperature_k:g} K, "
                f"where the crystal has expanded to the largest of the computed volumes, {beyond:.0f} % above the "
                "static one. A wider range of volumes goes further, but the quasi-harmonic approximation is the less "
                "sure the more a crystal has expanded."
            )
        return " ".join(parts)

    def at(self, name: str, temperature_k: float) -> float:
        """A property at a temperature, interpolated.

        Parameters
        ----------
        name
            Of a field or property of this result over temperatures_k.
        temperature_k
            The temperature, K.

        Returns
        -------
        float
            In the unit of that field.

        Raises
        ------
        Sus2Error
            The temperature lies outside the axis.
        """
        check_within(temperature_k, self.temperatures_k)
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
