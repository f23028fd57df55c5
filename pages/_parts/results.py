"""Questions of the pages: answered from the store, or computed in the background while the page shows how far it is."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

import streamlit as st
from ase import Atoms

from pages._parts.selection import Kept, Model
from pages._parts.widgets import error, plain
from sus2.errors import StoreError, Sus2Error
from sus2.jobs.calculation import Calculation, StoredResult
from sus2.jobs.queue import Job, JobQueue, job_queue
from sus2.progress import Parity
from sus2.properties.catalogue import property_of
from sus2.settings import settings
from sus2.structures import formula_units

MAX_DECODED = 100
LIVE_S = 2.0  # what took less than this is computed again as a setting moves
LOOK_EVERY_S = 0.4
LOOK_SELDOM_S = 1.5  # where others wait too: many pages that look often would slow down what they wait for
OTHER_TITLES = {
    "other_methods": "elastic constants by other methods",
    "follow_from": "following a mode",
    "phonopy_files": "phonopy files",
    "compare": "comparison",
    "compare_batch": "comparison of many structures",
    "check": "model check",
    "evaluate_many": "many structures",
    "evaluate_recommended": "many structures",
    "convex_hull": "convex hull",
    "example_screening": "example of a screening",
    "textbook": "textbook",
    "specialise": "a potential for this crystal",
    "fit_frames": "a potential from your data",
}
Live = Callable[[Sequence[Mapping[str, float]], Parity], None]
_SESSION_COOKIE = "_streamlit_xsrf"


@dataclass(frozen=True, eq=False)
class Shown:
    """A result on a page: what was asked, seconds of computing, when (seconds since 1970), with which versions."""

    result: Any
    calculation: Calculation
    stored: StoredResult

    @property
    def seconds(self) -> float:
        return self.stored.seconds


def calculation_title(function: str) -> str:
    """Name a calculation by its function, for the list of those that run."""
    entry = property_of(function)
    return OTHER_TITLES.get(function) or (entry.title if entry is not None else function.replace("_", " "))


@st.cache_resource(show_spinner=False)
def _decoded() -> Kept:
    return Kept(MAX_DECODED)


def owner() -> str:
    """Who asks: the signed-in user, else the browser, else the session; a digest that says nothing about them."""
    if "owner" not in st.session_state:
        name = str(getattr(st.user, "sub", "") or getattr(st.user, "email", "") or "")
        cookie = st.context.cookies.get(_SESSION_COOKIE, "")
        # The cookie is "2|mask|masked token|time" with a new mask for each page; its token stays with the browser.
        token = _unmasked(cookie)
        text = f"user {name}" if name else f"browser {token}" if token else f"session {secrets.token_hex(16)}"
        st.session_state["owner"] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return str(st.session_state["owner"])


def _unmasked(cookie: str) -> str:
    parts = cookie.split("|")
    if len(parts) != 4 or parts[0] != "2":
        return ""
    try:
        mask, masked = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
    except ValueError:
        return ""
    return bytes(b ^ mask[k % len(mask)] for k, b in enumerate(masked)).hex() if mask else ""


def ask(
    function: Callable[..., Any],
    *,
    auto: bool,
    name: str = "",
    button: str = "Compute",
    note: str = "",
    page: str = "",
    live: Live | None = None,
    row: Any = None,
    **arguments: Any,
) -> Shown | None:
    """The result of function(**arguments), None while there is none; models among the arguments stand for themselves.

    Shows a button, and beside it where the result comes from or how far its calculation is. auto: begin without the
    button. name: tells two calculations of one page apart; page: the name under which the history lists it ("": not
    at all); row: a horizontal container for the button, as settings_row() makes it, in place of one of its own; live:
    draws the numbers that the calculation has reported so far.
    """
    name = name or function.__name__
    calculation = Calculation.of(function, **{k: sent(v) for k, v in arguments.items()})
    key = calculation.key
    row = row or st.container(horizontal=True, vertical_alignment="center")
    # The calculation of the page stands out; further ones are offered.
    main = button == "Compute"
    kind: Literal["primary", "secondary"] = "primary" if main else "secondary"
    pressed = row.button(button, type=kind, key=f"compute_{name}", width=150)
    place = row.container()
    shown = kept(calculation, key) or _computed(
        calculation,
        key,
        name=name,
        pressed=pressed,
        wanted=pressed or auto or _live(name),
        place=place,
        idle=f"Press {button} for these settings. {note}" if main else note,
        live=live,
    )
    if shown is None:
        return None
    st.session_state.setdefault("took", {})[name] = shown.seconds
    place.caption(f"{_origin(shown)} {note}")
    if page:
        _remember(shown, page)
    return shown


def sent(value: Any) -> Any:
    """An argument as a calculation names it: models by what stands for them."""
    if isinstance(value, Model):
        return value.reference()
    if isinstance(value, list | tuple):
        return [sent(v) for v in value]
    return value


def _live(name: str) -> bool:
    """Whether the latest result under this name came so quickly that the next one needs no button."""
    return st.session_state.get("took", {}).get(name, LIVE_S) < LIVE_S


def kept(calculation: Calculation, key: str) -> Shown | None:
    """The answer to a calculation of that key where it is there."""
    decoded = _decoded().get(key)
    if decoded is not None:
        return decoded
    found = job_queue().stored(key)
    if found is None:
        return None
    try:
        shown = Shown(found.result(list(calculation.references())), calculation, found)
    except StoreError:
        return None
    _decoded().put(key, shown)
    return shown


def _computed(
    calculation: Calculation,
    key: str,
    *,
    name: str,
    pressed: bool,
    wanted: bool,
    place: Any,
    idle: str,
    live: Live | None = None,
) -> Shown | None:
    """Begin or follow the calculation, and show in place how far it is; the result where it is there in a moment."""
    jobs, me = job_queue(), owner()
    asked = st.session_state.setdefault("asked", {})
    cancelled = st.session_state.setdefault("cancelled", set())
    if asked.get(name, key) != key:
        # The settings have moved on: nobody here waits for the old calculation.
        jobs.leave(asked.pop(name), me)
    if pressed:
        cancelled.discard(key)
    job = jobs.find(key)
    if key in cancelled:
        place.info("Cancelled. Press the button to start it again.")
        return None
    if job is not None and job.status == "failed" and not pressed:
        with place:
            error(str(job.error))
        return None
    if job is None or job.over or me not in job.owners:
        if not wanted:
            place.caption(idle)
            return None
        try:
            job = jobs.submit(calculation, me)
        except Sus2Error as problem:
            with place:
                error(str(problem))
            return None
    asked[name] = key
    if not job.ended.wait(settings().patience_ms / 1000.0):
        every = LOOK_SELDOM_S if jobs.place(job) > jobs.slots else LOOK_EVERY_S
        with place:
            st.fragment(_watch, run_every=every)(key, name, live)
        return None
    if job.error is not None:
        with place:
            error(str(job.error))
        return None
    return kept(calculation, key)


def _watch(key: str, name: str, live: Live | None = None) -> None:
    """How far a job is, and a way to stop it; runs by itself until the job is over."""
    jobs = job_queue()
    job = jobs.find(key)
    if job is None or job.over or key in st.session_state["cancelled"]:
        st.rerun()
        return
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    bar.progress(job.fraction, text=progress_words(jobs, job))
    stop.button("Cancel", key=f"cancel_{name}", on_click=_cancel, args=(key,), width="stretch")
    if live is not None and (points := job.points):
        live(points, job.parity)


def _cancel(key: str) -> None:
    st.session_state["cancelled"].add(key)
    job_queue().leave(key, owner())


def progress_words(jobs: JobQueue, job: Job) -> str:
    """How far a job is."""
    if job.status == "waiting":
        before = jobs.place(job)
        return f"waiting: {before} before this one" if before else "waiting: next in line"
    left = job.seconds_left
    words = plain(job.stage) or "computing"
    return words if left is None else f"{words}, about {max(1.0, left):.0f} s left"


def _origin(shown: Shown) -> str:
    text = f"Computed in {shown.seconds:.1f} s"
    if time.time() - shown.stored.created < 60.0:
        return f"{text}."
    when = datetime.fromtimestamp(shown.stored.created).strftime("%d %B %Y, %H:%M")
    return f"From the cache: {text[0].lower()}{text[1:]} on {when}."


def _remember(shown: Shown, page: str) -> None:
    store = job_queue().store
    key = shown.stored.key
    noted = st.session_state.setdefault("noted", set())
    address = f"{page_path()}?{urlencode(st.query_params.to_dict(), doseq=True)}"
    if store is None or (key, address) in noted:
        return
    noted.add((key, address))
    crystals: Sequence[Atoms] = list(shown.calculation.structures())
    one = len(crystals) == 1
    formula = formula_units(crystals[0]).formula if one else f"{len(crystals)} structures"
    models = ", ".join(dict.fromkeys(r.name for r in shown.calculation.references()))
    try:
        store.remember(
            owner(),
            key,
            page=page,
            label=st.session_state.get("crystal_label", "") if one else formula,
            formula=formula,
            model=models,
            address=address,
        )
    except StoreError as problem:
        job_queue().store_problem = str(problem)


def page_path() -> str:
    """The page's part of the address."""
    return str(st.context.url or "").split("?")[0].rstrip("/").rsplit("/", 1)[-1] if st.context.url else ""
