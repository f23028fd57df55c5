"""The gallery of sample crystals: by class, with a search and a small picture of each."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from sus2.figures.thumbnail import data_address, thumbnail_svg
from sus2.structures import with_subscripts
from sus2.structures.samples import KINDS, find_samples, samples


@st.cache_resource(show_spinner=False)
def _style() -> str:
    """The pictures, as backgrounds of the buttons; drawn once for all sessions."""
    pictures = "".join(
        f'.st-key-take_{s.key} button {{background-image: url("{data_address(thumbnail_svg(atoms=s.atoms()))}");}}'
        for s in samples()
    )
    return f"<style>{pictures}</style>"


@st.fragment
def gallery() -> None:
    """Search, classes, and a row of pictures to choose from."""
    st.html(_style())
    row = st.container(horizontal=True)
    text = row.text_input(
        "Search the samples",
        placeholder=f"Search {len(samples())} samples: TiO2, Ti O, perovskite ...",
        key="gallery_search",
        label_visibility="collapsed",
    )
    kind = row.selectbox(
        "Class",
        KINDS,
        index=None,
        placeholder="All classes",
        key="gallery_kind",
        label_visibility="collapsed",
        width=150,
    )
    found = find_samples(text or "", kind or "")
    if not found:
        st.caption("No sample fits. Upload a file of your own, or search for an element, such as Ti.")
        return
    with st.container(horizontal=True, key="gallery_samples"):
        for s in found:
            label = f"{with_subscripts(s.formula)} {s.name}" if s.name != s.formula else s.name
            if st.button(label, key=f"take_{s.key}", on_click=frame.choose_crystal, args=(s.key,)):
                st.rerun()  # the whole page, not the gallery alone
