"""CASTEP's .cell and ABINIT's input: keywords with numbers behind them."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.formats.words import MALFORMED, element, malformed, with_masses
from sus2.units import BOHR_TO_A

_BLOCK = re.compile(r"%block\s+(\w+)[^\n]*\n(.*?)%endblock", re.IGNORECASE | re.DOTALL)
_CELL_BLOCK = re.compile(r"^[^\S\n]*%block\s+lattice_(cart|abc)\b", re.IGNORECASE | re.MULTILINE)
_LENGTHS: Final = {"bohr": BOHR_TO_A, "a0": BOHR_TO_A, "ang": 1.0, "m": 1e10, "cm": 1e8, "nm": 10.0, "pm": 0.01}
_ABINIT: Final = ("natom", "typat", "znucl")
_MAX_REPEAT = 100_000
_SQRT = re.compile(r"(-?)sqrt\((\d+\.?\d*)\)$")


def is_castep(text: str) -> bool:
    """Whether there is a block lattice_cart or lattice_abc.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where there is.
    """
    return _CELL_BLOCK.search(text) is not None


def read_castep(text: str) -> Atoms:
    """The crystal of a CASTEP .cell file.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    Atoms
        Periodic, with info["notices"].

    Raises
    ------
    StructureError
        The file is damaged.
    """
    plain = re.sub(r"[!#;][^\n]*", "", text)
    blocks = {name.lower(): body for name, body in _BLOCK.findall(plain)}
    try:
        cell = _castep_cell(blocks)
        where = "positions_frac" if "positions_frac" in blocks else "positions_abs"
        unit, lines = _unit(blocks[where])
        numbers, rows, masses = [], [], []
        own = _castep_masses(blocks.get("species_mass", ""))
        for words in lines:
            if any(w.upper().startswith("MIXTURE") for w in words):
                raise StructureError("The file has mixed sites (MIXTURE), which are not read here; order them first.")
            z, mass = element(words[0].split(":")[0])
            numbers.append(z)
            masses.append(own.get(words[0].lower(), mass))
            rows.append([_value(w) for w in words[1:4]])
        points = np.array(rows, dtype=float).reshape(len(rows), 3)
    except KeyError as error:
        raise StructureError(f"The CASTEP file has no block {printable(error, 30)}; it may be cut off.") from None
    except MALFORMED as error:
        raise malformed("CASTEP file", error) from None
    positions = points @ cell if where == "positions_frac" else points * unit
    return with_masses(Atoms(numbers, positions=positions, cell=cell, pbc=True), masses)


def _castep_cell(blocks: dict[str, str]) -> np.ndarray:
    if "lattice_cart" in blocks:
        unit, lines = _unit(blocks["lattice_cart"])
        return unit * np.array([[_value(w) for w in words[:3]] for words in lines[:3]], dtype=float).reshape(3, 3)
    unit, lines = _unit(blocks["lattice_abc"])
    lengths, angles = ([_value(w) for w in words[:3]] for words in lines[:2])
    return np.asarray(cellpar_to_cell([*(unit * v for v in lengths), *angles]), dtype=float)


def _unit(body: str) -> tuple[float, list[list[str]]]:
    lines = [line.split() for line in body.splitlines() if line.strip()]
    if lines and len(lines[0]) == 1 and not lines[0][0][0].isdigit():
        name = lines[0][0].lower()
        if name not in _LENGTHS:
            raise StructureError(f"'{printable(name, 20)}' is no unit of length of CASTEP.")
        return _LENGTHS[name], lines[1:]
    return 1.0, lines


def _castep_masses(body: str) -> dict[str, float]:
    lines = [line.split() for line in body.splitlines() if line.strip()]
    return {w[0].lower(): _value(w[1]) for w in lines if len(w) == 2}


def _value(word: str) -> float:
    """A number, also as 1/3 or sqrt(0.75)."""
    plain = word.lower().replace("d", "e") if "sqrt" not in word.lower() else word.lower()
    if match := _SQRT.match(plain):
        return float(f"{match.group(1)}1") * float(match.group(2)) ** 0.5
    if plain.count("/") == 1:
        top, bottom = plain.split("/")
        return float(top) / float(bottom)
    return float(plain)


def is_abinit(text: str) -> bool:
    """Whether the keywords natom, typat and znucl are there, and positions.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where they are.
    """
    words = set(re.findall(r"[a-z]+", text.lower()))
    return words.issuperset(_ABINIT) and bool(words & {"xred", "xcart", "xangst"})


def read_abinit(text: str) -> Atoms:
    """The crystal of an ABINIT input (its first data set).

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    Atoms
        Periodic, with info["notices"].

    Raises
    ------
    StructureError
        The file is damaged.
    """
    words = re.sub(r"[#!][^\n]*", "", text).lower().replace(",", " ").replace("=", " ").split()
    try:
        count = int(_after(words, "natom", 1)[0])
        if not 0 < count <= settings().max_atoms:
            raise StructureError(
                f"The structure has {count:,} atoms; at most {settings().max_atoms:,} are allowed here."
            )
        cell = _abinit_cell(words)
        charges = _after(words, "znucl", int(_after(words, "ntypat", 1)[0]) if "ntypat" in words else 1)
        numbers = []
        for kind in _after(words, "typat", count):
            z = charges[int(kind) - 1] if int(kind) >= 1 else 0.0
            if not float(z).is_integer():
                raise StructureError(f"The nuclear charge {z:g} is that of a mixed atom, which is not read here.")
            numbers.append(element(str(int(z)))[0])
        name = next(k for k in ("xred", "xcart", "xangst") if k in words)
        rows = np.reshape(_after(words, name, 3 * count), (count, 3))
    except StopIteration:
        raise StructureError("The ABINIT input gives no positions (xred, xcart or xangst).") from None
    except MALFORMED as error:
        raise malformed("ABINIT input", error) from None
    unit = 1.0 if name == "xangst" else _scale(words, name, 3 * count)
    positions = rows @ cell if name == "xred" else rows * unit
    return with_masses(Atoms(numbers, positions=positions, cell=cell, pbc=True), [None] * count)


def _abinit_cell(words: list[str]) -> np.ndarray:
    lengths = np.array(_after(words, "acell", 3)) * _scale(words, "acell", 3) if "acell" in words else BOHR_TO_A
    if "rprim" in words:
        directions = np.reshape(_after(words, "rprim", 9), (3, 3))
    elif "angdeg" in words:
        directions = np.asarray(cellpar_to_cell([1.0, 1.0, 1.0, *_after(words, "angdeg", 3)]))
    else:
        directions = np.eye(3)
    cell = directions * np.broadcast_to(lengths, 3)[:, None]
    return cell * np.array(_after(words, "scalecart", 3)) if "scalecart" in words else cell


def _expanded(words: list[str], start: int, count: int) -> tuple[list[float], int]:
    """The numbers behind a keyword, with repetitions as 3*1.0, and where they end."""
    values: list[float] = []
    at = start
    while len(values) < count:
        times, star, value = words[at].partition("*")
        if star and int(times) > _MAX_REPEAT:
            raise ValueError(f"{times} repetitions")
        values += [_value(value)] * int(times) if star else [_value(times)]
        at += 1
    return values[:count], at


def _after(words: list[str], keyword: str, count: int) -> list[float]:
    return _expanded(words, words.index(keyword) + 1, count)[0]


def _scale(words: list[str], keyword: str, count: int) -> float:
    """Angstrom per unit of the lengths behind a keyword: bohr, unless 'angstrom' stands behind them."""
    end = _expanded(words, words.index(keyword) + 1, count)[1]
    return 1.0 if end < len(words) and words[end].startswith("angstr") else BOHR_TO_A
