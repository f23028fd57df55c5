"""Two or more potentials on the same axes: E(V), bands, elastic constants, thermal functions, energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, bar, joined, scatter, subplots
from sus2.figures.properties.phonons import FREQUENCY_UNITS, FrequencyUnit, bands_axes
from sus2.figures.theme import BLUE, DASHES, ORANGE, PALETTE, Mode, grid, ink, paper, style

# Percent at which the colour of a difference is full.
FULL_PERCENT = 25.0
_RISE, _FALL = (213, 94, 0), (0, 114, 178)


def difference_colour(percent: float | None) -> str:
    """CSS background of a difference: vermilion where it grew, blue where it shrank, stronger the larger it is."""
    if percent is None or not np.isfinite(percent):
        return ""
    strength = min(1.0, abs(percent) / FULL_PERCENT) ** 0.5
    red, green, blue = _RISE if percent > 0 else _FALL
    return f"background-color: rgba({red}, {green}, {blue}, {0.5 * strength:.2f})"


def eos_overlay(
    *,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]],
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """E - E0 against volume, per atom, of each potential.

    Energies of two potentials have no common zero, so each has its own.

    Parameters
    ----------
    curves
        Name -> volumes of the points, their energies, volumes of the fitted line, its energies: angstrom^3/atom and
        eV/atom above the minimum of that potential.
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
    for k, (name, (v, e, line_v, line_e)) in enumerate(curves.items()):
        colour = PALETTE[k % len(PALETTE)]
        fig.add_trace(
            scatter(
                x=np.asarray(line_v),
                y=1e3 * np.asarray(line_e),
                mode="lines",
                name=name,
                legendgroup=name,
                line={"color": colour, "width": 2.5, "dash": DASHES[k % len(DASHES)]},
                hovertemplate=f"%{{y:.2f}} meV/atom at %{{x:.3f}} Å³/atom<extra>{name}</extra>",
            )
        )
        fig.add_trace(
            scatter(
                x=np.asarray(v),
                y=1e3 * np.asarray(e),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=False,
                marker={"color": paper(mode), "size": 9, "line": {"color": colour, "width": 2}},
                hovertemplate=f"%{{y:.2f}} meV/atom at %{{x:.3f}} Å³/atom<extra>{name}</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="E − E<sub>0</sub> (meV/atom)", zeroline=True, zerolinewidth=2)
    return fig


def bands_overlay(
    *,
    distance_per_a: ArrayLike,
    segments: Sequence[slice],
    ticks: Sequence[tuple[float, str]],
    bands_thz: Mapping[str, ArrayLike],
    dos: Mapping[str, tuple[ArrayLike, ArrayLike]],
    unit: FrequencyUnit = "THz",
    mode: Mode = "light",
    height: int = 560,
) -> go.Figure:
    """Bands of each potential at the same q (left) and densities of states (right).

    Parameters
    ----------
    distance_per_a
        (n,) along the shared path.
    segments
        Pieces that are drawn without a break.
    ticks
        Place and label of the special points.
    bands_thz
        Name -> (n, branches).
    dos
        Name -> frequencies in THz, states per THz.
    unit
        Of the axis of frequency.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x = np.asarray(distance_per_a, dtype=float)
    factor = FREQUENCY_UNITS[unit]
    fig = subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.02)
    for place, _ in ticks:
        fig.add_vline(x=place, line={"color": grid(mode), "width": 1}, layer="below", row=1, col=1)
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1}, layer="below")
    for k, (name, values) in enumerate(bands_thz.items()):
        y = factor * np.asarray(values, dtype=float)
        line = {"color": PALETTE[k % len(PALETTE)], "width": 2, "dash": DASHES[k % len(DASHES)]}
        fig.add_trace(
            scatter(
                x=joined(x[part] for _ in range(y.shape[1]) for part in segments),
                y=joined(y[part, branch] for branch in range(y.shape[1]) for part in segments),
                mode="lines",
                name=name,
                legendgroup=name,
                line=line,
                hovertemplate=f"%{{y:.2f}} {unit}<extra>{name}</extra>",
            ),
            row=1,
            col=1,
        )
        if name in dos:
            axis, density = (np.asarray(a, dtype=float) for a in dos[name])
            fig.add_trace(
                scatter(
                    x=density / factor,
                    y=factor * axis,
                    mode="lines",
                    name=name,
                    legendgroup=name,
                    showlegend=False,
                    line=line,
                    hovertemplate=f"%{{y:.2f}} {unit}: %{{x:.3f}}<extra>{name}</extra>",
                ),
                row=1,
                col=2,
            )
    style(fig, mode=mode, height=height)
    bands_axes(fig, x, ticks, unit)
    fig.update_layout(hovermode="closest")
    return fig


def bars_figure(
    *,
    labels: Sequence[str],
    values: Mapping[str, Sequence[float]],
    unit: str,
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """Grouped bars: for each label one bar of each potential.

    Parameters
    ----------
    labels
        Of the groups.
    values
        Name -> numbers in `unit`.
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
    for k, (name, row) in enumerate(values.items()):
        fig.add_trace(
            bar(
                x=list(labels),
                y=list(row),
                name=name,
                marker={"color": PALETTE[k % len(PALETTE)]},
                hovertemplate=f"%{{x}}: %{{y:.4g}} {unit}<extra>{name}</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_layout(barmode="group", bargap=0.25)
    fig.update_yaxes(title_text=unit, zeroline=True, zerolinewidth=2)
    return fig


def effects_figure(
    *,
    labels: Sequence[str],
    cell_percent: Sequence[float],
    forces_percent: Sequence[float],
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """What a difference is made of: the change of the cell, that of the force constants at one cell, and their sum.

    Parameters
    ----------
    labels
        One row each.
    cell_percent
        By the change of the cell, percent of the first potential's value.
    forces_percent
        By the change of the force constants, likewise.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    cell, forces = np.asarray(cell_percent, dtype=float), np.asarray(forces_percent, dtype=float)
    fig = Figure()
    for name, row, colour in (("change of the cell", cell, ORANGE), ("force constants in one cell", forces, BLUE)):
        fig.add_trace(
            bar(
                y=list(labels),
                x=row,
                orientation="h",
                name=name,
                marker={"color": colour},
                hovertemplate=f"%{{y}}: %{{x:+.1f}} %<extra>{name}</extra>",
            )
        )
    fig.add_trace(
        scatter(
            y=list(labels),
            x=cell + forces,
            mode="markers",
            name="both",
            marker={"color": paper(mode), "size": 11, "symbol": "diamond", "line": {"color": ink(mode), "width": 2}},
            hovertemplate="%{y}: %{x:+.1f} %<extra>both</extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_layout(barmode="relative", bargap=0.35)
    fig.update_xaxes(title_text="difference (%)", zeroline=True, zerolinewidth=2, zerolinecolor=ink(mode))
    fig.update_yaxes(autorange="reversed")
    return fig


def thermal_overlay(
    *,
    temperatures_k: ArrayLike,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Vibrational free energy (kJ/mol), entropy and heat capacity (J/K/mol) per mole of atoms, of each potential.

    Parameters
    ----------
    temperatures_k
        (nt,).
    curves
        Name -> free energy, entropy, heat capacity, (nt,) each.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    t = np.asarray(temperatures_k, dtype=float)
    fig = subplots(rows=1, cols=3, horizontal_spacing=0.1)
    titles = ("free energy (kJ/mol atoms)", "entropy (J/K/mol atoms)", "heat capacity (J/K/mol atoms)")
    for k, (name, columns) in enumerate(curves.items()):
        for column, values in enumerate(columns, 1):
            fig.add_trace(
                scatter(
                    x=t,
                    y=np.asarray(values, dtype=float),
                    mode="lines",
                    name=name,
                    legendgroup=name,
                    showlegend=column == 1,
                    line={"color": PALETTE[k % len(PALETTE)], "width": 2.5, "dash": DASHES[k % len(DASHES)]},
                    hovertemplate=f"%{{y:.3f}} at %{{x:.0f}} K<extra>{name}</extra>",
                ),
                row=1,
                col=column,
            )
    style(fig, mode=mode, height=height)
    for column, title in enumerate(titles, 1):
        fig.update_yaxes(title_text=title, row=1, col=column)
    fig.update_xaxes(title_text="temperature (K)")
    return fig


def scatter_figure(
    *,
    panels: Sequence[tuple[str, ArrayLike, ArrayLike]],
    names: tuple[str, str],
    labels: Sequence[str],
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Energies of the second potential against the first, one panel for each way of referencing; the line is y = x.

    Parameters
    ----------
    panels
        Title, x, y in eV/atom.
    names
        Of the potentials.
    labels
        Of the points, the same in each panel.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    fig = subplots(rows=1, cols=len(panels), subplot_titles=[p[0] for p in panels], horizontal_spacing=0.1)
    for column, (title, a, b) in enumerate(panels, 1):
        x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        both = np.concatenate([x, y])
        ends = [float(np.nanmin(both)), float(np.nanmax(both))]
        margin = 0.05 * max(ends[1] - ends[0], 1e-3)
        ends = [ends[0] - margin, ends[1] + margin]
        fig.add_trace(
            scatter(
                x=ends,
                y=ends,
                mode="lines",
                line={"color": ink(mode), "width": 1, "dash": "dash"},
                name="equal",
                showlegend=column == 1,
                hoverinfo="skip",
            ),
            row=1,
            col=column,
        )
        fig.add_trace(
            scatter(
                x=x,
                y=y,
                mode="markers",
                text=list(labels),
                name="structures",
                showlegend=False,
                marker={"color": BLUE, "size": 9, "line": {"color": paper(mode), "width": 1}},
                hovertemplate=f"%{{text}}: %{{x:.3f}}, %{{y:.3f}} eV/atom<extra>{title}</extra>",
            ),
            row=1,
            col=column,
        )
        fig.update_xaxes(title_text=f"{names[0]} (eV/atom)", row=1, col=column)
        fig.update_yaxes(title_text=f"{names[1]} (eV/atom)" if column == 1 else "", row=1, col=column)
    style(fig, mode=mode, height=height)
    fig.update_layout(legend={"y": -0.3, "yanchor": "top"}, margin={"t": 50})
    return fig
