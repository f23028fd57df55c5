"""Committed tables of the studies: CSV files in sus2/studies/data, written by the studies, read by the app."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sus2.progress import Report


def table_path(name: str) -> Path:
    """Where the committed results of a study are.

    Parameters
    ----------
    name
        Of the file.

    Returns
    -------
    Path
        The file.
    """
    return Path(__file__).resolve().parent / "data" / name


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of dict
        Empty where the file does not exist.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row and write the table anew, whole or not at all.

    Parameters
    ----------
    path
        The file.
    row
        Value by column.
    """
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
    """Write a value as it stands in a table.

    Parameters
    ----------
    value
        The value.

    Returns
    -------
    str
        Numbers with four digits.
    """
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def run_rows(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    work: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    report: Report,
) -> None:
    """Do the rows that a table has not got yet.

    Parameters
    ----------
    path
        The table.
    rows
        Keys of all rows.
    work
        Gives what is measured for the keys of a row.
    report
        Told what is done.
    """
    done = read_table(path)
    for row in rows:
        key = {k: text(v) for k, v in row.items()}
        if any(all(old.get(k) == v for k, v in key.items()) for old in done):
            continue
        found = dict(work(row))
        append_row(path, {**row, **found})
        report(", ".join(f"{k} {text(v)}" for k, v in {**row, **found}.items()))
