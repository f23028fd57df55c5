"""The results of phonons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.phonon.thermal_properties import ThermalProperties
from pymatgen.core import Element

from sus2.derivatives.lattice_dynamics import Modes
from sus2.derivatives.second_order import SecondDerivatives
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.properties.phonons.backends import (
    Backend,
    ExactBackend,
    PhonopyBackend,
    nac_parameters,
    phonopy_of,
    write_phonopy_files,
)
from sus2.properties.phonons.backends.waves import AnyMesh
from sus2.properties.phonons.qpath import QPath, q_path
from sus2.properties.phonons.quantities import BandStructure, ImaginaryMode, PhononDos, PhononThermal
from sus2.properties.phonons.tetrahedra import tetrahedron_dos
from sus2.properties.phonons.trust import trust_phonons
from sus2.relaxation.result import RelaxResult
from sus2.trust.estimate import HasTrust, Trust
from sus2.types import Array, Index
from sus2.units import THZ_A_TO_M_PER_S

Method = Literal["exact", "finite"]

# Negative frequencies smaller than this are rounding in the acoustic modes near the zone centre.
IMAGINARY_THZ = 0.02
_AS_STRONG = 0.01
_NO_NAC = (
    "No LO-TO splitting: the potential has no Born charges, so longitudinal optical modes of polar crystals are too "
    "low near Γ; give a BORN file."
)


@dataclass(frozen=True, eq=False)
class PhononResult(HasTrust):
    """Phonons of the standard primitive cell; everything further is computed at its first use.

    Attributes
    ----------
    potential
        The potential.
    atoms
        The standard primitive cell, N atoms.
    method
        "exact" or "finite".
    relaxation
        None where the structure was given relaxed.
    second
        The exact second derivatives; None for "finite".
    supercell_matrix
        (3, 3), of the force constants in `phonopy` and its files.
    mesh
        Three numbers, or a length in angstrom.
    born
        The text of a BORN file; None where none is in use.
    """

    potential: Calculates
    atoms: Atoms
    method: Method
    relaxation: RelaxResult | None
    second: SecondDerivatives | None
    supercell_matrix: Index
    mesh: float | tuple[int, int, int]
    born: str | None
    _finite: Phonopy | None

    @cached_property
    def trust(self) -> Trust:
        """Estimates of the errors of these numbers, made at the first use."""
        return trust_phonons(self)

    @property
    def polar_correction(self) -> bool:
        """Whether a BORN file is in use."""
        return self.born is not None

    @property
    def note(self) -> str:
        """What to say beside every plot about LO-TO splitting; empty for crystals that cannot have any."""
        if self.born is not None:
            return "With the non-analytical term of the BORN file given."
        elements = {Element(symbol) for symbol in self.atoms.get_chemical_symbols()}
        polar = len(elements) > 1 and not all(e.is_metal for e in elements)
        return _NO_NAC if polar else ""

    @cached_property
    def _backend(self) -> Backend:
        if self.second is not None and self.born is None:
            return ExactBackend(self.second)
        return PhonopyBackend(self.phonopy)

    @cached_property
    def phonopy(self) -> Phonopy:
        """A phonopy object with these force constants (compact form), for whatever phonopy can do.

        With the exact method its supercell is by default so large that phonopy's interpolation is exact at every q.
        """
        if self._finite is not None:
            ph = self._finite
        else:
            assert self.second is not None
            ph = phonopy_of(self.atoms, self.supercell_matrix)
            ph.force_constants = self.second.supercell_force_constants(self.supercell_matrix)
        if self.born is not None:
            ph.nac_params = nac_parameters(self.born, ph)
        return ph

    @cached_property
    def decay_at_supercell_edge(self) -> float:
        """Largest force constant of atoms as far apart as the supercell allows, over the largest of different atoms.

        Of finite displacements alone, nan with exact derivatives; Frobenius norms, distances above 0.8 of the longest.
        """
        if self._finite is None or self._finite.force_constants is None:
            return float("nan")
        vectors, shared = self._finite.primitive.get_smallest_vectors()
        first = vectors[shared[..., 1].T]  # (primitive, supercell, 3), one of the equivalent ones
        distance = np.linalg.norm(first @ self._finite.primitive.cell, axis=2)
        size = np.linalg.norm(self._finite.force_constants, axis=(2, 3))
        apart = distance > 1e-3
        edge = distance > 0.8 * distance.max()
        return float(size[edge & apart].max() / size[apart].max()) if apart.any() else float("nan")

    # ---- at any q

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies at any wave vectors.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors of `atoms`.

        Returns
        -------
        ndarray
            (nq, 3N), THz, ascending; imaginary as negative.
        """
        return self._backend.frequencies_thz(q_fractional)

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies and eigenvectors at any wave vectors.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors of `atoms`.

        Returns
        -------
        Modes
            With mass-weighted eigenvectors in phonopy's phase convention.
        """
        return self._backend.modes(q_fractional)

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities at any wave vectors.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors of `atoms`.

        Returns
        -------
        ndarray
            (nq, 3N, 3), THz A; nan for the acoustic modes at Gamma.
        """
        return self._backend.group_velocities_thz_a(q_fractional)

    def group_velocities_m_per_s(self, q_fractional: ArrayLike) -> Array:
        """Group velocities at any wave vectors, as group_velocities_thz_a, in m/s."""
        return self.group_velocities_thz_a(q_fractional) * THZ_A_TO_M_PER_S

    # ---- along the path and on the mesh

    def band_structure(self, points: int = 200, *, path: QPath | None = None) -> BandStructure:
        """Frequencies along the SeeK-path or along a given path.

        A path that is shared compares two potentials at the same q_fractional; its distances stay those of the cell
        that it was made for.

        Parameters
        ----------
        points
            About so many q on the SeeK-path.
        path
            Taken in its place.

        Returns
        -------
        BandStructure
            The path and the frequencies on it.

        Raises
        ------
        StructureError
            No symmetry is found for the path.
        """
        path = q_path(self.atoms, points) if path is None else path
        if self.born is None:
            return BandStructure(path, self.frequencies_thz(path.q_fractional))
        # Near Gamma the non-analytical term depends on the direction, which phonopy takes from each segment.
        bands = self.phonopy.run_band_structure([path.q_fractional[s] for s in path.segments])
        return BandStructure(path, np.concatenate(bands.frequencies))

    @cached_property
    def _mesh(self) -> AnyMesh:
        return self._backend.mesh(self.mesh, True)

    @property
    def mesh_frequencies_thz(self) -> Array:
        """Frequencies on the irreducible points of the mesh, (nq, 3N), imaginary ones negative."""
        return np.asarray(self._mesh.frequencies, dtype=np.float64)

    def dos(self, points: int = 401) -> PhononDos:
        """Total and element-projected density of states on the mesh.

        Parameters
        ----------
        points
            Number of frequencies.

        Returns
        -------
        PhononDos
            From below the lowest frequency, or 0, to above the highest.
        """
        mesh = self._mesh
        # Before the frequencies, which come with them.
        vectors = mesh.eigenvectors
        low, high = float(mesh.frequencies.min()), float(mesh.frequencies.max())
        pad = 0.02 * max(high - low, 1e-3)
        axis = np.linspace(min(low, 0.0) - (pad if low < -IMAGINARY_THZ else 0.0), high + pad, points)
        weight = (np.abs(vectors) ** 2).reshape(len(mesh.qpoints), -1, 3, 3 * len(self.atoms)).sum(2)
        # Over a star of q, projections run through the equivalent atoms; their sum over an element does not change.
        symbols = np.array(self.atoms.get_chemical_symbols())
        elements = list(dict.fromkeys(symbols.tolist()))
        by_element = np.stack([weight[:, symbols == e].sum(1) for e in elements], axis=-1)
        density = tetrahedron_dos(mesh, by_element, axis)
        return PhononDos(
            frequencies_thz=axis,
            total_per_thz=density.sum(axis=1),
            projected_per_thz={e: density[:, k] for k, e in enumerate(elements)},
            mesh=three_numbers(mesh.mesh_numbers),
        )

    def thermal(self, temperatures_k: Sequence[float] | Array | None = None) -> PhononThermal:
        """Free energy, entropy and heat capacity in the harmonic approximation.

        Imaginary modes have no place in it: look at imaginary_fraction before using the numbers.

        Parameters
        ----------
        temperatures_k
            (nt,) K, by default 0..1000 K in steps of 10.

        Returns
        -------
        PhononThermal
            Per mole of primitive cells.

        Raises
        ------
        Sus2Error
            Temperatures that are negative or not finite.
        """
        t = np.arange(0.0, 1000.1, 10.0) if temperatures_k is None else np.asarray(temperatures_k, dtype=np.float64)
        if not (np.isfinite(t).all() and (t >= 0).all()):
            raise Sus2Error("Temperatures must be finite and not negative (K).")
        properties = ThermalProperties(self._mesh, exclude_gamma_acoustic=True)
        properties.temperatures = t
        properties.run()
        units = math.gcd(*Counter(self.atoms.get_chemical_symbols()).values())
        below = (self._mesh.frequencies < -IMAGINARY_THZ).sum(axis=1)
        return PhononThermal(
            temperatures_k=t,
            helmholtz_kj_per_mol=np.array(properties.free_energy),
            entropy_j_per_k_mol=np.array(properties.entropy),
            heat_capacity_j_per_k_mol=np.array(properties.heat_capacity),
            zero_point_energy_kj_per_mol=float(properties.zero_point_energy or 0.0),
            formula_units=units,
            n_atoms=len(self.atoms),
            imaginary_fraction=float(
                (below * self._mesh.weights).sum() / (self._mesh.weights.sum() * 3 * len(self.atoms))
            ),
        )

    # ---- imaginary modes

    @cached_property
    def imaginary_modes(self) -> tuple[ImaginaryMode, ...]:
        """The lowest imaginary mode at each special point, and that elsewhere on path or mesh where it is stronger."""
        bands = self.band_structure()
        path, mesh = bands.path, self._mesh
        found: dict[tuple[float, ...], ImaginaryMode] = {}

        def add(q: Array, name: str, frequency: float) -> None:
            key = tuple(float(x) for x in np.round(q - np.floor(q + 1e-9), 6))
            if frequency < -IMAGINARY_THZ and (key not in found or (name and not found[key].label)):
                found[key] = ImaginaryMode((float(q[0]), float(q[1]), float(q[2])), name, 0, frequency)

        for part, names in zip(path.segments, path.segment_labels, strict=True):
            for index, name in zip((part.start, part.stop - 1), names, strict=True):
                add(path.q_fractional[index], name, float(bands.frequencies_thz[index, 0]))
        for q, lowest in (
            (path.q_fractional, bands.frequencies_thz[:, 0]),
            (mesh.qpoints, mesh.frequencies[:, 0]),
        ):
            k = int(lowest.argmin())
            # Images of a special point by symmetry differ from it by rounding, and along a flat branch it stands for
            # its neighbours: it is the one that a small supercell holds.
            strongest = min((mode.frequency_thz for mode in found.values()), default=0.0)
            if lowest[k] < (1.0 + _AS_STRONG) * strongest - 1e-4:
                add(np.asarray(q[k]), "", float(lowest[k]))
        return tuple(sorted(found.values(), key=lambda mode: mode.frequency_thz))

    @property
    def stable(self) -> bool:
        """No imaginary mode on the path and on the mesh."""
        return not self.imaginary_modes

    @property
    def stability(self) -> str:
        """What the imaginary modes mean, in words."""
        if self.stable:
            return "All modes are real on the path and on the mesh: the crystal is at a minimum of this potential."
        worst = self.imaginary_modes[0]
        where = worst.label or "(" + ", ".join(f"{round(x, 6) + 0.0:.3g}" for x in worst.q_fractional) + ")"
        size = float(np.linalg.norm(np.array(worst.q_fractional) @ np.linalg.inv(self.atoms.cell.array).T))
        reach = 0.1 / float(self.atoms.cell.volume) ** (1 / 3)
        kind = (
            "a long wave, so the crystal is elastically unstable"
            if 0 < size < reach
            else "moving the atoms along this mode lowers the energy"
        )
        return (
            f"Imaginary modes down to {abs(worst.frequency_thz):.2f}i THz, the strongest at {where}: {kind}. "
            "Either a distorted phase is more stable (follow the mode to find it) or the potential is wrong here."
        )

    # ---- files

    def write_files(self, folder: str | Path, *, points: int = 200) -> tuple[Path, ...]:
        """Write phonopy.yaml, FORCE_CONSTANTS, band.yaml (with eigenvectors) and mesh.yaml, as phonopy writes them.

        Parameters
        ----------
        folder
            Made if it is not there.
        points
            About so many q on the path.

        Returns
        -------
        tuple of Path
            The files, in that order.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        return write_phonopy_files(Path(folder), self.phonopy, q_path(self.atoms, points), self._mesh)


def three_numbers(numbers: ArrayLike) -> tuple[int, int, int]:
    """Whole numbers of a mesh."""
    a, b, c = (int(x) for x in np.asarray(numbers))
    return a, b, c
