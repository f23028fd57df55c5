"""The structure type of a crystal as a short text: equal for crystals of one structure, whatever their size.

The text names the space group and, for each element, the multiplicities and site symmetries of its orbits in the
primitive cell. It does not depend on the cell, the setting or the choice of origin that a file came with.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols
from ase.spacegroup import crystal

from sus2.errors import StructureError
from sus2.structures import standardise
from sus2.structures.symmetry import dataset_within, standing
from sus2.types import Index

SYMPREC_A = (0.01, 0.1)
"""Tolerances that are tried, in this order: as relaxed crystals have it, and as files with rounded numbers need it."""

# Space groups that differ in handedness alone count as one.
_ENANTIOMORPHS = {
    78: 76,
    95: 91,
    96: 92,
    145: 144,
    153: 151,
    154: 152,
    170: 169,
    172: 171,
    179: 178,
    181: 180,
    213: 212,
}
_EXAMPLES = {
    **dict.fromkeys(("fcc", "bcc", "sc", "diamond", "hcp", "graphite", "white-tin", "a7"), "C"),
    **dict.fromkeys(("rocksalt", "zincblende", "cesiumchloride", "wurtzite", "xo", "hbn"), "MgO"),
    **dict.fromkeys(("fluorite", "xo2", "rutile", "quartz", "pyrite"), "TiO2"),
    **dict.fromkeys(("antifluorite", "x2o"), "Li2O"),
    "xo3": "WO3",
    **dict.fromkeys(("x2o3", "corundum"), "Al2O3"),
    "x2o5": "V2O5",
    "l12": "AuCu3",
    "spinel": "MgAl2O4",
    "perovskite": "SrTiO3",
    "lab6": "LaB6",
}
_CUBIC = [90, 90, 90]
_HEXAGONAL = [90, 90, 120]


def structure_type(atoms: Atoms, symprec: float = SYMPREC_A[0]) -> str:
    """The structure type of a crystal.

    Parameters
    ----------
    atoms
        A crystal that is periodic in three directions.
    symprec
        Tolerance of the symmetry search, angstrom.

    Returns
    -------
    str
        For example ``225 Cl:1xm-3m Na:1xm-3m``; empty where no symmetry is found.
    """
    if not atoms.pbc.all() or not len(atoms):
        return ""
    cell = standing(atoms)
    data = dataset_within(cell, symprec)
    return "" if data is None else _type_of(data, cell[2])


def _type_of(data: Any, z: Index) -> str:
    cells = len(z) / (len(data.std_types) / _lattice_points(data.international))
    orbits: dict[str, list[str]] = {}
    symbols = [chemical_symbols[k] for k in z]
    for orbit in np.unique(data.crystallographic_orbits):
        members = np.flatnonzero(data.crystallographic_orbits == orbit)
        site = str(data.site_symmetry_symbols[members[0]]).replace(".", "")
        orbits.setdefault(symbols[members[0]], []).append(f"{round(len(members) / cells)}x{site}")
    parts = [f"{symbol}:{','.join(sorted(sites))}" for symbol, sites in sorted(orbits.items())]
    return f"{_ENANTIOMORPHS.get(data.number, data.number)} {' '.join(parts)}"


def _lattice_points(international: str) -> int:
    return {"P": 1, "A": 2, "B": 2, "C": 2, "I": 2, "R": 3, "F": 4}[international[0]]


def prototype_type(formula: str, name: str) -> str:
    """The structure type of a named prototype with the elements of a formula.

    Parameters
    ----------
    formula
        Chemical formula; the order of its elements is that of the prototype (cation first).
    name
        A name that prototype accepts.

    Returns
    -------
    str
        As structure_type gives it for such a crystal.

    Raises
    ------
    StructureError
        There is no such prototype, or it has another number of elements.
    """
    number, orbits = _pattern(name)
    elements = _roles(formula, name)
    if len(elements) != len(orbits):
        raise StructureError(f"{formula} cannot have the structure {name}.")
    sites = sorted(zip(elements, orbits, strict=True))
    return f"{number} {' '.join(f'{symbol}:{orbit}' for symbol, orbit in sites)}"


def _roles(formula: str, name: str) -> list[str]:
    """Elements in the order of the prototype."""
    symbols = Atoms(formula).get_chemical_symbols()
    elements = [str(s) for s in dict.fromkeys(symbols)]
    return sorted(elements, key=symbols.count) if name == "l12" else elements


@lru_cache(maxsize=64)
def _pattern(name: str) -> tuple[str, tuple[str, ...]]:
    """Space group, and the orbits of each element in the order of the prototype."""
    number, *parts = structure_type(prototype(_EXAMPLES[name.lower()], name)).split()
    orbits = dict(part.split(":", 1) for part in parts)
    return number, tuple(orbits[e] for e in _roles(_EXAMPLES[name.lower()], name.lower()))


def prototype_crystal(formula: str, name: str, a_a: float, c_a: float | None = None) -> Atoms:
    """A crystal of a named prototype with its lattice constants.

    Parameters
    ----------
    formula
        Its elements in the order of the prototype's.
    name
        As in prototype.
    a_a
        Length of a of the conventional cell, A.
    c_a
        Length of its c, A; none for cubic crystals.

    Returns
    -------
    Atoms
        A primitive cell; free positions are those of a typical crystal of the prototype.

    Raises
    ------
    StructureError
        There is no such prototype.
    """
    atoms = standardise(prototype(formula, name), "conventional", symprec=1e-3)
    a, _, c = atoms.cell.lengths()
    scale = np.array([a_a / a, a_a / a, (c_a / c) if c_a else a_a / a])
    # Cartesian axes are those of the standard setting, so that c lies along z.
    atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    return standardise(atoms, "primitive", symprec=1e-3)


def prototype(formula: str, name: str) -> Atoms:
    """A crystal of a named prototype, with lattice constants that only serve its symmetry.

    Parameters
    ----------
    formula
        Chemical formula; the order of its elements is that of the prototype (cation first).
    name
        A name as the committed tables have it, such as ``rocksalt`` or ``X2O3``.

    Returns
    -------
    Atoms
        A conventional or primitive cell.

    Raises
    ------
    StructureError
        There is no such prototype.
    """
    elements = [str(s) for s in dict.fromkeys(Atoms(formula).get_chemical_symbols())]
    a, b, c = (elements * 3)[:3]

    def spaced(symbols: list[str], sites: list[tuple[float, float, float]], group: int, cell: list[float]) -> Atoms:
        made = crystal(symbols, sites, spacegroup=group, cellpar=cell)
        return Atoms(made.numbers, positions=made.positions, cell=made.cell, pbc=True)

    cube = [5.0, 5.0, 5.0, *_CUBIC]
    match name.lower():
        case "fcc" | "bcc" | "sc" | "diamond":
            return bulk(a, name.lower(), a=4.0)
        case "hcp":
            return bulk(a, "hcp", a=3.0, c=4.8)
        case "rocksalt" | "zincblende" | "cesiumchloride":
            return bulk(formula, name.lower(), a=5.0)
        case "wurtzite":
            return bulk(formula, "wurtzite", a=3.2, c=5.2, u=0.377)
        case "xo":
            return bulk(f"{a}{b}" if b == "O" else f"{b}{a}", "rocksalt", a=4.5)
        case "fluorite" | "xo2":
            return spaced([a, b], [(0, 0, 0), (0.25, 0.25, 0.25)], 225, cube)
        case "antifluorite" | "x2o":
            return spaced([b, a], [(0, 0, 0), (0.25, 0.25, 0.25)], 225, cube)
        case "xo3":
            return spaced([a, b], [(0, 0, 0), (0.5, 0, 0)], 221, cube)
        case "x2o3":
            return spaced([a, b], [(0.25, 0.25, 0.25), (0.5, 0.0, 0.0)], 224, cube)
        case "x2o5":
            return spaced([a, b, b], [(0.25, 0.25, 0.25), (0.5, 0.0, 0.0), (0.75, 0.75, 0.75)], 224, cube)
        case "l12":
            symbols = sorted(elements, key=Atoms(formula).get_chemical_symbols().count)
            return spaced(symbols, [(0, 0, 0), (0, 0.5, 0.5)], 221, cube)
        case "rutile":
            return spaced([a, b], [(0, 0, 0), (0.305, 0.305, 0)], 136, [4.6, 4.6, 3.0, *_CUBIC])
        case "quartz":
            return spaced([a, b], [(0.47, 0, 2 / 3), (0.4135, 0.2669, 0.7858)], 154, [4.9, 4.9, 5.4, *_HEXAGONAL])
        case "corundum":
            return spaced([a, b], [(0, 0, 0.352), (0.306, 0, 0.25)], 167, [4.76, 4.76, 12.99, *_HEXAGONAL])
        case "spinel":
            sites = [(1 / 8, 1 / 8, 1 / 8), (0.5, 0.5, 0.5), (0.2624, 0.2624, 0.2624)]
            made = crystal([a, b, c], sites, spacegroup=227, setting=2, cellpar=[8.1, 8.1, 8.1, *_CUBIC])
            return Atoms(made.numbers, positions=made.positions, cell=made.cell, pbc=True)
        case "perovskite":
            return spaced([a, b, c], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], 221, cube)
        case "pyrite":
            return spaced([a, b], [(0, 0, 0), (0.385, 0.385, 0.385)], 205, [5.4, 5.4, 5.4, *_CUBIC])
        case "graphite":
            return spaced([a, a], [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)], 194, [2.46, 2.46, 6.7, *_HEXAGONAL])
        case "hbn":
            return spaced([a, b], [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, 0.75)], 194, [2.5, 2.5, 6.7, *_HEXAGONAL])
        case "white-tin":
            return spaced([a], [(0, 0, 0)], 141, [5.8, 5.8, 3.2, *_CUBIC])
        case "lab6":
            return spaced([a, b], [(0, 0, 0), (0.1996, 0.5, 0.5)], 221, cube)
        case "a7":
            return spaced([a], [(0, 0, 0.23)], 166, [4.4, 4.4, 11.5, *_HEXAGONAL])
    raise StructureError(f"There is no prototype '{name[:40]}'.")
