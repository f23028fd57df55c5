"""What the app's server adds to every answer for the sake of security, and how much one session may send it.

Plain ASGI, so that it wraps the server of streamlit.App (and any other).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_MAX_SESSIONS: Final = 10_000
_UPLOAD: Final = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+$")
_INLINE: Final = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.S)
_REFUSED: Final = b"This session has uploaded as much as it may; reload the page to begin a new one."


def policy(front_page: str, embedded_by: Iterable[str] = ()) -> str:
    """The Content-Security-Policy for a front end whose index.html is front_page.

    Scripts come from the server alone, and the few that stand in the page itself are named by their hashes. Styles and
    pictures are made by the front end and by plotly as they draw. Nothing is loaded from elsewhere, and no other site
    may show the app in a frame, other than those of embedded_by. 'unsafe-eval' is for plotly, whose WebGL traces
    (scattergl, parcoords) compile their drawing commands in the browser and show nothing without it.
    """
    inline = " ".join(f"'sha256-{_digest(text)}'" for text in dict.fromkeys(_INLINE.findall(front_page)))
    rules = {
        "default-src": "'self'",
        "script-src": f"'self' 'unsafe-eval' {inline}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "connect-src": "'self'",
        "frame-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(("'self'", *embedded_by)),
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in rules.items())


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def security_headers(front_page: str, embedded_by: Iterable[str] = ()) -> dict[str, str]:
    """Names and values of the headers that every answer carries.

    Cross-Origin-Opener-Policy is not among them: with it Chromium compiles every script anew at each visit, which makes
    the first plot of a page two to four seconds late, and the app opens no windows and holds none of another site.
    """
    elsewhere = tuple(embedded_by)
    headers = {
        "Content-Security-Policy": policy(front_page, elsewhere),
        "X-Content-Type-Options": "nosniff",
        # The address of a page names the crystal of an upload, which is nobody else's business.
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=()",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "SAMEORIGIN",
    }
    if elsewhere:
        del headers["X-Frame-Options"]  # it cannot name sites; frame-ancestors does
    return headers


class Headers:
    """Adds headers to every HTTP answer, in place of those of the same name."""

    def __init__(self, app: Application, headers: dict[str, str]) -> None:
        self._app = app
        self._lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        self._names = {name for name, _ in self._lines}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [h for h in message.get("headers", ()) if h[0].lower() not in self._names]
                message["headers"] = [*kept, *self._lines]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class _TooMuch(Exception):
    """A body went past the limit while it was read."""


class UploadLimit:
    """Refuses (413) what a session of the app uploads beyond max_bytes in all.

    The pages say the limit in a sentence; this one holds whoever speaks to the server without them.
    """

    def __init__(self, app: Application, max_bytes: int) -> None:
        self._app, self._max = app, max_bytes
        self._sent: OrderedDict[str, int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = _UPLOAD.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        session = found[1]
        declared = next((v for k, v in scope["headers"] if k.lower() == b"content-length"), b"0")
        size = int(declared) if declared.isdigit() else 0
        if self._sent.get(session, 0) + size > self._max:
            await _refuse(send)
            return

        async def counted() -> Message:
            message = await receive()
            self._count(session, len(message.get("body", b"")))
            if self._sent[session] > self._max:  # a body that is longer than it said, or did not say
                raise _TooMuch
            return message

        try:
            await self._app(scope, counted, send)
        except _TooMuch:
            await _refuse(send)

    def _count(self, session: str, size: int) -> None:
        self._sent[session] = self._sent.pop(session, 0) + size
        while len(self._sent) > _MAX_SESSIONS:
            self._sent.popitem(last=False)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(_REFUSED)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _REFUSED})
