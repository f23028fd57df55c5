"""Elastic constants by every other method, beside the one that was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.result import ElasticResult, Method

if TYPE_CHECKING:
    from pymatgen.core import Structure

METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, eq=False)
class OtherMethods:
    """Elastic constants by several methods.

    Attributes
    ----------
    results
        Of the methods that could be used.
    problems
        Method -> the sentence that says why it could not.
    """

    results: tuple[ElasticResult, ...]
    problems: dict[str, str]


def other_methods(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    but: Method | None = None,
    pressure_gpa: float = 0.0,
    progress: Progress | None = None,
) -> OtherMethods:
    """Elastic constants of a relaxed crystal by all METHODS but one.

    Parameters
    ----------
    atoms
        The crystal, relaxed at the pressure.
    potential
        The potential.
    but
        The method that is left out; by default the one that elastic takes.
    pressure_gpa
        Hydrostatic pressure, GPa, positive in compression.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    OtherMethods
        The results, and why a method gave none.

    Raises
    ------
    CancelledError
        From `progress`.
    """
    results: list[ElasticResult] = []
    problems: dict[str, str] = {}
    used = but or ("exact" if isinstance(potential, Potential) else "finite")
    others = [m for m in METHODS if m != used]
    for k, method in enumerate(others):

        def step(stage: str, fraction: float, k: int = k) -> None:
            if progress is not None:
                progress(stage, (k + fraction) / len(others))

        try:
            found = elastic(
                atoms,
                potential,
                relaxed=True,
                method=method,
                pressure_gpa=pressure_gpa,
                cross_checks=False,
                progress=step,
            )
        except CancelledError:
            raise
        except Sus2Error as error:
            problems[method] = str(error)
        else:
            results.append(found)
    return OtherMethods(tuple(results), problems)
