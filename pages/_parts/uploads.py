"""The bytes of what a session uploads, and how many it may."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sus2.errors import Sus2Error
from sus2.settings import settings


def contents(file: Any) -> bytes:
    """The bytes of an uploaded file; raises Sus2Error where this session has uploaded too much.

    A file counts once, however often its page runs, and goes on counting when its box has been emptied: what was read
    from it is kept for as long as the session lasts.
    """
    sizes: dict[str, int] = st.session_state.setdefault("uploaded_bytes", {})
    limit = settings().max_session_mb
    if file.file_id not in sizes and sum(sizes.values()) + file.size > limit * 2**20:
        raise Sus2Error(
            f"This session has uploaded {sum(sizes.values()) / 2**20:.1f} MiB, and with this file more than the "
            f"{limit} MiB that are allowed; reload the page to begin a new session."
        )
    sizes[file.file_id] = file.size
    return bytes(file.getvalue())
