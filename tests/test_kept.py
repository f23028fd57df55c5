"""The last few answers of a question."""

from __future__ import annotations

import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import numpy as np
import pytest

from sus2.kept import Kept, fixed, forget_all, kept_with


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


def test_what_an_object_is_asked_goes_with_it():
    class Owner:
        pass

    owner = Owner()
    store = kept_with(owner, "question", 2)
    assert store is kept_with(owner, "question", 2)
    assert store is not kept_with(owner, "another", 2)
    # An answer that holds its owner holds it no longer than others do.
    store.put("x", owner)
    known = ref(owner)
    del owner, store
    gc.collect()
    assert known() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_during_a_question_does_not_wait_for_its_answer():
    kept = Kept[int](2)
    with kept._lock:
        child = os.fork()
        if not child:
            # Only the lock of the parent is held, by a thread that the child does not have.
            signal.alarm(20)
            os._exit(0 if kept.get("x", lambda: 7) == 7 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_fixed_does_not_change_but_its_copies_do():
    shared = fixed(np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        shared += 1.0
    assert (shared.copy() + 1.0).sum() == 3.0


def test_what_is_kept_of_a_potential_outlives_the_crystals() -> None:
    of_crystal, of_potential = Kept[int](2), Kept[int](2, of_crystals=False)
    for kept in (of_crystal, of_potential):
        kept.put("a", 1)
    forget_all()
    assert of_crystal.known("a") is None
    assert of_potential.known("a") == 1
