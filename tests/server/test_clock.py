"""A clock that jumps: the store, its history and the queue go by the order of things, not by the time of day."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

import sus2
from sus2.jobs.calculation import Calculation, StoredResult
from sus2.jobs.queue import JobQueue
from sus2.jobs.store import Store
from sus2.potential.card import read_card
from sus2.registry.load import pretrained_folder
from sus2.registry.reference import PotentialRef

KEYS = [f"{k:064x}" for k in range(9)]
YEAR_S = 3.2e7


class Clock:
    """time.time() by hand."""

    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr(time, "time", hand)
    return hand


def answer(key: str, created: float, size: int = 100) -> StoredResult:
    return StoredResult(key, bytes(size), created, 1.0, {})


def remember(store: Store, key: str, label: str) -> None:
    store.remember("me", key, page="p", label=label, formula="Si", model="m", address="a")


@pytest.mark.parametrize("created", [0.0, -1.0, 1e18, 1.7e9])
def test_what_goes_first_is_what_was_not_used_for_longest(tmp_path: Path, created: float) -> None:
    """Whatever the results say of when they were made."""
    store = Store(tmp_path / "s.db", max_bytes=300)
    for k, shift in enumerate((0.0, YEAR_S, -YEAR_S)):
        store.put(answer(KEYS[k], created + shift), "f")
    assert store.get(KEYS[0]) is not None
    store.put(answer(KEYS[3], created - 10 * YEAR_S), "f")
    assert store.get(KEYS[1]) is None
    assert [store.get(KEYS[k]) is not None for k in (0, 2, 3)] == [True] * 3
    assert store.size() == (3, 300)


def test_a_result_from_the_future_is_an_answer(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db", max_bytes=1000)
    store.put(answer(KEYS[0], time.time() + 100 * YEAR_S), "f")
    found = Store(tmp_path / "s.db", max_bytes=1000).get(KEYS[0])
    assert found is not None
    assert found.created > time.time()


def test_history_stays_in_the_order_of_what_was_done(tmp_path: Path, clock: Clock) -> None:
    store = Store(tmp_path / "s.db", max_bytes=1000)
    for k, jump in enumerate((0.0, 3600.0, -7200.0, 10.0)):
        clock.now += jump
        remember(store, KEYS[k], str(k))
    assert [e.label for e in store.history("me")] == ["3", "2", "1", "0"]
    # Seen again, though the clock has gone back meanwhile: it comes to the front.
    clock.now -= YEAR_S
    remember(store, KEYS[1], "1")
    assert [e.label for e in store.history("me")] == ["1", "3", "2", "0"]
    assert [e.label for e in store.history("me", limit=2)] == ["1", "3"]
    # A clock that is right again does not bury what is new under what was noted in the future.
    clock.now += 0.5 * YEAR_S
    remember(store, KEYS[4], "4")
    assert store.history("me")[0].label == "4"
    # What is shown is the time that the clock said.
    assert store.history("me")[0].at == clock.now


class Hand(Executor):
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.futures.append(future)
        return future


def test_a_job_outlives_a_jump_of_the_clock(clock: Clock, tmp_path: Path) -> None:
    card = read_card(pretrained_folder() / "si-mlearn-pbe.json")
    hand, store = Hand(), Store(tmp_path / "s.db", max_bytes=10_000)
    queue = JobQueue(hand, slots=1, store=store, max_jobs=4, max_seconds=600)
    calculations = [
        Calculation.of(sus2.relax, atoms=bulk("Si"), potential=PotentialRef.of(card), fmax=10.0**-k) for k in (1, 2)
    ]
    first, second = (queue.submit(q, "me") for q in calculations)
    clock.now += 10 * YEAR_S
    assert first.status == "running"
    assert not first.over
    assert queue.place(second) == 0
    hand.futures[0].set_result(answer(calculations[0].key, clock.now))
    assert first.status == "done"
    clock.now -= 20 * YEAR_S
    hand.futures[1].set_result(answer(calculations[1].key, clock.now))
    assert second.status == "done"
    assert first.started is not None
    assert first.seconds_left is None or first.seconds_left >= 0.0
    fresh = JobQueue(Hand(), slots=1, store=store, max_jobs=4, max_seconds=600)
    assert all(fresh.stored(q.key) is not None for q in calculations)
