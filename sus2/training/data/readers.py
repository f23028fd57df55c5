"""Reading of training sets: extended XYZ, pymatgen and ASE JSON, MLIP-2 ``.cfg``, built distillation sets.

Everything becomes a :class:`~sus2.training.data.dataset.TrainingSet` (A, eV, eV/A, eV/A^3, ASE stress sign).
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import read as ase_read

from sus2.errors import DataError, printable
from sus2.structures.formats.words import MALFORMED
from sus2.training.data.dataset import OnBad, TrainingSet, checked, make_set
from sus2.types import Array
from sus2.units import KBAR_TO_EV_PER_A3

MAX_BYTES = 512 * 1024 * 1024
_WIDTH = re.compile(r":\s*[A-Za-z]\s*:\s*(\d{4,})")
"""A column of extended XYZ that claims thousands of numbers in each row; ASE would make room for them."""
_ENERGY_KEYS = ("energy", "REF_energy", "dft_energy", "DFT_energy", "ref_energy", "Energy", "free_energy")
_FORCE_KEYS = ("forces", "REF_forces", "dft_forces", "DFT_forces", "ref_forces", "force")
_STRESS_KEYS = ("stress", "REF_stress", "dft_stress", "ref_stress")
_VIRIAL_KEYS = ("virial", "REF_virial", "virials", "dft_virial")
_Label = tuple[Atoms, float, Array, Array | None]


def read_training_set(
    path: str | Path,
    elements: Sequence[str] | None = None,
    *,
    on_bad: OnBad = "refuse",
    name: str | None = None,
) -> TrainingSet:
    """Read a labelled set from ``.extxyz``/``.xyz``, ``.json`` or ``.cfg`` (each also with ``.gz``).

    Parameters
    ----------
    path
        The file; its format is taken from the name and checked by the reader.
    elements
        The element of each type number, needed by ``.cfg`` files alone.
    on_bad
        Refuse a set with bad labels, or skip them (see sus2.training.data.dataset.bad_labels).
    name
        Of the set; the file name without its suffixes by default.

    Returns
    -------
    TrainingSet
        Labelled.

    Raises
    ------
    DataError
        The file is missing, malformed, or has bad labels; the message names the structure.
    """
    path = Path(path)
    text = _text(path)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    name = name or path.name.split(".")[0]
    if suffix in (".extxyz", ".xyz"):
        data = read_extxyz(text, name=name)
    elif suffix == ".json":
        data = read_json(text, name=name)
    elif suffix == ".cfg":
        if elements is None:
            raise DataError(f"{path.name} numbers its atom types; say which elements they are, as in ['Ga', 'As'].")
        data = read_cfg(text, elements, name=name)
    else:
        raise DataError(f"{path.name} is not a training set; give .extxyz, .json or .cfg (or one of them with .gz).")
    return checked(data, on_bad, source=path.name)


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB of text; split it into several sets.")
        return raw.decode()
    except FileNotFoundError as error:
        raise DataError(f"There is no training set at {path}.") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as text: {printable(error)}.") from error


def read_extxyz(text: str, *, name: str) -> TrainingSet:
    """Read extended XYZ: energies and stress (or virial) in the comment line, forces as columns.

    Parameters
    ----------
    text
        Of the file; eV, angstrom, stress in eV/A^3 with ASE's sign.
    name
        Of the file, for messages.

    Returns
    -------
    TrainingSet
        In the order of the file; NaN where a label is missing, which `checked` reports.

    Raises
    ------
    DataError
        What is not valid extended XYZ, or has no structure.
    """
    if wide := _WIDTH.search(text):
        raise DataError(f"{name} has a column of {wide.group(1)[:12]} numbers per atom; correct its Properties.")
    try:
        frames = ase_read(io.StringIO(text), index=":", format="extxyz")
        labels = [_frame_labels(atoms) for atoms in frames]
    except MALFORMED as error:
        raise DataError(f"{name} is not valid extended XYZ: {_why(error)}.") from error
    return _from_labels(labels, name)


def _why(error: Exception) -> str:
    return printable(error).rstrip(".") or type(error).__name__


def _frame_labels(atoms: Atoms) -> _Label:
    results: Mapping[str, Any] = atoms.calc.results if atoms.calc is not None else {}
    energy = _first(_ENERGY_KEYS, results, atoms.info)
    forces = _first(_FORCE_KEYS, results, atoms.arrays)
    stress = _first(_STRESS_KEYS, results, atoms.info)
    virial = _first(_VIRIAL_KEYS, atoms.info)
    if stress is None and virial is not None and atoms.cell.rank == 3:
        stress = -np.asarray(virial, dtype=float) / atoms.get_volume()
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    return (
        plain,
        float("nan") if energy is None else float(energy),
        np.full((len(atoms), 3), np.nan) if forces is None else np.asarray(forces, dtype=float),
        None if stress is None else _voigt(stress),
    )


def _first(keys: Sequence[str], *places: Mapping[str, Any]) -> Any:
    for key in keys:
        for place in places:
            if place.get(key) is not None:
                return place[key]
    return None


def _voigt(stress: Any) -> Array:
    values = np.asarray(stress, dtype=float)
    if values.size == 9:
        m = values.reshape(3, 3)
        m = 0.5 * (m + m.T)
        return np.array([m[0, 0], m[1, 1], m[2, 2], m[1, 2], m[0, 2], m[0, 1]])
    return values.reshape(6)


def _from_labels(labels: Sequence[_Label], name: str, kinds: Sequence[str] | str = "data") -> TrainingSet:
    if not labels:
        raise DataError(f"{name} has no structure.")
    return make_set(
        [entry[0] for entry in labels],
        [entry[1] for entry in labels],
        [entry[2] for entry in labels],
        [entry[3] for entry in labels],
        set_name=name,
        kind=kinds,
    )


def read_json(text: str, *, name: str) -> TrainingSet:
    """JSON of labelled structures, in any of three forms.

    - a list (or dict) of entries with a pymatgen ``structure`` and ``energy``, ``forces``, ``stress`` beside it
      or under ``outputs``. ``virial_stress`` under ``outputs`` is in kBar in the order xx yy zz xy yz zx with
      compression positive; a ``stress`` beside ``structure`` is in kBar, order xx yy zz yz xz xy (or 3x3),
      compression positive: what VASP prints.
    - an ASE database written as JSON (``numbers``, ``positions``, ``cell``, eV, eV/A, eV/A^3, ASE sign).
    A ``group`` beside ``structure`` becomes its kind.

    Parameters
    ----------
    text
        Of the file.
    name
        Of the file, for messages.

    Returns
    -------
    TrainingSet
        In the order of the file.

    Raises
    ------
    DataError
        What is not valid JSON, or an entry of another form.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not valid JSON: {printable(error)}.") from error
    labels, kinds = [], []
    for key, entry in _entries(content, name):
        kinds.append(str(entry.get("group", "data")))
        try:
            labels.append(_ase_entry(entry) if "numbers" in entry else _pymatgen_entry(entry))
        except MALFORMED as error:
            raise DataError(
                f"Structure {printable(key, 30)} of {name} is malformed ({type(error).__name__}: {printable(error)})."
            ) from error
    return _from_labels(labels, name, kinds)


def _entries(content: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(content, dict) and ("structure" in content or "numbers" in content):
        content = [content]
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, entry in items:
        if isinstance(entry, dict) and ("structure" in entry or "numbers" in entry):
            yield str(key), entry
        elif isinstance(content, list):
            raise DataError(f"Structure {printable(key, 30)} of {name} has neither a 'structure' nor 'numbers'.")


def _plain(value: Any) -> Any:
    """ASE's JSON form of an array, ``{"__ndarray__": [shape, dtype, flat]}``, as an array."""
    if isinstance(value, dict) and "__ndarray__" in value:
        shape, dtype, flat = value["__ndarray__"]
        if dtype not in ("float64", "float32", "int64", "int32", "bool"):
            raise ValueError(f"array of type {dtype}")
        return np.array(flat, dtype=dtype).reshape(shape)
    if isinstance(value, dict) and "array" in value:
        return _plain(value["array"])
    return value


def _ase_entry(entry: dict[str, Any]) -> _Label:
    values = {key: _plain(value) for key, value in entry.items()}
    atoms = Atoms(values["numbers"], values["positions"], cell=values.get("cell"), pbc=values.get("pbc", False))
    energy, forces, stress = values.get("energy"), values.get("forces"), values.get("stress")
    return (
        atoms,
        float("nan") if energy is None else float(energy),
        np.full((len(atoms), 3), np.nan) if forces is None else np.asarray(forces, dtype=float),
        None if stress is None else _voigt(stress),
    )


def pymatgen_atoms(structure: Mapping[str, Any]) -> Atoms:
    """A pymatgen structure dictionary as ASE Atoms; raises ValueError for a site that is partially occupied."""
    symbols = []
    for site in structure["sites"]:
        species = site["species"]
        if len(species) != 1 or abs(float(species[0]["occu"]) - 1.0) > 1e-6:
            raise ValueError("a site is partially occupied")
        symbols.append(re.sub(r"[^A-Za-z].*", "", species[0]["element"]))
    lattice = structure["lattice"]
    cell = np.asarray(lattice["matrix"], dtype=float)
    fractional = np.array([site["abc"] for site in structure["sites"]], dtype=float)
    return Atoms(symbols, fractional @ cell, cell=cell, pbc=lattice.get("pbc", True))


def _pymatgen_entry(entry: dict[str, Any]) -> _Label:
    atoms = pymatgen_atoms(entry["structure"])
    outputs = entry.get("outputs", entry)
    stress = None
    if outputs.get("virial_stress") is not None:
        xx, yy, zz, xy, yz, zx = (float(value) for value in outputs["virial_stress"])
        stress = -KBAR_TO_EV_PER_A3 * np.array([xx, yy, zz, yz, zx, xy])
    elif outputs.get("stress") is not None:
        stress = -KBAR_TO_EV_PER_A3 * _voigt(outputs["stress"])
    energy, forces = outputs.get("energy"), outputs.get("forces")
    return (
        atoms,
        float("nan") if energy is None else float(energy),
        np.full((len(atoms), 3), np.nan) if forces is None else np.asarray(forces, dtype=float),
        stress,
    )


def read_cfg(text: str, elements: Sequence[str], *, name: str) -> TrainingSet:
    """MLIP-2 ``.cfg``: ``PlusStress`` is -volume * stress in eV, order xx yy zz yz xz xy; elements by type number.

    Parameters
    ----------
    text
        Of the file.
    elements
        Symbols of the types, in the order of their numbers.
    name
        Of the file, for messages.

    Returns
    -------
    TrainingSet
        In the order of the file.

    Raises
    ------
    DataError
        An unknown element, or a structure that is malformed.
    """
    unknown = [symbol for symbol in elements if symbol not in atomic_numbers or symbol == "X"]
    if unknown:
        raise DataError(f"{unknown[0]!r} is not an element; give the symbols of the types of {name}.")
    labels = []
    for index, block in enumerate(_cfg_blocks(text, name)):
        try:
            labels.append(_cfg_labels(block, elements))
        except MALFORMED as error:
            raise DataError(f"Structure {index} of {name} is malformed ({_why(error)}).") from error
    return _from_labels(labels, name)


def _cfg_blocks(text: str, name: str) -> Iterator[list[list[str]]]:
    block: list[list[str]] | None = None
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "BEGIN_CFG":
            block = []
        elif words[0] == "END_CFG":
            if block is None:
                raise DataError(f"{name} has END_CFG without BEGIN_CFG.")
            yield block
            block = None
        elif block is not None:
            block.append(words)
    if block is not None:
        raise DataError(f"{name} ends inside a structure: END_CFG is missing.")


def _cfg_labels(lines: list[list[str]], elements: Sequence[str]) -> _Label:
    size, row = 0, 0
    cell: Array | None = None
    energy = float("nan")
    forces, stress_volume = None, None
    symbols: list[str] = []
    positions = np.zeros((0, 3))
    while row < len(lines):
        head = lines[row][0].rstrip(":")
        row += 1
        if head == "Size":
            size = int(lines[row][0])
            row += 1
        elif head == "Supercell":
            vectors = []
            while row < len(lines) and len(lines[row]) == 3 and _is_number(lines[row][0]):
                vectors.append([float(word) for word in lines[row]])
                row += 1
            cell = np.array(vectors)
        elif head == "AtomData":
            columns = lines[row - 1][1:]
            table = lines[row : row + size]
            row += size
            if len(table) < size or any(len(words) != len(columns) for words in table):
                raise ValueError(f"AtomData needs {size} rows of {len(columns)} columns")
            types = [int(words[columns.index("type")]) for words in table]
            if max(types) >= len(elements) or min(types) < 0:
                raise ValueError(f"type {max(types)} has no element among {' '.join(elements)}")
            symbols = [elements[t] for t in types]
            positions = _columns(table, columns, ("cartes_x", "cartes_y", "cartes_z"))
            if "fx" in columns:
                forces = _columns(table, columns, ("fx", "fy", "fz"))
        elif head == "Energy":
            energy = float(lines[row][0])
            row += 1
        elif head == "PlusStress":
            names = lines[row - 1][1:]
            values = dict(zip(names, lines[row], strict=True))
            stress_volume = np.array([float(values[n]) for n in ("xx", "yy", "zz", "yz", "xz", "xy")])
            row += 1
    if not symbols:
        raise ValueError("it has no atoms")
    periodic = cell is not None and cell.shape == (3, 3)
    atoms = Atoms(symbols, positions, cell=cell if periodic else None, pbc=periodic)
    stress = -stress_volume / atoms.get_volume() if periodic and stress_volume is not None else None
    return atoms, energy, np.full((size, 3), np.nan) if forces is None else forces, stress


def _columns(table: list[list[str]], columns: list[str], wanted: Sequence[str]) -> Array:
    where = [columns.index(name) for name in wanted]
    return np.array([[float(words[i]) for i in where] for words in table])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
