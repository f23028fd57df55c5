"""The database of results: what comes back, and what happens to a damaged one."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from sqlalchemy import event

from sus2.errors import StoreError
from sus2.screening.start import screen
from sus2.screening.store import ScreenStore
from sus2.screening.tables import Source, atoms_of
from sus2.structures import content_key
from tests.helpers_screening import MODEL, rows, silicon

# The database -----------------------------------------------------------------------------------------------------


def test_a_crystal_comes_back_as_it_was(out: Path) -> None:
    atoms = bulk("Si") * (1, 2, 1)
    atoms.rattle(0.1, seed=3)
    atoms.set_masses([28.0] * 3 + [30.0])
    store = ScreenStore(out)
    store.add_sources([Source("one", "", content_key(atoms), atoms)])
    key = content_key(atoms)
    back = store.atoms([key, "no such key"])[key]
    store.close()
    assert np.array_equal(back.positions, atoms.positions)
    assert np.array_equal(back.cell.array, atoms.cell.array)
    assert np.array_equal(back.get_masses(), atoms.get_masses())
    with pytest.raises(StoreError, match="damaged"):
        atoms_of({"numbers": [14]})


def test_a_database_that_is_damaged_or_another_programs_stays_as_it_is(tmp_path: Path) -> None:
    import sqlite3

    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database at all " * 100)
    with pytest.raises(StoreError, match="not a database"):
        screen(silicon(1), MODEL, properties=["relax"], out=damaged)
    assert damaged.read_bytes().startswith(b"this is no database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE letters (text TEXT)")
    db.close()
    with pytest.raises(StoreError, match="another program's"):
        screen(silicon(1), MODEL, properties=["relax"], out=other)
    assert rows(other, "SELECT name FROM sqlite_master") == [("letters",)]


def test_a_truncated_database_is_an_error_of_one_sentence(inline: Executor, out: Path) -> None:
    screen(silicon(40), MODEL, properties=["relax"], out=out, executor=inline, batch=20)
    for suffix in ("-wal", "-shm"):
        Path(f"{out}{suffix}").unlink(missing_ok=True)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"cannot be used .*malformed|restore"):
        screen(silicon(40), MODEL, properties=["relax"], out=out, executor=inline)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder"):
        screen(silicon(1), MODEL, out=tmp_path / "none" / "results.db")
    with pytest.raises(StoreError, match="cannot be used"):
        screen(silicon(1), MODEL, out=tmp_path)
    with pytest.raises(StoreError, match="not understood"):
        screen(silicon(1), MODEL, out="nosuchdatabase://here/there")


def test_a_read_only_database(inline: Executor, out: Path) -> None:
    screen(silicon(1), MODEL, properties=["relax"], out=out, executor=inline)
    out.chmod(0o444)
    # The superuser writes where nobody else may, so the attempt is made as somebody else.
    other = "os.setuid(65534)" if os.getuid() == 0 else "pass"
    script = f"import os; from sus2.screening.store import ScreenStore; {other}; ScreenStore({str(out)!r})"
    for folder in (out.parent, *out.parent.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "StoreError" in done.stderr
    assert "read" in done.stderr.splitlines()[-1]


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(
    inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sus2.screening.store._TRIES", 1)
    start = ScreenStore.__init__

    def small(self: ScreenStore, path: Any) -> None:
        start(self, path)

        # SQLite's own error for a database that cannot grow is the one of a full disk.
        @event.listens_for(self.engine, "connect")
        def limit(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA max_page_count = 32")

        self.engine.dispose()

    with monkeypatch.context() as patched:
        patched.setattr(ScreenStore, "__init__", small)
        with pytest.raises(StoreError, match=r"full.*make room"):
            screen(silicon(60), MODEL, properties=["relax"], out=out, executor=inline, batch=4)
    ((kept,),) = rows(out, "SELECT COUNT(*) FROM results")
    assert 0 < kept < 60
    rest = screen(silicon(60), MODEL, properties=["relax"], out=out, executor=inline)
    assert rest.reused == kept
    assert rest.reused + rest.computed == 60


def test_passwords_are_not_shown() -> None:
    with pytest.raises(StoreError) as caught:
        ScreenStore("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
