"""A potential for tests of properties: any ASE calculator behind the interface that the properties use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from sus2.potential.evaluation import Evaluation


class AsePotential:
    """Meets sus2.potential.potential.Calculates with an ASE calculator; counts the structures it evaluated."""

    name = "test"
    functional = "none"

    def __init__(self, make: Callable[[], Calculator], elements: Sequence[str] = ()) -> None:
        self.make = make
        self.elements = tuple(elements)
        self.evaluated = 0

    def calculator(self) -> Calculator:
        return self.make()

    def evaluate(self, structures: Sequence[Atoms]) -> list[Evaluation]:
        results = []
        for structure in structures:
            atoms = structure.copy()
            atoms.calc = self.make()
            energy = float(atoms.get_potential_energy())
            results.append(
                Evaluation(energy, np.full(len(atoms), energy / len(atoms)), atoms.get_forces(), atoms.get_stress())
            )
        self.evaluated += len(results)
        return results


def emt() -> AsePotential:
    """Effective-medium theory: metals."""
    return AsePotential(EMT, ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"))


def argon() -> AsePotential:
    """Lennard-Jones argon, smooth at its cutoff."""
    return AsePotential(lambda: LennardJones(sigma=3.4, epsilon=0.0104, rc=9.0, smooth=True), ("Ar",))
