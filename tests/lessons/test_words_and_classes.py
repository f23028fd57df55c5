"""The glossary has one meaning for each word; a class keeps first guesses and nothing of strangers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sus2.errors import DataError, StoreError
from sus2.lessons import classroom
from sus2.lessons.classroom import Answer, Classroom, is_class, new_class
from sus2.lessons.glossary import TERMS, glossary
from sus2.properties.catalogue import catalogue


def test_every_word_has_one_short_meaning() -> None:
    found = glossary()
    assert set(found) >= set(TERMS)
    assert {q.label for e in catalogue().values() for q in e.quantities if q.meaning} <= set(found)
    assert len({term.casefold() for term in found}) == len(found)
    for term, meaning in found.items():
        assert meaning.endswith("."), term
        assert 15 < len(meaning) < 260, term
        assert not meaning.casefold().startswith(term.casefold()), term


def test_the_first_guess_counts_and_classes_are_apart(tmp_path: Path) -> None:
    room, one, other = Classroom(tmp_path / "classes.db"), new_class(), new_class()
    assert is_class(one)
    assert one != other
    room.record(one, Answer(1, "pressure", "  Ada ", 20.0, 25.0, "GPa"))
    room.record(one, Answer(1, "pressure", "Ada", 25.0, 25.0, "GPa"))
    room.record(one, Answer(1, "pressure", "Max", 24.0, 25.0, "GPa"))
    room.record(other, Answer(1, "pressure", "Eve", 1.0, 25.0, "GPa"))
    again = Classroom(tmp_path / "classes.db")
    assert [(a.name, a.guess) for a in again.answers(one)] == [("Max", 24.0), ("Ada", 20.0)]
    assert [a.name for a in again.answers(other)] == ["Eve"]
    assert again.answers(new_class()) == []


@pytest.mark.parametrize(
    ("key", "name", "word"),
    [("0" * 12, " \n", "name"), ("0" * 12, "x" * 41, "name"), ("A" * 12, "Ada", "class"), ("", "Ada", "class")],
)
def test_what_is_no_class_or_name_is_refused(tmp_path: Path, key: str, name: str, word: str) -> None:
    with pytest.raises(DataError, match=word):
        Classroom(tmp_path / "classes.db").record(key, Answer(1, "q", name, 1.0, 1.0, ""))


def test_a_class_has_room_for_so_many_and_old_answers_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "MAX_ANSWERS", 2)
    path, key = tmp_path / "classes.db", new_class()
    room = Classroom(path)
    for name in ("Ada", "Max"):
        room.record(key, Answer(1, "q", name, 1.0, 1.0, ""))
    with pytest.raises(DataError, match="full"):
        room.record(key, Answer(1, "q", "Eve", 1.0, 1.0, ""))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answers SET at = at - ? WHERE name = 'Ada'", (86400.0 * (classroom.DAYS + 1),))
    assert [a.name for a in Classroom(path).answers(key)] == ["Max"]
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        Classroom(path)
