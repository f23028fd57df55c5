"""Several runs on one database."""

from __future__ import annotations

import threading
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms

import sus2
from sus2.jobs.executor import InlineExecutor
from sus2.registry.reference import PotentialRef
from sus2.screening.run import Run
from sus2.screening.start import screen
from sus2.screening.store import ScreenStore
from tests.helpers_screening import MODEL, once, silicon

# Several runs -----------------------------------------------------------------------------------------------------


def test_two_runs_on_one_database_share_the_work(out: Path) -> None:
    found: list[Any] = []

    def one() -> None:
        executor = InlineExecutor()
        try:
            found.append(screen(silicon(70), MODEL, properties=["relax"], out=out, executor=executor, batch=4))
        finally:
            executor.shutdown()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert sum(s.computed for s in found) == 70
    assert all(s.results == 70 for s in found)
    once(out)


def claim_of_another(out: Path, crystals: dict[str, Atoms], host: str) -> tuple[ScreenStore, str]:
    """A run that has claimed these crystals and shows no sign of life."""
    from sus2.screening.work import calculation

    store = ScreenStore(out)
    other = store.begin_run({})
    with store.engine.begin() as db:
        from sus2.screening.tables import RUNS

        db.execute(RUNS.update().values(host=host, process="1 1"))
    reference = PotentialRef.of(sus2.load(MODEL).card)
    store.claim(other, [calculation("relax", a, reference, {}).key for a in crystals.values()])
    return store, other


def test_claims_of_a_dead_run_of_this_computer_are_void(inline: Executor, out: Path) -> None:
    from sus2.screening.tables import host_name

    crystals = silicon(3)
    store, _ = claim_of_another(out, crystals, host_name())
    store.close()
    assert screen(crystals, MODEL, properties=["relax"], out=out, executor=inline).computed == 3


def test_claims_of_a_silent_run_elsewhere_are_void_after_a_while(
    inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sus2.screening.run.LEASE_S", 0.5)
    crystals = silicon(3)
    store, _ = claim_of_another(out, crystals, "another computer")
    store.close()
    assert screen(crystals, MODEL, properties=["relax"], out=out, executor=inline).computed == 3


def test_what_a_living_run_has_claimed_is_awaited(inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = silicon(2)
    store, other = claim_of_another(out, crystals, "another computer")
    looks: list[int] = []
    look = Run._look_elsewhere

    def finished_elsewhere(self: Run) -> None:
        looks.append(1)
        for task in self.plan.elsewhere:
            store.put(other, [task.outcome(p, ok=True) for p in task.wanted], {}, "code")
        look(self)

    monkeypatch.setattr(Run, "_look_elsewhere", finished_elsewhere)
    found = screen(crystals, MODEL, properties=["relax"], out=out, executor=inline)
    store.close()
    assert looks
    assert (found.computed, found.reused) == (0, 2)
