"""Distances in a crystal against the shortest ones in the training data of a potential."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ase import Atoms

from sus2.checks import Verdict
from sus2.potential.card import Card
from sus2.structures.shells import Pair, shortest_by_pair

_REACH_A: Final = 6.0


@dataclass(frozen=True)
class PairDistance:
    """The shortest distance of a pair of elements in a crystal and in a potential's training data.

    Attributes
    ----------
    pair
        The elements, alphabetical.
    shortest_a
        In the crystal, angstrom.
    trained_a
        In the training data, angstrom; None where the card does not say.
    verdict
        "pass" from the shortest trained distance on, "warn" down to 0.9 of it or where it is not known, "fail" below.
    meaning
        One sentence.
    """

    pair: Pair
    shortest_a: float
    trained_a: float | None
    verdict: Verdict
    meaning: str

    @property
    def name(self) -> str:
        """As "Cl-Na"."""
        return "-".join(self.pair)

    @property
    def ratio(self) -> float:
        """shortest_a in units of trained_a; nan where that is not known."""
        return math.nan if self.trained_a is None else self.shortest_a / self.trained_a


def distance_verdict(ratio: float) -> Verdict:
    """Judge a distance.

    Parameters
    ----------
    ratio
        Of the distance to the shortest one in the training data.

    Returns
    -------
    str
        "pass" from 1 on, "warn" from 0.9 on, else "fail".
    """
    return "pass" if ratio >= 1.0 else "warn" if ratio >= 0.9 else "fail"


def trained_distances(card: Card) -> dict[Pair, float]:
    """Read how close the training data of a potential go.

    Parameters
    ----------
    card
        The card of the potential.

    Returns
    -------
    dict
        Alphabetical pair of elements -> shortest distance, angstrom; empty where the card does not say.
    """
    return dict(card.shortest_by_pair)


def pair_distances(atoms: Atoms, card: Card) -> tuple[PairDistance, ...]:
    """Compare the shortest distance of each pair of elements with that in the training data.

    Parameters
    ----------
    atoms
        The crystal.
    card
        The card of the potential.

    Returns
    -------
    tuple of PairDistance
        The most worrying first. Pairs farther apart than half as far again as any of the trained distances (6 angstrom
        where the card has none) are not near in this sense and are left out.
    """
    known = trained_distances(card)
    reach = 1.5 * max(known.values()) if known else _REACH_A
    found = []
    for pair, d in shortest_by_pair(atoms, reach).items():
        trained = known.get(pair)
        name = "-".join(pair)
        if trained is None:
            meaning = (
                f"The training data have no {name} distances."
                if known
                else "The card of the potential does not say how close its data go."
            )
            found.append(PairDistance(pair, d, None, "warn", meaning))
            continue
        verdict = distance_verdict(d / trained)
        meaning = {
            "pass": "Inside the distances of the training data.",
            "warn": f"A little below the training data, which go down to {trained:.3f} Å.",
            "fail": f"Far below the training data, which go down to {trained:.3f} Å: what the model says is a guess.",
        }[verdict]
        found.append(PairDistance(pair, d, trained, verdict, meaning))
    return tuple(sorted(found, key=lambda p: (p.trained_a is not None, p.ratio, p.pair)))
