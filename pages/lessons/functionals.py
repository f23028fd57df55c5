"""Lesson 6: what a functional changes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.functionals import errors_figure, functional_figure
from sus2.lessons.first import volumes_arguments
from sus2.lessons.functionals import FunctionalChange, functional_change, functional_volumes

TITLE = "What a functional changes"
EXAMPLES = (
    parts.Example("Gallium arsenide", "sus2-universal-pbe", "gaas"),
    parts.Example("Silicon carbide", "sus2-universal-pbe", "sic"),
    parts.Example("Germanium", "sus2-universal-pbe", "ge"),
    parts.Example("Aluminium", "sus2-universal-pbe", "al"),
    parts.Example("Magnesium oxide", "sus2-universal-pbe", "mgo"),
)


def _other(name: str) -> str:
    return name.replace("-pbe", "-r2scan")


EXPLANATION = (
    "Density functional theory is exact; the functional that is put into it is not. **PBE** binds a little too "
    "weakly, so its crystals come out too large and too soft. **r²SCAN** also looks at the kinetic energy "
    "density, and binds more tightly. Our potentials come in pairs, trained on the same structures with the "
    "energies of one functional and of the other: what differs between them is the functional, as far as the "
    "training could follow it."
)


def show() -> None:
    st.markdown("Two functionals, the same crystals: which comes closer to the measured volumes?")
    _volumes()
    st.markdown(EXPLANATION)
    st.markdown(
        "**Volume first, everything else after it.** A crystal that is held smaller vibrates faster. So part of what "
        "the functional does to phonons it does through the volume. Move along the axis of volume to tell the two "
        "apart."
    )
    example = parts.choose(EXAMPLES, key="l6_crystal")
    body, foot = st.container(), st.container()
    with foot:
        found = parts.kept(
            "functional",
            functional_change,
            atoms=example.atoms(),
            potentials=[parts.model(example.model), parts.model(_other(example.model))],
        )
    if found is not None:
        with body:
            _frequencies(found, example)
    _questions(found)
    if found is not None:
        _break(found, example)
    parts.links(
        (
            (
                "compare",
                f"Everything compared for {example.label.lower()}",
                "compare_arrows",
                example.key(),
                example.model,
            ),
            ("compare", "Gallium nitride", "compare_arrows", "gan", "sus2-universal-pbe"),
            ("transfer", "Teach a potential a new functional", "school", example.key(), example.model),
        )
    )


def _volumes() -> None:
    body, foot = parts.places()
    with foot:
        found = parts.kept("volumes", functional_volumes, **volumes_arguments(parts.model))
    if found is None:
        return
    with body:
        mean, absolute = found.errors_percent.mean(axis=1), found.mean_absolute_percent
        left, right = parts.beside()
        with right:
            parts.numbers(
                tuple(
                    (f"{name}: mean error", parts.signed(mean[k], 1), f"%, absolute {absolute[k]:.1f} %", "")
                    for k, name in enumerate(found.functionals)
                )
            )
            st.caption(
                "Measured lattice constants at room temperature, without a correction for zero-point motion and heat, "
                "which enlarge a crystal by about half a percent to one percent."
            )
        with left:
            frame.plot(
                errors_figure(
                    labels=found.labels,
                    names=found.functionals,
                    errors_percent=found.errors_percent,
                    title="volume against experiment (%)",
                    mode=frame.mode(),
                    height=parts.HEIGHT,
                ),
                key="l6_volumes",
                alt="Errors of the volumes of eleven crystals in both functionals",
                name="lesson-volumes",
            )


@parts.live
def _frequencies(found: FunctionalChange, example: parts.Example) -> None:
    first, second = found.functionals
    own = found.own_a3_per_atom
    v = st.slider(
        "Volume (Å³/atom)",
        float(np.ceil(100 * found.volumes_a3[0]) / 100),
        float(np.floor(100 * found.volumes_a3[-1]) / 100),
        round(float(own[0]), 2),
        0.01,
        key=f"l6_volume_{example.sample}",
        bind="query-params",
    )
    highest, pressure = found.at(v)
    frame.plot(
        functional_figure(
            volumes_a3=found.volumes_a3,
            highest_thz=found.highest_thz,
            names=found.functionals,
            own_a3=(float(own[0]), float(own[1])),
            own_thz=(float(found.at(float(own[0]))[0][0]), float(found.at(float(own[1]))[0][1])),
            given_a3=found.given_a3_per_atom,
            at_volume_a3=v,
            mode=frame.mode(),
        ),
        key="l6_frequencies",
        alt=f"Highest frequency of {example.label} against volume in {first} and {second}",
        name="lesson-functional",
    )
    parts.numbers(
        (
            (f"{first} at this volume", parts.plain(highest[0], 2), f"THz at {parts.plain(pressure[0], 1)} GPa", ""),
            (f"{second} at this volume", parts.plain(highest[1], 2), f"THz at {parts.plain(pressure[1], 1)} GPa", ""),
            ("Force constants alone", parts.signed(100 * (highest[1] / highest[0] - 1), 1), "%", ""),
        )
    )
    total, same, rest = found.frequency_shares_percent
    st.markdown(
        f"From rest to rest the highest frequency of {example.label.lower()} changes by **{parts.signed(total, 1)} "
        f"%**: {parts.signed(same, 1)} % from the force constants at one volume and {parts.signed(rest, 1)} % because "
        f"its volume changes by {parts.signed(found.volume_change_percent, 1)} %. The bulk modulus goes from "
        f"{found.b0_gpa[0]:.0f} to {found.b0_gpa[1]:.0f} GPa."
    )


def _questions(found: FunctionalChange | None) -> None:
    split = ""
    if found is not None:
        total, _, rest = found.frequency_shares_percent
        split = f" Here the volume makes {parts.signed(rest, 1)} of {parts.signed(total, 1)} %."
    parts.questions(
        (
            (
                "Why does a smaller volume nearly always mean higher frequencies?",
                "The wall of the valley is steeper than its floor (lesson 1): squeezed atoms sit where the springs "
                "are stiffer. The slope of the curves above, $-\\,d\\ln f/d\\ln V$, is a Grüneisen parameter, "
                "usually 1 to 2.",
            ),
            (
                "You compare the phonons of two functionals. At which volume should you?",
                "Say which. At its own volume each tells what the functional predicts for the crystal; at one common "
                "volume the "
                "difference is that of the force constants alone. The compare page shows both." + split,
            ),
            (
                "A functional gives a better volume. Does it give better phonons?",
                "Often, because of the volume; not always, because the curve itself may lie too high or too low. At "
                "the measured volume the two curves can even change their order.",
            ),
            (
                "Which differences here should you not believe?",
                "Those that are smaller than the error of the potentials against their own training data, which is "
                "on the card of each potential and in the validation tables. Volumes are learned much better than "
                "frequencies.",
            ),
        )
    )


def _break(found: FunctionalChange, example: parts.Example) -> None:
    with parts.break_it(
        "**Subtract energies of two functionals.** Each functional has its own zero of energy. Still, the raw numbers "
        "have the same unit, and nothing stops you from taking their difference for a difference in binding."
    ):
        raw = found.raw_ev_per_atom
        formation = found.formation_ev_per_atom
        known = bool(np.isfinite(formation).all()) and found.n_elements > 1
        right = float(formation[1] - formation[0])
        parts.numbers(
            (
                *(
                    (f"Raw energy, {name}", parts.plain(raw[k], 3), "eV/atom", "")
                    for k, name in enumerate(found.functionals)
                ),
                ("Their difference", parts.signed(float(raw[1] - raw[0]), 3), "eV/atom", "wrong"),
                (
                    "Change of the formation energy",
                    parts.signed(right, 3) if known else "0 by definition" if found.n_elements == 1 else "—",
                    "eV/atom" if known else "",
                    "right",
                ),
            )
        )
        if known:
            factor = abs((raw[1] - raw[0]) / right)
            st.markdown(
                f"The difference of the raw energies is {factor:.0f} times that of the formation energies, each taken "
                "against the elements in the same functional: "
                + ", ".join(f"{parts.plain(f, 3)} ({n})" for f, n in zip(formation, found.functionals, strict=True))
                + " eV/atom. What is left over belongs to the atoms, not to the crystal."
            )
        else:
            st.markdown(
                f"{example.label} is an element: measured from its own crystal its energy is zero in every functional. "
                "Choose a compound to see what is left."
            )
