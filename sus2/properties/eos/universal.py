"""The universal equation of state: E(V) of many crystals, each scaled by one length and one energy of its own.

J. H. Rose, J. R. Smith, F. Guinea and J. Ferrante, Phys. Rev. B 29, 2963 (1984): with the Wigner-Seitz radius r of the
volume of an atom, a* = (r - r0)/l and E = dE E*(a*), all metals follow E*(a*) = -(1 + a* + 0.05 a*^3) exp(-a*), where
l = sqrt(dE/(12 pi B0 r0)). P. Vinet, J. Ferrante, J. R. Smith and J. H. Rose, J. Phys. C 19, L467 (1986), found the
same for covalent, ionic and molecular solids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import ArrayLike

from sus2.errors import FitError, Sus2Error
from sus2.native.neighbours import neighbours
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.eos.equations import ROSE_CUBIC, fit_eos
from sus2.relaxation.relax import relax
from sus2.structures import check_crystal, to_atoms
from sus2.structures.samples import sample
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

COMPRESSED: Final = 0.94
GRID: Final[tuple[float, float, int]] = (-0.2, 1.1, 53)
# With its nearest neighbours farther than this share of the cutoff a crystal has no bonds left in the model.
REACH: Final = 0.9
# Sample compounds whose curves are put on one.
COMPOUNDS: Final = (
    *("sic", "gaas", "gan", "aln", "zno", "mgo", "nacl", "lif", "cscl", "caf2", "srtio3", "tio2", "quartz", "nial"),
)
# Energy that it takes to part a crystal into free atoms at 0 K, eV/atom: measured; C. Kittel, Introduction to Solid
# State Physics, 8th edition (2005), chapter 3, table 1.
COHESIVE_EV: Final[Mapping[str, float]] = MappingProxyType(
    {
        "Li": 1.63,
        "Be": 3.32,
        "C": 7.37,
        "Na": 1.113,
        "Mg": 1.51,
        "Al": 3.39,
        "Si": 4.63,
        "K": 0.934,
        "Ca": 1.84,
        "Sc": 3.90,
        "Ti": 4.85,
        "V": 5.31,
        "Cr": 4.10,
        "Fe": 4.28,
        "Co": 4.39,
        "Ni": 4.44,
        "Cu": 3.49,
        "Zn": 1.35,
        "Ge": 3.85,
        "Rb": 0.852,
        "Sr": 1.72,
        "Y": 4.37,
        "Zr": 6.25,
        "Nb": 7.57,
        "Mo": 6.82,
        "Tc": 6.85,
        "Ru": 6.74,
        "Rh": 5.75,
        "Pd": 3.89,
        "Ag": 2.95,
        "Cd": 1.16,
        "Cs": 0.804,
        "Ba": 1.90,
        "La": 4.47,
        "Hf": 6.44,
        "Ta": 8.10,
        "W": 8.90,
        "Re": 8.03,
        "Os": 8.17,
        "Ir": 6.94,
        "Pt": 5.84,
        "Au": 3.81,
        "Pb": 2.03,
        "Th": 6.20,
    }
)


@dataclass(frozen=True, eq=False)
class UniversalMaterial:
    """One crystal, stretched uniformly, and the length and energy that scale it.

    Attributes
    ----------
    label
        Its name.
    elements
        Chemical symbols.
    v0_a3_per_atom
        Volume at the minimum of the fitted form, A^3.
    b0_gpa
        Its bulk modulus there.
    b0_prime
        dB/dP there.
    depth_ev_per_atom
        dE of the fitted form.
    length_a
        l of the fitted form, A.
    radii_a
        (n,) Wigner-Seitz radius of the volume of an atom, A.
    energies_ev_per_atom
        (n,) above the minimum.
    cohesive_ev_per_atom
        Measured for an element, None elsewhere.
    bonded
        Whether its nearest neighbours stay within reach of the cutoff at the largest volume.
    """

    label: str
    elements: tuple[str, ...]
    v0_a3_per_atom: float
    b0_gpa: float
    b0_prime: float
    depth_ev_per_atom: float
    length_a: float
    radii_a: Array
    energies_ev_per_atom: Array
    cohesive_ev_per_atom: float | None
    bonded: bool

    @property
    def r0_a(self) -> float:
        """Wigner-Seitz radius at the minimum."""
        return float((3.0 * self.v0_a3_per_atom / (4.0 * math.pi)) ** (1.0 / 3.0))

    @property
    def scaled_lengths(self) -> Array:
        """a* (n,)."""
        return (self.radii_a - self.r0_a) / self.length_a

    @property
    def scaled_energies(self) -> Array:
        """E* (n,), -1 at the minimum."""
        return self.energies_ev_per_atom / self.depth_ev_per_atom - 1.0

    @property
    def rms_deviation(self) -> float:
        """Root mean square of E* minus the universal curve."""
        return float(np.sqrt(np.mean((self.scaled_energies - universal_energy(self.scaled_lengths)) ** 2)))


@dataclass(frozen=True, eq=False)
class UniversalEos:
    """Many crystals in one potential.

    Attributes
    ----------
    potential_name
        Of the potential.
    stretch
        The largest length, in units of that at rest.
    materials
        Those that have a curve.
    left_out
        Label -> one sentence on why there is no curve.
    """

    potential_name: str
    stretch: float
    materials: tuple[UniversalMaterial, ...]
    left_out: dict[str, str]

    @cached_property
    def common(self) -> tuple[float, float]:
        """Geometric means of l (A) and dE (eV/atom) of the bonded materials: one scale for all."""
        chosen = [m for m in self.materials if m.bonded]
        return (
            float(np.exp(np.mean([math.log(m.length_a) for m in chosen]))),
            float(np.exp(np.mean([math.log(m.depth_ev_per_atom) for m in chosen]))),
        )

    def curve(self, material: UniversalMaterial, length_share: float, energy_share: float) -> tuple[Array, Array]:
        """Lengths and energies of a material, divided by common^(1 - share) own^share.

        With shares 0 all materials have one scale, with 1 each has its own, which gives a* and E*.

        Parameters
        ----------
        material
            One of them.
        length_share
            Share of its own length in the scale of lengths.
        energy_share
            Share of its own energy in the scale of energies.

        Returns
        -------
        tuple of ndarray
            (n,) lengths beyond the minimum and (n,) energies, -1 at the minimum, both without unit.
        """
        length, depth = self.common
        x = (material.radii_a - material.r0_a) / (length ** (1.0 - length_share) * material.length_a**length_share)
        scale = depth ** (1.0 - energy_share) * material.depth_ev_per_atom**energy_share
        return x, material.energies_ev_per_atom / scale - 1.0

    def spread_percent(
        self, length_share: float = 1.0, energy_share: float = 1.0, *, include_unbonded: bool = False
    ) -> float:
        """How far the curves lie apart: their standard deviation, rms over GRID, in percent of the mean's rise on it.

        Parameters
        ----------
        length_share
            As in curve.
        energy_share
            As in curve.
        include_unbonded
            Whether materials that are not bonded count too.

        Returns
        -------
        float
            Percent; of the points of the grid that at least three materials reach.

        Raises
        ------
        FitError
            Fewer than two points of the grid are reached so.
        """
        grid = np.linspace(*GRID)
        rows = []
        for m in self.materials:
            if m.bonded or include_unbonded:
                x, y = self.curve(m, length_share, energy_share)
                rows.append(np.interp(grid, x, y, left=np.nan, right=np.nan))
        values = np.array(rows)
        values = values[:, np.isfinite(values).sum(axis=0) >= 3]
        if values.shape[1] < 2:
            raise FitError("Too few materials overlap to measure how far their curves lie apart; add more.")
        mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return float(100.0 * np.sqrt(np.mean(deviation**2)) / np.ptp(mean))

    @property
    def median_deviation(self) -> float:
        """Median over the bonded materials of their rms deviation from the universal curve, in units of dE."""
        return float(np.median([m.rms_deviation for m in self.materials if m.bonded]))

    @property
    def measured(self) -> tuple[UniversalMaterial, ...]:
        """Bonded elements with a measured cohesive energy."""
        return tuple(m for m in self.materials if m.bonded and m.cohesive_ev_per_atom is not None)

    @property
    def depth_ratios(self) -> Array:
        """dE over the measured cohesive energy, of `measured`."""
        return np.array([m.depth_ev_per_atom / (m.cohesive_ev_per_atom or math.nan) for m in self.measured])


def universal_energy(scaled_lengths: ArrayLike) -> Array:
    """E*(a*) = -(1 + a* + 0.05 a*^3) exp(-a*) (Rose et al. 1984).

    Parameters
    ----------
    scaled_lengths
        a*, any shape.

    Returns
    -------
    ndarray
        E* in that shape.
    """
    a = np.asarray(scaled_lengths, dtype=np.float64)
    return -(1.0 + a + ROSE_CUBIC * a**3) * np.exp(-a)


def known_crystals(elements: Sequence[str]) -> dict[str, Atoms]:
    """Make the crystals that are known of some elements.

    Parameters
    ----------
    elements
        Chemical symbols.

    Returns
    -------
    dict of str to Atoms
        Elements with a measured cohesive energy in their ground state (fcc, bcc, hcp, diamond) and the compounds of
        `COMPOUNDS`, as far as these elements make them up.
    """
    out = {e: bulk(e) for e in COHESIVE_EV if e in elements}
    for s in map(sample, COMPOUNDS):
        if set(s.elements) <= set(elements):
            out[s.name] = s.atoms()
    return out


def universal_eos(
    potential: Potential,
    *,
    crystals: Mapping[str, Atoms] | None = None,
    stretch: float = 1.3,
    n_points: int = 41,
    progress: Progress | None = None,
) -> UniversalEos:
    """Relax each crystal, stretch it uniformly, and fit the universal form.

    The fit finds dE, l, V0 and E0 of each material; that the scaled curves then agree with one another is what is
    measured.

    Parameters
    ----------
    potential
        The potential.
    crystals
        By label; by default known_crystals of the potential's elements.
    stretch
        Up to which lengths, in units of those at rest.
    n_points
        Number of lengths, from COMPRESSED on.
    progress
        Called with the label and the fraction that is done.

    Returns
    -------
    UniversalEos
        A crystal whose relaxation or fit fails is in left_out.

    Raises
    ------
    Sus2Error
        A stretch that is not within 1.02 to 2, or no crystal with a curve that stays bonded.
    CancelledError
        From `progress`.
    """
    if not 1.02 <= stretch <= 2.0:
        raise Sus2Error(f"The stretch is {stretch:g}; give a factor between 1.02 and 2 on lengths, such as 1.3.")
    chosen = known_crystals(potential.elements) if crystals is None else crystals
    found: list[UniversalMaterial] = []
    left_out: dict[str, str] = {}
    for k, (label, atoms) in enumerate(chosen.items()):
        if progress is not None:
            progress(label, k / len(chosen))
        try:
            found.append(_material(label, atoms, potential, stretch, n_points))
        except Sus2Error as problem:
            left_out[label] = str(problem)
    if not any(m.bonded for m in found):
        raise Sus2Error(f"{potential.name} gives no curve for any of these crystals; choose others.")
    if progress is not None:
        progress("done", 1.0)
    return UniversalEos(potential.name, stretch, tuple(found), left_out)


def _material(label: str, atoms: Atoms, potential: Potential, stretch: float, n_points: int) -> UniversalMaterial:
    start = to_atoms(atoms)
    check_crystal(start)
    rest = relax(start, potential).require_converged().atoms
    lengths = np.linspace(COMPRESSED, stretch, n_points)
    structures = []
    for x in lengths:
        scaled = rest.copy()
        scaled.set_cell(rest.cell.array * x, scale_atoms=True)
        structures.append(scaled)
    energies = np.array([r.energy_ev for r in potential.evaluate(structures)]) / len(rest)
    volumes = abs(float(rest.cell.volume)) / len(rest) * lengths**3
    fit = fit_eos(volumes, energies, "rose")
    depth = fit.cohesive_energy_ev
    if depth is None or not depth > 0:
        raise FitError(f"The energies of {label} do not bend as a bond does (B0' is {fit.b0_prime:.2f}).")
    r0 = (3.0 * fit.v0_a3 / (4.0 * math.pi)) ** (1.0 / 3.0)
    nearest = float(np.linalg.norm(neighbours(rest, potential.cutoff).vector, axis=1).min(initial=potential.cutoff))
    symbols = tuple(dict.fromkeys(rest.get_chemical_symbols()))
    return UniversalMaterial(
        label=label,
        elements=symbols,
        v0_a3_per_atom=fit.v0_a3,
        b0_gpa=fit.b0_gpa,
        b0_prime=fit.b0_prime,
        depth_ev_per_atom=depth,
        length_a=math.sqrt(depth / (12.0 * math.pi * fit.b0_gpa / EV_PER_A3_TO_GPA * r0)),
        radii_a=(3.0 * volumes / (4.0 * math.pi)) ** (1.0 / 3.0),
        energies_ev_per_atom=energies - fit.e0_ev,
        cohesive_ev_per_atom=COHESIVE_EV.get(symbols[0]) if len(symbols) == 1 else None,
        bonded=nearest * stretch <= REACH * potential.cutoff,
    )
