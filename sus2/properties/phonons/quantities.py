"""What follows from phonons: bands, densities of states, harmonic thermal properties, imaginary modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sus2.properties.phonons.qpath import QPath
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class BandStructure:
    """Frequencies along a path.

    Attributes
    ----------
    path
        The path, n points.
    frequencies_thz
        (n, 3N) along path.q_fractional, ascending at each q; imaginary as negative.
    """

    path: QPath
    frequencies_thz: Array


@dataclass(frozen=True, eq=False)
class PhononDos:
    """Density of states by the tetrahedron method; its integral is 3N.

    Attributes
    ----------
    frequencies_thz
        (nf,).
    total_per_thz
        (nf,), states per THz and primitive cell.
    projected_per_thz
        Element -> (nf,), the sum over its atoms.
    mesh
        Numbers of q along each axis.
    """

    frequencies_thz: Array
    total_per_thz: Array
    projected_per_thz: dict[str, Array]
    mesh: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class PhononThermal:
    """Harmonic thermal properties per mole of primitive cells; acoustic modes at Gamma are left out.

    Attributes
    ----------
    temperatures_k
        (nt,).
    helmholtz_kj_per_mol
        (nt,), with the zero-point energy.
    entropy_j_per_k_mol
        (nt,).
    heat_capacity_j_per_k_mol
        (nt,), at constant volume.
    zero_point_energy_kj_per_mol
        Of all modes.
    formula_units
        In the primitive cell, to convert.
    n_atoms
        In the primitive cell.
    imaginary_fraction
        Share of the modes of the mesh that are imaginary and therefore missing from every number here.
    """

    temperatures_k: Array
    helmholtz_kj_per_mol: Array
    entropy_j_per_k_mol: Array
    heat_capacity_j_per_k_mol: Array
    zero_point_energy_kj_per_mol: float
    formula_units: int
    n_atoms: int
    imaginary_fraction: float

    def sigma(self, relative: float) -> dict[str, Array]:
        """One standard deviation of the functions that follows from an error that all frequencies share.

        With all frequencies higher by the same small share, F and S at T are those at a lower temperature, so the
        changes are U, -C and -T dC/dT times that share (Wallace, Thermodynamics of Crystals (1972), section 11).

        Parameters
        ----------
        relative
            Relative standard deviation of the frequencies; nan where it is unknown.

        Returns
        -------
        dict
            Name of the function -> (nt,) in its unit.
        """
        t, c = self.temperatures_k, self.heat_capacity_j_per_k_mol
        energy = self.helmholtz_kj_per_mol + 1e-3 * t * self.entropy_j_per_k_mol
        slope = np.gradient(c, t) if len(t) > 1 else np.full(len(t), np.nan)
        changes = {
            "helmholtz_kj_per_mol": energy,
            "entropy_j_per_k_mol": c,
            "heat_capacity_j_per_k_mol": t * slope,
        }
        return {name: relative * np.abs(change) for name, change in changes.items()}


@dataclass(frozen=True)
class ImaginaryMode:
    """An imaginary mode.

    Attributes
    ----------
    q_fractional
        Its wave vector, in units of the reciprocal cell vectors.
    label
        Of a special point, or "".
    branch
        0 is the lowest.
    frequency_thz
        Negative.
    """

    q_fractional: tuple[float, float, float]
    label: str
    branch: int
    frequency_thz: float
