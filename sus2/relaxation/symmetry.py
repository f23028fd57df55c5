"""The space group of a crystal, and the constraint that keeps it while atoms and cell move."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from sus2.structures.crystal import SYMPREC_A
from sus2.structures.symmetry import dataset, right_handed
from sus2.types import Array, Index

# Above this number of operations times atoms (large supercells) the projection costs more than the model.
MAX_PROJECTED = 100_000
MAX_GAPS = 200_000  # operations x atoms x atoms compared at once


def spacegroup(atoms: Atoms, *, symprec: float = SYMPREC_A) -> str:
    """Name the space group of a structure.

    Parameters
    ----------
    atoms
        The structure.
    symprec
        Tolerance of spglib, angstrom.

    Returns
    -------
    str
        International symbol and number, for example "Fd-3m (227)"; "none" without three periodic directions.
    """
    return spacegroup_and_constraint(atoms, symprec=symprec, constraint=False)[0]


def symmetry_constraint(atoms: Atoms, *, symprec: float = SYMPREC_A) -> KeepSymmetry | None:
    """Make the constraint that keeps the space group of a crystal.

    Parameters
    ----------
    atoms
        The crystal.
    symprec
        Tolerance of spglib, angstrom.

    Returns
    -------
    KeepSymmetry or None
        None where there is no symmetry to keep, and for large supercells (operations x atoms above MAX_PROJECTED),
        where a minimiser that follows the gradient keeps the symmetry to rounding errors anyway.
    """
    return spacegroup_and_constraint(atoms, symprec=symprec)[1]


def spacegroup_and_constraint(
    atoms: Atoms, *, symprec: float = SYMPREC_A, constraint: bool = True
) -> tuple[str, KeepSymmetry | None]:
    """Give both of `spacegroup` and `symmetry_constraint` by one search, which takes longer than a small relaxation.

    Parameters
    ----------
    atoms
        The structure.
    symprec
        Tolerance of spglib, angstrom.
    constraint
        Whether the constraint is wanted.

    Returns
    -------
    tuple of (str, KeepSymmetry or None)
        The space group, and the constraint where there is one to keep.
    """
    if not atoms.pbc.all():
        return "none", None
    cell, order = right_handed(atoms)
    found = dataset(cell, symprec)
    if found is None:
        return "none", None
    kept = _constraint(atoms, found.rotations, found.translations, order) if constraint else None
    return f"{found.international} ({found.number})", kept


def _constraint(
    atoms: Atoms, rotations: NDArray[np.int32], translations: Array, order: list[int]
) -> KeepSymmetry | None:
    if not 1 < len(rotations) <= MAX_PROJECTED // len(atoms):
        return None
    turns = rotations[:, order][:, :, order].astype(float)
    translations = translations[:, order]
    scaled = atoms.get_scaled_positions(wrap=False)
    other = atoms.numbers[:, None] != atoms.numbers[None]
    source = np.empty((len(turns), len(atoms)), dtype=np.int64)
    at_once = max(1, MAX_GAPS // len(atoms) ** 2)
    for first in range(0, len(turns), at_once):
        some = slice(first, first + at_once)
        moved = scaled @ turns[some].transpose(0, 2, 1) + translations[some, None]
        gap = moved[:, :, None] - scaled
        gap -= np.round(gap)
        distance = np.linalg.norm(gap @ np.asarray(atoms.cell), axis=-1)
        distance[:, other] = np.inf
        image = distance.argmin(axis=2)
        if not (np.sort(image, axis=1) == np.arange(len(atoms))).all():
            return None
        np.put_along_axis(source[some], image, np.arange(len(atoms))[None], axis=1)
    return KeepSymmetry(turns, translations, source)


class KeepSymmetry:
    """ASE constraint that projects positions, forces, cell and stress on a space group.

    The projections are those of ase.constraints.FixSymmetry, for all operations at once, for left-handed cells too, and
    without rotating the crystal.

    Parameters
    ----------
    rotations
        (n, 3, 3), on fractional coordinates.
    translations
        (n, 3), on fractional coordinates.
    source
        (n, N): operation k takes atom source[k, a] to atom a.
    """

    def __init__(self, rotations: Array, translations: Array, source: Index) -> None:
        self.rotations = rotations
        self.translations = translations
        self.source = source

    def symmetrise(self, atoms: Atoms, *, change_cell: bool = True) -> None:
        """Make a structure that has the symmetry within a tolerance have it exactly, with its orientation kept.

        Parameters
        ----------
        atoms
            The structure, which is changed.
        change_cell
            Whether the lattice vectors may change too.
        """
        scaled = atoms.get_scaled_positions(wrap=False)
        if change_cell:
            lattice = np.asarray(atoms.cell)
            metric = np.einsum("kba,bc,kcd->ad", self.rotations, lattice @ lattice.T, self.rotations)
            inverse = np.linalg.inv(lattice)
            stretch = np.real(sqrtm(inverse @ (metric / len(self.rotations)) @ inverse.T))
            atoms.set_cell(lattice @ stretch)
        moved = np.einsum("kab,nb->kna", self.rotations, scaled) + self.translations[:, None]
        moved = np.take_along_axis(moved, self.source[:, :, None], axis=1)
        gap = moved - scaled
        atoms.set_scaled_positions(scaled + (gap - np.round(gap)).mean(axis=0))

    def _rank1(self, atoms: Atoms, vectors: Array) -> Array:
        lattice = np.asarray(atoms.cell)
        turned = np.einsum("kab,nb->kna", self.rotations, vectors @ np.linalg.inv(lattice))
        return np.take_along_axis(turned, self.source[:, :, None], axis=1).mean(axis=0) @ lattice

    def _rank2(self, atoms: Atoms, tensor: Array) -> Array:
        lattice = np.asarray(atoms.cell)
        inverse = np.linalg.inv(lattice)
        turned = np.einsum("kba,bc,kcd->ad", self.rotations, lattice @ tensor @ lattice.T, self.rotations)
        return inverse @ (turned / len(self.rotations)) @ inverse.T

    def adjust_positions(self, atoms: Atoms, new: Array) -> None:
        """Project new positions.

        Parameters
        ----------
        atoms
            The structure before the change.
        new
            (N, 3), changed in place.
        """
        new[:] = atoms.positions + self._rank1(atoms, new - atoms.positions)

    def adjust_forces(self, atoms: Atoms, forces: Array) -> None:
        """Project forces.

        Parameters
        ----------
        atoms
            The structure.
        forces
            (N, 3), changed in place.
        """
        forces[:] = self._rank1(atoms, forces)

    def adjust_cell(self, atoms: Atoms, cell: Array) -> None:
        """Project a new cell.

        Parameters
        ----------
        atoms
            The structure before the change.
        cell
            (3, 3), changed in place.
        """
        lattice = np.asarray(atoms.cell)
        strain = np.linalg.solve(lattice, np.asarray(cell)).T - np.eye(3)
        cell[:] = lattice @ (np.eye(3) + self._rank2(atoms, strain)).T

    def adjust_stress(self, atoms: Atoms, stress: Array) -> None:
        """Project a stress.

        Parameters
        ----------
        atoms
            The structure.
        stress
            (6,), Voigt, changed in place.
        """
        stress[:] = full_3x3_to_voigt_6_stress(self._rank2(atoms, voigt_6_to_full_3x3_stress(stress)))

    def get_removed_dof(self, atoms: Atoms) -> int:
        """Count none: ASE asks for temperatures alone.

        Parameters
        ----------
        atoms
            The structure.

        Returns
        -------
        int
            0.
        """
        return 0

    def todict(self) -> dict[str, Any]:
        """Describe the constraint, for ASE's files."""
        return {"name": "KeepSymmetry", "kwargs": {"operations": len(self.rotations)}}
