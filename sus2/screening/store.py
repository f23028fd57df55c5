"""The database of a screening: structures, where they came from, results, runs; SQLite or PostgreSQL.

A result has the key of its calculation (sus2.jobs.calculation), so that it is never computed twice. Each write is one
transaction that is on disk when it returns. A run claims what it is going to compute, so that several runs on one
database share the work; claims of a run that is dead are void.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from sqlalchemy import Connection, create_engine, inspect, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from sus2.errors import StoreError
from sus2.screening.tables import (
    ABOUT,
    CLAIMS,
    METADATA,
    RESULTS,
    RUNS,
    SOURCES,
    STRUCTURES,
    VERSION,
    Outcome,
    Source,
    atoms_of,
    host_name,
    keep,
    process_name,
    sentence,
    structure_row,
    tune_sqlite,
)

_MANY = 400  # keys in one statement; SQLite allows 999 variables in old releases
_TRIES = 4


@dataclass(frozen=True)
class Claimed:
    """What became of keys.

    Attributes
    ----------
    done
        Done before, failed ones among them.
    failed
        Of these, those that failed.
    mine
        To be computed now.
    others
        Taken by another run: key -> that run.
    """

    done: frozenset[str]
    failed: frozenset[str]
    mine: frozenset[str]
    others: Mapping[str, str]


class ScreenStore:
    """A database of a screening.

    Parameters
    ----------
    out
        Path of an SQLite file, or a URL of SQLAlchemy (postgresql+psycopg://user@host/name).

    Raises
    ------
    StoreError
        Here and in every method, one sentence: no such database, damaged, not of this program, read-only or full. A
        damaged file is left as it is.
    """

    def __init__(self, out: str | Path) -> None:
        text = str(out)
        is_url = "://" in text
        self.shown = text if not is_url else "database"
        try:
            if is_url:
                if text.startswith("postgresql://"):
                    text = "postgresql+psycopg://" + text.removeprefix("postgresql://")
                self.engine = create_engine(text, pool_pre_ping=True)
                self.shown = self.engine.url.render_as_string(hide_password=True)
            else:
                path = Path(text)
                if not os.path.isdir(path.resolve().parent):  # unlike Path.is_dir, False where it may not look
                    raise StoreError(f"There is no folder '{path.parent}' for the database {path.name}; make it first.")
                self.engine = create_engine(f"sqlite:///{path.resolve()}")
        except (ArgumentError, NoSuchModuleError, ValueError):
            raise StoreError(
                "The address of the database is not understood; give a file name or postgresql://user@host/name."
            ) from None
        except ModuleNotFoundError as error:
            raise StoreError(
                f"This kind of database needs the package {error.name}: pip install 'sus2[postgresql]'."
            ) from None
        if self.engine.dialect.name == "sqlite":
            tune_sqlite(self.engine)
        self._prepare()

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    def _prepare(self) -> None:
        for attempt in range(_TRIES):
            try:
                with self._begin() as db:
                    found = set(inspect(db).get_table_names())
                    if found and "about" not in found:
                        raise StoreError(f"{self.shown} is another program's database; choose another file with --out.")
                    METADATA.create_all(db)
                    keep(db, ABOUT, [{"name": "sus2 screening", "value": VERSION}])
                    rows = {str(row[0]): str(row[1]) for row in db.execute(select(ABOUT.c.name, ABOUT.c.value))}
                break
            except StoreError as error:
                # Two runs that make the tables at the same moment: the slower one finds them made.
                words = str(error).lower()
                if attempt == _TRIES - 1 or not ("already exists" in words or "unique" in words):
                    raise
                time.sleep(0.2)
        if rows.get("sus2 screening") != VERSION:
            raise StoreError(f"{self.shown} was written by another release; choose another file with --out.")

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self.engine.begin() as db:
                yield db
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(sentence(self.shown, error)) from None

    # ---- runs

    def begin_run(self, machine: Mapping[str, str]) -> str:
        """Begin a run of this process; claims of dead runs of this computer become void.

        Parameters
        ----------
        machine
            What to keep of the computer, as versions and processor.

        Returns
        -------
        str
            Identity of the run.
        """
        run = uuid.uuid4().hex
        host, process = host_name(), process_name(os.getpid())
        with self._begin() as db:
            db.execute(
                RUNS.insert().values(
                    id=run,
                    started=time.time(),
                    host=host,
                    process=process,
                    beat=0,
                    computed=0,
                    failed=0,
                    repeated=0,
                    machine=dict(machine),
                )
            )
            for other, owner in db.execute(
                select(RUNS.c.id, RUNS.c.process).where(RUNS.c.ended.is_(None), RUNS.c.host == host)
            ).all():
                if other != run and owner != process_name(int(owner.partition(" ")[0])):
                    _end(db, other)
        return run

    def end_run(self, run: str) -> None:
        """Give up the claims of a run."""
        with self._begin() as db:
            _end(db, run)

    def beat(self, run: str) -> None:
        """Show to other runs that this one is alive."""
        with self._begin() as db:
            db.execute(RUNS.update().where(RUNS.c.id == run).values(beat=RUNS.c.beat + 1))

    def beats(self, runs: Iterable[str]) -> dict[str, int]:
        """Signs of life of runs; a run whose number does not change any more is dead.

        Parameters
        ----------
        runs
            Identities.

        Returns
        -------
        dict
            Identity -> number of signs, of those that have not ended.
        """
        wanted = list(runs)
        with self._begin() as db:
            rows = db.execute(select(RUNS.c.id, RUNS.c.beat).where(RUNS.c.id.in_(wanted), RUNS.c.ended.is_(None)))
            return {i: int(beat) for i, beat in rows}

    # ---- structures

    def known(self) -> dict[str, str]:
        """Digest of a file -> key of its structure, of all that were read before."""
        with self._begin() as db:
            rows = db.execute(
                select(SOURCES.c.digest, SOURCES.c.structure).where(
                    SOURCES.c.structure.is_not(None), SOURCES.c.digest != ""
                )
            )
            return {str(d): str(k) for d, k in rows}

    def add_sources(self, sources: Sequence[Source]) -> None:
        """Keep structures and where they came from, or why they could not be read.

        Parameters
        ----------
        sources
            One for each file or frame.
        """
        new = {s.key: s.atoms for s in sources if s.key is not None and s.atoms is not None}
        with self._begin() as db:
            if new:
                keep(db, STRUCTURES, [structure_row(str(k), a) for k, a in new.items()])
            rows = [{"name": s.name, "digest": s.digest, "structure": s.key, "problem": s.problem} for s in sources]
            keep(db, SOURCES, list({r["name"]: r for r in rows}.values()), replace=("digest", "structure", "problem"))

    def atoms(self, keys: Sequence[str]) -> dict[str, Atoms]:
        """The structures of keys.

        Parameters
        ----------
        keys
            Of structures.

        Returns
        -------
        dict
            Key -> structure, of those that are there.
        """
        found: dict[str, Atoms] = {}
        with self._begin() as db:
            for part in _parts(keys):
                rows = db.execute(select(STRUCTURES.c.key, STRUCTURES.c.atoms).where(STRUCTURES.c.key.in_(part)))
                found |= {key: atoms_of(plain) for key, plain in rows}
        return found

    # ---- results

    def claim(self, run: str, keys: Sequence[str], *, void: Iterable[str] = (), retry_failed: bool = False) -> Claimed:
        """Take what is neither done nor claimed by another run.

        Parameters
        ----------
        run
            Identity of the run.
        keys
            Of calculations.
        void
            Runs that are known to be dead; their claims are given up.
        retry_failed
            Whether to forget failed results first.

        Returns
        -------
        Claimed
            What became of each key.
        """
        done: set[str] = set()
        failed: set[str] = set()
        owners: dict[str, str] = {}
        with self._begin() as db:
            for dead in void:
                _end(db, dead)
            for part in _parts(keys):
                if retry_failed:
                    db.execute(RESULTS.delete().where(RESULTS.c.key.in_(part), RESULTS.c.ok.is_(False)))
                _note_done(db, part, done, failed)
                left = [k for k in part if k not in done]
                if not left:
                    continue
                keep(db, CLAIMS, [{"key": k, "run": run} for k in left])
                # Another run may have brought a result and dropped its claim since the first look (not on SQLite,
                # where one transaction writes at a time).
                _note_done(db, left, done, failed)
                came = [k for k in left if k in done]
                if came:
                    db.execute(CLAIMS.delete().where(CLAIMS.c.key.in_(came), CLAIMS.c.run == run))
                for key, owner in db.execute(select(CLAIMS.c.key, CLAIMS.c.run).where(CLAIMS.c.key.in_(left))):
                    owners[key] = owner
            mine = {k for k, r in owners.items() if r == run and k not in done}
        # What has neither result nor claim any more was dropped at this very moment: to be looked at again.
        others = {k: owners.get(k, "") for k in keys if k not in done and k not in mine}
        return Claimed(frozenset(done), frozenset(failed), frozenset(mine), others)

    def put(self, run: str, outcomes: Sequence[Outcome], settings: Mapping[str, Any], code: str) -> int:
        """Keep outcomes in one transaction.

        Parameters
        ----------
        run
            Identity of the run.
        outcomes
            What to keep.
        settings
            Property -> arguments of its function.
        code
            Version of the code.

        Returns
        -------
        int
            How many were there already (and stay as they were).
        """
        rows = [
            {
                "key": o.key,
                "structure": o.structure,
                "potential": o.potential,
                "identity": o.identity,
                "property": o.property,
                "settings": dict(settings.get(o.property, {})),
                "code": code,
                "ok": o.ok,
                "reason": o.reason,
                "numbers": dict(o.numbers),
                "words": dict(o.words),
                "seconds": o.seconds,
                "created": time.time(),
                "run": run,
                "attempt": o.attempt,
                "worker": o.worker,
            }
            for o in outcomes
        ]
        for attempt in range(_TRIES):
            try:
                return self._put(run, rows)
            except StoreError:
                # A server that restarts or a disk that is briefly full must not cost a finished result.
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.5 * 2**attempt)
        raise AssertionError

    def _put(self, run: str, rows: Sequence[dict[str, Any]]) -> int:
        with self._begin() as db:
            kept = keep(db, RESULTS, rows)
            for part in _parts([r["key"] for r in rows]):
                db.execute(CLAIMS.delete().where(CLAIMS.c.key.in_(part)))
            db.execute(
                RUNS.update()
                .where(RUNS.c.id == run)
                .values(
                    beat=RUNS.c.beat + 1,
                    computed=RUNS.c.computed + len(rows),
                    failed=RUNS.c.failed + sum(not r["ok"] for r in rows),
                    repeated=RUNS.c.repeated + len(rows) - kept,
                )
            )
        return len(rows) - kept


def _note_done(db: Connection, keys: Sequence[str], done: set[str], failed: set[str]) -> None:
    for key, ok in db.execute(select(RESULTS.c.key, RESULTS.c.ok).where(RESULTS.c.key.in_(keys))):
        done.add(key)
        if not ok:
            failed.add(key)


def _end(db: Connection, run: str) -> None:
    db.execute(CLAIMS.delete().where(CLAIMS.c.run == run))
    db.execute(RUNS.update().where(RUNS.c.id == run, RUNS.c.ended.is_(None)).values(ended=time.time()))


def _parts(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _MANY):
        yield list(keys[start : start + _MANY])
