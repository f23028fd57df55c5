"""What the readers of one link guessed, before they saw: a table that a class and its teacher share.

Kept in a small SQLite file: the name that somebody types, the guess and the right value, nothing else of anybody.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sus2.errors import DataError
from sus2.jobs.store import database

MAX_NAME: Final = 40
MAX_ANSWERS: Final = 5000
"""Answers that one class may give; there are about a dozen questions."""
DAYS: Final = 180
"""How long answers are kept."""
_KEY = re.compile(r"[0-9a-f]{12}")
_BUSY_S = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    class TEXT NOT NULL, lesson INTEGER NOT NULL, question TEXT NOT NULL, name TEXT NOT NULL,
    guess REAL NOT NULL, truth REAL NOT NULL, unit TEXT NOT NULL, at REAL NOT NULL,
    UNIQUE (class, lesson, question, name))
"""


@dataclass(frozen=True)
class Answer:
    """One guess.

    Attributes
    ----------
    lesson : int
        Number of the lesson.
    question : str
        What was asked.
    name : str
        As it was typed in.
    guess : float
        The first guess, in unit.
    truth : float
        The right value, in unit.
    unit : str
        Unit of both.
    """

    lesson: int
    question: str
    name: str
    guess: float
    truth: float
    unit: str


def new_class() -> str:
    """Make the key of a class: 12 hexadecimal digits, which nobody guesses.

    Returns
    -------
    str
        The key.
    """
    return secrets.token_hex(6)


def is_class(key: str) -> bool:
    """Say whether a text can be the key of a class.

    Parameters
    ----------
    key
        From an address.

    Returns
    -------
    bool
        Whether it has the form that `new_class` gives.
    """
    return _KEY.fullmatch(key) is not None


class Classroom:
    """The answers of all classes of a server in one file.

    Parameters
    ----------
    path
        Of the file, which is made where it is missing.

    Raises
    ------
    StoreError
        Where the file cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open() as db:
            db.execute(_TABLE)
            db.execute("DELETE FROM answers WHERE at < ?", (time.time() - 86400.0 * DAYS,))

    def record(self, key: str, answer: Answer) -> None:
        """Keep an answer; of two of one name to one question the first counts.

        Parameters
        ----------
        key
            Of the class.
        answer
            The guess; blanks at the ends of its name are cut off.

        Raises
        ------
        DataError
            Where the key is none, the name is empty or longer than MAX_NAME, or the class is full.
        StoreError
            Where the file cannot be used.
        """
        name = " ".join("".join(c for c in answer.name if c.isprintable()).split())
        if not is_class(key):
            raise DataError("The link names no class: a class has a key of 12 hexadecimal digits.")
        if not 0 < len(name) <= MAX_NAME:
            raise DataError(f"A name has between 1 and {MAX_NAME} characters.")
        row = (key, answer.lesson, answer.question, name, answer.guess, answer.truth, answer.unit, time.time())
        with self._open() as db:
            (held,) = db.execute("SELECT COUNT(*) FROM answers WHERE class = ?", (key,)).fetchone()
            if held >= MAX_ANSWERS:
                raise DataError(f"This class is full: it has {MAX_ANSWERS} answers.")
            db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def answers(self, key: str) -> list[Answer]:
        """List the answers of a class by lesson and question, the nearest guess first.

        Parameters
        ----------
        key
            Of the class.

        Returns
        -------
        list of Answer
            Empty where nobody has answered.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        with self._open() as db:
            rows = db.execute(
                "SELECT lesson, question, name, guess, truth, unit FROM answers WHERE class = ? "
                "ORDER BY lesson, question, ABS(guess - truth), name",
                (key,),
            ).fetchall()
        return [Answer(*row) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with database(self.path, "The answers of classes", busy_s=_BUSY_S) as db:
            yield db
