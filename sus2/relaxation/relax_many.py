"""Relaxation of many structures at once; the mathematics is in sus2.relaxation.minimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ase import Atoms

from sus2.errors import ConvergenceError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.registry.external import require_potential
from sus2.relaxation.minimiser import MAX_DENSE_ATOMS, Options, Run, advance, result_of, start
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import check_crystal, to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure


def relax_many(
    structures: Sequence[Atoms | Structure],
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
) -> list[RelaxResult]:
    """Relax each structure as sus2.relax does, all of them together.

    A structure that cannot be relaxed (no crystal, an unknown element, a collapse) does not stop the others: its result
    has converged = False, says why in `.failure` and raises that in `require_converged()`. Structures above
    MAX_DENSE_ATOMS atoms are relaxed one by one.

    Parameters
    ----------
    structures
        The structures.
    potential
        The potential.
    positions
        Whether atoms may move.
    cell
        Whether the cells may change.
    fmax
        Largest force left on an atom, eV/angstrom.
    stress_gpa
        Largest deviation left in a component of the stress, GPa.
    symmetry
        Keep the space groups found at the start.
    pressure_gpa
        Target pressure, GPa, positive in compression.
    fixed_volume
        Relax the shapes of the cells only.
    max_steps
        Most steps of each structure.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    list of RelaxResult
        In the order of the structures.

    Raises
    ------
    ConvergenceError
        Arguments that exclude each other.
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
    if pressure_gpa and not cell:
        raise ConvergenceError("A target pressure needs a cell that may change; pass cell=True.")
    options = Options(positions, cell, fmax, stress_gpa, pressure_gpa, fixed_volume, max_steps)
    results: dict[int, RelaxResult] = {}
    runs: dict[int, Run] = {}
    for k, structure in enumerate(structures):
        atoms = structure if isinstance(structure, Atoms) else Atoms()
        try:
            atoms = to_atoms(structure)
            atoms.set_constraint()
            type_indices(atoms, potential.elements)
            if cell:
                check_crystal(atoms)
            if len(atoms) <= MAX_DENSE_ATOMS:
                runs[k] = start(atoms, symmetry, options)
                continue
            results[k] = relax(
                atoms,
                potential,
                positions=positions,
                cell=cell,
                fmax=fmax,
                stress_gpa=stress_gpa,
                symmetry=symmetry,
                pressure_gpa=pressure_gpa,
                fixed_volume=fixed_volume,
                max_steps=max_steps,
            )
        except Sus2Error as error:
            results[k] = _refused(atoms, str(error), options, potential)
    active = list(runs.values())
    while active:
        active = advance(active, potential, options)
        if progress is not None:
            progress("relaxing", 1.0 - len(active) / max(1, len(structures)))
    for k, run in runs.items():
        results[k] = result_of(run, options, potential)
    return [results[k] for k in range(len(structures))]


def _refused(atoms: Atoms, failure: str, options: Options, potential: Calculates) -> RelaxResult:
    """The result of a structure that could not be relaxed at all."""
    volume = abs(float(atoms.cell.volume))
    return RelaxResult(
        potential=potential if isinstance(potential, Potential) else None,
        atoms=atoms.copy(),
        converged=False,
        steps=0,
        max_force_ev_per_a=math.nan,
        max_stress_gpa=math.nan,
        energy_ev=math.nan,
        energies_ev=(),
        volume_a3=volume,
        start_volume_a3=volume,
        pressure_gpa=options.pressure_gpa,
        spacegroup_before="none",
        spacegroup_after="none",
        symmetry_constrained=False,
        positions_free=options.positions,
        cell_free=options.cell,
        force_tolerance_ev_per_a=options.fmax,
        stress_tolerance_gpa=options.stress_gpa,
        failure=failure,
    )
