"""Many sessions of the app at once, as their browsers speak to it, without the browsers.

Run: python benchmarks/sessions.py [N]. Twenty browsers on the server's own cores would measure themselves, so each
session here is a websocket that sends what streamlit's front end sends: the address, and the reruns that the page asks
for. Every session opens an equation of state and then phonons of a crystal with settings of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import sus2
from benchmarks.app import server
from sus2.structures import elements_of, samples
from sus2.trust.digits import number_text

MODEL = "sus2-universal-pbe"
MAX_ATOMS = 8  # larger samples wait for a button


class Session:
    """One page of one user."""

    def __init__(self, address: str, page: str, query: dict[str, str]) -> None:
        self.url = address.replace("http", "ws") + "/_stcore/stream"
        self.page, self.query = page, urlencode(query)
        self.hash, self.texts, self.state = "", [], ""
        self.began = self.changed = time.perf_counter()
        self.longest = 0.0
        self.reruns: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> str:
        """Open the page and wait for its result; what the page says then."""
        async with websockets.connect(self.url, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            await self._send(socket)
            while True:
                message = ForwardMsg()
                message.ParseFromString(await socket.recv())
                kind = message.WhichOneof("type")
                if kind == "new_session":
                    self.texts = []
                elif kind == "navigation":
                    self.hash = message.navigation.page_script_hash
                elif kind == "delta":
                    self._read(message)
                elif kind == "auto_rerun":
                    rerun = message.auto_rerun
                    if rerun.fragment_id not in self.reruns:
                        self.reruns[rerun.fragment_id] = asyncio.ensure_future(self._again(socket, rerun))
                elif kind == "script_finished" and "omputed in" in " ".join(self.texts):
                    for task in self.reruns.values():
                        task.cancel()
                    return " ".join(self.texts)

    async def _send(self, socket: websockets.ClientConnection, fragment: str = "") -> None:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self.hash
        rerun.page_name = "" if self.hash else self.page
        rerun.fragment_id, rerun.is_auto_rerun = fragment, bool(fragment)
        await socket.send(message.SerializeToString())

    async def _again(self, socket: websockets.ClientConnection, rerun: object) -> None:
        while True:
            await asyncio.sleep(rerun.interval)  # type: ignore[attr-defined]
            await self._send(socket, rerun.fragment_id)  # type: ignore[attr-defined]

    def _read(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "markdown":
            self.texts.append(element.markdown.body)
        elif kind == "alert":
            self.texts.append(element.alert.body)
        shown = (
            f"{element.progress.text} {element.progress.value}" if kind == "progress" else f"{kind}{len(self.texts)}"
        )
        if shown != self.state:
            now = time.perf_counter()
            self.longest, self.state, self.changed = max(self.longest, now - self.changed), shown, now


async def user(address: str, crystal: str, points: int) -> tuple[float, float, str]:
    """Seconds, the longest time without a change on the page, and the text of the equation of state."""
    began = time.perf_counter()
    query = {"crystal": crystal, "model": MODEL, "eos_points": str(points), "phonon_mesh": str(40 + 10 * (points % 5))}
    first = Session(address, "eos", query)
    text = await first.run()
    second = Session(address, "phonons", query)
    await second.run()
    return time.perf_counter() - began, max(first.longest, second.longest), text


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


async def together(address: str, process: subprocess.Popen[bytes], n: int) -> None:
    """n users at once, three times over with other settings; one line for each time."""
    card = next(c for c in sus2.models() if c.name == MODEL)
    known = [s for s in samples() if set(elements_of(s.atoms())) <= set(card.elements) and len(s.atoms()) <= MAX_ATOMS]
    potential = sus2.load(MODEL)
    for points in (9, 13, 17):
        chosen = [(known[k % len(known)], points + 2 * (k // len(known) % 2)) for k in range(n)]
        began = time.perf_counter()
        found = await asyncio.gather(*(user(address, s.key, p) for s, p in chosen), return_exceptions=True)
        wall = time.perf_counter() - began
        right, waits = 0, []
        for (s, p), got in zip(chosen, found, strict=True):
            if isinstance(got, BaseException):
                print(f"  {s.key}: {got!r}")
                continue
            result = sus2.eos(s.atoms(), potential, n_points=p)
            # The page has the error on a line of its own.
            shown = number_text(result.v0_a3_per_atom, 3, result.uncertainty["v0_a3_per_atom"]).split(" ±")[0]
            right += f">{shown}<" in got[2]
            waits.append(got[1])
        print(
            f"{n} sessions, EOS and phonons of different crystals: {wall:.1f} s in all, {right} of {n} finished and "
            f"right, at most {max(waits):.1f} s without a change; server and workers {memory_mib(process):.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", type=int, nargs="?", default=20)
    n = parser.parse_args().sessions
    # All sessions come without a cookie from one address; they are many users nevertheless.
    os.environ["SUS2_MAX_STORE_MB"] = "0"
    with server() as (address, process):
        asyncio.run(together(address, process, n))


if __name__ == "__main__":
    main()
