"""The table of a class: who follows one link guesses, and all of them and the teacher see the guesses."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from sus2.errors import DataError
from sus2.jobs.queue import job_queue
from sus2.lessons.classroom import MAX_NAME, Answer, Classroom, is_class, new_class

KEY, NAME = "class_key", "class_name"


def classroom() -> Classroom | None:
    """The answers that this server keeps, beside its results; None where it keeps none."""
    store = job_queue().store
    return None if store is None else Classroom(store.path.with_name("classes.db"))


def key() -> str:
    """The class of the address, kept from lesson to lesson; raises DataError where it is none."""
    found = st.session_state.get(KEY) or st.query_params.get("class", "")
    if found and not is_class(found):
        raise DataError("The link names no class: a class has a key of 12 hexadecimal digits.")
    st.session_state[KEY] = found
    if found and st.query_params.get("class") != found:
        st.query_params["class"] = found
    return str(found)


def record(question: str, guess: float, truth: float, unit: str) -> None:
    """Keep a guess where the reader belongs to a class and has given a name."""
    own, name = st.session_state.get(KEY, ""), str(st.session_state.get(NAME, "")).strip()
    if not own or not name:
        return
    lesson = int(str(st.session_state["lesson_title"]).split()[0])
    sent = st.session_state.setdefault("class_sent", set())
    room = classroom()
    if room is None or (own, name, lesson, question) in sent:
        return
    room.record(own, Answer(lesson, question, name, guess, truth, unit))
    sent.add((own, name, lesson, question))


def panel() -> None:
    """A name to answer under, and the answers so far; nothing where the address names no class."""
    if not key():
        return
    if classroom() is None:
        st.info("This server keeps nothing, so the answers of a class are not collected.")
        return
    if NAME in st.session_state:
        st.session_state[NAME] = st.session_state[NAME]  # it stays while other pages are open
    st.text_input(
        "Your name in this class",
        key=NAME,
        max_chars=MAX_NAME,
        width=320,
        help="Everybody who has this link sees your first guess to each question under it. Nothing else is kept.",
    )
    frame.folded("Answers of the class", _answers, key="fold_answers")


def offer() -> None:
    """A button that makes a class, where the address names none."""
    if not st.session_state.get(KEY) and classroom() is not None:
        frame.folded("For teachers: collect the answers of a class", _offer, key="fold_class")


def _offer() -> None:
    st.markdown(
        "Make a link for your class and hand it out. Whoever follows it and gives a name has the first guess to each "
        "question collected; you and they see all of them there. Answers are deleted after half a year."
    )
    if st.button("Make a class", key="make_class"):
        st.session_state[KEY] = new_class()
        st.rerun()


def _answers() -> None:
    room = classroom()
    assert room is not None
    own = key()
    found = room.answers(own)
    if not found:
        st.caption("Nobody has answered yet. The address of this page is the link of the class.")
    else:
        st.table(
            [
                {
                    "lesson": str(a.lesson),
                    "question": frame.plain(a.question),
                    "name": frame.plain(a.name),
                    "guess": frame.plain(f"{a.guess:.3g} {a.unit}"),
                    "right": frame.plain(f"{a.truth:.3g} {a.unit}"),
                }
                for a in found
            ],
            hide_index=True,
            border="horizontal",
            alt="Guesses of the class",
        )
    st.button("Look again", key="class_again", icon=":material/refresh:")
