"""The textbook: a potential on well-known crystals, for the page Model check."""

from __future__ import annotations

import json
import math

import pandas as pd
import streamlit as st

from pages._parts import frame
from sus2.figures.check import COLOURS
from sus2.figures.textbook import LABELS, grade, textbook_html
from sus2.figures.theme import faint
from sus2.validation.textbook.result import CrystalScore, Textbook
from sus2.validation.textbook.run import textbook


def show_textbook(model: frame.Model) -> None:
    """Score the chosen potential on the crystals whose elements it covers."""
    st.markdown(
        "Some 35 well-known crystals, whatever crystal is chosen: lattice, stiffness and vibrations beside "
        "known values of the same functional, whether the crystal is stable, and the curve of two atoms. "
        + (
            f"A network takes minutes to hours: `sus2 check {model.name} --textbook --out scores.jsonl` on the "
            "command line keeps each crystal that is done and goes on where it was ended."
            if model.card.plugin
            else "It takes some ten seconds on a quiet computer."
        )
    )
    found = frame.ask(textbook, auto=False, name="textbook", button="Score the potential", potential=model)
    if found is None:
        return
    report: Textbook = found.result
    st.markdown(frame.plain(report.summary))
    _medians(report)
    _table(report)
    st.caption(
        "In brackets the deviation from the known value; its colour says whether it is small (V₀ 1 %, others 10 %), "
        "moderate (3 and 25 %) or large. Softening: restoring force per displacement at 0.2 Å over that at 0.02 Å."
    )
    if report.left_out:
        st.caption(f"Left out, for elements that it does not cover: {frame.plain(', '.join(report.left_out))}.")
    frame.checks(report.checks, key="textbook_checks")
    stem = f"{report.potential}-textbook"
    frame.downloads(
        [
            ("One page to print (HTML)", f"{stem}.html", "text/html", lambda: textbook_html(report)),
            ("Scores (JSON)", f"{stem}.json", "application/json", lambda: json.dumps(report.to_dict(), indent=1)),
        ],
        key="textbook",
    )


def _medians(report: Textbook) -> None:
    known = [q for q in LABELS if math.isfinite(report.median_error_percent(q))]
    if not known:
        return
    for column, q in zip(st.columns(len(known)), known, strict=True):
        frame.quantity(
            column,
            f"{LABELS[q].split(' (')[0]}, median error",
            frame.number(report.median_error_percent(q), 1),
            "%",
            f"Mean with its sign: {report.mean_error_percent(q):+.1f} %.",
        )


def _table(report: Textbook) -> None:
    rows = [
        {
            "crystal": c.crystal,
            **{label: _cell(c, q) for q, label in LABELS.items()},
            "stable": _stable(c),
            "minima of E(V)": str(c.minima),
            "softening": f"{c.softening:.2f}" if math.isfinite(c.softening) else "",
            "problems": " ".join(c.problems),
        }
        for c in report.crystals
    ]
    frame_of = pd.DataFrame(rows)
    if not any(row["problems"] for row in rows):
        frame_of = frame_of.drop(columns="problems")
    styled = frame_of.style
    for q, label in LABELS.items():
        grades = [grade(q, c.error_percent(q)) for c in report.crystals]
        colours = [f"background-color: {faint(COLOURS[g], 0.3)}" if g else "" for g in grades]
        styled = styled.apply(lambda _, colours=colours: colours, subset=[label])
    st.dataframe(styled, hide_index=True, key="textbook_table", height=36 * (len(rows) + 1))


def _cell(c: CrystalScore, quantity: str) -> str:
    value = c.values.get(quantity)
    if value is None:
        return ""
    error = c.error_percent(quantity)
    return f"{value:.4g}" + (f" ({error:+.0f} %)".replace("-", "−") if math.isfinite(error) else "")


def _stable(c: CrystalScore) -> str:
    found = (c.elastically_stable, c.dynamically_stable)
    return "no" if False in found else "?" if None in found else "yes"
