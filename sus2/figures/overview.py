"""One crystal at a glance: the few figures of the app's first page and of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from sus2.comparison.differences import Difference
from sus2.figures.plain import Figure, bar, scatter
from sus2.figures.properties.elastic import surface_figure
from sus2.figures.properties.phonons import bands_figure
from sus2.figures.theme import BLUE, VERMILION, Mode, add_band, grid, ink, paper, style
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.eos.error_band import energy_sigma_ev
from sus2.properties.eos.result import EosResult
from sus2.properties.phonons.report import PhononReport

_EYE = {"x": 1.0, "y": -1.2, "z": 0.6}
_MARGIN = {"l": 60, "r": 12, "t": 34, "b": 52}


def energy_overview(*, result: EosResult, mode: Mode = "light", height: int = 340) -> go.Figure:
    """E(V) per atom with its fit, and the band of one standard deviation around it where that is known.

    Parameters
    ----------
    result
        Of sus2.eos.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    n, fit = result.n_atoms, result.fit
    v = np.asarray(result.volumes_a3, dtype=float)
    low, high = min(v.min(), fit.v0_a3), max(v.max(), fit.v0_a3)
    line = np.linspace(low, high, 121)
    energy = 1e3 * (fit.energy_ev(line) - fit.e0_ev) / n
    fig = Figure()
    sigma = energy_sigma_ev(result, line)
    if sigma is not None:
        add_band(fig, line / n, energy, 1e3 * sigma / n, "± 1 σ", BLUE, lowest=0.0)
    fig.add_trace(
        scatter(
            x=line / n,
            y=energy,
            mode="lines",
            name="fit",
            line={"color": BLUE, "width": 2.5},
            hovertemplate="%{y:.2f} meV/atom at %{x:.3f} Å³/atom<extra></extra>",
        )
    )
    fig.add_trace(
        scatter(
            x=v / n,
            y=1e3 * (np.asarray(result.energies_ev, dtype=float) - fit.e0_ev) / n,
            mode="markers",
            name="computed",
            marker={"color": paper(mode), "size": 8, "line": {"color": ink(mode), "width": 2}},
            hovertemplate="%{y:.2f} meV/atom at %{x:.3f} Å³/atom<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    fig.add_vline(x=fit.v0_a3 / n, line={"color": grid(mode), "width": 2, "dash": "dash"}, layer="below")
    fig.update_xaxes(title_text="volume (Å³/atom)")
    fig.update_yaxes(title_text="E − E<sub>0</sub> (meV/atom)", rangemode="tozero")
    fig.update_layout(hovermode="closest", margin=_MARGIN)
    return fig


def stiffness_overview(*, result: ElasticResult, mode: Mode = "light", height: int = 340) -> go.Figure | None:
    """Young's modulus as a surface over all directions.

    Parameters
    ----------
    result
        Of sus2.elastic.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure or None
        None for an unstable crystal, which has no compliance.
    """
    if not result.stable:
        return None
    fig = surface_figure(c_gpa=result.c_gpa, quantity="youngs_modulus", resolution=48, mode=mode, height=height)
    hidden = {f"{name}axis": {"visible": False} for name in "xyz"}
    fig.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, scene={**hidden, "camera": {"eye": _EYE}})
    return fig


def bands_overview(*, report: PhononReport, mode: Mode = "light", height: int = 340) -> go.Figure:
    """Phonon bands beside their density of states.

    Parameters
    ----------
    report
        Bands and density of states.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    bands, dos = report.bands, report.dos
    fig = bands_figure(
        distance_per_a=bands.path.distance_per_a,
        segments=bands.path.segments,
        ticks=bands.path.ticks,
        frequencies_thz=bands.frequencies_thz,
        dos_frequencies_thz=dos.frequencies_thz,
        dos_total_per_thz=dos.total_per_thz,
        dos_projected_per_thz=dos.projected_per_thz,
        mode=mode,
        height=height,
    )
    fig.update_xaxes(tickangle=0)
    fig.update_xaxes(title_text="DOS", showticklabels=False, row=1, col=2)
    fig.update_layout(margin=_MARGIN)
    return fig


def changes_overview(*, rows: Sequence[Difference], mode: Mode = "light", height: int = 340) -> go.Figure:
    """What another functional changes, in percent, the largest change on top.

    A bar is pale where the change is smaller than its error.

    Parameters
    ----------
    rows
        With a change in percent each.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    labels = [d.label for d in rows]
    values = [float(d.percent or 0.0) for d in rows]
    ends = [f"{d.reference:.{d.digits}f} → {d.value:.{d.digits}f} {d.unit}".replace("-", "−") for d in rows]
    fig = Figure(
        bar(
            y=labels,
            x=values,
            orientation="h",
            marker={
                "color": [VERMILION if x > 0 else BLUE for x in values],
                "opacity": [0.4 if d.below_error else 1.0 for d in rows],
            },
            text=[f"{x:+.1f} %".replace("-", "−") for x in values],
            textposition="outside",
            cliponaxis=False,
            customdata=ends,
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
    )
    style(fig, mode=mode, height=height)
    reach = 2.1 * max([abs(x) for x in values], default=1.0)
    fig.update_layout(showlegend=False, margin={**_MARGIN, "t": 12, "r": 34}, bargap=0.3)
    fig.update_xaxes(
        title_text="change (%)", range=[-reach, reach], zeroline=True, zerolinewidth=2, zerolinecolor=ink(mode)
    )
    fig.update_yaxes(autorange="reversed")
    return fig
