"""The server of the app: what its garbage collections look at, and what it computes while nobody uses it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from ase.build import bulk

import sus2
from sus2.jobs.calculation import Calculation, StoredResult, compute
from sus2.jobs.executor import InlineExecutor
from sus2.jobs.queue import JobQueue
from sus2.jobs.reporting import report
from sus2.potential.card import read_card
from sus2.registry.load import pretrained_folder
from sus2.registry.reference import PotentialRef
from sus2.server import serve
from sus2.server.serve import UNUSED_S, prepare_lessons, set_aside


class Loop:
    """Refers to itself, so that only a garbage collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_set_aside_is_freed_once_nobody_needs_it() -> None:
    loop = Loop()
    gone = weakref.ref(loop)
    try:
        set_aside()
        del loop
        gc.collect()
        assert gone() is not None, "a collection after each run looks at new objects alone"
        set_aside()
        assert gone() is None
    finally:
        gc.unfreeze()


class Board:
    """As much of a job queue as the answers to lessons need; a visitor looks once after the first of them."""

    def __init__(self) -> None:
        self.idle, self.waiting, self.looked, self.now = True, False, 0.0, 0.0
        self.asked: list[tuple[str, float]] = []

    def stored(self, key: str) -> None:
        self.looked = self.now

    def submit(self, calculation: SimpleNamespace, owner: str) -> SimpleNamespace:
        self.asked.append((calculation.key, self.now))

        def wait(seconds: float) -> bool:
            self.now += 1.0
            if calculation.key == "first":
                self.stored("of a visitor")
            return True

        return SimpleNamespace(ended=SimpleNamespace(wait=wait), status="done")

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_lessons_wait_until_nobody_uses_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Board()
    monkeypatch.setattr("sus2.jobs.queue.job_queue", lambda: jobs)
    calculations = [SimpleNamespace(key=key) for key in ("first", "second", "third")]
    monkeypatch.setattr("sus2.lessons.first.lesson_calculations", lambda: calculations[:2])
    monkeypatch.setattr("sus2.training.specialise.learning.learning_calculations", lambda: calculations[2:])
    monkeypatch.setattr("sus2.server.serve.time", SimpleNamespace(sleep=jobs.sleep, monotonic=lambda: jobs.now))
    prepare_lessons()
    assert jobs.asked == [("first", 0.0), ("second", 1.0 + UNUSED_S), ("third", 2.0 + UNUSED_S)]


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    made = JobQueue(InlineExecutor(), slots=1, max_jobs=4, max_seconds=600)
    yield made
    made.close()


def relaxation(a: float) -> Calculation:
    potential = PotentialRef.of(read_card(pretrained_folder() / "sus2-universal-pbe.json"))
    return Calculation.of(sus2.relax, atoms=bulk("Cu", a=a), potential=potential)


def test_a_visitor_does_not_wait_for_the_lessons(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A calculation for a lesson gives way, and is done once the visitor has left."""
    lesson, visitor = relaxation(3.6), relaxation(3.7)
    begun: list[str] = []
    started = threading.Event()

    def run(calculation: Calculation) -> StoredResult:
        begun.append(calculation.key)
        while calculation.key == lesson.key and begun.count(lesson.key) == 1:
            started.set()
            report("long", 0.5)
            time.sleep(0.01)
        return compute(calculation, report)

    monkeypatch.setattr("sus2.jobs.queue.run", run)
    monkeypatch.setattr("sus2.jobs.queue.job_queue", lambda: queue)
    monkeypatch.setattr("sus2.lessons.first.lesson_calculations", lambda: [lesson])
    monkeypatch.setattr("sus2.training.specialise.learning.learning_calculations", lambda: [])
    monkeypatch.setattr(serve, "UNUSED_S", 0.1)
    preparing = threading.Thread(target=prepare_lessons)
    preparing.start()
    assert started.wait(120)
    job = queue.submit(visitor, "ann")
    assert job.ended.wait(120)
    assert job.status == "done"
    preparing.join(120)
    assert not preparing.is_alive()
    assert begun == [lesson.key, visitor.key, lesson.key]
    assert queue.stored(lesson.key) is not None
