"""Figures of the studies: methods side by side, scaling laws, shifts between functionals, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, bar, subplots
from sus2.figures.theme import BLUE, ORANGE, PALETTE, Mode, grid, ink, style


def methods_figure(
    *,
    names: Sequence[str],
    ours: Sequence[float],
    paper: Sequence[float | None],
    label: str,
    mode: Mode = "light",
    height: int = 380,
) -> go.Figure:
    """One bar for each method, and the paper's figure beside it where there is one (another model and data set).

    Parameters
    ----------
    names
        Of the methods.
    ours
        Our figure of each.
    paper
        The paper's, or None.
    label
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
    fig = Figure()
    fig.add_bar(
        x=list(names),
        y=list(ours),
        name="this study",
        marker_color=BLUE,
        text=[f"{v:.0f}" for v in ours],
        hovertemplate="%{x}: %{y:.1f}<extra>this study</extra>",
    )
    if any(v is not None for v in paper):
        fig.add_bar(
            x=list(names),
            y=list(paper),
            name="Huang et al. 2025 (CHGNet)",
            marker_color=ORANGE,
            text=["" if v is None else f"{v:.0f}" for v in paper],
            hovertemplate="%{x}: %{y:.0f}<extra>Huang et al.</extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_yaxes(title_text=label)
    fig.update_layout(bargap=0.35)
    return fig


def scaling_figure(
    *, curves: Mapping[str, tuple[ArrayLike, ArrayLike]], label: str, mode: Mode = "light", height: int = 440
) -> go.Figure:
    """Error against the number of structures on logarithmic axes.

    Parameters
    ----------
    curves
        Name -> numbers, errors.
    label
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
    fig = Figure()
    for k, (name, (x, y)) in enumerate(curves.items()):
        fig.add_scatter(
            x=np.asarray(x),
            y=np.asarray(y),
            name=name,
            mode="lines+markers",
            line={"color": PALETTE[k % len(PALETTE)], "width": 2.5},
            marker={"size": 9},
            hovertemplate=f"%{{x:,}} structures: %{{y:.1f}}<extra>{name}</extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(type="log", title_text="r2SCAN structures trained on", dtick=1)
    fig.update_yaxes(type="log", title_text=label, dtick="D2")
    return fig


def power_law(x: ArrayLike, y: ArrayLike) -> float:
    """Exponent b of y ~ x^b, by least squares in the logarithms.

    Parameters
    ----------
    x
        (n,) positive.
    y
        (n,) positive.

    Returns
    -------
    float
        b.
    """
    slope, _ = np.polyfit(np.log(np.asarray(x, dtype=float)), np.log(np.asarray(y, dtype=float)), 1)
    return float(slope)


def shifts_figure(
    *, shifts_ev: Mapping[str, float], chosen: str = "", mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Shift of each element's energy from one functional to the other; one element can be marked.

    Parameters
    ----------
    shifts_ev
        Element -> eV/atom.
    chosen
        The marked one; empty for none.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    fig = Figure(
        bar(
            x=list(shifts_ev),
            y=list(shifts_ev.values()),
            marker_color=[ORANGE if e == chosen else BLUE for e in shifts_ev],
            hovertemplate="%{x}: %{y:.2f} eV/atom<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_yaxes(title_text="r2SCAN − PBE (eV/atom)")
    return fig


def agreement_figure(
    *,
    raw: tuple[ArrayLike, ArrayLike],
    referenced: tuple[ArrayLike, ArrayLike],
    names: Sequence[str],
    marked: Sequence[bool],
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """r2SCAN against PBE energies of the same crystals, raw and as formation energies; some crystals marked.

    Parameters
    ----------
    raw
        PBE and r2SCAN, eV/atom.
    referenced
        The same as formation energies.
    names
        Of the crystals.
    marked
        Which ones are.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    fig = subplots(rows=1, cols=2, horizontal_spacing=0.12, subplot_titles=("Raw", "Formation energies"))
    colours = [ORANGE if m else BLUE for m in marked]
    for column, (x, y) in enumerate((raw, referenced), 1):
        a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        fig.add_scatter(
            x=a,
            y=b,
            mode="markers",
            marker={"color": colours, "size": 6, "opacity": 0.7},
            text=list(names),
            hovertemplate="%{text}<br>PBE %{x:.3f}, r2SCAN %{y:.3f} eV/atom<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        ends = [float(min(a.min(), b.min())), float(max(a.max(), b.max()))]
        if column == 2:
            fig.add_scatter(
                x=ends,
                y=ends,
                mode="lines",
                line={"color": grid(mode), "width": 2},
                showlegend=False,
                hoverinfo="skip",
                row=1,
                col=2,
            )
        fig.update_xaxes(title_text="PBE (eV/atom)", row=1, col=column)
    style(fig, mode=mode, height=height)
    fig.update_layout(margin={"t": 50})
    fig.update_annotations(font={"color": ink(mode), "size": 15})
    fig.update_yaxes(title_text="r2SCAN (eV/atom)", row=1, col=1)
    return fig


def ablation_figure(
    *,
    names: Sequence[str],
    inside: Sequence[float],
    outside: Sequence[float],
    labels: tuple[str, str],
    title: str,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Two bars for each variant: errors inside what training has seen, and outside it.

    Parameters
    ----------
    names
        Of the variants.
    inside
        Errors inside.
    outside
        Errors outside.
    labels
        Of inside and outside.
    title
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
    fig = Figure()
    for name, values, colour in ((labels[0], inside, BLUE), (labels[1], outside, ORANGE)):
        fig.add_bar(
            x=list(names),
            y=list(values),
            name=name,
            marker_color=colour,
            text=[f"{v:.0f}" for v in values],
            hovertemplate=f"%{{x}}: %{{y:.1f}}<extra>{name}</extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_yaxes(title_text=title)
    return fig


def size_figure(
    *,
    names: Sequence[str],
    parameters: ArrayLike,
    energy: ArrayLike,
    force: ArrayLike,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Errors against the number of parameters, one point for each graph.

    Parameters
    ----------
    names
        Of the graphs.
    parameters
        (n,).
    energy
        (n,) meV/atom.
    force
        (n,) meV/angstrom.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    fig = subplots(rows=1, cols=2, horizontal_spacing=0.14)
    for column, (values, label, colour) in enumerate(
        ((energy, "Energy MAE (meV/atom)", BLUE), (force, "Force MAE (meV/Å)", ORANGE)), 1
    ):
        fig.add_scatter(
            x=np.asarray(parameters),
            y=np.asarray(values),
            mode="lines+markers+text",
            text=list(names),
            textposition="top center",
            line={"color": colour},
            marker={"size": 9},
            showlegend=False,
            hovertemplate="%{text}: %{x} parameters, %{y:.1f}<extra></extra>",
            row=1,
            col=column,
        )
        fig.update_xaxes(title_text="Parameters", row=1, col=column)
        fig.update_yaxes(title_text=label, row=1, col=column)
    style(fig, mode=mode, height=height)
    return fig


def limits_figure(
    *,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    lines: Mapping[str, float],
    label: str,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Errors against the number of compositions.

    Parameters
    ----------
    curves
        Name -> numbers, errors on trained compositions, errors on held-out ones.
    lines
        Name -> an error to compare with, drawn across.
    label
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
    fig = Figure()
    for k, (name, (x, seen, held)) in enumerate(curves.items()):
        for values, dash, what in ((held, "solid", "held out"), (seen, "dot", "trained on")):
            fig.add_scatter(
                x=np.asarray(x),
                y=np.asarray(values),
                name=f"{name}, {what}",
                mode="lines+markers",
                legendgroup=name,
                line={"color": PALETTE[k % len(PALETTE)], "width": 2.5, "dash": dash},
                marker={"size": 8},
                hovertemplate=f"%{{x:,}} compositions: %{{y:.1f}}<extra>{name}, {what}</extra>",
            )
    everywhere = np.concatenate([np.asarray(x) for x, _, _ in curves.values()])
    ends = [int(everywhere.min()), int(everywhere.max())]
    for name, value in lines.items():
        fig.add_scatter(
            x=ends,
            y=[float(value)] * 2,
            name=name,
            mode="lines",
            hovertemplate=f"{name}: %{{y:.1f}}<extra></extra>",
            line={"color": ink(mode), "width": 1.5, "dash": "dash"},
        )
    style(fig, mode=mode, height=height)
    # At 1, 2 and 5 alone: all digits of a decade run into one another.
    fig.update_xaxes(type="log", title_text="Compositions trained on", dtick="D2")
    fig.update_yaxes(type="log", title_text=label, dtick="D2")
    return fig
