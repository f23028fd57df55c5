"""Figures of the model check: dimers, E(V) over a wide range, dynamics, and reference data beside a potential."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.offline import get_plotlyjs

from sus2.figures.plain import Figure
from sus2.figures.theme import BLUE, DASHES, GREEN, ORANGE, PALETTE, VERMILION, Mode, grid, ink, style
from sus2.structures import with_subscripts

if TYPE_CHECKING:
    from sus2.validation.reference_data import Score
    from sus2.validation.result import ModelCheck

COLOURS: Final[Mapping[str, str]] = {"pass": GREEN, "warn": ORANGE, "fail": VERMILION}
MARKS: Final[Mapping[str, str]] = {"pass": "✓", "warn": "?", "fail": "✗"}
_HIGHEST_EV: Final = 12.0


def dimers_figure(
    *, curves: Mapping[str, tuple[ArrayLike, ArrayLike]], mode: Mode = "light", height: int = 400
) -> go.Figure:
    """Energy of two atoms against their distance, one line for each pair.

    Parameters
    ----------
    curves
        Pair -> distances (angstrom, ascending) and energies (eV), shown from that at the largest distance.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    fig = Figure()
    lowest = -0.5
    for k, (pair, (x, y)) in enumerate(curves.items()):
        energy = np.asarray(y, dtype=float)
        energy = energy - energy[-1]
        lowest = min(lowest, float(energy.min()))
        fig.add_scatter(
            x=np.asarray(x),
            y=energy,
            name=pair,
            mode="lines",
            line={"color": PALETTE[k % len(PALETTE)], "dash": DASHES[k // len(PALETTE) % len(DASHES)], "width": 2.5},
            hovertemplate=f"{pair} at %{{x:.2f}} Å: %{{y:.3f}} eV<extra></extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="Distance (Å)")
    fig.update_yaxes(title_text="Energy of two atoms (eV)", range=[1.15 * lowest, _HIGHEST_EV])
    return fig


def wide_figure(
    *,
    volumes_a3: ArrayLike,
    energies_ev: ArrayLike,
    n_atoms: int,
    volume0_a3: float,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """E(V) per atom from its lowest value, far beyond the range of an equation of state.

    Parameters
    ----------
    volumes_a3
        (n,) angstrom^3.
    energies_ev
        (n,) of the cell.
    n_atoms
        Atoms in the cell.
    volume0_a3
        Volume at rest, of the cell.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v, e = np.asarray(volumes_a3, dtype=float), np.asarray(energies_ev, dtype=float)
    fig = Figure()
    fig.add_scatter(
        x=v / volume0_a3,
        y=(e - e.min()) / n_atoms,
        mode="lines",
        line={"color": BLUE, "width": 2.5},
        showlegend=False,
        hovertemplate="%{x:.2f} V₀: %{y:.3f} eV/atom<extra></extra>",
    )
    fig.add_vline(x=1.0, line={"color": grid(mode), "width": 2})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="Volume over that of the relaxed crystal")
    fig.update_yaxes(title_text="Energy (eV/atom)")
    return fig


def dynamics_figure(
    *, times_ps: ArrayLike, energies_ev: ArrayLike, mode: Mode = "light", height: int = 320
) -> go.Figure:
    """Total energy at constant energy, from its start, against time; what drifts is the error.

    Parameters
    ----------
    times_ps
        (n,).
    energies_ev
        (n,) of the cell.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    t, e = np.asarray(times_ps, dtype=float), np.asarray(energies_ev, dtype=float)
    fig = Figure()
    fig.add_scatter(
        x=t,
        y=1e3 * (e - e[0]) if len(e) else e,
        mode="lines",
        line={"color": BLUE, "width": 2},
        showlegend=False,
        hovertemplate="%{x:.2f} ps: %{y:.3f} meV<extra></extra>",
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="Time (ps)")
    fig.update_yaxes(title_text="Total energy from its start (meV)")
    return fig


def score_figure(
    *,
    kind: str,
    x: ArrayLike,
    reference: ArrayLike,
    found: ArrayLike,
    potential: str,
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure | None:
    """Reference and potential in one plot.

    Parameters
    ----------
    kind
        Kind of the reference.
    x
        What both were taken at.
    reference
        Values of the reference.
    found
        Values of the potential.
    potential
        Its name.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure or None
        None where a table says more (a structure).
    """
    if kind == "structure":
        return None
    a, b, axis = (np.asarray(v, dtype=float) for v in (reference, found, x))
    fig = Figure()
    if kind == "elastic":
        rows, columns = np.triu_indices(6)
        used = (np.abs(a[rows, columns]) > 1e-6 * np.abs(a).max()) | (np.abs(b[rows, columns]) > 0.01 * np.abs(b).max())
        names = [with_subscripts(f"C{i + 1}{j + 1}") for i, j in zip(rows[used], columns[used], strict=True)]
        for name, values, colour in (("reference", a, ORANGE), (potential, b, BLUE)):
            fig.add_bar(x=names, y=values[rows, columns][used], name=name, marker_color=colour)
        style(fig, mode=mode, height=height)
        fig.update_yaxes(title_text="GPa")
        return fig
    curves = a.reshape(len(axis), -1).T, b.reshape(len(axis), -1).T
    for name, lines, colour, marks in (
        ("reference", curves[0], ORANGE, kind == "energies"),
        (potential, curves[1], BLUE, False),
    ):
        for k, line in enumerate(lines):
            fig.add_scatter(
                x=axis,
                y=line,
                name=name,
                showlegend=k == 0,
                mode="markers" if marks else "lines",
                line={"color": colour, "width": 2},
                marker={"color": colour, "size": 9},
                hovertemplate=f"%{{y:.3f}}<extra>{escape(name)}</extra>",
            )
    style(fig, mode=mode, height=height)
    if kind == "bands":
        fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
        fig.update_yaxes(title_text="Frequency (THz)")
        fig.update_xaxes(title_text="Along the path of the file", showticklabels=False)
    else:
        fig.update_yaxes(title_text="Energy from the minimum (meV/atom)")
        fig.update_xaxes(title_text="Volume (Å³/atom)")
    return fig


def report_figures(*, report: ModelCheck, mode: Mode = "light") -> dict[str, go.Figure]:
    """The figures of a report.

    Parameters
    ----------
    report
        Of sus2.check.
    mode
        Colours for a light or a dark page.

    Returns
    -------
    dict
        By title.
    """
    out = {}
    if report.dimers:
        curves = {pair: (c.x, c.energies_ev) for pair, c in report.dimers.items()}
        out["Two atoms"] = dimers_figure(curves=curves, mode=mode)
    if report.wide is not None:
        out["Energy over a wide range of volumes"] = wide_figure(
            volumes_a3=report.wide.x,
            energies_ev=report.wide.energies_ev,
            n_atoms=len(report.atoms),
            volume0_a3=abs(report.atoms.get_volume()),
            mode=mode,
        )
    if report.dynamics is not None:
        out["Dynamics at constant energy"] = dynamics_figure(
            times_ps=report.dynamics.x, energies_ev=report.dynamics.energies_ev, mode=mode
        )
    return out


def report_html(*, report: ModelCheck, score: Score | None = None) -> str:
    """One page to keep or to print, which needs nothing else.

    Parameters
    ----------
    report
        Of sus2.check.
    score
        Comparison with a reference of one's own.

    Returns
    -------
    str
        HTML.
    """
    rows = "".join(
        f'<tr><td style="color:{COLOURS[c.verdict]};font-weight:bold">{MARKS[c.verdict]} {c.verdict}</td>'
        f"<td>{escape(c.name)}</td><td style='text-align:right'>{c.value:.4g} {escape(c.unit)}</td>"
        f"<td>{escape(c.meaning)}</td></tr>"
        for c in report.checks
    )
    figures = "".join(
        f"<h2>{escape(title)}</h2>{fig.to_html(full_html=False, include_plotlyjs=False)}"
        for title, fig in report_figures(report=report).items()
    )
    if score is not None:
        table = "".join(
            f"<tr><td>{escape(k)}</td><td style='text-align:right'>{v:.4g}</td></tr>"
            for k, v in score.quantities.items()
        )
        figures += f"<h2>Against the reference</h2><p>{escape(score.note)}</p><table>{table}</table>"
        overlay = score_figure(
            kind=score.kind, x=score.x, reference=score.reference, found=score.found, potential=score.potential
        )
        if overlay is not None:
            figures += overlay.to_html(full_html=False, include_plotlyjs=False)
    title = f"{report.potential} for {with_subscripts(report.formula)}"
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        "<style>body{font-family:sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#1B2530}"
        "td{padding:4px 10px;border-bottom:1px solid #E3E8ED;vertical-align:top}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(title)}</h1><p>{escape(report.summary)}</p>"
        f"<table>{rows}</table>{figures}</body></html>"
    )
