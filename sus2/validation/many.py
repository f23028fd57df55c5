"""Properties of many crystals, each in the potential that suits it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.progress import Progress
from sus2.properties.property_table import PropertyRow, PropertyTable, evaluate_many
from sus2.properties.property_table import properties as known_properties
from sus2.registry.reference import PotentialRef
from sus2.structures import elements_of
from sus2.validation.recommendation import recommend

RECOMMENDED = "recommended for each crystal"


def evaluate_recommended(
    structures: Mapping[str, Atoms],
    functional: str = "PBE",
    *,
    properties: Sequence[str] = ("energy",),
    progress: Progress | None = None,
) -> PropertyTable:
    """The chosen properties of every crystal in the potential of the smallest predicted error for it.

    Parameters
    ----------
    structures
        By name.
    functional
        Potentials of it are preferred.
    properties
        Names of `sus2.properties.property_table.properties`.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    PropertyTable
        Each row names its potential, and says why it was chosen; energies of different potentials are not to be
        compared.

    Raises
    ------
    Sus2Error
        No structures, or an unknown property.
    """
    if not structures:
        raise Sus2Error("There are no structures; give at least one.")
    unknown = [p for p in properties if p not in known_properties()]
    if unknown:
        raise Sus2Error(f"There is no property '{unknown[0]}'; choose of {', '.join(known_properties())}.")
    rows: list[PropertyRow] = []
    for k, (name, atoms) in enumerate(structures.items()):
        if progress is not None:
            progress(name, k / len(structures))
        rows.append(_row(name, atoms, functional, properties))
    if progress is not None:
        progress("done", 1.0)
    return PropertyTable(RECOMMENDED, functional, tuple(properties), tuple(rows))


def _row(name: str, atoms: Atoms, functional: str, wanted: Sequence[str]) -> PropertyRow:
    try:
        choice = recommend(atoms, functional)
    except Sus2Error as error:
        return PropertyRow(name, "", "", 0, {}, {}, {"structure": str(error)}, None, None)
    if choice is None:
        why = f"No potential covers all of {', '.join(elements_of(atoms))}."
        return PropertyRow(name, "", "", 0, {}, {}, {"structure": why}, atoms, None)
    (row,) = evaluate_many({name: atoms}, PotentialRef.of(choice.card).load(), properties=wanted).rows
    return replace(row, texts={**row.texts, "why_this_potential": choice.reason})
