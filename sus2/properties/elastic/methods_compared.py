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
    """results of the methods that could be used; problems: method -> the sentence that says why it could not."""

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
    """Elastic constants of a relaxed crystal by all METHODS but one (by default the one that elastic takes).

    Raises StructureError and CancelledError.
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
