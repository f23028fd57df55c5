"""Building of distillation sets, shard by shard, with teachers that run in an environment of their own.

Beside the files that :mod:`sus2.training.data.sets` reads, a set's folder holds ``base-K`` (crystals before
relaxation), ``relaxed-K``, ``start-K`` and ``snapshots-K`` (short dynamics). Every file is written whole or
not at all, so a build that was stopped at any moment goes on when it is started again, with the same result.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms

from sus2.errors import DataError
from sus2.progress import Report
from sus2.training.data import generate
from sus2.training.data.crystals.shard_files import write
from sus2.training.data.families import UNIVERSAL
from sus2.training.data.reference_sets import shared_root
from sus2.training.data.sets import cache_root, load_set, set_folder
from sus2.training.teachers.environment import last_line, own_worker, setup, teacher_python
from sus2.training.teachers.reference_check import write_check

TEACHERS = {
    "PBE": "TensorNet-MatPES-PBE-v2025.1-PES",
    "r2SCAN": "TensorNet-MatPES-r2SCAN-v2025.1-PES",
}
WORKER = Path(__file__).with_name("worker.py")
SECOND_WORKER = Path(__file__).with_name("second_opinion_worker.py")
FORMAT = 1

__all__ = [
    "BuildPlan",
    "build_set",
    "check_teachers",
    "load_set",
    "run_second_opinion",
    "run_worker",
    "setup",
    "teacher_python",
]


def run_worker(
    task: str, folder: Path, functionals: Sequence[str], shard: str = "*", report: Report | None = None
) -> list[dict[str, Any]]:
    """Run one task of the worker over the shards of a folder.

    Parameters
    ----------
    task
        Name of the task.
    folder
        With the shards.
    functionals
        Whose teachers are asked.
    shard
        One shard alone, by number.
    report
        Told what is done.

    Returns
    -------
    list of dict
        Reports (file, count, seconds).

    Raises
    ------
    DataError
        No teacher environment, no weights, or the worker failed.
    """
    own = own_worker()
    command = [str(teacher_python()), str(own or WORKER), task, str(folder), "--shard", shard]
    for functional in functionals:
        if own:
            command += ["--teacher", functional]
            continue
        weights = shared_root() / "teachers" / TEACHERS[functional]
        if not weights.is_dir():
            raise DataError(f"The weights of the {functional} teacher are not at {weights}; set SUS2_SHARED.")
        command += ["--teacher", f"{functional}={weights}"]
    reports = _run(command, f"The teacher failed at {task} of shard {shard}")
    if report is not None:
        for entry in reports:
            report(" ".join(f"{key}={value}" for key, value in entry.items()))
    return reports


def run_second_opinion(folder: Path, shard: str, *, labels: bool = False) -> list[dict[str, Any]]:
    """Evaluate the relaxed bases of a shard by CHGNet.

    Parameters
    ----------
    folder
        Of the set.
    shard
        Its number, as "0003".
    labels
        Evaluate all structures of the shard instead, in PBE.

    Returns
    -------
    list of dict
        One report for each file that was written.

    Raises
    ------
    DataError
        There is no teachers' environment, or the script fails; the message has its last line.
    """
    command = [str(teacher_python()), str(SECOND_WORKER), str(folder), "--shard", shard]
    command += ["--labels"] if labels else []
    return _run(command, f"CHGNet failed at shard {shard}")


def run_script(
    script: Path, arguments: Sequence[str], report: Report | None = None, variables: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    """Run another script in the teachers' environment.

    Parameters
    ----------
    script
        The file.
    arguments
        Of its command line.
    report
        Called with one line for each report.
    variables
        Added to its environment.

    Returns
    -------
    list of dict
        Its reports, one line of JSON each.

    Raises
    ------
    DataError
        There is no teachers' environment, or the script fails; the message has its last line.
    """
    command = [str(teacher_python()), str(script), *arguments]
    reports = _run(command, f"The teacher {script.stem.removesuffix('_worker')} failed", variables)
    if report is not None:
        for entry in reports:
            report(" ".join(f"{key}={value}" for key, value in entry.items()))
    return reports


def _run(command: list[str], failure: str, variables: dict[str, str] | None = None) -> list[dict[str, Any]]:
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), **(variables or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise DataError(f"{failure}: {last_line(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check_teachers(functionals: Sequence[str] = tuple(TEACHERS)) -> list[dict[str, Any]]:
    """Compare the workers' evaluations with matgl's and Nequix's own.

    Parameters
    ----------
    functionals
        Of TensorNet-MatPES; Nequix is compared where its weights are there.

    Returns
    -------
    list of dict
        One report for each crystal and teacher, with the largest difference (eV/atom, eV/A, eV/A^3).

    Raises
    ------
    DataError
        There is no teachers' environment, weights are missing, or evaluations differ.
    """
    reports = run_worker("check", cache_root(), functionals)
    weights = shared_root() / "teachers" / "nequix" / "torch-nequix-omat-1.pt"
    if weights.exists():
        script = Path(__file__).with_name("nequix_worker.py")
        found = run_script(script, ["check", str(cache_root()), "--weights", str(weights)])
        reports += [{"functional": "PBE (Nequix)", **entry} for entry in found]
    return reports


@dataclass(frozen=True)
class BuildPlan:
    """What determines a set.

    Attributes
    ----------
    name
        Of the set.
    seed
        Of the random numbers.
    functionals
        That are labelled.
    bases_per_shard
        Crystals per shard.
    dynamics_per_shard
        Short runs per shard.
    limit
        Use this many crystals alone.
    crystals
        Those of the four families, or random decorations of prototypes (many compositions, few structures
        each, no dimers or free atoms).
    """

    name: str
    seed: int = 0
    functionals: tuple[str, ...] = ("PBE", "r2SCAN")
    bases_per_shard: int = 800
    dynamics_per_shard: int = 60
    limit: int | None = None
    crystals: Literal["families", "decorations"] = "families"


def build_set(plan: BuildPlan, report: Report = print) -> Path:
    """Make and label a whole set, or go on with one.

    Bases are relaxed by the first functional; the same structures are labelled by all.

    Parameters
    ----------
    plan
        What to build.
    report
        Told what is done.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    DataError
        The set exists with another plan, or the teacher cannot run.
    """
    folder = set_folder(plan.name)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.partial"):
        left.unlink()
    make = generate.decorated_crystals if plan.crystals == "decorations" else generate.base_crystals
    bases = make(plan.seed)[: plan.limit]
    shards = [bases[k : k + plan.bases_per_shard] for k in range(0, len(bases), plan.bases_per_shard)]
    _claim(folder, plan, len(shards))
    for number, chunk in enumerate(shards):
        _build_shard(folder, plan, number, len(shards), chunk, report)
    report(f"{plan.name}: all {len(shards)} shards are done.")
    return folder


def _teachers(plan: BuildPlan) -> dict[str, str]:
    """Functional -> teacher. Raises DataError for a functional without one."""
    own = own_worker()
    unknown = [f for f in plan.functionals if f not in TEACHERS] if own is None else []
    if unknown:
        raise DataError(f"There is no teacher of {unknown[0]}; there are {', '.join(TEACHERS)}.")
    return {f: own.stem if own else TEACHERS[f] for f in plan.functionals}


def _claim(folder: Path, plan: BuildPlan, shards: int) -> None:
    manifest = {
        "format": FORMAT,
        "name": plan.name,
        "seed": plan.seed,
        "functionals": list(plan.functionals),
        "teachers": _teachers(plan),
        "bases_per_shard": plan.bases_per_shard,
        "dynamics_per_shard": plan.dynamics_per_shard,
        "limit": plan.limit,
        "shards": shards,
    }
    if plan.crystals != "families":
        manifest["crystals"] = plan.crystals
    path = folder / "manifest.json"
    if path.exists():
        if json.loads(path.read_text()) != manifest:
            raise DataError(f"The set {plan.name} was begun with another plan; choose another name or remove {folder}.")
        return
    partial = folder / ".manifest.json.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n")
    partial.replace(path)


def _build_shard(
    folder: Path, plan: BuildPlan, number: int, total: int, bases: Sequence[generate.Base], report: Report
) -> None:
    shard = f"{number:04d}"
    first = plan.functionals[0]
    if not (folder / f"structures-{shard}.npz").exists():
        made = [generate.Made(b.atoms, "base", b.name, 1.0) for b in bases]
        write(folder / f"base-{shard}.npz", **generate.arrays_of(made))
        if not (folder / f"relaxed-{shard}.npz").exists():
            run_worker("relax", folder, [first], shard, report)
        relaxed = _relaxed(folder / f"relaxed-{shard}.npz", bases)
        rng = np.random.default_rng([plan.seed, 1, number])
        starts = generate.dynamics_starts(relaxed, rng, plan.dynamics_per_shard)
        structures: list[generate.Made] = []
        if starts:
            write(
                folder / f"start-{shard}.npz",
                **generate.arrays_of([s for s, _ in starts]),
                temperature=np.array([t for _, t in starts]),
                masses=generate.masses_of([s for s, _ in starts]),
                seed=np.array(plan.seed * 100_000 + number),
            )
            if not (folder / f"snapshots-{shard}.npz").exists():
                run_worker("dynamics", folder, [first], shard, report)
            structures += _snapshots(folder / f"snapshots-{shard}.npz", [s for s, _ in starts])
        rng = np.random.default_rng([plan.seed, 2, number])
        for base in relaxed:
            structures += generate.perturbed(base, rng)
        if plan.crystals == "families":
            pairs = generate.dimers(UNIVERSAL, np.random.default_rng([plan.seed, 3]))
            order = np.random.default_rng([plan.seed, 4]).permutation(len(pairs))
            structures += [pairs[k] for k in order[number::total]]
            structures += generate.free_atoms(UNIVERSAL[number::total])
        mixed = [structures[k] for k in rng.permutation(len(structures))]
        write(folder / f"structures-{shard}.npz", **generate.arrays_of(mixed))
        left_out = len(bases) - len(relaxed)
        report(f"structures-{shard}: {len(mixed)} structures of {len(relaxed)} crystals ({left_out} left out)")
    if not all((folder / f"labels-{f}-{shard}.npz").exists() for f in plan.functionals):
        run_worker("label", folder, plan.functionals, shard, report)
    if not (folder / f"check-{shard}.json").exists():
        write_check(folder / f"structures-{shard}.npz", folder / f"check-{shard}.json")


def _relaxed(path: Path, bases: Sequence[generate.Base]) -> list[generate.Base]:
    """The bases at their relaxed geometry; those that did not relax are left out."""
    with np.load(path, allow_pickle=False) as data:
        positions, cells, converged = data["positions"], data["cells"], data["converged"]
    found, start = [], 0
    for k, base in enumerate(bases):
        rows = slice(start, start + len(base.atoms))
        start = rows.stop
        if converged[k]:
            atoms = Atoms(base.atoms.numbers, positions[rows], cell=cells[k], pbc=True)
            found.append(generate.Base(base.name, atoms, base.count))
    return found


def _snapshots(path: Path, starts: Sequence[generate.Made]) -> list[generate.Made]:
    with np.load(path, allow_pickle=False) as data:
        positions, valid = data["positions"], data["valid"]
    found = []
    for shot in range(len(positions)):
        row = 0
        for k, start in enumerate(starts):
            rows = slice(row, row + len(start.atoms))
            row = rows.stop
            if valid[shot, k]:
                atoms = Atoms(start.atoms.numbers, positions[shot, rows], cell=start.atoms.cell, pbc=True)
                found.append(generate.Made(atoms, "dynamics", start.base, start.volume_ratio))
    return found
