"""How uncertain differences between two potentials are, from members of their committees in pairs.

What both potentials get wrong alike cancels in the difference; the spread of the paired members, calibrated on
differences that are known (sus2.validation.differences), is what is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.properties.elastic.trust import FROM_MODULI, estimates_from_moduli
from sus2.structures import elements_of
from sus2.trust.assess import Assessor, assessor
from sus2.trust.calibration import Calibration, size_of
from sus2.trust.estimate import Estimate, unknown
from sus2.trust.members import members_of
from sus2.validation.differences import difference_spread
from sus2.validation.records import CONSTANTS, member_values

# Key of a comparison -> quantity of the calibration.
QUANTITIES: Final[dict[str, str]] = {
    "volume_a3_per_atom": "v0_a3_per_atom",
    "v0_a3_per_atom": "v0_a3_per_atom",
    "b0_gpa": "b0_gpa",
    "b0_prime": "b0_prime",
    "k_vrh_gpa": "k_vrh_gpa",
    "g_vrh_gpa": "g_vrh_gpa",
    "highest_frequency_thz": "max_frequency_thz",
    "mean_frequency_thz": "mean_frequency_thz",
    **{name: name for name in CONSTANTS},
}
# The one length of a cubic crystal is the cube root of its volume.
_LENGTH: Final = "a_a"
_OTHERS: Final = frozenset({"b_a", "c_a", "alpha_deg", "beta_deg", "gamma_deg"})
# Keys of a comparison that follow from the frequencies, by the function at 300 K.
_FROM_FREQUENCIES: Final[dict[str, str]] = {
    "zero_point_ev_per_atom": "",
    "helmholtz_300k_kj_per_mol_atoms": "helmholtz_kj_per_mol",
    "entropy_300k_j_per_k_mol_atoms": "entropy_j_per_k_mol",
    "cv_300k_j_per_k_mol_atoms": "heat_capacity_j_per_k_mol",
}
_SHARED: Final = "Follows from the error of the mean frequency, taken as shared by all."


class Computed(Protocol):
    """One potential in its own cell, see sus2.comparison.result.Side."""

    @property
    def potential(self) -> Calculates:
        """The potential."""

    @property
    def atoms(self) -> Atoms:
        """The crystal at rest in it."""

    @property
    def results(self) -> Mapping[str, Any]:
        """Results by the names of the catalogue."""

    @property
    def quantities(self) -> dict[str, float]:
        """Numbers by key."""


def difference_estimates(first: Computed, second: Computed) -> dict[str, Estimate]:
    """One standard deviation of each difference that is calibrated.

    Parameters
    ----------
    first
        The potential that differences are against, in its own relaxed cell.
    second
        The other.

    Returns
    -------
    dict
        Key of the quantity -> Estimate of the second's number less the first's; relative to the first's number. Empty
        for potentials whose differences are not calibrated.
    """
    a, b = first.potential, second.potential
    if not (isinstance(a, Potential) and isinstance(b, Potential)):
        return {}
    judges = assessor(a, first.atoms), assessor(b, second.atoms)
    if judges[0] is None or judges[1] is None:
        return {}
    found = _calibration(judges[0], judges[1])
    if found is None:
        return {}
    blocked = judges[0].blocked or judges[1].blocked
    if blocked:
        return {key: unknown(blocked) for key in (*QUANTITIES, *FROM_MODULI, *_FROM_FREQUENCIES)}
    members = members_of(a), members_of(b)
    paired = members[0] is not None and members[1] is not None and members[0].in_pairs_with(members[1])
    try:
        sides = [
            member_values(s.potential, s.atoms, s.results.get("elastic"), s.results.get("eos"))
            for s in (first, second)
            if isinstance(s.potential, Potential)
        ]
    except (Sus2Error, ArithmeticError, ValueError):
        return {}
    (x, dx), (y, dy) = sides
    grade = max((g for g in (judges[0].grade, judges[1].grade) if math.isfinite(g)), default=math.nan)
    out: dict[str, Estimate] = {}
    for key, quantity in QUANTITIES.items():
        size = size_of(quantity, x)
        if quantity not in y or not size > 0.0:
            continue
        spread = math.nan
        if quantity in dx and quantity in dy:
            spread = difference_spread(y[quantity] / x[quantity], dx[quantity], dy[quantity], paired=paired) / size
        relative = found.relative_sigma(
            quantity, judges[0].crystal_class, elements_of(first.atoms), grade, {quantity: spread}
        )
        if not math.isfinite(relative):
            out[key] = unknown("Too few crystals of this kind with a known difference to calibrate it.")
            continue
        count = found.quantities[quantity].crystals.get(judges[0].crystal_class, 0)
        kind = "paired members" if paired else "the members of both"
        reason = f"Spread of {kind}, calibrated on {count} crystals of this kind."
        number = abs(first.quantities.get(key, x[quantity]))
        share = relative * size / abs(x[quantity])
        out[key] = Estimate(share * number, share, reason)
    if "volume_a3_per_atom" in out and _LENGTH in first.quantities and not _OTHERS & set(first.quantities):
        volume = out["volume_a3_per_atom"]
        share = volume.relative / 3.0
        out[_LENGTH] = Estimate(share * first.quantities[_LENGTH], share, volume.reason)
    return out | _from_moduli(first, out) | _from_frequencies(first, out)


def _from_moduli(first: Computed, of: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Differences of what follows from the moduli."""
    own: dict[str, float] = {k: first.quantities[k] for k in FROM_MODULI if k in first.quantities}
    k, g = of.get("k_vrh_gpa"), of.get("g_vrh_gpa")
    if k is None or g is None:
        return {}
    silent = next((e for e in (k, g) if not math.isfinite(e.relative)), None)
    if silent is not None:
        return dict.fromkeys(own, unknown(silent.reason))
    moduli = first.quantities["k_vrh_gpa"], first.quantities["g_vrh_gpa"]
    return estimates_from_moduli(own, *moduli, k.relative, g.relative)


def _from_frequencies(first: Computed, of: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Differences of thermal functions, with an error that all frequencies share."""
    mean, report = of.get("mean_frequency_thz"), first.results.get("phonons")
    own = [key for key in _FROM_FREQUENCIES if key in first.quantities]
    if mean is None or report is None:
        return {}
    if not math.isfinite(mean.relative):
        return dict.fromkeys(own, unknown(mean.reason))
    # The middle one of three temperatures: the heat capacity needs its slope.
    thermal = report.phonons.thermal([299.0, 300.0, 301.0])
    sigma = {f: float(s[1]) / thermal.n_atoms for f, s in thermal.sigma(mean.relative).items()}
    out = {}
    for key in own:
        function, value = _FROM_FREQUENCIES[key], abs(first.quantities[key])
        size = sigma[function] if function else mean.relative * value
        out[key] = Estimate(size, size / value if value > 0.0 else math.inf, _SHARED)
    return out


def _calibration(first: Assessor, second: Assessor) -> Calibration | None:
    """The calibration of differences of two potentials, whichever of them has it."""
    for one, other in ((first, second), (second, first)):
        found, against = one.calibration, other.calibration
        if found is None or against is None or not found.differences:
            continue
        if found.against_sha256 == against.weights_sha256:
            return found.of_differences()
    return None
