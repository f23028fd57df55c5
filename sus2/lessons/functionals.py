"""What a density functional changes: the volume, the force constants at one volume, and a zero of energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from sus2.comparison.compare import compare
from sus2.comparison.result import Comparison
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of, silent
from sus2.properties.phonons.calculate import phonons
from sus2.relaxation.relax import relax
from sus2.structures import to_atoms
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA


@dataclass(frozen=True, eq=False)
class FunctionalChange:
    """One crystal in two functionals, from sus2.comparison.compare and at a row of volumes that both share.

    Attributes
    ----------
    formula
        Of the crystal.
    n_elements
        Number of its elements.
    functionals
        Of the two potentials.
    names
        Of the two potentials.
    given_a3_per_atom
        Volume of the crystal as given (measured, for the samples).
    own_a3_per_atom
        (2,) volumes at rest.
    b0_gpa
        (2,) bulk moduli at rest.
    volumes_a3
        (n,) angstrom^3/atom.
    highest_thz
        (2, n) highest frequency on the path at those volumes, ions at rest.
    pressures_gpa
        (2, n).
    energies_ev
        (2, n) eV/atom above each minimum.
    raw_ev_per_atom
        (2,) energies as the potentials give them.
    formation_ev_per_atom
        (2,) against the elements; nan where a reference is missing.
    summary
        What changes, in words.
    problems
        What could not be computed.
    """

    formula: str
    n_elements: int
    functionals: tuple[str, str]
    names: tuple[str, str]
    given_a3_per_atom: float
    own_a3_per_atom: Array
    b0_gpa: Array
    volumes_a3: Array
    highest_thz: Array
    pressures_gpa: Array
    energies_ev: Array
    raw_ev_per_atom: Array
    formation_ev_per_atom: Array
    summary: str
    problems: tuple[str, ...]

    @property
    def volume_errors_percent(self) -> Array:
        """(2,) own volume against the given one."""
        return 100.0 * (self.own_a3_per_atom / self.given_a3_per_atom - 1.0)

    @property
    def volume_change_percent(self) -> float:
        """Own volume of the second functional against that of the first."""
        return float(100.0 * (self.own_a3_per_atom[1] / self.own_a3_per_atom[0] - 1.0))

    def at(self, volume_a3: float) -> tuple[Array, Array]:
        """Highest frequency and pressure at a volume, between the computed ones.

        Parameters
        ----------
        volume_a3
            Angstrom^3/atom.

        Returns
        -------
        tuple of ndarray
            (2,) THz and (2,) GPa.

        Raises
        ------
        Sus2Error
            A volume outside of the computed ones.
        """
        v = self.volumes_a3
        if not v[0] - 1e-9 <= volume_a3 <= v[-1] + 1e-9:
            raise Sus2Error(f"{volume_a3:.3g} Å³ lies outside the computed {v[0]:.3g} to {v[-1]:.3g} Å³.")
        pick = [[np.interp(volume_a3, v, row) for row in table] for table in (self.highest_thz, self.pressures_gpa)]
        return np.array(pick[0]), np.array(pick[1])

    @property
    def frequency_shares_percent(self) -> tuple[float, float, float]:
        """Change of the highest frequency from the first functional to the second, percent of the first.

        Total; at the first one's volume, which is the force constants alone; and the rest, which the volume makes.
        """
        first = self.at(float(self.own_a3_per_atom[0]))[0]
        last = self.at(float(self.own_a3_per_atom[1]))[0]
        total = 100.0 * (last[1] / first[0] - 1.0)
        same = 100.0 * (first[1] / first[0] - 1.0)
        return float(total), float(same), float(total - same)


@dataclass(frozen=True, eq=False)
class FunctionalVolumes:
    """Volumes at rest of n crystals in two functionals, beside the given ones.

    Attributes
    ----------
    labels
        Of the crystals.
    functionals
        The two.
    given_a3_per_atom
        (n,) volumes of the crystals as given.
    own_a3_per_atom
        (2, n) volumes at rest.
    """

    labels: tuple[str, ...]
    functionals: tuple[str, str]
    given_a3_per_atom: Array
    own_a3_per_atom: Array

    @property
    def errors_percent(self) -> Array:
        """(2, n) against the given volumes."""
        return 100.0 * (self.own_a3_per_atom / self.given_a3_per_atom - 1.0)

    @property
    def mean_absolute_percent(self) -> Array:
        """(2,) mean of the absolute errors."""
        return np.asarray(np.abs(self.errors_percent).mean(axis=1))


def functional_volumes(
    labels: Sequence[str],
    crystals: Sequence[Atoms],
    first: Sequence[Potential],
    second: Sequence[Potential],
    *,
    progress: Progress | None = None,
) -> FunctionalVolumes:
    """Relax each crystal in the potential of each functional that goes with it.

    Parameters
    ----------
    labels
        Of the crystals.
    crystals
        As many crystals.
    first
        The potential of the first functional for each.
    second
        The potential of the second functional for each.
    progress
        Told how far it is.

    Returns
    -------
    FunctionalVolumes
        In the order of the crystals.

    Raises
    ------
    Sus2Error
        Lists of different lengths, more than two functionals, or what relax raises.
    """
    if not len(labels) == len(crystals) == len(first) == len(second) > 0:
        raise Sus2Error("Give one label and two potentials for each crystal.")
    functionals = [{p.functional for p in row} for row in (first, second)]
    if any(len(f) != 1 for f in functionals):
        raise Sus2Error("The potentials of one list must share their functional.")
    own = np.zeros((2, len(crystals)))
    for k, (label, atoms) in enumerate(zip(labels, crystals, strict=True)):
        if progress is not None:
            progress(label, k / len(crystals))
        for row, potential in enumerate((first[k], second[k])):
            own[row, k] = relax(atoms, potential).require_converged().volume_a3 / len(atoms)
    return FunctionalVolumes(
        labels=tuple(labels),
        functionals=(functionals[0].pop(), functionals[1].pop()),
        given_a3_per_atom=np.array([abs(float(a.cell.volume)) / len(a) for a in crystals]),
        own_a3_per_atom=own,
    )


def functional_change(
    atoms: Atoms,
    potentials: Sequence[Potential],
    *,
    n_points: int = 15,
    progress: Progress | None = None,
) -> FunctionalChange:
    """Compare two potentials of different functionals.

    Parameters
    ----------
    atoms
        The crystal.
    potentials
        The two.
    n_points
        Number of shared volumes.
    progress
        Told how far it is.

    Returns
    -------
    FunctionalChange
        In the order of the potentials.

    Raises
    ------
    Sus2Error
        Not two potentials, or what sus2.compare raises.
    """
    if len(potentials) != 2:
        raise Sus2Error(f"Give two potentials, not {len(potentials)}.")

    tell = progress or silent
    found = compare(atoms, potentials, properties=("eos", "phonons", "energies"), progress=part_of(tell, "", 0.0, 0.7))
    own = np.array([_own_volume(found, k) for k in (0, 1)])
    given = to_atoms(atoms)
    measured = abs(float(given.cell.volume)) / len(given)
    low, high = min(*own, measured), max(*own, measured)
    margin = max(0.25 * (high - low), 0.01 * high)
    volumes = np.linspace(low - margin, high + margin, n_points)
    highest, pressures, energies = np.zeros((3, 2, n_points))
    for k, potential in enumerate(potentials):
        rest = found.own[k].atoms
        for j, v in enumerate(volumes):
            tell(f"{potential.name} at one volume after another", 0.7 + 0.15 * (k + j / n_points))
            scaled = rest.copy()
            scaled.set_cell(rest.cell.array * (v * len(rest) / abs(rest.cell.volume)) ** (1.0 / 3.0), scale_atoms=True)
            if len(scaled) > 1:
                scaled = relax(scaled, potential, cell=False, fmax=1e-3).require_converged().atoms
            result = potential.evaluate([scaled])[0]
            pressures[k, j] = -result.stress_ev_per_a3[:3].mean() * EV_PER_A3_TO_GPA
            energies[k, j] = result.energy_ev / len(rest) - found.own[k].energy_ev_per_atom
            waves = phonons(scaled, potential, relaxed=True)
            highest[k, j] = waves.band_structure(60).frequencies_thz.max()
    scales = found.energies
    formation = (None, None) if scales is None else scales.formation_ev_per_atom
    curves = [s.results.get("eos") for s in found.own]
    return FunctionalChange(
        formula=found.formula,
        n_elements=len(set(given.get_chemical_symbols())),
        functionals=(potentials[0].functional, potentials[1].functional),
        names=(potentials[0].name, potentials[1].name),
        given_a3_per_atom=measured,
        own_a3_per_atom=own,
        b0_gpa=np.array([np.nan if c is None else c.b0_gpa for c in curves]),
        volumes_a3=volumes,
        highest_thz=highest,
        pressures_gpa=pressures,
        energies_ev=energies,
        raw_ev_per_atom=np.array([s.energy_ev_per_atom for s in found.own]),
        formation_ev_per_atom=np.array([np.nan if f is None else f for f in formation]),
        summary=found.summary[potentials[1].name],
        problems=found.problems,
    )


def _own_volume(found: Comparison, k: int) -> float:
    atoms = found.own[k].atoms
    return abs(float(atoms.cell.volume)) / len(atoms)
