"""Checks of quasi-harmonic properties."""

from __future__ import annotations

import numpy as np

from sus2.checks import Check, graded
from sus2.potential.evaluation import Calculates
from sus2.properties.thermal.result import ThermalResult
from sus2.registry.checks import check_applicability
from sus2.relaxation.checks import check_relaxation


def thermal_checks(result: ThermalResult, potential: Calculates) -> tuple[Check, ...]:
    """Check quasi-harmonic properties.

    Parameters
    ----------
    result
        The properties.
    potential
        The potential that they were computed with.

    Returns
    -------
    tuple of Check
        Training data, relaxation, volumes left out, range of volumes, the Grueneisen parameter in two ways.
    """
    volumes, v_t = result.volumes_a3, result.volumes_t_a3
    margin = float(volumes.max() - v_t.max()) / float(np.ptp(volumes))
    warm = result.temperatures_k >= 0.25 * result.temperatures_k[-1]
    both = 100.0 * np.abs(result.gruneisen[warm] - result.gruneisen_modes_average[warm])
    checks = [
        *check_applicability(result.atoms, potential),
        *(check_relaxation(result.relaxation) if result.relaxation is not None else ()),
        Check(
            "Volumes with imaginary modes",
            float(len(result.left_out_a3)),
            "left out",
            "warn" if result.left_out_a3 else "pass",
            result.note if result.left_out_a3 else "Every computed volume is dynamically stable.",
        ),
        Check(
            "V(T) within the volumes",
            100.0 * margin,
            "% of the range left",
            "pass" if margin > 0.1 and result.temperatures_k[-1] >= result.requested_temperature_k - 1e-6 else "warn",
            "The equilibrium volume at the highest temperature should lie well inside the computed volumes.",
        ),
        graded(
            "Grüneisen parameter in two ways",
            float(np.max(both / np.maximum(np.abs(result.gruneisen_modes_average[warm]), 0.1))),
            "%",
            pass_limit=15.0,
            warn_limit=50.0,
            meaning="From thermal expansion at V(T), and from the volume dependence of each mode at the static volume: "
            "they part where the crystal is strongly anharmonic in the volume.",
        ),
    ]
    return tuple(checks)
