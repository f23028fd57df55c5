"""The app under AppTest, which runs the scripts without a browser, and as a server for a real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from sus2.jobs import queue as jobs_queue
from sus2.native.build import available, cache_folder
from sus2.settings import settings
from sus2.trust.digits import number_text
from tests.conftest import require


@pytest.fixture
def app(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AppTest]:
    # AppTest forgets between runs that st.navigation was called and takes pages/ for streamlit's older kind of
    # multipage app; a server remembers it from the first run of app.py on.
    start = PagesManager.__init__

    def remember(self: PagesManager, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", remember)
    # AppTest sees a page once, so pages wait here for their results, which a thread of this process computes.
    # The first run is that of Start, which is to compute nothing unless it is what is tested.
    limits = {"WORKERS": "0", "PATIENCE_MS": "120000", "MAX_STORE_MB": "0", "MAX_START_ATOMS": "0"}
    for name, value in limits.items():
        monkeypatch.setenv(f"SUS2_{name}", value)
    settings.cache_clear()
    jobs_queue.job_queue.cache_clear()
    st.cache_resource.clear()
    yield AppTest.from_file(str(root / "app.py"), default_timeout=120)
    jobs_queue.job_queue().close()
    settings.cache_clear()
    jobs_queue.job_queue.cache_clear()


@pytest.fixture
def kept(app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AppTest]:
    """The app with a store of its own."""
    available()  # compiled where it always is, before the folder changes
    monkeypatch.setenv("SUS2_MAX_STORE_MB", "64")
    monkeypatch.setattr(jobs_queue, "cache_folder", lambda: tmp_path)
    settings.cache_clear()
    jobs_queue.job_queue.cache_clear()
    yield app
    jobs_queue.job_queue().close()
    jobs_queue.job_queue.cache_clear()


# The defaults, five seconds to wait for what is expected and thirty for an action, are short on a machine that runs
# other tests too.
expect.set_options(timeout=60_000)
ACTION_MS = 120_000

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app, started as `sus2 app` starts it, with a store of its own; one for all tests in a browser."""
    cache = tmp_path_factory.mktemp("cache")
    if available():
        (cache / "kernels").symlink_to(cache_folder() / "kernels", target_is_directory=True)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "sus2.cli", "app", "--port", str(port)],
        cwd=root,
        env={**os.environ, "SUS2_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    ready = False
    while not ready and process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                ready = answer.status == 200
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # not a busy loop: the server needs the core
    assert ready, "the app did not start"
    yield address
    process.terminate()
    process.wait(timeout=30)
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", port)) != 0, "the server outlived the process that was stopped"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        require("there is no chromium (on Debian: apt-get install chromium)")
        raise AssertionError
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        started.on("context", lambda context: context.set_default_timeout(ACTION_MS))
        yield started
        started.close()


def saved(page: Page, button: Locator) -> Path:
    """Click on a download once the page is still; where the file is.

    On a busy machine a click came to nothing twice, for an unknown reason. As a user would, it is clicked once more
    then, with a warning that is printed; that the server answers each click is tested in tests/server.
    """
    settled(page)
    still(page, button)
    try:
        with page.expect_download(timeout=60_000) as caught:
            button.click()
    except PlaywrightTimeout:
        warnings.warn(f"a click on a download came to nothing: {page.locator('body').inner_text()}", stacklevel=2)
        settled(page)
        with page.expect_download() as caught:
            button.click()
    return Path(caught.value.path())


def still(page: Page, what: Locator) -> None:
    """Wait until something has stayed where it is for a second, half a minute at most."""
    before = None
    for _ in range(30):
        now = what.bounding_box()
        if now is not None and now == before:
            return
        before = now
        page.wait_for_timeout(1000)


def in_frame(result: Any, key: str, value: float, digits: int) -> str:
    """A number as its frame on a page has it: it ends where its error begins."""
    return number_text(value, digits, result.uncertainty[key]).partition(" ± ")[0]


def settled(page: Page) -> None:
    """Wait until the page's script has ended."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
