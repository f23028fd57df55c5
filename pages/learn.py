"""Learn: eight short lessons; ?lesson=2 in the address opens the second."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from pages.lessons import _class, functionals, learning, minimum, soft, sound, symmetry, trust, universal
from sus2.lessons.glossary import glossary

LESSONS = (minimum, universal, symmetry, sound, soft, functionals, trust, learning)


def _from_address() -> int:
    text = st.query_params.get("lesson", str(st.session_state.get("latest_lesson", 1)))
    return int(text) if text.isdecimal() and 1 <= int(text) <= len(LESSONS) else 1


def _go(lesson: int) -> None:
    st.session_state["lesson"] = lesson


frame.title(
    "Learn",
    "Eight short lessons on live crystals, each with its own. The address of a lesson is a link to it.",
)
if "lesson" not in st.session_state:
    st.session_state["lesson"] = _from_address()
chosen = st.segmented_control(
    "Lesson",
    range(1, len(LESSONS) + 1),
    format_func=lambda k: f"{k} · {LESSONS[k - 1].TITLE}",
    required=True,
    key="lesson",
    label_visibility="collapsed",
)
with frame.guard():
    _class.panel()
# A widget's own state ends when its page is left.
st.session_state["latest_lesson"] = chosen
if st.query_params.get("lesson") != str(chosen):
    st.query_params["lesson"] = str(chosen)
lesson = LESSONS[chosen - 1]
st.session_state["lesson_title"] = f"{chosen} · {lesson.TITLE}"
st.header(st.session_state["lesson_title"])
with frame.guard():
    lesson.show()
st.divider()
before, after = st.columns(2)
if chosen > 1:
    before.button(
        LESSONS[chosen - 2].TITLE, icon=":material/arrow_back:", key="lesson_before", on_click=_go, args=(chosen - 1,)
    )
if chosen < len(LESSONS):
    after.button(
        LESSONS[chosen].TITLE, icon=":material/arrow_forward:", key="lesson_after", on_click=_go, args=(chosen + 1,)
    )
with frame.guard():
    _class.offer()


def words() -> None:
    """The glossary as a list."""
    st.markdown("\n".join(f"- **{frame.plain(term)}**: {frame.plain(text)}" for term, text in glossary().items()))


frame.folded("Glossary", words, key="fold_glossary")
