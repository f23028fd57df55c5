"""SHELX .res and .ins (also AIRSS's), and .cssr: a cell, symmetry, and sites in fractions of it."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.cif import groups
from sus2.structures.cif.operations import IDENTITY, Operations, fits, is_group, parse_operations, with_centring
from sus2.structures.cif.sites import FULL, Row, described, expand, rounded
from sus2.structures.crystal import check_cell
from sus2.structures.disorder import Mixed, assembled
from sus2.structures.formats.words import MALFORMED, element, is_number, malformed

_CELL = re.compile(r"^[^\S\n]*CELL\s+[\d.]+(\s+[\d.]+){6}", re.IGNORECASE | re.MULTILINE)
_SFAC = re.compile(r"^[^\S\n]*SFAC\s", re.IGNORECASE | re.MULTILINE)
_CENTRING: Final = {
    1: ["x,y,z"],
    2: ["x,y,z", "x+1/2,y+1/2,z+1/2"],
    3: ["x,y,z", "x+2/3,y+1/3,z+1/3", "x+1/3,y+2/3,z+2/3"],
    4: ["x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z"],
    5: ["x,y,z", "x,y+1/2,z+1/2"],
    6: ["x,y,z", "x+1/2,y,z+1/2"],
    7: ["x,y,z", "x+1/2,y+1/2,z"],
}
_INSTRUCTIONS: Final = frozenset(
    (
        *("TITL", "UNIT", "ZERR", "TWIN", "SIZE", "PLAN", "FMAP", "LIST", "OMIT", "SHEL", "DEFS", "MOVE", "GRID"),
        *("STIR", "HTAB", "CONF", "BIND", "WGHT", "EXTI", "BASF", "TEMP", "REM", "MPLA", "SUMP", "SIMU", "RIGU"),
        *("DELU", "ISOR", "DFIX", "SADI"),
    )
)
"""Instructions that could look like an atom: a word and four numbers or more."""


def is_shelx(text: str) -> bool:
    """Whether there is a line CELL with seven numbers and one SFAC.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where there is.
    """
    return _CELL.search(text) is not None and _SFAC.search(text) is not None


def read_shelx(text: str, *, order: bool = False) -> Atoms:
    """The crystal of a SHELX file.

    Parameters
    ----------
    text
        Of the file.
    order
        Whether disorder is to be ordered.

    Returns
    -------
    Atoms
        Periodic, with info["notices"].

    Raises
    ------
    StructureError
        The file is damaged.
    OpenChoiceError
        It is disordered.
    """
    joined = re.sub(r"=[^\S\n]*\n", " ", text)
    cell: np.ndarray | None = None
    latt, symm, elements = 1, ["x,y,z"], list[str]()
    free: list[float] = []
    atoms: list[tuple[str, str, list[float]]] = []
    try:
        for line in joined.splitlines():
            words = line.split("!")[0].split()
            if not words:
                continue
            key = words[0].upper().split("_")[0]
            if key == "CELL":
                cell = np.asarray(cellpar_to_cell([float(w) for w in words[2:8]]), dtype=float)
            elif key == "LATT":
                latt = int(float(words[1]))
            elif key == "SYMM":
                symm.append("".join(words[1:]))
            elif key == "SFAC":
                # Scattering factors may be written out behind one element.
                names = [w for w in words[1:] if not is_number(w)]
                elements += names[:1] if len(names) < len(words) - 1 else names
            elif key == "FVAR":
                free += [float(w) for w in words[1:]]
            elif key in ("HKLF", "END"):
                break
            elif _is_site(words, key):
                atoms.append((words[0], elements[int(float(words[1])) - 1], [float(w) for w in words[2:6]]))
        if cell is None or abs(latt) not in _CENTRING:
            raise StructureError("The SHELX file gives no cell, or a lattice that does not exist.")
        if len(atoms) > settings().max_atoms:
            raise StructureError(
                f"The structure has {len(atoms):,} atoms; at most {settings().max_atoms:,} are allowed."
            )
    except MALFORMED as error:
        raise malformed("SHELX file", error) from None
    check_cell(cell)
    operations = parse_operations(symm, "SYMM")
    if latt > 0:
        inverse = Operations(-operations.rotations, -operations.translations % 1.0, "SYMM")
        operations = Operations(
            np.concatenate([operations.rotations, inverse.rotations]),
            np.concatenate([operations.translations, inverse.translations]),
            "SYMM",
        )
    operations = with_centring(operations, parse_operations(_CENTRING[abs(latt)], "LATT"))
    if not is_group(operations):
        raise StructureError("The operations (SYMM, LATT) are not a group: some are missing or wrong; correct them.")
    if not fits(operations, cell):
        raise StructureError("The operations (SYMM, LATT) do not fit the cell; correct one of them.")
    rows = [_row(label, name, numbers, free) for label, name, numbers in atoms]
    return _crystal(rows, operations, cell, order, share=len(operations))


def _is_site(words: list[str], key: str) -> bool:
    """Whether a line is an atom, and no peak of the difference map."""
    numbers = len(words) >= 5 and all(map(is_number, words[1:5]))
    return numbers and key not in _INSTRUCTIONS and not re.fullmatch(r"Q\d+", words[0], re.IGNORECASE)


def _row(label: str, name: str, numbers: list[float], free: list[float]) -> Row:
    """A site; a number of 5 to 15 is 10 more than a fixed value, and beyond it is in units of a free variable."""

    def value(number: float) -> float:
        k, rest = divmod(abs(number) + 5.0, 10.0)
        k, rest = int(k), rest - 5.0
        if k < 1 or abs(number) < 5.0:
            return number
        if k == 1:
            return rest if number > 0 else -rest
        variable = free[k - 1]
        return rest * variable if number > 0 else rest * (1.0 - variable)

    if not np.isfinite(numbers).all() or np.abs(numbers).max() > 1e4:
        raise StructureError(f"The site {printable(label, 20)} has a number that is far too large; correct it.")
    try:
        z, mass = element(name.lstrip("$"))
        point = np.array([value(v) for v in numbers[:3]])
        occupancy = value(numbers[3]) if len(numbers) > 3 else 1.0
    except IndexError:
        raise StructureError(f"The site {printable(label, 20)} names a free variable that is not there.") from None
    symbol = Atoms([z]).get_chemical_symbols()[0]
    exact = [rounded(f"{v:.10g}", float(v))[0] for v in point]
    return Row(label, symbol, mass, np.array(exact), np.full(3, 5e-5), occupancy, None, name)


def _crystal(rows: list[Row], operations: Operations, cell: np.ndarray, order: bool, *, share: int = 0) -> Atoms:
    """All atoms; share: operations of the group, where occupancies are shares of a general position."""
    if not rows:
        raise StructureError("The file holds no atoms that can be read; it may be cut off.")
    whole = rows
    if share:
        counts = expand(rows, operations, cell).counts
        whole = []
        for row, count in zip(rows, counts, strict=True):
            # AIRSS writes 1 on special positions too.
            occupancy = 1.0 if row.occupancy >= FULL else row.occupancy * share / count
            occupancy = 1.0 if FULL <= occupancy < 1.05 else occupancy
            whole.append(
                Row(row.label, row.symbol, row.mass, row.fractional, row.rounding, occupancy, None, row.type_text)
            )
    places = expand(whole, operations, cell).places
    sites = [Mixed(point, dict(p.content)) for p in places for point in p.points]
    return assembled(sites, cell, order=order, what=described(places))


def is_cssr(text: str) -> bool:
    """Whether line 1 holds three lengths at its end, and line 2 three angles and SPGR.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where they do.
    """
    lines = text[:2000].splitlines()
    if len(lines) < 4 or "SPGR" not in lines[1].upper():
        return False
    return len(lines[0].split()) >= 3 and all(map(is_number, lines[0].split()[-3:] + lines[1].split()[:3]))


def read_cssr(text: str, *, order: bool = False) -> Atoms:
    """The crystal of a .cssr file, as zeolite databases, Zeo++ and pymatgen write it.

    Parameters
    ----------
    text
        Of the file.
    order
        Whether disorder is to be ordered.

    Returns
    -------
    Atoms
        Periodic, with info["notices"].

    Raises
    ------
    StructureError
        The file is damaged.
    """
    lines = text.splitlines()
    try:
        lengths = [float(w) for w in lines[0].split()[-3:]]
        angles = [float(w) for w in lines[1].split()[:3]]
        cell = np.asarray(cellpar_to_cell([*lengths, *angles]), dtype=float)
        count, cartesian = int(lines[2].split()[0]), lines[2].split()[1:2] == ["1"]
        operations = _cssr_group(lines[1], cell)
        rows: list[Row] = []
        for line in lines[4:]:
            words = line.split()
            if len(words) < 5 or not all(map(is_number, words[2:5])):
                continue
            match = re.match(r"[A-Za-z]{1,2}", words[1])
            symbol = Atoms([_element_of(match.group(0) if match else words[1])]).get_chemical_symbols()[0]
            point = np.array([float(w) for w in words[2:5]])
            if cartesian:
                point = point @ np.linalg.inv(cell)
            exact = [rounded(w, float(v))[0] for w, v in zip(words[2:5], point, strict=True)]
            rows.append(Row(words[1], symbol, None, np.array(exact), np.full(3, 5e-5), 1.0, None, words[1]))
    except MALFORMED as error:
        raise malformed("CSSR file", error) from None
    if len(rows) != count:
        raise StructureError(f"The CSSR file promises {count:,} atoms but has {len(rows):,}; it may be cut off.")
    check_cell(cell)
    return _crystal(rows, operations, cell, order)


def _element_of(letters: str) -> int:
    for part in (letters, letters[:1]):
        try:
            return element(part)[0]
        except StructureError:
            continue
    raise StructureError(f"'{printable(letters, 30)}' is no chemical element; correct the symbol.")


def _cssr_group(line: str, cell: np.ndarray) -> Operations:
    match = re.search(r"SPGR\s*=?\s*(\d+)\s*(.*?)(?:\s{2,}OPT.*|\s+OPT\s*=.*)?$", line, re.IGNORECASE)
    if match is None or match.group(1) in ("0", "1"):
        return IDENTITY
    found = groups.named(match.group(2))
    if found is None or len(found.literal) != 1 or found.literal[0].number != int(match.group(1)):
        raise StructureError(
            f"The space group '{printable(match.group(2), 30)}' of the CSSR file leaves its setting open: give all "
            "atoms."
        )
    rotations, translations = groups.operations_of(found.literal[0].hall)
    operations = Operations(rotations, translations, found.literal[0].label, found.literal[0].number)
    if not fits(operations, cell):
        raise StructureError(f"The space group '{printable(match.group(2), 30)}' does not fit the cell.")
    return operations
