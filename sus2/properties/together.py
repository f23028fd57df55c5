"""Many crystals at once: the steps that a property has in common for all of them, as one batch.

Each function here prepares many crystals and returns one call for each, which gives its result or raises its error;
what is left to do for each alone is done in that call. The numbers are those of the property's own function, up to
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.progress import Progress
from sus2.properties.elastic.calculate import RELAX_FMAX_EV_PER_A as ELASTIC_FMAX
from sus2.properties.elastic.calculate import RELAX_STRESS_GPA as ELASTIC_STRESS
from sus2.properties.elastic.calculate import SYMPREC_A, elastic
from sus2.properties.elastic.ieee_axes import primitive_cell
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.many import eos_many
from sus2.properties.phonons.calculate import RELAX_FMAX_EV_PER_A as PHONON_FMAX
from sus2.properties.phonons.report import phonon_report
from sus2.relaxation.relax_many import relax_many
from sus2.structures import to_atoms

Calls = list[Callable[[], Any]]

_RELAX_NAMES = ("fmax", "stress_gpa", "symmetry", "max_steps")


def relaxations(crystals: Sequence[Atoms], potential: Any, progress: Progress, **settings: Any) -> Calls:
    """Relax crystals as sus2.relax does each.

    Parameters
    ----------
    crystals
        The crystals.
    potential
        The potential.
    progress
        Called with the stage and the fraction that is done.
    **settings
        Arguments of `relax_many`.

    Returns
    -------
    list of callables
        One for each crystal, in their order: gives its RelaxResult or raises ConvergenceError.

    Raises
    ------
    ConvergenceError
        Arguments that cannot be used.
    CancelledError
        From `progress`.
    Sus2Error
        The potential fails in a step that all share.
    """
    found = relax_many(list(crystals), potential, progress=progress, **settings)
    return [r.require_converged for r in found]


def equations_of_state(crystals: Sequence[Atoms], potential: Any, progress: Progress, **settings: Any) -> Calls:
    """Compute equations of state as sus2.eos does each.

    Parameters
    ----------
    crystals
        The crystals.
    potential
        The potential.
    progress
        Called with the stage and the fraction that is done.
    **settings
        Arguments of `sus2.eos` but its old name `model`; with ``relaxed=True`` each crystal is computed alone, in
        its call.

    Returns
    -------
    list of callables
        One for each crystal, in their order: gives its EosResult or raises its error.

    Raises
    ------
    ConvergenceError
        Arguments of the relaxation that cannot be used.
    FitError
        An unknown equation, too few points or a range of volumes that cannot be used.
    CancelledError
        From `progress`.
    Sus2Error
        The potential fails in a step that all share.
    """
    rest = dict(settings)
    if rest.pop("relaxed", False):
        return [partial(eos, atoms, potential, **settings) for atoms in crystals]
    first = {name: rest[name] for name in _RELAX_NAMES if name in rest}
    relaxed = relax_many(list(crystals), potential, progress=progress, **first)
    return [partial(_given, found) for found in eos_many(relaxed, potential, progress=progress, **rest)]


def elastic_tensors(crystals: Sequence[Atoms], potential: Any, progress: Progress, **settings: Any) -> Calls:
    """Relax crystals together and prepare the elastic constants of each.

    Parameters
    ----------
    crystals
        The crystals.
    potential
        The potential.
    progress
        Of the relaxation; called with the stage and the fraction that is done.
    **settings
        Arguments of `sus2.elastic`; with ``relaxed=True`` nothing is relaxed.

    Returns
    -------
    list of callables
        One for each crystal, in their order: gives its ElasticResult or raises its error.

    Raises
    ------
    CancelledError
        From `progress`.
    Sus2Error
        The potential fails in a step that all share.
    """
    starts = [_or_error(lambda a: primitive_cell(to_atoms(a), SYMPREC_A), atoms) for atoms in crystals]
    rest = dict(settings)
    if not rest.pop("relaxed", False):
        pressure = rest.get("pressure_gpa", 0.0)
        options = {"fmax": ELASTIC_FMAX, "stress_gpa": ELASTIC_STRESS, "pressure_gpa": pressure}
        starts = _relaxed(starts, potential, progress, **options)
    return [partial(_of_relaxed, elastic, start, potential, rest) for start in starts]


def phonon_reports(crystals: Sequence[Atoms], potential: Any, progress: Progress, **settings: Any) -> Calls:
    """Relax crystals together and prepare the phonons of each.

    Parameters
    ----------
    crystals
        The crystals.
    potential
        The potential.
    progress
        Of the relaxation; called with the stage and the fraction that is done.
    **settings
        Arguments of `phonon_report`; with ``relaxed=True`` nothing is relaxed.

    Returns
    -------
    list of callables
        One for each crystal, in their order: gives its PhononReport or raises its error.

    Raises
    ------
    CancelledError
        From `progress`.
    Sus2Error
        The potential fails in a step that all share.
    """
    starts: list[Atoms | Sus2Error] = list(crystals)
    rest = dict(settings)
    if not rest.pop("relaxed", False):
        starts = _relaxed(starts, potential, progress, fmax=PHONON_FMAX)
    return [partial(_of_relaxed, phonon_report, start, potential, rest) for start in starts]


def _of_relaxed(
    function: Callable[..., Any], start: Atoms | Sus2Error, potential: Any, settings: dict[str, Any]
) -> Any:
    return function(_given(start), potential, relaxed=True, **settings)


def _relaxed(
    starts: Sequence[Atoms | Sus2Error], potential: Any, progress: Progress, **options: Any
) -> list[Atoms | Sus2Error]:
    """Relax together; an error stands in the place of a crystal that failed."""
    good = [k for k, a in enumerate(starts) if isinstance(a, Atoms)]
    results = relax_many([_given(starts[k]) for k in good], potential, progress=progress, **options)
    out = list(starts)
    for k, r in zip(good, results, strict=True):
        out[k] = _or_error(lambda r: r.require_converged().atoms, r)
    return out


def _or_error(work: Callable[[Any], Atoms], value: Any) -> Atoms | Sus2Error:
    try:
        return work(value)
    except Sus2Error as error:
        return error


def _given(value: Any) -> Any:
    if isinstance(value, Sus2Error):
        raise value
    return value
