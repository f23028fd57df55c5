"""Progress of the calculation that this process or thread runs."""

from __future__ import annotations

from contextvars import ContextVar, Token

from sus2.progress import Progress

_reporter: Progress | None = None
_own: ContextVar[Progress | None] = ContextVar("reporter", default=None)


def report(stage: str, fraction: float) -> None:
    """Report how far the calculation is.

    Parameters
    ----------
    stage
        In words.
    fraction
        Share that is done, 0 to 1.

    Raises
    ------
    CancelledError
        The calculation is to stop.
    """
    reporter = _own.get() or _reporter
    if reporter is not None:
        reporter(stage, fraction)


def set_reporter(reporter: Progress) -> None:
    """Send the reports of this process to a function.

    Parameters
    ----------
    reporter
        The function.
    """
    global _reporter
    _reporter = reporter


def begin(reporter: Progress) -> Token[Progress | None]:
    """Send the reports of this thread to a function.

    Parameters
    ----------
    reporter
        The function.

    Returns
    -------
    Token
        What `end` needs.
    """
    return _own.set(reporter)


def end(token: Token[Progress | None]) -> None:
    """Undo `begin`.

    Parameters
    ----------
    token
        What it returned.
    """
    _own.reset(token)
