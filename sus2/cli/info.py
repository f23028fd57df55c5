"""`sus2 info`: what a bug report needs to say about an installation and its computer."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import typer

import sus2
from sus2.cli.common import AsJson
from sus2.native import build

_PACKAGES: Final = (
    "numpy",
    "scipy",
    "ase",
    "pymatgen",
    "phonopy",
    "spglib",
    "torch",
    "triton",
    "streamlit",
    "plotly",
    "sqlalchemy",
    "distributed",
    "dask-jobqueue",
    "psycopg",
    "elastic",
)


def show_info(as_json: AsJson = False) -> None:
    """Show versions, compiled kernels, devices, threads, cache and potentials, for a bug report."""
    found = information()
    if as_json:
        typer.echo(json.dumps(found))
        return
    for title, value in found.items():
        typer.echo(f"{title}: {value}" if isinstance(value, str) else f"{title}:")
        if isinstance(value, dict):
            width = max(map(len, value))
            for name, what in value.items():
                typer.echo(f"  {name:<{width}}  {_shown(what)}")
        elif isinstance(value, list):
            typer.echo(f"  {_shown(value)}")


def _shown(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).replace("\n", "\n      ")


def information() -> dict[str, Any]:
    """What `sus2 info` shows.

    Returns
    -------
    dict
        Plain values by title: `sus2`, `python` and `system` are texts; `packages` (versions), `kernels`, `devices` and
        `cache` are dictionaries; `potentials` is a list of names.

    Raises
    ------
    Sus2Error
        If SUS2_KERNELS asks for what this installation or processor does not have.
    """
    return {
        "sus2": f"{sus2.__version__} in {Path(sus2.__file__).parent}",
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        "packages": {name: _version(name) for name in _PACKAGES},
        "kernels": _kernels(),
        "devices": _devices(),
        "cache": _cache(build.cache_folder()),
        "potentials": [card.name for card in sus2.models()],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _kernels() -> dict[str, Any]:
    status = build.status()
    return {
        "in use": status.level or "none: torch computes, more slowly",
        "library": str(status.path or ""),
        "problem": status.problem,
        "in this installation": build.packaged_levels(),
        "compiler": build.compiler_version(),
        "chosen by SUS2_KERNELS": os.environ.get("SUS2_KERNELS", ""),
        "threads": build.default_threads(),
    }


def _devices() -> dict[str, Any]:
    import torch

    out: dict[str, Any] = {
        "cpu": f"{build.processors()} processors for this process, torch uses {torch.get_num_threads()}"
    }
    if torch.cuda.is_available():
        for k in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(k)
            out[f"cuda:{k}"] = f"{about.name}, {about.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    elif torch.version.cuda is None:
        out["cuda"] = "not usable: this build of torch is without CUDA"
    else:
        out["cuda"] = f"not usable: torch is built for CUDA {torch.version.cuda}, but no device answers"
    if importlib.util.find_spec("triton") is None:
        out["triton"] = "not installed"
    elif not torch.cuda.is_available():
        out["triton"] = "installed, but its kernels need a GPU"
    else:
        chosen = os.environ.get("SUS2_TRITON") == "1"
        out["triton"] = "its kernels are used" if chosen else "installed; SUS2_TRITON=1 uses its kernels"
    return out


def _cache(folder: Path) -> dict[str, Any]:
    files = [p for p in folder.rglob("*") if p.is_file()] if folder.is_dir() else []
    nearest = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    return {
        "folder": str(folder),
        "writable": "yes"
        if nearest.is_dir() and os.access(nearest, os.W_OK)
        else "no: kernels and results are not kept",
        "size": f"{sum(p.stat().st_size for p in files) / 2**20:.1f} MiB in {len(files)} files",
    }
