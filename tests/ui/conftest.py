"""The app under AppTest, which runs the scripts without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from sus2 import board
from sus2.settings import settings


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
    for name, value in (("WORKERS", "0"), ("PATIENCE_MS", "120000"), ("MAX_STORE_MB", "0")):
        monkeypatch.setenv(f"SUS2_{name}", value)
    settings.cache_clear()
    board.board.cache_clear()
    st.cache_resource.clear()
    yield AppTest.from_file(str(root / "app.py"), default_timeout=120)
    board.board().close()
    settings.cache_clear()
    board.board.cache_clear()
