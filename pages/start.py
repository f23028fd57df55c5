"""Start: what this is, and three crystals to begin with."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages._parts import frame
from sus2.figures.structure import structure_figure
from sus2.figures.theme import Mode
from sus2.structures import FORMATS, sample

EXAMPLES = (
    ("si", "The classic semiconductor: every atom has four neighbours."),
    ("cu", "A close-packed metal: every atom has twelve neighbours."),
    ("w", "A body-centred metal, the stiffest of the three."),
)


@st.cache_resource(show_spinner=False)
def drawn(key: str, mode: Mode) -> Any:
    """An example, drawn once for all sessions."""
    return structure_figure(atoms=sample(key).atoms(), mode=mode, height=230, legend=False)


frame.title(
    "SUS2 Explorer",
    "Upload a crystal and see what a **SUS2** interatomic potential predicts for it, and how far to trust the "
    "prediction. SUS2 is a machine-learning potential built on the universal equation of state, fast "
    "enough for interactive use.",
)

st.subheader("Begin with one of these")
for column, (key, text) in zip(st.columns(3), EXAMPLES, strict=True):
    example = sample(key)
    with column, st.container(border=True, height="stretch"):
        st.markdown(f"**{example.name}**")
        frame.plot(
            drawn(key, frame.mode()),
            key=f"example_{key}",
            alt=f"Unit cell of {example.name} in three dimensions",
            name=example.key,
        )
        st.markdown(text)
        st.button(
            f"Choose {example.name.lower()}",
            key=f"choose_{key}",
            on_click=frame.choose_crystal,
            args=(key,),
            width="stretch",
        )

st.subheader("or with your own")
st.markdown(
    f"Upload a file in the panel on the left: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}. Then open a page: crystal "
    "and model stay as chosen, and the address of the page is a link to what you see."
)
with st.container(horizontal=True):
    st.page_link("pages/structure.py", label="View the structure", icon=":material/deployed_code:")
    st.page_link("pages/properties/eos.py", label="Compute its equation of state", icon=":material/show_chart:")
    st.page_link("pages/potentials/compare.py", label="Compare functionals", icon=":material/compare_arrows:")
    st.page_link("pages/potentials/models.py", label="Models and their elements", icon=":material/grid_view:")
