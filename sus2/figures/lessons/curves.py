"""Figures of the lesson on E(V), and colours that the lessons share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter, subplots
from sus2.figures.theme import BLUE, GREEN, ORANGE, PURPLE, VERMILION, Mode, grid, ink, paper, style

GROUP_COLOURS: Final[Mapping[str, str]] = {
    "metals": BLUE,
    "covalent crystals": GREEN,
    "ionic crystals": VERMILION,
    "intermetallics": PURPLE,
    "beyond the cutoff": ORANGE,
}
_WASH: Final = {"light": 0.07, "dark": 0.16}


def wash(colour: str, mode: Mode) -> str:
    """A colour so faint that it can lie behind curves.

    Parameters
    ----------
    colour
        The colour.
    mode
        Colours for a light or a dark page.

    Returns
    -------
    str
        CSS.
    """
    r, g, b = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({r},{g},{b},{_WASH[mode]})"


def marker(mode: Mode, size: int = 11) -> dict[str, object]:
    """An open point, as for computed values on every page.

    Parameters
    ----------
    mode
        Colours for a light or a dark page.
    size
        Pixels.

    Returns
    -------
    dict
        Properties of plotly's marker.
    """
    return {"color": paper(mode), "size": size, "line": {"color": ink(mode), "width": 2}}


def minimum_figure(
    *,
    volumes_a3: ArrayLike,
    energies_ev: ArrayLike,
    pressures_gpa: ArrayLike,
    v0_a3: float,
    at_volume_a3: float,
    at_energy_ev: float,
    at_pressure_gpa: float,
    slope_ev_per_a3: float,
    highest_ev: float,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """E(V) per atom with its tangent at one volume (above) and the pressure, minus that slope (below).

    Parameters
    ----------
    volumes_a3
        (n,) angstrom^3/atom.
    energies_ev
        (n,) eV/atom.
    pressures_gpa
        (n,).
    v0_a3
        Volume at rest.
    at_volume_a3
        Volume of the tangent.
    at_energy_ev
        Energy there.
    at_pressure_gpa
        Pressure there.
    slope_ev_per_a3
        Slope there.
    highest_ev
        Top of the axis of energy.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v, e, p = (np.asarray(x, dtype=float) for x in (volumes_a3, energies_ev, pressures_gpa))
    fig = subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.07)
    fig.add_trace(
        scatter(
            x=v,
            y=e,
            mode="lines",
            name="energy",
            line={"color": ink(mode), "width": 3},
            hovertemplate="%{y:.3f} eV/atom at %{x:.2f} Å³/atom<extra></extra>",
        ),
        row=1,
        col=1,
    )
    reach = 0.14 * np.ptp(v)
    ends = np.array([-reach, reach])
    fig.add_trace(
        scatter(
            x=at_volume_a3 + ends,
            y=at_energy_ev + slope_ev_per_a3 * ends,
            mode="lines",
            name="its slope",
            line={"color": ORANGE, "width": 3.5},
            hoverinfo="skip",
        ),
        row=1,
        col=1,
    )
    fig.add_trace(
        scatter(
            x=v,
            y=p,
            mode="lines",
            name="pressure",
            line={"color": GREEN, "width": 3},
            hovertemplate="%{y:.1f} GPa at %{x:.2f} Å³/atom<extra></extra>",
        ),
        row=2,
        col=1,
    )
    for row, y in ((1, at_energy_ev), (2, at_pressure_gpa)):
        fig.add_trace(
            scatter(
                x=[at_volume_a3], y=[y], mode="markers", showlegend=False, marker=marker(mode, 13), hoverinfo="skip"
            ),
            row=row,
            col=1,
        )
        fig.add_vline(x=v0_a3, line={"color": ink(mode), "width": 1, "dash": "dot"}, row=row, col=1)
    for low, high, colour in ((v.min(), v0_a3, VERMILION), (v0_a3, v.max(), BLUE)):
        for row in (1, 2):
            fig.add_vrect(x0=low, x1=high, fillcolor=wash(colour, mode), line_width=0, layer="below", row=row, col=1)
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1}, row=2, col=1)
    style(fig, mode=mode, height=height)
    for x, y, text, anchor in (
        (v.min(), 0.02, "pushed apart", "left"),
        (v.max(), 0.98, "drawn together", "right"),
    ):
        fig.add_annotation(
            x=x,
            y=y,
            yref="y2 domain",
            text=f"<i>{text}</i>",
            showarrow=False,
            xanchor=anchor,
            yanchor="bottom" if y < 0.5 else "top",
            font={"color": ink(mode)},
            xshift=6 if anchor == "left" else -6,
        )
    low, high = float(p.min()), float(np.interp(0.8 * v0_a3, v, p))
    fig.update_yaxes(title_text="E − E<sub>0</sub> (eV/atom)", range=[-0.06 * highest_ev, highest_ev], row=1, col=1)
    fig.update_yaxes(title_text="pressure (GPa)", range=[1.35 * low, 1.5 * high], row=2, col=1)
    fig.update_xaxes(range=[v.min(), v.max()])
    fig.update_xaxes(title_text="volume (Å³/atom)", row=2, col=1)
    return fig


def b0_prime_figure(
    *,
    ratios: ArrayLike,
    pressures_gpa: ArrayLike,
    family: Mapping[float, ArrayLike],
    chosen: float,
    chosen_gpa: ArrayLike,
    own: float,
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """Pressure against V/V0: computed, and curves of equal V0 and B0 with other B0'.

    Parameters
    ----------
    ratios
        (n,) V/V0.
    pressures_gpa
        (n,) computed.
    family
        B0' -> (n,) GPa, drawn faint.
    chosen
        The chosen B0'.
    chosen_gpa
        (n,) of the chosen B0'.
    own
        B0' that the crystal has.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x = np.asarray(ratios, dtype=float)
    fig = Figure()
    for value, row in family.items():
        fig.add_trace(
            scatter(
                x=x,
                y=np.asarray(row, dtype=float),
                mode="lines",
                showlegend=False,
                line={"color": grid(mode), "width": 2},
                hovertemplate=f"B₀′ = {value:g}<extra></extra>",
            )
        )
        fig.add_annotation(
            x=x[0],
            y=float(np.asarray(row)[0]),
            text=f"{value:g}",
            showarrow=False,
            xanchor="right",
            xshift=-4,
            font={"size": 12},
        )
    fig.add_trace(
        scatter(
            x=x,
            y=np.asarray(chosen_gpa, dtype=float),
            mode="lines",
            name=f"B₀′ = {chosen:.1f}",
            line={"color": VERMILION, "width": 3.5},
            hovertemplate="%{y:.1f} GPa at V/V₀ = %{x:.3f}<extra></extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=x[::3],
            y=np.asarray(pressures_gpa, dtype=float)[::3],
            mode="markers",
            name=f"computed (B₀′ = {own:.2f})",
            marker=marker(mode, 8),
            hovertemplate="%{y:.1f} GPa at V/V₀ = %{x:.3f}<extra>computed</extra>",
        )
    )
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="V / V<sub>0</sub>", range=[x.min() - 0.03, x.max()])
    fig.update_yaxes(title_text="pressure (GPa)")
    return fig


def ranges_figure(
    *,
    ranges_percent: ArrayLike,
    curves: Mapping[str, ArrayLike],
    right: float,
    label: str,
    limits: tuple[float, float],
    chosen_percent: float,
    mode: Mode = "light",
    height: int = 340,
) -> go.Figure:
    """A fitted number against the range of volumes of the fit, on a logarithmic axis.

    Parameters
    ----------
    ranges_percent
        (n,) half widths of the ranges.
    curves
        Precision -> (n,).
    right
        What a sound fit gives.
    label
        Of the number.
    limits
        Of the axis, beyond which points are drawn at its edge.
    chosen_percent
        Range that is marked.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x = np.asarray(ranges_percent, dtype=float)
    fig = Figure()
    fig.add_vrect(x0=3.0, x1=10.0, fillcolor=wash(GREEN, mode), line_width=0, layer="below")
    fig.add_vline(x=chosen_percent, line={"color": ink(mode), "width": 1, "dash": "dot"})
    fig.add_hline(y=right, line={"color": GREEN, "width": 2, "dash": "dash"})
    for k, (name, values) in enumerate(curves.items()):
        y = np.asarray(values, dtype=float)
        inside = np.clip(y, *limits)
        symbols = np.where(y > limits[1], "triangle-up", np.where(y < limits[0], "triangle-down", "circle"))
        fig.add_trace(
            scatter(
                x=x,
                y=inside,
                customdata=y,
                mode="lines+markers",
                name=name,
                line={"color": (BLUE, VERMILION)[k % 2], "width": 2.5, "dash": ("solid", "dot")[k % 2]},
                marker={"size": 10, "symbol": symbols.tolist()},
                hovertemplate="%{customdata:.4g} from ± %{x:g} %<extra>" + name + "</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="range of volumes (± %)", type="log", tickvals=[0.1, 0.3, 1, 3, 10, 30])
    pad = 0.04 * (limits[1] - limits[0])
    fig.update_yaxes(title_text=label, range=[limits[0] - pad, limits[1] + pad])
    return fig
