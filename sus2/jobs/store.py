"""Results that are kept: one SQLite file, shared by every server and session of a computer.

Results are found by the key of their calculation alone, which nobody can guess; the history lists who asked for what,
and each owner sees only their own entries. Where the file cannot be used, the caller goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sus2.errors import StoreError
from sus2.jobs.calculation import StoredResult

_BUSY_S = 10.0
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, seconds REAL NOT NULL, machine TEXT NOT NULL,
    used INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT NOT NULL, packed BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS results_used ON results (used);
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, at REAL NOT NULL, key TEXT NOT NULL, page TEXT NOT NULL,
    label TEXT NOT NULL, formula TEXT NOT NULL, model TEXT NOT NULL, address TEXT NOT NULL,
    UNIQUE (owner, key, page));
CREATE INDEX IF NOT EXISTS history_owner ON history (owner, at);
"""


@dataclass(frozen=True)
class Entry:
    """One line of a history: what was computed, when, and the address that opens it.

    Attributes
    ----------
    id : int
        Number of the line.
    key : str
        Key of the calculation.
    at : float
        When, seconds since 1970.
    page : str
        Name of the page.
    label : str
        Name of the crystal.
    formula : str
        Its formula.
    model : str
        Name of the potential.
    address : str
        Address that opens the same view.
    seconds : float or None
        Seconds of computing; None where the result is no longer cached.
    """

    id: int
    key: str
    at: float
    page: str
    label: str
    formula: str
    model: str
    address: str
    seconds: float | None


@contextlib.contextmanager
def database(path: Path, name: str, consequence: str = "", busy_s: float = _BUSY_S) -> Iterator[sqlite3.Connection]:
    """Open an SQLite file for one transaction.

    Parameters
    ----------
    path
        The file.
    name
        What an error calls it.
    consequence
        What follows where it cannot be used, for the end of the sentence.
    busy_s
        How long to wait for others that write to it, seconds.

    Yields
    ------
    sqlite3.Connection
        Committed at the end, and closed.

    Raises
    ------
    StoreError
        The file cannot be opened or used.
    """
    try:
        db = sqlite3.connect(path, timeout=busy_s)
    except sqlite3.Error as error:
        raise StoreError(f"{name} cannot be opened ({error}).") from None
    try:
        with db:
            yield db
    except sqlite3.Error as error:
        raise StoreError(f"{name} cannot be used ({error}){consequence}.") from None
    finally:
        db.close()


class Store:
    """The results in one file, up to max_bytes of them; the ones not used for longest go first.

    Raises StoreError with one sentence where the file cannot be read or written. A file that is damaged is put aside
    as NAME.damaged and a new one is begun.
    """

    def __init__(self, path: str | Path, *, max_bytes: int) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder of the store cannot be made ({error.strerror}).") from None
        try:
            self._prepare()
        except StoreError:
            if not self._damaged():
                raise
            self._put_aside()
            self._prepare()

    # ---- results

    def get(self, key: str) -> StoredResult | None:
        """The answer of a key.

        Parameters
        ----------
        key
            Of the calculation.

        Returns
        -------
        StoredResult or None
            None where there is none, or only a damaged one.

        Raises
        ------
        StoreError
            The file cannot be read.
        """
        with self._open() as db:
            row = db.execute(
                "SELECT created, seconds, machine, digest, packed FROM results WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        created, seconds, machine, digest, packed = row
        if hashlib.sha256(packed).hexdigest() != digest:
            with contextlib.suppress(StoreError):
                self.delete(key)
            return None
        # A store that can only be read still answers.
        with contextlib.suppress(StoreError), self._open() as db:
            db.execute("UPDATE results SET used = (SELECT MAX(used) + 1 FROM results) WHERE key = ?", (key,))
        return StoredResult(key, packed, created, seconds, json.loads(machine))

    def put(self, result: StoredResult, name: str) -> None:
        """Keep an answer; too large a one is not kept.

        Parameters
        ----------
        result
            The answer.
        name
            Of its function.

        Raises
        ------
        StoreError
            The file cannot be written.
        """
        size = len(result.packed)
        if size > self.max_bytes:
            return
        row = (
            result.key,
            name,
            result.created,
            result.seconds,
            json.dumps(dict(result.machine)),
            size,
            hashlib.sha256(result.packed).hexdigest(),
            result.packed,
        )
        with self._open() as db:
            db.execute(
                "INSERT OR REPLACE INTO results (key, name, created, seconds, machine, bytes, digest, packed, used) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT COALESCE(MAX(used), 0) + 1 FROM results))",
                row,
            )
            (held,) = db.execute("SELECT SUM(bytes) FROM results").fetchone()
            for old, n in db.execute("SELECT key, bytes FROM results ORDER BY used").fetchall():
                if held <= self.max_bytes:
                    break
                db.execute("DELETE FROM results WHERE key = ?", (old,))
                held -= n

    def delete(self, key: str) -> None:
        """Forget a result.

        Parameters
        ----------
        key
            Of the calculation.

        Raises
        ------
        StoreError
            The file cannot be written.
        """
        with self._open() as db:
            db.execute("DELETE FROM results WHERE key = ?", (key,))

    def size(self) -> tuple[int, int]:
        """Number of results and their bytes."""
        with self._open() as db:
            n, held = db.execute("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM results").fetchone()
        return int(n), int(held)

    # ---- history

    def remember(self, owner: str, key: str, *, page: str, label: str, formula: str, model: str, address: str) -> None:
        """Note that an owner saw a result on a page; a second time moves it to the front.

        Parameters
        ----------
        owner
            Who saw it.
        key
            Of the calculation.
        page
            Name of the page.
        label
            Name of the crystal.
        formula
            Its formula.
        model
            Name of the potential.
        address
            That opens the same view.

        Raises
        ------
        StoreError
            The file cannot be written.
        """
        with self._open() as db:
            # A new row with a new id: the order is that of the ids, because the clock may have been set back.
            db.execute(
                "INSERT OR REPLACE INTO history (owner, at, key, page, label, formula, model, address) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (owner, time.time(), key, page, label, formula, model, address),
            )

    def history(self, owner: str, *, search: str = "", limit: int = 200) -> list[Entry]:
        """An owner's entries, the latest first.

        Parameters
        ----------
        owner
            Whose.
        search
            Words that all occur in page, label, formula or model.
        limit
            Entries at most.

        Returns
        -------
        list of Entry
            Of this owner alone.

        Raises
        ------
        StoreError
            The file cannot be read.
        """
        words = [w.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") for w in search.split()]
        where = "".join(
            " AND (h.page || ' ' || h.label || ' ' || h.formula || ' ' || h.model) LIKE ? ESCAPE '\\'" for _ in words
        )
        with self._open() as db:
            rows = db.execute(
                "SELECT h.id, h.key, h.at, h.page, h.label, h.formula, h.model, h.address, r.seconds FROM history h "
                f"LEFT JOIN results r ON r.key = h.key WHERE h.owner = ?{where} ORDER BY h.id DESC LIMIT ?",
                (owner, *(f"%{w}%" for w in words), limit),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def forget(self, owner: str, ids: list[int] | None = None) -> None:
        """Delete entries of an owner's history, and results that nobody's history names.

        Parameters
        ----------
        owner
            Whose.
        ids
            Of the entries; by default all of them.

        Raises
        ------
        StoreError
            The file cannot be written.
        """
        with self._open() as db:
            chosen = [row[0] for row in db.execute("SELECT id FROM history WHERE owner = ?", (owner,))]
            gone = chosen if ids is None else [i for i in ids if i in set(chosen)]
            for i in gone:
                (key,) = db.execute("SELECT key FROM history WHERE id = ?", (i,)).fetchone()
                db.execute("DELETE FROM history WHERE id = ?", (i,))
                db.execute(
                    "DELETE FROM results WHERE key = ? AND NOT EXISTS (SELECT 1 FROM history WHERE key = ?)", (key, key)
                )

    # ---- file

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with database(self.path, f"The store {self.path.name}", "; results are not kept") as db:
            yield db

    def _prepare(self) -> None:
        with self._open() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise StoreError(
                    f"The store {self.path.name} was written by a newer release; choose another folder with SUS2_CACHE."
                )
            if version < _VERSION:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(_TABLES)
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("SELECT COUNT(*) FROM results").fetchone()

    def _damaged(self) -> bool:
        """Whether the file is there and is no readable database, as opposed to one in use or without permission."""
        if not self.path.is_file() or not os.access(self.path, os.R_OK | os.W_OK):
            return False
        try:
            db = sqlite3.connect(self.path, timeout=_BUSY_S)
            try:
                return str(db.execute("PRAGMA quick_check").fetchone()[0]) != "ok"
            finally:
                db.close()
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True

    def _put_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            with contextlib.suppress(FileNotFoundError):
                part.replace(self.path.with_name(f"{self.path.name}.damaged{suffix}"))
