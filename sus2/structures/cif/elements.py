"""Which element a site of a CIF file is.

From its type symbol, else from its label by the rules of the CIF core dictionary, with the file's own formula where
these leave it open.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ase.data import atomic_numbers, chemical_symbols

from sus2.errors import StructureError, printable

ISOTOPE_MASSES: Final = {"D": 2.01410177812, "T": 3.01604928199}
"""Deuterium and tritium, in units of the atomic mass (AME2020)."""
HEAVIEST: Final = 103
"""Labels are never taken for a heavier element: those occur in no crystal that a file could describe."""
_TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]|[+-]\d*\.?\d*|\d*\.\d*)?(?:_.*)?$")
_NEUTRAL = re.compile(r"([A-Z][a-z]?)(?:val|cv|iso)?\d{0,2}$", re.IGNORECASE)
_GROUPS = re.compile(r"(?:O|N|C|B|S|P|F|Cl|Br|I)H\d?|OH2|[HD]2O|H3O|O-H|OW|[HD]OH|WAT(?:ER)?[A-Z]?", re.IGNORECASE)
_HEAVY: Final = ("O", "N", "Cl", "C", "Br", "B", "S", "P", "F", "I")
_LETTERS = re.compile(r"[A-Za-z]+")
_WATER = re.compile(r"[HD]\d?O\d*[A-Z]?|[HD]OH\d*", re.IGNORECASE)
_SECOND = re.compile(r"[,/;|&]\s*([A-Z][a-z]?)")


@dataclass(frozen=True)
class Species:
    """An element as a file means it.

    Attributes
    ----------
    symbol
        Chemical symbol.
    mass
        In atomic units, where it is not the natural one.
    said
        What a notice must say of it.
    """

    symbol: str
    mass: float | None = None
    said: str = ""


def unknown(text: str) -> StructureError:
    """The refusal of what is no element.

    Parameters
    ----------
    text
        As it stands in the file.

    Returns
    -------
    StructureError
        To be raised.
    """
    return StructureError(f"'{printable(text, 30)}' is no chemical element; correct the symbol.")


def species_of_type(text: str, formula: Collection[str] = ()) -> Species:
    """The element of a type symbol such as Na, Na1+, NA+, O2-, D or Cval.

    A group of atoms on one site, as NH3 or OH, gives its heavy atom and a word that the hydrogens are missing.

    Parameters
    ----------
    text
        The symbol.
    formula
        Elements that the formula has.

    Returns
    -------
    Species
        The element.

    Raises
    ------
    StructureError
        What is no element, quoted.
    """
    plain = text.strip()
    match = _TYPE.match(plain) or _NEUTRAL.match(plain)
    symbol = match.group(1).capitalize() if match else ""
    if symbol in ISOTOPE_MASSES:
        # T is also what mineralogists call a tetrahedral site.
        if symbol == "T" and formula and not {"H", "T"} & set(formula):
            raise unknown(text)
        return _isotope(symbol)
    if not _known(symbol) or atomic_numbers[symbol] > HEAVIEST:
        return _group(plain, formula)
    if match and match.group(1).isupper() and len(symbol) == 2 and formula and symbol not in formula:
        return _group(plain, formula)
    return Species(symbol)


def species_of_label(label: str, formula: Collection[str], others: Collection[str]) -> Species:
    """The element of a label such as Na1, OH, HO1 or Fe1A, for files without type symbols.

    The letters before the first digit are the symbol. Where one and two letters both make an element, the formula of
    the file decides, else capitals: Ho1 is holmium; HO1 beside a label O1 is hydrogen, which is said.

    Parameters
    ----------
    label
        Of the site.
    formula
        Elements of the file's formula; empty where it has none.
    others
        All labels of the file.

    Returns
    -------
    Species
        The element.

    Raises
    ------
    StructureError
        Quoting a label that names no element, or one of two.
    """
    match = _LETTERS.match(label.strip())
    letters = match.group(0) if match else ""
    if not letters:
        raise unknown(label)
    behind = _SECOND.search(label)
    if behind and _known(behind.group(1)) and behind.group(1) != letters.capitalize():
        raise StructureError(
            f"The label '{printable(label, 30)}' names more than one element; give each a row with its occupancy, or "
            "add _atom_site_type_symbol."
        )
    heads = {m.group(0).capitalize() for o in others if (m := _LETTERS.match(o.strip()))}
    if _WATER.fullmatch(label.strip()) and letters.upper() not in ("HO", "DO") and not heads & {"O", "Ow"}:
        # H2O1 is a hydrogen where there is an O1, else water.
        return _group(label, formula)
    readings = _readings(letters)
    if not readings:
        return _group(label, formula)
    stated = [r for r in readings if r in formula or (r in ISOTOPE_MASSES and "H" in formula and r == letters[:1])]
    if len(stated) == 1 or (formula and not stated and len(readings) == 1):
        return _read(stated[0] if stated else readings[0], letters, label)
    if formula and not stated:
        raise StructureError(
            f"The label '{printable(label, 30)}' names no element of the file's formula; add _atom_site_type_symbol."
        )
    if len(readings) == 1:
        return _read(readings[0], letters, label)
    two, one = readings
    if letters[0].isupper() and letters[1].islower():
        return _read(two, letters, label)
    bound = letters[1].upper() in heads
    if (one == "H" and not bound) or (one != "H" and bound and one in heads):
        raise StructureError(
            f"The label '{printable(label, 30)}' may be {one} or {two}; add _atom_site_type_symbol or a formula."
        )
    symbol = one if one == "H" else two
    return Species(symbol, said=f"The label '{printable(label, 30)}' was read as {symbol}.")


def _readings(letters: str) -> list[str]:
    """Elements that the letters of a label may begin with: of two letters, then of one."""
    pair, first = letters[:2].capitalize(), letters[0].upper()
    found = []
    if len(letters) > 1 and _known(pair) and atomic_numbers[pair] <= HEAVIEST:
        proper = letters[1].islower() and letters[0].isupper()
        # 'Wat' is no W, 'Cab' no Ca: a word is not a symbol with something behind.
        if not (proper and len(letters) > 2 and letters[2].islower()):
            found.append(pair)
    word = len(letters) > 1 and letters[0].isupper() and letters[1].islower()
    # Of a word such as Oh, Ow or Hw the first letter counts; of Wat or Cab none does.
    if (_known(first) or first == "D") and (not word or (len(letters) == 2 and letters[1] in "hw")):
        found.append(first)
    return found


def _read(symbol: str, letters: str, label: str) -> Species:
    if symbol in ISOTOPE_MASSES:
        return _isotope(symbol)
    if letters.upper() in ("OH", "OW", "NH", "CH") and symbol == letters[0].upper():
        if letters[1] in "wW":
            return Species(symbol)
        return Species(
            symbol, said=f"The site '{printable(label, 30)}' was read as {symbol} alone, without its hydrogen."
        )
    return Species(symbol)


def _group(text: str, formula: Collection[str]) -> Species:
    """The heavy atom of a group such as OH, NH3 or WAT; raises StructureError for anything else."""
    plain = re.sub(r"\d*[+-]$", "", text.strip())
    word = re.sub(r"(?<=[A-Za-z])\d+[A-Za-z]?$", "", plain) if plain[:1] in "WwOo" else plain
    if plain[:1] in "HhDd":
        word = re.sub(r"(?<=[OHoh])\d+$", "", plain)
    if _GROUPS.fullmatch(word):
        capitals = plain if any(c.isupper() for c in plain) else plain.upper()
        heavy = next((e for e in _HEAVY if re.match(rf"(?:[HD]\d?)?{e}(?![a-z])", capitals)), "O")
        if not formula or heavy in formula:
            return Species(heavy, said=f"The site '{plain}' was read as {heavy} alone, without its hydrogen.")
    raise unknown(text)


def _isotope(symbol: str) -> Species:
    return Species(
        "H", ISOTOPE_MASSES[symbol], f"{symbol} is computed as hydrogen of mass {ISOTOPE_MASSES[symbol]:.3f} u."
    )


def _known(symbol: str) -> bool:
    return symbol in chemical_symbols[1:]
