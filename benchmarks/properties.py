"""One property at a time: an equation of state beside matcalc's, a step of molecular dynamics beside ASE's lists.

Both sides drive the same potential; dynamics is ASE's velocity Verlet in every row, at 300 K with steps of 1 fs.
"""

from __future__ import annotations

import argparse

import numpy as np
from _harness import Suite, best, optional
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

import sus2
from sus2.potential.batch import build_batch
from sus2.potential.model import Sus2Model, energy_forces_virial
from sus2.potential.potential import Potential

STEPS = 50


class Plain(Calculator):
    """The torch model by autograd, with a new neighbour list at each step: what SUS2 in Python costs without this."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential
        self.model = Sus2Model(potential.spec).requires_grad_(False)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):  # type: ignore[no-untyped-def]
        super().calculate(atoms, properties, system_changes)
        batch = build_batch([self.atoms], self.potential.elements, self.potential.cutoff)
        energy, forces, _ = energy_forces_virial(self.model, batch)
        self.results = {"energy": float(energy.sum()), "forces": forces.numpy()}


def dynamics(atoms: Atoms, calculator: Calculator) -> VelocityVerlet:
    moving = atoms.copy()
    moving.calc = calculator
    MaxwellBoltzmannDistribution(moving, temperature_K=300, rng=np.random.default_rng(0))
    return VelocityVerlet(moving, 1.0 * units.fs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, nargs="*", default=[2, 4, 8], help="cubic cells of Si along each axis")
    options = parser.parse_args()
    suite = Suite("properties", "Equations of state and molecular dynamics")
    potential = sus2.load("si-mlearn-pbe")
    if potential.kernel is not None:
        potential.kernel.threads = 1

    table, reference = "equation of state, 11 volumes, ions relaxed", "matcalc EOSCalc"
    matcalc = optional("matcalc")
    for name in ("Si, diamond", "Si, hexagonal diamond"):
        atoms = bulk("Si") if name == "Si, diamond" else hexagonal()
        crystal = sus2.relax(atoms, potential).atoms
        if matcalc is not None:
            calc = matcalc.EOSCalc(potential.calculator(), relax_structure=False, fmax=1e-3)
            suite.add(table, f"{name}, {reference}", 1e3 * best(lambda: calc.calc(crystal), 2), "ms", size=len(crystal))  # noqa: B023
        here = best(lambda: sus2.eos(crystal, potential, relaxed=True), 3)  # noqa: B023
        suite.add(table, name, 1e3 * here, "ms", size=len(crystal), against=f"{name}, {reference}")

    table = "molecular dynamics of Si, a step"
    for n in options.repeats:
        atoms = bulk("Si", cubic=True) * (n, n, n)
        slow = "torch model, a new list at each step"
        if len(atoms) <= 512:
            run = dynamics(atoms, Plain(potential))
            suite.add(table, slow, 1e6 / 5 / len(atoms) * best(lambda: run.run(5), 1), "us/atom", size=len(atoms))  # noqa: B023
        run = dynamics(atoms, potential.calculator())
        cost = best(lambda: run.run(STEPS), 3) / STEPS / len(atoms)  # noqa: B023
        suite.add(table, "kernels, list with a skin", 1e6 * cost, "us/atom", size=len(atoms), against=slow)
    suite.save()


def hexagonal() -> Atoms:
    atoms = bulk("GaN", "wurtzite", a=3.84, c=6.28)
    atoms.symbols[:] = "Si"
    return atoms


if __name__ == "__main__":
    main()
