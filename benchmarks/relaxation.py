"""Relaxations and whole workflows: many at once, one at a time, and matcalc with ASE driving the same potential."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from _harness import Suite, best, optional
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.potential import Potential
from sus2.relax import relax
from sus2.relax_many import relax_many

CRYSTALS = {
    "Si": bulk("Si", a=5.6), "Ge": bulk("Ge", a=5.9), "C": bulk("C", a=3.7), "GaAs": bulk("GaAs", "zincblende", a=5.9),
    "GaN": bulk("GaN", "wurtzite", a=3.3, c=5.3),
}  # fmt: skip


def distorted(count: int) -> list[Atoms]:
    out = []
    for k in range(count):
        rng = np.random.default_rng(k)
        atoms = bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.05 * rng.normal(size=(8, 3))
        out.append(atoms)
    return out


def workflow(atoms: Atoms, potential: Potential) -> None:
    """Relaxed crystal, equation of state, elastic tensor, phonon bands and density of states."""
    crystal = relax(atoms, potential, fmax=1e-4).atoms
    sus2.eos(crystal, potential, relaxed=True)
    _ = sus2.elastic(crystal, potential, relaxed=True).c_gpa
    found = sus2.phonons(crystal, potential, relaxed=True)
    found.band_structure()
    found.dos()


def workflows(suite: Suite, table: str, crystals: dict[str, Atoms], potential: Potential, matcalc: Any) -> None:
    everything = ", ".join(crystals)
    size = sum(map(len, crystals.values()))

    def theirs() -> None:
        for atoms in crystals.values():
            calculator = potential.calculator()
            crystal = matcalc.RelaxCalc(calculator, fmax=1e-3, max_steps=500).calc(atoms)["final_structure"]
            matcalc.EOSCalc(calculator, relax_structure=False, fmax=1e-3).calc(crystal)
            matcalc.ElasticityCalc(calculator, relax_structure=False, fmax=1e-3).calc(crystal)
            matcalc.PhononCalc(calculator, relax_structure=False, write_phonon=False).calc(crystal)

    reference = ""
    if matcalc is not None:
        reference = f"{everything}, matcalc with the same potential"
        suite.add(table, reference, 1e3 * best(theirs, 0), "ms", size=size)

    def ours() -> None:
        for atoms in crystals.values():
            workflow(atoms, potential)

    suite.add(table, everything, 1e3 * best(ours, 2), "ms", size=size, against=reference)
    for name, atoms in crystals.items():
        suite.add(table, name, 1e3 * best(lambda: workflow(atoms, potential), 2), "ms", size=len(atoms))  # noqa: B023


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="structures relaxed at once")
    options = parser.parse_args()
    suite = Suite("relaxation", "Relaxations and workflows")
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

    ours = sus2.load("sus2-semiconductors-pbe")
    if ours.kernel is not None:
        ours.kernel.threads = 1
    crystals = {k: v for k, v in CRYSTALS.items() if set(v.symbols) <= set(ours.elements)}
    table = "relax, EOS, elastic, phonon bands and DOS"
    workflows(suite, table, crystals, ours, matcalc)
    suite.save()


if __name__ == "__main__":
    main()
