"""What a crystal is: formula, symmetry, cell, density; and its standard cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms

from sus2.errors import StructureError
from sus2.structures.crystal import SYMPREC_A, check_crystal, elements_of, shortest_distance, to_atoms
from sus2.structures.formula import formula_units
from sus2.structures.symmetry import KIND, dataset, has_isotopes, right_handed, standard_cell
from sus2.units import AMU_PER_A3_TO_KG_PER_M3

CrystalSystem = Literal["triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic"]

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Orbit:
    """Symmetrically equivalent atoms.

    Attributes
    ----------
    element
        Chemical symbol.
    wyckoff
        Wyckoff letter.
    count
        Their number in the given cell.
    fractional
        Coordinates of the first.
    """

    element: str
    wyckoff: str
    count: int
    fractional: tuple[float, float, float]


@dataclass(frozen=True)
class CrystalInfo:
    """What a crystal is.

    Attributes
    ----------
    formula
        The reduced formula.
    formula_units
        How many of it are in the cell.
    n_atoms
        Atoms in the cell.
    elements
        Chemical symbols.
    space_group_symbol
        International short symbol.
    space_group_number
        From 1 to 230.
    point_group
        International symbol.
    crystal_system
        The crystal system.
    orbits
        Symmetrically equivalent atoms.
    cell_lengths_a
        Angstrom.
    cell_angles_deg
        Degrees.
    volume_a3
        Of the cell, angstrom^3.
    density_g_per_cm3
        Mass density.
    shortest_distance_a
        Between two atoms, angstrom.
    """

    formula: str
    formula_units: int
    n_atoms: int
    elements: tuple[str, ...]
    space_group_symbol: str
    space_group_number: int
    point_group: str
    crystal_system: CrystalSystem
    orbits: tuple[Orbit, ...]
    cell_lengths_a: tuple[float, float, float]
    cell_angles_deg: tuple[float, float, float]
    volume_a3: float
    density_g_per_cm3: float
    shortest_distance_a: float


def describe(structure: Atoms | Structure, *, symprec: float = SYMPREC_A) -> CrystalInfo:
    """Formula, symmetry, cell and density of a crystal.

    Parameters
    ----------
    structure
        A crystal.
    symprec
        Tolerance of the symmetry search, angstrom.

    Returns
    -------
    CrystalInfo
        By spglib.

    Raises
    ------
    StructureError
        Not a crystal, or spglib finds no space group at all.
    """
    atoms = to_atoms(structure)
    check_crystal(atoms)
    data = _dataset(atoms, symprec)
    units = formula_units(atoms)
    scaled = atoms.get_scaled_positions()
    orbits = []
    equivalent = np.asarray(data.equivalent_atoms)
    for first in np.unique(equivalent):
        members = np.flatnonzero(equivalent == first)
        x, y, z = (float(v) for v in scaled[first])
        orbits.append(Orbit(str(atoms.symbols[first]), data.wyckoffs[first], len(members), (x, y, z)))
    a, b, c, alpha, beta, gamma = (float(v) for v in atoms.cell.cellpar())
    volume = abs(float(atoms.cell.volume))
    number = int(data.number)
    return CrystalInfo(
        formula=units.formula,
        formula_units=units.count,
        n_atoms=len(atoms),
        elements=elements_of(atoms),
        space_group_symbol=str(data.international),
        space_group_number=number,
        point_group=str(data.pointgroup),
        crystal_system=crystal_system(number),
        orbits=tuple(orbits),
        cell_lengths_a=(a, b, c),
        cell_angles_deg=(alpha, beta, gamma),
        volume_a3=volume,
        density_g_per_cm3=float(atoms.get_masses().sum()) / volume * AMU_PER_A3_TO_KG_PER_M3 * 1e-3,
        shortest_distance_a=shortest_distance(atoms),
    )


def standardise(
    structure: Atoms | Structure,
    to: Literal["primitive", "conventional"] = "primitive",
    *,
    symprec: float = SYMPREC_A,
) -> Atoms:
    """The standard primitive or conventional cell (spglib).

    Parameters
    ----------
    structure
        A crystal.
    to
        "primitive" or "conventional".
    symprec
        Tolerance of the symmetry search, angstrom.

    Returns
    -------
    Atoms
        With ideal coordinates and orientation.

    Raises
    ------
    StructureError
        Not a crystal, or spglib finds no space group at all.
    """
    atoms = to_atoms(structure)
    check_crystal(atoms)
    found = standard_cell(right_handed(atoms)[0], symprec, primitive=to == "primitive")
    if found is None:
        raise StructureError(f"spglib finds no standard cell within {symprec:g} Å; check the coordinates.")
    cell, scaled, kinds = found
    out = Atoms(numbers=kinds % KIND, cell=cell, scaled_positions=scaled, pbc=True)
    if has_isotopes(atoms):
        masses = dict(zip(right_handed(atoms)[0][2].tolist(), atoms.get_masses(), strict=True))
        out.set_masses([masses[k] for k in kinds.tolist()])
    return out


def crystal_system(number: int) -> CrystalSystem:
    """Crystal system of a space group.

    Parameters
    ----------
    number
        Of the space group, 1 to 230 (International Tables A).

    Returns
    -------
    str
        One of seven.

    Raises
    ------
    StructureError
        There is no such space group.
    """
    bounds: tuple[tuple[int, CrystalSystem], ...] = (
        (2, "triclinic"),
        (15, "monoclinic"),
        (74, "orthorhombic"),
        (142, "tetragonal"),
        (167, "trigonal"),
        (194, "hexagonal"),
        (230, "cubic"),
    )
    for last, name in bounds:
        if 1 <= number <= last:
            return name
    raise StructureError(f"There is no space group number {number}; they run from 1 to 230.")


def _dataset(atoms: Atoms, symprec: float) -> Any:
    data = dataset(right_handed(atoms)[0], symprec)
    if data is None:
        raise StructureError(f"spglib finds no symmetry within {symprec:g} Å; check the coordinates.")
    return data
