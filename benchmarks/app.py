"""The app in a browser: the first view of each page, a slider, and many sessions at once.

Run: python benchmarks/app.py [--sessions 20]. Needs Debian's chromium (or one of playwright) and the extra `test`.
Times are those of a browser without a GPU, so what it draws counts in full; ratios are to an empty page of the same
server in the same browser.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import sus2
from sus2.kernels import available, cache_folder
from sus2.structures import elements_of, samples

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
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


def session(address: str, crystal: str, out: dict[str, object], barrier: threading.Barrier) -> None:
    """One browser of its own: an equation of state and phonons; notes the longest time without a change."""
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            barrier.wait()
            began = changed = time.perf_counter()
            longest, texts = 0.0, []
            for name in ("eos", "phonons"):
                page.goto(f"{address}/{name}?crystal={crystal}&model=sus2-universal-pbe", wait_until="commit")
                last, pressed = "", False
                while True:
                    text = page.evaluate("document.body ? document.body.innerText : ''")
                    now = time.perf_counter()
                    if text != last:
                        longest, last, changed = max(longest, now - changed), text, now
                    if "omputed in" in text:
                        break
                    if "Press Compute" in text and not pressed:
                        page.get_by_role("button", name="Compute").click()
                        pressed = True
                    if now - began > 600:
                        raise TimeoutError(text[-300:])
                    time.sleep(0.1)
                texts.append(page.inner_text("[data-testid=stMain]"))
            out[crystal] = (time.perf_counter() - began, longest, texts)
            browser.close()
    except Exception as error:  # one line in the table
        out[crystal] = error


def together(address: str, process: subprocess.Popen[bytes], n: int) -> None:
    card = next(c for c in sus2.models() if c.name == "sus2-universal-pbe")
    chosen = [s for s in samples() if set(elements_of(s.atoms())) <= set(card.elements)]
    keys = [s.key for s in chosen][:n]
    before = memory_mib(process)
    out: dict[str, object] = {}
    barrier = threading.Barrier(len(keys))
    threads = [threading.Thread(target=session, args=(address, k, out, barrier)) for k in keys]
    began = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wall = time.perf_counter() - began
    potential = sus2.load(card.name)
    wrong = []
    for s in chosen[:n]:
        got = out[s.key]
        if isinstance(got, Exception):
            wrong.append(f"{s.key}: {got}")
            continue
        text = got[2][0]  # type: ignore[index]
        if f"{sus2.eos(s.atoms(), potential).v0_a3_per_atom:.3f}" not in text:
            wrong.append(f"{s.key}: another number")
    done = [v for v in out.values() if isinstance(v, tuple)]
    print(f"{len(keys)} sessions, each a browser, EOS and phonons of different crystals: {wall:.0f} s in all")
    print(f"  finished and right: {len(keys) - len(wrong)} of {len(keys)}  {'; '.join(wrong)}")
    print(f"  longest wait of one without a change on its page: {max(v[1] for v in done):.1f} s")
    time.sleep(5)
    print(f"  memory of server and workers: {before:.0f} MiB before, {memory_mib(process):.0f} MiB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    arguments = parser.parse_args()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        began = time.perf_counter()
        with server() as (address, process):
            up = time.perf_counter()
            seconds = first_result(address, browser, up)
            print(f"server up after {up - began:.1f} s; first result in a fresh browser {seconds:.1f} s later")
            print("first plot of a page (s), best of 3      by address   by click")
            for name, (a, b) in views(address, browser).items():
                print(f"  {name:<38} {a:>10.2f} {b:>10.2f}")
            for name, seconds in slider(address, browser).items():
                print(f"slider to redraw, {name}: {1e3 * seconds:.0f} ms (median of 5)")
            browser.close()
            if arguments.sessions:
                together(address, process, arguments.sessions)


if __name__ == "__main__":
    main()
