"""Memory: estimated before a calculation starts, right within a factor of two, and refused where it is too much."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

import sus2
from sus2 import memory
from sus2.cli.main import app as command_line
from sus2.errors import Sus2Error
from sus2.jobs import executor as jobs
from sus2.jobs import memory as limits
from sus2.jobs.calculation import Calculation
from sus2.jobs.queue import JobQueue
from sus2.potential.card import read_card
from sus2.properties.phonons.report import phonon_report
from sus2.registry.load import pretrained_folder
from sus2.registry.reference import PotentialRef
from sus2.settings import settings
from sus2.structures import write_structure

# Asked in a process of its own: loads, computes and prints the highest memory that it ever had, MiB.
PROGRAM = """
import sys, numpy as np, sus2
from sus2.properties.phonons.report import phonon_report
from sus2.structures import read_structure
name, path, method = sys.argv[1:]
atoms = read_structure(path, open(path, "rb").read())
potential = sus2.load("si-mlearn-pbe")
options = {} if name in ("relax", "eos") else {"relaxed": True}
if name == "relax":
    options = {"max_steps": 2}
elif name == "eos":
    options = {"n_points": 5, "relaxed": True}
elif method:
    options["method"] = method
if name == "compare":
    sus2.compare(atoms, [potential, sus2.load("sus2-universal-r2scan")])
else:
    {"phonon_report": phonon_report}.get(name, getattr(sus2, name, None))(atoms, potential, **options)
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:")))
"""


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def silicon(*repeats: int) -> Atoms:
    """Silicon without symmetry: atoms moved a little, so that nothing reduces it to its primitive cell."""
    atoms = bulk("Si", "diamond", 5.46, cubic=True).repeat(repeats)
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.003, atoms.positions.shape)
    return atoms


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize(
    ("function", "repeats", "method"),
    [
        ("relax", (4, 4, 4), ""),
        ("eos", (2, 2, 2), ""),
        ("elastic", (2, 2, 2), ""),
        ("elastic", (3, 3, 3), ""),
        ("elastic", (4, 4, 3), ""),
        ("phonon_report", (1, 1, 1), ""),
        ("phonon_report", (2, 2, 1), ""),
        ("thermal", (1, 1, 1), ""),
        ("phonon_report", (1, 1, 1), "finite"),
        ("compare", (1, 1, 1), ""),
    ],
)
def test_the_estimate_is_right_within_a_factor_of_two(
    function: str, repeats: tuple[int, int, int], method: str, tmp_path: Path
) -> None:
    # The longest ones as perfect crystals, in their primitive cell.
    atoms = bulk("Si", "diamond", 5.46) if function in ("thermal", "compare") else silicon(*repeats)
    path = tmp_path / "si.cif"
    path.write_text(write_structure(atoms, "cif"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, function, str(path), method],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured = float(done.stdout)
    cutoffs = [5.0, 6.0] if function == "compare" else [5.0]
    estimate = limits.peak_mib(function, [atoms], cutoffs, {"method": method} if method else {})
    assert estimate is not None
    assert 0.5 * measured < estimate < 2.0 * measured


def test_the_estimate_grows_with_atoms_and_reach() -> None:
    sizes = [limits.peak_mib("elastic", [silicon(n, n, n)], [5.0]) or 0.0 for n in (1, 2, 3, 4)]
    assert sizes == sorted(sizes)
    assert sizes[3] > 3 * sizes[2]
    assert (limits.peak_mib("elastic", [silicon(2, 2, 2)], [8.0]) or 0.0) > sizes[1]
    assert limits.peak_mib("models", [silicon(1, 1, 1)], [5.0]) is None


def test_refused_with_what_it_needs_and_what_there_is(limit: pytest.MonkeyPatch) -> None:
    limit.setenv("SUS2_MAX_MEMORY_MB", "2048")
    limits.check_memory("elastic", [silicon(3, 3, 3)], [5.0])
    with pytest.raises(Sus2Error, match=r"about 3\.0 GiB of memory and 2\.0 GiB are allowed here.*SUS2_MAX_MEMORY_MB"):
        limits.check_memory("elastic", [silicon(4, 4, 4)], [5.0])


def test_a_supercell_of_a_small_crystal_is_not_refused(limit: pytest.MonkeyPatch) -> None:
    """The functions reduce it to its primitive cell, and so does the estimate."""
    limit.setenv("SUS2_MAX_MEMORY_MB", "1024")
    perfect = bulk("Si", "diamond", 5.46, cubic=True).repeat(4)
    limits.check_memory("elastic", [perfect], [5.0])
    limits.check_memory("phonon_report", [perfect], [5.0])


def test_without_a_limit_the_free_memory_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_mib", lambda: 500.0)
    with pytest.raises(Sus2Error, match="memory"):
        limits.check_memory("elastic", [silicon(3, 3, 3)], [5.0])


def test_free_memory_is_that_of_the_computer_or_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   8388608 kB\n"}
    monkeypatch.setattr(memory, "_read", lambda path: files.get(path, ""))
    assert memory.free_mib() == 8192.0
    files |= {"/sys/fs/cgroup/memory.max": f"{4 * 2**30}\n", "/sys/fs/cgroup/memory.current": f"{2**30}\n"}
    assert memory.free_mib() == 3072.0
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert memory.free_mib() == 8192.0
    files.clear()
    assert memory.free_mib() == float("inf")


def test_the_cutoff_is_read_without_loading_the_potential() -> None:
    card = read_card(pretrained_folder() / "si-mlearn-pbe.json")
    assert limits.cutoff_of(PotentialRef.of(card)) == sus2.load("si-mlearn-pbe").cutoff
    raw = (pretrained_folder() / "c-diamond-dft.mtp").read_bytes()
    assert limits.cutoff_of(PotentialRef.of(card, raw)) == sus2.load("c-diamond-dft").cutoff
    for text in (b"", b"max_dist = nan", b"max_dist = -1", b"max_dist = 1e9", b"max_dist = e"):
        assert limits.cutoff_of(PotentialRef.of(card, text)) == 6.0


def test_the_board_refuses_it_before_it_starts(limit: pytest.MonkeyPatch) -> None:
    limit.setenv("SUS2_MAX_MEMORY_MB", "1024")
    card = read_card(pretrained_folder() / "si-mlearn-pbe.json")
    started: list[Calculation] = []

    class Hand(jobs.InlineExecutor):
        def submit(self, fn: Any, *args: Any, **kwargs: Any) -> Future[Any]:
            started.append(args[0])
            return Future()

    queue = JobQueue(Hand(), slots=1, max_jobs=4, max_seconds=600)
    reference = PotentialRef.of(card)
    with pytest.raises(Sus2Error, match="memory"):
        queue.submit(Calculation.of(sus2.elastic, atoms=silicon(4, 4, 4), potential=reference), "me")
    with pytest.raises(Sus2Error, match="memory"):
        queue.submit(Calculation.of(phonon_report, atoms=silicon(4, 4, 4), potential=reference), "me")
    assert not started
    assert queue.idle
    queue.submit(Calculation.of(sus2.relax, atoms=silicon(4, 4, 4), potential=reference), "me")
    assert len(started) == 1


def test_the_command_line_refuses_it_before_it_starts(limit: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit.setenv("SUS2_MAX_MEMORY_MB", "1024")
    path = tmp_path / "si.cif"
    path.write_text(write_structure(silicon(4, 4, 4), "cif"))
    for command in ("elastic", "phonons", "thermal", "check"):
        done = CliRunner().invoke(command_line, [command, str(path), "--model", "si-mlearn-pbe"])
        assert isinstance(done.exception, Sus2Error), (command, done.output)
        assert "memory" in str(done.exception)
