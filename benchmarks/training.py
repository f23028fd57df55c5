"""The trainer on the authors' diamond set: errors against processor time, and one step against one evaluation.

The authors' figures are those of their C++ program on the same set at the same size (l2k2, cutoff 5 A): a BFGS step
takes about 10 s for the 200 cells of 64 atoms on one core; after 13 minutes the errors below. Needs SUS2_SHARED.

    SUS2_SHARED=... python benchmarks/training.py [--folder KEEP_THE_RUN_HERE]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from _harness import RESULTS, Suite, best, optional

from sus2.native.kernels import Kernel
from sus2.training.data.reference_sets import diamond_set
from sus2.training.fit.config import read_config
from sus2.training.fit.objective import Objective, errors
from sus2.training.fit.optimise import Prior, total
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import fit, initial_spec
from sus2.training.fit.run_folder import read_state

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "pretrained" / "c-diamond-dft.yaml"
FIGURE = ROOT / "docs" / "images" / "training-diamond.svg"
AUTHORS_S = 13 * 60.0
AUTHORS_STEP_S = 10.0
AUTHORS = {"train": (0.37, 44.0), "valid": (0.55, 66.0)}
NAMES = {"train": "training set", "valid": "validation set"}


def run(folder: Path) -> list[dict[str, float]]:
    """Train as configured on one core; errors on both sets after each step, the time to find them left out."""
    config = read_config(CONFIG)
    sets = {"train": diamond_set("train"), "valid": diamond_set("valid")}
    parts = {name: Objective(data, config.elements, config.cutoff_a, threads=1) for name, data in sets.items()}
    rows: list[dict[str, float]] = []
    start, beside = time.process_time(), 0.0

    def look(text: str, fraction: float) -> None:
        nonlocal beside
        began = time.process_time()
        state = read_state(folder)
        assert state is not None
        spec = ParameterSpace(initial_spec(config)).unpack(state.x)
        row = {"seconds": began - start - beside}
        for name, part in parts.items():
            found = errors([part], spec)
            row |= {f"{name}_energy": found.energy_mae_mev_per_atom, f"{name}_force": found.force_mae_mev_per_a}
        rows.append(row)
        print(f"{row['seconds']:.1f} s  {text}  " + "  ".join(f"{k} {v:.3g}" for k, v in row.items()), flush=True)
        beside += time.process_time() - began

    fit(config, folder=folder, threads=1, progress=look)
    return rows


def first_below(rows: list[dict[str, float]], energy: float, force: float) -> float:
    """Processor time at which both validation errors are at or below these; infinite where they never are."""
    times = [r["seconds"] for r in rows if r["valid_energy"] <= energy and r["valid_force"] <= force]
    return times[0] if times else float("inf")


def report(suite: Suite, rows: list[dict[str, float]]) -> None:
    energy, force = AUTHORS["valid"]
    table, authors = "diamond, 200 x 64 atoms, l2k2, one core", "authors' program, 13 minutes"
    suite.add(table, authors, AUTHORS_S, "s", size=12800)
    suite.add(table, "their validation errors", first_below(rows, energy, force), "s", size=12800, against=authors)
    last = rows[-1]
    for part, label in (("energy", "half their validation error of energies"), ("force", "half that of forces")):
        limits = (energy / 2, float("inf")) if part == "energy" else (float("inf"), force / 2)
        when = first_below(rows, *limits)
        if when < float("inf"):
            suite.add(table, label, when, "s", size=12800, against=authors)
    for name, (e, f) in AUTHORS.items():
        suite.add("errors at the end", f"{NAMES[name]}, energies: authors", e, "meV/atom")
        suite.add("errors at the end", f"{NAMES[name]}, energies: ours", last[f"{name}_energy"], "meV/atom")
        suite.add("errors at the end", f"{NAMES[name]}, forces: authors", f, "meV/A")
        suite.add("errors at the end", f"{NAMES[name]}, forces: ours", last[f"{name}_force"], "meV/A")


def steps(suite: Suite) -> None:
    """One step of a gradient method beside one evaluation of the same set, and the parts of Gauss-Newton."""
    config = read_config(CONFIG)
    space = ParameterSpace(initial_spec(config))
    data = diamond_set("train").subset(range(0, 200, 10))
    spec, x = space.spec, space.pack(space.spec)
    for device, label in (("cpu", "compiled kernels"), ("torch", "torch on the CPU")):
        part = Objective(data, config.elements, config.cutoff_a, threads=1, device=device)  # type: ignore[arg-type]
        table = f"a training step, {label}"
        one = suite.add(table, "one evaluation", 1e3 * best(lambda: part.predict(spec)), "ms", size=1280)  # noqa: B023
        step = best(lambda: total(space, [part], x, Prior.none(space)))  # noqa: B023
        suite.add(table, "loss and gradient", 1e3 * step, "ms", size=1280)
        suite.add(table, "loss and gradient over evaluation", 1e3 * step / one, "evaluations", size=1280)
        if device == "cpu":
            kernel = Kernel(spec, threads=1)
            jacobian = best(lambda: kernel.jacobian(part.edges, data.offsets))  # noqa: B023
            suite.add(table, f"Jacobian by all {space.size - 1} parameters", 1e3 * jacobian, "ms", size=1280)
            suite.add(table, "Jacobian over evaluation", 1e3 * jacobian / one, "evaluations", size=1280)
            authors, table = "authors' BFGS step", "a step on 200 x 64 atoms"
            suite.add(table, authors, AUTHORS_STEP_S, "s", size=12800)
            suite.add(table, "loss and gradient", 10 * step, "s", size=12800, against=authors)


def draw(rows: list[dict[str, float]], plt: Any) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), constrained_layout=True)
    for axis, quantity, unit, k in zip(axes, ("energy", "force"), ("meV/atom", "meV/Å"), (0, 1), strict=True):
        for name, colour in (("train", "tab:blue"), ("valid", "tab:red")):
            x, y = [r["seconds"] for r in rows], [r[f"{name}_{quantity}"] for r in rows]
            axis.plot(x, y, "-", color=colour, label=f"ours, {NAMES[name]}")
            axis.plot([AUTHORS_S], [AUTHORS[name][k]], "o", color=colour, label=f"authors' program, {NAMES[name]}")
        axis.set(xscale="log", yscale="log", xlabel="processor time on one core (s)", ylabel=f"{quantity} MAE ({unit})")
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize=8)
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep the run here (a finished run is not repeated)")
    chosen = parser.parse_args().folder
    suite = Suite("training", "The trainer on the authors' diamond set")
    steps(suite)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen or Path(scratch)
        rows = run(folder)
        lines = [",".join(rows[0]), *(",".join(f"{v:.4g}" for v in row.values()) for row in rows)]
        (RESULTS / "training-diamond.csv").write_text("\n".join(lines) + "\n")
    report(suite, rows)
    plt = optional("matplotlib.pyplot")
    if plt is not None:
        draw(rows, plt)
    suite.save()


if __name__ == "__main__":
    main()
