"""How far to trust frequencies, and how far the members of a committee part in them."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.derivatives.lattice_dynamics import Modes
from sus2.derivatives.moduli import hill_moduli_gpa, invertible
from sus2.errors import Sus2Error
from sus2.trust.assess import Assessor, assessor
from sus2.trust.calibration import SPREAD_FLOOR
from sus2.trust.committee import Committee
from sus2.trust.estimate import Estimate, Trust, safely, unknown
from sus2.types import Array


class Waves(Protocol):
    """What is needed of phonons, see sus2.properties.phonons.result."""

    @property
    def potential(self) -> object: ...

    @property
    def atoms(self) -> Atoms: ...

    def modes(self, q_fractional: ArrayLike) -> Modes: ...


# Wave vectors that stand for all: the zone centre, points of the boundary and one in general position.
_Q: Final = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.5, 0.5, 0.0],
        [0.21, 0.34, 0.13],
        [0.5, 0.5, 0.5],
        [0.0, 0.0, 0.5],
        [0.25, 0.0, 0.0],
        [0.25, 0.25, 0.25],
    ]
)
# Modes that the members are asked about, at most: each costs as much as some q of the bands.
_MODES: Final = 54
_TOGETHER_THZ: Final = 1e-3
_SMALLEST_SHARE: Final = 0.05


def frequency_spread(committee: Committee, atoms: Atoms, q_fractional: Array, modes: Modes) -> Array:
    """Deviations of the members from frequencies, (M, nq, 3N) THz.

    Parameters
    ----------
    committee
        Of the potential.
    atoms
        The primitive cell.
    q_fractional
        Wave vectors.
    modes
        Of the potential there.

    Returns
    -------
    ndarray of shape (M, nq, 3N)
        Within a set of degenerate modes the mean of the set, which does not depend on the choice of eigenvectors.
    """
    found = committee.frequencies_thz(atoms, q_fractional, modes)
    for iq, f in enumerate(modes.frequencies_thz):
        start = 0
        for k in range(1, len(f) + 1):
            if k == len(f) or f[k] - f[k - 1] > _TOGETHER_THZ:
                found[:, iq, start:k] = found[:, iq, start:k].mean(axis=1, keepdims=True)
                start = k
    return found


@safely
def trust_phonons(result: Waves) -> Trust:
    """Estimates of the errors of frequencies.

    Parameters
    ----------
    result
        By another method than exact derivatives the spread of the members is left out.

    Returns
    -------
    Trust
        Of gamma_frequencies_thz (3N,), max_frequency_thz, mean_frequency_thz and min_frequency_thz; the curve
        "frequencies_thz" gives sigma for any frequency of the bands.
    """
    names = ("gamma_frequencies_thz", "max_frequency_thz", "mean_frequency_thz")
    found = assessor(result.potential, result.atoms)
    if found is None:
        return Trust(dict.fromkeys(names, unknown("The crystal cannot be judged.")))
    n = 3 * len(result.atoms)
    q = _Q[: max(2, min(len(_Q), _MODES // n))]
    modes = result.modes(q)
    own = modes.frequencies_thz
    spread = np.full((1, *own.shape), np.nan)
    if found.committee is not None:
        spread = frequency_spread(found.committee, result.atoms, q, modes)
    sigma = spread.std(axis=0)
    top = float(own.max())
    size = np.maximum(np.abs(own), _SMALLEST_SHARE * abs(top))
    k = np.unravel_index(int(own.argmax()), own.shape)
    mean = float(np.abs(own).mean())
    highest = found.estimate("max_frequency_thz", top, float(sigma[k]))
    optical = np.sort(np.argsort(np.abs(own[0]))[3:])
    gamma = np.zeros(n)
    one = unknown("The crystal has no optical modes.")
    for m in optical:
        # Known optical frequencies are those of crystals with one of them.
        known = "gamma_to_thz" if np.ptp(own[0][optical]) < 1e-2 * top else ""
        f, s, w = (float(x[0][m]) for x in (own, sigma, size))
        one = found.estimate("gamma_to_thz", abs(f), s, size=w, known=known)
        gamma[m] = one.sigma
    worst = float(np.max(gamma[optical] / size[0][optical])) if len(optical) else highest.relative
    average = found.estimate("mean_frequency_thz", mean, float(spread.mean(axis=(1, 2)).std()))
    least = _least(found)
    known_modes = found.references.keys() & {"gamma_to_thz", "gamma_optical_thz"}
    if len(optical) and not known_modes and least.relative > worst:
        gamma[optical] = np.maximum(gamma[optical], least.relative * size[0][optical])
        worst, one = least.relative, least
    return Trust(
        {
            **({"gamma_frequencies_thz": Estimate(gamma, worst, one.reason)} if len(optical) else {}),
            "max_frequency_thz": _at_least(found, "max_frequency_thz", highest, top, least),
            "mean_frequency_thz": _at_least(found, "mean_frequency_thz", average, mean, least),
        },
        (found.blocked,) if found.blocked else (),
        {"frequencies_thz": _curve(found, own, sigma, size, least.relative)} if not found.blocked else {},
    )


def _least(found: Assessor) -> Estimate:
    """The least relative error of a frequency where the bulk modulus of this very crystal is known.

    Frequencies go with the root of stiffness, so a stiffness that is known to be wrong is a frequency that is.
    """
    nothing = Estimate(0.0, 0.0, "")
    known = found.references.get("k_vrh_gpa") or found.references.get("b0_gpa")
    if known is None or found.blocked or found.second is None:
        return nothing
    try:
        tensor = found.second.relaxed_elastic.stress_strain_gpa
    except Sus2Error:  # a soft mode that strains excite
        return nothing
    own = float(hill_moduli_gpa(tensor)[0]) if invertible(tensor) else np.nan
    if not (own > 0.0 and known.value > 0.0):
        return nothing
    off = abs(own / known.value - 1.0)
    share = abs(1.0 - np.sqrt(own / known.value)) * max(0.0, off - known.allowance) / max(off, 1e-12)
    where = "measured" if known.functional == "experiment" else f"in {known.functional}"
    reason = (
        f"The bulk modulus is {own:.0f} GPa here and {known.value:.0f} GPa {where} ({known.source}): "
        "frequencies go with the root of stiffness."
    )
    return Estimate(float(share), float(share), reason)


def _at_least(found: Assessor, quantity: str, estimate: Estimate, value: float, least: Estimate) -> Estimate:
    """The estimate, or that of the bulk modulus where it is larger and the quantity itself is not known."""
    if quantity in found.references or not np.isfinite(estimate.relative) or least.relative <= estimate.relative:
        return estimate
    return Estimate(least.relative * abs(value), least.relative, least.reason)


def _curve(found: Assessor, own: Array, sigma: Array, size: Array, least: float) -> tuple[Array, Array]:
    """Sigma against frequency: calibrated from the mean spread of the members in windows of it, at least a share."""
    f, s, w = own.ravel(), sigma.ravel(), size.ravel()
    edges = np.linspace(min(float(f.min()), 0.0), float(f.max()), 9)
    x, y = [0.0], [0.0]
    for low, high in pairwise(edges):
        inside = (f >= low) & (f <= high) & (np.abs(f) > _TOGETHER_THZ)
        if not inside.any():
            continue
        relative = float(np.mean(s[inside] / w[inside]))
        middle = float(np.mean(f[inside]))
        calibrated = found.estimate(
            "max_frequency_thz", abs(middle), max(relative, SPREAD_FLOOR) * abs(middle), known=""
        )
        if np.isfinite(calibrated.relative):
            x.append(middle)
            y.append(float(max(calibrated.relative, least) * max(abs(middle), _SMALLEST_SHARE * float(f.max()))))
    order = np.argsort(x)
    return np.array(x)[order], np.array(y)[order]
