"""The result of elastic constants, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from ase import Atoms
from scipy import constants

from sus2.checks import Check, graded
from sus2.derivatives.elastic_tensors import christoffel
from sus2.potential.evaluation import Calculates
from sus2.properties.elastic.directions import (
    Averages,
    Extremes,
    extremes,
    hill_average,
    kelvin,
    linear_compressibility_per_tpa,
    poissons_ratio,
    reuss_average,
    shear_modulus_gpa,
    sphere,
    voigt_average,
    youngs_modulus_gpa,
)
from sus2.properties.elastic.trust import trust_elastic
from sus2.relaxation.result import RelaxResult
from sus2.structures.description import CrystalSystem
from sus2.trust.estimate import HasTrust, Trust
from sus2.trust.sentence import summary_sentence
from sus2.types import Array
from sus2.units import AMU_PER_A3_TO_KG_PER_M3

Method = Literal["exact", "finite", "pymatgen", "elastic-package"]

METHOD_LABELS: dict[str, str] = {
    "exact": "exact second derivatives",
    "finite": "finite strain, five-point",
    "pymatgen": "finite strain, pymatgen",
    "elastic-package": "finite strain, elastic package",
}


@dataclass(frozen=True, eq=False)
class ElasticResult(HasTrust):
    """Elastic constants in the IEEE setting, Voigt order xx yy zz yz xz xy, engineering shear.

    Both tensors are symmetrised with the point group of the actual cell. At a pressure they are the stress-strain
    (Birch) coefficients.

    Attributes
    ----------
    potential_name
        Of the potential.
    method
        A name of METHOD_LABELS.
    atoms
        The cell that was strained: primitive, but conventional by the elastic package.
    relaxation
        How the crystal was relaxed; None where it was given relaxed.
    space_group
        For example "Fd-3m (227)".
    crystal_system
        Of the space group.
    pressure_gpa
        Target pressure, positive in compression.
    axes
        (3, 3), the IEEE axes in the Cartesian frame of `atoms`, one per row.
    c_gpa
        (6, 6), with the atoms at rest under strain.
    clamped_c_gpa
        (6, 6), with the atoms carried along by the strain.
    symmetrisation_removed_gpa
        Largest change of a constant by the symmetrisation.
    asymmetry_gpa
        Largest Cij - Cji before it.
    stress_gpa
        (6,) of that cell, positive in tension, in the IEEE axes.
    checks
        What was checked.
    potential
        Where it is one of this package, else None.
    """

    potential_name: str
    method: Method
    atoms: Atoms
    relaxation: RelaxResult | None
    space_group: str
    crystal_system: CrystalSystem
    pressure_gpa: float
    axes: Array
    c_gpa: Array
    clamped_c_gpa: Array
    symmetrisation_removed_gpa: float
    asymmetry_gpa: float
    stress_gpa: Array
    checks: tuple[Check, ...] = field(default=())
    potential: Calculates | None = field(default=None, repr=False)

    @cached_property
    def trust(self) -> Trust:
        """Estimates of the errors of these numbers, made at the first use."""
        return trust_elastic(self)

    # ---- averages

    @cached_property
    def voigt(self) -> Averages:
        """Voigt's upper bounds."""
        return voigt_average(self.c_gpa)

    @cached_property
    def reuss(self) -> Averages:
        """Reuss's lower bounds."""
        return reuss_average(self.c_gpa)

    @cached_property
    def hill(self) -> Averages:
        """Hill's mean of both."""
        return hill_average(self.c_gpa)

    @cached_property
    def clamped_hill(self) -> Averages:
        """Hill's mean with clamped ions."""
        return hill_average(self.clamped_c_gpa)

    @property
    def k_vrh_gpa(self) -> float:
        """Hill's bulk modulus, GPa."""
        return self.hill.k_gpa

    @property
    def g_vrh_gpa(self) -> float:
        """Hill's shear modulus, GPa."""
        return self.hill.g_gpa

    @property
    def e_vrh_gpa(self) -> float:
        """Young's modulus of Hill's moduli, GPa."""
        return self.hill.e_gpa

    @property
    def nu_vrh(self) -> float:
        """Poisson's ratio of Hill's moduli."""
        return self.hill.nu

    @property
    def pugh_ratio(self) -> float:
        """K/G; above 1.75 metals tend to be ductile (Pugh 1954)."""
        return self.k_vrh_gpa / self.g_vrh_gpa

    # ---- anisotropy

    @property
    def universal_anisotropy(self) -> float:
        """A_U = 5 G_V/G_R + K_V/K_R - 6; 0 for an isotropic crystal (Ranganathan & Ostoja-Starzewski 2008)."""
        return 5.0 * self.voigt.g_gpa / self.reuss.g_gpa + self.voigt.k_gpa / self.reuss.k_gpa - 6.0

    @property
    def log_euclidean_anisotropy(self) -> float:
        """A_L = sqrt(ln(K_V/K_R)^2 + 5 ln(G_V/G_R)^2) (Kube 2016); nan for an unstable crystal."""
        k, g = self.voigt.k_gpa / self.reuss.k_gpa, self.voigt.g_gpa / self.reuss.g_gpa
        return math.sqrt(math.log(k) ** 2 + 5.0 * math.log(g) ** 2) if k > 0 and g > 0 else math.nan

    @property
    def zener_anisotropy(self) -> float | None:
        """2 C44/(C11 - C12) of a cubic crystal, None for others."""
        c = self.c_gpa
        return float(2.0 * c[3, 3] / (c[0, 0] - c[0, 1])) if self.crystal_system == "cubic" else None

    # ---- stability

    @cached_property
    def eigenvalues_gpa(self) -> Array:
        """Eigenvalues of c_gpa in Kelvin's basis, ascending, (6,)."""
        return np.asarray(np.linalg.eigvalsh(kelvin(self.c_gpa)), dtype=np.float64)

    @property
    def stable(self) -> bool:
        """All eigenvalues are positive."""
        return bool(self.eigenvalues_gpa[0] > 0)

    @property
    def stability(self) -> str:
        """The condition of stability that was used and its outcome, in words."""
        if abs(self.pressure_gpa) > 0:
            condition = (
                f"At {self.pressure_gpa:g} GPa the stress-strain (Birch) coefficients take the place of the elastic "
                "constants: a crystal is stable where all their eigenvalues are positive (Wang et al. 1995)."
            )
        else:
            condition = "Born's condition: all eigenvalues of the elastic tensor are positive."
        found = (
            f"The smallest is {self.eigenvalues_gpa[0]:.4g} GPa: the crystal is elastically "
            f"{'stable' if self.stable else 'unstable, and what follows from its compliance means nothing'}."
        )
        return f"{condition} {found}"

    # ---- sound and Debye temperature

    @property
    def density_kg_per_m3(self) -> float:
        """Mass density of the cell, kg/m^3."""
        return float(self.atoms.get_masses().sum() / abs(self.atoms.cell.volume) * AMU_PER_A3_TO_KG_PER_M3)

    def sound_speeds_m_per_s(self, directions: Any) -> Array:
        """Speeds of sound by Christoffel's equation.

        Parameters
        ----------
        directions
            (nd, 3) in the IEEE axes, of any length.

        Returns
        -------
        ndarray
            (nd, 3) m/s, ascending; nan where unstable.

        Raises
        ------
        Sus2Error
            A direction without length.
        """
        # Under hydrostatic pressure the Birch coefficients alone give the waves (Barron & Klein 1965).
        return christoffel(self.c_gpa, np.zeros(6), self.density_kg_per_m3, directions).speeds_m_per_s

    @cached_property
    def mean_sound_speed_m_per_s(self) -> float:
        """Debye's mean (the mean of v^-3 over branches and directions)^(-1/3), from Christoffel's equation."""
        return float(np.mean(self.sound_speeds_m_per_s(sphere(3000)) ** -3.0) ** (-1.0 / 3.0))

    @property
    def mean_sound_speed_vrh_m_per_s(self) -> float:
        """The same for an isotropic solid of Hill's moduli (Anderson 1963)."""
        if not self.stable:
            return math.nan
        k, g, rho = self.k_vrh_gpa * 1e9, self.g_vrh_gpa * 1e9, self.density_kg_per_m3
        long, trans = math.sqrt((k + 4.0 * g / 3.0) / rho), math.sqrt(g / rho)
        return ((2.0 / trans**3 + 1.0 / long**3) / 3.0) ** (-1.0 / 3.0)

    @property
    def debye_temperature_k(self) -> float:
        """From the Christoffel mean speed of sound: theta = (h/k) (3 n/(4 pi V))^(1/3) v; nan where unstable."""
        return self._debye(self.mean_sound_speed_m_per_s)

    @property
    def debye_temperature_vrh_k(self) -> float:
        """The same from the isotropic moduli of Voigt, Reuss and Hill."""
        return self._debye(self.mean_sound_speed_vrh_m_per_s)

    def _debye(self, speed: float) -> float:
        per_m3 = len(self.atoms) / (abs(self.atoms.cell.volume) * constants.angstrom**3)
        return float(constants.h / constants.k * (3.0 * per_m3 / (4.0 * math.pi)) ** (1.0 / 3.0) * speed)

    # ---- directions

    @cached_property
    def extremes(self) -> dict[str, Extremes]:
        """Smallest and largest Young's modulus, compressibility, shear modulus and Poisson's ratio."""
        functions: dict[str, Callable[[Any, Any], Array]] = {
            "youngs_modulus_gpa": youngs_modulus_gpa,
            "linear_compressibility_per_tpa": linear_compressibility_per_tpa,
            "shear_modulus_gpa": shear_modulus_gpa,
            "poissons_ratio": poissons_ratio,
        }
        return {name: extremes(lambda n, f=f: f(self.c_gpa, n)) for name, f in functions.items()}  # type: ignore[misc]

    # ---- comparison and export

    def difference_gpa(self, other: ElasticResult) -> float:
        """Largest difference of a constant from that of another result.

        Parameters
        ----------
        other
            The other result.

        Returns
        -------
        float
            GPa, with relaxed ions.
        """
        return float(np.abs(self.c_gpa - other.c_gpa).max())

    def check_against(self, other: ElasticResult) -> Check:
        """Check another method against this one.

        Parameters
        ----------
        other
            By the other method.

        Returns
        -------
        Check
            The largest difference, percent of this result's largest constant.
        """
        return graded(
            f"{METHOD_LABELS[self.method]} against {METHOD_LABELS[other.method]}".capitalize(),
            100.0 * self.difference_gpa(other) / float(np.abs(self.c_gpa).max()),
            "% of the largest constant",
            pass_limit=1.0,
            warn_limit=5.0,
            meaning="Two ways to one tensor; a difference beyond the error of finite strains means a kink of the "
            "potential, or a method that does not hold for this crystal.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        plain = {
            "potential": self.potential_name,
            "method": self.method,
            "formula": self.atoms.get_chemical_formula("metal"),
            "space_group": self.space_group,
            "pressure_gpa": self.pressure_gpa,
            "c_gpa": self.c_gpa.tolist(),
            "clamped_c_gpa": self.clamped_c_gpa.tolist(),
            "symmetrisation_removed_gpa": self.symmetrisation_removed_gpa,
            "stable": self.stable,
            "stability": self.stability,
            "eigenvalues_gpa": self.eigenvalues_gpa.tolist(),
            "zener_anisotropy": self.zener_anisotropy,
            "density_kg_per_m3": self.density_kg_per_m3,
        }
        for name in (
            "universal_anisotropy",
            "log_euclidean_anisotropy",
            "debye_temperature_k",
            "debye_temperature_vrh_k",
        ):
            value = getattr(self, name)
            plain[name] = value if math.isfinite(value) else None
        for name, mean in (("voigt", self.voigt), ("reuss", self.reuss), ("hill", self.hill)):
            plain[name] = {"k_gpa": mean.k_gpa, "g_gpa": mean.g_gpa, "e_gpa": mean.e_gpa, "nu": mean.nu}
        return {
            **plain,
            "summary": summary_sentence(self),
            "trust": self.trust.to_dict(),
            "checks": [c.to_dict() for c in self.checks],
        }
