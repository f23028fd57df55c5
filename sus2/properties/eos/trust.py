"""How far to trust an equation of state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from ase import Atoms

from sus2.relaxation.trust import energy_estimate, scaled
from sus2.trust.assess import assessor
from sus2.trust.committee import spread_of
from sus2.trust.estimate import Estimate, Trust, safely, unknown
from sus2.types import Array


class Curve(Protocol):
    """What is needed of an equation of state, see sus2.properties.eos.result."""

    @property
    def potential(self) -> object: ...

    @property
    def atoms(self) -> Atoms: ...

    @property
    def n_atoms(self) -> int: ...

    @property
    def volumes_a3(self) -> Array: ...

    @property
    def energies_ev(self) -> Array: ...

    @property
    def structures(self) -> Sequence[Atoms]: ...

    @property
    def v0_a3_per_atom(self) -> float: ...

    @property
    def b0_gpa(self) -> float: ...

    @property
    def b0_prime(self) -> float: ...


def _within(found: Estimate, b0_prime: float) -> Estimate:
    """A dB/dP that hardly any crystal has is at least as uncertain as it is far from those that crystals have."""
    low, high = 2.0, 7.0
    off = max(low - b0_prime, b0_prime - high, 0.0)
    if off == 0.0 or (np.isfinite(found.relative) and found.sigma >= off + 1.0):
        return found
    reason = f"dB/dP of nearly all crystals lies between {low:g} and {high:g}."
    return Estimate(off + 1.0, max((off + 1.0) / abs(b0_prime), 0.3), reason)


@safely
def trust_eos(result: Curve) -> Trust:
    """Estimates of the errors of V0, B0, B0' and E0.

    Parameters
    ----------
    result
        The result.

    Returns
    -------
    Trust
        By the names of the result; E0 on the potential's own scale.
    """
    names = ("v0_a3", "v0_a3_per_atom", "b0_gpa", "b0_prime", "e0_ev")
    found = assessor(result.potential, result.atoms)
    if found is None:
        return Trust(dict.fromkeys(names, unknown("The crystal cannot be judged.")))
    n, nan = result.n_atoms, float("nan")
    v, b, p = nan, nan, nan
    if found.committee is not None:
        spread = found.committee.eos(result.volumes_a3, result.energies_ev, result.structures)
        v, b, p = (spread_of(x) for x in (spread.v0_a3 / n, spread.b0_gpa, spread.b0_prime))
    volume = found.estimate("v0_a3_per_atom", result.v0_a3_per_atom, v)
    return Trust(
        {
            "v0_a3": scaled(volume, n),
            "v0_a3_per_atom": volume,
            "b0_gpa": found.estimate("b0_gpa", result.b0_gpa, b),
            "b0_prime": _within(found.estimate("b0_prime", result.b0_prime, p), result.b0_prime),
            "e0_ev": energy_estimate(result.potential, n, found.blocked),
            "e0_ev_per_atom": energy_estimate(result.potential, 1, found.blocked),
        },
        (found.blocked,) if found.blocked else (),
    )
