"""The loop of a screening: keeps an executor fed and the database up to date, whatever happens to the workers."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from concurrent.futures import CancelledError as FutureCancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sus2.errors import StoreError, Sus2Error, WorkerLostError
from sus2.jobs.calculation import code_version, machine
from sus2.jobs.executor import JobFuture, LocalExecutor
from sus2.progress import Progress
from sus2.screening.plan import CHUNK, Plan
from sus2.screening.store import ScreenStore
from sus2.screening.summary import ScreenSummary
from sus2.screening.tables import Outcome
from sus2.screening.work import OtherCodeError, Task, compute

OnOutcome = Callable[[Outcome, Sequence[str]], None]

TARGET_S: Final = 8.0

"""Processor seconds that a batch is to take: long against the cost of sending it, short to lose with a worker."""

MAX_BATCH: Final = 64

BEAT_S: Final = 5.0

LEASE_S: Final = 60.0

"""A run on another computer whose beats do not change for so long is dead, and its claims are void."""

DEATHS: Final = 2

_SMOOTH: Final = 0.3


@dataclass(eq=False)
class _Batch:
    tasks: list[Task]
    alone: bool = False  # nothing else may be under way: whatever breaks then is its fault
    sent: float = field(default_factory=time.monotonic)

    @property
    def atoms(self) -> int:
        return sum(len(t.atoms) * len(t.wanted) for t in self.tasks)


class Run:
    """The loop: keeps the executor fed, and the database up to date."""

    def __init__(
        self,
        store: ScreenStore,
        plan: Plan,
        executor: Executor | Callable[[], Executor] | None,
        workers: int,
        batch: int | None,
        count: int | None,
        progress: Progress | None,
        on_outcome: OnOutcome | None,
    ) -> None:
        self.store, self.plan, self.count = store, plan, count
        self.progress, self.on_outcome, self.fixed = progress, on_outcome, batch
        self._given = executor
        self._make: Callable[[], Executor] | None = None
        self.owned = not isinstance(executor, Executor)
        if executor is None:
            self.executor: Executor = LocalExecutor(workers)
        elif isinstance(executor, Executor):
            self.executor = executor
        else:
            self._make = executor
            self.executor = executor()
        self.code = code_version()
        self.flying: dict[Future[Any], _Batch] = {}
        self.ready: deque[Task] = deque()
        self.again: deque[_Batch] = deque()
        self.suspects: deque[_Batch] = deque()
        self.deaths: Counter[str] = Counter()
        self.per_atom_s: float | None = None
        self.busy_s = 0.0
        self.computed = self.failed = 0
        self.run = ""
        self._beat_at = time.monotonic()
        self._width, self._asked_at = 4, time.monotonic() - BEAT_S
        self._watched: dict[str, tuple[int, float]] = {}

    def execute(self) -> ScreenSummary:
        """Run until every structure is done."""
        started, processor = time.monotonic(), time.process_time()
        self.run = self.store.begin_run(machine())
        workers = self._workers()
        try:
            chunks = self.plan.chunks(self.run)
            more = True
            while more or self.ready or self.again or self.suspects or self.flying or self.plan.elsewhere:
                more = self._refill(chunks) if more else False
                self._send()
                workers = max(workers, self._workers())
                if self.flying:
                    self._receive()
                elif not more and not self.ready and self.plan.elsewhere:
                    self._look_elsewhere()
                self._tell()
        except BaseException:
            self._abandon()
            raise
        finally:
            self._close()
        plan = self.plan
        return ScreenSummary(
            out=self.store.shown,
            structures=plan.structures,
            unreadable=plan.unreadable,
            results=len(plan.seen),
            reused=plan.reused["all"],
            computed=self.computed,
            failed=self.failed,
            failed_before=plan.reused["failed"],
            wall_s=time.monotonic() - started,
            busy_s=self.busy_s,
            workers=workers,
            own_cpu_s=time.process_time() - processor,
        )

    def _workers(self) -> int:
        """How many calculations the executor runs at a time."""
        for name in ("workers", "_max_workers"):
            if isinstance(found := getattr(self.executor, name, None), int):
                return found
        client = getattr(self.executor, "_client", None)  # of distributed, whose workers come and go
        now = time.monotonic()
        if client is not None and now - self._asked_at >= BEAT_S:
            self._asked_at = now
            # A scheduler that is gone does not answer; its futures say so too.
            with suppress(Exception):
                self._width = max(1, sum(client.nthreads().values()))
        return self._width

    # ---- sending

    def _refill(self, chunks: Iterator[tuple[list[Task], list[Outcome]]]) -> bool:
        """Read on where little is left to send; False at the end of the structures."""
        while len(self.ready) < CHUNK:
            found = next(chunks, None)
            if found is None:
                return False
            tasks, refused = found
            self.ready.extend(tasks)
            self._keep(refused)
            if not tasks and self.flying:
                break  # so that results are kept while structures are read that are done
        return True

    def _send(self) -> None:
        room = self._workers() * 2
        if any(b.alone for b in self.flying.values()):
            return
        while self.again and len(self.flying) < room:
            self._submit(self.again.popleft())
        if self.suspects:
            if not self.flying:
                batch = self.suspects.popleft()
                batch.alone = True
                self._submit(batch)
            return
        while self.ready and len(self.flying) < room:
            self._submit(_Batch(self._next_tasks()))

    def _next_tasks(self) -> list[Task]:
        if self.fixed is not None:
            return [self.ready.popleft() for _ in range(min(self.fixed, len(self.ready)))]
        budget = TARGET_S / self.per_atom_s if self.per_atom_s else 0.0
        # The last ones are shared out evenly, so that no worker waits long for another.
        fair = -(-len(self.ready) // (2 * self._workers())) if len(self.ready) < CHUNK else MAX_BATCH
        tasks: list[Task] = []
        used = 0.0
        while self.ready and len(tasks) < (min(MAX_BATCH, fair) if budget else 2):
            cost = len(self.ready[0].atoms) * len(self.ready[0].wanted)
            if tasks and budget and used + cost > budget:
                break
            used += cost
            tasks.append(self.ready.popleft())
        return tasks

    def _submit(self, batch: _Batch) -> None:
        batch.sent = time.monotonic()
        try:
            future = self.executor.submit(compute, batch.tasks, self.plan.settings, self.code)
        except (BrokenExecutor, RuntimeError):
            self._renew()
            future = self.executor.submit(compute, batch.tasks, self.plan.settings, self.code)
        self.flying[future] = batch

    # ---- receiving

    def _receive(self) -> None:
        done, _ = wait(self.flying, timeout=BEAT_S, return_when=FIRST_COMPLETED)
        broken: list[_Batch] = []
        for future in done:
            batch = self.flying.pop(future)
            try:
                outcomes, seconds, processor = future.result()
            except FutureCancelledError:
                raise Sus2Error(
                    "The scheduler or its connection was lost; what was finished is kept: run the same command again "
                    "once it is back."
                ) from None
            except OtherCodeError:
                raise
            except WorkerLostError as error:
                self._lost(batch, str(error))
            except BrokenExecutor:
                broken.append(batch)
            except Exception as error:  # of whatever kind the executor has for a lost worker or a failed call
                self._failed(batch, error)
            else:
                self._done(batch, outcomes, seconds, processor)
        if broken:
            self._broken(broken)
        self._beat()

    def _done(self, batch: _Batch, outcomes: list[Outcome], seconds: float, processor: float) -> None:
        self.busy_s += seconds
        # Processor time, so that busy cores do not make batches small, which cost more for each structure.
        pace = processor / max(1, batch.atoms)
        before = self.per_atom_s
        # A worker's first batch takes longer, because it loads what the others find loaded.
        self.per_atom_s = pace if before is None or pace < before else (1 - _SMOOTH) * before + _SMOOTH * pace
        self._keep(outcomes)

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        self.store.put(self.run, outcomes, self.plan.settings, self.code)
        self._beat_at = time.monotonic()
        self.computed += len(outcomes)
        self.failed += sum(not o.ok for o in outcomes)
        if self.on_outcome is not None:
            for o in outcomes:
                self.on_outcome(o, self.plan.names.get(o.structure, []))

    def _broken(self, batches: list[_Batch]) -> None:
        """A pool that breaks as a whole: every batch under way is suspect, and is tried with nothing beside it."""
        batches = batches + list(self.flying.values())
        self.flying.clear()
        self._renew()
        if len(batches) == 1:
            self._lost(batches[0], "Its process was lost.")
        else:
            self.suspects.extend(batches)

    def _renew(self) -> None:
        if self._make is None:
            raise Sus2Error(
                "The executor is broken and cannot be made again; what was finished is kept: run the same again."
            )
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._make()

    def _failed(self, batch: _Batch, error: Exception) -> None:
        if type(error).__name__ == "KilledWorker":  # of distributed, which need not be installed
            # It names every task that was on the worker, so the last word is spoken with nothing beside it.
            self._lost(batch, "Workers died while they computed it.", exact=False)
        elif len(batch.tasks) > 1:
            self.again.extend(_Batch([t]) for t in batch.tasks)
        else:
            why = str(error) if isinstance(error, Sus2Error) else f"{type(error).__name__}: {error}"
            why = " ".join(why.split())[:300]
            self._keep([batch.tasks[0].outcome(p, reason=why) for p in batch.tasks[0].wanted])

    def _lost(self, batch: _Batch, why: str, *, exact: bool = True) -> None:
        """Its worker is dead: split it, and give up the property of a structure that did so twice."""
        tasks = batch.tasks
        if len(tasks) > 1:
            half = len(tasks) // 2
            self._retry([_Batch(tasks[:half]), _Batch(tasks[half:])], exact)
            return
        (task,) = tasks
        for key in task.wanted.values():
            self.deaths[key] += 1
        single = len(task.wanted) == 1
        over = [p for p, k in task.wanted.items() if single and self.deaths[k] >= DEATHS and (exact or batch.alone)]
        reason = (
            f"The process that computed it was killed {DEATHS} times, often for want of memory ({why.rstrip('.')}); "
            "it is not tried again unless that is asked for."
        )
        self._keep([task.outcome(p, reason=reason) for p in over])
        left = {p: k for p, k in task.wanted.items() if p not in over}
        self._retry([_Batch([replace(task, wanted={p: k})]) for p, k in left.items()], exact and not batch.alone)

    def _retry(self, batches: list[_Batch], exact: bool) -> None:
        (self.again if exact else self.suspects).extend(batches)

    # ---- other runs

    def _look_elsewhere(self) -> None:
        """Wait for what other runs compute; a run that gives no sign of life has lost its claims."""
        time.sleep(1.0)
        self._beat()
        claimed = [k for t in self.plan.elsewhere for k in t.wanted.values()]
        owners = set(self.store.claim(self.run, claimed).others.values())
        beats = self.store.beats(owners)
        now = time.monotonic()
        for owner, beat in beats.items():
            if self._watched.get(owner, (None, 0.0))[0] != beat:
                self._watched[owner] = (beat, now)
        void = [o for o in owners if o not in beats or now - self._watched[o][1] > LEASE_S]
        self.ready.extend(self.plan.returned(self.run, void))

    def _beat(self) -> None:
        if time.monotonic() - self._beat_at >= BEAT_S:
            self.store.beat(self.run)
            self._beat_at = time.monotonic()

    # ---- the end

    def _tell(self) -> None:
        if self.progress is None:
            return
        plan = self.plan
        waiting = len(
            {t.structure for t in self.ready}
            | {t.structure for b in (*self.again, *self.suspects, *self.flying.values()) for t in b.tasks}
            | {t.structure for t in plan.elsewhere}
        )
        total = self.count if self.count is not None else plan.items_read
        done = max(0, plan.items_read - waiting)
        words = f"{done:,} of {total:,}" if self.count is not None else f"{done:,}"
        if self.failed or plan.unreadable or plan.reused["failed"]:
            words += f", {self.failed + plan.unreadable + plan.reused['failed']:,} failed"
        self.progress(words, done / max(1, total))

    def _abandon(self) -> None:
        """Keep what is done at this moment, and stop the rest."""
        for future, batch in list(self.flying.items()):
            if future.done() and not future.cancelled() and future.exception() is None:
                try:
                    self._done(batch, *future.result())
                except Sus2Error:
                    break  # the database itself is what went wrong
        for future in self.flying:
            if isinstance(future, JobFuture):
                future.stop()
            else:
                future.cancel()
        self.flying.clear()

    def _close(self) -> None:
        try:
            self.store.end_run(self.run)
        except StoreError:
            # A run that ends without saying so is found dead by the next one.
            pass
        finally:
            if self.owned:
                self.executor.shutdown(wait=True, cancel_futures=True)
