"""The server of the app: what its garbage collections look at, and what it computes while nobody uses it."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest

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
        self.idle, self.looked, self.now = True, 0.0, 0.0
        self.asked: list[tuple[str, float]] = []

    def stored(self, key: str) -> None:
        self.looked = self.now

    def submit(self, calculation: SimpleNamespace, owner: str) -> SimpleNamespace:
        self.asked.append((calculation.key, self.now))

        def wait() -> None:
            self.now += 1.0
            if calculation.key == "first":
                self.stored("of a visitor")

        return SimpleNamespace(ended=SimpleNamespace(wait=wait))

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
