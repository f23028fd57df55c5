"""What every lesson is made of: its crystals, kept results, numbers side by side, questions and links."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from ase import Atoms

from pages._parts import frame
from sus2.errors import Sus2Error
from sus2.structures.samples import sample

_COLOURS = {"right": "#009E73", "wrong": "#D55E00", "": "#8A97A5"}


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
        raise Sus2Error(f"This lesson needs the model {name}, which is not installed.")
    return found


def choose(examples: Sequence[Example], *, key: str, label: str = "Crystal") -> Example:
    """One of the examples, chosen by the reader."""
    names = [e.label for e in examples]
    picked = st.segmented_control(label, names, default=names[0], required=True, key=key)
    return examples[names.index(picked)]


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
    return f"{value:+.{digits}f}".replace("-", "−")


def plain(value: float, digits: int) -> str:
    """A number with a true minus; a dash where there is none."""
    return "—" if value != value else f"{value:.{digits}f}".replace("-", "−")


def questions(items: Sequence[tuple[str, str]]) -> None:
    """Questions whose answers open on a click."""
    st.subheader("Questions")
    for question, answer in items:
        with st.expander(question, icon=":material/help:"):
            st.markdown(answer)


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
