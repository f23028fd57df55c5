"""The line above every page that says what it answers, and what takes the place of a page that cannot answer."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st
from ase import Atoms
from streamlit.navigation.page import StreamlitPage

from pages._parts.selection import crystal, dismiss_refusal, models, read_upload
from pages._parts.widgets import error, formula_html, mode, plain, space_group_html
from sus2.errors import Sus2Error
from sus2.figures.report import verdict_markup, verdicts_markup
from sus2.figures.thumbnail import data_address, thumbnail_svg
from sus2.properties.catalogue import catalogue

MAX_DRAWN = 60
OF_A_CRYSTAL = ("structure", "compare", "check", "specialise")
_LINE = (
    "<div class='answers'>{picture}<span class='formula'>{formula}</span><span>{label}</span><i></i>"
    "<span>{group}</span><span>{potential}</span><span class='verdict'>{verdict}</span></div>"
)


def needs_crystal(page: StreamlitPage) -> bool:
    """Whether a page answers for the chosen crystal."""
    path = page.url_path
    return path in OF_A_CRYSTAL or has_verdict(page)


def has_verdict(page: StreamlitPage) -> bool:
    """Whether a page is that of a property, whose result has a verdict."""
    paths = {(e.page.script.rpartition("/")[2] or e.name) for e in catalogue().values() if e.page is not None}
    return page.url_path in paths


def refused() -> bool:
    """Say in the main area why a file was not read, and ask what it leaves open; False where none was refused."""
    if "upload_error" not in st.session_state:
        return False
    st.header("This file was not read")
    error(st.session_state["upload_error"])
    if "upload_choices" in st.session_state:
        name, data, choices = st.session_state["upload_choices"]
        with st.container(horizontal=True):
            for k, choice in enumerate(choices):
                st.button(
                    f"Read {plain(choice.label)}",
                    key=f"upload_choice_{k}",
                    on_click=read_upload,
                    args=(name, data, choice),
                    type="primary",
                )
    try:
        before = f"Go on with {plain(crystal().label)}"
    except Sus2Error:
        before = "Close"
    st.button(before, key="upload_dismiss", on_click=dismiss_refusal, icon=":material/arrow_back:")
    return True


def header(*, judged: bool) -> None:
    """Say which crystal and potential a page answers for; judged: room for a verdict is kept.

    Raises StructureError where the crystal of a link is not there any more.
    """
    chosen = crystal()
    st.session_state.pop("header_verdict", None)
    place = st.container(key="header_judged" if judged else "header").empty()
    name = st.session_state.get("model_name")
    one = next((m for m in models() if m.name == name), None)
    potential = "no potential chosen"
    if one is not None and "lost_model" not in st.session_state:
        potential = f"{escape(one.name)} ({escape(one.card.functional)})"
    label = "" if chosen.label == chosen.info.formula else escape(chosen.label)
    parts = {
        "picture": _picture(chosen.key, chosen.atoms),
        "formula": formula_html(escape(chosen.info.formula)),
        "label": f"<span style='opacity:.8'>{label}</span>" if label else "",
        "group": space_group_html(chosen.info),
        "potential": potential,
    }
    st.session_state["header"] = (place, parts)
    place.html(_LINE.format(**parts, verdict="&nbsp;" if judged else ""))


def verdict(words: str | Sequence[str], reason: str) -> None:
    """Show in the header how far to trust what the page says: one verdict, or how many numbers have which."""
    found: tuple[Any, dict[str, str]] | None = st.session_state.get("header")
    if found is None:
        return
    place, parts = found
    st.session_state["header_verdict"] = words
    shown = verdict_markup(words, mode()) if isinstance(words, str) else verdicts_markup(words, mode())
    text = f"<span title='{escape(reason, quote=True)}'>{shown}</span>"
    place.html(_LINE.format(**parts, verdict=text))


def finish(*, judged: bool) -> None:
    """End a page: say where no result is there to be judged."""
    found = st.session_state.pop("header", None)
    if found is not None and judged and "header_verdict" not in st.session_state:
        place, parts = found
        place.html(_LINE.format(**parts, verdict="<span style='opacity:.7'>no result yet</span>"))


def _picture(key: str, atoms: Atoms) -> str:
    if len(atoms) > MAX_DRAWN:
        return ""
    return f'<img alt="" width="40" height="40" src="{_drawn(key, atoms)}">'


@st.cache_data(show_spinner=False, max_entries=300)
def _drawn(key: str, _atoms: Atoms) -> str:
    return data_address(thumbnail_svg(atoms=_atoms, size=40))
