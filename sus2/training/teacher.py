"""Distillation sets: built shard by shard with a teacher that runs in its own environment, and read back.

A set is a folder ``$SUS2_CACHE/sets/NAME`` of npz files (no pickle) and a ``manifest.json``:
``base-K`` (crystals before relaxation), ``relaxed-K``, ``start-K`` and ``snapshots-K`` (short dynamics),
``structures-K`` and ``labels-FUNCTIONAL-K``. Every file is written whole or not at all, so a build that
was stopped at any moment goes on where it was when it is started again, with the same result.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from sus2.errors import DataError
from sus2.training import generate
from sus2.training.dataset import FloatArray, Split, StrArray, TrainingSet, split_of
from sus2.training.families import UNIVERSAL
from sus2.training.reference_sets import shared_root

TEACHERS = {
    "PBE": "TensorNet-MatPES-PBE-v2025.1-PES",
    "r2SCAN": "TensorNet-MatPES-r2SCAN-v2025.1-PES",
}
WORKER = Path(__file__).with_name("teacher_worker.py")
# matgl pins torch <= 2.7 without needing it; it is installed without its dependencies, which are these.
REQUIREMENTS = ("torch", "torch-geometric", "ase", "pymatgen", "pandas", "scipy", "lightning", "torchmetrics",
                "torchdata", "pydantic", "requests", "huggingface_hub", "boto3")
MATGL = "matgl==2.0.4"
FORMAT = 1
# Labels beyond these are marked: forces in eV/A, energy above and below the relaxed base in eV/atom.
LARGEST_FORCE, HIGHEST_ENERGY, LOWEST_ENERGY = 25.0, 8.0, -1.0
Report = Callable[[str], None]


def cache_root() -> Path:
    """Where built data live: the variable SUS2_CACHE, or ``~/.cache/sus2``."""
    return Path(os.environ.get("SUS2_CACHE") or Path.home() / ".cache" / "sus2")


def set_folder(name: str) -> Path:
    """The folder of a built set."""
    if not name or not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
        raise DataError(f"{name!r} cannot name a set; use letters, digits, - and _.")
    return cache_root() / "sets" / name


def teacher_python() -> Path:
    """The Python of the teacher's environment: SUS2_TEACHER_PYTHON, or the one that :func:`setup` built.

    Raises:
        DataError: there is none.
    """
    chosen = os.environ.get("SUS2_TEACHER_PYTHON")
    path = Path(chosen) if chosen else cache_root() / "teacher-env" / "bin" / "python"
    if not path.exists():
        raise DataError(f"There is no teacher environment at {path}; build it with 'sus2 data setup' or set SUS2_TEACHER_PYTHON.")
    return path


def setup(report: Report = print) -> Path:
    """Build the teacher's environment (once): a virtual environment with torch and matgl 2.0.4.

    Raises:
        DataError: an installation step failed.
    """
    folder = cache_root() / "teacher-env"
    python = folder / "bin" / "python"
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", *REQUIREMENTS],
        [str(python), "-m", "pip", "install", "--no-deps", MATGL],
        [str(python), "-c", "import matgl; assert matgl.__version__ == '2.0.4'"],
    ]
    for step in steps:
        report(" ".join(step[1:4]) + " ...")
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            raise DataError(f"The teacher environment could not be built ({' '.join(step[1:5])}): {_last_line(done.stderr)}")
    return python


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


def run_worker(
    task: str, folder: Path, functionals: Sequence[str], shard: str = "*", report: Report | None = None
) -> list[dict[str, Any]]:
    """Run one task of the worker over the shards of a folder; returns its reports (file, count, seconds).

    Raises:
        DataError: no teacher environment, no weights, or the worker failed.
    """
    command = [str(teacher_python()), str(WORKER), task, str(folder), "--shard", shard]
    for functional in functionals:
        weights = shared_root() / "teachers" / TEACHERS[functional]
        if not weights.is_dir():
            raise DataError(f"The weights of the {functional} teacher are not at {weights}; set SUS2_SHARED.")
        command += ["--teacher", f"{functional}={weights}"]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise DataError(f"The teacher failed at {task} of shard {shard}: {_last_line(done.stderr)}")
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for entry in reports if report else ():
        assert report is not None
        report(" ".join(f"{key}={value}" for key, value in entry.items()))
    return reports


def check_teachers(functionals: Sequence[str] = tuple(TEACHERS)) -> list[dict[str, Any]]:
    """Compare the worker's evaluation with matgl's own; one report per crystal and teacher."""
    return run_worker("check", cache_root(), functionals)


@dataclass(frozen=True)
class BuildPlan:
    """What determines a set: its name, seed, functionals, crystals per shard, dynamics per shard, share of bases."""

    name: str
    seed: int = 0
    functionals: tuple[str, ...] = ("PBE", "r2SCAN")
    bases_per_shard: int = 800
    dynamics_per_shard: int = 60
    limit: int | None = None


def build_set(plan: BuildPlan, report: Report = print) -> Path:
    """Make and label a whole set, or go on with one; returns its folder.

    Bases are relaxed by the first functional; the same structures are labelled by all.

    Raises:
        DataError: the set exists with another plan, or the teacher cannot run.
    """
    folder = set_folder(plan.name)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.partial"):
        left.unlink()
    bases = generate.base_crystals(plan.seed)[: plan.limit]
    shards = [bases[k : k + plan.bases_per_shard] for k in range(0, len(bases), plan.bases_per_shard)]
    _claim(folder, plan, len(shards))
    for number, chunk in enumerate(shards):
        _build_shard(folder, plan, number, len(shards), chunk, report)
    report(f"{plan.name}: all {len(shards)} shards are done.")
    return folder


def _claim(folder: Path, plan: BuildPlan, shards: int) -> None:
    manifest = {
        "format": FORMAT,
        "name": plan.name,
        "seed": plan.seed,
        "functionals": list(plan.functionals),
        "teachers": {f: TEACHERS[f] for f in plan.functionals},
        "bases_per_shard": plan.bases_per_shard,
        "dynamics_per_shard": plan.dynamics_per_shard,
        "limit": plan.limit,
        "shards": shards,
    }
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
        _write(folder / f"base-{shard}.npz", **generate.arrays_of(made))
        run_worker("relax", folder, [first], shard, report)
        relaxed = _relaxed(folder / f"relaxed-{shard}.npz", bases)
        rng = np.random.default_rng([plan.seed, 1, number])
        starts = generate.dynamics_starts(relaxed, rng, plan.dynamics_per_shard)
        structures: list[generate.Made] = []
        if starts:
            _write(
                folder / f"start-{shard}.npz",
                **generate.arrays_of([s for s, _ in starts]),
                temperature=np.array([t for _, t in starts]),
                masses=generate.masses_of([s for s, _ in starts]),
                seed=np.array(plan.seed * 100_000 + number),
            )
            run_worker("dynamics", folder, [first], shard, report)
            structures += _snapshots(folder / f"snapshots-{shard}.npz", [s for s, _ in starts])
        rng = np.random.default_rng([plan.seed, 2, number])
        for base in relaxed:
            structures += generate.perturbed(base, rng)
        pairs = generate.dimers(UNIVERSAL, np.random.default_rng([plan.seed, 3]))
        order = np.random.default_rng([plan.seed, 4]).permutation(len(pairs))
        structures += [pairs[k] for k in order[number::total]]
        structures += generate.free_atoms(UNIVERSAL[number::total])
        mixed = [structures[k] for k in rng.permutation(len(structures))]
        _write(folder / f"structures-{shard}.npz", **generate.arrays_of(mixed))
        report(f"structures-{shard}: {len(mixed)} structures of {len(relaxed)} crystals ({len(bases) - len(relaxed)} left out)")
    if not all((folder / f"labels-{f}-{shard}.npz").exists() for f in plan.functionals):
        run_worker("label", folder, plan.functionals, shard, report)


def _write(path: Path, **arrays: Any) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    partial.replace(path)


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


def finished_shards(name: str) -> list[str]:
    """Numbers of the shards whose structures are labelled by all functionals of the set."""
    folder = set_folder(name)
    functionals = manifest(name)["functionals"]
    numbers = sorted(path.stem.rsplit("-", 1)[1] for path in folder.glob("structures-*.npz"))
    return [n for n in numbers if all((folder / f"labels-{f}-{n}.npz").exists() for f in functionals)]


def manifest(name: str) -> dict[str, Any]:
    """The manifest of a set.

    Raises:
        DataError: there is no such set.
    """
    path = set_folder(name) / "manifest.json"
    if not path.exists():
        raise DataError(f"There is no set {name!r} in {cache_root() / 'sets'}; build it with 'sus2 data build {name}'.")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def load_set(
    name: str,
    functional: str,
    families: Sequence[str] | str | None = None,
    split: Split | None = None,
    max_shards: int | None = None,
    drop: Sequence[str] = ("label",),
) -> TrainingSet:
    """A distillation set, or a part of it, with the labels of one functional.

    Args:
        name: the set.
        functional: one of the manifest's functionals.
        families: letters of families (see :mod:`sus2.training.families`); structures of any of them.
        split: "train", "val" or "test", by composition.
        max_shards: read the first shards alone; each holds a fair mixture.
        drop: flags to leave out. "label": a force or energy outside the sane range in any functional, so the
            same structures remain for all; "weak" and "magnetic": see
            :func:`sus2.training.families.teacher_flag`.

    Raises:
        DataError: no such set or functional, or no labelled shard yet.
    """
    known = manifest(name)["functionals"]
    if functional not in known:
        raise DataError(f"The set {name} has no labels of {functional!r}; it has {' and '.join(known)}.")
    numbers = finished_shards(name)[:max_shards]
    if not numbers:
        raise DataError(f"The set {name} has no labelled shard yet; go on with 'sus2 data build {name}'.")
    parts = [_load_shard(set_folder(name), name, number, functional, known) for number in numbers]
    data = TrainingSet.concatenate(parts)
    keep = ~np.isin(data.flag, list(drop))
    if families is not None:
        wanted = set("".join(families))
        keep &= np.array([bool(wanted & set(f)) for f in data.families.tolist()], dtype=bool)
    if split is not None:
        lookup = {c: split_of(c) == split for c in np.unique(data.composition).tolist()}
        keep &= np.array([lookup[c] for c in data.composition.tolist()], dtype=bool)
    return data.subset(keep)


def _load_shard(folder: Path, name: str, number: str, functional: str, known: Sequence[str]) -> TrainingSet:
    with np.load(folder / f"structures-{number}.npz", allow_pickle=False) as stored:
        s = {key: stored[key] for key in stored.files}
    labels = {}
    for other in known:
        with np.load(folder / f"labels-{other}-{number}.npz", allow_pickle=False) as stored:
            labels[other] = {key: stored[key] for key in stored.files}
    count = len(s["kind"])
    insane = np.zeros(count, dtype=bool)
    for label in labels.values():
        insane |= insane_labels(s, label["energy"], label["forces"], label["stress"])
    chosen = labels[functional]
    return TrainingSet(
        numbers=s["numbers"].astype(np.int64),
        positions=s["positions"],
        cells=s["cells"],
        pbc=np.ones((count, 3), dtype=bool),
        offsets=s["offsets"],
        energy_ev=chosen["energy"],
        forces_ev_per_a=chosen["forces"],
        stress_ev_per_a3=chosen["stress"],
        kind=s["kind"],
        composition=s["composition"],
        set_name=np.array([f"{name}-{functional}"] * count),
        weight=np.ones(count),
        families=s["families"],
        base=s["base"],
        flag=np.where(insane, "label", s["flag"]),
        volume_ratio=s["volume_ratio"],
    )


def insane_labels(
    structures: dict[str, np.ndarray], energy: FloatArray, forces: FloatArray, stress: FloatArray
) -> np.ndarray:
    """Which labels (S,) a teacher cannot mean.

    A force beyond 25 eV/A; an energy more than 8 eV/atom above or 1 eV/atom below that of the relaxed base;
    a crystal below 0.85 of its volume under tension, or a wall below its base; a dimer that attracts below
    0.8 of the covalent radii' sum or is bound by more than 14 eV.
    """
    sizes = np.diff(structures["offsets"])
    system = np.repeat(np.arange(len(sizes)), sizes)
    largest = np.zeros(len(sizes))
    np.maximum.at(largest, system, np.abs(forces).max(axis=1))
    bad = ~np.isfinite(energy) | (largest > LARGEST_FORCE)
    kind: StrArray = structures["kind"]
    base: StrArray = structures["base"]
    per_atom = energy / sizes
    relaxed = kind == "relaxed"
    reference = dict(zip(base[relaxed].tolist(), per_atom[relaxed].tolist(), strict=True))
    above = per_atom - np.array([reference.get(b, np.nan) for b in base.tolist()])
    with np.errstate(invalid="ignore"):
        bad |= (above > HIGHEST_ENERGY) | (above < LOWEST_ENERGY)
        squeezed = structures["volume_ratio"] < 0.85
        pressure = -stress[:, :3].mean(axis=1)
        bad |= squeezed & (pressure < 0.0)
        bad |= (kind == "wall") & (above < 0.0)
    return bad | _insane_dimers(structures, energy, forces)


def _insane_dimers(structures: dict[str, np.ndarray], energy: FloatArray, forces: FloatArray) -> np.ndarray:
    from ase.data import covalent_radii

    offsets, numbers = structures["offsets"], structures["numbers"]
    bad = np.zeros(len(energy), dtype=bool)
    for i in np.flatnonzero(structures["kind"] == "dimer").tolist():
        first = int(offsets[i])
        apart = structures["positions"][first + 1] - structures["positions"][first]
        distance = float(np.linalg.norm(apart))
        reach = float(covalent_radii[numbers[first]] + covalent_radii[numbers[first + 1]])
        push = float(forces[first + 1] @ apart) / distance
        bad[i] = distance < 0.8 * reach and push < 0.0
    return bad


@dataclass(frozen=True)
class SetSummary:
    """Counts of a set: shards done of all, structures, atoms, by kind, family, flag and split; its hash by functional."""

    name: str
    shards_done: int
    shards: int
    structures: int
    atoms: int
    kinds: dict[str, int]
    families: dict[str, int]
    flags: dict[str, int]
    splits: dict[str, int]
    compositions: int
    elements: tuple[str, ...]
    hashes: dict[str, str]


def summarize(name: str) -> SetSummary:
    """Counts and hashes of what is labelled so far (nothing dropped)."""
    known = manifest(name)
    sets = {f: load_set(name, f, drop=()) for f in known["functionals"]}
    data = next(iter(sets.values()))

    def tally(values: np.ndarray) -> dict[str, int]:
        names, counts = np.unique(values, return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    splits = {c: split_of(c) for c in np.unique(data.composition).tolist()}
    return SetSummary(
        name=name,
        shards_done=len(finished_shards(name)),
        shards=int(known["shards"]),
        structures=len(data),
        atoms=len(data.numbers),
        kinds=tally(data.kind),
        families={letter: int(np.char.find(data.families, letter).__ge__(0).sum()) for letter in "abcd"},
        flags=tally(data.flag),
        splits=tally(np.array([splits[c] for c in data.composition.tolist()])),
        compositions=len(splits),
        elements=data.elements,
        hashes={f: s.hash for f, s in sets.items()},
    )


def remove_set(name: str) -> None:
    """Delete a built set from the cache."""
    manifest(name)
    shutil.rmtree(set_folder(name))
