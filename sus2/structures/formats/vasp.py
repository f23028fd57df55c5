"""VASP's POSCAR and CONTCAR, XDATCAR, OUTCAR and vasprun.xml."""

from __future__ import annotations

import io
import re
import warnings

import numpy as np
from ase import Atoms

from sus2.errors import StructureError, printable
from sus2.structures.formats.words import MALFORMED, element, floats, is_number, malformed, triple, with_masses

_STEP = re.compile(r"\s*POSITION\s+TOTAL-FORCE")
_CONFIGURATION = re.compile(r"^\s*Direct\s+configuration\s*=", re.IGNORECASE)


def is_poscar(text: str) -> bool:
    """Whether lines 2 to 5 are a scale and three vectors; the first line may be anything.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where they are.
    """
    lines = text[:4000].splitlines()
    if len(lines) < 5:
        return False
    scale = lines[1].split()
    vectors = [line.split()[:3] for line in lines[2:5]]
    return bool(scale) and is_number(scale[0]) and all(len(v) == 3 and all(map(is_number, v)) for v in vectors)


def read_poscar(text: str) -> Atoms:
    """POSCAR of VASP 4, 5 or 6, or the last configuration of an XDATCAR.

    Line 2 holds one scale (below zero: the volume) or three; the mode is Cartesian for C and K, else direct, as VASP
    has it. Without a line of symbols these come from the first line or from behind the positions.

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
        That names the line.
    """
    raw = text.splitlines()
    at = [k for k, line in enumerate(raw) if _CONFIGURATION.match(line)]
    if len(at) > 1:
        # Each configuration of a changing cell has its own header of seven lines.
        start = at[-1] - 7
        header = raw[start : at[-1]] if start > 0 and is_poscar("\n".join(raw[start : start + 5])) else raw[: at[0]]
        atoms = _read(header + raw[at[-1] :])
        atoms.info["notices"].append(f"The file has {len(at)} configurations; the last one was taken.")
        return atoms
    return _read(raw)


def _read(raw: list[str]) -> Atoms:
    lines = [line.split("!")[0].split("#")[0].split() for line in raw]
    notices: list[str] = []
    try:
        cell, scale = _cell(lines)
        words = lines[5]
        named = not (words and all(w.isdecimal() for w in words))
        counts_at = 6 if named else 5
        counts = _counts(lines[counts_at], counts_at + 1)
        if sum(counts) > len(lines):
            raise StructureError(f"The counts promise {sum(counts):,} atoms but the file is shorter; it is cut off.")
        start = counts_at + 1
        selective = bool(lines[start]) and lines[start][0][0] in "sS"
        start += selective
        mode = lines[start][0] if lines[start] else ""
        if not mode or is_number(mode):
            raise StructureError(f"Line {start + 1} must say Direct or Cartesian.")
        total = sum(counts)
        body = lines[start + 1 : start + 1 + total]
        rows = np.array([triple(lines[start + 1 + k], start + 2 + k) for k in range(total)])
    except IndexError:
        raise StructureError("The POSCAR file ends too early; it is cut off.") from None
    behind = [_symbol_behind(row) for row in body]
    further = lines[start + 1 + total] if len(lines) > start + 1 + total else []
    if len(further) >= 3 and all(map(is_number, further[:3])):
        # Velocities come behind an empty line.
        notices.append(f"The counts promise {total:,} atoms; the rows behind these were not read.")
    symbols = [_plain_symbol(w) for w in words] if named else _old_symbols(raw[0], len(counts))
    if symbols is None:
        if not all(behind):
            raise StructureError(
                "The POSCAR file does not name its elements: write them on the line above their counts (line 6)."
            )
        species = [element(s) for s in behind]
    else:
        if not named:
            notices.append(f"The elements were taken from the first line: {' '.join(symbols)}.")
        if len(symbols) != len(counts):
            raise StructureError(f"{len(symbols)} elements but {len(counts)} counts in lines 6 and 7.")
        # A symbol without atoms may be anything.
        species = [kind for s, n in zip(symbols, counts, strict=True) for kind in [element(s) if n else (0, None)] * n]
        wrong = [b for b, (z, _) in zip(behind, species, strict=True) if b and element(b)[0] != z]
        if wrong:
            notices.append(f"Behind the positions stands {wrong[0]}, but {symbols[0]} ... above them was used.")
    numbers, masses = [z for z, _ in species], [m for _, m in species]
    if not numbers:
        raise StructureError("The POSCAR file holds no atoms.")
    positions = rows * scale if mode[0] in "cCkK" else rows @ cell
    return with_masses(Atoms(numbers, positions=positions, cell=cell, pbc=True), masses, notices)


def _cell(lines: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    # Three numbers are scales along x, y and z; words behind one are a comment.
    given = lines[1][: 3 if len(lines[1]) > 2 and all(map(is_number, lines[1][:3])) else 1]
    if len(lines[1]) == 2 and all(map(is_number, lines[1])):
        raise StructureError("Line 2 must hold one scale or three.")
    scales = floats(given, 2)
    cell = np.array([triple(lines[k], k + 1) for k in (2, 3, 4)])
    if len(scales) == 3 and min(scales) <= 0.0:
        raise StructureError("The three scales in line 2 must be positive.")
    if len(scales) == 1 and scales[0] < 0:
        scale = np.full(3, (-scales[0] / max(abs(np.linalg.det(cell)), 1e-30)) ** (1 / 3))
    else:
        scale = np.resize(scales, 3)
    return cell * scale, scale


def _counts(words: list[str], line: int) -> list[int]:
    counts = []
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) <= 9):
            raise StructureError(f"Line {line}: '{printable(word, 30)}' is no number of atoms.")
        counts.append(int(word))
    if not counts:
        raise StructureError(f"Line {line} holds no numbers of atoms.")
    if not any(counts):
        raise StructureError(f"Line {line}: '{words[0]}' is no number of atoms.")
    return counts


def _plain_symbol(word: str) -> str:
    """Without what VASP adds of the POTCAR: Si_pv, Si/1234abcd."""
    return word.split("/")[0].split("_")[0]


def _is_symbol(word: str) -> bool:
    try:
        element(word)
    except StructureError:
        return False
    return not word.isdecimal()


def _old_symbols(comment: str, count: int) -> list[str] | None:
    """The symbols that VASP 4 files have in their first line, if there are as many."""
    words = [_plain_symbol(w) for w in comment.split()]
    proper = all(_is_symbol(w) and w == w.capitalize() for w in words)
    return words if len(words) == count and proper else None


def _symbol_behind(row: list[str]) -> str:
    """The element behind a position and its flags T and F."""
    rest = row[3:]
    if len(rest) >= 3 and all(w.strip(".").upper() in ("T", "F", "TRUE", "FALSE") for w in rest[:3]):
        rest = rest[3:]
    word = _plain_symbol(rest[0]) if rest else ""
    # A site number may stand behind, as in Cs1.
    match = re.fullmatch(r"([A-Z][a-z]?)\d*", word)
    return match.group(1) if match and _is_symbol(match.group(1)) else ""


def read_vasprun(text: str) -> Atoms:
    """The last structure of a vasprun.xml, by ASE.

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
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise StructureError("The XML file declares entities, which are not read; remove them.")
    from ase.io.vasp import read_vasp_xml

    steps = text.count("<calculation>")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = list(read_vasp_xml(io.BytesIO(text.encode()), index=-1))
    except (*MALFORMED, SyntaxError) as error:
        raise malformed("vasprun.xml file", error) from None
    if not found:
        raise StructureError("The vasprun.xml file holds no structure; it may be cut off.")
    atoms = Atoms(found[-1].numbers, positions=found[-1].positions, cell=found[-1].cell, pbc=True)
    atoms.info["notices"] = [f"The file has {steps} ionic steps; the last one was taken."] if steps > 1 else []
    return atoms


def is_outcar(text: str) -> bool:
    """Whether VASP wrote it as its log: a version on the first line, then elements and their numbers.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where it did.
    """
    return bool(re.match(r"\s*vasp\.\d", text)) and "VRHFIN" in text and "ions per type" in text


def read_outcar(text: str) -> Atoms:
    """The last whole step of an OUTCAR.

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
        The file is damaged, or no step of it is whole.
    """
    # ASE's reader opens the files that lie beside an OUTCAR, and pymatgen's reads no positions.
    lines = text.splitlines()
    try:
        symbols = [line.split("=")[1].split(":")[0].strip() for line in lines if "VRHFIN" in line]
        counts = next(
            _counts(line.split("=")[1].split(), k) for k, line in enumerate(lines, 1) if "ions per type" in line
        )
        # A promise of more atoms than the file has lines is not kept, and must not be counted out.
        if sum(counts) > len(lines):
            raise StructureError(
                f"The OUTCAR file promises {sum(counts):,} atoms in {len(lines):,} lines; it is cut off."
            )
        species = [element(s) for s, n in zip(symbols, counts, strict=True) for _ in range(n)]
        steps = [k for k, line in enumerate(lines) if _STEP.match(line) and _whole(lines, k, len(species))]
        at = steps[-1]
        vectors = max(k for k, line in enumerate(lines[:at]) if "direct lattice vectors" in line)
        cell = np.array([_split(lines[vectors + k]) for k in (1, 2, 3)])[:, :3]
        positions = np.array([_split(lines[at + 2 + k]) for k in range(len(species))])[:, :3]
    except IndexError:
        raise StructureError("The OUTCAR file holds no whole step; it is cut off.") from None
    except MALFORMED as error:
        raise malformed("OUTCAR file", error) from None
    numbers, masses = zip(*species, strict=True)
    said = [f"The file has {len(steps)} ionic steps; the last one was taken."] if len(steps) > 1 else []
    return with_masses(Atoms(list(numbers), positions=positions, cell=cell, pbc=True), list(masses), said)


def _whole(lines: list[str], at: int, count: int) -> bool:
    """Whether the table of positions that begins at a line is there to its end."""
    end = at + 2 + count
    return end < len(lines) and lines[end].strip().startswith("---")


def _split(line: str) -> list[float]:
    """Six numbers, also where a minus sign takes the place of the space between two."""
    return [float(word) for word in re.sub(r"(?<=\d)-", " -", line).split()[:6]]
