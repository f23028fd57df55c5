"""The only unit conversion constants of the package (CODATA values through ASE and SciPy).

Internal units are angstrom, eV, atomic mass units; multiply by a constant to convert, for example
``stress_gpa = stress_ev_per_a3 * EV_PER_A3_TO_GPA``.
"""

from __future__ import annotations

import math
from typing import Final

from scipy import constants as _c

EV_PER_A3_TO_GPA: Final = _c.e / (_c.angstrom**3) / 1e9
GPA_TO_EV_PER_A3: Final = 1.0 / EV_PER_A3_TO_GPA
KBAR_TO_EV_PER_A3: Final = 0.1 * GPA_TO_EV_PER_A3
AMU_PER_A3_TO_KG_PER_M3: Final = _c.atomic_mass / _c.angstrom**3
# sqrt(eV / (amu A^2)) is an angular frequency; divided by 2 pi it is a frequency.
SQRT_EV_PER_AMU_A2_TO_THZ: Final = math.sqrt(_c.e / (_c.atomic_mass * _c.angstrom**2)) / (2.0 * math.pi) / 1e12
THZ_TO_INV_CM: Final = 1e12 / (_c.c * 100.0)
THZ_TO_MEV: Final = _c.h * 1e12 / _c.e * 1e3
EV_TO_K: Final = _c.e / _c.k
EV_TO_KJ_PER_MOL: Final = _c.e * _c.N_A / 1e3
BOHR_TO_A: Final = _c.physical_constants["Bohr radius"][0] / _c.angstrom
THZ_A_TO_M_PER_S: Final = 1e12 * _c.angstrom
# e^2 / (4 pi eps0), the Coulomb energy of two elementary charges times their distance.
COULOMB_EV_A: Final = _c.e / (4.0 * math.pi * _c.epsilon_0) / _c.angstrom
