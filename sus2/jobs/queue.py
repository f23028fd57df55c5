"""The calculations of a server: one job for each key, whoever asks, on one executor, answered from the store."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Executor, Future
from functools import lru_cache, partial
from typing import Any

from sus2.errors import CancelledError, StoreError, Sus2Error, counted
from sus2.jobs import executor as jobs
from sus2.jobs.calculation import Calculation, StoredResult, compute
from sus2.jobs.job import Job, Status
from sus2.jobs.memory import check_calculation
from sus2.jobs.reporting import report
from sus2.jobs.store import Store
from sus2.native.build import cache_folder
from sus2.settings import settings

MAX_KEPT_BYTES = 128 * 1024 * 1024
MAX_ENDED = 500
HOUR_S = 3600.0


def run(calculation: Calculation) -> StoredResult:
    """What a worker does with a calculation.

    Parameters
    ----------
    calculation
        What to compute.

    Returns
    -------
    StoredResult
        As sus2.jobs.calculation.compute, with reports of progress.
    """
    return compute(calculation, report)


class JobQueue:
    """Calculations of many owners on one executor, in turns, so that nobody waits for all jobs of another.

    Every method may be called from any thread.

    Parameters
    ----------
    executor
        Any of concurrent.futures.
    slots
        Calculations at once.
    store
        Where answers are kept; None for memory alone.
    max_jobs
        Jobs of one owner that wait or run.
    max_seconds
        After which a calculation is stopped.
    max_hourly_seconds
        Of the calculations that one owner asked for (first), within an hour; 0 for no limit.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        slots: int,
        store: Store | None = None,
        max_jobs: int,
        max_seconds: float,
        max_hourly_seconds: float = 0.0,
    ) -> None:
        self.executor = executor
        self.slots = slots
        self.store = store
        self.max_jobs = max_jobs
        self.max_seconds = max_seconds
        self.max_hourly_seconds = max_hourly_seconds
        self._spent: deque[tuple[float, str, float]] = deque()
        self.store_problem = ""
        self.looked = time.monotonic()
        """When anybody looked for an answer last, seconds of time.monotonic."""
        self._lock = threading.RLock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()
        self._running: set[str] = set()
        self._results: OrderedDict[str, StoredResult] = OrderedDict()
        self._held = 0

    # ---- asking

    def stored(self, key: str) -> StoredResult | None:
        """The answer of a key, from memory or the store.

        Parameters
        ----------
        key
            Of the calculation.

        Returns
        -------
        StoredResult or None
            None where there is none yet, or where the store cannot be read (store_problem says why).
        """
        with self._lock:
            self.looked = time.monotonic()
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        if self.store is None:
            return None
        try:
            found = self.store.get(key)
        except StoreError as error:
            self.store_problem = str(error)
            return None
        if found is not None:
            self._keep(found)
        return found

    def submit(self, calculation: Calculation, owner: str) -> Job:
        """The job of a calculation: the one under way for whoever asked first, or a new one.

        Parameters
        ----------
        calculation
            What to compute.
        owner
            Who asks.

        Returns
        -------
        Job
            The job.

        Raises
        ------
        Sus2Error
            The owner has too many under way or has used up an hour's seconds, or memory would not be enough.
        """
        key = calculation.key
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not job.over:
                job.owners.add(owner)
                return job
            busy = sum(owner in j.owners and not j.over for j in self._jobs.values())
            if busy >= self.max_jobs:
                raise Sus2Error(
                    f"You have {counted(busy, 'calculation')} under way, which is the limit; cancel one or wait for "
                    "one to end."
                )
            self._check_hour(owner)
            check_calculation(calculation)
            job = Job(key, calculation, {owner}, time.monotonic(), owner)
            self._jobs[key] = job
            self._jobs.move_to_end(key)
            self._lines.setdefault(owner, deque()).append(job)
            self._tidy()
            self._next()
            return job

    def _check_hour(self, owner: str) -> None:
        """Raise Sus2Error where the owner has used up the seconds of an hour; the lock is held."""
        while self._spent and self._spent[0][0] < time.monotonic() - HOUR_S:
            self._spent.popleft()
        mine = [(at, seconds) for at, who, seconds in self._spent if who == owner]
        used = sum(seconds for _, seconds in mine)
        if self.max_hourly_seconds and used >= self.max_hourly_seconds:
            wait = (mine[0][0] + HOUR_S - time.monotonic()) / 60.0
            raise Sus2Error(
                f"You have used {used:.0f} s of calculations within an hour, of {self.max_hourly_seconds:g} s that are "
                f"allowed; go on in {max(1.0, wait):.0f} min, or look at results that are there."
            )

    def find(self, key: str) -> Job | None:
        """The latest job of a key.

        Parameters
        ----------
        key
            Of the calculation.

        Returns
        -------
        Job or None
            None where there is none.
        """
        with self._lock:
            return self._jobs.get(key)

    def under_way(self, owner: str) -> list[Job]:
        """Jobs of an owner that wait or run."""
        with self._lock:
            return [j for j in self._jobs.values() if owner in j.owners and not j.over]

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        with self._lock:
            return not self._running and not self.waiting

    @property
    def waiting(self) -> bool:
        """Whether a job waits for its turn."""
        with self._lock:
            return any(self._lines.values())

    def place(self, job: Job) -> int:
        """How many jobs begin before a waiting one, by the turns that are taken now.

        Parameters
        ----------
        job
            The one that waits.

        Returns
        -------
        int
            Nought for one that does not wait.
        """
        with self._lock:
            lines = [list(line) for line in self._lines.values()]
            order = [line[k] for k in range(max(map(len, lines), default=0)) for line in lines if k < len(line)]
            return order.index(job) if job in order else 0

    def leave(self, key: str, owner: str) -> None:
        """Note that an owner no longer waits for a job; it is stopped where nobody else does.

        Parameters
        ----------
        key
            Of the calculation.
        owner
            Who waited.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.over:
                return
            job.owners.discard(owner)
            if job.owners:
                return
            if job.future is None:
                for line in self._lines.values():
                    if job in line:
                        line.remove(job)
                self._end(job, "cancelled", CancelledError("The calculation was cancelled."))
                return
            future = job.future
        _stop(future)

    def close(self) -> None:
        """Stop everything."""
        with self._lock:
            self._lines.clear()
            futures = [j.future for j in self._jobs.values() if j.future is not None and not j.over]
        for future in futures:
            _stop(future)
        self.executor.shutdown(wait=True, cancel_futures=True)

    # ---- running

    def _next(self) -> None:
        """Start jobs while there is room, one of each owner in turn; the lock is held."""
        while len(self._running) < self.slots and (job := self._pop()) is not None:
            job.status, job.started = "running", time.monotonic()
            self._running.add(job.key)
            job.future = self.executor.submit(run, job.calculation)
            limit = threading.Timer(self.max_seconds, self._too_long, (job,))
            limit.daemon = True
            limit.start()
            job.future.add_done_callback(partial(self._done, job, limit))

    def _pop(self) -> Job | None:
        for owner in list(self._lines):
            line = self._lines[owner]
            if not line:
                del self._lines[owner]
                continue
            job = line.popleft()
            self._lines.move_to_end(owner)
            return job
        return None

    def _too_long(self, job: Job) -> None:
        job.overdue = True
        if job.future is not None:
            _stop(job.future, f"The calculation took longer than {self.max_seconds:g} s, which is the limit here.")

    def _done(self, job: Job, limit: threading.Timer, future: Future[Any]) -> None:
        limit.cancel()
        error = jobs.error_of(future)
        if error is None:
            found: StoredResult = future.result()
            self._keep(found)
            if self.store is not None:
                try:
                    self.store.put(found, job.calculation.name)
                    self.store_problem = ""
                except StoreError as problem:
                    self.store_problem = str(problem)
        with self._lock:
            self._running.discard(job.key)
            if self.max_hourly_seconds and job.started is not None:
                ended = time.monotonic()
                self._spent.append((ended, job.asked_by, ended - job.started))
            if error is None:
                self._end(job, "done", None)
            else:
                wanted = isinstance(error, CancelledError) and not job.overdue
                self._end(job, "cancelled" if wanted else "failed", error)
            self._next()

    def _end(self, job: Job, status: Status, error: Sus2Error | None) -> None:
        job.status, job.error = status, error
        job.ended.set()

    def _tidy(self) -> None:
        for key in [k for k, j in self._jobs.items() if j.over][:-MAX_ENDED]:
            del self._jobs[key]

    def _keep(self, found: StoredResult) -> None:
        with self._lock:
            old = self._results.pop(found.key, None)
            self._held += len(found.packed) - (0 if old is None else len(old.packed))
            self._results[found.key] = found
            while self._held > MAX_KEPT_BYTES and len(self._results) > 1:
                _, gone = self._results.popitem(last=False)
                self._held -= len(gone.packed)


def _stop(future: Future[Any], reason: str = "The calculation was cancelled.") -> None:
    if isinstance(future, jobs.JobFuture):
        future.stop(reason)
    else:
        future.cancel()


@lru_cache(maxsize=1)
def job_queue() -> JobQueue:
    """The queue of this process, made with its settings at first use."""
    limits = settings()
    executor = jobs.LocalExecutor(limits.workers) if limits.workers else jobs.InlineExecutor()
    store, problem = None, ""
    if limits.max_store_mb:
        try:
            store = Store(cache_folder() / "results.db", max_bytes=limits.max_store_mb * 2**20)
        except StoreError as error:
            problem = str(error)
    made = JobQueue(
        executor,
        slots=max(1, limits.workers),
        store=store,
        max_jobs=limits.max_jobs,
        max_seconds=limits.max_seconds,
        max_hourly_seconds=limits.max_hourly_seconds,
    )
    made.store_problem = problem
    return made
