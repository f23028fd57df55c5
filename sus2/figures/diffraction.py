"""Powder patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, Mode, style

MAX_NAMED = 14


def powder_figure(
    *,
    two_theta_deg: ArrayLike,
    intensities: ArrayLike,
    indices: Sequence[str],
    title: str = "2θ (°)",
    mode: Mode = "light",
    height: int = 380,
) -> go.Figure:
    """A stick for each line of a powder pattern, the strongest MAX_NAMED with their indices.

    Parameters
    ----------
    two_theta_deg
        (n,) angles.
    intensities
        (n,).
    indices
        Of the n lines.
    title
        Of the angle.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x, y = np.asarray(two_theta_deg, dtype=float), np.asarray(intensities, dtype=float)
    named = set(np.argsort(-y)[:MAX_NAMED].tolist())
    fig = Figure()
    sticks = np.column_stack([x, x, np.full(len(x), np.nan)]).ravel()
    heights = np.column_stack([np.zeros(len(x)), y, np.full(len(x), np.nan)]).ravel()
    fig.add_trace(
        scatter(x=sticks, y=heights, mode="lines", line={"color": BLUE, "width": 2}, hoverinfo="skip", showlegend=False)
    )
    fig.add_trace(
        scatter(
            x=x,
            y=y,
            mode="markers+text",
            text=[indices[k].split()[0] if k in named else "" for k in range(len(x))],
            textposition="top center",
            textfont={"size": 12},
            hovertext=list(indices),
            marker={"color": BLUE, "size": 4},
            showlegend=False,
            hovertemplate="%{hovertext} at %{x:.3f}°, %{y:.1f}<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(title_text="intensity", range=[0.0, 115.0])
    return fig
