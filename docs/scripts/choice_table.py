"""How often `sus2.recommend` takes the best potential, over textbook crystals that several potentials know.

    PYTHONPATH=. python docs/scripts/choice_table.py [FUNCTIONAL]

The error of a potential is the mean of those of volume (three times), K and G against known values. Two rows: as users
have it (what is known of the very crystal decides), and blind, by the calibrated standard deviations alone, as for a
crystal that nobody has measured. Prints Markdown.
"""

from __future__ import annotations

import math
import sys

import sus2
from sus2.structures import elements_of
from sus2.trust.known_values import known_crystals, known_values, references
from sus2.validation.recommendation import predicted_error, recommend

NEEDED = ("v0_a3_per_atom", "k_vrh_gpa", "g_vrh_gpa")
TENTH = 1.1


def main() -> None:
    functional = sys.argv[1] if len(sys.argv) > 1 else "PBE"
    cards = [c for c in sus2.models() if c.functional == functional]
    chosen: dict[str, list[bool]] = {"as users have it": [], "blind": []}
    missed = []
    for name, atoms in known_crystals().items():
        covering = [c for c in cards if set(elements_of(atoms)) <= set(c.elements)]
        known = references(known_values(atoms), functional, atoms)
        if len(covering) < 2 or not all(q in known for q in NEEDED):
            continue
        true = {c.name: predicted_error(atoms, c) for c in covering}
        true = {n: e if math.isfinite(e) else math.inf for n, e in true.items()}
        best = min(true.values())
        blind = {c.name: predicted_error(atoms, c, by_known=False) for c in covering}
        found = recommend(atoms, functional, covering)
        picks = {
            "as users have it": found.card.name if found else "",
            "blind": min(blind, key=lambda n: (blind[n] if math.isfinite(blind[n]) else math.inf, n)),
        }
        for row, pick in picks.items():
            good = true.get(pick, math.inf) <= TENTH * best
            chosen[row].append(good)
            if not good:
                missed.append(f"{name}: {row} {pick} ({100 * true[pick]:.0f} %; best {100 * best:.0f} %)")
    print("| choice | crystals | best, or within a tenth of it |\n|---|--:|--:|")
    for row, hits in chosen.items():
        print(f"| {row} | {len(hits)} | {100 * sum(hits) / max(len(hits), 1):.0f} % |")
    print("\nNot so: " + ("; ".join(missed) or "none") + ".")


if __name__ == "__main__":
    main()
