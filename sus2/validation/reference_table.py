"""A user's table of known values beside a table of many crystals."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from sus2.errors import DataError
from sus2.properties.property_table import PropertyTable, columns
from sus2.types import Array

MAX_BYTES: Final = 5 * 1024 * 1024
_NAMES: Final = ("name", "file", "structure", "crystal", "material", "id")
_FORMULAS: Final = ("formula", "composition", "compound")
_ENDING: Final = re.compile(r"\.(cif|vasp|poscar|xyz|extxyz|json)$", re.IGNORECASE)


def read_reference_columns(raw: bytes, name: str, table: PropertyTable) -> dict[str, Array]:
    """Read known values for the crystals of a table from a file of comma-, semicolon- or tab-separated values.

    Parameters
    ----------
    raw
        The file: a heading, and a row for each crystal with its name (or its formula, where only one crystal of the
        table has it) and numbers. A column is recognised by its key (``b0_gpa``) or by its heading in the app's table
        with or without the unit (``B₀ (GPa)``).
    name
        Of the file, for messages.
    table
        What was computed.

    Returns
    -------
    dict
        Key of a column -> (n,) known values in the order of the table, nan where the file has none.

    Raises
    ------
    DataError
        The file is too large or no text, or has no column or no crystal in common with the table.
    """
    if len(raw) > MAX_BYTES:
        raise DataError(f"{name}: larger than {MAX_BYTES // 2**20} MiB; give a smaller file.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name}: no text; give a table with comma-separated values.") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{name}: cannot be read as a table ({error}).") from None
    headings = [h for h in (rows[0] if rows else {}) if h]
    found = {key: heading for heading in headings if (key := _key(heading, table))}
    if not found:
        known = ", ".join(table.columns[:8])
        raise DataError(f"{name}: none of its columns is one of this table; name them as here, such as {known}.")
    who = _first(headings, _NAMES) or _first(headings, _FORMULAS)
    if who is None:
        raise DataError(f"{name}: it needs a column 'name' or 'formula' that says which crystal a row is of.")
    places = _places(table, by_formula=who.strip().lower() in _FORMULAS)
    out = {key: np.full(len(table.rows), math.nan) for key in found}
    for row in rows:
        place = places.get(_plain(row.get(who) or ""))
        if place is not None:
            for key, heading in found.items():
                out[key][place] = _number(row.get(heading))
    out = {key: values for key, values in out.items() if np.isfinite(values).any()}
    if not out:
        raise DataError(f"{name}: none of its rows has a number for one of these crystals; compare the names.")
    return out


def _key(heading: str, table: PropertyTable) -> str:
    """The column of a heading; empty for others."""
    text = _plain(heading)
    for key in table.columns:
        quantity = columns()[key][1]
        if text in {_plain(key), _plain(quantity.title), _plain(quantity.symbol), _plain(quantity.label)}:
            return key
    return ""


def _first(headings: list[str], wanted: tuple[str, ...]) -> str | None:
    return next((h for w in wanted for h in headings if h.strip().lower() == w), None)


def _places(table: PropertyTable, *, by_formula: bool) -> Mapping[str, int]:
    if not by_formula:
        return {_plain(_ENDING.sub("", row.name)): k for k, row in enumerate(table.rows)} | {
            _plain(row.name): k for k, row in enumerate(table.rows)
        }
    counts = Counter(row.formula for row in table.rows)
    return {_plain(row.formula): k for k, row in enumerate(table.rows) if row.formula and counts[row.formula] == 1}


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _number(text: str | None) -> float:
    try:
        value = float((text or "").strip())
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
