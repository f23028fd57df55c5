"""Second derivatives of any potential by finite displacements, as far as thermal properties need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from phonopy import Phonopy

from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.properties.phonons.backends import PhonopyBackend, finite_differences, supercell_of_length
from sus2.types import Array, ComplexArray

MIN_SUPERCELL_A = 12.0
DISPLACEMENT_A = 0.01


@dataclass(frozen=True, eq=False)
class FiniteDerivatives:
    """Energy and force constants of a crystal at one volume.

    Attributes
    ----------
    energy_ev
        Of the cell.
    volume_a3
        Of the cell.
    phonopy
        With force constants in a supercell.
    """

    energy_ev: float
    volume_a3: float
    phonopy: Phonopy

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies by phonopy's interpolation.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N) THz, imaginary ones negative.
        """
        return PhonopyBackend(self.phonopy).frequencies_thz(q_fractional)

    def dynamical_matrix(self, q_fractional: ArrayLike) -> ComplexArray:
        """Dynamical matrices by phonopy's interpolation.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N, 3N), eV/(A^2 amu).
        """
        dynamical = self.phonopy.dynamical_matrix
        assert dynamical is not None
        out = []
        for q in np.asarray(q_fractional, dtype=np.float64).reshape(-1, 3):
            dynamical.run(q)
            out.append(np.array(dynamical.dynamical_matrix))
        return np.array(out)


def finite_derivatives(atoms: Atoms, potential: Calculates, progress: Progress | None = None) -> FiniteDerivatives:
    """Displace the atoms of a supercell that is as wide as that of sus2.phonons.

    Parameters
    ----------
    atoms
        A primitive cell at rest.
    potential
        The potential.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    FiniteDerivatives
        Energy, volume and force constants.

    Raises
    ------
    Sus2Error
        The potential fails, or one evaluation would take more memory than is allowed.
    CancelledError
        From `progress`.
    """
    reach = float(getattr(potential, "cutoff", 0.5 * MIN_SUPERCELL_A))
    matrix = supercell_of_length(atoms, max(MIN_SUPERCELL_A, 2.0 * reach))
    found = finite_differences(atoms, potential, matrix, DISPLACEMENT_A, progress)
    return FiniteDerivatives(potential.evaluate([atoms])[0].energy_ev, float(atoms.cell.volume), found)
