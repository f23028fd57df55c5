"""A potential from 200 frames of 64 atoms: seconds until the first usable one and until the end, and errors then.

    python benchmarks/frames.py [si mgo w]     # measures all sets, or some
    python benchmarks/frames.py --table        # the table of docs/specialise.md from what was measured

The frames are dynamics (Langevin, a frame every twenty steps of 2 fs, half of them at other volumes) whose labels are
those of the shipped universal potential; they are read from an extended XYZ file. The fit's clock is that of the
processor, one thread, so that other work on the machine does not count: what one free core takes.
Each set is one line of benchmarks/frames.jsonl.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import types
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.io import write
from ase.md.langevin import Langevin

import sus2
import sus2.training.frames.fit
import sus2.training.quick_fit.fit
from sus2.training.data.dataset import TrainingSet, make_set

LINES = Path(__file__).with_name("frames.jsonl")
PAGE = Path(__file__).parents[1] / "docs" / "specialise.md"
BEGIN, END = "<!-- frames: begin -->", "<!-- frames: end -->"
POTENTIAL = "sus2-universal-pbe"
FRAMES, EVERY, WARM = 200, 20, 200
# Lengths of the cell beside that at rest, one run of dynamics at each.
STRETCHES = (1.0, 0.98, 1.0, 1.025)


def sets() -> dict[str, tuple[Atoms, float]]:
    """Cells of 64 atoms and their temperature, K."""
    return {
        "si": (bulk("Si", "diamond", a=5.46, cubic=True) * 2, 800.0),
        "mgo": (bulk("MgO", "rocksalt", a=4.24, cubic=True) * 2, 1000.0),
        "w": (bulk("W", "bcc", a=3.18, cubic=True) * (4, 4, 2), 1500.0),
    }


def dynamics(cell: Atoms, kelvin: float) -> TrainingSet:
    """Frames of dynamics with the labels of the shipped potential."""
    potential = sus2.load(POTENTIAL)
    frames: list[Atoms] = []
    for k, stretch in enumerate(STRETCHES):
        atoms = cell.copy()
        atoms.set_cell(stretch * cell.cell.array, scale_atoms=True)
        atoms.calc = potential.calculator()
        rng = np.random.default_rng(k)
        width = np.sqrt(atoms.get_masses() * 2.0 * kelvin * units.kB)
        atoms.set_momenta(width[:, None] * rng.normal(size=(len(atoms), 3)))
        run = Langevin(atoms, 2.0 * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, fixcm=False, rng=rng)
        run.run(WARM)
        for _ in range(FRAMES // len(STRETCHES)):
            run.run(EVERY)
            frames.append(atoms.copy())
    found = potential.evaluate(frames)
    return make_set(
        frames,
        [e.energy_ev for e in found],
        [e.forces_ev_per_a for e in found],
        [e.stress_ev_per_a3 for e in found],
        set_name="dynamics",
    )


def measure(name: str, budget_s: float = 90.0) -> dict[str, Any]:
    """Times and errors of one set."""
    data = dynamics(*sets()[name])
    text = io.StringIO()
    write(text, [data.to_atoms(k) for k in range(len(data))], format="extxyz")
    content = text.getvalue().encode()
    clock = types.SimpleNamespace(monotonic=time.process_time)
    for module in (sus2.training.frames.fit, sus2.training.quick_fit.fit):
        module.time = clock  # type: ignore[attr-defined]
    began = time.process_time()
    first: list[float] = []

    def mark(potential: Any) -> None:
        first.append(time.process_time() - began)

    points: list[Any] = []
    keep: Callable[[Any], None] = points.append
    found = sus2.fit_frames(content, label=name, functional="PBE", budget_s=budget_s, first=mark, live=keep)
    return {
        "name": name,
        "budget_s": budget_s,
        "frames": found.frames,
        "first": first[0],
        "end": time.process_time() - began,
        "start": asdict(points[0]),
        "fitted": asdict(points[-1]),
        "rms": 1e3 * float(np.sqrt(np.mean(data.forces_ev_per_a**2))),
        "curve": [asdict(p) for p in found.learning],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    lines = [
        "| set | frames: fitted, held out | first usable: processor s | held out: meV/atom, meV/Å | "
        "last: processor s | held out: meV/atom, meV/Å | with the learning curve: s | rms force, meV/Å |",
        "|---|---|--:|---|--:|---|--:|--:|",
    ]
    for r in rows:
        a, b = r["start"], r["fitted"]
        lines.append(
            f"| {r['name']} | {r['frames'][0]}, {r['frames'][1]} | {r['first']:.0f} | "
            f"{a['energy_mev_per_atom']:.2f}, {a['force_mev_per_a']:.0f} | {b['seconds']:.0f} | "
            f"{b['energy_mev_per_atom']:.2f}, {b['force_mev_per_a']:.0f} | {r['end']:.0f} | {r['rms']:.0f} |"
        )
    lines.append("| asked for | 200 | 15 | | 90 | | | |")
    return "\n".join(lines)


def main() -> None:
    """Measure sets, or write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", help="names; none: all")
    parser.add_argument("--budget", type=float, default=90.0)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if not given.table:
        for name in given.sets or list(sets()):
            row = measure(name, given.budget)
            with LINES.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(table([row]).splitlines()[-2], flush=True)
        return
    rows = {r["name"]: r for r in map(json.loads, LINES.read_text().splitlines())}
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(list(rows.values()))}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
