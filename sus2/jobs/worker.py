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


class _Asker:
    """Whoever asked, at the other end of the pipe: answers, and how far the calculation is, not too often.

    What came too soon after a report is sent when its time has come, so the last report before a long step arrives.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self.pipe = pipe
        self.stop = threading.Event()
        self._guard = threading.Lock()
        self._said: tuple[str, Any] = ("", None)
        self._sent = 0.0
        self._kept: tuple[str, float] | None = None
        self._timer: threading.Timer | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        if self.stop.is_set():
            raise CancelledError("The calculation was cancelled.")
        said = (str(stage), getattr(stage, "numbers", None))
        with self._guard:
            wait = self._sent + _REPORT_EVERY_S - time.monotonic()
            if said != self._said or getattr(stage, "parity", None) or wait <= 0.0:
                self._said = said
                self._report(stage, fraction)
                return
            self._kept = (stage, fraction)
            if self._timer is None:
                self._timer = threading.Timer(wait, self._catch_up)
                self._timer.daemon = True
                self._timer.start()

    def answer(self, outcome: tuple[str, Any]) -> None:
        """Send how the calculation ended; no report of it comes after that."""
        with self._guard:
            self._kept = None
            self._send(outcome)

    def _catch_up(self) -> None:
        with self._guard:
            self._timer = None
            if self._kept is not None:
                self._report(*self._kept)

    def _report(self, stage: str, fraction: float) -> None:
        self._kept, self._sent = None, time.monotonic()
        self._send(("progress", stage, float(fraction)))

    def _send(self, message: Any) -> None:
        # Where nobody is there any more, nobody waits for this process either.
        try:
            write_frame(self.pipe, message)
        except BrokenPipeError:
            os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    # What the calculation prints must not get between the frames.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asker = _Asker(pipe)
    reporting.set_reporter(asker)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                message = read_frame(sys.stdin.buffer)
            except EOFError:
                # Whoever asked is gone: nobody waits for a calculation that still runs.
                os._exit(0)
            if message[0] == "stop":
                asker.stop.set()
            else:
                calls.put(message)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        _, content = calls.get()
        asker.stop.clear()
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
        asker.answer(outcome)


if __name__ == "__main__":
    main()
