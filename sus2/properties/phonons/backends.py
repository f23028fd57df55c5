"""Where phonons come from: exact derivatives of the primitive cell, or phonopy with a supercell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from phonopy.exception import BORNFileParseError
from phonopy.file_IO import parse_BORN_from_strings, write_FORCE_CONSTANTS
from phonopy.harmonic.dynamical_matrix import DynamicalMatrix, NacParams, get_dynamical_matrix
from phonopy.phonon.mesh import Mesh, MeshGRGridFallbackWarning, MeshSymmetryFallbackWarning
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import get_primitive, get_supercell
from phonopy.structure.symmetry import Symmetry

from sus2.derivatives.lattice_dynamics import Modes
from sus2.derivatives.second_order import SecondDerivatives
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.properties.phonons.qpath import QPath
from sus2.structures import to_atoms
from sus2.types import Array
from sus2.units import THZ_TO_INV_CM

SYMPREC_A = 1e-4
# Degeneracy of slopes and the smallest frequency that has one, THz.
_FLOOR_THZ = 1e-3


class Backend(Protocol):
    """Phonons at any q."""

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies (nq, 3N), THz, imaginary as negative."""

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies and eigenvectors."""

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities (nq, 3N, 3), THz A."""

    def mesh(self, mesh: float | ArrayLike, eigenvectors: bool) -> Mesh:
        """phonopy's mesh with the modes on it."""


class ExactBackend:
    """Exact D(q) of the primitive cell."""

    def __init__(self, second: SecondDerivatives) -> None:
        self.second = second
        self.frequencies_thz = second.frequencies_thz
        self.modes = second.modes

    def group_velocities_thz_a(self, q_fractional: ArrayLike) -> Array:
        """Group velocities (nq, 3N, 3), THz A; nan where a mode has no frequency."""
        return self.second.group_velocities_thz_a(q_fractional, floor_thz=_FLOOR_THZ)

    def mesh(self, mesh: float | ArrayLike, eigenvectors: bool) -> Mesh:
        # phonopy's grid and symmetry need no more than the primitive cell itself; a whole Phonopy object would search
        # the symmetry three times.
        """phonopy's mesh with exact modes on it."""
        one = np.eye(3, dtype=np.int64)
        supercell = get_supercell(phonopy_cell(self.second.atoms), one, symprec=SYMPREC_A)
        primitive = get_primitive(supercell, one, symprec=SYMPREC_A)
        dynamical = get_dynamical_matrix(self.second.supercell_force_constants([1, 1, 1]), supercell, primitive)
        symmetry = Symmetry(primitive, symprec=SYMPREC_A)
        return _quiet_mesh(_ExactMesh, dynamical, symmetry, mesh, eigenvectors, self.second)


class PhonopyBackend:
    """Force constants in a supercell, interpolated by phonopy (and its non-analytical term, where it has one)."""

    def __init__(self, phonopy: Phonopy) -> None:
        self.phonopy = phonopy

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies (nq, 3N), THz, imaginary as negative."""
        return np.array(self.phonopy.run_qpoints(_q(q_fractional)).frequencies)

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies and eigenvectors."""
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


class _ExactMesh(Mesh):
    """phonopy's mesh (grid, weights, symmetry, files) with exact modes on it."""

    def __init__(self, second: SecondDerivatives, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._second = second
        self._exact: Modes | None = None

    def run(self) -> None:
        self._frequencies = self._second.frequencies_thz(self.qpoints)

    @property
    def eigenvectors(self) -> NDArray[np.cdouble] | None:
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


def phonopy_cell(atoms: Atoms) -> PhonopyAtoms:
    """The cell as phonopy has it, with its masses."""
    return PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.cell.scaled_positions(atoms.positions),
        masses=atoms.get_masses(),
    )


def phonopy_of(atoms: Atoms, supercell_matrix: ArrayLike) -> Phonopy:
    """A phonopy object whose unit and primitive cell are the given cell, with its masses."""
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
    """phonopy's finite displacements with forces of any potential, made translation-invariant."""
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


def supercell_of_length(atoms: Atoms, length_a: float) -> NDArray[np.int64]:
    """Smallest diagonal supercell (found by shrinking equal axes together) with no lattice vector below length_a."""
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


def _q(q_fractional: ArrayLike) -> Array:
    return np.asarray(q_fractional, dtype=np.float64).reshape(-1, 3)


def write_phonopy_files(folder: Path, ph: Phonopy, path: QPath, mesh: Mesh) -> tuple[Path, ...]:
    """phonopy.yaml, FORCE_CONSTANTS, band.yaml with eigenvectors and mesh.yaml in `folder` (made if missing)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(folder / n for n in ("phonopy.yaml", "FORCE_CONSTANTS", "band.yaml", "mesh.yaml"))
    ph.save(names[0], settings={"force_constants": False})
    assert ph.force_constants is not None
    write_FORCE_CONSTANTS(ph.force_constants, filename=names[1], p2s_map=ph.primitive.p2s_map)
    onward = [*path.connected[1:], False]
    labels = [
        name
        for (start, end), joined in zip(path.segment_labels, path.connected, strict=True)
        for name in ((end,) if joined else (start, end))
    ]
    bands = ph.run_band_structure(
        [path.q_fractional[s] for s in path.segments],
        with_eigenvectors=True,
        path_connections=onward,
        labels=labels,
    )
    bands.write_yaml(filename=names[2])
    _ = mesh.eigenvectors  # the writer takes them as they are
    mesh.write_yaml(filename=names[3])
    return names


def phononwebsite_text(atoms: Atoms, path: QPath, modes: Modes) -> str:
    """Bands with eigenvectors as JSON for the viewer at https://henriquemiranda.github.io/phononwebsite.

    Parameters
    ----------
    atoms
        The primitive cell.
    path
        The path.
    modes
        Along the path.

    Returns
    -------
    str
        Frequencies in 1/cm; displacements of each mode with the phase of the atoms' places in the cell, which the
        viewer multiplies by that of the cell.
    """
    positions = atoms.get_scaled_positions(wrap=False)
    q = path.q_fractional
    phase = np.exp(2j * np.pi * q @ positions.T) / np.sqrt(atoms.get_masses())
    vectors = modes.eigenvectors.transpose(0, 2, 1).reshape(len(q), -1, len(atoms), 3) * phase[:, None, :, None]
    vectors /= np.linalg.norm(vectors, axis=(2, 3), keepdims=True)
    names = {round(place, 9): name for place, name in path.ticks}
    ends = sorted({k for part in path.segments for k in (part.start, part.stop - 1)})
    formula = atoms.get_chemical_formula("metal")
    content = {
        "name": formula,
        "formula": formula,
        "natoms": len(atoms),
        "lattice": atoms.cell.tolist(),
        "atom_types": atoms.get_chemical_symbols(),
        "atom_numbers": atoms.numbers.tolist(),
        "atom_pos_car": atoms.positions.tolist(),
        "atom_pos_red": positions.tolist(),
        "repetitions": [3, 3, 3],
        "qpoints": q.tolist(),
        "distances": path.distance_per_a.tolist(),
        "line_breaks": [[part.start, part.stop] for part in path.segments],
        "highsym_qpts": [[k, names.get(round(float(path.distance_per_a[k]), 9), "")] for k in ends],
        "eigenvalues": (THZ_TO_INV_CM * modes.frequencies_thz).tolist(),
        "vectors": np.round(np.stack([vectors.real, vectors.imag], axis=-1), 6).tolist(),
    }
    return json.dumps(content)


def nac_parameters(text: str, ph: Phonopy) -> NacParams:
    """Born charges and dielectric tensor of a BORN file; raises Sus2Error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parameters = parse_BORN_from_strings(text, ph.primitive, symprec=SYMPREC_A)
    except (BORNFileParseError, ValueError) as error:
        raise Sus2Error(
            f"The BORN file cannot be used ({error}): line 1 is the unit factor, line 2 the dielectric tensor (9 "
            "numbers), then one line of 9 numbers for each symmetrically independent atom of the primitive cell."
        ) from None
    values = [np.asarray(parameters["born"]), np.asarray(parameters["dielectric"])]
    if not all(np.isfinite(v).all() for v in values) or np.linalg.eigvalsh(values[1] + values[1].T).min() <= 0:
        raise Sus2Error("The BORN file has a dielectric tensor that is not positive, or numbers that are not finite.")
    units = get_physical_units()
    parameters.setdefault("factor", units.Hartree * units.Bohr)
    return parameters
