"""Energy against volume: relaxed at every volume, fitted with four equations of state."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from sus2.errors import ConvergenceError, FitError
from sus2.potential.evaluation import Calculates, Evaluation
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.eos.equations import MAX_POINTS, MIN_POINTS, MODELS, energy_model, fit_models
from sus2.properties.eos.result import EosResult
from sus2.properties.eos.volumes import Curve, any_unrelaxed, relax_outwards, scaled_to
from sus2.registry.external import require_potential
from sus2.relaxation.minimiser import Options
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import check_crystal, formula_units, to_atoms
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure


def eos(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    equation: str = "birch-murnaghan",
    n_points: int = 11,
    volume_range: float = 0.06,
    relaxed: bool = False,
    relax_ions: bool = True,
    relax_shape: bool = True,
    symmetry: bool = True,
    fmax: float = 1e-3,
    stress_gpa: float = 0.01,
    max_steps: int = 500,
    progress: Progress | None = None,
    model: str | None = None,
) -> EosResult:
    """E(V) at some volumes around the relaxed one, fitted with four equations of state.

    At each fixed volume the energy is minimised over the positions and over the shape of the cell (c/a, angles), as
    E(V) of a crystal under hydrostatic pressure needs.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    equation
        A name of MODELS: the equation of the result.
    n_points
        Number of volumes.
    volume_range
        Largest change of the VOLUME, as a fraction of it: 0.06 is 6 %.
    relaxed
        Take the crystal as it is for the centre, without relaxing it first.
    relax_ions
        Relax the positions at each volume.
    relax_shape
        Relax the shape of the cell at each volume.
    symmetry
        Keep the space group, as in relax.
    fmax
        Largest force left on an atom, eV/angstrom.
    stress_gpa
        Largest deviation left in a component of the stress, GPa.
    max_steps
        Most steps of each relaxation.
    progress
        Called with the stage and the fraction that is done.
    model
        The old name of `equation`.

    Returns
    -------
    EosResult
        The points and the fits of all equations that could be fitted.

    Raises
    ------
    StructureError
        The structure is no crystal.
    UnknownElementError
        The potential does not cover an element.
    ConvergenceError
        A relaxation did not converge, or collapsed.
    FitError
        An unknown equation, too few points, a range that is not within 0 to 0.5, no minimum in the range.
    CancelledError
        From `progress`.
    """
    if model is not None:
        warnings.warn(
            "eos(model=) is eos(equation=) now; the old name goes with the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        equation = model
    require_potential(potential)
    chosen = energy_model(equation)
    check_points(n_points, volume_range)
    centre = to_atoms(atoms)
    centre.set_constraint()
    check_crystal(centre)
    relaxation = None
    if not relaxed:
        relaxation = relax(
            centre,
            potential,
            fmax=fmax,
            stress_gpa=stress_gpa,
            symmetry=symmetry,
            max_steps=max_steps,
            progress=progress,
        ).require_converged()
        centre = relaxation.atoms
    v_centre = abs(float(centre.cell.volume))
    volumes = v_centre * np.linspace(1.0 - volume_range, 1.0 + volume_range, n_points)
    if progress is not None:
        progress("energies", 0.0)
    structures = [scaled_to(centre, v) for v in volumes]
    results = potential.evaluate(structures)
    relaxed_points = 0
    if any_unrelaxed(results, relax_ions, relax_shape, fmax, stress_gpa):
        curve = Curve(volumes_a3=volumes, structures=structures)
        options = Options(relax_ions, relax_shape, fmax, stress_gpa, 0.0, relax_shape, max_steps)
        relax_outwards([curve], potential, symmetry, options, progress)
        if curve.failure:
            raise ConvergenceError(curve.failure)
        structures, relaxed_points = curve.structures, curve.relaxed_points
        structures = [scaled_to(a, v) for a, v in zip(structures, volumes, strict=True)]
        results = potential.evaluate(structures)
    if progress is not None:
        progress("energies", 1.0)
    return fitted_eos(
        chosen.name,
        centre,
        volumes,
        structures,
        results,
        relaxation=relaxation,
        relaxed_points=relaxed_points,
        potential=potential,
    )


def fitted_eos(
    model: str,
    centre: Atoms,
    volumes_a3: Array,
    structures: Sequence[Atoms],
    results: Sequence[Evaluation],
    *,
    relaxation: RelaxResult | None,
    relaxed_points: int,
    potential: object = None,
) -> EosResult:
    """The result of an equation of state from its points.

    Parameters
    ----------
    model
        A name of MODELS.
    centre
        The crystal that the volumes were scaled from.
    volumes_a3
        (n,) of the cell, A^3.
    structures
        The crystals at these volumes.
    results
        Their energies and stresses.
    relaxation
        How the centre was relaxed; None where it was not.
    relaxed_points
        At how many volumes ions or shape were relaxed.
    potential
        Kept in the result where it is one of this package.

    Returns
    -------
    EosResult
        With the fits of the other models that could be fitted.

    Raises
    ------
    FitError
        The model does not fit, has no minimum in the range, or no atom feels another one.
    """
    energies = np.array([r.energy_ev for r in results])
    if np.ptp(energies) == 0.0:
        raise FitError(
            "The energy does not change with the volume: the atoms are out of each other's reach, so the potential "
            "knows no bond in this crystal; start from a denser one or choose another potential."
        )
    pressures = np.array([-r.stress_ev_per_a3[:3].mean() for r in results]) * EV_PER_A3_TO_GPA
    # Another equation's failure says nothing against the chosen one; it is left out.
    fits = fit_models(volumes_a3, energies, (model, *(name for name in MODELS if name != model)))
    units = formula_units(centre)
    return EosResult(
        fit=fits[model],
        fits={name: fits[name] for name in MODELS if name in fits},
        volumes_a3=volumes_a3,
        energies_ev=energies,
        pressures_gpa=pressures,
        structures=tuple(structures),
        atoms=centre,
        relaxation=relaxation,
        relaxed_points=relaxed_points,
        formula=units.formula,
        formula_units=units.count,
        potential=potential if isinstance(potential, Potential) else None,
    )


def check_points(n_points: int, volume_range: float) -> None:
    """Refuse points of which no equation of state can be made.

    Parameters
    ----------
    n_points
        Number of volumes.
    volume_range
        Largest change of the volume, as a fraction of it.

    Raises
    ------
    FitError
        Fewer than MIN_POINTS or more than MAX_POINTS points, or a range that is not above 0 and at most 0.5.
    """
    if n_points < MIN_POINTS:
        raise FitError(f"An equation of state has four parameters: use at least {MIN_POINTS} points, not {n_points}.")
    if n_points > MAX_POINTS:
        raise FitError(f"An equation of state takes at most {MAX_POINTS:,} points, not {n_points:,}.")
    if not 0.0 < volume_range <= 0.5:
        raise FitError(
            f"The range of volumes is {volume_range:g}; give a fraction of the volume between 0 and 0.5, such as 0.06."
        )
