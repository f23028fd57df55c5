"""Writes the tables of docs/compare.md: what two potentials say of PBE and r2SCAN, beside the literature.

Run from the root: SUS2_SHARED=... PYTHONPATH=. python docs/scripts/functional_table.py
"""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import numpy as np
from ase.build import bulk

import sus2
from sus2.comparison.compare import pair_of_functionals
from sus2.errors import Sus2Error
from sus2.training.data.reference_sets import matpes_elements
from sus2.units import EV_PER_A3_TO_GPA

PAGE = Path(__file__).resolve().parents[1] / "compare.md"
START, END = "<!-- tables: made by docs/scripts/functional_table.py -->", "<!-- end of tables -->"
ATOMS = {"fcc": 4, "bcc": 2}
GROUND = {"Ag": "fcc", "Au": "fcc", "Ir": "fcc", "Pb": "fcc", "Pd": "fcc", "Pt": "fcc", "Rh": "fcc"}
GROUND |= {"Mo": "bcc", "Nb": "bcc", "Ta": "bcc"}
# GPa in r2SCAN at 0 K, H. Liu et al., J. Chem. Phys. 160, 024102 (2024), taken second-hand from a public compilation.
B0_R2SCAN = {
    "Ag": 104.4,
    "Au": 153.5,
    "Cu": 162.8,
    "Mo": 275.0,
    "Nb": 173.7,
    "Pd": 184.6,
    "Pt": 272.3,
    "Ta": 205.7,
    "V": 193.8,
    "W": 331.2,
}
STRUCTURE = GROUND | {"Cu": "fcc", "V": "bcc", "W": "bcc"}


def references() -> dict[tuple[str, str, str], dict[str, float]]:
    """(material, prototype, quantity) -> functional -> value."""
    out: dict[tuple[str, str, str], dict[str, float]] = {}
    path = Path(os.environ["SUS2_SHARED"]) / "data" / "reference_tables.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in json.load(file):
            key = row["material"], row["prototype"].lower(), row["quantity"]
            for name, start in (
                ("PBE", "PBE (all-electron average"),
                ("WIEN2k", "PBE (all-electron, W"),
                ("r2SCAN", "r2"),
            ):
                if row["functional"].startswith(start):
                    out.setdefault(key, {})[name] = float(row["value"])
    return out


def change(a: float, b: float) -> str:
    return f"{100 * (b / a - 1):+.1f} %"


def mark(right: bool) -> str:
    return "yes" if right else "**no**"


def verdict(rights: dict[str, bool]) -> str:
    """How many signs are right, and which are not."""
    n, wrong = len(rights), [name for name, right in rights.items() if not right]
    share = 100 * (n - len(wrong)) / n
    listed = f" Wrong: {', '.join(wrong)}." if wrong else ""
    return f"**Sign right for {n - len(wrong)} of {n} ({share:.0f} %).**{listed}"


def lattice_table(pair: list, table: dict) -> list[str]:
    """Cubic crystals of the elements: lattice constants in both functionals, bulk moduli in PBE."""
    rows, rights, large, errors = [], {}, {}, []
    for (symbol, prototype, quantity), values in sorted(table.items()):
        if quantity != "lattice_constant_a0" or prototype not in ATOMS or "r2SCAN" not in values:
            continue
        if any(symbol not in p.elements for p in pair) or (symbol, prototype, "volume_V0") not in table:
            continue
        a_pbe = (ATOMS[prototype] * table[symbol, prototype, "volume_V0"]["PBE"]) ** (1 / 3)
        b_pbe = table[symbol, prototype, "bulk_modulus"]["PBE"]
        name = f"{symbol} {prototype}"
        try:
            curves = [sus2.eos(bulk(symbol, prototype, a=a_pbe), p) for p in pair]
        except Sus2Error as error:
            rows.append(f"| {name} | {a_pbe:.3f} | {values['r2SCAN']:.3f} | | {error} | | | | | |")
            rights[name] = False
            continue
        a, b = ((ATOMS[prototype] * e.v0_a3_per_atom) ** (1 / 3) for e in curves)
        expected, found = values["r2SCAN"] / a_pbe - 1, b / a - 1
        rights[name] = expected * found > 0
        if abs(expected) > 0.002:
            large[name] = rights[name]
        errors.append((a / a_pbe - 1, b / values["r2SCAN"] - 1, found - expected, curves[0].b0_gpa / b_pbe - 1))
        rows.append(
            f"| {name}{' (ground state)' if GROUND.get(symbol) == prototype else ''} | {a_pbe:.3f} | "
            f"{values['r2SCAN']:.3f} | {change(a_pbe, values['r2SCAN'])} | {a:.3f} | {b:.3f} | {change(a, b)} | "
            f"{mark(rights[name])} | {b_pbe:.0f} | {curves[0].b0_gpa:.0f} | {curves[1].b0_gpa:.0f} |"
        )
    median = 100 * np.median(np.abs(np.array(errors)), axis=0)
    return [
        "### Lattice constants",
        "",
        "Cubic crystals of the elements, ground states and others. Literature: all-electron, PBE from Bosoni et al., "
        "Nat. Rev. Phys. 6, 45 (2024), doi:10.1038/s42254-023-00655-3; r2SCAN from the central lattice parameters of "
        "the r2SCAN01 set in the verification scripts of the same work. B0 of PBE from the same source.",
        "",
        f"{verdict(rights)} Among the {len(large)} crystals where the literature changes by more than 0.2 %: "
        f"{sum(large.values())} right. Median absolute error: a0 {median[0]:.2f} % (PBE) and {median[1]:.2f} % "
        f"(r2SCAN), of the change itself {median[2]:.2f} percentage points; B0 of PBE {median[3]:.0f} %.",
        "",
        "| crystal | a0 PBE (Å) | a0 r2SCAN | change | model PBE | model r2SCAN | change | sign right | B0 PBE (GPa) "
        "| model PBE | model r2SCAN |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def modulus_table(pair: list, table: dict) -> list[str]:
    """Bulk moduli of ground states in both functionals."""
    rows, rights = [], {}
    for symbol, b in B0_R2SCAN.items():
        if any(symbol not in p.elements for p in pair):
            continue
        a = table[symbol, "elemental ground state (deltacodesdft cif)", "bulk_modulus"]["WIEN2k"]
        name = f"{symbol} {STRUCTURE[symbol]}"
        try:
            found = [sus2.eos(bulk(symbol), p).b0_gpa for p in pair]
        except Sus2Error as error:
            rows.append(f"| {name} | {a:.0f} | {b:.0f} | {change(a, b)} | {error} | | | |")
            rights[name] = False
            continue
        rights[name] = (b - a) * (found[1] - found[0]) > 0
        rows.append(
            f"| {name} | {a:.0f} | {b:.0f} | {change(a, b)} | {found[0]:.0f} | {found[1]:.0f} | "
            f"{change(*found)} | {mark(rights[name])} |"
        )
    return [
        "### Bulk moduli",
        "",
        "Literature (GPa): PBE, all-electron, Lejaeghere et al., Science 351, aad3000 (2016), "
        "doi:10.1126/science.aad3000; r2SCAN, Liu et al., J. Chem. Phys. 160, 024102 (2024). The r2SCAN numbers were "
        "taken second-hand from a public compilation that quotes that paper and were not checked against it, and "
        "the two columns come from different codes: read their difference to a few percent.",
        "",
        verdict(rights),
        "",
        "| crystal | PBE | r2SCAN | change | model PBE | model r2SCAN | change | sign right |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def stress_table(pair: list, table: dict) -> list[str]:
    """Ground states of MatPES: the volume change that the DFT stresses of one structure imply, dV/V = dP/B."""
    sets = [matpes_elements(f) for f in ("PBE", "r2SCAN")]
    rows, rights, doubtful = [], {}, []
    crystals = [[s.to_atoms(k) for k in range(len(s))] for s in sets]
    stress = [s.stress_ev_per_a3 for s in sets]
    for k, atoms in enumerate(crystals[0]):
        symbol = atoms.get_chemical_symbols()[0]
        key = symbol, "elemental ground state (deltacodesdft cif)", "bulk_modulus"
        if any(symbol not in p.elements for p in pair) or key not in table:
            continue
        other = next(j for j, a in enumerate(crystals[1]) if a.get_chemical_symbols()[0] == symbol)
        pressures = [-float(np.mean(stress[0][k][:3])), -float(np.mean(stress[1][other][:3]))]
        expected = (pressures[1] - pressures[0]) * EV_PER_A3_TO_GPA / table[key]["WIEN2k"]
        name, other_source = f"{symbol}, {len(atoms)} atoms", ""
        lattice = table.get((symbol, GROUND.get(symbol, ""), "lattice_constant_a0"), {}).get("r2SCAN")
        if lattice is not None:
            prototype = GROUND[symbol]
            volume = lattice**3 / ATOMS[prototype] / table[symbol, prototype, "volume_V0"]["PBE"] - 1
            other_source = f"{100 * volume:+.1f} %"
            if volume * expected < 0:
                doubtful.append(symbol)
        try:
            found = [sus2.relax(atoms, p).require_converged().volume_a3 for p in pair]
        except Sus2Error as error:
            rows.append(f"| {name} | {100 * expected:+.1f} % | {other_source} | {error} | |")
            rights[symbol] = False
            continue
        rights[symbol] = expected * (found[1] - found[0]) > 0
        rows.append(
            f"| {name} | {100 * expected:+.1f} % | {other_source} | {change(*found)} | {mark(rights[symbol])} |"
        )
    contradiction = ""
    if doubtful:
        contradiction = (
            f" For {' and '.join(doubtful)} the sign of the stresses contradicts the all-electron lattice constants "
            "above, so a sign counted wrong here may be right."
        )
    return [
        "### Volume of the elements' ground states, from DFT stresses",
        "",
        "Kaplan et al., arXiv:2503.04070 (2025): the stress of one structure in PBE and in r2SCAN (VASP); the pressure "
        "difference over the PBE bulk modulus (Lejaeghere et al.) is the change of the volume to first order. Energies "
        "and stresses of these structures are part of the training data of the pair, so this tests the fit, not its "
        "prediction.",
        "",
        verdict(rights) + contradiction,
        "",
        "| crystal | DFT stress, r2SCAN − PBE | all-electron | model | sign right |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def main() -> None:
    table = references()
    cards = sus2.models()
    found = [pair_of_functionals(cards, [symbol]) for symbol in GROUND]
    lines: list[str] = []
    for names in sorted({(p[0].name, p[1].name) for p in found if p is not None}):
        pair = [sus2.load(name) for name in names]
        lines += [f"## {names[0]} and {names[1]} against the literature", ""]
        lines += lattice_table(pair, table) + modulus_table(pair, table) + stress_table(pair, table)
    text = PAGE.read_text(encoding="utf-8")
    made = f"{START}\n\n" + "\n".join(lines).strip() + f"\n\n{END}"
    PAGE.write_text(
        re.sub(f"{re.escape(START)}.*{re.escape(END)}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
