"""Elastic constants: the tensor, moduli as surfaces and as cuts, and bars to compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, bar, heatmap, scatterpolar, subplots, surface
from sus2.figures.theme import BLUE, GREEN, PALETTE, VERMILION, Mode, grid, ink, paper, style
from sus2.properties.elastic.directions import (
    linear_compressibility_per_tpa,
    poissons_ratio,
    shear_modulus_gpa,
    youngs_modulus_gpa,
)
from sus2.structures import with_subscripts
from sus2.trust.digits import digits_of, number_text
from sus2.types import Array
from sus2.voigt import NAMES

Quantity = Literal["youngs_modulus", "compressibility", "shear_modulus", "poissons_ratio"]

LABELS: Final[dict[Quantity, tuple[str, str]]] = {
    "youngs_modulus": ("Young's modulus", "GPa"),
    "compressibility": ("linear compressibility", "1/TPa"),
    "shear_modulus": ("shear modulus", "GPa"),
    "poissons_ratio": ("Poisson's ratio", ""),
}
_FUNCTIONS: Final[dict[Quantity, Callable[[Array, Array], Array]]] = {
    "youngs_modulus": youngs_modulus_gpa,
    "compressibility": linear_compressibility_per_tpa,
    "shear_modulus": shear_modulus_gpa,
    "poissons_ratio": poissons_ratio,
}
_PLANES: Final = (("xy", (0, 1)), ("xz", (0, 2)), ("yz", (1, 2)))


def tensor_figure(
    *,
    c_gpa: ArrayLike,
    difference_from_gpa: ArrayLike | None = None,
    sigma_gpa: ArrayLike | None = None,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Heat map of an elastic tensor with its numbers, or of its difference from another.

    Parameters
    ----------
    c_gpa
        (6, 6).
    difference_from_gpa
        (6, 6) of the other.
    sigma_gpa
        One standard deviation of each (6, 6), nan where unknown: the numbers end where it begins.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    c = np.asarray(c_gpa, dtype=float)
    shown = c if difference_from_gpa is None else c - np.asarray(difference_from_gpa, dtype=float)
    digits = 1 if difference_from_gpa is None else 2
    half = 0.5 * 10.0**-digits
    sigma = np.full((6, 6), math.nan) if sigma_gpa is None else np.broadcast_to(sigma_gpa, (6, 6))
    text = [
        ["0" if abs(x) < half else number_text(x, digits_of(digits, s)) for x, s in zip(*row, strict=True)]
        for row in zip(shown, sigma, strict=True)
    ]
    largest = max(float(np.abs(shown).max()), 1e-9)
    fig = Figure(
        heatmap(
            z=shown,
            x=NAMES,
            y=NAMES,
            text=text,
            texttemplate="%{text}",
            textfont={"size": 14},
            zmin=-largest,
            zmax=largest,
            colorscale=[[0.0, VERMILION], [0.5, paper(mode)], [1.0, BLUE]],
            colorbar={"title": {"text": "GPa"}, "outlinewidth": 0},
            xgap=2,
            ygap=2,
            hovertemplate="C(%{y}, %{x}) = %{z:.3f} GPa<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_layout(margin_b=10)  # nothing stands below it
    fig.update_yaxes(autorange="reversed", scaleanchor="x", constrain="domain", showgrid=False)
    fig.update_xaxes(side="top", constrain="domain", showgrid=False)
    return fig


def surface_figure(
    *,
    c_gpa: ArrayLike,
    quantity: Quantity,
    sheet: Literal["minimum", "maximum"] = "maximum",
    resolution: int = 72,
    mode: Mode = "light",
    height: int = 520,
) -> go.Figure:
    """A modulus as the distance from the origin in each direction of the IEEE axes, coloured by its value.

    Negative values are drawn at their size, and keep their sign in colour and label.

    Parameters
    ----------
    c_gpa
        (6, 6) in the IEEE axes.
    quantity
        The modulus.
    sheet
        Of shear modulus and Poisson's ratio, the smallest or largest over the directions normal to that one.
    resolution
        Points per half turn.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    polar, around = np.linspace(0, np.pi, resolution), np.linspace(0, 2 * np.pi, 2 * resolution)
    theta, phi = np.meshgrid(polar, around, indexing="ij")
    n = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    value = _sheets(c_gpa, quantity, n.reshape(-1, 3))[:, 0 if sheet == "minimum" else -1].reshape(theta.shape)
    x, y, z = np.moveaxis(n * np.abs(value)[..., None], -1, 0)
    label, unit = LABELS[quantity]
    fig = Figure(
        surface(
            x=x,
            y=y,
            z=z,
            surfacecolor=value,
            customdata=value,
            colorscale="Cividis",
            colorbar={"title": {"text": unit}, "outlinewidth": 0, "len": 0.8},
            hovertemplate=f"%{{customdata:.4g}} {unit}<extra>{label}</extra>",
            lighting={"ambient": 0.75, "diffuse": 0.5, "specular": 0.05},
        )
    )
    reach = float(np.abs(value).max()) * 1.05
    axis = {
        "range": [-reach, reach],
        "gridcolor": grid(mode),
        "color": ink(mode),
        "showbackground": False,
        "zerolinecolor": grid(mode),
        "nticks": 5,
    }
    style(fig, mode=mode, height=height)
    fig.update_layout(
        scene={
            **{f"{name}axis": {**axis, "title": {"text": f"{name} ({unit})" if unit else name}} for name in "xyz"},
            "aspectmode": "cube",
        },
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
    )
    return fig


def cuts_figure(
    *, c_gpa: ArrayLike, quantity: Quantity, points: int = 361, mode: Mode = "light", height: int = 380
) -> go.Figure:
    """A modulus in the planes xy, xz and yz of the IEEE axes; the smallest and largest where there are two sheets.

    Negative values are drawn at their size as dotted lines.

    Parameters
    ----------
    c_gpa
        (6, 6) in the IEEE axes.
    quantity
        The modulus.
    points
        Of each line.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    label, unit = LABELS[quantity]
    fig = subplots(rows=1, cols=3, specs=[[{"type": "polar"}] * 3], horizontal_spacing=0.13)
    for column, (plane, (i, j)) in enumerate(_PLANES, start=1):
        n = np.zeros((points, 3))
        n[:, i], n[:, j] = np.cos(angle), np.sin(angle)
        sheets = _sheets(c_gpa, quantity, n)
        names = [label] if sheets.shape[1] == 1 else ["smallest", "largest"]
        for k, name in enumerate(names):
            for sign in (1.0, -1.0):
                part = np.where(sign * sheets[:, k] >= 0, np.abs(sheets[:, k]), np.nan)
                if np.isfinite(part).any():
                    fig.add_trace(
                        scatterpolar(
                            r=part,
                            theta=np.degrees(angle),
                            mode="lines",
                            name=name if sign > 0 else f"{name}, negative",
                            legendgroup=f"{name}{sign}",
                            showlegend=column == 1 and (len(names) > 1 or sign < 0),
                            line={"color": (BLUE, GREEN)[k], "width": 2.5, "dash": "solid" if sign > 0 else "dot"},
                            customdata=sheets[:, k],
                            hovertemplate=f"%{{customdata:.4g}} {unit} at %{{theta:.0f}}°<extra>{plane}</extra>",
                        ),
                        row=1,
                        col=column,
                    )
    style(fig, mode=mode, height=height)
    fig.update_polars(
        bgcolor="rgba(0,0,0,0)",
        radialaxis={"gridcolor": grid(mode), "color": ink(mode), "nticks": 4, "angle": 45, "tickangle": 45},
        angularaxis={"gridcolor": grid(mode), "linecolor": ink(mode), "color": ink(mode), "tick0": 0, "dtick": 45},
    )
    for column, (plane, _) in enumerate(_PLANES):
        fig.add_annotation(
            text=f"<b>{plane} plane</b>, 0° along {plane[0]}",
            x=(column + 0.5) / 3.0,
            y=-0.14,
            xref="paper",
            yref="paper",
            showarrow=False,
        )
    fig.update_layout(margin={"l": 40, "r": 40, "t": 50, "b": 60})
    return fig


def bars_figure(
    *, groups: Mapping[str, Mapping[str, float]], unit: str = "GPa", mode: Mode = "light", height: int = 380
) -> go.Figure:
    """Values by name, side by side for several results.

    Parameters
    ----------
    groups
        groups[result][name].
    unit
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
    fig = Figure()
    for k, (result, values) in enumerate(groups.items()):
        fig.add_trace(
            bar(
                x=list(values),
                y=list(values.values()),
                name=result,
                marker={"color": PALETTE[k % len(PALETTE)], "pattern": {"shape": ("", "/", ".", "x", "\\")[k % 5]}},
                hovertemplate=f"%{{x}} = %{{y:.2f}} {unit}<extra>{result}</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_layout(barmode="group", bargap=0.25)
    fig.update_yaxes(title_text=unit, zeroline=True, zerolinewidth=2)
    return fig


def independent_constants(c_gpa: ArrayLike, *, others: Sequence[ArrayLike] = ()) -> dict[str, tuple[int, int]]:
    """The different constants of the upper triangle that are not zero, the diagonal first.

    Parameters
    ----------
    c_gpa
        (6, 6).
    others
        Tensors in which equal constants must be equal too.

    Returns
    -------
    dict
        Name -> row and column, from 0.
    """
    tensors = [np.asarray(c, dtype=float) for c in (c_gpa, *others)]
    scale = max(float(np.abs(t).max()) for t in tensors)
    order = [(i, i) for i in range(6)] + [(i, j) for i in range(6) for j in range(i + 1, 6)]
    found: dict[str, tuple[int, int]] = {}
    seen: list[Array] = []
    for i, j in order:
        values = np.array([t[i, j] for t in tensors])
        known = any(np.abs(np.abs(values) - np.abs(s)).max() < 1e-5 * scale for s in seen)
        if np.abs(values).max() > 1e-5 * scale and not known:
            seen.append(values)
            found[with_subscripts(f"C{i + 1}{j + 1}")] = (i, j)
    return found


def _sheets(c_gpa: ArrayLike, quantity: Quantity, directions: Array) -> Array:
    """(nd, 1), or (nd, 2) with the smallest and largest over transverse directions."""
    value = _FUNCTIONS[quantity](np.asarray(c_gpa, dtype=float), directions)
    return value.reshape(len(directions), -1)
