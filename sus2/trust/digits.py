"""Numbers as text, with no digit that their error makes meaningless."""

from __future__ import annotations

import math


def digits_of(digits: int, sigma: float | None) -> int:
    """Digits behind the point that a number keeps beside its error, which is written to two digits.

    Parameters
    ----------
    digits
        Behind the point, at most.
    sigma
        One standard deviation; None or nan where unknown.

    Returns
    -------
    int
        Of the number and of its error.
    """
    if sigma is None or not math.isfinite(sigma) or sigma < 0.5 * 10**-digits:
        return digits
    return min(digits, max(0, 1 - math.floor(math.log10(sigma))))


def error_text(digits: int, sigma: float) -> str:
    """Write an error in the digits of its number; one that is below them to its first digit.

    Parameters
    ----------
    digits
        Behind the point of the number, at most.
    sigma
        One standard deviation.

    Returns
    -------
    str
        As 2.1 or 0.003.
    """
    return f"{sigma:.1g}" if sigma < 0.5 * 10**-digits else f"{sigma:.{digits_of(digits, sigma)}f}"


def number_text(value: float, digits: int, sigma: float | None = None) -> str:
    """Write a number with its error, as 88.3 ± 2.1, with a true minus.

    Parameters
    ----------
    value
        The number.
    digits
        Behind the point, at most.
    sigma
        One standard deviation; None or nan where unknown.

    Returns
    -------
    str
        The number alone where nothing is known of its error.
    """
    kept = digits_of(digits, sigma)
    text = f"{round(value, kept) + 0.0:.{kept}f}".replace("-", "−")  # zero has no sign
    if sigma is None or not math.isfinite(sigma):
        return text
    return f"{text} ± {error_text(digits, sigma)}"
