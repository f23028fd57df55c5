"""Committed tables of the studies: CSV files in sus2/studies/data, written by the studies, read by the app."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def table_path(name: str) -> Path:
    """Where the committed results of a study are."""
    return Path(__file__).resolve().parent / "data" / name


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file; none where it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row and write the table anew, whole or not at all."""
    rows = [*read_table(path), {k: text(v) for k, v in row.items()}]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    names = list(dict.fromkeys(key for r in rows for key in r))
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def text(value: Any) -> str:
    """How a value stands in a table."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
