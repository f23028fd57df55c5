"""Who can reach the server, what its answers carry, and how much one session may send it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from sus2.server.headers import Headers, UploadLimit, policy, security_headers
from tests.helpers_server import serving

MIB = 2**20
EXPECTED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture(scope="module")
def address(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(root, tmp_path_factory.mktemp("server"), max_session_mb="1", hosts="localhost") as started:
        yield started


def get(url: str) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_server_listens_at_this_computer_alone(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", port)) == 0
    others = {"127.0.0.2"} if sys.platform == "linux" else set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing; says by which address this computer would
            others.add(s.getsockname()[0])
        except OSError:
            pass
    for other in others - {"127.0.0.1"}:
        with socket.socket() as s:
            s.settimeout(5)
            assert s.connect_ex((other, port)) != 0, other


def test_every_answer_carries_the_headers(address: str) -> None:
    status, headers, body = get(address)
    assert status == 200
    asset = re.search(rb'src="\./(static/js/[^"]+)"', body)
    assert asset is not None
    for path in ("", "eos", "_stcore/health", asset[1].decode(), "static/none.js", "media/none", "favicon.png"):
        _, headers, _ = get(f"{address}/{path}")
        assert "Cross-Origin-Opener-Policy" not in headers, "browsers would compile every script anew at each visit"
        for name, value in EXPECTED.items():
            assert headers.get_all(name) == [value], (path, name)
        assert len(headers.get_all("Content-Security-Policy")) == 1, path
        assert "camera=()" in headers["Permissions-Policy"]


def test_the_policy_names_the_scripts_of_the_page_and_no_others(address: str) -> None:
    _, headers, body = get(address)
    rules = dict(r.strip().split(" ", 1) for r in headers["Content-Security-Policy"].split(";"))
    assert "'unsafe-inline'" not in rules["script-src"]
    assert rules["default-src"] == rules["connect-src"] == rules["frame-ancestors"] == "'self'"
    assert rules["object-src"] == "'none'"
    assert not re.search(r"https?:|\*", headers["Content-Security-Policy"]), "something may come from elsewhere"
    inline = re.findall(r"<script>(.*?)</script>", body.decode(), re.S)
    assert inline
    for text in inline:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]


def test_sites_that_may_show_the_app_in_a_frame() -> None:
    headers = security_headers("<script>1</script>", ["https://course.example.org"])
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'self' https://course.example.org")
    assert "X-Frame-Options" not in headers
    assert "sha256" not in policy("<script type=module src='./a.js'></script>")


async def session(address: str, sizes: list[int], *, declared: bool) -> list[int]:
    """The status of each upload of a fresh session, of files of these sizes."""
    url = address.replace("http", "ws") + "/_stcore/stream"
    async with websockets.connect(url, subprotocols=["streamlit"], max_size=None) as stream:  # type: ignore[list-item]
        ask = BackMsg()
        ask.rerun_script.query_string = ""
        await stream.send(ask.SerializeToString())
        message = ForwardMsg()
        while message.WhichOneof("type") != "new_session":
            message.ParseFromString(await stream.recv())
        identity = message.new_session.initialize.session_id
        return [await asyncio.to_thread(put, address, identity, k, size, declared) for k, size in enumerate(sizes)]


def put(address: str, identity: str, k: int, size: int, declared: bool) -> int:
    cookie = next(
        c
        for c in get(address)[1].get_all("Set-Cookie") or get(f"{address}/_stcore/health")[1].get_all("Set-Cookie")
        if "xsrf" in c
    ).split(";")[0]
    start = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    body = start + b"x" * size + b"\r\n--b--\r\n"
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Cookie": cookie,
        "X-Xsrftoken": cookie.split("=", 1)[1],
    }
    data: Any = body if declared else (body[i : i + MIB] for i in range(0, len(body), MIB))
    url = f"{address}/_stcore/upload_file/{identity}/file-{k}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method="PUT"), timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:  # refused before the body was through: the connection is gone
        return 413


@pytest.mark.parametrize("declared", [True, False])
def test_a_session_sends_no_more_than_the_limit_and_a_file(address: str, declared: bool) -> None:
    # 1 MiB for the session and 64 MiB for the largest file: past what the pages accept, the server itself refuses.
    statuses = asyncio.run(session(address, [20 * MIB, 30 * MIB, 30 * MIB, 1 * MIB], declared=declared))
    assert statuses[:2] == [204, 204]
    assert statuses[2] == 413
    assert asyncio.run(session(address, [MIB], declared=True)) == [204], "another session is not touched"


@pytest.mark.parametrize(("host", "let_in"), [("localhost", True), ("rebound.example.org", False)])
def test_a_foreign_name_for_this_computer_gets_no_session(address: str, host: str, let_in: bool) -> None:
    """As after DNS rebinding: the page of another site calls this server by its own name."""
    port = address.rsplit(":", 1)[1]

    async def handshake() -> bool:
        uri = f"ws://{host}:{port}/_stcore/stream"
        try:
            async with websockets.connect(
                uri,
                host="127.0.0.1",
                port=int(port),
                subprotocols=["streamlit"],
                origin=f"http://{host}:{port}",  # type: ignore[arg-type,list-item]
            ):
                return True
        except websockets.InvalidHandshake:
            return False

    assert asyncio.run(handshake()) is let_in


async def _call(app: Any, path: str, body: list[bytes], headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    parts = [{"type": "http.request", "body": b, "more_body": k < len(body) - 1} for k, b in enumerate(body)]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": "PUT", "path": path, "headers": headers}, receive, send)
    return sent


async def _taker(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the whole body and answers."""
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message["more_body"]
    await send({"type": "http.response.start", "status": 204, "headers": [(b"x-frame-options", b"ALLOWALL")]})


def test_the_limit_counts_bytes_whatever_the_request_says() -> None:
    limited = UploadLimit(_taker, 100)
    path = "/base/_stcore/upload_file/session-a/file"

    def status(size: int, length: bytes = b"") -> int:
        headers = [(b"content-length", length)] if length else []
        sent = asyncio.run(_call(limited, path, [b"x" * (size // 2), b"x" * (size - size // 2)], headers))
        return int(sent[0]["status"])

    assert status(60, b"60") == 204
    assert status(60, b"60") == 413
    assert status(30, b"nonsense") == 204
    assert status(60, b"5") == 413, "a body longer than it said"
    assert status(1, b"1") == 413
    other = asyncio.run(_call(limited, path.replace("session-a", "b"), [b"x"], []))
    assert other[0]["status"] == 204
    assert asyncio.run(_call(limited, "/elsewhere", [b"x" * 500], []))[0]["status"] == 204


def test_a_header_of_the_application_gives_way() -> None:
    app = Headers(_taker, {"X-Frame-Options": "DENY"})
    sent = asyncio.run(_call(app, "/", [], []))
    assert sent[0]["headers"] == [(b"x-frame-options", b"DENY")]


def test_the_address_is_localhost_unless_told_otherwise(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sus2.cli", "app", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )
    assert re.search(r"--address.*\[default: localhost\]", done.stdout, re.S)
