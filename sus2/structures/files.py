"""Reading and writing structure files.

A file is recognised by its content, never by its name, and read as plain data: no format here can run code,
open another file or unpickle.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.cif import read_cif
from sus2.structures.crystal import check_crystal, to_atoms

FORMATS: Final = ("CIF", "POSCAR or CONTCAR", "extended XYZ", "pymatgen JSON", "ASE JSON")

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?$")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_ASCII: Final = bytes(range(128))
# Not \s before the word: over empty lines its cost would grow with the square of their number.
_DATA_LINE = re.compile(r"^[^\S\n]*data_", re.MULTILINE | re.IGNORECASE)
_CIF_LINE = re.compile(r"^[^\S\n]*_(cell_length_a|atom_site)", re.MULTILINE | re.IGNORECASE)
# Begins at words only, and braces end at the next brace: the cost grows with the length alone.
_FIELD = re.compile(r"""(?<!\w)([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|\{([^{}]*)\}|([^\s"'{]\S*))""")
_ISOTOPES = {"D": 1, "T": 1}


def read_structure(filename: str, data: bytes) -> Atoms:
    """The (first) crystal in an uploaded file.

    filename only names the file in messages. Raises StructureError, one sentence: too large, not text, empty,
    unknown format, broken, unknown element, partial occupancy, no cell, too many atoms, overlapping atoms.
    """
    name = _display_name(filename)
    limit = settings().max_upload_mb
    if len(data) > limit * 2**20:
        raise StructureError(f"{name} has {len(data) / 2**20:.1f} MiB; at most {limit} MiB are allowed.")
    if not data.strip():
        raise StructureError(f"{name} is empty; choose a file with a crystal structure.")
    text = _decode(data, name)
    reader = _sniff(text)
    if reader is None:
        raise StructureError(f"{name} is in no format that can be read here ({', '.join(FORMATS)}).")
    try:
        atoms = to_atoms(reader(text))
        check_crystal(atoms)
    except StructureError as error:
        raise StructureError(f"{name}: {error}") from None
    return atoms


def write_structure(atoms: Atoms, fmt: str) -> str:
    """The text of a crystal as 'cif', 'poscar' or 'extxyz'; raises StructureError for another format."""
    from ase.io import write

    names = {"cif": "cif", "poscar": "vasp", "extxyz": "extxyz"}
    if fmt not in names:
        raise StructureError(f"There is no format '{fmt}' to write; there are: {', '.join(names)}.")
    plain = to_atoms(atoms)
    plain = Atoms(plain.numbers, positions=plain.positions, cell=plain.cell, pbc=plain.pbc)
    if fmt == "cif":
        from pymatgen.core import Lattice, Structure
        from pymatgen.io.cif import CifWriter

        structure = Structure(
            Lattice(np.asarray(plain.cell)), plain.get_chemical_symbols(), plain.get_scaled_positions()
        )
        return str(CifWriter(structure, significant_figures=12))
    if fmt == "poscar":
        plain = plain[np.argsort(plain.numbers, kind="stable")]
        out = io.StringIO()
        write(out, plain, format="vasp", direct=True)
        return out.getvalue()
    out = io.StringIO()
    write(out, plain, format="extxyz")
    return out.getvalue()


def _display_name(filename: str) -> str:
    base = re.split(r"[\\/]", filename)[-1]
    base = "".join(c for c in base if c.isprintable()).strip()
    return base if 0 < len(base) <= 60 else (base[:57] + "..." if base else "The file")


def _decode(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older CIF files carry authors' names in Latin-1.
        text = data.decode("latin-1")
        if len(data.translate(None, _ASCII)) > 0.05 * len(data):
            raise StructureError(f"{name} is not a text file; give one of: {', '.join(FORMATS)}.") from None
    if _CONTROL.search(text):
        raise StructureError(f"{name} is not a text file; give one of: {', '.join(FORMATS)}.")
    if not text.strip():
        raise StructureError(f"{name} is empty; choose a file with a crystal structure.")
    return text


def _is_number(word: str) -> bool:
    return _NUMBER.match(word) is not None


def _sniff(text: str) -> Callable[[str], Any] | None:
    stripped = text.lstrip()
    if stripped[0] in "{[":
        return _read_json
    if _DATA_LINE.search(text):
        return read_cif
    lines = text.splitlines()
    if lines[0].strip().isdecimal():
        return _read_xyz
    if len(lines) >= 5:
        scale = lines[1].split()
        vectors = [line.split()[:3] for line in lines[2:5]]
        if scale and _is_number(scale[0]) and all(len(v) == 3 and all(map(_is_number, v)) for v in vectors):
            return _read_poscar
    if _CIF_LINE.search(text):
        raise StructureError("This looks like a CIF file but has no line 'data_...' at its beginning; add one.")
    return None


def _read_poscar(text: str) -> Atoms:
    """VASP 5 POSCAR: comment, scale, three vectors, symbols, counts, [Selective], Direct or Cartesian, positions."""
    lines = [line.split("!")[0].split("#")[0].split() for line in text.splitlines()]
    try:
        scales = _floats(lines[1], 2)
        cell = np.array([_triple(lines[k], k + 1) for k in (2, 3, 4)])
        if len(scales) not in (1, 3):
            raise StructureError("Line 2 must hold one scale or three.")
        if len(scales) == 1 and scales[0] < 0:
            scale = np.full(3, (-scales[0] / max(abs(np.linalg.det(cell)), 1e-30)) ** (1 / 3))
        else:
            scale = np.resize(scales, 3)
        cell *= scale
        words = lines[5]
        if words and all(w.isdecimal() for w in words):
            symbols, counts_at = text.splitlines()[0].split(), 5
            if len(symbols) != len(words) or any(s.split("_")[0] not in atomic_numbers for s in symbols):
                raise StructureError(
                    "The POSCAR file does not name its elements: write them on the line above their counts (line 6)."
                )
        else:
            symbols, counts_at = words, 6
        counts = [int(w) for w in lines[counts_at] if _positive_integer(w, counts_at + 1)]
        if len(counts) != len(symbols) or not counts:
            raise StructureError(f"{len(symbols)} elements but {len(counts)} counts in lines 6 and 7.")
        if sum(counts) > len(lines):
            raise StructureError(f"The counts promise {sum(counts):,} atoms but the file is shorter; it is cut off.")
        numbers = np.repeat([_atomic_number(s.split("_")[0].split("/")[0]) for s in symbols], counts)
        start = counts_at + 1
        if lines[start] and lines[start][0][0] in "sS":
            start += 1
        mode = lines[start][0][0] if lines[start] else ""
        if mode not in "cCkKdD" or not mode:
            raise StructureError(f"Line {start + 1} must say Direct or Cartesian.")
        rows = np.array([_triple(lines[start + 1 + k], start + 2 + k) for k in range(len(numbers))])
    except IndexError:
        raise StructureError("The POSCAR file ends too early; it is cut off.") from None
    if mode in "cCkK":
        return Atoms(numbers, positions=rows * scale, cell=cell, pbc=True)
    return Atoms(numbers, positions=rows @ cell, cell=cell, pbc=True)


def _read_xyz(text: str) -> Atoms:
    """XYZ whose second line carries Lattice="ax ay az bx by bz cx cy cz", as extended XYZ does; first frame."""
    lines = text.splitlines()
    count = int(lines[0].strip()[:12])
    if count < 1:
        raise StructureError("The XYZ file holds no atoms.")
    if len(lines) < count + 2:
        raise StructureError(f"Line 1 promises {count:,} atoms but only {max(len(lines) - 2, 0):,} rows follow.")
    fields = _comment_fields(lines[1])
    columns, pbc = {"species": 0, "pos": 1}, [True] * 3
    if "properties" in fields:
        columns = _columns(fields["properties"])
    if "pbc" in fields:
        pbc = [w[0] in "Tt1" for w in fields["pbc"].split()]
        if len(pbc) != 3:
            raise StructureError(f"pbc must hold three of T or F, not '{printable(fields['pbc'], 30)}'.")
    numbers, rows = [], []
    for k, line in enumerate(lines[2 : count + 2], start=3):
        words = line.split()
        if len(words) < max(columns["pos"] + 3, columns["species"] + 1):
            raise StructureError(f"Line {k} has too few columns for a symbol and three coordinates.")
        numbers.append(_atomic_number(words[columns["species"]]))
        rows.append(_floats(words[columns["pos"] : columns["pos"] + 3], k))
    if "lattice" not in fields:
        return Atoms(numbers, positions=rows, pbc=False)
    cell = _floats(fields["lattice"].replace(",", " ").split(), 2)
    if len(cell) != 9:
        raise StructureError(f"Lattice must hold nine numbers, not {len(cell)}.")
    return Atoms(numbers, positions=rows, cell=np.reshape(cell, (3, 3)), pbc=pbc)


def _comment_fields(comment: str) -> dict[str, str]:
    found = _FIELD.findall(comment)
    return {key.lower(): next((v for v in values if v), "") for key, *values in found}


def _columns(properties: str) -> dict[str, int]:
    parts, columns, at = properties.split(":"), {}, 0
    for name, _, width in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        columns[name.lower()] = at
        at += int(width) if width.isdecimal() and len(width) < 4 else 1
    if "species" not in columns or "pos" not in columns:
        raise StructureError("Properties names no 'species' or no 'pos' column.")
    return columns


def _read_json(text: str) -> Atoms:
    """pymatgen's Structure.as_dict(), ASE's JSON or our own results, as plain data: class names in it are ignored."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise StructureError("The file starts as JSON but is not valid JSON; it may be cut off.") from None
    if isinstance(content, list) and content:
        content = content[0]
    if isinstance(content, dict) and isinstance(content.get("structure"), dict):
        content = content["structure"]
    try:
        if isinstance(content, dict) and isinstance(content.get("crystal"), dict):
            return _own_json(content["crystal"])
        if isinstance(content, dict) and "sites" in content:
            return _pymatgen_json(content)
        if isinstance(content, dict):
            first = content.get("1", content)
            if isinstance(first, dict) and "numbers" in first and "positions" in first:
                return _ase_json(first)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise StructureError(
            f"The JSON does not describe a structure ({printable(error).rstrip('.') or type(error).__name__})."
        ) from None
    raise StructureError("The JSON has neither pymatgen's 'lattice' and 'sites' nor ASE's 'numbers' and 'positions'.")


def _own_json(content: dict[str, Any]) -> Atoms:
    """The crystal in the file of a result of ours, to its last digit."""
    symbols = [str(s) for s in content["symbols"]]
    numbers = [_atomic_number(s) for s in symbols]
    cell = np.array(content["cell_a"], dtype=np.float64).reshape(3, 3)
    return Atoms(numbers, cell=cell, positions=np.array(content["positions_a"], dtype=np.float64), pbc=True)


def _pymatgen_json(content: dict[str, Any]) -> Atoms:
    sites = content["sites"]
    numbers, positions = [], []
    lattice = content.get("lattice") or {}
    cell = np.array(lattice["matrix"], dtype=float).reshape(3, 3) if lattice else None
    for site in sites:
        species = site["species"]
        if len(species) != 1 or abs(float(species[0].get("occu", 1)) - 1.0) > 1e-6:
            names = ", ".join(f"{printable(s['element'], 30)} {float(s['occu']):g}" for s in species)
            raise StructureError(
                f"A site is partially occupied ({names}): order the structure first, "
                "for example in a supercell with whole atoms."
            )
        numbers.append(_atomic_number(str(species[0]["element"])))
        place = site["abc"] if cell is not None and "abc" in site else site["xyz"]
        positions.append([float(v) for v in place])
    rows = np.array(positions, dtype=float).reshape(len(sites), 3)
    if cell is None:
        return Atoms(numbers, positions=rows, pbc=False)
    cartesian = rows @ cell if sites and "abc" in sites[0] else rows
    return Atoms(numbers, positions=cartesian, cell=cell, pbc=lattice.get("pbc", True))


def _ase_json(content: dict[str, Any]) -> Atoms:
    def array(value: Any) -> np.ndarray:
        if isinstance(value, dict):
            if "array" in value:  # the cell: {"array": ..., "__ase_objtype__": "cell"}
                return array(value["array"])
            shape, _, flat = value["__ndarray__"]
            return np.array(flat, dtype=float).reshape([int(n) for n in shape])
        return np.array(value, dtype=float)

    numbers = array(content["numbers"])
    positions = array(content["positions"]).reshape(len(numbers), 3)
    cell = array(content.get("cell", np.zeros((3, 3)))).reshape(3, 3)
    pbc = array(content.get("pbc", [False] * 3)).astype(bool)
    for z in numbers:
        if not (math.isfinite(z) and 1 <= int(z) == z < len(chemical_symbols)):
            raise StructureError(f"{z:g} is no atomic number.")
    return Atoms(numbers.astype(int), positions=positions, cell=cell, pbc=pbc)


def _atomic_number(word: str) -> int:
    """Atomic number of 'Si', 'Na+', 'O2-', 'SI', 'D' or '14'; isotopes of hydrogen count as H."""
    if word.isdecimal() and len(word) < 4 and 1 <= int(word) < len(chemical_symbols):
        return int(word)
    match = re.fullmatch(r"([A-Za-z]{1,2})(\d*\.?\d*[+-])?", word)
    symbol = match.group(1).capitalize() if match else ""
    z = _ISOTOPES.get(symbol) or atomic_numbers.get(symbol, 0)
    if z < 1:
        raise StructureError(f"'{printable(word, 30)}' is no chemical element; correct the symbol.")
    return z


def _positive_integer(word: str, line: int) -> bool:
    if not word.isdecimal() or len(word) > 9 or int(word) < 1:
        raise StructureError(f"Line {line}: '{printable(word, 30)}' is no number of atoms.")
    return True


def _floats(words: list[str], line: int) -> list[float]:
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


def _triple(words: list[str], line: int) -> list[float]:
    values = _floats(words[:3], line)
    if len(values) != 3:
        raise StructureError(f"Line {line} has fewer than three numbers.")
    return values
