"""What the pages share: the chosen crystal and model, the store of results, and small widgets.

The choice lives in the session and in the address (?crystal=...&model=...), so that a link opens the same view.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pandas as pd
import streamlit as st
from ase import Atoms

import sus2
from sus2.errors import Sus2Error, UnknownElementError
from sus2.figures.theme import Mode
from sus2.pretrained import recommend
from sus2.settings import settings
from sus2.structures import (
    FORMATS,
    CrystalInfo,
    content_key,
    describe,
    elements_of,
    read_structure,
    sample,
    samples,
)

DEFAULT_SAMPLE = "si"
MAX_KEPT_RESULTS = 200
_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, eq=False)
class Crystal:
    """The chosen crystal: key for links (a sample's or a content hash), label for people."""

    key: str
    label: str
    atoms: Atoms
    info: CrystalInfo

    @property
    def is_sample(self) -> bool:
        return _HASH.fullmatch(self.key) is None

    @property
    def file_name(self) -> str:
        """A safe start for the names of downloads."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.info.formula)


# Chosen crystal -------------------------------------------------------------------------------------------------


class Kept:
    """The latest items of a server, by key; shared by its sessions, so keys must not be guessable or private."""

    def __init__(self, size: int) -> None:
        self._items: OrderedDict[str, Any] = OrderedDict()
        self._size = size
        self._lock = Lock()

    def get(self, key: str) -> Any:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: str, value: Any) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._size:
                self._items.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _uploads() -> Kept:
    return Kept(settings().max_kept_uploads)


@st.cache_resource(show_spinner=False)
def _results() -> Kept:
    return Kept(MAX_KEPT_RESULTS)


@st.cache_data(show_spinner=False, max_entries=500)
def _info(key: str, _atoms: Atoms) -> CrystalInfo:
    return describe(_atoms)


def crystal() -> Crystal:
    """The chosen crystal; raises StructureError where a link names one that is no longer kept."""
    key = st.session_state["crystal_key"]
    if _HASH.fullmatch(key):
        label, atoms = st.session_state.get("own_crystals", {}).get(key) or _uploads().get(key)
        return Crystal(key, label, atoms.copy(), _info(key, atoms))
    chosen = sample(key)
    atoms = chosen.atoms()
    return Crystal(key, chosen.name, atoms, _info(content_key(atoms), atoms))


def choose_crystal(key: str) -> None:
    """Make a sample or a kept upload the chosen crystal (for callbacks)."""
    st.session_state["crystal_key"] = key
    st.session_state["sample_choice"] = None if _HASH.fullmatch(key) else key
    st.session_state.pop("upload_error", None)
    if not _HASH.fullmatch(key):
        # A new key empties the upload box, which would otherwise still name the file.
        st.session_state["upload_box"] = st.session_state.get("upload_box", 0) + 1


def keep_crystal(label: str, atoms: Atoms) -> str:
    """Keep a crystal for this session and for links to it; returns its key."""
    key = content_key(atoms)
    st.session_state.setdefault("own_crystals", {})[key] = (label, atoms)
    _uploads().put(key, (label, atoms))
    return key


def _sample_chosen() -> None:
    if st.session_state["sample_choice"] is not None:
        choose_crystal(st.session_state["sample_choice"])


def _file_chosen(box: str) -> None:
    uploaded = st.session_state[box]
    st.session_state.pop("upload_error", None)
    if uploaded is None:
        return
    try:
        atoms = read_structure(uploaded.name, uploaded.getvalue())
        describe(atoms)
    except Sus2Error as error:
        st.session_state["upload_error"] = str(error)
        return
    choose_crystal(keep_crystal(uploaded.name, atoms))


# Chosen model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Model:
    """A potential that can be chosen: its card, and the bytes of its file where it is the user's own."""

    card: Any
    raw: bytes | None = None

    @property
    def name(self) -> str:
        return str(self.card.name)

    @property
    def elements(self) -> tuple[str, ...]:
        return tuple(self.card.elements)

    @property
    def is_own(self) -> bool:
        return self.raw is not None

    @property
    def identity(self) -> str:
        """Equal for equal weights and elements."""
        return f"{self.card.sha256 or self.name} {' '.join(self.elements)}"

    def missing(self, atoms: Atoms) -> tuple[str, ...]:
        """Elements of atoms that the model does not know."""
        return tuple(e for e in elements_of(atoms) if e not in self.elements)

    def load(self) -> Any:
        """The potential."""
        return _own_potential(self.identity, self) if self.is_own else _shipped_potential(self.name)


@st.cache_resource(show_spinner="Loading the model ...", max_entries=20)
def _shipped_potential(name: str) -> Any:
    return sus2.load(name)


@st.cache_resource(show_spinner="Loading the model ...", max_entries=20)
def _own_potential(identity: str, _model: Model) -> Any:
    from sus2.pretrained import load_bytes

    return load_bytes(_model.raw, name=_model.name, card=_model.card)


@st.cache_resource(show_spinner=False)
def _cards() -> list[Any]:
    return sus2.models()


def models() -> list[Model]:
    """All models that this session can choose: shipped ones, then the user's own."""
    return [Model(card) for card in _cards()] + list(st.session_state.get("own_models", {}).values())


def add_model(raw: bytes, *, name: str, elements: Sequence[str], functional: str) -> Model:
    """Check a user's own potential and keep it for this session; raises PotentialFileError."""
    from sus2.pretrained import load_bytes

    potential = load_bytes(raw, name=name, elements=elements, functional=functional)
    taken = {m.name for m in models() if not m.is_own}
    card = potential.card if name not in taken else potential.card.model_copy(update={"name": f"{name} (own)"})
    model = Model(card, raw)
    st.session_state.setdefault("own_models", {})[model.name] = model
    return model


def model(atoms: Atoms) -> Model:
    """The chosen model; raises Sus2Error where there is none or it does not know an element of atoms."""
    chosen = next((m for m in models() if m.name == st.session_state.get("model_name")), None)
    if chosen is None:
        raise Sus2Error("No model is installed: load your own potential on the Models page.")
    missing = chosen.missing(atoms)
    if missing:
        others = [m.name for m in models() if not m.missing(atoms)]
        advice = f"choose {' or '.join(others)}" if others else "load one that does on the Models page"
        raise UnknownElementError(f"The model {chosen.name} does not know {_listed(missing)}: {advice}.")
    return chosen


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# Frame ----------------------------------------------------------------------------------------------------------


_STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 3rem; max-width: 1200px;}
[data-testid="stSidebarHeader"] {height: 2.2rem; margin-bottom: 0;}
</style>"""


def sidebar() -> None:
    """The structure and model panels; called once by the router, on every page."""
    st.html(_STYLE)
    _read_address()
    with st.sidebar:
        st.selectbox(
            "Crystal",
            [s.key for s in samples()],
            format_func=_sample_label,
            index=None,
            key="sample_choice",
            on_change=_sample_chosen,
            placeholder="Choose a sample",
        )
        box = f"upload_{st.session_state.get('upload_box', 0)}"
        st.file_uploader(
            "or upload one",
            key=box,
            on_change=_file_chosen,
            args=(box,),
            help=f"{', '.join(FORMATS)}; recognised by content. The file stays on this server, in memory.",
            max_upload_size=settings().max_upload_mb,
        )
        if "upload_error" in st.session_state:
            error(st.session_state["upload_error"])
        with guard():
            chosen = crystal()
            info = chosen.info
            st.markdown(
                f"**{plain(chosen.label)}**  \n{formula_html(info.formula)} · {space_group_html(info)} · "
                f"{info.n_atoms} {'atom' if info.n_atoms == 1 else 'atoms'}",
                unsafe_allow_html=True,
            )
            _model_panel(chosen)
    _write_address()


def _sample_label(key: str) -> str:
    s = sample(key)
    return f"{s.name} · {s.prototype}" if s.prototype.lower() not in s.name.lower() else s.name


def _model_panel(chosen: Crystal) -> None:
    available = models()
    if not available:
        st.session_state["model_name"] = None
        st.info("No model is installed: load your own potential on the Models page.")
        return
    covering = [m for m in available if not m.missing(chosen.atoms)]
    best = recommend(elements_of(chosen.atoms), [m.card for m in covering])
    if best is not None:
        covering.sort(key=lambda m: m.name != best.card.name)
    ordered = covering + [m for m in available if m not in covering]
    names = [m.name for m in ordered]
    wanted = st.session_state.pop("wanted_model", None)
    if wanted in names:
        st.session_state["model_name"] = wanted
    current = st.session_state.get("model_name")
    if current not in names or (current not in [m.name for m in covering] and covering and _crystal_changed(chosen)):
        st.session_state["model_name"] = names[0]
    st.session_state["model_crystal"] = chosen.key

    def label(name: str) -> str:
        missing = next(m for m in available if m.name == name).missing(chosen.atoms)
        return f"{name} (without {_listed(missing)})" if missing else name

    st.selectbox("Model", names, format_func=label, key="model_name", help="Models that know all elements come first.")
    now = next(m for m in available if m.name == st.session_state["model_name"])
    st.caption(f"{now.card.functional} · {_elements_label(now.elements)}")
    if best is not None:
        here = now.name == best.card.name
        st.caption(f"{'Chosen' if here else 'For this crystal'}: {best.reason}")
    if not covering:
        st.warning(f"No model knows all of {_listed(elements_of(chosen.atoms))}.")


def _crystal_changed(chosen: Crystal) -> bool:
    return st.session_state.get("model_crystal") != chosen.key


def _elements_label(elements: Sequence[str]) -> str:
    return " ".join(elements) if len(elements) <= 8 else f"{len(elements)} elements"


def _read_address() -> None:
    """At the first run of a session, take the choice from the address."""
    if "crystal_key" in st.session_state:
        return
    key = st.query_params.get("crystal", DEFAULT_SAMPLE)
    if _HASH.fullmatch(key):
        if _uploads().get(key) is None:
            st.session_state["upload_error"] = (
                "The link names a crystal that this server no longer keeps; upload its file again."
            )
            key = DEFAULT_SAMPLE
    elif key not in {s.key for s in samples()}:
        st.session_state["upload_error"] = f"The link names a sample '{key[:40]}', which does not exist; choose one."
        key = DEFAULT_SAMPLE
    problem = st.session_state.get("upload_error")
    choose_crystal(key)
    if problem:
        st.session_state["upload_error"] = problem
    wanted = st.query_params.get("model")
    if wanted in {m.name for m in models()}:
        st.session_state["model_name"] = wanted
        st.session_state["model_crystal"] = key


def _write_address() -> None:
    now = {"crystal": st.session_state["crystal_key"]}
    if st.session_state.get("model_name"):
        now["model"] = st.session_state["model_name"]
    for name, value in now.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value


# Widgets --------------------------------------------------------------------------------------------------------


def title(text: str, about: str) -> None:
    """Heading of a page and one sentence on what it is for; every page calls it first."""
    if "crystal_key" not in st.session_state:
        # Before a new server has run app.py once, streamlit takes pages/ for its older kind of multipage app and
        # runs a linked page without the router. Calling st.navigation ends that for good; then begin again.
        st.navigation([st.Page("pages/start.py")], position="hidden")
        st.rerun()
    st.title(text)
    st.markdown(about)


def mode() -> Mode:
    """Whether the page is light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


def plain(text: str) -> str:
    """Text for Markdown in which nothing is markup."""
    text = "".join(c for c in text if c.isprintable())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:])", r"\\\1", text)


def error(text: str) -> None:
    """One sentence in red."""
    st.error(plain(text), icon=":material/error:")


@contextmanager
def guard() -> Iterator[None]:
    """Turn an error of ours into its sentence."""
    try:
        yield
    except Sus2Error as problem:
        error(str(problem))


def formula_html(formula: str) -> str:
    """SrTiO3 with subscripts."""
    return re.sub(r"(\d+)", r"<sub>\1</sub>", formula)


def space_group_html(info: CrystalInfo) -> str:
    """Fd-3m with an overline and its number; screw axes as subscripts."""
    symbol = re.sub(r"-(\d)", r"<span style='text-decoration:overline'>\1</span>", info.space_group_symbol)
    symbol = re.sub(r"_(\d)", r"<sub>\1</sub>", symbol)
    return f"<i>{symbol}</i> ({info.space_group_number})"


def number(value: float, digits: int, uncertainty: float | None = None) -> str:
    """A number with its standard error, as 88.34 ± 0.02; digits after the point."""
    text = f"{value:.{digits}f}".replace("-", "−")
    if uncertainty is None:
        return text
    return f"{text} ± {uncertainty:.{digits}f}" if uncertainty >= 0.5 * 10**-digits else f"{text} ± {uncertainty:.1g}"


def quantity(column: Any, label: str, value: str, unit: str, meaning: str) -> None:
    """A number with its standard error (as of number()) and unit in a frame, with its meaning as help."""
    main, _, spread = value.partition(" ± ")
    with column.container(border=True):
        st.markdown(label, help=meaning)
        st.markdown(
            f"<span style='font-size:1.55rem;font-weight:600;white-space:nowrap'>{main}"
            f"<span style='font-size:1rem;font-weight:400'> {unit}</span></span>",
            unsafe_allow_html=True,
        )
        st.caption(f"± {spread}" if spread else "&nbsp;", help="Standard error of the fit." if spread else None)


def plot(figure: Any, *, key: str, alt: str, name: str, pick: bool = False) -> list[int] | None:
    """Show a figure; its tool bar saves it as SVG under that name. alt: what it shows, for screen readers.

    With `pick`: the customdata of the point that was clicked, None before a click.
    """
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": name},
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "tableRotation"],
    }
    if not pick:
        st.plotly_chart(figure, key=key, theme=None, config=config, alt=alt)
        return None
    event = st.plotly_chart(
        figure, key=key, theme=None, config=config, alt=alt, on_select="rerun", selection_mode="points"
    )
    points = event["selection"]["points"]
    return [int(v) for v in points[0]["customdata"]] if points and points[0].get("customdata") else None


def result(
    name: str,
    *,
    key: Sequence[Any],
    work: Callable[[Callable[[str, float], None]], Any],
    auto: bool,
    note: str = "",
) -> tuple[Any, float] | None:
    """The kept or newly computed result of work(progress) with the seconds it took; None before it is asked for.

    key: everything that the result depends on; auto: compute without waiting for the button. An error of ours is
    shown as its sentence.
    """
    full = hashlib.sha256(json.dumps([sus2.__version__, name, *map(str, key)]).encode()).hexdigest()
    row = st.columns([1, 4], vertical_alignment="center")
    pressed = row[0].button("Compute", type="primary", key=f"compute_{name}", width="stretch")
    kept = _results().get(full)
    if kept is not None:
        row[1].caption(f"Computed in {kept[1]:.1f} s. {note}")
        return kept
    if not (pressed or auto):
        row[1].caption(f"Press Compute to see the result for these settings. {note}")
        return None
    bar = row[1].progress(0.0, text="starting")
    started = time.perf_counter()

    def progress(stage: str, fraction: float) -> None:
        bar.progress(min(1.0, max(0.0, fraction)), text=stage)

    try:
        value = work(progress)
    except Sus2Error as problem:
        bar.empty()
        error(str(problem))
        return None
    seconds = time.perf_counter() - started
    bar.empty()
    row[1].caption(f"Computed in {seconds:.1f} s. {note}")
    _results().put(full, (value, seconds))
    return value, seconds


def provenance(chosen: Crystal, model: Model, values: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What a result was computed from, for its JSON."""
    return {
        "software": f"SUS2 Explorer {sus2.__version__}",
        "crystal": {
            "label": chosen.label,
            "formula": chosen.info.formula,
            "content_sha256_40": content_key(chosen.atoms),
            "symbols": chosen.atoms.get_chemical_symbols(),
            "cell_a": chosen.atoms.cell.tolist(),
            "positions_a": chosen.atoms.positions.tolist(),
        },
        "model": {"name": model.name, "functional": model.card.functional, "sha256": model.card.sha256},
        "settings": values,
        "seconds": round(seconds, 3),
    }


def downloads(files: Sequence[tuple[str, str, str, str]], *, key: str) -> None:
    """A row of download buttons; each file is (label, name, MIME type, content)."""
    with st.container(horizontal=True):
        for label, name, mime, content in files:
            st.download_button(
                label,
                content,
                file_name=name,
                mime=mime,
                key=f"{key}_{name}",
                on_click="ignore",
                icon=":material/download:",
            )


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns; values may hold markup of our own, never of a file's."""
    cells = "".join(
        f"<tr><td style='opacity:0.7;padding:0.22rem 1rem 0.22rem 0;white-space:nowrap;vertical-align:top'>{name}</td>"
        f"<td style='padding:0.22rem 0'>{value}</td></tr>"
        for name, value in rows
    )
    st.html(f"<table style='border-collapse:collapse;width:100%'>{cells}</table>")


def table(rows: Sequence[dict[str, Any]], *, key: str) -> None:
    """A small table of ready text."""
    st.dataframe(pd.DataFrame(rows), hide_index=True, key=key)


_MARKS = {"pass": "✓ pass", "look": "△ look", "fail": "✗ fail"}


def checks(found: Sequence[Any], *, key: str, opened: bool = False) -> None:
    """A result's own checks: verdict, number, limits and what each means; opened where one does not pass."""
    bad = sum(c.verdict != "pass" for c in found)
    text = "all pass" if not bad else f"{bad} of {len(found)} ask for a look"
    with st.expander(f"Checks: {text}", expanded=opened or bool(bad)):
        table(
            [
                {
                    "check": c.name,
                    "verdict": _MARKS[c.verdict],
                    "value": f"{c.value:.3g} {c.unit}".strip(),
                    "passes up to": "" if c.pass_limit is None else f"{c.pass_limit:.3g} {c.unit}".strip(),
                    "meaning": c.meaning,
                }
                for c in found
            ],
            key=key,
        )
