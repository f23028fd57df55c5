"""What all benchmarks share: best of N in processor time on one thread, calibration, ratios, results that are kept.

A script collects rows in a Suite and saves it: the rows are printed, compared with the last run kept in
benchmarks/results/NAME.json (each run beside its own calibration, so that machines compare) and added to it.
`benchmarks/_report.py` makes docs/benchmarks.md and a page with plots of the last runs.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# One thread everywhere, also in phonopy's tetrahedra; before the libraries are loaded.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402

from sus2.kept import forget_all  # noqa: E402

RESULTS = Path(__file__).with_name("results")
# Best of N varies by a tenth or two on a busy machine.
REGRESSION = 1.4
KEPT_RUNS = 12


@dataclass(frozen=True)
class Row:
    """One measurement, `value` in `unit` (less is better); ratio: the value of the row `against` over this one."""

    table: str
    name: str
    value: float
    unit: str
    size: int = 1
    against: str = ""
    ratio: float | None = None


@dataclass
class Suite:
    """The rows of one script; `title` is the heading of its tables."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    calibration_gflops: float = 0.0

    def __post_init__(self) -> None:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        self.calibration_gflops = calibrate()
        print(f"# {self.title}\ncalibration: {self.calibration_gflops:.1f} GFLOP/s (numpy, 1024 x 1024, one thread)")

    def add(self, table: str, name: str, value: float, unit: str, *, size: int = 1, against: str = "") -> float:
        """Keep and print a row; `against` names an earlier row of the same table and size to compare it with."""
        known = [r for r in self.rows if r.table == table and r.name == against and r.size == size]
        ratio = known[-1].value / value if known else None
        self.rows.append(Row(table, name, value, unit, size, against if known else "", ratio))
        note = f"   {against} takes {ratio:.1f} times this" if ratio is not None else ""
        print(f"{table} | {size} | {name}: {value:.4g} {unit}{note}", flush=True)
        return value

    def save(self) -> None:
        """Add this run to the kept ones and print what became slower than in the last."""
        # A neighbour's burst of work during the first calibration must not look like a regression later.
        self.calibration_gflops = max(self.calibration_gflops, calibrate())
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        runs: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        if runs:
            for line in regressions(runs[-1], self.rows, self.calibration_gflops):
                print(line)
        runs.append(
            {
                "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
                "title": self.title,
                "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
                "torch": torch.__version__,
                "calibration_gflops": round(self.calibration_gflops, 2),
                "rows": [asdict(r) for r in self.rows],
            }
        )
        path.write_text(json.dumps(runs[-KEPT_RUNS:], indent=1) + "\n")


def regressions(before: dict[str, Any], rows: list[Row], calibration_gflops: float) -> list[str]:
    """Times that grew by more than REGRESSION since a kept run, in units of each run's own calibration."""
    old = {(r["table"], r["name"], r["size"]): r["value"] for r in before["rows"]}
    faster = calibration_gflops / before["calibration_gflops"]
    out = []
    for row in rows:
        value = old.get((row.table, row.name, row.size))
        if value and row.unit.startswith(("us", "ms", "s")) and row.value * faster > REGRESSION * value:
            out.append(
                f"SLOWER than on {before['date']}: {row.table}, {row.name}, {row.size}: "
                f"{row.value:.4g} {row.unit}, was {value / faster:.4g}"
            )
    return out


def best(
    work: Callable[[], object],
    repeats: int = 5,
    *,
    budget_s: float = 10.0,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Shortest of several runs after one to warm up, seconds; fewer runs where they would exceed the budget.

    What is kept of a crystal from one question to the next (sus2.kept) is forgotten before each run: a run may use what
    it found itself, not what a run before found of the same crystal.

    Processor time by default: on one thread it is the time that a machine without other work takes. Where several
    threads share the work, pass time.perf_counter.
    """
    times: list[float] = []
    limit = time.perf_counter() + budget_s
    for run in range(repeats + 1):
        forget_all()
        start = clock()
        work()
        times.append(clock() - start)
        if run and time.perf_counter() > limit:
            break
    return min(times)


def calibrate() -> float:
    """GFLOP/s of a matrix product in numpy."""
    matrix = np.random.default_rng(0).normal(size=(1024, 1024))
    return 2 * 1024**3 / best(lambda: matrix @ matrix, 7) / 1e9


def optional(module: str) -> Any:
    """A package that only a comparison needs, or None with a line that says so."""
    try:
        return importlib.import_module(module)
    except ImportError:
        print(f"({module} is not installed: its rows are left out)")
        return None
