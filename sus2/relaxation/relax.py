"""Relaxation of positions and cell, with the symmetry kept and both criteria judged on their own."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, LBFGS

from sus2.errors import ConvergenceError
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.registry.external import WrappedCalculator, require_potential
from sus2.registry.memory import check_structure
from sus2.relaxation.criteria import check_sane, stress_deviation_gpa
from sus2.relaxation.minimiser import CURVATURE_EV_PER_A2, MAX_DENSE_ATOMS, MIN_CELL_FACTOR, Options, relax_one
from sus2.relaxation.result import RelaxResult
from sus2.relaxation.symmetry import spacegroup, spacegroup_and_constraint
from sus2.structures import check_crystal, to_atoms
from sus2.units import GPA_TO_EV_PER_A3

if TYPE_CHECKING:
    from pymatgen.core import Structure


def relax(
    atoms: Atoms | Structure,
    potential: Calculates,
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
    """Minimise the enthalpy E + PV of a structure over positions, cell, or both.

    The degrees of freedom are positions and the logarithm of the deformation gradient (ase.filters.FrechetCellFilter).
    The optimiser is BFGS: that of sus2.relaxation.minimiser for a SUS2 potential, ASE's for another calculator and
    large cells. Constraints that come with the structure are not used.

    Parameters
    ----------
    atoms
        The structure of N atoms.
    potential
        The potential.
    positions
        Whether atoms may move.
    cell
        Whether the cell may change.
    fmax
        Largest force left on an atom, eV/angstrom.
    stress_gpa
        Largest deviation left in a component of the stress, GPa.
    symmetry
        Keep the space group found at the start (within SYMPREC_A).
    pressure_gpa
        Target pressure, GPa, positive in compression.
    fixed_volume
        Relax the shape of the cell only.
    max_steps
        Most steps; a result that is not converged then says so in `.converged`.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    RelaxResult
        The relaxed structure and how well it is relaxed.

    Raises
    ------
    StructureError
        No crystal where the cell is to be relaxed.
    UnknownElementError
        The potential does not cover an element.
    ConvergenceError
        Arguments that exclude each other, or the structure collapsed or flew apart.
    Sus2Error
        No potential, or one of others that cannot compute the structure or would take more memory than is allowed.
    CancelledError
        From `progress`.
    """
    require_potential(potential)
    if max_steps < 0 or not 0 < fmax < math.inf or not 0 < stress_gpa < math.inf:
        raise ConvergenceError(
            f"fmax ({fmax}), stress_gpa ({stress_gpa}) must be positive and finite and max_steps ({max_steps}) not "
            "negative."
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
        options = Options(positions, cell, fmax, stress_gpa, pressure_gpa, fixed_volume, max_steps)
        return relax_one(work, potential, symmetry, options, progress)
    check_structure(potential, work)
    start_volume = abs(float(work.cell.volume))
    before, constraint = spacegroup_and_constraint(work, constraint=symmetry)
    if constraint is not None:
        constraint.symmetrise(work, change_cell=cell)
        if fixed_volume:
            work.set_cell(work.cell * (start_volume / abs(work.cell.volume)) ** (1 / 3), scale_atoms=True)
    if isinstance(potential, WrappedCalculator):
        # What it cannot compute it says here in a sentence; the calculator keeps the result for the first step.
        potential.evaluate([work])
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
        potential=potential if isinstance(potential, Potential) else None,
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
