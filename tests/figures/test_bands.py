"""Bands of one standard deviation around curves, and what tells the lines of bands and densities of states apart."""

from __future__ import annotations

from functools import partial

import numpy as np

import sus2
from sus2.figures.overview import energy_overview
from sus2.figures.plain import Figure
from sus2.figures.properties.eos import eos_figure
from sus2.figures.properties.phonons import bands_figure, thermal_figure
from sus2.figures.properties.thermal import temperature_figure
from sus2.figures.theme import BLUE, add_band
from sus2.properties.eos.error_band import energy_sigma_ev
from sus2.structures.samples import sample


def test_a_band_is_closed_around_each_piece_and_leaves_out_what_is_unknown() -> None:
    fig = Figure()
    x = np.arange(6.0)
    y = np.column_stack([x, x + 10.0])
    sigma = np.full((6, 2), 0.5)
    sigma[5, 0] = np.nan
    add_band(fig, x, y, sigma, "band", BLUE, segments=[slice(0, 3), slice(3, 6)])
    (trace,) = fig.data
    pieces = np.split(np.column_stack([trace.x, trace.y]), np.flatnonzero(np.isnan(trace.x)) + 1)[:-1]
    assert len(pieces) == 4
    for piece in pieces:
        up, down = np.split(piece[:-1], 2)
        assert np.array_equal(up[:, 0], down[::-1, 0])
        assert np.allclose(up[:, 1] - down[::-1, 1], 1.0)
    assert [len(p) - 1 for p in pieces] == [6, 6, 4, 6]


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    fig = temperature_figure(
        temperatures_k=[0.0, 100.0], curves={"V": [1.0, 2.0]}, sigma={"V": float("nan")}, label="V", unit="Å³"
    )
    assert [t.name for t in fig.data] == ["V"]


def test_densities_of_states_differ_in_colour_and_dash_from_each_other_and_from_the_bands() -> None:
    f = np.linspace(0.0, 5.0, 4)
    fig = bands_figure(
        distance_per_a=np.arange(4.0),
        segments=[slice(0, 4)],
        ticks=[(0.0, "Γ"), (3.0, "X")],
        frequencies_thz=np.column_stack([f, f]),
        dos_frequencies_thz=f,
        dos_total_per_thz=f,
        dos_projected_per_thz={"Na": f, "Cl": f, "K": f},
        sigma_thz=np.full((4, 2), 0.1),
    )
    lines = {t.name: (t.line.color, t.line.dash) for t in fig.data}
    parts = [lines[e] for e in ("Na", "Cl", "K")]
    assert len({c for c, _ in parts}) == 3
    assert len({d for _, d in parts}) == 3
    assert BLUE not in {c for c, _ in parts}
    assert "± 1 σ" in lines
    assert not fig.layout.annotations


def test_a_band_ends_where_the_quantity_cannot_go() -> None:
    fig = Figure()
    x = np.arange(5.0)
    add_band(fig, x, (x - 2.0) ** 2, np.full(5, 0.5), "band", BLUE, lowest=0.0)
    (trace,) = fig.data
    down = np.asarray(trace.y)[5:10][::-1]
    assert np.allclose(down, [3.5, 0.5, 0.0, 0.5, 3.5])


def test_energies_above_the_lowest_have_no_negative_band_on_start_and_on_their_page() -> None:
    result = sus2.eos(sample("si").atoms(), sus2.load("si-mlearn-pbe"))
    assert np.isfinite(result.uncertainty["v0_a3"])
    page = eos_figure(
        volumes_a3=result.volumes_a3,
        energies_ev=result.energies_ev,
        fits=result.fits,
        chosen=result.fit.model,
        n_atoms=result.n_atoms,
        sigma_ev=partial(energy_sigma_ev, result),
    )
    for fig in (page, energy_overview(result=result)):
        (band,) = (t for t in fig.data if t.name == "± 1 σ")
        along = np.asarray(band.y, dtype=float)
        assert np.nanmin(along) == 0.0
        assert np.nanmax(along) > 0.0


def test_each_thermal_function_has_its_own_band() -> None:
    t = np.array([0.0, 100.0, 200.0])
    names = ("helmholtz_kj_per_mol", "entropy_j_per_k_mol", "heat_capacity_j_per_k_mol")
    sigma = {name: np.full(3, 0.1 * (k + 1)) for k, name in enumerate(names)}
    fig = thermal_figure(
        temperatures_k=t,
        helmholtz_kj_per_mol=t,
        entropy_j_per_k_mol=t + 1.0,
        heat_capacity_j_per_k_mol=t + 2.0,
        sigma=sigma,
    )
    bands = [trace for trace in fig.data if trace.name == "± 1 σ"]
    assert len(bands) == 3
    for k, band in enumerate(bands):
        along = np.asarray(band.y, dtype=float)
        assert np.allclose(along[:3] - along[3:6][::-1], 0.2 * (k + 1))
        assert np.allclose(along[:3], t + k + 0.1 * (k + 1))
