"""Every page in a real browser: it fits the screen, everybody can use it, and the console stays silent."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.ui.accessibility import layout_shift, violations
from tests.ui.conftest import settled
from tests.ui.test_console import listen

pytestmark = pytest.mark.browser

CRYSTAL = "crystal=si&model=si-mlearn-pbe"
# Pages with a plot, then those that have none before something is chosen.
PLOTS = (
    f"?{CRYSTAL}",
    *(f"{page}?{CRYSTAL}" for page in ("structure", "eos", "elasticity", "phonons", "thermal", "compare", "check")),
    "transfer",
    "models",
)
WHOLE = tuple(f"{page}?{CRYSTAL}" for page in ("", "structure", "eos", "elasticity", "phonons", "thermal", "compare"))
OTHERS = ("history", "many", "screening", "specialise")
SOON = 2 / 3  # of the screen of a phone lie at most above the first plot, half of it in a lesson
LESSONS = tuple(f"learn?lesson={k}" for k in range(1, 9))


@pytest.mark.parametrize(
    ("width", "height", "theme", "paths"),
    [(1280, 720, "light", (*PLOTS, *OTHERS, *LESSONS)), (390, 844, "dark", (*PLOTS, *OTHERS, *LESSONS))],
    ids=["desktop", "phone"],
)
def test_every_page_fits_is_usable_and_silent(
    server: str, browser: Browser, width: int, height: int, theme: str, paths: tuple[str, ...]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    page.set_default_timeout(180_000)
    problems = listen(page)
    for path in paths:
        page.goto(f"{server}/{path}")
        main = page.locator("[data-testid=stMain]")
        main.locator("h1").wait_for()
        if path not in OTHERS:
            # What a lesson shows first may be computed longer than what it shows further below.
            place = ".st-key-lesson_plot " if path in LESSONS else ""
            main.locator(f"{place}.js-plotly-plot:visible").first.wait_for()
        settled(page)
        assert violations(page) == [], path
        assert layout_shift(page) < 0.1, path
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width, path
        if path in (*WHOLE, *LESSONS):
            box = main.locator(".js-plotly-plot:visible").first.bounding_box()
            assert box is not None
            if width > 640:
                assert box["y"] + box["height"] <= height, f"{path}: the first plot is seen without scrolling"
            else:
                assert box["y"] <= (0.5 if path in LESSONS else SOON) * height, (
                    f"{path}: on a phone the plot comes soon"
                )
        assert page.get_by_text("WebGL is not supported").count() == 0, path
        assert page.locator("[data-testid=stException]").count() == 0, path
        assert "Traceback" not in main.inner_text(), path
        assert problems == [], path
    page.close()


def test_large_type_leaves_the_first_plot_above_the_fold(server: str, browser: Browser) -> None:
    height = 720
    page = browser.new_page(viewport={"width": 1280, "height": height})
    page.set_default_timeout(180_000)
    for path in (*WHOLE, *LESSONS):
        page.goto(f"{server}/{path}&present=true")
        place = ".st-key-lesson_plot " if path in LESSONS else ""
        plot = page.locator(f"[data-testid=stMain] {place}.js-plotly-plot:visible").first
        plot.wait_for()
        settled(page)
        box = plot.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, path
        # Whoever presents reads the headings: nothing lies over them.
        heading, below = page.evaluate(
            """() => {
                const h = document.querySelector("[data-testid=stMain] h1");
                const next = h.closest("[data-testid=stElementContainer]").nextElementSibling;
                return [h.getBoundingClientRect().bottom, next.getBoundingClientRect().top];
            }"""
        )
        assert heading <= below + 1, path
    page.close()


def test_the_bar_of_lessons_shows_the_open_one(server: str, browser: Browser) -> None:
    width = 390
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.set_default_timeout(180_000)
    page.goto(f"{server}/learn?lesson=6")
    bar = page.locator(".st-key-lesson")
    page.wait_for_function(
        """width => {
            const one = document.querySelector(".st-key-lesson [role=radio][aria-checked=true]");
            const box = one?.getBoundingClientRect();
            return box && one.innerText.startsWith("6") && box.left >= 0 && box.right <= width;
        }""",
        arg=width,
    )
    # A hand that moves it is left alone.
    bar.get_by_role("radiogroup").evaluate("e => e.scrollLeft = 0")
    page.wait_for_timeout(300)
    assert bar.get_by_role("radiogroup").evaluate("e => e.scrollLeft") == 0
    page.close()
