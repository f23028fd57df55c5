"""The app in a browser: the first view of each page, and a slider.

Run: python benchmarks/app.py. Needs Debian's chromium (or one of playwright) and the extra `test`.
Times are those of a browser without a GPU, so what it draws counts in full; ratios are to an empty page of the same
server in the same browser.
"""

from __future__ import annotations

import os
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

from playwright.sync_api import Browser, Page, sync_playwright

from sus2.native.build import available, cache_folder

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAGES = ("eos", "elasticity", "phonons", "thermal", "check", "compare")
NUMBERS = "[data-testid=stMain] span[style*='1.55rem']"
STILL = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextmanager
def server(port: int = 0, folder: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server with a store of its own, or that in a folder, when it is up; port 0: any that is free."""
    with tempfile.TemporaryDirectory() as own:
        cache = folder or own
        if available() and not (Path(cache) / "kernels").exists():
            (Path(cache) / "kernels").symlink_to(cache_folder() / "kernels", target_is_directory=True)
        if not port:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "sus2.cli", "app", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "SUS2_CACHE": cache},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
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


def first_result(address: str, page: Page) -> float:
    """Seconds until a page shows the first plot."""
    began = time.perf_counter()
    page.goto(f"{address}/eos")
    drawn(page)
    return time.perf_counter() - began


def views(address: str, browser: Browser) -> dict[str, tuple[float, float]]:
    """Seconds to the first plot of each page: by its address in a warm browser, and by a click from another page."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(f"{address}/history")
    page.locator(STILL).wait_for()
    for _ in range(3):  # a browser keeps what it compiled of a script once it has met it again
        page.goto(f"{address}/{PAGES[0]}")
        drawn(page)
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
    found["volume (from the fit)"] = _moved(page, handle)
    page.goto(f"{address}/eos?crystal=w")
    drawn(page)
    page.locator(STILL).wait_for()
    page.locator("[data-testid=stMain]").get_by_role("button", name="Settings").click()
    handle = page.get_by_role("slider", name="Range of volumes (± %)")
    found["range of volumes (all computed anew)"] = _moved(page, handle)
    page.close()
    return found


def _moved(page: Page, handle: object) -> float:
    """Seconds until any number of the page is another one, the median of five."""
    shown = "q => [...document.querySelectorAll(q)].map(e => e.innerText).join()"
    seconds = []
    for _ in range(5):
        before = page.evaluate(shown, NUMBERS)
        began = time.perf_counter()
        handle.press("ArrowRight")  # type: ignore[attr-defined]
        page.wait_for_function(
            f"([q, old]) => ({shown})(q) !== old",
            arg=[NUMBERS, before],
            timeout=60_000,
            polling=10,
        )
        seconds.append(time.perf_counter() - began)
        page.locator(STILL).wait_for()
    return statistics.median(seconds)


def again() -> float:
    """Seconds from a server that is up to its first result, where server and browser ran on an earlier day."""
    with (
        sync_playwright() as play,
        tempfile.TemporaryDirectory() as profile,
        tempfile.TemporaryDirectory() as folder,
    ):
        context = play.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        page = context.new_page()
        with server(folder=folder) as (address, _):
            for _ in range(4):
                page.goto(f"{address}/eos")
                drawn(page)
                page.locator(STILL).wait_for()
        page.goto("about:blank")
        with server(int(address.rpartition(":")[2]), folder):
            seconds = first_result(address, page)
        context.close()
    return seconds


def main() -> None:
    began = time.perf_counter()
    with server() as (address, _):
        one_browser(address, time.perf_counter() - began)
    print(f"first result of server and browser that ran before: {again():.1f} s")


def one_browser(address: str, up: float) -> None:
    """What one user waits for; up: seconds that the server took to start."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page()
        seconds = first_result(address, page)
        page.close()
        print(f"server up after {up:.1f} s; first result in a fresh browser {seconds:.1f} s later")
        print("first plot of a page (s), best of 3      by address   by click")
        for name, (a, b) in views(address, browser).items():
            print(f"  {name:<38} {a:>10.2f} {b:>10.2f}")
        for name, moved in slider(address, browser).items():
            print(f"slider to redraw, {name}: {1e3 * moved:.0f} ms (median of 5)")
        browser.close()


if __name__ == "__main__":
    main()
