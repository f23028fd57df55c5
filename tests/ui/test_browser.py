"""The app in a real browser: upload a crystal, press Compute, check the numbers and the console."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ase.build import bulk
from playwright.sync_api import Browser

import sus2
from sus2.structures import write_structure
from tests.helpers_server import serving
from tests.ui.conftest import in_frame

pytestmark = pytest.mark.browser


def test_a_link_opens_its_page_on_a_fresh_server(root: Path, browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    with serving(root, tmp_path) as server:
        page.goto(f"{server}/eos?crystal=cu")
        page.get_by_role("heading", name="Equation of state").wait_for(timeout=60_000)
        page.get_by_text("Copper", exact=True).first.wait_for(timeout=60_000)
        assert page.get_by_text("Page not found").count() == 0
        page.close()


def test_upload_compute_and_read_the_numbers(server: str, browser: Browser, tmp_path: Path) -> None:
    atoms = bulk("Si", "diamond", a=5.43, cubic=True)
    path = tmp_path / "my silicon.cif"
    path.write_text(write_structure(atoms, "cif"))
    expected = sus2.eos(atoms, sus2.load("si-mlearn-pbe"))

    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(server)
    page.get_by_text("Your own crystal").wait_for(timeout=60_000)
    page.locator("[data-testid=stSidebar] input[type=file]").set_input_files(path)
    page.get_by_text("my silicon.cif", exact=True).first.wait_for(timeout=60_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.locator("[data-testid=stSidebarNav] a", has_text="Equation of state").click()
    page.get_by_role("heading", name="Equation of state").wait_for(timeout=60_000)
    page.get_by_role("button", name="Compute").click()
    page.get_by_text(re.compile("Computed in")).wait_for(timeout=120_000)
    # The caption comes before the numbers and the plots below it: read when the script has ended and they are drawn.
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
    page.get_by_text(in_frame(expected, "v0_a3_per_atom", expected.v0_a3 / 8, 3)).first.wait_for(timeout=60_000)
    text = page.inner_text("[data-testid=stMain]")
    assert in_frame(expected, "v0_a3_per_atom", expected.v0_a3 / 8, 3) in text
    assert in_frame(expected, "b0_gpa", expected.b0_gpa, 2) in text
    assert in_frame(expected, "b0_prime", expected.b0_prime, 2) in text
    assert "Traceback" not in text
    assert problems == []


def test_a_click_on_a_band_sets_that_mode_in_motion(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    page.goto(f"{server}/phonons?crystal=si&model=si-mlearn-pbe")
    bands = page.locator(".js-plotly-plot").first
    bands.wait_for(timeout=120_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    # Where a point that can be clicked is drawn, once the page has stopped moving.
    script = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
        const plot = document.querySelector('.js-plotly-plot');
        const point = plot.calcdata[plot.data.findIndex(t => t.name === 'modes')][131];
        const [x, y] = [plot._fullLayout.xaxis, plot._fullLayout.yaxis];
        const box = plot.getBoundingClientRect();
        done({x: box.x + x._offset + x.l2p(point.x), y: box.y + y._offset + y.l2p(point.y)});
    })))"""
    place, before, still = page.evaluate(script), None, 0
    while still < 20:
        before, place = place, page.evaluate(script)
        still = still + 1 if place == before else 0
    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])
    page.get_by_text(re.compile(r"^Mode [1-6] at q = \(0\.\d\d\d, ")).wait_for(timeout=60_000)
    page.locator(".js-plotly-plot").nth(1).wait_for(timeout=60_000)
    assert "Traceback" not in page.inner_text("[data-testid=stMain]")
    page.close()
