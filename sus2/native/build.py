"""Builds the fused kernels once with the machine's C++ compiler and keeps them, named by their content."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_SOURCES: Final = tuple(
    Path(__file__).with_name(n)
    for n in ("kernels.cpp", "batched.cpp", "second_order.cpp", "jacobian.cpp", "tetrahedra.cpp")
)
_HEADERS: Final = tuple(Path(__file__).with_name(n) for n in ("kernels.h", "group.h", "neighbours.h"))
_FLAGS: Final = ("-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-shared", "-fPIC", "-pthread")


def cache_folder() -> Path:
    """Where built and downloaded things are kept: SUS2_CACHE, else ~/.cache/sus2."""
    return Path(os.environ.get("SUS2_CACHE") or Path.home() / ".cache" / "sus2")


@functools.cache
def library(*flags: str) -> ctypes.CDLL | None:
    """The compiled kernels, or None where they cannot be built or loaded."""
    if os.environ.get("SUS2_KERNELS", "").lower() in ("0", "off", "torch"):
        return None
    try:
        path = _build(*flags)
        try:
            loaded = ctypes.CDLL(str(path))
        except OSError:  # a damaged file in the cache
            path.unlink(missing_ok=True)
            loaded = ctypes.CDLL(str(_build(*flags)))
    except (OSError, subprocess.SubprocessError):
        return None
    for function in (
        loaded.sus2_evaluate, loaded.sus2_differentiate, loaded.sus2_second_order, loaded.sus2_response,
        loaded.sus2_tetrahedra,
    ):  # fmt: skip
        function.restype = None
    for function in (loaded.sus2_structures, loaded.sus2_neighbours, loaded.sus2_refresh, loaded.sus2_jacobian):
        function.restype = ctypes.c_int64
    return loaded


def _build(*flags: str) -> Path:
    """Compile into the cache, named by the content and the processor; raises OSError without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise OSError("no C++ compiler")
    source = b"".join(path.read_bytes() for path in (*_HEADERS, *_SOURCES))
    key = hashlib.sha256(source + " ".join((compiler, *_FLAGS, *flags, _processor())).encode()).hexdigest()[:20]
    target = cache_folder() / "kernels" / f"{key}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            built = Path(scratch) / "kernels.so"
            command = [compiler, *_FLAGS, *flags, "-o", str(built), *map(str, _SOURCES)]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            built.replace(target)  # atomic: two processes may build at once
    return target


def _processor() -> str:
    """What -march=native depends on, so that a shared home folder never mixes machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = platform.processor()
    return platform.machine() + flags


def available() -> bool:
    """True where the kernels can be used on this machine."""
    return library() is not None


def default_threads() -> int:
    """Threads for one call: OMP_NUM_THREADS where set, else the processors this process may use."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(text)) if text.isdigit() else len(os.sched_getaffinity(0))
