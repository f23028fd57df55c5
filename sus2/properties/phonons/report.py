"""Everything that phonons say about a crystal, computed in one go: bands, density of states, thermal functions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.potential.evaluation import Calculates
from sus2.progress import Progress, part_of, silent
from sus2.properties.phonons.calculate import MESH_LENGTH_A, phonons
from sus2.properties.phonons.follow_mode import FollowedMode, follow_mode
from sus2.properties.phonons.result import BandStructure, Method, PhononDos, PhononResult, PhononThermal
from sus2.trust.sentence import summary_sentence
from sus2.types import Array

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True, eq=False)
class PhononReport:
    """The phonons of a crystal and what is usually shown of them.

    Attributes
    ----------
    LOWEST_REAL_THZ
        Frequencies above it count as real.
    phonons
        For whatever else is asked.
    bands
        Frequencies along a path; of `phonon_report` that of SeeK-path.
    """

    LOWEST_REAL_THZ: ClassVar = -0.05  # acoustic modes next to Gamma are not zero to the last digit

    phonons: PhononResult
    bands: BandStructure

    @cached_property
    def dos(self) -> PhononDos:
        """Density of states on the mesh."""
        return self.phonons.dos()

    @cached_property
    def thermal(self) -> PhononThermal | None:
        """Harmonic thermal functions; None where a mode is imaginary."""
        return self.phonons.thermal() if self.phonons.stable else None

    @property
    def sigma_thz(self) -> Array:
        """One standard deviation of the frequencies of the bands, in their shape; nan where unknown."""
        return self.phonons.trust.sigma_at("frequencies_thz", self.bands.frequencies_thz)

    @property
    def thermal_sigma(self) -> dict[str, Array]:
        """One standard deviation of the thermal functions, by their names; nan where unknown, empty without them."""
        found = self.phonons.trust.estimates.get("mean_frequency_thz")
        relative = float("nan") if found is None else found.relative
        return {} if self.thermal is None else self.thermal.sigma(relative)

    @property
    def lowest_thz(self) -> float:
        """Lowest frequency on path and mesh, negative for an imaginary mode."""
        return float(min(self.bands.frequencies_thz.min(), self.phonons.mesh_frequencies_thz.min()))

    @property
    def harmonic(self) -> bool:
        """Whether thermal functions have a meaning: imaginary modes have no free energy."""
        return self.at_300_k.imaginary_fraction == 0 and float(self.bands.frequencies_thz.min()) > self.LOWEST_REAL_THZ

    @cached_property
    def at_300_k(self) -> PhononThermal:
        """Thermal functions of the real modes at 300 K."""
        return self.phonons.thermal([300.0])

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        path, dos = self.bands.path, self.dos
        return {
            "formula": self.phonons.atoms.get_chemical_formula("metal"),
            "potential": self.phonons.potential.name,
            "method": self.phonons.method,
            "stable": self.phonons.stable,
            "summary": summary_sentence(self.phonons),
            "trust": self.phonons.trust.to_dict(),
            "bands": {
                "q_fractional": path.q_fractional.tolist(),
                "distance_per_a": path.distance_per_a.tolist(),
                "labels": [[float(x), name] for x, name in path.ticks],
                "frequencies_thz": self.bands.frequencies_thz.tolist(),
                "sigma_thz": self.sigma_thz.tolist() if np.isfinite(self.sigma_thz).all() else None,
            },
            "dos": {
                "mesh": list(dos.mesh),
                "frequencies_thz": dos.frequencies_thz.tolist(),
                "total_per_thz": dos.total_per_thz.tolist(),
                "projected_per_thz": {e: d.tolist() for e, d in dos.projected_per_thz.items()},
            },
            "thermal": None
            if self.thermal is None
            else {
                "temperatures_k": self.thermal.temperatures_k.tolist(),
                "helmholtz_kj_per_mol": self.thermal.helmholtz_kj_per_mol.tolist(),
                "entropy_j_per_k_mol": self.thermal.entropy_j_per_k_mol.tolist(),
                "heat_capacity_j_per_k_mol": self.thermal.heat_capacity_j_per_k_mol.tolist(),
                "sigma": {
                    name: sigma.tolist() if np.isfinite(sigma).all() else None
                    for name, sigma in self.thermal_sigma.items()
                },
                "formula_units": self.thermal.formula_units,
            },
        }


def phonon_report(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    relaxed: bool = False,
    method: Method | None = None,
    mesh: float | Sequence[int] = MESH_LENGTH_A,
    supercell: ArrayLike | None = None,
    displacement_a: float = 0.01,
    born: str | None = None,
    dos: bool = True,
    progress: Progress | None = None,
) -> PhononReport:
    """Compute phonons with bands, density of states and, where the crystal is stable, thermal functions.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        A potential.
    relaxed
        As in `sus2.phonons`.
    method
        As in `sus2.phonons`.
    mesh
        As in `sus2.phonons`.
    supercell
        As in `sus2.phonons`.
    displacement_a
        As in `sus2.phonons`.
    born
        As in `sus2.phonons`.
    dos
        Compute density of states and thermal functions now, not when they are first read.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    PhononReport
        The phonons with their bands.
    """
    tell = progress or silent
    result = phonons(
        atoms,
        potential,
        relaxed=relaxed,
        method=method,
        mesh=mesh,
        supercell=supercell,
        displacement_a=displacement_a,
        born=born,
        progress=part_of(tell, "", 0.0, 0.5),
    )
    tell("bands", 0.5)
    report = PhononReport(result, result.band_structure())
    if dos:
        tell("modes on the mesh", 0.6)
        _ = report.thermal
        tell("density of states", 0.8)
        _ = report.dos
    return report


def follow_from(
    atoms: Atoms | Structure,
    potential: Calculates,
    q_fractional: ArrayLike,
    branch: int = 0,
    *,
    method: Method | None = None,
    progress: Progress | None = None,
) -> FollowedMode:
    """Follow a mode of a relaxed crystal to the phase that it leads to; see sus2.follow_mode.

    Parameters
    ----------
    atoms
        The relaxed crystal.
    potential
        The potential.
    q_fractional
        (3,), where the mode is, in units of the reciprocal vectors of the standard primitive cell.
    branch
        Which mode, from 0, the lowest.
    method
        As in `sus2.phonons`.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    FollowedMode
        Energies along the mode and the phase that was found.

    Raises
    ------
    Sus2Error
        As in `sus2.phonons` and `sus2.follow_mode`.
    """
    result = phonons(atoms, potential, relaxed=True, method=method, progress=progress)
    return follow_mode(result, q_fractional, branch, progress=progress)


def phonopy_files(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    method: Method | None = None,
    mesh: float | Sequence[int] = MESH_LENGTH_A,
    supercell: ArrayLike | None = None,
    displacement_a: float = 0.01,
    born: str | None = None,
    progress: Progress | None = None,
) -> dict[str, bytes]:
    """phonopy's own files of a relaxed crystal: phonopy.yaml, FORCE_CONSTANTS, band.yaml, mesh.yaml.

    Parameters
    ----------
    atoms
        The relaxed crystal.
    potential
        The potential.
    method
        As in `sus2.phonons`.
    mesh
        As in `sus2.phonons`.
    supercell
        As in `sus2.phonons`.
    displacement_a
        As in `sus2.phonons`.
    born
        As in `sus2.phonons`.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    dict
        Name of each file -> its content.

    Raises
    ------
    Sus2Error
        As in `sus2.phonons`.
    """
    result = phonons(
        atoms,
        potential,
        relaxed=True,
        method=method,
        mesh=mesh,
        supercell=supercell,
        displacement_a=displacement_a,
        born=born,
        progress=progress,
    )
    if progress is not None:
        progress("writing files", 0.5)
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in result.write_files(Path(folder))}
