"""Which potential for this crystal: the best of those that know its elements, unless its data are of other crystals."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.extrapolation import FAIL, extrapolation_grade
from sus2.pretrained import Card, Recommendation, ranking
from sus2.questions import PotentialRef
from sus2.structures import elements_of


def recommend_for(atoms: Atoms, cards: Sequence[Card] | None = None) -> Recommendation | None:
    """The best of the cards (default: the shipped ones) for a crystal; None where none knows its elements.

    The first by sus2.pretrained.ranking whose training data hold surroundings like the crystal's (sus2.extrapolation; a
    potential without a summary of its data counts as one); the first of all where none does.
    """
    ranked = ranking(elements_of(atoms), cards)
    for found in ranked:
        grade = _grade(found.card, atoms)
        if not grade > FAIL:
            if found is ranked[0]:
                return found
            first = ranked[0].card
            return Recommendation(
                found.card,
                f"{found.reason} {first.name} would come first for these elements, but this crystal is far outside its "
                f"training data (extrapolation grade {_grade(first, atoms):.1f}).",
            )
    return next(iter(ranked), None)


def _grade(card: Card, atoms: Atoms) -> float:
    """Largest extrapolation grade over the crystal's atoms; nan where nothing is known."""
    try:
        return extrapolation_grade(PotentialRef.of(card).load(), [atoms]).largest
    except Sus2Error:
        # A user's own potential, which has no summary, or a crystal that is refused where its properties are asked for.
        return float("nan")
