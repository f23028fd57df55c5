"""The tables of a screening's database, and what its rows hold."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from sqlalchemy import JSON, Boolean, Column, Connection, Engine, Float, Integer, MetaData, String, Table, Text, event
from sqlalchemy.exc import DBAPIError

from sus2.errors import StoreError
from sus2.structures.crystal import elements_of

VERSION = "1"
BUSY_S = 60.0

METADATA = MetaData()
ABOUT = Table("about", METADATA, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False))
STRUCTURES = Table(
    "structures",
    METADATA,
    Column("key", String(40), primary_key=True),
    Column("formula", Text, nullable=False),
    Column("elements", Text, nullable=False),
    Column("n_atoms", Integer, nullable=False),
    Column("atoms", JSON, nullable=False),
)
SOURCES = Table(
    "sources",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("structure", String(40), index=True),
    Column("problem", Text, nullable=False),
)
RESULTS = Table(
    "results",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("structure", String(40), nullable=False, index=True),
    Column("potential", Text, nullable=False),
    Column("identity", String(80), nullable=False),
    Column("property", String(20), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("code", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("words", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created", Float, nullable=False),
    Column("run", String(32), nullable=False),
    Column("attempt", String(32), nullable=False, unique=True),
    Column("worker", Text, nullable=False),
)
RUNS = Table(
    "runs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("host", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("beat", Integer, nullable=False),
    Column("computed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("machine", JSON, nullable=False),
)
CLAIMS = Table(
    "claims",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("run", String(32), nullable=False, index=True),
)
TABLES: Mapping[str, Table] = dict(METADATA.tables)


@dataclass(frozen=True, eq=False)
class Outcome:
    """One property of one structure in one potential: its numbers, or the reason why there are none.

    Attributes
    ----------
    key
        Of its calculation.
    structure
        Key of the structure.
    potential
        Name of the potential.
    identity
        Of the potential.
    property
        Name of the property.
    ok
        Whether it was computed.
    reason
        Why there are no numbers.
    numbers
        Column -> number, with the unit in the name.
    words
        Column -> text.
    seconds
        Of computing.
    worker
        Computer and process that computed it.
    attempt
        Differs for each outcome.
    """

    key: str
    structure: str
    potential: str
    identity: str
    property: str
    ok: bool
    reason: str = ""
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    worker: str = ""
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class Source:
    """Where a structure came from.

    Attributes
    ----------
    name : str
        Name of the file, frame or sample.
    digest : str
        SHA-256 of the bytes of its file; empty where there are none.
    key : str or None
        Key of the structure; None where it could not be read.
    atoms : Atoms or None
        The structure.
    problem : str
        Why it could not be read.
    """

    name: str
    digest: str = ""
    key: str | None = None
    atoms: Atoms | None = None
    problem: str = ""


# Rows ---------------------------------------------------------------------------------------------------------------


def structure_row(key: str, atoms: Atoms) -> dict[str, Any]:
    """A row of the table of structures.

    Parameters
    ----------
    key
        Of the structure.
    atoms
        The structure.

    Returns
    -------
    dict
        Column -> value.
    """
    plain = {
        "numbers": atoms.numbers.tolist(),
        "cell": np.asarray(atoms.cell).tolist(),
        "positions": atoms.positions.tolist(),
        "pbc": [bool(p) for p in atoms.pbc],
    }
    if atoms.has("masses"):
        plain["masses"] = atoms.get_masses().tolist()
    formula = atoms.get_chemical_formula("metal")
    return {
        "key": key,
        "formula": formula,
        "elements": " ".join(elements_of(atoms)),
        "n_atoms": len(atoms),
        "atoms": plain,
    }


def atoms_of(plain: Any) -> Atoms:
    """The crystal in a row of the table of structures.

    Parameters
    ----------
    plain
        The column of atoms, as JSON or parsed.

    Returns
    -------
    Atoms
        The crystal.

    Raises
    ------
    StoreError
        It is none.
    """
    try:
        content = json.loads(plain) if isinstance(plain, str) else plain
        return Atoms(
            numbers=content["numbers"],
            cell=content["cell"],
            positions=content["positions"],
            pbc=content["pbc"],
            masses=content.get("masses"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise StoreError("A structure in the database is damaged.") from None


# Processes ----------------------------------------------------------------------------------------------------------


def host_name() -> str:
    """Name the computer since its last start: process numbers have a meaning only there."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot, space = f"{uuid.getnode():x}", ""
    return f"{socket.gethostname()} {boot} {space}".strip()


def process_name(pid: int) -> str:
    """The number of a process and when it began.

    Parameters
    ----------
    pid
        The number.

    Returns
    -------
    str
        The number alone where the process is gone or the system does not say.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        words = stat.rpartition(")")[2].split()
        return f"{pid} {words[19]}" if words[0] != "Z" else f"{pid}"
    except (OSError, IndexError):
        return f"{pid}"


def tune_sqlite(engine: Engine) -> None:
    """Make transactions take the lock for writing at their start, and be on disk at their end."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}")
        # No write-ahead log: the file alone is whole at any moment, so that it can be copied, on any file system.
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def sentence(shown: str, error: Exception) -> str:
    """One sentence for what went wrong with a database, and what to do.

    Parameters
    ----------
    shown
        Name of the database.
    error
        What was raised.

    Returns
    -------
    str
        The sentence.
    """
    original = getattr(error, "orig", None) if isinstance(error, DBAPIError) else None
    text = " ".join(str(original or error).split())[:160].rstrip(".")
    advice = "what was finished before is kept"
    if "readonly" in text or "read-only" in text or "permission" in text.lower():
        advice = "choose a file that you may write with --out"
    elif "not a database" in text or "malformed" in text:
        advice = "choose another file with --out, or restore it from a copy"
    elif "full" in text:
        advice = "what was finished is kept; make room and run the same command again"
    elif "unable to open" in text:
        advice = "check its folder and your rights to it"
    elif "locked" in text:
        advice = "another program holds it; run the same command again later"
    return f"The database {shown} cannot be used ({text}): {advice}."


def keep(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], replace: Sequence[str] = ()) -> int:
    """Insert rows, those that are there already excepted.

    Parameters
    ----------
    db
        In a transaction.
    table
        The table.
    rows
        With all its columns.
    replace
        Columns that are made new where a row is there already.

    Returns
    -------
    int
        Number of rows that were written, or that were given where the table is not that of results.
    """
    if not rows:
        return 0
    if db.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        insert: Any = postgresql_insert(table)
    else:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        insert = sqlite_insert(table)
    keys = [c.name for c in table.primary_key]
    if replace:
        statement = insert.on_conflict_do_update(
            index_elements=keys, set_={name: getattr(insert.excluded, name) for name in replace}
        )
        db.execute(statement, list(rows))
        return len(rows)
    # One by one in one transaction: what executemany says of the number of rows is not to be relied on.
    statement = insert.on_conflict_do_nothing(index_elements=keys)
    if table is not RESULTS:
        db.execute(statement, list(rows))
        return len(rows)
    return sum(max(0, db.execute(statement, row).rowcount) for row in rows)
