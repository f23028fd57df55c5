"""Learning curves of a small potential, and its E(V) beside the teacher's within and beyond what was labelled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure
from sus2.figures.theme import BLUE, GREEN, VERMILION, Mode, faint, ink, style

# Errors below this, in the unit of the axis, are drawn there: the axis is logarithmic.
_LEAST = 0.1


def learning_figure(
    *, counts: ArrayLike, curves: Mapping[str, ArrayLike], at_count: float, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Errors of forces against the number of structures, both logarithmic.

    Parameters
    ----------
    counts
        (n,), numbers of structures.
    curves
        Name -> errors (n,), meV/A: on the structures that were fitted, then on others. Those below 0.1 are drawn at
        it.
    at_count
        The number that is marked.
    mode
        Light or dark.
    height
        Pixels.

    Returns
    -------
    go.Figure
        The figure.
    """
    fig = Figure()
    for (name, values), colour, symbol in zip(curves.items(), (BLUE, VERMILION), ("circle", "square"), strict=True):
        y = np.asarray(values, dtype=float)
        fig.add_scatter(
            x=np.asarray(counts, dtype=float),
            y=np.maximum(y, _LEAST),
            customdata=y,
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2.5},
            marker={"size": 10, "symbol": symbol},
            hovertemplate=f"%{{x}} structures: %{{customdata:.1f}} meV/Å<extra>{name}</extra>",
        )
    fig.add_vline(x=at_count, line={"color": ink(mode), "width": 1, "dash": "dot"})
    style(fig, mode=mode, height=height)
    ticks = [int(n) for n in np.asarray(counts)]
    fig.update_xaxes(type="log", title_text="structures", tickvals=ticks, ticktext=[str(n) for n in ticks])
    fig.update_yaxes(type="log", title_text="error of forces (meV/Å)", dtick="D2")
    return fig


def reach_figure(
    *,
    volumes_a3: ArrayLike,
    curves: Mapping[str, ArrayLike],
    labelled_a3: tuple[float, float],
    mode: Mode = "light",
    height: int = 360,
) -> go.Figure:
    """E(V) of the teacher and the student, labelled volumes shaded.

    Parameters
    ----------
    volumes_a3
        (n,), A^3 per atom.
    curves
        Name -> energies above the minimum (n,), eV per atom: the teacher's, then the student's.
    labelled_a3
        Smallest and largest labelled volume, A^3 per atom.
    mode
        Light or dark.
    height
        Pixels.

    Returns
    -------
    go.Figure
        The figure.
    """
    v = np.asarray(volumes_a3, dtype=float)
    fig = Figure()
    fig.add_vrect(x0=labelled_a3[0], x1=labelled_a3[1], fillcolor=faint(GREEN, 0.2), line={"width": 0}, layer="below")
    for (name, values), colour, dash in zip(curves.items(), (BLUE, VERMILION), ("solid", "dash"), strict=True):
        fig.add_scatter(
            x=v,
            y=np.asarray(values, dtype=float),
            mode="lines",
            name=name,
            line={"color": colour, "width": 3, "dash": dash},
            hovertemplate="%{y:.3f} eV/atom at %{x:.2f} Å³/atom<extra></extra>",
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)", range=[float(v.min()), float(v.max())])
    fig.update_yaxes(title_text="E − E<sub>min</sub> (eV/atom)")
    return fig
