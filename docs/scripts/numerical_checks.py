"""Writes the section of docs/validation.md on dynamics and random relaxations from the runs kept in benchmarks/runs.

    python docs/scripts/numerical_checks.py

docs/scripts/validation_table.py, which makes the rest of that page, ends with the same section.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "validation.md"
RUNS = ROOT / "benchmarks" / "runs"
HEADING = "## Numerical checks\n"
MELTED_A = 2.0


def scientific(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.replace('-', '−')}·10^{int(exponent)}".replace("^-", "^−")


def dynamics(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    short = any(r["picoseconds"] < 1000 for r in rows)
    unfinished = " Runs below 1000 ps go on from their checkpoints with `--picoseconds 1000`." if short else ""
    molten = [f"{r['crystal']} in {r['potential']}" for r in rows if r["largest_displacement_a"] > MELTED_A]
    lost = f", and the row speaks of energy conservation alone: {', '.join(molten)}" if molten else ""
    out = [
        "### Dynamics at constant energy",
        "",
        "Velocity Verlet, 64 atoms near 300 K, float64 (`benchmarks/dynamics.py`); a step is 1 fs, or half of it where "
        "the fastest vibration has fewer than 40 of those in a period (diamond: 25; 1 ns with 1 fs drifted by "
        "4.0·10^−5). Drift: slope of a straight line through the total energy per atom, with the "
        "standard error from fifty block means; wanted: "
        "below 10^−5 eV/atom/ns. Fluctuation: standard deviation around that line, which belongs to the step (half the "
        "step, a quarter of it: `tests/contract/test_dynamics.py`). Largest: how far the atom that moved most is from "
        f"its site at the end; above {MELTED_A:g} Å the crystal did not survive{lost}. The soft crystals were taken "
        "because their steps are cheaper than those of Al, NaCl, GaAs and Ag. Both tables judge integrator, kernels "
        "and optimiser; molybdenum and the universal pair ran with the weights that they had before version 5."
        + unfinished,
        "",
        "| potential | crystal | step (fs) | ps | K | drift (eV/atom/ns) | ± | fluctuation (eV/atom) | largest (Å) |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in rows:
        cells = [
            r["potential"],
            r["crystal"],
            f"{r['timestep_fs']:g}",
            f"{r['picoseconds']:.0f}",
            f"{r['temperature_k']:.0f}",
            *(scientific(r[k]) for k in ("ev_per_atom_ns", "error_ev_per_atom_ns", "fluctuation_ev_per_atom")),
            f"{r['largest_displacement_a']:.2f}",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return [*out, ""]


def relaxations(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    keys = (
        "crystals",
        "extreme",
        "converged",
        "steps_used_up",
        "collapsed",
        "flew_apart",
        "refused",
        "wrong",
        "checks_pass",
        "checks_warn",
        "checks_fail",
    )
    total = {key: sum(int(r[key]) for r in rows) for key in keys}
    out = [
        "### Random relaxations",
        "",
        f"{total['crystals']:,} prototypes with random elements of each potential, strained, rattled and scaled, one "
        "in six beyond any training set (`benchmarks/random_relaxations.py`). A result that says it converged is "
        "verified by the torch model, which shares no code with the kernels, and by five-point differences of its "
        "energies; all others say why they ended. **Silently wrong** is what is neither. The last three columns are "
        "what the checks say of those that converged: a minimum of the potential need not be a crystal that exists "
        "in nature, and a way that ended above its start fails a check of its own "
        f"({sum(r['above_the_start'] for r in rows)} of all).",
        "",
        "| potential | crystals | extreme | converged | steps used up | collapsed | flew apart | refused | silently "
        "wrong | checks pass | warn | fail |",
        "|---|" + "--:|" * 11,
    ]
    for r in rows:
        out.append(f"| {r['potential']} | " + " | ".join(str(r[key]) for key in keys) + " |")
    out.append("| **all** | " + " | ".join(f"**{total[key]}**" for key in keys) + " |")
    return [*out, ""]


def section() -> str:
    """The section as Markdown; empty where no run is kept."""
    runs = [json.loads(path.read_text()) for path in sorted((RUNS / "dynamics").glob("*.json"))]
    path = RUNS / "random_relaxations.json"
    lines = dynamics(runs) + relaxations(json.loads(path.read_text()) if path.exists() else [])
    return "\n".join([HEADING, *lines]) if lines else ""


def main() -> None:
    text = PAGE.read_text(encoding="utf-8").split(HEADING)[0].rstrip()
    PAGE.write_text(f"{text}\n\n{section()}", encoding="utf-8")


if __name__ == "__main__":
    main()
