"""Specialised potentials of 24 crystals beside their teacher: deviations and times, one row for each crystal.

    python benchmarks/specialise.py w si mgo                                  # beside nequix-omat-1
    python benchmarks/specialise.py --teacher sevennet-mf-0 --functional PBE --functional r2SCAN w si
    python benchmarks/specialise.py --start universal w si
    python benchmarks/specialise.py --table            # the tables of docs/specialise.md from what was measured

Each crystal is one line for each functional in benchmarks/specialise.jsonl, with its teacher, budget and processor; a
line that is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

import sus2
from sus2.training.data.prototypes import PROTOTYPES, build
from sus2.training.specialise.loop import STARTS, Start

LINES = Path(__file__).with_name("specialise.jsonl")
TABLE = Path(__file__).parents[1] / "docs" / "specialise.md"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"
# Seconds for cells of up to so many atoms: what a user should have to wait at most.
BUDGETS = ((6, 60.0), (20, 180.0), (60, 300.0))


def _spaced(
    symbols: list[str], basis: list[tuple[float, float, float]], group: int, cell: list[float], setting: int = 1
) -> Atoms:
    return crystal(symbols, basis=basis, spacegroup=group, cellpar=cell, setting=setting, primitive_cell=True)


def crystals() -> dict[str, Atoms]:
    """The 24 crystals, near their experimental size."""
    found = {
        "w": bulk("W", "bcc", a=3.17),
        "mo": bulk("Mo", "bcc", a=3.15),
        "al": bulk("Al", "fcc", a=4.05),
        "cu": bulk("Cu", "fcc", a=3.62),
        "mg": bulk("Mg", "hcp", a=3.21, c=5.21),
        "zr": bulk("Zr", "hcp", a=3.23, c=5.15),
        "si": bulk("Si", "diamond", a=5.43),
        "gaas": bulk("GaAs", "zincblende", a=5.65),
        "zno": bulk("ZnO", "wurtzite", a=3.25, c=5.21),
        "mgo": bulk("MgO", "rocksalt", a=4.21),
        "nacl": bulk("NaCl", "rocksalt", a=5.64),
        "caf2": _spaced(["Ca", "F"], [(0, 0, 0), (0.25, 0.25, 0.25)], 225, [5.46, 5.46, 5.46, 90, 90, 90]),
        "tio2": _spaced(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], 136, [4.59, 4.59, 2.96, 90, 90, 90]),
        "quartz": _spaced(
            ["Si", "O"], [(0.4697, 0, 2 / 3), (0.4135, 0.2669, 0.7858)], 154, [4.913, 4.913, 5.405, 90, 90, 120]
        ),
        "al2o3": _spaced(["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], 167, [4.76, 4.76, 12.99, 90, 90, 120]),
        "srtio3": _spaced(
            ["Sr", "Ti", "O"], [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)], 221, [3.905, 3.905, 3.905, 90, 90, 90]
        ),
        "mgal2o4": _spaced(
            ["Mg", "Al", "O"],
            [(0.125, 0.125, 0.125), (0.5, 0.5, 0.5), (0.2624, 0.2624, 0.2624)],
            227,
            [8.08, 8.08, 8.08, 90, 90, 90],
            setting=2,
        ),
        "zrnisn": _spaced(
            ["Zr", "Ni", "Sn"], [(0, 0, 0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)], 216, [6.11, 6.11, 6.11, 90, 90, 90]
        ),
        "bi2te3": _spaced(
            ["Bi", "Te", "Te"], [(0, 0, 0.4), (0, 0, 0), (0, 0, 0.2097)], 166, [4.386, 4.386, 30.5, 90, 90, 120]
        ),
        "mos2": _spaced(
            ["Mo", "S"], [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, 0.621)], 194, [3.16, 3.16, 12.3, 90, 90, 120]
        ),
        "cspbi3": _spaced(
            ["Cs", "Pb", "I"], [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)], 221, [6.29, 6.29, 6.29, 90, 90, 90]
        ),
        "lifepo4": _spaced(
            ["Li", "Fe", "P", "O", "O", "O"],
            [
                (0, 0, 0),
                (0.282, 0.25, 0.975),
                (0.095, 0.25, 0.418),
                (0.097, 0.25, 0.743),
                (0.457, 0.25, 0.206),
                (0.166, 0.047, 0.285),
            ],
            62,
            [10.33, 6.01, 4.69, 90, 90, 90],
        ),
        "nial": build("CsCl", ["Ni", "Al"]) if "CsCl" in PROTOTYPES else bulk("NiAl", "cesiumchloride", a=2.88),
        "ge": bulk("Ge", "diamond", a=5.66),
    }
    return found


def budget_of(atoms: Atoms) -> float:
    """Seconds that a crystal of this size is given."""
    return next(seconds for most, seconds in BUDGETS if len(atoms) <= most)


def _of_children() -> float:
    """Processor seconds of processes that have ended, the teacher's among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(
    name: str,
    teacher: str,
    budget: float,
    functionals: tuple[str, ...],
    graph: str,
    seed: int,
    start: Start,
    folder: Path | None,
) -> list[dict[str, Any]]:
    """Lines of one crystal."""
    atoms = crystals()[name]
    began = time.perf_counter()
    used = time.process_time()
    elsewhere = _of_children()
    found = sus2.specialise(
        atoms,
        teacher,
        functionals=functionals,
        budget_s=budget,
        graph=graph,
        seed=seed,
        start=start,
        folder=None if folder is None else folder / name,
    )
    out = []
    for s in found:
        lines = {b.quantity: b for b in s.table}
        constants = [b for b in s.table if b.quantity.startswith("C")]
        volume, bulk_modulus = lines["V0"], lines["B0"]
        off = [
            min(abs(b.deviation_percent), 8.0 * abs(b.student - b.teacher) / 5.0)
            for b in constants
            if np.isfinite(b.deviation_percent)
        ]
        out.append(
            {
                "crystal": name,
                "atoms": len(atoms),
                "functional": s.functional,
                "teacher": teacher,
                "graph": graph,
                "start": start,
                "budget_s": budget,
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_seconds": round(time.process_time() - used, 1),
                "structures": s.structures,
                "reached": not s.shortfalls,
                "rounds": len(found.rounds),
                "teacher_cpu_seconds": round(_of_children() - elsewhere, 1),
                "v0_percent": volume.deviation_percent,
                "b0_percent": bulk_modulus.deviation_percent,
                "v0_a3": [volume.teacher, volume.student],
                "b0_gpa": [bulk_modulus.teacher, bulk_modulus.student],
                "c_percent": float(np.max(off)) if off else float("nan"),
                "frequency_thz": lines["frequencies, rms difference"].student,
                "energy_mev_per_atom": s.errors.get("held_out_energy_mae_mev_per_atom", float("nan")),
                "force_mev_per_a": s.errors.get("held_out_force_mae_mev_per_a", float("nan")),
                "machine": platform.processor() or platform.machine(),
                "shortfalls": list(s.shortfalls),
            }
        )
    return out


def number(value: Any, digits: int) -> str:
    """A number of a table; a dash for what is unknown."""
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def table(lines: list[dict[str, Any]]) -> str:
    """All crystals beside their teacher, with medians."""
    nan = float("nan")
    rows = [
        "| crystal | atoms | V0 % | B0 % | worst C % | frequencies, rms THz | held out: meV/atom, meV/Å | "
        "structures | s | processor s: fit, teacher |",
        "|---|--:|--:|--:|--:|--:|---|--:|--:|---|",
    ]
    for x in lines:
        rows.append(
            f"| {x['crystal']} | {x['atoms']} | "
            f"{number(x['v0_percent'], 2)} | {number(x['b0_percent'], 1)} | {number(x['c_percent'], 1)} | "
            f"{number(x['frequency_thz'], 2)} | "
            f"{number(x['energy_mev_per_atom'], 1)}, {number(x['force_mev_per_a'], 0)} | {x['structures']} | "
            f"{x['seconds']:.0f} | {x['cpu_seconds']:.0f}, {number(x.get('teacher_cpu_seconds'), 0)} |"
        )
    keys = ("v0_percent", "b0_percent", "c_percent", "frequency_thz")
    # What was not found is worse than all that was.
    known = [sorted(abs(x[k]) if x[k] is not None and np.isfinite(x[k]) else np.inf for x in lines) for k in keys]
    for name, pick in (
        (f"median of {len(lines)}", np.median),
        ("worst but two", lambda v: v[-3] if len(v) > 2 else nan),
    ):
        a, b, c, d = (float(pick(v)) if v else nan for v in known)
        rows.append(f"| {name} | | {number(a, 2)} | {number(b, 1)} | {number(c, 1)} | {number(d, 2)} | | | | |")
    rows.append("| asked for (median; twice as the worst but two) | | 0.3 | 4 | 8 | 0.2 | | | 60; 180 from 7 atoms | |")
    return "\n".join(rows)


def pairs(lines: list[dict[str, Any]]) -> str:
    """What the second functional changes, the teacher's and the pair's, of each crystal with both."""
    rows = [
        "| crystal | teacher | V0, r2SCAN less PBE, %: teacher, pair | B0, %: teacher, pair | "
        "off: V0, B0, points | worst C %: PBE, r2SCAN | s |",
        "|---|---|---|---|---|---|--:|",
    ]
    off = []
    for second in lines:
        if second["functional"] != "r2SCAN":
            continue
        first = next((x for x in lines if x["functional"] == "PBE" and _alike(x, second)), None)
        if first is None:
            continue
        change = [
            [100.0 * (b / a - 1.0) for a, b in zip(first[k], second[k], strict=True)] for k in ("v0_a3", "b0_gpa")
        ]
        apart = [abs(c[1] - c[0]) for c in change]
        off.append(apart)
        rows.append(
            f"| {second['crystal']} | {second['teacher']} | {number(change[0][0], 2)}, {number(change[0][1], 2)} | "
            f"{number(change[1][0], 1)}, {number(change[1][1], 1)} | {number(apart[0], 2)}, {number(apart[1], 1)} | "
            f"{number(first['c_percent'], 1)}, {number(second['c_percent'], 1)} | {second['seconds']:.0f} |"
        )
    if off:
        worst = np.max(off, axis=0)
        rows.append(f"| worst of {len(off)} | | | | {number(worst[0], 2)}, {number(worst[1], 1)} | | |")
    rows.append("| asked for | | | | 0.2, 3 | | |")
    return "\n".join(rows)


def starts(lines: list[dict[str, Any]]) -> str:
    """Crystals that were made from the universal potential too."""
    rows = [
        "| crystal | start | V0 % | B0 % | worst C % | frequencies, rms THz | held out: meV/atom, meV/Å | "
        "processor s |",
        "|---|---|--:|--:|--:|--:|---|--:|",
    ]
    for other in lines:
        if other["start"] != "universal":
            continue
        own = [x for x in lines if x["start"] == "auto" and _alike({**x, "start": "universal"}, other)]
        for x in [*own, other]:
            start = "random" if x["start"] == "auto" else x["start"]
            rows.append(
                f"| {x['crystal']} | {start} | {number(x['v0_percent'], 2)} | "
                f"{number(x['b0_percent'], 1)} | {number(x['c_percent'], 1)} | {number(x['frequency_thz'], 2)} | "
                f"{number(x['energy_mev_per_atom'], 1)}, {number(x['force_mev_per_a'], 0)} | {x['cpu_seconds']:.0f} |"
            )
    return "\n".join(rows)


def _alike(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(a[k] == b[k] for k in ("crystal", "teacher", "start", "graph", "budget_s"))


def tables(lines: list[dict[str, Any]]) -> dict[str, str]:
    """The tables of the page by their names."""
    both = {(x["crystal"], x["teacher"]) for x in lines if x["functional"] == "r2SCAN"}
    single = [x for x in lines if (x["crystal"], x["teacher"]) not in both]
    order = list(crystals())
    main = sorted((x for x in single if x["start"] == "auto"), key=lambda x: order.index(x["crystal"]))
    return {"table": table(main), "pairs": pairs(lines), "starts": starts(single)}


def main() -> None:
    """Measure crystals, or write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("crystals", nargs="*", help="names; none: all")
    parser.add_argument("--teacher", default="nequix-omat-1")
    parser.add_argument("--functional", action="append")
    parser.add_argument("--graph", default="l3k3")
    parser.add_argument("--budget", type=float, help="seconds; by default by the number of atoms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", default="auto", choices=STARTS)
    parser.add_argument("--folder", type=Path, help="keeps labels and potentials")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    lines = [json.loads(x) for x in LINES.read_text().splitlines()] if LINES.exists() else []
    if not given.table:
        done = {(x["crystal"], x["teacher"], x["graph"], x["budget_s"], x.get("start", "auto")) for x in lines}
        for name in given.crystals or list(crystals()):
            budget = given.budget or budget_of(crystals()[name])
            if (name, given.teacher, given.graph, budget, given.start) in done:
                continue
            try:
                new = measure(
                    name,
                    given.teacher,
                    budget,
                    tuple(given.functional or ("PBE",)),
                    given.graph,
                    given.seed,
                    given.start,
                    given.folder,
                )
            except sus2.Sus2Error as error:
                print(f"{name}: {error}", flush=True)
                continue
            lines += new
            with LINES.open("a") as file:
                file.writelines(json.dumps(x) + "\n" for x in new)
            print(table(new).splitlines()[2], flush=True)
        return
    text = TABLE.read_text(encoding="utf-8")
    for name, rows in tables(lines).items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{rows}\n{end}{after}"
    TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
