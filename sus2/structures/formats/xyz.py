"""Extended XYZ in the dialects of ASE, pymatgen, OVITO and QUIP."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from sus2.errors import StructureError, printable
from sus2.structures.formats.words import element, floats, with_masses

# Begins at words only, and braces end at the next brace: the cost grows with the length alone.
_FIELD = re.compile(r"""(?<!\w)([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|\{([^{}]*)\}|(\[[^"'=]*\])|([^\s"'{]\S*))""")
_SPECIES: Final = ("species", "symbols", "element", "numbers", "atomic_numbers", "z", "type")
_POSITIONS: Final = ("pos", "positions", "position")
_LATTICES: Final = ("lattice", "cell")


def is_xyz(text: str) -> bool:
    """Whether line 1 is a number of atoms.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where it is.
    """
    first = text[:200].splitlines()[:1]
    return bool(first) and first[0].strip().isdecimal()


def read_xyz(text: str) -> Atoms:
    """XYZ whose second line carries Lattice="ax ay az bx by bz cx cy cz"; the first frame.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    Atoms
        Periodic where there is a lattice, with info["notices"].

    Raises
    ------
    StructureError
        That names the line.
    """
    lines = text.splitlines()
    count = int(lines[0].strip()[:12])
    if count < 1:
        raise StructureError("The XYZ file holds no atoms.")
    if len(lines) < count + 2:
        raise StructureError(f"Line 1 promises {count:,} atoms but only {max(len(lines) - 2, 0):,} rows follow.")
    fields = _comment_fields(lines[1])
    columns = _columns(fields["properties"]) if "properties" in fields else {"species": 0, "pos": 1}
    at, place, mass_at = columns["species"], columns["pos"], columns.get("masses", columns.get("mass"))
    numbers, rows, masses = [], [], []
    for k, line in enumerate(lines[2 : count + 2], start=3):
        words = line.split()
        if len(words) < max(place + 3, at + 1, (mass_at or 0) + 1):
            raise StructureError(f"Line {k} has too few columns for a symbol and three coordinates.")
        z, mass = element(words[at])
        numbers.append(z)
        rows.append(floats(words[place : place + 3], k))
        masses.append(floats([words[mass_at]], k)[0] if mass_at is not None else mass)
    cell = _cell(fields)
    if cell is None:
        return Atoms(numbers, positions=rows, pbc=False)
    notices = []
    if lines[2].split()[at].isdecimal():
        symbols = ", ".join(dict.fromkeys(chemical_symbols[z] for z in numbers))
        notices.append(f"The elements are given as numbers, which were read as atomic numbers: {symbols}.")
    frames = _frames(lines, count + 2)
    if frames > 1:
        notices.append(f"The file has {frames:,} frames; the first one was taken.")
    atoms = Atoms(numbers, positions=rows, cell=cell, pbc=_pbc(fields))
    return with_masses(atoms, masses, notices)


def _cell(fields: dict[str, str]) -> np.ndarray | None:
    text = next((fields[key] for key in _LATTICES if key in fields), None)
    if text is None:
        return None
    values = floats(re.sub(r"[\[\](),;]", " ", text).split(), 2)
    if len(values) == 3:
        return np.diag(values)
    if len(values) != 9:
        raise StructureError(f"Lattice must hold nine numbers, not {len(values)}.")
    return np.reshape(values, (3, 3))


def _pbc(fields: dict[str, str]) -> list[bool]:
    if "pbc" not in fields:
        return [True] * 3
    words = re.sub(r"[\[\](),;\"']", " ", fields["pbc"]).split()
    if len(words) == 1 and re.fullmatch(r"[TF10]{3}", words[0]):
        words = list(words[0])
    pbc = [w[0] in "Tt1" for w in words]
    if len(pbc) != 3:
        raise StructureError(f"pbc must hold three of T or F, not '{printable(fields['pbc'], 30)}'.")
    if not any(pbc):
        raise StructureError(
            f"The file has a cell but says pbc {printable(' '.join(words), 20)}, not periodic; if it is a crystal, "
            'write pbc="T T T".'
        )
    return pbc


def _frames(lines: list[str], first_end: int) -> int:
    """Frames in a file; what is behind the last whole one is not counted."""
    frames, at = 1, first_end
    while at < len(lines) and (word := lines[at].strip()).isdecimal() and len(word) < 7:
        at += 2 + int(word)
        frames += at <= len(lines)
    return frames


def _comment_fields(comment: str) -> dict[str, str]:
    found = _FIELD.findall(comment)
    return {key.lower(): next((v for v in values if v), "") for key, *values in found}


def _columns(properties: str) -> dict[str, int]:
    parts, at = properties.split(":"), 0
    columns: dict[str, int] = {}
    for name, _, width in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        columns.setdefault(name.lower(), at)
        at += int(width) if width.isascii() and width.isdecimal() and len(width) < 4 else 1
    species = next((columns[n] for n in _SPECIES if n in columns), None)
    place = next((columns[n] for n in _POSITIONS if n in columns), None)
    if "type" in columns and species == columns["type"] and ":type:i:" in f":{properties.lower()}":
        raise StructureError(
            "The column 'type' holds numbers of kinds of atoms, which do not say the elements; add a column 'species'."
        )
    if species is None or place is None:
        raise StructureError("Properties names no 'species' or no 'pos' column.")
    return {**columns, "species": species, "pos": place}
