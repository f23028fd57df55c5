"""Figures of plain dictionaries are those that plotly makes of the same calls."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from sus2.figures import plain
from sus2.figures.theme import style
from tests.conftest import _values


def draw(fig: Any) -> Any:
    """Calls that both kinds of figure understand."""
    fig.add_scatter(x=np.arange(300), y=np.linspace(0.0, 1.0, 300), line_color="red", row=1, col=1)
    fig.add_trace({"type": "bar", "x": ("a", "b"), "y": [1, None], "marker": {"color": "blue"}}, row=1, col=2)
    fig.add_trace({"type": "heatmap", "z": np.eye(2)}, row=1, col=2)
    fig.add_vline(x=2.0, line={"width": 1}, row=1, col=2)
    fig.add_hline(y=0.5, line_width=2)
    fig.add_vrect(x0=0.1, x1=0.2, fillcolor="red", row=1, col=1)
    fig.add_hrect(y0=0.1, y1=0.2, layer="below", row=1, col=2)
    fig.add_annotation(text="here", x=1, y=2, showarrow=False)
    fig.add_shape(type="rect", x0=0, x1=1, y0=0, y1=1)
    fig.update_xaxes(title_text="x", range=[np.float64(0.0), 3.0], row=1, col=2)
    fig.update_yaxes(title="y", zeroline=True)
    fig.update_layout(margin={"t": 3}, legend_x=0.5)
    return style(fig)


def test_the_same_calls_give_what_plotly_gives() -> None:
    arguments = {"rows": 1, "cols": 2, "shared_yaxes": True, "column_widths": [0.7, 0.3], "subplot_titles": ("a", "b")}
    ours, theirs = draw(plain.subplots(**arguments)), draw(make_subplots(**arguments))
    theirs.update_layout(template="none")
    found, expected = (_values(fig.to_dict()) for fig in (ours, theirs))
    notes = [sorted(f["layout"].pop("annotations"), key=str) for f in (found, expected)]
    assert notes[0] == notes[1]
    assert found == expected
    assert "_parts" in ours.__dict__, "the objects of plotly were made although nobody asked for them"


@pytest.mark.parametrize("ask", [lambda f: f.data, lambda f: f.layout, lambda f: f.select_traces(), copy.deepcopy])
def test_a_figure_that_is_looked_into_stays_the_same(ask: Any) -> None:
    ours = draw(plain.subplots(rows=1, cols=2))
    before = _values(ours.to_dict())
    ask(ours)
    assert "_parts" not in ours.__dict__
    assert _values(ours.to_dict()) == before
    ours.add_scatter(x=[1], y=[2], row=1, col=2).add_vline(x=1.0, row=1, col=1).update_xaxes(title_text="new")
    assert ours.data[-1].xaxis == "x2"
    assert ours.layout.xaxis.title.text == "new"
    assert len(ours.layout.shapes) == len(before["layout"]["shapes"]) + 1


def test_polar_subplots_one_trace_and_frames() -> None:
    polar = plain.subplots(rows=1, cols=2, specs=[[{"type": "polar"}] * 2])
    polar.add_trace(plain.scatterpolar(r=[1.0], theta=[0.0]), row=1, col=2).update_polars(bgcolor="red")
    assert polar.to_dict()["data"][0]["subplot"] == "polar2"
    assert polar.layout.polar2.bgcolor == "red"
    moving = plain.Figure(plain.scatter(x=[1], y=[2]), frames=[{"data": [plain.scatter(x=[2], y=[2])], "name": "0"}])
    assert moving.to_dict()["frames"][0]["name"] == "0"
    assert moving.frames[0].data[0].x == (2,)


def test_copies_of_a_figure_are_figures() -> None:
    ours = draw(plain.subplots(rows=1, cols=2))
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), go.Figure(ours)):
        assert _values(other.to_dict()) == _values(ours.to_dict())


def test_what_plotly_does_not_know_is_refused_when_looked_into() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        _ = plain.Figure([plain.scatter(x=[1], nonsense=2)]).data
    with pytest.raises(AttributeError):
        _ = plain.Figure().nonsense


@pytest.mark.parametrize("values", [[True, False], [0, 255], [-1, 200], [0, 2**40], [0.5, np.nan], ["a", "b"], []])
def test_typed_arrays_hold_what_was_given(values: list[Any]) -> None:
    found = plain.Figure([plain.scatter(x=np.array(values))]).to_dict()["data"][0]["x"]
    np.testing.assert_array_equal(np.array(_values(found), dtype=np.array(values).dtype), np.array(values))


def test_joined_lines_have_gaps() -> None:
    found = plain.joined([np.array([1.0, 2.0]), np.array([3.0])])
    np.testing.assert_array_equal(found, [1.0, 2.0, np.nan, 3.0, np.nan])


def test_a_scale_of_colours_by_its_name() -> None:
    (ours,), (theirs,) = (
        f([{"type": "heatmap", "colorscale": "Cividis"}]).to_dict()["data"] for f in (plain.Figure, go.Figure)
    )
    assert [colour for _, colour in ours["colorscale"]] == [colour for _, colour in theirs["colorscale"]]
