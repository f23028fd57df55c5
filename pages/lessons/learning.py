"""Lesson 8: make a potential, and see what it learns from 10, 30, 100 and 300 structures."""

from __future__ import annotations

import math

import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.learning import learning_figure, reach_figure
from sus2.figures.lessons.waves import two_bands_figure
from sus2.structures import with_subscripts
from sus2.training.specialise.learning import (
    COUNTS,
    LARGE,
    SMALL,
    TEACHER,
    Learned,
    LearningStudy,
    learning_arguments,
    learning_study,
)

TITLE = "Make a potential"
FIRST = parts.Example("Silicon", TEACHER, "si")
EXAMPLES = (FIRST, parts.Example("Rock salt", TEACHER, "nacl"), parts.Example("Magnesium oxide", TEACHER, "mgo"))


EXPLANATION = (
    "A machine-learned potential is a function of the neighbours of each atom with free numbers in it. A "
    "**teacher** labels structures with energies, forces and stresses; the numbers are chosen so that the function "
    "agrees. Usually the teacher is DFT. Here it is the universal potential of this app, so that all of it takes "
    "seconds. The structures are snapshots of one crystal: small cells, strained and shaken at "
    "volumes of 0.90 to 1.12. The **student** sees no elastic constant and no phonon: what it says of them, it "
    "has from the forces."
)


def show() -> None:
    st.markdown("A student learns a crystal from its teacher. How many structures does it need? Give it more of them.")
    example = parts.choose(EXAMPLES, key="l8_crystal")
    body, foot = parts.places()
    with foot:
        found = _study(example, SMALL)
    if found is not None:
        with body:
            _learns(found, example.label)
    else:
        st.markdown(EXPLANATION)
    _questions(found)
    _break(example)
    parts.links(
        (
            ("specialise", "Make one for your crystal", "school", FIRST.sample, FIRST.model),
            ("check", "What a potential should be asked", "fact_check", FIRST.sample, FIRST.model),
            ("phonons", "Phonons of the teacher", "graphic_eq", FIRST.sample, FIRST.model),
        )
    )


def _study(example: parts.Example, graph: str, *, auto: bool = True) -> LearningStudy | None:
    found: LearningStudy | None = parts.kept(
        f"learning_{graph}",
        learning_study,
        auto=auto,
        button="Compute" if auto else "Fit the larger form",
        **learning_arguments(parts.model, graph, example.sample),
    )
    return found


def _at(found: LearningStudy, count: int) -> Learned:
    return min(found.fits, key=lambda f: abs(f.structures - count))


@parts.live
def _learns(found: LearningStudy, label: str) -> None:
    left, right = parts.beside()
    with right:
        count = st.select_slider("Structures", COUNTS, COUNTS[0], key="l8_count")
        one = _at(found, count)
        st.markdown(
            f"The student has {found.parameters} free numbers. Ten structures give {30 * found.atoms} force "
            "components, ten energies and sixty stresses. How far off are its forces on structures that it has not "
            "seen?"
        )
        guessed = parts.guess(
            "the mean error of a force component after 10 structures",
            unit="meV/Å",
            highest=1000.0,
            answer=found.fits[0].held_out_mev_per_a,
            key=f"l8_guess_{label}",
        )
    with left:
        frame.plot(
            _volumes(found, one),
            key="l8_volumes",
            alt="Energy against volume of the teacher and of the student, with the labelled volumes shaded",
            name="lesson-learning-volumes",
        )
    st.markdown(EXPLANATION)
    # The button is pressed once; the numbers stay as the slider moves.
    if guessed or st.session_state.get(f"l8_shown_{label}"):
        st.session_state[f"l8_shown_{label}"] = True
        _numbers(found, one)
        frame.plot(
            _curves(found, count),
            key="l8_curve",
            alt="Errors of forces on fitted and on other structures against their number",
            name="lesson-learning",
        )
    if not one.problem:
        frame.plot(
            two_bands_figure(
                distance_per_a=found.path.distance_per_a,
                segments=found.path.segments,
                ticks=found.path.ticks,
                bands_thz={"teacher": found.reference.bands_thz, "student": one.bands_thz},
                mode=frame.mode(),
            ),
            key="l8_bands",
            alt=f"Phonon bands of {label} by the teacher and by the student",
            name="lesson-learning-bands",
        )
    st.markdown(
        "**What the small form buys.** One evaluation of energy, forces and stress takes the teacher "
        f"{found.reference.processor_us_per_atom:.0f} µs of processor time per atom, the student "
        f"{one.processor_us_per_atom:.0f} µs. The teacher has thousands of numbers for 89 elements, the student "
        f"{found.parameters} for {with_subscripts(found.formula)}. "
        "And it learns from little, because it has little to learn."
    )


def _numbers(found: LearningStudy, one: Learned) -> None:
    c = found.elastic_error_percent(one)
    thz = found.frequency_error_thz(one)
    v = 100.0 * (one.v0_a3 / found.reference.v0_a3 - 1.0)
    parts.numbers(
        (
            ("Forces, fitted structures", parts.plain(one.train_mev_per_a, 1), "meV/Å", ""),
            ("Forces, other structures", parts.plain(one.held_out_mev_per_a, 1), "meV/Å", ""),
            ("Volume at rest, off by", "—" if math.isnan(v) else parts.signed(v, 2), "%", ""),
            ("Worst elastic constant, off by", parts.plain(c, 1), "%", "wrong" if not c <= 20.0 else ""),
            ("Frequencies, off by", parts.plain(thz, 2), "THz (rms)", ""),
        )
    )
    if one.problem:
        st.caption(f"This student has no rest near the crystal: {frame.plain(one.problem)}")


def _curves(found: LearningStudy, count: int) -> object:
    return learning_figure(
        counts=[f.structures for f in found.fits],
        curves={
            "fitted structures": [f.train_mev_per_a for f in found.fits],
            "other structures": [f.held_out_mev_per_a for f in found.fits],
        },
        at_count=_at(found, count).structures,
        mode=frame.mode(),
    )


def _volumes(found: LearningStudy, one: Learned) -> object:
    return reach_figure(
        volumes_a3=found.volumes_a3,
        curves={"teacher": found.reference.energies_ev, f"student, {one.structures} structures": one.energies_ev},
        labelled_a3=found.labelled_a3,
        mode=frame.mode(),
        height=parts.HEIGHT,
    )


def _questions(found: LearningStudy | None) -> None:
    last = (
        ""
        if found is None
        else f" Here its forces are off by {found.fits[-1].train_mev_per_a:.0f} meV/Å on the "
        f"{found.fits[-1].structures} structures that it was fitted to, and by "
        f"{found.fits[-1].held_out_mev_per_a:.0f} on others: it cannot do better, with any number of them."
    )
    parts.questions(
        (
            (
                "Why does the error on the fitted structures rise with their number?",
                "Few structures can be followed nearly exactly by bending the function to each of them. Many cannot: "
                "then the error is that of the form itself. Where both curves meet, more data does not help, only a "
                "larger form does." + last,
            ),
            (
                "Why are elastic constants right before forces are?",
                "They are averages over the whole crystal and over all labelled stresses, where random errors of the "
                "fit cancel. A single force of a shaken structure gathers them.",
            ),
            (
                "Why does E(V) leave the teacher's outside the shaded volumes?",
                "Nothing was labelled there. Within the data the function interpolates, beyond them it goes on as "
                "polynomials do. The energy still comes out as a number with eight digits; see lesson 7.",
            ),
            (
                "The student agrees with its teacher. Is it right?",
                "It is as right as the teacher. A student cannot tell its teacher's errors from the truth: compare "
                "them with experiment, or ask a second teacher.",
            ),
        )
    )


def _break(example: parts.Example) -> None:
    with parts.break_it(
        "**Overfit it.** Give the function more numbers than the data can fix. With ten structures the larger form "
        "follows every label, and has learned nothing: look at the errors on other structures and at the elastic "
        "constants. With enough structures it is the better one."
    ):
        found = _study(example, LARGE, auto=False)
        if found is not None:
            _overfit(found)


@parts.live
def _overfit(found: LearningStudy) -> None:
    count = st.select_slider("Structures", COUNTS, COUNTS[0], key="l8_overfit")
    one = _at(found, count)
    _numbers(found, one)
    st.caption(f"{found.parameters} free numbers.")
    frame.plot(
        _curves(found, count),
        key="l8_overfit_curve",
        alt="Errors of forces of the larger form on fitted and on other structures against their number",
        name="lesson-overfitting",
    )
