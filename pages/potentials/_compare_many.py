"""Many structures in two potentials, for the page Compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st
from ase import Atoms

from pages._parts import frame
from pages._parts.widgets import signed
from sus2.comparison.compare_batch import BatchComparison, compare_batch, ordered_alloys
from sus2.errors import Sus2Error
from sus2.figures.comparison.compare import scatter_figure
from sus2.structures import read_structure

DEFAULT_ALLOYS = 4  # elements of the example batch


def show_batch(models: Sequence[frame.Model]) -> None:
    st.markdown(
        "Upload many structures, or take ordered alloys of some elements, to see how the energies of two functionals "
        "agree before and after they are referred to their elements."
    )
    pair = models[:2]
    common = [e for e in pair[0].elements if e in pair[1].elements]
    files = st.file_uploader("Structures", accept_multiple_files=True, key="compare_files")
    elements: list[str] = []
    if not files and "compare_read" not in st.session_state:
        elements = st.multiselect(
            "or ordered alloys (B2, L1₂) of", common, default=example_elements(common), key="compare_elements"
        )
    relaxed = st.toggle("Take the structures as they are, without relaxing them", False, key="compare_relaxed")
    if files:
        st.session_state["compare_read"] = read_all(files)
    kept = st.session_state.get("compare_read")
    if kept and not files:
        # The other tab was open in between: the box is empty, what it read is still here.
        st.button("Forget the files", key="compare_forget", on_click=forget_files, icon=":material/close:")
    structures, unread = kept or (ordered_alloys(elements), {})
    for name, problem in unread.items():
        frame.error(f"{name}: {problem}")
    if len(structures) < 2:
        st.info("Choose at least two structures, or two elements that crystallise in fcc, bcc or hcp.")
        return
    found = frame.ask(
        compare_batch,
        auto=not kept and len(structures) <= 3 * DEFAULT_ALLOYS * (DEFAULT_ALLOYS - 1) // 2,
        note=f"{len(structures)} structures in {pair[0].name} and {pair[1].name}.",
        structures=structures,
        potentials=pair,
        relaxed=relaxed,
    )
    if found is not None:
        show_agreement(found.result, pair)


def forget_files() -> None:
    st.session_state.pop("compare_read", None)


def example_elements(common: list[str]) -> list[str]:
    """A few familiar metals where the potentials know them."""
    familiar: list[str] = [e for e in ("Al", "Cu", "Pd", "Ag", "Pt", "Au", "Mg", "Ti") if e in common]
    return (familiar or common)[:DEFAULT_ALLOYS]


def read_all(files: Sequence[Any]) -> tuple[dict[str, Atoms], dict[str, str]]:
    """Structures by file name, and the sentence of each file that cannot be read."""
    structures: dict[str, Atoms] = {}
    unread: dict[str, str] = {}
    for file in files:
        try:
            structures[file.name] = read_structure(file.name, frame.contents(file))
        except Sus2Error as problem:
            unread[file.name] = str(problem)
    return structures, unread


def show_agreement(b: BatchComparison, pair: Sequence[frame.Model]) -> None:
    first, second = (str(m.card.functional or m.name) for m in pair)
    names = (first, second)
    panels = [("raw", *b.raw_ev_per_atom)]
    if b.after is not None:
        panels.append(("against the elements", *b.formation_ev_per_atom))
    frame.plot(
        scatter_figure(panels=panels, names=names, labels=b.labels, mode=frame.mode()),
        panels=len(panels),
        key="compare_scatter",
        alt="Energies of the second functional against the first, before and after referencing",
        name="functionals",
    )
    ways = [("raw", b.before), ("against the elements", b.after), ("shifts fitted to these", b.after_regression)]
    frame.table(
        [
            {
                "energies": way,
                "structures": a.n,
                "Pearson r": frame.number(a.pearson_r, 4),
                "mean absolute difference (meV/atom)": frame.number(1e3 * a.mae, 1),
                "rms difference (meV/atom)": frame.number(1e3 * a.rmse, 1),
                "slope": frame.number(a.slope, 3),
            }
            for way, a in ways
            if a is not None
        ],
        key="compare_agreement",
    )
    st.markdown("**Elemental shifts** (eV per atom of the element): fitted to these structures, and of the elements")
    frame.table(
        [
            {
                "element": e,
                "fitted": signed(s, 3),
                "from the relaxed elements": signed(b.reference_shifts_ev[e], 3) if e in b.reference_shifts_ev else "",
            }
            for e, s in b.regression.shifts_ev.items()
        ],
        key="compare_shifts",
    )
    rest = frame.number(1e3 * b.regression.rms_residual_ev_per_atom, 1)
    text = f"The fitted shifts leave {rest} meV/atom (rms) of the raw difference."
    if not b.regression.determined:
        text += " These compositions do not tell all shifts apart, so single shifts mean nothing."
    st.caption(text)
    for label, problem in b.left_out.items():
        st.markdown(f"- {frame.plain(label)} is left out: {frame.plain(problem)}")
    frame.downloads(
        [
            ("Energies (CSV)", "functionals.csv", "text/csv", b.to_csv),
            ("Everything (JSON)", "functionals.json", "application/json", lambda: json.dumps(b.to_dict(), indent=1)),
        ],
        key="compare_batch",
    )
