"""Properties of whole crystals from a teacher, beside which a potential distilled from it is put.

Cubic crystals whose atoms symmetry holds in place, so that no relaxation enters on either side. For each: E(V)
from 0.92 to 1.08 of the volume, stresses at strains of +-0.5 %, and forces at displacements of +-0.01 A in a cell
doubled along its first vector, which give exact frequencies at q = 0 and (1/2, 0, 0). Seen crystals belong to the
training split of a distillation set, unseen ones to splits that are kept apart. The second set has one teacher of PBE,
Nequix, for all but oxides and fluorides of some metals, which are left out here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import spglib
from ase import Atoms
from ase.constraints import FixSymmetry
from ase.data import chemical_symbols

from sus2.errors import DataError
from sus2.potential.potential import Potential
from sus2.progress import Report
from sus2.training.data.crystals import blend
from sus2.training.data.generate import Made, arrays_of
from sus2.training.data.sets import load_set, manifest, set_folder
from sus2.training.teachers.build import run_worker
from sus2.training.teachers.crystal_properties import (
    DISPLACEMENT_A,
    RATIOS,
    STRAIN,
    CrystalProperties,
    student_properties,
    teacher_properties,
    vrh_moduli_gpa,
)
from sus2.training.teachers.crystal_set import ask_nequix
from sus2.types import Array

__all__ = [
    "DISPLACEMENT_A",
    "RATIOS",
    "STRAIN",
    "CrystalProperties",
    "PropertyErrors",
    "build_crystal_tests",
    "crystal_errors",
    "property_errors",
    "student_properties",
    "teacher_properties",
    "volume_shifts",
    "vrh_moduli_gpa",
]

# A crystal counts as stable, and its frequencies are compared, where the teacher has none below this.
LOWEST_THZ: Final = -0.05
_GROUPS: Final = {"train": "seen", "test": "unseen", "type": "unseen", "mp": "unseen"}
_SECOND: Final = 2
_SEED: Final = 20


@dataclass(frozen=True)
class PropertyErrors:
    """Medians over crystals of the deviations from the teacher.

    Attributes
    ----------
    crystals
        Number of crystals.
    failed
        How many have no minimum near V0.
    v0_percent
        Of V0.
    b0_percent
        Of B0.
    c_percent
        Of elastic constants.
    gamma_thz
        Of frequencies at q = 0.
    boundary_thz
        Of frequencies at (1/2, 0, 0).
    """

    crystals: int
    failed: int
    v0_percent: float
    b0_percent: float
    c_percent: float
    gamma_thz: float
    boundary_thz: float


def build_crystal_tests(name: str, per_group: int = 70, report: Report = print) -> Path:
    """Choose the crystals of a finished set and let its teachers label them.

    Parameters
    ----------
    name
        Of the set.
    per_group
        Crystals of each group.
    report
        Told what is done.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        The set does not exist or the teachers cannot run.
    """
    folder = set_folder(f"{name}-crystals")
    folder.mkdir(parents=True, exist_ok=True)
    second = manifest(name).get("format") == _SECOND
    functionals = manifest(name)["functionals"][: 1 if second else None]
    if not (folder / "structures-0000.npz").exists():
        chosen = list(_choose(name, functionals[0], per_group))
        made = [Made(s, "test", str(k), 1.0) for k, (atoms, *_) in enumerate(chosen) for s in _probes(atoms)]
        rows = [{"base": base, "group": group, "families": letters} for _, base, group, letters in chosen]
        (folder / "crystals.json").write_text(json.dumps(rows, indent=1) + "\n")
        with (folder / "structures-0000.part").open("wb") as file:
            np.savez_compressed(file, **arrays_of(made))  # type: ignore[arg-type]
        (folder / "structures-0000.part").replace(folder / "structures-0000.npz")
        report(f"{len(chosen)} crystals, {len(made)} structures")
    if not all((folder / f"labels-{f}-0000.npz").exists() for f in functionals):
        if second:
            ask_nequix(folder, blend.NEQUIX, "0000", report)
        else:
            run_worker("label", folder, functionals, "0000", report)
    return folder


def _choose(name: str, functional: str, per_group: int) -> Iterator[tuple[Atoms, str, str, str]]:
    """Relaxed crystals, up to `per_group` seen and unseen ones for each family; seen ones are known compounds."""
    data = load_set(name, functional, drop=("label", "weak", "magnetic"))
    relaxed = np.flatnonzero((data.kind == "relaxed") & (data.sizes <= 6))
    order = np.random.default_rng(_SEED).permutation(relaxed)
    counts: dict[tuple[str, str], int] = {}
    groups = {
        base: group
        for split, group in _GROUPS.items()
        for base in load_set(name, functional, split=split).base.tolist()  # type: ignore[arg-type]
    }
    nequix_alone = manifest(name).get("format") == _SECOND
    for i in order.tolist():
        base, group = str(data.base[i]), groups.get(str(data.base[i]), "")
        if nequix_alone and blend.with_plus_u(data.to_atoms(i).numbers):
            continue
        known = base.startswith(("mp-", "ground:"))
        if not group or (group == "seen" and not known):
            continue
        letters = str(data.families[i])
        wanted = [x for x in letters if counts.get((group, x), 0) < per_group]
        atoms = data.to_atoms(i)
        atoms.calc = None
        if not wanted or not _held_by_symmetry(atoms):
            continue
        for letter in letters:
            counts[group, letter] = counts.get((group, letter), 0) + 1
        yield atoms, base, group, letters


def _held_by_symmetry(atoms: Atoms) -> bool:
    """Cubic, with every atom on a site that no symmetric displacement leaves."""
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        found = spglib.get_symmetry_dataset(cell, symprec=1e-3)
    except spglib.SpglibError:
        return False
    if found is None or found.number < 195:
        return False
    push = np.random.default_rng(0).normal(size=(len(atoms), 3))
    FixSymmetry(atoms, symprec=1e-3).adjust_forces(atoms, push)
    return bool(np.abs(push).max() < 1e-3)


def _probes(atoms: Atoms) -> Iterator[Atoms]:
    """All structures of one crystal, in a fixed order: volumes, strains, displacements."""
    for ratio in RATIOS:
        yield _deformed(atoms, np.eye(3) * ratio ** (1 / 3))
    for pair in ((0, 0), (1, 2)):  # C11 and C12 from xx, C44 from yz: the crystal is cubic
        for sign in (1.0, -1.0):
            e = np.zeros((3, 3))
            e[pair] += 0.5 * sign * STRAIN
            e[pair[::-1]] += 0.5 * sign * STRAIN
            yield _deformed(atoms, np.eye(3) + e)
    doubled = atoms.repeat((2, 1, 1))
    for k in range(len(atoms)):
        for axis in range(3):
            for sign in (1.0, -1.0):
                moved = doubled.copy()
                moved.positions[k, axis] += sign * DISPLACEMENT_A
                yield moved


def _deformed(atoms: Atoms, deformation: Array) -> Atoms:
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return out


def property_errors(name: str, potential: Potential, functional: str, family: str, group: str) -> PropertyErrors:
    """Deviations of a potential from its teacher over the crystals of a family that the teacher finds stable.

    Parameters
    ----------
    name
        Of the training set.
    potential
        The potential.
    functional
        Of the teacher.
    family
        Letter of the family.
    group
        "seen" (known compounds of the training split) or "unseen" (of the test split).

    Returns
    -------
    PropertyErrors
        Medians over the crystals.

    Raises
    ------
    DataError
        The crystals are not built, or none of them fits.
    """
    folder, chosen, teacher = _selection(name, functional, family, group, potential.elements)
    pairs = list(zip(teacher, student_properties(folder, potential, chosen), strict=True))
    good = [(t, s) for t, s in pairs if s is not None]
    v0 = [100.0 * abs(s.v0_a3_per_atom / t.v0_a3_per_atom - 1.0) for t, s in good]
    b0 = [100.0 * abs(s.b0_gpa / t.b0_gpa - 1.0) for t, s in good]
    # C12 can be near zero, so every constant is compared with at least a tenth of the largest.
    c = [
        100.0 * float(np.mean(np.abs(s.c_gpa - t.c_gpa) / np.maximum(np.abs(t.c_gpa), 0.1 * t.c_gpa.max())))
        for t, s in good
    ]
    gamma = [float(np.abs(s.gamma_thz - t.gamma_thz).mean()) for t, s in good if len(t.gamma_thz)]
    edge = [float(np.abs(s.boundary_thz - t.boundary_thz).mean()) for t, s in good]
    return PropertyErrors(len(pairs), len(pairs) - len(good), *(_median(x) for x in (v0, b0, c, gamma, edge)))


def volume_shifts(name: str, pair: tuple[Potential, Potential], family: str, group: str) -> tuple[Array, Array]:
    """Relative change of V0 from the first potential's functional to the second's.

    Parameters
    ----------
    name
        Of the training set.
    pair
        The potentials of the two functionals.
    family
        Letter of the family.
    group
        "seen" or "unseen", as in property_errors.

    Returns
    -------
    tuple of ndarray
        The teacher's and the student's, (n,) each, over the crystals that have a minimum in both.

    Raises
    ------
    DataError
        The crystals are not built, or none of them fits.
    """
    first, second = (p.functional for p in pair)
    folder, chosen, one = _selection(name, first, family, group, pair[0].elements)
    two = teacher_properties(folder, second)
    ours = [student_properties(folder, p, chosen) for p in pair]
    rows = [
        (t2.v0_a3_per_atom / t1.v0_a3_per_atom - 1.0, s2.v0_a3_per_atom / s1.v0_a3_per_atom - 1.0)
        for t1, k, s1, s2 in zip(one, chosen, *ours, strict=True)
        if (t2 := two[k]) is not None and s1 is not None and s2 is not None
    ]
    table = np.array(rows).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _selection(
    name: str, functional: str, family: str, group: str, elements: Sequence[str]
) -> tuple[Path, list[int], list[CrystalProperties]]:
    """Folder, indices and teacher's properties of the stable crystals of one family and group."""
    folder = set_folder(f"{name}-crystals")
    if not (folder / "crystals.json").exists():
        raise DataError(f"The crystals of {name!r} are not built; run 'sus2 data crystals {name}'.")
    rows = json.loads((folder / "crystals.json").read_text())
    with np.load(folder / "structures-0000.npz", allow_pickle=False) as s:
        base, offsets, numbers = s["base"], s["offsets"], s["numbers"]
    ends = dict(zip(base.tolist(), zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True), strict=True))
    chosen, kept = [], []
    for k, (row, found) in enumerate(zip(rows, teacher_properties(folder, functional), strict=True)):
        if row["group"] != group or family not in row["families"] or found is None:
            continue
        if not {chemical_symbols[z] for z in numbers[slice(*ends[str(k)])]} <= set(elements):
            continue
        c11, c12, c44 = found.c_gpa
        lowest = min([*found.gamma_thz.tolist(), *found.boundary_thz.tolist()])
        if lowest > LOWEST_THZ and c44 > 0 and c11 > abs(c12) and c11 + 2 * c12 > 0:
            chosen.append(k)
            kept.append(found)
    if not chosen:
        raise DataError(f"No {group} crystal of family {family!r} is made of {', '.join(elements)} alone.")
    return folder, chosen, kept


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def crystal_errors(name: str, potentials: Mapping[str, Potential], family: str) -> dict[str, float]:
    """Entries for a card: errors of a potential for each group of crystals.

    Parameters
    ----------
    name
        Of the training set.
    potentials
        Group ("seen", "unseen") -> the potential that is judged on it.
    family
        Letter of the family.

    Returns
    -------
    dict
        Name with its unit -> number; empty where the set's crystals are not built.

    Raises
    ------
    DataError
        None of the crystals fits.
    """
    out: dict[str, float] = {}
    if not (set_folder(f"{name}-crystals") / "crystals.json").exists():
        return out
    for group, potential in potentials.items():
        found = property_errors(name, potential, potential.functional, family, group)
        out |= {f"{group}_crystals_{key}": round(float(value), 4) for key, value in asdict(found).items()}
    return out
