"""A report on one crystal as one HTML page that needs no network and prints well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

import sus2
from sus2.comparison.crystal_report import CrystalReport, KeyNumber
from sus2.comparison.differences import Difference
from sus2.errors import counted
from sus2.figures.overview import bands_overview, changes_overview, energy_overview, stiffness_overview
from sus2.figures.structure import structure_figure
from sus2.figures.theme import Mode
from sus2.structures import CrystalInfo
from sus2.trust.digits import digits_of, error_text, number_text

MAX_DRAWN: Final = 400
MARKS: Final = {"good": "✓", "rough": "△", "not to be trusted": "✗", "unknown": "?"}
"""A sign for each verdict, so that colour alone tells nothing."""
_COLOURS: Final[dict[Mode, dict[str, str]]] = {
    "light": {"good": "#00745A", "rough": "#8A5A00", "not to be trusted": "#B34700", "unknown": "#56616C"},
    "dark": {"good": "#4CC2A0", "rough": "#E8B04A", "not to be trusted": "#FF9A5C", "unknown": "#A9B4BF"},
}

_STYLE: Final = """
body{font-family:'Source Sans 3','Source Sans Pro',Helvetica,Arial,sans-serif;max-width:960px;margin:1.5rem auto;
padding:0 1rem;color:#1B2530;line-height:1.4}
h1{margin-bottom:.2rem}h2{margin:1.6rem 0 .4rem;font-size:1.2rem}
.lead{font-size:1.05rem;color:#3C4854;margin:.2rem 0 .8rem}
table{border-collapse:collapse;width:100%;font-size:.95rem}
td,th{padding:.25rem .6rem;border-bottom:1px solid #E3E8ED;text-align:right;vertical-align:top}
td:first-child,th:first-child,td.w,th.w{text-align:left}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
.figure{break-inside:avoid;min-width:0}
footer{margin-top:2rem;font-size:.85rem;color:#3C4854;border-top:1px solid #E3E8ED;padding-top:.5rem}
@media (max-width:700px){.pair{grid-template-columns:1fr}}
@page{size:A4;margin:14mm}
@media print{body{max-width:none;margin:0;padding:0}h2{break-after:avoid}tr{break-inside:avoid}.modebar{display:none}}
"""


def report_html(*, report: CrystalReport) -> str:
    """One page with everything that a report holds, its scripts inside, to keep, to send or to print.

    Parameters
    ----------
    report
        Of sus2.report.

    Returns
    -------
    str
        HTML.
    """
    i = report.info
    name = report.label or i.formula
    potential = report.potential
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(name)}: report</title><style>{_STYLE}</style>",
        f"<script>{get_plotlyjs()}</script></head><body>",
        f"<h1>{formula_markup(i.formula)}</h1>",
        f"<p class='lead'>{escape(name)} · {space_group_markup(i)} · {escape(potential.name)} "
        f"({escape(potential.functional)}) · "
        f"{verdicts_markup([n.verdict for n in report.numbers])}</p>",
    ]
    parts += [f"<p>{escape(s)}</p>" for s in report.atoms.info.get("notices", ())]
    parts += [f"<p>{escape(s)}</p>" for s in report.stability]
    if report.numbers:
        parts += ["<h2>Key numbers</h2>", numbers_table(report.numbers, reasons=True)]
    figures = _figures(report)
    pairs = [figures[k : k + 2] for k in range(0, len(figures), 2)]
    for row in pairs:
        cells = "".join(
            f"<div class='figure'><h2>{escape(title)}</h2>"
            f"{figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)}</div>"
            for title, figure in row
        )
        parts.append(f"<div class='pair'>{cells}</div>")
    if report.changes and report.comparison is not None:
        c = report.comparison
        parts.append(f"<h2>What {escape(c.labels[1])} changes against {escape(c.labels[0])}</h2>")
        parts.append(f"<p>{escape(c.summary[c.names[1]])}</p>")
        parts.append(changes_table(report.changes, (c.labels[0], c.labels[1])))
        parts.append(f"<p>Potentials: {escape(' and '.join(c.names))}.</p>")
    parts += ["<h2>Crystal</h2>", _crystal_table(report)]
    if report.problems:
        parts += ["<h2>What could not be computed</h2><ul>"]
        parts += [f"<li>{escape(p)}</li>" for p in report.problems] + ["</ul>"]
    parts.append(_footer(report))
    return "\n".join(parts)


_CONFIG: Final = {"displaylogo": False, "responsive": True}


def formula_markup(formula: str) -> str:
    """Write a formula with subscripts.

    Parameters
    ----------
    formula
        Such as SrTiO3.

    Returns
    -------
    str
        HTML.
    """
    return re.sub(r"(\d+)", r"<sub>\1</sub>", escape(formula))


def space_group_markup(info: CrystalInfo) -> str:
    """Write a space group: Fd-3m with an overline, screw axes as subscripts, and its number.

    Parameters
    ----------
    info
        Of the crystal.

    Returns
    -------
    str
        HTML.
    """
    symbol = escape(info.space_group_symbol)
    symbol = re.sub(r"-(\d)", r"<span style='text-decoration:overline'>\1</span>", symbol)
    symbol = re.sub(r"_(\d)", r"<sub>\1</sub>", symbol)
    return f"<i>{symbol}</i> ({info.space_group_number})"


def verdict_markup(word: str, mode: Mode = "light", count: int = 0) -> str:
    """Write a verdict as a sign and a word in its colour.

    Parameters
    ----------
    word
        The verdict.
    mode
        Colours for a light or a dark page.
    count
        Of how many numbers, where they are several; else 0.

    Returns
    -------
    str
        HTML.
    """
    style = f"color:{_COLOURS[mode][word]};font-weight:600;white-space:nowrap"
    return f"<span style='{style}'>{MARKS[word]} {f'{count} ' if count else ''}{word}</span>"


def verdicts_markup(words: Sequence[str], mode: Mode = "light") -> str:
    """Count the verdicts of some numbers, as signs and words in their colours.

    Parameters
    ----------
    words
        The verdict of each.
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        HTML.
    """
    counts = [(word, sum(w == word for w in words)) for word in MARKS]
    return " · ".join(verdict_markup(word, mode, count) for word, count in counts if count)


def numbers_table(numbers: Sequence[KeyNumber], *, reasons: bool = False, mode: Mode = "light") -> str:
    """Key numbers as an HTML table: number ± one standard deviation, unit, verdict, and where it comes from.

    Parameters
    ----------
    numbers
        The key numbers.
    reasons
        Whether the reason of each verdict has a column.
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        HTML.
    """
    rows = [
        f"<tr><td title='{escape(n.meaning)}'>{escape(n.label)}</td>"
        f"<td>{number_text(n.value, n.digits, n.sigma)}</td><td class='w'>{escape(n.unit)}</td>"
        f"<td class='w' title='{escape(n.reason)}'>{verdict_markup(n.verdict, mode)}</td>"
        + (f"<td class='w'>{escape(n.reason)}</td>" if reasons else "")
        + "</tr>"
        for n in numbers
    ]
    head = "<tr><th>quantity</th><th>value</th><th class='w'>unit</th><th class='w'>trust</th>"
    return f"<table>{head}{'<th class=w>why</th>' if reasons else ''}</tr>{''.join(rows)}</table>"


def changes_table(rows: Sequence[Difference], labels: tuple[str, str]) -> str:
    """Differences as an HTML table, each with the error that the potentials state.

    Parameters
    ----------
    rows
        The differences.
    labels
        Heads of the columns of both potentials.

    Returns
    -------
    str
        HTML.
    """
    body = []
    for d in rows:
        n = digits_of(d.digits, d.error)
        error = "unknown" if d.error is None else f"± {error_text(d.digits, d.error)}"
        cells = (f"{d.reference:.{n}f}", f"{d.value:.{n}f}", f"{d.percent or 0.0:+.1f} %", error)
        texts = "".join(f"<td>{escape(x.replace('-', '−'))}</td>" for x in cells)
        body.append(f"<tr><td>{escape(d.label)}</td>{texts}<td class='w'>{escape(d.unit)}</td></tr>")
    head = "".join(f"<th>{escape(h)}</th>" for h in (*labels, "change", "error (1 σ)"))
    return f"<table><tr><th>quantity</th>{head}<th class='w'>unit</th></tr>{''.join(body)}</table>"


def _figures(report: CrystalReport) -> list[tuple[str, go.Figure]]:
    found: list[tuple[str, go.Figure]] = []
    if len(report.atoms) <= MAX_DRAWN:
        found.append(("Structure", structure_figure(atoms=report.atoms, height=340)))
    if "eos" in report.results:
        found.append(("Energy against volume", energy_overview(result=report.results["eos"])))
    if "elastic" in report.results:
        surface = stiffness_overview(result=report.results["elastic"])
        if surface is not None:
            found.append(("Young's modulus by direction (GPa)", surface))
    if "phonons" in report.results:
        found.append(("Phonons", bands_overview(report=report.results["phonons"])))
    if report.changes and report.comparison is not None:
        first, second = report.comparison.labels[:2]
        found.append((f"From {first} to {second}", changes_overview(rows=report.changes)))
    return found


def _crystal_table(report: CrystalReport) -> str:
    i = report.info
    a, b, c = i.cell_lengths_a
    alpha, beta, gamma = i.cell_angles_deg
    rows = [
        ("formula", f"{formula_markup(i.formula)}, {i.formula_units} in the cell, {counted(i.n_atoms, 'atom')}"),
        ("space group", f"{space_group_markup(i)}, {escape(i.crystal_system)}, point group {escape(i.point_group)}"),
        ("<i>a</i>, <i>b</i>, <i>c</i> (Å)", f"{a:.4f}, {b:.4f}, {c:.4f}"),
        ("<i>α</i>, <i>β</i>, <i>γ</i> (°)", f"{alpha:.2f}, {beta:.2f}, {gamma:.2f}"),
        ("density (g/cm³)", f"{i.density_g_per_cm3:.3f}"),
    ]
    rows += [
        (
            f"{o.count} {escape(o.element)} ({escape(o.wyckoff)})",
            "  ".join(f"{x:.4f}" for x in o.fractional).replace("-", "−"),
        )
        for o in i.orbits[:40]
    ]
    cells = "".join(f"<tr><td>{name}</td><td class='w'>{value}</td></tr>" for name, value in rows)
    more = f"<p>{len(i.orbits) - 40} more orbits are not listed.</p>" if len(i.orbits) > 40 else ""
    return f"<p>As given, before relaxation.</p><table>{cells}</table>{more}"


def _footer(report: CrystalReport) -> str:
    card = getattr(report.potential, "card", None)
    identity = f", SHA-256 {escape(card.identity[:16])}" if card is not None else ""
    limits = f" Its limits: {escape(card.limits)}" if card is not None and card.limits != "not stated" else ""
    return (
        f"<footer>SUS2 Explorer {escape(sus2.__version__)}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Potential: "
        f"{escape(report.potential.name)} ({escape(report.potential.functional)}){identity}.{limits} ± is one standard "
        "deviation, calibrated on crystals with known values. Raw energies of two functionals have no common zero and "
        "are not subtracted.</footer></body></html>"
    )
