"""How far a potential may be from the laws that it must obey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Tolerances:
    """The largest deviations that count as rounding.

    Attributes
    ----------
    energy_ev_per_atom
        Of an energy that must not change, eV/atom.
    force_ev_per_a
        Of a force component that must not change, eV/angstrom.
    stress_ev_per_a3
        Of a stress component that must not change, eV/angstrom^3.
    force_slope_ev_per_a
        Of a force from the finite difference of the energy, eV/angstrom.
    stress_slope_gpa
        Of a stress from the finite difference of the energy, GPa.
    jump_ev
        Of the energy of two atoms, over a step of 0.02 angstrom, from the integral of the force, eV. A jump of the
        force counts with the half step, so 2e-5 eV stands for 2 meV/angstrom.
    """

    energy_ev_per_atom: float = 1e-8
    force_ev_per_a: float = 1e-8
    stress_ev_per_a3: float = 1e-8
    force_slope_ev_per_a: float = 1e-4
    stress_slope_gpa: float = 1e-2
    jump_ev: float = 2e-5


SINGLE_PRECISION: Final = Tolerances(
    energy_ev_per_atom=1e-4,
    force_ev_per_a=1e-3,
    stress_ev_per_a3=1e-4,
    force_slope_ev_per_a=5e-2,
    stress_slope_gpa=2.0,
    jump_ev=2e-3,
)
"""For potentials that compute in single precision."""
