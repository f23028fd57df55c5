"""The app as a server of its own, for tests that speak to it over the network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sus2.native.build import available, cache_folder


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def serving(
    root: Path,
    folder: Path,
    *arguments: str,
    port: int = 0,
    path: str = "",
    program: Sequence[str | Path] = (sys.executable, "-m", "sus2.cli"),
    environment: dict[str, str] | None = None,
    **settings: str,
) -> Iterator[str]:
    """The address of `sus2 app`, run in folder, where its store and its log are too; settings as SUS2_NAME.

    path: where it answers, of --base-path; environment: in place of this process's own.
    """
    port = port or free_port()
    if environment is None:
        environment = {**os.environ, "PYTHONPATH": str(root), "SUS2_CACHE": str(folder)}
        if available() and not (folder / "kernels").exists():
            (folder / "kernels").symlink_to(cache_folder() / "kernels", target_is_directory=True)
    environment |= {"NO_PROXY": "localhost,127.0.0.1"} | {f"SUS2_{k.upper()}": v for k, v in settings.items()}
    log = folder / "app.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*program, "app", "--port", str(port), *arguments], cwd=folder, env=environment, stdout=out, stderr=out
        )
    address = f"http://localhost:{port}{path}"
    deadline, answer = time.monotonic() + 180, ""
    while answer != "ok" and process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as got:
                answer = got.read().decode()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    try:
        assert answer == "ok", f"the app did not start: {log.read_text()[-3000:]}"
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
    said = log.read_text()
    assert "Traceback" not in said, said[max(0, said.find("Traceback") - 1000) :][:8000]
