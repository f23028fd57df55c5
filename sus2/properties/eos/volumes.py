"""A crystal at other volumes: scaled to them, and relaxed there where it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from sus2.errors import ConvergenceError, Sus2Error
from sus2.potential.evaluation import Calculates, Evaluation
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.relaxation.minimiser import MAX_DENSE_ATOMS, Options, advance, result_of, start
from sus2.relaxation.relax import relax
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

# Forces and stresses a factor of ten below the tolerances are zero by symmetry or already relaxed.
NEGLIGIBLE = 0.1


def scaled_to(atoms: Atoms, volume_a3: float) -> Atoms:
    """A copy of a crystal at another volume.

    Parameters
    ----------
    atoms
        The crystal.
    volume_a3
        Of the copy, A^3.

    Returns
    -------
    Atoms
        Scaled isotropically, with the same fractional coordinates.
    """
    scaled = atoms.copy()
    factor = (volume_a3 / abs(float(atoms.cell.volume))) ** (1.0 / 3.0)
    scaled.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
    return scaled


def any_unrelaxed(results: Sequence[Evaluation], ions: bool, shape: bool, fmax: float, stress_gpa: float) -> bool:
    """Whether a force or a deviatoric stress at any volume is more than negligible.

    Parameters
    ----------
    results
        Of all volumes.
    ions
        Whether forces count.
    shape
        Whether deviatoric stresses count.
    fmax
        Tolerance of forces, eV/angstrom.
    stress_gpa
        Tolerance of stresses, GPa.

    Returns
    -------
    bool
        Whether one is above NEGLIGIBLE times its tolerance.
    """
    for r in results:
        if ions and np.linalg.norm(r.forces_ev_per_a, axis=1).max() > NEGLIGIBLE * fmax:
            return True
        deviator = r.stress_ev_per_a3 - np.repeat([r.stress_ev_per_a3[:3].mean(), 0.0], 3)
        if shape and np.abs(deviator).max() * EV_PER_A3_TO_GPA > NEGLIGIBLE * stress_gpa:
            return True
    return False


@dataclass(eq=False, kw_only=True)
class Curve:
    """The volumes of an equation of state in the making.

    Attributes
    ----------
    volumes_a3
        (n,), A^3.
    structures
        The crystal at each.
    failure
        Why it has none, or empty.
    results
        Energies, forces and stresses of the structures.
    relaxed_points
        At how many volumes it was relaxed.
    """

    volumes_a3: Array
    structures: list[Atoms]
    failure: str = ""
    results: list[Evaluation] = field(default_factory=list)
    relaxed_points: int = 0


def relax_outwards(
    curves: Sequence[Curve], potential: Calculates, symmetry: bool, options: Options, progress: Progress | None
) -> None:
    """Relax at fixed volume from the middle outwards, each from its relaxed neighbour; the same distance at once.

    Parameters
    ----------
    curves
        With as many volumes each; their structures are replaced.
    potential
        The potential.
    symmetry
        Keep the space groups.
    options
        Of each relaxation.
    progress
        Called with the stage and the fraction that is done.

    Raises
    ------
    CancelledError
        From `progress`.
    """
    if not curves:
        return
    n = len(curves[0].structures)
    middle = n // 2
    done = 0
    for distance in range(max(middle, n - 1 - middle) + 1):
        sides = [k for k in range(n) if abs(k - middle) == distance]
        places = [(c, k) for c in curves if not c.failure for k in sides]
        for c, k in places:
            neighbour = k if k == middle else k + (1 if k < middle else -1)
            c.structures[k] = scaled_to(c.structures[neighbour], c.volumes_a3[k])
        # Other potentials take one crystal at a time.
        for some in [places] if isinstance(potential, Potential) else [[place] for place in places]:
            _relax_places(some, potential, symmetry, options)
            done += len(some)
            if progress is not None:
                progress("relaxing at fixed volume", done / (n * len(curves)))


def _relax_places(places: Sequence[tuple[Curve, int]], potential: Calculates, symmetry: bool, options: Options) -> None:
    """Relax the k-th crystal of each curve; a failure is the curve's."""
    runs, active = [], []
    for c, k in places:
        atoms = c.structures[k]
        if len(atoms) > MAX_DENSE_ATOMS or not isinstance(potential, Potential):
            _relax_alone(c, k, potential, symmetry, options)
            continue
        run = start(atoms.copy(), symmetry, options)
        runs.append((c, k, run))
        active.append(run)
    while active:
        active = advance(active, potential, options)
    for c, k, run in runs:
        c.structures[k] = run.atoms
        c.relaxed_points += 1
        if not run.converged:
            try:
                result_of(run, options, potential).require_converged()
            except ConvergenceError as error:
                c.failure = c.failure or str(error)


def _relax_alone(c: Curve, k: int, potential: Calculates, symmetry: bool, options: Options) -> None:
    try:
        c.structures[k] = (
            relax(
                c.structures[k],
                potential,
                positions=options.positions,
                cell=options.cell,
                fmax=options.fmax,
                stress_gpa=options.stress_gpa,
                symmetry=symmetry,
                fixed_volume=options.fixed_volume,
                max_steps=options.max_steps,
            )
            .require_converged()
            .atoms
        )
        c.relaxed_points += 1
    except Sus2Error as error:
        c.failure = c.failure or str(error)
