"""What users do from end to end, in a real browser: compute, cancel, reload, compare, take away, follow a link."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from playwright.sync_api import Browser, BrowserContext, Page, expect

import sus2
from sus2.structures import read_structure, sample, write_structure
from tests.ui.conftest import in_frame, saved, settled

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 1000}
PHONE = {"width": 400, "height": 800}


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=DESKTOP, accept_downloads=True)
    made.set_default_timeout(90_000)
    yield made
    made.close()


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page and what goes wrong in it."""
    page = context.new_page()
    problems: list[str] = []

    def heard(message) -> None:  # type: ignore[no-untyped-def]
        # Streamlit's own page looks for its server below the page's address first, and then at the root.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            problems.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: problems.append(str(error)))
    return page, problems


def large(folder: Path) -> Path:
    """A crystal without symmetry whose thermal properties take long enough to be stopped."""
    atoms = bulk("Si", "diamond", a=5.5, cubic=True) * (4, 4, 2)
    atoms.numbers[np.random.default_rng(3).permutation(256)[:128]] = 32
    path = folder / "disordered.cif"
    path.write_text(write_structure(atoms, "cif"))
    return path


def begin_long(page: Page, server: str, folder: Path) -> None:
    page.goto(f"{server}/thermal")
    page.get_by_role("heading", name="Thermal properties").wait_for()
    page.locator("[data-testid=stSidebar] input[type=file]").set_input_files(large(folder))
    page.get_by_text(re.compile("256 atoms")).wait_for()
    page.get_by_role("heading", name="Structure").wait_for()
    settled(page)
    page.locator("[data-testid=stSidebarNav] a", has_text="Thermal properties").click()
    page.get_by_role("heading", name="Thermal properties").wait_for()
    settled(page)
    page.get_by_role("button", name="Compute").click()
    page.get_by_role("button", name="Cancel").wait_for()


def test_a_long_calculation_is_cancelled_and_the_worker_goes_on(
    server: str, context: BrowserContext, tmp_path: Path
) -> None:
    page, problems = watched(context)
    begin_long(page, server, tmp_path)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. Press the button to start it again.").wait_for()
    assert page.get_by_role("button", name="Cancel").count() == 0
    page.goto(f"{server}/eos?crystal=cu&eos_points=13")
    page.get_by_text(re.compile("omputed in")).wait_for()
    assert problems == []


def test_the_making_of_a_potential_is_cancelled(server: str, context: BrowserContext) -> None:
    page, problems = watched(context)
    page.goto(f"{server}/specialise?crystal=si")
    page.get_by_role("button", name="Compute").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. Press the button to start it again.").wait_for()
    assert page.get_by_role("button", name="Cancel").count() == 0
    page.locator("[data-testid=stSidebarNav] a", has_text="Models").click()
    page.get_by_role("heading", name="Models").wait_for()
    settled(page)
    assert page.get_by_text(re.compile("Running: a potential for this crystal")).count() == 0
    assert problems == []


def workers(server: str) -> list[int]:
    """Process numbers of the server's workers."""
    port = server.rsplit(":", 1)[1]
    lines = subprocess.run(
        ["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    rows = [line.split(None, 2) for line in lines[1:] if line.strip()]
    mine = {pid for pid, _, command in rows if "sus2.server.serve" in command and f"--server.port {port}" in command}
    return [int(pid) for pid, parent, command in rows if parent in mine and "sus2.jobs.worker" in command]


def test_a_lost_process_is_said_and_the_calculation_offered_again(
    server: str, context: BrowserContext, tmp_path: Path
) -> None:
    page, problems = watched(context)
    begin_long(page, server, tmp_path)
    page.get_by_text(re.compile("^(relaxing|phonons)")).first.wait_for()
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)
    page.get_by_text(re.compile("lost its process.*run it again")).wait_for()
    page.get_by_role("button", name="Compute").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. Press the button to start it again.").wait_for()
    assert problems == []


def test_a_calculation_survives_a_reload_and_a_change_of_page(
    server: str, context: BrowserContext, tmp_path: Path
) -> None:
    page, problems = watched(context)
    begin_long(page, server, tmp_path)
    address = page.url
    page.goto(address)
    page.get_by_role("button", name="Cancel").wait_for()
    page.locator("[data-testid=stSidebarNav] a", has_text="Models").click()
    page.get_by_text(re.compile("Running: thermal properties", re.IGNORECASE)).wait_for()
    page.locator("[data-testid=stSidebarNav] a", has_text="Thermal properties").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. Press the button to start it again.").wait_for()
    assert problems == []


def test_two_tabs_do_not_disturb_each_other(server: str, context: BrowserContext) -> None:
    first, second = watched(context)[0], watched(context)[0]
    first.goto(f"{server}/eos?crystal=cu&model=sus2-universal-pbe")
    second.goto(f"{server}/eos?crystal=w&model=sus2-universal-pbe")
    for page, key in ((first, "cu"), (second, "w"), (first, "cu")):
        expected = sus2.eos(sample(key).atoms(), sus2.load("sus2-universal-pbe"))
        page.get_by_text(in_frame(expected, "v0_a3_per_atom", expected.v0_a3_per_atom, 3)).first.wait_for()
        assert f"crystal={key}" in page.url


def downloaded(page: Page, label: str) -> bytes:
    return saved(page, page.get_by_role("button", name=label)).read_bytes()


def test_what_is_downloaded_reads_back_and_reproduces(
    server: str, context: BrowserContext, tmp_path: Path, root: Path
) -> None:
    page, problems = watched(context)
    page.goto(f"{server}/eos?crystal=cu&model=sus2-universal-pbe&eos_points=9")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    expected = sus2.eos(sample("cu").atoms(), sus2.load("sus2-universal-pbe"), n_points=9)

    document = json.loads(downloaded(page, "Everything (JSON)"))
    assert document["result"]["energies_ev"] == expected.energies_ev.tolist()
    assert document["settings"]["n_points"] == 9
    assert document["models"][0]["name"] == "sus2-universal-pbe"
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "Points (CSV)").decode())))
    assert [float(r["volume_a3"]) for r in rows] == expected.volumes_a3.tolist()
    relaxed = read_structure("relaxed.cif", downloaded(page, "Relaxed (CIF)"))
    assert np.isclose(relaxed.get_volume() / len(relaxed), expected.v0_a3_per_atom, rtol=1e-6)

    with zipfile.ZipFile(io.BytesIO(downloaded(page, "Everything, with the plots"))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    # Also the plots of tabs that were never opened.
    assert {f.stem for f in (tmp_path / "plots").iterdir()} == {"eos_curve", "eos_pressure", "eos_relaxed"}
    assert "<script" in (tmp_path / "plots.html").read_text(encoding="utf-8")
    script = (
        (tmp_path / "again.py")
        .read_text()
        .replace("print(", "import json\nprint(json.dumps(result.to_dict()), end='') if True else print(")
    )
    again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert json.loads(again.stdout) == document["result"]

    # What is folded is there once it is unfolded, and not before.
    for label, part in (
        ("How this was computed", page.locator("code", has_text="import sus2")),
        ("Checks: ", page.get_by_test_id("stTable")),
    ):
        assert part.count() == 0
        page.get_by_test_id("stExpander").get_by_text(label).click()
        part.first.wait_for()
    assert problems == []


def test_a_link_opens_the_same_view_with_its_settings(server: str, context: BrowserContext) -> None:
    page, _ = watched(context)
    page.goto(f"{server}/eos?crystal=cu&model=sus2-universal-r2scan&eos_range=9&eos_equation=Vinet")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    page.get_by_text("Settings", exact=True).click()
    sliders = page.get_by_role("slider")
    expect(sliders.first).to_have_value("9")
    expect(page.locator("[data-testid=stSidebar]")).to_contain_text("Copper")
    expected = sus2.eos(sample("cu").atoms(), sus2.load("sus2-universal-r2scan"), volume_range=0.09, equation="vinet")
    page.get_by_text(in_frame(expected, "b0_gpa", expected.b0_gpa, 2), exact=False).first.wait_for()


def test_the_history_leads_back(server: str, context: BrowserContext) -> None:
    page, problems = watched(context)
    page.goto(f"{server}/eos?crystal=w&model=sus2-universal-pbe&eos_range=7")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    page.locator("[data-testid=stSidebarNav] a", has_text="History").click()
    page.get_by_role("heading", name="History").wait_for()
    page.get_by_text(re.compile(r"The cache holds \d+ results?")).wait_for()
    with zipfile.ZipFile(saved(page, page.get_by_role("button", name="Export all"))) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("history.csv").decode())))
    assert any("eos_range=7" in r["address"] and r["page"] == "Equation of state" for r in rows)
    page.goto(f"{server}/{next(r['address'] for r in rows if 'eos_range=7' in r['address'])}")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    page.get_by_text("Settings", exact=True).click()
    expect(page.get_by_role("slider").first).to_have_value("7")
    assert problems == []


def test_somebody_else_sees_none_of_it(server: str, browser: Browser, context: BrowserContext) -> None:
    page, _ = watched(context)
    page.goto(f"{server}/eos?crystal=w&model=sus2-universal-pbe")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    other = browser.new_context(viewport=DESKTOP)
    stranger = other.new_page()
    stranger.goto(f"{server}/history")
    stranger.get_by_text("Nothing yet").wait_for(timeout=60_000)
    other.close()
