"""A screening into a real PostgreSQL server: two runs at once, another start, a server that goes away."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ase.build import bulk
from sqlalchemy import select

from sus2.errors import StoreError
from sus2.jobs.executor import InlineExecutor
from sus2.screening.start import screen
from sus2.screening.store import ScreenStore
from sus2.screening.tables import RESULTS
from tests.conftest import require
from tests.helpers_postgresql import postgresql
from tests.helpers_screening import MODEL, silicon


@pytest.fixture(autouse=True, scope="module")
def driver() -> None:
    if importlib.util.find_spec("psycopg") is None:
        require("psycopg is not installed (pip install 'sus2[postgresql]')")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as url:
        yield url


def run(crystals: dict[str, Any], out: str, **options: Any) -> Any:
    executor = InlineExecutor()
    try:
        return screen(crystals, MODEL, properties=["relax"], out=out, executor=executor, **options)
    finally:
        executor.shutdown()


def keys(address: str) -> list[str]:
    store = ScreenStore(address)
    with store.engine.begin() as db:
        found = [key for (key,) in db.execute(select(RESULTS.c.key))]
    store.close()
    return found


def test_two_runs_at_once_share_the_work(address: str) -> None:
    first = run({**silicon(4), "squeezed": bulk("Si", a=2.5)}, address)
    assert (first.computed, first.failed) == (5, 1)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(run(silicon(70), address, batch=4))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(300)
    assert sum(s.computed for s in found) == 66
    kept = keys(address)
    assert len(kept) == len(set(kept)) == 71
    again = run(silicon(70), address)
    assert (again.reused, again.computed) == (70, 0)


def test_a_database_that_is_not_there_is_one_sentence(address: str) -> None:
    with pytest.raises(StoreError) as caught:
        ScreenStore(address.replace("/postgres", "/nowhere").replace("sus2@", "sus2:secret@"))
    assert "nowhere" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_has_gone_is_one_sentence() -> None:
    with postgresql() as address:
        run(silicon(2), address)
    with pytest.raises(StoreError) as caught:
        run(silicon(2), address)
    assert "\n" not in str(caught.value)
