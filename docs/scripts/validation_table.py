"""Makes docs/validation.md: shipped potentials against DFT and experiment, with sources.

Run from the root: SUS2_SHARED=... PYTHONPATH=. python docs/scripts/validation_table.py > docs/validation.md
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.data import atomic_numbers, reference_states

import sus2
from sus2.errors import Sus2Error

# C11, C12, C44 in GPa at room temperature (Li: 78 K), G. Simmons and H. Wang, Single Crystal Elastic Constants and
# Calculated Aggregate Properties (MIT Press, 1971).
MEASURED_C = {
    "Li": (14.8, 12.5, 10.8),
    "Al": (107, 61, 28),
    "V": (228, 119, 43),
    "Cu": (168, 121, 75),
    "Nb": (247, 135, 29),
    "Mo": (464, 161, 109),
    "Rh": (413, 194, 184),
    "Pd": (227, 176, 72),
    "Ag": (124, 94, 46),
    "Ta": (267, 161, 83),
    "W": (523, 205, 161),
    "Ir": (580, 242, 256),
    "Pt": (347, 251, 77),
    "Au": (192, 163, 42),
    "Pb": (50, 42, 15),
    "Si": (166, 64, 80),
}
# THz, neutron scattering at room temperature: Si, Nilsson and Nelin, Phys. Rev. B 6, 3777 (1972); Al, Stedman and
# Nilsson, Phys. Rev. 145, 492 (1966); Cu, Svensson, Brockhouse and Rowe, Phys. Rev. 155, 619 (1967).
MEASURED_F = {"Si": {"Γ": (15.5,), "X": (4.5, 12.3, 13.9)}, "Al": {"X": (5.8, 9.7)}, "Cu": {"X": (5.1, 7.2)}}
POINTS = {"Γ": (0.0, 0.0, 0.0), "X": (0.5, 0.0, 0.5)}


def references() -> dict[str, dict[str, float]]:
    """All-electron PBE volume, bulk modulus and its derivative of the elements' ground states."""
    path = Path(os.environ["SUS2_SHARED"]) / "data" / "reference_tables.json.gz"
    out: dict[str, dict[str, float]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in json.load(file):
            if row["functional"].startswith("PBE (all-electron, WIEN2k"):
                out.setdefault(row["material"], {})[row["quantity"]] = row["value"]
    return out


def percent(found: float, reference: float) -> str:
    return f"{100 * (found / reference - 1):+.1f} %"


def main() -> None:
    from numerical_checks import section  # beside this file

    dft = references()
    print("# Validation\n")
    print(
        "Made by `docs/scripts/validation_table.py`. Elements in their ground-state structure where ASE builds it. "
        "PBE: all-electron values of Lejaeghere et al., Science 351, aad3000 (2016). Elastic constants: exact, relaxed "
        "ions, beside experiment at room temperature (Simmons and Wang, 1971), which PBE itself misses by about 10 %.\n"
    )
    spread: dict[str, list[tuple[float, float]]] = {}
    for card in sus2.models():
        potential = sus2.load(card.name)
        print(f"## {card.name}\n")
        print("| crystal | V0 (Å³) | PBE | | B0 (GPa) | PBE | B0' | PBE | C11 / C12 / C44 (GPa) | experiment |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for symbol in card.elements:
            state = reference_states[atomic_numbers[symbol]]
            if state is None or state["symmetry"] not in ("fcc", "bcc", "hcp", "diamond") or symbol not in dft:
                continue
            if symbol == "C":  # the reference is graphite
                continue
            try:
                crystal = bulk(symbol)
            except ValueError:  # not one of ASE's
                continue
            try:
                e = sus2.eos(crystal, potential)
                c = sus2.elastic(e.atoms, potential, relaxed=True).c_gpa
            except Sus2Error as error:
                print(f"| {symbol} {state['symmetry']} | {error} | | | | | | | | |")
                continue
            r = dft[symbol]
            v, v_pbe = e.v0_a3_per_atom, r["volume_V0"]
            spread.setdefault(card.name, []).append((v / v_pbe - 1, e.b0_gpa / r["bulk_modulus"] - 1))
            measured = " / ".join(f"{x:.0f}" for x in MEASURED_C[symbol]) if symbol in MEASURED_C else ""
            print(
                f"| {symbol} {state['symmetry']} | {v:.2f} | {v_pbe:.2f} | {percent(v, v_pbe)} | {e.b0_gpa:.0f} | "
                f"{r['bulk_modulus']:.0f} | {e.b0_prime:.1f} | {r['bulk_modulus_derivative']:.1f} | "
                f"{c[0, 0]:.0f} / {c[0, 1]:.0f} / {c[3, 3]:.0f} | {measured} |"
            )
        frequencies(card, potential)
        if card.elements == ("C",):
            diamond(potential)
        print()
    print("## Median absolute difference from all-electron PBE\n")
    print("For an r2SCAN potential this is the change of functional as well as the error of the potential.\n")
    print("| potential | crystals | V0 | B0 |")
    print("|---|---|---|---|")
    for name, rows in spread.items():
        v, b = 100 * np.median(np.abs(rows), axis=0)
        print(f"| {name} | {len(rows)} | {v:.1f} % | {b:.0f} % |")
    print(f"\n{section()}", end="")


def frequencies(card: sus2.registry.load.Card, potential: sus2.potential.potential.Potential) -> None:
    """Frequencies at special points beside neutron scattering."""
    for symbol, points in MEASURED_F.items():
        if symbol not in card.elements:
            continue
        result = sus2.phonons(bulk(symbol), potential, mesh=20.0)
        for name, values in points.items():
            found = result.frequencies_thz([POINTS[name]])[0]
            text = ", ".join(f"{x:.1f}" for x in sorted(set(np.round(found, 1))) if x > 0.05)
            print(f"\n{symbol} at {name}: {text} THz; measured {', '.join(map(str, values))} THz.")


def diamond(potential: sus2.potential.potential.Potential) -> None:
    """Diamond, not carbon's ground state, beside experiment (McSkimin and Andreatch, J. Appl. Phys. 43, 2944, 1972)."""
    e = sus2.eos(bulk("C"), potential)
    c = sus2.elastic(e.atoms, potential, relaxed=True).c_gpa
    top = sus2.phonons(bulk("C"), potential, mesh=20.0).frequencies_thz([(0.0, 0.0, 0.0)])[0][-1]
    print(
        f"\nDiamond: a0 {(8 * e.v0_a3_per_atom) ** (1 / 3):.3f} Å (measured 3.567), B0 {e.b0_gpa:.0f} GPa (442), "
        f"C11, C12, C44 {c[0, 0]:.0f}, {c[0, 1]:.0f}, {c[3, 3]:.0f} GPa (1079, 124, 578), {top:.1f} THz at Γ (39.9)."
    )


if __name__ == "__main__":
    main()
