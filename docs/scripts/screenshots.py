"""Pictures of every page in both themes, for the documentation: python docs/scripts/screenshots.py [PAGE ...].

Starts a server with a store of its own; needs Debian's chromium and the extra `test`. Look at what it made.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from app import ARGUMENTS, STILL, server  # noqa: E402
from sus2.screening.start import screen  # noqa: E402
from sus2.structures.samples import samples  # noqa: E402

FOLDER = ROOT / "docs" / "images"
# Name of the picture -> address, and what to click once the page is there.
PAGES: dict[str, tuple[str, str]] = {
    "start": ("", ""),
    "structure": ("structure?crystal=srtio3", ""),
    "history": ("history", ""),
    "eos": ("eos?crystal=si", ""),
    "elasticity": ("elasticity?crystal=si", "Directions"),
    "phonons": ("phonons?crystal=cu", ""),
    "thermal": ("thermal?crystal=si", "Thermal expansion"),
    "many": ("many?crystal=cu", "Plot"),
    "screening": ("screening", ""),
    "compare": ("compare?crystal=cu", ""),
    "check": ("check?crystal=si", ""),
    "transfer": ("transfer", ""),
    "limits": ("transfer", "Limits"),
    "models": ("models?crystal=cu&model=sus2-universal-pbe", ""),
    "learn": ("learn?lesson=2", ""),
}
PHONE = ("eos", "structure", "learn")
TALLEST = 1500


def picture(page: Page, address: str, tab: str, path: Path) -> None:
    page.goto(address)
    page.locator("[data-testid=stMain] h1").wait_for()
    page.locator(STILL).wait_for()
    if tab:
        page.get_by_role("tab", name=tab, exact=True).click()
    if "history" not in address:
        page.locator("[data-testid=stMain] .js-plotly-plot:visible").first.wait_for()
    page.wait_for_timeout(3000)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": min(int(height), TALLEST)})
    page.wait_for_timeout(1500)
    image = Image.open(io.BytesIO(page.screenshot()))
    page.set_viewport_size(size)
    # 256 colours are enough for a page; the octree keeps those of thin curves, which other methods blend.
    few = image.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(path.relative_to(ROOT), image.size, path.stat().st_size // 1024, "kB")


def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    names = wanted or list(PAGES)
    with tempfile.TemporaryDirectory() as folder:
        if "screening" in names:
            crystals = {s.key: s.atoms() for s in samples()}
            screen(crystals, "sus2-universal-pbe", out=Path(folder) / "samples.db")
        os.environ["SUS2_SCREENS"] = folder
        pictures(names)


def pictures(names: list[str]) -> None:
    """The pages of these names, in both themes and some on a phone."""
    with server() as (address, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for theme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme)
            page = context.new_page()
            page.set_default_timeout(180_000)
            for name in sorted(names, key=lambda n: n == "history"):
                query, tab = PAGES[name]
                picture(page, f"{address}/{query}", tab, FOLDER / f"{name}-{theme}.png")
            context.close()
        phone = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme="light").new_page()
        phone.set_default_timeout(180_000)
        for name in (n for n in names if n in PHONE):
            query, tab = PAGES[name]
            picture(phone, f"{address}/{query}", tab, FOLDER / f"{name}-phone.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
