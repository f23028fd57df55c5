"""The last few answers of a question that is asked again and again, kept by an exact key."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from numpy.typing import NDArray

V = TypeVar("V")


class Kept(Generic[V]):
    """At most so many answers, those asked for last; any thread may ask.

    A key has to tell all that an answer depends on: of a crystal its geometry, not its formula.

    Parameters
    ----------
    most
        How many are kept.
    of_crystals
        Whether they are about crystals, and not about a potential.
    """

    def __init__(self, most: int, *, of_crystals: bool = True) -> None:
        self._most = most
        self.of_crystals = of_crystals
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, V] = OrderedDict()
        _every.add(self)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The answer that is kept, or a new one.

        Parameters
        ----------
        key
            All that it depends on.
        make
            Makes it; its errors are the caller's, and nothing is kept then. Two threads may make the same one.

        Returns
        -------
        object
            Shared by all who ask: not to be changed.
        """
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        made = make()
        self.put(key, made)
        return made

    def known(self, key: Hashable) -> V | None:
        """The answer that is kept.

        Parameters
        ----------
        key
            All that it depends on.

        Returns
        -------
        object or None
            None where there is none.
        """
        with self._lock:
            return self._answers.get(key)

    def put(self, key: Hashable, answer: V) -> None:
        """Keep an answer that came by another way.

        Parameters
        ----------
        key
            All that it depends on.
        answer
            Takes the place of the one that was asked for longest ago where there are enough.
        """
        with self._lock:
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)

    def unlock(self) -> None:
        """For a process that was forked while another thread of its parent asked."""
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._answers.clear()


_every: WeakSet[Kept[Any]] = WeakSet()


def kept_with(owner: object, name: str, most: int, *, of_crystals: bool = True) -> Kept[Any]:
    """The answers of an object, which go when it goes: a store of the module would keep it alive.

    Parameters
    ----------
    owner
        What they are about.
    name
        Of the question.
    most
        How many are kept.
    of_crystals
        As Kept has it.

    Returns
    -------
    Kept
        The same one at each call.
    """
    stores = vars(owner)
    at = f"_kept_{name}"
    found: Kept[Any] | None = stores.get(at)
    return stores.setdefault(at, Kept(most, of_crystals=of_crystals)) if found is None else found


def fixed(array: NDArray) -> NDArray:
    """An array that can no longer be changed in place, as it is shared by all who ask.

    Parameters
    ----------
    array
        Any.

    Returns
    -------
    ndarray
        The same; copies of it can be changed.
    """
    array.flags.writeable = False
    return array


def forget_all() -> None:
    """Forget what this process has kept of crystals: for measurements, in which none must be known from before."""
    for kept in list(_every):
        if kept.of_crystals:
            kept.clear()


def _unlock_all() -> None:
    for kept in list(_every):
        kept.unlock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_unlock_all)
