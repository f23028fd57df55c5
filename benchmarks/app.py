"""The app in a browser: the first view of each page, a slider, and many sessions at once.

Run: python benchmarks/app.py [--sessions 20]. Needs Debian's chromium (or one of playwright) and the extra `test`.
Times are those of a browser without a GPU, so what it draws counts in full; ratios are to an empty page of the same
server in the same browser.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Browser as AsyncBrowser
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, Page, sync_playwright

import sus2
from sus2.kernels import available, cache_folder
from sus2.structures import elements_of, samples

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
MODEL = "sus2-universal-pbe"  # of the sessions: it knows the elements of most samples
PAGES = ("eos", "elasticity", "phonons", "thermal", "check", "compare")
NUMBERS = "[data-testid=stMain] span[style*='1.55rem']"
STILL = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server with a store of its own, when it is up."""
    with tempfile.TemporaryDirectory() as cache:
        if available():
            (Path(cache) / "kernels").symlink_to(cache_folder() / "kernels", target_is_directory=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "sus2.cli", "app", "--port", str(port)], cwd=ROOT,
            env={**os.environ, "SUS2_CACHE": cache}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        yield address, process
        process.terminate()
        process.wait()


def drawn(page: Page) -> None:
    page.locator("[data-testid=stMain] .js-plotly-plot:visible").first.wait_for(timeout=120_000)


def first_result(address: str, browser: Browser, started: float) -> float:
    page = browser.new_page()
    page.goto(f"{address}/eos")
    drawn(page)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


def views(address: str, browser: Browser) -> dict[str, tuple[float, float]]:
    """Seconds to the first plot of each page: by its address in a warm browser, and by a click from another page."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(f"{address}/history")
    page.locator(STILL).wait_for()
    found = {}
    for name in PAGES:
        page.goto(f"{address}/{name}")  # the store has the example now, the browser the script
        drawn(page)
        by_address, by_click = [], []
        for _ in range(3):
            page.goto("about:blank")
            began = time.perf_counter()
            page.goto(f"{address}/{name}")
            drawn(page)
            by_address.append(time.perf_counter() - began)
            page.locator(STILL).wait_for()
            page.locator("[data-testid=stSidebarNav] a", has_text="History").click()
            page.get_by_role("heading", name="History").wait_for()
            page.locator(STILL).wait_for()
            began = time.perf_counter()
            page.locator(f'[data-testid=stSidebarNav] a[href$="/{name}"]').click()
            page.locator("h1", has_text="History").wait_for(state="detached")
            drawn(page)
            by_click.append(time.perf_counter() - began)
        found[name] = (min(by_address), min(by_click))
    context.close()
    return found


def slider(address: str, browser: Browser) -> dict[str, float]:
    """Seconds from a key on a slider to the new number on the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{address}/eos?crystal=w")
    drawn(page)
    page.locator(STILL).wait_for()
    found = {}
    page.get_by_role("tab", name="Pressure").click()
    handle = page.get_by_role("slider", name="Volume (% away from V₀)")
    found["volume (from the fit)"] = _moved(page, handle, NUMBERS, 5)
    page.goto(f"{address}/eos?crystal=w")
    drawn(page)
    page.locator(STILL).wait_for()
    handle = page.get_by_role("slider", name="Range of volumes (± %)")
    found["range of volumes (all computed anew)"] = _moved(page, handle, NUMBERS, 1)
    page.close()
    return found


def _moved(page: Page, handle: object, numbers: str, at: int) -> float:
    seconds = []
    for _ in range(5):
        before = page.locator(numbers).nth(at).inner_text()
        began = time.perf_counter()
        handle.press("ArrowRight")  # type: ignore[attr-defined]
        page.wait_for_function(
            "([q, k, old]) => document.querySelectorAll(q)[k]?.innerText !== old", arg=[numbers, at, before],
            timeout=60_000, polling=10,
        )  # fmt: skip
        seconds.append(time.perf_counter() - began)
        page.locator(STILL).wait_for()
    return statistics.median(seconds)


def memory_mib(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of the server and its workers."""
    total = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if str(process.pid) in (fields["Pid"].strip(), fields["PPid"].strip()) and "VmRSS" in fields:
            total += int(fields["VmRSS"].split()[0]) / 1024
    return total


async def session(address: str, crystal: str, browser: AsyncBrowser) -> tuple[float, float, str]:
    """One user: an equation of state and phonons; seconds, the longest time without a change, what the page said."""
    context = await browser.new_context(viewport={"width": 900, "height": 600})
    page = await context.new_page()
    page.set_default_timeout(600_000)
    # Twenty browsers that draw plots on the server's own cores would measure themselves.
    await page.route(re.compile("plotly", re.IGNORECASE), lambda route: route.abort())
    began = changed = time.perf_counter()
    longest, said = 0.0, ""
    for name in ("eos", "phonons"):
        await page.goto(f"{address}/{name}?crystal={crystal}&model={MODEL}", wait_until="commit")
        last, pressed = "", False
        while "omputed in" not in last:
            text = await page.evaluate("document.body ? document.body.innerText : ''")
            now = time.perf_counter()
            if text != last:
                longest, last, changed = max(longest, now - changed), text, now
            if "Press Compute" in text and not pressed:
                await page.get_by_role("button", name="Compute").click()
                pressed = True
            await asyncio.sleep(0.25)
        if name == "eos":
            await page.locator(NUMBERS).first.wait_for()
            said = await page.inner_text("[data-testid=stMain]")
            changed = time.perf_counter()
    seconds = time.perf_counter() - began
    await context.close()
    return seconds, longest, said


async def together(address: str, process: subprocess.Popen[bytes], n: int) -> None:
    card = next(c for c in sus2.models() if c.name == MODEL)
    chosen = [s for s in samples() if set(elements_of(s.atoms())) <= set(card.elements)][:n]
    before = memory_mib(process)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        began = time.perf_counter()
        found = await asyncio.gather(*(session(address, s.key, browser) for s in chosen), return_exceptions=True)
        wall = time.perf_counter() - began
        await browser.close()
    potential = sus2.load(MODEL)
    wrong = []
    for s, got in zip(chosen, found, strict=True):
        if isinstance(got, BaseException):
            wrong.append(f"{s.key}: {got}")
        elif f"{sus2.eos(s.atoms(), potential).v0_a3_per_atom:.3f}" not in got[2]:
            wrong.append(f"{s.key}: another number")
    waits = [got[1] for got in found if not isinstance(got, BaseException)]
    print(f"{len(chosen)} sessions at once, EOS and phonons of different crystals: {wall:.0f} s in all")
    print(f"  finished and right: {len(chosen) - len(wrong)} of {len(chosen)}  {'; '.join(wrong)}")
    print(f"  longest time of one without a change on its page: {max(waits):.1f} s")
    for _ in range(24):  # the server gives up sessions some time after their browsers are gone
        await asyncio.sleep(5)
    print(f"  memory of server and workers: {before:.0f} MiB before, {memory_mib(process):.0f} MiB two minutes after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    arguments = parser.parse_args()
    began = time.perf_counter()
    with server() as (address, process):
        up = time.perf_counter()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            launched = time.perf_counter()
            seconds = first_result(address, browser, launched)
            print(f"server up after {up - began:.1f} s; first result in a fresh browser {seconds:.1f} s later")
            print("first plot of a page (s), best of 3      by address   by click")
            for name, (a, b) in views(address, browser).items():
                print(f"  {name:<38} {a:>10.2f} {b:>10.2f}")
            for name, moved in slider(address, browser).items():
                print(f"slider to redraw, {name}: {1e3 * moved:.0f} ms (median of 5)")
            browser.close()
        if arguments.sessions:
            asyncio.run(together(address, process, arguments.sessions))


if __name__ == "__main__":
    main()
