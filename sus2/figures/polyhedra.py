"""Coordination polyhedra as meshes of plotly."""

from __future__ import annotations

import numpy as np

from sus2.figures.plain import Properties, mesh3d
from sus2.types import Array, Index


def polyhedra_mesh(points: Array, triangles: Index, rgb: str, symbol: str) -> Properties:
    """Draw the polyhedra of one element so that atoms are seen through them.

    Parameters
    ----------
    points
        Corners (k, 3), A.
    triangles
        Numbers of corners (t, 3).
    rgb
        Colour in the notation of CSS.
    symbol
        Of the element in the middle.

    Returns
    -------
    Properties
        A trace.
    """
    x, y, z = np.round(points, 3).T
    i, j, k = triangles.T
    return mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        color=rgb,
        opacity=0.35,
        flatshading=True,
        hoverinfo="skip",
        showlegend=False,
        name=f"polyhedra of {symbol}",
    )
