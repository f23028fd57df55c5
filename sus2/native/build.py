"""Finds or builds the compiled kernels: plain C++17 behind a C interface, loaded by ctypes.

A wheel carries one library for each level of the processor (x86-64-v2, AVX2, AVX-512; on AArch64 the one that every
such processor runs), made by `hatch_build.py`, and the best that this processor runs is loaded. A checkout carries
none: there the sources are compiled for this very processor at first use and kept in the cache, named by their content.
SUS2_KERNELS chooses otherwise: "native", "baseline", "avx2", "avx512", or "off". This file needs nothing but the
standard library, since the wheel is built where nothing else is installed.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
SOURCE: Final = FOLDER / "source"
_SOURCES: Final = tuple(
    SOURCE / n
    for n in (
        "kernels.cpp",
        "batched.cpp",
        "second_order.cpp",
        "directional.cpp",
        "jacobian.cpp",
        "scalars.cpp",
        "tetrahedra.cpp",
    )
)
_HEADERS: Final = tuple(
    SOURCE / n for n in ("kernels.h", "tables.h", "group.h", "gradient.h", "jets.h", "neighbours.h")
)
_FLAGS: Final = ("-O3", "-std=c++17", "-fno-math-errno", "-shared")
_AVX2: Final = ("-march=x86-64-v2", "-mavx2", "-mfma", "-mbmi", "-mbmi2")
_AVX512: Final = (*_AVX2, "-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mavx512cd")
_X86: Final = {"baseline": ("-march=x86-64-v2",), "avx2": _AVX2, "avx512": _AVX512}
# The order of sus2_level() in source/kernels.cpp.
LEVELS: Final = tuple(_X86)
_RETURNS: Final = {
    None: (
        *("evaluate", "differentiate", "second_order", "response", "edge_jets", "along", "scalars"),
        *("tetrahedra", "irreducible"),
    ),
    ctypes.c_int64: ("structures", "neighbours", "refresh", "jacobian", "level"),
}
_OFF: Final = ("0", "off", "torch")
_CHOICES: Final = ("auto", "native", *LEVELS, "off")
SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


@dataclass(frozen=True)
class Status:
    """Which kernels are in use, or why there are none.

    Attributes
    ----------
    level : str
        "native", or the level of a library of the wheel; empty where there are no compiled kernels.
    path : Path or None
        The library in use.
    problem : str
        What went wrong, with what the compiler said; empty where nothing did.
    """

    level: str
    path: Path | None = None
    problem: str = ""


def cache_folder() -> Path:
    """Where built and downloaded things are kept: SUS2_CACHE, else ~/.cache/sus2."""
    return Path(os.environ.get("SUS2_CACHE") or Path.home() / ".cache" / "sus2")


def library(*flags: str) -> ctypes.CDLL | None:
    """The compiled kernels, or None where there are none.

    Parameters
    ----------
    *flags
        More flags of the compiler, for variants that no wheel carries.

    Returns
    -------
    ctypes.CDLL or None
        Loaded once a process.

    Raises
    ------
    Sus2Error
        If SUS2_KERNELS is no known choice, or a level that this processor or installation does not have.
    """
    return _found(*flags)[0]


def status() -> Status:
    """Which kernels are in use, or why there are none; raises as `library`."""
    return _found()[1]


def available() -> bool:
    """True where the compiled kernels can be used on this machine."""
    return library() is not None


@functools.cache
def _found(*flags: str) -> tuple[ctypes.CDLL | None, Status]:
    choice = os.environ.get("SUS2_KERNELS", "").strip().lower() or "auto"
    if choice in _OFF:
        return None, Status("", problem="switched off by SUS2_KERNELS")
    if choice not in _CHOICES:
        raise _refusal(f"SUS2_KERNELS is '{choice}': give one of {', '.join(_CHOICES)}.")
    problem = ""
    if not flags and choice != "native":
        loaded, status = _packaged(choice)
        if loaded is not None:
            return loaded, status
        problem = status.problem if packaged_levels() else ""  # a checkout carries none
        if choice != "auto":
            raise _refusal(f"SUS2_KERNELS is '{choice}', but {status.problem}.")
    try:
        path = _build(*flags)
        try:
            return _typed(path), Status("native", path, problem)
        except (OSError, AttributeError):  # a damaged file in the cache
            path.unlink(missing_ok=True)
            path = _build(*flags)
            return _typed(path), Status("native", path, problem)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        problem = f"{error.cmd[0]} ended with code {error.returncode}: {said[:4000]}"
    except (OSError, AttributeError, subprocess.SubprocessError) as error:
        problem = f"{type(error).__name__}: {error}"
    if not flags and choice == "native":  # the wheel's own are better than none
        loaded, status = _packaged("auto")
        return loaded, Status(status.level, status.path, problem)
    return None, Status("", problem=problem)


def _refusal(sentence: str) -> Exception:
    from sus2.errors import Sus2Error  # not at the top: the wheel is built by this file alone

    return Sus2Error(sentence)


def _typed(path: Path) -> ctypes.CDLL:
    """The library with the types of its results; raises OSError and AttributeError for a file that is not one."""
    loaded = ctypes.CDLL(str(path))
    for kind, names in _RETURNS.items():
        for name in names:
            getattr(loaded, f"sus2_{name}").restype = kind
    return loaded


def _packaged(choice: str) -> tuple[ctypes.CDLL | None, Status]:
    """The library of this level that the wheel carries; "auto": the best that the processor runs."""
    found = packaged_levels()
    if not found:
        return None, Status("", problem="this installation carries no compiled kernels")
    try:
        # Its one function that is called here runs on every processor.
        highest = _typed(_packaged_path("baseline")).sus2_level()
        runs = [level for level in found if LEVELS.index(level) <= highest]
        if not runs or choice not in ("auto", *runs):
            what = "the compiled kernels" if choice == "auto" else f"the kernels '{choice}'"
            return None, Status("", problem=f"this processor does not run {what} of this installation")
        path = _packaged_path(runs[-1] if choice == "auto" else choice)
        return _typed(path), Status(path.stem.removeprefix("kernels-"), path)
    except (OSError, AttributeError) as error:
        return None, Status("", problem=f"the compiled kernels of this installation cannot be loaded ({error})")


def packaged_levels() -> list[str]:
    """The levels that this installation carries libraries for, lowest first; none in a checkout."""
    return [level for level in LEVELS if _packaged_path(level).is_file()]


def _packaged_path(level: str, folder: Path = FOLDER / "lib") -> Path:
    return folder / f"kernels-{level}{SUFFIX}"


def compiler() -> list[str]:
    """The command of the C++ compiler: CXX, else g++ or clang++; raises OSError where there is none that serves."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"], posix=os.name == "posix")
    for name in ("g++", "clang++"):
        if path := shutil.which(name):
            # On Windows only MinGW's compilers export C functions as they are.
            if os.name == "nt" and not {"mingw32", "gnu"} & set(_said(path, "-dumpmachine").split("-")):
                continue
            return [path]
    raise OSError("there is no C++ compiler (g++ or clang++; the variable CXX names another)")


def _said(*command: str) -> str:
    """The first line that a command prints, empty where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def compiler_version() -> str:
    """The compiler and its version for a bug report, or why there is none."""
    try:
        command = compiler()
    except OSError as error:
        return str(error)
    return _said(*command, "--version") or f"{shlex.join(command)} does not run"


def compile_library(target: Path, *flags: str) -> None:
    """Compile the sources into one library.

    Parameters
    ----------
    target
        The file to write.
    *flags
        Flags beside those that every build has.

    Raises
    ------
    OSError
        If there is no compiler or no place to write.
    subprocess.SubprocessError
        If the compiler fails; a CalledProcessError holds what it said.
    """
    system: tuple[str, ...] = ("-fPIC", "-pthread")
    if os.name == "nt":
        # One file that needs no other of MinGW's. Its stack is aligned to 16 bytes only, whatever the code asks for
        # (GCC bug 54412), so that wider vectors must be moved as unaligned ones.
        system = ("-static", "-Wa,-muse-unaligned-vector-move")
    command = [*compiler(), *_FLAGS, *system, *flags, "-o", str(target), *map(str, _SOURCES)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def levels_here() -> dict[str, tuple[str, ...]]:
    """The levels of this kind of processor, lowest first, each with the flags that make it."""
    return _X86 if platform.machine().lower() in ("x86_64", "amd64") else {"baseline": ()}


def compile_levels(folder: Path, *flags: str) -> list[Path]:
    """Compile every level into a folder, side by side, for a wheel; raises as `compile_library`."""
    levels = levels_here()
    paths = [_packaged_path(level, folder) for level in levels]
    with ThreadPoolExecutor(processors()) as pool:
        jobs = [pool.submit(compile_library, p, *f, *flags) for p, f in zip(paths, levels.values(), strict=True)]
        for job in jobs:
            job.result()
    return paths


def _build(*flags: str) -> Path:
    """Compile for this very processor into the cache; raises as `compile_library`."""
    best = "-march=native" if list(levels_here())[-1] != "baseline" else "-mcpu=native"
    source = b"".join(path.read_bytes() for path in (*_HEADERS, *_SOURCES))
    key = hashlib.sha256(source + " ".join((*compiler(), *_FLAGS, best, *flags, _processor())).encode()).hexdigest()[
        :20
    ]
    target = cache_folder() / "kernels" / f"{key[:20]}{SUFFIX}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            built = Path(scratch) / target.name
            compile_library(built, best, *flags)
            built.replace(target)  # atomic: two processes may build at once
    return target


def _processor() -> str:
    """What a build for this very processor depends on, so that a shared home folder never mixes machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return platform.machine() + flags


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """Threads for one call: OMP_NUM_THREADS where set, else the processors that this process may use."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(text)) if text.isdigit() else processors()
