"""The app under AppTest, which runs the scripts without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest


@pytest.fixture
def app(root: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    # AppTest forgets between runs that st.navigation was called and takes pages/ for streamlit's older kind of
    # multipage app; a server remembers it from the first run of app.py on.
    start = PagesManager.__init__

    def remember(self: PagesManager, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", remember)
    return AppTest.from_file(str(root / "app.py"), default_timeout=120)
