"""What docs/deployment.md tells people to write is tried: the files of nginx, of systemd and of the settings."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import require
from tests.helpers_server import free_port, serving
from tests.ui.conftest import ARGUMENTS, settled

HOST = "sus2.example.org"


def block(root: Path, language: str) -> str:
    """The only block of that language on the page."""
    text = (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return str(found)


@pytest.fixture
def proxied(root: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the app behind nginx with the documented configuration, on a port of its own."""
    nginx, openssl = shutil.which("nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        require("there is no nginx or no openssl (on Debian: apt-get install nginx-light openssl)")
        raise AssertionError
    key, cert = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={HOST}",
            "-addext",
            f"subjectAltName=DNS:{HOST}",
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    behind, front = free_port(), free_port()
    site = block(root, "nginx")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{front} ssl"),
        ("/etc/ssl/sus2/fullchain.pem", str(cert)),
        ("/etc/ssl/sus2/privkey.pem", str(key)),
        ("http://127.0.0.1:8501", f"http://127.0.0.1:{behind}"),
    ):
        assert site.count(old) == 1, old
        site = site.replace(old, new)
    temporary = "".join(f"{n}_temp_path {tmp_path}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # Started by root nginx works as nobody, who cannot enter this folder: what it has to put aside would be cut off.
    user = "user root; " if os.geteuid() == 0 else ""
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"{user}daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}\n}}\n"
    )
    subprocess.run([nginx, "-t", "-p", tmp_path, "-c", configuration], check=True, capture_output=True)
    with serving(root, tmp_path, "--base-path", "sus2", port=behind, path="/sus2", hosts=HOST):
        process = subprocess.Popen([nginx, "-p", tmp_path, "-c", configuration], stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", front)) == 0:
                        break
                time.sleep(0.05)
            yield f"https://{HOST}:{front}/sus2/"
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def resolving() -> Iterator[Browser]:
    """A browser for which the documented name is this computer."""
    chromium = shutil.which("chromium")
    if chromium is None:
        require("there is no chromium (on Debian: apt-get install chromium)")
        raise AssertionError
    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=chromium,
            args=[*ARGUMENTS, f"--host-resolver-rules=MAP {HOST} 127.0.0.1", "--no-proxy-server"],
        )
        yield started
        started.close()


@pytest.mark.browser
def test_the_app_behind_nginx(proxied: str, resolving: Browser) -> None:
    insecure = ssl._create_unverified_context()
    health = proxied.replace(HOST, "127.0.0.1") + "_stcore/health"
    with urllib.request.urlopen(health, context=insecure, timeout=30) as answer:
        assert answer.read() == b"ok"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    page = resolving.new_page(ignore_https_errors=True)
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    sockets: list[str] = []
    page.on("websocket", lambda w: sockets.append(w.url))
    page.goto(f"{proxied}?crystal=si&model=si-mlearn-pbe")
    page.get_by_text("Your own crystal").wait_for()
    settled(page)
    page.locator("[data-testid=stSidebarNav] a", has_text="Equation of state").click()
    page.get_by_role("heading", name="Equation of state").wait_for()
    page.get_by_role("button", name="Compute").click()
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    assert page.url.startswith(f"{proxied}eos?")
    assert sockets == [proxied.replace("https", "wss") + "_stcore/stream"], "one websocket, through the proxy"
    assert problems == []
    # An upload larger than nginx lets through by default.
    big = page.locator("[data-testid=stSidebar] input[type=file]")
    structure = "big\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n1\nDirect\n0 0 0\n" + "\n" * (3 * 2**20)
    big.set_input_files({"name": "big.vasp", "mimeType": "text/plain", "buffer": structure.encode()})
    page.get_by_text("big.vasp", exact=True).first.wait_for()
    assert problems == []


def test_the_unit_of_systemd(root: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    program = tmp_path / "sus2"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = block(root, "ini")
    assert text.count("/opt/sus2/bin/sus2 ") == 1
    unit = tmp_path / "sus2.service"
    unit.write_text(text.replace("/opt/sus2/bin/sus2 ", f"{program} "))
    done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "sus2.service" in line]
    assert (done.returncode, said) == (0, [])


def test_the_section_of_sign_in(root: Path) -> None:
    section = tomllib.loads(block(root, "toml"))["auth"]
    assert section["redirect_uri"].endswith("/oauth2callback")
    assert {"cookie_secret", "client_id", "client_secret", "server_metadata_url"} <= set(section)
