"""Many crystals: one number against another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, PALETTE, VERMILION, Mode, faint, ink, paper, style

MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
MAX_NAMED = 12
OTHERS = "others"


def many_figure(
    *,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    groups: Sequence[str] | None = None,
    x_title: str,
    y_title: str,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """One number against another, a point for each crystal that has both, named where there are at most MAX_NAMED.

    Parameters
    ----------
    x
        (n,).
    y
        (n,).
    names
        Of the n crystals.
    groups
        (n,) of one colour and marker each, in the legend, the largest first; what has no marker is OTHERS.
    x_title
        Of the axis.
    y_title
        Of the axis.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    both = np.isfinite(a) & np.isfinite(b)
    labels = list(groups) if groups is not None else [""] * len(a)
    counts = Counter(label for label, ok in zip(labels, both, strict=True) if ok)
    kinds = [kind for kind, _ in counts.most_common()]
    if len(kinds) > len(MARKERS):
        kinds = [*kinds[: len(MARKERS) - 1], OTHERS]
        labels = [label if label in kinds else OTHERS for label in labels]
    few = int(both.sum()) <= MAX_NAMED
    fig = Figure()
    for k, kind in enumerate(kinds):
        mine = [n for n in np.flatnonzero(both).tolist() if labels[n] == kind]
        fig.add_trace(
            scatter(
                x=a[mine],
                y=b[mine],
                mode="markers+text" if few else "markers",
                text=[_short(names[n]) for n in mine],
                textposition="top center",
                textfont={"size": 12},
                hovertext=[names[n] for n in mine],
                customdata=np.array(mine)[:, None],
                name=kind,
                showlegend=len(kinds) > 1,
                marker={
                    "color": PALETTE[k] if len(kinds) > 1 else BLUE,
                    "symbol": MARKERS[k],
                    "size": 10,
                    "line": {"color": paper(mode), "width": 1},
                },
                hovertemplate=f"<b>%{{hovertext}}</b><br>{x_title}: %{{x:.5g}}<br>{y_title}: %{{y:.5g}}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=x_title)
    fig.update_yaxes(title_text=y_title)
    return fig


def _short(name: str) -> str:
    name = re.sub(r"\.(cif|vasp|poscar|xyz|extxyz|json)\b", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return name if len(name) <= 18 else name[:15] + "..."


def parity_figure(
    *,
    reference: ArrayLike,
    found: ArrayLike,
    names: Sequence[str],
    title: str,
    sigma: ArrayLike | None = None,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Computed against known values of the crystals that have both, with the line where they agree.

    Parameters
    ----------
    reference
        (n,) known.
    found
        (n,) computed.
    names
        Of the n crystals.
    title
        Of both axes.
    sigma
        (n,) one standard deviation of the computed values, as error bars where finite.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    a, b = np.asarray(reference, dtype=float), np.asarray(found, dtype=float)
    both = [int(k) for k in np.flatnonzero(np.isfinite(a) & np.isfinite(b))]
    low, high = float(min(a[both].min(), b[both].min())), float(max(a[both].max(), b[both].max()))
    margin = 0.05 * (high - low) or 1.0
    ends = [low - margin, high + margin]
    fig = Figure()
    fig.add_trace(
        scatter(x=ends, y=ends, mode="lines", name="equal", line={"color": ink(mode), "width": 1, "dash": "dash"})
    )
    bars = None
    if sigma is not None:
        widths = np.asarray(sigma, dtype=float)[both]
        bars = {"type": "data", "array": np.nan_to_num(widths), "color": faint(BLUE, 0.5), "thickness": 1.5}
    fig.add_trace(
        scatter(
            x=a[both],
            y=b[both],
            mode="markers+text" if len(both) <= MAX_NAMED else "markers",
            text=[_short(names[k]) for k in both],
            textposition="top center",
            textfont={"size": 12},
            hovertext=[names[k] for k in both],
            error_y=bars,
            name="crystals",
            showlegend=False,
            marker={"color": BLUE, "size": 9, "line": {"color": paper(mode), "width": 1}},
            hovertemplate="<b>%{hovertext}</b><br>known %{x:.5g}, computed %{y:.5g}<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=f"{title}, known", range=ends)
    fig.update_yaxes(title_text=f"{title}, computed", range=ends)
    return fig


def hull_figure(
    *,
    share: ArrayLike,
    formation_ev_per_atom: ArrayLike,
    above_ev_per_atom: ArrayLike,
    names: Sequence[str],
    element: str,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Formation energy against composition of a binary system, with the convex hull through the stable crystals.

    Parameters
    ----------
    share
        (n,) of `element`.
    formation_ev_per_atom
        (n,).
    above_ev_per_atom
        (n,) above the hull.
    names
        Of the n crystals.
    element
        Whose share the axis has.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x, y = np.asarray(share, dtype=float), np.asarray(formation_ev_per_atom, dtype=float)
    stable = np.asarray(above_ev_per_atom, dtype=float) <= 1e-6
    order = [k for k in np.argsort(x) if stable[k]]
    fig = Figure()
    fig.add_trace(
        scatter(
            x=x[order], y=y[order], mode="lines", name="convex hull", line={"color": BLUE, "width": 2}, hoverinfo="skip"
        )
    )
    for name, mine, colour, symbol in (("stable", stable, BLUE, "circle"), ("above the hull", ~stable, VERMILION, "x")):
        which = [int(k) for k in np.flatnonzero(mine)]
        if which:
            fig.add_trace(
                scatter(
                    x=x[which],
                    y=y[which],
                    mode="markers",
                    name=name,
                    hovertext=[names[k] for k in which],
                    marker={"color": colour, "symbol": symbol, "size": 10},
                    hovertemplate="<b>%{hovertext}</b><br>%{y:.3f} eV/atom<extra></extra>",
                )
            )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=f"share of {element}")
    fig.update_yaxes(title_text="formation energy (eV/atom)", zeroline=True, zerolinewidth=2)
    return fig
