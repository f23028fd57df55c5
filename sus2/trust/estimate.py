"""One standard deviation of a number, and what it means in a word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np

from sus2.errors import Sus2Error
from sus2.types import Array

R = TypeVar("R")
Word = Literal["good", "rough", "not to be trusted", "unknown"]

GOOD: Final = 0.10
"""Up to this share of the number, its standard deviation makes it "good"."""
ROUGH: Final = 0.30
"""Up to this share it is "rough", above "not to be trusted"."""
WORST_FIRST: Final[tuple[Word, ...]] = ("not to be trusted", "unknown", "rough", "good")


class TrustVerdict(str):
    """A verdict of trust: the word itself, with the reason beside it.

    Attributes
    ----------
    reason : str
        One sentence for people.
    """

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, word: str, reason: str) -> TrustVerdict:
        """The word with its reason."""
        made = super().__new__(cls, word)
        made.reason = reason
        return made


@dataclass(frozen=True, eq=False)
class Estimate:
    """How uncertain one quantity of a result is.

    Attributes
    ----------
    sigma : float or ndarray
        One standard deviation in the unit of the quantity, in the shape of the quantity; nan where unknown.
    relative : float
        That over the size of the quantity; of an array, of its largest entry. Nan where unknown.
    reason : str
        Where it comes from, or why it is unknown, in one sentence.
    """

    sigma: float | Array
    relative: float
    reason: str

    @property
    def verdict(self) -> TrustVerdict:
        """The word that follows from the relative standard deviation."""
        return TrustVerdict(word_of(self.relative), self.reason)


def word_of(relative: float) -> Word:
    """The verdict of a relative standard deviation.

    Parameters
    ----------
    relative
        Standard deviation over the size of the number.

    Returns
    -------
    str
        "unknown" for nan.
    """
    if not math.isfinite(relative):
        return "unknown"
    return "good" if relative < GOOD else "rough" if relative < ROUGH else "not to be trusted"


@dataclass(frozen=True, eq=False)
class Trust:
    """Estimates of the quantities of one result, by the names that the result has for them.

    Attributes
    ----------
    estimates : dict
        Name -> Estimate.
    limits : tuple of str
        What limits the trust in all of them, one sentence each.
    curves : dict
        Name of a quantity with many values -> (values, sigma there), ascending in the values.
    """

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    curves: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    @property
    def uncertainty(self) -> dict[str, Any]:
        """One standard deviation of each quantity."""
        return _Uncertainty((name, e.sigma) for name, e in self.estimates.items())

    @property
    def verdicts(self) -> dict[str, TrustVerdict]:
        """The verdict on each quantity."""
        return {name: e.verdict for name, e in self.estimates.items()}

    def sigma_at(self, name: str, values: Array) -> Array:
        """One standard deviation of many values of a quantity, such as the frequencies of a band structure.

        Parameters
        ----------
        name
            One of the curves.
        values
            Of the quantity.

        Returns
        -------
        ndarray
            In the same shape, interpolated; nan where nothing is known.
        """
        if name not in self.curves:
            return np.full(np.shape(values), np.nan)
        x, sigma = self.curves[name]
        return np.asarray(np.interp(values, x, sigma), dtype=np.float64)

    def worst(self, names: Iterable[str] = ()) -> TrustVerdict:
        """The verdict to go by for several quantities together.

        Parameters
        ----------
        names
            The quantities; by default all.

        Returns
        -------
        TrustVerdict
            The worst, with its reason; "unknown" where there is none.
        """
        found = [self.estimates[n].verdict for n in (names or self.estimates) if n in self.estimates]
        return min(found, key=WORST_FIRST.index, default=TrustVerdict("unknown", "Nothing was estimated."))

    def to_dict(self) -> dict[str, Any]:
        """Sigma, verdict and reason of each quantity, for JSON; None where unknown."""
        return {
            name: {"sigma": _plain(e.sigma), "verdict": str(e.verdict), "reason": e.reason}
            for name, e in self.estimates.items()
        }


class _Uncertainty(dict[str, Any]):
    """Nan for a quantity that nothing is known of."""

    def __missing__(self, name: str) -> float:
        return math.nan


def safely(find: Callable[[R], Trust]) -> Callable[[R], Trust]:
    """What finds the trust in a result, without failing: where the numbers go out of range, nothing is known.

    Parameters
    ----------
    find
        Takes a result and gives its Trust.

    Returns
    -------
    callable
        The same, with a limit in words instead of an error.
    """

    @wraps(find)
    def found(result: R) -> Trust:
        try:
            with np.errstate(all="ignore"):
                return find(result)
        except (Sus2Error, ArithmeticError, ValueError) as error:
            words = " ".join(str(error).split())[:160].rstrip(".")
            return Trust({}, (f"The error of these numbers could not be estimated ({words}).",))

    return found


class HasTrust:
    """What every result has whose numbers carry an estimate of trust; `trust` is made at its first use."""

    if TYPE_CHECKING:

        @property
        def trust(self) -> Trust:
            """Estimates of the errors of its numbers."""

    @property
    def uncertainty(self) -> dict[str, Any]:
        """One standard deviation of each quantity, calibrated, in its unit; nan where unknown."""
        return self.trust.uncertainty

    @property
    def verdicts(self) -> dict[str, TrustVerdict]:
        """For each quantity "good", "rough", "not to be trusted" or "unknown", with its reason."""
        return self.trust.verdicts


def unknown(reason: str, like: float | Array = 0.0) -> Estimate:
    """An estimate that says that nothing is known.

    Parameters
    ----------
    reason
        Why, in one sentence.
    like
        The quantity, for its shape.

    Returns
    -------
    Estimate
        Nan in that shape.
    """
    shape = np.shape(like)
    return Estimate(np.full(shape, np.nan) if shape else math.nan, math.nan, reason)


def _plain(sigma: float | Array) -> Any:
    values = np.asarray(sigma, dtype=np.float64)
    if values.shape == ():
        return float(values) if math.isfinite(float(values)) else None
    return [_plain(v) for v in values]
