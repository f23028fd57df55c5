"""In a real browser: a lesson opens from its link, answers to a slider, and leads on to a live page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

import sus2
from sus2.lessons.sound import sound
from sus2.structures.samples import sample
from tests.ui.conftest import settled

pytestmark = pytest.mark.browser

LAST = "Go on with the live pages"


def watched(browser: Browser, width: int) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    problems: list[str] = []
    # On the path of a page streamlit first asks there for what lies at the root.
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    return page, problems


def test_a_lesson_answers_and_leads_on(server: str, browser: Browser) -> None:
    page, problems = watched(browser, 1280)
    page.goto(f"{server}/learn?lesson=4")
    page.get_by_role("heading", name=LAST).wait_for(timeout=180_000)
    settled(page)
    right = sound(sample("al").atoms(), sus2.load("sus2-universal-pbe"))
    springs = page.locator(".st-key-l4_springs input[type=range]")
    springs.focus()
    springs.press("End")
    page.get_by_text("chain, springs to 8 planes").first.wait_for(timeout=60_000)
    shown = page.get_by_text("Speed of sound of the chain").locator("xpath=..").inner_text()
    assert f"{right.chain(8).speed_m_per_s:.0f} m/s" in shown
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="All phonons of aluminium").click()
    live = opened.value
    live.get_by_role("heading", name="Phonons").first.wait_for(timeout=60_000)
    live.wait_for_url("**/phonons?*crystal=al*", timeout=60_000)
    assert "model=sus2-universal-pbe" in live.url
    live.get_by_text("Aluminium").first.wait_for(timeout=60_000)
    assert problems == []
    page.close()
    live.close()
