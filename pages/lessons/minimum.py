"""Lesson 1: why E(V) has one minimum, and what B0' means."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.curves import b0_prime_figure, minimum_figure, ranges_figure
from sus2.lessons.curves import RANGES_PERCENT, EnergyCurve, energy_curve, equation_of, fit_ranges
from sus2.units import GPA_TO_EV_PER_A3

TITLE = "One minimum, and B₀′"
EXAMPLES = (
    parts.Example("Copper", "sus2-universal-pbe", "cu"),
    parts.Example("Aluminium", "sus2-universal-pbe", "al"),
    parts.Example("Silicon", "si-mlearn-pbe", "si"),
    parts.Example("Magnesium oxide", "sus2-universal-pbe", "mgo"),
)
SQUEEZE = 0.85
FAMILY = (1.0, 3.0, 5.0, 7.0, 9.0)


EXPLANATION = (
    "Press atoms together and their electron clouds overlap: the energy shoots up. Pull them apart and every bond "
    "has to be paid for: the energy rises too, but slowly, towards that of free atoms. A steep wall on one side "
    "and a gentle slope on the other leave **one** valley between them. Its floor is the crystal at rest. Where "
    "it lies is the volume *V*₀; how sharply it bends is the bulk modulus *B*₀ = *V* d²*E*/d*V*²; how the bending "
    "changes as you squeeze is *B*₀′ = d*B*/d*P*."
)


def show() -> None:
    st.markdown("How does the energy of a crystal change as it is squeezed and stretched? Move the volume.")
    example = parts.choose(EXAMPLES, key="l1_crystal")
    body, foot = parts.places()
    with foot:
        curve = parts.kept("curve", energy_curve, atoms=example.atoms(), potential=parts.model(example.model))
    st.markdown(EXPLANATION)
    if curve is None:
        return
    with body:
        _valley(curve, example)
    _stiffening(curve)
    parts.questions(
        (
            (
                "Could this curve have two minima?",
                f"The points above show {curve.minima}. For one arrangement of atoms a second minimum would need a "
                "second distance at which repulsion and attraction balance. Two *different* arrangements have two "
                "curves, each with its own minimum; where a common tangent touches both, pressure turns one crystal "
                "into the other.",
            ),
            (
                "A crystal with B₀′ = 0: how does its pressure grow?",
                "It stays equally stiff however far it is squeezed, so $P = B_0 \\ln(V_0/V)$. Real crystals stiffen: "
                "the wall of the valley is steeper than its floor suggests, and B₀′ is near 4 for most of them.",
            ),
            (
                "Where is the pressure most negative, and what happens there?",
                f"Where E(V) is steepest on the right, here at {_limit(curve)}. There B = 0: a crystal that is pulled "
                "harder than this comes apart by itself. It is the ideal strength under equal pull from all sides; "
                "real samples break long before, at their flaws.",
            ),
            (
                "Why do Murnaghan, Birch–Murnaghan and Vinet agree near the minimum and disagree far from it?",
                "All three have the same $V_0$, $B_0$ and $B_0'$, hence the same first three bends of the curve. "
                "What follows is each equation's own guess. The equation of state page draws all four over one "
                "another.",
            ),
        )
    )
    _break(example)
    parts.links(
        (
            ("eos", f"Equation of state of {example.label.lower()}", "show_chart", example.key(), example.model),
            ("eos", "The same for tungsten", "show_chart", "w", "sus2-universal-pbe"),
            ("thermal", "Heat makes it grow: thermal expansion", "thermostat", example.key(), example.model),
        )
    )


def _limit(curve: EnergyCurve) -> str:
    k = int(curve.pressures_gpa.argmin())
    return f"{parts.plain(curve.pressures_gpa[k], 1)} GPa and {curve.volumes_a3[k] / curve.fit.v0_a3:.2f} V₀"


@parts.live
def _valley(curve: EnergyCurve, example: parts.Example) -> None:
    v0 = curve.fit.v0_a3
    left, right = parts.beside()
    with right:
        ratio = st.slider("Volume, V/V₀", 0.65, 1.65, 0.9, 0.01, key="l1_volume", bind="query-params")
        v = ratio * v0
        energy, pressure, stiffness = curve.energy_ev(v), curve.pressure_gpa(v), curve.bulk_modulus_gpa(v)
        parts.numbers(
            (
                ("Energy above the floor", parts.plain(1e3 * energy, 0), "meV/atom", ""),
                ("Pressure, −dE/dV", parts.plain(pressure, 1), "GPa", ""),
                ("Bulk modulus here", parts.plain(stiffness, 0), "GPa", "wrong" if stiffness < 0 else ""),
            )
        )
        parts.guess(
            f"the pressure that squeezes {example.label.lower()} to {SQUEEZE:g} of its volume",
            unit="GPa",
            highest=1000.0,
            answer=curve.pressure_gpa(SQUEEZE * v0),
            key=f"l1_guess_{EXAMPLES.index(example)}",
        )
    with left:
        frame.plot(
            minimum_figure(
                volumes_a3=curve.volumes_a3,
                energies_ev=curve.energies_ev,
                pressures_gpa=curve.pressures_gpa,
                v0_a3=v0,
                at_volume_a3=v,
                at_energy_ev=energy,
                at_pressure_gpa=pressure,
                slope_ev_per_a3=-pressure * GPA_TO_EV_PER_A3,
                highest_ev=1.15 * curve.energy_ev(1.65 * v0),
                mode=frame.mode(),
                height=parts.HEIGHT,
            ),
            key="l1_valley",
            alt=f"Energy and pressure of {curve.formula} against volume with the slope at the chosen volume",
            name="lesson-minimum",
        )


@parts.live
def _stiffening(curve: EnergyCurve) -> None:
    st.markdown(
        "**What B₀′ does.** Keep the floor of the valley as it is, with this crystal's $V_0$ and $B_0$, and change "
        "B₀′ alone. The points are computed: find the curve that meets them."
    )
    chosen = st.slider("B₀′", 1.0, 9.0, 2.0, 0.1, key="l1_b0_prime", bind="query-params")
    ratios = np.linspace(0.82, 1.1, 85)
    volumes = ratios * curve.fit.v0_a3
    computed = [curve.pressure_gpa(v) for v in volumes]
    squeezed = SQUEEZE * curve.fit.v0_a3
    frame.plot(
        b0_prime_figure(
            ratios=ratios,
            pressures_gpa=computed,
            family={b: equation_of(curve.fit, b, volumes)[1] for b in FAMILY},
            chosen=chosen,
            chosen_gpa=equation_of(curve.fit, chosen, volumes)[1],
            own=curve.fit.b0_prime,
            mode=frame.mode(),
        ),
        key="l1_stiffening",
        alt=f"Pressure of {curve.formula} against volume, computed and for other values of B0'",
        name="lesson-b0-prime",
    )
    parts.numbers(
        (
            (
                f"Pressure to reach {SQUEEZE:g} V₀, computed",
                parts.plain(curve.pressure_gpa(squeezed), 1),
                "GPa",
                "right",
            ),
            (
                f"with B₀′ = {chosen:.1f}",
                parts.plain(float(equation_of(curve.fit, chosen, squeezed)[1]), 1),
                "GPa",
                "",
            ),
            ("B₀ of both", parts.plain(curve.fit.b0_gpa, 1), "GPa", ""),
        )
    )


def _break(example: parts.Example) -> None:
    with parts.break_it(
        "The fit needs volumes near the minimum, but not too near. Far out, no equation with four numbers can follow "
        "the curve. Close in, the energies differ by so little that rounding in **float32** is larger than what B₀′ "
        "changes. Find both cliffs."
    ):
        left, right = st.columns([3, 2])
        with left:
            percent = st.select_slider(
                "Range of volumes (± %)",
                RANGES_PERCENT,
                0.1,
                format_func=lambda x: f"{x:g}",
                key="l1_range",
                bind="query-params",
            )
        with right:
            precision = st.segmented_control(
                "Precision", ["float64", "float32"], default="float32", required=True, key="l1_precision"
            )
        body, foot = st.container(), st.container()
        with foot:
            found = parts.kept("ranges", fit_ranges, atoms=example.atoms(), potential=parts.model(example.model))
        if found is None:
            return
        both = {f.precision: f for f in found}
        study, k = both[precision], RANGES_PERCENT.index(percent)
        reference = study.reference
        with body:
            if study.b0_prime[k] != study.b0_prime[k]:
                st.markdown("Here there is no minimum with a positive bulk modulus to fit at all.")
            frame.plot(
                ranges_figure(
                    ranges_percent=study.ranges_percent,
                    curves={p: f.b0_prime for p, f in both.items()},
                    right=reference.b0_prime,
                    label="B₀′",
                    limits=(reference.b0_prime - 6.0, reference.b0_prime + 6.0),
                    chosen_percent=percent,
                    mode=frame.mode(),
                ),
                key="l1_ranges",
                alt="B0' against the range of volumes of the fit, in both precisions",
                name="lesson-ranges",
            )
            parts.numbers(
                (
                    ("B₀′ from ± 6 %, float64", parts.plain(reference.b0_prime, 2), "", "right"),
                    (
                        "B₀′ from your settings",
                        parts.plain(study.b0_prime[k], 0 if abs(study.b0_prime[k]) > 99 else 2),
                        "",
                        "wrong",
                    ),
                    ("B₀ from ± 6 %, float64", parts.plain(reference.b0_gpa, 1), "GPa", "right"),
                    ("B₀ from your settings", parts.plain(study.b0_gpa[k], 1), "GPa", "wrong"),
                )
            )
            st.caption("The band is where a fit is sound; triangles stand for points beyond the axis.")
