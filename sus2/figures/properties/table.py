"""Many crystals: one number against another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, PALETTE, Mode, paper, style

MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
MAX_NAMED = 12
OTHERS = "others"


def many_figure(
    *,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    groups: Sequence[str] | None = None,
    x_title: str,
    y_title: str,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """y against x (n,), a point for each crystal that has both numbers, named where there are at most MAX_NAMED.

    groups (n,): of one colour and marker each, in the legend, the largest first; what has no marker is OTHERS.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    both = np.isfinite(a) & np.isfinite(b)
    labels = list(groups) if groups is not None else [""] * len(a)
    counts = Counter(label for label, ok in zip(labels, both, strict=True) if ok)
    kinds = [kind for kind, _ in counts.most_common()]
    if len(kinds) > len(MARKERS):
        kinds = [*kinds[: len(MARKERS) - 1], OTHERS]
        labels = [label if label in kinds else OTHERS for label in labels]
    few = int(both.sum()) <= MAX_NAMED
    fig = Figure()
    for k, kind in enumerate(kinds):
        mine = [n for n in np.flatnonzero(both).tolist() if labels[n] == kind]
        fig.add_trace(
            scatter(
                x=a[mine],
                y=b[mine],
                mode="markers+text" if few else "markers",
                text=[_short(names[n]) for n in mine],
                textposition="top center",
                textfont={"size": 12},
                hovertext=[names[n] for n in mine],
                customdata=np.array(mine)[:, None],
                name=kind,
                showlegend=len(kinds) > 1,
                marker={
                    "color": PALETTE[k] if len(kinds) > 1 else BLUE,
                    "symbol": MARKERS[k],
                    "size": 10,
                    "line": {"color": paper(mode), "width": 1},
                },
                hovertemplate=f"<b>%{{hovertext}}</b><br>{x_title}: %{{x:.5g}}<br>{y_title}: %{{y:.5g}}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=x_title)
    fig.update_yaxes(title_text=y_title)
    return fig


def _short(name: str) -> str:
    name = re.sub(r"\.(cif|vasp|poscar|xyz|extxyz|json)\b", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return name if len(name) <= 18 else name[:15] + "..."
