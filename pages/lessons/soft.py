"""Lesson 5: an imaginary mode and the phase it leads to."""

from __future__ import annotations

import streamlit as st
from ase.build import bulk

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.waves import two_bands_figure, well_figure
from sus2.figures.structure import structure_figure
from sus2.lessons.first import body_centred_hafnium, neighborite
from sus2.lessons.soft import KNOWN_INSTABILITIES, SoftMode, soft_mode, wrong_cell

TITLE = "An imaginary mode"


EXAMPLES = (
    parts.Example("Hafnium, bcc", "sus2-universal-pbe", build=body_centred_hafnium),
    parts.Example("Aluminium, bcc", "sus2-universal-pbe", build=lambda: bulk("Al", "bcc", a=3.24)),
    parts.Example("NaMgF₃, cubic", "sus2-universal-pbe", build=neighborite),
)
# What is known of these crystals, to judge the model by.
KNOWN = dict(zip((e.label for e in EXAMPLES), ("hafnium", "aluminium", "neighborite"), strict=True))
STABLE = parts.Example("Calcium fluoride", "sus2-universal-pbe", "caf2")


EXPLANATION = (
    "The square of a frequency is a curvature: how fast the energy rises when atoms are moved along the mode. If "
    "it *falls*, the square is negative and the frequency imaginary; it is drawn below zero. Such a crystal does "
    "not vibrate: it stands on a ridge, and the mode points downhill. Follow it, and you arrive at the phase that "
    "the crystal would rather be. Heat can hold it on the ridge; that is how many phase transitions work."
)


def show() -> None:
    st.markdown("What does an imaginary frequency mean, and where does it lead? Move the atoms along the mode.")
    example = parts.choose(EXAMPLES, key="l5_crystal")
    body, foot = parts.places()
    with foot:
        found = parts.kept("soft", soft_mode, atoms=example.atoms(), potential=parts.model(example.model))
    st.markdown(EXPLANATION)
    if found is not None:
        with body:
            _well(found, example)
        _phase(found)
        _nature(found, example)
        _bands(found, example)
    _questions(found)
    _break()
    parts.links(
        (
            ("phonons", "Its modes in motion", "waves", example.key(), example.model),
            ("phonons", "Strontium titanate", "waves", "srtio3", STABLE.model),
            ("check", "Is the potential right here? Check it", "fact_check", example.key(), example.model),
        )
    )


@parts.live
def _well(found: SoftMode, example: parts.Example) -> None:
    reach = float(found.amplitudes_a[-1])
    left, right = parts.beside()
    amplitude = right.slider(
        "Largest displacement (Å)",
        -reach,
        reach,
        0.0,
        0.02,
        key=f"l5_amplitude_{EXAMPLES.index(example)}",
        bind="query-params",
    )
    energy = found.energy_mev_per_atom(amplitude)
    # The curvature of the energy per atom at zero that the frequency stands for, from the points next to it.
    middle = len(found.amplitudes_a) // 2
    step = found.amplitudes_a[middle + 1]
    with left:
        frame.plot(
            well_figure(
                amplitudes_a=found.amplitudes_a,
                energies_mev_per_atom=found.energies_mev_per_atom,
                at_amplitude_a=amplitude,
                at_energy_mev_per_atom=energy,
                parabola_mev_per_atom_a2=float(found.energies_mev_per_atom[[middle - 1, middle + 1]].mean()) / step**2,
                mode=frame.mode(),
                height=parts.HEIGHT,
            ),
            key="l5_well",
            alt=f"Energy of {example.label} along its imaginary mode",
            name="lesson-well",
        )
    with right:
        frame.plot(
            structure_figure(atoms=found.displaced(amplitude), mode=frame.mode(), height=250),
            key="l5_structure",
            alt=f"{example.label} displaced along its imaginary mode by {amplitude:.2f} Å",
            name="lesson-displaced",
        )
        parts.guess(
            f"how far the atoms move to the floor of the well ({example.label})",
            unit="Å",
            highest=2.0,
            answer=found.well_amplitude_a,
            key=f"l5_guess_{EXAMPLES.index(example)}",
        )
    parts.numbers(
        (
            (f"Frequency at {found.mode.label}", f"{abs(found.mode.frequency_thz):.2f} i", "THz", ""),
            (
                "from forces in a supercell",
                f"{abs(found.curvature_thz):.2f}{' i' if found.curvature_thz < 0 else ''}",
                "THz",
                "",
            ),
            ("Energy here", parts.signed(energy, 2), "meV/atom", ""),
            (
                f"Floor of the well, at {found.well_amplitude_a:.2f} Å",
                parts.signed(-found.well_mev_per_atom, 2),
                "meV/atom",
                "",
            ),
        )
    )


def _nature(found: SoftMode, example: parts.Example) -> None:
    """Whether the mode is the one that the crystal is known for."""
    known = KNOWN_INSTABILITIES[KNOWN[example.label]]
    words = f"Known: {known.words} ({known.source})"
    if known.agrees(found):
        st.success(f"{words} The potential says the same.")
    else:
        st.warning(
            f"{words} Here the potential is **wrong**: its strongest mode, at {found.mode.label}, leads to "
            f"{frame.space_groups(found.followed.spacegroup_relaxed)}, which is not what nature does."
        )


def _phase(found: SoftMode) -> None:
    f = found.followed
    if not f.lower:
        st.warning(f.summary)
        return
    lowest = abs(found.followed_lowest_thz)
    further = (
        "All its frequencies are real: it is dynamically stable."
        if found.followed_lowest_thz > -0.05
        else f"It has an imaginary mode itself ({lowest:.1f} i THz), so in this potential the descent goes on."
    )
    st.markdown(
        "**Where it leads.** With cell and atoms set free from the bottom of the well, the crystal becomes "
        f"**{frame.space_groups(f.spacegroup_relaxed)}**, {f.gain_mev_per_atom:.1f} meV/atom below "
        f"{frame.space_groups(f.spacegroup_parent)}. {further}"
    )


def _bands(found: SoftMode, example: parts.Example) -> None:
    with st.expander("The bands it comes from", expanded=False):
        path = found.bands.path
        frame.plot(
            two_bands_figure(
                distance_per_a=path.distance_per_a,
                segments=path.segments,
                ticks=path.ticks,
                bands_thz={example.label: found.bands.frequencies_thz},
                mode=frame.mode(),
            ),
            key="l5_bands",
            alt=f"Phonon bands of {example.label} with imaginary frequencies below zero",
            name="lesson-soft-bands",
        )


def _questions(found: SoftMode | None) -> None:
    depth = (
        ""
        if found is None
        else (
            f" This well is {found.well_mev_per_atom:.1f} meV/atom deep before the cell relaxes, {found.well_k:.0f} K "
            "times Boltzmann's constant."
        )
    )
    parts.questions(
        (
            (
                "Why is the well symmetric in the amplitude, and when is it not?",
                "Moving by +u and by −u gives mirror images of one crystal, so their energies are equal; the new "
                "phase has two (or more) equal domains. Where no symmetry turns +u into −u the well tilts, and the "
                "transition jumps.",
            ),
            (
                "The frequency tells the curvature on the ridge. Does it tell how deep the well is?",
                "No. The dashed parabola follows the ridge alone; what stops the fall are higher powers of the "
                "amplitude, and beyond "
                "them the relaxation of the cell. A barely imaginary mode can end in a deep valley." + depth,
            ),
            (
                "Two programs give an imaginary mode for a crystal that is stable in nature. Name four reasons.",
                "The potential is wrong there; the crystal was not relaxed (break it, below); the supercell was too "
                "small (lesson 4); or nature is warm: the real crystal is held on the ridge by its own vibrations.",
            ),
            (
                "Why must the amplitude be followed in a supercell?",
                "A mode at q = M or X repeats only after two cells: neighbours move in opposite senses. In the "
                "primitive cell alone it cannot even be drawn.",
            ),
        )
    )


def _break() -> None:
    with parts.break_it(
        f"**No relaxation before phonons.** Take the lattice constant of {STABLE.label.lower()} from somewhere else, "
        "from experiment, from another functional, from memory, and compute phonons without relaxing the crystal in "
        "this potential."
    ):
        _wrong()


@parts.live
def _wrong() -> None:
    off = st.slider("Lattice constant off by (%)", -4.0, 5.0, 4.0, 0.5, key="l5_off", bind="query-params")
    study = wrong_cell(STABLE.atoms(), parts.model(STABLE.model).load(), strain_percent=off)
    low, high = study.lowest_thz, study.highest_thz
    path = study.rest.path
    frame.plot(
        two_bands_figure(
            distance_per_a=path.distance_per_a,
            segments=path.segments,
            ticks=path.ticks,
            bands_thz={"relaxed": study.rest.frequencies_thz, "your cell": study.wrong.frequencies_thz},
            mode=frame.mode(),
        ),
        key="l5_wrong",
        alt=f"Phonons of {STABLE.label}, relaxed and in a wrong cell",
        name="lesson-unrelaxed",
    )
    parts.numbers(
        (
            ("Lowest frequency, relaxed", _imaginary(low[0]), "THz", "right"),
            ("in your cell", _imaginary(low[1]), "THz", "wrong"),
            ("Highest, relaxed", parts.plain(high[0], 1), "THz", "right"),
            ("in your cell", parts.plain(high[1], 1), "THz", "wrong"),
            ("Pressure you forgot", parts.plain(study.pressure_gpa, 1), "GPa", "wrong"),
        )
    )
    st.caption(
        "The same trick used on purpose: films of strontium titanate grown on a substrate with a larger lattice "
        "constant become ferroelectric."
    )


def _imaginary(frequency: float) -> str:
    return f"{abs(frequency):.2f} i" if frequency < -0.02 else f"{abs(frequency):.2f}"
