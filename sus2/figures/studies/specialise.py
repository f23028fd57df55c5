"""Figures of a potential made for one crystal or from one's own frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure
from sus2.figures.theme import BLUE, PALETTE, Mode, ink, style


def errors_figure(
    *, x: Sequence[float], curves: Mapping[str, Sequence[float]], label: str, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Errors against time or the number of frames, both on logarithmic axes.

    Parameters
    ----------
    x
        (n,).
    curves
        Name with its unit -> values.
    label
        Of the axis of x.
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
    for k, (name, y) in enumerate(curves.items()):
        fig.add_scatter(
            x=list(x),
            y=list(y),
            name=name,
            mode="lines+markers",
            line={"color": PALETTE[k % len(PALETTE)], "width": 2.5},
            marker={"size": 8},
            hovertemplate=f"%{{x:.3g}}: %{{y:.3g}}<extra>{name}</extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(type="log", title_text=label, dtick="D2")
    fig.update_yaxes(type="log", title_text="Error on held-out structures", dtick="D2")
    return fig


def parity_figure(
    *, labels: ArrayLike, predicted: ArrayLike, quantity: str, unit: str, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Predictions against labels with the diagonal.

    Parameters
    ----------
    labels
        (K,).
    predicted
        (K,).
    quantity
        What they are.
    unit
        Of both.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x, y = np.asarray(labels, dtype=float), np.asarray(predicted, dtype=float)
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    fig = Figure()
    fig.add_scatter(x=ends, y=ends, mode="lines", line={"color": ink(mode), "width": 1}, name="equal", hoverinfo="skip")
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 5, "color": BLUE, "opacity": 0.6},
        name=quantity,
        hovertemplate=f"label %{{x:.4g}} {unit}, predicted %{{y:.4g}} {unit}<extra></extra>",
    )
    style(fig, mode=mode, height=height)
    fig.update_layout(showlegend=False)
    fig.update_xaxes(title_text=f"Label ({unit})")
    fig.update_yaxes(title_text=f"{quantity}, predicted")
    return fig
