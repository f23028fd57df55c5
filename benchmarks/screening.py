"""Screening of perovskites: time, cost of scheduling, and what three kills of the whole program cost.

Five-atom cells A B X3 of random covered elements whose charges add up, lattice from radii, strained and shaken so that
none has symmetry.
The program `sus2 screen` is killed (SIGKILL) at random moments and started again until it ends by itself; then every
result must be there once, and those of before a kill unchanged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _harness import Suite
from ase import Atoms
from ase.io import write

import sus2

ROOT = Path(__file__).resolve().parent.parent
# Shannon radii (A), 12-coordinated A, 6-coordinated B and X.
A = {"Na": 1.39, "K": 1.64, "Rb": 1.72, "Cs": 1.88, "Ca": 1.34, "Sr": 1.44, "Ba": 1.61, "La": 1.36}
B = {
    "Mg": 0.72,
    "Ca": 1.00,
    "Sr": 1.18,
    "Ti": 0.605,
    "Zr": 0.72,
    "Hf": 0.71,
    "Nb": 0.64,
    "Ta": 0.64,
    "Al": 0.535,
    "Sc": 0.745,
    "Ga": 0.62,
    "Zn": 0.74,
    "Y": 0.90,
}
X = {"O": 1.40, "F": 1.33, "Cl": 1.81, "Br": 1.96}
CHARGE = {
    **dict.fromkeys(("Na", "K", "Rb", "Cs"), 1),
    **dict.fromkeys(("Ca", "Sr", "Ba", "Mg", "Zn"), 2),
    **dict.fromkeys(("La", "Al", "Sc", "Ga", "Y"), 3),
    **dict.fromkeys(("Ti", "Zr", "Hf"), 4),
    "Nb": 5,
    "Ta": 5,
    "O": -2,
    "F": -1,
    "Cl": -1,
    "Br": -1,
}
IDEAL = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def perovskites(count: int, elements: tuple[str, ...]) -> list[Atoms]:
    """Random perovskites of the elements that a model covers."""
    rng = np.random.default_rng(5)
    a, b, x = (sorted(set(radii) & set(elements)) for radii in (A, B, X))
    out = []
    while len(out) < count:
        one, two, three = str(rng.choice(a)), str(rng.choice(b)), str(rng.choice(x))
        if one == two or CHARGE[one] + CHARGE[two] + 3 * CHARGE[three]:
            continue
        length = max(2 * (B[two] + X[three]), np.sqrt(2) * (A[one] + X[three])) * rng.uniform(0.97, 1.03)
        atoms = Atoms([one, two, three, three, three], scaled_positions=IDEAL, cell=[length] * 3, pbc=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.05 * rng.normal(size=(5, 3))
        out.append(atoms)
    return out


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def finished(path: Path) -> dict[str, str]:
    """Key -> attempt of all results."""
    try:
        return {str(k): str(a) for k, a in query(path, "SELECT key, attempt FROM results")}
    except sqlite3.OperationalError:
        return {}


def cpu_s() -> float:
    """Processor seconds of this process's children that have ended."""
    t = os.times()
    return t.children_user + t.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="structures")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--model", default="sus2-universal-pbe")
    parser.add_argument("--start-cpu-s", type=float, default=0.0, help="processor time of starting all processes")
    parser.add_argument("--properties", default="eos,elastic")
    options = parser.parse_args()
    suite = Suite("screening", "Screening of perovskites")
    # Relative paths would not be found from the folder of the program.
    with tempfile.TemporaryDirectory() as folder:
        crystals, out = Path(folder) / "perovskites.xyz", Path(folder) / "results.db"
        write(crystals, perovskites(options.count, sus2.load(options.model).elements), format="extxyz")
        command = [
            sys.executable,
            "-m",
            "sus2.cli",
            "screen",
            str(crystals),
            "--out",
            str(out),
            "-m",
            options.model,
            "-p",
            options.properties,
            "--workers",
            str(options.workers),
            "--json",
        ]
        wanted = options.count * len(options.properties.split(","))
        rng = random.Random(7)
        moments = sorted(rng.uniform(0.1, 0.9) for _ in range(options.kills))
        lost = changed = 0
        kept: dict[str, str] = {}
        started = time.monotonic()
        for share in moments:
            process = start(command)
            while process.poll() is None and len(finished(out)) < share * wanted:
                time.sleep(rng.uniform(0.2, 1.0))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            now = finished(out)
            lost += len(set(kept) - set(now))
            changed += sum(now.get(k, a) != a for k, a in kept.items())
            kept = now
            print(
                f"killed with {len(now):,} of {wanted:,} results after {time.monotonic() - started:.0f} s", flush=True
            )
        # A pipe that nobody reads would stop the program once it is full.
        with open(Path(folder) / "lines.json", "w+", encoding="utf-8") as lines:
            before = cpu_s()
            start(command, lines).wait()
            processor = cpu_s() - before
            lines.seek(0)
            summary = json.loads(lines.read().splitlines()[-1])["summary"]
        wall = time.monotonic() - started
        now = finished(out)
        lost += len(set(kept) - set(now))
        changed += sum(now.get(k, a) != a for k, a in kept.items())
        report(suite, options, out, summary, wall, wanted, lost, changed, processor)
    suite.save()


def start(command: list[str], lines: Any = subprocess.DEVNULL) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=lines, stderr=subprocess.DEVNULL, text=True, env=environment)


def report(
    suite: Suite,
    options: argparse.Namespace,
    out: Path,
    summary: dict[str, Any],
    wall: float,
    wanted: int,
    lost: int,
    changed: int,
    processor: float,
) -> None:
    ((count, attempts, failed, seconds),) = query(
        out, "SELECT COUNT(*), COUNT(DISTINCT attempt), SUM(NOT ok), SUM(seconds) FROM results"
    )
    ((computed, repeated),) = query(out, "SELECT SUM(computed), SUM(repeated) FROM runs")
    table = f"{options.properties}, {options.workers} workers, {options.kills} kills"
    n = options.count
    suite.add(table, "all, by the clock", wall / 60, "min", size=n)
    suite.add(table, "for each structure and worker, by the clock", 1e3 * wall * options.workers / n, "ms", size=n)
    share = summary["computed"] / wanted
    each = processor / (n * share)
    suite.add(table, "for each structure, processor time of all processes (last run)", 1e3 * each, "ms", size=n)
    suite.add(table, "for each structure, in the calculations, by the clock", 1e3 * seconds / n, "ms", size=n)
    own = 100 * summary["own_cpu_s"] / processor
    suite.add(table, "reading, sending and keeping, of all processor time (last run)", own, "%", size=n)
    idle = 1 - summary["busy_s"] / (summary["wall_s"] * summary["workers"])
    suite.add(table, "of the last run by the clock outside of calculations, start included", 100 * idle, "%", size=n)
    suite.add(table, "results missing", wanted - count, "results", size=n)
    suite.add(table, "results lost or changed by a kill", lost + changed, "results", size=n)
    suite.add(table, "results computed twice", computed - count + repeated + (count - attempts), "results", size=n)
    suite.add(table, "failed, with the reason", failed, "results", size=n)
    for prop, reason, times in query(
        out,
        "SELECT property, substr(reason, 1, 60), COUNT(*) FROM results WHERE NOT ok GROUP BY 1, substr(reason, 8, 30) "
        "ORDER BY 3 DESC LIMIT 8",
    ):
        print(f"  {times} x {prop}: {reason}")
    print(f"at this pace 10,000 structures take {wall / 60 * 10_000 / n:.1f} minutes")
    # The start of the processes is paid once, whatever the number of structures.
    alone = (each - options.start_cpu_s / (n * share)) * 10_000 / options.workers / 60
    print(f"by processor time, on {options.workers} cores that do nothing else, {alone:.1f} minutes")


if __name__ == "__main__":
    main()
