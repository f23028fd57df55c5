"""Under the Content-Security-Policy of the server every page draws what it should, and the console stays silent."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.ui.conftest import settled

pytestmark = pytest.mark.browser

# What the browser itself says of machines without a GPU, and deprecations of the front end's own libraries.
HARMLESS = re.compile(r"WebGL|GPU stall|GL Driver Message|willReadFrequently|deprecat", re.I)


def listen(page: Page) -> list[str]:
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        refused = "Content Security Policy" in message.text
        if refused or (message.type in ("error", "warning") and not HARMLESS.search(message.text)):
            problems.append(f"{page.url}: {message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda e: problems.append(f"{page.url}: {e}"))
    return problems


def test_the_console_is_silent_on_every_page(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(120_000)
    problems = listen(page)
    page.goto(f"{server}/?crystal=si&model=si-mlearn-pbe")
    page.get_by_text("Your own crystal").wait_for()
    settled(page)
    links = page.locator("[data-testid=stSidebarNav] a")
    names = [link.inner_text().strip().split("\n")[-1] for link in links.all()]
    assert len(names) >= 13
    webgl = page.evaluate("() => document.createElement('canvas').getContext('webgl') !== null")
    for k, name in enumerate(names):
        links.nth(k).click()
        expect(page.locator("[data-testid=stMain] h1, [data-testid=stMain] h2").first).to_be_visible(timeout=120_000)
        settled(page)
        button = page.get_by_role("button", name="Compute", exact=True)
        if name in ("Structure", "Equation of state", "Elasticity", "Phonons", "Thermal properties"):
            if name != "Structure":
                button.first.click()
            page.locator("[data-testid=stMain] .js-plotly-plot").first.wait_for()
            settled(page)
        if webgl:
            assert page.get_by_text("WebGL is not supported").count() == 0, name
    page.close()
    assert problems == []


def test_the_policy_is_in_force(server: str, browser: Browser) -> None:
    page = browser.new_page()
    problems = listen(page)
    page.goto(server)
    page.get_by_text("Your own crystal").wait_for(timeout=120_000)
    ran = page.evaluate(
        """() => { const s = document.createElement('script'); s.textContent = 'window.intruder = 1';
        document.head.append(s); return window.intruder === 1; }"""
    )
    assert not ran, "a script in the page ran"
    assert any("Content Security Policy" in p for p in problems)
    framed = browser.new_page()
    framed.set_content(f"<iframe src='{server}'></iframe>")
    framed.wait_for_timeout(3000)
    inner = framed.frames[-1]
    assert "Your own crystal" not in (inner.content() if inner.url.startswith("http") else "")
    framed.close()
    page.close()
