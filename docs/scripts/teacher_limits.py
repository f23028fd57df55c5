"""What the teacher itself says of well-known crystals, beside the potential that learned from it.

    python docs/scripts/teacher_limits.py [NAME] >> FILE

Elastic constants with relaxed ions of the crystals with known values, each relaxed by whoever is judged, beside
density functional theory (PBE) or, where there is none, measurements. Needs the teacher (`sus2 data setup --teacher
nequix`); its answers are kept in the cache of the package. Three minutes of one core.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import numpy as np
from ase import Atoms

import sus2
from sus2.errors import Sus2Error
from sus2.native.build import cache_folder
from sus2.potential.evaluation import Calculates
from sus2.structures import standardise
from sus2.training.teachers.remote import remote_teacher
from sus2.trust.known_values import known_crystals, known_values, references
from sus2.validation.records import CONSTANTS

TEACHER = "nequix-omat-1"
QUANTITIES = ("k_vrh_gpa", "g_vrh_gpa", "c11_gpa", "c12_gpa", "c44_gpa")
NAMES = {"k_vrh_gpa": "K", "g_vrh_gpa": "G", "c11_gpa": "C11", "c12_gpa": "C12", "c44_gpa": "C44"}
SHOWN = (
    *("W bcc", "Mo bcc", "Ta bcc", "Nb bcc", "V bcc", "Al fcc", "Cu fcc", "Ag fcc", "Pt fcc", "Pd fcc", "Ni fcc"),
    *("C diamond", "Si diamond", "Ge diamond", "GaAs zincblende", "InSb zincblende", "SiC zincblende", "BN zincblende"),
    *("NaCl rocksalt", "KCl rocksalt", "LiF rocksalt", "MgO rocksalt", "CaO rocksalt", "TiN rocksalt", "PbTe rocksalt"),
    *("CaF2 fluorite", "SrTiO3 perovskite", "NiAl cesiumchloride"),
)
LARGEST = 6


def moduli(atoms: Atoms, potential: Calculates) -> dict[str, float]:
    """Averages and constants of a crystal that the potential has relaxed."""
    start = standardise(atoms, "primitive", symprec=1e-3)
    rest = sus2.relax(start, potential, fmax=2e-3).require_converged().atoms
    tensor = sus2.elastic(rest, potential, relaxed=True, cross_checks=False)
    found = {q: float(tensor.c_gpa[place]) for q, place in CONSTANTS.items()}
    return {**found, "k_vrh_gpa": float(tensor.k_vrh_gpa), "g_vrh_gpa": float(tensor.g_vrh_gpa)}


def table(potential: Calculates, kept: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Moduli by crystal; what is kept is not computed again."""
    for name, atoms in known_crystals().items():
        if name in kept or len(atoms) > LARGEST or not set(atoms.get_chemical_symbols()) <= set(potential.elements):
            continue
        try:
            kept[name] = moduli(atoms, potential)
        except Sus2Error as error:
            print(f"{name}: {error}", file=sys.stderr)
    return kept


def errors(found: Mapping[str, Mapping[str, float]], known: Mapping[str, Mapping[str, float]], q: str) -> np.ndarray:
    """Deviations in percent of the crystals whose value is known."""
    return np.array([100.0 * (found[n][q] / known[n][q] - 1.0) for n in known if n in found and q in known[n]])


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "sus2-universal-pbe"
    crystals = known_crystals()
    known = {
        n: {q: v.value for q, v in references(known_values(a), "PBE", a).items() if q in QUANTITIES}
        for n, a in crystals.items()
    }
    path = cache_folder() / "teacher-moduli.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    (teacher,) = (t for f, t in remote_teacher(TEACHER).items() if f == "PBE")
    taught = table(teacher, kept)
    path.write_text(json.dumps(taught))
    learned = table(sus2.load(name), {})
    both = {n: known[n] for n in known if n in taught and n in learned}
    print("| median error, mean in brackets (crystals) | " + " | ".join(NAMES[q] for q in QUANTITIES) + " |")
    print("|---" + "|--:" * len(QUANTITIES) + "|")
    for who, found in ((TEACHER, taught), (name, learned)):
        cells = []
        for q in QUANTITIES:
            off = errors(found, both, q)
            cells.append(f"{np.median(np.abs(off)):.1f} % ({np.mean(np.clip(off, -100, 100)):+.0f} %) ({len(off)})")
        print(f"| `{who}` | " + " | ".join(cells) + " |")
    print(f"\n| C44 (GPa) | known | `{TEACHER}` | `{name}` |\n|---|--:|--:|--:|")
    for n in SHOWN:
        if n in both and "c44_gpa" in both[n]:
            values = [f"{x:.3g}" for x in (both[n]["c44_gpa"], taught[n]["c44_gpa"], learned[n]["c44_gpa"])]
            print(f"| {n} | " + " | ".join(values) + " |")


if __name__ == "__main__":
    main()
