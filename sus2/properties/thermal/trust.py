"""How far to trust quasi-harmonic properties."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from ase import Atoms

from sus2.trust.assess import assessor
from sus2.trust.committee import spread_of
from sus2.trust.estimate import Estimate, Trust, safely, unknown
from sus2.types import Array


class Heated(Protocol):
    """What is needed of thermal properties, see sus2.properties.thermal.result."""

    @property
    def potential(self) -> object: ...

    @property
    def atoms(self) -> Atoms: ...

    @property
    def n_atoms(self) -> int: ...

    @property
    def temperatures_k(self) -> Array: ...

    @property
    def volumes_t_a3(self) -> Array: ...

    @property
    def bulk_modulus_gpa(self) -> Array: ...

    @property
    def thermal_expansion_per_k(self) -> Array: ...

    @property
    def linear_expansion_per_k(self) -> Array: ...


ROOM_K: Final = 298.0


@safely
def trust_thermal(result: Heated) -> Trust:
    """Estimates of the errors of quasi-harmonic properties.

    Parameters
    ----------
    result
        The result.

    Returns
    -------
    Trust
        Of the curves over the temperature, in their shape. The expansion is calibrated on measured ones at room
        temperature; the volume has the error of the static one, the bulk modulus that of the static one.
    """
    names = ("volumes_t_a3", "thermal_expansion_per_k", "bulk_modulus_gpa", "linear_expansion_per_k")
    found = assessor(result.potential, result.atoms)
    if found is None:
        return Trust(dict.fromkeys(names, unknown("The crystal cannot be judged.")))
    spread: dict[str, float] = {}
    volume, modulus = float(result.volumes_t_a3[0]), float(result.bulk_modulus_gpa[0])
    if found.committee is not None:
        percent = spread_of(found.committee.volume_percent(result.atoms))
        spread["v0_a3_per_atom"] = percent / 100.0
    per_atom = volume / result.n_atoms
    v = found.estimate("v0_a3_per_atom", per_atom, spread.get("v0_a3_per_atom", np.nan) * per_atom)
    b = found.estimate("b0_gpa", modulus, found.moduli_spreads.get("k_vrh_gpa", np.nan) * modulus, known="")
    expansion = _at(result, result.linear_expansion_per_k) * 1e6
    a = found.estimate("linear_expansion_1e6_per_k", expansion)
    return Trust(
        {
            "volumes_t_a3": _curve(v, result.volumes_t_a3),
            "bulk_modulus_gpa": _curve(b, result.bulk_modulus_gpa),
            "thermal_expansion_per_k": _curve(a, result.thermal_expansion_per_k),
            "linear_expansion_per_k": _curve(a, result.linear_expansion_per_k),
        },
        (found.blocked,) if found.blocked else (),
    )


def _at(result: Heated, values: Array) -> float:
    """At room temperature, or at the highest that was computed."""
    t = min(ROOM_K, float(result.temperatures_k[-1]))
    return float(np.interp(t, result.temperatures_k, values))


def _curve(found: Estimate, values: Array) -> Estimate:
    return Estimate(found.relative * np.abs(values), found.relative, found.reason)
