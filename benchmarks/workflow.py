"""A whole workflow over 20 crystals: relaxation, equation of state, elastic tensor, phonon bands and density of states.

Beside it matcalc, which drives the same potential and CHGNet through ASE: once each, for they take minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from _harness import Suite, best, optional
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

import sus2
from sus2.potential.potential import Potential

POTENTIAL = "sus2-universal-pbe"
# Of bonds up to 3 A in the supercell of PhononCalc; with twice as many CHGNet needs more than 24 GB.
MAX_ANGLES = 100_000
TABLE = "relax, EOS, elastic, phonon bands and DOS"
CRYSTALS = {
    "Si": bulk("Si", a=5.5),
    "Ge": bulk("Ge", a=5.8),
    "C": bulk("C", a=3.6),
    "SiC": bulk("SiC", "zincblende", a=4.4),
    "GaAs": bulk("GaAs", "zincblende", a=5.8),
    "AlP": bulk("AlP", "zincblende", a=5.5),
    "InSb": bulk("InSb", "zincblende", a=6.6),
    "GaN": bulk("GaN", "wurtzite", a=3.2, c=5.2),
    "ZnO": bulk("ZnO", "wurtzite", a=3.3, c=5.3),
    "NaCl": bulk("NaCl", "rocksalt", a=5.7),
    "LiF": bulk("LiF", "rocksalt", a=4.1),
    "MgO": bulk("MgO", "rocksalt", a=4.3),
    "CaO": bulk("CaO", "rocksalt", a=4.9),
    "TiC": bulk("TiC", "rocksalt", a=4.4),
    "CsCl": bulk("CsCl", "cesiumchloride", a=4.2),
    "Al": bulk("Al", a=4.1),
    "Cu": bulk("Cu", a=3.7),
    "Ag": bulk("Ag", a=4.2),
    "Mo": bulk("Mo", a=3.2),
    "Mg": bulk("Mg", a=3.2, c=5.2),
}


def ours(atoms: Atoms, potential: Potential) -> None:
    crystal = sus2.relax(atoms, potential, fmax=1e-4).atoms
    sus2.eos(crystal, potential, relaxed=True)
    _ = sus2.elastic(crystal, potential, relaxed=True).c_gpa
    found = sus2.phonons(crystal, potential, relaxed=True)
    found.band_structure()
    found.dos()


def ours_with_errors(atoms: Atoms, potential: Potential) -> None:
    """The same with the estimates of the errors of everything, as the app and the command line show them."""
    relaxed = sus2.relax(atoms, potential, fmax=1e-4)
    crystal = relaxed.atoms
    elastic = sus2.elastic(crystal, potential, relaxed=True)
    phonons = sus2.phonons(crystal, potential, relaxed=True)
    phonons.band_structure()
    phonons.dos()
    for result in (relaxed, sus2.eos(crystal, potential, relaxed=True), elastic, phonons):
        _ = result.trust


def supercell_length_a(atoms: Atoms) -> float:
    """Shortest length of the supercells for phonons: matcalc's 20 A where CHGNet has the memory for it, else less."""
    bonds = np.bincount(neighbor_list("i", atoms, 3.0), minlength=len(atoms))
    for length in (20.0, 15.0, 12.0):
        cells = np.prod(np.ceil(length / atoms.cell.lengths()))
        if cells * float((bonds * (bonds - 1)).sum()) <= MAX_ANGLES:
            return length
    return 10.0


def theirs(atoms: Atoms, calculator: Any, matcalc: Any) -> None:
    length = supercell_length_a(atoms)
    crystal = matcalc.RelaxCalc(calculator, fmax=1e-3, max_steps=500).calc(atoms)["final_structure"]
    matcalc.EOSCalc(calculator, relax_structure=False, fmax=1e-3).calc(crystal)
    matcalc.ElasticityCalc(calculator, relax_structure=False, fmax=1e-3).calc(crystal)
    matcalc.PhononCalc(calculator, relax_structure=False, write_phonon=False, min_length=length).calc(crystal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(CRYSTALS), help="names of crystals")
    chosen = parser.parse_args().only
    # A run without matcalc is kept beside the last one with it, not in its place.
    alone = optional("matcalc") is None
    suite = Suite("workflow-alone", "Whole workflows, here alone") if alone else Suite("workflow", "Whole workflows")
    potential = sus2.load(POTENTIAL)
    if potential.kernel is not None:
        potential.kernel.threads = 1
    ways: dict[str, Callable[[Atoms], None]] = {}
    if (matcalc := optional("matcalc")) is not None:
        if optional("chgnet") is not None:
            from chgnet.model import CHGNet
            from chgnet.model.dynamics import CHGNetCalculator

            chgnet = CHGNetCalculator(CHGNet.load(model_name="0.3.0"), use_device="cpu")
            ways["matcalc with CHGNet"] = lambda atoms: theirs(atoms, chgnet, matcalc)
        ways["matcalc with the same potential"] = lambda atoms: theirs(atoms, potential.calculator(), matcalc)
    seconds = dict.fromkeys([*ways, "here", "with errors"], 0.0)
    for name in chosen:
        atoms = CRYSTALS[name]
        times = {way: best(lambda: work(atoms), 0) for way, work in ways.items()}  # noqa: B023
        times["here"] = best(lambda: ours(atoms, potential), 2)  # noqa: B023
        times["with errors"] = best(lambda: ours_with_errors(atoms, potential), 2)  # noqa: B023
        for way, s in times.items():
            seconds[way] += s
        print(name, " ".join(f"{way}: {1e3 * s:.0f} ms" for way, s in times.items()), flush=True)
        suite.add(TABLE, name, 1e3 * times["here"], "ms", size=len(atoms))
    size = sum(len(CRYSTALS[name]) for name in chosen)
    everything = f"all {len(chosen)}"
    for way in ways:
        suite.add(TABLE, f"{everything}, {way}", 1e3 * seconds[way], "ms", size=size)
    for way in ways:
        suite.add(TABLE, everything, 1e3 * seconds["here"], "ms", size=size, against=f"{everything}, {way}")
    if not ways:
        suite.add(TABLE, everything, 1e3 * seconds["here"], "ms", size=size)
    errors = f"{everything}, with estimates of errors"
    for against in (*(f"{everything}, {way}" for way in ways), everything):
        suite.add(TABLE, errors, 1e3 * seconds["with errors"], "ms", size=size, against=against)
    suite.save()


if __name__ == "__main__":
    main()
