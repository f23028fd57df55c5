"""Figures of the lesson on the universal equation of state and pairs; crystals on a diagonal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.lessons.curves import GROUP_COLOURS
from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Mode, grid, ink, style
from sus2.types import Array


def universal_figure(
    *,
    curves: Sequence[tuple[str, str, ArrayLike, ArrayLike]],
    line: tuple[ArrayLike, ArrayLike] | None,
    x_title: str,
    y_title: str,
    highlighted: str | None = None,
    mode: Mode = "light",
    height: int = 540,
) -> go.Figure:
    """Energy curves of many crystals, one colour for each group.

    Parameters
    ----------
    curves
        Label, group, x (n,), y (n,).
    line
        The universal curve over them, or None.
    x_title
        Of the axis.
    y_title
        Of the axis.
    highlighted
        Label of the one drawn on top of the others.
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
    for group in [g for g in GROUP_COLOURS if g in {c[1] for c in curves}]:
        # The curves are too thin and too many for the legend.
        fig.add_trace(
            scatter(
                x=[None],
                y=[None],
                mode="lines",
                name=group,
                legendgroup=group,
                line={"color": GROUP_COLOURS[group], "width": 4},
            )
        )
    for label, group, x, y in curves:
        chosen = label == highlighted
        fig.add_trace(
            scatter(
                x=np.asarray(x, dtype=float),
                y=np.asarray(y, dtype=float),
                mode="lines",
                name=group,
                legendgroup=group,
                showlegend=False,
                opacity=1.0 if chosen else 0.6,
                line={
                    "color": GROUP_COLOURS.get(group, SKY),
                    "width": 5 if chosen else 1.7,
                    "dash": "dot" if group == "beyond the cutoff" else "solid",
                },
                hovertemplate=f"{label}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
            )
        )
    if line is not None:
        fig.add_trace(
            scatter(
                x=np.asarray(line[0], dtype=float),
                y=np.asarray(line[1], dtype=float),
                mode="lines",
                name="universal",
                line={"color": ink(mode), "width": 3, "dash": "dash"},
                hovertemplate="%{y:.3f} at %{x:.2f}<extra>universal</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=x_title, range=[-0.45, 2.0], zeroline=False)
    fig.update_yaxes(title_text=y_title, range=[-1.05, -0.35], zeroline=False)
    fig.update_layout(hovermode="closest")
    return fig


def diagonal_figure(
    *,
    labels: Sequence[str],
    x: ArrayLike,
    y: ArrayLike,
    x_title: str,
    y_title: str,
    groups: Sequence[str] | None = None,
    logarithmic: bool = False,
    line: str = "",
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Two numbers of each crystal against each other, with the line where they are equal.

    Parameters
    ----------
    labels
        Of the n crystals.
    x
        (n,).
    y
        (n,).
    x_title
        Of the axis.
    y_title
        Of the axis.
    groups
        (n,) of one colour each.
    logarithmic
        Whether the axes are.
    line
        Name of the line.
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
    kinds = np.array(groups if groups is not None else ["metals"] * len(a))
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    low, high = (low / 1.25, high * 1.25) if logarithmic else (min(0.0, 1.1 * low), 1.08 * high)
    fig = Figure()
    fig.add_trace(
        scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            name=line,
            showlegend=bool(line),
            hoverinfo="skip",
            line={"color": ink(mode), "width": 1.5, "dash": "dash"},
        )
    )
    span = [float(np.log10(low)), float(np.log10(high))] if logarithmic else [low, high]
    places = np.column_stack([np.log10(a), np.log10(b)] if logarithmic else [a, b]) / (span[1] - span[0])
    shown = _sparse(places)
    for kind in dict.fromkeys(kinds.tolist()):
        mine = kinds == kind
        names = [name for name, m in zip(labels, mine, strict=True) if m]
        texts = [name if s else "" for name, s, m in zip(labels, shown, mine, strict=True) if m]
        fig.add_trace(
            scatter(
                x=a[mine],
                y=b[mine],
                text=texts,
                customdata=names,
                mode="markers+text",
                name=kind,
                textposition="top center",
                textfont={"size": 12, "color": ink(mode)},
                showlegend=groups is not None,
                marker={"size": 9, "color": GROUP_COLOURS.get(kind, SKY)},
                hovertemplate="%{customdata}: %{y:.3g} against %{x:.3g}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    kind = "log" if logarithmic else "linear"
    ticks = {"tickvals": [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]} if logarithmic else {}
    fig.update_xaxes(title_text=x_title, type=kind, range=span, **ticks)
    fig.update_yaxes(title_text=y_title, type=kind, range=span, **ticks)
    return fig


def _sparse(places: Array, *, width: float = 0.05, height: float = 0.035) -> list[bool]:
    """Which of some points (n, 2), in units of the axes, can carry a label without hiding another one."""
    kept: list[int] = []
    for k, place in enumerate(places):
        if all(abs(place[0] - places[j][0]) > width or abs(place[1] - places[j][1]) > height for j in kept):
            kept.append(k)
    return [k in kept for k in range(len(places))]


def pairs_figure(
    *,
    pairs: Sequence[str],
    x: ArrayLike,
    values: ArrayLike,
    x_title: str,
    line: tuple[ArrayLike, ArrayLike] | None = None,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """The radial polynomial of several pairs against distance or scaled distance.

    Parameters
    ----------
    pairs
        Names of the p pairs.
    x
        (n,) distances, or (p, n) scaled ones.
    values
        (p, n).
    x_title
        Of the axis.
    line
        The polynomial itself on all of its range; the pairs are then not named again.
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
    if line is not None:
        fig.add_trace(
            scatter(
                x=np.asarray(line[0], dtype=float),
                y=np.asarray(line[1], dtype=float),
                mode="lines",
                name="shared by all pairs",
                line={"color": grid(mode), "width": 11},
                hoverinfo="skip",
            )
        )
    y = np.asarray(values, dtype=float)
    places = np.broadcast_to(np.asarray(x, dtype=float), y.shape)
    colours = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
    for k, name in enumerate(pairs):
        fig.add_trace(
            scatter(
                x=places[k],
                y=y[k],
                mode="lines",
                name=name,
                line={"color": colours[k % len(colours)], "width": 2.6},
                showlegend=line is None,
                hovertemplate=f"{name}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_layout(margin={"t": 75})
    fig.update_xaxes(title_text=x_title)
    fig.update_yaxes(title_text="polynomial", zeroline=True, range=[float(y.min()) - 0.15, float(y.max()) + 0.35])
    return fig


def two_curves_figure(
    *,
    volumes_a3: ArrayLike,
    curves: Mapping[str, ArrayLike],
    minima_a3: Sequence[float],
    mode: Mode = "light",
    height: int = 380,
) -> go.Figure:
    """E(V) of a crystal done right and done wrong, each with its minimum.

    Parameters
    ----------
    volumes_a3
        (n,) angstrom^3/atom.
    curves
        Name -> (n,) eV/atom, the right one first.
    minima_a3
        Volume of each minimum.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v = np.asarray(volumes_a3, dtype=float)
    fig = Figure()
    for (name, values), place, colour, dash in zip(
        curves.items(), minima_a3, (BLUE, VERMILION), ("solid", "dash"), strict=True
    ):
        e = np.asarray(values, dtype=float)
        fig.add_trace(
            scatter(
                x=v,
                y=e,
                mode="lines",
                name=name,
                line={"color": colour, "width": 3, "dash": dash},
                hovertemplate="%{y:.3f} eV/atom at %{x:.2f} Å³/atom<extra></extra>",
            )
        )
        if np.isfinite(place):
            fig.add_vline(x=place, line={"color": colour, "width": 1.5, "dash": "dot"})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="E − E<sub>min</sub> (eV/atom)", rangemode="tozero")
    return fig
