"""spglib's searches, each made once: properties of one crystal ask for the same symmetry many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_masses

from sus2.kept import Kept
from sus2.types import Array, Index

Key = tuple[bytes, bytes, bytes]
MAX_KEPT = 256
SYMPREC_A: Final = 1e-3
"""Distance within which atoms count as symmetrically equivalent, angstrom."""
FAR_A: Final = 0.1
_MOST_COMPARED: Final = 24
KIND = 1000
"""Added to the atomic number for a second isotope of an element."""

_ROUNDING: Final = 1e-10
# Places that differ by less (in units of the cell, or angstrom) are those of one crystal.
_SAME: Final = 1e-9
_EXACT: Final = 1e-7
# Columns of the primitive cell in units of the conventional one, as spglib has them.
_CENTRINGS: Final = {
    "P": np.eye(3),
    "A": np.array([[2.0, 0.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, 1.0]]) / 2.0,
    "C": np.array([[1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]) / 2.0,
    "R": np.array([[2.0, -1.0, -1.0], [1.0, 1.0, -2.0], [1.0, 1.0, 1.0]]) / 3.0,
    "I": np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]) / 2.0,
    "F": np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]) / 2.0,
}

Cell = tuple[Array, Array, Index]
"""Lattice vectors (3, 3) in rows, angstrom; fractional coordinates (n, 3); atomic numbers (n,)."""


def has_isotopes(atoms: Atoms) -> bool:
    """Whether an atom's mass is not the natural one.

    Parameters
    ----------
    atoms
        Any structure.

    Returns
    -------
    bool
        Beyond 5 %.
    """
    return atoms.has("masses") and not np.allclose(atoms.get_masses(), atomic_masses[atoms.numbers], rtol=0.05)


def right_handed(atoms: Atoms) -> tuple[Cell, list[int]]:
    """The cell of a crystal for spglib, with two axes exchanged where it is left-handed.

    Isotopes are different kinds of atoms: the first has its atomic number, others that plus a multiple of KIND.

    Parameters
    ----------
    atoms
        A crystal.

    Returns
    -------
    tuple
        The cell, and the order of its axes.
    """
    order = [0, 1, 2] if np.linalg.det(np.asarray(atoms.cell)) > 0 else [1, 0, 2]
    numbers = atoms.numbers
    if has_isotopes(atoms):
        pairs = list(zip(numbers.tolist(), np.round(atoms.get_masses(), 3).tolist(), strict=True))
        seen: dict[int, list[float]] = {}
        for z, mass in pairs:
            if mass not in (known := seen.setdefault(z, [])):
                known.append(mass)
        numbers = np.array([z + KIND * seen[z].index(mass) for z, mass in pairs])
    return (np.asarray(atoms.cell)[order], _places(atoms)[:, order], numbers), order


_datasets: Final[Kept[Any]] = Kept(MAX_KEPT)
_standard_cells: Final[Kept[Any]] = Kept(MAX_KEPT)
_crystals: Final[Kept[Key]] = Kept(MAX_KEPT)


def standing(atoms: Atoms) -> Cell:
    """The cell of a crystal as it is, with its elements alone.

    Parameters
    ----------
    atoms
        A crystal.

    Returns
    -------
    tuple
        The cell.
    """
    return np.array(atoms.cell), _places(atoms), atoms.numbers


def crystal_key(atoms: Atoms) -> Key:
    """The content of a crystal, to keep by it what does not depend on the choice of the cell.

    Parameters
    ----------
    atoms
        A crystal.

    Returns
    -------
    tuple of bytes
        Lattice, places and elements, exactly; those of the crystal itself for a standard cell that was made of it here
        and differs from it by no more than rounding, also where it is turned or has another origin.
    """
    key = _frozen(standing(atoms))
    return _crystals.known(key) or key


def dataset(cell: Cell, symprec: float) -> Any:
    """spglib's data set.

    Parameters
    ----------
    cell
        As right_handed gives it.
    symprec
        Tolerance, angstrom.

    Returns
    -------
    object or None
        Not to be changed; None where there is no symmetry.
    """
    return _datasets.get(
        (*_frozen(cell), symprec), lambda: _found(lambda: spglib.get_symmetry_dataset(cell, symprec=symprec))
    )


def dataset_within(cell: Cell, symprec: float) -> Any:
    """spglib's data set, that of a smaller tolerance where a larger one can find no other.

    Crystals of the highest Laue classes of their lattices can gain nothing but an inversion or a translation; where
    neither is anywhere near, the search within SYMPREC_A, which other questions need too, is all that there is.

    Parameters
    ----------
    cell
        As right_handed gives it.
    symprec
        Tolerance, angstrom; at most FAR_A / 10.

    Returns
    -------
    object or None
        As dataset.
    """
    if len(cell[2]) <= _MOST_COMPARED and SYMPREC_A < symprec <= FAR_A / 10.0:
        found = dataset(cell, SYMPREC_A)
        if found is not None and _complete(cell, found):
            return found
    return dataset(cell, symprec)


def _complete(cell: Cell, found: Any) -> bool:
    if not (177 <= found.number <= 194 or found.number >= 207):
        return False
    if len(np.unique(found.mapping_to_primitive)) < len(cell[2]):
        return False
    centred = bool((found.rotations == -np.eye(3)).all(axis=(1, 2)).any())
    return not (_maps(cell, 1.0) or (not centred and _maps(cell, -1.0)))


def _maps(cell: Cell, sign: float) -> bool:
    """Whether some move x -> sign x + t, not the identity, nearly takes the crystal to itself."""
    lattice, scaled, numbers = cell
    kinds, counts = np.unique(numbers, return_counts=True)
    rare = np.flatnonzero(numbers == kinds[counts.argmin()])
    to = scaled[rare[1:] if sign > 0.0 else rare] - sign * scaled[rare[0]]
    gap = (sign * scaled + to[:, None])[:, :, None] - scaled
    distance = np.linalg.norm((gap - np.round(gap)) @ lattice, axis=3)
    distance[:, numbers[:, None] != numbers] = np.inf
    return bool((distance.min(axis=2, initial=np.inf).max(axis=1, initial=0.0) < FAR_A).any())


def keep_for_scaled(before: Cell, after: Cell, symprec: float) -> None:
    """Keep the data set of a crystal for the same crystal at another volume, where nothing but the volume changed.

    Crystals whose relaxation changes the volume alone are not searched again. Crystals that could gain symmetry, or
    have theirs within the tolerance only, are left to the search.

    Parameters
    ----------
    before
        A cell whose data set is kept.
    after
        The other.
    symprec
        Tolerance, angstrom.
    """
    found = _datasets.known((*_frozen(before), symprec))
    if found is None or len(before[2]) > _MOST_COMPARED or not np.array_equal(before[2], after[2]):
        return
    ratio = float(np.linalg.det(after[0]) / np.linalg.det(before[0])) ** (1.0 / 3.0)
    gap = after[1] - before[1]
    moved = max(np.abs(after[0] - ratio * before[0]).max(), np.abs(gap - np.round(gap)).max())
    if moved > _SAME or found.number < 195 or not _complete(before, found) or not _exact(before, found):
        return
    scaled = {"std_lattice": ratio * found.std_lattice, "primitive_lattice": ratio * found.primitive_lattice}
    _datasets.put((*_frozen(after), symprec), replace(found, **scaled))


def _exact(cell: Cell, found: Any) -> bool:
    """Whether a crystal has its symmetry far within the tolerance."""
    lattice, scaled, _ = cell
    ideal = found.std_rotation_matrix @ lattice.T @ np.linalg.inv(found.transformation_matrix) - found.std_lattice.T
    moved = scaled @ np.swapaxes(found.rotations, 1, 2) + found.translations[:, None]
    gap = moved[:, :, None] - scaled
    off = np.abs(gap - np.round(gap)).max(axis=3).min(axis=2)
    return bool(max(np.abs(ideal).max(), off.max()) < _EXACT)


def standard_cell(cell: Cell, symprec: float, *, primitive: bool, idealise: bool = True) -> Cell | None:
    """spglib's standard cell.

    Parameters
    ----------
    cell
        As right_handed gives it.
    symprec
        Tolerance, angstrom.
    primitive
        Or conventional.
    idealise
        Whether it is rotated to ideal axes.

    Returns
    -------
    tuple or None
        None where spglib finds no symmetry.
    """
    found = dataset(cell, symprec)
    if found is None:
        return None
    if not primitive and idealise:
        return np.array(found.std_lattice), np.array(found.std_positions), np.array(found.std_types, dtype=np.int64)
    if primitive and (idealise or len(np.unique(found.mapping_to_primitive)) == len(cell[2])):
        return _primitive(cell, found, symprec, idealise)
    answer = _standard_cells.get(
        (*_frozen(cell), symprec, primitive, idealise),
        lambda: _found(
            lambda: spglib.standardize_cell(cell, to_primitive=primitive, no_idealize=not idealise, symprec=symprec)
        ),
    )
    if answer is None:
        return None
    lattice, scaled, numbers = answer
    return lattice.copy(), scaled.copy(), numbers.copy()


def _primitive(cell: Cell, found: Any, symprec: float, idealise: bool) -> Cell:
    """The standard primitive cell as spglib makes it of its data set; its own data set follows and is kept."""
    centring = _CENTRINGS[found.international[0]]
    to = np.linalg.solve(centring, found.transformation_matrix)
    lattice, scaled, numbers = cell
    # For each atom of the primitive cell one of the cell.
    if idealise:
        first = np.sort(np.unique(found.std_mapping_to_primitive, return_index=True)[1])
        own = np.asarray(found.std_mapping_to_primitive)[first]
        atoms = np.array([np.flatnonzero(found.mapping_to_primitive == k)[0] for k in own])
        shift = np.linalg.solve(centring, found.origin_shift)
        rows = (found.std_lattice.T @ centring).T
        places = np.linalg.solve(centring, found.std_positions[first].T).T
        kinds = np.array(found.std_types, dtype=np.int64)[first]
        gap = scaled[atoms] @ to.T + shift - places
        ideal = found.std_rotation_matrix @ lattice.T @ np.linalg.inv(found.transformation_matrix) - found.std_lattice.T
        same = max(np.abs(gap - np.round(gap)).max(), np.abs(ideal).max()) < _SAME and len(atoms) == len(numbers)
    else:
        same = True
        own, atoms, shift = np.asarray(found.mapping_to_primitive), np.arange(len(numbers)), np.zeros(3)
        rows, places, kinds = (lattice.T @ np.linalg.inv(to)).T, scaled @ to.T, np.array(numbers, dtype=np.int64)
    out = np.ascontiguousarray(rows), _in_cell(places), kinds
    turned = np.round(to @ found.rotations @ np.linalg.inv(to)).astype(found.rotations.dtype)
    # In a larger cell each rotation comes with several translations.
    once = np.sort(np.unique(turned.reshape(-1, 9), axis=0, return_index=True)[1])
    moves = (found.translations @ to.T + shift - turned @ shift)[once]
    orbits = [np.asarray(x)[atoms] for x in (found.equivalent_atoms, found.crystallographic_orbits)]
    equivalent, crystallographic = (np.array([np.flatnonzero(x == k)[0] for k in x]) for x in orbits)
    made = replace(
        found,
        transformation_matrix=centring.copy(),
        origin_shift=np.zeros(3) if idealise else np.array(found.origin_shift),
        rotations=turned[once],
        translations=moves - np.floor(moves + _ROUNDING),
        wyckoffs=[found.wyckoffs[k] for k in atoms],
        site_symmetry_symbols=[found.site_symmetry_symbols[k] for k in atoms],
        equivalent_atoms=equivalent,
        crystallographic_orbits=crystallographic,
        primitive_lattice=out[0].copy(),
        mapping_to_primitive=np.arange(len(atoms)),
        std_mapping_to_primitive=np.array([np.flatnonzero(own == k)[0] for k in found.std_mapping_to_primitive]),
        std_rotation_matrix=np.eye(3) if idealise else np.array(found.std_rotation_matrix),
    )
    # As the cell will be asked about: by the places of its atoms.
    key = _frozen((out[0], _rounded(_in_cell(out[1])), out[2]))
    # A supercell can lack rotations of the crystal: its primitive cell is then left to a search of its own.
    if once.size == _order(found.hall_number):
        _datasets.put((*key, symprec), made)
    if same:
        given = _frozen(cell)
        _crystals.put(key, _crystals.known(given) or given)
    return out


@lru_cache(maxsize=530)
def _order(hall_number: int) -> int:
    """How many rotations a space group has."""
    database: Any = spglib.get_symmetry_from_database(hall_number)
    return len(np.unique(database["rotations"].reshape(-1, 9), axis=0))


def _in_cell(scaled: Array) -> Array:
    out = scaled - np.round(scaled)
    out[out < -_ROUNDING] += 1.0
    return np.asarray(out)


def _found(search: Callable[[], Any]) -> Any:
    # Before version 3 spglib returns None for a failure, or raises, as its settings say.
    try:
        return search()
    except spglib.SpglibError:
        return None


def _places(atoms: Atoms) -> Array:
    """Fractional coordinates within the cell, without their last digits: those of one crystal are always the same."""
    scaled = atoms.get_scaled_positions(wrap=False)
    # Into the cell first: the digits of what is far outside would overflow.
    return _rounded(_in_cell(scaled - np.floor(scaled)))


def _rounded(scaled: Array) -> Array:
    # + 0.0 turns -0.0 into 0.0, which has other bytes.
    return np.asarray(np.round(scaled, 12) + 0.0)


def _frozen(cell: Cell) -> Key:
    lattice, scaled, numbers = cell
    return (
        np.asarray(lattice, dtype=np.float64).tobytes(),
        np.asarray(scaled, dtype=np.float64).tobytes(),
        np.asarray(numbers, dtype=np.int64).tobytes(),
    )
