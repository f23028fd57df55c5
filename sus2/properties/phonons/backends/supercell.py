"""phonopy's objects for a crystal, and force constants by displacements in a supercell."""

from __future__ import annotations

import warnings

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.registry.memory import check_supercell
from sus2.structures import to_atoms
from sus2.types import Array, Index

SYMPREC_A = 1e-4


def phonopy_cell(atoms: Atoms) -> PhonopyAtoms:
    """The cell as phonopy has it, with its masses."""
    return PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.cell.scaled_positions(atoms.positions),
        masses=atoms.get_masses(),
    )


def phonopy_of(atoms: Atoms, supercell_matrix: ArrayLike) -> Phonopy:
    """A phonopy object whose unit and primitive cell are the given cell, with its masses.

    Parameters
    ----------
    atoms
        The primitive cell.
    supercell_matrix
        (3, 3) whole numbers, or the diagonal (3,).

    Returns
    -------
    Phonopy
        Without displacements and forces.
    """
    cell = phonopy_cell(atoms)
    with warnings.catch_warnings():
        # An elongated supercell of a cubic crystal is allowed here.
        warnings.filterwarnings("ignore", message=".*Point group symmetries of supercell.*")
        return Phonopy(cell, np.asarray(supercell_matrix), primitive_matrix=np.eye(3), symprec=SYMPREC_A, log_level=0)


def finite_differences(
    atoms: Atoms,
    potential: Calculates,
    supercell_matrix: ArrayLike,
    displacement_a: float,
    progress: Progress | None = None,
) -> Phonopy:
    """phonopy's finite displacements with forces of any potential, made translation-invariant.

    Parameters
    ----------
    atoms
        A primitive cell.
    potential
        Any; each displaced supercell is evaluated on its own.
    supercell_matrix
        (3, 3) whole numbers, columns the supercell vectors.
    displacement_a
        Of one atom, angstrom.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    Phonopy
        With forces and force constants (compact form).

    Raises
    ------
    Sus2Error
        The potential fails, or one evaluation would take more memory than is allowed.
    CancelledError
        From `progress`.
    """
    if progress is not None:
        progress("displacements", 0.0)
    check_supercell(potential, atoms, supercell_matrix)
    ph = phonopy_of(atoms, supercell_matrix)
    ph.generate_displacements(distance=displacement_a)
    cells = [to_ase(c) for c in ph.supercells_with_displacements or [] if c is not None]
    found = []
    for k, cell in enumerate(cells):
        found.append(potential.evaluate([cell])[0].forces_ev_per_a)
        if progress is not None:
            progress("displacements", (k + 1) / len(cells))
    ph.forces = np.array(found)
    ph.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    ph.symmetrize_force_constants(show_drift=False)
    return ph


def to_ase(cell: PhonopyAtoms) -> Atoms:
    """A phonopy cell as ASE Atoms."""
    return to_atoms(
        Atoms(cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, masses=cell.masses, pbc=True)
    )


def supercell_of_length(atoms: Atoms, length_a: float) -> Index:
    """Smallest diagonal supercell (found by shrinking equal axes together) with no lattice vector below length_a.

    Parameters
    ----------
    atoms
        The cell.
    length_a
        Shortest lattice vector that is allowed, angstrom.

    Returns
    -------
    ndarray
        (3, 3), diagonal.
    """
    cell = atoms.cell.array
    heights = abs(np.linalg.det(cell)) / np.array(
        [np.linalg.norm(np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])) for k in range(3)]
    )
    n = np.maximum(1, np.ceil(length_a / heights - 1e-9).astype(np.int64))
    lengths = np.round(np.linalg.norm(cell, axis=1), 3)
    groups = [lengths == x for x in np.unique(lengths)]
    shrunk = True
    while shrunk:
        shrunk = False
        for group in groups:
            trial = np.where(group, n - 1, n)
            if trial.min() > 0 and _shortest(cell * trial[:, None]) >= length_a - 1e-9:
                n, shrunk = trial, True
    return np.diag(n)


def _shortest(cell: Array) -> float:
    return float(np.linalg.norm(minkowski_reduce(cell)[0], axis=1).min())
