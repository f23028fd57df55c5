"""A crystal of the second set, and the elements that its teachers know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import spglib
from ase import Atoms
from ase.data import chemical_symbols

_NO_TEACHER: Final = ("Po", "At", "Rn", "Fr", "Ra")
ELEMENTS: Final = tuple(s for s in chemical_symbols[1:95] if s not in _NO_TEACHER)
NOBLE: Final = frozenset({"He", "Ne", "Ar", "Kr", "Xe"})


@dataclass(frozen=True)
class Crystal:
    """A crystal to make structures of.

    Attributes
    ----------
    name
        Of the crystal.
    atoms
        Primitive cell.
    source
        Where it comes from.
    relax
        Whether it is to be relaxed first (files give relaxed cells).
    prototype
        Structure type where known.
    detail
        How many structures it gets: 0 few, 1 usual, 2 known well.
    """

    name: str
    atoms: Atoms
    source: str
    relax: bool
    prototype: str = ""
    detail: int = 1


def known(atoms: Atoms) -> bool:
    """Whether the teachers know all elements.

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    bool
        Whether each is among the 89.
    """
    return set(atoms.get_chemical_symbols()) <= set(ELEMENTS)


def primitive(atoms: Atoms) -> Atoms:
    """The primitive cell, or the cell as it is where symmetry finds no smaller one.

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    Atoms
        A new cell.
    """
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    try:
        found = spglib.find_primitive((plain.cell.array, plain.get_scaled_positions(), plain.numbers), symprec=1e-3)
    except spglib.SpglibError:
        return plain
    if found is None or len(found[2]) >= len(plain):
        return plain
    return Atoms(found[2], cell=found[0], scaled_positions=found[1], pbc=True)
