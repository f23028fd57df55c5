"""Several questions of one page at once: each answer is shown as it comes, with one line on how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages._parts.results import (
    LOOK_EVERY_S,
    LOOK_SELDOM_S,
    Shown,
    calculation_title,
    kept,
    owner,
    progress_words,
    sent,
)
from sus2.errors import Sus2Error
from sus2.jobs.calculation import Calculation
from sus2.jobs.queue import Job, job_queue
from sus2.settings import settings


@dataclass(frozen=True)
class Answers:
    """What is there of several questions, by their names: results, sentences on what failed, and what is under way."""

    shown: Mapping[str, Shown]
    problems: Mapping[str, str]
    waiting: frozenset[str]


def ask_several(
    questions: Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]], *, auto: bool, place: Any
) -> Answers:
    """Answers to function(**arguments) for each name, computed in this order; models stand for themselves.

    auto: begin at once; otherwise a button in place begins. place: a container for the button, or how far they are.
    """
    wanted = {
        name: Calculation.of(function, **{k: sent(v) for k, v in arguments.items()})
        for name, (function, arguments) in questions.items()
    }
    shown = {name: found for name, c in wanted.items() if (found := kept(c, c.key)) is not None}
    missing = {name: c for name, c in wanted.items() if name not in shown}
    jobs, me = job_queue(), owner()
    asked = st.session_state.setdefault("asked", {})
    for name, calculation in wanted.items():
        if asked.get(name, calculation.key) != calculation.key:
            jobs.leave(asked.pop(name), me)  # the crystal or the model is another one: nobody here waits for it
    cancelled = st.session_state.setdefault("cancelled", set())
    stopped = [name for name, c in missing.items() if c.key in cancelled]
    failed = {name: job for name, c in missing.items() if (job := jobs.find(c.key)) and job.status == "failed"}
    pressed = False
    if missing and (stopped or not (auto or _under_way(missing, me))):
        left, right = place.columns([1, 4], vertical_alignment="center")
        pressed = left.button("Compute", type="primary", key="compute_overview", width="stretch")
        note = "Cancelled. Press the button to start it again." if stopped else "Press Compute: it may take a while."
        right.caption(note)
        if pressed:
            cancelled.difference_update(c.key for c in missing.values())
            stopped = []
    problems = {name: str(job.error) for name, job in failed.items() if not pressed}
    begun: dict[str, Job] = {}
    for name, calculation in missing.items():
        if name in problems or name in stopped:
            continue
        job = jobs.find(calculation.key)
        if job is None or job.over or me not in job.owners:
            if not (auto or pressed):
                continue
            try:
                job = jobs.submit(calculation, me)
            except Sus2Error as problem:
                problems[name] = str(problem)
                continue
        asked[name] = calculation.key
        begun[name] = job
    for name, job in begun.items():
        # A page waits a moment for what comes at once; for the rest it is drawn again as it comes.
        if not job.ended.wait(settings().patience_ms / 1000.0):
            break
        found = kept(missing[name], job.key)
        if found is not None:
            shown[name] = found
        else:
            # Without an error of its own a result that is not there was damaged as it was kept.
            problems[name] = str(job.error or "The result could not be read; open its page to compute it again.")
    waiting = {name: job for name, job in begun.items() if name not in shown and name not in problems}
    if waiting:
        keys = {name: job.key for name, job in waiting.items()}
        every = LOOK_SELDOM_S if len(jobs.under_way(me)) > len(waiting) else LOOK_EVERY_S
        with place:
            st.fragment(_watch, run_every=every)(keys)
    return Answers(shown, problems, frozenset(waiting))


def _under_way(missing: Mapping[str, Calculation], me: str) -> bool:
    found = (job_queue().find(c.key) for c in missing.values())
    return any(job is not None and not job.over and me in job.owners for job in found)


def _watch(keys: Mapping[str, str]) -> None:
    """How far the calculations are, and a way to stop them; the page is drawn again when one of them ends."""
    jobs = job_queue()
    found = {name: jobs.find(key) for name, key in keys.items()}
    if any(job is None or job.over or job.key in st.session_state["cancelled"] for job in found.values()):
        st.rerun()
        return
    name, now = next(((n, j) for n, j in found.items() if j and j.status == "running"), next(iter(found.items())))
    assert now is not None
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    title = calculation_title(name)
    left = f"{len(keys)} parts to come. " if len(keys) > 1 else ""
    bar.progress(now.fraction, text=f"{left}{title[0].upper()}{title[1:]}: {progress_words(jobs, now)}")
    stop.button("Cancel", key="cancel_overview", on_click=_cancel, args=(tuple(keys.values()),), width="stretch")


def _cancel(keys: tuple[str, ...]) -> None:
    for key in keys:
        st.session_state["cancelled"].add(key)
        job_queue().leave(key, owner())
