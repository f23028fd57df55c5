"""Energy, forces and stress of one structure, neighbour list included: alone, through ASE, in molecular dynamics."""

from __future__ import annotations

import os
import time

import numpy as np
import torch
from _harness import Suite, best
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

import sus2
from sus2.potential.packed import pack_structures
from sus2.potential.verlet_list import SkinList


def float32_errors(suite: Suite, name: str, atoms: Atoms) -> None:
    """What float32 costs in accuracy where atoms are 0.05 A off their sites."""
    atoms.rattle(0.05, seed=1)
    a, b = (sus2.load(name, dtype=d).evaluate([atoms])[0] for d in (torch.float64, torch.float32))
    error = 1e6 * abs(a.energy_ev - b.energy_ev) / len(atoms)
    suite.add(name, "error of float32, energy", error, "1e-6 eV/atom", size=len(atoms))
    error = 1e6 * float(np.abs(a.forces_ev_per_a - b.forces_ev_per_a).max())
    suite.add(name, "error of float32, largest force", error, "1e-6 eV/A", size=len(atoms))


def main() -> None:
    suite = Suite("single_point", "One structure, neighbour list included")
    for name in ("si-mlearn-pbe", "sus2-universal-pbe"):
        potential = sus2.load(name)
        single = sus2.load(name, dtype=torch.float32)
        for p in (potential, single):
            if p.kernel is not None:
                p.kernel.threads = 1
        for n in (1, 4, 8):
            atoms = bulk("Si", cubic=True) * (n, n, n)
            atoms.rattle(0.05, seed=1)
            count = len(atoms)
            packed = pack_structures([atoms], potential.elements)
            kept = SkinList(potential.cutoff).edges(packed) if potential.kernel is not None else None

            def through_ase(potential=potential, atoms=atoms) -> None:
                work = atoms.copy()
                work.calc = potential.calculator()
                work.get_potential_energy(), work.get_forces(), work.get_stress()

            rows = [
                ("through ASE, new calculator", through_ase, ""),
                ("evaluate", lambda: potential.evaluate([atoms]), "through ASE, new calculator"),  # noqa: B023
                ("evaluate, float32", lambda: single.evaluate([atoms]), "evaluate"),  # noqa: B023
            ]
            if kept is not None:
                rows.append(("kept neighbour list", lambda: potential.compute(packed, edges=kept), "evaluate"))  # noqa: B023
            for row, work, against in rows:
                suite.add(name, row, 1e6 / count * best(work), "us/atom", size=count, against=against)
            if potential.kernel is not None and n > 1 and len(os.sched_getaffinity(0)) > 1:
                potential.kernel.threads = 2
                two = best(lambda: potential.evaluate([atoms]), clock=time.perf_counter)  # noqa: B023
                potential.kernel.threads = 1
                suite.add(name, "evaluate, two threads", 1e6 / count * two, "us/atom", size=count, against="evaluate")
            atoms.calc = potential.calculator()
            atoms.set_momenta(
                np.sqrt(units.kB * 300 * atoms.get_masses())[:, None] * np.random.default_rng(0).normal(size=(count, 3))
            )
            dynamics = VelocityVerlet(atoms, timestep=1.0 * units.fs)
            step = best(lambda: dynamics.run(20), 3) / 20  # noqa: B023
            suite.add(name, "step of molecular dynamics (ASE)", 1e6 / count * step, "us/atom", size=count)
        float32_errors(suite, name, bulk("Si", cubic=True) * (2, 2, 2))
    float32_errors(suite, "c-diamond-dft", bulk("C", cubic=True) * (2, 2, 2))
    suite.save()


if __name__ == "__main__":
    main()
