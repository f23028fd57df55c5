"""Figures of the lessons on E(V), the universal equation of state and pairs; crystals on a diagonal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter, subplots
from sus2.figures.theme import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Mode, grid, ink, paper, style
from sus2.types import Array

GROUP_COLOURS: Final[Mapping[str, str]] = {
    "metals": BLUE,
    "covalent crystals": GREEN,
    "ionic crystals": VERMILION,
    "intermetallics": PURPLE,
    "beyond the cutoff": ORANGE,
}
_WASH: Final = {"light": 0.07, "dark": 0.16}


def wash(colour: str, mode: Mode) -> str:
    """A colour so faint that it can lie behind curves."""
    r, g, b = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({r},{g},{b},{_WASH[mode]})"


def marker(mode: Mode, size: int = 11) -> dict[str, object]:
    """An open point, as for computed values on every page."""
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
    height: int = 560,
) -> go.Figure:
    """E(V) per atom with its tangent at one volume (above) and the pressure, minus that slope (below).

    volumes_a3, energies_ev, pressures_gpa (n,); highest_ev: top of the axis of energy; height: pixels.
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
    for x, y, text, anchor, colour in (
        (v.min(), 0.02, "pushed apart", "left", VERMILION),
        (v.max(), 0.98, "drawn together", "right", BLUE),
    ):
        fig.add_annotation(
            x=x,
            y=y,
            yref="y2 domain",
            text=f"<i>{text}</i>",
            showarrow=False,
            xanchor=anchor,
            yanchor="bottom" if y < 0.5 else "top",
            font={"color": colour},
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
    """Pressure against V/V0: computed (n,), and curves of equal V0 and B0 with other B0'.

    family: B0' -> (n,) GPa, drawn faint; chosen_gpa (n,): of the chosen B0'; own: B0' that the crystal has.
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
    """A fitted number against the range of volumes of the fit, on a logarithmic axis; curves: precision -> (n,).

    right: what a sound fit gives; limits: of the axis, beyond which points are drawn at its edge.
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


def universal_figure(
    *,
    curves: Sequence[tuple[str, str, ArrayLike, ArrayLike]],
    line: tuple[ArrayLike, ArrayLike] | None,
    x_title: str,
    y_title: str,
    highlighted: str | None = None,
    mode: Mode = "light",
    height: int = 540,
) -> go.Figure:
    """Energy curves of many crystals, one colour for each group; line: the universal curve over them, or None.

    curves: (label, group, x (n,), y (n,)); highlighted: label of the one drawn on top of the others.
    """
    fig = Figure()
    for group in [g for g in GROUP_COLOURS if g in {c[1] for c in curves}]:
        # The curves are too thin and too many for the legend.
        fig.add_trace(
            scatter(
                x=[None],
                y=[None],
                mode="lines",
                name=group,
                legendgroup=group,
                line={"color": GROUP_COLOURS[group], "width": 4},
            )
        )
    for label, group, x, y in curves:
        chosen = label == highlighted
        fig.add_trace(
            scatter(
                x=np.asarray(x, dtype=float),
                y=np.asarray(y, dtype=float),
                mode="lines",
                name=group,
                legendgroup=group,
                showlegend=False,
                opacity=1.0 if chosen else 0.6,
                line={
                    "color": GROUP_COLOURS.get(group, SKY),
                    "width": 5 if chosen else 1.7,
                    "dash": "dot" if group == "beyond the cutoff" else "solid",
                },
                hovertemplate=f"{label}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
            )
        )
    if line is not None:
        fig.add_trace(
            scatter(
                x=np.asarray(line[0], dtype=float),
                y=np.asarray(line[1], dtype=float),
                mode="lines",
                name="universal",
                line={"color": ink(mode), "width": 3, "dash": "dash"},
                hovertemplate="%{y:.3f} at %{x:.2f}<extra>universal</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=x_title, range=[-0.45, 2.0], zeroline=False)
    fig.update_yaxes(title_text=y_title, range=[-1.05, -0.35], zeroline=False)
    fig.update_layout(hovermode="closest")
    return fig


def diagonal_figure(
    *,
    labels: Sequence[str],
    x: ArrayLike,
    y: ArrayLike,
    x_title: str,
    y_title: str,
    groups: Sequence[str] | None = None,
    logarithmic: bool = False,
    line: str = "",
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Two numbers of each crystal against each other, with the line where they are equal; line: its name."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    kinds = np.array(groups if groups is not None else ["metals"] * len(a))
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    low, high = (low / 1.25, high * 1.25) if logarithmic else (min(0.0, 1.1 * low), 1.08 * high)
    fig = Figure()
    fig.add_trace(
        scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            name=line,
            showlegend=bool(line),
            hoverinfo="skip",
            line={"color": ink(mode), "width": 1.5, "dash": "dash"},
        )
    )
    span = [float(np.log10(low)), float(np.log10(high))] if logarithmic else [low, high]
    places = np.column_stack([np.log10(a), np.log10(b)] if logarithmic else [a, b]) / (span[1] - span[0])
    shown = _sparse(places)
    for kind in dict.fromkeys(kinds.tolist()):
        mine = kinds == kind
        names = [name for name, m in zip(labels, mine, strict=True) if m]
        texts = [name if s else "" for name, s, m in zip(labels, shown, mine, strict=True) if m]
        fig.add_trace(
            scatter(
                x=a[mine],
                y=b[mine],
                text=texts,
                customdata=names,
                mode="markers+text",
                name=kind,
                textposition="top center",
                textfont={"size": 12, "color": ink(mode)},
                showlegend=groups is not None,
                marker={"size": 9, "color": GROUP_COLOURS.get(kind, SKY)},
                hovertemplate="%{customdata}: %{y:.3g} against %{x:.3g}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    kind = "log" if logarithmic else "linear"
    ticks = {"tickvals": [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]} if logarithmic else {}
    fig.update_xaxes(title_text=x_title, type=kind, range=span, **ticks)
    fig.update_yaxes(title_text=y_title, type=kind, range=span, **ticks)
    return fig


def _sparse(places: Array, *, width: float = 0.05, height: float = 0.035) -> list[bool]:
    """Which of some points (n, 2), in units of the axes, can carry a label without hiding another one."""
    kept: list[int] = []
    for k, place in enumerate(places):
        if all(abs(place[0] - places[j][0]) > width or abs(place[1] - places[j][1]) > height for j in kept):
            kept.append(k)
    return [k in kept for k in range(len(places))]


def pairs_figure(
    *,
    pairs: Sequence[str],
    x: ArrayLike,
    values: ArrayLike,
    x_title: str,
    line: tuple[ArrayLike, ArrayLike] | None = None,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """The radial polynomial of several pairs (p, n) against distance (n,) or scaled distance (p, n).

    line: the polynomial itself on all of its range; the pairs are then not named again.
    """
    fig = Figure()
    if line is not None:
        fig.add_trace(
            scatter(
                x=np.asarray(line[0], dtype=float),
                y=np.asarray(line[1], dtype=float),
                mode="lines",
                name="shared by all pairs",
                line={"color": grid(mode), "width": 11},
                hoverinfo="skip",
            )
        )
    y = np.asarray(values, dtype=float)
    places = np.broadcast_to(np.asarray(x, dtype=float), y.shape)
    colours = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
    for k, name in enumerate(pairs):
        fig.add_trace(
            scatter(
                x=places[k],
                y=y[k],
                mode="lines",
                name=name,
                line={"color": colours[k % len(colours)], "width": 2.6},
                showlegend=line is None,
                hovertemplate=f"{name}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_layout(margin={"t": 75})
    fig.update_xaxes(title_text=x_title)
    fig.update_yaxes(title_text="polynomial", zeroline=True, range=[float(y.min()) - 0.15, float(y.max()) + 0.35])
    return fig


def two_curves_figure(
    *,
    volumes_a3: ArrayLike,
    curves: Mapping[str, ArrayLike],
    minima_a3: Sequence[float],
    mode: Mode = "light",
    height: int = 380,
) -> go.Figure:
    """E(V) of a crystal done right and done wrong (first and second of curves), each with its minimum."""
    v = np.asarray(volumes_a3, dtype=float)
    fig = Figure()
    for (name, values), place, colour, dash in zip(
        curves.items(), minima_a3, (BLUE, VERMILION), ("solid", "dash"), strict=True
    ):
        e = np.asarray(values, dtype=float)
        fig.add_trace(
            scatter(
                x=v,
                y=e,
                mode="lines",
                name=name,
                line={"color": colour, "width": 3, "dash": dash},
                hovertemplate="%{y:.3f} eV/atom at %{x:.2f} Å³/atom<extra></extra>",
            )
        )
        if np.isfinite(place):
            fig.add_vline(x=place, line={"color": colour, "width": 1.5, "dash": "dot"})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="E − E<sub>min</sub> (eV/atom)", rangemode="tozero")
    return fig
