"""The tables of a screening's database, and what its rows hold."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table, Text

from sus2.errors import StoreError
from sus2.structures.crystal import elements_of

VERSION = "1"

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

    key: of its calculation; numbers: column -> number with the unit in the name; seconds: of computing.
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
    """A row of the table of structures."""
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
    """The crystal in a row of the table of structures; raises StoreError where it is none."""
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
    """The number of a process and when it began; the number alone where it is gone or the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        words = stat.rpartition(")")[2].split()
        return f"{pid} {words[19]}" if words[0] != "Z" else f"{pid}"
    except (OSError, IndexError):
        return f"{pid}"
