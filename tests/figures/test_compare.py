"""Figures of a comparison draw the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from sus2.comparison.compare import compare
from sus2.comparison.result import Comparison
from sus2.figures.comparison.compare import (
    bands_overlay,
    bars_figure,
    difference_colour,
    effects_figure,
    scatter_figure,
)
from sus2.figures.comparison.report import comparison_figures, comparison_html
from sus2.units import THZ_TO_INV_CM
from tests.helpers_twins import metals, twin


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    pbe = metals()
    return compare(bulk("Al"), [pbe, twin(pbe, name="<twin>", functional="a & b", strength=1.2)], mesh=20.0, points=50)


def test_colours_grow_with_the_difference() -> None:
    assert difference_colour(None) == difference_colour(float("nan")) == ""
    rise, more, fall = (difference_colour(x) for x in (2.0, 10.0, -2.0))

    def alpha(css: str) -> float:
        return float(css.rstrip(")").split(",")[-1])

    assert alpha(rise) < alpha(more)
    assert alpha(rise) == alpha(fall)
    assert rise != fall
    assert difference_colour(25.0) == difference_colour(400.0)


def test_bands_have_gaps_between_branches_and_the_unit_asked_for() -> None:
    x = np.array([0.0, 1.0, 1.0, 2.0])
    bands = np.arange(8.0).reshape(4, 2)
    fig = bands_overlay(
        distance_per_a=x,
        segments=[slice(0, 2), slice(2, 4)],
        ticks=[(0.0, "Γ"), (1.0, "X|K"), (2.0, "L")],
        bands_thz={"a": bands, "b": 2 * bands},
        dos={"a": ([0.0, 1.0], [0.5, 0.25])},
        unit="cm⁻¹",
    )
    first = fig.data[0]
    nan = np.isnan(np.asarray(first.y, dtype=float))
    assert nan.sum() == 4
    np.testing.assert_allclose(np.asarray(first.y)[~nan], THZ_TO_INV_CM * np.array([0, 2, 4, 6, 1, 3, 5, 7]))
    np.testing.assert_allclose(fig.data[1].x, np.array([0.5, 0.25]) / THZ_TO_INV_CM)
    assert list(fig.layout.xaxis.ticktext) == ["Γ", "X|K", "L"]
    assert [t.name for t in fig.data] == ["a", "a", "b"]


def test_effects_add_up_to_the_mark() -> None:
    fig = effects_figure(labels=["K", "G"], cell_percent=[10.0, -4.0], forces_percent=[-6.0, 1.0])
    np.testing.assert_allclose(fig.data[2].x, [4.0, -3.0])


def test_bars_and_scatter_keep_order_and_labels() -> None:
    bars = bars_figure(labels=["C11", "C12"], values={"a": [1.0, 2.0], "b": [3.0, 4.0]}, unit="GPa")
    assert [list(t.y) for t in bars.data] == [[1.0, 2.0], [3.0, 4.0]]
    fig = scatter_figure(panels=[("raw", [1.0, 2.0], [3.0, 5.0])], names=("p", "q"), labels=["x", "y"])
    assert list(fig.data[1].text) == ["x", "y"]
    low, high = fig.data[0].x
    assert low < 1.0
    assert high > 5.0
    assert list(fig.data[0].y) == [low, high]


def test_a_comparison_has_all_figures_in_both_modes(comparison: Comparison) -> None:
    for cells in ("own", "fixed"):
        found = comparison_figures(comparison=comparison, cells=cells)
        assert set(found) == {"eos", "bands", "elastic", "effects", "thermal"}
    own, fixed = (comparison_figures(comparison=comparison, cells=c)["bands"] for c in ("own", "fixed"))
    shown = np.asarray(fixed.data[2].y, dtype=float)
    expected = comparison.fixed[1].results["phonons"].bands.frequencies_thz
    np.testing.assert_allclose(np.sort(shown[np.isfinite(shown)]), np.sort(expected.ravel()))
    assert len(own.data) == len(fixed.data)


def test_nothing_is_drawn_without_data() -> None:
    pbe = metals()
    bare = compare(bulk("Al"), [pbe, twin(pbe)], properties=["energies"])
    assert comparison_figures(comparison=bare) == {}


def test_the_report_is_whole_and_escapes_names(comparison: Comparison) -> None:
    page = comparison_html(comparison=comparison)
    assert "&lt;twin&gt;" in page
    assert "<twin>" not in page.split("</script>", 1)[1].split("plotly-graph-div")[0]
    assert page.count("plotly-graph-div") >= 5
    assert "https://cdn" not in page.split("</script></head>")[1]
    for d in comparison.differences["<twin>"]:
        assert d.label.replace("'", "&#x27;") in page
