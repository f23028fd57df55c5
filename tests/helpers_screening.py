"""Calls for the workers of a screening, and executors that make them."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

from sus2.errors import WorkerLostError
from sus2.screening.tables import Outcome
from sus2.screening.work import Task, compute

MODEL = "si-mlearn-pbe"
ROOT = Path(__file__).resolve().parent.parent


def silicon(count: int, seed: int = 0) -> dict[str, Atoms]:
    """Crystals that all differ, by name."""
    rng = np.random.default_rng(seed)
    return {f"si-{seed}-{k}": bulk("Si", a=5.35 + 0.01 * (k % 30) + 0.001 * rng.random()) for k in range(count)}


def deadly(
    tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]], code: str
) -> tuple[list[Outcome], float, float]:
    """compute, but a structure of three atoms kills its process as the system does for want of memory."""
    if any(is_deadly(t) for t in tasks):
        os.kill(os.getpid(), signal.SIGKILL)
    return compute(tasks, settings, code)


def deadly_once(
    flag: str, tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]], code: str
) -> tuple[list[Outcome], float, float]:
    """compute, but the first call of all kills its process in the middle of the batch."""
    try:
        with open(flag, "x", encoding="ascii"):
            compute(tasks[: len(tasks) // 2], settings, code)
            os.kill(os.getpid(), signal.SIGKILL)
    except FileExistsError:
        return compute(tasks, settings, code)
    raise AssertionError


class Instead(Executor):
    """Another executor that is given another function than was asked for."""

    def __init__(self, inner: Executor, function: Callable[..., Any], *first: Any, workers: int = 1) -> None:
        self.inner, self.function, self.first = inner, function, first
        self.workers = workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Put the other call in the queue."""
        assert fn is compute
        return self.inner.submit(self.function, *self.first, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the inner executor."""
        self.inner.shutdown(wait=wait, cancel_futures=cancel_futures)


class Losing(Executor):
    """An executor of this thread that says of deadly batches that their worker was lost."""

    workers = 1

    def __init__(self) -> None:
        self.lost: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Compute at once."""
        future: Future[Any] = Future()
        tasks: Sequence[Task] = args[0]
        if any(is_deadly(t) for t in tasks):
            self.lost.append(len(tasks))
            future.set_exception(WorkerLostError("The calculation lost its process."))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def is_deadly(task: Task) -> bool:
    """Whether a task kills its worker here."""
    return len(task.atoms) == 3 and "relax" in task.wanted


def triangle() -> Atoms:
    """A crystal of three silicon atoms."""
    return Atoms(
        "Si3", scaled_positions=[[0, 0, 0], [1 / 3, 2 / 3, 1 / 3], [2 / 3, 1 / 3, 2 / 3]], cell=[4, 4, 5], pbc=True
    )


def rows(path: str | Path, statement: str) -> list[tuple[Any, ...]]:
    """What a statement gives on an SQLite file."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def once(path: str | Path) -> None:
    """Nothing was computed twice: as many computations as results, each by itself."""
    ((count, attempts, keys),) = rows(
        path, "SELECT COUNT(*), COUNT(DISTINCT attempt), COUNT(DISTINCT key) FROM results"
    )
    ((computed, repeated),) = rows(path, "SELECT SUM(computed), SUM(repeated) FROM runs")
    assert count == attempts == keys == computed
    assert repeated == 0
