"""What every elastic tensor is checked for, and against."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sus2.checks import Check, graded
from sus2.derivatives.second_order import SecondDerivatives
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.eos.volumes import any_unrelaxed, scaled_to
from sus2.registry.checks import check_applicability
from sus2.relaxation.checks import check_relaxation
from sus2.relaxation.relax import relax
from sus2.relaxation.relax_many import relax_many
from sus2.units import EV_PER_A3_TO_GPA, THZ_A_TO_M_PER_S

RELAX_FMAX_EV_PER_A = 1e-4
RELAX_STRESS_GPA = 1e-3
_VOLUME_STEP = 0.01  # fraction; the bulk modulus between is then right to about 0.05 %


def elastic_checks(
    result: ElasticResult,
    potential: Calculates,
    second: SecondDerivatives | None,
    *,
    cross_checks: bool,
    progress: Progress | None,
) -> tuple[Check, ...]:
    """Check elastic constants.

    Parameters
    ----------
    result
        The elastic constants.
    potential
        The potential that they were computed with.
    second
        Its exact second derivatives, where the method has them.
    cross_checks
        Also compare with pressures and with slopes of acoustic phonons, which takes longer.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    tuple of Check
        Training data, relaxation, symmetry of the tensor, stability, and the comparisons.

    Raises
    ------
    Sus2Error
        If no force acts between the atoms.
    """
    largest = float(np.abs(result.c_gpa).max())
    if largest == 0.0:
        raise Sus2Error("The atoms are out of each other's reach in this potential: there are no elastic constants.")
    lowest = float(result.eigenvalues_gpa[0])
    checks = [
        *check_applicability(result.atoms, potential),
        *(check_relaxation(result.relaxation) if result.relaxation is not None else ()),
        graded(
            "Cᵢⱼ − Cⱼᵢ",
            100.0 * result.asymmetry_gpa / largest,
            "% of the largest constant",
            pass_limit=0.01 if result.method == "exact" else 1.0,
            warn_limit=1.0 if result.method == "exact" else 5.0,
            meaning="The tensor is symmetric where the stress vanishes or is hydrostatic.",
        ),
        graded(
            "Removed by symmetrisation",
            100.0 * result.symmetrisation_removed_gpa / largest,
            "% of the largest constant",
            pass_limit=0.01 if result.method == "exact" else 1.0,
            warn_limit=1.0 if result.method == "exact" else 5.0,
            meaning=f"What the tensor had beyond the symmetry {result.space_group}.",
        ),
        Check(
            "Elastic stability",
            lowest,
            "GPa",
            "pass" if lowest > 0.01 * largest else "warn" if lowest > 0 else "fail",
            result.stability,
        ),
    ]
    if result.method == "elastic-package":
        sound = result.crystal_system in ("cubic", "hexagonal", "orthorhombic")
        checks.append(
            Check(
                "Scope of the elastic package",
                float(sound),
                "",
                "pass" if sound else "warn",
                "Its equations hold for this crystal system."
                if sound
                else f"For {result.crystal_system} crystals version 5.2 of the package leaves out or misses constants "
                "(C₄₄ of tetragonal, C₁₄ of trigonal ones): trust the exact result.",
            )
        )
    if second is not None and cross_checks:
        checks.append(_check_slopes(result, second))
    if cross_checks and result.pressure_gpa == 0 and result.stable:
        checks.append(_check_bulk_modulus(result, potential, progress))
    return tuple(checks)


def _check_bulk_modulus(result: ElasticResult, potential: Calculates, progress: Progress | None) -> Check:
    """B0 = -V dP/dV of two pressures; relaxed in shape, so that it is Reuss's bulk modulus."""
    name, unit = "Bulk modulus from P(V) and from the tensor", "%"
    volume = abs(float(result.atoms.cell.volume))
    strained = [scaled_to(result.atoms, (1.0 + change) * volume) for change in (-_VOLUME_STEP, _VOLUME_STEP)]
    found_there = potential.evaluate(strained)
    if any_unrelaxed(found_there, True, True, RELAX_FMAX_EV_PER_A, RELAX_STRESS_GPA):
        tight: dict[str, Any] = {"fixed_volume": True, "fmax": RELAX_FMAX_EV_PER_A, "stress_gpa": RELAX_STRESS_GPA}
        try:
            if isinstance(potential, Potential):
                both = relax_many(strained, potential, progress=progress, **tight)
            else:
                both = [relax(a, potential, progress=progress, **tight) for a in strained]
            found_there = potential.evaluate([r.require_converged().atoms for r in both])
        except Sus2Error as problem:
            return Check(name, math.nan, unit, "warn", f"No pressures to compare with: {problem}")
    small, large = (-r.stress_ev_per_a3[:3].mean() * EV_PER_A3_TO_GPA for r in found_there)
    found, k = float(small - large) / (2.0 * _VOLUME_STEP), result.reuss.k_gpa
    return graded(
        name,
        100.0 * abs(found / k - 1.0),
        unit,
        pass_limit=1.0,
        warn_limit=5.0,
        meaning=f"{found:.2f} GPa from the pressures {100 * _VOLUME_STEP:g} % below and above the volume, {k:.2f} GPa "
        "from second derivatives: they differ where the potential has a kink.",
    )


def _check_slopes(result: ElasticResult, second: SecondDerivatives) -> Check:
    """Speeds of sound against frequencies at a small q of the exact dynamical matrix."""
    directions = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.2, -0.5, 0.8]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    size = 5e-4
    q = size * (directions @ result.axes) @ np.asarray(second.atoms.cell).T
    frequencies = second.frequencies_thz(q)
    # So near Γ the acoustic branches are those next to zero; imaginary optical ones lie below them.
    nearest = np.argsort(np.abs(frequencies), axis=1)[:, :3]
    slopes = np.sort(np.take_along_axis(frequencies, nearest, axis=1), axis=1) / size * THZ_A_TO_M_PER_S
    speeds = result.sound_speeds_m_per_s(directions)
    worst = float(np.max(np.abs(slopes - speeds)) / np.nanmax(speeds)) if np.isfinite(speeds).all() else math.nan
    return graded(
        "Speeds of sound and acoustic slopes",
        100.0 * worst,
        "% of the fastest",
        pass_limit=0.1,
        warn_limit=1.0,
        meaning="Long acoustic phonons travel at the speeds that the elastic constants give; they differ where forces "
        "or shear stresses are left.",
    )
