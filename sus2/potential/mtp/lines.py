"""A cursor over the lines of an `.mtp` file: every error names the file and the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from sus2.errors import PotentialFileError
from sus2.potential.mtp.spec import MAX_COUNT
from sus2.types import Array, Index

T = TypeVar("T")


class Lines:
    """Cursor over the non-empty lines of one file; every error names the source and the line.

    Parameters
    ----------
    text
        The text of the file.
    source
        What errors call it.
    """

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.lines = [(n, s.strip()) for n, s in enumerate(text.splitlines(), 1) if s.strip()]
        self.at = 0

    def fail(self, message: str, line: int | None = None) -> PotentialFileError:
        """Make an error that names the file.

        Parameters
        ----------
        message
            What is wrong.
        line
            Number of the line, which is named too.

        Returns
        -------
        PotentialFileError
            To be raised.
        """
        where = f", line {line}" if line is not None else ""
        return PotentialFileError(f"{self.source}{where}: {message}")

    def peek(self) -> tuple[int, str]:
        """Number and text of the next line; the text is empty at the end."""
        if self.at >= len(self.lines):
            return (self.lines[-1][0] if self.lines else 0), ""
        return self.lines[self.at]

    def key(self) -> str:
        """Name before the equals sign of the next line."""
        return self.peek()[1].split("=")[0].strip()

    def take(self, key: str) -> tuple[int, str]:
        """Take the next line, which must be ``key = value``.

        Parameters
        ----------
        key
            Its key.

        Returns
        -------
        tuple of (int, str)
            Number of the line and text of the value.

        Raises
        ------
        PotentialFileError
            The file ends, or the line has another key.
        """
        line, text = self.peek()
        if not text:
            raise self.fail(f"the file ends before '{key}'; it is truncated, get a complete copy.", line)
        name, sep, value = text.partition("=")
        if name.strip() != key or not sep:
            raise self.fail(
                f"expected '{key} = ...' but found '{shortened(text)}'; the file is damaged or of another program.",
                line,
            )
        self.at += 1
        return line, value.strip()

    def optional(self, key: str) -> tuple[int, str] | None:
        """Take the next line where it has this key.

        Parameters
        ----------
        key
            The key.

        Returns
        -------
        tuple of (int, str) or None
            As take; None for a line of another key.
        """
        return self.take(key) if self.key() == key and "=" in self.peek()[1] else None

    def scalar(self, key: str, convert: Callable[[str], T], kind: str) -> T:
        """Take the next line, of one number.

        Parameters
        ----------
        key
            Its key.
        convert
            int or float.
        kind
            What errors call the number.

        Returns
        -------
        int or float
            What `convert` made of it.

        Raises
        ------
        PotentialFileError
            As take and convert do.
        """
        line, value = self.take(key)
        return self.convert(line, key, value, convert, kind)

    def convert(self, line: int, key: str, value: str, convert: Callable[[str], T], kind: str) -> T:
        """Convert a text to one finite number.

        Parameters
        ----------
        line
            Number of its line.
        key
            Its key.
        value
            The text.
        convert
            int or float.
        kind
            What errors call the number.

        Returns
        -------
        int or float
            What `convert` made of it.

        Raises
        ------
        PotentialFileError
            It is no such number, or not finite.
        """
        try:
            number = convert(_plain(value))
        except (ValueError, OverflowError):
            raise self.fail(f"'{key}' must be {kind}, found '{shortened(value)}'.", line) from None
        if isinstance(number, float) and not np.isfinite(number):
            raise self.fail(f"'{key}' must be a finite number, found '{shortened(value)}'.", line)
        return number

    def count(self, key: str, low: int, high: int) -> int:
        """Take the next line, of a whole number between two bounds.

        Parameters
        ----------
        key
            Its key.
        low
            The smallest that is allowed.
        high
            The largest that is allowed.

        Returns
        -------
        int
            The number.

        Raises
        ------
        PotentialFileError
            As take does, or it is no such number.
        """
        line = self.peek()[0]
        value = self.scalar(key, int, "a whole number")
        if not low <= value <= high:
            raise self.fail(f"'{key}' must lie between {low} and {high}, found {value}.", line)
        return value

    def floats(self, key: str, text: str, size: int, line: int) -> Array:
        """Convert `{a, b, ...}` to numbers.

        Parameters
        ----------
        key
            Its key.
        text
            The list.
        size
            How many numbers it must have.
        line
            Number of its line.

        Returns
        -------
        ndarray
            (size,).

        Raises
        ------
        PotentialFileError
            No such list, another length, or a number that is not finite.
        """
        body = text.strip()
        if not (body.startswith("{") and body.endswith("}")):
            raise self.fail(f"'{key}' must be a list in braces; the line is cut or damaged.", line)
        parts = body[1:-1].split(",") if body[1:-1].strip() else []
        if len(parts) != size:
            raise self.fail(f"'{key}' must have {size} numbers, found {len(parts)}.", line)
        try:
            values = np.array([float(p) for p in _plain(body)[1:-1].split(",") if parts], dtype=np.float64)
        except ValueError:
            raise self.fail(f"'{key}' contains something that is not a number.", line) from None
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise self.fail(f"'{key}' contains {parts[bad[0]].strip()} at place {bad[0] + 1}.", line)
        return values

    def rows(self, key: str, count: int) -> Index:
        """Take the next line, `{{a, b, c, d}, ...}`.

        Parameters
        ----------
        key
            Its key.
        count
            How many rows it must have.

        Returns
        -------
        ndarray
            (count, 4) integers.

        Raises
        ------
        PotentialFileError
            As take does, or the rows are not such.
        """
        line, text = self.take(key)
        if not (text.startswith("{") and text.endswith("}")):
            raise self.fail(f"'{key}' must be a list in braces; the line is cut or damaged.", line)
        inner = text[1:-1]
        found = re.findall(r"\{([^{}]*)\}", inner)
        if re.sub(r"\{[^{}]*\}|[,\s]", "", inner):
            raise self.fail(f"'{key}' must be a list of four-number rows in braces.", line)
        if len(found) != count:
            raise self.fail(f"'{key}' must have {count} rows, as '{key}_count' says, found {len(found)}.", line)
        try:
            table = [[int(v) for v in _plain(row).split(",")] for row in found]
        except ValueError:
            raise self.fail(f"'{key}' contains something that is not a whole number.", line) from None
        for n, row in enumerate(table):
            if len(row) != 4:
                raise self.fail(f"'{key}' row {n + 1} must have 4 numbers, found {len(row)}.", line)
            if any(abs(v) > MAX_COUNT for v in row):
                raise self.fail(f"'{key}' row {n + 1} has a number out of range: {row}.", line)
        return np.array(table, dtype=np.int64).reshape(count, 4)


def shortened(text: str, limit: int = 40) -> str:
    """Text of a file for a message: printable, and cut at a length.

    Parameters
    ----------
    text
        As it stands in the file.
    limit
        The most characters.

    Returns
    -------
    str
        One line.
    """
    printable = "".join(ch if ch.isprintable() else "?" for ch in text)
    return printable if len(printable) <= limit else printable[: limit - 3] + "..."


def _plain(text: str) -> str:
    """The text, unless Python would read more in it as a number than other programs do (1_000, other digits)."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text
