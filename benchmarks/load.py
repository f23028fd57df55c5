"""Many users who upload crystals of their own and compute, for minutes: how long a page's rerun takes, and every error.

Run: python benchmarks/load.py [--sessions 50] [--minutes 2] [--think 5]. Each session is a websocket that sends what
streamlit's front end sends, with a cookie of its own as each browser has. A user uploads a strained crystal that nobody
else has, opens a property of it, waits for the result as a page does, looks at it for some seconds, and goes on to the
next page; after three pages comes a new crystal. A rerun is timed from what the user does to the end of its script. All
sessions share the cores with the server here, so they cost it something; run it on a machine without other work.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import websockets
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import sus2
from benchmarks.app import server
from benchmarks.sessions import MAX_ATOMS, MODEL, memory_mib
from sus2.structures import elements_of, samples, write_structure

PAGES = ("eos", "elasticity", "phonons")
GIVE_UP_S = 180.0  # a calculation that takes longer counts as an error
# Said in red, and a result: checks that find something.
FINDINGS = (
    "Born's condition",
    "The energies have no minimum",
    "The energies curve",
    "Change of volume",
    "Standard error of B0",
    "B0 of the four models",
    "Pressure from stress and from energy",
    "B0' plausible",
)
REFUSED = ("under way, which is the limit", "calculations within an hour")


@dataclass
class Found:
    """What all sessions saw: seconds of reruns by what the user did, looks at progress, results, errors, findings."""

    reruns: dict[str, list[float]] = field(default_factory=dict)
    looks: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    results: int = 0
    queued: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, seconds: float) -> None:
        self.reruns.setdefault(kind, []).append(seconds)


class User:
    """One browser with one page open."""

    def __init__(self, address: str, number: int, found: Found, think_s: float) -> None:
        self.address, self.number, self.found, self.think_s = address, number, found, think_s
        self.random = random.Random(number)
        self.socket: Any = None
        self.cookie = ""
        self.session = self.page = self.query = ""
        self.hashes: dict[str, str] = {}
        self.uploader = self.compute = ""
        self.texts: dict[str, str] = {}
        self.ended = asyncio.Event()
        self.urls: asyncio.Future[Any] | None = None
        self.done = False
        self.runs: dict[str, asyncio.Task[None]] = {}
        self.asked: dict[str, float] = {}

    # ---- as the front end speaks

    async def open(self) -> None:
        self.cookie = await asyncio.to_thread(self._cookie)
        url = self.address.replace("http", "ws") + "/_stcore/stream"
        headers = {"Cookie": self.cookie}
        self.socket = await websockets.connect(
            url,
            subprotocols=["streamlit"],
            max_size=None,
            additional_headers=headers,
            open_timeout=120,  # type: ignore[list-item]
        )
        self.reader = asyncio.ensure_future(self._read())

    def _cookie(self) -> str:
        with urllib.request.urlopen(f"{self.address}/_stcore/host-config", timeout=120) as answer:
            cookies = answer.headers.get_all("Set-Cookie") or []
        with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=120) as answer:
            cookies += answer.headers.get_all("Set-Cookie") or []
        return next(c for c in cookies if "xsrf" in c).split(";")[0]

    async def rerun(self, kind: str, **fields: Any) -> None:
        """Send what a user did and wait for the end of the script that it starts."""
        self._still()
        self.ended.clear()
        self.texts, self.done = {}, False
        began = time.perf_counter()
        await self._send(**fields)
        await asyncio.wait_for(self.ended.wait(), GIVE_UP_S)
        self.found.add(kind, time.perf_counter() - began)

    async def _send(self, fragment: str = "", states: Any = None) -> None:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self.hashes.get(self.page, "")
        rerun.fragment_id, rerun.is_auto_rerun = fragment, bool(fragment)
        if states is not None:
            states(rerun.widget_states)
        await self.socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for data in self.socket:
            message = ForwardMsg()
            message.ParseFromString(data)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id or self.session
            elif kind == "navigation":
                self.hashes = {p.url_pathname or "": p.page_script_hash for p in message.navigation.app_pages}
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "delta":
                self._drawn(message)
            elif kind == "auto_rerun":
                rerun = message.auto_rerun
                if rerun.fragment_id not in self.runs:
                    task = asyncio.ensure_future(self._again(rerun.fragment_id, rerun.interval))
                    self.runs[rerun.fragment_id] = task
            elif kind == "file_urls_response" and self.urls is not None:
                self.urls.set_result(list(message.file_urls_response.file_urls))
            elif kind == "script_finished":
                self._finished(message.script_finished)

    def _drawn(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        path = str(list(message.metadata.delta_path))
        if kind == "file_uploader" and message.metadata.delta_path[0] == 1:  # the panel at the left
            self.uploader = element.file_uploader.id
        if kind == "button" and element.button.label == "Compute":
            self.compute = element.button.id
        if kind == "markdown":
            self.texts[path] = element.markdown.body
        elif kind == "progress":
            self.texts[path] = element.progress.text
            self.found.queued += element.progress.text.startswith("waiting")
        elif kind == "exception":
            self.found.errors[f"exception: {element.exception.message[:100]}"] += 1
        elif kind == "alert" and element.alert.format == Alert.ERROR:
            text = element.alert.body.replace("\\", "")
            if text.startswith(FINDINGS):
                self.found.findings[text[:120]] += 1
                self.texts[path] = "computed in"  # not said where there are no numbers to show
                return
            refused = any(words in text for words in REFUSED)
            self.found.errors[f"{'refused' if refused else 'error'}: {text[:120]}"] += 1

    def _finished(self, status: int) -> None:
        if status == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            for fragment in list(self.asked):
                self.found.looks.append(time.perf_counter() - self.asked.pop(fragment))
            return
        if status == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        self.done = any("omputed in" in text for text in self.texts.values())
        if self.done:
            self._still()
        self.ended.set()

    async def _again(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            if fragment not in self.asked:
                self.asked[fragment] = time.perf_counter()
                await self._send(fragment)

    def _still(self) -> None:
        for task in self.runs.values():
            task.cancel()
        self.runs, self.asked = {}, {}

    # ---- what a user does

    async def upload(self, name: str, data: bytes) -> None:
        """Put a file into the box at the left."""
        self.urls = asyncio.get_running_loop().create_future()
        message = BackMsg()
        message.file_urls_request.request_id = f"r{time.perf_counter()}"
        message.file_urls_request.session_id = self.session
        message.file_urls_request.file_names.append(name)
        await self.socket.send(message.SerializeToString())
        (place,) = await asyncio.wait_for(self.urls, GIVE_UP_S)
        began = time.perf_counter()
        await asyncio.to_thread(self._put, place.upload_url, name, data)
        self.found.add("upload (the file alone)", time.perf_counter() - began)

        def states(widgets: Any) -> None:
            widget = widgets.widgets.add()
            widget.id = self.uploader
            info = widget.file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = name, len(data), place.file_id
            info.file_urls.CopyFrom(place)

        await self.rerun("upload (its page)", states=states)

    def _put(self, url: str, name: str, data: bytes) -> None:
        body = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
        headers = {
            "Content-Type": "multipart/form-data; boundary=b",
            "Cookie": self.cookie,
            "X-Xsrftoken": self.cookie.split("=", 1)[1],
        }
        request = urllib.request.Request(self.address + url, body + data + b"\r\n--b--\r\n", headers, method="PUT")
        urllib.request.urlopen(request, timeout=120).close()

    async def press(self) -> None:
        """Press Compute, which a crystal of one's own waits for."""

        def states(widgets: Any) -> None:
            widget = widgets.widgets.add()
            widget.id, widget.trigger_value = self.compute, True

        await self.rerun("press Compute", states=states)

    async def result(self) -> None:
        """Wait for the result of the page, as its progress bar does."""
        began = time.perf_counter()
        while not self.done:
            if time.perf_counter() - began > GIVE_UP_S:
                self.found.errors[f"error: no result of {self.page} after {GIVE_UP_S:.0f} s"] += 1
                return
            await asyncio.sleep(0.05)
        self.found.results += 1
        self.found.waits.append(time.perf_counter() - began)

    async def use(self, crystals: list[Any], until: float) -> None:
        """Upload, compute and look until the time is over."""
        await asyncio.sleep(self.random.uniform(0.0, self.think_s))
        await self.open()
        await self.rerun("first page")
        k = 0
        while time.perf_counter() < until:
            atoms = self.random.choice(crystals).copy()
            scale = np.eye(3) + np.diag([self.random.uniform(-0.02, 0.02) for _ in range(3)])
            atoms.set_cell(np.asarray(atoms.cell) @ scale, scale_atoms=True)
            self.page = "structure"  # where an upload leads
            await self.upload(f"crystal {self.number}-{k}.vasp", write_structure(atoms, "poscar").encode())
            k += 1
            await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.think_s)
            for page in self.random.sample(PAGES, len(PAGES)):
                if time.perf_counter() > until:
                    break
                self.page = page
                await self.rerun(f"open {page}")
                if not self.done:
                    await self.press()
                await self.result()
                await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.think_s)
        self._still()
        self.reader.cancel()
        await self.socket.close()


async def load(address: str, sessions: int, minutes: float, think_s: float) -> Found:
    """All users at once."""
    card = next(c for c in sus2.models() if c.name == MODEL)
    crystals = [s.atoms() for s in samples()]
    crystals = [a for a in crystals if set(elements_of(a)) <= set(card.elements) and len(a) <= MAX_ATOMS]
    found = Found()
    until = time.perf_counter() + 60.0 * minutes
    users = [User(address, k, found, think_s).use(crystals, until) for k in range(sessions)]
    for got in await asyncio.gather(*users, return_exceptions=True):
        if isinstance(got, BaseException):
            found.errors[f"error: {got!r:.150}"] += 1
    return found


def line(name: str, seconds: list[float]) -> str:
    p50, p95 = np.percentile(seconds, [50, 95])
    return f"{name:<26} {len(seconds):>6} {p50:>8.3f} {p95:>8.3f} {max(seconds):>8.3f}"


def report(found: Found) -> None:
    """The table, and every error."""
    print(f"{'rerun':<26} {'n':>6} {'p50 s':>8} {'p95 s':>8} {'max s':>8}")
    for kind, seconds in sorted(found.reruns.items()):
        print(line(kind, seconds))
    together = [s for kind, seconds in found.reruns.items() if "file alone" not in kind for s in seconds]
    for name, seconds in (
        ("ALL RERUNS", together),
        ("looks at progress", found.looks),
        ("wait for a result", found.waits),
    ):
        if seconds:
            print(line(name, seconds))
    print(f"{found.results} results; {found.queued} looks that said 'waiting'")
    errors = {text: n for text, n in found.errors.items() if not text.startswith("refused")}
    print(f"{sum(errors.values())} errors, {found.errors.total() - sum(errors.values())} refusals in plain words")
    for text, n in [*found.errors.most_common(20), *found.findings.most_common(20)]:
        print(f"  {n} times {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--think", type=float, default=5.0, help="seconds that a user looks at a page, on average")
    chosen = parser.parse_args()
    with contextlib.suppress(ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.environ.setdefault("SUS2_MAX_STORE_MB", "64")
    with server() as (address, process):
        began = time.process_time()
        found = asyncio.run(load(address, chosen.sessions, chosen.minutes, chosen.think))
        spent = time.process_time() - began
        print(f"{chosen.sessions} sessions for {chosen.minutes:g} min, {chosen.think:g} s of looking at a page;")
        print(f"server and workers {memory_mib(process):.0f} MiB; these clients took {spent:.0f} s of processor")
        report(found)


if __name__ == "__main__":
    main()
