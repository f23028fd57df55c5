"""`sus2 screen`: kills at any moment, exit codes, JSON lines, a Dask cluster on this computer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

import sus2
from sus2.cli.main import app
from sus2.errors import Sus2Error
from sus2.structures import write_structure
from tests.conftest import require
from tests.helpers_screening import MODEL, ROOT, once, rows, silicon

LONG_S = 120.0
Process = subprocess.Popen[bytes]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sus2.cli", "screen", *arguments],
        cwd=ROOT,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # What runs behind a shell's & ignores Ctrl+C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=LONG_S)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not check():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def count(out: Path, condition: str = "1") -> int:
    try:
        return int(rows(out, f"SELECT COUNT(*) FROM results WHERE {condition}")[0][0])
    except Exception:  # not made yet
        return 0


# So many that no machine is through with them before it is seen that it has begun.
CRYSTALS = 120
RESULTS = 2 * CRYSTALS


@pytest.fixture
def crystals(tmp_path: Path) -> str:
    path = tmp_path / "crystals.xyz"
    path.write_text("".join(write_structure(a, "extxyz") for a in silicon(CRYSTALS).values()))
    return str(path)


def test_killed_three_times_and_nothing_is_lost_or_done_twice(crystals: str, tmp_path: Path) -> None:
    out = tmp_path / "results.db"
    command = (
        crystals,
        "--out",
        str(out),
        "--properties",
        "relax,elastic",
        "-m",
        MODEL,
        "--batch",
        "2",
        "--workers",
        "1",
    )
    kept: set[tuple[str, str]] = set()
    for _ in range(3):
        before = len(kept)
        with start(*command) as process:
            until(lambda before=before: count(out) >= before + 6)
            # Its own process alone, as the system does for want of memory: its workers find out by themselves.
            os.kill(process.pid, signal.SIGKILL)
        now = set(rows(out, "SELECT key, attempt FROM results"))
        assert kept <= now
        kept = now
    assert len(kept) < RESULTS
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert (summary["results"], summary["reused"], summary["computed"]) == (RESULTS, len(kept), RESULTS - len(kept))
    assert kept <= set(rows(out, "SELECT key, attempt FROM results"))
    assert rows(out, "SELECT COUNT(*) FROM claims") == [(0,)]
    once(out)


def test_ctrl_c_leaves_what_is_finished(crystals: str, tmp_path: Path) -> None:
    out = tmp_path / "results.db"
    process = start(crystals, "--out", str(out), "--properties", "relax,elastic", "-m", MODEL, "--batch", "1")
    until(lambda: count(out) >= 4)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 130
    assert "what was finished is kept" in err
    assert "Traceback" not in err
    assert 4 <= count(out) < RESULTS
    assert rows(out, "SELECT COUNT(*) FROM claims") == [(0,)]
    once(out)


def test_table_json_lines_and_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "si.cif").write_text(write_structure(bulk("Si", a=5.5), "cif"))
    (tmp_path / "cu.cif").write_text(write_structure(bulk("Cu"), "cif"))
    out = str(tmp_path / "results.db")
    done = run(str(tmp_path / "si.cif"), "--out", out, "-p", "eos", "-m", MODEL, "--workers", "1", "--json")
    assert done.returncode == 0, done.stderr
    first, last = (json.loads(line) for line in done.stdout.splitlines())
    from sus2.structures import read_structure

    alone = sus2.eos(read_structure("si.cif", (tmp_path / "si.cif").read_bytes()), sus2.load(MODEL))
    assert first["structure"].endswith("si.cif")
    assert (first["property"], first["potential"]) == ("eos", MODEL)
    assert first["b0_gpa"] == pytest.approx(alone.b0_gpa, rel=1e-8)
    assert last["summary"]["complete"] is True
    done = run(str(tmp_path), "--out", out, "-p", "eos", "-m", MODEL, "--workers", "1")
    assert done.returncode == 1
    assert "1 computed now, 1 there before" in done.stdout
    assert "1 failed" in done.stdout


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    out = str(tmp_path / "results.db")
    for arguments, words in (
        (["nowhere.cif", "--out", out], "no file 'nowhere.cif'"),
        (["si", "--out", out, "-p", "colour"], "no property 'colour'"),
        (["si", "--out", out, "-m", "nomodel"], "nomodel"),
        (["si", "--out", str(tmp_path / "no" / "x.db")], "no folder"),
        (["si", "--out", out, "--set", "eos.colour=3"], "give NAME=VALUE"),
        (["si", "--out", out, "--set", "n_points=3"], "PROPERTY.NAME=VALUE"),
        (["si", "--out", out, "--scheduler", "rubbish"], "No Dask scheduler"),
        (["si", "--out", out, "--scheduler", "tcp://127.0.0.1:1"], "No Dask scheduler"),
    ):
        found = CliRunner().invoke(app, ["screen", *arguments])
        # main() prints the sentence and ends with exit code 2.
        assert isinstance(found.exception, Sus2Error), arguments
        assert words in str(found.exception)
    done = run("nowhere.cif", "--out", out)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["There is no file 'nowhere.cif', nor a sample of that key (see: sus2 samples)."]


# A cluster --------------------------------------------------------------------------------------------------------


class Cluster:
    """A scheduler of distributed and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        process = self.start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"
        )

        def answers() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0

        until(answers)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start(
            "distributed.cli.dask_worker",
            self.address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--host",
            "127.0.0.1",
        )

    def has(self, workers: int) -> bool:
        from distributed import Client

        with Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=LONG_S)
            return len(client.nthreads()) >= workers

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def cluster(
    folder: Path, workers: int
) -> Iterator[tuple[Cluster, subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError:
        require("distributed is not installed (pip install 'sus2[dask]')")
    made = Cluster(folder)
    try:
        scheduler = made.scheduler()
        started = [made.worker() for _ in range(workers)]
        assert made.has(workers)
        yield made, scheduler, started
    finally:
        made.close()


def test_a_cluster_loses_a_worker_and_then_its_scheduler(crystals: str, tmp_path: Path) -> None:
    out = tmp_path / "results.db"
    command = [crystals, "--out", str(out), "-p", "relax,elastic", "-m", MODEL, "--batch", "2"]
    with cluster(tmp_path, 2) as (made, scheduler, workers):
        process = start(*command, "--scheduler", made.address)
        until(lambda: count(out) >= 8)
        assert len(rows(out, "SELECT DISTINCT worker FROM results")) >= 1
        workers[0].kill()
        seen = count(out)
        until(lambda: count(out) >= seen + 8 or process.poll() is not None)
        scheduler.kill()
        _, err = process.communicate(timeout=LONG_S)
        assert process.returncode == 2, err
        assert "what was finished is kept" in err
        kept = set(rows(out, "SELECT key, attempt FROM results"))
        assert 16 <= len(kept) < RESULTS
    done = run(*command, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert kept <= set(rows(out, "SELECT key, attempt FROM results"))
    assert count(out, "ok") == RESULTS
    once(out)


def test_a_cluster_shares_the_work(crystals: str, tmp_path: Path) -> None:
    out = tmp_path / "results.db"
    with cluster(tmp_path, 2) as (made, _, _):
        command = [crystals, "--out", str(out), "-p", "relax", "-m", MODEL, "--batch", "2", "--scheduler", made.address]
        done = run(*command, "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])["summary"]
        assert (summary["computed"], summary["workers"]) == (CRYSTALS, 2)
        assert len(rows(out, "SELECT DISTINCT worker FROM results")) == 2
    once(out)
