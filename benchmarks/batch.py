"""Thousands of small cells in one call, beside one at a time through ASE and beside the torch paths."""

from __future__ import annotations

import os
import time

import numpy as np
from _harness import Suite, best
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.native.neighbours import find_edges
from sus2.potential.batch import build_batch
from sus2.potential.model import energy_forces_virial
from sus2.potential.packed import pack_structures

COUNT = 10_000


def cells(count: int) -> list[Atoms]:
    out = []
    for k in range(count):
        rng = np.random.default_rng(k)
        atoms = bulk("Si", a=5.43 * (1 + 0.02 * rng.normal()))
        atoms.positions += 0.05 * rng.normal(size=(2, 3))
        out.append(atoms)
    return out


def main() -> None:
    suite = Suite("batch", f"{COUNT:,} two-atom cells")
    structures = cells(COUNT)
    for name in ("si-mlearn-pbe", "sus2-universal-pbe"):
        potential = sus2.load(name)
        if potential.kernel is not None:
            potential.kernel.threads = 1
        few = [a.copy() for a in structures[:500]]

        def through_ase(potential=potential, few=few) -> None:
            for atoms in few:
                atoms.calc = potential.calculator()
                atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
                atoms.calc = None

        def model(potential=potential, few=few) -> None:
            energy_forces_virial(potential.model, build_batch(few, potential.elements, potential.cutoff))

        ase = "one at a time through ASE"
        suite.add(name, ase, 1e6 / len(few) * best(through_ase), "us/structure", size=2)
        autograd = 1e6 / len(few) * best(model)
        suite.add(name, "torch model, batches of 500", autograd, "us/structure", size=2, against=ase)
        together = best(lambda: potential.evaluate(structures))  # noqa: B023
        suite.add(name, "one call", 1e6 / COUNT * together, "us/structure", size=2, against=ase)
        if potential.kernel is None:
            continue
        packed = pack_structures(structures, potential.elements)
        for row, work in (
            ("of that: reading the structures", lambda: pack_structures(structures, potential.elements)),  # noqa: B023
            ("of that: neighbours and kernels", lambda: potential.compute(packed)),  # noqa: B023
            ("neighbours alone", lambda: find_edges(packed, potential.cutoff)),  # noqa: B023
        ):
            suite.add(name, row, 1e6 / COUNT * best(work), "us/structure", size=2)
        if len(os.sched_getaffinity(0)) > 1:
            potential.kernel.threads = 2
            two = best(lambda: potential.evaluate(structures), clock=time.perf_counter)  # noqa: B023
            suite.add(name, "one call, two threads", 1e6 / COUNT * two, "us/structure", size=2, against=ase)
    suite.save()


if __name__ == "__main__":
    main()
