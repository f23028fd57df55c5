"""The error band of a curve E(V)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from sus2.properties.eos.equations import MODELS, EosFit
from sus2.types import Array
from sus2.units import GPA_TO_EV_PER_A3


def energy_sigma_ev(fit: EosFit, sigma: Mapping[str, float], volumes_a3: ArrayLike) -> Array:
    """One standard deviation of E(V) - E0 that follows from those of V0, B0 and B0'.

    Parameters
    ----------
    fit
        Of the cell.
    sigma
        Standard deviations of v0_a3, b0_gpa and b0_prime; one that is not known counts as zero.
    volumes_a3
        (n,) of the cell, angstrom^3.

    Returns
    -------
    ndarray
        (n,) eV: root of the sum of squares of what each changes alone, the mean of a step up and a step down.
    """
    v = np.asarray(volumes_a3, dtype=np.float64)
    total = np.zeros(v.shape)
    for name in ("v0_a3", "b0_gpa", "b0_prime"):
        value, step = float(getattr(fit, name)), float(sigma[name])
        if not np.isfinite(step) or step <= 0.0:
            continue
        # Far below zero there is no crystal: large errors count down to a twentieth of the value.
        low = max(value - step, 0.05 * value) if value > 0.0 else value - step
        both = [_above_minimum(fit, {name: x}, v) for x in (low, value + step)]
        middle = _above_minimum(fit, {}, v)
        total += (0.5 * (np.abs(both[0] - middle) + np.abs(both[1] - middle))) ** 2
    return np.asarray(np.sqrt(total))


def _above_minimum(fit: EosFit, other: Mapping[str, float], v: Array) -> Array:
    """E(V) - E0 of the fit with other parameters, eV."""
    of = {"v0_a3": fit.v0_a3, "b0_gpa": fit.b0_gpa, "b0_prime": fit.b0_prime, **other}
    b0 = of["b0_gpa"] * GPA_TO_EV_PER_A3
    return np.asarray(MODELS[fit.model].energy(v, of["v0_a3"], 0.0, b0, of["b0_prime"]))
