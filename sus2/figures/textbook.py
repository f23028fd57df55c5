"""The scoreboard of the textbook as text and as one page of HTML that needs nothing else."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

from sus2.figures.check import COLOURS, MARKS

if TYPE_CHECKING:
    from sus2.validation.textbook.result import CrystalScore, Textbook

LABELS: Final = {
    "v0_a3_per_atom": "V0 (Å³/atom)",
    "b0_gpa": "B0 (GPa)",
    "k_vrh_gpa": "K (GPa)",
    "g_vrh_gpa": "G (GPa)",
    "gamma_to_thz": "Γ optical (THz)",
}
# Deviations up to which a value is good, and up to which it is rough, percent.
_GOOD: Final = {"v0_a3_per_atom": 1.0}
_ROUGH: Final = {"v0_a3_per_atom": 3.0}
_GOOD_OTHERS: Final = 10.0
_ROUGH_OTHERS: Final = 25.0
_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;margin:1rem 0;width:100%}
th,td{padding:.25rem .6rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{border-bottom:2px solid #888}tbody tr{border-bottom:1px solid #ddd}
small{color:#555}@media print{body{margin:0;max-width:none;font-size:11px}}
"""


def grade(quantity: str, percent: float) -> str:
    """Grade a deviation as "pass", "warn" or "fail" by its size.

    Parameters
    ----------
    quantity
        As in Textbook.
    percent
        Deviation from the reference.

    Returns
    -------
    str
        Empty where there is no deviation.
    """
    if not math.isfinite(percent):
        return ""
    size = abs(percent)
    if size <= _GOOD.get(quantity, _GOOD_OTHERS):
        return "pass"
    return "warn" if size <= _ROUGH.get(quantity, _ROUGH_OTHERS) else "fail"


def textbook_text(report: Textbook) -> str:
    """The report as lines of text.

    Parameters
    ----------
    report
        The scoreboard.

    Returns
    -------
    str
        A table of the crystals with deviations in percent, and what else was found.
    """
    out = [f"{'crystal':<22}" + "".join(f"{label:>27}" for label in LABELS.values()) + "  stable  minima  softening"]
    for c in report.crystals:
        out.append(
            f"{c.crystal:<22}"
            + "".join(f"{_cell(c, q):>27}" for q in LABELS)
            + f"  {_stability(c):<6}  {c.minima:>6}  {_number(c.softening):>9}"
        )
        out += [f"  {problem}" for problem in c.problems]
    medians = "".join(f"{_percent(report.median_error_percent(q), sign=False):>27}" for q in LABELS)
    means = "".join(f"{_percent(report.mean_error_percent(q)):>27}" for q in LABELS)
    out += [f"{'median deviation':<22}{medians}", f"{'mean deviation':<22}{means}", ""]
    out += [f"{d.pair:<8}{_dimer(d)}" for d in report.dimers]
    out.append("")
    out += [f"{c.verdict:<5} {c.name}: {c.value:.3g} {c.unit}".rstrip() for c in report.checks]
    out.append(f"{report.us_per_atom:.1f} us/atom, {report.peak_mib:.0f} MiB.")
    if report.left_out:
        out.append(f"Left out, for elements that it does not cover: {', '.join(report.left_out)}.")
    out.append(report.summary)
    return "\n".join(out)


def textbook_html(report: Textbook) -> str:
    """One page to keep or to print, which needs nothing else.

    Parameters
    ----------
    report
        The scoreboard.

    Returns
    -------
    str
        A whole HTML document.
    """
    head = "".join(f"<th>{escape(label)}</th>" for label in LABELS.values())
    rows = []
    for c in report.crystals:
        cells = "".join(_html_cell(c, q) for q in LABELS)
        stable = _stability(c)
        mark = COLOURS["pass" if stable == "yes" else "warn" if stable == "?" else "fail"]
        problems = "".join(f"<br><small>{escape(p)}</small>" for p in c.problems)
        rows.append(
            f"<tr><td>{escape(c.crystal)}{problems}</td>{cells}<td style='color:{mark}'>{stable}</td>"
            f"<td>{c.minima}</td><td>{_number(c.softening)}</td></tr>"
        )
    medians = "".join(f"<th>{_percent(report.median_error_percent(q), sign=False)}</th>" for q in LABELS)
    means = "".join(f"<th>{_percent(report.mean_error_percent(q))}</th>" for q in LABELS)
    dimers = "".join(f"<tr><td>{escape(d.pair)}</td><td>{_dimer(d)}</td></tr>" for d in report.dimers)
    checks = "".join(
        f"<tr><td style='color:{COLOURS[c.verdict]}'>{MARKS[c.verdict]}</td><td>{escape(c.name)}</td>"
        f"<td>{c.value:.3g} {escape(c.unit)}</td></tr>"
        for c in report.checks
    )
    left = f"<p>Left out, for elements that it does not cover: {escape(', '.join(report.left_out))}.</p>"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.potential)}: textbook</title>
<style>{_STYLE}</style>
<h1>{escape(report.potential)} <small>{escape(report.functional)} {escape(report.version)}</small></h1>
<p>{escape(report.summary)}</p>
<table><thead><tr><th>crystal</th>{head}<th>stable</th><th>minima of E(V)</th><th>softening</th></tr></thead>
<tbody>{"".join(rows)}</tbody>
<tfoot><tr><th>median deviation</th>{medians}</tr><tr><th>mean deviation</th>{means}</tr></tfoot></table>
<p><small>Deviations from known values of {escape(report.functional)} or of the functional that is named; Γ
without the splitting of long waves. Softening: restoring force per displacement at 0.2 Å over
that at 0.02 Å.</small></p>
<h2>Two atoms</h2><table><tbody>{dimers}</tbody></table>
<h2>Behaviour, on {escape(report.checked_on)}</h2><table><tbody>{checks}</tbody></table>
<p>{report.us_per_atom:.1f} µs/atom for energy, forces and stress; the process took {report.peak_mib:.0f} MiB.</p>
{left if report.left_out else ""}</html>"""


def _cell(c: CrystalScore, quantity: str) -> str:
    value = c.values.get(quantity)
    if value is None:
        return "–"
    text = f"{value:.4g}"
    if quantity in c.references:
        functional = c.references[quantity][1]
        text += f" ({_percent(c.error_percent(quantity))} {functional.split()[0]})"
    return text


def _html_cell(c: CrystalScore, quantity: str) -> str:
    verdict = grade(quantity, c.error_percent(quantity))
    colour = f" style='color:{COLOURS[verdict]}'" if verdict else ""
    measured = c.measured.get(quantity)
    title = "" if measured is None else f" title='measured {measured:.4g}'"
    return f"<td{colour}{title}>{escape(_cell(c, quantity))}</td>"


def _stability(c: CrystalScore) -> str:
    found = (c.elastically_stable, c.dynamically_stable)
    return "no" if False in found else "?" if None in found else "yes"


def _dimer(d: object) -> str:
    wall, minima, bond = (getattr(d, n) for n in ("wall", "minima", "bond_a"))
    measured = getattr(d, "measured_bond_a", math.nan)
    words = "repulsive wall" if wall else "NO repulsive wall"
    words += f", {minima} {'minimum' if minima == 1 else 'minima'}"
    if math.isfinite(bond):
        words += f", bond {bond:.2f} Å" + (f" (molecule {measured:.2f})" if math.isfinite(measured) else "")
    return words


def _percent(value: float, *, sign: bool = True) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:+.1f} %" if sign else f"{value:.1f} %"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
