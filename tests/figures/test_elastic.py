"""Figures of elastic constants and thermal properties: what they draw is what they were given."""

from __future__ import annotations

import numpy as np
import pytest

from sus2.figures.properties.elastic import (
    LABELS,
    bars_figure,
    cuts_figure,
    independent_constants,
    surface_figure,
    tensor_figure,
)
from sus2.figures.properties.thermal import free_energy_figure, gruneisen_figure, temperature_figure
from sus2.properties.elastic.directions import poissons_ratio, youngs_modulus_gpa

C = np.zeros((6, 6))
C[:3, :3] = 59.0
C[np.arange(6), np.arange(6)] = [150.0] * 3 + [76.0] * 3
SOFT = C.copy()  # auxetic: cubic with a small C11 - C12 has negative Poisson's ratios
SOFT[:3, :3] = 120.0
SOFT[np.arange(3), np.arange(3)] = 130.0


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_tensor(mode):
    fig = tensor_figure(c_gpa=C, mode=mode)
    np.testing.assert_array_equal(fig.data[0].z, C)
    assert fig.data[0].text[0][0] == "150.0"
    assert fig.data[0].text[0][3] == "0"
    other = tensor_figure(c_gpa=C, difference_from_gpa=C + 1.25)
    np.testing.assert_allclose(other.data[0].z, -1.25)
    assert other.data[0].text[0][0] == "−1.25"
    sigma = np.full((6, 6), np.nan)
    sigma[0, 0] = 12.0
    known = tensor_figure(c_gpa=C, sigma_gpa=sigma)
    assert known.data[0].text[0][:2] == ["150", "59.0"], "a number ends where its error begins"


@pytest.mark.parametrize("quantity", list(LABELS))
@pytest.mark.parametrize("sheet", ["minimum", "maximum"])
def test_surfaces(quantity, sheet):
    fig = surface_figure(c_gpa=SOFT, quantity=quantity, sheet=sheet, resolution=12)
    trace = fig.data[0]
    radius = np.sqrt(trace.x**2 + trace.y**2 + trace.z**2)
    np.testing.assert_allclose(radius, np.abs(trace.surfacecolor), atol=1e-9)


def test_surface_of_youngs_modulus_has_its_values():
    trace = surface_figure(c_gpa=C, quantity="youngs_modulus", resolution=9).data[0]
    n = np.stack([trace.x, trace.y, trace.z], axis=-1).reshape(-1, 3)
    np.testing.assert_allclose(youngs_modulus_gpa(C, n), np.linalg.norm(n, axis=1), rtol=1e-9)


def test_cuts_show_three_planes_and_negative_values():
    fig = cuts_figure(c_gpa=C, quantity="youngs_modulus")
    assert len(fig.data) == 3
    assert fig.data[0].r[0] == pytest.approx(youngs_modulus_gpa(C, [[1, 0, 0]])[0])
    assert fig.data[0].r[45] == pytest.approx(youngs_modulus_gpa(C, [[1, 1, 0]])[0])
    nu = cuts_figure(c_gpa=SOFT, quantity="poissons_ratio")
    assert {t.line.dash for t in nu.data} == {"solid", "dot"}
    assert any("negative" in t.name for t in nu.data)
    low = next(t for t in nu.data if t.name == "smallest, negative")
    assert low.customdata[45] == pytest.approx(poissons_ratio(SOFT, [[1, 1, 0]])[0, 0])


def test_bars_and_independent_constants():
    places = independent_constants(C)
    assert places == {"C₁₁": (0, 0), "C₄₄": (3, 3), "C₁₂": (0, 1)}
    groups = {name: {k: float(c[p]) for k, p in places.items()} for name, c in (("exact", C), ("other", SOFT))}
    fig = bars_figure(groups=groups)
    assert [t.name for t in fig.data] == ["exact", "other"]
    assert list(fig.data[1].y) == [130.0, 76.0, 120.0]
    # A constant that two tensors share only in one of them is still two constants.
    other = C.copy()
    other[1, 1] += 5.0
    assert "C₂₂" in independent_constants(C, others=[other])


def test_thermal_figures():
    t = np.linspace(0, 500, 6)
    v = np.linspace(38.0, 42.0, 7)
    fig = temperature_figure(
        temperatures_k=t, curves={"Cp": t / 10, "Cv": t / 11}, label="heat", unit="J", limit=("3R", 24.9)
    )
    assert [trace.name for trace in fig.data] == ["Cp", "Cv"]
    assert fig.layout.yaxis.title.text == "heat (J)"
    assert fig.layout.shapes[0].y0 == 24.9
    free = (v - 40.0)[None] ** 2 * 0.01 - 1e-4 * t[:, None]
    fig = free_energy_figure(
        volumes_a3=v,
        free_energies_ev=free,
        temperatures_k=t,
        volumes_t_a3=np.full(6, 40.0),
        gibbs_ev=-1e-4 * t,
        n_atoms=2,
    )
    assert len(fig.data) == 7
    np.testing.assert_allclose(fig.data[0].y, 1e3 * free[0] / 2)
    np.testing.assert_allclose(fig.data[-1].x, 20.0)
    modes = np.arange(12.0).reshape(2, 6)
    fig = gruneisen_figure(frequencies_thz=modes, gruneisen=-modes)
    assert sum(len(trace.x) for trace in fig.data) == 12
    assert len(gruneisen_figure(frequencies_thz=modes[:, :3], gruneisen=modes[:, :3]).data) == 1
