"""A comparison as figures, and as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sus2.figures.comparison.compare import (
    bands_overlay,
    bars_figure,
    difference_colour,
    effects_figure,
    eos_overlay,
    thermal_overlay,
)
from sus2.figures.properties.phonons import FrequencyUnit
from sus2.figures.theme import Mode

if TYPE_CHECKING:
    from sus2.comparison.result import Comparison, Side

_EFFECTS = ("k_vrh_gpa", "g_vrh_gpa", "mean_frequency_thz", "highest_frequency_thz", "debye_temperature_k")


def comparison_figures(
    *, comparison: Comparison, cells: str = "own", unit: FrequencyUnit = "THz", mode: Mode = "light"
) -> dict[str, go.Figure]:
    """Every figure that a comparison has data for.

    Parameters
    ----------
    comparison
        Of sus2.compare.
    cells
        "own" or "fixed", for bands, elastic constants and thermal functions.
    unit
        Of frequencies.
    mode
        Colours for a light or a dark page.

    Returns
    -------
    dict
        By name: eos, bands, elastic, effects, thermal.
    """
    c = comparison
    sides = dict(zip(c.labels, c.own if cells == "own" else c.fixed, strict=True))
    out: dict[str, go.Figure] = {}
    curves = {name: _eos_curve(s) for name, s in zip(c.labels, c.own, strict=True) if "eos" in s.results}
    if len(curves) > 1:
        out["eos"] = eos_overlay(curves=curves, mode=mode)
    waves = {n: s.results["phonons"] for n, s in sides.items() if "phonons" in s.results}
    bands = {n: r.bands.frequencies_thz for n, r in waves.items()}
    if c.path is not None and len(bands) > 1:
        out["bands"] = bands_overlay(
            distance_per_a=c.path.distance_per_a,
            segments=c.path.segments,
            ticks=c.path.ticks,
            bands_thz=bands,
            dos={n: (r.dos.frequencies_thz, r.dos.total_per_thz) for n, r in waves.items()},
            unit=unit,
            mode=mode,
        )
    keys = [k for k in sides[c.labels[0]].quantities if k.startswith("c") and k.endswith("_gpa")]
    keys += ["k_vrh_gpa", "g_vrh_gpa"]
    keys = [k for k in keys if all(k in s.quantities for s in sides.values())]
    if keys:
        labels = [_symbol(k) for k in keys]
        values = {n: [s.quantities[k] for k in keys] for n, s in sides.items()}
        out["elastic"] = bars_figure(labels=labels, values=values, unit="GPa", mode=mode)
    rows = [d for d in next(iter(c.differences.values())) if d.key in _EFFECTS and d.volume_effect is not None]
    rows = [d for d in rows if d.percent is not None]
    if rows:
        scale = [100.0 / abs(d.reference) for d in rows]
        out["effects"] = effects_figure(
            labels=[d.label for d in rows],
            cell_percent=[s * (d.volume_effect or 0.0) for s, d in zip(scale, rows, strict=True)],
            forces_percent=[s * (d.fixed or 0.0) for s, d in zip(scale, rows, strict=True)],
            mode=mode,
        )
    heat = {n: r.thermal for n, r in waves.items() if r.harmonic and r.thermal is not None}
    if len(heat) > 1:
        out["thermal"] = thermal_overlay(
            temperatures_k=next(iter(heat.values())).temperatures_k,
            curves={
                n: (
                    t.helmholtz_kj_per_mol / t.n_atoms,
                    t.entropy_j_per_k_mol / t.n_atoms,
                    t.heat_capacity_j_per_k_mol / t.n_atoms,
                )
                for n, t in heat.items()
            },
            mode=mode,
        )
    return out


def comparison_html(*, comparison: Comparison) -> str:
    """One page with summary, table and figures, its JavaScript inside, to keep or to print.

    Parameters
    ----------
    comparison
        Of sus2.compare.

    Returns
    -------
    str
        HTML.
    """
    c = comparison
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{escape(c.formula)}: {escape(' and '.join(c.names))}</title>",
        "<style>body{font-family:'Source Sans 3',Helvetica,Arial,sans-serif;max-width:1000px;margin:2rem auto;"
        "padding:0 1rem;color:#1B2530}table{border-collapse:collapse;width:100%}td,th{padding:.25rem .6rem;"
        "border-bottom:1px solid #E3E8ED;text-align:right}td:first-child,th:first-child{text-align:left}</style>",
        f"<script>{get_plotlyjs()}</script></head><body>",
        f"<h1>{escape(c.formula)}: {escape(', '.join(c.labels))}</h1>",
    ]
    for name, label in zip(c.names, c.labels, strict=True):
        parts.append(f"<p>{escape(label)}: {escape(name)}</p>" if name != label else "")
    for name, rows in c.differences.items():
        label = c.labels[c.names.index(name)]
        parts.append(f"<h2>{escape(c.labels[0])} to {escape(label)}</h2><p>{escape(c.summary[name])}</p>")
        parts.append("<table><tr><th>quantity</th>")
        heads = (c.labels[0], label, "difference", "%", "in one fixed cell", "error (1 σ)", "unit")
        parts.append("".join(f"<th>{escape(h)}</th>" for h in heads) + "</tr>")
        for d in rows:
            n = d.digits
            percent = "" if d.percent is None else f"{d.percent:+.1f}"
            cells = (
                f"{d.reference:.{n}f}",
                f"{d.value:.{n}f}",
                f"{d.own:+.{n}f}",
                percent,
                "" if d.fixed is None else f"{d.fixed:+.{n}f}",
                "" if d.error is None else f"{d.error:.{n}f}",
                d.unit,
            )
            body = "".join(
                f"<td style='{difference_colour(d.percent) if k == 3 else ''}'>{escape(text.replace('-', '−'))}</td>"
                for k, text in enumerate(cells)
            )
            parts.append(f"<tr><td>{escape(d.label)}</td>{body}</tr>")
        parts.append("</table>")
    for figure in comparison_figures(comparison=c).values():
        parts.append(figure.to_html(full_html=False, include_plotlyjs=False))
    if c.problems:
        parts.append("<h2>What could not be computed</h2><ul>")
        parts += [f"<li>{escape(p)}</li>" for p in c.problems] + ["</ul>"]
    parts.append(
        f"<p>The fixed cell is the {escape(c.fixed_cell)}. Raw energies of different functionals have no common zero "
        "and are not subtracted.</p></body></html>"
    )
    return "\n".join(parts)


def _eos_curve(side: Side) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    e = side.results["eos"]
    v = np.linspace(e.volumes_a3.min(), e.volumes_a3.max(), 161)
    n = e.n_atoms
    return e.volumes_a3 / n, (e.energies_ev - e.e0_ev) / n, v / n, (e.fit.energy_ev(v) - e.e0_ev) / n


def _symbol(key: str) -> str:
    names = {"k_vrh_gpa": "K", "g_vrh_gpa": "G"}
    return names.get(key, f"C<sub>{key[1:3]}</sub>")
