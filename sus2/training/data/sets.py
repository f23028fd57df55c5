"""Distillation sets on disk: reading, filtering, counting.

A set is the folder ``$SUS2_CACHE/sets/NAME`` with ``manifest.json``, ``structures-K.npz``,
``labels-FUNCTIONAL-K.npz`` (plain arrays, no pickle) and ``check-K.json`` (bases that are not trusted).
Units: A, eV, eV/A, eV/A^3 (ASE sign, Voigt).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase.data import covalent_radii

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet, split_of
from sus2.types import Array, StrArray

SetSplit = Literal["train", "val", "test", "type", "mp"]

# Labels beyond these are marked: forces in eV/A, energy above and below the relaxed base in eV/atom.
LARGEST_FORCE, HIGHEST_ENERGY, LOWEST_ENERGY = 25.0, 8.0, -1.0
# Nequix repels at half the covalent radii in all but a few pairs, so its dimers may be that close.
LARGEST_DIMER_FORCE = 100.0


def cache_root() -> Path:
    """Where built data live: the variable SUS2_CACHE, or ``~/.cache/sus2``.

    Returns
    -------
    Path
        The folder.
    """
    return Path(os.environ.get("SUS2_CACHE") or Path.home() / ".cache" / "sus2")


def set_folder(name: str) -> Path:
    """The folder of a built set.

    Parameters
    ----------
    name
        Of the set.

    Returns
    -------
    Path
        The folder.
    """
    if not name or not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
        raise DataError(f"{name!r} cannot name a set; use letters, digits, - and _.")
    return cache_root() / "sets" / name


def finished_shards(name: str) -> list[str]:
    """Shards whose structures are labelled by all functionals of a set and checked.

    Parameters
    ----------
    name
        Of the set.

    Returns
    -------
    list of str
        Their numbers.
    """
    folder = set_folder(name)
    functionals = manifest(name)["functionals"]
    numbers = sorted(path.stem.rsplit("-", 1)[1] for path in folder.glob("structures-*.npz"))
    return [
        n
        for n in numbers
        if (folder / f"check-{n}.json").exists() and all((folder / f"labels-{f}-{n}.npz").exists() for f in functionals)
    ]


def manifest(name: str) -> dict[str, Any]:
    """The manifest of a set.

    Parameters
    ----------
    name
        Of the set.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    DataError
        There is no such set.
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
    split: SetSplit | None = None,
    shards: Sequence[int] = (),
    drop: Sequence[str] = ("label",),
) -> TrainingSet:
    """A distillation set, or a part of it, with the labels of one functional.

    Parameters
    ----------
    name
        Of the set.
    functional
        One of the manifest's functionals.
    families
        Letters of families (see sus2.training.data.families); structures of any of them.
    split
        "train", "val" or "test", by composition; a set that keeps more apart also has "type" (structure
        types that are in no training structure) and "mp" (compositions of the Materials Project kept for
        moduli).
    shards
        Read these alone, by number; empty: all that are labelled. Each holds a fair mixture.
    drop
        Flags to leave out. "label": a force or energy outside the sane range in any functional, so the same
        structures remain for all; "weak": made from a crystal that the teacher gets wrong, by
        families.teacher_flag or sus2.training.teachers.reference_check; "magnetic": with Cr, Mn, Fe, Co or
        Ni.

    Returns
    -------
    TrainingSet
        Labelled.

    Raises
    ------
    DataError
        No such set or functional, no labelled shard yet, or one of `shards` is not labelled.
    """
    known = manifest(name)["functionals"]
    if functional not in known:
        raise DataError(f"The set {name} has no labels of {functional!r}; it has {' and '.join(known)}.")
    finished = finished_shards(name)
    numbers = [f"{k:04d}" for k in shards] or finished
    missing = [n for n in numbers if n not in finished]
    if missing or not numbers:
        what = f"no labels of shard {int(missing[0])}" if missing else "no labelled shard"
        raise DataError(f"The set {name} has {what} yet; go on with 'sus2 data build {name}'.")
    parts = [_load_shard(set_folder(name), name, number, functional, known) for number in numbers]
    data = TrainingSet.concatenate([part for part, _ in parts])
    splits = np.concatenate([own for _, own in parts])
    keep = ~np.isin(data.flag, list(drop))
    if families is not None:
        wanted = set("".join(families))
        keep &= np.array([bool(wanted & set(f)) for f in data.families.tolist()], dtype=bool)
    if split is not None:
        keep &= splits == split
    return data.subset(keep)


def _stored_splits(name: str, number: str) -> StrArray:
    with np.load(set_folder(name) / f"structures-{number}.npz", allow_pickle=False) as stored:
        return _splits({key: stored[key] for key in ("split", "composition") if key in stored})


def _splits(structures: dict[str, np.ndarray]) -> StrArray:
    """The split of each structure: as the set holds it, else by composition."""
    if "split" in structures:
        return structures["split"]
    lookup = {c: split_of(c) for c in np.unique(structures["composition"]).tolist()}
    return np.array([lookup[c] for c in structures["composition"].tolist()])


def _load_shard(
    folder: Path, name: str, number: str, functional: str, known: Sequence[str]
) -> tuple[TrainingSet, StrArray]:
    """One shard and the split of each of its structures."""
    with np.load(folder / f"structures-{number}.npz", allow_pickle=False) as stored:
        s = {key: stored[key] for key in stored.files}
    labels = {}
    for other in known:
        with np.load(folder / f"labels-{other}-{number}.npz", allow_pickle=False) as stored:
            labels[other] = {key: stored[key] for key in stored.files}
    distrusted = json.loads((folder / f"check-{number}.json").read_text())["distrusted"]
    flag = np.where(np.isin(s["base"], distrusted), "weak", s["flag"])
    count = len(s["kind"])
    insane = np.zeros(count, dtype=bool)
    for label in labels.values():
        insane |= insane_labels(s, label["energy"], label["forces"], label["stress"])
    chosen = labels[functional]
    data = TrainingSet(
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
        flag=np.where(insane, "label", flag),
        volume_ratio=s["volume_ratio"],
    )
    return data, _splits(s)


def insane_labels(structures: dict[str, np.ndarray], energy: Array, forces: Array, stress: Array) -> np.ndarray:
    """Which labels a teacher cannot mean.

    A force beyond 25 eV/A (100 in a dimer labelled by Nequix); an energy more than 8 eV/atom above or 1 eV/atom
    below that of the relaxed base; a crystal below 0.85 of its volume under tension, or a wall below its base;
    a dimer that attracts below 0.8 of the covalent radii's sum or is bound by more than 14 eV.

    Parameters
    ----------
    structures
        S structures as arrays.
    energy
        (S,) eV.
    forces
        (N, 3) eV/A.
    stress
        (S, 6) eV/A^3.

    Returns
    -------
    ndarray
        (S,) whether it is one.
    """
    sizes = np.diff(structures["offsets"])
    system = np.repeat(np.arange(len(sizes)), sizes)
    largest = np.zeros(len(sizes))
    np.maximum.at(largest, system, np.nan_to_num(np.abs(forces)).max(axis=1))
    kind: StrArray = structures["kind"]
    deep = (kind == "dimer") & np.char.startswith(structures.get("teacher", np.full(len(sizes), "")), "nequix")
    bad = ~np.isfinite(energy) | (largest > np.where(deep, LARGEST_DIMER_FORCE, LARGEST_FORCE))
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


def _insane_dimers(structures: dict[str, np.ndarray], energy: Array, forces: Array) -> np.ndarray:
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
    """What a built set holds.

    Attributes
    ----------
    name
        Of the set.
    shards_done
        Shards that are labelled.
    shards
        Shards of the plan.
    structures
        Number of them.
    atoms
        Number of them.
    kinds
        Structures by kind.
    families
        Structures by family.
    flags
        Structures by flag.
    splits
        Structures by split.
    compositions
        Number of them.
    elements
        Chemical symbols.
    hashes
        Of the set, by functional.
    """

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
    """Count and hash what is labelled so far (nothing dropped).

    Parameters
    ----------
    name
        Of the set.

    Returns
    -------
    SetSummary
        Counts and hashes.
    """
    known = manifest(name)
    sets = {f: load_set(name, f, drop=()) for f in known["functionals"]}
    data = next(iter(sets.values()))

    def tally(values: np.ndarray) -> dict[str, int]:
        names, counts = np.unique(values, return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    splits = np.concatenate([_stored_splits(name, number) for number in finished_shards(name)])
    return SetSummary(
        name=name,
        shards_done=len(finished_shards(name)),
        shards=int(known["shards"]),
        structures=len(data),
        atoms=len(data.numbers),
        kinds=tally(data.kind),
        families={letter: int(np.char.find(data.families, letter).__ge__(0).sum()) for letter in "abcd"},
        flags=tally(data.flag),
        splits=tally(splits),
        compositions=len(np.unique(data.composition)),
        elements=data.elements,
        hashes={f: s.hash for f, s in sets.items()},
    )


def remove_set(name: str) -> None:
    """Delete a built set from the cache.

    Parameters
    ----------
    name
        Of the set.
    """
    manifest(name)
    shutil.rmtree(set_folder(name))
