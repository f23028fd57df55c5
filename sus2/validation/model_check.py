"""Is this potential to be trusted for this crystal? One report, every entry a check with its meaning.

It works for any potential that meets sus2.potential.evaluation.Calculates; what needs exact second derivatives is left
out for others.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ase import Atoms

from sus2.checks import Check
from sus2.errors import CancelledError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, silent
from sus2.properties.elastic.calculate import elastic
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.checks import check_eos
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.checks import check_phonons
from sus2.registry.applicability import extrapolation_grade
from sus2.registry.checks import check_applicability, check_elements
from sus2.registry.external import require_potential
from sus2.relaxation.checks import check_relaxation
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import to_atoms
from sus2.validation.behaviour import (
    derivative_checks,
    dynamics_checks,
    invariance_checks,
    smoothness_checks,
    wall_checks,
    wide_volume_checks,
)
from sus2.validation.result import ModelCheck

if TYPE_CHECKING:
    from pymatgen.core import Structure

# What a part of the report finds: its checks, and the curves behind them by the name of the report's field.
Found = tuple[list[Check], Mapping[str, Any]]


def check(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    relaxed: bool = False,
    quick: bool = False,
    dynamics_ps: float = 2.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> ModelCheck:
    """Check whether a potential is to be trusted for a crystal.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    relaxed
        Take the crystal as it is instead of relaxing it first.
    quick
        Look at the relaxation, the equation of state and the training data alone.
    dynamics_ps
        Length of the run at constant energy in ps; 0 leaves it out.
    seed
        Of the random displacements and velocities.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    ModelCheck
        The checks and the curves behind them.

    Raises
    ------
    StructureError
        The structure is no crystal.
    CancelledError
        From `progress`. Whatever else goes wrong is a failed check.
    Sus2Error
        The arguments are in the wrong order.
    """
    if hasattr(atoms, "evaluate"):
        raise Sus2Error("sus2.check takes the structure first: sus2.check(atoms, potential).")
    require_potential(potential)
    start = to_atoms(atoms)
    tell = progress or silent
    report = ModelCheck(
        potential.name, potential.functional, start.get_chemical_formula("metal"), start, (), {}, None, None
    )
    covered = check_elements(start, potential.elements)
    if covered.verdict == "fail":
        return replace(report, checks=(covered,))
    checks: list[Check] = []
    relaxation = None
    if not relaxed:
        tell("relaxing", 0.0)
        try:
            relaxation = relax(start, potential, fmax=1e-4)
            report = replace(report, atoms=relaxation.atoms)
            checks += check_relaxation(relaxation)
        except CancelledError:
            raise
        except Sus2Error as error:
            checks.append(_failed("Relaxation", error))
    parts = dict(_parts(report.atoms, potential, relaxation, dynamics_ps, seed))
    if quick:
        parts = {name: parts[name] for name in ("training data", "equation of state")}
    for k, (name, work) in enumerate(parts.items()):
        tell(name, (k + 1) / (len(parts) + 1))
        try:
            found, curves = work()
        except CancelledError:
            raise
        except Sus2Error as error:
            found, curves = [_failed(name.capitalize(), error)], {}
        known = {c.name for c in checks}
        checks += [c for c in found if c.name not in known]
        report = replace(report, **curves)
    return replace(report, checks=tuple(checks))


def sanity(potential: Calculates, atoms: Atoms | Structure, **settings: Any) -> ModelCheck:
    """Check a potential as `check` does; deprecated.

    Parameters
    ----------
    potential
        The potential.
    atoms
        The crystal.
    **settings
        The other arguments of `check`.

    Returns
    -------
    ModelCheck
        What `check` returns.
    """
    warnings.warn(
        "sus2.sanity(potential, atoms) is sus2.check(atoms, potential) now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=2,
    )
    return check(atoms, potential, **settings)


def _parts(
    crystal: Atoms, potential: Calculates, relaxation: RelaxResult | None, dynamics_ps: float, seed: int
) -> Iterator[tuple[str, Callable[[], Found]]]:
    """The parts of the report in their order, by name."""
    exact = isinstance(potential, Potential)

    def training() -> Found:
        grade = extrapolation_grade(potential, [crystal])
        return [*check_applicability(crystal, potential), *grade.checks()], {}

    def equation() -> Found:
        result = replace(eos(crystal, potential, relaxed=True), relaxation=relaxation)
        return list(check_eos(result)), {}

    def walls() -> Found:
        checks, curves = wall_checks(crystal, potential)
        return checks, {"dimers": curves}

    def wide() -> Found:
        checks, curve = wide_volume_checks(crystal, potential)
        return checks, {"wide": curve}

    def elasticity() -> Found:
        return list(elastic(crystal, potential, relaxed=True, method="exact" if exact else "finite").checks), {}

    def waves() -> Found:
        return list(check_phonons(phonons(crystal, potential, relaxed=True))) if exact else [], {}

    def dynamics() -> Found:
        checks, curve = dynamics_checks(crystal, potential, dynamics_ps, seed)
        return checks, {"dynamics": curve}

    yield "training data", training
    yield "equation of state", equation
    yield "derivatives", lambda: (derivative_checks(crystal, potential, seed), {})
    yield "symmetries", lambda: (invariance_checks(crystal, potential, seed), {})
    yield "smoothness", lambda: (smoothness_checks(crystal, potential), {})
    yield "dimers", walls
    yield "wide volumes", wide
    yield "elasticity", elasticity
    yield "phonons", waves
    yield "dynamics", dynamics


def _failed(name: str, error: Sus2Error) -> Check:
    return Check(name, math.nan, "", "fail", str(error))
