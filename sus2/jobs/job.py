"""A calculation on its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from sus2.errors import Sus2Error
from sus2.jobs.calculation import Calculation
from sus2.progress import Parity

Status = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class Job:
    """A calculation on its way: who waits for it, how far it is, and how it ended.

    Times are of time.monotonic(), in seconds.

    Attributes
    ----------
    key
        Of the calculation.
    calculation
        What is computed.
    owners
        Who waits for it.
    submitted
        When it was asked for.
    asked_by
        Who asked first.
    status
        How far it is.
    error
        Why it failed or was cancelled; None otherwise.
    started
        When it began; None while it waits.
    overdue
        Whether it was stopped for its time.
    ended
        Set at its end.
    future
        Of the executor; None while it waits.
    """

    key: str
    calculation: Calculation
    owners: set[str]
    submitted: float
    asked_by: str = ""
    status: Status = "waiting"
    error: Sus2Error | None = None
    started: float | None = None
    overdue: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    future: Future[Any] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ended.is_set()

    @property
    def stage(self) -> str:
        """What is being done, in a few words."""
        return str(getattr(self.future, "stage", "computing")) if self.status == "running" else "waiting"

    @property
    def fraction(self) -> float:
        """Share that is done, 0 to 1."""
        return min(1.0, max(0.0, float(getattr(self.future, "fraction", 0.0))))

    @property
    def points(self) -> list[Mapping[str, float]]:
        """Numbers that it has reported so far, to be drawn (sus2.progress.Stage)."""
        return list(getattr(self.future, "points", ()))

    @property
    def parity(self) -> Parity:
        """Labels and predictions as they were last reported, to be drawn (sus2.progress.Stage)."""
        found: Parity = getattr(self.future, "parity", {})
        return found

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the share that is done, None while there is no ground for one."""
        if self.started is None or self.fraction < 0.03:
            return None
        return (time.monotonic() - self.started) * (1.0 - self.fraction) / self.fraction
