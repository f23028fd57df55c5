"""A worker process: runs calls that come in on standard input, one at a time, until that closes."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from typing import Any, BinaryIO

from sus2.errors import CancelledError, Sus2Error
from sus2.jobs import reporting
from sus2.jobs.frames import read_frame, write_frame

_REPORT_EVERY_S = 0.1


def _answer(pipe: BinaryIO, message: Any) -> None:
    """Send one message to whoever asked; where nobody is there any more, nobody waits for this process either."""
    try:
        write_frame(pipe, message)
    except BrokenPipeError:
        os._exit(0)


class _Reporter:
    """Sends progress, not too often, and stops the calculation where that was asked for."""

    def __init__(self, pipe: BinaryIO) -> None:
        self.pipe = pipe
        self.stop = threading.Event()
        self._last: tuple[tuple[str, Any], float] = (("", None), 0.0)

    def __call__(self, stage: str, fraction: float) -> None:
        if self.stop.is_set():
            raise CancelledError("The calculation was cancelled.")
        now = time.monotonic()
        said = (str(stage), getattr(stage, "numbers", None))
        if said != self._last[0] or getattr(stage, "parity", None) or now - self._last[1] > _REPORT_EVERY_S:
            self._last = (said, now)
            _answer(self.pipe, ("progress", stage, float(fraction)))


def main() -> None:
    """Serve until standard input closes."""
    # What the calculation prints must not get between the frames.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    reporter = _Reporter(pipe)
    reporting.set_reporter(reporter)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                message = read_frame(sys.stdin.buffer)
            except EOFError:
                # Whoever asked is gone: nobody waits for a calculation that still runs.
                os._exit(0)
            if message[0] == "stop":
                reporter.stop.set()
            else:
                calls.put(message)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        _, content = calls.get()
        reporter.stop.clear()
        try:
            function, args, kwargs = pickle.loads(content)
            outcome: tuple[str, Any] = ("result", function(*args, **kwargs))
        except Sus2Error as error:
            outcome = ("error", error)
        except MemoryError:
            outcome = ("error", Sus2Error("The calculation needs more memory than there is; take a smaller crystal."))
        except Exception as error:  # the worker's last line: whatever it is belongs to whoever asked
            text = " ".join(str(error).split())[:200]
            outcome = (
                "error",
                Sus2Error(f"The calculation failed ({type(error).__name__}: {text})."),
            )
        _answer(pipe, outcome)


if __name__ == "__main__":
    main()
