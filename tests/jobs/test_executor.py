"""Calculations in worker processes: results, errors, progress, stopping, lost processes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, wait
from pathlib import Path

import pytest

from sus2.errors import CancelledError, StructureError, Sus2Error, WorkerLostError
from sus2.jobs.executor import InlineExecutor, JobFuture, LocalExecutor, error_of
from sus2.jobs.frames import write_frame
from sus2.progress import Stage
from tests import helpers_jobs as calls

LONG_S = 120.0


@pytest.fixture(scope="module")
def local() -> Iterator[LocalExecutor]:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    executor = LocalExecutor(1)
    yield executor
    executor.shutdown()


@pytest.fixture(scope="module")
def inline() -> Iterator[InlineExecutor]:
    executor = InlineExecutor()
    yield executor
    executor.shutdown()


@pytest.fixture(params=["local", "inline"])
def executor(request: pytest.FixtureRequest) -> Executor:
    found: Executor = request.getfixturevalue(request.param)
    return found


def until(condition: threading.Event, check: object) -> None:
    """Wait for check() without a fixed time."""
    assert callable(check)
    for _ in range(int(LONG_S / 0.005)):
        if check():
            return
        condition.wait(0.005)
    raise AssertionError("it never happened")


def test_results_and_errors_come_back(executor: Executor) -> None:
    assert executor.submit(calls.add, 2, b=3).result(LONG_S) == 5
    with pytest.raises(StructureError, match="cannot be used"):
        executor.submit(calls.refuse).result(LONG_S)
    failed = executor.submit(calls.crash)
    wait([failed], LONG_S)
    error = error_of(failed)
    assert isinstance(error, Sus2Error)
    assert "ZeroDivisionError: by chance" in str(error)
    assert list(executor.map(calls.add, [1, 2], [3, 4])) == [4, 6]


def test_what_a_calculation_prints_does_no_harm(local: LocalExecutor) -> None:
    assert local.submit(calls.chatter).result(LONG_S) == "done"


def test_progress_arrives(executor: Executor) -> None:
    errors = [{"meV/Å": 50.0}, {"meV/Å": 20.0}]
    told = [Stage("fit", errors[0]), Stage("fit", errors[0]), Stage("fit", errors[1], {"Force (eV/Å)": ([1.0], [1.1])})]
    said = [("first", 0.1), *((s, 0.5) for s in told), ("second", 0.7)]
    future = executor.submit(calls.tell, said)
    assert isinstance(future, JobFuture)
    assert future.result(LONG_S) == "told"
    assert (future.stage, future.fraction) == ("second", 0.7)
    # Numbers of a stage are kept once each, for a curve that is drawn while it runs.
    assert future.points == errors
    # Labels and predictions are those of the last stage that had any.
    assert future.parity == {"Force (eV/Å)": ([1.0], [1.1])}


def test_a_running_calculation_is_stopped_and_its_process_kept(local: LocalExecutor) -> None:
    before = local.submit(calls.process_id).result(LONG_S)
    future = local.submit(calls.step_until_stopped)
    until(threading.Event(), lambda: future.stage == "stepping")
    future.stop()
    with pytest.raises(CancelledError):
        future.result(LONG_S)
    assert local.submit(calls.process_id).result(LONG_S) == before


def test_a_calculation_that_does_not_listen_is_killed(local: LocalExecutor, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    future = local.submit(calls.deaf_until_killed, str(note))
    until(threading.Event(), lambda: note.exists() and note.read_text() != "")
    pid = int(note.read_text())
    future.stop("Enough.")
    future.stop("Enough, again.")
    with pytest.raises(CancelledError, match=r"^Enough\.$"):
        future.result(LONG_S)
    assert local.submit(calls.process_id).result(LONG_S) != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_lost_process_is_an_error_and_is_replaced(local: LocalExecutor) -> None:
    with pytest.raises(WorkerLostError, match="signal 9"):
        local.submit(calls.die).result(LONG_S)
    assert local.submit(calls.add, 1, 1).result(LONG_S) == 2


def test_a_waiting_call_is_cancelled_without_running(local: LocalExecutor, tmp_path: Path) -> None:
    first = local.submit(calls.step_until_stopped)
    second = local.submit(calls.deaf_until_killed, str(tmp_path / "never"))
    second.stop()
    first.stop()
    wait([first, second], LONG_S)
    assert isinstance(error_of(second), CancelledError)
    assert not (tmp_path / "never").exists()


def test_an_inline_calculation_stops_at_its_next_report(inline: InlineExecutor) -> None:
    future = inline.submit(calls.step_until_stopped)
    until(threading.Event(), lambda: future.stage == "stepping")
    future.stop()
    with pytest.raises(CancelledError):
        future.result(LONG_S)


def test_workers_end_with_the_executor() -> None:
    executor = LocalExecutor(1)
    pid = executor.submit(calls.process_id).result(LONG_S)
    executor.shutdown()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError):
        executor.submit(calls.add, 1, 1)


@pytest.mark.parametrize("call", [calls.process_id, calls.step_until_stopped])
def test_a_worker_whose_asker_is_gone_ends_without_a_word(call: object) -> None:
    # Its answers are closed before its calculations: it meets the loss while it answers, or reports.
    worker = subprocess.Popen(
        [sys.executable, "-m", "sus2.jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stderr is not None
    worker.stdout.close()
    write_frame(worker.stdin, ("call", pickle.dumps((call, (), {}))))
    assert (worker.wait(LONG_S), worker.stderr.read()) == (0, b"")
    worker.stdin.close()
    worker.stderr.close()


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(Sus2Error, match="at least 1"):
        LocalExecutor(0)
