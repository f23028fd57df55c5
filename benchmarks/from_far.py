"""Does any shared crystal fall into a hole? Each is relaxed from 15 % more and 15 % less of its volume.

    SUS2_SHARED=... python benchmarks/from_far.py                     the potential that the app would take for each
    SUS2_SHARED=... python benchmarks/from_far.py sus2-universal-pbe  one potential for all that it covers

The binary crystals of the Materials Project in the shared data, of at most 20 atoms; ions and cell free, symmetry kept.
Collapsed or flew apart: as sus2.relax says. Dense: ended below 0.7 of the volume of the Materials Project.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402

import sus2  # noqa: E402
from sus2.registry.load import recommend  # noqa: E402
from sus2.relaxation.relax_many import relax_many  # noqa: E402
from sus2.training.data.reference_sets import binary_crystals  # noqa: E402

RUN = Path(__file__).with_name("runs") / "from_far.json"
CHANGES = (-0.15, 0.15)
LARGEST = 20
DENSE = 0.7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="a potential; by default the recommended one for each crystal")
    name = parser.parse_args().name
    if not os.environ.get("SUS2_SHARED"):
        print("The crystals are in the shared data: set SUS2_SHARED. Nothing was run.")
        return
    chosen = defaultdict(list)
    for entry, atoms, *_ in binary_crystals():
        elements = sorted(set(atoms.get_chemical_symbols()))
        if name:
            best = name if set(elements) <= set(sus2.load(name).elements) else None
        else:
            found = recommend(elements)
            best = found.card.name if found else None
        if best and len(atoms) <= LARGEST:
            chosen[best].append((entry, atoms))
    rows = json.loads(RUN.read_text()) if RUN.exists() else {}
    for best, entries in sorted(chosen.items()):
        potential = sus2.load(best)
        starts, volumes = [], []
        for _, atoms in entries:
            for change in CHANGES:
                start = atoms.copy()
                start.set_cell(start.cell[:] * (1.0 + change) ** (1.0 / 3.0), scale_atoms=True)
                starts.append(start)
                volumes.append(atoms.get_volume())
        results = relax_many(starts, potential)
        row: dict[str, int] = {"crystals": len(entries), "relaxations": len(starts)}
        bad = []
        kinds = ("collapsed", "flew apart")
        for k, (r, v) in enumerate(zip(results, volumes, strict=True)):
            kind = next((w for w in kinds if r.failure and w in r.failure), "")
            if not kind and r.converged:
                kind = "dense" if r.atoms.get_volume() < DENSE * v else "converged"
            row[kind or "steps used up"] = row.get(kind or "steps used up", 0) + 1
            if kind in (*kinds, "dense"):
                formula = starts[k].get_chemical_formula("metal")
                bad.append(f"{entries[k // 2][0]} {formula} {CHANGES[k % 2]:+.0%} {kind}")
        ratio = [r.atoms.get_volume() / v for r, v in zip(results, volumes, strict=True) if r.converged]
        pairs = [(a, b) for a, b in zip(results[::2], results[1::2], strict=True) if a.converged and b.converged]
        same = [abs(a.atoms.get_volume() / b.atoms.get_volume() - 1.0) < 1e-3 for a, b in pairs]
        print(f"{best}: {row}, both ways the same volume {np.mean(same):.1%}, median volume {np.median(ratio):.3f}")
        for line in bad:
            print("   ", line)
        key = f"{best}, all that it covers" if name else best
        rows[key] = {**row, "same_volume_percent": round(100 * float(np.mean(same)), 1), "names": bad}
        RUN.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
