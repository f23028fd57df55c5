"""What is wider than a phone: tables wrap, and figures of several panels keep their width and are moved to the side."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

import sus2
from sus2.structures import samples
from tests.ui.conftest import settled, still

pytestmark = pytest.mark.browser
WIDTH = 390


def test_figures_of_three_panels_keep_their_width_and_the_page_does_not_move(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": 844})
    page.set_default_timeout(180_000)
    page.goto(f"{server}/elasticity?crystal=si&model=si-mlearn-pbe&elastic_tab=Directions")
    frame = page.locator("[class*=st-key-wide_3]")
    frame.locator(".js-plotly-plot").wait_for()
    settled(page)
    wide = frame.evaluate(
        "e => [e.scrollWidth, e.clientWidth, e.querySelector('.main-svg').getBoundingClientRect().width]"
    )
    assert wide[0] >= 800
    assert wide[1] <= WIDTH
    assert wide[2] >= 750
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= WIDTH
    page.close()


def test_the_longest_verdict_stays_on_the_screen(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": 844})
    page.set_default_timeout(180_000)
    potential = sus2.load("sus2-universal-pbe")
    words = ((s.key, [n.verdict for n in sus2.report(s.atoms(), potential).numbers]) for s in samples())
    crystal = next(key for key, found in words if "not to be trusted" in found)
    page.goto(f"{server}/?crystal={crystal}&model={potential.name}")
    verdict = page.locator(".st-key-overview_numbers td.w", has_text="not to be trusted").first
    verdict.wait_for()
    settled(page)
    still(page, verdict.locator("span"))
    box = verdict.locator("span").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= WIDTH
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= WIDTH
    page.close()
