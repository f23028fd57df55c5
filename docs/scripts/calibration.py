"""Tables and the reliability diagram of docs/trust.md, from records of crystals with known values.

    python docs/scripts/calibration.py RECORDS_FOLDER

RECORDS_FOLDER holds NAME.jsonl and NAME.coverage.json of each potential, as
`sus2 data calibrate NAME --records RECORDS_FOLDER` leaves them.
The text between the marks in docs/trust.md is written anew, and docs/images/reliability.svg.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from sus2.registry.load import load_moments
from sus2.trust.estimate import ROUGH, word_of
from sus2.trust.known_values import known_crystals, known_values, references
from sus2.validation.calibrate import read_coverage
from sus2.validation.fit_calibration import LEVELS, Coverage
from sus2.validation.records import Record, read_records

PAGE = Path(__file__).resolve().parents[1] / "trust.md"
BEGIN, END = "<!-- made by docs/scripts/calibration.py -->", "<!-- end -->"
NAMES = {
    "v0_a3_per_atom": "V0",
    "k_vrh_gpa": "K",
    "g_vrh_gpa": "G",
    "b0_gpa": "B0",
    "b0_prime": "B0'",
    "c11_gpa": "C11",
    "c12_gpa": "C12",
    "c44_gpa": "C44",
    "c13_gpa": "C13",
    "c33_gpa": "C33",
    "c66_gpa": "C66",
    "gamma_to_thz": "optical frequency at Γ",
    "max_frequency_thz": "highest frequency",
    "mean_frequency_thz": "mean frequency",
    "linear_expansion_1e6_per_k": "linear expansion at 298 K",
}


def coverage_table(found: list[Coverage], *, differences: bool = False) -> list[str]:
    if differences:
        lines = [
            "| difference of | class | crystals | within 1σ | within 2σ | median error | median σ |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        return lines + [
            f"| {NAMES.get(c.quantity, c.quantity)} | {c.crystal_class} | {c.crystals} | {100 * c.one_sigma:.0f} % | "
            f"{100 * c.two_sigma:.0f} % | {100 * c.median_error:.3g} % | {100 * c.median_sigma:.3g} % |"
            for c in found
        ]
    lines = [
        "| quantity | class | crystals | within 1σ | within 2σ | median error | median σ | good, of these wrong "
        "| rough, of these wrong |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for c in found:
        lines.append(
            f"| {NAMES.get(c.quantity, c.quantity)} | {c.crystal_class} | {c.crystals} | {100 * c.one_sigma:.0f} % | "
            f"{100 * c.two_sigma:.0f} % | {100 * c.median_error:.3g} % | {100 * c.median_sigma:.3g} % | "
            f"{c.good}, {c.good_wrong} | {c.rough}, {c.rough_wrong} |"
        )
    return lines


def textbook_table(records: list[Record], name: str) -> list[str]:
    """What a user sees: the verdicts with what is known of the very crystal, and how far off each number is."""
    potential = load_moments(name)
    crystals = known_crystals()
    counts = {"good": [0, 0], "rough": [0, 0], "not to be trusted": [0, 0], "unknown": [0, 0]}
    lines = []
    from sus2.trust.assess import Assessor
    from sus2.trust.calibration import relative_spreads, size_of

    seen = 0
    for r in records:
        if r.name not in crystals or r.failure:
            continue
        seen += 1
        found = Assessor(potential, crystals[r.name])
        cells = []
        for quantity in ("v0_a3_per_atom", "k_vrh_gpa", "g_vrh_gpa", "c11_gpa", "c12_gpa", "c44_gpa"):
            reference = references(known_values(crystals[r.name]), "PBE", crystals[r.name]).get(quantity)
            value = r.values.get(quantity)
            if reference is None or value is None:
                cells.append("")
                continue
            e = found.estimate(
                quantity,
                value,
                r.spreads.get(quantity, float("nan")),
                size=size_of(quantity, r.values),
                spreads=relative_spreads(r.values, r.spreads),
            )
            word = word_of(e.relative)
            wrong = abs(value - reference.value) > ROUGH * abs(reference.value)
            counts[word][0] += 1
            counts[word][1] += wrong
            cells.append(f"{value:.4g} ({reference.value:.4g}) {word}")
        lines.append(f"| {r.name} | {' | '.join(cells)} |")
    head = [
        f"{seen} textbook crystals in `{name}`, value (known value) and verdict. Of numbers called good "
        f"{counts['good'][1]} of {counts['good'][0]} are off by more than 30 %, of rough ones {counts['rough'][1]} of "
        f"{counts['rough'][0]}, of those not to be trusted {counts['not to be trusted'][1]} of "
        f"{counts['not to be trusted'][0]}; {counts['unknown'][0]} have no verdict.",
        "",
        "| crystal | V0 (Å³/atom) | K (GPa) | G (GPa) | C11 | C12 | C44 |",
        "|---|---|---|---|---|---|---|",
    ]
    return head + lines


def diagram(found: dict[str, list[Coverage]], path: Path) -> None:
    mpl.rcParams.update({"svg.hashsalt": "sus2", "font.size": 9})
    from math import erf, sqrt

    figure, axes = plt.subplots(1, len(found), figsize=(4.2 * len(found), 3.6), squeeze=False)
    for axis, (name, coverage) in zip(axes[0], found.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="0.6", lw=1)
        expected = [erf(x / sqrt(2)) for x in LEVELS]
        for c in coverage:
            if c.crystal_class == "all" and c.crystals >= 20:
                axis.plot(expected, c.curve, marker="o", ms=3, lw=1, label=NAMES.get(c.quantity, c.quantity))
        axis.set(
            title=name, xlabel="share that should lie within", ylabel="share that lies within", xlim=(0, 1), ylim=(0, 1)
        )
        axis.legend(fontsize=6, frameon=False)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    folder = Path(sys.argv[1])
    made: dict[str, list[Coverage]] = {}
    text: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        records = read_records(path)
        found = read_coverage(folder / f"{path.stem}.coverage.json")
        made[path.stem] = found["numbers"]
        failed = sum(bool(r.failure) for r in records)
        text += [f"### {path.stem}", "", f"{len(records)} crystals, {failed} of which could not be computed.", ""]
        text += [*coverage_table(made[path.stem]), ""]
        if found["differences"]:
            text += [f"Differences of `{path.stem}` from its pair, relative to the numbers there:", ""]
            text += [*coverage_table(found["differences"], differences=True), ""]
    for path in sorted(folder.glob("sus2-universal-pbe.jsonl")):
        text += ["### Textbook crystals", "", *textbook_table(read_records(path), path.stem), ""]
    diagram(made, PAGE.parent / "images" / "reliability.svg")
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + "\n\n" + "\n".join(text) + "\n" + page[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
