"""An imaginary mode, the double well along it, and the phase at its bottom; and false ones from a wrong cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.follow_mode import FollowedMode, _pattern, follow_mode
from sus2.properties.phonons.result import BandStructure, ImaginaryMode
from sus2.structures import formula_units, to_atoms, with_subscripts
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA, EV_TO_K, SQRT_EV_PER_AMU_A2_TO_THZ

MAX_STRAIN_PERCENT = 15.0


@dataclass(frozen=True)
class KnownInstability:
    """What nature and DFT say of a crystal that is not stable as it stands.

    Attributes
    ----------
    points : tuple of str
        Special points at which its soft modes lie; empty where no published ones are known to us.
    space_groups : tuple of int
        Those that its soft modes, one or several of them at once, lead to.
    words : str
        What becomes of the crystal.
    source : str
        Of the points and the space groups.
    """

    points: tuple[str, ...]
    space_groups: tuple[int, ...]
    words: str
    source: str

    def agrees(self, found: SoftMode) -> bool:
        """Say whether a potential has the right strongest mode, which leads to a right phase.

        Parameters
        ----------
        found
            The mode and where it leads.

        Returns
        -------
        bool
            Whether its point (where points are known) and its space group are among the known ones.
        """
        number = int(found.followed.spacegroup_relaxed.rpartition("(")[2].rstrip(")"))
        return number in self.space_groups and (not self.points or found.mode.label in self.points)


TILTS: Final = (11, 12, 15, 62, 63, 71, 74, 127, 137, 139, 140, 167, 204)

KNOWN_INSTABILITIES: Final[Mapping[str, KnownInstability]] = {
    "hafnium": KnownInstability(
        ("N",),
        (194,),
        "Hafnium is body-centred only above about 2010 K, held there by heat; below, planes shuffle along the mode at "
        "N and it is hexagonal close-packed.",
        "Burgers, Physica 1, 561 (1934)",
    ),
    "aluminium": KnownInstability(
        (),
        (225,),
        "Aluminium is face-centred at all temperatures; its bcc form is known from calculations only, and unstable.",
        "Grimvall et al., Rev. Mod. Phys. 84, 945 (2012)",
    ),
    "neighborite": KnownInstability(
        ("M", "R"),
        # Howard and Stokes, Acta Cryst. B 54, 782 (1998): ways to tilt the octahedra of a perovskite, but P-1.
        TILTS,
        "Neighborite is cubic only above about 1170 K; below, its octahedra tilt about two axes (Pbnm), by modes at M "
        "and R.",
        "Zhao et al., Phys. Earth Planet. Inter. 76, 1 (1993)",
    ),
}
"""Crystals of lesson 5, to judge a potential by."""


@dataclass(frozen=True, eq=False)
class SoftMode:
    """The strongest imaginary mode of a crystal at a special point of its zone, and where it leads.

    Attributes
    ----------
    potential_name
        Of the potential.
    atoms
        The undistorted crystal.
    bands
        Of the undistorted crystal.
    mode
        Where it is and how strong.
    supercell
        Cell in which the mode is periodic, M atoms.
    pattern
        (M, 3) its displacements, the largest 1.
    amplitudes_a
        (n,) amplitudes, angstrom.
    energies_mev_per_atom
        (n,) energy along the mode at fixed cell, above the undistorted crystal.
    curvature_thz
        Frequency from the curvature of that energy at zero amplitude, negative for imaginary.
    followed
        The relaxed phase.
    followed_lowest_thz
        Its own lowest frequency.
    """

    potential_name: str
    atoms: Atoms
    bands: BandStructure
    mode: ImaginaryMode
    supercell: Atoms
    pattern: Array
    amplitudes_a: Array
    energies_mev_per_atom: Array
    curvature_thz: float
    followed: FollowedMode
    followed_lowest_thz: float

    @property
    def well_mev_per_atom(self) -> float:
        """Depth of the well along the mode at fixed cell."""
        return -float(self.energies_mev_per_atom.min())

    @property
    def well_amplitude_a(self) -> float:
        """Displacement at its bottom."""
        return float(abs(self.amplitudes_a[self.energies_mev_per_atom.argmin()]))

    @property
    def well_k(self) -> float:
        """Its depth as a temperature, K."""
        return self.well_mev_per_atom * 1e-3 * EV_TO_K

    def energy_mev_per_atom(self, amplitude_a: float) -> float:
        """Energy at an amplitude, between the computed points.

        Parameters
        ----------
        amplitude_a
            Angstrom.

        Returns
        -------
        float
            meV/atom above the undistorted crystal.

        Raises
        ------
        Sus2Error
            An amplitude beyond the computed ones.
        """
        from scipy.interpolate import CubicSpline

        reach = float(self.amplitudes_a[-1])
        if abs(amplitude_a) > reach + 1e-9:
            raise Sus2Error(f"The amplitude {amplitude_a:g} Å lies beyond the computed {reach:g} Å.")
        return float(CubicSpline(self.amplitudes_a, self.energies_mev_per_atom)(amplitude_a))

    def displaced(self, amplitude_a: float) -> Atoms:
        """The supercell distorted along the mode.

        Parameters
        ----------
        amplitude_a
            Largest displacement, angstrom.

        Returns
        -------
        Atoms
            M atoms.
        """
        moved = self.supercell.copy()
        moved.positions += amplitude_a * self.pattern
        return moved


@dataclass(frozen=True, eq=False)
class WrongCell:
    """Phonons of a crystal at rest and in a cell that is not relaxed, on one path.

    Attributes
    ----------
    strain_percent
        Of all lengths.
    pressure_gpa
        Of the wrong cell.
    rest
        Bands at rest.
    wrong
        Bands in the wrong cell.
    """

    strain_percent: float
    pressure_gpa: float
    rest: BandStructure
    wrong: BandStructure

    @property
    def lowest_thz(self) -> tuple[float, float]:
        """Lowest frequency on the path, at rest and in the wrong cell; imaginary as negative."""
        return float(self.rest.frequencies_thz.min()), float(self.wrong.frequencies_thz.min())

    @property
    def highest_thz(self) -> tuple[float, float]:
        """Highest frequency on the path, at rest and in the wrong cell."""
        return float(self.rest.frequencies_thz.max()), float(self.wrong.frequencies_thz.max())


def soft_mode(
    atoms: Atoms,
    potential: Potential,
    *,
    reach_a: float = 0.6,
    n_points: int = 61,
    progress: Progress | None = None,
) -> SoftMode:
    """Phonons of the relaxed crystal, its strongest imaginary mode at a labelled point, and the phase it leads to.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    reach_a
        Largest amplitude of the energy curve, angstrom.
    n_points
        Number of amplitudes.
    progress
        Told how far it is.

    Returns
    -------
    SoftMode
        The mode and the relaxed phase.

    Raises
    ------
    Sus2Error
        There is no such mode, or what phonons and follow_mode raise.
    """
    waves = phonons(atoms, potential, progress=progress)
    found = [m for m in waves.imaginary_modes if m.label]
    if not found:
        raise Sus2Error(
            f"{potential.name} gives no imaginary mode at a special point for "
            f"{with_subscripts(formula_units(waves.atoms).formula)}; choose another crystal."
        )
    mode = found[0]
    if progress is not None:
        progress("following the mode", 0.5)
    followed = follow_mode(waves, mode.q_fractional, mode.branch)
    q = np.array(mode.q_fractional)
    modes = waves.modes(q)
    supercell, pattern = _pattern(waves.atoms, q, modes.eigenvectors[0, :, mode.branch], followed.supercell_matrix)
    amplitudes = np.linspace(-reach_a, reach_a, n_points | 1)
    structures = []
    for a in amplitudes:
        moved = supercell.copy()
        moved.positions += a * pattern
        structures.append(moved)
    energies = np.array([r.energy_ev for r in potential.evaluate(structures)])
    energies -= energies[len(energies) // 2]
    if progress is not None:
        progress("phonons of the new phase", 0.9)
    after = phonons(followed.atoms, potential).band_structure(80) if followed.lower else None
    return SoftMode(
        potential_name=potential.name,
        atoms=waves.atoms,
        bands=waves.band_structure(),
        mode=mode,
        supercell=supercell,
        pattern=pattern,
        amplitudes_a=amplitudes,
        energies_mev_per_atom=1e3 * energies / len(supercell),
        curvature_thz=_curvature_thz(supercell, pattern, potential),
        followed=followed,
        followed_lowest_thz=math.nan if after is None else float(after.frequencies_thz.min()),
    )


def wrong_cell(atoms: Atoms, potential: Potential, *, strain_percent: float, points: int = 120) -> WrongCell:
    """Phonons with and without relaxing the cell.

    Where the crystal is not at rest the second derivatives are still those of its energy, but a frequency of a crystal
    under that pressure is not what was asked for.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    strain_percent
        By which the lengths of the wrong cell are off.
    points
        Number of points on the path.

    Returns
    -------
    WrongCell
        Both bands.

    Raises
    ------
    Sus2Error
        A strain out of range, or what phonons raises.
    """
    if not abs(strain_percent) <= MAX_STRAIN_PERCENT:
        raise Sus2Error(f"The strain must lie within ± {MAX_STRAIN_PERCENT:g} %, not {strain_percent:g} %.")
    rest = phonons(to_atoms(atoms), potential)
    off = rest.atoms.copy()
    off.set_cell(rest.atoms.cell.array * (1.0 + strain_percent / 100.0), scale_atoms=True)
    bands = rest.band_structure(points)
    wrong = phonons(off, potential, relaxed=True)
    stress = potential.evaluate([off])[0].stress_ev_per_a3
    return WrongCell(
        strain_percent=strain_percent,
        pressure_gpa=-float(stress[:3].mean()) * EV_PER_A3_TO_GPA,
        rest=bands,
        wrong=wrong.band_structure(path=bands.path),
    )


def _curvature_thz(supercell: Atoms, pattern: Array, potential: Potential, step_a: float = 0.01) -> float:
    """Frequency from forces at +-step along the pattern: omega^2 = -(dF.u)/(2 step sum m u^2), signed root."""
    moved = []
    for sign in (1.0, -1.0):
        a = supercell.copy()
        a.positions += sign * step_a * pattern
        moved.append(a)
    plus, minus = (r.forces_ev_per_a for r in potential.evaluate(moved))
    stiffness = -float(((plus - minus) * pattern).sum()) / (2.0 * step_a)
    inertia = float((supercell.get_masses()[:, None] * pattern**2).sum())
    squared = stiffness / inertia
    return math.copysign(math.sqrt(abs(squared)) * SQRT_EV_PER_AMU_A2_TO_THZ, squared)
