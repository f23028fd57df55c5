"""Checks, symmetry and standard cells of crystals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.formula import formula_units
from sus2.structures.symmetry import KIND, dataset, has_isotopes, right_handed, standard_cell
from sus2.units import AMU_PER_A3_TO_KG_PER_M3

if TYPE_CHECKING:
    from pymatgen.core import Structure

SYMPREC_A = 1e-3
"""Distance within which atoms count as symmetrically equivalent, angstrom."""
MIN_DISTANCE_A = 0.5
"""Atoms closer than this overlap: the shortest bond there is, H-H, has 0.74 A."""
_AT_ONCE = 200_000  # pairs of atoms and images up to which all are looked at in one step
MIN_HEIGHT_A = 0.5
MAX_LENGTH_A = 500.0
LEAST_THICKNESS_A = 0.05
MAX_ATOMS_PER_A3 = 10.0
"""Limits of what is computed at all; diamond has 0.18 atoms per A^3."""

CrystalSystem = Literal["triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic"]


@dataclass(frozen=True)
class Orbit:
    """Symmetrically equivalent atoms: element, Wyckoff letter, their number in the given cell, and the
    fractional coordinates of the first."""

    element: str
    wyckoff: str
    count: int
    fractional: tuple[float, float, float]


@dataclass(frozen=True)
class CrystalInfo:
    """What a crystal is; lengths in angstrom, angles in degrees.

    formula is the reduced one; formula_units how many of it are in the cell; space_group_symbol the
    international short symbol.
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


def to_atoms(structure: Atoms | Structure) -> Atoms:
    """A checked copy, as ASE Atoms without a calculator, of an ASE Atoms or a pymatgen Structure.

    Molecules and single atoms without a cell pass; use check_crystal where a crystal is needed.
    Raises StructureError: no atoms, unknown element, coordinates that are not finite, partial occupancy,
    a periodic direction without a lattice vector, a cell without volume.
    """
    atoms = structure.copy() if isinstance(structure, Atoms) else _from_pymatgen(structure)
    if len(atoms) == 0:
        raise StructureError("The structure has no atoms.")
    numbers = atoms.numbers
    wrong = numbers[(numbers < 1) | (numbers >= len(chemical_symbols))]
    if wrong.size:
        raise StructureError(f"The structure has an atom of atomic number {wrong[0]}, which is no element.")
    if not np.isfinite(atoms.positions).all():
        index = int(np.argmin(np.isfinite(atoms.positions).all(axis=1)))
        raise StructureError(f"The position of atom {index + 1} is not a finite number.")
    cell = np.asarray(atoms.cell)
    if not np.isfinite(cell).all():
        raise StructureError("The cell has an entry that is not a finite number.")
    vectors = cell[np.asarray(atoms.pbc)]
    tolerance = 1e-6 * max(1.0, float(np.abs(vectors).max(initial=0.0)))
    if len(vectors) and np.linalg.matrix_rank(vectors, tol=tolerance) < len(vectors):
        raise StructureError(
            "The cell has no volume: its lattice vectors are zero or lie in one plane; correct the cell."
        )
    _check_images(atoms, vectors)
    return atoms


def _check_images(atoms: Atoms, vectors: NDArray[np.float64]) -> None:
    """Refuse cells in which each atom would have more neighbours than memory holds; vectors: the periodic ones."""
    if not len(vectors):
        return
    with np.errstate(over="ignore", under="ignore"):
        thickness = 1.0 / max(float(np.linalg.norm(np.linalg.pinv(vectors), axis=0).max()), 1e-300)
        volume = abs(float(np.linalg.det(vectors))) if len(vectors) == 3 else np.inf
    if thickness < LEAST_THICKNESS_A:
        raise StructureError(f"The cell is only {thickness:.3g} Å thick; correct it, or its unit, which must be Å.")
    if len(atoms) > MAX_ATOMS_PER_A3 * volume:
        raise StructureError("The cell holds more than 10 atoms per Å³; correct it, or its unit, which must be Å.")


def check_crystal(atoms: Atoms, *, max_atoms: int | None = None) -> None:
    """Raise StructureError, one sentence, unless atoms is a crystal that can be computed.

    Checked: three periodic directions, at most max_atoms atoms (default: the settings), a sensible cell, and
    no two atoms within MIN_DISTANCE_A. Left-handed cells are fine.
    """
    limit = settings().max_atoms if max_atoms is None else max_atoms
    if len(atoms) > limit:
        raise StructureError(
            f"The structure has {len(atoms):,} atoms; at most {limit:,} are allowed here: "
            "use its primitive cell or a smaller supercell."
        )
    if not atoms.pbc.any() or np.asarray(atoms.cell).any(axis=1).sum() == 0:
        raise StructureError(
            "This is a molecule without a cell: a crystal needs three lattice vectors, as in a CIF or POSCAR file."
        )
    if not atoms.pbc.all():
        raise StructureError(
            f"The structure is periodic along {int(atoms.pbc.sum())} of 3 directions only; give a crystal that is "
            "periodic along all three."
        )
    check_cell(np.asarray(atoms.cell))
    i, j, d, _ = near_pairs(atoms, MIN_DISTANCE_A)
    if len(d):
        k = int(np.argmin(d))
        raise StructureError(
            f"Atoms {i[k] + 1} ({atoms.symbols[i[k]]}) and {j[k] + 1} ({atoms.symbols[j[k]]}) are {d[k]:.3f} Å "
            "apart, so they overlap; remove one or correct the coordinates."
        )


def check_cell(cell: NDArray[np.float64]) -> None:
    """Raise StructureError for a cell (3, 3), angstrom, so long or so flat that searches for neighbours break down."""
    lengths = np.linalg.norm(cell, axis=1)
    if lengths.max() > MAX_LENGTH_A:
        raise StructureError(
            f"A lattice vector is {lengths.max():.4g} Å long; at most {MAX_LENGTH_A:.0f} Å are allowed."
        )
    # The lengths of the reciprocal vectors are those of the heights, inverted.
    height = 0.0
    if abs(float(np.linalg.det(cell))) > 1e-12:
        height = 1.0 / float(np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    if height < MIN_HEIGHT_A:
        raise StructureError(
            f"The cell is only {height:.3g} Å thick, so it is flat or its unit is not Å; correct the cell."
        )


def describe(structure: Atoms | Structure, *, symprec: float = SYMPREC_A) -> CrystalInfo:
    """Formula, symmetry (spglib), cell and density of a crystal.

    symprec: tolerance of the symmetry search, angstrom. Raises StructureError: not a crystal, or spglib finds
    no space group at all.
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
    """The standard primitive or conventional cell (spglib), with ideal coordinates and orientation.

    symprec: tolerance of the symmetry search, angstrom. Raises StructureError: not a crystal, or spglib finds
    no space group at all.
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


def elements_of(atoms: Atoms) -> tuple[str, ...]:
    """The chemical symbols that occur, each once, by atomic number."""
    return tuple(chemical_symbols[z] for z in sorted(set(atoms.numbers.tolist())))


def near_pairs(
    atoms: Atoms, reach_a: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Pairs of atoms (i, j) closer than reach_a, their distances in angstrom, and the translations (n, 3) of j."""
    if atoms.pbc.all():
        cell = np.asarray(atoms.cell)
        # |fractional difference| <= distance times length of the reciprocal vector, which bounds the images that can
        # be so near once the differences lie within 1/2.
        with np.errstate(all="ignore"):
            inverse = np.linalg.pinv(cell)
            far = np.floor(reach_a * np.linalg.norm(inverse, axis=0) + 0.5)
            if len(atoms) ** 2 * np.prod(2.0 * far + 1.0) <= _AT_ONCE:
                images = np.array(list(product(*(range(-int(n), int(n) + 1) for n in far))))
                fractional = atoms.positions @ inverse
                difference = fractional[None, :] - fractional[:, None]
                home = np.round(difference)
                vectors = ((difference - home)[:, :, None] + images) @ cell
                distance = np.linalg.norm(vectors, axis=3)
                atom = np.arange(len(atoms))
                distance[atom, atom, len(images) // 2] = np.inf
                i, j, k = np.nonzero(distance < reach_a)
                return i, j, distance[i, j, k], images[k] - home[i, j].astype(np.int64)
    # Cells that are checked here may have no volume, which the compiled search refuses. Its import takes a third of a
    # second.
    from ase.neighborlist import neighbor_list

    return neighbor_list("ijdS", atoms, reach_a)


def shortest_distance(atoms: Atoms) -> float:
    """Shortest distance between two atoms or an atom and its periodic image, angstrom; inf for an atom alone."""
    reach = max(2.0, 1.3 * (abs(float(atoms.cell.volume)) / len(atoms)) ** (1 / 3)) if atoms.pbc.all() else 4.0
    while reach < 2.0 * MAX_LENGTH_A:
        _, _, d, _ = near_pairs(atoms, reach)
        if len(d):
            return float(d.min())
        reach *= 2.0
    return float("inf")


def crystal_system(number: int) -> CrystalSystem:
    """Crystal system of a space-group number, 1 to 230 (International Tables A)."""
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


def content_key(atoms: Atoms) -> str:
    """A short name of the content: equal for equal elements, cell and positions (to 1e-8 A), whatever the file.

    40 hexadecimal digits of SHA-256, so that it cannot be guessed and stands for the structure in a link.
    """
    h = hashlib.sha256()
    h.update(np.asarray(atoms.numbers, dtype="<i4").tobytes())
    # + 0.0 turns -0.0 into 0.0, which has other bytes.
    for part in (np.asarray(atoms.cell), atoms.positions):
        h.update((np.round(part, 8) + 0.0).astype("<f8").tobytes())
    h.update(np.asarray(atoms.pbc, dtype="u1").tobytes())
    if has_isotopes(atoms):
        h.update(np.round(atoms.get_masses(), 3).astype("<f8").tobytes())
    return h.hexdigest()[:40]


def _dataset(atoms: Atoms, symprec: float) -> Any:
    data = dataset(right_handed(atoms)[0], symprec)
    if data is None:
        raise StructureError(f"spglib finds no symmetry within {symprec:g} Å; check the coordinates.")
    return data


def _from_pymatgen(structure: Any) -> Atoms:
    from pymatgen.core import IStructure

    if not isinstance(structure, IStructure):
        raise StructureError(
            f"A structure must be an ASE Atoms or a pymatgen Structure, not a {type(structure).__name__}."
        )
    numbers = []
    for site in structure:
        if not site.is_ordered:
            occupation = ", ".join(f"{species.symbol} {amount:g}" for species, amount in site.species.items())
            raise StructureError(
                f"A site is partially occupied ({occupation}): order the structure first, "
                "for example in a supercell with whole atoms."
            )
        z = getattr(site.specie, "Z", 0)
        if site.specie.__class__.__name__ == "DummySpecies" or not 1 <= z < len(chemical_symbols):
            raise StructureError(f"'{site.specie}' is no chemical element.")
        numbers.append(z)
    return Atoms(
        numbers=numbers, positions=structure.cart_coords, cell=structure.lattice.matrix, pbc=structure.lattice.pbc
    )
