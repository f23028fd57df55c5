"""Exact second derivatives against finite differences, side by side in one run (one thread, best of N).

    OMP_NUM_THREADS=1 python benchmarks/derivatives.py --potential NAME_OR_FILE [--elements Si ...]

Rows that need another crystal than the potential covers, or matcalc where it is not installed, are left out.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

import sus2
from sus2._phonon_backends import finite_differences
from sus2.derivatives import second_derivatives
from sus2.phonons import phonons
from sus2.potential import Potential
from sus2.relax import relax

CUBIC = [[-2, 2, 2], [2, -2, 2], [2, 2, -2]]  # the 64-atom cube of a diamond crystal


def best(function: Callable[[], object], repeats: int) -> float:
    """Shortest wall time of `repeats` calls after one to warm up, seconds."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def show(name: str, seconds: float, reference: float | None = None) -> None:
    ratio = "" if reference is None else f"   exact is {seconds / reference:6.1f} times faster"
    print(f"  {name:68s} {seconds * 1e3:10.2f} ms{ratio}")


def silicon(potential: Potential, repeats: int) -> None:
    crystal = relax(bulk("Si", a=5.43), potential, fmax=1e-4).atoms
    q = np.random.default_rng(0).random((200, 3))
    print("Si, 2 atoms")

    def everything() -> None:
        found = phonons(bulk("Si", a=5.43), potential, mesh=[20, 20, 20])
        found.band_structure(200)
        found.dos()

    show("relaxation + exact bands (200 q) + DOS (20 x 20 x 20)", best(everything, repeats))
    exact = best(lambda: second_derivatives(crystal, potential).frequencies_thz(q), repeats)
    show("exact, cell to 200 q", exact)
    finite = best(
        lambda: finite_differences(crystal, potential, CUBIC, 0.01).run_qpoints(q).frequencies, max(1, repeats // 3)
    )
    show("finite displacements, 64 atoms (phonopy + this potential), 200 q", finite, exact)
    found = phonons(crystal, potential, relaxed=True, method="finite", supercell=CUBIC)
    difference = np.abs(found.frequencies_thz(q) - second_derivatives(crystal, potential).frequencies_thz(q)).max()
    print(f"  largest difference: {difference:.3g} THz (displacement and interpolation of the finite supercell)")

    # What PhononCalc computes: force constants, modes on a mesh of 100 A, thermal properties.
    products = best(lambda: phonons(crystal, potential, relaxed=True, mesh=100.0).thermal(), repeats)
    show("exact modes on a mesh of 100 A, thermal properties", products)
    calc = matcalc("PhononCalc")
    if calc is not None:
        for what, options in (("its default supercell (20 A)", {}), ("64 atoms", {"supercell_matrix": CUBIC})):
            seconds = best(
                lambda options=options: calc(
                    potential.calculator(), relax_structure=False, write_phonon=False, **options
                ).calc(crystal),
                max(1, repeats // 3),
            )
            show(f"matcalc PhononCalc, {what}", seconds, products)
            show("  the same against the derivatives alone (cell to 200 q)", seconds, exact)


def perovskite(potential: Potential, symbols: Sequence[str], repeats: int) -> None:
    a, b, x = symbols
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    start = Atoms([a, b, x, x, x], cell=[3.95] * 3, pbc=True, scaled_positions=places)
    crystal = relax(start, potential, fmax=1e-4).atoms
    print(f"{start.get_chemical_formula('metal')}, 5 atoms")
    exact = best(lambda: second_derivatives(crystal, potential).relaxed_elastic, repeats)
    show("exact elastic tensor, clamped and relaxed ions", exact)
    calc = matcalc("ElasticityCalc")
    if calc is not None:
        for what, extra in (("clamped ions", {}), ("relaxed ions", {"relax_deformed_structures": True, "fmax": 1e-3})):
            seconds = best(
                lambda extra=extra: calc(potential.calculator(), relax_structure=False, **extra).calc(crystal),
                max(1, repeats // 3),
            )
            show(f"matcalc ElasticityCalc, {what}", seconds, exact)


def memory(potential: Potential, symbols: Sequence[str]) -> None:
    print("Memory and time of larger cells (12 A^3 per atom)")
    for n in (40, 100):
        side = (12.0 * n) ** (1 / 3)
        grid = int(np.ceil(n ** (1 / 3)))
        points = np.stack(np.meshgrid(*[np.arange(grid)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n] / grid
        rattle = np.random.default_rng(0).uniform(-0.03, 0.03, (n, 3))
        cell = Atoms(
            [symbols[k % len(symbols)] for k in range(n)], cell=[side] * 3, scaled_positions=points + rattle, pbc=True
        )
        start = time.perf_counter()
        second = second_derivatives(cell, potential)
        _ = second.lattice_vectors, second.clamped_elastic
        build = time.perf_counter() - start
        start = time.perf_counter()
        second.frequencies_thz(np.random.default_rng(1).random((10, 3)))
        per_q = (time.perf_counter() - start) / 10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  {n:4d} atoms: derivatives {build:.2f} s, then {per_q * 1e3:.1f} ms per q, peak {peak:.2f} GiB")


def matcalc(name: str) -> Callable | None:
    try:
        module = __import__("matcalc")
    except ImportError:
        print(f"  (matcalc is not installed: no {name})")
        return None
    return getattr(module, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--potential", default="si-mlearn-pbe", help="a shipped potential's name or an .mtp file")
    parser.add_argument("--elements", nargs="+", help="elements in type order, for a file without a card")
    parser.add_argument("--perovskite", nargs=3, default=["Sr", "Ti", "O"], metavar=("A", "B", "X"))
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    potential = sus2.load(options.potential, elements=options.elements)
    print(f"{potential.name}: {len(potential.spec.mapping)} scalars, cutoff {potential.cutoff:g} A")
    memory(potential, potential.elements[:3])
    if "Si" in potential.elements:
        silicon(potential, options.repeats)
    if set(options.perovskite) <= set(potential.elements):
        perovskite(potential, options.perovskite, options.repeats)


if __name__ == "__main__":
    main()
