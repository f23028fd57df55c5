"""Phonon bands beside their density of states, and thermal functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2 import _moved
from sus2.figures.plain import joined, scatter, subplots
from sus2.figures.theme import (
    BLUE,
    DASHES,
    GREEN,
    ORANGE,
    PALETTE,
    PURPLE,
    SKY,
    VERMILION,
    Mode,
    add_band,
    grid,
    ink,
    style,
)
from sus2.types import Array
from sus2.units import THZ_TO_INV_CM, THZ_TO_MEV

MAX_PICKS: Final = 4000  # points that can be clicked: more of them make the browser slow
OF_ELEMENTS: Final = (VERMILION, GREEN, PURPLE, ORANGE, SKY, BLUE)
FrequencyUnit = Literal["THz", "cm⁻¹", "meV"]
FREQUENCY_UNITS: Final[Mapping[str, float]] = {"THz": 1.0, "cm⁻¹": THZ_TO_INV_CM, "meV": THZ_TO_MEV}


def bands_figure(
    *,
    distance_per_a: ArrayLike,
    segments: Sequence[slice],
    ticks: Sequence[tuple[float, str]],
    frequencies_thz: ArrayLike,
    dos_frequencies_thz: ArrayLike,
    dos_total_per_thz: ArrayLike,
    dos_projected_per_thz: Mapping[str, ArrayLike],
    sigma_thz: ArrayLike | None = None,
    unit: FrequencyUnit = "THz",
    pick: bool = False,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Bands on a path (left) and density of states (right) on one axis of frequency.

    Parameters
    ----------
    distance_per_a
        (n,) length along the path.
    segments
        Pieces that are drawn without a break.
    ticks
        Place and label of the special points.
    frequencies_thz
        (n, branches), imaginary ones negative.
    dos_frequencies_thz
        (m,).
    dos_total_per_thz
        (m,).
    dos_projected_per_thz
        Element -> (m,).
    sigma_thz
        (n, branches) one standard deviation, drawn as a band.
    unit
        Of the axis.
    pick
        Points on the bands that can be clicked, each with customdata (index of its q, branch).
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
    y = factor * np.asarray(frequencies_thz, dtype=float)
    fig = subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.02)
    for place, _ in ticks:
        fig.add_vline(x=place, line={"color": grid(mode), "width": 1}, layer="below", row=1, col=1)
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1}, layer="below")
    if sigma_thz is not None:
        add_band(fig, x, y, factor * np.asarray(sigma_thz), "± 1 σ", BLUE, segments=segments, row=1, col=1)
    pieces = [(part, branch) for branch in range(y.shape[1]) for part in segments]
    fig.add_trace(
        scatter(
            x=joined(x[part] for part, _ in pieces),
            y=joined(y[part, branch] for part, branch in pieces),
            mode="lines",
            line={"color": BLUE, "width": 2},
            name="bands",
            showlegend=False,
            customdata=None if pick else joined(np.full(len(x[part]), branch) for part, branch in pieces),
            hovertemplate=None if pick else f"%{{y:.2f}} {unit}, branch %{{customdata}}<extra></extra>",
            hoverinfo="skip" if pick else None,
        ),
        row=1,
        col=1,
    )
    if pick:
        _add_picks(fig, x, y, unit, mode)
    axis = factor * np.asarray(dos_frequencies_thz, dtype=float)
    curves = [("all atoms", np.asarray(dos_total_per_thz, dtype=float), ink(mode), "solid")]
    if len(dos_projected_per_thz) > 1:
        # Blue is that of the bands; dashes tell the elements apart in print too.
        curves += [
            (name, np.asarray(values, dtype=float), OF_ELEMENTS[k % len(OF_ELEMENTS)], DASHES[k % len(DASHES)])
            for k, (name, values) in enumerate(dos_projected_per_thz.items())
        ]
    for name, values, colour, dash in curves:
        fig.add_trace(
            scatter(
                x=values / factor,
                y=axis,
                mode="lines",
                name=name,
                line={"color": colour, "width": 2, "dash": dash},
                hovertemplate=f"%{{y:.2f}} {unit}: %{{x:.3f}}<extra>{name}</extra>",
            ),
            row=1,
            col=2,
        )
    style(fig, mode=mode, height=height)
    bands_axes(fig, x, ticks, unit)
    return fig


def bands_axes(fig: go.Figure, x: Array, ticks: Sequence[tuple[float, str]], unit: FrequencyUnit) -> None:
    """Axes of bands at the left and of a density of states at the right, in place.

    Parameters
    ----------
    fig
        With these two plots.
    x
        (n,) along the path.
    ticks
        Place and label of the special points.
    unit
        Of the frequencies.
    """
    fig.update_xaxes(
        tickvals=[place for place, _ in ticks],
        ticktext=[label for _, label in ticks],
        showgrid=False,
        range=[x.min(), x.max()],
        row=1,
        col=1,
    )
    # Its zero stands where the path ends: both labels would overlap on a phone.
    fig.update_xaxes(title_text=f"DOS (1/{unit})", showgrid=False, nticks=4, labelalias={"0": ""}, row=1, col=2)
    fig.update_yaxes(title_text=f"Frequency ({unit})", row=1, col=1)


def _add_picks(fig: go.Figure, x: Array, y: Array, unit: str, mode: Mode) -> None:
    """Points on the bands that show only once they are clicked; lines alone cannot be selected in plotly."""
    step = -(-y.size // MAX_PICKS)
    q, branch = (a.ravel() for a in np.meshgrid(np.arange(0, len(x), step), np.arange(y.shape[1]), indexing="ij"))
    fig.add_trace(
        scatter(
            x=x[q],
            y=y[q, branch],
            mode="markers",
            name="modes",
            showlegend=False,
            customdata=np.column_stack([q, branch]),
            marker={"size": 9, "color": ink(mode), "opacity": 0.0},
            selected={"marker": {"opacity": 1.0}},
            unselected={"marker": {"opacity": 0.0}},
            hovertemplate=f"%{{y:.2f}} {unit}, branch %{{customdata[1]}}: click to see it move<extra></extra>",
        ),
        row=1,
        col=1,
    )
    fig.update_layout(clickmode="event+select")


def thermal_figure(
    *,
    temperatures_k: ArrayLike,
    helmholtz_kj_per_mol: ArrayLike,
    entropy_j_per_k_mol: ArrayLike,
    heat_capacity_j_per_k_mol: ArrayLike,
    sigma: Mapping[str, ArrayLike] | None = None,
    chosen_k: float | None = None,
    per: str = "cell",
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """Free energy, entropy and heat capacity at constant volume against temperature.

    Parameters
    ----------
    temperatures_k
        (nt,).
    helmholtz_kj_per_mol
        (nt,).
    entropy_j_per_k_mol
        (nt,).
    heat_capacity_j_per_k_mol
        (nt,).
    sigma
        One standard deviation of a function, by its name, (nt,); drawn as a band where it is finite.
    chosen_k
        Temperature that is marked.
    per
        What a mole is of.
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
    fig = subplots(rows=1, cols=3, horizontal_spacing=0.09)
    for column, (title, name, given) in enumerate(
        (
            (f"Free energy (kJ/mol {per})", "helmholtz_kj_per_mol", helmholtz_kj_per_mol),
            (f"Entropy (J/K/mol {per})", "entropy_j_per_k_mol", entropy_j_per_k_mol),
            (f"Heat capacity (J/K/mol {per})", "heat_capacity_j_per_k_mol", heat_capacity_j_per_k_mol),
        ),
        1,
    ):
        values, colour = np.asarray(given, dtype=float), PALETTE[column - 1]
        if sigma is not None and name in sigma:
            spread = np.asarray(sigma[name], dtype=float)
            add_band(fig, t, values, spread, "± 1 σ", colour, row=1, col=column)
        fig.add_trace(
            scatter(
                x=t,
                y=values,
                mode="lines",
                line={"color": colour, "width": 2.5},
                showlegend=False,
                hovertemplate="%{y:.3f} at %{x:.0f} K<extra></extra>",
            ),
            row=1,
            col=column,
        )
        if chosen_k is not None:
            fig.add_vline(x=chosen_k, line={"color": grid(mode), "width": 2, "dash": "dash"}, row=1, col=column)
        fig.update_yaxes(title_text=title, row=1, col=column)
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="Temperature (K)")
    return fig


def __getattr__(name: str) -> Any:
    return _moved.left("figures.properties.phonons", name)
