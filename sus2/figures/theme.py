"""The look that all figures share, and a palette that colour-blind readers can tell apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import plotly.graph_objects as go

from sus2.types import Array

Mode = Literal["light", "dark"]

# Okabe and Ito, Color Universal Design (2008): distinct for the common kinds of colour blindness.
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
VERMILION: Final = "#D55E00"
SKY: Final = "#56B4E9"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")

# The app's own font first; it is served with the app.
FONT: Final = '"Source Sans", "Source Sans Pro", "Helvetica Neue", Arial, sans-serif'

_INK: Final = {"light": "#1B2530", "dark": "#E6EBF0"}
_GRID: Final = {"light": "#E3E8ED", "dark": "#2B3540"}
_PAPER: Final = {"light": "#FFFFFF", "dark": "#11161C"}
_LIGHT: Final = {colours["dark"]: colours["light"] for colours in (_INK, _GRID, _PAPER)}


def ink(mode: Mode) -> str:
    """Colour of text and axes.

    Parameters
    ----------
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        CSS.
    """
    return _INK[mode]


def grid(mode: Mode) -> str:
    """Colour of grid lines and quiet marks.

    Parameters
    ----------
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        CSS.
    """
    return _GRID[mode]


def paper(mode: Mode) -> str:
    """Colour of the page behind a figure.

    Parameters
    ----------
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        CSS.
    """
    return _PAPER[mode]


def as_light(value: Any) -> Any:
    """The same figure with the colours of the light theme.

    Parameters
    ----------
    value
        A figure as a dictionary, or a part of it.

    Returns
    -------
    dict
        A copy.
    """
    if isinstance(value, dict):
        return {k: as_light(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_light(v) for v in value]
    return _LIGHT.get(value, value) if isinstance(value, str) else value


def faint(colour: str, opacity: float = 0.2) -> str:
    """A translucent colour of the palette, for bands.

    Parameters
    ----------
    colour
        The colour.
    opacity
        From 0 to 1.

    Returns
    -------
    str
        CSS.
    """
    r, g, b = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity:g})"


def add_band(
    fig: go.Figure,
    x: Array,
    y: Array,
    sigma: Array,
    name: str,
    colour: str,
    *,
    segments: Sequence[slice] = (slice(None),),
    lowest: float = -np.inf,
    row: int | None = None,
    col: int | None = None,
) -> None:
    """Add a band of one sigma around curves, in place, as one trace; what has no finite sigma has no band.

    Parameters
    ----------
    fig
        The figure.
    x
        (n,).
    y
        (n,) or (n, curves).
    sigma
        (n,) or (n, curves).
    name
        In the legend.
    colour
        Of the band.
    segments
        Pieces of x that are drawn without a break.
    lowest
        What the quantity cannot fall below: there the band ends.
    row
        Of the subplot.
    col
        Of the subplot.
    """
    centre, width = (np.asarray(v, dtype=float).reshape(len(x), -1) for v in (y, sigma))
    outline: list[Array] = []
    for part in segments:
        for c, s in zip(centre[part].T, width[part].T, strict=True):
            known = np.isfinite(c) & np.isfinite(s)
            if known.sum() > 1:
                across = x[part][known]
                up, down = (c + s)[known], np.maximum(c - s, lowest)[known]
                outline.append(np.array([[*across, *across[::-1], np.nan], [*up, *down[::-1], np.nan]]))
    if not outline:
        return
    across, along = np.concatenate(outline, axis=1)
    fig.add_trace(
        {
            "type": "scatter",
            "x": across,
            "y": along,
            "mode": "lines",
            "fill": "toself",
            "fillcolor": faint(colour),
            "line": {"width": 0, "color": colour},
            "name": name,
            "hoverinfo": "skip",
        },
        row=row,
        col=col,
    )


def style(fig: go.Figure, *, mode: Mode = "light", height: int = 480) -> go.Figure:
    """Apply the common look to a figure, in place.

    Parameters
    ----------
    fig
        The figure.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        The same.
    """
    fig.update_layout(
        height=height,
        colorway=list(PALETTE),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink(mode), "size": 15, "family": FONT},
        margin={"l": 70, "r": 20, "t": 30, "b": 60},
        hoverlabel={"bgcolor": paper(mode), "font": {"color": ink(mode), "family": FONT}, "bordercolor": grid(mode)},
        legend={"bgcolor": "rgba(0,0,0,0)", "orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0.0},
    )
    axis = {
        "gridcolor": grid(mode),
        "linecolor": ink(mode),
        "tickcolor": ink(mode),
        "zerolinecolor": grid(mode),
        "showline": True,
        "mirror": True,
        "ticks": "outside",
        "ticklen": 5,
        "automargin": True,
    }
    fig.update_xaxes(**axis)
    fig.update_yaxes(**axis)
    return fig


def step_below(largest: float) -> float:
    """A step of ticks that puts one or two of them on either side of zero.

    Parameters
    ----------
    largest
        The largest number on the axis, by size.

    Returns
    -------
    float
        1, 2 or 5 times a power of ten, at most that number; 1 where it is zero.
    """
    if not largest > 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(k * power for k in (5.0, 2.0, 1.0) if k * power <= largest * (1.0 + 1e-9))


def enlarged(figure: go.Figure, factor: float = 1.4) -> dict[str, Any]:
    """A copy of a figure with larger letters, lines and marks, for a projector.

    Parameters
    ----------
    figure
        The figure.
    factor
        By which they grow.

    Returns
    -------
    dict
        As plotly's dictionary.
    """
    found: dict[str, Any] = _enlarged(figure.to_dict(), factor)
    margin = found["layout"].get("margin", {})
    found["layout"]["margin"] = {side: factor * size if side in "lb" else size for side, size in margin.items()}
    axes = {name: axis for name, axis in found["layout"].items() if re.fullmatch(r"[xy]axis\d*", name)}
    # Titles of several axes would run into each other; without a distance they would cover the larger numbers.
    size = found["layout"].get("font", {}).get("size", 12.0) * (1.0 if len(axes) == 2 else 0.8)
    for axis in axes.values():
        if axis.get("title"):
            title = axis["title"] if isinstance(axis["title"], dict) else {"text": axis["title"]}
            axis["title"] = {**title, "standoff": 8, "font": {**title.get("font", {}), "size": size}}
    return found


def _enlarged(part: Any, factor: float) -> Any:
    if isinstance(part, list | tuple):
        return [_enlarged(p, factor) for p in part]
    if not isinstance(part, dict):
        return part
    out = {}
    for key, value in part.items():
        out[key] = _enlarged(value, factor)
        name = {"line": "width", "marker": "size"}.get(key, "size" if key.lower().endswith("font") else "")
        if name and isinstance(value, dict) and isinstance(value.get(name), int | float):
            out[key][name] = factor * value[name]
    return out
