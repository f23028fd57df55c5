"""What a worker process tells whoever asked."""

from __future__ import annotations

import os
import time
from typing import Any

from sus2.jobs.frames import read_frame
from sus2.jobs.worker import _Asker

KEPT_S = 0.3
"""Longer than a report is kept."""


def told(*, answers: bool) -> list[Any]:
    """What arrives of three reports that come at once, and of an answer right after them."""
    ends = os.pipe()
    with os.fdopen(ends[0], "rb") as ours:
        with os.fdopen(ends[1], "wb") as theirs:
            asker = _Asker(theirs)
            for fraction in (0.0, 0.25, 0.5):
                asker("displacements", fraction)
            if answers:
                asker.answer(("result", 1))
            time.sleep(KEPT_S)
        out = []
        while ours.peek(1):
            out.append(read_frame(ours))
        return out


def test_the_last_report_before_a_long_step_arrives() -> None:
    assert told(answers=False) == [("progress", "displacements", 0.0), ("progress", "displacements", 0.5)]


def test_no_report_follows_the_answer() -> None:
    assert told(answers=True) == [("progress", "displacements", 0.0), ("result", 1)]
