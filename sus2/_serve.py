"""Starts streamlit for `sus2 app`.

A folder `pages/` makes streamlit take an app for its older kind of multipage app until st.navigation has been called
once; a link straight to a page of a fresh server would fail for that reason.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from threading import Thread

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

from sus2.errors import Sus2Error

PagesManager.uses_pages_directory = False

PAGES_NEED = ("pandas", "plotly.io", "torch", "phonopy", "sus2.figures.eos", "sus2.figures.phonons", "sus2.checks")


def prepare() -> None:
    """What the first visitor would otherwise wait for: workers, slow imports, and the answers to the first questions.

    The workers compute while this process imports.
    """
    from sus2.board import board
    from sus2.examples import example_questions

    try:
        jobs = board()
        questions = example_questions()
        for question in questions:
            if jobs.answer(question.key) is None:
                jobs.ask(question, "examples")
        for name in PAGES_NEED:
            import_module(name)
        for reference in {r for question in questions for r in question.references()}:
            reference.load()
    except Sus2Error as problem:
        # The pages meet the same problem and say it where it matters.
        print(problem, file=sys.stderr)


def prepare_lessons() -> None:
    """Answer what the lessons ask first, one question at a time and only while nobody else asks."""
    from sus2.board import board
    from sus2.lessons.first import lesson_questions

    jobs = board()
    try:
        for question in lesson_questions():
            if jobs.answer(question.key) is None:
                while not jobs.idle:
                    time.sleep(1.0)
                jobs.ask(question, "lessons").ended.wait()
    except Sus2Error as problem:
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    prepare()
    Thread(target=prepare_lessons, daemon=True).start()
    sys.exit(cli.main())
