"""Runs in the teacher's own environment (torch, matgl==2.0.4), never imported by the package.

Labels, relaxes and moves the crystals of a set by TensorNet, which tensornet.py beside it evaluates. Reads and writes
plain npz files (no pickle). Units: A, eV, eV/A, eV/A^3 (ASE sign, Voigt).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import matgl
import numpy as np
import torch
from ase.data import atomic_numbers as SYMBOLS
from tensornet import Crystal, Label, Teacher  # type: ignore[import-not-found]  # beside this script


def read_crystals(teacher: Teacher, path: Path) -> list[Crystal]:
    """Read the crystals of a shard.

    Parameters
    ----------
    teacher
        Numbers the elements.
    path
        File of the shard.

    Returns
    -------
    list of tuple
        Types (n,), positions (n, 3) A and cell (3, 3) A of each.

    Raises
    ------
    SystemExit
        An element that the teacher does not cover.
    """
    with np.load(path, allow_pickle=False) as data:
        numbers, positions, cells, offsets = (data[k] for k in ("numbers", "positions", "cells", "offsets"))
    lookup = np.full(120, -1)
    for symbol, k in teacher.elements.items():
        lookup[SYMBOLS[symbol]] = k
    types = lookup[numbers]
    if np.any(types < 0):
        raise SystemExit(f"{path} has an element that the teacher does not cover (Z = {numbers[types < 0][0]}).")
    return [(types[a:b], positions[a:b], cells[i]) for i, (a, b) in enumerate(pairwise(offsets))]


def write(path: Path, **arrays: Any) -> None:
    """All or nothing: a kill leaves no half-written file under the final name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def label(teacher: Teacher, source: Path, target: Path) -> int:
    """Label one shard.

    Parameters
    ----------
    teacher
        The teacher.
    source
        File of the structures.
    target
        File of the labels.

    Returns
    -------
    int
        Number of structures.
    """
    crystals = read_crystals(teacher, source)
    results = teacher.evaluate(crystals)
    write(
        target,
        energy=np.array([r[0] for r in results]),
        forces=np.concatenate([r[1] for r in results]),
        stress=np.array([r[2] for r in results]),
    )
    return len(crystals)


def relax(teacher: Teacher, source: Path, target: Path, steps: int = 60) -> int:
    """Volume by secant steps on the pressure, then ions and cell by FIRE (Bitzek et al., PRL 97, 170201 (2006)).

    Symmetry is kept, as forces and stress have it.

    Parameters
    ----------
    teacher
        The teacher.
    source
        File of the crystals.
    target
        File of positions, cells, energies and `converged`, which is False where the volume left 0.3 to 3 times the
        guess or a force or stress stayed large.
    steps
        Most steps of FIRE.

    Returns
    -------
    int
        Number of crystals.
    """
    crystals = read_crystals(teacher, source)
    count = len(crystals)
    positions = [c[1].copy() for c in crystals]
    cells = [c[2].copy() for c in crystals]
    start = np.array([abs(np.linalg.det(c)) for c in cells])
    alive = np.ones(count, dtype=bool)
    done = np.zeros(count, dtype=bool)
    modulus = np.full(count, 0.5)
    last: list[tuple[float, float] | None] = [None] * count
    last_labels: list[Label | None] = [None] * count

    def evaluate(active: list[int]) -> list[Label]:
        return teacher.evaluate([(crystals[k][0], positions[k], cells[k]) for k in active])

    def inside(k: int) -> bool:
        ratio = abs(np.linalg.det(cells[k])) / start[k]
        return bool(0.3 < ratio < 3.0)

    for _ in range(14):
        active = [k for k in range(count) if alive[k] and not done[k]]
        if not active:
            break
        for k, (energy, forces, stress) in zip(active, evaluate(active), strict=True):
            last_labels[k] = (energy, forces, stress)
            pressure = -float(stress[:3].mean())
            x = math.log(abs(np.linalg.det(cells[k])))
            if abs(pressure) < 0.002:
                done[k] = True
                continue
            before = last[k]
            if before is not None and abs(x - before[0]) > 1e-6:
                secant = -(pressure - before[1]) / (x - before[0])
                modulus[k] = min(max(secant, 0.02), 5.0) if secant > 0 else 0.3
            last[k] = (x, pressure)
            factor = math.exp(max(-0.15, min(0.15, pressure / modulus[k])) / 3.0)
            cells[k] = cells[k] * factor
            positions[k] = positions[k] * factor
            alive[k] = inside(k)

    loose = [k for k in range(count) if alive[k] and _residual(last_labels[k]) > 1.0]
    velocity = {k: (np.zeros_like(positions[k]), np.zeros((3, 3))) for k in loose}
    clock = dict.fromkeys(loose, 0.1)
    mixing = dict.fromkeys(loose, 0.1)
    uphill = dict.fromkeys(loose, 0)
    for _ in range(steps):
        if not loose:
            break
        labels = evaluate(loose)
        still = []
        for k, result in zip(loose, labels, strict=True):
            last_labels[k] = result
            if _residual(result) <= 1.0:
                continue
            _, forces, s = result
            size = len(forces)
            length = 2.0 * math.sqrt(size)
            tensor = np.array([[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]])
            pull = -abs(np.linalg.det(cells[k])) * tensor / length
            v, w = velocity[k]
            dt = clock[k]
            if float((v * forces).sum() + (w * pull).sum()) > 0.0:
                speed = math.sqrt(float((v * v).sum() + (w * w).sum()))
                push = math.sqrt(float((forces * forces).sum() + (pull * pull).sum())) + 1e-12
                v = (1 - mixing[k]) * v + mixing[k] * speed / push * forces
                w = (1 - mixing[k]) * w + mixing[k] * speed / push * pull
                if uphill[k] > 5:
                    clock[k] = dt = min(1.1 * dt, 0.3)
                    mixing[k] *= 0.99
                uphill[k] += 1
            else:
                v, w = np.zeros_like(v), np.zeros_like(w)
                clock[k] = dt = max(0.5 * dt, 0.02)
                mixing[k], uphill[k] = 0.1, 0
            v, w = v + dt * forces, w + dt * pull
            velocity[k] = (v, w)
            move, strain = dt * v, dt * w / length
            shrink = min(1.0, 0.15 / (np.abs(move).max() + 1e-12), 0.03 / (np.abs(strain).max() + 1e-12))
            grow = np.eye(3) + shrink * strain
            cells[k] = cells[k] @ grow
            positions[k] = (positions[k] + shrink * move) @ grow
            alive[k] = inside(k)
            if alive[k]:
                still.append(k)
        loose = still
    converged = np.array([bool(alive[k]) and _residual(last_labels[k]) < 8.0 for k in range(count)])
    energies = np.array([r[0] if r is not None else np.nan for r in last_labels])
    write(target, positions=np.concatenate(positions), cells=np.array(cells), converged=converged, energy=energies)
    return count


def _residual(result: Label | None) -> float:
    """Largest force over 0.03 eV/A or stress over 0.004 eV/A^3, whichever is larger."""
    if result is None:
        return math.inf
    return max(float(np.abs(result[1]).max()) / 0.03, float(np.abs(result[2]).max()) / 0.004)


def dynamics(teacher: Teacher, source: Path, target: Path, steps: int = 60, keep: int = 3) -> int:
    """Langevin dynamics at fixed cell (friction 0.02/fs), snapshots evenly spaced.

    Velocities start at twice the temperature, as the crystal starts without potential energy.

    Parameters
    ----------
    teacher
        The teacher.
    source
        File of the crystals, with temperature (K), masses and seed.
    target
        File of positions and `valid`, which is False for snapshots after a force beyond 40 eV/A.
    steps
        Number of steps, of 1.5 fs (0.5 with hydrogen).
    keep
        Number of snapshots.

    Returns
    -------
    int
        Number of crystals.
    """
    with np.load(source, allow_pickle=False) as data:
        kelvin, masses_all, seed = data["temperature"], data["masses"], int(data["seed"])
    crystals = read_crystals(teacher, source)
    rng = np.random.default_rng(seed)
    count = len(crystals)
    ends = np.cumsum([len(c[0]) for c in crystals])
    mass = [masses_all[e - len(c[0]) : e, None] for e, c in zip(ends, crystals, strict=True)]
    energy_unit = 8.617333262e-5
    fs = 1.0 / 10.180505
    dt = [(0.5 if m.min() < 3.0 else 1.5) * fs for m in mass]
    positions = [c[1].copy() for c in crystals]
    thermal = [np.sqrt(energy_unit * t / m) for t, m in zip(kelvin, mass, strict=True)]
    velocity = [math.sqrt(2.0) * s * rng.standard_normal(p.shape) for s, p in zip(thermal, positions, strict=True)]
    valid = np.ones((keep, count), dtype=bool)
    good = np.ones(count, dtype=bool)
    shots = np.zeros((keep, int(ends[-1]), 3))

    def forces_now() -> list[np.ndarray]:
        return [r[1] for r in teacher.evaluate([(c[0], p, c[2]) for c, p in zip(crystals, positions, strict=True)])]

    forces = forces_now()
    for step in range(1, steps + 1):
        for k in range(count):
            if not good[k]:
                continue
            velocity[k] += 0.5 * dt[k] * forces[k] / mass[k]
            positions[k] += 0.5 * dt[k] * velocity[k]
            damp = math.exp(-0.02 / fs * dt[k])
            kick = thermal[k] * rng.standard_normal(velocity[k].shape)
            velocity[k] = damp * velocity[k] + math.sqrt(1 - damp**2) * kick
            positions[k] += 0.5 * dt[k] * velocity[k]
        forces = forces_now()
        for k in range(count):
            good[k] &= bool(np.abs(forces[k]).max() < 40.0)
            if good[k]:
                velocity[k] += 0.5 * dt[k] * forces[k] / mass[k]
        if step % (steps // keep) == 0:
            shot = step // (steps // keep) - 1
            shots[shot] = np.concatenate(positions)
            valid[shot] = good
    write(target, positions=shots, valid=valid)
    return count


def check(teacher: Teacher, functional: str, folder: str) -> None:
    """Compare with matgl's own evaluation on rattled cells.

    Parameters
    ----------
    teacher
        The teacher.
    functional
        Its functional, for the report.
    folder
        Of the weights.

    Raises
    ------
    SystemExit
        Energies per atom, forces or stresses differ by more than 1e-4 (eV, eV/A, eV/A^3).
    """
    from ase.build import bulk
    from matgl.ext.ase import PESCalculator

    calculator = PESCalculator(matgl.load_model(folder), stress_unit="eV/A3", use_voigt=True)
    worst = 0.0
    for name, prototype, a in (("MgO", "rocksalt", 4.25), ("Si", "diamond", 5.47), ("Cu", "fcc", 3.62)):
        atoms = bulk(name, prototype, a=a) * (2, 1, 1)
        atoms.rattle(0.05, seed=1)
        types = np.array([teacher.elements[s] for s in atoms.get_chemical_symbols()])
        energy, forces, stress = teacher.evaluate([(types, atoms.positions, np.array(atoms.cell))])[0]
        atoms.calc = calculator
        difference = max(
            abs(energy - atoms.get_potential_energy()) / len(atoms),
            float(np.abs(forces - atoms.get_forces()).max()),
            float(np.abs(stress - atoms.get_stress()).max()),
        )
        worst = max(worst, difference)
        report = {"functional": functional, "crystal": name, "energy_ev_per_atom": energy / len(atoms)}
        print(json.dumps({**report, "difference": difference}))
    if worst > 1e-4:
        raise SystemExit(f"This evaluation and matgl's differ by {worst:.1e}; matgl 2.0.4 is needed.")


def main() -> None:
    """One task over all shards of a set; shards that are done are skipped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["check", "label", "relax", "dynamics"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teacher", action="append", default=[], help="FUNCTIONAL=FOLDER of the weights")
    parser.add_argument("--shard", default="*", help="the number of one shard, such as 0003")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    exact = arguments.task in ("label", "check")
    folders = dict(text.split("=", 1) for text in arguments.teacher)
    teachers = {name: Teacher(folder, torch.float64 if exact else torch.float32) for name, folder in folders.items()}
    if arguments.task == "check":
        for name, teacher in teachers.items():
            check(teacher, name, folders[name])
        return
    prefix = {"label": "structures", "relax": "base", "dynamics": "start"}[arguments.task]
    for source in sorted(arguments.folder.glob(f"{prefix}-{arguments.shard}.npz")):
        shard = source.stem.rsplit("-", 1)[1]
        for name, teacher in teachers.items():
            stem = {"label": f"labels-{name}", "relax": "relaxed", "dynamics": "snapshots"}[arguments.task]
            target = arguments.folder / f"{stem}-{shard}.npz"
            if target.exists():
                continue
            began = time.perf_counter()
            run = {"label": label, "relax": relax, "dynamics": dynamics}[arguments.task]
            count = run(teacher, source, target)
            seconds = time.perf_counter() - began
            print(json.dumps({"file": target.name, "count": count, "seconds": round(seconds, 2)}), flush=True)


if __name__ == "__main__":
    main()
