"""Which potential for this crystal: the one of the smallest predicted error, with the number in its reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.trust import elastic_spread
from sus2.registry.load import models
from sus2.registry.recommendation import recommend_for
from sus2.registry.reference import PotentialRef
from sus2.relaxation.relax import relax
from sus2.structures import elements_of, standardise, to_atoms
from sus2.trust.assess import Assessor
from sus2.trust.calibration import relative_spreads
from sus2.trust.committee import spread_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

# Crystals of more atoms in the primitive cell are chosen for by their elements: a page waits for the choice.
MAX_ATOMS: Final = 16
_FMAX_EV_PER_A: Final = 5e-3
_STRESS_GPA: Final = 0.05
_STEPS: Final = 120
# A percent of the volume is worth as much as three of a modulus; an unknown error as much as this.
_WEIGHTS: Final[dict[str, float]] = {"v0_a3_per_atom": 3.0, "k_vrh_gpa": 1.0, "g_vrh_gpa": 1.0}
_UNKNOWN: Final = 1.0
_LARGEST: Final = 2.0
# The error of a crystal that no potential says anything of: volume, bulk and shear modulus all unknown.
_NOTHING_KNOWN: Final = 1.6


@dataclass(frozen=True)
class Choice:
    """The potential to take for a crystal.

    Attributes
    ----------
    card
        Of the potential.
    reason
        Why, in one or two sentences, with the number that decided.
    predicted_error
        Mean of the relative errors of volume (three times), bulk and shear modulus that are to be expected; nan where
        nothing is known.
    """

    card: Card
    reason: str
    predicted_error: float


def recommend(atoms: Atoms | Structure, functional: str = "PBE", cards: Sequence[Card] | None = None) -> Choice | None:
    """The potential of the smallest predicted error for a crystal.

    Parameters
    ----------
    atoms
        The crystal.
    functional
        Potentials of it are compared; of another, where there is none of it.
    cards
        To choose from; by default those that are found by name.

    Returns
    -------
    Choice or None
        None where no potential covers the elements. Errors are those of the calibration, or, where the volume or a
        modulus of this very crystal is known, the difference from it. Large crystals are chosen for by elements alone.

    Raises
    ------
    StructureError
        No crystal.
    """
    crystal = to_atoms(atoms)
    wanted = set(elements_of(crystal))
    covering = [c for c in (models() if cards is None else cards) if wanted <= set(c.elements)]
    covering = [c for c in covering if c.functional == functional] or covering
    if not covering:
        return None
    first = recommend_for(crystal, covering)
    assert first is not None
    if len(covering) > 1 and crystal.pbc.all():
        found = _by_error(crystal, covering)
        if found is not None:
            return found
    error = math.nan if len(covering) > 1 or not crystal.pbc.all() else predicted_error(crystal, first.card)
    if not math.isfinite(error):
        return Choice(first.card, first.reason, error)
    words = f"{first.reason.rstrip('.')}; its predicted error for this crystal is {_percent(error)}."
    return Choice(first.card, words, error)


def _percent(error: float) -> str:
    size = f"{100.0 * error:.0f} %" if error >= 0.005 else "less than 1 %"
    return f"{size} in the mean of volume (times three), bulk and shear modulus"


def _by_error(crystal: Atoms, cards: Sequence[Card]) -> Choice | None:
    errors = {card.name: predicted_error(crystal, card) for card in cards}
    order = sorted((c for c in cards if math.isfinite(errors[c.name])), key=lambda c: (errors[c.name], c.name))
    if not order or errors[order[0].name] >= _NOTHING_KNOWN:
        return None
    best = order[0]
    words = f"{best.name} has the smallest predicted error for this crystal, {_percent(errors[best.name])}"
    others = [f"{100.0 * errors[c.name]:.0f} % with {c.name}" for c in order[1:3]]
    return Choice(best, f"{words}; {' and '.join(others)}." if others else f"{words}.", errors[best.name])


def predicted_error(atoms: Atoms, card: Card, *, by_known: bool = True) -> float:
    """The error to be expected of a potential for a crystal, as Choice has it.

    Parameters
    ----------
    atoms
        The crystal.
    card
        Of a potential that is found by name.
    by_known
        Whether what is known of this very crystal goes before the calibration.

    Returns
    -------
    float
        Nan for large crystals, and where the potential cannot be loaded or cannot hold the crystal.
    """
    try:
        crystal = standardise(atoms, "primitive", symprec=1e-3)
        if len(crystal) > MAX_ATOMS:
            return math.nan
        return _predicted(
            crystal.cell.array.tobytes(),
            crystal.get_scaled_positions().tobytes(),
            tuple(crystal.numbers.tolist()),
            PotentialRef.of(card),
            by_known,
        )
    except (Sus2Error, ArithmeticError, ValueError):
        return math.nan


@lru_cache(maxsize=256)
def _predicted(
    cell: bytes, positions: bytes, numbers: tuple[int, ...], reference: PotentialRef, by_known: bool
) -> float:
    atoms = Atoms(
        numbers,
        scaled_positions=np.frombuffer(positions).reshape(-1, 3),
        cell=np.frombuffer(cell).reshape(3, 3),
        pbc=True,
    )
    potential = reference.load()
    if not isinstance(potential, Potential):
        return math.nan
    relaxed = relax(atoms, potential, fmax=_FMAX_EV_PER_A, stress_gpa=_STRESS_GPA, max_steps=_STEPS).atoms
    found = Assessor(potential, relaxed)
    tensor = elastic(relaxed, potential, relaxed=True, cross_checks=False)
    values = {
        "v0_a3_per_atom": abs(float(relaxed.cell.volume)) / len(relaxed),
        "k_vrh_gpa": tensor.k_vrh_gpa,
        "g_vrh_gpa": tensor.g_vrh_gpa,
    }
    spreads = {}
    if found.committee is not None:
        members = elastic_spread(found.committee, tensor, second_derivatives(tensor.atoms, potential))
        percent = spread_of(found.committee.volume_percent(relaxed))
        own = {"v0_a3_per_atom": percent / 100.0 * values["v0_a3_per_atom"]}
        own |= {"k_vrh_gpa": float(np.std(members.k_vrh_gpa)), "g_vrh_gpa": float(np.std(members.g_vrh_gpa))}
        spreads = relative_spreads(values, own)
    total = 0.0
    for quantity, weight in _WEIGHTS.items():
        total += weight * min(_error(found, quantity, values[quantity], spreads, by_known), _LARGEST) / len(_WEIGHTS)
    return total


def _error(found: Assessor, quantity: str, value: float, spreads: dict[str, float], by_known: bool) -> float:
    """Relative: the difference from what is known of this crystal, else one calibrated standard deviation."""
    reference = found.references.get(quantity) if by_known else None
    if reference is not None:
        return abs(value / reference.value - 1.0)
    if not value > 0.0:
        return _LARGEST
    known = None if by_known else ""
    spread = spreads.get(quantity, math.nan) * value
    relative = found.estimate(quantity, value, spread, known=known, spreads=spreads).relative
    return relative if math.isfinite(relative) else _UNKNOWN
