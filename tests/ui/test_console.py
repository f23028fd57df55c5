"""What a page writes to the console, and that the Content-Security-Policy of the server is in force."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = pytest.mark.browser

# What the browser itself says of machines without a GPU, and deprecations of the front end's own libraries.
HARMLESS = re.compile(r"WebGL|GPU stall|GL Driver Message|willReadFrequently|deprecat", re.I)


def listen(page: Page) -> list[str]:
    """Problems that a page has from now on: messages on its console, refusals of the policy, errors of scripts."""
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        refused = "Content Security Policy" in message.text
        if refused or (message.type in ("error", "warning") and not HARMLESS.search(message.text)):
            problems.append(f"{page.url}: {message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda e: problems.append(f"{page.url}: {e}"))
    return problems


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
