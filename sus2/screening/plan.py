"""What a screening has to do: structures read one after the other, less what the database holds already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from ase import Atoms

from sus2.errors import Sus2Error
from sus2.registry.reference import PotentialRef
from sus2.screening.files import Item
from sus2.screening.store import ScreenStore
from sus2.screening.tables import Outcome, Source
from sus2.screening.work import Task, calculation
from sus2.structures import content_key, elements_of

CHUNK: Final = 64
"""Structures that are read and claimed at a time."""


class Plan:
    """Reads structures, notes them in the database, and gives the tasks that are left, a chunk at a time."""

    def __init__(
        self,
        store: ScreenStore,
        items: Iterable[Item],
        references: Callable[[Atoms], Sequence[PotentialRef]],
        settings: Mapping[str, Mapping[str, Any]],
        retry_failed: bool,
    ) -> None:
        self.store = store
        self.items = iter(items)
        self.references = references
        self.settings = settings
        self.retry_failed = retry_failed
        self.names: dict[str, list[str]] = {}
        self.elsewhere: list[Task] = []  # what other runs are at
        self.seen: set[str] = set()  # keys of results
        self.structures = self.unreadable = self.items_read = 0
        self.reused: Counter[str] = Counter()
        self._known = store.known()

    def chunks(self, run: str) -> Iterator[tuple[list[Task], list[Outcome]]]:
        """Read the structures, a chunk at a time.

        Parameters
        ----------
        run
            Identity of the run.

        Yields
        ------
        tuple[list[Task], list[Outcome]]
            Tasks that this run has claimed, and outcomes of structures that no potential is for.
        """
        while items := list(islice(self.items, CHUNK)):
            yield self._chunk(run, items)

    def _chunk(self, run: str, items: Sequence[Item]) -> tuple[list[Task], list[Outcome]]:
        sources: list[Source] = []
        crystals: dict[str, Atoms] = {}
        # Reading a file takes much longer than asking the database for the crystal that it held.
        before = self.store.atoms([k for k in (self._known.get(i.digest) for i in items if i.data) if k is not None])
        for item in items:
            source = self._source(item, before)
            sources.append(source)
            if source.key is None or source.atoms is None:
                self.unreadable += 1
                continue
            if source.key not in self.names:
                self.structures += 1
            self.names.setdefault(source.key, []).append(source.name)
            crystals.setdefault(source.key, source.atoms)
        self.items_read += len(items)
        self.store.add_sources(sources)
        tasks: list[Task] = []
        refused: list[Task] = []
        for key, atoms in crystals.items():
            references = self.references(atoms)
            for reference in references or [PotentialRef("none", "none")]:
                keys = {p: calculation(p, atoms, reference, s).key for p, s in self.settings.items()}
                keys = {p: k for p, k in keys.items() if k not in self.seen}
                self.seen.update(keys.values())
                task = Task(key, atoms, reference, keys)
                if keys:
                    (tasks if references else refused).append(task)
        mine = self._claimed(run, tasks)
        why = "No shipped model covers all of {}; name a potential that does."
        outcomes = [
            t.outcome(p, reason=why.format(", ".join(elements_of(t.atoms))))
            for t in self._claimed(run, refused)
            for p in t.wanted
        ]
        return mine, outcomes

    def _source(self, item: Item, before: Mapping[str, Atoms]) -> Source:
        digest = item.digest
        known = self._known.get(digest, "") if digest else ""
        if known in before:
            return Source(item.name, digest, known, before[known])
        try:
            atoms = item.read()
        except Sus2Error as error:
            return Source(item.name, digest, problem=str(error))
        return Source(item.name, digest, content_key(atoms), atoms)

    def _claimed(self, run: str, tasks: Sequence[Task], void: Iterable[str] = (), *, first: bool = True) -> list[Task]:
        """The part of tasks that is this run's to do; notes what others do in `elsewhere`."""
        keys = [k for t in tasks for k in t.wanted.values()]
        if not keys:
            return []
        found = self.store.claim(run, keys, void=void, retry_failed=self.retry_failed and first)
        self.reused["all"] += len(found.done)
        self.reused["failed"] += len(found.failed)
        mine = []
        for t in tasks:
            own = {p: k for p, k in t.wanted.items() if k in found.mine}
            others = {p: k for p, k in t.wanted.items() if k in found.others}
            if own:
                mine.append(replace(t, wanted=own))
            if others:
                self.elsewhere.append(replace(t, wanted=others))
        return mine

    def returned(self, run: str, void: Iterable[str]) -> list[Task]:
        """Look again at what other runs were at.

        Parameters
        ----------
        run
            Identity of the run.
        void
            Runs that are known to be dead.

        Returns
        -------
        list of Task
            What they gave up, which is this run's now.
        """
        waiting, self.elsewhere = self.elsewhere, []
        return self._claimed(run, waiting, void, first=False)
