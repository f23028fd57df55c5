"""How uncertain the curve E(V) itself is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sus2.properties.eos.equations import MODELS, EosFit
from sus2.properties.eos.result import EosResult
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

_STEP = 1e-20  # imaginary, so no difference of nearly equal numbers is taken


def energy_sigma_ev(result: EosResult, volumes_a3: ArrayLike, *, fit: EosFit | None = None) -> Array | None:
    """One standard deviation of E(V) - E0 that follows from those of V0, B0 and B0'.

    To first order, with the three errors taken as independent (JCGM 100:2008, Guide to the expression of uncertainty in
    measurement, section 5.1.2): sigma(V)^2 is the sum over the three of (dE/dp sigma_p)^2. E0 is left out: energies
    of a potential have no zero of their own.

    Parameters
    ----------
    result
        An equation of state.
    volumes_a3
        Volumes of the cell, (n,) angstrom^3.
    fit
        The fit whose curve is meant; by default the chosen one.

    Returns
    -------
    ndarray of shape (n,) or None
        In eV per cell; None where the error of V0 or of B0 is unknown. An unknown error of B0' counts as none.
    """
    chosen = fit or result.fit
    sigma = result.uncertainty
    v, b, p = (float(sigma[name]) for name in ("v0_a3", "b0_gpa", "b0_prime"))
    if not (np.isfinite(v) and np.isfinite(b)):
        return None
    volumes = np.asarray(volumes_a3, dtype=float)
    energy = MODELS[chosen.model].energy
    at = (chosen.v0_a3, 0.0, chosen.b0_gpa / EV_PER_A3_TO_GPA, chosen.b0_prime)
    total = np.zeros_like(volumes)
    for k, one in ((0, v), (2, b / EV_PER_A3_TO_GPA), (3, p if np.isfinite(p) else 0.0)):
        moved = [x + 1j * _STEP if j == k else x for j, x in enumerate(at)]
        slope = np.imag(energy(volumes, *moved)) / _STEP
        total += (slope * one) ** 2
    return np.sqrt(total)
