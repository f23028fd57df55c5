"""Sound two ways, from the slope of the acoustic branches and from the elastic constants, and a chain of planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.ieee_axes import crystal_axes
from sus2.properties.phonons.calculate import phonons
from sus2.relaxation.relax import relax
from sus2.structures import formula_units
from sus2.types import Array, ComplexArray
from sus2.units import THZ_A_TO_M_PER_S

# Short enough that the bending of the branch is far below the rounding of the slope.
SMALL_Q_PER_A = 1e-4
BRANCHES = ("slower shear wave", "faster shear wave", "compression wave")


@dataclass(frozen=True, eq=False)
class Sound:
    """The acoustic branches along a direction, from the zone centre half way to the next reciprocal lattice point.

    Attributes
    ----------
    potential_name
        Of the potential.
    formula
        Of the crystal.
    direction
        (3,) unit vector in the IEEE axes.
    plane_distance_a
        Distance of the lattice planes that the direction is normal to, angstrom.
    n_atoms
        Of the primitive cell.
    q_per_a
        (n,) wave numbers 1/wavelength, 1/angstrom.
    frequencies_thz
        (n, 3) the two shear waves and the compression wave.
    elastic_m_per_s
        (3,) speeds from Christoffel's equation.
    slope_m_per_s
        (3,) speeds from the branches at a wave of 10 um.
    """

    potential_name: str
    formula: str
    direction: Array
    plane_distance_a: float
    n_atoms: int
    q_per_a: Array
    frequencies_thz: Array
    elastic_m_per_s: Array
    slope_m_per_s: Array

    @property
    def difference_percent(self) -> float:
        """Largest difference of the two speeds, percent."""
        return float(100.0 * np.abs(self.slope_m_per_s / self.elastic_m_per_s - 1.0).max())

    def apparent_m_per_s(self, k: int) -> Array:
        """Frequency over wave number: the speed that a wave of that length has.

        Parameters
        ----------
        k
            Number of the point.

        Returns
        -------
        ndarray
            (3,) m/s.
        """
        return self.frequencies_thz[k] / self.q_per_a[k] * THZ_A_TO_M_PER_S

    def chain(self, neighbours: int, branch: int = 2) -> ChainFit:
        """The chain of planes whose springs come nearest to a branch.

        (2 pi f)^2 = sum over p of 4 (K_p/m) sin^2(pi p q d), by least squares in f^2.

        Parameters
        ----------
        neighbours
            Number of planes on either side that springs lead to, 1 to 12.
        branch
            Number of the branch.

        Returns
        -------
        ChainFit
            Springs and the branch of the chain.

        Raises
        ------
        Sus2Error
            Another number of planes.
        """
        if not 1 <= neighbours <= 12:
            raise Sus2Error(f"A chain needs 1 to 12 neighbours, not {neighbours}.")
        p = np.arange(1, neighbours + 1)
        waves = 4.0 * np.sin(np.pi * self.plane_distance_a * np.outer(self.q_per_a, p)) ** 2
        squared = np.sign(self.frequencies_thz[:, branch]) * self.frequencies_thz[:, branch] ** 2
        springs = np.asarray(np.linalg.lstsq(waves, squared, rcond=None)[0], dtype=np.float64)
        fitted = waves @ springs
        line = np.sign(fitted) * np.sqrt(np.abs(fitted))
        # For small q, sin(x) is x.
        slope = 2.0 * math.pi * self.plane_distance_a * math.sqrt(max(0.0, float((p**2 * springs).sum())))
        return ChainFit(
            neighbours,
            springs,
            line,
            float(np.sqrt(np.mean((line - self.frequencies_thz[:, branch]) ** 2))),
            slope * THZ_A_TO_M_PER_S,
        )


@dataclass(frozen=True, eq=False)
class ChainFit:
    """A chain of planes fitted to a branch.

    Attributes
    ----------
    neighbours
        Number of planes on either side that springs lead to.
    springs_thz2
        (neighbours,) springs to the 1st, 2nd, ... plane as squared frequencies, THz^2.
    frequencies_thz
        (n,) the branch of the chain.
    rms_thz
        Its rms distance from the real one.
    speed_m_per_s
        Speed of its long waves.
    """

    neighbours: int
    springs_thz2: Array
    frequencies_thz: Array
    rms_thz: float
    speed_m_per_s: float


@dataclass(frozen=True, eq=False)
class SupercellStudy:
    """Finite displacements in n x n x n primitive cells against exact derivatives, on the path of SeeK-path.

    Attributes
    ----------
    sizes
        The numbers n.
    widths_a
        (sizes,) shortest lattice vector of each supercell, angstrom.
    reach_a
        Twice the cutoff, beyond which force constants vanish, angstrom.
    distance_per_a
        (nq,) along the path, 1/angstrom.
    segments
        Of the path.
    ticks
        Labelled points of the path.
    exact_thz
        (nq, 3N).
    finite_thz
        (sizes, nq, 3N).
    """

    sizes: tuple[int, ...]
    widths_a: Array
    reach_a: float
    distance_per_a: Array
    segments: tuple[slice, ...]
    ticks: tuple[tuple[float, str], ...]
    exact_thz: Array
    finite_thz: Array

    def worst_thz(self, k: int) -> tuple[float, float]:
        """The frequency on the path that a supercell gets most wrong.

        Parameters
        ----------
        k
            Number of the supercell.

        Returns
        -------
        tuple of float
            Exact, and as it finds it.
        """
        place = np.unravel_index(int(np.abs(self.finite_thz[k] - self.exact_thz).argmax()), self.exact_thz.shape)
        return float(self.exact_thz[place]), float(self.finite_thz[k][place])

    @property
    def largest_error_thz(self) -> Array:
        """(sizes,) largest difference of a frequency on the path."""
        return np.asarray(np.abs(self.finite_thz - self.exact_thz[None]).max(axis=(1, 2)))


def sound(
    atoms: Atoms,
    potential: Potential,
    *,
    direction: Sequence[float] = (1.0, 0.0, 0.0),
    n_points: int = 81,
    progress: Progress | None = None,
) -> Sound:
    """Relax a crystal and compute its acoustic branches and its elastic speeds of sound along a direction.

    Branches are told apart by how far they move along the direction.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    direction
        In the IEEE axes of the crystal (those of the cubic cell); it must be normal to a set of lattice planes of small
        indices.
    n_points
        Number of wave vectors.
    progress
        Told how far it is.

    Returns
    -------
    Sound
        Branches and speeds.

    Raises
    ------
    Sus2Error
        No such planes, an unstable crystal, or what elastic raises.
    """
    if progress is not None:
        progress("elastic constants", 0.0)
    tensor = elastic(atoms, potential, cross_checks=False, progress=progress)
    if not tensor.stable:
        raise Sus2Error("The crystal is elastically unstable, so it carries no sound; choose another.")
    waves = phonons(tensor.atoms, potential, relaxed=True)
    n = np.asarray(direction, dtype=np.float64)
    if n.shape != (3,) or not np.linalg.norm(n) > 0:
        raise Sus2Error("A direction has three components that are not all zero.")
    n = n / np.linalg.norm(n)
    # The standard primitive cell keeps its own axes; its symmetry axes tell how those of the crystal lie in it.
    frames = crystal_axes(waves.atoms, 1e-3).frames
    cartesian = n @ frames[0]
    cell = waves.atoms.cell.array
    length = _shortest_along(cell, cartesian)
    q = np.linspace(0.0, 0.5 * length, n_points)[1:]
    modes = waves.modes(q[:, None] * cartesian @ cell.T)
    frequencies = np.array(
        [_by_polarisation(f, e, cartesian) for f, e in zip(modes.frequencies_thz, modes.eigenvectors, strict=True)]
    )
    slow = waves.modes(SMALL_Q_PER_A * cartesian[None] @ cell.T)
    slope = (
        _by_polarisation(slow.frequencies_thz[0], slow.eigenvectors[0], cartesian) / SMALL_Q_PER_A * THZ_A_TO_M_PER_S
    )
    found = tensor.sound_speeds_m_per_s(n[None])[0]
    return Sound(
        potential_name=potential.name,
        formula=formula_units(waves.atoms).formula,
        direction=n,
        plane_distance_a=1.0 / length,
        n_atoms=len(waves.atoms),
        q_per_a=q,
        frequencies_thz=frequencies,
        elastic_m_per_s=np.sort(found),
        slope_m_per_s=np.sort(slope),
    )


def supercell_study(
    atoms: Atoms,
    potential: Potential,
    *,
    sizes: Sequence[int] = (1, 2, 3, 4),
    points: int = 120,
    progress: Progress | None = None,
) -> SupercellStudy:
    """Phonons of one crystal by finite displacements in supercells of growing size, and exactly.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    sizes
        Repetitions of the primitive cell along each vector.
    points
        Number of points on the path.
    progress
        Told how far it is.

    Returns
    -------
    SupercellStudy
        On one path.

    Raises
    ------
    Sus2Error
        What relax and phonons raise.
    """
    rest = relax(atoms, potential, fmax=1e-4).require_converged().atoms
    exact = phonons(rest, potential, relaxed=True)
    bands = exact.band_structure(points)
    found, widths = [], []
    for k, size in enumerate(sizes):
        if progress is not None:
            progress(f"{size} x {size} x {size} cells", k / len(sizes))
        finite = phonons(rest, potential, relaxed=True, method="finite", supercell=[size] * 3)
        found.append(finite.band_structure(path=bands.path).frequencies_thz)
        widths.append(np.linalg.norm(minkowski_reduce(size * exact.atoms.cell.array)[0], axis=1).min())
    return SupercellStudy(
        sizes=tuple(int(s) for s in sizes),
        widths_a=np.array(widths),
        reach_a=2.0 * potential.cutoff,
        distance_per_a=bands.path.distance_per_a,
        segments=tuple(bands.path.segments),
        ticks=tuple(bands.path.ticks),
        exact_thz=bands.frequencies_thz,
        finite_thz=np.array(found),
    )


def _shortest_along(cell: Array, direction: Array) -> float:
    """Length of the shortest vector of the reciprocal lattice (without 2 pi) along a direction; raises Sus2Error."""
    whole = np.arange(-4, 5)
    h = np.stack(np.meshgrid(whole, whole, whole, indexing="ij"), axis=-1).reshape(-1, 3)
    g = h @ np.linalg.inv(cell).T
    along = g @ direction
    size = np.linalg.norm(g, axis=1)
    parallel = (along > 1e-6) & (along > (1.0 - 1e-6) * size)
    if not parallel.any():
        raise Sus2Error("No lattice planes of small indices are normal to this direction; choose one such as 1 1 0.")
    return float(size[parallel].min())


def _by_polarisation(frequencies: Array, eigenvectors: ComplexArray, direction: Array) -> Array:
    """The three acoustic frequencies: shear waves ascending, then the one that moves most along the direction."""
    acoustic = eigenvectors[:, :3].reshape(-1, 3, 3)
    along = (np.abs(np.einsum("aib,i->ab", acoustic, direction)) ** 2).sum(axis=0)
    longitudinal = int(along.argmax())
    shear = [k for k in range(3) if k != longitudinal]
    return np.array([*np.sort(frequencies[shear]), frequencies[longitudinal]])
