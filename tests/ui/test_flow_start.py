"""Start in a real browser: a dropped file fills the page and leaves as a report; a phone's menu; a low screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase.build import bulk
from playwright.sync_api import Browser, expect

import sus2
from sus2.structures import write_structure
from tests.ui.conftest import saved, settled

pytestmark = pytest.mark.browser


def test_a_dropped_file_fills_the_page_and_leaves_as_a_report(server: str, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "tungsten.cif"
    atoms = bulk("W", "bcc", a=3.2, cubic=True)
    path.write_text(write_structure(atoms, "cif"))
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(f"{server}/?crystal=si&model=si-mlearn-pbe")
    plots = page.locator("[data-testid=stMain] .js-plotly-plot")
    plots.first.wait_for()
    settled(page)
    box = plots.first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 720, "on a low screen a whole plot is seen without scrolling"
    page.locator("[data-testid=stMain] input[type=file]").set_input_files(path)
    page.wait_for_url(lambda address: "crystal=si&" not in address)
    settled(page)
    page.get_by_role("button", name="Report (JSON)").wait_for()
    expect(plots).to_have_count(6)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    told = json.loads(saved(page, page.get_by_role("button", name="Report (JSON)")).read_text(encoding="utf-8"))
    assert told["crystal"]["label"] == "tungsten.cif"
    potential = sus2.load(told["potential"]["name"])
    found = {n["key"]: n["value"] for n in told["numbers"]}
    assert found["b0_gpa"] == pytest.approx(sus2.eos(atoms, potential).b0_gpa, rel=1e-6)
    assert problems == []
    page.close()


def test_the_menu_of_a_phone_closes_after_a_choice(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(120_000)
    page.goto(f"{server}/structure?crystal=cu&model=sus2-universal-pbe&present=true")
    menu = page.locator("[data-testid=stSidebar]")
    page.wait_for_function("getComputedStyle(document.documentElement).fontSize === '21px'")
    settled(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(menu).to_have_attribute("data-collapsed", "false")
    box = menu.get_by_role("combobox").first
    box.click()
    box.fill("Tungsten")
    page.get_by_role("option", name="Tungsten").first.click()
    expect(menu).to_have_attribute("data-collapsed", "true")
    page.wait_for_url(lambda address: "crystal=w&" in address)
    settled(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    page.close()
