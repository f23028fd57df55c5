"""The program of docs/deployment.md for SLURM, with stand-ins for sbatch and scancel that run the jobs right here."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import require
from tests.helpers_screening import rows

# What SLURM's own commands do as far as dask-jobqueue asks: sbatch takes a script and names the job, scancel ends it.
SBATCH = """#!/bin/sh
id=$$
cp "$1" "$SLURM_STAND_IN/$id.sh"
setsid sh "$SLURM_STAND_IN/$id.sh" > "$SLURM_STAND_IN/$id.log" 2>&1 &
echo $! > "$SLURM_STAND_IN/$id.pid"
echo "Submitted batch job $id"
"""
SCANCEL = """#!/bin/sh
for id in "$@"; do kill -- "-$(cat "$SLURM_STAND_IN/$id.pid")" && touch "$SLURM_STAND_IN/$id.cancelled"; done
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[Path]:
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(root))
    # Jobs speak to the scheduler by the network of this computer alone.
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__INTERFACE", "lo")
    yield folder
    for pid in folder.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="SLURM runs on Linux")
def test_the_documented_program(root: Path, tmp_path: Path, stand_in: Path) -> None:
    if importlib.util.find_spec("dask_jobqueue") is None:
        require("dask-jobqueue is not installed (pip install 'sus2[slurm]')")
    page = (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```python\n(# cluster\.py\n.*?)```", page, re.DOTALL)
    # Smaller jobs than those of a cluster's node: two of one process each.
    for old, new in (("cores=16, processes=16", "cores=1, processes=1"), ("32GB", "4GB"), ("jobs=4", "jobs=2")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "cluster.py").write_text(text)
    program = subprocess.Popen(
        [sys.executable, "cluster.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        assert address.startswith("tcp://")
        out = tmp_path / "results.db"
        command = ["screen", "si", "nacl", "cu", "--out", str(out), "-p", "relax", "--batch", "1", "-m"]
        command = [sys.executable, "-m", "sus2.cli", *command, "sus2-universal-pbe", "--scheduler", address, "--json"]
        deadline = time.monotonic() + 300
        while True:  # the jobs take a while to start; until then the command says so in one sentence
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            if done.returncode == 0 or "has no workers" not in done.stderr or time.monotonic() > deadline:
                break
            time.sleep(1)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])["summary"]
        assert (summary["computed"], summary["failed"]) == (3, 0)
        assert len(rows(out, "SELECT key FROM results")) == 3
        jobs = {p.stem for p in stand_in.glob("*.sh")}
        assert len(jobs) == 2
        script = (stand_in / f"{min(jobs)}.sh").read_text()
        assert "#SBATCH -t 04:00:00" in script
        assert "export OMP_NUM_THREADS=1" in script
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(timeout=120)
    # Whoever stops the program stops its jobs.
    assert {p.stem for p in stand_in.glob("*.cancelled")} == jobs
