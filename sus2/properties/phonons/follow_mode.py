"""What an imaginary mode leads to: displace along it, relax, and name the phase that is found."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike

from sus2.derivatives.supercell import supercell_sites
from sus2.errors import Sus2Error, counted
from sus2.progress import Progress
from sus2.properties.phonons.result import PhononResult
from sus2.relaxation.relax import relax
from sus2.relaxation.symmetry import spacegroup
from sus2.structures import standardise
from sus2.types import Array, ComplexArray, Index

MAX_DENOMINATOR = 8
MAX_CELLS = 64
# Below this gain the relaxed structure is taken for the parent, meV/atom.
LOWER_MEV_PER_ATOM = 0.01
SYMPREC_A = 1e-2
# Frequencies that differ by less are those of one degenerate set.
DEGENERATE_THZ = 1e-4


@dataclass(frozen=True, eq=False)
class FollowedMode:
    """The way down from a crystal along one of its modes.

    Attributes
    ----------
    q_fractional
        Where the mode is, in units of the reciprocal cell vectors.
    branch
        Which mode, from 0, the lowest.
    frequency_thz
        Of the mode, negative for imaginary.
    supercell_matrix
        (3, 3), the smallest compact supercell in which the mode is periodic (columns, as in phonopy).
    amplitudes_a
        (n,) largest displacement of an atom, angstrom.
    energies_mev_per_atom
        (n,) energy along the mode at fixed cell, relative to the parent.
    atoms
        The relaxed structure (standard primitive cell).
    gain_mev_per_atom
        Parent minus relaxed, positive where the relaxed phase is lower.
    spacegroup_parent
        Of the parent, for example "Fd-3m (227)".
    spacegroup_displaced
        Of the parent displaced along the mode.
    spacegroup_relaxed
        Of the relaxed structure.
    converged
        Whether the relaxation converged.
    """

    q_fractional: tuple[float, float, float]
    branch: int
    frequency_thz: float
    supercell_matrix: Index
    amplitudes_a: Array
    energies_mev_per_atom: Array
    atoms: Atoms
    gain_mev_per_atom: float
    spacegroup_parent: str
    spacegroup_displaced: str
    spacegroup_relaxed: str
    converged: bool

    @property
    def lower(self) -> bool:
        """A phase of lower energy was found."""
        return self.converged and self.gain_mev_per_atom > LOWER_MEV_PER_ATOM

    @property
    def summary(self) -> str:
        """What was found, in one sentence."""
        if not self.converged:
            return "The relaxation from the displaced structure did not converge, so no phase can be named."
        if not self.lower:
            return f"The relaxation returned to the parent, {self.spacegroup_parent}: no lower phase lies this way."
        return (
            f"{self.spacegroup_relaxed} lies {self.gain_mev_per_atom:.2f} meV/atom below {self.spacegroup_parent}, "
            f"found in a cell of {counted(len(self.atoms), 'atom')}."
        )


def _direction(frequencies_thz: Array, vectors: ComplexArray, branch: int) -> ComplexArray:
    """The eigenvector of a branch; of a degenerate set one that rounding does not choose.

    A solver returns any mixture of degenerate modes. Here the first is what the set holds of the coordinate that it
    moves most, the next the same of what is left.
    """
    equal = np.flatnonzero(np.abs(frequencies_thz - frequencies_thz[branch]) < DEGENERATE_THZ)
    rest = vectors[:, equal]
    chosen = vectors[:, branch]
    if len(equal) == 1:
        return chosen
    for _ in range(int(np.searchsorted(equal, branch)) + 1):
        most = int(np.round((np.abs(rest) ** 2).sum(axis=1), 6).argmax())
        chosen = rest @ rest[most].conj()
        chosen = chosen / np.linalg.norm(chosen)
        left, kept, _ = np.linalg.svd(rest - np.outer(chosen, chosen.conj() @ rest), full_matrices=False)
        rest = left[:, kept > 0.5]
    return chosen


def follow_mode(
    result: PhononResult,
    q_fractional: ArrayLike,
    branch: int = 0,
    *,
    max_amplitude_a: float = 0.6,
    steps: int = 13,
    fmax: float = 1e-3,
    max_steps: int = 500,
    progress: Progress | None = None,
) -> FollowedMode:
    """Displace a crystal along a mode in its commensurate supercell, then relax positions and cell.

    The relaxation starts at the amplitude of lowest energy and keeps the symmetry that the mode leaves. One mode of a
    degenerate set is one direction in it, chosen along the motion of one atom along one axis; other combinations can
    lead to other phases.

    Parameters
    ----------
    result
        The phonons of the crystal.
    q_fractional
        (3,), where the mode is.
    branch
        Which mode, from 0, the lowest.
    max_amplitude_a
        Largest displacement of an atom that is tried, angstrom.
    steps
        Number of amplitudes, 0 among them.
    fmax
        Largest force left on an atom by the relaxation, eV/angstrom.
    max_steps
        Most steps of the relaxation.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    FollowedMode
        Energies along the mode and the phase that was found.

    Raises
    ------
    Sus2Error
        No supercell of at most 64 cells holds q, the branch does not exist, and what relax raises.
    """
    parent = result.atoms
    q = np.asarray(q_fractional, dtype=np.float64).reshape(-1)
    if q.shape != (3,) or not np.isfinite(q).all():
        raise Sus2Error("A q-point has three finite coordinates, in units of the reciprocal cell vectors.")
    if not 0 <= branch < 3 * len(parent):
        raise Sus2Error(f"There is no branch {branch}: the crystal has branches 0 to {3 * len(parent) - 1}.")
    if not (0.0 < max_amplitude_a <= 2.0 and steps >= 3):
        raise Sus2Error("The largest amplitude must lie between 0 and 2 Å, with at least 3 steps.")
    matrix = commensurate_supercell(parent, q)
    modes = result.modes(q)
    frequency = float(modes.frequencies_thz[0, branch])
    still, pattern = _pattern(parent, q, _direction(modes.frequencies_thz[0], modes.eigenvectors[0], branch), matrix)

    def displaced(amplitude: float) -> Atoms:
        moved = still.copy()
        moved.positions += amplitude * pattern
        return moved

    amplitudes = np.linspace(0.0, max_amplitude_a, steps)
    energies = np.array([r.energy_ev for r in result.potential.evaluate([displaced(a) for a in amplitudes])])
    per_atom = (energies - energies[0]) / len(still) * 1e3
    # Not the parent itself: a saddle would stay where it is.
    best = 1 + int(per_atom[1:].argmin())
    start = displaced(float(amplitudes[best]))
    relaxed = relax(start, result.potential, fmax=fmax, max_steps=max_steps, progress=progress)
    found = standardise(relaxed.atoms, "primitive", symprec=SYMPREC_A)
    return FollowedMode(
        q_fractional=(float(q[0]), float(q[1]), float(q[2])),
        branch=branch,
        frequency_thz=frequency,
        supercell_matrix=matrix,
        amplitudes_a=amplitudes,
        energies_mev_per_atom=per_atom,
        atoms=found,
        gain_mev_per_atom=float((energies[0] - relaxed.energy_ev) / len(still) * 1e3),
        spacegroup_parent=spacegroup(parent, symprec=SYMPREC_A),
        spacegroup_displaced=spacegroup(start, symprec=SYMPREC_A),
        spacegroup_relaxed=spacegroup(relaxed.atoms, symprec=SYMPREC_A),
        converged=relaxed.converged,
    )


def commensurate_supercell(atoms: Atoms, q_fractional: Array) -> Index:
    """The most compact supercell of fewest cells whose lattice vectors R all have whole q.R.

    Parameters
    ----------
    atoms
        The cell.
    q_fractional
        (3,), in units of the reciprocal cell vectors.

    Returns
    -------
    ndarray
        (3, 3) whole numbers, columns the supercell vectors.

    Raises
    ------
    Sus2Error
        q is no fraction with denominators up to 8, or more than 64 cells are needed.
    """
    fractions = [Fraction(float(x)).limit_denominator(MAX_DENOMINATOR) for x in q_fractional]
    if any(abs(float(f) - x) > 1e-3 for f, x in zip(fractions, q_fractional, strict=True)):
        raise Sus2Error(
            f"q = {np.round(q_fractional, 4).tolist()} fits no small supercell; choose a q of fractions with "
            f"denominators up to {MAX_DENOMINATOR}, such as a zone-boundary point."
        )
    count = lcm(*(f.denominator for f in fractions))
    if count > MAX_CELLS:
        raise Sus2Error(f"q needs a supercell of {count} cells, more than {MAX_CELLS}; choose a simpler q.")
    numerators = np.array([int(f * count) for f in fractions])
    # All sublattices of index `count` in Hermite normal form (rows are vectors); the one where q.R is whole.
    for a in (d for d in range(1, count + 1) if count % d == 0):
        for b in (d for d in range(1, count // a + 1) if (count // a) % d == 0):
            c = count // a // b
            for x in range(b):
                for y in range(c):
                    for z in range(c):
                        rows = np.array([[a, x, y], [0, b, z], [0, 0, c]], dtype=np.int64)
                        if not ((rows @ numerators) % count).any():
                            return _compact(atoms, rows)
    raise Sus2Error("No supercell holds this q.")


def _compact(atoms: Atoms, rows: Index) -> Index:
    _, operation = minkowski_reduce(rows @ atoms.cell.array)
    rows = np.round(operation @ rows).astype(np.int64)
    return (rows if np.linalg.det(rows) > 0 else -rows).T


def _pattern(atoms: Atoms, q: Array, eigenvector: ComplexArray, matrix: Index) -> tuple[Atoms, Array]:
    """The supercell and the displacements of a mode in it, (M, 3), scaled so that the largest is 1.

    u = Re(e_j exp(2 pi i q.(r_j + R)) / sqrt(m_j)), with the overall phase that makes it as large as it can be.
    """
    supercell, u = _motion(atoms, q, eigenvector, matrix)
    total = (u**2).sum()
    if abs(total) > 1e-9:
        u = u * np.exp(-0.5j * np.angle(total))
    pattern = u.real
    return supercell, pattern / np.linalg.norm(pattern, axis=1).max()


def _motion(atoms: Atoms, q: Array, eigenvector: ComplexArray, matrix: Index) -> tuple[Atoms, ComplexArray]:
    """The supercell and the complex amplitudes e_j exp(2 pi i q.(r_j + R)) / sqrt(m_j) of a mode in it, (M, 3)."""
    atom_of, cell_of = supercell_sites(atoms, matrix)
    positions = atoms.positions[atom_of] + cell_of @ atoms.cell.array
    supercell = Atoms(atoms.numbers[atom_of], cell=matrix.T @ atoms.cell.array, positions=positions, pbc=True)
    phase = np.exp(2j * np.pi * (positions @ np.linalg.inv(atoms.cell.array)) @ q)
    mass = atoms.get_masses()[atom_of]
    return supercell, eigenvector.reshape(-1, 3)[atom_of] * (phase / np.sqrt(mass))[:, None]


def mode_motion(
    result: PhononResult, q_fractional: ArrayLike, branch: int, *, cells: tuple[int, int, int] = (2, 2, 2)
) -> tuple[Atoms, ComplexArray]:
    """A block of primitive cells and the complex amplitude of each atom in one mode, for animations.

    The atoms move as Re(u exp(i phase)).

    Parameters
    ----------
    result
        The phonons of the crystal.
    q_fractional
        (3,), where the mode is.
    branch
        Which mode, from 0, the lowest.
    cells
        Number of cells along each cell vector.

    Returns
    -------
    tuple of (Atoms, ndarray)
        The block of M atoms and u, (M, 3), in proportion to the displacements.

    Raises
    ------
    Sus2Error
        The branch does not exist.
    """
    q = np.asarray(q_fractional, dtype=np.float64)
    if not 0 <= branch < 3 * len(result.atoms):
        raise Sus2Error(f"Branch {branch} does not exist: this crystal has {3 * len(result.atoms)} branches, from 0.")
    eigenvector = result.modes(q[None]).eigenvectors[0][:, branch]
    return _motion(result.atoms, q, eigenvector, np.diag(np.array(cells, dtype=np.int64)))
