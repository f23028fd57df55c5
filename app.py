"""The app: router and page frame. Run it with `sus2 app` or `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._parts import frame, header, property_page
from pages._parts.sign_in import require_sign_in
from sus2.errors import Sus2Error

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


def answer(page: StreamlitPage) -> None:
    """Run a page below the line that says what it answers; where it cannot answer, say why and show no numbers."""
    if page.url_path == "":
        page.run()
        return
    if header.refused() and header.needs_crystal(page):
        return
    judged = header.has_verdict(page)
    if header.needs_crystal(page):
        try:
            header.header(judged=judged)
        except Sus2Error as problem:
            st.title(page.title)
            frame.error(str(problem))
            st.page_link("pages/start.py", label="Take a sample, or upload a file", icon=":material/home:")
            return
    page.run()
    header.finish(judged=judged)


frame.keep_address()
page = st.navigation(pages(), expanded=True)
# Whoever clicks on a page before the file has arrived gets that page, not Structure.
stayed = st.session_state.get("page_shown", page.url_path) == page.url_path
st.session_state["page_shown"] = page.url_path
if st.session_state.pop("show_structure", False) and stayed and page.url_path not in ("", "structure"):
    st.switch_page("pages/structure.py")
try:
    frame.models()
except Sus2Error as wrong:  # of SUS2_MODELS: a folder that is gone, or a card that is damaged
    st.title(page.title)
    frame.error(str(wrong))
    st.stop()
frame.sidebar()
answer(page)
