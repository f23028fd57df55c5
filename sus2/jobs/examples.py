"""The calculations that the pages ask first: a server answers them before anybody comes, and keeps the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sus2
from sus2.comparison.compare import pair_of_functionals
from sus2.jobs.calculation import Calculation
from sus2.properties.catalogue import catalogue
from sus2.registry.load import models
from sus2.registry.reference import PotentialRef
from sus2.structures import DEFAULT_SAMPLE, elements_of, sample
from sus2.validation.recommendation import recommend


def example_calculations() -> list[Calculation]:
    """What the pages of properties ask of the default sample and its best potential; none where none is installed."""
    atoms = sample(DEFAULT_SAMPLE).atoms()
    best = recommend(atoms)
    if best is None:
        return []
    reference = PotentialRef.of(best.card)
    functions: list[Callable[..., Any]] = [e.compute for e in catalogue().values() if e.page is not None]
    functions.append(sus2.check)
    # Pages name the method; a shipped potential has exact derivatives.
    exact = {f: {"method": "exact"} if f.__name__ in ("elastic", "phonon_report") else {} for f in functions}
    asked = [Calculation.of(f, atoms=atoms, potential=reference, **exact[f]) for f in functions]
    pair = pair_of_functionals(models(), elements_of(atoms), best.card.name)
    if pair is not None:
        asked.append(Calculation.of(sus2.compare, atoms=atoms, potentials=[PotentialRef.of(card) for card in pair]))
    return asked
