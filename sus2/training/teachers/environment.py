"""The Python environment that teachers run in: where it is, and how it is built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sus2.errors import DataError, printable
from sus2.progress import Report
from sus2.training.data.sets import cache_root

# matgl pins torch <= 2.7 without needing it; it is installed without its dependencies, which are these.
REQUIREMENTS = (
    "torch-geometric",
    "ase",
    "pymatgen",
    "pandas",
    "scipy",
    "lightning",
    "torchmetrics",
    "torchdata",
    "pydantic",
    "requests",
    "huggingface_hub",
    "boto3",
    "chgnet==0.4.2",
    "e3nn",
    "matscipy",
    "scikit-learn",
    "braceexpand",
    "ninja",
)
# Of these the pins of torch or jax are not needed either.
WITHOUT_DEPENDENCIES = ("matgl==2.0.4", "nequix==0.4.5", "sevenn==0.13.0")
# One teacher alone: what it needs, and the package itself where its own pins are not needed.
_SEVENNET = ("e3nn", "torch-geometric", "matscipy", "scikit-learn", "pandas", "braceexpand", "requests", "ninja")
ALONE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nequix": (("e3nn", "pymatgen", "scipy"), ("nequix==0.4.5",)),
    "chgnet": (("chgnet==0.4.2",), ()),
    "sevennet": (("ase", "tqdm", "pyyaml", *_SEVENNET), ("sevenn==0.13.0",)),
}


def teacher_python() -> Path:
    """The Python of the teachers' environment.

    SUS2_TEACHER_PYTHON, or the one that setup built. With a worker of your own (SUS2_TEACHER_WORKER) the default is
    this Python.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    DataError
        There is none.
    """
    chosen = os.environ.get("SUS2_TEACHER_PYTHON") or (sys.executable if own_worker() else None)
    path = Path(chosen) if chosen else cache_root() / "teacher-env" / "bin" / "python"
    if not path.exists():
        raise DataError(
            f"There is no teacher environment at {path}; build it with 'sus2 data setup' or set SUS2_TEACHER_PYTHON."
        )
    return path


def own_worker() -> Path | None:
    """The script of another teacher, SUS2_TEACHER_WORKER.

    Returns
    -------
    Path or None
        None where none is named.

    Raises
    ------
    DataError
        The file is missing.
    """
    chosen = os.environ.get("SUS2_TEACHER_WORKER")
    if not chosen:
        return None
    path = Path(chosen).resolve()
    if not path.is_file():
        raise DataError(f"There is no teacher '{chosen}'; correct SUS2_TEACHER_WORKER.")
    return path


def setup(
    report: Report = print, *, teacher: str | None = None, folder: Path | None = None, torch_index: str = ""
) -> Path:
    """Build the teachers' environment (once): a virtual environment with torch and the teachers' packages.

    Parameters
    ----------
    report
        Called with each step.
    teacher
        One of ALONE; by default all of them, and matgl 2.0.4.
    folder
        Where; by default where :func:`teacher_python` looks.
    torch_index
        A pip index to take torch from; by default pip's own settings.

    Returns
    -------
    Path
        Its Python.

    Raises
    ------
    DataError
        There is no such teacher, or an installation step failed.
    """
    if teacher is not None and teacher not in ALONE:
        raise DataError(f"There is no teacher '{printable(teacher)}' to install; there are {', '.join(ALONE)}.")
    needed, bare = (REQUIREMENTS, WITHOUT_DEPENDENCIES) if teacher is None else ALONE[teacher]
    place = folder or cache_root() / "teacher-env"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [str(python), "-m", "pip", "install"]
    steps = [
        [sys.executable, "-m", "venv", str(place)],
        [*install, "torch", *(["--index-url", torch_index] if torch_index else [])],
        [*install, *needed],
        *([[*install, "--no-deps", *bare]] if bare else []),
        *([[str(python), "-c", "import matgl; assert matgl.__version__ == '2.0.4'"]] if teacher is None else []),
    ]
    for step in steps:
        report(" ".join(step[1:5]) + " ...")
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            failed = " ".join(step[1:5])
            more = " Without a network a package index is needed (pip's settings)." if "pip" in step else ""
            raise DataError(
                f"The teacher environment could not be built ({failed}): {last_line(done.stderr).rstrip('.')}.{more}"
            )
    return python


def last_line(text: str) -> str:
    """The last line with words of what a program said."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
