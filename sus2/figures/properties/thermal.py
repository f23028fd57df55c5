"""Quasi-harmonic properties against temperature, and what they were fitted to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter, scattergl
from sus2.figures.theme import BLUE, DASHES, GREEN, PALETTE, VERMILION, Mode, add_band, grid, ink, paper, style


def temperature_figure(
    *,
    temperatures_k: ArrayLike,
    curves: Mapping[str, ArrayLike],
    label: str,
    unit: str,
    limit: tuple[str, float] | None = None,
    sigma: Mapping[str, ArrayLike] | None = None,
    mode: Mode = "light",
    height: int = 440,
) -> go.Figure:
    """One or more curves against temperature.

    Parameters
    ----------
    temperatures_k
        (nt,).
    curves
        Name -> (nt,).
    label
        Of the axis.
    unit
        Of the axis.
    limit
        A named value drawn as a dashed line.
    sigma
        One standard deviation of a curve, by its name, (nt,) or one number, drawn as a band where it is finite.
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
    fig = Figure()
    for k, (name, values) in enumerate(curves.items()):
        if sigma is not None and name in sigma:
            middle = np.asarray(values, dtype=float)
            width = np.broadcast_to(np.asarray(sigma[name], dtype=float), middle.shape)
            add_band(fig, t, middle, width, f"{name} ± 1 σ", PALETTE[k % len(PALETTE)])
        fig.add_trace(
            scatter(
                x=t,
                y=np.asarray(values, dtype=float),
                mode="lines",
                name=name,
                showlegend=len(curves) > 1,
                line={"color": PALETTE[k % len(PALETTE)], "width": 2.5, "dash": DASHES[k % len(DASHES)]},
                hovertemplate=f"%{{y:.5g}} {unit} at %{{x:.0f}} K<extra>{name}</extra>",
            )
        )
    if limit is not None:
        fig.add_hline(y=limit[1], line={"color": ink(mode), "width": 1, "dash": "dash"})
        fig.add_annotation(
            text=limit[0], x=1, xref="x domain", xanchor="right", y=limit[1], yref="y", yanchor="top", showarrow=False
        )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="temperature (K)")
    fig.update_yaxes(title_text=f"{label} ({unit})" if unit else label)
    return fig


def free_energy_figure(
    *,
    volumes_a3: ArrayLike,
    free_energies_ev: ArrayLike,
    temperatures_k: ArrayLike,
    volumes_t_a3: ArrayLike,
    gibbs_ev: ArrayLike,
    n_atoms: int,
    curves: int = 6,
    mode: Mode = "light",
    height: int = 480,
) -> go.Figure:
    """F(V) at some temperatures (points) and the minimum at each temperature, per atom from the lowest F at T = 0.

    Parameters
    ----------
    volumes_a3
        (nv,) per cell of n_atoms, as are all others.
    free_energies_ev
        (nt, nv).
    temperatures_k
        (nt,).
    volumes_t_a3
        (nt,) at the minima.
    gibbs_ev
        (nt,) at the minima.
    n_atoms
        Atoms in the cell.
    curves
        How many temperatures are drawn.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v = np.asarray(volumes_a3, dtype=float) / n_atoms
    f = np.asarray(free_energies_ev, dtype=float)
    t = np.asarray(temperatures_k, dtype=float)
    g = np.asarray(gibbs_ev, dtype=float)
    zero = g[0]
    fig = Figure()
    for k in np.unique(np.linspace(0, len(t) - 1, curves).round().astype(int)):
        fig.add_trace(
            scatter(
                x=v,
                y=1e3 * (f[k] - zero) / n_atoms,
                mode="lines+markers",
                name=f"{t[k]:g} K",
                showlegend=False,
                line={"color": BLUE, "width": 1.5, "shape": "spline"},
                marker={"color": paper(mode), "size": 7, "line": {"color": BLUE, "width": 1.5}},
                hovertemplate=f"%{{y:.2f}} meV/atom at %{{x:.3f}} Å³/atom<extra>{t[k]:g} K</extra>",
            )
        )
        fig.add_annotation(
            x=v[-1], y=1e3 * (f[k, -1] - zero) / n_atoms, text=f"{t[k]:g} K", showarrow=False, xanchor="left", xshift=8
        )
    fig.add_trace(
        scatter(
            x=np.asarray(volumes_t_a3, dtype=float) / n_atoms,
            y=1e3 * (g - zero) / n_atoms,
            mode="lines",
            name="minimum, V(T)",
            line={"color": VERMILION, "width": 3},
            customdata=t,
            hovertemplate="%{x:.4f} Å³/atom at %{customdata:.0f} K<extra>minimum</extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_layout(margin={"r": 80})
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="free energy (meV/atom)")
    return fig


def gruneisen_figure(
    *, frequencies_thz: ArrayLike, gruneisen: ArrayLike, mode: Mode = "light", height: int = 440
) -> go.Figure:
    """Gruneisen parameter of every mode of the mesh against its frequency.

    Parameters
    ----------
    frequencies_thz
        (nq, 3N).
    gruneisen
        (nq, 3N).
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    f = np.asarray(frequencies_thz, dtype=float)
    g = np.asarray(gruneisen, dtype=float)
    # The three lowest branches and the others: the first carry heat and expansion at low temperature.
    fig = Figure()
    for name, part, colour, symbol in (
        ("three lowest branches", np.s_[:, :3], BLUE, "circle"),
        ("other branches", np.s_[:, 3:], GREEN, "diamond"),
    ):
        if f[part].size:
            fig.add_trace(
                scattergl(
                    x=f[part].ravel(),
                    y=g[part].ravel(),
                    mode="markers",
                    name=name,
                    marker={"color": colour, "size": 6, "symbol": symbol, "opacity": 0.7},
                    hovertemplate="γ = %{y:.3f} at %{x:.3f} THz<extra></extra>",
                )
            )
    fig.add_hline(y=0.0, line={"color": grid(mode), "width": 2})
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="frequency (THz)")
    fig.update_yaxes(title_text="mode Grüneisen parameter")
    return fig
