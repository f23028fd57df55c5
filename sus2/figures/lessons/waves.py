"""Figures of the lessons on elasticity, sound, soft modes and functionals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.lessons.curves import marker, wash
from sus2.figures.plain import Figure, bar, joined, scatter
from sus2.figures.theme import BLUE, GREEN, ORANGE, VERMILION, Mode, grid, ink, style
from sus2.voigt import NAMES

_BRANCHES = (("slower shear wave", ORANGE), ("faster shear wave", GREEN), ("compression wave", BLUE))


def stress_figure(
    *, computed_gpa: ArrayLike, linear_gpa: ArrayLike, mode: Mode = "light", height: int = 360
) -> go.Figure:
    """Six stresses, Voigt order: computed in the strained cell (bars) and C times the strain (marks)."""
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
    """Which of the 6 x 6 elastic constants symmetry allows (filled), and how many of them are independent."""
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
                text=[f"C{r + 1}{c + 1}" for r, c in zip(rows[mask], columns[mask], strict=True)],
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


def sound_figure(
    *,
    q_per_a: ArrayLike,
    frequencies_thz: ArrayLike,
    speeds_thz_a: ArrayLike,
    at: int,
    mode: Mode = "light",
    height: int = 460,
) -> go.Figure:
    """Acoustic branches (n, 3) against the wave number (n,), and the straight lines of sound (speeds (3,) in THz A).

    at: index of the wave that is marked on every branch.
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
    """A real branch (n,) as points and that of a chain with springs to so many planes as a curve."""
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
    """Bands of one crystal in up to three versions, the first in blue; imaginary frequencies below zero."""
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
    """Energy along a mode, the parabola of its frequency at zero, and the chosen amplitude as a ball in the well."""
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


def functional_figure(
    *,
    volumes_a3: ArrayLike,
    highest_thz: ArrayLike,
    names: tuple[str, str],
    own_a3: tuple[float, float],
    own_thz: tuple[float, float],
    given_a3: float,
    at_volume_a3: float,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Highest frequency of two functionals (2, n) against one axis of volume (n,), each at rest as a large point."""
    v, f = np.asarray(volumes_a3, dtype=float), np.asarray(highest_thz, dtype=float)
    fig = Figure()
    fig.add_vline(x=given_a3, line={"color": GREEN, "width": 2, "dash": "dash"})
    fig.add_annotation(
        x=given_a3,
        y=0.03,
        yref="y domain",
        text="measured",
        showarrow=False,
        font={"color": GREEN},
        xanchor="left",
        xshift=4,
    )
    fig.add_vline(x=at_volume_a3, line={"color": ink(mode), "width": 1.5, "dash": "dot"})
    for k, (name, colour, dash) in enumerate(zip(names, (BLUE, VERMILION), ("solid", "dash"), strict=True)):
        fig.add_trace(
            scatter(
                x=v,
                y=f[k],
                mode="lines",
                name=name,
                line={"color": colour, "width": 3, "dash": dash},
                hovertemplate=f"{name}: %{{y:.2f}} THz at %{{x:.2f}} Å³/atom<extra></extra>",
            )
        )
        fig.add_trace(
            scatter(
                x=[own_a3[k]],
                y=[own_thz[k]],
                mode="markers",
                name=f"{name} at rest",
                marker={"size": 15, "color": colour, "symbol": ("circle", "diamond")[k]},
                hovertemplate=f"{name} at rest: %{{y:.2f}} THz<extra></extra>",
            )
        )
    here = [float(np.interp(at_volume_a3, v, row)) for row in f]
    fig.add_trace(
        scatter(
            x=[at_volume_a3] * 2, y=here, mode="markers", showlegend=False, marker=marker(mode, 11), hoverinfo="skip"
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)", range=[v.min(), v.max()])
    fig.update_yaxes(title_text="highest frequency (THz)")
    return fig


def errors_figure(
    *,
    labels: Sequence[str],
    names: tuple[str, str],
    errors_percent: ArrayLike,
    title: str,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """Errors of two functionals (2, n) for crystals (n labels), joined by a line for each crystal."""
    e = np.asarray(errors_percent, dtype=float)
    fig = Figure()
    for k, label in enumerate(labels):
        fig.add_trace(
            scatter(
                x=e[:, k],
                y=[label] * 2,
                mode="lines",
                showlegend=False,
                hoverinfo="skip",
                line={"color": grid(mode), "width": 6},
            )
        )
    for row, name, colour, symbol in zip(e, names, (BLUE, VERMILION), ("circle", "diamond"), strict=True):
        fig.add_trace(
            scatter(
                x=row,
                y=list(labels),
                mode="markers",
                name=name,
                marker={"color": colour, "size": 13, "symbol": symbol},
                hovertemplate=f"%{{y}}, {name}: %{{x:+.2f}} %<extra></extra>",
            )
        )
    fig.add_vline(x=0.0, line={"color": ink(mode), "width": 1.5})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig
