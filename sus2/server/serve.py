"""Starts streamlit for `sus2 app`, behind the headers and limits of sus2.server.headers.

A folder `pages/` makes streamlit take an app for its older kind of multipage app until st.navigation has been called
once; a link straight to a page of a fresh server would fail for that reason.
"""

from __future__ import annotations

import gc
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime import runtime
from streamlit.runtime.pages_manager import PagesManager

from sus2.errors import Sus2Error
from sus2.server.downloads import PatientFiles
from sus2.server.front_page import FrontPage, prepared
from sus2.server.headers import Headers, UploadLimit, security_headers
from sus2.settings import settings

if TYPE_CHECKING:
    from sus2.jobs.calculation import Calculation
    from sus2.jobs.queue import JobQueue

PagesManager.uses_pages_directory = False
runtime.MediaFileManager = PatientFiles

MODEL_FILE_MB: Final = 64  # the largest potential that the Models page takes
UNUSED_S: Final = 10.0  # without anybody who opens a page, after which the server computes for itself
LOOK_EVERY_S: Final = 0.2  # whether a visitor waits while it does
PAGES_NEED = (
    "pandas",
    "plotly.io",
    "torch",
    "phonopy",
    "sus2.figures.properties.eos",
    "sus2.figures.properties.phonons",
    "sus2.validation.model_check",
    "pymatgen.io.cif",
)


def prepare() -> None:
    """Do what the first visitor would otherwise wait for: workers, slow imports, and the first calculations.

    The workers compute while this process imports.
    """
    from sus2.jobs.examples import example_calculations
    from sus2.jobs.queue import job_queue

    try:
        jobs = job_queue()
        calculations = example_calculations()
        for calculation in calculations:
            if jobs.stored(calculation.key) is None:
                jobs.submit(calculation, "examples")
        for name in PAGES_NEED:
            import_module(name)
        for reference in {r for calculation in calculations for r in calculation.references()}:
            reference.load()
    except Sus2Error as problem:
        # The pages meet the same problem and say it where it matters.
        print(problem, file=sys.stderr)


def prepare_lessons() -> None:
    """Answer what the lessons ask first, one calculation at a time and only while nobody uses the server."""
    from sus2.jobs.queue import job_queue
    from sus2.lessons.first import lesson_calculations
    from sus2.training.specialise.learning import learning_calculations

    jobs = job_queue()
    mine = jobs.looked
    try:
        for calculation in [*lesson_calculations(), *learning_calculations()]:
            done = False
            while not done:
                while not jobs.idle or (jobs.looked != mine and time.monotonic() - jobs.looked < UNUSED_S):
                    time.sleep(1.0)
                known, mine = jobs.stored(calculation.key), jobs.looked
                done = known is not None or _answered(jobs, calculation)
    except Sus2Error as problem:
        print(problem, file=sys.stderr)


def _answered(jobs: JobQueue, calculation: Calculation) -> bool:
    """Whether a calculation of ours came to its end; it is stopped as soon as one of a visitor waits."""
    job = jobs.submit(calculation, "lessons")
    while not job.ended.wait(LOOK_EVERY_S):
        if jobs.waiting:
            jobs.leave(calculation.key, "lessons")
    return job.status != "cancelled"


def set_aside() -> None:
    """Keep what there is out of the garbage collections to come, garbage of before excepted."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def keep_aside(every_s: float = 5.0, rounds: int = 24) -> None:
    """Set aside again and again: what is new each time, and all of it anew, which takes longer, every so many rounds.

    Streamlit collects all garbage after each run of a page, which means looking at every object there is: those of the
    libraries and of all other sessions. With many sessions that was two thirds of the server's time.
    """
    seen = done = 0
    while True:
        time.sleep(every_s)
        if gc.get_stats()[2]["collections"] == seen:
            continue  # streamlit has collected nothing: nobody has asked for anything
        done = (done + 1) % rounds
        if done:
            gc.freeze()
        else:
            set_aside()
        seen = gc.get_stats()[2]["collections"]


def application(script: Path) -> st.App:
    """The app as an ASGI application; raises Sus2Error where a setting has no sense."""
    limits = settings()
    static = Path(st.__file__).parent / "static"
    given = (static / "index.html").read_text(encoding="utf-8")
    front_page = prepared(given, static)
    # The pages refuse first, with a sentence: what the server lets through is one file more.
    most = (limits.max_session_mb + largest_file_mb()) * 2**20
    return st.App(
        script,
        middleware=[
            Middleware(Headers, headers=security_headers(front_page, limits.embedded_by.split())),
            Middleware(UploadLimit, max_bytes=most),
            Middleware(FrontPage, given=given, page=front_page),
        ],
    )


def largest_file_mb() -> int:
    """The largest file that any box of the pages takes, MiB."""
    limits = settings()
    return max(limits.max_upload_mb, limits.max_archive_mb, MODEL_FILE_MB)


def options(arguments: list[str]) -> dict[str, Any]:
    """Streamlit's options from --name value pairs, with what the settings ask of streamlit."""
    named = dict(zip((a.removeprefix("--") for a in arguments[::2]), arguments[1::2], strict=True))
    found: dict[str, Any] = {k: int(v) if k == "server.port" else v for k, v in named.items()}
    return {"server.maxUploadSize": largest_file_mb(), "server.allowedHosts": settings().hosts.split(), **found}


def main() -> None:
    """Run `python -m sus2.server.serve run SCRIPT --server.port 8501 ...`."""
    script = Path(sys.argv[2]).resolve()
    try:
        app, config = application(script), options(sys.argv[3:])
    except Sus2Error as problem:
        sys.exit(str(problem))
    prepare()
    set_aside()
    Thread(target=keep_aside, daemon=True).start()
    Thread(target=prepare_lessons, daemon=True).start()
    # Streamlit looks for .streamlit beside what was started.
    sys.argv = [str(script)]
    app.run(config=config)


if __name__ == "__main__":
    main()
