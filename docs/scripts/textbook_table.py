"""Score the shipped potentials on the textbook and write docs/textbook.md.

Usage, from the root of the repository: PYTHONPATH=. python docs/scripts/textbook_table.py [NAME ...]

NAME: plug-ins to stand below the shipped ones, where their packages are installed. Crystals that are done are kept in
the cache of the package, so that a run that was ended goes on. A few minutes of one core for the shipped ones.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import sus2
from sus2.native.build import cache_folder
from sus2.registry.load import with_files
from sus2.validation.textbook.result import QUANTITIES, Textbook
from sus2.validation.textbook.run import textbook

PAGE = Path("docs/textbook.md")
DETAILED = "sus2-universal-pbe"
HEAD = """# The textbook: shipped potentials on crystals that everybody knows

Written by `docs/scripts/textbook_table.py`; what is scored: [model check](model-check.md#the-textbook). Medians of the
absolute deviations from known values of the functional, or of PBE or experiment where there are none of it, over the
crystals whose elements a potential knows; the mean of the signed deviation of G in brackets, which shows softness.
"""


def percent(value: float, sign: bool = False) -> str:
    """A deviation as text."""
    return "" if not math.isfinite(value) else f"{value:+.0f} %" if sign else f"{value:.1f} %"


def row(report: Textbook) -> str:
    """One line of the table of potentials."""
    cells = []
    for q in QUANTITIES:
        text = percent(report.median_error_percent(q))
        if q == "g_vrh_gpa" and text:
            text += f" ({percent(report.mean_error_percent(q), sign=True)})"
        cells.append(text)
    unstable = ", ".join(report.unstable) or "none"
    return f"| `{report.potential}` | {len(report.crystals)} | " + " | ".join(cells) + f" | {unstable} |"


def crystals(report: Textbook) -> list[str]:
    """The table of one potential, crystal by crystal."""
    out = [
        f"\n## {report.potential}\n", "| crystal | " + " | ".join(QUANTITIES.values()) + " | minima | softening |",
        "|---|" + "--:|" * (len(QUANTITIES) + 2),
    ]  # fmt: skip
    for c in report.crystals:
        cells = [
            "" if q not in c.values else f"{c.values[q]:.4g}" + (
                f" ({percent(c.error_percent(q), sign=True)})" if q in c.references else ""
            )
            for q in QUANTITIES
        ]  # fmt: skip
        softening = f"{c.softening:.2f}" if math.isfinite(c.softening) else ""
        out.append(f"| {c.crystal} | " + " | ".join(cells) + f" | {c.minima} | {softening} |")
    return out


def main() -> None:
    """Score them and write the page."""
    folder = cache_folder() / "textbook"
    folder.mkdir(parents=True, exist_ok=True)
    head = "| potential | crystals | " + " | ".join(n.split(" (")[0] for n in QUANTITIES.values()) + " | unstable |"
    rows, details = [head, "|---|--:|" + "--:|" * len(QUANTITIES) + "---|"], []
    for name in [*(card.name for card in with_files()), *sys.argv[1:]]:
        potential = sus2.load(name)
        card = getattr(potential, "card", None)
        identity = "" if card is None else card.identity[:12]
        report = textbook(potential, path=folder / f"{name}-{identity}.jsonl", dynamics_ps=0.0)
        rows.append(row(report))
        print(report.summary, flush=True)
        if name == DETAILED:
            details = crystals(report)
    PAGE.write_text(HEAD + "\n" + "\n".join(rows + details) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
