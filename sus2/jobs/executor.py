"""Calculations in the background, through one interface: concurrent.futures.Executor.

LocalExecutor keeps worker processes whose calculations report progress and can be stopped while they run;
InlineExecutor runs in threads of this process; any other executor (dask.distributed's, for example) can take their
place. JobQueue puts calculations on an executor, one job for each key, and answers from the store.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Executor, Future
from typing import Any

from sus2.errors import CancelledError, Sus2Error, WorkerLostError
from sus2.jobs.frames import read_frame, write_frame
from sus2.jobs.reporting import begin, end
from sus2.processes import end_process
from sus2.progress import Parity, Stage

STOP_GRACE_S = 1.0  # a calculation that does not stop by itself within this is killed with its process
MAX_POINTS = 500  # of a curve that is drawn while a calculation runs
_CANCELLED = "The calculation was cancelled."


class JobFuture(Future[Any]):
    """A future that says how far it is and whose running calculation can be stopped.

    stage: in words; fraction: 0 to 1; points: numbers of stages so far, in their order, and parity: the latest labels
    and predictions (sus2.progress.Stage).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = "waiting"
        self.fraction = 0.0
        self.points: list[Mapping[str, float]] = []
        self.parity: Parity = {}
        self.stop_reason = ""
        self._stopper: Callable[[], None] | None = None
        self._guard = threading.Lock()

    def report(self, stage: str, fraction: float) -> None:
        """Take over how far it is, and the numbers of a stage that has new ones.

        Parameters
        ----------
        stage
            In words.
        fraction
            Share that is done, 0 to 1.
        """
        self.stage, self.fraction = str(stage), fraction
        numbers = stage.numbers if isinstance(stage, Stage) else {}
        if numbers and len(self.points) < MAX_POINTS and (not self.points or self.points[-1] != numbers):
            self.points.append(numbers)
        if isinstance(stage, Stage) and stage.parity:
            self.parity = stage.parity

    def stop(self, reason: str = _CANCELLED) -> None:
        """Stop it, whether it waits or runs.

        Parameters
        ----------
        reason
            Why, in the CancelledError of error_of; the first one counts.
        """
        with self._guard:
            self.stop_reason = self.stop_reason or reason
            stopper = self._stopper
        if not self.cancel() and stopper is not None:
            stopper()

    def bind(self, stopper: Callable[[], None] | None) -> bool:
        """Say how to stop it while it runs.

        Parameters
        ----------
        stopper
            Called to stop it; None where it does not run.

        Returns
        -------
        bool
            False where to stop was already asked for.
        """
        with self._guard:
            self._stopper = stopper
            return not self.stop_reason

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        """Set the outcome: CancelledError where it was stopped, else the error, else the result.

        Parameters
        ----------
        result
            What the call returned.
        error
            What it raised.
        """
        self.bind(None)
        if self.stop_reason:
            self.set_exception(CancelledError(self.stop_reason))
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(result)


class _Process:
    """One worker process and its pipes."""

    def __init__(self) -> None:
        # One thread each: workers share the cores, and BLAS threads that wait for a busy core slow each other down.
        environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sus2.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, **os.environ},
            start_new_session=True,
        )
        self._writing = threading.Lock()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Any) -> None:
        assert self.process.stdin is not None
        with self._writing:
            try:
                write_frame(self.process.stdin, message)  # type: ignore[arg-type]
            except (OSError, ValueError):
                return  # it is gone: whoever reads from it finds out

    def call(self, content: bytes, future: JobFuture) -> None:
        """Run a pickled call and set its outcome in the future."""
        killer = threading.Timer(STOP_GRACE_S, self.kill)
        killer.daemon = True

        def stop() -> None:
            self.send(("stop",))
            if killer.ident is None:
                killer.start()

        if not future.bind(stop):
            future.finish()
            return
        self.send(("run", content))
        assert self.process.stdout is not None
        while True:
            try:
                kind, *rest = read_frame(self.process.stdout)  # type: ignore[arg-type]
            except (EOFError, OSError, ValueError):
                self.kill()
                future.finish(error=WorkerLostError(_lost(self.process.wait())))
                break
            if kind == "progress":
                future.report(*rest)
                continue
            future.finish(result=rest[0]) if kind == "result" else future.finish(error=rest[0])
            break
        killer.cancel()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        end_process(self.process)


def _lost(code: int) -> str:
    how = f"it was killed by signal {-code}, often for want of memory" if code < 0 else f"it ended with code {code}"
    return f"The calculation lost its process ({how}); run it again."


class LocalExecutor(Executor):
    """Worker processes of this computer, started at once and again whenever one is lost.

    workers: how many; submit returns a JobFuture. The function must be importable by the workers.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise Sus2Error(f"The number of workers must be at least 1, found {workers}.")
        self.workers = workers
        self._queue: queue.SimpleQueue[tuple[JobFuture, bytes] | None] = queue.SimpleQueue()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Put a call in the queue."""
        if self._closed:
            raise RuntimeError("the executor is shut down")
        future = JobFuture()
        self._queue.put((future, pickle.dumps((fn, args, kwargs))))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop taking calls.

        Parameters
        ----------
        wait
            Whether to wait for the end of the processes.
        cancel_futures
            Whether to cancel the calls in the queue; else the processes end when these are done.
        """
        self._closed = True
        if cancel_futures:
            while not self._queue.empty():
                task = self._queue.get()
                if task is not None:
                    task[0].cancel()
        for _ in self._threads:
            self._queue.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self) -> None:
        process = _Process()
        try:
            while (task := self._queue.get()) is not None:
                future, content = task
                if not future.set_running_or_notify_cancel():
                    continue
                if not process.alive:
                    process.close()
                    process = _Process()
                process.call(content, future)
                if not process.alive:
                    process.close()
                    process = _Process()
        finally:
            process.close()


class InlineExecutor(Executor):
    """One thread of this process; a running calculation stops at its next report of progress."""

    def __init__(self) -> None:
        self.workers = 1
        self._queue: queue.SimpleQueue[tuple[JobFuture, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Put a call in the queue."""
        future = JobFuture()
        self._queue.put((future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread after the calls in the queue.

        Parameters
        ----------
        wait
            Whether to wait for that.
        cancel_futures
            Nothing is cancelled in any case.
        """
        self._queue.put(None)
        if wait:
            self._thread.join()

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            future, (fn, args, kwargs) = task
            if not future.set_running_or_notify_cancel():
                continue

            def tell(stage: str, fraction: float, to: JobFuture = future) -> None:
                if to.stop_reason:
                    raise CancelledError(to.stop_reason)
                to.report(stage, fraction)

            token = begin(tell)
            future.bind(lambda: None)
            try:
                future.finish(result=fn(*args, **kwargs))
            except Exception as error:  # belongs to whoever waits for the future
                future.finish(error=error)
            finally:
                end(token)


def error_of(future: Future[Any]) -> Sus2Error | None:
    """What went wrong in a future that is done, as one of our errors.

    Parameters
    ----------
    future
        The future.

    Returns
    -------
    Sus2Error or None
        None where it has a result.
    """
    try:
        error = future.exception()
    except FutureCancelledError:
        return CancelledError(getattr(future, "stop_reason", "") or _CANCELLED)
    if error is None or isinstance(error, Sus2Error):
        return error
    text = " ".join(str(error).split())[:200]
    return Sus2Error(f"The calculation failed ({type(error).__name__}: {text}); run it again.")
