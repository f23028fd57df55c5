"""Where the volume of an element is wrong, and whether its labels are: the tables of docs/training.md.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/element_volumes.py NAME_OR_FILE ...   V0 and B0 of known crystals
    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/element_volumes.py --labels SET       the labels of a built set

The first prints the medians over all crystals with known values and those whose V0 is more than 2 % off. The second
compares the pressure of crystals at rest with the calculations of ACWF at the same volume, in percent of the bulk
modulus: the median over bcc, fcc, sc and diamond of each element.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import numpy as np

import sus2
from sus2.errors import Sus2Error
from sus2.training.data.reference_sets import acwf_set
from sus2.training.data.sets import load_set
from sus2.trust.known_values import known_crystals, known_values, references

WRONG_PERCENT = 2.0


def known(name: str) -> None:
    """V0 and B0 of a potential beside what is known in its functional, or measured."""
    potential = sus2.load(name)
    rows = []
    for label, atoms in known_crystals().items():
        if not set(atoms.get_chemical_symbols()) <= set(potential.elements):
            continue
        values = references(known_values(atoms), potential.functional, atoms)
        try:
            found = sus2.eos(atoms, potential)
        except Sus2Error as error:
            print(f"{label}: {error}")
            continue
        off = [
            100.0 * (value / values[key].value - 1.0) if key in values else float("nan")
            for key, value in (("v0_a3_per_atom", found.v0_a3_per_atom), ("b0_gpa", found.b0_gpa))
        ]
        rows.append((label, *off))
    volume, bulk = (np.nanmedian(np.abs([row[k] for row in rows])) for k in (1, 2))
    print(f"{name}: {len(rows)} crystals, median error of V0 {volume:.2f} %, of B0 {bulk:.1f} %")
    for label, v, b in sorted(rows, key=lambda row: -abs(np.nan_to_num(row[1]))):
        if abs(v) > WRONG_PERCENT:
            print(f"    {label}: V0 {v:+.1f} %, B0 {b:+.0f} %")


def labels(name: str) -> None:
    """How far the labels of elements are from the calculations."""
    taught, calculated = load_set(name, "PBE", split="train"), acwf_set()
    off: dict[str, list[float]] = defaultdict(list)
    for k in np.flatnonzero((taught.kind == "relaxed") & np.char.startswith(taught.base, "acwf:")).tolist():
        crystal = str(taught.base[k]).removeprefix("acwf:")
        rows = np.flatnonzero(calculated.base == crystal)
        volume = calculated.volumes_a3[rows] / calculated.sizes[rows]
        pressure = -calculated.stress_ev_per_a3[rows, :3].mean(axis=1)
        order = np.argsort(volume)
        if len(rows) < 7 or not np.isfinite(pressure).all() or "X/" not in crystal:
            continue
        volume, pressure = volume[order], pressure[order]
        bulk = -(pressure[-1] - pressure[0]) / np.log(volume[-1] / volume[0])
        own = float(taught.volumes_a3[k] / taught.sizes[k])
        gap = -taught.stress_ev_per_a3[k, :3].mean() - np.interp(own, volume, pressure)
        off[crystal.split("-")[0]].append(100.0 * abs(gap) / bulk)
    for element, values in sorted(off.items(), key=lambda item: -np.median(item[1])):
        print(f"{element}: {np.median(values):.1f} % of B0 over {len(values)} crystals")


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--labels"] and len(arguments) == 2:
        labels(arguments[1])
        return
    for name in arguments or ["sus2-universal-pbe"]:
        known(name)


if __name__ == "__main__":
    main()
