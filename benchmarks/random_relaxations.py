"""Is a relaxation ever silently wrong? Random perturbed crystals through every shipped potential, each result checked.

    python benchmarks/random_relaxations.py                a look: 110 crystals, nothing kept
    python benchmarks/random_relaxations.py --count 1100   the full run, kept in benchmarks/runs/random_relaxations.json

A crystal is one of the training prototypes with random elements of the potential, strained, rattled and scaled at
random, one in six beyond what any training set holds. What comes back is one of

    converged    and then forces and stress must meet the limits in a new evaluation by the torch model, which shares no
                 code with the kernels, and as five-point differences of its energies;
    marked       converged = False with the reason (steps used up, collapsed, flew apart);
    refused      a Sus2Error before the first step.

Anything else is silently wrong, and the run fails.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from ase import Atoms  # noqa: E402

import sus2  # noqa: E402
from sus2.checks import Check, worst  # noqa: E402
from sus2.errors import Sus2Error  # noqa: E402
from sus2.potential.evaluation import split  # noqa: E402
from sus2.potential.packed import pack_structures  # noqa: E402
from sus2.potential.potential import Potential  # noqa: E402
from sus2.registry.applicability import extrapolation_grade  # noqa: E402
from sus2.registry.checks import check_applicability  # noqa: E402
from sus2.relaxation.checks import check_relaxation  # noqa: E402
from sus2.relaxation.relax import relax  # noqa: E402
from sus2.relaxation.relax_many import relax_many  # noqa: E402
from sus2.relaxation.result import RelaxResult  # noqa: E402
from sus2.training.data.prototypes import PROTOTYPES, build  # noqa: E402
from sus2.types import Array  # noqa: E402
from sus2.units import EV_PER_A3_TO_GPA  # noqa: E402

RUNS = Path(__file__).with_name("runs")
MAX_ATOMS = 14
STEP_A = 2e-5
STRAIN = 2e-5
# Rounding, and shells that cross the cutoff within the stencil: eV/A and GPa.
FORCE_SLACK, STRESS_SLACK_GPA = 2e-5, 1e-3
SAME_EV_PER_ATOM = 1e-8


@dataclass(frozen=True)
class Case:
    """One crystal to relax, and how."""

    atoms: Atoms
    prototype: str
    symmetry: bool
    extreme: bool


def draw(potential: Potential, seed: int) -> Case:
    """The random crystal of that number; the same in every run."""
    rng = np.random.default_rng([seed, len(potential.elements)])
    fitting = [p for p in PROTOTYPES.values() if p.species <= len(potential.elements)]
    while True:
        prototype = fitting[int(rng.integers(len(fitting)))]
        elements = rng.choice(potential.elements, prototype.species, replace=False).tolist()
        atoms = build(prototype.name, elements)
        if len(atoms) <= MAX_ATOMS:
            break
    extreme = bool(rng.random() < 1 / 6)
    strain, rattle, stretch = (0.15, 0.5, 0.3) if extreme else (0.04, 0.12, 0.08)
    growth = np.cbrt(np.exp(stretch * rng.normal()))
    atoms.set_cell(growth * atoms.cell.array @ (np.eye(3) + strain * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.positions += rattle * rng.normal(size=(len(atoms), 3))
    # Half of them only strained and scaled, so that there is a symmetry to keep.
    symmetry = bool(rng.random() < 0.5)
    if symmetry and not extreme:
        atoms = build(prototype.name, elements)
        atoms.set_cell(growth * atoms.cell.array, scale_atoms=True)
    return Case(atoms, prototype.name, symmetry, extreme)


def by_torch(potential: Potential, structures: Sequence[Atoms]) -> list[sus2.potential.potential.Evaluation]:
    """Evaluations by the torch path, whatever potential.evaluate takes."""
    packed = pack_structures(structures, potential.elements)
    return split(packed, *potential._by_torch(packed, 100_000))


def numeric(potential: Potential, atoms: Atoms) -> tuple[Array, Array]:
    """Forces (N, 3), eV/A, and stress (6,), eV/A^3, by five-point differences of the torch model's energies.

    Two points are not enough: where the short-range repulsion holds atoms apart, third derivatives are huge.
    """
    moved = []
    for k in range(3 * len(atoms)):
        for step in (1.0, -1.0, 2.0, -2.0):
            copy = atoms.copy()
            copy.positions[k // 3, k % 3] += step * STEP_A
            moved.append(copy)
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        for step in (1.0, -1.0, 2.0, -2.0):
            # Symmetric, off the diagonal half of it on either side: dE/d(this) / V is the component of the stress.
            f = np.eye(3)
            f[a, b] += 0.5 * step * STRAIN
            f[b, a] += 0.5 * step * STRAIN
            copy = atoms.copy()
            copy.set_cell(atoms.cell.array @ f, scale_atoms=True)
            moved.append(copy)
    energies = np.array([e.energy_ev for e in by_torch(potential, moved)]).reshape(-1, 4)
    slope = (8.0 * (energies[:, 0] - energies[:, 1]) - (energies[:, 2] - energies[:, 3])) / 12.0
    forces = -slope[: 3 * len(atoms)].reshape(-1, 3) / STEP_A
    return forces, slope[3 * len(atoms) :] / (STRAIN * atoms.cell.volume)


def faults(potential: Potential, case: Case, result: RelaxResult) -> list[str]:
    """What is wrong with a result that says it is converged; empty where nothing is."""
    found = []
    atoms = result.atoms
    if sorted(atoms.numbers) != sorted(case.atoms.numbers):
        found.append("other atoms")
    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        return [*found, "not finite"]
    fresh = by_torch(potential, [atoms])[0]
    if not abs(fresh.energy_ev - result.energy_ev) <= SAME_EV_PER_ATOM * len(atoms):
        found.append(f"energy {result.energy_ev} eV, anew {fresh.energy_ev} eV")
    up = result.energy_ev > result.energies_ev[0] + SAME_EV_PER_ATOM * len(atoms)
    if up and downhill(result).verdict != "fail":
        found.append(f"went up from {result.energies_ev[0]} to {result.energy_ev} eV")
    forces, stress = numeric(potential, atoms)
    for name, slack, f, s in (
        ("anew", 1e-7, fresh.forces_ev_per_a, fresh.stress_ev_per_a3),
        ("by differences", 1.0, forces, stress),
    ):
        force = float(np.linalg.norm(f, axis=1).max())
        pressure = float(np.abs(s).max()) * EV_PER_A3_TO_GPA
        if not force <= result.force_tolerance_ev_per_a + slack * FORCE_SLACK:
            found.append(f"force {name} {force:.3g} eV/A")
        if not pressure <= result.stress_tolerance_gpa + slack * STRESS_SLACK_GPA:
            found.append(f"stress {name} {pressure:.3g} GPa")
    return found


def downhill(result: RelaxResult) -> Check:
    """The check that says whether a relaxation ended above its start."""
    return next(c for c in check_relaxation(result) if c.name == "Above the start")


def outcome(potential: Potential, case: Case, result: RelaxResult) -> tuple[str, list[str]]:
    """converged, not converged or the first words of the failure; and the faults."""
    if result.failure:
        if result.converged:
            return "wrong", ["converged and failed at once"]
        kinds = ("collapsed", "flew apart", "infinite")
        return next((k for k in kinds if k in result.failure), "refused"), []
    if not result.converged:
        return "steps used up", [] if result.steps >= 1 else ["no step, no reason"]
    wrong = faults(potential, case, result)
    return ("wrong" if wrong else "converged"), wrong


def said(potential: Potential, result: RelaxResult) -> str:
    """The worst verdict of the checks that a user sees beside a converged crystal: does the model cover it?"""
    grade = extrapolation_grade(potential, [result.atoms])
    return worst((*check_applicability(result.atoms, potential), *grade.checks(), downhill(result)))


def one(potential: Potential, case: Case) -> RelaxResult | str:
    """Through sus2.relax; the message of what it raises."""
    try:
        return relax(case.atoms, potential, symmetry=case.symmetry)
    except Sus2Error as error:
        return str(error)


def run(name: str, seeds: Sequence[int]) -> dict[str, object]:
    """All crystals of one potential, in batches and every tenth once more alone; the row of the table."""
    potential = sus2.load(name)
    cases = [draw(potential, seed) for seed in seeds]
    results: dict[int, RelaxResult] = {}
    for symmetry in (False, True):
        which = [k for k, c in enumerate(cases) if c.symmetry is symmetry]
        done = relax_many([cases[k].atoms for k in which], potential, symmetry=symmetry)
        results.update(zip(which, done, strict=True))
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    steps: list[int] = []
    verdicts: Counter[str] = Counter()
    above = 0
    for k, case in enumerate(cases):
        kind, found = outcome(potential, case, results[k])
        if k % 10 == 0:
            alone = one(potential, case)
            same = results[k].failure if isinstance(alone, str) else alone.converged
            if isinstance(alone, str) != bool(results[k].failure) or (
                not isinstance(alone, str) and same != results[k].converged
            ):
                found.append("alone it ends otherwise")
        outcomes["wrong" if found else kind] += 1
        wrong += [f"{name}, seed {seeds[k]} ({case.prototype}): {text}" for text in found]
        if kind == "converged":
            steps.append(results[k].steps)
            verdicts[said(potential, results[k])] += 1
            above += downhill(results[k]).verdict == "fail"
    return {
        "potential": name,
        "crystals": len(cases),
        "extreme": sum(c.extreme for c in cases),
        **outcomes_of(outcomes),
        "median_steps": float(np.median(steps)) if steps else 0.0,
        "checks_pass": verdicts["pass"],
        "checks_warn": verdicts["warn"],
        "checks_fail": verdicts["fail"],
        "above_the_start": above,
        "faults": wrong,
    }


def outcomes_of(found: Counter[str]) -> dict[str, int]:
    names = ("converged", "steps used up", "collapsed", "flew apart", "infinite", "refused", "wrong")
    return {name.replace(" ", "_"): found[name] for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=110, help="crystals, over all potentials")
    parser.add_argument("names", nargs="*", help="potentials, all shipped ones by default")
    options = parser.parse_args()
    names = options.names or [card.name for card in sus2.models()]
    rows = []
    for k, name in enumerate(names):
        seeds = range(options.count * k // len(names), options.count * (k + 1) // len(names))
        row = run(name, seeds)
        rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.count >= 1000 and not options.names:
        RUNS.mkdir(exist_ok=True)
        (RUNS / "random_relaxations.json").write_text(json.dumps(rows, indent=1) + "\n")
    wrong = [text for row in rows for text in row["faults"]]  # type: ignore[attr-defined]
    print("\n".join(wrong) if wrong else f"{options.count} crystals, none silently wrong")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
