"""Figures of the lesson on elasticity."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, bar, scatter
from sus2.figures.theme import BLUE, ORANGE, Mode, grid, ink, style
from sus2.structures import with_subscripts
from sus2.voigt import NAMES


def stress_figure(
    *, computed_gpa: ArrayLike, linear_gpa: ArrayLike, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Six stresses, Voigt order: computed in the strained cell (bars) and C times the strain (marks).

    Parameters
    ----------
    computed_gpa
        (6,).
    linear_gpa
        (6,).
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    computed, linear = np.asarray(computed_gpa, dtype=float), np.asarray(linear_gpa, dtype=float)
    fig = Figure()
    fig.add_trace(
        bar(
            x=NAMES,
            y=computed,
            name="computed in the strained cell",
            marker={"color": BLUE},
            width=0.62,
            hovertemplate="σ<sub>%{x}</sub> = %{y:.3f} GPa<extra></extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=NAMES,
            y=linear,
            mode="markers",
            name="C times the strain",
            marker={"symbol": "line-ew", "size": 34, "line": {"width": 4, "color": ORANGE}},
            hovertemplate="C·e: %{y:.3f} GPa<extra></extra>",
        )
    )
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
    style(fig, mode=mode, height=height)
    both = np.concatenate([computed, linear])
    top, bottom = max(0.05, 1.15 * float(both.max())), min(0.0, 1.15 * float(both.min()))
    fig.update_yaxes(title_text="stress (GPa)", range=[min(bottom, -0.25 * top), max(top, -0.25 * bottom)])
    fig.update_xaxes(showgrid=False)
    return fig


def pattern_figure(*, nonzero: ArrayLike, independent: int, mode: Mode = "light", height: int = 360) -> go.Figure:
    """Which of the 6 x 6 elastic constants symmetry allows (filled), and how many of them are independent.

    Parameters
    ----------
    nonzero
        (6, 6) whether it may differ from zero.
    independent
        How many are independent.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    allowed = np.asarray(nonzero, dtype=bool)
    rows, columns = np.indices((6, 6))
    fig = Figure()
    for kind, mask, colour, symbol, size in (
        ("zero by symmetry", ~allowed, grid(mode), "circle", 8),
        ("may differ from zero", allowed, BLUE, "square", 26),
    ):
        fig.add_trace(
            scatter(
                x=columns[mask],
                y=rows[mask],
                mode="markers",
                name=kind,
                marker={"symbol": symbol, "size": size, "color": colour},
                text=[with_subscripts(f"C{r + 1}{c + 1}") for r, c in zip(rows[mask], columns[mask], strict=True)],
                hovertemplate=f"%{{text}}: {kind}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    ticks = {"tickvals": list(range(6)), "ticktext": list(NAMES), "showgrid": False, "zeroline": False}
    fig.update_xaxes(range=[-0.6, 5.6], side="bottom", constrain="domain", **ticks)
    fig.update_yaxes(range=[5.6, -0.6], scaleanchor="x", constrain="domain", **ticks)
    fig.update_layout(
        title={"text": f"{independent} independent constants", "x": 0.5, "xanchor": "center", "font": {"size": 17}},
        margin={"t": 45},
        showlegend=False,
    )
    return fig
