"""Where phonons come from: exact derivatives of the primitive cell, or phonopy with a supercell."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.harmonic.dynamical_matrix import DynamicalMatrix, get_dynamical_matrix
from phonopy.phonon.mesh import Mesh, MeshGRGridFallbackWarning, MeshSymmetryFallbackWarning
from phonopy.structure.cells import get_primitive, get_supercell
from phonopy.structure.symmetry import Symmetry

from sus2.derivatives.lattice_dynamics import Modes
from sus2.derivatives.second_order import SecondDerivatives
from sus2.properties.phonons.backends.grid import Grid, regular_grid
from sus2.properties.phonons.backends.supercell import SYMPREC_A, phonopy_cell
from sus2.types import Array, ComplexArray, Index

AnyMesh = Any
"""A mesh of phonopy, or an ExactMesh."""

# Degeneracy of slopes and the smallest frequency that has one, THz.
_FLOOR_THZ = 1e-3


class Backend(Protocol):
    """Phonons at any q, (nq, 3) in units of the reciprocal cell vectors."""

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies (nq, 3N), THz, imaginary as negative."""

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies (nq, 3N) and eigenvectors (nq, 3N, 3N)."""

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities (nq, 3N, 3), THz A."""

    def mesh(self, mesh: float | ArrayLike, eigenvectors: bool) -> AnyMesh:
        """The modes on a mesh."""


class ExactBackend:
    """Exact D(q) of the primitive cell."""

    def __init__(self, second: SecondDerivatives) -> None:
        self.second = second
        self.frequencies_thz = second.frequencies_thz
        self.modes = second.modes

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities (nq, 3N, 3), THz A; nan where a mode has no frequency."""
        return self.second.group_velocities_thz_a(q_fractional, floor_thz=_FLOOR_THZ)

    def mesh(self, mesh: float | ArrayLike, eigenvectors: bool) -> AnyMesh:
        """The exact modes on a mesh; phonopy makes the grids that break the point group."""
        grid = regular_grid(self.second.atoms, mesh)
        return phonopy_mesh(self.second, mesh, eigenvectors) if grid is None else ExactMesh(self.second, grid)


def phonopy_mesh(second: SecondDerivatives, mesh: float | ArrayLike, eigenvectors: bool) -> Mesh:
    """phonopy's mesh with exact modes on it."""
    # phonopy's grid and symmetry need no more than the primitive cell itself; a whole Phonopy object would search the
    # symmetry three times.
    one = np.eye(3, dtype=np.int64)
    supercell = get_supercell(phonopy_cell(second.atoms), one, symprec=SYMPREC_A)
    primitive = get_primitive(supercell, one, symprec=SYMPREC_A)
    dynamical = get_dynamical_matrix(second.supercell_force_constants([1, 1, 1]), supercell, primitive)
    symmetry = Symmetry(primitive, symprec=SYMPREC_A)
    return _quiet_mesh(_PhonopysExactMesh, dynamical, symmetry, mesh, eigenvectors, second)


class ExactMesh:
    """The exact modes on the irreducible points of a grid, in the names of phonopy's mesh; each is found at first use.

    Parameters
    ----------
    second
        Of the primitive cell.
    grid
        The grid.
    """

    def __init__(self, second: SecondDerivatives, grid: Grid) -> None:
        self._second = second
        self.grid = grid

    @property
    def mesh_numbers(self) -> Index:
        """Points along each axis, (3,)."""
        return self.grid.mesh_numbers

    @property
    def qpoints(self) -> Array:
        """Irreducible points, (nq, 3)."""
        return self.grid.qpoints

    @property
    def weights(self) -> Index:
        """How many points each stands for, (nq,)."""
        return self.grid.weights

    @property
    def gamma_index(self) -> int:
        """Gamma is the first point of every grid."""
        return 0

    @cached_property
    def _modes(self) -> Modes:
        return self._second.modes(self.qpoints)

    @cached_property
    def frequencies(self) -> Array:
        """(nq, 3N), THz, imaginary as negative; without eigenvectors they take half the time."""
        known = self.__dict__.get("_modes")
        return self._second.frequencies_thz(self.qpoints) if known is None else known.frequencies_thz

    @property
    def eigenvectors(self) -> ComplexArray:
        """(nq, 3N, 3N), one per column."""
        return self._modes.eigenvectors

    @property
    def dynamical_matrix(self) -> Any:
        """What phonopy's thermal functions ask of one: the cell."""
        return SimpleNamespace(primitive=phonopy_cell(self._second.atoms))

    @property
    def bz_grid(self) -> Any:
        """phonopy's own grid of the same points."""
        return self._phonopys.bz_grid

    @property
    def ir_grid_points(self) -> Index:
        """(nq,), irreducible points among all."""
        return self.grid.ir_grid_points

    @property
    def grid_mapping_table(self) -> Index:
        """The irreducible point of each."""
        return self.grid.grid_mapping_table

    @cached_property
    def _phonopys(self) -> Mesh:
        return phonopy_mesh(self._second, self.mesh_numbers, True)

    def write_yaml(self, filename: str | Path = "mesh.yaml") -> None:
        """Write phonopy's file.

        Parameters
        ----------
        filename
            Where.
        """
        _ = self._phonopys.eigenvectors  # the writer takes them as they are
        self._phonopys.write_yaml(filename=filename)


class PhonopyBackend:
    """Force constants in a supercell, interpolated by phonopy (and its non-analytical term, where it has one)."""

    def __init__(self, phonopy: Phonopy) -> None:
        self.phonopy = phonopy

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies (nq, 3N), THz, imaginary as negative."""
        return np.array(self.phonopy.run_qpoints(_q(q_fractional)).frequencies)

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies (nq, 3N) and eigenvectors (nq, 3N, 3N)."""
        found = self.phonopy.run_qpoints(_q(q_fractional), with_eigenvectors=True)
        assert found.eigenvectors is not None
        return Modes(np.array(found.frequencies), np.array(found.eigenvectors))

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities (nq, 3N, 3), THz A; nan where a mode has no frequency."""
        found = self.phonopy.run_qpoints(_q(q_fractional), with_group_velocities=True)
        velocity = np.array(found.group_velocities)
        velocity[np.abs(found.frequencies) < _FLOOR_THZ] = np.nan
        return velocity

    def mesh(self, mesh: float | ArrayLike, eigenvectors: bool) -> Mesh:
        """phonopy's mesh with interpolated modes on it."""
        ph = self.phonopy
        return _quiet_mesh(Mesh, ph.dynamical_matrix, ph.primitive_symmetry, mesh, eigenvectors)


class _PhonopysExactMesh(Mesh):
    """phonopy's mesh (grid, weights, symmetry, files) with exact modes on it."""

    def __init__(self, second: SecondDerivatives, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._second = second
        self._exact: Modes | None = None

    def run(self) -> None:
        self._frequencies = self._second.frequencies_thz(self.qpoints)

    @property
    def eigenvectors(self) -> ComplexArray | None:
        """(nq, 3N, 3N), one per column; found when they are first asked for."""
        if self._exact is None and self.with_eigenvectors:
            self._exact = self._second.modes(self.qpoints)
            self._frequencies, self._eigenvectors = self._exact.frequencies_thz, self._exact.eigenvectors
        return None if self._exact is None else self._exact.eigenvectors


def _quiet_mesh(
    kind: type[Mesh],
    dynamical: DynamicalMatrix | None,
    symmetry: Symmetry,
    mesh: float | ArrayLike,
    eigenvectors: bool,
    *first: SecondDerivatives,
) -> Mesh:
    numbers = np.asarray(mesh)
    with warnings.catch_warnings():
        # Where the grid has less symmetry than the crystal, phonopy takes more points: slower, not wrong.
        warnings.simplefilter("ignore", MeshSymmetryFallbackWarning)
        warnings.simplefilter("ignore", MeshGRGridFallbackWarning)
        out = kind(
            *first,
            dynamical,
            float(numbers) if numbers.shape == () else numbers,
            with_eigenvectors=eigenvectors,
            is_gamma_center=True,
            primitive_symmetry=symmetry,
        )
        out.run()
    return out


def _q(q_fractional: ArrayLike) -> Array:
    return np.asarray(q_fractional, dtype=np.float64).reshape(-1, 3)
