"""The page that loads the front end: what is added to it, and who gets it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from sus2.server.front_page import FrontPage, prepared
from sus2.server.headers import policy

STATIC = Path(st.__file__).parent / "static"
GIVEN = (STATIC / "index.html").read_text(encoding="utf-8")
PAGE = prepared(GIVEN, STATIC)
WANTS_PAGE = [(b"accept", b"text/html,*/*"), (b"accept-encoding", b"gzip"), (b"if-none-match", b'"old"')]


def answer(body: bytes, *, asked: list[tuple[bytes, bytes]], method: str = "GET", parts: int = 1) -> Any:
    """What a server behind FrontPage gives for a body: headers and body as sent, and the headers that it was asked."""
    seen: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        headers = [(b"content-length", str(len(body)).encode()), (b"etag", b'"new"'), (b"x-kept", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        size = -(-len(body) // parts)
        for k in range(parts):
            piece = body[k * size : (k + 1) * size]
            await send({"type": "http.response.body", "body": piece, "more_body": k + 1 < parts})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/eos", "headers": asked}
    asyncio.run(FrontPage(app, GIVEN, PAGE)(scope, None, send))  # type: ignore[arg-type]
    return dict(sent[0]["headers"]), b"".join(m["body"] for m in sent[1:]), seen


def test_scripts_that_are_fetched_early_are_there() -> None:
    early = re.findall(r'<link rel="modulepreload" crossorigin href="\./(static/js/[^"]+)">', PAGE)
    assert any("PlotlyChart" in path for path in early), "streamlit draws plots with a script of another name now"
    assert all((STATIC / path).is_file() for path in early)
    assert PAGE.count("PlotlyChart") == 1


def test_the_server_is_said_before_it_is_looked_for() -> None:
    assert PAGE.index("BACKEND_BASE_URL") < PAGE.index('<script type="module"')
    front_end = next((STATIC / "static" / "js").glob("index.*.js")).read_text(encoding="utf-8")
    assert "window.__streamlit" in front_end, "streamlit's front end takes the address of its server elsewhere now"
    assert "BACKEND_BASE_URL" in front_end
    assert policy(PAGE).count("sha256") == policy(GIVEN).count("sha256") + 4  # menu and lessons of phones, roles


def test_the_menu_that_a_phone_closes_is_there() -> None:
    front_end = next((STATIC / "static" / "js").glob("index.*.js")).read_text(encoding="utf-8")
    for name in ("data-collapsed", "stSidebarCollapseButton"):
        assert name in PAGE
        assert name in front_end, "streamlit's menu has other names now"


@pytest.mark.parametrize("parts", [1, 3])
def test_who_asks_for_a_page_gets_ours_whole(parts: int) -> None:
    headers, body, seen = answer(GIVEN.encode(), asked=WANTS_PAGE, parts=parts)
    assert body == PAGE.encode()
    assert headers == {b"content-length": str(len(body)).encode(), b"x-kept": b"1"}
    assert [name for name, _ in seen] == [b"accept"]


def test_everything_else_is_left_alone() -> None:
    script = b"x" * len(GIVEN.encode())
    for body, asked, method in (
        (script, WANTS_PAGE, "GET"),
        (b"short", WANTS_PAGE, "GET"),
        (GIVEN.encode(), [(b"accept", b"*/*")], "GET"),
        (GIVEN.encode(), WANTS_PAGE, "POST"),
    ):
        headers, got, _ = answer(body, asked=asked, method=method, parts=2)
        assert got == body
        assert headers[b"etag"] == b'"new"'
