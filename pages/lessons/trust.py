"""Lesson 7: how far to trust a number, and when to say that nothing is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.trust import grade_figure, sigmas_figure
from sus2.lessons.first import UNIVERSAL_MODEL, squeezed_arguments, trust_arguments
from sus2.lessons.trust import QUANTITIES, TrustPoint, grades_when_squeezed, trust_study

TITLE = "How far to trust it"
WORDS = {"v0_a3_per_atom": ("volume", "Å³/atom"), "b0_gpa": ("bulk modulus", "GPa")}
FIRST = parts.Example("Copper", UNIVERSAL_MODEL, "cu")


EXPLANATION = (
    "A number without its error is half a number. A potential makes two kinds of error. One is its functional's: "
    "PBE itself differs from experiment. The other is its own: what the fit did not learn. The second can be "
    "estimated. Sixteen potentials that fit the data nearly as well as ours, a **committee**, disagree where the "
    "data said little; and how large their disagreement has to be taken, the **calibration**, is learned from "
    "crystals whose values are known. The result is σ: of a hundred true values, 68 should lie within one σ."
)


def show() -> None:
    st.markdown(
        "How far is a computed number from the truth? Each error here is divided by the σ that was predicted for it, "
        "as if nothing were known of it."
    )
    body, foot = parts.places()
    with foot:
        found: Sequence[TrustPoint] | None = parts.kept("trust", trust_study, **trust_arguments(parts.model))
    st.markdown(EXPLANATION)
    if found:
        with body:
            left, right = parts.beside()
            with right:
                _one(found)
            with left:
                _all(found)
    _questions(found or ())
    _break()
    parts.links(
        (
            ("eos", "Copper with its error bars", "show_chart", FIRST.sample, FIRST.model),
            ("elasticity", "Stiffness of tungsten: not to be trusted", "compress", "w", UNIVERSAL_MODEL),
            ("check", "Check a potential for your crystal", "fact_check", FIRST.sample, FIRST.model),
        )
    )


@parts.live
def _one(found: Sequence[TrustPoint]) -> None:
    moduli = [p for p in found if p.quantity == "b0_gpa"]
    label = st.selectbox("Crystal", [p.label for p in moduli], key="l7_crystal")
    point = next(p for p in moduli if p.label == label)
    truth = 100.0 * abs(point.error) / abs(point.known)
    if not parts.guess(
        f"the error of the bulk modulus of {point.label.lower()}, in percent of its known value",
        unit="%",
        highest=60.0,
        answer=truth,
        key=f"l7_guess_{label}",
    ):
        return
    sigma = f"± {point.sigma:.3g} GPa, {point.verdict}" if math.isfinite(point.sigma) else "GPa, error unknown"
    parts.numbers(
        (
            ("Computed", parts.plain(point.value, 1), sigma, ""),
            (f"Known, {point.functional}", parts.plain(point.known, 1), "GPa", "right"),
            ("Error in units of σ", parts.signed(point.sigmas, 1) if math.isfinite(point.sigma) else "—", "", ""),
        )
    )
    st.caption(f"Known value: {point.source}.")


def _all(found: Sequence[TrustPoint]) -> None:
    labels = list(dict.fromkeys(p.label for p in found))
    by = {q: {p.label: p.sigmas for p in found if p.quantity == q} for q in QUANTITIES}
    frame.plot(
        sigmas_figure(
            labels=labels,
            sigmas={WORDS[q][0]: [values.get(label, np.nan) for label in labels] for q, values in by.items()},
            mode=frame.mode(),
            height=parts.HEIGHT,
        ),
        key="l7_sigmas",
        alt="Errors of volume and bulk modulus of several crystals in units of their predicted standard deviations",
        name="lesson-trust",
    )
    known = [abs(p.sigmas) for p in found if math.isfinite(p.sigma)]
    inside = [sum(s <= reach for s in known) for reach in (1.0, 2.0)]
    parts.numbers(
        (
            ("Within one σ", f"{inside[0]} of {len(known)}", f"expected {0.68 * len(known):.0f}", ""),
            ("Within two σ", f"{inside[1]} of {len(known)}", f"expected {0.95 * len(known):.0f}", ""),
        )
    )
    st.caption(
        "Some of these crystals helped to set the scale of σ. The strict test leaves each composition out; its table "
        "is in the documentation, How far to trust a number."
    )


def _questions(found: Sequence[TrustPoint]) -> None:
    worst = max(found, key=lambda p: abs(p.error / p.known), default=None)
    example = (
        ""
        if worst is None
        else (
            f" The largest error here is that of the {WORDS[worst.quantity][0]} of {worst.label}, "
            f"{100.0 * abs(worst.error / worst.known):.0f} %."
        )
    )
    parts.questions(
        (
            (
                "All of the committee agree. Is the number right?",
                "Not necessarily. Members share their data, their form and their cutoff, so they share the errors of "
                "these. That is why the spread is calibrated on known values, and why a grade asks first whether "
                "the crystal is like the training data at all.",
            ),
            (
                "Nine of ten errors lie within one σ. Is that good?",
                "It is safe, but not good: σ is larger than it need be, and says less than it could. A good σ has 68 "
                "of 100 within one σ and 95 within two, no fewer and no more." + example,
            ),
            (
                "Why are volumes more certain than shear moduli?",
                "A volume is where the energy is lowest: forces, which the fit saw by the thousand, fix it. A modulus "
                "is a curvature, a small difference between energies of nearly equal crystals, and for a shear the "
                "changes of many bonds nearly cancel.",
            ),
            (
                "PBE says 140 GPa, experiment 137, the potential 150 ± 20. Which error does ± 20 mean?",
                "The distance of the potential from PBE, which it was trained on. The distance of PBE from experiment "
                "comes on top of it, and no committee shows it.",
            ),
        )
    )


def _break() -> None:
    with parts.break_it(
        "**Leave the training data.** Squeeze copper. The energy still comes out as a number with eight digits. The "
        "grade says how much longer the atom's description is than any that the training data can build: above 1 the "
        "potential extrapolates, above 3 the page says *unknown* instead of a σ."
    ):
        _squeeze()


@parts.live
def _squeeze() -> None:
    arguments = squeezed_arguments(parts.model)
    ratio = st.slider("Volume, V/V₀", 0.3, 1.6, 1.0, 0.1, key="l7_ratio", bind="query-params")
    body, foot = st.container(), st.container()
    with foot:
        grades = parts.kept("grades", grades_when_squeezed, **arguments)
    if grades is None:
        return
    ratios = arguments["ratios"]
    here = float(np.interp(ratio, ratios, grades))
    word = "inside the data" if here <= 1.0 else "extrapolated" if here <= 3.0 else "unknown"
    with body:
        frame.plot(
            grade_figure(ratios=ratios, grades=grades, at_ratio=ratio, mode=frame.mode()),
            key="l7_grades",
            alt="Extrapolation grade of copper against volume",
            name="lesson-grade",
        )
        parts.numbers((("Grade here", parts.plain(here, 1), word, "wrong" if here > 3.0 else ""),))
