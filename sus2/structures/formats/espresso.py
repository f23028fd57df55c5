"""Quantum ESPRESSO: pw.x input (cards by ASE, every ibrav) and output (by ASE)."""

from __future__ import annotations

import io
import math
import re
import warnings
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.formats.words import MALFORMED, element, malformed, with_masses
from sus2.types import Array
from sus2.units import BOHR_TO_A

_SYSTEM = re.compile(r"^[^\S\n]*&system\b", re.IGNORECASE | re.MULTILINE)
_POSITIONS = re.compile(r"^[^\S\n]*ATOMIC_POSITIONS\b", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r"[!#][^\n]*")
_CARDS = re.compile(
    r"^[^\S\n]*(ATOMIC_SPECIES|ATOMIC_POSITIONS|CELL_PARAMETERS|K_POINTS)\b", re.IGNORECASE | re.MULTILINE
)


_MASS_FITS = 0.15
"""Relative deviation within which a mass is that of an element."""


def is_espresso_input(text: str) -> bool:
    """Whether there is a namelist &system and a card ATOMIC_POSITIONS.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where there is.
    """
    return bool(_SYSTEM.search(text) and _POSITIONS.search(text))


def is_espresso_output(text: str) -> bool:
    """Whether pw.x wrote it.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where it did.
    """
    return "Program PWSCF" in text and "number of atoms/cell" in text


def read_espresso_input(text: str) -> Atoms:
    """The crystal of a pw.x input.

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
    from ase.io.espresso import get_atomic_positions, get_cell_parameters, read_fortran_namelist

    plain = _CARDS.sub(lambda m: m.group(1).upper(), _COMMENT.sub("", text))
    try:
        data, cards = read_fortran_namelist(io.StringIO(plain))
        system = {str(k).lower(): v for k, v in data["system"].items()}
        if "space_group" in system:
            raise StructureError("The input gives a space group and not all atoms, which is not read here.")
        count, ibrav = int(system["nat"]), int(system.get("ibrav", 0))
        if not 0 < count <= settings().max_atoms:
            raise StructureError(
                f"The structure has {count:,} atoms; at most {settings().max_atoms:,} are allowed here."
            )
        alat = float(system["celldm(1)"]) * BOHR_TO_A if "celldm(1)" in system else system.get("a")
        cards = [line for line in cards if line.strip()]
        if ibrav == 0:
            units = next((line for line in cards if line.startswith("CELL_PARAMETERS")), "").lower()
            own = "bohr" in units or "angstrom" in units
            cell, _ = get_cell_parameters(cards, alat=None if own else alat)
            if cell is None:
                raise StructureError("The input has no card CELL_PARAMETERS; add it.")
            # Positions in alat without a given one are in units of the first vector.
            alat = alat if alat is not None else float(np.linalg.norm(cell[0]))
        else:
            cell = bravais(ibrav, system)
            alat = alat if alat is not None else float(np.linalg.norm(cell[0]))
        if any(line.startswith("ATOMIC_POSITIONS") and "crystal_sg" in line.lower() for line in cards):
            raise StructureError("The input gives a space group and not all atoms, which is not read here.")
        rows = get_atomic_positions(cards, n_atoms=count, cell=np.asarray(cell), alat=float(alat))
        masses = _masses(cards)
        kinds = _kinds(cards)
        numbers, given = zip(*(kinds.get(str(label)) or _species(str(label)) for label, _, _ in rows), strict=True)
        atoms = Atoms(list(numbers), positions=[p for _, p, _ in rows], cell=cell, pbc=True)
    except MALFORMED as error:
        raise malformed("Quantum ESPRESSO input", error) from None
    stated = [masses.get(str(label)) if m is None else m for (label, _, _), m in zip(rows, given, strict=True)]
    return with_masses(atoms, stated)


def _species(label: str) -> tuple[int, float | None]:
    """The element of a label such as Fe1, Fe_up, O-2 or D."""
    match = re.match(r"[A-Za-z]{1,2}", label)
    letters = match.group(0) if match else ""
    for part in (letters, letters[:1]):
        try:
            return element(part)
        except StructureError:
            continue
    raise StructureError(f"'{printable(label, 30)}' is no chemical element; correct the symbol.")


def _kinds(cards: list[str]) -> dict[str, tuple[int, float | None]]:
    """The element of each label; where HO may be holmium or a hydrogen, the mass beside it decides."""
    found: dict[str, tuple[int, float | None]] = {}
    for label, mass in _listed(cards):
        two = _species(label)
        letters = label[:2]
        try:
            one = element(label[:1])
        except StructureError:
            one = two
        off = [abs(mass - atomic_masses[z]) / atomic_masses[z] for z in (two[0], one[0])]
        shorter = letters.isalpha() and letters.isupper() and mass > 0 and off[0] > _MASS_FITS >= off[1]
        found[label] = one if shorter else two
    return found


def _listed(cards: list[str]) -> list[tuple[str, float]]:
    """Labels and masses of the card ATOMIC_SPECIES."""
    found = []
    reading = False
    for line in cards:
        words = line.split()
        if _CARDS.match(line):
            reading = words[0] == "ATOMIC_SPECIES"
        elif reading and len(words) >= 2:
            found.append((words[0], float(words[1].lower().replace("d", "e"))))
    return found


def _masses(cards: list[str]) -> dict[str, float]:
    """Masses by label, of hydrogen alone: others are as often placeholders as masses."""
    kinds = _kinds(cards)
    return {label: mass for label, mass in _listed(cards) if kinds[label][0] == 1 and 1.9 < mass < 3.1}


def bravais(ibrav: int, system: dict[str, Any]) -> Array:
    """The lattice vectors of a Bravais lattice index, as in the description of pw.x's input.

    Parameters
    ----------
    ibrav
        The index.
    system
        The namelist, with celldm(1) to celldm(6), or A, B, C, cosAB, cosAC, cosBC (in small letters here).

    Returns
    -------
    ndarray
        (3, 3) angstrom.

    Raises
    ------
    StructureError
        An index that does not exist.
    KeyError
        A parameter is missing.
    ValueError
        A parameter is no number.
    """
    if "celldm(1)" in system:
        a = float(system["celldm(1)"]) * BOHR_TO_A
        d = [0.0, 1.0, *(float(system.get(f"celldm({k})", 0.0)) for k in range(2, 7))]
        b, c, cosines = a * d[2], a * d[3], d[4:7]
        bc, ac, ab = (cosines[0], cosines[1], cosines[2]) if ibrav == 14 else (0.0, 0.0, 0.0)
        if ibrav in (5, -5, 12, 13):
            ab = cosines[0]
        if ibrav in (-12, -13):
            ac = cosines[1]
    else:
        a, b, c = (float(system.get(k, 0.0)) for k in "abc")
        ab, ac, bc = (float(system.get(k, 0.0)) for k in ("cosab", "cosac", "cosbc"))
    if not a > 0.0:
        raise StructureError("The input gives no lattice constant, celldm(1) or A; add it.")
    h = 0.5
    root = math.sqrt
    if ibrav in (5, -5):
        tx, ty, tz = root((1 - ab) / 2), root((1 - ab) / 6), root((1 + 2 * ab) / 3)
        if ibrav == 5:
            return a * np.array([[tx, -ty, tz], [0, 2 * ty, tz], [-tx, -ty, tz]])
        u, v = tz - 2 * root(2) * ty, tz + root(2) * ty
        return a / root(3) * np.array([[u, v, v], [v, u, v], [v, v, u]])
    sab, sac = root(max(0.0, 1 - ab * ab)), root(max(0.0, 1 - ac * ac))
    tables: dict[int, list[list[float]]] = {
        1: [[a, 0, 0], [0, a, 0], [0, 0, a]],
        2: [[-h * a, 0, h * a], [0, h * a, h * a], [-h * a, h * a, 0]],
        3: [[h * a, h * a, h * a], [-h * a, h * a, h * a], [-h * a, -h * a, h * a]],
        -3: [[-h * a, h * a, h * a], [h * a, -h * a, h * a], [h * a, h * a, -h * a]],
        4: [[a, 0, 0], [-h * a, h * root(3) * a, 0], [0, 0, c]],
        6: [[a, 0, 0], [0, a, 0], [0, 0, c]],
        7: [[h * a, -h * a, h * c], [h * a, h * a, h * c], [-h * a, -h * a, h * c]],
        8: [[a, 0, 0], [0, b, 0], [0, 0, c]],
        9: [[h * a, h * b, 0], [-h * a, h * b, 0], [0, 0, c]],
        -9: [[h * a, -h * b, 0], [h * a, h * b, 0], [0, 0, c]],
        91: [[a, 0, 0], [0, h * b, -h * c], [0, h * b, h * c]],
        10: [[h * a, 0, h * c], [h * a, h * b, 0], [0, h * b, h * c]],
        11: [[h * a, h * b, h * c], [-h * a, h * b, h * c], [-h * a, -h * b, h * c]],
        12: [[a, 0, 0], [b * ab, b * sab, 0], [0, 0, c]],
        -12: [[a, 0, 0], [0, b, 0], [c * ac, 0, c * sac]],
        13: [[h * a, 0, -h * c], [b * ab, b * sab, 0], [h * a, 0, h * c]],
        -13: [[h * a, h * b, 0], [-h * a, h * b, 0], [c * ac, 0, c * sac]],
    }
    if ibrav in tables:
        return np.array(tables[ibrav], dtype=np.float64)
    if ibrav == 14:
        z = 1 + 2 * bc * ac * ab - bc * bc - ac * ac - ab * ab
        return np.array(
            [
                [a, 0, 0],
                [b * ab, b * sab, 0],
                [c * ac, c * (bc - ac * ab) / sab, c * root(z) / sab],
            ]
        )
    raise StructureError(f"There is no Bravais lattice of index ibrav = {ibrav}.")


def read_espresso_output(text: str) -> Atoms:
    """The last structure of a pw.x output.

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
    from ase.io.espresso import read_espresso_out

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = list(read_espresso_out(io.StringIO(text), index=slice(-1, None), results_required=False))
    except MALFORMED as error:
        raise malformed("Quantum ESPRESSO output", error) from None
    if not found:
        raise StructureError("The Quantum ESPRESSO output holds no structure; it may be cut off.")
    last = found[-1]
    atoms = Atoms(last.numbers, positions=last.positions, cell=last.cell, pbc=True)
    steps = len(_POSITIONS.findall(text))
    atoms.info["notices"] = [f"The file has {steps + 1} structures; the last one was taken."] if steps else []
    return atoms
