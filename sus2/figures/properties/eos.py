"""Energy and pressure against volume, with fits and residuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from sus2.figures.plain import Figure, scatter, subplots
from sus2.figures.theme import BLUE, DASHES, PALETTE, Mode, add_band, grid, ink, paper, step_below, style
from sus2.properties.eos.equations import MODELS, EosFit
from sus2.trust.digits import digits_of, number_text
from sus2.types import Array


def eos_figure(
    *,
    volumes_a3: ArrayLike,
    energies_ev: ArrayLike,
    fits: Mapping[str, EosFit],
    chosen: str,
    n_atoms: int,
    shown: Sequence[str] | None = None,
    sigma_ev: Callable[[Array], Array | None] | None = None,
    v0_sigma_a3_per_atom: float | None = None,
    mode: Mode = "light",
    height: int = 410,
) -> go.Figure:
    """E(V) points and fitted curves above, residuals of the same fits below, all per atom.

    Parameters
    ----------
    volumes_a3
        (n,) per cell of n_atoms.
    energies_ev
        (n,) likewise.
    fits
        By name, of the whole cell.
    chosen
        The fit whose minimum is marked and is the zero of energy.
    n_atoms
        Atoms in the cell.
    shown
        The fits that are drawn; by default `chosen` alone.
    sigma_ev
        One standard deviation of E - E0 of the chosen fit at volumes (n,), None where unknown; drawn as a band, which
        ends at zero, since E0 is the lowest energy whatever V0 is.
    v0_sigma_a3_per_atom
        One standard deviation of the volume at the minimum, whose number ends where it begins.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v = np.asarray(volumes_a3, dtype=float)
    e = np.asarray(energies_ev, dtype=float)
    best = fits[chosen]
    names = [chosen, *(n for n in fits if n != chosen and shown is not None and n in shown)]
    fig = subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.06)
    lowest, highest = min(v.min(), best.v0_a3), max(v.max(), best.v0_a3)
    margin = 0.04 * (highest - lowest)
    line = np.linspace(lowest - margin, highest + margin, 241)
    fig.add_vline(
        x=best.v0_a3 / n_atoms, line={"color": grid(mode), "width": 2, "dash": "dash"}, layer="below", row=1, col=1
    )
    spread = None if sigma_ev is None else sigma_ev(line)
    if spread is not None:
        middle = 1e3 * (best.energy_ev(line) - best.e0_ev) / n_atoms
        add_band(fig, line / n_atoms, middle, 1e3 * spread / n_atoms, "± 1 σ", BLUE, lowest=0.0, row=1, col=1)
    for k, name in enumerate(names):
        fit, colour = fits[name], PALETTE[k % len(PALETTE)]
        fig.add_trace(
            scatter(
                x=line / n_atoms,
                y=1e3 * (fit.energy_ev(line) - best.e0_ev) / n_atoms,
                mode="lines",
                name=MODELS[name].label,
                legendgroup=name,
                line={"color": colour, "width": 2.5, "dash": DASHES[k % len(DASHES)]},
                hovertemplate="%{y:.2f} meV/atom at %{x:.3f} Å³/atom<extra>" + MODELS[name].label + "</extra>",
            ),
            row=1,
            col=1,
        )
        fig.add_trace(
            scatter(
                x=v / n_atoms,
                y=1e3 * (e - fit.energy_ev(v)) / n_atoms,
                mode="lines+markers",
                name=MODELS[name].label,
                legendgroup=name,
                showlegend=False,
                line={"color": colour, "width": 1.5, "dash": DASHES[k % len(DASHES)]},
                marker={"color": colour, "size": 6},
                hovertemplate="%{y:.4f} meV/atom<extra>" + MODELS[name].label + "</extra>",
            ),
            row=2,
            col=1,
        )
    fig.add_trace(
        scatter(
            x=v / n_atoms,
            y=1e3 * (e - best.e0_ev) / n_atoms,
            mode="markers",
            name="computed",
            marker={"color": paper(mode), "size": 10, "line": {"color": ink(mode), "width": 2}},
            hovertemplate="%{y:.2f} meV/atom at %{x:.3f} Å³/atom<extra>computed</extra>",
        ),
        row=1,
        col=1,
    )
    style(fig, mode=mode, height=height)
    fig.add_annotation(
        x=best.v0_a3 / n_atoms,
        y=0.97,
        yref="y domain",
        text=f"V<sub>0</sub> = {number_text(best.v0_a3 / n_atoms, digits_of(3, v0_sigma_a3_per_atom))} Å³/atom",
        showarrow=False,
        bgcolor=paper(mode),
        font={"color": ink(mode)},
    )
    fig.update_yaxes(title_text="E − E<sub>0</sub> (meV/atom)", row=1, col=1)
    largest = max(float(np.abs(1e3 * (e - fits[name].energy_ev(v)) / n_atoms).max()) for name in names)
    fig.update_yaxes(
        title_text="residual<br>(meV/atom)",
        row=2,
        col=1,
        zeroline=True,
        zerolinewidth=2,
        dtick=step_below(largest),
        exponentformat="power",  # not 200µ beside a unit that has a prefix of its own
    )
    fig.update_xaxes(title_text="volume (Å³/atom)", row=2, col=1)
    fig.update_layout(hovermode="closest")
    return fig


def pressure_figure(
    *,
    volumes_a3: ArrayLike,
    pressures_gpa: ArrayLike,
    fit: EosFit,
    n_atoms: int,
    mode: Mode = "light",
    height: int = 420,
) -> go.Figure:
    """Pressure against volume: from the stress of the potential (points) and from the fit to energies (curve).

    Points off the curve mean that energy and stress disagree or that the equation does not fit.

    Parameters
    ----------
    volumes_a3
        (n,) per cell of n_atoms.
    pressures_gpa
        (n,).
    fit
        Of the whole cell.
    n_atoms
        Atoms in the cell.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    v = np.asarray(volumes_a3, dtype=float)
    line = np.linspace(v.min(), v.max(), 201)
    fig = Figure()
    fig.add_trace(
        scatter(
            x=line / n_atoms,
            y=fit.pressure_gpa(line),
            mode="lines",
            name=f"−dE/dV, {MODELS[fit.model].label}",
            line={"color": BLUE, "width": 2.5},
            hovertemplate="%{y:.3f} GPa at %{x:.3f} Å³/atom<extra>fit</extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=v / n_atoms,
            y=np.asarray(pressures_gpa, dtype=float),
            mode="markers",
            name="from the stress",
            marker={"color": paper(mode), "size": 10, "line": {"color": ink(mode), "width": 2}},
            hovertemplate="%{y:.3f} GPa at %{x:.3f} Å³/atom<extra>stress</extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="pressure (GPa)", zeroline=True, zerolinewidth=2)
    return fig
