"""One crystal at a glance: its structure, equation of state, elasticity, phonons, key numbers and two functionals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

import sus2
from pages._parts import frame
from pages._start.several import Answers, ask_several
from pages.properties._modes import special_points
from sus2.comparison.compare import pair_of_functionals
from sus2.comparison.crystal_report import CrystalReport, key_numbers, largest_changes
from sus2.errors import counted
from sus2.figures.overview import bands_overview, changes_overview, energy_overview, stiffness_overview
from sus2.figures.properties.modes import MAX_BONDED, mode_figure
from sus2.figures.report import numbers_table, report_html
from sus2.figures.structure import structure_figure
from sus2.properties.catalogue import catalogue
from sus2.properties.phonons.follow_mode import mode_motion
from sus2.settings import settings
from sus2.structures import elements_of

MAX_DRAWN = 800
HEIGHT = 300
ROOM = HEIGHT + 18  # of a part's box, so that nothing moves when its plot comes
COMPARISON = "compare"
_STYLE = """<style>
.st-key-overview_numbers table {border-collapse: collapse; width: 100%; font-size: .95rem;}
.st-key-overview_numbers :is(td, th) {padding: .28rem .4rem; border-bottom: 1px solid #8883; text-align: right;
vertical-align: top;}
.st-key-overview_numbers :is(td, th):is(:first-child, .w) {text-align: left;}
.st-key-overview_numbers td:nth-child(2) {white-space: nowrap;}
@media (max-width: 640px) {.st-key-overview_numbers :is(td, th) {padding: .28rem .2rem; font-size: .86rem;}}
</style>"""
# Names of the questions, which the pages of the properties ask under the same names: property -> name.
PROPERTIES = {"eos": "eos", "elastic": "elastic", "phonons": "phonon_report"}


def dashboard(chosen: frame.Crystal) -> None:
    """Fill the page for a crystal; parts come as they are computed."""
    st.html(_STYLE)
    atoms = chosen.atoms
    potential = frame.model(atoms)
    first, second = st.columns(2)
    with first:
        structure(chosen)
    places = {"eos": second.container()}
    left, right = st.columns(2)
    places |= {"phonons": left.container(), "motion": right.container()}
    left, right = st.columns(2)
    places |= {"elastic": left.container(), "numbers": right.container()}
    places[COMPARISON] = st.container()
    end = st.container()
    # At the end, where it moves nothing as it comes and goes, and in sight wherever the page is scrolled to.
    progress = st.container(key="overview_progress")
    answers = ask_several(questions(chosen, potential), auto=len(atoms) <= settings().max_start_atoms, place=progress)
    results = {p: answers.shown[name].result for p, name in PROPERTIES.items() if name in answers.shown}
    judge(results)
    with places["eos"]:
        part("Energy against volume", "properties/eos", "eos", answers, partial(show_energy, chosen))
    with places["phonons"]:
        part("Phonons", "properties/phonons", "phonon_report", answers, partial(show_bands, chosen))
    with places["elastic"]:
        part("Young's modulus by direction", "properties/elasticity", "elastic", answers, partial(show_surface, chosen))
    with places["motion"]:
        part("A mode in motion", "properties/phonons", "phonon_report", answers, partial(show_mode, chosen))
    with places["numbers"]:
        numbers(results, answers)
    with places[COMPARISON]:
        changes(answers, chosen)
    with end:
        take_away(chosen, potential, results, answers)


def questions(chosen: frame.Crystal, potential: frame.Model) -> dict[str, tuple[Callable[..., Any], Mapping[str, Any]]]:
    """What is asked, as the pages of the properties ask it with their first settings: the answers are shared."""
    exact = potential.is_exact
    asked: dict[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {}
    for name, question in PROPERTIES.items():
        entry = catalogue()[name]
        method = {"method": "exact" if exact else entry.finite} if entry.finite else {}
        asked[question] = (entry.compute, {"atoms": chosen.atoms, "potential": potential, **method})
    covering = [m for m in frame.models() if not m.missing(chosen.atoms)]
    pair = pair_of_functionals([m.card for m in covering], elements_of(chosen.atoms), potential.name)
    if pair is not None:
        both = [next(m for m in covering if m.name == card.name) for card in pair]
        asked[COMPARISON] = (sus2.compare, {"atoms": chosen.atoms, "potentials": both})
    return asked


def judge(results: Mapping[str, Any]) -> None:
    """Show the verdicts on the key numbers in the header."""
    found = [n for name, result in results.items() for n in key_numbers(name, result)]
    if found:
        frame.verdict([n.verdict for n in found], "How far to trust the key numbers below.")


def part(title: str, page: str, name: str, answers: Answers, show: Callable[[Any], None]) -> None:
    """A frame with a title, a link to its page, and a plot once there is one; its size does not change."""
    with st.container(border=True, gap="xsmall"):
        heading(title, page)
        with st.container(height=ROOM, border=False):
            if name in answers.shown:
                with frame.guard():
                    show(answers.shown[name].result)
            else:
                absent(name, answers)


def heading(title: str, page: str) -> None:
    """The title of a part, and the link to the page that says more."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{title}**")
        st.page_link(
            f"pages/{page}.py", label="Look closer", icon=":material/arrow_forward:", icon_position="right", help=title
        )


def absent(name: str, answers: Answers) -> None:
    """Why a part is empty."""
    if name in answers.problems:
        frame.error(answers.problems[name])
    elif name in answers.waiting:
        st.caption("Being computed ...")
    else:
        st.caption("Not computed yet.")


def structure(chosen: frame.Crystal) -> None:
    """The crystal, to be turned."""
    info = chosen.info
    with st.container(border=True, gap="xsmall"):
        heading("Structure", "structure")
        with st.container(height=ROOM, border=False):
            if len(chosen.atoms) > MAX_DRAWN:
                st.info(f"Cells with more than {MAX_DRAWN} atoms are not drawn.")
                return
            frame.plot(
                structure_figure(atoms=chosen.atoms, polyhedra_drawn=True, mode=frame.mode(), height=HEIGHT),
                key="overview_structure",
                alt=f"Unit cell of {info.formula} in three dimensions, {counted(info.n_atoms, 'atom')}",
                name=chosen.file_name,
            )


def show_energy(chosen: frame.Crystal, result: Any) -> None:
    frame.plot(
        energy_overview(result=result, mode=frame.mode(), height=HEIGHT),
        key="overview_eos",
        alt=f"Energy against volume of {chosen.info.formula} with its fit and the band of its error",
        name=f"{chosen.file_name}-eos",
    )


def show_surface(chosen: frame.Crystal, result: Any) -> None:
    figure = stiffness_overview(result=result, mode=frame.mode(), height=HEIGHT)
    if figure is None:
        st.error(frame.plain(result.stability), icon=":material/error:")
        return
    frame.plot(
        figure,
        key="overview_elastic",
        alt=f"Young's modulus of {chosen.info.formula} as a surface over all directions",
        name=f"{chosen.file_name}-youngs_modulus",
    )


def show_bands(chosen: frame.Crystal, report: Any) -> None:
    if not report.phonons.stable:
        help_text = frame.plain(report.phonons.stability)
        st.caption("△ Imaginary modes: dynamically unstable in this potential.", help=help_text)
    frame.plot(
        bands_overview(report=report, mode=frame.mode(), height=HEIGHT if report.phonons.stable else HEIGHT - 36),
        key="overview_phonons",
        alt=f"Phonon bands and density of states of {chosen.info.formula}",
        name=f"{chosen.file_name}-phonons",
    )


def show_mode(chosen: frame.Crystal, report: Any) -> None:
    """Draw the strongest imaginary mode where there is one, else the highest at a special point, ready to be played."""
    result = report.phonons
    if result.imaginary_modes:
        worst = result.imaginary_modes[0]
        q, branch, words = worst.q_fractional, worst.branch, "The strongest imaginary mode"
    else:
        points = special_points(report.bands.path)
        found = np.asarray(result.frequencies_thz([at for _, at in points]))
        point, branch = np.unravel_index(int(found.argmax()), found.shape)
        name, q = points[int(point)]
        words = f"The highest mode at {name}, {frame.number(float(found.max()), 2)} THz"
    cells = 2 if 8 * len(result.atoms) <= MAX_BONDED else 1
    atoms, displacements = mode_motion(result, q, int(branch), cells=(cells,) * 3)
    st.caption(f"{frame.plain(words)}.")
    frame.plot(
        mode_figure(
            atoms=atoms, displacements=displacements, cells=(cells,) * 3, mode=frame.mode(), height=HEIGHT - 40
        ),
        key="overview_mode",
        alt=f"Atoms of {chosen.info.formula} moving in one of its vibrations",
        name=f"{chosen.file_name}-mode",
    )


def numbers(results: Mapping[str, Any], answers: Answers) -> None:
    """The key numbers with one standard deviation and a verdict each."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        heading("Key numbers", "potentials/check")
        found = [n for name, result in results.items() for n in key_numbers(name, result)]
        with st.container(key="overview_numbers"):
            if found:
                st.html(numbers_table(found, mode=frame.mode()))
                st.caption("± is one standard deviation of the potential's error. Point at a word for its reason.")
            else:
                absent(PROPERTIES["eos"], answers)


def changes(answers: Answers, chosen: frame.Crystal) -> None:
    """What another functional changes, the largest change first."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        if COMPARISON not in answers.shown:
            heading("Another functional", "potentials/compare")
            with st.container(height=ROOM, border=False):
                if COMPARISON in answers.waiting or COMPARISON in answers.problems:
                    absent(COMPARISON, answers)
                else:
                    st.caption("No two potentials of different functionals cover all elements of this crystal.")
            return
        comparison = answers.shown[COMPARISON].result
        first, second = comparison.labels[:2]
        heading(f"From {first} to {second}", "potentials/compare")
        rows = largest_changes(comparison)
        if not rows:
            st.caption("Nothing could be compared.")
            return
        frame.plot(
            changes_overview(rows=rows, mode=frame.mode(), height=HEIGHT),
            key="overview_compare",
            alt=f"What {second} changes of {chosen.info.formula} against {first}, in percent",
            name=f"{chosen.file_name}-changes",
        )
        st.caption(
            f"{frame.plain(comparison.names[0])} and {frame.plain(comparison.names[1])}. Pale: the change is smaller "
            "than the error that the potentials state."
        )


def take_away(chosen: frame.Crystal, potential: frame.Model, results: Mapping[str, Any], answers: Answers) -> None:
    """Everything as one report."""
    if not results:
        return

    def report() -> CrystalReport:
        comparison = answers.shown[COMPARISON].result if COMPARISON in answers.shown else None
        problems = tuple(answers.problems.values()) + (comparison.problems if comparison is not None else ())
        return CrystalReport(chosen.atoms, potential.load(), dict(results), comparison, problems, chosen.label)

    if answers.waiting:
        st.caption("The report below holds what is there so far.")
    frame.downloads(
        [
            ("Report (HTML)", f"{chosen.file_name}-report.html", "text/html", lambda: report_html(report=report())),
            (
                "Report (JSON)",
                f"{chosen.file_name}-report.json",
                "application/json",
                lambda: json.dumps(report().to_dict(), indent=1),
            ),
        ],
        key="overview",
    )
