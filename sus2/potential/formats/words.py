"""The words of a text file with the lines that they stand in, so that every error names its place."""

from __future__ import annotations

import math
from array import array
from io import StringIO
from typing import Final

import numpy as np
from ase.data import atomic_numbers

from sus2.errors import PotentialFileError
from sus2.types import Array

# Above any published potential; it keeps a hostile header from asking for terabytes and a long file from filling the
# memory.
MAX_NUMBERS: Final = 4_000_000
_SHOWN: Final = 40


class Words:
    """Cursor over the words of a text.

    Parameters
    ----------
    text
        The content of the file.
    source
        Name of the file in errors.
    comment
        Character from which on a line is a comment; none by default.
    skipped
        Lines at the beginning that are titles.
    """

    def __init__(self, text: str, source: str, *, comment: str = "", skipped: int = 0) -> None:
        self.source = source
        self._words: list[str] = []
        self._lines = array("L")
        self._at = 0
        # Line by line: a list of all of them would take more memory than the words.
        for number, line in enumerate(StringIO(text, newline=None), 1):
            if number <= skipped:
                continue
            found = (line.partition(comment)[0] if comment else line).split()
            if len(self._words) + len(found) > MAX_NUMBERS:
                raise self.fail(f"more than {MAX_NUMBERS:,} numbers, too many for a potential.", number)
            self._words += found
            self._lines.extend([number] * len(found))

    def __len__(self) -> int:
        return len(self._words) - self._at

    @property
    def line(self) -> int:
        """Line of the next word; of the last one at the end."""
        return self._lines[min(self._at, len(self._lines) - 1)] if self._lines else 1

    def fail(self, message: str, line: int | None = None) -> PotentialFileError:
        """Make an error that names the file and the line.

        Parameters
        ----------
        message
            What is wrong.
        line
            Its number; that of the next word by default.

        Returns
        -------
        PotentialFileError
            To be raised.
        """
        return PotentialFileError(f"{self.source}, line {line or self.line}: {message}")

    def peek(self) -> str:
        """Look at the next word.

        Returns
        -------
        str
            Empty at the end.
        """
        return self._words[self._at] if self._at < len(self._words) else ""

    def word(self, what: str) -> str:
        """Take the next word.

        Parameters
        ----------
        what
            What it should be, for the error.

        Returns
        -------
        str
            The word.

        Raises
        ------
        PotentialFileError
            The file ends here.
        """
        if self._at >= len(self._words):
            raise self.fail(f"the file ends before {what}; it is truncated, get a complete copy.")
        self._at += 1
        return self._words[self._at - 1]

    def rest_of_line(self) -> list[str]:
        """Take the words that are left in the line of the last word taken.

        Returns
        -------
        list of str
            The words.
        """
        line, start = self._lines[self._at - 1], self._at
        while self._at < len(self._words) and self._lines[self._at] == line:
            self._at += 1
        return self._words[start : self._at]

    def keyword(self, name: str) -> list[str]:
        """Take a line that begins with a name.

        Parameters
        ----------
        name
            The name.

        Returns
        -------
        list of str
            Its other words.

        Raises
        ------
        PotentialFileError
            Another word stands there.
        """
        line = self.line
        found = self.word(f"'{name}'")
        if found != name:
            raise self.fail(f"expected '{name} ...' but found '{short(found)}'.", line)
        return self.rest_of_line()

    def element(self, what: str) -> str:
        """Take a chemical symbol.

        Parameters
        ----------
        what
            What it should be, for the error.

        Returns
        -------
        str
            The symbol.

        Raises
        ------
        PotentialFileError
            Anything else stands there.
        """
        line = self.line
        symbol = self.word(what)
        if atomic_numbers.get(symbol, 0) < 1:
            raise self.fail(f"'{short(symbol)}' is not a chemical element.", line)
        return symbol

    def count(self, what: str, low: int, high: int) -> int:
        """Take a whole number between two bounds.

        Parameters
        ----------
        what
            What it should be, for the error.
        low
            The smallest allowed.
        high
            The largest allowed.

        Returns
        -------
        int
            The number.

        Raises
        ------
        PotentialFileError
            Anything else stands there.
        """
        line = self.line
        return whole(self, self.word(what), what, low, high, line)

    def number(self, what: str) -> float:
        """Take a finite number.

        Parameters
        ----------
        what
            What it should be, for the error.

        Returns
        -------
        float
            The number.

        Raises
        ------
        PotentialFileError
            Anything else stands there.
        """
        line = self.line
        return real(self, self.word(what), what, line)

    def numbers(self, count: int, what: str) -> Array:
        """Take finite numbers.

        Parameters
        ----------
        count
            How many.
        what
            What they should be, for the error.

        Returns
        -------
        ndarray
            (count,).

        Raises
        ------
        PotentialFileError
            There are fewer, or anything else stands there.
        """
        if count > MAX_NUMBERS:
            raise self.fail(f"{what}: {count} numbers are more than any potential has.")
        if count > len(self):
            raise self.fail(f"the file ends within {what}: {count} numbers are announced and {len(self)} are left.")
        found = self._words[self._at : self._at + count]
        try:
            if any("_" in w for w in found):
                raise ValueError
            values = np.array(found, dtype=np.float64)
        except ValueError:
            for _ in range(count):
                self.number(what)
            raise  # pragma: no cover (the loop has found the word that is no number)
        if not np.isfinite(values).all():
            self._at += int(np.flatnonzero(~np.isfinite(values))[0])
            raise self.fail(f"{what}: '{short(self.peek())}' is not a finite number.")
        self._at += count
        return values

    def end(self) -> None:
        """Raises PotentialFileError where anything is left."""
        if len(self):
            raise self.fail(f"unexpected text after the last number: '{short(self.peek())}'.")


def whole(words: Words, text: str, what: str, low: int, high: int, line: int) -> int:
    """Read a word as a whole number between two bounds.

    Parameters
    ----------
    words
        Where it was taken from.
    text
        The word.
    what
        What it should be, for the error.
    low
        The smallest allowed.
    high
        The largest allowed.
    line
        Number of its line.

    Returns
    -------
    int
        The number.

    Raises
    ------
    PotentialFileError
        It is none; the sentence names the line.
    """
    if not (text.isascii() and text.lstrip("+-").isdecimal() and len(text) < 12):
        raise words.fail(f"{what} must be a whole number, found '{short(text)}'.", line)
    if not low <= int(text) <= high:
        raise words.fail(f"{what} must lie between {low} and {high}, found {int(text)}.", line)
    return int(text)


def real(words: Words, text: str, what: str, line: int) -> float:
    """Read a word as a finite number.

    Parameters
    ----------
    words
        Where it was taken from.
    text
        The word.
    what
        What it should be, for the error.
    line
        Number of its line.

    Returns
    -------
    float
        The number.

    Raises
    ------
    PotentialFileError
        It is none; the sentence names the line.
    """
    try:
        value = float(text) if "_" not in text and text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise words.fail(f"{what}: '{short(text)}' is not a finite number.", line)
    return value


def short(text: str) -> str:
    """Make a word fit for an error.

    Parameters
    ----------
    text
        The word.

    Returns
    -------
    str
        Its printable characters, at most 40.
    """
    printable = "".join(ch if ch.isprintable() else "?" for ch in text)
    return printable if len(printable) <= _SHOWN else printable[: _SHOWN - 3] + "..."
