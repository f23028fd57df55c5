"""The last few answers of a question."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sus2.kept import Kept, forget_all


def test_an_answer_is_made_once_and_the_oldest_goes():
    made = []

    def answer(key):
        return kept.get(key, lambda: made.append(key) or f"of {key}")

    kept = Kept[str](2)
    assert [answer(k) for k in ("a", "b", "a")] == ["of a", "of b", "of a"]
    assert made == ["a", "b"]
    answer("c")  # b was asked for longest ago
    assert len(kept) == 2
    answer("a")
    assert made == ["a", "b", "c"]
    answer("b")
    assert made == ["a", "b", "c", "b"]


def test_an_error_is_not_kept():
    kept = Kept[int](2)
    with pytest.raises(ZeroDivisionError):
        kept.get("x", lambda: 1 // 0)
    assert kept.get("x", lambda: 7) == 7


def test_many_threads_get_their_own_answers():
    kept = Kept[int](3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: kept.get(k % 7, lambda: 10 * (k % 7)), range(2000)))
    assert found == [10 * (k % 7) for k in range(2000)]
    assert len(kept) <= 3


def test_all_can_be_forgotten():
    kept = Kept[int](3)
    kept.put("x", 1)
    forget_all()
    assert kept.get("x", lambda: 2) == 2
