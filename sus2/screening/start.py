"""Screening: properties of very many structures on any executor, each result in a database as soon as it is there.

What the database holds already is not computed again, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.properties.catalogue import catalogue
from sus2.registry.external import WrappedCalculator, require_potential
from sus2.registry.load import load, models
from sus2.registry.recommendation import recommend_for
from sus2.registry.reference import PotentialRef
from sus2.screening.files import items_of
from sus2.screening.plan import Plan
from sus2.screening.run import OnOutcome, Progress, Run
from sus2.screening.store import ScreenStore
from sus2.screening.summary import ScreenSummary

__all__ = ["ScreenSummary", "reference_of", "screen"]


def screen(
    structures: Any,
    potentials: Any = None,
    *,
    properties: Sequence[str] = ("eos", "elastic"),
    out: str | Path,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
    workers: int = 2,
    batch: int | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
    on_outcome: OnOutcome | None = None,
) -> ScreenSummary:
    """Compute properties of every structure and keep each result in a database; go on where an earlier run stopped.

    A structure that cannot be read or computed is recorded with its reason. A batch that kills its worker is split and
    tried again; a property of a structure that kills its worker twice is recorded as failed. Several runs may share a
    database. A result counts as the same where structure, weights, settings and code are.

    Parameters
    ----------
    structures
        Paths of files, folders and patterns, or crystals, as items_of takes them.
    potentials
        A name, a potential, a PotentialRef, or a sequence of these; by default for each structure the one that
        recommend_for finds.
    properties
        Names of the catalogue.
    out
        An SQLite file or the URL of a database.
    settings
        For a property the arguments of its function.
    executor
        Any concurrent.futures.Executor, or what makes one where it may break for good (ProcessPoolExecutor); by default
        `workers` processes of this computer.
    workers
        How many, without an executor.
    batch
        Structures for each task, by default as many as take TARGET_S.
    retry_failed
        Whether to compute again what failed before.
    progress
        Called with how far it is, in words and as a fraction.
    on_outcome
        Called with each outcome once it is kept, and the names of its structure.

    Returns
    -------
    ScreenSummary
        How it went, in numbers.

    Raises
    ------
    Sus2Error
        Unknown property or setting, no such path or potential, a database that cannot be used, an executor that is
        lost. What was finished is kept, also on KeyboardInterrupt.
    """
    known = catalogue()
    wanted = tuple(p for p in known if p in properties)
    unknown = [p for p in properties if p not in known]
    if unknown or not wanted:
        what = f"There is no property '{unknown[0]}'" if unknown else "No property is chosen"
        raise Sus2Error(f"{what}; choose of {', '.join(known)}.")
    if batch is not None and batch < 1:
        raise Sus2Error(f"A batch has at least 1 structure, not {batch}.")
    chosen = {p: {**known[p].settings, **(settings or {}).get(p, {})} for p in wanted}
    items, count = items_of(structures)
    references = _references(potentials)
    store = ScreenStore(out)
    try:
        plan = Plan(store, items, references, chosen, retry_failed)
        return Run(store, plan, executor, workers, batch, count, progress, on_outcome).execute()
    finally:
        store.close()


def _references(potentials: Any) -> Callable[[Atoms], Sequence[PotentialRef]]:
    """The potentials for a crystal."""
    if potentials is None:
        cards = models()
        known: dict[str, list[PotentialRef]] = {}

        def fitting(atoms: Atoms) -> Sequence[PotentialRef]:
            found = recommend_for(atoms, cards)
            if found is None:
                return []
            # One and the same object for a potential, which its key is computed from once.
            return known.setdefault(found.card.name, [PotentialRef.of(found.card)])

        return fitting
    many = potentials if isinstance(potentials, list | tuple) else [potentials]
    references = list(dict.fromkeys(_reference(p) for p in many))
    if not references:
        raise Sus2Error("No potential is chosen; name at least one.")
    return lambda atoms: references


def _reference(potential: Any) -> PotentialRef:
    if isinstance(potential, PotentialRef):
        return potential
    if isinstance(potential, str):
        potential = load(potential)
    require_potential(potential)
    if getattr(potential, "card", None) is None:
        raise _nameless(potential)
    return reference_of(potential)


def _nameless(potential: Any) -> Sus2Error:
    return Sus2Error(
        f"{potential.name} is known to this program alone, and the workers of a screening load potentials by name: "
        "make it a plug-in (docs/extending/potential.md) and give its name, or compute the structures here with "
        "sus2.evaluate_many."
    )


def reference_of(potential: Any) -> PotentialRef:
    """How a calculation names a loaded potential.

    Parameters
    ----------
    potential
        With a card.

    Returns
    -------
    PotentialRef
        Its reference, with its precision.

    Raises
    ------
    Sus2Error
        It is not found by name.
    """
    if any(card.identity == potential.card.identity for card in models()):
        return PotentialRef.of(potential.card, precision=getattr(potential, "precision", "float64"))
    if isinstance(potential, WrappedCalculator):
        raise _nameless(potential)
    raise Sus2Error(f"{potential.name} has no name here: give PotentialRef.of(card, its file's bytes).")
