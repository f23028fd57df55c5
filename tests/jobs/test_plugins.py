"""Long calculations of a potential of others in worker processes: how far they are, and Cancel."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase.build import bulk

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.jobs.calculation import Calculation
from sus2.jobs.executor import LocalExecutor
from sus2.jobs.queue import JobQueue
from sus2.registry.others import plugins
from sus2.registry.reference import PotentialRef
from sus2.settings import settings

LONG_S = 240.0
DISPLACEMENTS = 24

# It writes a line for each supercell, and waits at the third until the test lets it go on.
MODULE = """
import time
from pathlib import Path

from ase.calculators.emt import EMT

FOLDER = Path(__file__).parent


class Slow(EMT):
    def calculate(self, atoms=None, properties=("energy",), changes=("positions", "numbers", "cell", "pbc")):
        if len(atoms) >= 100:
            with (FOLDER / "done.txt").open("a") as file:
                print(len(atoms), file=file)
            while len((FOLDER / "done.txt").read_text().split()) >= 3 and not (FOLDER / "go").exists():
                time.sleep(0.005)
        super().calculate(atoms, list(properties), list(changes))
"""
TABLE = '[potentials.slow]\nfunctional = "none"\nelements = ["Cu"]\nfactory = "slow_emt:Slow"\n'


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a plug-in that the settings list, for this process and for its workers."""
    (tmp_path / "slow_emt.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "settings.toml").write_text(TABLE, encoding="utf-8")
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("SUS2_SETTINGS", str(tmp_path / "settings.toml"))
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def asked() -> Calculation:
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.05, seed=1)
    return Calculation.of(
        sus2.phonons, atoms=crystal, potential=PotentialRef.external("slow"), relaxed=True, supercell=[3, 3, 3]
    )


@pytest.mark.parametrize("listens", [True, False])
def test_phonons_say_how_far_they_are_and_are_cancelled(slow: Path, listens: bool) -> None:
    queue = JobQueue(LocalExecutor(1), slots=1, max_jobs=4, max_seconds=600)
    job = queue.submit(asked(), "ann")
    deadline = time.monotonic() + LONG_S
    while not (job.over or (job.stage == "displacements" and job.fraction > 0.0)) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not job.over, job.error
    assert round(job.fraction * DISPLACEMENTS, 6) in (1.0, 2.0)
    queue.leave(job.key, "ann")
    if listens:
        (slow / "go").touch()
    assert job.ended.wait(LONG_S)
    assert isinstance(job.error, CancelledError)
    assert len((slow / "done.txt").read_text().split()) < DISPLACEMENTS
    # The worker, or the one in its place, takes what comes next.
    (slow / "go").touch()
    again = queue.submit(asked(), "ann")
    assert again.ended.wait(LONG_S)
    assert again.error is None
    assert again.status == "done"
    assert len((slow / "done.txt").read_text().split()) > DISPLACEMENTS
    queue.close()


def test_what_is_stated_to_be_too_much_is_refused_before_it_starts(slow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_MAX_MEMORY_MB", "2048")
    settings.cache_clear()
    queue = JobQueue(LocalExecutor(1), slots=1, max_jobs=4, max_seconds=600)
    (slow / "settings.toml").write_text(TABLE + "memory_mb_per_atom = 40.5\n", encoding="utf-8")
    assert plugins.found().plugins["slow"].memory_mb_per_atom == 40.5
    with pytest.raises(Sus2Error, match=r"about 4\.\d GiB of memory and 2\.0 GiB are allowed here"):
        queue.submit(asked(), "ann")
    assert not (slow / "done.txt").exists()
    (slow / "settings.toml").write_text(TABLE + "memory_mb_per_atom = -1\n", encoding="utf-8")
    assert any("memory_mb_per_atom" in problem for problem in plugins.found().problems)
    queue.close()
