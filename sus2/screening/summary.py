"""How a screening went, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ScreenSummary:
    """How a screening went.

    Attributes
    ----------
    out
        The database.
    structures
        That were read.
    unreadable
        That were not.
    results
        Structure x potential x property that were asked for.
    reused
        Of these, found in the database.
    computed
        By this run.
    failed
        Of those computed.
    failed_before
        Of those reused.
    wall_s
        Of the run.
    busy_s
        Of all workers together in calculations.
    workers
        How many.
    own_cpu_s
        Processor time of this process, which reads, sends and keeps.
    """

    out: str
    structures: int
    unreadable: int
    results: int
    reused: int
    computed: int
    failed: int
    failed_before: int
    wall_s: float
    busy_s: float
    workers: int
    own_cpu_s: float

    @property
    def complete(self) -> bool:
        """Every structure was read, and no result failed."""
        return not (self.unreadable or self.failed or self.failed_before)

    @property
    def idle_fraction(self) -> float:
        """Part of the workers' time without calculations: scheduling, reading, starting, waiting."""
        return max(0.0, 1.0 - self.busy_s / (self.wall_s * self.workers)) if self.wall_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = (
            "out",
            "structures",
            "unreadable",
            "results",
            "reused",
            "computed",
            "failed",
            "failed_before",
            "wall_s",
            "busy_s",
            "workers",
            "own_cpu_s",
        )
        return {name: getattr(self, name) for name in names} | {"complete": self.complete}
