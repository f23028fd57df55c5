"""The server of the app: what its garbage collections look at."""

from __future__ import annotations

import gc
import weakref

from sus2._serve import set_aside


class Loop:
    """Refers to itself, so that only a garbage collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_set_aside_is_freed_once_nobody_needs_it() -> None:
    loop = Loop()
    gone = weakref.ref(loop)
    try:
        set_aside()
        del loop
        gc.collect()
        assert gone() is not None, "a collection after each run looks at new objects alone"
        set_aside()
        assert gone() is None
    finally:
        gc.unfreeze()
