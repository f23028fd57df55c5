"""The panel at the left, and the address that opens the same view."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages._parts import made
from pages._parts.results import calculation_title, owner
from pages._parts.selection import (
    HASH,
    Crystal,
    Model,
    box_key,
    crystal,
    file_chosen,
    listed,
    model_chosen,
    models,
    renew,
    sample_chosen,
    uploads,
)
from pages._parts.sign_in import signed_in_panel
from pages._parts.widgets import formula_html, guard, plain, space_group_html
from sus2.errors import Sus2Error
from sus2.jobs.queue import job_queue
from sus2.server.front_page import STYLE
from sus2.settings import settings
from sus2.structures import DEFAULT_SAMPLE, FORMATS, elements_of, sample, samples
from sus2.validation.recommendation import Choice, recommend

MAX_KEY, MAX_NAME = 64, 200
_LARGE = """<style>
html {font-size: 21px !important;}
@media (min-width: 641px) {body [data-testid="stMainBlockContainer"] {max-width: none; padding-top: 1.4rem;}}
body [data-testid="stHeading"] [data-testid="stMarkdownContainer"] {margin-bottom: -.1rem;}
@media (min-width: 641px) and (max-height: 800px) {
  body [data-testid="stMainBlockContainer"] {padding-top: .6rem;}
  body [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] {gap: .1rem;}
  body [data-testid="stMainBlockContainer"] h1 {font-size: 1.5rem; padding: 0;}
  body [data-testid="stMainBlockContainer"] h2 {font-size: 1.3rem; padding: 0;}
}
</style>"""


def sidebar() -> None:
    """The structure and model panels; called once by the router, on every page."""
    st.html(STYLE)  # for a server that gives streamlit's own front page
    _read_address()
    with st.sidebar:
        keys = [s.key for s in samples()]
        now = st.session_state["crystal_key"]
        box = box_key("sample_box")
        st.selectbox(
            "Crystal",
            keys,
            format_func=_sample_label,
            index=keys.index(now) if now in keys else None,
            key=box,
            on_change=sample_chosen,
            args=(box,),
            placeholder="Choose a sample",
        )
        box = box_key("upload_box")
        st.file_uploader(
            "or upload one",
            key=box,
            on_change=file_chosen,
            args=(box,),
            help=f"{', '.join(FORMATS)}; recognised by content. The file stays on this server, in memory.",
            max_upload_size=settings().max_upload_mb,
        )
        try:
            chosen = crystal()
        except Sus2Error:
            st.caption("No crystal is chosen.")  # why, stands in the main area
        else:
            with guard():
                _crystal_panel(chosen)
        _footer()
        signed_in_panel()
    if st.session_state.get("present"):
        st.html(_LARGE)  # after its switch, which an address may have set
    _write_address()


def _crystal_panel(chosen: Crystal) -> None:
    info = chosen.info
    st.markdown(
        f"**{plain(chosen.label)}**  \n{formula_html(info.formula)} · {space_group_html(info)} · "
        f"{info.n_atoms} {'atom' if info.n_atoms == 1 else 'atoms'}",
        unsafe_allow_html=True,
    )
    for notice in chosen.atoms.info.get("notices", []):
        st.warning(plain(notice), icon=":material/info:")
    st.session_state["crystal_label"] = chosen.label
    _model_panel(chosen)


def _footer() -> None:
    under_way = job_queue().under_way(owner())
    if under_way:
        names = [calculation_title(j.calculation.name) for j in under_way]
        st.caption(f"Running: {', '.join(names)}")
    if problem := job_queue().store_problem:
        st.caption(f":material/warning: {plain(problem)}")
    st.segmented_control(
        "Save plots as",
        ["svg", "png"],
        default="svg",
        format_func=str.upper,
        key="plot_format",
        required=True,
        persist_state="session",
        help="What the camera above each plot saves.",
    )
    st.toggle(
        "Large type, to present",
        key="present",
        bind="query-params",
        help="Larger letters on pages and in plots, for a projector.",
    )


def _sample_label(key: str) -> str:
    s = sample(key)
    return f"{s.name} · {s.prototype}" if s.prototype.lower() not in s.name.lower() else s.name


def _best(chosen: Crystal, covering: Sequence[Model]) -> Choice | None:
    """The potential that fits the crystal best, found once for each crystal and list of potentials."""
    own = made.best(chosen, covering)
    if own is not None:
        return own
    key = (chosen.key, tuple(m.card.identity for m in covering))
    found: tuple[object, Choice | None] = st.session_state.get("best_choice", (None, None))
    if found[0] != key:
        # One assignment: a run may be cut short at any access to the session.
        found = st.session_state["best_choice"] = (key, recommend(chosen.atoms, cards=[m.card for m in covering]))
    return found[1]


def _model_panel(chosen: Crystal) -> None:
    available = models()
    if not available:
        st.session_state["model_name"] = None
        st.info("No potential is installed: load your own on the page Models.")
        return
    covering = [m for m in available if not m.missing(chosen.atoms)]
    best = _best(chosen, covering)
    if best is not None:
        covering.sort(key=lambda m: m.name != best.card.name)
    ordered = covering + [m for m in available if m not in covering]
    names = [m.name for m in ordered]
    wanted = st.session_state.get("wanted_model")
    before = st.session_state.get("model_name")
    if wanted not in names and st.session_state.get("lost_model") in names:
        wanted = st.session_state["lost_model"]  # it has been loaded since
    if wanted in names:
        st.session_state["model_name"] = wanted
        st.session_state["model_by_hand"] = True
        st.session_state.pop("lost_model", None)
    st.session_state.pop("wanted_model", None)
    if "lost_model" in st.session_state:
        box = box_key("model_box")
        st.session_state["model_name"] = None
        st.selectbox(
            "Potential",
            names,
            index=None,
            key=box,
            on_change=model_chosen,
            args=(box,),
            placeholder="Choose a potential",
        )
        return
    current = st.session_state.get("model_name")
    # A potential that nobody chose follows the crystal; one that was chosen stays as long as it covers the elements.
    covers = current in [m.name for m in covering]
    follows = best is not None and bool(st.session_state.get("model_follows"))
    if current not in names or (_crystal_changed(chosen) and (follows or (covering and not covers))):
        st.session_state["model_name"] = names[0]
        st.session_state["model_by_hand"] = False
    by_hand = bool(st.session_state.get("model_by_hand"))
    st.session_state["model_follows"] = (
        best is not None and not by_hand and st.session_state["model_name"] == best.card.name
    )
    st.session_state["model_crystal"] = chosen.key

    def label(name: str) -> str:
        missing = next(m for m in available if m.name == name).missing(chosen.atoms)
        return f"{name} (without {listed(missing)})" if missing else name

    name = st.session_state["model_name"]
    if name != before or st.session_state.get("model_names") != names:
        renew("model_box")
        st.session_state["model_names"] = names
    box = box_key("model_box")
    st.selectbox(
        "Potential",
        names,
        index=names.index(name),
        format_func=label,
        key=box,
        on_change=model_chosen,
        args=(box,),
        help="Potentials that cover all elements come first.",
    )
    now = next(m for m in available if m.name == name)
    st.caption(f"{plain(now.card.functional)} · {_elements_label(now.elements)}")
    if best is not None:
        here = now.name == best.card.name
        st.caption(f"{'Chosen' if here else 'For this crystal'}: {best.reason}")
    if not covering:
        st.warning(f"No potential covers all of {listed(elements_of(chosen.atoms))}.")


def _crystal_changed(chosen: Crystal) -> bool:
    return st.session_state.get("model_crystal") != chosen.key


def _elements_label(elements: Sequence[str]) -> str:
    return " ".join(elements) if len(elements) <= 8 else f"{len(elements)} elements"


def keep_address() -> None:
    """Keep what the address says as a session begins; called before there is a link to click on.

    Whoever clicks on a page at once cuts the first run short, and the address of the page that then opens says nothing.
    """
    if "address" not in st.session_state:
        st.session_state["address"] = st.query_params.to_dict()


def _read_address() -> None:
    """At the first run of a session that comes so far, take the choice from the address."""
    if "crystal_key" in st.session_state:
        return
    address: dict[str, str] = st.session_state["address"]
    # A name that stands for nothing stays: the page then says so, and shows no other crystal.
    key = address.get("crystal", DEFAULT_SAMPLE)[:MAX_KEY]
    kept = uploads().get(key) if HASH.fullmatch(key) else None
    if kept is not None:
        st.session_state.setdefault("own_crystals", {})[key] = kept
    made.from_link(address.get("made", ""), key)
    wanted = address.get("model", "")[:MAX_NAME]
    if wanted in {m.name for m in models()}:
        st.session_state["model_name"] = wanted
        st.session_state["model_crystal"] = key
    elif wanted:
        st.session_state["lost_model"] = wanted
    st.session_state["crystal_key"] = key  # last: a run that is cut short above begins anew


def _write_address() -> None:
    now = {"crystal": st.session_state["crystal_key"]}
    if st.session_state.get("model_name"):
        now["model"] = st.session_state["model_name"]
    # A potential that was made here goes with the address, so that it opens for whoever has it.
    chosen = next((m for m in models() if m.name == now.get("model")), None)
    if chosen is not None and chosen.origin is not None:
        now["made"] = chosen.origin.key
    elif "made" in st.query_params and "lost_model" not in st.session_state:
        del st.query_params["made"]
    for name, value in now.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value
