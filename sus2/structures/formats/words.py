"""Numbers and elements as the words of text files."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from sus2.errors import StructureError, printable
from sus2.structures.cif.elements import ISOTOPE_MASSES

MALFORMED: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    RecursionError,
    StopIteration,
    RuntimeError,
    EOFError,
    OSError,
)
"""What parsers raise for files that are damaged."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?$")
_SYMBOL = re.compile(r"([A-Za-z]{1,2})(\d*\.?\d*[+-]|[+-]\d*\.?\d*)?$")
UNUSUAL_MASS: Final = 0.05
"""Relative deviation from the natural mass from which a mass in a file is kept and named."""


def is_number(word: str) -> bool:
    """Whether a word is a decimal number, with Fortran's exponents too.

    Parameters
    ----------
    word
        The word.

    Returns
    -------
    bool
        True where it is.
    """
    return _NUMBER.match(word) is not None


def element(word: str) -> tuple[int, float | None]:
    """Read an element: 'Si', 'Na+', 'O2-', 'SI', 'D' or '14'.

    Parameters
    ----------
    word
        The word.

    Returns
    -------
    tuple
        Atomic number, and the mass of an isotope.

    Raises
    ------
    StructureError
        What is no element, quoted.
    """
    if word.isascii() and word.isdecimal() and len(word) < 4 and 1 <= int(word) < len(chemical_symbols):
        return int(word), None
    match = _SYMBOL.match(word)
    symbol = match.group(1).capitalize() if match else ""
    if symbol in ISOTOPE_MASSES:
        return 1, ISOTOPE_MASSES[symbol]
    z = atomic_numbers.get(symbol, 0)
    if z < 1:
        raise StructureError(f"'{printable(word, 30)}' is no chemical element; correct the symbol.")
    return int(z), None


def floats(words: Sequence[str], line: int) -> list[float]:
    """Read finite numbers.

    Parameters
    ----------
    words
        The words.
    line
        Number of their line.

    Returns
    -------
    list of float
        As many.

    Raises
    ------
    StructureError
        One is none; the sentence names the line.
    """
    values = []
    for word in words:
        try:
            values.append(float(word.replace("D", "E").replace("d", "e")))
        except ValueError:
            raise StructureError(f"Line {line}: '{printable(word, 30)}' is no number.") from None
        if not math.isfinite(values[-1]):
            raise StructureError(f"Line {line}: '{printable(word, 30)}' is not a finite number.")
    if not values:
        raise StructureError(f"Line {line} holds no numbers.")
    return values


def triple(words: Sequence[str], line: int) -> list[float]:
    """Read the first three of some words as numbers.

    Parameters
    ----------
    words
        The words.
    line
        Number of their line.

    Returns
    -------
    list of float
        Three.

    Raises
    ------
    StructureError
        One is none; the sentence names the line.
    """
    values = floats(words[:3], line)
    if len(values) != 3:
        raise StructureError(f"Line {line} has fewer than three numbers.")
    return values


def with_masses(atoms: Atoms, masses: Sequence[float | None], notices: Sequence[str] = ()) -> Atoms:
    """Set masses and add notices of those that are unusual.

    Parameters
    ----------
    atoms
        The crystal, changed in place.
    masses
        Of the atoms (None: the natural ones).
    notices
        What is said already.

    Returns
    -------
    Atoms
        The same, with info["notices"].

    Raises
    ------
    StructureError
        A mass that is not a positive number.
    """
    said = list(notices)
    natural = atomic_masses[atoms.numbers]
    given = np.array([n if m is None else m for n, m in zip(natural, masses, strict=True)], dtype=float)
    if not (np.isfinite(given) & (given > 0.0)).all():
        raise StructureError("A mass in the file is not a positive number; correct it.")
    unusual = np.abs(given - natural) > UNUSUAL_MASS * natural
    if unusual.any():
        atoms.set_masses(np.where(unusual, given, natural))
        kinds = dict.fromkeys(
            (str(s), round(float(m), 3)) for s, m, u in zip(atoms.symbols, given, unusual, strict=True) if u
        )
        for symbol, mass in list(kinds)[:4]:
            name = next((i for i, m in ISOTOPE_MASSES.items() if symbol == "H" and abs(m - mass) < 0.02), None)
            said.append(
                f"{name} is computed as hydrogen of mass {mass:.3f} u." if name else f"{symbol} has mass {mass:g} u."
            )
    atoms.info["notices"] = said
    return atoms


def malformed(what: str, error: Exception) -> StructureError:
    """The refusal of a damaged file.

    Parameters
    ----------
    what
        What it should be.
    error
        What a reader ended in.

    Returns
    -------
    StructureError
        To be raised.
    """
    why = printable(error, 80).rstrip(".") or type(error).__name__
    return StructureError(f"The {what} cannot be read ({why}); it may be cut off.")
