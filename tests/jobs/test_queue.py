"""The queue: one job for each key, turns, limits, stopping, and answers that are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sus2
from sus2.errors import CancelledError, Sus2Error, WorkerLostError
from sus2.jobs.calculation import Calculation, StoredResult
from sus2.jobs.executor import InlineExecutor, JobFuture, LocalExecutor
from sus2.jobs.queue import Job, JobQueue
from sus2.jobs.store import Store
from sus2.registry.load import models
from sus2.registry.reference import PotentialRef
from sus2.structures import sample

LONG_S = 120.0
SI = PotentialRef.of(next(c for c in models() if c.name == "si-mlearn-pbe"))


class ByHand(Executor):
    """An executor whose calls end when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[Calculation, JobFuture]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = JobFuture()
        future.set_running_or_notify_cancel()
        future.bind(lambda: future.finish())
        self.calls.append((args[0], future))
        return future

    def end(self, k: int, error: Exception | None = None) -> None:
        calculation, future = self.calls[k]
        future.finish(result=StoredResult(calculation.key, b"x" * 10, 0.0, 1.0, {}), error=error)


def asked(n: int) -> Calculation:
    return Calculation.of(sus2.eos, atoms=sample("si").atoms(), potential=SI, n_points=n)


@pytest.fixture
def hand() -> ByHand:
    return ByHand()


@pytest.fixture
def queue(hand: ByHand) -> Iterator[JobQueue]:
    made = JobQueue(hand, slots=1, max_jobs=4, max_seconds=600)
    yield made
    made.close()


def test_one_question_is_one_job_for_all(queue: JobQueue, hand: ByHand) -> None:
    first, second = queue.submit(asked(7), "ann"), queue.submit(asked(7), "bob")
    assert first is second
    assert len(hand.calls) == 1
    hand.end(0)
    assert first.ended.wait(LONG_S)
    assert first.status == "done"
    assert queue.stored(first.key) is not None
    assert queue.under_way("ann") == []


def test_users_take_turns(queue: JobQueue, hand: ByHand) -> None:
    for n in (7, 8, 9):
        queue.submit(asked(n), "ann")
    late = queue.submit(asked(10), "bob")
    assert queue.place(late) == 1
    hand.end(0)
    assert [q.arguments["n_points"] for q, _ in hand.calls] == [7, 8]
    hand.end(1)
    assert [q.arguments["n_points"] for q, _ in hand.calls] == [7, 8, 10]


def test_a_job_is_stopped_when_nobody_waits_for_it(queue: JobQueue, hand: ByHand) -> None:
    job = queue.submit(asked(7), "ann")
    queue.submit(asked(7), "bob")
    queue.leave(job.key, "ann")
    assert not job.over
    queue.leave(job.key, "bob")
    assert job.status == "cancelled"
    again = queue.submit(asked(7), "ann")
    assert again is not job
    assert again.status == "running"


def test_a_waiting_job_is_cancelled_without_running(queue: JobQueue, hand: ByHand) -> None:
    queue.submit(asked(7), "ann")
    waiting = queue.submit(asked(8), "ann")
    queue.leave(waiting.key, "ann")
    assert waiting.status == "cancelled"
    hand.end(0)
    assert len(hand.calls) == 1


def test_nobody_has_more_jobs_than_the_limit(queue: JobQueue) -> None:
    for n in (7, 8, 9, 10):
        queue.submit(asked(n), "ann")
    with pytest.raises(Sus2Error, match="4 calculations under way"):
        queue.submit(asked(11), "ann")
    queue.submit(asked(11), "bob")


def test_nobody_has_more_seconds_than_the_hour_allows(hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = JobQueue(hand, slots=1, max_jobs=4, max_seconds=600, max_hourly_seconds=50)
    now = [1000.0]
    monkeypatch.setattr("sus2.jobs.queue.time", SimpleNamespace(monotonic=lambda: now[0]))
    for k, seconds in enumerate((30.0, 25.0)):
        queue.submit(asked(7 + k), "ann")
        queue.submit(asked(7 + k), "bob")  # who asks for the same is not charged
        now[0] += seconds
        hand.end(k)
    with pytest.raises(Sus2Error, match=r"55 s of calculations within an hour, of 50 s .* go on in 60 min"):
        queue.submit(asked(9), "ann")
    queue.submit(asked(9), "bob")
    hand.end(2)
    now[0] += 3601.0
    queue.submit(asked(10), "ann")
    queue.close()


def test_a_lost_process_fails_its_job_alone(queue: JobQueue, hand: ByHand) -> None:
    first, second = queue.submit(asked(7), "ann"), queue.submit(asked(8), "ann")
    hand.end(0, WorkerLostError("lost"))
    assert first.status == "failed"
    assert isinstance(first.error, WorkerLostError)
    assert second.status == "running"
    assert queue.submit(asked(7), "ann").status == "waiting"


def test_a_calculation_that_takes_too_long_fails(hand: ByHand) -> None:
    queue = JobQueue(hand, slots=1, max_jobs=4, max_seconds=0.01)
    job = queue.submit(asked(7), "ann")
    assert job.ended.wait(LONG_S)
    assert job.status == "failed"
    assert "longer than 0.01 s" in str(job.error)


def test_a_store_that_fails_loses_no_answer(hand: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    store.path.unlink()
    store.path.mkdir()
    queue = JobQueue(hand, slots=1, max_jobs=4, max_seconds=600, store=store)
    job = queue.submit(asked(7), "ann")
    hand.end(0)
    assert job.ended.wait(LONG_S)
    assert job.status == "done"
    assert queue.stored(job.key) is not None
    assert "cannot be" in queue.store_problem


@pytest.mark.parametrize("make", [lambda: LocalExecutor(1), InlineExecutor])
def test_a_question_is_answered_and_kept(make: Callable[[], Executor], tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10**7)
    queue = JobQueue(make(), slots=1, max_jobs=4, max_seconds=600, store=store)
    job = queue.submit(asked(7), "ann")
    assert job.ended.wait(LONG_S)
    assert job.error is None
    other = JobQueue(ByHand(), slots=1, max_jobs=4, max_seconds=600, store=Store(store.path, max_bytes=10**7))
    found = other.stored(job.key)
    assert found is not None
    expected = sus2.eos(sample("si").atoms(), sus2.load("si-mlearn-pbe"), n_points=7)
    assert found.result().to_dict() == expected.to_dict()
    queue.close()


def test_a_real_calculation_is_cancelled() -> None:
    queue = JobQueue(LocalExecutor(1), slots=1, max_jobs=4, max_seconds=600)
    large = sample("si").atoms() * (3, 3, 3)
    large.rattle(0.05, seed=1)
    job = queue.submit(Calculation.of(sus2.phonons, atoms=large, potential=SI, method="finite"), "ann")
    started = threading.Event()
    while job.stage in ("waiting", "computing") and not job.over:
        started.wait(0.005)
    queue.leave(job.key, "ann")
    assert job.ended.wait(LONG_S)
    assert isinstance(job.error, CancelledError)
    quick = queue.submit(asked(7), "ann")
    assert quick.ended.wait(LONG_S)
    assert quick.error is None
    queue.close()


def test_the_estimate_needs_ground() -> None:
    job = Job("k", asked(7), {"ann"}, 0.0)
    assert job.seconds_left is None
    job.future, job.started, job.status = JobFuture(), 0.0, "running"
    job.future.fraction = 0.5
    left = job.seconds_left
    assert left is not None
    assert left > 0
