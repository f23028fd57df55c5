"""Estimates of the error of numbers of one crystal in one potential, from all that bears on them.

Four things enter: the spread of the committee, its calibration, how far the crystal is from the training data, and what
is known of this very crystal. Where the last is further from the number than the calibrated standard deviation, the
difference itself is the uncertainty.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.registry.checks import check_elements
from sus2.structures import elements_of
from sus2.trust.calibration import FAR_GRADE, Calibration, calibration_of
from sus2.trust.committee import Committee, committee_of
from sus2.trust.estimate import ROUGH, Estimate, unknown
from sus2.trust.facts import Facts, facts_of
from sus2.trust.known_values import Reference
from sus2.trust.known_values.lookup import UNITS

if TYPE_CHECKING:
    from sus2.derivatives.second_order import SecondDerivatives

# Known values themselves are no surer than this, relative.
_LEAST: Final[dict[str, float]] = {"v0_a3_per_atom": 0.01}
_WORDS: Final[dict[str, str]] = {
    "metal": "metals",
    "semiconductor": "semiconductors",
    "ionic": "ionic crystals",
    "molecular or layered": "molecular and layered crystals",
    "other": "crystals of this kind",
}


class Assessor:
    """Estimates for one crystal in one potential.

    Parameters
    ----------
    potential
        Any potential; only shipped ones with members and calibration give numbers.
    atoms
        The crystal, relaxed.
    """

    def __init__(self, potential: object, atoms: Atoms) -> None:
        self.potential = potential
        self.atoms = atoms

    @cached_property
    def committee(self) -> Committee | None:
        """The committee; None where there is none or the crystal is outside what it can judge."""
        return None if self.blocked else committee_of(self.potential)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration of the potential's weights."""
        return calibration_of(self.potential)

    @cached_property
    def facts(self) -> Facts:
        """What other properties of the same crystal ask too."""
        return facts_of(self.potential, self.atoms)

    @property
    def crystal_class(self) -> str:
        """As sus2.trust.crystal_class names it."""
        return self.facts.crystal_class

    @cached_property
    def grade(self) -> float:
        """Largest extrapolation grade of its atoms; nan without a summary of the training data."""
        return self.facts.grade

    @cached_property
    def second(self) -> SecondDerivatives | None:
        """Second derivatives in some cell of the crystal; None where the potential has none."""
        return self.facts.second

    @cached_property
    def moduli_spreads(self) -> dict[str, float]:
        """Relative spreads of the moduli, on which the calibrations of other quantities build."""
        if self.committee is None or self.second is None:
            return {}
        try:
            return self.committee.moduli_shares(self.second)
        except Sus2Error:  # a soft mode that strains excite
            return {}

    @property
    def references(self) -> dict[str, Reference]:
        """What is known of this crystal, one value of each quantity."""
        return self.facts.references

    @cached_property
    def blocked(self) -> str:
        """Why nothing can be said, in one sentence; empty where something can."""
        p = self.potential
        name = getattr(p, "name", "the potential")
        if not isinstance(p, Potential):
            return f"{name} has no calibration: errors are known only where values of this very crystal are."
        if check_elements(self.atoms, p.elements).verdict == "fail":
            return f"{name} does not cover all the elements."
        if self.facts.pairs.verdict == "fail":
            return self.facts.pairs.meaning
        if self.calibration is None:
            return f"{name} is not calibrated: errors are known only where values of this very crystal are."
        for near in self.facts.distances:
            if near.trained_a is None and near.shortest_a < p.cutoff and p.card.shortest_distances_a:
                return f"The training data of {name} have no {near.name} neighbours."
            if near.verdict == "fail":
                return f"{near.name}: {near.meaning}"
        if self.grade > FAR_GRADE:
            return (
                f"The crystal is far outside the training data of {name} (extrapolation grade {self.grade:.1f}): "
                "no calibrated error holds there."
            )
        return ""

    def estimate(
        self,
        quantity: str,
        value: float,
        spread: float = math.nan,
        *,
        size: float | None = None,
        known: str | None = None,
        spreads: dict[str, float] | None = None,
    ) -> Estimate:
        """One standard deviation of a number.

        Parameters
        ----------
        quantity
            As the calibration names it.
        value
            The number.
        spread
            Standard deviation of the members, in its unit.
        size
            What is relative to: by default the number's size.
        known
            The quantity to look up among what is known of the crystal, in the unit of the number; by default the same.
            Empty: none.
        spreads
            Relative spreads of other quantities that the calibration builds on, where they are there already.

        Returns
        -------
        Estimate
            Unknown where the crystal is outside what can be judged.
        """
        reference = self.references.get(quantity if known is None else known) if known != "" else None
        size = abs(value) if size is None else size
        if not math.isfinite(value) or not size > 0.0:
            return unknown("There is no number.")
        blocked = self.blocked
        if blocked:
            return self._by_reference(unknown(blocked), quantity, value, size, reference)
        assert self.calibration is not None
        given = {**(spreads or {}), quantity: spread / size}
        needed = self.calibration.needed(quantity)
        if needed - given.keys():
            given = {**self.moduli_spreads, **given}
        if self.committee is not None and needed - given.keys():
            nothing = unknown("The crystal has no elastic constants at rest, on whose spread this error builds.")
            return self._by_reference(nothing, quantity, value, size, reference)
        relative = self.calibration.relative_sigma(
            quantity, self.crystal_class, elements_of(self.atoms), self.grade, given
        )
        if not math.isfinite(relative):
            kind = _WORDS[self.crystal_class]
            return self._by_reference(
                unknown(f"Too few {kind} with known values to calibrate this quantity."),
                quantity,
                value,
                size,
                reference,
            )
        model = self.calibration.quantities[quantity]
        count = model.crystals.get(self.crystal_class, 0)
        reason = f"Spread of the committee, calibrated on {count} {_WORDS[self.crystal_class]} with known values."
        return self._by_reference(Estimate(relative * size, relative, reason), quantity, value, size, reference)

    def _by_reference(
        self, found: Estimate, quantity: str, value: float, size: float, reference: Reference | None
    ) -> Estimate:
        """The estimate, made wider where the number is further from what is known than it says."""
        if reference is None or not math.isfinite(reference.value):
            return found
        off = abs(value - reference.value)
        if off <= ROUGH * abs(reference.value):
            off = max(0.0, off - reference.allowance * abs(reference.value))
        share = max(off / size, off / max(abs(reference.value), 1e-12))
        if math.isfinite(found.relative) and share <= found.relative:
            return found
        if not math.isfinite(found.relative):
            # Nothing is calibrated, but of this very number it is known how wrong it is: at least as the known value.
            least = max(_LEAST.get(quantity, 0.05), reference.allowance)
            off, share = max(off, least * abs(reference.value)), max(share, least)
        kind = "Measured" if reference.functional == "experiment" else reference.functional
        number = f"{reference.value:.4g} {UNITS.get(quantity, '')}".rstrip()
        return Estimate(off, share, f"{kind}: {number} ({reference.source}).")


def assessor(potential: object, atoms: Atoms) -> Assessor | None:
    """An assessor, or None where the crystal cannot be looked at at all.

    Parameters
    ----------
    potential
        Any potential.
    atoms
        Relaxed by it.

    Returns
    -------
    Assessor or None
        None where the crystal cannot be looked at.
    """
    try:
        made = Assessor(potential, atoms)
        _ = made.blocked
    except Sus2Error:
        return None
    return made
