"""Checks of an equation of state."""

from __future__ import annotations

from typing import Final

import numpy as np

from sus2.checks import Check, Verdict, graded
from sus2.properties.eos.result import EosResult
from sus2.relaxation.checks import check_relaxation

PLAUSIBLE_B0_PRIME: Final = (2.0, 7.0)
"""Of dB/dP: nearly all crystals lie within."""


def check_eos(result: EosResult) -> tuple[Check, ...]:
    """Check an equation of state.

    Parameters
    ----------
    result
        The equation of state.

    Returns
    -------
    tuple of Check
        Range, residuals, agreement of the four equations and of stress and energy.
    """
    v = result.volumes_a3
    middle, half = 0.5 * (v.max() + v.min()), 0.5 * float(np.ptp(v))
    pressures = result.fit.pressure_gpa(v)
    checks = [
        graded(
            "V0 within the range",
            100.0 * abs(result.v0_a3 - middle) / half,
            "% of the half range",
            pass_limit=50.0,
            warn_limit=100.0,
            meaning="The equilibrium volume should lie well inside the computed volumes, or the fit extrapolates.",
        ),
        graded(
            "Fit residual",
            result.rms_residual_mev_per_atom,
            "meV/atom",
            pass_limit=0.1,
            warn_limit=1.0,
            meaning="Root mean square distance of the points from the fitted curve: a phase change or a kink of the "
            "potential shows here.",
        ),
        graded(
            "Standard error of B0",
            100.0 * result.b0_gpa_error / result.b0_gpa,
            "%",
            pass_limit=1.0,
            warn_limit=5.0,
            meaning="How well the points determine the bulk modulus.",
        ),
        _check_models(result),
        graded(
            "Pressure from stress and from energy",
            100.0 * result.pressure_deviation_gpa / float(np.abs(pressures).max()),
            "% of the largest pressure",
            pass_limit=2.0,
            warn_limit=10.0,
            meaning="The stress of the potential against -dE/dV of the fit, two independent ways to the pressure.",
        ),
        _check_b0_prime(result.b0_prime),
    ]
    if result.relaxation is not None:
        checks.append(
            graded(
                "V0 against the relaxed volume",
                100.0 * abs(result.v0_a3 / result.relaxation.volume_a3 - 1.0),
                "%",
                pass_limit=0.1,
                warn_limit=0.5,
                meaning="The minimum of the fit against the volume at which the stress vanishes.",
            )
        )
        # Whether it still is the crystal that was given: downhill in its own basin, near its volume, symmetry kept.
        kept = ("Above the start", "Symmetry kept", "Change of volume")
        checks += [c for c in check_relaxation(result.relaxation) if c.name in kept]
    return tuple(checks)


def _check_models(result: EosResult) -> Check:
    name = "B0 of the four models"
    if len(result.fits) < 2:
        return Check(name, 1.0, "model fitted", "warn", "No other equation of state could be fitted to these points.")
    return graded(
        name,
        result.b0_spread_percent,
        "%",
        pass_limit=2.0,
        warn_limit=10.0,
        meaning="Largest difference of the bulk modulus between the equations of state: large where the range of "
        "volumes is too wide or the points are not smooth.",
    )


def _check_b0_prime(b0_prime: float) -> Check:
    low, high = PLAUSIBLE_B0_PRIME
    verdict: Verdict = "pass" if low <= b0_prime <= high else "warn" if 0.0 < b0_prime <= 10.0 else "fail"
    meaning = (
        f"dB/dP lies between {low:g} and {high:g}, as it does for nearly all crystals."
        if verdict == "pass"
        else f"dB/dP outside {low:g} to {high:g} points at a kink of the potential or a well that is not real: "
        "neither it nor the bulk modulus beside it should be trusted."
    )
    return Check("B0' plausible", b0_prime, "", verdict, meaning)
