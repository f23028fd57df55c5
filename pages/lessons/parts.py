"""What every lesson is made of: its crystals, kept results, numbers side by side, questions and links."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from ase import Atoms

from pages._parts import frame
from pages.lessons import _class
from sus2.errors import Sus2Error
from sus2.figures.theme import GREEN, VERMILION
from sus2.structures.samples import sample

_COLOURS = {"right": GREEN, "wrong": VERMILION, "": "#8A97A5"}
_LINES = 5  # to write an answer on
HEIGHT = 430  # of the first plot of a lesson in pixels: with what is above it, a low screen (720) holds it


def live(part: Callable[..., None]) -> Callable[..., None]:
    """Run a part of a lesson by itself when one of its widgets moves; an error of ours is its sentence."""

    @st.fragment
    @wraps(part)
    def alone(*arguments: Any) -> None:
        with frame.guard():
            part(*arguments)

    return alone


@dataclass(frozen=True)
class Example:
    """A crystal of a lesson with the model that it is computed with; sample: its key in the library, or "" and "
    "build."""

    label: str
    model: str
    sample: str = ""
    build: Callable[[], Atoms] | None = None

    def atoms(self) -> Atoms:
        """A new copy."""
        return sample(self.sample).atoms() if self.build is None else self.build()

    def key(self) -> str:
        """What names the crystal in an address."""
        return self.sample if self.build is None else frame.keep_crystal(self.label, self.atoms())


def model(name: str) -> Any:
    """The shipped model of a lesson; raises Sus2Error where it is not installed."""
    found = next((m for m in frame.models() if m.name == name and not m.is_own), None)
    if found is None:
        raise Sus2Error(f"This lesson needs the potential {name}, which is not installed.")
    return found


def choose(examples: Sequence[Example], *, key: str, narrow: bool = False) -> Example:
    """One of the examples, chosen by the reader; narrow: something stands beside it."""
    names = [e.label for e in examples]
    return examples[names.index(pick("Crystal", names, key=key, narrow=narrow))]


def pick(label: str, options: Sequence[str], *, key: str, narrow: bool = False) -> str:
    """One of a few options that stand beside each other; the label is for screen readers, the first is the default."""
    with st.container(key=f"pick_{key}", width="content" if narrow else "stretch"):
        return st.segmented_control(
            label,
            list(options),
            default=options[0],
            required=True,
            key=key,
            bind="query-params",
            label_visibility="collapsed",
        )


def beside() -> tuple[Any, Any]:
    """Where a plot goes, and beside it, or on a phone below it, what moves it and its numbers."""
    left, right = st.columns([5, 3])
    plot = left.container(key="lesson_plot", gap=None)  # its room is kept, since what stands beside it comes before it
    plot.html("<i></i>")
    return plot, right


def places() -> tuple[Any, Any]:
    """Where the first plot of a lesson goes, whose room is kept, and below it how far its calculation is.

    Before it goes a short question, after it the explanation.
    """
    body, foot = st.container(key="lesson_body", gap=None), st.container(key="lesson_foot")
    body.html("<i></i>")  # the front end draws no container that is empty
    return body, foot


def kept(
    name: str, function: Callable[..., Any], *, auto: bool = True, button: str = "Compute", **arguments: Any
) -> Any:
    """The result of a public function, kept for all readers; None until it is there."""
    shown = frame.ask(function, auto=auto, name=f"learn_{name}", button=button, **arguments)
    return None if shown is None else shown.result


def numbers(cards: Sequence[tuple[str, str, str, str]]) -> None:
    """A row of numbers that wraps on small screens; each is (label, value, unit, "right" | "wrong" | "")."""
    cells = "".join(
        f"<div style='border-left:4px solid {_COLOURS[kind]};padding:0.15rem 0 0.15rem 0.8rem;min-width:8.5rem;flex:1 "
        f"1 8.5rem'><div style='opacity:0.75;font-size:0.92rem'>{html.escape(label)}</div><div "
        "style='font-size:1.5rem;font-weight:600;line-height:1.35'><span "
        f"style='white-space:nowrap'>{html.escape(value)}</span><span style='font-size:1rem;font-weight:400'> "
        f"{html.escape(unit)}</span></div></div>"
        for label, value, unit, kind in cards
    )
    st.markdown(
        f"<div style='display:flex;flex-wrap:wrap;gap:0.9rem;margin:0.3rem 0 0.9rem 0'>{cells}</div>",
        unsafe_allow_html=True,
    )


def signed(value: float, digits: int) -> str:
    """A number with its sign, as +1.3 or −0.2."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def plain(value: float, digits: int) -> str:
    """A number with a true minus, none before a zero; a dash where there is no number."""
    return "—" if value != value else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def questions(items: Sequence[tuple[str, str]]) -> None:
    """Questions whose answers open on a click."""
    st.subheader("Questions")
    for question, answer in items:
        with st.expander(question, icon=":material/help:"):
            st.markdown(answer)
    title = str(st.session_state.get("lesson_title", "Lesson"))
    stem = f"lesson-{title.split()[0]}"
    frame.downloads(
        [
            ("Sheet to print", f"{stem}.html", "text/html", lambda: sheet(title, items)),
            ("with answers", f"{stem}-answers.html", "text/html", lambda: sheet(title, items, answers=True)),
        ],
        key=stem,
    )


def guess(what: str, *, unit: str, highest: float, answer: float, key: str) -> bool:
    """Ask for a guess before the number is shown; tells how near it was, and whether it was made."""
    st.markdown(f"**Your guess:** {what} ({unit})")
    row = st.container(horizontal=True)
    guessed = row.number_input(
        f"Your guess: {what} ({unit})",
        0.0,
        highest,
        None,
        highest / 100.0,
        key=key,
        placeholder="a number",
        label_visibility="collapsed",
        width=170,
    )
    shown = row.button("Just show it", key=f"{key}_show")
    if guessed is None and not shown:
        return False
    if guessed is not None:
        off = abs(guessed - answer)
        judged = "Very near." if off <= 0.1 * answer else "Not far." if off <= 0.5 * answer else "Think again: why?"
        said, truth = (f"{value:.3g} {unit}" for value in (guessed, answer))
        st.markdown(f"You said {said}; it is **{truth}**. {judged}")
        _class.record(what, guessed, answer, unit)
    else:
        st.markdown(f"It is **{answer:.3g} {unit}**.")
    return True


def sheet(title: str, items: Sequence[tuple[str, str]], *, answers: bool = False) -> str:
    """The questions of a lesson as one page of HTML to print, with lines to write on or with the answers."""
    blocks = "".join(
        f"<section><h2>{k}. {html.escape(question)}</h2>"
        + (f"<p>{_without_marks(answer)}</p>" if answers else "<hr>" * _LINES)
        + "</section>"
        for k, (question, answer) in enumerate(items, 1)
    )
    name = "" if answers else "<p>Name: ______________________ Date: ____________</p>"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>body{{font:12pt/1.5 sans-serif;max-width:18cm;margin:1cm auto}}"
        "h2{font-size:12pt;margin-top:0.8cm}section{break-inside:avoid}hr{border:0;border-bottom:1px solid #999;"
        f"height:0.9cm}}</style></head><body><h1>{html.escape(title)}</h1>{name}{blocks}</body></html>"
    )


def _without_marks(text: str) -> str:
    """Markdown of an answer as plain HTML; formulas stay as they are written."""
    marked = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(text))
    marked = re.sub(r"\*(.+?)\*", r"<i>\1</i>", marked)
    return marked.replace("\n", "<br>")


@contextmanager
def break_it(text: str) -> Iterator[None]:
    """The frame of an exercise that does something wrong on purpose."""
    st.subheader("Break it")
    with st.container(border=True):
        st.markdown(text)
        with frame.guard():
            yield


def links(items: Sequence[tuple[str, str, str, str, str]]) -> None:
    """Live pages in a new tab, each (page, label, icon, crystal key, model name)."""
    st.subheader("Go on with the live pages")
    with st.container(horizontal=True):
        for page, label, icon, crystal, name in items:
            st.link_button(label, f"{page}?{urlencode({'crystal': crystal, 'model': name})}", icon=f":material/{icon}:")
