"""Which potential for this crystal: the best of those that know its elements, unless its data are of other crystals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.card import Card
from sus2.registry.applicability import FAIL, extrapolation_grade
from sus2.registry.load import Recommendation, ranking
from sus2.registry.reference import PotentialRef
from sus2.structures import elements_of

MAX_EDGES: Final = 30_000
"""Crystals of more neighbours are chosen for by their elements alone: a page waits for the choice."""


def recommend_for(atoms: Atoms, cards: Sequence[Card] | None = None) -> Recommendation | None:
    """Choose the potential for a crystal.

    Parameters
    ----------
    atoms
        The crystal.
    cards
        The potentials to choose of; by default the shipped ones.

    Returns
    -------
    Recommendation or None
        The first by sus2.registry.load.ranking whose training data hold surroundings like the crystal's (a potential
        without a summary of its data counts as one), the first of all where none does, None where none covers the
        elements.
    """
    ranked = ranking(elements_of(atoms), cards)
    foreign = math.nan
    for found in ranked:
        grade = _grade(found.card, atoms)
        if grade > FAIL:
            foreign = grade if found is ranked[0] else foreign
            continue
        if found is ranked[0]:
            return found
        return Recommendation(
            found.card,
            f"{found.reason} {ranked[0].card.name} would come first for these elements, but this crystal is far "
            f"outside its training data (extrapolation grade {foreign:.1f}).",
        )
    return next(iter(ranked), None)


def _grade(card: Card, atoms: Atoms) -> float:
    """Largest extrapolation grade over the crystal's atoms; nan where nothing is known."""
    try:
        potential = PotentialRef.of(card).load()
        sphere = 4.0 / 3.0 * math.pi * potential.cutoff**3
        if len(atoms) ** 2 * sphere > MAX_EDGES * atoms.cell.volume:
            return math.nan
        return extrapolation_grade(potential, [atoms]).largest
    except Sus2Error:
        # A user's own potential, which has no file here, or a crystal that is refused where properties are asked for.
        return math.nan
