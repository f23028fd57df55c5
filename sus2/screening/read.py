"""Reading a screening's database as data that may be hostile: read-only, no code of its own runs, time is limited."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import StoreError
from sus2.screening.columns import screen_columns
from sus2.screening.tables import TABLES, VERSION, atoms_of
from sus2.structures.crystal import check_crystal, to_atoms
from sus2.types import Array

FOLDER_VARIABLE: Final = "SUS2_SCREENS"
ENDING: Final = ".db"
MAX_RESULTS: Final = 200_000
MAX_SECONDS: Final = 20.0
_MAX_CELL: Final = 4 * 2**20
_NEEDED: Final = ("about", "structures", "sources", "results")
_ALLOWED: Final = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)


@dataclass(frozen=True, eq=False)
class ScreenRow:
    """One structure in one potential.

    Attributes
    ----------
    structure
        Its key.
    name
        Of its first source.
    formula
        Of the structure.
    elements
        Chemical symbols.
    n_atoms
        Number of atoms.
    potential
        Name of the potential.
    numbers
        Column -> number, with the unit in the name.
    words
        Column -> text.
    problems
        Property -> one sentence that says why its numbers are missing.
    """

    structure: str
    name: str
    formula: str
    elements: tuple[str, ...]
    n_atoms: int
    potential: str
    numbers: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ScreenTable:
    """All results of a database.

    Attributes
    ----------
    rows : tuple of ScreenRow
        One row for each structure and potential, by name.
    unreadable : dict
        Name of each structure that could not be read, and why.
    cut : bool
        Whether results were left out because there are more than `MAX_RESULTS`.
    """

    rows: tuple[ScreenRow, ...]
    unreadable: dict[str, str]
    cut: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of numbers that occur."""
        found = {c for row in self.rows for c in row.numbers}
        return tuple(c for c in screen_columns() if c in found)

    @property
    def word_columns(self) -> tuple[str, ...]:
        """Names of the columns of text that occur."""
        return tuple(dict.fromkeys(c for row in self.rows for c in row.words))

    @property
    def potentials(self) -> tuple[str, ...]:
        """Names of the potentials that occur."""
        return tuple(sorted({row.potential for row in self.rows}))


def column_of(rows: Iterable[ScreenRow], name: str) -> Array:
    """The numbers of a column.

    Parameters
    ----------
    rows
        n rows.
    name
        Of the column.

    Returns
    -------
    ndarray
        (n,), nan where a row has none.
    """
    return np.array([row.numbers.get(name, math.nan) for row in rows], dtype=np.float64)


def screens_folder() -> Path | None:
    """The folder whose databases a server shows (the environment variable SUS2_SCREENS), None without one."""
    text = os.environ.get(FOLDER_VARIABLE, "").strip()
    return Path(text) if text and Path(text).is_dir() else None


def screens() -> dict[str, Path]:
    """Name -> path of the databases in that folder; links out of it are left out."""
    folder = screens_folder()
    if folder is None:
        return {}
    root = folder.resolve()
    found = sorted(p for p in root.glob(f"*{ENDING}") if p.is_file() and p.resolve().parent == root)
    return {p.name: p for p in found}


def read_screening(source: Path | bytes) -> ScreenTable:
    """The results in a database; of several results of a property the latest counts.

    Parameters
    ----------
    source
        The file, or the bytes of one.

    Returns
    -------
    ScreenTable
        At most MAX_RESULTS results.

    Raises
    ------
    StoreError
        No database, damaged, of another program or release, or too slow to read.
    """
    with _opened(source) as db:
        structures: dict[str, tuple[str, tuple[str, ...], int]] = {}
        for key, formula, elements, n_atoms in db.execute("SELECT key, formula, elements, n_atoms FROM structures"):
            structures[str(key)] = (str(formula)[:200], tuple(str(elements)[:400].split()), _whole(n_atoms))
        names: dict[str, str] = {}
        unreadable: dict[str, str] = {}
        for name, key, problem in db.execute("SELECT name, structure, problem FROM sources ORDER BY rowid"):
            if key is None:
                unreadable[_shown(name)] = str(problem)[:500]
            else:
                names.setdefault(str(key), _shown(name))
        rows: dict[tuple[str, str], ScreenRow] = {}
        count = 0
        for key, potential, prop, ok, reason, numbers, words in db.execute(
            "SELECT structure, potential, property, ok, reason, numbers, words FROM results ORDER BY created LIMIT ?",
            (MAX_RESULTS + 1,),
        ):
            count += 1
            if count > MAX_RESULTS or key not in structures:
                continue
            place = (str(key), str(potential)[:200])
            if place not in rows:
                formula, elements, n_atoms = structures[place[0]]
                rows[place] = ScreenRow(place[0], names.get(place[0], ""), formula, elements, n_atoms, place[1])
            row = rows[place]
            if ok:
                row.numbers.update(_numbers(numbers))
                row.words.update(_texts(words))
                row.problems.pop(str(prop), None)
            else:
                row.problems[str(prop)[:20]] = str(reason)[:500]
    order = {key: k for k, key in enumerate(names)}
    ordered = sorted(rows.values(), key=lambda row: (order.get(row.structure, len(order)), row.potential))
    return ScreenTable(tuple(ordered), unreadable, count > MAX_RESULTS)


def read_atoms(source: Path | bytes, key: str) -> Atoms:
    """Read one crystal of a database.

    Parameters
    ----------
    source
        The file, or the bytes of one.
    key
        Of the structure.

    Returns
    -------
    Atoms
        The crystal.

    Raises
    ------
    StoreError
        As read_screening does, or there is no structure of that key.
    StructureError
        It is no crystal that can be computed.
    """
    with _opened(source) as db:
        row = db.execute("SELECT atoms FROM structures WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise StoreError("The database does not hold that structure.")
    atoms = to_atoms(atoms_of(row[0]))
    check_crystal(atoms)
    return atoms


def _shown(name: Any) -> str:
    """The last folder and the name of a file: whoever looks on need not know where on a computer it lies."""
    return "/".join(str(name)[-2000:].replace("\\", "/").split("/")[-2:])[:200]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _numbers(text: Any) -> dict[str, float]:
    content, known = _object(text), screen_columns()
    return {
        k: float(v)
        for k, v in content.items()
        if k in known and isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    }


def _texts(text: Any) -> dict[str, str]:
    return {str(k)[:60]: str(v)[:100] for k, v in list(_object(text).items())[:20]}


def _object(text: Any) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


# Opening ------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(source: Path | bytes) -> Iterator[sqlite3.Connection]:
    db: sqlite3.Connection | None = None
    try:
        db = _connect(source)
        _harden(db)
        _check(db)
        yield db
    except sqlite3.Error as error:
        text = str(error)
        if "interrupted" in text:
            raise StoreError("The database takes too long to read; it may be damaged.") from None
        raise StoreError(f"This is no database of a screening that can be read ({text[:100]}).") from None
    except (OverflowError, MemoryError, UnicodeError):
        raise StoreError("This is no database of a screening that can be read (it is damaged).") from None
    finally:
        if db is not None:
            db.close()


def _connect(source: Path | bytes) -> sqlite3.Connection:
    if isinstance(source, Path):
        address = source.resolve().as_uri()
        db = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=5, check_same_thread=False)
        try:
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # In a folder that cannot be written SQLite cannot share a file with a writer; nobody writes there then.
            db.close()
            db = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        return db
    data = bytearray(source)
    if not data.startswith(b"SQLite format 3\x00") or len(data) < 512:
        raise StoreError("This file is no SQLite database; choose the file that sus2 screen --out has written.")
    # In memory there is no second file for a write-ahead log: say that the file has none.
    data[18:20] = b"\x01\x01"
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.deserialize(bytes(data))
    return db


def _harden(db: sqlite3.Connection) -> None:
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        db.execute(f"PRAGMA {pragma}")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
    deadline = time.monotonic() + MAX_SECONDS
    db.set_progress_handler(lambda: int(time.monotonic() > deadline), 20_000)
    db.set_authorizer(lambda action, *rest: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)


def _check(db: sqlite3.Connection) -> None:
    """Plain tables of ours, not views or virtual tables that only have their names."""
    found = {str(n): (str(t), str(s)) for n, t, s in db.execute("SELECT name, type, sql FROM sqlite_master")}
    for name in _NEEDED:
        kind, text = found.get(name, ("", ""))
        columns = set(TABLES[name].columns.keys())
        upper = text.upper()
        if kind != "table" or not upper.startswith("CREATE TABLE") or "GENERATED" in upper or " AS " in upper:
            raise StoreError("This database is not of a screening; choose the file that sus2 screen --out has written.")
        if not all(c in text for c in columns):
            raise StoreError("This database was written by another release.")
    version = db.execute("SELECT value FROM about WHERE name = 'sus2 screening'").fetchone()
    if version is None or version[0] != VERSION:
        raise StoreError("This database was written by another release.")


def as_table(table: Iterable[ScreenRow], columns: Iterable[str], words: Iterable[str]) -> list[dict[str, Any]]:
    """Make one flat dict of each row.

    Parameters
    ----------
    table
        The rows.
    columns
        Names of the columns of numbers.
    words
        Names of the columns of text.

    Returns
    -------
    list of dict
        None where a number is missing.
    """
    numbers, texts = list(columns), list(words)
    return [
        {
            "name": row.name,
            "formula": row.formula,
            "potential": row.potential,
            **{c: row.numbers.get(c) for c in numbers},
            **{c: row.words.get(c, "") for c in texts},
            "n_atoms": row.n_atoms,
            "problems": " ".join(dict.fromkeys(row.problems.values())),
        }
        for row in table
    ]
