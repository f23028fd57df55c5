"""Score the shipped potentials on the textbook and write docs/textbook.md.

Usage, from the root of the repository: PYTHONPATH=. python docs/scripts/textbook_table.py [NAME ...]
                                        PYTHONPATH=. python docs/scripts/textbook_table.py --kept NAME ...

NAME: plug-ins to stand below the shipped ones, where their packages are installed. Crystals that are done are kept in
the cache of the package, so that a run that was ended goes on. A few minutes of one core for the shipped ones.
With --kept nothing is computed: in the section of models of others these are written from the crystals that are done
(NAME-*.jsonl in the folder textbook of the cache, as `sus2 check NAME --textbook --out` writes it), the others stay.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import sus2
from sus2.native.build import cache_folder
from sus2.registry.load import with_files
from sus2.registry.others.known import KNOWN
from sus2.validation.textbook.result import QUANTITIES, CrystalScore, Textbook
from sus2.validation.textbook.run import textbook

PAGE = Path("docs/textbook.md")
DETAILED = "sus2-universal-pbe"
HEAD = """# The textbook: shipped potentials on well-known crystals

Written by `docs/scripts/textbook_table.py`; what is scored: [model check](model-check.md#the-textbook). Medians of the
absolute deviations from known values of the functional, or of PBE or experiment where there are none of it, over the
crystals whose elements a potential covers; the mean of the signed deviation of G in brackets, which shows softness.
"""
TITLE = "## Models of others\n"
OTHERS = f"""{TITLE}
The same crystals in single precision on the CPU, in the versions chgnet 0.4.2 and sevenn 0.13.0. CHGNet took one
thread of a busy computer 10 minutes for all 35 (9 minutes of the processor), and 19 GiB of memory at its peak, in the
supercell of diamond; SevenNet took about 12 s of the processor a crystal. Small moduli are the models' own: the
curvature of the energy of 7net-0 gives 24 GPa for C44 of tungsten, its stress 23 GPa (160 GPa measured). That of CHGNet
depends on how far one goes, in its energy as in its stress: the bulk modulus of GaAs is 5 GPa over 0.2 % of the length
and 32 GPa over 2 %, which is why K (small strains) and B0 (E over 12 % of the volume) differ.
"""
TABLE = (
    "| potential | crystals | " + " | ".join(n.split(" (")[0] for n in QUANTITIES.values()) + " | unstable |",
    "|---|--:|" + "--:|" * len(QUANTITIES) + "---|",
)


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


def cell(score: CrystalScore, quantity: str) -> str:
    """A value with its deviation from the reference, where there is one."""
    if quantity not in score.values:
        return ""
    off = f" ({percent(score.error_percent(quantity), sign=True)})" if quantity in score.references else ""
    return f"{score.values[quantity]:.4g}{off}"


def crystals(report: Textbook) -> list[str]:
    """The table of one potential, crystal by crystal."""
    out = [
        f"\n## {report.potential}\n",
        "| crystal | " + " | ".join(QUANTITIES.values()) + " | minima | softening |",
        "|---|" + "--:|" * (len(QUANTITIES) + 2),
    ]
    for c in report.crystals:
        cells = [cell(c, q) for q in QUANTITIES]
        softening = f"{c.softening:.2f}" if math.isfinite(c.softening) else ""
        out.append(f"| {c.crystal} | " + " | ".join(cells) + f" | {c.minima} | {softening} |")
    return out


def kept(names: list[str]) -> None:
    """Write some models of others from the crystals that are done, and keep the rest of their section."""
    page, _, section = PAGE.read_text(encoding="utf-8").partition(TITLE)
    rows = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
    details = {part.partition("\n")[0]: f"\n## {part.rstrip()}" for part in section.split("\n## ")[1:]}
    for name in names:
        (path,) = (cache_folder() / "textbook").glob(f"{name}-*.jsonl")
        scores = tuple(CrystalScore.from_dict(json.loads(line)) for line in path.read_text("utf-8").splitlines()[1:])
        report = Textbook(name, KNOWN[name].functional, "", scores, (), (), (), "", math.nan, math.nan)
        rows[name] = row(report)
        details[name] = "\n".join(crystals(report))
    order = [name for name in KNOWN if name in rows]
    lines = [*TABLE, *(rows[name] for name in order), *(details[name] for name in order)]
    text = page.rstrip("\n") + f"\n\n{OTHERS}\n" + "\n".join(lines) + "\n"
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    """Score them and write the page."""
    if sys.argv[1:2] == ["--kept"]:
        kept(sys.argv[2:])
        return
    folder = cache_folder() / "textbook"
    folder.mkdir(parents=True, exist_ok=True)
    rows, details = list(TABLE), []
    for name in [*(card.name for card in with_files()), *sys.argv[1:]]:
        potential = sus2.load(name)
        card = getattr(potential, "card", None)
        identity = "" if card is None else card.identity[:12]
        report = textbook(potential, path=folder / f"{name}-{identity}.jsonl", dynamics_ps=0.0)
        rows.append(row(report))
        print(report.summary, flush=True)
        if name == DETAILED:
            details = crystals(report)
    others = PAGE.read_text(encoding="utf-8").partition(TITLE)[1:]
    text = HEAD + "\n" + "\n".join(rows + details) + "\n"
    PAGE.write_text(text + ("\n" + "".join(others) if others[0] else ""), encoding="utf-8")


if __name__ == "__main__":
    main()
