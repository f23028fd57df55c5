"""Many structures as flat arrays, checked together: what the fused kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from sus2.errors import UnknownElementError
from sus2.native.arrays import Structures
from sus2.structures.crystal import LEAST_THICKNESS_A, MAX_ATOMS_PER_A3, to_atoms
from sus2.types import Array, Index

if TYPE_CHECKING:
    from pymatgen.core import Structure

# Below this volume relative to the cube of the longest vector a cell is looked at more closely (it may be fine).
_FLAT = 1e-3
# The same for the volume over the square of that vector (A) and for the volume of an atom (A^3).
_THIN, _DENSE = 3.0 * LEAST_THICKNESS_A, 1.0 / MAX_ATOMS_PER_A3
_HEAVIEST = 118


def pack_structures(structures: Sequence[Atoms | Structure], elements: Sequence[str]) -> Structures:
    """Put structures one after another into arrays.

    Parameters
    ----------
    structures
        Any number; only read.
    elements
        Chemical symbols in type order.

    Returns
    -------
    Structures
        In their order.

    Raises
    ------
    StructureError
        No atoms, coordinates that are not finite, or a cell without volume, as sus2.structures.to_atoms says.
    UnknownElementError
        An element that is not in `elements`.
    """
    atoms = [s if isinstance(s, Atoms) else to_atoms(s) for s in structures]
    if not atoms:
        empty = np.zeros(0, dtype=np.int64)
        return Structures(
            np.zeros(1, dtype=np.int64), np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3), np.int64), empty
        )
    numbers = [a.arrays["numbers"] for a in atoms]
    first = np.zeros(len(atoms) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, numbers), np.int64, len(atoms)), out=first[1:])
    positions = np.concatenate([a.arrays["positions"] for a in atoms], dtype=np.float64)
    cells = np.array([a.cell.array for a in atoms], dtype=np.float64)
    periodic = np.array([a.pbc for a in atoms], dtype=np.int64)
    flat_numbers = np.concatenate(numbers)

    if not (
        np.isfinite(positions).all()
        and (first[1:] > first[:-1]).all()
        and flat_numbers.min() > 0
        and flat_numbers.max() <= _HEAVIEST
    ):
        for a in atoms:
            to_atoms(a)
    full = periodic.all(axis=1)
    size = np.maximum(1.0, np.abs(cells).max(axis=(1, 2)))
    with np.errstate(invalid="ignore", over="ignore"):
        volume = np.abs(determinants(cells))
        sound = (volume > _FLAT * size**3) & (volume > _THIN * size**2) & (volume > _DENSE * np.diff(first))
        sound = np.where(full, sound, ~periodic.any(axis=1))
    for k in np.flatnonzero(~sound | ~np.isfinite(size)):
        to_atoms(atoms[k])

    table = np.full(_HEAVIEST + 1, -1, dtype=np.int64)
    table[_numbers_of(elements)] = np.arange(len(elements))
    types = table[flat_numbers]
    if types.min() < 0:
        wrong = int(np.searchsorted(first, int(types.argmin()), side="right")) - 1
        type_indices(atoms[wrong], elements)
    return Structures(first, np.ascontiguousarray(positions), cells, periodic, types)


def type_indices(atoms: Atoms, elements: Sequence[str]) -> Index:
    """Look up the type of each atom.

    Parameters
    ----------
    atoms
        N atoms.
    elements
        Chemical symbols in type order.

    Returns
    -------
    ndarray
        (N,).

    Raises
    ------
    UnknownElementError
        An element that is not in `elements`.
    """
    order = {symbol: k for k, symbol in enumerate(elements)}
    unknown = sorted(set(atoms.get_chemical_symbols()) - set(order))
    if unknown:
        wanted = ", ".join(sorted(set(atoms.get_chemical_symbols())))
        raise UnknownElementError(
            f"The potential does not cover {', '.join(unknown)}; choose one that covers {wanted}."
        )
    return np.array([order[s] for s in atoms.get_chemical_symbols()], dtype=np.int64)


def determinants(cells: Array) -> Array:
    """Signed volumes of cells.

    Parameters
    ----------
    cells
        (S, 3, 3) angstrom.

    Returns
    -------
    ndarray
        (S,) angstrom^3.
    """
    a, b, c = cells[:, 0], cells[:, 1], cells[:, 2]
    cross = np.stack(
        [
            b[:, 1] * c[:, 2] - b[:, 2] * c[:, 1],
            b[:, 2] * c[:, 0] - b[:, 0] * c[:, 2],
            b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0],
        ],
        axis=1,
    )
    return np.asarray(np.einsum("sx,sx->s", a, cross), dtype=np.float64)


def _numbers_of(elements: Sequence[str]) -> Index:
    from ase.data import atomic_numbers

    return np.array([atomic_numbers[e] for e in elements], dtype=np.int64)
