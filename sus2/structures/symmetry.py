"""spglib's searches, each made once: properties of one crystal ask for the same symmetry many times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_masses

from sus2.types import Array, Index

MAX_KEPT = 256
KIND = 1000
"""Added to the atomic number for a second isotope of an element."""

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
    return (np.asarray(atoms.cell)[order], atoms.get_scaled_positions()[:, order], numbers), order


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
    return np.asarray(atoms.cell), atoms.get_scaled_positions(), atoms.numbers


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
    return _dataset(*_frozen(cell), symprec)


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
    found = _standard_cell(*_frozen(cell), symprec, primitive, idealise)
    if found is None:
        return None
    lattice, scaled, numbers = found
    return lattice.copy(), scaled.copy(), numbers.copy()


@lru_cache(maxsize=MAX_KEPT)
def _dataset(lattice: bytes, scaled: bytes, numbers: bytes, symprec: float) -> Any:
    return _found(lambda: spglib.get_symmetry_dataset(_thawed(lattice, scaled, numbers), symprec=symprec))


@lru_cache(maxsize=MAX_KEPT)
def _standard_cell(
    lattice: bytes, scaled: bytes, numbers: bytes, symprec: float, primitive: bool, idealise: bool
) -> Any:
    cell = _thawed(lattice, scaled, numbers)
    return _found(
        lambda: spglib.standardize_cell(cell, to_primitive=primitive, no_idealize=not idealise, symprec=symprec)
    )


def _found(search: Callable[[], Any]) -> Any:
    # Before version 3 spglib returns None for a failure, or raises, as its settings say.
    try:
        return search()
    except spglib.SpglibError:
        return None


def _frozen(cell: Cell) -> tuple[bytes, bytes, bytes]:
    lattice, scaled, numbers = cell
    return (
        np.asarray(lattice, dtype=np.float64).tobytes(),
        np.asarray(scaled, dtype=np.float64).tobytes(),
        np.asarray(numbers, dtype=np.int64).tobytes(),
    )


def _thawed(lattice: bytes, scaled: bytes, numbers: bytes) -> Cell:
    return (
        np.frombuffer(lattice).reshape(3, 3),
        np.frombuffer(scaled).reshape(-1, 3),
        np.frombuffer(numbers, dtype=np.int64),
    )
