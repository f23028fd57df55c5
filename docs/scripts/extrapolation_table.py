"""How well the extrapolation grade tells where a potential is wrong: the table of docs/model-check.md.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/extrapolation_table.py [NAME ...]

Inside: crystals of WBM whose compositions no potential was trained on, strained by 2 % and rattled by 0.05 A.
Outside: the same crystals rattled by 0.35 to 0.6 A, or with atoms at random places. Labels are those of Nequix-OMat-1
(PBE). A structure counts as wrong where a force is off by more than 0.5 eV/A.
"""

from __future__ import annotations

import sys

import numpy as np
from ase import Atoms

import sus2
from sus2.registry.applicability import extrapolation_grade
from sus2.training.data.generate import supercell
from sus2.training.data.hold_out import held_out_wbm
from sus2.training.teachers.remote import remote_teacher

WRONG_EV_PER_A, LARGEST_EV_PER_A, MOST_ATOMS, EACH = 0.5, 200.0, 8, 130


def moved(bases: list[Atoms], seed: int) -> tuple[list[Atoms], list[Atoms]]:
    """Near each crystal, and far from it: half of them rattled far, half with atoms at random places."""
    rng = np.random.default_rng(seed)
    inside, outside = [], []
    for k, base in enumerate(bases):
        near, far = supercell(base, 8), supercell(base, 8)
        near.set_cell(near.cell[:] @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        near.positions += rng.normal(scale=0.05, size=(len(near), 3))
        if k % 2:
            far.positions += rng.normal(scale=rng.uniform(0.35, 0.6), size=(len(far), 3))
        else:
            far.set_scaled_positions(rng.random((len(far), 3)))
        inside.append(near)
        outside.append(far)
    return inside, outside


def auc(score: np.ndarray, wrong: np.ndarray) -> float:
    """Probability that a wrong structure has a higher score than a right one."""
    rank = np.empty(len(score))
    rank[np.argsort(score)] = np.arange(1, len(score) + 1)
    n = int(wrong.sum())
    return float((rank[wrong].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def main() -> None:
    """Print the table."""
    bases = [a for _, a in held_out_wbm() if len(a) <= MOST_ATOMS][:EACH]
    groups = moved(bases, 0)
    teacher = remote_teacher("nequix-omat-1")["PBE"]
    taught = [[found.forces_ev_per_a for found in teacher.evaluate(group)] for group in groups]
    teacher.close()
    # The teacher means nothing by the forces of atoms on top of each other.
    kept = [[k for k, f in enumerate(t) if np.abs(f).max() < LARGEST_EV_PER_A] for t in taught]
    structures = [groups[g][k] for g in (0, 1) for k in kept[g]]
    forces = [taught[g][k] for g in (0, 1) for k in kept[g]]
    n = len(kept[0])
    print(
        "| potential | structures inside / outside | wrong inside / outside | AUC | AUC inside "
        "| median grade inside / outside |"
    )
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ["sus2-universal-pbe"]:
        potential = sus2.load(name)
        found = potential.evaluate(structures)
        error = np.array([np.abs(r.forces_ev_per_a - f).max() for r, f in zip(found, forces, strict=True)])
        grades = extrapolation_grade(potential, structures).grades
        grade = np.array([np.nanmax(np.nan_to_num(g, nan=99.0)) for g in grades])
        wrong = error > WRONG_EV_PER_A
        print(
            f"| {name} | {n} / {len(structures) - n} | {wrong[:n].mean():.0%} / {wrong[n:].mean():.0%} "
            f"| {auc(grade, wrong):.3f} | {auc(grade[:n], wrong[:n]):.2f} "
            f"| {np.median(grade[:n]):.2f} / {np.median(grade[n:]):.2f} |"
        )


if __name__ == "__main__":
    main()
