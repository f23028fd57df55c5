"""When the plots of a page are sent: the first apart from the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pages._parts import widgets

APART, START = widgets._APART_S, widgets._START_S


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session of a browser, with what was slept in "slept"; charts are not drawn."""
    state: dict[str, Any] = {"crystal_key": "si", "slept": []}
    quiet = dict.fromkeys(("title", "markdown", "plotly_chart"), lambda *_, **__: None)
    monkeypatch.setattr(widgets, "st", SimpleNamespace(session_state=state, **quiet))
    monkeypatch.setattr(widgets, "time", SimpleNamespace(sleep=state["slept"].append))
    return state


def plots(count: int) -> None:
    for k in range(count):
        widgets.plot({}, key=f"plot_{k}", alt="", name="")


def test_on_the_first_page_of_a_visit_the_second_plot_waits_for_the_browser(session: dict[str, Any]) -> None:
    widgets.title("Page", "about")
    plots(4)
    assert session["slept"] == [APART, START]


def test_later_it_is_apart_by_a_moment_and_parts_that_are_drawn_again_do_not_wait(session: dict[str, Any]) -> None:
    for _ in range(2):
        session["slept"].clear()
        widgets.title("Page", "about")
        plots(3)
    assert session["slept"] == [APART, APART]
    session["slept"].clear()
    plots(2)  # a tab that is opened
    assert session["slept"] == []
