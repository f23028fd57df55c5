"""Four users reach what they came for: scientist, teacher, method developer, power user; each step is counted."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase.build import bulk
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import sus2
from sus2.structures import read_structure, write_structure
from tests.ui.conftest import saved, settled

pytestmark = pytest.mark.browser


class Hand:
    """What a user does on a page, counted: a click, a text typed, a file dropped."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0

    def click(self, what: Locator) -> None:
        what.click()
        self._done()

    def types(self, box: Locator, text: str) -> None:
        box.fill(text)
        box.press("Enter")
        self._done()

    def drops(self, box: Locator, path: Path) -> None:
        box.set_input_files(path)
        self._done()

    def saves(self, button: Locator) -> bytes:
        self.steps += 1
        return saved(self.page, button).read_bytes()

    def _done(self) -> None:
        self.steps += 1
        settled(self.page)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    made.set_default_timeout(120_000)
    yield made
    made.close()


@pytest.fixture
def hand(context: BrowserContext) -> Hand:
    return Hand(context.new_page())


def main(page: Page) -> Locator:
    return page.locator("[data-testid=stMain]")


def test_a_scientist_has_the_numbers_of_a_crystal_and_a_figure_for_a_paper(
    server: str, hand: Hand, tmp_path: Path
) -> None:
    """From a file to all key numbers with their errors in two steps, to a figure of a paper in three more."""
    atoms = bulk("Si", "diamond", a=5.5, cubic=True)
    path = tmp_path / "silicon.cif"
    path.write_text(write_structure(atoms, "cif"))
    page = hand.page
    page.goto(server)
    page.get_by_text("Your own crystal").wait_for()
    settled(page)
    hand.drops(main(page).locator("input[type=file]"), path)
    report = page.get_by_role("button", name="Report (JSON)")
    report.wait_for()
    expect(main(page).locator(".js-plotly-plot")).to_have_count(6)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    told = json.loads(hand.saves(report))
    assert hand.steps == 2
    potential = sus2.load(told["potential"]["name"])
    numbers = {n["key"]: n for n in told["numbers"]}
    expected = sus2.eos(read_structure(path.name, path.read_bytes()), potential)
    assert numbers["b0_gpa"]["value"] == pytest.approx(expected.b0_gpa, rel=1e-4)
    assert numbers["b0_gpa"]["sigma"] > 0.0
    assert numbers["b0_gpa"]["verdict"] in ("good", "rough", "not to be trusted")

    hand.click(main(page).locator("a[href*='eos']:visible", has_text="Look closer").first)
    page.get_by_role("heading", name="Equation of state").wait_for()
    main(page).locator(".js-plotly-plot").first.wait_for()
    hand.click(page.get_by_test_id("stExpander").get_by_text("Figures for papers"))
    figure = page.get_by_role("button", name="PDF", exact=False).first
    figure.wait_for()
    assert hand.saves(figure).startswith(b"%PDF")
    assert hand.steps <= 5


def test_a_teacher_hands_out_a_link_and_sees_what_the_class_guessed(
    server: str, hand: Hand, context: BrowserContext
) -> None:
    """From Start to the link of a class in four steps, and one more shows the answers."""
    page = hand.page
    page.goto(server)
    learn = page.locator("[data-testid=stSidebarNav] a[href$='/learn']")
    learn.wait_for()
    settled(page)
    hand.click(learn)
    page.get_by_text("1 · One minimum").first.wait_for()
    page.get_by_test_id("stExpander").get_by_text("For teachers").wait_for()
    settled(page)
    hand.click(page.get_by_test_id("stExpander").get_by_text("For teachers"))
    hand.click(page.get_by_role("button", name="Make a class"))
    page.wait_for_url(re.compile("class=[0-9a-f]{12}"))
    assert hand.steps <= 4
    link = page.url

    student = Hand(context.browser.new_page(viewport={"width": 390, "height": 844}))  # type: ignore[union-attr]
    student.page.set_default_timeout(120_000)
    student.page.goto(link)
    name = student.page.get_by_role("textbox", name="Your name in this class")
    name.wait_for()
    settled(student.page)
    student.types(name, "Ada")
    guess = student.page.locator("input[aria-label^='Your guess']")
    guess.first.wait_for()
    student.types(guess.first, "50")
    student.page.get_by_text("You said 50").wait_for()
    assert student.steps == 2
    student.page.close()

    hand.click(page.get_by_test_id("stExpander").get_by_text("Answers of the class"))
    main(page).get_by_text("Ada").wait_for()
    assert hand.steps <= 5


def test_a_method_developer_checks_a_potential_of_their_own(server: str, hand: Hand, root: Path) -> None:
    """From a file of weights to the verdict of the model check in six steps, with the way to a reference of DFT."""
    page = hand.page
    page.goto(f"{server}/models?crystal=si")
    page.get_by_role("tab", name="Load your own").wait_for()
    settled(page)
    hand.click(page.get_by_role("tab", name="Load your own"))
    hand.drops(main(page).locator("input[type=file]"), root / "pretrained" / "si-mlearn-pbe.mtp")
    elements = page.get_by_role("textbox", name="Elements in type order (.mtp alone)")
    elements.fill("Si")
    hand.steps += 1
    hand.click(page.get_by_role("button", name="Load", exact=True))
    page.get_by_text("is loaded and chosen").wait_for()
    hand.click(page.locator("[data-testid=stSidebarNav] a", has_text="Model check"))
    page.get_by_role("heading", name="Model check").wait_for()
    main(page).get_by_text(re.compile("Checks: (all )?[0-9]+")).wait_for()
    settled(page)
    assert "si-mlearn-pbe" in main(page).inner_text()
    hand.click(page.get_by_role("tab", name="Against your reference"))
    page.get_by_text("Drop what DFT gave you").wait_for()
    assert hand.steps <= 6


def test_a_power_user_has_a_table_of_many_crystals(server: str, hand: Hand, tmp_path: Path) -> None:
    """From an archive to a table with elastic constants and their errors in five steps."""
    crystals = {f"{name}-{a}.cif": bulk(name, "diamond", a=a) for name, a in (("Si", 5.43), ("Ge", 5.66), ("Si", 5.5))}
    path = tmp_path / "crystals.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, atoms in crystals.items():
            archive.writestr(name, write_structure(atoms, "cif"))
    page = hand.page
    page.goto(f"{server}/?crystal=si&model=sus2-universal-pbe")
    hand.click(page.locator("[data-testid=stSidebarNav] a", has_text="Many structures"))
    page.get_by_role("heading", name="Many structures").wait_for()
    # By its name: while the page is being drawn the box of the page before is still there.
    box = main(page).locator("[data-testid=stFileUploader]", has_text="many files, or a zip archive")
    hand.drops(box.locator("input[type=file]"), path)
    page.get_by_role("button", name="Forget these files").wait_for()
    settled(page)
    hand.click(page.locator(".st-key-batch_properties").get_by_text("equation of state"))
    hand.click(page.get_by_role("button", name="Compute", exact=True))
    table = page.get_by_role("button", name="Table (CSV)")
    table.wait_for()
    page.get_by_text(re.compile("omputed in")).first.wait_for()
    settled(page)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(hand.saves(table).decode()))}
    assert hand.steps <= 5
    assert set(rows) == set(crystals)
    potential = sus2.load("sus2-universal-pbe")
    for name, atoms in crystals.items():
        assert float(rows[name]["b0_gpa"]) == pytest.approx(sus2.eos(atoms, potential).b0_gpa, rel=1e-6)
