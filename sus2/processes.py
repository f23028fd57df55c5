"""The end of a process that this one has started."""

from __future__ import annotations

import subprocess


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process, whatever it does, and close its pipes.

    Parameters
    ----------
    process
        As subprocess.Popen has started it.
    """
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # what was left to write has no reader
