"""Relaxation of positions and cell, with the symmetry kept and both criteria judged on their own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, LBFGS
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from sus2.errors import ConvergenceError
from sus2.potential.batch import neighbours
from sus2.potential.potential import Potential
from sus2.structures import check_crystal, to_atoms
from sus2.structures.crystal import SYMPREC_A
from sus2.structures.symmetry import dataset, right_handed
from sus2.units import EV_PER_A3_TO_GPA, GPA_TO_EV_PER_A3

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from pymatgen.core import Structure

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]
"""Called as progress(stage, fraction); raising sus2.errors.CancelledError in it stops the calculation."""

# Measured on metals, half-Heuslers, oxides and halides at +-15 % volume and rattled: an initial curvature of
# 30 eV/A^2 with cell coordinates scaled by sqrt(N) takes a third to a half of the evaluations of ASE's defaults
# (70 eV/A^2, N), because the curvature of log-strain scaled so is near that of an atom's displacement.
CURVATURE_EV_PER_A2 = 30.0
MIN_CELL_FACTOR = 1.5
# The dense Hessian of BFGS costs (3N)^3 per step; its limited-memory form takes the same path.
MAX_DENSE_ATOMS = 150
# Above this number of operations times atoms (large supercells) the projection costs more than the model.
MAX_PROJECTED = 100_000
MAX_GAPS = 200_000  # operations x atoms x atoms compared at once
CLOSEST_FRACTION = 0.5
VOLUME_BOUNDS = (0.4, 2.5)


class HasCalculator(Protocol):
    """What relax needs of a potential."""

    def calculator(self) -> Calculator: ...


@dataclass(frozen=True, eq=False)
class RelaxResult:
    """A relaxed crystal and how well it is relaxed.

    atoms: the final structure (no calculator, no constraints); converged: the largest force is at most
    force_tolerance_ev_per_a (where positions were free) and the largest stress component at most
    stress_tolerance_gpa (where the cell was free); max_stress_gpa: largest deviation, over the six Voigt components,
    of the stress from that of the target pressure (at fixed volume: of the deviatoric stress from zero);
    energies_ev: energy at each step, the last is energy_ev; spacegroup_*: for example "Fd-3m (227)";
    symmetry_constrained: whether the steps were projected on the symmetry of the start; failure: why the relaxation was
    given up (it collapsed, say; atoms are then the last ones), empty otherwise. relax raises such a failure;
    sus2.relaxation.relax_many.relax_many marks it.
    """

    atoms: Atoms
    converged: bool
    steps: int
    max_force_ev_per_a: float
    max_stress_gpa: float
    energy_ev: float
    energies_ev: tuple[float, ...]
    volume_a3: float
    start_volume_a3: float
    pressure_gpa: float
    spacegroup_before: str
    spacegroup_after: str
    symmetry_constrained: bool
    positions_free: bool
    cell_free: bool
    force_tolerance_ev_per_a: float
    stress_tolerance_gpa: float
    failure: str = ""

    @property
    def volume_change_percent(self) -> float:
        """Change of the volume from the start, percent."""
        return 100.0 * (self.volume_a3 / self.start_volume_a3 - 1.0)

    @property
    def enthalpy_change_ev_per_atom(self) -> float:
        """E + P V at the end less that at the start, of the target pressure; not above zero for a way downhill."""
        work = self.pressure_gpa / EV_PER_A3_TO_GPA * (self.volume_a3 - self.start_volume_a3)
        return (self.energies_ev[-1] - self.energies_ev[0] + work) / len(self.atoms)

    @property
    def symmetry_kept(self) -> bool:
        """Whether the space group is that of the start."""
        return self.spacegroup_before == self.spacegroup_after

    def require_converged(self) -> RelaxResult:
        """This result; raises ConvergenceError unless it converged."""
        if self.failure:
            raise ConvergenceError(self.failure)
        if not self.converged:
            reasons = []
            if self.positions_free and self.max_force_ev_per_a > self.force_tolerance_ev_per_a:
                reasons.append(
                    f"the largest force is {self.max_force_ev_per_a:.2g} eV/Å "
                    f"(wanted {self.force_tolerance_ev_per_a:.2g})"
                )
            if self.cell_free and self.max_stress_gpa > self.stress_tolerance_gpa:
                reasons.append(
                    f"the largest stress is {self.max_stress_gpa:.2g} GPa (wanted {self.stress_tolerance_gpa:.2g})"
                )
            raise ConvergenceError(
                f"The relaxation of {self.atoms.get_chemical_formula('metal')} did not converge in {self.steps} "
                f"steps: {' and '.join(reasons)}; allow more steps or start from a better structure."
            )
        return self


def relax(
    atoms: Atoms | Structure,
    potential: HasCalculator,
    *,
    positions: bool = True,
    cell: bool = True,
    fmax: float = 1e-3,
    stress_gpa: float = 0.01,
    symmetry: bool = True,
    pressure_gpa: float = 0.0,
    fixed_volume: bool = False,
    max_steps: int = 500,
    progress: Progress | None = None,
) -> RelaxResult:
    """Minimise the enthalpy E + PV over positions (N, 3), cell, or both.

    fmax: largest force left on an atom, eV/A; stress_gpa: largest deviation left in a component of the stress, GPa;
    symmetry: keep the space group found at the start (within SYMPREC_A); pressure_gpa: target pressure, GPa, positive
    in compression; fixed_volume: relax the shape of the cell only. Constraints that come with atoms are not used.
    A result that is not converged says so in .converged.

    The degrees of freedom are positions and the logarithm of the deformation gradient (ase.filters.FrechetCellFilter);
    the optimiser is BFGS: that of sus2.relax_many for a SUS2 potential, ASE's for another calculator and large cells.

    Raises StructureError (no crystal where the cell is to be relaxed), UnknownElementError, ConvergenceError (the
    structure collapsed or flew apart), CancelledError (from progress).
    """
    if max_steps < 0 or not fmax > 0 or not stress_gpa > 0:
        raise ConvergenceError(
            f"fmax ({fmax}), stress_gpa ({stress_gpa}) must be positive and max_steps ({max_steps}) not negative."
        )
    if fixed_volume and pressure_gpa:
        raise ConvergenceError("A fixed volume and a target pressure exclude each other; give one of them.")
    work = to_atoms(atoms)
    work.set_constraint()
    periodic = bool(work.pbc.all())
    if cell:
        check_crystal(work)
    elif pressure_gpa:
        raise ConvergenceError("A target pressure needs a cell that may change; pass cell=True.")
    if isinstance(potential, Potential) and len(work) <= MAX_DENSE_ATOMS:
        # A batch of one: the same minimiser without the detour through ASE, whose bookkeeping outweighs small cells.
        from sus2.relaxation.relax_many import Options, relax_one

        options = Options(positions, cell, fmax, stress_gpa, pressure_gpa, fixed_volume, max_steps)
        return relax_one(work, potential, symmetry, options, progress)
    start_volume = abs(float(work.cell.volume))
    before, constraint = spacegroup_and_constraint(work, constraint=symmetry)
    if constraint is not None:
        constraint.symmetrise(work, change_cell=cell)
        if fixed_volume:
            work.set_cell(work.cell * (start_volume / abs(work.cell.volume)) ** (1 / 3), scale_atoms=True)
    work.set_constraint(
        ([] if constraint is None else [constraint]) + ([] if positions else [FixAtoms(indices=range(len(work)))])
    )
    work.calc = potential.calculator()
    target = (
        FrechetCellFilter(
            work,
            exp_cell_factor=max(MIN_CELL_FACTOR, math.sqrt(len(work))),
            constant_volume=fixed_volume,
            scalar_pressure=pressure_gpa * GPA_TO_EV_PER_A3,
        )
        if cell
        else work
    )
    optimiser: BFGS | LBFGS = (BFGS if len(work) <= MAX_DENSE_ATOMS else LBFGS)(
        target, logfile=None, alpha=CURVATURE_EV_PER_A2
    )
    energies: list[float] = []
    converged = False
    first = 0.0
    force = stress = math.nan
    with warnings.catch_warnings():
        # Near the identity scipy warns of errors of 1e-13 in the logarithm of the deformation.
        warnings.filterwarnings("ignore", message="logm result may be inaccurate")
        # The loop judges convergence itself: the optimiser would compare one number of mixed units with fmax.
        for _ in optimiser.irun(fmax=0.0, steps=max_steps if positions or cell else 0):
            energies.append(float(work.get_potential_energy()))
            check_sane(work, energies[-1], work.get_forces(apply_constraint=False), start_volume)
            force = float(np.linalg.norm(work.get_forces(apply_constraint=False), axis=1).max())
            stress = math.nan
            if periodic:
                stress = stress_deviation_gpa(work.get_stress(apply_constraint=False), pressure_gpa, fixed_volume)
            excess = max(force / fmax if positions else 0.0, stress / stress_gpa if cell else 0.0)
            converged = excess <= 1.0
            first = max(first, excess)
            if progress is not None:
                done = 1.0 if converged else 1.0 - math.log(excess) / math.log(first) if first > 1.0 else 0.0
                progress("relaxing", min(1.0, max(0.0, done)))
            if converged:
                break
    final = work.copy()
    final.set_constraint()
    return RelaxResult(
        atoms=final,
        converged=converged,
        steps=len(energies) - 1,
        max_force_ev_per_a=force,
        max_stress_gpa=stress,
        energy_ev=energies[-1],
        energies_ev=tuple(energies),
        volume_a3=abs(float(final.cell.volume)),
        start_volume_a3=start_volume,
        pressure_gpa=pressure_gpa,
        spacegroup_before=before,
        spacegroup_after=spacegroup(final),
        symmetry_constrained=constraint is not None,
        positions_free=positions,
        cell_free=cell,
        force_tolerance_ev_per_a=fmax,
        stress_tolerance_gpa=stress_gpa,
    )


def spacegroup(atoms: Atoms, *, symprec: float = SYMPREC_A) -> str:
    """International symbol and number, for example "Fd-3m (227)"; "none" without three periodic directions."""
    return spacegroup_and_constraint(atoms, symprec=symprec, constraint=False)[0]


def symmetry_constraint(atoms: Atoms, *, symprec: float = SYMPREC_A) -> KeepSymmetry | None:
    """The constraint that keeps the space group of a crystal; None where there is none to keep.

    None too for large supercells (operations x atoms above MAX_PROJECTED), where a minimiser that follows the
    gradient keeps the symmetry to rounding errors anyway.
    """
    return spacegroup_and_constraint(atoms, symprec=symprec)[1]


def spacegroup_and_constraint(
    atoms: Atoms, *, symprec: float = SYMPREC_A, constraint: bool = True
) -> tuple[str, KeepSymmetry | None]:
    """spacegroup and symmetry_constraint by one search for the symmetry, which takes longer than a small relaxation."""
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
    """ASE constraint: projects positions, forces, cell and stress on a space group.

    Same projections as ase.constraints.FixSymmetry, for all operations at once, for left-handed cells too, and without
    turning the crystal. rotations (n, 3, 3) and translations (n, 3) act on fractional coordinates; source (n, N):
    operation k takes atom source[k, a] to atom a.
    """

    def __init__(self, rotations: Array, translations: Array, source: NDArray[np.int64]) -> None:
        self.rotations = rotations
        self.translations = translations
        self.source = source

    def symmetrise(self, atoms: Atoms, *, change_cell: bool = True) -> None:
        """Make a structure that has the symmetry within a tolerance have it exactly, with its orientation kept."""
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
        new[:] = atoms.positions + self._rank1(atoms, new - atoms.positions)

    def adjust_forces(self, atoms: Atoms, forces: Array) -> None:
        forces[:] = self._rank1(atoms, forces)

    def adjust_cell(self, atoms: Atoms, cell: Array) -> None:
        lattice = np.asarray(atoms.cell)
        strain = np.linalg.solve(lattice, np.asarray(cell)).T - np.eye(3)
        cell[:] = lattice @ (np.eye(3) + self._rank2(atoms, strain)).T

    def adjust_stress(self, atoms: Atoms, stress: Array) -> None:
        stress[:] = full_3x3_to_voigt_6_stress(self._rank2(atoms, voigt_6_to_full_3x3_stress(stress)))

    def get_removed_dof(self, atoms: Atoms) -> int:
        return 0

    def todict(self) -> dict[str, Any]:
        return {"name": "KeepSymmetry", "kwargs": {"operations": len(self.rotations)}}


def stress_deviation_gpa(stress_ev_per_a3: Array, pressure_gpa: float, fixed_volume: bool) -> float:
    """Largest component of stress + P, or of the deviatoric stress at fixed volume, GPa."""
    stress = np.array(stress_ev_per_a3) * EV_PER_A3_TO_GPA
    stress[:3] -= stress[:3].mean() if fixed_volume else -pressure_gpa
    return float(np.abs(stress).max())


def check_sane(atoms: Atoms, energy_ev: float, forces: Array, start_volume: float) -> None:
    """Raise ConvergenceError where numbers are infinite, the volume left its bounds or atoms overlap."""
    formula = atoms.get_chemical_formula("metal")
    advice = "the potential is not valid there: start from a better structure or choose another potential."
    if not (math.isfinite(energy_ev) and np.isfinite(forces).all() and np.isfinite(atoms.positions).all()):
        raise ConvergenceError(f"{formula}: energy or forces became infinite during the relaxation; {advice}")
    if start_volume > 0:
        ratio = abs(float(atoms.cell.volume)) / start_volume
        if not VOLUME_BOUNDS[0] < ratio < VOLUME_BOUNDS[1]:
            what = "collapsed" if ratio < 1 else "flew apart"
            raise ConvergenceError(f"{formula} {what}: its volume became {ratio:.2f} times that of the start; {advice}")
    radii = CLOSEST_FRACTION * covalent_radii[atoms.numbers]
    found = neighbours(atoms, 2.0 * float(radii.max()))
    distance = np.linalg.norm(found.vector, axis=1)
    close = np.flatnonzero(distance < radii[found.index_i] + radii[found.index_j])
    if close.size:
        k = close[distance[close].argmin()]
        pair = f"{atoms.symbols[found.index_i[k]]}-{atoms.symbols[found.index_j[k]]}"
        raise ConvergenceError(f"{formula} collapsed: {pair} atoms came within {distance[k]:.2f} Å; {advice}")
