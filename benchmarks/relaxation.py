"""Relaxations: many at once, one at a time, and matcalc with ASE driving the same potential."""

from __future__ import annotations

import argparse

import numpy as np
from _harness import Suite, best, optional
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.relaxation.relax import relax
from sus2.relaxation.relax_many import relax_many


def distorted(count: int) -> list[Atoms]:
    out = []
    for k in range(count):
        rng = np.random.default_rng(k)
        atoms = bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.05 * rng.normal(size=(8, 3))
        out.append(atoms)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="structures relaxed at once")
    options = parser.parse_args()
    suite = Suite("relaxation", "Relaxations")
    matcalc = optional("matcalc")
    potential = sus2.load("si-mlearn-pbe")
    if potential.kernel is not None:
        potential.kernel.threads = 1
    structures = distorted(options.count)
    few = structures[: max(1, options.count // 20)]
    table = "8 atoms without symmetry, fmax 1e-3 eV/A"

    def with_matcalc() -> None:
        calc = matcalc.RelaxCalc(potential.calculator(), optimizer="BFGS", fmax=1e-3, max_steps=500)
        for atoms in few:
            calc.calc(atoms)

    reference = "one at a time"
    if matcalc is not None:
        reference = "matcalc RelaxCalc (BFGS), same potential"
        suite.add(table, reference, 1e3 / len(few) * best(with_matcalc, 1), "ms/structure", size=8)
    one = best(lambda: [relax(a, potential) for a in few], 2)
    suite.add(table, "one at a time", 1e3 / len(few) * one, "ms/structure", size=8, against=reference)
    many = best(lambda: relax_many(structures, potential), 2)
    at_once = f"{len(structures)} at once"
    suite.add(table, at_once, 1e3 / len(structures) * many, "ms/structure", size=8, against="one at a time")
    suite.save()


if __name__ == "__main__":
    main()
