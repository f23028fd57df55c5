"""Figures of the lessons: what they draw is what they were given, in both themes."""

from __future__ import annotations

import numpy as np
import pytest

from sus2.figures.lessons.curves import b0_prime_figure, minimum_figure, ranges_figure
from sus2.figures.lessons.functionals import errors_figure, functional_figure
from sus2.figures.lessons.symmetry import pattern_figure, stress_figure
from sus2.figures.lessons.universal import diagonal_figure, pairs_figure, two_curves_figure, universal_figure
from sus2.figures.lessons.waves import chain_figure, sound_figure, two_bands_figure, well_figure
from sus2.figures.theme import Mode, ink

MODES: tuple[Mode, ...] = ("light", "dark")
X = np.linspace(0.1, 2.0, 20)


@pytest.mark.parametrize("mode", MODES)
def test_the_valley_has_its_slope_and_its_pressure(mode: Mode) -> None:
    fig = minimum_figure(
        volumes_a3=X,
        energies_ev=(X - 1) ** 2,
        pressures_gpa=2 - 2 * X,
        v0_a3=1.0,
        at_volume_a3=1.5,
        at_energy_ev=0.25,
        at_pressure_gpa=-1.0,
        slope_ev_per_a3=1.0,
        highest_ev=1.0,
        mode=mode,
    )
    tangent = next(t for t in fig.data if t.name == "its slope")
    assert np.diff(tangent.y)[0] / np.diff(tangent.x)[0] == pytest.approx(1.0)
    assert np.mean(tangent.y) == pytest.approx(0.25)
    assert fig.layout.font.color == ink(mode)
    assert {s.type for s in fig.layout.shapes} >= {"rect", "line"}


@pytest.mark.parametrize("mode", MODES)
def test_numbers_beyond_the_axis_are_marked(mode: Mode) -> None:
    fig = ranges_figure(
        ranges_percent=[0.1, 1, 10],
        curves={"float64": [4, 4, 5], "float32": [-90, 4, np.inf]},
        right=4.0,
        label="B",
        limits=(0.0, 8.0),
        chosen_percent=1.0,
        mode=mode,
    )
    wrong = fig.data[1]
    assert list(wrong.y) == [0, 4, 8]
    assert list(wrong.marker.symbol) == ["triangle-down", "circle", "triangle-up"]
    assert wrong.customdata[0] == -90


def test_family_and_chosen_curve() -> None:
    fig = b0_prime_figure(
        ratios=X, pressures_gpa=X, family={2.0: X, 4.0: 2 * X}, chosen=3.0, chosen_gpa=1.5 * X, own=4.2
    )
    np.testing.assert_allclose(next(t for t in fig.data if t.name == "B₀′ = 3.0").y, 1.5 * X)
    assert {a.text for a in fig.layout.annotations} == {"2", "4"}


@pytest.mark.parametrize("mode", MODES)
def test_the_marked_crystal_is_drawn_above_the_others(mode: Mode) -> None:
    curves = [("Cu", "metals", X, X), ("W", "metals", X, 2 * X)]
    fig = universal_figure(curves=curves, line=(X, X), x_title="a", y_title="E", highlighted="W", mode=mode)
    drawn = [t for t in fig.data if t.hovertemplate and t.hovertemplate.startswith(("Cu", "W"))]
    assert drawn[-1].line.width > drawn[0].line.width
    assert fig.data[-1].name == "universal"
    assert [t.name for t in fig.data if t.showlegend is not False] == ["metals", "universal"]


def test_labels_on_the_diagonal_do_not_hide_each_other() -> None:
    fig = diagonal_figure(
        labels=["a", "b", "c"], x=[1.0, 1.001, 5.0], y=[1.0, 1.0, 4.0], x_title="x", y_title="y", logarithmic=True
    )
    points = fig.data[-1]
    assert list(points.text) == ["a", "", "c"]
    assert list(points.customdata) == ["a", "b", "c"]
    assert tuple(fig.layout.xaxis.range) == tuple(fig.layout.yaxis.range)


def test_pairs_are_named_once() -> None:
    by_distance = pairs_figure(pairs=["A-A", "A-B"], x=X, values=[X, 2 * X], x_title="r")
    by_xi = pairs_figure(pairs=["A-A", "A-B"], x=[X, X / 2], values=[X, 2 * X], x_title="xi", line=(X, X))
    assert sum(t.showlegend is not False for t in by_distance.data) == 2
    assert [t.name for t in by_xi.data if t.showlegend is not False] == ["shared by all pairs"]


def test_a_lost_minimum_has_no_line() -> None:
    fig = two_curves_figure(volumes_a3=X, curves={"right": X, "wrong": X}, minima_a3=(1.0, float("nan")))
    assert len(fig.layout.shapes) == 1


@pytest.mark.parametrize("mode", MODES)
def test_stress_and_pattern(mode: Mode) -> None:
    fig = stress_figure(computed_gpa=[1, 0, 0, -2, 0, 0], linear_gpa=[1.1, 0, 0, -2.1, 0, 0], mode=mode)
    low, high = fig.layout.yaxis.range
    assert low < -2.1
    assert high > 1.1
    cubic = np.zeros((6, 6), dtype=bool)
    cubic[:3, :3] = True
    cubic[[3, 4, 5], [3, 4, 5]] = True
    shown = pattern_figure(nonzero=cubic, independent=3, mode=mode)
    assert [len(t.x) for t in shown.data] == [24, 12]
    assert "3 independent" in shown.layout.title.text


def test_sound_lines_have_the_speeds() -> None:
    q = np.linspace(0.01, 0.25, 30)
    f = np.stack([20 * q, 30 * q, 60 * q], axis=1)
    fig = sound_figure(q_per_a=q, frequencies_thz=f, speeds_thz_a=[20.0, 30.0, 60.0], at=3)
    lines = [t for t in fig.data if t.name == "from the elastic constants"]
    assert sorted(t.y[1] / t.x[1] for t in lines) == pytest.approx([20.0, 30.0, 60.0])
    chain = chain_figure(q_per_a=q, branch_thz=f[:, 2], chain_thz=f[:, 2], neighbours=1)
    assert any("1 plane" in t.name for t in chain.data)


@pytest.mark.parametrize("mode", MODES)
def test_imaginary_bands_lie_on_a_wash(mode: Mode) -> None:
    common = {"distance_per_a": X, "segments": [slice(0, 10), slice(10, 20)], "ticks": [(0.1, "Γ"), (2.0, "X")]}
    real = two_bands_figure(bands_thz={"right": np.abs(X)[:, None]}, mode=mode, **common)
    soft = two_bands_figure(bands_thz={"right": X[:, None], "wrong": -X[:, None]}, mode=mode, **common)
    assert not [s for s in real.layout.shapes if s.type == "rect"]
    assert len([s for s in soft.layout.shapes if s.type == "rect"]) == 1
    assert [t.name for t in soft.data if t.showlegend] == ["right", "wrong"]


def test_the_ball_lies_in_the_well() -> None:
    u = np.linspace(-1, 1, 41)
    fig = well_figure(
        amplitudes_a=u,
        energies_mev_per_atom=u**4 - u**2,
        at_amplitude_a=0.5,
        at_energy_mev_per_atom=-0.1875,
        parabola_mev_per_atom_a2=-1.0,
    )
    low, high = fig.layout.yaxis.range
    assert low < -0.25
    assert high > 0.05
    assert (fig.data[-1].x[0], fig.data[-1].y[0]) == (0.5, -0.1875)


def test_functionals_at_rest_and_their_errors() -> None:
    fig = functional_figure(
        volumes_a3=X,
        highest_thz=[5 - X, 6 - X],
        names=("PBE", "r2SCAN"),
        own_a3=(1.2, 1.0),
        own_thz=(3.8, 5.0),
        given_a3=1.1,
        at_volume_a3=1.5,
    )
    here = fig.data[-1]
    np.testing.assert_allclose(here.y, [3.5, 4.5], atol=1e-9)
    bars = errors_figure(labels=["a", "b"], names=("PBE", "r2SCAN"), errors_percent=[[1, 2], [3, 4]], title="%")
    assert list(bars.data[-1].x) == [3, 4]
