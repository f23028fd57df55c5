"""E(V) over a wide range of volumes, and what a badly chosen range does to its fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.errors import FitError, Sus2Error
from sus2.lessons.precision import Precision, in_precision
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.equations import MODELS, EosFit
from sus2.relaxation.relax import relax
from sus2.structures import formula_units
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA, GPA_TO_EV_PER_A3

RANGES_PERCENT = (0.1, 0.2, 0.5, 1.0, 2.0, 6.0, 10.0, 20.0, 30.0, 40.0)
SOUND_RANGE_PERCENT = 6.0


@dataclass(frozen=True, eq=False)
class EnergyCurve:
    """E(V) of a crystal scaled uniformly, per atom.

    Attributes
    ----------
    potential_name
        Of the potential.
    formula
        Of the crystal.
    volumes_a3
        (n,) angstrom^3/atom, ascending.
    energies_ev
        (n,) eV/atom above the lowest point.
    pressures_gpa
        (n,) from the stress.
    fit
        Of the volumes within 6 % of the minimum, per atom (Birch-Murnaghan).
    """

    potential_name: str
    formula: str
    volumes_a3: Array
    energies_ev: Array
    pressures_gpa: Array
    fit: EosFit

    @property
    def minima(self) -> int:
        """How many minima the points show."""
        e = self.energies_ev
        return int(((e[1:-1] < e[:-2]) & (e[1:-1] < e[2:])).sum())

    def energy_ev(self, volume_a3: float) -> float:
        """Energy at a volume, between the points along the slopes that the pressure gives (cubic Hermite).

        Parameters
        ----------
        volume_a3
            Angstrom^3/atom.

        Returns
        -------
        float
            eV/atom above the lowest point.
        """
        return float(self._hermite(volume_a3)[0])

    def pressure_gpa(self, volume_a3: float) -> float:
        """Pressure -dE/dV at a volume.

        Parameters
        ----------
        volume_a3
            Angstrom^3/atom.

        Returns
        -------
        float
            GPa.
        """
        return -float(self._hermite(volume_a3)[1]) * EV_PER_A3_TO_GPA

    def bulk_modulus_gpa(self, volume_a3: float) -> float:
        """Bulk modulus -V dP/dV at a volume.

        Parameters
        ----------
        volume_a3
            Angstrom^3/atom.

        Returns
        -------
        float
            GPa; negative where the crystal would fall apart by itself.
        """
        return float(self._hermite(volume_a3)[2]) * volume_a3 * EV_PER_A3_TO_GPA

    def _hermite(self, volume_a3: float) -> tuple[float, float, float]:
        from scipy.interpolate import CubicHermiteSpline

        v = self.volumes_a3
        if not v[0] <= volume_a3 <= v[-1]:
            raise Sus2Error(f"{volume_a3:.3g} Å³ lies outside the computed {v[0]:.3g} to {v[-1]:.3g} Å³.")
        spline = CubicHermiteSpline(v, self.energies_ev, -self.pressures_gpa * GPA_TO_EV_PER_A3)
        return tuple(float(spline(volume_a3, k)) for k in range(3))  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class FitRanges:
    """Fits to 11 points within narrow and wide ranges of the volume; nan where there is none.

    Attributes
    ----------
    precision
        Of the energies: "float64" or "float32".
    ranges_percent
        (n,) half widths of the ranges, percent of the volume.
    b0_gpa
        (n,) bulk moduli.
    b0_gpa_error
        (n,) their standard errors.
    b0_prime
        (n,) their pressure derivatives.
    b0_prime_error
        (n,) standard errors of these.
    reference
        The fit at 6 % in float64.
    problems
        Why there is no fit, one sentence for each range that failed.
    """

    precision: Precision
    ranges_percent: tuple[float, ...]
    b0_gpa: Array
    b0_gpa_error: Array
    b0_prime: Array
    b0_prime_error: Array
    reference: EosFit
    problems: tuple[str, ...]


def energy_curve(
    atoms: Atoms,
    potential: Potential,
    *,
    smallest: float = 0.6,
    largest: float = 1.8,
    n_points: int = 121,
    progress: Progress | None = None,
) -> EnergyCurve:
    """Relax a crystal and scale it to smaller and larger volumes, keeping its shape and sites.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    smallest
        Smallest volume, in units of that at rest.
    largest
        Largest volume, likewise.
    n_points
        Number of volumes.
    progress
        Told how far it is.

    Returns
    -------
    EnergyCurve
        Per atom.

    Raises
    ------
    StructureError
        The crystal cannot be used.
    UnknownElementError
        An element that the potential does not cover.
    ConvergenceError
        The relaxation did not converge.
    CancelledError
        It was stopped.
    Sus2Error
        Limits that are not around 1.
    """
    if not 0.3 <= smallest < 0.94 or not 1.06 < largest <= 5.0:
        raise Sus2Error("The volumes must run from below 0.94 to above 1.06 of that at rest.")
    rest = relax(atoms, potential, progress=progress).require_converged().atoms
    n = len(rest)
    factors = np.linspace(smallest, largest, n_points)
    structures = []
    for f in factors:
        scaled = rest.copy()
        scaled.set_cell(rest.cell.array * f ** (1.0 / 3.0), scale_atoms=True)
        structures.append(scaled)
    results = potential.evaluate(structures)
    energies = np.array([r.energy_ev for r in results]) / n
    pressures = -np.array([r.stress_ev_per_a3[:3].mean() for r in results]) * EV_PER_A3_TO_GPA
    volumes = factors * abs(float(rest.cell.volume)) / n
    fit = eos(rest, potential, relaxed=True, relax_ions=False, relax_shape=False).fit
    return EnergyCurve(
        potential_name=potential.name,
        formula=formula_units(rest).formula,
        volumes_a3=volumes,
        energies_ev=energies - energies.min(),
        pressures_gpa=pressures,
        fit=_per_atom(fit, n),
    )


def fit_ranges(
    atoms: Atoms,
    potential: Potential,
    *,
    precisions: Sequence[Precision] = ("float64", "float32"),
    ranges_percent: Sequence[float] = RANGES_PERCENT,
    progress: Progress | None = None,
) -> tuple[FitRanges, ...]:
    """Fit sus2.eos of the relaxed crystal over narrow and wide ranges of volume, once in each precision.

    The crystal is relaxed in float64, so that only the curve itself is computed in the other precision.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    precisions
        Of the energies of the curve.
    ranges_percent
        Half widths of the ranges, percent of the volume.
    progress
        Told how far it is.

    Returns
    -------
    tuple of FitRanges
        One for each precision.

    Raises
    ------
    StructureError
        The crystal cannot be used.
    UnknownElementError
        An element that the potential does not cover.
    ConvergenceError
        The relaxation did not converge.
    CancelledError
        It was stopped.
    Sus2Error
        Another precision.
    """
    rest = relax(atoms, potential, progress=progress).require_converged().atoms
    reference = eos(rest, potential, relaxed=True, volume_range=SOUND_RANGE_PERCENT / 100.0).fit
    out = []
    for k, precision in enumerate(precisions):
        other = in_precision(potential, precision)
        rows, problems = [], []
        for j, percent in enumerate(ranges_percent):
            if progress is not None:
                progress(f"{precision}, ± {percent:g} %", (k + j / len(ranges_percent)) / len(precisions))
            try:
                found = eos(
                    rest, other, relaxed=True, volume_range=percent / 100.0, relax_ions=False, relax_shape=False
                )
            except FitError as problem:
                problems.append(f"± {percent:g} %: {problem}")
                rows.append([math.nan] * 4)
                continue
            fit = found.fit
            rows.append([fit.b0_gpa, fit.b0_gpa_error, fit.b0_prime, fit.b0_prime_error])
        table = np.array(rows).reshape(-1, 4)
        ranges = tuple(float(x) for x in ranges_percent)
        out.append(
            FitRanges(
                precision=precision,
                ranges_percent=ranges,
                b0_gpa=table[:, 0],
                b0_gpa_error=table[:, 1],
                b0_prime=table[:, 2],
                b0_prime_error=table[:, 3],
                reference=reference,
                problems=tuple(problems),
            )
        )
    return tuple(out)


def equation_of(fit: EosFit, b0_prime: float, volumes_a3: ArrayLike) -> tuple[Array, Array]:
    """Vinet's equation with V0 and B0 of a fit and another B0'.

    Parameters
    ----------
    fit
        With V0 and B0.
    b0_prime
        Pressure derivative of the bulk modulus.
    volumes_a3
        (n,) angstrom^3.

    Returns
    -------
    tuple of ndarray
        (n,) energies above the minimum, eV, and (n,) pressures, GPa.
    """
    v = np.asarray(volumes_a3, dtype=np.float64)
    model = MODELS["vinet"]
    b0 = fit.b0_gpa * GPA_TO_EV_PER_A3
    energy = model.energy(v, fit.v0_a3, 0.0, b0, b0_prime)
    return np.asarray(energy), np.asarray(model.pressure(v, fit.v0_a3, fit.b0_gpa, b0_prime))


def _per_atom(fit: EosFit, n: int) -> EosFit:
    from dataclasses import replace

    scale = np.array([1.0 / n, 1.0 / n, 1.0, 1.0])
    return replace(
        fit,
        v0_a3=fit.v0_a3 / n,
        e0_ev=fit.e0_ev / n,
        v0_a3_error=fit.v0_a3_error / n,
        e0_ev_error=fit.e0_ev_error / n,
        covariance=fit.covariance * np.outer(scale, scale),
        residual_ev=fit.residual_ev / n,
    )
