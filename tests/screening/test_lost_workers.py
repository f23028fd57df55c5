"""Workers that die, pools that break, and workers of another version."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from sus2.errors import Sus2Error
from sus2.jobs.executor import LocalExecutor
from sus2.screening.start import screen
from tests import helpers_screening as helpers
from tests.helpers_screening import MODEL, once, rows, silicon, triangle
from tests.screening.runs import results

# Lost workers -----------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_in_mid_batch_costs_nothing_but_time(out: Path, tmp_path: Path) -> None:
    executor = helpers.Instead(LocalExecutor(1), helpers.deadly_once, str(tmp_path / "flag"))
    try:
        found = screen(silicon(6), MODEL, properties=["relax"], out=out, executor=executor, batch=6)
    finally:
        executor.shutdown(cancel_futures=True)
    assert (tmp_path / "flag").exists()
    assert (found.computed, found.failed) == (6, 0)
    once(out)


def test_a_structure_that_kills_its_worker_twice_is_given_up(out: Path) -> None:
    crystals = {**silicon(1), "deadly": triangle()}
    executor = helpers.Instead(LocalExecutor(1), helpers.deadly)
    try:
        found = screen(crystals, MODEL, properties=["relax"], out=out, executor=executor, batch=2)
    finally:
        executor.shutdown(cancel_futures=True)
    kept = results(out)
    assert [name for (name, _), (ok, _, _) in kept.items() if not ok] == ["deadly"]
    assert "was killed 2 times" in kept["deadly", "relax"][1]
    assert "signal 9" in kept["deadly", "relax"][1]
    assert found.computed == 2
    once(out)


def test_a_batch_is_split_until_what_kills_is_alone(out: Path) -> None:
    executor = helpers.Losing()
    crystals = {**silicon(9), "deadly": triangle(), **silicon(6, seed=1)}
    found = screen(crystals, MODEL, properties=["relax", "elastic"], out=out, executor=executor, batch=16)
    kept = results(out)
    failed = {key for key, (ok, _, _) in kept.items() if not ok}
    assert ("deadly", "relax") in failed
    # Another property of the same structure is not to blame, whatever it gives, and neither is a neighbour.
    assert "killed" not in kept["deadly", "elastic"][1]
    assert {name for name, _ in failed} == {"deadly"}
    assert found.computed == 32
    # Halves of 16 down to one, that one with both properties, then the guilty one once more.
    assert executor.lost == [16, 8, 4, 2, 1, 1]
    once(out)


def test_a_pool_that_breaks_as_a_whole_is_made_again(out: Path) -> None:
    crystals = {**silicon(2), "deadly": triangle()}

    def pool() -> Executor:
        inner = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return helpers.Instead(inner, helpers.deadly, workers=1)

    found = screen(crystals, MODEL, properties=["relax"], out=out, executor=pool, batch=1)
    kept = results(out)
    assert [name for (name, _), (ok, _, _) in kept.items() if not ok] == ["deadly"]
    assert found.computed == 3
    once(out)


def test_a_broken_executor_that_cannot_be_made_again(out: Path) -> None:
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with pytest.raises(Sus2Error, match="run the same again"):
        screen(
            {"deadly": triangle()}, MODEL, properties=["relax"], out=out, executor=helpers.Instead(pool, helpers.deadly)
        )
    pool.shutdown()


def test_a_worker_with_other_code_is_refused(inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sus2.screening.run.code_version", lambda: "0.0.1-older")
    with pytest.raises(Sus2Error, match="install the same one everywhere"):
        screen(silicon(2), MODEL, properties=["relax"], out=out, executor=inline)
    assert rows(out, "SELECT COUNT(*) FROM results") == [(0,)]
