"""The store: what it keeps, what it gives up, and files that cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sus2.errors import StoreError
from sus2.jobs.calculation import StoredResult
from sus2.jobs.store import Store


def an_answer(key: str, size: int = 100) -> StoredResult:
    return StoredResult(key, os.urandom(size), 1.7e9, 1.5, {"sus2": "0"})


def note(store: Store, owner: str, key: str, **changes: str) -> None:
    about = {"page": "Phonons", "label": "my_file.cif", "formula": "Si8", "model": "m", "address": "phonons?x=1"}
    store.remember(owner, key, **{**about, **changes})


def test_an_answer_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "r.db", max_bytes=10_000)
    assert store.get("k") is None
    kept = an_answer("k")
    store.put(kept, "eos")
    assert Store(store.path, max_bytes=10_000).get("k") == kept
    store.delete("k")
    assert store.get("k") is None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=1000)
    for key in "abc":
        store.put(an_answer(key, 300), "eos")
    assert store.get("a") is not None  # now b is the one not used for longest
    store.put(an_answer("d", 300), "eos")
    assert [key for key in "abcd" if store.get(key) is not None] == ["a", "c", "d"]
    assert store.size() == (3, 900)
    store.put(an_answer("huge", 1001), "eos")
    assert store.get("huge") is None
    assert store.size() == (3, 900)


def test_a_damaged_answer_is_no_answer(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    store.put(an_answer("k"), "eos")
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE results SET packed = ?", (b"other",))
    assert store.get("k") is None
    assert store.size() == (0, 0)


@pytest.mark.parametrize("garbage", [b"no database at all" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_file_is_put_aside(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(garbage)
    store = Store(path, max_bytes=10_000)
    store.put(an_answer("k"), "eos")
    assert store.get("k") is not None
    assert (tmp_path / "r.db.damaged").read_bytes() == garbage


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer release"):
        Store(path, max_bytes=10_000)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "r.db", max_bytes=10_000)


def limited(path: Path, pragma: str, max_bytes: int) -> Store:
    """The store of a file whose connections all have a limit."""

    class Limited(Store):
        def _prepare(self) -> None: ...

        @contextmanager
        def _open(self) -> Iterator[sqlite3.Connection]:
            with super()._open() as db:
                db.execute(f"PRAGMA {pragma}")
                yield db

    return Limited(path, max_bytes=max_bytes)


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000_000)
    first = an_answer("first")
    store.put(first, "eos")

    # SQLite itself refuses to grow the file, as it does on a full disk.
    full = limited(store.path, "max_page_count = 1", max_bytes=10_000_000)
    with pytest.raises(StoreError, match="full"):
        full.put(an_answer("second", 1_000_000), "eos")
    assert store.get("first") == first
    assert store.get("second") is None


def test_a_store_that_can_only_be_read_still_answers(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    kept = an_answer("k")
    store.put(kept, "eos")

    locked = limited(store.path, "query_only = 1", max_bytes=10_000)
    assert locked.get("k") == kept
    with pytest.raises(StoreError, match="readonly"):
        locked.put(an_answer("other"), "eos")


def test_each_owner_sees_only_the_own_history(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    store.put(an_answer("k1"), "eos")
    note(store, "ann", "k1")
    note(store, "bob", "k1", label="secret.cif")
    note(store, "ann", "k2", page="Elasticity", formula="Cu4")
    found = store.history("ann")
    assert [(e.key, e.page, e.seconds) for e in found] == [("k2", "Elasticity", None), ("k1", "Phonons", 1.5)]
    assert [e.label for e in store.history("bob")] == ["secret.cif"]
    assert store.history("eve") == []


def test_history_is_searched_by_words(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    note(store, "ann", "k1")
    note(store, "ann", "k2", page="Elasticity", formula="Cu4", label="100%")
    assert [e.key for e in store.history("ann", search="elas Cu4")] == ["k2"]
    assert [e.key for e in store.history("ann", search="my_file")] == ["k1"]
    assert [e.key for e in store.history("ann", search="myXfile")] == []
    assert [e.key for e in store.history("ann", search="100%")] == ["k2"]
    assert [e.key for e in store.history("ann", search="' OR 1=1 --")] == []


def test_a_repeated_question_moves_to_the_front(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    for key in ("k1", "k2", "k1"):
        note(store, "ann", key)
    assert [e.key for e in store.history("ann")] == ["k1", "k2"]


def test_forgetting_takes_only_what_is_ones_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db", max_bytes=10_000)
    for key in ("k1", "k2", "k3"):
        store.put(an_answer(key), "eos")
        note(store, "ann", key)
    note(store, "bob", "k1")
    theirs = store.history("bob")[0].id
    store.forget("ann", [theirs, *(e.id for e in store.history("ann") if e.key != "k3")])
    assert [e.key for e in store.history("ann")] == ["k3"]
    assert [e.key for e in store.history("bob")] == ["k1"]
    assert store.get("k1") is not None  # bob still names it
    assert store.get("k2") is None
    store.forget("ann")
    assert store.history("ann") == []


_WRITER = """
import sys
from sus2.jobs.calculation import StoredResult
from sus2.jobs.store import Store
store = Store(sys.argv[1], max_bytes=10_000_000)
for k in range(60):
    store.put(StoredResult(f"{sys.argv[2]}{k}", b"x" * 1000, 0.0, 1.0, {}), "eos")
    store.remember("o", f"{sys.argv[2]}{k}", page="p", label="l", formula="f", model="m", address="a")
"""


def test_two_servers_share_one_store(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name]) for name in ("a", "b")]
    assert [w.wait(300) for w in writers] == [0, 0]
    store = Store(path, max_bytes=10_000_000)
    assert store.size() == (120, 120_000)
    assert len(store.history("o")) == 120


def test_a_killed_writer_leaves_a_store_that_works(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER.replace("range(60)", "range(10**9)"), str(path), "a"])
    store = Store(path, max_bytes=10_000_000)
    while store.size()[0] < 5 and writer.poll() is None:
        time.sleep(0.02)
    writer.kill()
    writer.wait()
    n, held = store.size()
    assert n >= 5
    assert held == 1000 * n
    store.put(an_answer("after"), "eos")
    assert store.get("after") is not None
