"""Starts streamlit for `sus2 app`.

A folder `pages/` makes streamlit take an app for its older kind of multipage app until st.navigation has been called
once; a link straight to a page of a fresh server would fail for that reason.
"""

from __future__ import annotations

import sys

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

PagesManager.uses_pages_directory = False

if __name__ == "__main__":
    sys.exit(cli.main())
