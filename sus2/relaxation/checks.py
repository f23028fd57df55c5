"""Checks of a relaxation."""

from __future__ import annotations

from typing import Final

from sus2.checks import Check, graded
from sus2.relaxation.result import RelaxResult

UPHILL_MEV_PER_ATOM: Final = 1e-3  # more than rounding, less than any difference of crystals


def check_relaxation(result: RelaxResult) -> tuple[Check, ...]:
    """Check a relaxation.

    Parameters
    ----------
    result
        The relaxation.

    Returns
    -------
    tuple of Check
        Residual force and stress (where they were to vanish), whether it went downhill, symmetry, change of volume.
    """
    checks = []
    if result.positions_free:
        limit = result.force_tolerance_ev_per_a
        checks.append(
            graded(
                "Residual force",
                result.max_force_ev_per_a,
                "eV/Å",
                pass_limit=limit,
                warn_limit=10 * limit,
                meaning="Forces left on the atoms make phonons and elastic constants wrong.",
            )
        )
    if result.cell_free:
        limit = result.stress_tolerance_gpa
        checks.append(
            graded(
                "Residual stress",
                result.max_stress_gpa,
                "GPa",
                pass_limit=limit,
                warn_limit=10 * limit,
                meaning=f"Deviation of the stress from that of the target pressure of {result.pressure_gpa:g} GPa.",
            )
        )
    checks.append(
        graded(
            "Above the start",
            max(0.0, 1e3 * result.enthalpy_change_ev_per_atom),
            "meV/atom",
            pass_limit=UPHILL_MEV_PER_ATOM,
            warn_limit=UPHILL_MEV_PER_ATOM,
            meaning="The relaxation led downhill and stayed in the basin of the crystal that was given."
            if result.enthalpy_change_ev_per_atom <= 1e-3 * UPHILL_MEV_PER_ATOM
            else "Left the basin: the crystal that was given lies lower than where it came to rest, so this is another "
            "crystal; start from another structure.",
        )
    )
    kept = result.symmetry_kept
    checks.append(
        Check(
            "Symmetry kept",
            float(kept),
            "",
            "pass" if kept else "warn",
            f"The space group is {result.spacegroup_after}, as at the start."
            if kept
            else f"The space group went from {result.spacegroup_before} to {result.spacegroup_after}: see whether "
            "this is the crystal you mean.",
        )
    )
    if result.cell_free:
        checks.append(
            graded(
                "Change of volume",
                abs(result.volume_change_percent),
                "%",
                pass_limit=5.0,
                warn_limit=15.0,
                meaning="The volume is within 5 % of that of the structure that was given."
                if abs(result.volume_change_percent) <= 5.0
                else "The volume changed by more than 5 % from the structure that was given: another pressure, another "
                "functional, or a potential that does not describe this crystal.",
            )
        )
    return tuple(checks)
