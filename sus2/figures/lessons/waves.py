"""Figures of the lessons on sound and soft modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2 import _moved
from sus2.figures.lessons.curves import marker, wash
from sus2.figures.plain import Figure, joined, scatter
from sus2.figures.theme import BLUE, GREEN, ORANGE, VERMILION, Mode, grid, ink, style

_BRANCHES = (("slower shear wave", ORANGE), ("faster shear wave", GREEN), ("compression wave", BLUE))


def sound_figure(
    *,
    q_per_a: ArrayLike,
    frequencies_thz: ArrayLike,
    speeds_thz_a: ArrayLike,
    at: int,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Acoustic branches against the wave number, and the straight lines of sound.

    Parameters
    ----------
    q_per_a
        (n,) wave numbers, 1/angstrom.
    frequencies_thz
        (n, 3).
    speeds_thz_a
        (3,) THz angstrom.
    at
        Index of the wave that is marked on every branch.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    q, f, v = (np.asarray(x, dtype=float) for x in (q_per_a, frequencies_thz, speeds_thz_a))
    fig = Figure()
    top = 1.12 * float(f.max())
    # The slower shear wave comes last and dotted, so that it shows on the faster one where both are the same.
    for k, dash in ((2, "solid"), (1, "solid"), (0, "dot")):
        name, colour = _BRANCHES[k]
        end = min(q[-1], top / v[k])
        fig.add_trace(
            scatter(
                x=[0.0, end],
                y=[0.0, end * v[k]],
                mode="lines",
                name="from the elastic constants",
                legendgroup="sound",
                showlegend=k == 2,
                hoverinfo="skip",
                line={"color": colour, "width": 2, "dash": "dash"},
            )
        )
        fig.add_trace(
            scatter(
                x=np.concatenate([[0.0], q]),
                y=np.concatenate([[0.0], f[:, k]]),
                mode="lines",
                name=name,
                line={"color": colour, "width": 3.5, "dash": dash},
                hovertemplate=f"{name}: %{{y:.2f}} THz<extra></extra>",
            )
        )
    fig.add_trace(
        scatter(
            x=[q[at]] * 3,
            y=f[at],
            mode="markers",
            showlegend=False,
            marker=marker(mode),
            hoverinfo="skip",
        )
    )
    fig.add_vline(x=float(q[at]), line={"color": ink(mode), "width": 1, "dash": "dot"})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="1 / wavelength (1/Å)", range=[0, 1.02 * q[-1]])
    fig.update_yaxes(title_text="frequency (THz)", range=[0, top])
    return fig


def chain_figure(
    *,
    q_per_a: ArrayLike,
    branch_thz: ArrayLike,
    chain_thz: ArrayLike,
    neighbours: int,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """A real branch as points and that of a chain of planes as a curve.

    Parameters
    ----------
    q_per_a
        (n,) wave numbers, 1/angstrom.
    branch_thz
        (n,) the real one.
    chain_thz
        (n,) of the chain.
    neighbours
        Planes on either side that springs lead to.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    q = np.asarray(q_per_a, dtype=float)
    fig = Figure()
    fig.add_trace(
        scatter(
            x=q[::3],
            y=np.asarray(branch_thz, dtype=float)[::3],
            mode="markers",
            name="the crystal",
            marker=marker(mode, 9),
            hovertemplate="%{y:.3f} THz<extra>crystal</extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=np.concatenate([[0.0], q]),
            y=np.concatenate([[0.0], np.asarray(chain_thz, dtype=float)]),
            mode="lines",
            name=f"chain, springs to {neighbours} plane{'s' if neighbours > 1 else ''}",
            line={"color": VERMILION, "width": 3},
            hovertemplate="%{y:.3f} THz<extra>chain</extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="1 / wavelength (1/Å)", range=[0, 1.02 * q[-1]])
    fig.update_yaxes(title_text="frequency (THz)", rangemode="tozero")
    return fig


def two_bands_figure(
    *,
    distance_per_a: ArrayLike,
    segments: Sequence[slice],
    ticks: Sequence[tuple[float, str]],
    bands_thz: Mapping[str, ArrayLike],
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Bands of one crystal in up to three versions, the first in blue; imaginary frequencies below zero.

    Parameters
    ----------
    distance_per_a
        (n,) along the path.
    segments
        Pieces that are drawn without a break.
    ticks
        Place and label of the special points.
    bands_thz
        Name -> (n, branches).
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
    fig = Figure()
    lowest = min(float(np.asarray(b).min()) for b in bands_thz.values())
    if lowest < -0.05:
        fig.add_hrect(y0=1.15 * lowest, y1=0.0, fillcolor=wash(VERMILION, mode), line_width=0, layer="below")
    for place, _ in ticks:
        fig.add_vline(x=place, line={"color": grid(mode), "width": 1})
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
    for (name, values), colour, dash in zip(
        bands_thz.items(), (BLUE, VERMILION, ORANGE), ("solid", "dot", "dash"), strict=False
    ):
        y = np.asarray(values, dtype=float)
        fig.add_trace(
            scatter(
                x=joined(x[part] for _ in range(y.shape[1]) for part in segments),
                y=joined(y[part, branch] for branch in range(y.shape[1]) for part in segments),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=True,
                line={"color": colour, "width": 2.3, "dash": dash},
                hovertemplate=f"%{{y:.2f}} THz<extra>{name}</extra>",
            )
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(
        tickvals=[place for place, _ in ticks],
        ticktext=[label for _, label in ticks],
        showgrid=False,
        range=[x.min(), x.max()],
    )
    fig.update_yaxes(title_text="frequency (THz)")
    return fig


def well_figure(
    *,
    amplitudes_a: ArrayLike,
    energies_mev_per_atom: ArrayLike,
    at_amplitude_a: float,
    at_energy_mev_per_atom: float,
    parabola_mev_per_atom_a2: float,
    mode: Mode = "light",
    height: int = 400,
) -> go.Figure:
    """Energy along a mode, the parabola of its frequency at zero, and the chosen amplitude as a ball in the well.

    Parameters
    ----------
    amplitudes_a
        (n,) angstrom.
    energies_mev_per_atom
        (n,).
    at_amplitude_a
        The chosen amplitude.
    at_energy_mev_per_atom
        Energy there.
    parabola_mev_per_atom_a2
        Coefficient of the parabola.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    x, y = np.asarray(amplitudes_a, dtype=float), np.asarray(energies_mev_per_atom, dtype=float)
    depth = max(1e-3, -float(y.min()))
    top = max(0.35 * depth, min(float(y.max()), 2.2 * depth)) if y.min() < -1e-3 else float(y.max())
    fig = Figure()
    fig.add_trace(
        scatter(
            x=x,
            y=parabola_mev_per_atom_a2 * x**2,
            mode="lines",
            name="from the frequency alone",
            line={"color": ORANGE, "width": 2, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    fig.add_trace(
        scatter(
            x=x,
            y=y,
            mode="lines",
            name="energy along the mode",
            line={"color": BLUE, "width": 3.5},
            hovertemplate="%{y:.2f} meV/atom at %{x:.2f} Å<extra></extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=[at_amplitude_a],
            y=[at_energy_mev_per_atom],
            mode="markers",
            showlegend=False,
            marker={**marker(mode, 18), "color": VERMILION},
            hoverinfo="skip",
        )
    )
    fig.add_hline(y=0.0, line={"color": ink(mode), "width": 1})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="largest displacement (Å)", range=[x.min(), x.max()])
    fig.update_yaxes(title_text="energy (meV/atom)", range=[-1.35 * depth, top])
    return fig


def __getattr__(name: str) -> Any:
    return _moved.left("figures.lessons.waves", name)
