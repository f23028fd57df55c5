"""Checks, symmetry and standard cells of crystals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from sus2 import _moved
from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.symmetry import SYMPREC_A as SYMPREC_A
from sus2.structures.symmetry import has_isotopes
from sus2.types import Array, Index

if TYPE_CHECKING:
    from pymatgen.core import Structure

MIN_DISTANCE_A = 0.5
"""Atoms closer than this overlap: the shortest bond there is, H-H, has 0.74 A."""
_AT_ONCE = 200_000  # pairs of atoms and images up to which all are looked at in one step
MIN_HEIGHT_A = 0.5
MAX_LENGTH_A = 500.0
LEAST_THICKNESS_A = 0.05
MAX_ATOMS_PER_A3 = 10.0
"""Limits of what is computed at all; diamond has 0.18 atoms per A^3."""


def to_atoms(structure: Atoms | Structure) -> Atoms:
    """A checked copy of a structure.

    Molecules and single atoms without a cell pass; use check_crystal where a crystal is needed.

    Parameters
    ----------
    structure
        ASE Atoms or a pymatgen Structure.

    Returns
    -------
    Atoms
        Without a calculator.

    Raises
    ------
    StructureError
        No atoms, unknown element, coordinates that are not finite, partial occupancy, a periodic direction without a
    lattice vector, a cell without volume.
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
    spread = np.linalg.svd(vectors, compute_uv=False) if len(vectors) else np.zeros(0)
    if (spread <= tolerance).any():
        raise StructureError(
            "The cell has no volume: its lattice vectors are zero or lie in one plane; correct the cell."
        )
    _check_images(atoms, vectors)
    return atoms


def _check_images(atoms: Atoms, vectors: Array) -> None:
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


def labelled(structures: Iterable[Atoms | Structure] | Atoms | Structure) -> dict[str, Atoms]:
    """Structures by their formulas, numbered where a formula comes again.

    Parameters
    ----------
    structures
        One structure, or several.

    Returns
    -------
    dict
        In their order.

    Raises
    ------
    StructureError
        Something is no structure.
    """
    # ASE's Atoms and pymatgen's Structure are sequences of atoms themselves.
    one = hasattr(structures, "get_chemical_formula") or hasattr(structures, "lattice")
    out: dict[str, Atoms] = {}
    for structure in [structures] if one else structures:
        atoms = to_atoms(structure)
        formula = atoms.get_chemical_formula("metal")
        number = sum(label.split(" #")[0] == formula for label in out)
        out[formula if not number else f"{formula} #{number + 1}"] = atoms
    return out


def check_crystal(atoms: Atoms, *, max_atoms: int | None = None) -> None:
    """Refuse what is no crystal that can be computed.

    Checked: three periodic directions, at most max_atoms atoms, a sensible cell, and no two atoms within
    MIN_DISTANCE_A. Left-handed cells are fine.

    Parameters
    ----------
    atoms
        To look at.
    max_atoms
        By default that of the settings.

    Raises
    ------
    StructureError
        One sentence: what is wrong.
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


def check_cell(cell: Array) -> None:
    """Refuse a cell so long or so flat that searches for neighbours break down.

    Parameters
    ----------
    cell
        (3, 3), angstrom.

    Raises
    ------
    StructureError
        One sentence: what is wrong.
    """
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


def elements_of(atoms: Atoms) -> tuple[str, ...]:
    """The chemical symbols that occur, each once.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    tuple of str
        By atomic number.
    """
    return tuple(chemical_symbols[z] for z in sorted(set(atoms.numbers.tolist())))


def near_pairs(atoms: Atoms, reach_a: float) -> tuple[Index, Index, Array, Index]:
    """Pairs of atoms closer than a distance.

    Parameters
    ----------
    atoms
        Any structure, also one that is not checked yet.
    reach_a
        Angstrom.

    Returns
    -------
    tuple of ndarray
        Atoms i and j (n,), distances (n,) in angstrom, translations (n, 3) of j.
    """
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
    """Shortest distance between two atoms, or an atom and its periodic image.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    float
        Angstrom; inf for an atom alone.
    """
    reach = max(2.0, 1.3 * (abs(float(atoms.cell.volume)) / len(atoms)) ** (1 / 3)) if atoms.pbc.all() else 4.0
    while reach < 2.0 * MAX_LENGTH_A:
        _, _, d, _ = near_pairs(atoms, reach)
        if len(d):
            return float(d.min())
        reach *= 2.0
    return float("inf")


def content_key(atoms: Atoms) -> str:
    """A short name of the content: equal for equal elements, cell and positions (to 1e-8 A), whatever the file.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    str
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


def __getattr__(name: str) -> Any:
    return _moved.left("structures.crystal", name)
