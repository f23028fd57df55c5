"""Formulas as whole numbers: formula units by the greatest common divisor, and a file's formula against its atoms."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula

_TERM = re.compile(r"([A-Z][a-z]?)\s*(\d*\.?\d*)")
_INDEX = re.compile(r"(?<=[A-Za-z)\]])\d+(?!\d|\.\d)")
SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
"""Digits as Unicode's subscripts, for str.translate()."""
_ISOTOPES: Final = {"D": "H", "T": "H"}
RATIO_TOLERANCE: Final = 0.005
"""Relative deviation of an element's share within which two compositions agree: formulas are rounded too."""


@dataclass(frozen=True)
class FormulaUnits:
    """A reduced formula and how many of it are in a cell: K2O2 is KO twice, N2 is N twice.

    Attributes
    ----------
    formula
        The reduced formula.
    count
        How many are in the cell.
    """

    formula: str
    count: int


def formula_units(atoms: Atoms) -> FormulaUnits:
    """The formula of a cell divided by the greatest common divisor of its numbers of atoms.

    No exceptions are made for peroxides and molecules of one element, so that n formula units times the atoms of one
    are the atoms of the cell for every crystal.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    FormulaUnits
        The formula with the least electronegative element first, and the number of units, at least 1.
    """
    from pymatgen.core.composition import reduce_formula

    counts = composition(atoms)
    units = math.gcd(*counts.values()) if counts else 1
    # pymatgen's own reduction, before the exceptions of Composition.
    return FormulaUnits(reduce_formula(counts)[0], max(1, units))


def with_subscripts(text: str) -> str:
    """Set the numbers behind letters and brackets as subscripts: SrTiO3 as SrTiO₃, C44 as C₄₄.

    Parameters
    ----------
    text
        A formula, or a symbol with its indices; fractions, as in Fe0.95O, stay.

    Returns
    -------
    str
        In Unicode's subscripts, for places that know no markup.
    """
    return _INDEX.sub(lambda found: found[0].translate(SUBSCRIPTS), text)


def composition(atoms: Atoms) -> dict[str, int]:
    """Numbers of atoms by element.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    dict
        In the order of atomic numbers.
    """
    numbers = atoms.numbers.tolist()
    return {chemical_symbols[z]: numbers.count(z) for z in sorted(set(numbers))}


def written(counts: Mapping[str, float]) -> str:
    """A formula with the least electronegative element first, as pymatgen orders it.

    Parameters
    ----------
    counts
        Element -> number.

    Returns
    -------
    str
        Such as NaCl, SiO2, CaTiO3.
    """
    from pymatgen.core import Composition

    parts = Composition(dict.fromkeys(counts, 1.0)).formula.split()
    order = [re.match("[A-Za-z]+", part).group(0) for part in parts]  # type: ignore[union-attr]
    return "".join(e + ("" if counts[e] == 1 else f"{counts[e]:.6g}") for e in order)


def parse_formula(text: str) -> dict[str, float]:
    """Numbers of atoms by element of a formula.

    Parameters
    ----------
    text
        Such as 'H2 Mg O2' or 'Ca(OH)2'.

    Returns
    -------
    dict
        Element -> number, D and T as H; empty where it is no formula.
    """
    plain = text.strip().strip("'\"").replace(",", " ")
    if not plain or len(plain) > 500:
        return {}
    found: dict[str, float] = {}
    at = 0
    compact = re.sub(r"[\s~]+", "", plain)
    while at < len(compact):
        match = _TERM.match(compact, at)
        if not match:
            return _with_groups(compact)
        symbol = _ISOTOPES.get(match.group(1), match.group(1))
        if symbol not in chemical_symbols[1:]:
            return {}
        try:
            amount = float(match.group(2)) if match.group(2) else 1.0
        except ValueError:
            return {}
        found[symbol] = found.get(symbol, 0.0) + amount
        at = match.end()
    return {e: n for e, n in found.items() if n > 0.0}


def _with_groups(text: str) -> dict[str, float]:
    if not re.fullmatch(r"[A-Za-z0-9()\[\]]{1,200}", text):
        return {}
    try:
        counts = Formula(text.replace("[", "(").replace("]", ")")).count()
    except (ValueError, IndexError, KeyError, RecursionError):
        return {}
    return {e: float(n) for e, n in counts.items()} if set(counts) <= set(chemical_symbols[1:]) else {}


def ratio(found: Mapping[str, float], stated: Mapping[str, float]) -> float | None:
    """How often a stated formula is in what was found.

    Parameters
    ----------
    found
        Element -> number.
    stated
        Element -> number.

    Returns
    -------
    float or None
        None where they are of different composition.
    """
    if set(found) != set(stated) or not stated:
        return None
    factor = sum(found.values()) / sum(stated.values())
    for element, amount in stated.items():
        # Formulas give two digits; what is a hundredth of an atom off in a small formula is rounding.
        if abs(found[element] / factor - amount) > max(RATIO_TOLERANCE * amount, 0.0051):
            return None
    return factor
