"""Force constants of the infinite crystal summed over the images of a periodic supercell."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.errors import Sus2Error, printable
from sus2.types import Array, Index

_SUPERCELL = "A supercell matrix must be 3 or 3x3 whole numbers with positive determinant"


def fold(atoms: Atoms, lattice: Index, phi: Array, supercell_matrix: ArrayLike, full: bool) -> Array:
    """Force constants of a supercell from those in real space.

    Parameters
    ----------
    atoms
        The cell, N atoms.
    lattice
        (nR, 3) lattice vectors R.
    phi
        (nR, N, N, 3, 3) Phi(R).
    supercell_matrix
        As supercell_matrix_of takes it.
    full
        Whether rows are all M atoms of the supercell.

    Returns
    -------
    ndarray
        (N or M, M, 3, 3).

    Raises
    ------
    Sus2Error
        As supercell_matrix_of.
    """
    matrix = supercell_matrix_of(supercell_matrix)
    atom_of, cell_of = supercell_sites(atoms, matrix)
    number = CosetNumbers(matrix)
    n, m = len(atoms), len(atom_of)
    # Place in the supercell of atom k in the cell with coset number c, (cells, N).
    table = np.zeros((number.count, n), dtype=np.int64)
    table[number(cell_of), atom_of] = np.arange(m)
    rows = np.arange(m) if full else table[number(np.zeros((1, 3), dtype=np.int64))[0]]
    out = np.zeros((len(rows), m, 3, 3))
    for k, row in enumerate(rows):
        columns = table[number(lattice + cell_of[row])]  # (nR, N)
        np.add.at(out[k], columns, phi[:, atom_of[row]])
    return out


def supercell_matrix_of(matrix: ArrayLike) -> Index:
    """A supercell matrix of positive volume.

    Parameters
    ----------
    matrix
        (3,) or (3, 3) whole numbers.

    Returns
    -------
    ndarray
        (3, 3).

    Raises
    ------
    Sus2Error
        Not whole numbers, or no positive volume.
    """
    try:
        given = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise Sus2Error(f"{_SUPERCELL}, found {printable(str(matrix))}.") from None
    given = np.diag(given) if given.shape == (3,) else given
    if given.shape != (3, 3) or not np.array_equal(given, np.round(given)) or np.linalg.det(given) < 0.5:
        found = np.array2string(given, separator=", ").replace("\n", "")
        raise Sus2Error(f"{_SUPERCELL}, found {found}.")
    return given.astype(np.int64)


def supercell_sites(atoms: Atoms, matrix: Index) -> tuple[Index, Index]:
    """Where every atom of a supercell comes from, in phonopy's order.

    Parameters
    ----------
    atoms
        The cell.
    matrix
        (3, 3).

    Returns
    -------
    tuple of ndarray
        Atom of the cell (M,) and lattice vector (M, 3).
    """
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import get_supercell

    cell = PhonopyAtoms(symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array, positions=atoms.get_positions())
    supercell = get_supercell(cell, matrix)
    atom_of = np.array([supercell.u2u_map[s] for s in supercell.s2u_map], dtype=np.int64)
    shift = (supercell.positions - atoms.get_positions()[atom_of]) @ np.linalg.inv(atoms.cell.array)
    return atom_of, np.round(shift).astype(np.int64)


class CosetNumbers:
    """Lattice vectors (n, 3) -> 0..count-1, equal where they differ by a vector of the supercell."""

    def __init__(self, matrix: Index) -> None:
        self.count = round(float(np.linalg.det(matrix)))
        # R = M x for columns M: x = adj(M) R / det, so adj(M) R modulo det names the coset.
        self.adjugate = np.round(np.linalg.inv(matrix) * self.count).astype(np.int64)
        reach = np.abs(matrix).sum(axis=1)
        box = np.stack(np.meshgrid(*(np.arange(r) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
        self.codes = np.unique(self._code(box))

    def _code(self, lattice: Index) -> Index:
        a, b, c = ((lattice @ self.adjugate.T) % self.count).T
        return (a * self.count + b) * self.count + c

    def __call__(self, lattice: Index) -> Index:
        """The number of each lattice vector."""
        return np.searchsorted(self.codes, self._code(lattice))
