"""Starts streamlit for `sus2 app`.

A folder `pages/` makes streamlit take an app for its older kind of multipage app until st.navigation has been called
once; a link straight to a page of a fresh server would fail for that reason.
"""

from __future__ import annotations

import sys
from threading import Thread

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

from sus2.errors import Sus2Error

PagesManager.uses_pages_directory = False


def prepare() -> None:
    """Start the workers, load torch, and answer the questions that the pages ask first."""
    from sus2.board import board
    from sus2.examples import example_questions
    from sus2.lessons.first import lesson_questions

    try:
        jobs = board()
        for question in example_questions():
            for reference in question.references():
                reference.load()
            if jobs.answer(question.key) is None:
                jobs.ask(question, "examples")
        # One after the other, so that the first users find a free worker.
        for question in lesson_questions():
            if jobs.answer(question.key) is None:
                jobs.ask(question, "lessons").ended.wait()
    except Sus2Error as problem:
        # The pages meet the same problem and say it where it matters.
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    Thread(target=prepare, daemon=True).start()
    sys.exit(cli.main())
