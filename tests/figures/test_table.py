from __future__ import annotations

import math

import numpy as np

from sus2.figures.properties.table import MARKERS, MAX_NAMED, OTHERS, many_figure

X = [1.0, 2.0, math.nan, 4.0]
Y = [10.0, math.nan, 30.0, 40.0]
NAMES = ["set/a.cif", "b.vasp", "c", "a name that is much too long.xyz"]


def test_only_points_with_both_numbers() -> None:
    (trace,) = many_figure(x=X, y=Y, names=NAMES, x_title="u (Å)", y_title="v").data
    assert np.array_equal(trace.x, [1.0, 4.0])
    assert np.array_equal(trace.y, [10.0, 40.0])
    assert trace.customdata[:, 0].tolist() == [0, 3]
    assert list(trace.hovertext) == [NAMES[0], NAMES[3]]
    assert list(trace.text) == ["a", "a name that is ..."]


def test_groups_differ_in_colour_and_marker() -> None:
    three = [1, 2, 3]
    traces = many_figure(x=three, y=three, names=list("abc"), groups=["p", "q", "p"], x_title="", y_title="").data
    assert [t.name for t in traces] == ["p", "q"]
    assert len({t.marker.color for t in traces}) == len({t.marker.symbol for t in traces}) == 2
    n = len(MARKERS)
    kinds = ["rare", *(str(k) for k in range(n) for _ in range(2))]
    numbers = np.arange(len(kinds))
    found = many_figure(x=numbers, y=numbers, names=kinds, groups=kinds, x_title="", y_title="").data
    assert [t.name for t in found] == [*(str(k) for k in range(n - 1)), OTHERS]
    assert sum(len(t.x) for t in found) == len(kinds)
    assert list(found[-1].hovertext) == ["rare", str(n - 1), str(n - 1)]


def test_names_are_left_out_where_there_are_many() -> None:
    n = MAX_NAMED + 1
    for size, mode in ((MAX_NAMED, "markers+text"), (n, "markers")):
        (trace,) = many_figure(x=range(size), y=range(size), names=["x"] * size, x_title="", y_title="").data
        assert trace.mode == mode
