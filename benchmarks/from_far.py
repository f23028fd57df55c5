"""Does any shared crystal fall into a hole? Each is relaxed from 15 % more and 15 % less of its volume.

    SUS2_SHARED=... python benchmarks/from_far.py                     the potential that the app would take for each
    SUS2_SHARED=... python benchmarks/from_far.py sus2-universal-pbe  one potential for all that it covers

The binary crystals of the Materials Project in the shared data, of at most 20 atoms; ions and cell free, symmetry kept.
Collapsed or flew apart: as sus2.relax says. Dense: ended below 0.7 of the volume of the Materials Project. How crystals
are relaxed from far: sus2.training.teachers.active_learning.holes.
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
from sus2.training.data.reference_sets import binary_crystals  # noqa: E402
from sus2.training.teachers.active_learning.holes import HOLES, LARGEST, relaxed_from_far  # noqa: E402

RUN = Path(__file__).with_name("runs") / "from_far.json"


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
        results = relaxed_from_far(potential, entries)
        row: dict[str, int] = {"crystals": len(entries), "relaxations": len(results)}
        bad = []
        for r in results:
            row[r.kind] = row.get(r.kind, 0) + 1
            if r.kind in HOLES:
                change = round(100.0 * (r.start.get_volume() / r.volume_a3 - 1.0))
                bad.append(f"{r.name} {r.start.get_chemical_formula('metal')} {change:+d}% {r.kind}")
        rested = [r.end.get_volume() / r.volume_a3 if r.kind in ("converged", "dense") else np.nan for r in results]
        first, second = np.array(rested[::2]), np.array(rested[1::2])
        both = np.isfinite(first) & np.isfinite(second)
        same = np.abs(first[both] / second[both] - 1.0) < 1e-3
        ratio = np.array(rested)[np.isfinite(rested)]
        print(f"{best}: {row}, both ways the same volume {np.mean(same):.1%}, median volume {np.median(ratio):.3f}")
        for line in bad:
            print("   ", line)
        key = f"{best}, all that it covers" if name else best
        rows[key] = {**row, "same_volume_percent": round(100 * float(np.mean(same)), 1), "names": bad}
        RUN.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
