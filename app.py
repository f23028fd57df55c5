"""The app: router and page frame. Run it with `sus2 app` or `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._parts import frame, property_page
from pages._parts.sign_in import require_sign_in

# section: (script below pages/, title, icon, path in the address)
PAGES = {
    "": (
        ("start", "Start", "home", ""),
        ("structure", "Structure", "deployed_code", "structure"),
        ("history", "History", "history", "history"),
    ),
    "Properties": (
        ("many_structures", "Many structures", "stacks", "many"),
        ("screening", "Screening", "filter_alt", "screening"),
    ),
    "Potentials": (
        ("potentials/compare", "Compare", "compare_arrows", "compare"),
        ("potentials/check", "Model check", "fact_check", "check"),
        ("potentials/specialise", "Make a potential", "build", "specialise"),
        ("potentials/transfer", "Transfer learning", "school", "transfer"),
        ("potentials/models", "Models", "grid_view", "models"),
    ),
    "Learn": (("learn", "Learn", "menu_book", "learn"),),
}

st.set_page_config(page_title="SUS2 Explorer", page_icon="💠", layout="wide")
require_sign_in()


def pages() -> dict[str, list[StreamlitPage]]:
    """All pages by section."""
    found = {
        section: [
            st.Page(
                f"pages/{script}.py", title=title, icon=f":material/{icon}:", url_path=path or None, default=not path
            )
            for script, title, icon, path in scripts
        ]
        for section, scripts in PAGES.items()
    }
    found["Properties"] = property_page.navigation() + found["Properties"]
    return found


page = st.navigation(pages(), expanded=True)
frame.sidebar()
page.run()
