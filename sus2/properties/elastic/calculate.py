"""Elastic constants of a crystal: exact second derivatives, with finite strains beside them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from sus2.derivatives.elastic_tensors import tensor_to_voigt, voigt_to_tensor
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.checks import RELAX_FMAX_EV_PER_A, RELAX_STRESS_GPA, elastic_checks
from sus2.properties.elastic.finite_strain import METHODS
from sus2.properties.elastic.ieee_axes import (
    CrystalAxes,
    choose_frame,
    crystal_axes,
    primitive_cell,
    rotated,
    symmetrised,
)
from sus2.properties.elastic.result import METHOD_LABELS, ElasticResult, Method
from sus2.registry.external import require_potential
from sus2.relaxation.relax import relax
from sus2.structures import check_crystal, standardise, to_atoms
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA
from sus2.voigt import INDEX, PAIRS

if TYPE_CHECKING:
    from pymatgen.core import Structure

SYMPREC_A = 1e-3


def elastic(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    relaxed: bool = False,
    method: Method | None = None,
    pressure_gpa: float = 0.0,
    cross_checks: bool = True,
    progress: Progress | None = None,
) -> ElasticResult:
    """Compute the elastic tensor of a crystal.

    The result does not depend on the orientation, the setting or the supercell of the crystal given.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential; exact second derivatives need one of this package.
    relaxed
        Take the crystal as it is instead of relaxing it first, at `pressure_gpa`.
    method
        "exact", second derivatives; "finite", stresses at strains of +-0.5 and +-1 %; "pymatgen", the same strains
        through pymatgen; "elastic-package", the `elastic` package on the standard conventional cell. By default exact
        where the potential has second derivatives, else finite.
    pressure_gpa
        Hydrostatic pressure, GPa, positive in compression.
    cross_checks
        Compare also with pressures near by (without pressure) and with slopes of acoustic phonons (exact method).
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    ElasticResult
        Constants in the IEEE setting, with relaxed and with clamped ions, and what follows from them.

    Raises
    ------
    StructureError
        The structure is no crystal.
    UnknownElementError
        The potential does not cover an element.
    ConvergenceError
        A relaxation did not end.
    CancelledError
        From `progress`.
    Sus2Error
        An unknown method, one that the potential has not, a package that is missing, internal modes without a restoring
        force.
    """
    require_potential(potential)
    start = to_atoms(atoms)
    check_crystal(start)
    method = method or ("exact" if isinstance(potential, Potential) else "finite")
    if method not in METHOD_LABELS:
        raise Sus2Error(f"The method must be one of {', '.join(METHOD_LABELS)}, not '{method}'.")
    if not math.isfinite(pressure_gpa):
        raise Sus2Error(f"The pressure must be a finite number, not {pressure_gpa}.")
    if method == "exact" and not isinstance(potential, Potential):
        raise Sus2Error(f"Exact elastic constants need a SUS2 potential, not {potential.name}; use method='finite'.")
    relaxation = None
    start = primitive_cell(start, SYMPREC_A)
    if not relaxed:
        relaxation = relax(
            start,
            potential,
            fmax=RELAX_FMAX_EV_PER_A,
            stress_gpa=RELAX_STRESS_GPA,
            pressure_gpa=pressure_gpa,
            progress=progress,
        ).require_converged()
        start = primitive_cell(relaxation.atoms, SYMPREC_A)
    axes = crystal_axes(start, SYMPREC_A)
    second = None
    if method == "exact":
        assert isinstance(potential, Potential)
        if progress is not None:
            progress("second derivatives", 0.0)
        second = second_derivatives(start, potential)
        raw, clamped = second.relaxed_elastic.stress_strain_gpa, second.clamped_elastic.stress_strain_gpa
        frame = None
    elif method == "elastic-package":
        raw, clamped, axes, frame, start = _by_elastic_package(start, potential, progress)
    else:
        raw = METHODS[method](start, potential, relax_ions=True, progress=progress)
        clamped = METHODS[method](start, potential, relax_ions=False) if len(start) > 1 else raw
        frame = None
    mean = symmetrised(raw, axes.rotations)
    frame = choose_frame(mean, axes.frames) if frame is None else frame
    stress = potential.evaluate([start])[0].stress_ev_per_a3 * EV_PER_A3_TO_GPA
    result = ElasticResult(
        potential=potential if isinstance(potential, Potential) else None,
        potential_name=potential.name,
        method=method,
        atoms=start,
        relaxation=relaxation,
        space_group=axes.space_group,
        crystal_system=axes.system,
        pressure_gpa=pressure_gpa,
        axes=frame,
        c_gpa=_clean(rotated(mean, frame)),
        clamped_c_gpa=_clean(rotated(symmetrised(clamped, axes.rotations), frame)),
        symmetrisation_removed_gpa=float(np.abs(raw - mean).max()),
        asymmetry_gpa=float(np.abs(raw - raw.T).max()),
        stress_gpa=_rotated_stress(stress, frame),
    )
    checks = elastic_checks(result, potential, second, cross_checks=cross_checks, progress=progress)
    return replace(result, checks=checks)


def _by_elastic_package(
    start: Atoms, potential: Calculates, progress: Progress | None
) -> tuple[Array, Array, CrystalAxes, Array, Atoms]:
    """Its tensors on the standard conventional cell, with the axes that give the clamped tensor of our own stencil."""
    conventional = standardise(start, "conventional", symprec=SYMPREC_A)
    own = crystal_axes(start, SYMPREC_A)
    reference = symmetrised(METHODS["finite"](start, potential, relax_ions=False), own.rotations)
    # Which of the equivalent axes are taken is decided by the relaxed tensor where there is anything to decide.
    decided = METHODS["finite"](start, potential, relax_ions=True) if len(own.frames) > 1 else reference
    target = rotated(reference, choose_frame(symmetrised(decided, own.rotations), own.frames))
    axes = crystal_axes(conventional, SYMPREC_A)
    run = METHODS["elastic-package"]
    raw = run(conventional, potential, relax_ions=True, progress=progress)
    clamped = run(conventional, potential, relax_ions=False)
    ours = symmetrised(METHODS["finite"](conventional, potential, relax_ions=False), axes.rotations)
    return raw, clamped, axes, choose_frame(ours, axes.frames, like=target), conventional


def _rotated_stress(stress: Array, frame: Array) -> Array:
    m = frame @ stress[np.array(INDEX)] @ frame.T
    return np.array([m[i, j] for i, j in PAIRS])


def _clean(c: Array) -> Array:
    """Without the rounding errors of constants that symmetry makes zero."""
    out = tensor_to_voigt(voigt_to_tensor(c))
    out[np.abs(out) < 1e-9 * np.abs(out).max()] = 0.0
    return out
