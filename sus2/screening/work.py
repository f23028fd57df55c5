"""What a worker does in a screening: properties of a batch of structures, relaxed together.

The numbers are those of sus2.relax, sus2.eos, sus2.elastic, sus2.phonons and sus2.thermal for each crystal alone, to
rounding; only the relaxations and equations of state of a batch share their steps.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.jobs.calculation import Calculation, code_version
from sus2.jobs.reporting import report
from sus2.potential.potential import Potential
from sus2.properties.catalogue import catalogue
from sus2.properties.property import Property
from sus2.registry.reference import PotentialRef
from sus2.screening.tables import Outcome
from sus2.structures import elements_of


class OtherCodeError(Sus2Error):
    """A worker has other code than the run that asks it, so its numbers could differ."""


@dataclass(frozen=True, eq=False)
class Task:
    """One structure in one potential.

    Attributes
    ----------
    structure
        Its key.
    atoms
        The crystal.
    potential
        By what names it.
    wanted
        Property -> key of its calculation.
    """

    structure: str
    atoms: Atoms
    potential: PotentialRef
    wanted: Mapping[str, str]

    def outcome(self, name: str, *, ok: bool = False, **rest: Any) -> Outcome:
        """The outcome of one of its properties.

        Parameters
        ----------
        name
            Of the property.
        ok
            Whether it was computed.
        **rest
            Other fields of Outcome.

        Returns
        -------
        Outcome
            The outcome.

        Raises
        ------
        KeyError
            A property that is not wanted.
        """
        ref = self.potential
        return Outcome(self.wanted[name], self.structure, ref.name, ref.identity, name, ok, **rest)


def calculation(name: str, atoms: Atoms, potential: PotentialRef, settings: Mapping[str, Any]) -> Calculation:
    """Describe the calculation of a property of a structure.

    Parameters
    ----------
    name
        Of the property.
    atoms
        The crystal.
    potential
        By what names it.
    settings
        Arguments of the property's function.

    Returns
    -------
    Calculation
        Its key names the result.
    """
    return Calculation.of(catalogue()[name].compute, atoms=atoms, potential=potential, **settings)


def compute(
    tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]], code: str
) -> tuple[list[Outcome], float, float]:
    """Compute all that is wanted of a batch.

    Parameters
    ----------
    tasks
        The batch.
    settings
        Property -> arguments of its function.
    code
        Version of the code of who asks.

    Returns
    -------
    tuple of (list of Outcome, float, float)
        With the seconds that it took by the clock and of the processor. A structure that fails has an outcome that says
        why.

    Raises
    ------
    OtherCodeError
        The worker has other code.
    CancelledError
        From the progress.
    """
    if code != code_version():
        raise OtherCodeError(
            f"The worker on {socket.gethostname()} has another release ({code_version()}) than this program ({code}): "
            "install the same one everywhere."
        )
    started, processor = time.perf_counter(), time.process_time()
    outcomes: list[Outcome] = []
    for reference in dict.fromkeys(t.potential for t in tasks):
        mine = [t for t in tasks if t.potential == reference]
        outcomes += _with(reference, mine, settings)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    done = [replace(o, worker=worker) for o in outcomes]
    return done, time.perf_counter() - started, time.process_time() - processor


def _with(reference: PotentialRef, tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]]) -> list[Outcome]:
    try:
        potential = reference.load()
    except Sus2Error as error:
        return [t.outcome(name, reason=str(error)) for t in tasks for name in t.wanted]
    outcomes: list[Outcome] = []
    able = []
    for t in tasks:
        missing = [e for e in elements_of(t.atoms) if e not in potential.elements]
        if missing:
            why = f"{reference.name} does not cover {', '.join(missing)}."
            outcomes += [t.outcome(name, reason=why) for name in t.wanted]
        else:
            able.append(t)
    for name, entry in catalogue().items():
        some = [t for t in able if name in t.wanted]
        if not some:
            continue
        chosen = entry.for_potential(exact=isinstance(potential, Potential), given=settings.get(name))
        try:
            outcomes += _outcomes(entry, some, potential, chosen)
        except CancelledError:
            raise
        except Exception:  # one of the batch spoils the shared steps, whatever it raised: each alone then
            for t in some:
                outcomes += _alone(entry, t, potential, chosen)
    return outcomes


def _alone(entry: Property, task: Task, potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    name = entry.name
    try:
        return _outcomes(entry, [task], potential, settings)
    except CancelledError:
        raise
    except MemoryError:
        return [task.outcome(name, reason="The calculation needs more memory than there is.")]
    except Exception as error:  # recorded with the structure; a traceback would help nobody there
        return [task.outcome(name, reason=_words(error))]


def _words(error: Exception) -> str:
    if isinstance(error, Sus2Error):
        return str(error)
    return f"The calculation failed ({type(error).__name__}: {' '.join(str(error).split())[:160].rstrip('.')})."


def _outcomes(entry: Property, tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    """Compute a property of each task, the steps that they share first."""
    started = time.perf_counter()
    crystals = [t.atoms for t in tasks]
    calls: Sequence[Callable[[], Any]]
    if entry.prepare is not None:
        calls = entry.prepare(crystals, potential, report, **settings)
    else:
        calls = [partial(entry.compute, a, potential, progress=report, **settings) for a in crystals]
    shared_s = (time.perf_counter() - started) / len(tasks)
    outcomes = []
    for t, call in zip(tasks, calls, strict=True):
        report(f"{entry.name} of {t.atoms.get_chemical_formula('metal')}", 0.0)
        started = time.perf_counter()
        try:
            result = call()
            if entry.check is not None:
                entry.check(result)
            numbers = {key: float(v) if math.isfinite(v) else None for key, v in entry.numbers(result).items()}
            found = t.outcome(entry.name, ok=True, numbers=numbers, words=entry.words(result))
        except CancelledError:
            raise
        except (Sus2Error, ArithmeticError, ValueError) as error:
            # ArithmeticError and ValueError: what numpy and scipy raise for numbers out of range.
            found = t.outcome(entry.name, reason=_words(error))
        outcomes.append(replace(found, seconds=shared_s + time.perf_counter() - started))
    return outcomes
