"""Figures of the lesson on functionals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.lessons.curves import marker
from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, GREEN, VERMILION, Mode, grid, ink, style


def functional_figure(
    *,
    volumes_a3: ArrayLike,
    highest_thz: ArrayLike,
    names: tuple[str, str],
    own_a3: tuple[float, float],
    own_thz: tuple[float, float],
    given_a3: float,
    at_volume_a3: float,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Highest frequency of two functionals against one axis of volume, each at rest as a large point.

    Parameters
    ----------
    volumes_a3
        (n,) angstrom^3/atom.
    highest_thz
        (2, n).
    names
        Of the functionals.
    own_a3
        Volumes at rest.
    own_thz
        Frequencies there.
    given_a3
        Volume of the crystal as given.
    at_volume_a3
        Volume that is marked.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v, f = np.asarray(volumes_a3, dtype=float), np.asarray(highest_thz, dtype=float)
    fig = Figure()
    fig.add_vline(x=given_a3, line={"color": GREEN, "width": 2, "dash": "dash"})
    fig.add_annotation(
        x=given_a3,
        y=0.03,
        yref="y domain",
        text="measured",
        showarrow=False,
        font={"color": GREEN},
        xanchor="left",
        xshift=4,
    )
    fig.add_vline(x=at_volume_a3, line={"color": ink(mode), "width": 1.5, "dash": "dot"})
    for k, (name, colour, dash) in enumerate(zip(names, (BLUE, VERMILION), ("solid", "dash"), strict=True)):
        fig.add_trace(
            scatter(
                x=v,
                y=f[k],
                mode="lines",
                name=name,
                line={"color": colour, "width": 3, "dash": dash},
                hovertemplate=f"{name}: %{{y:.2f}} THz at %{{x:.2f}} Å³/atom<extra></extra>",
            )
        )
        fig.add_trace(
            scatter(
                x=[own_a3[k]],
                y=[own_thz[k]],
                mode="markers",
                name=f"{name} at rest",
                marker={"size": 15, "color": colour, "symbol": ("circle", "diamond")[k]},
                hovertemplate=f"{name} at rest: %{{y:.2f}} THz<extra></extra>",
            )
        )
    here = [float(np.interp(at_volume_a3, v, row)) for row in f]
    fig.add_trace(
        scatter(
            x=[at_volume_a3] * 2, y=here, mode="markers", showlegend=False, marker=marker(mode, 11), hoverinfo="skip"
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)", range=[v.min(), v.max()])
    fig.update_yaxes(title_text="highest frequency (THz)")
    return fig


def errors_figure(
    *,
    labels: Sequence[str],
    names: tuple[str, str],
    errors_percent: ArrayLike,
    title: str,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Errors of two functionals, joined by a line for each crystal.

    Parameters
    ----------
    labels
        Of the n crystals.
    names
        Of the functionals.
    errors_percent
        (2, n).
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
    e = np.asarray(errors_percent, dtype=float)
    fig = Figure()
    for k, label in enumerate(labels):
        fig.add_trace(
            scatter(
                x=e[:, k],
                y=[label] * 2,
                mode="lines",
                showlegend=False,
                hoverinfo="skip",
                line={"color": grid(mode), "width": 6},
            )
        )
    for row, name, colour, symbol in zip(e, names, (BLUE, VERMILION), ("circle", "diamond"), strict=True):
        fig.add_trace(
            scatter(
                x=row,
                y=list(labels),
                mode="markers",
                name=name,
                marker={"color": colour, "size": 13, "symbol": symbol},
                hovertemplate=f"%{{y}}, {name}: %{{x:+.2f}} %<extra></extra>",
            )
        )
    fig.add_vline(x=0.0, line={"color": ink(mode), "width": 1.5})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig
