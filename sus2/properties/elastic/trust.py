"""How far to trust elastic constants, and how far the members of a committee part in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from ase import Atoms

from sus2.derivatives.moduli import hill_moduli_gpa
from sus2.derivatives.second_order import SecondDerivatives, second_derivatives
from sus2.potential.potential import Potential
from sus2.properties.elastic.ieee_axes import crystal_axes, rotated, symmetrised
from sus2.trust.assess import Assessor, assessor
from sus2.trust.calibration import relative_spreads, size_of
from sus2.trust.committee import Committee
from sus2.trust.estimate import Estimate, Trust, safely, unknown
from sus2.types import Array


class Tensor(Protocol):
    """What is needed of elastic constants, see sus2.properties.elastic.result."""

    @property
    def potential(self) -> object: ...

    @property
    def atoms(self) -> Atoms: ...

    @property
    def axes(self) -> Array: ...

    @property
    def c_gpa(self) -> Array: ...

    @property
    def pressure_gpa(self) -> float: ...

    @property
    def stable(self) -> bool: ...

    @property
    def k_vrh_gpa(self) -> float: ...

    @property
    def g_vrh_gpa(self) -> float: ...

    @property
    def e_vrh_gpa(self) -> float: ...

    @property
    def nu_vrh(self) -> float: ...

    @property
    def debye_temperature_vrh_k(self) -> float: ...


@dataclass(frozen=True, eq=False)
class ElasticSpread:
    """Deviations of the M members from elastic constants.

    Attributes
    ----------
    c_gpa
        (M, 6, 6), in the axes of the result.
    k_vrh_gpa
        (M,), of Hill's bulk modulus.
    g_vrh_gpa
        (M,), of Hill's shear modulus.
    """

    c_gpa: Array
    k_vrh_gpa: Array
    g_vrh_gpa: Array


FROM_MODULI: Final = ("e_vrh_gpa", "nu_vrh", "debye_temperature_k", "debye_temperature_vrh_k")
"""Quantities whose errors follow from those of the bulk and the shear modulus."""

# Members shift the tensor by this share of themselves, so that averages of the stiffness and compliance stay linear.
_SHARE: Final = 0.02
_SYMPREC_A: Final = 1e-3
# Constants that differ by a smaller share are equal by symmetry.
_EQUAL: Final = 1e-6


def elastic_spread(committee: Committee, result: Tensor, second: SecondDerivatives) -> ElasticSpread:
    """Deviations of the members from the elastic constants of a result.

    Parameters
    ----------
    committee
        Of the potential of the result.
    result
        By exact derivatives.
    second
        Of the crystal of the result.

    Returns
    -------
    ElasticSpread
        Averages to first order.
    """
    rotations = crystal_axes(result.atoms, _SYMPREC_A).rotations
    c = rotated(symmetrised(committee.elastic_gpa(second), rotations), result.axes)
    k, g = hill_moduli_gpa(result.c_gpa + _SHARE * c)
    return ElasticSpread(c, (k - result.k_vrh_gpa) / _SHARE, (g - result.g_vrh_gpa) / _SHARE)


@safely
def trust_elastic(result: Tensor) -> Trust:
    """Estimates of the errors of elastic constants and moduli.

    Parameters
    ----------
    result
        At zero pressure; by another method than exact derivatives the spread of the members is left out.

    Returns
    -------
    Trust
        Of c_gpa (6, 6), each constant as c11_gpa and so on, the moduli of Voigt, Reuss and Hill, Poisson's
        ratio and the Debye temperature.
    """
    names = ("c_gpa", "k_vrh_gpa", "g_vrh_gpa", *FROM_MODULI)
    found = assessor(result.potential, result.atoms)
    if found is None or abs(result.pressure_gpa) > 1e-9:
        return Trust(dict.fromkeys(names, unknown("Errors are calibrated at zero pressure alone.")))
    values = _values(result)
    spread = np.full((6, 6), np.nan)
    spreads: dict[str, float] = {}
    if found.committee is not None and isinstance(result.potential, Potential) and result.stable:
        members = elastic_spread(found.committee, result, second_derivatives(result.atoms, result.potential))
        spread = members.c_gpa.std(axis=0)
        own = {"k_vrh_gpa": float(np.std(members.k_vrh_gpa)), "g_vrh_gpa": float(np.std(members.g_vrh_gpa))}
        own |= {f"c{a + 1}{b + 1}_gpa": float(spread[a, b]) for a in range(6) for b in range(a, 6)}
        spreads = relative_spreads(values, own)
    out: dict[str, Estimate] = {}
    sigma = np.zeros((6, 6))
    for a in range(6):
        for b in range(a, 6):
            name, value = f"c{a + 1}{b + 1}_gpa", float(result.c_gpa[a, b])
            if value == 0.0:
                continue
            # What symmetry makes equal is equally known, also where a known value has the name of the first alone.
            same = next((m for m in out if _kind(m) == _kind(name) and abs(values[m] / value - 1.0) < _EQUAL), None)
            out[name] = out[same] if same else _constant(found, name, value, values, float(spread[a, b]), spreads)
            sigma[a, b] = sigma[b, a] = out[name].sigma
    for name in ("k_vrh_gpa", "g_vrh_gpa"):
        out[name] = found.estimate(name, values[name], spreads.get(name, np.nan) * values[name], spreads=spreads)
    main = [out[n].relative for n in ("c11_gpa", "c44_gpa", "g_vrh_gpa") if n in out]
    shear = float(np.max(main)) if main else float("nan")
    whole = Estimate(sigma, shear, out["g_vrh_gpa"].reason)
    return Trust({"c_gpa": whole, **out, **_derived(result, out)}, (found.blocked,) if found.blocked else ())


def _values(result: Tensor) -> dict[str, float]:
    out = {f"c{a + 1}{b + 1}_gpa": float(result.c_gpa[a, b]) for a in range(6) for b in range(a, 6)}
    return {**out, "k_vrh_gpa": result.k_vrh_gpa, "g_vrh_gpa": result.g_vrh_gpa}


def _constant(
    found: Assessor, name: str, value: float, values: dict[str, float], spread: float, spreads: dict[str, float]
) -> Estimate:
    """One constant, by the calibration of the constants of its kind."""
    a, b = int(name[1]), int(name[2])
    kind = _kind(name)
    size = abs(value)
    if kind == "c12_gpa":
        size = size_of("c12_gpa", {**values, "c12_gpa": value})
    elif a != b:
        # Couplings between strains may be next to zero: their errors are those of the shear constants.
        size = max(abs(value), abs(values["c44_gpa"]))
    return found.estimate(kind, value, spread, size=size, known=name, spreads=spreads)


def _kind(name: str) -> str:
    """Whose calibration a constant has: that of c11, c12 or c44."""
    a, b = int(name[1]), int(name[2])
    if a <= 3 and b <= 3:
        return "c11_gpa" if a == b else "c12_gpa"
    return "c44_gpa"


def _derived(result: Tensor, of: dict[str, Estimate]) -> dict[str, Estimate]:
    """What follows from K and G, by the propagation of independent relative errors."""
    k, g = of["k_vrh_gpa"], of["g_vrh_gpa"]
    if not (np.isfinite(k.relative) and np.isfinite(g.relative)):
        worst = k if not np.isfinite(k.relative) else g
        return dict.fromkeys(FROM_MODULI, unknown(worst.reason))
    own = {
        "e_vrh_gpa": result.e_vrh_gpa,
        "nu_vrh": result.nu_vrh,
        **dict.fromkeys(("debye_temperature_k", "debye_temperature_vrh_k"), result.debye_temperature_vrh_k),
    }
    return estimates_from_moduli(own, result.k_vrh_gpa, result.g_vrh_gpa, k.relative, g.relative)


def estimates_from_moduli(
    values: Mapping[str, float], k_gpa: float, g_gpa: float, k_relative: float, g_relative: float
) -> dict[str, Estimate]:
    """Errors that follow from independent relative errors of the bulk and the shear modulus, to first order.

    Parameters
    ----------
    values
        Any of FROM_MODULI: Young's modulus, Poisson's ratio and Debye temperatures.
    k_gpa
        Bulk modulus.
    g_gpa
        Shear modulus.
    k_relative
        One standard deviation of the bulk modulus over itself.
    g_relative
        That of the shear modulus.

    Returns
    -------
    dict
        Key of `values` -> Estimate: E = 9KG/(3K + G), nu = (3K - 2G)/(6K + 2G), Debye temperature nearly as the root
        of G.
    """
    x = g_gpa / (3.0 * k_gpa)
    e = float(np.hypot(k_relative * x, g_relative) / (1.0 + x))
    nu = float(1.5 * x / (1.0 + x) ** 2 * np.hypot(k_relative, g_relative))
    reason = "Follows from the errors of K and G."
    relative = {"e_vrh_gpa": e, **dict.fromkeys(("debye_temperature_k", "debye_temperature_vrh_k"), 0.5 * g_relative)}
    return {
        key: Estimate(relative[key] * abs(value), relative[key], reason)
        if key in relative
        else Estimate(nu, nu / max(abs(value), 0.1), reason)
        for key, value in values.items()
    }
