"""One sentence on a result: which crystal, which potential, which functional, how far to trust it, what limits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

from ase import Atoms

from sus2.structures import formula_units, with_subscripts
from sus2.trust.estimate import WORST_FIRST, Trust, Word

LABELS: Final[dict[str, str]] = {
    "volume_a3": "volume",
    "v0_a3_per_atom": "volume",
    "b0_gpa": "bulk modulus",
    "b0_prime": "B₀′",
    "k_vrh_gpa": "bulk modulus",
    "g_vrh_gpa": "shear modulus",
    "c44_gpa": "C₄₄",
    "gamma_frequencies_thz": "optical frequencies",
    "max_frequency_thz": "highest frequency",
    "volumes_t_a3": "volume",
    "linear_expansion_per_k": "thermal expansion",
}
"""Quantities that the sentence speaks of, in this order, and what it calls them."""


class Trusted(Protocol):
    """A result with its crystal and how far to trust it."""

    @property
    def atoms(self) -> Atoms: ...
    @property
    def potential(self) -> Any: ...
    @property
    def trust(self) -> Trust: ...


def summary_sentence(result: Trusted, names: Sequence[str] = ()) -> str:
    """Say in one sentence how far to trust a result.

    Parameters
    ----------
    result
        The result of a property.
    names
        Quantities to speak of; by default those of LABELS that the result has.

    Returns
    -------
    str
        The sentence.
    """
    formula = with_subscripts(formula_units(result.atoms).formula)
    potential = result.potential
    where = f"{formula} in {potential.name} ({potential.functional})" if potential is not None else formula
    trust = result.trust
    spoken = [n for n in (names or LABELS) if n in trust.estimates]
    if not spoken:
        return f"{where}: how far to trust it is unknown. {' '.join(trust.limits)}".strip()
    by_word: dict[Word, list[str]] = {}
    for name in spoken:
        estimate = trust.estimates[name]
        share = f" (±{_percent(estimate.relative)})" if math.isfinite(estimate.relative) else ""
        by_word.setdefault(_word(str(estimate.verdict)), []).append(f"{LABELS[name]}{share}")
    parts = [_said(word, by_word[word]) for word in reversed(WORST_FIRST) if word in by_word]
    worst = min(spoken, key=lambda n: WORST_FIRST.index(_word(str(trust.estimates[n].verdict))))
    reason = trust.limits[0] if trust.limits else trust.estimates[worst].reason
    return f"{where}: {'; '.join(parts)}. {reason}"


def _said(word: Word, items: Sequence[str]) -> str:
    named = items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
    if word == "good":
        return f"trust {named}"
    if word == "unknown":
        return f"the error of {named} is unknown"
    return f"{named} {'are' if len(items) > 1 or 'frequencies' in named else 'is'} {word}"


def _word(text: str) -> Word:
    return next(w for w in WORST_FIRST if w == text)


def _percent(relative: float) -> str:
    value = 100.0 * relative
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"
