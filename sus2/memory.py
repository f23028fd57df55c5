"""Memory: what this process may take, what is free, and what a piece of work takes."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sus2.settings import settings

_MIB: Final = 2.0**20
# The highest memory of this process before peak_of_mib last began to count anew.
_before: list[float] = [0.0]


def allowed_mib() -> float:
    """What one calculation may take, MiB: the setting max_memory_mb, else what the computer has free."""
    limit = settings().max_memory_mb
    return float(limit) if limit else free_mib()


def free_mib() -> float:
    """Memory that is free, MiB, within the limit of the container if there is one; inf where nobody says."""
    found = [math.inf]
    text = _read("/proc/meminfo")
    if match := re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE):
        found.append(int(match.group(1)) / 1024)
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdecimal() and used.isdecimal():
        found.append((int(limit) - int(used)) / _MIB)
    return max(min(found), 0.0)


def resident_mib() -> float:
    """What this process has in memory, MiB; nan where the system does not say."""
    return _status("VmRSS")


def peak_of_mib(work: Callable[[], Any]) -> float:
    """The highest memory of this process while something is done.

    Parameters
    ----------
    work
        Called without arguments.

    Returns
    -------
    float
        MiB, of the whole process; nan where the system does not tell (all but Linux).
    """
    highest = highest_mib()
    try:
        # What was given back to the allocator alone would hide what the work takes.
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    except (OSError, AttributeError):
        work()
        return math.nan
    _before[0] = highest
    work()
    return _status("VmHWM")


def highest_mib() -> float:
    """The highest memory that this process ever had, MiB; nan where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(_before[0], peak / (2**20 if sys.platform == "darwin" else 2**10))


def gib(mib: float) -> str:
    """An amount in MiB as text.

    Parameters
    ----------
    mib
        MiB.

    Returns
    -------
    str
        Such as "3.0 GiB".
    """
    return f"{mib / 1024:.1f} GiB"


def _status(name: str) -> float:
    match = re.search(rf"^{name}:\s+(\d+) kB", _read(f"/proc/{os.getpid()}/status"), re.MULTILINE)
    return int(match.group(1)) / 1024 if match else math.nan


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
