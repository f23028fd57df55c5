"""JSON of pymatgen, the Materials Project, OPTIMADE, ASE and this program, as plain data: class names are ignored."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.geometry import cellpar_to_cell

from sus2.errors import StructureError, printable
from sus2.structures.disorder import Mixed, assembled
from sus2.structures.formats.words import element, with_masses

_WRONG: Final = (
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    AssertionError,
)
_INSIDE: Final = (
    "structure",
    "final_structure",
    "data",
    "response",
    "output",
    "input_structure",
    "initial_structure",
    "crystal",
    "attributes",
    "structures",
    "entries",
    "docs",
    "cif",
)
"""Keys below which programs keep a structure; the first that is there is followed."""
_DEPTH: Final = 6


def is_json(text: str) -> bool:
    """Whether the text is valid JSON, which is only tried where it begins so.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where it is.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json(text: str, *, order: bool = False) -> Atoms:
    """A structure in JSON, wherever the usual programs put it.

    Parameters
    ----------
    text
        Of the file.
    order
        Whether a disordered crystal is replaced by an ordered one near it.

    Returns
    -------
    Atoms
        With info["notices"].

    Raises
    ------
    StructureError
        What is wrong with it; OpenChoiceError for a disordered crystal.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise StructureError("The file starts as JSON but is not valid JSON; it may be cut off.") from None
    notices: list[str] = []
    try:
        for _ in range(_DEPTH):
            if isinstance(content, list) and content:
                if len(content) > 1 and all(isinstance(c, dict) for c in content):
                    notices.append(f"The file has {len(content):,} structures; the first one was taken.")
                content = content[0]
            if not isinstance(content, dict):
                break
            atoms = _read(content, order)
            if atoms is not None:
                atoms.info["notices"] = [*notices, *atoms.info.get("notices", [])]
                return atoms
            inside = next((k for k in _INSIDE if isinstance(content.get(k), (dict, list, str)) and content[k]), None)
            if inside is None:
                break
            content = content[inside]
            if inside == "cif" and isinstance(content, str):
                from sus2.structures.cif.read import read_cif

                return read_cif(content, order=order)
    except _WRONG as error:
        raise StructureError(
            f"The JSON does not describe a structure ({printable(error).rstrip('.') or type(error).__name__})."
        ) from None
    raise StructureError("The JSON has neither pymatgen's 'lattice' and 'sites' nor ASE's 'numbers' and 'positions'.")


def _read(content: dict[str, Any], order: bool) -> Atoms | None:
    """The structure that an object is; None where it is none."""
    if "cell_a" in content and "positions_a" in content:
        return _own(content)
    if "sites" in content:
        return _pymatgen(content, order)
    if "cartesian_site_positions" in content:
        return _optimade(content, order)
    first = content.get("1", content)
    if not isinstance(first, dict) or "numbers" not in first or "positions" not in first:
        # ASE's database: ids other than 1.
        ids = content.get("ids")
        key = str(ids[0]) if isinstance(ids, list) and ids else ""
        first = content.get(key, {})
    if isinstance(first, dict) and "numbers" in first and "positions" in first:
        return _ase(first)
    return None


def _own(content: dict[str, Any]) -> Atoms:
    """The crystal in the file of a result of ours, to its last digit."""
    species = [element(str(s)) for s in content["symbols"]]
    cell = np.array(content["cell_a"], dtype=np.float64).reshape(3, 3)
    positions = np.array(content["positions_a"], dtype=np.float64)
    atoms = Atoms([z for z, _ in species], cell=cell, positions=positions, pbc=True)
    masses = content.get("masses_amu")
    return with_masses(atoms, [float(m) for m in masses] if masses else [m for _, m in species])


def _pymatgen(content: dict[str, Any], order: bool) -> Atoms:
    sites = content["sites"]
    lattice = content.get("lattice") or {}
    cell = _cell(lattice)
    mixed, rows = [], []
    for site in sites:
        found: dict[tuple[str, float | None], float] = {}
        for part in site["species"]:
            z, mass = element(str(part["element"]))
            occupancy = float(part.get("occu", 1))
            if not math.isfinite(occupancy) or occupancy < 0:
                raise ValueError(f"occupancy {occupancy}")
            kind = (chemical_symbols[z], mass)
            found[kind] = found.get(kind, 0.0) + occupancy
        place = site["abc"] if cell is not None and "abc" in site else site["xyz"]
        row = np.array([float(v) for v in place], dtype=float).reshape(3)
        if cell is not None and "abc" not in site:
            row = row @ np.linalg.inv(cell)
        rows.append(row)
        mixed.append(Mixed(row, found))
    if cell is None:
        numbers = [element(next(iter(m.content))[0])[0] for m in mixed]
        return Atoms(numbers, positions=np.array(rows).reshape(len(rows), 3), pbc=False)
    atoms = assembled(mixed, cell, order=order)
    atoms.pbc = lattice.get("pbc", True)
    return with_masses(atoms, atoms.get_masses().tolist(), atoms.info.get("notices", []))


def _cell(lattice: dict[str, Any]) -> np.ndarray | None:
    if not lattice:
        return None
    if "matrix" in lattice:
        return np.array(lattice["matrix"], dtype=float).reshape(3, 3)
    return np.asarray(cellpar_to_cell([float(lattice[k]) for k in ("a", "b", "c", "alpha", "beta", "gamma")]))


def _optimade(content: dict[str, Any], order: bool) -> Atoms:
    species = {s["name"]: s for s in content.get("species") or []}
    cell = np.array(content["lattice_vectors"], dtype=float).reshape(3, 3)
    rows = np.array(content["cartesian_site_positions"], dtype=float).reshape(-1, 3) @ np.linalg.inv(cell)
    mixed = []
    for row, name in zip(rows, content["species_at_sites"], strict=True):
        kind = species.get(name, {"chemical_symbols": [name], "concentration": [1.0]})
        found: dict[tuple[str, float | None], float] = {}
        for symbol, share in zip(kind["chemical_symbols"], kind["concentration"], strict=True):
            if symbol != "vacancy":
                z, mass = element(str(symbol))
                found[chemical_symbols[z], mass] = float(share)
        mixed.append(Mixed(row, found))
    atoms = assembled(mixed, cell, order=order)
    return with_masses(atoms, atoms.get_masses().tolist(), atoms.info.get("notices", []))


def _ase(content: dict[str, Any]) -> Atoms:
    def array(value: Any) -> np.ndarray:
        if isinstance(value, dict):
            if "array" in value:  # the cell: {"array": ..., "__ase_objtype__": "cell"}
                return array(value["array"])
            shape, _, flat = value["__ndarray__"]
            return np.array(flat, dtype=float).reshape([int(n) for n in shape])
        return np.array(value, dtype=float)

    numbers = array(content["numbers"])
    positions = array(content["positions"]).reshape(len(numbers), 3)
    cell = array(content.get("cell", np.zeros((3, 3))))
    cell = np.diag(cell) if cell.shape == (3,) else cell.reshape(3, 3)
    pbc = array(content.get("pbc", [False] * 3)).astype(bool)
    for z in numbers:
        if not (math.isfinite(z) and 1 <= int(z) == z < len(chemical_symbols)):
            raise StructureError(f"{z:g} is no atomic number.")
    atoms = Atoms(numbers.astype(int), positions=positions, cell=cell, pbc=pbc)
    masses = content.get("masses")
    return with_masses(
        atoms, array(masses).reshape(len(numbers)).tolist() if masses is not None else [None] * len(atoms)
    )
