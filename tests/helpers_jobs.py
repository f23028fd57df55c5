"""Calls for worker processes, which import them by name."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from sus2.errors import StructureError
from sus2.jobs import reporting


def add(a: int, b: int) -> int:
    return a + b


def process_id() -> int:
    return os.getpid()


def refuse() -> None:
    raise StructureError("This crystal cannot be used.")


def crash() -> None:
    raise ZeroDivisionError("by chance")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def chatter() -> str:
    print("a line that must not reach the frames")
    return "done"


def step_until_stopped() -> None:
    while True:
        reporting.report("stepping", 0.25)


def deaf_until_killed(path: str) -> None:
    """Never reports again, so nothing but a signal stops it."""
    reporting.report("deaf", 0.5)
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    while True:
        time.sleep(0.01)


def tell(stages: list[Any]) -> str:
    for stage, fraction in stages:
        reporting.report(stage, fraction)
    return "told"
