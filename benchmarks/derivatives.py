"""Exact second derivatives against finite differences, side by side in one run (one thread, best of N).

    OMP_NUM_THREADS=1 python benchmarks/derivatives.py --potential NAME_OR_FILE [--elements Si ...]

Rows that need another crystal than the potential covers, or matcalc where it is not installed, are left out.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from _harness import Suite, best, optional
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.derivatives.second_order import second_derivatives
from sus2.potential.potential import Potential
from sus2.properties.phonons import tetrahedra
from sus2.properties.phonons.backends import finite_differences
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.tetrahedra import tetrahedron_dos
from sus2.relaxation.relax import relax

CUBIC = [[-2, 2, 2], [2, -2, 2], [2, 2, -2]]  # the 64-atom cube of a diamond crystal


def silicon(suite: Suite, potential: Potential, repeats: int) -> None:
    crystal = relax(bulk("Si", a=5.43), potential, fmax=1e-4).atoms
    q = np.random.default_rng(0).random((200, 3))
    matcalc, table = optional("matcalc"), "Si"

    def show(name: str, seconds: float, against: str = "") -> None:
        suite.add(table, name, 1e3 * seconds, "ms", size=2, against=against)

    def everything() -> None:
        found = phonons(bulk("Si", a=5.43), potential, mesh=[20, 20, 20])
        found.band_structure(200)
        found.dos()

    show("relaxation + exact bands (200 q) + DOS (20 x 20 x 20)", best(everything, repeats))
    exact = best(lambda: second_derivatives(crystal, potential).frequencies_thz(q), repeats)
    alone = "exact, cell to 200 q"
    show(alone, exact)
    finite = best(
        lambda: finite_differences(crystal, potential, CUBIC, 0.01).run_qpoints(q).frequencies, max(1, repeats // 3)
    )
    show("finite displacements, 64 atoms (phonopy + this potential), 200 q", finite)
    show("exact, cell to 200 q, beside it", exact, "finite displacements, 64 atoms (phonopy + this potential), 200 q")
    found = phonons(crystal, potential, relaxed=True, method="finite", supercell=CUBIC)
    difference = np.abs(found.frequencies_thz(q) - second_derivatives(crystal, potential).frequencies_thz(q)).max()
    print(f"  largest difference: {difference:.3g} THz (displacement and interpolation of the finite supercell)")

    mesh = phonons(crystal, potential, relaxed=True)._mesh
    samples = np.linspace(0.0, 1.02 * float(mesh.frequencies.max()), 401)
    weights = np.ones((*mesh.frequencies.shape, 1)) * mesh.weights[:, None, None]
    theirs = "density of states, phonopy's tetrahedra"
    show(theirs, best(lambda: tetrahedra._with_phonopy(mesh, weights, samples), repeats))
    show(
        "density of states, compiled",
        best(lambda: tetrahedron_dos(mesh, np.ones_like(weights), samples), repeats),
        theirs,
    )

    # What PhononCalc computes: force constants, modes on a mesh of 100 A, thermal properties.
    products = best(lambda: phonons(crystal, potential, relaxed=True, mesh=100.0).thermal(), repeats)
    show("exact modes on a mesh of 100 A, thermal properties", products)
    if matcalc is not None:
        calc = matcalc.PhononCalc
        for what, options in (("its default supercell (20 A)", {}), ("64 atoms", {"supercell_matrix": CUBIC})):
            seconds = best(
                lambda options=options: calc(
                    potential.calculator(), relax_structure=False, write_phonon=False, **options
                ).calc(crystal),
                max(1, repeats // 3),
            )
            show(f"matcalc PhononCalc, {what}", seconds)
            show(f"exact modes on a mesh of 100 A, beside {what}", products, f"matcalc PhononCalc, {what}")


def perovskite(suite: Suite, potential: Potential, symbols: Sequence[str], repeats: int) -> None:
    a, b, x = symbols
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    start = Atoms([a, b, x, x, x], cell=[3.95] * 3, pbc=True, scaled_positions=places)
    crystal = relax(start, potential, fmax=1e-4).atoms
    matcalc, table = optional("matcalc"), start.get_chemical_formula("metal")
    exact = best(lambda: second_derivatives(crystal, potential).relaxed_elastic, repeats)
    suite.add(table, "exact elastic tensor, clamped and relaxed ions", 1e3 * exact, "ms", size=5)
    if matcalc is not None:
        calc = matcalc.ElasticityCalc
        for what, extra in (("clamped ions", {}), ("relaxed ions", {"relax_deformed_structures": True, "fmax": 1e-3})):
            seconds = best(
                lambda extra=extra: calc(potential.calculator(), relax_structure=False, **extra).calc(crystal),
                max(1, repeats // 3),
            )
            name = f"matcalc ElasticityCalc, {what}"
            suite.add(table, name, 1e3 * seconds, "ms", size=5)
            suite.add(table, f"exact, beside {what}", 1e3 * exact, "ms", size=5, against=name)


def memory(suite: Suite, potential: Potential, symbols: Sequence[str]) -> None:
    table = "Larger cells (12 A^3 per atom)"
    for n in (40, 100):
        side = (12.0 * n) ** (1 / 3)
        grid = int(np.ceil(n ** (1 / 3)))
        points = np.stack(np.meshgrid(*[np.arange(grid)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n] / grid
        rattle = np.random.default_rng(0).uniform(-0.03, 0.03, (n, 3))
        cell = Atoms(
            [symbols[k % len(symbols)] for k in range(n)], cell=[side] * 3, scaled_positions=points + rattle, pbc=True
        )
        start = perf_counter()
        second = second_derivatives(cell, potential)
        _ = second.lattice_vectors, second.clamped_elastic
        build = perf_counter() - start
        start = perf_counter()
        second.frequencies_thz(np.random.default_rng(1).random((10, 3)))
        per_q = (perf_counter() - start) / 10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        suite.add(table, "derivatives", 1e3 * build, "ms", size=n)
        suite.add(table, "each q", 1e3 * per_q, "ms", size=n)
        suite.add(table, "peak memory", peak, "GiB", size=n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--potential", default="si-mlearn-pbe", help="a shipped potential's name or an .mtp file")
    parser.add_argument("--elements", nargs="+", help="elements in type order, for a file without a card")
    parser.add_argument("--perovskite", nargs=3, default=["Sr", "Ti", "O"], metavar=("A", "B", "X"))
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    suite = Suite("derivatives", "Exact second derivatives beside finite differences")
    potential = sus2.load(options.potential, elements=options.elements)
    print(f"{potential.name}: {len(potential.spec.mapping)} scalars, cutoff {potential.cutoff:g} A")
    memory(suite, potential, potential.elements[:3])
    if "Si" in potential.elements:
        silicon(suite, potential, options.repeats)
    if set(options.perovskite) <= set(potential.elements):
        perovskite(suite, potential, options.perovskite, options.repeats)
    suite.save()


if __name__ == "__main__":
    main()
