"""Edits of a crystal: each takes one and returns a new one, checked, and leaves the given one as it is.

Sites are counted from 0, as in ASE. Every function takes ASE Atoms or a pymatgen Structure and raises StructureError,
one sentence, where the edit or its result makes no sense. The primitive and the conventional cell are in
sus2.structures.standardise.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.data import atomic_numbers
from ase.spacegroup.symmetrize import refine_symmetry
from ase.stress import voigt_6_to_full_3x3_strain
from numpy.typing import ArrayLike

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.crystal import SYMPREC_A, check_crystal, elements_of, to_atoms
from sus2.structures.description import describe
from sus2.structures.symmetry import dataset, has_isotopes, right_handed
from sus2.types import Array, Index
from sus2.voigt import NAMES

if TYPE_CHECKING:
    from pymatgen.core import Structure

MAX_STRAIN_PERCENT: Final = 50.0
MAX_TOLERANCE_A: Final = 0.5
_MAX_ENTRY = 50
_MIN_STRETCH = 0.1


def supercell(structure: Atoms | Structure, repeats: ArrayLike) -> Atoms:
    """A larger (or the same) cell of the same crystal.

    Parameters
    ----------
    structure
        A crystal.
    repeats
        Three whole numbers, the repetitions along a, b and c; or a (3, 3) matrix P of whole numbers whose rows are the
        new lattice vectors in terms of the old ones, new = P old (ase.build.make_supercell).

    Returns
    -------
    Atoms
        A new crystal.

    Raises
    ------
    StructureError
        Not whole numbers, a matrix without volume, more atoms than the settings allow.
    """
    atoms = _plain(structure)
    whole = _whole(repeats)
    matrix = np.diag(whole) if whole.ndim == 1 else whole
    volume = abs(round(float(np.linalg.det(matrix))))
    if volume == 0:
        raise StructureError("The rows of the supercell matrix lie in one plane; give three that span a volume.")
    limit = settings().max_atoms
    if volume * len(atoms) > limit:
        raise StructureError(
            f"The supercell would have {volume * len(atoms):,} atoms; at most {limit:,} are allowed here: "
            "use fewer repetitions."
        )
    return _checked(atoms.repeat(whole) if whole.ndim == 1 else make_supercell(atoms, matrix))


def strain(structure: Atoms | Structure, percent: ArrayLike) -> Atoms:
    """The crystal under a homogeneous strain, the atoms carried along with the cell.

    The deformation is F = 1 + eps with eps symmetric, so nothing turns.

    Parameters
    ----------
    structure
        A crystal.
    percent
        (6,) Voigt components xx yy zz yz xz xy of the small strain, percent; shears are engineering shear,
        gamma_yz = 2 eps_yz.

    Returns
    -------
    Atoms
        A new crystal.

    Raises
    ------
    StructureError
        Not six finite numbers, a component beyond MAX_STRAIN_PERCENT, a cell pressed flat.
    """
    atoms = _plain(structure)
    voigt = _numbers(percent, "The strain needs six numbers, xx yy zz yz xz xy in percent")
    if voigt.shape != (6,):
        raise StructureError(f"The strain needs six numbers, xx yy zz yz xz xy in percent, not {voigt.size}.")
    largest = int(np.abs(voigt).argmax())
    if abs(voigt[largest]) > MAX_STRAIN_PERCENT:
        raise StructureError(
            f"A strain of {voigt[largest]:g} % along {NAMES[largest]} is too large; "
            f"give at most {MAX_STRAIN_PERCENT:g} %."
        )
    # ASE's function returns the deformation 1 + eps of engineering shear.
    deformation = voigt_6_to_full_3x3_strain(voigt / 100.0)
    if np.linalg.eigvalsh(deformation)[0] < _MIN_STRETCH:
        raise StructureError("These strains together flatten the cell; give smaller ones.")
    atoms.set_cell(np.asarray(atoms.cell) @ deformation, scale_atoms=True)
    return _checked(atoms)


def substitute_element(structure: Atoms | Structure, old: str, new: str) -> Atoms:
    """The crystal with every atom of one element replaced by another.

    Parameters
    ----------
    structure
        A crystal.
    old
        Element to replace.
    new
        Element in its place.

    Returns
    -------
    Atoms
        A new crystal.

    Raises
    ------
    StructureError
        The crystal has no such element, or `new` is none.
    """
    atoms = _plain(structure)
    if old not in elements_of(atoms):
        raise StructureError(f"The crystal has no '{old[:20]}'; its elements are {', '.join(elements_of(atoms))}.")
    atoms.numbers[atoms.numbers == atomic_numbers[old]] = _atomic_number(new)
    return _checked(atoms)


def substitute_site(structure: Atoms | Structure, site: int, new: str) -> Atoms:
    """The crystal with the atom at one site replaced by another element.

    Parameters
    ----------
    structure
        A crystal.
    site
        From 0.
    new
        Element.

    Returns
    -------
    Atoms
        A new crystal.

    Raises
    ------
    StructureError
        There is no such site, or `new` is no element.
    """
    atoms = _plain(structure)
    atoms.numbers[_site(atoms, site)] = _atomic_number(new)
    return _checked(atoms)


def vacancy(structure: Atoms | Structure, site: int) -> Atoms:
    """The crystal without the atom at one site; it repeats with the cell, so take a supercell first.

    Parameters
    ----------
    structure
        A crystal.
    site
        From 0.

    Returns
    -------
    Atoms
        A new crystal.

    Raises
    ------
    StructureError
        There is no such site, or it is the last atom.
    """
    atoms = _plain(structure)
    index = _site(atoms, site)
    if len(atoms) == 1:
        raise StructureError("The cell has one atom, and without it nothing is left; make a supercell first.")
    del atoms[index]
    return _checked(atoms)


def symmetrise(structure: Atoms | Structure, tolerance_a: float = 0.01) -> Atoms:
    """The crystal moved to exactly the symmetry that it has within a tolerance.

    Cell and positions are averaged over the operations found (ase.spacegroup.symmetrize).

    Parameters
    ----------
    structure
        A crystal.
    tolerance_a
        Of the symmetry search (spglib), angstrom.

    Returns
    -------
    Atoms
        A new crystal; cell, orientation and order stay.

    Raises
    ------
    StructureError
        Tolerance out of range, no symmetry to go to within it, or operations that contradict each other.
    """
    atoms = _plain(structure)
    _check_tolerance(tolerance_a)
    number, order = _symmetry(atoms, tolerance_a)
    if order <= 1:
        raise StructureError(
            f"Within {tolerance_a:g} Å the crystal has no symmetry to restore (space group P1); "
            "give a larger tolerance."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            refine_symmetry(atoms, symprec=tolerance_a)
            after = _symmetry(atoms, 0.1 * SYMPREC_A)
        except (ValueError, ArithmeticError, AttributeError, RuntimeError):
            after = (0, 0)
    if after[0] != number or after[1] < order:
        raise StructureError(f"The symmetry found within {tolerance_a:g} Å is not consistent; give another tolerance.")
    return _checked(atoms)


def symmetry_by_tolerance(
    structure: Atoms | Structure, tolerances_a: Sequence[float] = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3)
) -> tuple[tuple[float, str, int], ...]:
    """The space group at several tolerances.

    Parameters
    ----------
    structure
        A crystal.
    tolerances_a
        Angstrom.

    Returns
    -------
    tuple
        (tolerance in angstrom, space-group symbol, number) where spglib finds a space group.

    Raises
    ------
    StructureError
        Not a crystal, or a tolerance out of range.
    """
    atoms = _plain(structure)
    found = []
    for tolerance in tolerances_a:
        _check_tolerance(tolerance)
        try:
            info = describe(atoms, symprec=tolerance)
        except StructureError:
            # Too coarse for this crystal: spglib finds operations that contradict each other.
            continue
        found.append((float(tolerance), info.space_group_symbol, info.space_group_number))
    return tuple(found)


def _plain(structure: Atoms | Structure) -> Atoms:
    """A checked crystal of elements, cell and positions alone."""
    atoms = to_atoms(structure)
    check_crystal(atoms)
    masses = atoms.get_masses() if has_isotopes(atoms) else None
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True, masses=masses)


def _checked(atoms: Atoms) -> Atoms:
    check_crystal(atoms)
    return atoms


def _numbers(values: ArrayLike, wanted: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise StructureError(f"{wanted}.") from None
    if not np.isfinite(array).all():
        raise StructureError(f"{wanted}, all finite.")
    return array


def _whole(repeats: ArrayLike) -> Index:
    wanted = "A supercell needs three whole numbers or a 3 x 3 matrix of them"
    array = _numbers(repeats, wanted)
    if array.shape not in ((3,), (3, 3)):
        raise StructureError(f"{wanted}, not an array of shape {array.shape}.")
    whole = np.rint(array)
    if not np.array_equal(whole, array):
        wrong = array.flat[int(np.abs(array - whole).argmax())]
        raise StructureError(f"{wanted}; {wrong:g} is none.")
    if np.abs(whole).max() > _MAX_ENTRY:
        raise StructureError(f"{np.abs(whole).max():.0f} repetitions are too many; give at most {_MAX_ENTRY}.")
    if whole.ndim == 1 and whole.min() < 1:
        raise StructureError(f"{whole.min():.0f} repetitions make no cell; give at least 1 along each direction.")
    return whole.astype(int)


def _site(atoms: Atoms, site: int) -> int:
    if not 0 <= site < len(atoms):
        raise StructureError(f"There is no site {site}; the cell has sites 0 to {len(atoms) - 1}.")
    return int(site)


def _atomic_number(symbol: str) -> int:
    z = atomic_numbers.get(symbol, 0)
    if z < 1:
        raise StructureError(f"'{symbol[:20]}' is no chemical element; give a symbol such as Si.")
    return int(z)


def _check_tolerance(tolerance_a: float) -> None:
    if not 0.0 < tolerance_a <= MAX_TOLERANCE_A:
        raise StructureError(
            f"A tolerance of {tolerance_a:g} Å is out of range; give one above 0 and up to {MAX_TOLERANCE_A:g} Å."
        )


def _symmetry(atoms: Atoms, tolerance_a: float) -> tuple[int, int]:
    """Number of the space group and of its operations in this cell; (0, 0) where spglib finds none."""
    found = dataset(right_handed(atoms)[0], tolerance_a)
    return (0, 0) if found is None else (int(found.number), len(found.rotations))
