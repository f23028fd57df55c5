"""Equations of state of many crystals at once: the steps of sus2.eos, one batch for the same step of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sus2.errors import ConvergenceError, FitError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.properties.eos.calculate import check_points, fitted_eos
from sus2.properties.eos.equations import energy_model
from sus2.properties.eos.result import EosResult
from sus2.properties.eos.volumes import Curve, any_unrelaxed, relax_outwards, scaled_to
from sus2.relaxation.minimiser import Options
from sus2.relaxation.result import RelaxResult


@dataclass(eq=False, kw_only=True)
class _Curve(Curve):
    """One equation of state in the making, of a crystal that is relaxed."""

    relaxation: RelaxResult


def eos_many(
    relaxations: Sequence[RelaxResult],
    potential: Calculates,
    *,
    equation: str = "birch-murnaghan",
    n_points: int = 11,
    volume_range: float = 0.06,
    relax_ions: bool = True,
    relax_shape: bool = True,
    symmetry: bool = True,
    fmax: float = 1e-3,
    stress_gpa: float = 0.01,
    max_steps: int = 500,
    progress: Progress | None = None,
) -> list[EosResult | Sus2Error]:
    """What sus2.eos gives for each crystal that relax_many has relaxed.

    Parameters
    ----------
    relaxations
        Of the crystals.
    potential
        The potential.
    equation
        A name of MODELS: the equation of the results.
    n_points
        Number of volumes.
    volume_range
        Largest change of the volume, as a fraction of it.
    relax_ions
        Relax the positions at each volume.
    relax_shape
        Relax the shape of the cell at each volume.
    symmetry
        Keep the space groups.
    fmax
        Largest force left on an atom, eV/angstrom.
    stress_gpa
        Largest deviation left in a component of the stress, GPa.
    max_steps
        Most steps of each relaxation.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    list of EosResult or Sus2Error
        In the order of the relaxations; for a crystal that has no result, the error that says why.

    Raises
    ------
    FitError
        Arguments that no crystal can be computed with.
    CancelledError
        From `progress`.
    """
    chosen = energy_model(equation)
    check_points(n_points, volume_range)
    found: dict[int, EosResult | Sus2Error] = {}
    curves: dict[int, _Curve] = {}
    for k, relaxation in enumerate(relaxations):
        try:
            centre = relaxation.require_converged().atoms
        except Sus2Error as error:
            found[k] = error
            continue
        volumes = abs(float(centre.cell.volume)) * np.linspace(1.0 - volume_range, 1.0 + volume_range, n_points)
        structures = [scaled_to(centre, v) for v in volumes]
        curves[k] = _Curve(volumes_a3=volumes, structures=structures, relaxation=relaxation)
    _evaluate(list(curves.values()), potential)
    options = Options(relax_ions, relax_shape, fmax, stress_gpa, 0.0, relax_shape, max_steps)
    moving = [c for c in curves.values() if any_unrelaxed(c.results, relax_ions, relax_shape, fmax, stress_gpa)]
    relax_outwards(moving, potential, symmetry, options, progress)
    _evaluate([c for c in moving if not c.failure], potential)
    for k, c in curves.items():
        try:
            if c.failure:
                raise ConvergenceError(c.failure)
            found[k] = fitted_eos(
                chosen.name,
                c.relaxation.atoms,
                c.volumes_a3,
                c.structures,
                c.results,
                relaxation=c.relaxation,
                relaxed_points=c.relaxed_points,
                potential=potential,
            )
        except Sus2Error as error:
            found[k] = error
        except (ArithmeticError, ValueError) as error:
            words = " ".join(str(error).split())[:120].rstrip(".")
            found[k] = FitError(f"Equation of state: the numbers went out of range ({words}).")
    return [found[k] for k in range(len(relaxations))]


def _evaluate(curves: Sequence[_Curve], potential: Calculates) -> None:
    for c in curves:
        c.structures = [scaled_to(a, v) for a, v in zip(c.structures, c.volumes_a3, strict=True)]
    every = potential.evaluate([a for c in curves for a in c.structures]) if curves else []
    at = 0
    for c in curves:
        c.results = list(every[at : at + len(c.structures)])
        at += len(c.structures)
