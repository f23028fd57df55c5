"""Families of potentials beside the universal one of the same functional, on the crystals that the families are for.

    python docs/scripts/family_table.py [NAME ...] [--most 150]

NAME: families, by default all that are shipped. Crystals of a family's elements with at most eight atoms whose
compositions the universal potential never saw (families may have): volumes of crystals at rest in the held-out splits
of the set crystals-2, and for PBE volumes, K and G of binary crystals of the Materials Project. The volume at which a
label has no pressure is that of its crystal, corrected by P/K with the bulk modulus of the labels' strain pairs.
Prints a table in Markdown: median |error| of V0 (and the share off by more than a tenth, failures among them), of K
and G.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.elastic.directions import hill_average
from sus2.registry.load import load_moments, with_files
from sus2.relaxation.relax_many import relax_many
from sus2.training.data.dataset import TrainingSet
from sus2.training.data.hold_out import hold_out
from sus2.training.data.reference_sets import binary_crystals
from sus2.training.data.sets import load_set
from sus2.types import Array

MOST_ATOMS: Final = 8
# Labels under more pressure than this (eV/A^3, 2 GPa) are too far from rest for a correction.
MOST_PRESSURE: Final = 0.0125
LEAST_STRAIN: Final = 2e-3
WRONG: Final = 0.1
SPLITS: Final = ("test", "val", "type", "mp")


def crystals_at_rest(functional: str, elements: Sequence[str], most: int) -> list[tuple[Atoms, float]]:
    """Held-out crystals of these elements and the volume per atom at which their label has no pressure."""
    parts = [load_set("crystals-2", functional, split=s, drop=("label",)) for s in SPLITS]  # type: ignore[arg-type]
    data = TrainingSet.concatenate(parts)
    known = np.isin(data.numbers, [atomic_numbers[e] for e in elements])
    inside = np.logical_and.reduceat(known, data.offsets[:-1]) & (data.sizes <= MOST_ATOMS)
    out = []
    for k in np.flatnonzero(inside & (data.kind == "relaxed")):
        pressure = -float(data.stress_ev_per_a3[k, :3].mean())
        modulus = _modulus(data, np.flatnonzero(inside & (data.base == data.base[k]) & (data.kind == "strain-pair")))
        if abs(pressure) < MOST_PRESSURE and modulus > 4.0 * abs(pressure):
            atoms = data.to_atoms(int(k))
            out.append((atoms, float(atoms.get_volume()) / len(atoms) * (1.0 + pressure / modulus)))
    keep = np.random.default_rng(0).permutation(len(out))[:most]
    return [out[i] for i in keep]


def _modulus(data: TrainingSet, rows: Array) -> float:
    """Bulk modulus of the first pair of strains that changes the volume, eV/A^3; zero where there is none."""
    for a, b in pairwise(rows):
        strain = float(np.log(data.volumes_a3[a] / data.volumes_a3[b]))
        if abs(strain) > LEAST_STRAIN and data.sizes[a] == data.sizes[b]:
            change = data.stress_ev_per_a3[a, :3].mean() - data.stress_ev_per_a3[b, :3].mean()
            return float(change) / strain
    return 0.0


def binaries(elements: Sequence[str], most: int) -> list[tuple[Atoms, float, float, float]]:
    """Binaries of these elements of compositions that were held out, with PBE volume per atom, K and G in GPa."""
    rule = hold_out()
    found = [
        (a, a.get_volume() / len(a), k, g)
        for _, a, k, g in binary_crystals()
        if set(a.get_chemical_symbols()) <= set(elements)
        and len(a) <= MOST_ATOMS
        and rule.split(a.numbers.tolist()) != "train"
    ]
    keep = np.random.default_rng(0).permutation(len(found))[:most]
    return [found[i] for i in keep]


def volumes(crystals: Sequence[tuple[Atoms, float]], potential: Potential) -> str:
    """Median |error| of the relaxed volumes in percent and the share of those that are wrong."""
    found = relax_many([a for a, _ in crystals], potential, fmax=0.01, stress_gpa=0.1, max_steps=300)
    off = np.array(
        [
            r.volume_a3 / len(r.atoms) / v - 1.0 if r.converged else np.inf
            for r, (_, v) in zip(found, crystals, strict=True)
        ]
    )
    if not len(off):
        return ""
    return f"{100 * np.median(np.abs(off)):.2f} % ({100 * np.mean(np.abs(off) > WRONG):.0f} %)"


def moduli(crystals: Sequence[tuple[Atoms, float, float, float]], potential: Potential) -> str:
    """Median |error| of V0, K and G in percent, and the number of failures."""
    found = relax_many([c[0] for c in crystals], potential, fmax=0.01, stress_gpa=0.1, max_steps=300)
    errors, failed = [], 0
    for r, (_, v, k, g) in zip(found, crystals, strict=True):
        try:
            if not r.converged:
                raise Sus2Error("not at rest")
            mean = hill_average(second_derivatives(r.atoms, potential).relaxed_elastic.stress_strain_gpa)
        except (Sus2Error, np.linalg.LinAlgError):
            failed += 1
            continue
        errors.append((r.volume_a3 / len(r.atoms) / v - 1.0, mean.k_gpa / k - 1.0, mean.g_gpa / g - 1.0))
    if not errors:
        return " |  |  | "
    v0, k0, g0 = (100.0 * np.median(np.abs(np.array(errors)), axis=0)).tolist()
    return f"{v0:.2f} % | {k0:.1f} % | {g0:.1f} % | {failed}"


def main() -> None:
    """Print the table."""
    arguments = sys.argv[1:]
    most = int(arguments.pop(arguments.index("--most") + 1)) if "--most" in arguments else 150
    names = [a for a in arguments if a != "--most"]
    families = [
        c
        for c in with_files()
        if c.name in names or (not names and c.name.startswith("sus2-") and "universal" not in c.name)
    ]
    print("| potential | crystals of | held-out crystals | V0, off by > 10 % | MP binaries | V0 | K | G | failed |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for card in families:
        rest = crystals_at_rest(card.functional, card.elements, most)
        known = binaries(card.elements, most) if card.functional == "PBE" else []
        for name in (card.name, f"sus2-universal-{card.functional.lower()}"):
            potential = load_moments(name)
            line = f"| `{name}` | {card.name} | {len(rest)} | {volumes(rest, potential)} | {len(known)} | "
            print(line + (moduli(known, potential) if known else " |  |  | ") + " |", flush=True)


if __name__ == "__main__":
    main()
