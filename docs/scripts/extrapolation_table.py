"""How well the extrapolation grade tells where a potential is wrong: the table of docs/model-check.md.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/extrapolation_table.py

Inside: test structures near equilibrium. Outside: crystals of the same compositions rattled by 0.35 to 0.6 A or with
atoms at random places, labelled by the teacher. A structure counts as wrong where a force is off by more than
0.5 eV/A.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
from ase import Atoms

import sus2
from sus2.registry.applicability import extrapolation_grade
from sus2.training.data.generate import Made, arrays_of, supercell
from sus2.training.data.sets import load_set, set_folder
from sus2.training.teachers.build import run_worker

SET, WRONG_EV_PER_A, EACH = "tensornet-matpes", 0.5, 300
FAMILIES = {"sus2-metals-pbe": "a", "sus2-semiconductors-pbe": "b", "sus2-ionic-pbe": "c", "sus2-universal-pbe": "abcd"}


def outside(bases: list[Atoms], seed: int) -> list[Atoms]:
    """Half of them rattled far, half with atoms at random places."""
    rng = np.random.default_rng(seed)
    out = []
    for k, base in enumerate(bases):
        atoms = supercell(base, 10)
        if k % 2:
            atoms.positions += rng.normal(scale=rng.uniform(0.35, 0.6), size=(len(atoms), 3))
        else:
            atoms.set_scaled_positions(rng.random((len(atoms), 3)))
        out.append(atoms)
    return out


def labelled(name: str, structures: list[Atoms], functional: str) -> tuple[list[Atoms], list[np.ndarray]]:
    """The structures whose forces the teacher gives below 200 eV/A, and those forces."""
    folder = set_folder(f"{SET}-outside-{name}")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"labels-{functional}-0000.npz").exists():
        made = [Made(a, "outside", str(k), 1.0) for k, a in enumerate(structures)]
        np.savez_compressed(folder / "structures-0000.npz", **arrays_of(made))  # type: ignore[arg-type]
        run_worker("label", folder, [functional], "0000")
    with np.load(folder / "structures-0000.npz", allow_pickle=False) as s:
        offsets = s["offsets"]
    with np.load(folder / f"labels-{functional}-0000.npz", allow_pickle=False) as s:
        forces = [s["forces"][a:b] for a, b in pairwise(offsets)]
    kept = [k for k, f in enumerate(forces) if np.isfinite(f).all() and np.abs(f).max() < 200.0]
    return [structures[k] for k in kept], [forces[k] for k in kept]


def auc(score: np.ndarray, wrong: np.ndarray) -> float:
    """Probability that a wrong structure has a higher score than a right one."""
    rank = np.empty(len(score))
    rank[np.argsort(score)] = np.arange(1, len(score) + 1)
    n = int(wrong.sum())
    return float((rank[wrong].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def main() -> None:
    print("| potential | structures inside / outside | wrong inside / outside | AUC | median grade inside / outside |")
    print("|---|---|---|---|---|")
    for name in sys.argv[1:] or [n for n in FAMILIES if n in {c.name for c in sus2.models()}]:
        potential, family = sus2.load(name), FAMILIES[name]
        data = load_set(SET, potential.functional, family, "test")
        near = np.flatnonzero(
            np.isin(data.kind, ("relaxed", "strain", "displaced", "volume")) & (np.abs(data.volume_ratio - 1.0) < 0.1)
        )
        rng = np.random.default_rng(0)
        inside = [data.to_atoms(int(i)) for i in rng.permutation(near)[:EACH]]
        relaxed = [data.to_atoms(int(i)) for i in rng.permutation(np.flatnonzero(data.kind == "relaxed"))[:EACH]]
        far, far_forces = labelled(name, outside(relaxed, 1), potential.functional)
        forces = [a.get_forces() for a in inside] + far_forces
        for atoms in inside:
            atoms.calc = None
        found = potential.evaluate([*inside, *far])
        error = np.array([np.abs(r.forces_ev_per_a - f).max() for r, f in zip(found, forces, strict=True)])
        grades = extrapolation_grade(potential, [*inside, *far]).grades
        grade = np.array([np.nanmax(np.nan_to_num(g, nan=99.0)) for g in grades])
        wrong, n = error > WRONG_EV_PER_A, len(inside)
        print(
            f"| {name} | {n} / {len(far)} | {wrong[:n].mean():.0%} / {wrong[n:].mean():.0%} | {auc(grade, wrong):.3f} "
            f"| {np.median(grade[:n]):.2f} / {np.median(grade[n:]):.2f} |"
        )


if __name__ == "__main__":
    main()
