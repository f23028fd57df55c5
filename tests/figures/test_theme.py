"""Figures for a projector: larger letters, lines and marks, and the figure itself as it was."""

from __future__ import annotations

import numpy as np

from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import enlarged, style


def test_letters_lines_and_marks_grow_and_the_data_stay() -> None:
    figure = Figure(
        scatter(x=np.arange(3.0), y=np.arange(3.0), line={"width": 2.0}, marker={"size": 8, "line": {"width": 1.0}})
    )
    style(figure, height=400)
    figure.update_xaxes(tickfont={"size": 10})
    figure.update_yaxes(title_text="energy")
    before = figure.to_dict()
    found = enlarged(figure, 1.5)
    trace = found["data"][0]
    assert trace["line"]["width"] == 3.0
    assert trace["marker"]["size"] == 12.0
    assert trace["marker"]["line"]["width"] == 1.5
    assert found["layout"]["font"]["size"] == 1.5 * before["layout"]["font"]["size"]
    assert found["layout"]["xaxis"]["tickfont"]["size"] == 15.0
    title = found["layout"]["yaxis"]["title"]
    assert title["text"] == "energy"
    assert title["standoff"] > 0, "it stands beside the larger numbers of the axis, not on them"
    assert before["layout"]["font"]["size"] < title["font"]["size"] <= found["layout"]["font"]["size"]
    assert found["layout"]["height"] == 400
    assert trace["x"] == before["data"][0]["x"]
    assert figure.to_dict() == before
