"""Errors in units of what was predicted, and how far a squeezed crystal is from the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure
from sus2.figures.theme import BLUE, GREEN, ORANGE, PALETTE, VERMILION, Mode, faint, ink, paper, style

_REACH = 4.0


def sigmas_figure(
    *, labels: Sequence[str], sigmas: Mapping[str, ArrayLike], mode: Mode = "light", height: int = 420
) -> go.Figure:
    """Errors of crystals in units of their predicted standard deviation, for each quantity.

    Bands: one and two standard deviations; what lies further than four is drawn at four as a triangle.

    Parameters
    ----------
    labels
        Of the n crystals.
    sigmas
        Quantity -> (n,).
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
    for reach, colour in ((2.0, faint(ORANGE, 0.18)), (1.0, faint(GREEN, 0.22))):
        fig.add_hrect(y0=-reach, y1=reach, fillcolor=colour, line={"width": 0}, layer="below")
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
    for k, (quantity, values) in enumerate(sigmas.items()):
        y = np.asarray(values, dtype=float)
        far = np.abs(y) > _REACH
        fig.add_scatter(
            x=list(labels),
            y=np.clip(y, -_REACH, _REACH),
            mode="markers",
            name=quantity,
            customdata=y,
            marker={
                "color": PALETTE[k],
                "size": 11,
                "symbol": ["triangle-up" if f else ("circle", "square")[k % 2] for f in far.tolist()],
                "line": {"color": paper(mode), "width": 1},
            },
            hovertemplate="%{x}: %{customdata:.2f} σ<extra>" + quantity + "</extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_yaxes(title_text="error / predicted σ", range=[-_REACH - 0.5, _REACH + 0.5])
    return fig


def grade_figure(
    *, ratios: ArrayLike, grades: ArrayLike, at_ratio: float, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Extrapolation grade against volume over that at rest.

    Parameters
    ----------
    ratios
        (n,) V/V0.
    grades
        (n,).
    at_ratio
        The volume that is marked.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x, y = np.asarray(ratios, dtype=float), np.asarray(grades, dtype=float)
    fig = Figure()
    fig.add_hrect(y0=0.0, y1=1.0, fillcolor=faint(GREEN, 0.2), line={"width": 0}, layer="below")
    fig.add_hline(y=3.0, line={"color": VERMILION, "width": 1.5, "dash": "dash"})
    fig.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        showlegend=False,
        line={"color": BLUE, "width": 2.5},
        marker={"color": BLUE, "size": 6},
        hovertemplate="%{x:.2f} V₀: grade %{y:.2f}<extra></extra>",
    )
    fig.add_vline(x=at_ratio, line={"color": ink(mode), "width": 1, "dash": "dot"})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume over that at rest")
    fig.update_yaxes(title_text="extrapolation grade", rangemode="tozero")
    return fig
