"""A crystal at other volumes: scaled to them, and whether it has to be relaxed there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from sus2.potential.evaluation import Evaluation
from sus2.units import EV_PER_A3_TO_GPA

# Forces and stresses a factor of ten below the tolerances are zero by symmetry or already relaxed.
NEGLIGIBLE = 0.1


def scaled_to(atoms: Atoms, volume_a3: float) -> Atoms:
    """A copy of a crystal at another volume.

    Parameters
    ----------
    atoms
        The crystal.
    volume_a3
        Of the copy, A^3.

    Returns
    -------
    Atoms
        Scaled isotropically, with the same fractional coordinates.
    """
    scaled = atoms.copy()
    factor = (volume_a3 / abs(float(atoms.cell.volume))) ** (1.0 / 3.0)
    scaled.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
    return scaled


def any_unrelaxed(results: Sequence[Evaluation], ions: bool, shape: bool, fmax: float, stress_gpa: float) -> bool:
    """Whether a force or a deviatoric stress at any volume is more than negligible.

    Parameters
    ----------
    results
        Of all volumes.
    ions
        Whether forces count.
    shape
        Whether deviatoric stresses count.
    fmax
        Tolerance of forces, eV/angstrom.
    stress_gpa
        Tolerance of stresses, GPa.

    Returns
    -------
    bool
        Whether one is above NEGLIGIBLE times its tolerance.
    """
    for r in results:
        if ions and np.linalg.norm(r.forces_ev_per_a, axis=1).max() > NEGLIGIBLE * fmax:
            return True
        deviator = r.stress_ev_per_a3 - np.repeat([r.stress_ev_per_a3[:3].mean(), 0.0], 3)
        if shape and np.abs(deviator).max() * EV_PER_A3_TO_GPA > NEGLIGIBLE * stress_gpa:
            return True
    return False
