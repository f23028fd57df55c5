"""In a real browser: an edited crystal goes on to the next page; an archive becomes a table that reads back."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from ase.build import bulk
from playwright.sync_api import Browser, Page

import sus2
from sus2.structures import content_key, sample, write_structure
from sus2.structures.edits import supercell
from tests.ui.conftest import saved, settled

pytestmark = pytest.mark.browser


def watched(browser: Browser, width: int) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    problems: list[str] = []
    # On the path of a page streamlit first asks there for what lies at the root.
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    return page, problems


@pytest.mark.parametrize("width", [1280, 400])
def test_an_edited_crystal_goes_on_to_the_next_page(server: str, browser: Browser, width: int) -> None:
    page, problems = watched(browser, width)
    page.goto(f"{server}/structure?crystal=si&model=si-mlearn-pbe")
    page.get_by_role("tab", name="Edit").click()
    box = page.get_by_label("along c", exact=True)
    box.fill("2")
    box.press("Enter")
    key = content_key(supercell(sample("si").atoms(), (1, 1, 2)))
    page.get_by_role("button", name="Use this crystal").click()
    page.wait_for_url(f"**/structure?*crystal={key}*", timeout=60_000)
    page.goto(f"{server}/structure?crystal={key}&model=si-mlearn-pbe")
    page.get_by_text("16 formula units in the cell").first.wait_for(timeout=60_000)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    assert "Traceback" not in main.inner_text()
    assert problems == []
    page.close()


def test_an_archive_becomes_a_table_that_reads_back(server: str, browser: Browser, tmp_path: Path) -> None:
    crystals = {f"set/si-{a}.cif": bulk("Si", "diamond", a=a) for a in (5.35, 5.55)}
    path = tmp_path / "crystals.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, atoms in crystals.items():
            archive.writestr(name, write_structure(atoms, "cif"))
        archive.writestr("set/readme.txt", "not a crystal")
    page, problems = watched(browser, 1280)
    page.goto(f"{server}/many?crystal=si&model=si-mlearn-pbe")
    page.locator("[data-testid=stMain] input[type=file]").set_input_files(path)
    page.get_by_text("1 file holds no crystal").wait_for(timeout=60_000)
    settled(page)
    page.locator(".st-key-batch_properties").get_by_text("equation of state").click()
    settled(page)
    page.get_by_role("button", name="Compute", exact=True).click()
    page.get_by_role("button", name="Table (CSV)").wait_for(timeout=120_000)
    settled(page)
    files = {}
    for label in ("Table (CSV)", "Everything (JSON)"):
        files[label] = saved(page, page.get_by_role("button", name=label)).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(files["Table (CSV)"])))
    assert [row["name"] for row in rows] == list(crystals)
    content = json.loads(files["Everything (JSON)"])
    assert set(content["not_read"]) == {"set/readme.txt"}
    potential = sus2.load("si-mlearn-pbe")
    for row, kept, atoms in zip(rows, content["rows"], crystals.values(), strict=True):
        alone = sus2.eos(atoms, potential)
        assert float(row["b0_gpa"]) == pytest.approx(alone.b0_gpa, rel=1e-6)
        assert kept["values"]["b0_gpa"] == float(row["b0_gpa"])
    assert problems == []
    page.close()
