"""What may be wrong with a result: each check is one number, a verdict and one sentence.

A check passes, warns or fails. The checks of a property lie beside it (sus2.properties.eos.checks, ...).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from sus2 import _moved

Verdict: TypeAlias = Literal["pass", "warn", "fail"]

_ORDER: Final[dict[Verdict, int]] = {"pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Check:
    """One check of a result.

    Attributes
    ----------
    name
        What is checked.
    value
        The number that the verdict comes from; nan where there is none.
    unit
        Its unit, empty for a plain number.
    verdict
        The outcome.
    meaning
        One sentence for people.
    pass_limit
        Up to which the value passes, and up to which it warns; None where the verdict does not come from two upper
        limits.
    warn_limit
        Up to which the value passes, and up to which it warns; None where the verdict does not come from two upper
        limits.
    """

    name: str
    value: float
    unit: str
    verdict: Verdict
    meaning: str
    pass_limit: float | None = None
    warn_limit: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON.

        Returns
        -------
        dict
            The fields by name; a value that is not finite is None.
        """
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else None}


def graded(name: str, value: float, unit: str, *, pass_limit: float, warn_limit: float, meaning: str) -> Check:
    """Make a check of a number that should be small.

    Parameters
    ----------
    name
        As in Check.
    unit
        As in Check.
    meaning
        As in Check.
    value
        The number.
    pass_limit
        Up to here the check passes.
    warn_limit
        Up to here it warns; above, and for nan, it fails.

    Returns
    -------
    Check
        With the verdict that follows.
    """
    verdict: Verdict = "pass" if value <= pass_limit else "warn" if value <= warn_limit else "fail"
    return Check(name, float(value), unit, verdict, meaning, pass_limit, warn_limit)


def worst(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict of some checks.

    Parameters
    ----------
    checks
        Any number of them.

    Returns
    -------
    {"pass", "warn", "fail"}
        "pass" where there is no check.
    """
    return max((c.verdict for c in checks), key=_ORDER.__getitem__, default="pass")


def __getattr__(name: str) -> Any:
    return _moved.left("checks", name)
