"""A screening: one number against another for very many crystals, and many numbers side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, parcoords, scattergl
from sus2.figures.properties.table import MARKERS, OTHERS, many_figure
from sus2.figures.theme import BLUE, FONT, PALETTE, Mode, grid, ink, style

MANY = 300  # with more points than this the browser draws on the graphics card, and symbols are small


def screening_figure(
    *,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    groups: Sequence[str] | None = None,
    x_title: str,
    y_title: str,
    x_log: bool = False,
    y_log: bool = False,
    mode: Mode = "light",
    height: int = 500,
) -> go.Figure:
    """One number against another, also for tens of thousands of points; each carries its index in x.

    Parameters
    ----------
    x
        (n,).
    y
        (n,).
    names
        Of the n crystals.
    groups
        (n,) of one colour and marker each.
    x_title
        Of the axis.
    y_title
        Of the axis.
    x_log
        Whether the axis is logarithmic.
    y_log
        Whether the axis is logarithmic.
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
    if len(a) <= MANY:
        fig = many_figure(
            x=a, y=b, names=names, groups=groups, x_title=x_title, y_title=y_title, mode=mode, height=height
        )
    else:
        fig = _cloud(a, b, names, groups, x_title, y_title)
        style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=x_title, type="log" if x_log else "linear")
    fig.update_yaxes(title_text=y_title, type="log" if y_log else "linear")
    return fig


def _cloud(
    a: np.ndarray, b: np.ndarray, names: Sequence[str], groups: Sequence[str] | None, x_title: str, y_title: str
) -> go.Figure:
    both = np.isfinite(a) & np.isfinite(b)
    labels = np.array(list(groups) if groups is not None else [""] * len(a), dtype=object)
    kinds = [kind for kind, _ in Counter(labels[both].tolist()).most_common()]
    if len(kinds) > len(MARKERS):
        kinds = [*kinds[: len(MARKERS) - 1], OTHERS]
        labels = np.array([label if label in kinds else OTHERS for label in labels], dtype=object)
    fig = Figure()
    for k, kind in enumerate(kinds):
        mine = np.flatnonzero(both & (labels == kind))
        points = mine.tolist()
        fig.add_trace(
            scattergl(
                x=a[mine],
                y=b[mine],
                mode="markers",
                hovertext=[names[n] for n in points],
                customdata=mine[:, None],
                name=kind,
                showlegend=len(kinds) > 1,
                marker={
                    "color": PALETTE[k] if len(kinds) > 1 else BLUE,
                    "symbol": MARKERS[k],
                    "size": 5,
                    "opacity": 0.6,
                },
                hovertemplate=f"<b>%{{hovertext}}</b><br>{x_title}: %{{x:.5g}}<br>{y_title}: %{{y:.5g}}<extra></extra>",
            )
        )
    return fig


def parallel_figure(
    *,
    columns: Mapping[str, ArrayLike],
    colour: str | None = None,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Parallel axes, and a line for each crystal that has all of their numbers.

    Parameters
    ----------
    columns
        Title -> numbers (n,), one axis each.
    colour
        Title of the axis that colours the lines, the last by default.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    arrays = {title: np.asarray(values, dtype=float) for title, values in columns.items()}
    whole = np.all([np.isfinite(v) for v in arrays.values()], axis=0) if arrays else np.zeros(0, dtype=bool)
    shown = {title: values[whole] for title, values in arrays.items()}
    by = colour if colour in shown else next(reversed(shown), None)
    fig = Figure(
        parcoords(
            dimensions=[{"label": title, "values": values} for title, values in shown.items()],
            line={
                "color": shown[by] if by is not None else BLUE,
                "colorscale": "Cividis" if mode == "light" else "Viridis",
                "showscale": by is not None,
                "colorbar": {
                    "title": {"text": by or "", "side": "right", "font": {"color": ink(mode), "size": 13}},
                    "tickfont": {"color": ink(mode), "size": 12},
                    "outlinewidth": 0,
                    "thickness": 14,
                },
            },
            unselected={"line": {"color": grid(mode), "opacity": 0.25}},
            labelfont={"color": ink(mode), "size": 13, "family": FONT},
            tickfont={"color": ink(mode), "size": 12, "family": FONT, "shadow": "none"},
            rangefont={"color": ink(mode), "size": 11, "family": FONT, "shadow": "none"},
            labelangle=0,
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_layout(margin={"l": 70, "r": 90, "t": 70, "b": 40})
    for k in range(len(shown)):
        # plotly draws the axes black and takes no colour for them, so that none is seen on a dark page.
        x = k / max(1, len(shown) - 1)
        line = {"color": ink(mode), "width": 1}
        fig.add_shape(type="line", xref="paper", yref="paper", x0=x, x1=x, y0=0, y1=1, opacity=0.45, line=line)
    return fig
