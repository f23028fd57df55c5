"""Lesson 4: phonons, acoustic branches and sound."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.waves import chain_figure, sound_figure, two_bands_figure
from sus2.lessons.first import SIZES
from sus2.lessons.sound import Sound, sound, supercell_study
from sus2.units import THZ_A_TO_M_PER_S

TITLE = "Phonons, chains and sound"
EXAMPLES = (
    parts.Example("Aluminium", "sus2-universal-pbe", "al"),
    parts.Example("Copper", "sus2-universal-pbe", "cu"),
    parts.Example("Molybdenum", "sus2-universal-pbe", "mo"),
    parts.Example("Tungsten", "sus2-universal-pbe", "w"),
)
DIRECTIONS = {"[100]": (1.0, 0.0, 0.0), "[110]": (1.0, 1.0, 0.0), "[111]": (1.0, 1.0, 1.0)}


EXPLANATION = (
    "A phonon is a wave of moving atoms. When the wave is long, neighbouring atoms move almost together and the "
    "crystal does not notice that it is made of atoms: the wave is **sound**, and its speed follows from "
    "stiffness and density alone. When the wave is a few atoms long, they notice: it slows down, and at the edge "
    "of the zone, where neighbouring planes move against each other, it stands still. So there are two ways to "
    "one number: the slope of the acoustic branch at Γ, from the forces between atoms, and the speed of sound, "
    "from the elastic constants."
)


def show() -> None:
    st.markdown("When is a wave of moving atoms sound, and when do the atoms notice? Make the wave shorter.")
    with st.container(horizontal=True, key="l4_choices"):
        example = parts.choose(EXAMPLES, key="l4_crystal", narrow=True)
        direction = parts.pick("Direction", list(DIRECTIONS), key="l4_direction", narrow=True)
    body, foot = parts.places()
    with foot:
        found = parts.kept(
            "sound",
            sound,
            atoms=example.atoms(),
            potential=parts.model(example.model),
            direction=list(DIRECTIONS[direction]),
        )
    st.markdown(EXPLANATION)
    if found is None:
        return
    with body:
        _branches(found, example, direction)
    _chain(found, example, direction)
    _questions(found)
    _break(example)
    parts.links(
        (
            ("phonons", f"All phonons of {example.label.lower()}", "waves", example.key(), example.model),
            ("elasticity", "Sound and Debye temperature", "compress", example.key(), example.model),
            ("phonons", "Silicon: optical branches too", "waves", "si", "si-mlearn-pbe"),
        )
    )


@parts.live
def _branches(found: Sound, example: parts.Example, direction: str) -> None:
    points = range(len(found.q_per_a))
    left, right = parts.beside()
    at = right.select_slider(
        "Wavelength, from long waves to the edge of the zone",
        points,
        len(points) // 2,
        format_func=lambda k: f"{1 / found.q_per_a[k]:.1f} Å",
        key=f"l4_wave_{example.sample}_{direction}",
        bind="query-params",
    )
    speed, wave = found.apparent_m_per_s(at), 1.0 / found.q_per_a[at]
    with right:
        parts.numbers(
            (
                ("Compression: slope at Γ", parts.plain(found.slope_m_per_s[2], 0), "m/s", "right"),
                ("from the elastic constants", parts.plain(found.elastic_m_per_s[2], 0), "m/s", "right"),
                (f"at a wavelength of {wave:.1f} Å", parts.plain(speed[2], 0), "m/s", ""),
                ("so slower than sound by", parts.plain(100 * (1 - speed[2] / found.slope_m_per_s[2]), 1), "%", ""),
            )
        )
    with left:
        frame.plot(
            sound_figure(
                q_per_a=found.q_per_a,
                frequencies_thz=found.frequencies_thz,
                speeds_thz_a=found.elastic_m_per_s / THZ_A_TO_M_PER_S,
                at=at,
                mode=frame.mode(),
                height=parts.HEIGHT,
            ),
            key="l4_branches",
            alt=f"Acoustic branches of {example.label} along {direction} and straight lines of sound",
            name="lesson-sound",
        )
    shear = found.slope_m_per_s
    agreement = "0.001" if found.difference_percent < 1e-3 else f"{found.difference_percent:.1g}"
    st.caption(
        f"{example.label} in {example.model} along {direction}. Shear waves: {shear[0]:.0f} and {shear[1]:.0f} m/s. "
        f"The two ways differ by at most {agreement} % over the three waves: both are exact second derivatives of one "
        "energy, taken along different roads."
    )


@parts.live
def _chain(found: Sound, example: parts.Example, direction: str) -> None:
    st.markdown(
        f"**A chain of planes.** Along {direction} whole lattice planes, {found.plane_distance_a:.2f} Å apart, move as "
        "one. So this branch is that of a chain of masses and springs,"
    )
    st.latex(r"(2\pi f)^2 = \sum_p \frac{4K_p}{m}\,\sin^2(\pi\,p\,d\,q)")
    st.markdown(
        "with a spring to the first, second, ... plane. With one spring it is the chain of the textbook. Add springs "
        "until it is the crystal."
    )
    springs = st.slider("Springs to how many planes", 1, 8, 1, key="l4_springs", bind="query-params")
    chain = found.chain(springs)
    frame.plot(
        chain_figure(
            q_per_a=found.q_per_a,
            branch_thz=found.frequencies_thz[:, 2],
            chain_thz=chain.frequencies_thz,
            neighbours=springs,
            mode=frame.mode(),
        ),
        key="l4_chain",
        alt=f"Compression wave of {example.label} and of a chain with springs to {springs} planes",
        name="lesson-chain",
    )
    parts.numbers(
        (
            ("Off from the branch (rms)", parts.plain(chain.rms_thz, 3), "THz", ""),
            ("Speed of sound of the chain", parts.plain(chain.speed_m_per_s, 0), "m/s", ""),
            ("of the crystal", parts.plain(found.slope_m_per_s[2], 0), "m/s", "right"),
        )
    )


def _questions(found: Sound) -> None:
    exact = next((n for n in range(1, 13) if found.chain(n).rms_thz < 1e-3), None)
    words = f" Here {exact} planes are enough." if exact is not None else ""
    parts.questions(
        (
            (
                "Why are there exactly three branches that start at zero?",
                "Move the whole crystal along x, y or z and no spring changes its length: three motions cost "
                "nothing. A wave long enough looks like such a motion everywhere.",
            ),
            (
                "Why does the branch arrive flat at the edge of the zone?",
                "There neighbouring planes move against each other. A wave a little shorter is the same motion of "
                "the atoms as one a little longer running backwards, so the frequency has an extremum and the wave "
                "carries nothing: it stands.",
            ),
            (
                "After how many springs must the chain be exact, and why?",
                "The potential has a cutoff: an atom feels another directly, or through one atom in between, up to "
                "twice the cutoff. "
                "Planes farther apart than that have no spring at all." + words,
            ),
            (
                "Sound in metals is around 5 km/s and atoms are 0.3 nm apart. Which frequency scale follows?",
                "$v/(2d)$ with $d$ = 0.2 nm is about 10 THz, the top of the figure. It is the reason why lattice "
                "vibrations absorb infrared light and why a few hundred kelvin are enough to excite them all.",
            ),
        )
    )


def _break(example: parts.Example) -> None:
    with parts.break_it(
        "**Too small a supercell.** Most programs displace an atom in a supercell and read the forces. If the cell is "
        "small the atom pushes its own images, and forces that should belong to different distances are added up."
    ):
        size = st.segmented_control(
            "Supercell, primitive cells along each axis",
            SIZES,
            format_func=lambda n: f"{n} × {n} × {n}",
            default=2,
            required=True,
            key="l4_size",
        )
        body, foot = st.container(), st.container()
        with foot:
            study = parts.kept(
                "supercell",
                supercell_study,
                atoms=example.atoms(),
                potential=parts.model(example.model),
                sizes=list(SIZES),
            )
        if study is None:
            return
        k = SIZES.index(size)
        with body:
            frame.plot(
                two_bands_figure(
                    distance_per_a=study.distance_per_a,
                    segments=study.segments,
                    ticks=study.ticks,
                    bands_thz={"exact": study.exact_thz, f"{size} × {size} × {size}": study.finite_thz[k]},
                    mode=frame.mode(),
                ),
                key="l4_supercell",
                alt=f"Phonons of {example.label}, exact and from a supercell of {size} cells along each axis",
                name="lesson-supercell",
            )
            parts.numbers(
                (
                    ("Where it is worst: exact", parts.plain(study.worst_thz(k)[0], 2), "THz", "right"),
                    ("in your supercell", parts.plain(study.worst_thz(k)[1], 2), "THz", "wrong"),
                    ("Width of your cell", parts.plain(float(study.widths_a[k]), 1), "Å", "wrong"),
                    ("Twice the cutoff", parts.plain(study.reach_a, 1), "Å", "right"),
                )
            )
            st.caption(
                "A small supercell is right at the waves that fit into it; between them the frequencies are a guess. "
                "With one cell nothing is left of sound: every atom moves like its images."
            )
