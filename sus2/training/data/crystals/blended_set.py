"""Labels of a whole set from those that its teachers have left in their folders (:mod:`.blend` says how)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase.data import atomic_numbers

from sus2.errors import DataError
from sus2.progress import Report
from sus2.training.data.crystals import blend
from sus2.training.data.crystals.shard_files import read, unpacked, write
from sus2.types import Array

FUNCTIONALS: Final = ("PBE", "r2SCAN")
# SevenNet feels no neighbour in Rb and Cs, finds no minimum for K and is wrong about noble gases: their volumes stay.
UNCHANGED: Final = tuple(z for z in blend.WIDE if z != atomic_numbers["Ba"])
# A correction beyond 10 GPa (eV/A^3) says that one of the two is lost.
_LARGEST_CORRECTION: Final = 0.0624


def blend_set(folder: Path, report: Report = print) -> None:
    """Labels of the set from those of the teachers, for all shards that every teacher has labelled.

    Parameters
    ----------
    folder
        Of the set.
    report
        Called with a line about the offsets.

    Raises
    ------
    DataError
        No shard is labelled.
    """
    numbers = [
        path.stem.removeprefix("structures-")
        for path in sorted((folder / "tensornet").glob("structures-*.npz"))
        if (folder / "nequix" / path.name.replace("structures", "labels-PBE")).exists()
        and all((folder / "tensornet" / path.name.replace("structures", f"labels-{f}")).exists() for f in FUNCTIONALS)
    ]
    if not numbers:
        raise DataError(f"No shard of {folder.name} is labelled yet.")
    counts, differences = [], []
    zeros = _zeros_of_metals(folder, numbers)
    for number in numbers:
        structures, nequix, tensornet, _ = _raw(folder, number, zeros)
        gap = nequix["energy"] - tensornet["PBE"]["energy"]
        calm = np.isfinite(gap) & np.isin(structures["kind"], ("relaxed", "rattle"))
        counts.append(blend.element_counts(structures)[calm])
        differences.append(gap[calm])
    table, gap = np.concatenate(counts), np.concatenate(differences)
    offsets = blend.fit_offsets(table, gap)
    rest = np.abs(gap - table @ offsets) / table.sum(axis=1)
    report(f"offsets of the elements: median rest {1e3 * np.median(rest):.0f} meV/atom over {len(gap)} structures")
    for number in numbers:
        structures, nequix, tensornet, metals = _raw(folder, number, zeros)
        labels, teacher = blend.blended(structures, nequix, tensornet, offsets, _pressures(folder, number), metals)
        write(folder / f"structures-{number}.npz", **structures, teacher=teacher)
        for functional, arrays in labels.items():
            write(folder / f"labels-{functional}-{number}.npz", **arrays)
        (folder / f"check-{number}.json").write_text(json.dumps({"distrusted": []}))
    content = json.loads((folder / "manifest.json").read_text())
    content |= {"shards": len(numbers), "offsets_ev": dict(enumerate(offsets.round(6).tolist()))}
    partial = folder / ".manifest.json"
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(folder / "manifest.json")


def _raw(
    folder: Path, number: str, zeros: Mapping[int, float]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any], np.ndarray]:
    """Structures of a shard, Nequix' labels (NaN where it has none), TensorNet's by functional, which are of metals."""
    structures = read(folder / "tensornet" / f"structures-{number}.npz")
    tensornet = {f: read(folder / "tensornet" / f"labels-{f}-{number}.npz") for f in FUNCTIONALS}
    sizes = np.diff(structures["offsets"])
    nequix: dict[str, Array] = {
        "energy": np.full(len(sizes), np.nan),
        "forces": np.full((len(structures["numbers"]), 3), np.nan),
        "stress": np.full((len(sizes), 6), np.nan),
    }
    metals = np.zeros(len(sizes), dtype=bool)
    for teacher in ("nequix", "metals"):
        if not (folder / teacher / f"labels-PBE-{number}.npz").exists():
            continue
        index = read(folder / teacher / f"structures-{number}.npz")["index"]
        labels = read(folder / teacher / f"labels-PBE-{number}.npz")
        chosen = np.isin(np.arange(len(sizes)), index)
        energy, pressure = labels["energy"], -nequix["stress"][:, :3].mean(axis=1)
        if teacher == "metals":
            metals = chosen
            numbers = structures["numbers"][structures["offsets"][:-1][chosen]]
            energy = energy + sizes[chosen] * np.array([zeros[int(z)] for z in numbers])
        nequix["energy"][chosen], nequix["stress"][chosen] = energy, labels["stress"]
        nequix["forces"][np.repeat(chosen, sizes)] = labels["forces"]
        # Metals keep the volumes of the other teacher.
        for rest in np.flatnonzero(metals & (structures["kind"] == "relaxed")).tolist():
            dp = float(pressure[rest] + nequix["stress"][rest, :3].mean())
            v0 = float(np.abs(np.linalg.det(structures["cells"][rest]))) / sizes[rest]
            own = np.flatnonzero(metals & (structures["base"] == structures["base"][rest]))
            if np.isfinite(dp):
                blend.change_pressure(nequix, structures, own, dp, v0)
    return structures, nequix, tensornet, metals


def _zeros_of_metals(folder: Path, shards: Sequence[str]) -> dict[int, float]:
    """By atomic number what is added to the energies of the teacher of metals, eV/atom."""
    numbers, gaps = [np.zeros(0, dtype=int)], [np.zeros(0)]
    for shard in shards:
        if not (folder / "metals" / f"labels-PBE-{shard}.npz").exists():
            continue
        own = read(folder / "metals" / f"structures-{shard}.npz")
        theirs = read(folder / "nequix" / f"structures-{shard}.npz")["index"]
        place = {int(k): q for q, k in enumerate(theirs)}
        energy = read(folder / "nequix" / f"labels-PBE-{shard}.npz")["energy"][[place[int(k)] for k in own["index"]]]
        sizes = np.diff(own["offsets"])
        numbers.append(own["numbers"][own["offsets"][:-1]].astype(int))
        gaps.append((energy - read(folder / "metals" / f"labels-PBE-{shard}.npz")["energy"]) / sizes)
    return blend.offsets_of_metals(np.concatenate(numbers), np.concatenate(gaps))


def _pressures(folder: Path, number: str) -> dict[str, tuple[float, float]]:
    """For each crystal at rest that SevenNet labelled: how its pressure of the change of functional differs, and V0."""
    paths = [folder / "sevennet" / f"labels-{f}-{number}.npz" for f in FUNCTIONALS]
    if not all(path.exists() for path in paths):
        return {}
    crystals = read(folder / "sevennet" / f"structures-{number}.npz")
    first, second = (read(path)["stress"][:, :3].mean(axis=1) for path in paths)
    wanted = first - second
    structures, _, tensornet, _ = _raw(folder, number, _zeros_of_metals(folder, [number]))
    change = -(tensornet["r2SCAN"]["stress"] - tensornet["PBE"]["stress"])[:, :3].mean(axis=1)
    change[blend.of_wide_elements(structures)] = 0.0
    calm = np.flatnonzero(structures["kind"] == "relaxed")
    bases = unpacked(crystals)
    found = {}
    for base, atoms, row, pressure in zip(crystals["base"], bases, calm, wanted, strict=True):
        kept = set(atoms.numbers.tolist()) <= set(UNCHANGED)
        correction = float((0.0 if kept else pressure) - change[row])
        if abs(correction) < _LARGEST_CORRECTION:
            found[str(base)] = (correction, atoms.get_volume() / len(atoms))
    return found
