"""How a long calculation tells its caller how far it is, and how the caller stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, float], None]
"""Called as ``progress(stage, fraction)`` with a fraction from 0 to 1.

Raising :class:`sus2.errors.CancelledError` in it stops the calculation.
"""

Parity: TypeAlias = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Labels and predictions so far, by the quantity with its unit."""


Tick: TypeAlias = Callable[[str], None]
"""Called often with what is being done, where nobody knows how much is left; it may raise CancelledError too."""

Report: TypeAlias = Callable[[str], None]
"""Called with a line for whoever watches: ``print``, for example."""


def silent(stage: str, fraction: float) -> None:
    """Tell nobody; what a calculation calls that was given no progress."""


class Stage(str):
    """The words of a stage with numbers that whoever waits can draw: errors so far, for example.

    Parameters
    ----------
    words
        What is being done.
    numbers
        By name with unit.
    parity
        Labels and predictions as they are now, where they are new.

    Attributes
    ----------
    numbers : Mapping of str to float
        They.
    parity : Mapping of str to two sequences of float
        They; empty where they are not new.
    """

    numbers: Mapping[str, float]
    parity: Parity

    def __new__(cls, words: str, numbers: Mapping[str, float] | None = None, parity: Parity | None = None) -> Stage:
        """The words; they stay a str wherever one is expected."""
        made = super().__new__(cls, words)
        made.numbers = dict(numbers or {})
        made.parity = dict(parity or {})
        return made


def part_of(progress: Progress, name: str, start: float, share: float) -> Progress:
    """Report the progress of one part of a longer calculation.

    Parameters
    ----------
    progress
        Where the whole calculation reports to.
    name
        What the part is called; put before the name of its stages, empty for none.
    start
        Fraction of the whole that was done before this part.
    share
        Fraction of the whole that this part is.

    Returns
    -------
    Progress
        What the part is to call with its own stages and fractions from 0 to 1.
    """

    def report(stage: str, fraction: float) -> None:
        words = f"{name}: {stage}" if name and stage else name or stage
        progress(words, start + share * min(1.0, max(0.0, fraction)))

    return report
