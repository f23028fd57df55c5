"""Stiffness where users look: C44 of thirteen crystals against PBE, and K and G of crystals that were trained on.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/stiffness_table.py [POTENTIAL ...]

C44 with relaxed ions, right within 20 % or 8 GPa of PBE (values in docs/training.md). K and G of 400 binaries of the
Materials Project of at most 12 atoms, drawn at random among those whose compositions are in the training split;
`sus2 data judge` gives those of compositions that are kept apart. A POTENTIAL is a name or a file. Prints Markdown.
"""

from __future__ import annotations

import random
import sys

from ase import Atoms
from ase.build import bulk

import sus2
from sus2.registry.load import load_moments
from sus2.training.data.hold_out import hold_out
from sus2.training.data.reference_sets import binary_crystals
from sus2.training.teachers.held_out import moduli_errors

# Structure, lattice constant (A) and C44 of PBE (GPa).
CRYSTALS = {
    "W": ("bcc", 3.17, 145.0),
    "Mo": ("bcc", 3.15, 106.0),
    "Ta": ("bcc", 3.31, 70.0),
    "Cu": ("fcc", 3.63, 77.0),
    "Al": ("fcc", 4.04, 33.0),
    "Ag": ("fcc", 4.15, 41.0),
    "Pt": ("fcc", 3.97, 59.0),
    "Pd": ("fcc", 3.94, 63.0),
    "Si": ("diamond", 5.46, 75.0),
    "Ge": ("diamond", 5.76, 58.0),
    "NaCl": ("rocksalt", 5.65, 12.5),
    "KCl": ("rocksalt", 6.3, 6.3),
    "MgO": ("rocksalt", 4.25, 144.0),
}
SHARE, ALWAYS_GPA = 0.2, 8.0
SEEN, LARGEST = 400, 12


def trained_on() -> list[str]:
    """Names of the binaries, the same in every run."""
    rule = hold_out()

    def fits(atoms: Atoms) -> bool:
        return len(atoms) <= LARGEST and rule.split(atoms.numbers.tolist()) == "train"

    names = [name for name, atoms, *_ in binary_crystals() if fits(atoms)]
    random.Random(1).shuffle(names)
    return names[:SEEN]


def main() -> None:
    names = sys.argv[1:] or ["sus2-universal-pbe"]
    potentials = [load_moments(name) for name in names]
    print("| C44 (GPa) | PBE | " + " | ".join(f"`{n}`" for n in names) + " |")
    print("|---|--:|" + "--:|" * len(names))
    right = [0] * len(names)
    for symbol, (structure, a, wanted) in CRYSTALS.items():
        cells = []
        for k, potential in enumerate(potentials):
            atoms = sus2.relax(bulk(symbol, structure, a=a), potential).atoms
            c44 = float(sus2.elastic(atoms, potential).c_gpa[3, 3])
            good = abs(c44 - wanted) <= max(SHARE * wanted, ALWAYS_GPA)
            right[k] += good
            cells.append(f"{c44:.3g}" + ("" if good else " (no)"))
        print(f"| {symbol} {structure} | {wanted:g} | " + " | ".join(cells) + " |")
    print("| right | | " + " | ".join(f"{n} of {len(CRYSTALS)}" for n in right) + " |\n")
    print("| trained on | K, G: mean error (GPa) | median of K, G | failed |\n|---|--:|--:|--:|")
    chosen = trained_on()
    for name, potential in zip(names, potentials, strict=True):
        e = moduli_errors(chosen, potential)
        medians = f"{e.k_median_percent:+.0f}, {e.g_median_percent:+.0f} %"
        print(f"| `{name}` | {e.k_mae_gpa:.1f}, {e.g_mae_gpa:.1f} | {medians} | {e.failed} of {e.crystals} |")


if __name__ == "__main__":
    main()
