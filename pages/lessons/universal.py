"""Lesson 2: the universal equation of state, and the same idea for pairs in SUS2."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.universal import diagonal_figure, pairs_figure, two_curves_figure, universal_figure
from sus2.lessons.first import STRETCH, UNIVERSAL_MODEL
from sus2.lessons.pairs import pair_scaling, shared_scaling
from sus2.properties.eos.universal import UniversalEos, UniversalMaterial, universal_energy, universal_eos
from sus2.studies.tables import read_table, table_path

TITLE = "One curve for all crystals"
MODELS = (
    UNIVERSAL_MODEL,
    "sus2-universal-r2scan",
)
TOO_FAR = 1.45
PAIRS_MODEL = "sus2-universal-pbe"
PAIRS = ("Cu-Cu", "Al-Al", "Al-Cu", "W-W", "Li-Li", "Pb-Pb")
COVALENT = frozenset(("B", "C", "Si", "Ge"))
NON_METALS = frozenset(("N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"))
UNSHARED = (
    parts.Example("Copper", PAIRS_MODEL, "cu"),
    parts.Example("Aluminium", PAIRS_MODEL, "al"),
    parts.Example("Magnesium", PAIRS_MODEL, "mg"),
    parts.Example("Tungsten", PAIRS_MODEL, "w"),
)


def group(material: UniversalMaterial) -> str:
    """What kind of crystal it is, for its colour."""
    if not material.bonded:
        return "beyond the cutoff"
    elements = set(material.elements)
    if elements <= COVALENT or ({"Ga", "As"} == elements):
        return "covalent crystals"
    if elements & NON_METALS:
        return "ionic crystals"
    return "metals" if len(elements) == 1 else "intermetallics"


def show() -> None:
    st.markdown("The energy curves of crystals look nothing alike. Are they one curve? Move both sliders to 1.")
    name = parts.pick("Potential", MODELS, key="l2_model")
    body, foot = parts.places()
    with foot:
        found = parts.kept("universal", universal_eos, potential=parts.model(name), stretch=STRETCH)
    _explanation()
    if found is not None:
        with body:
            _collapse(found)
        _depths(found)
    _pairs()
    _questions(found)
    _break(name, found)
    parts.links(
        (
            ("eos", "E(V) of tungsten with the Rose equation", "show_chart", "w", "sus2-universal-pbe"),
            ("eos", "E(V) of sodium chloride", "show_chart", "nacl", "sus2-universal-pbe"),
            ("models", "The potentials and where not to trust them", "grid_view", "cu", name),
        )
    )


def _explanation() -> None:
    st.markdown(
        "Tungsten is bound eight times as tightly as sodium and lead is far softer than iridium. Rose, Smith, Guinea "
        "and Ferrante found in 1984 that their curves are all **one curve**. Give each crystal a length *l* of its "
        "own and an energy Δ*E* of its own, and measure the radius *r* of the volume of an atom and its energy in "
        "them:"
    )
    for column, formula in zip(
        st.container(key="l2_formulas").columns([2, 4, 3]),
        (
            r"a^* = \frac{r-r_0}{l}",
            r"E^* = \frac{E}{\Delta E} = -(1+a^*+0.05\,a^{*3})\,e^{-a^*}",
            r"l=\sqrt{\frac{\Delta E}{12\pi B_0 r_0}}",
        ),
        strict=True,
    ):
        column.latex(formula)
    st.markdown(
        "The curves here are computed with our own potentials, none of which was told about this law for crystals."
    )


@parts.live
def _collapse(found: UniversalEos) -> None:
    left, right = parts.beside()
    length = right.slider("Own length: 0 none, 1 all of it", 0.0, 1.0, 0.0, 0.05, key="l2_length", bind="query-params")
    energy = right.slider("Own energy: 0 none, 1 all of it", 0.0, 1.0, 0.0, 0.05, key="l2_energy", bind="query-params")
    labels = [m.label for m in found.materials]
    marked = right.selectbox(
        "Mark one", labels, labels.index("W") if "W" in labels else 0, key=f"l2_{found.potential_name}"
    )
    material = next(m for m in found.materials if m.label == marked)
    common_length, common_depth = found.common
    scaled = length == energy == 1.0
    a = np.linspace(-0.4, 2.0, 121)
    with right:
        parts.numbers(
            (
                ("Spread on one common scale", parts.plain(found.spread_percent(0.0, 0.0), 1), "%", ""),
                (
                    "Spread at your sliders",
                    parts.plain(found.spread_percent(length, energy), 1),
                    "%",
                    "right" if length == energy == 1.0 else "",
                ),
                (f"l of {marked}", parts.plain(material.length_a, 3), "Å", ""),
                (f"ΔE of {marked}", parts.plain(material.depth_ev_per_atom, 2), "eV/atom", ""),
            )
        )
    with left:
        frame.plot(
            universal_figure(
                curves=[
                    (m.label, group(m), *found.curve(m, length, energy))
                    for m in sorted(found.materials, key=lambda m: m.label == marked)
                    if m.bonded
                ],
                line=(a, universal_energy(a)) if scaled else None,
                x_title="a* = (r − r<sub>0</sub>) / l" if length == 1.0 else "(r − r<sub>0</sub>) / length",
                y_title="E* = E / ΔE" if energy == 1.0 else "energy / energy scale",
                highlighted=marked,
                mode=frame.mode(),
                height=parts.HEIGHT,
            ),
            key="l2_collapse",
            alt=f"Energy curves of {len(found.materials)} crystals at the chosen scaling",
            name="lesson-universal",
        )
    bonded = [m for m in found.materials if m.bonded]
    st.caption(
        f"{len(bonded)} crystals stretched to {100 * (found.stretch - 1):.0f} % longer. At slider 0 lengths are "
        f"divided by {common_length:.3f} Å and energies by {common_depth:.2f} eV/atom for all of them, the geometric "
        "means. Spread: standard deviation between the curves over −0.2 < a* < 1.1 in percent of the rise of their "
        f"mean. Scaled, they follow the universal curve to {found.median_deviation:.4f} ΔE (median rms)."
    )


def _depths(found: UniversalEos) -> None:
    ratios = found.depth_ratios
    if len(ratios) < 3:
        return
    st.markdown(
        "**The scale means something.** ΔE was fitted to the shape of a curve that ends at "
        f"{100 * (found.stretch - 1):.0f} % stretch, long before the atoms are free. Yet it should be the cohesive "
        f"energy, what it costs to part the crystal into atoms. Against the measured ones, over {len(ratios)} "
        f"elements, the median of the ratio is **{np.median(ratios):.2f}**; a quarter lies below "
        f"{np.percentile(ratios, 25):.2f} and a quarter above {np.percentile(ratios, 75):.2f}."
    )
    frame.plot(
        diagonal_figure(
            labels=[m.label for m in found.measured],
            x=[m.cohesive_ev_per_atom or math.nan for m in found.measured],
            y=[m.depth_ev_per_atom for m in found.measured],
            x_title="measured cohesive energy (eV/atom)",
            y_title="fitted ΔE (eV/atom)",
            groups=[group(m) for m in found.measured],
            logarithmic=True,
            line="equal",
            mode=frame.mode(),
        ),
        key="l2_depths",
        alt="Fitted energy scale against the measured cohesive energy of the elements",
        name="lesson-cohesion",
    )
    st.caption("Measured at 0 K: Kittel, Introduction to Solid State Physics, 8th edition, chapter 3, table 1.")


@parts.live
def _pairs() -> None:
    st.subheader("The same idea for pairs of atoms")
    st.markdown(
        "SUS2 takes this from crystals to pairs. An atom sees a neighbour at distance $r$ not through $r$ but through "
        "a number without unit,"
    )
    st.latex(r"\xi = \tanh\!\big(\tfrac{1}{2}\,\alpha_{ij}\,(r - r^0_{ij})\big)")
    st.markdown(
        "in which $r^0$ plays the part of the length at rest and $1/\\alpha$ that of $l$: two numbers for a directed "
        "pair of elements. Everything that follows is one polynomial of ξ, **shared by all pairs** up to a factor for "
        "each element."
    )
    chosen = st.multiselect("Pairs, central atom first", PAIRS, PAIRS[:5], key="l2_pairs") or [PAIRS[0]]
    potential = parts.model(PAIRS_MODEL).load()
    which = st.slider(
        "Radial function", 1, potential.spec.radial_funcs_count, 1, key="l2_function", bind="query-params"
    )
    s = pair_scaling(potential, chosen, function=which - 1)
    left, right = st.columns(2)
    for column, place, x, title, line in (
        (left, "l2_by_distance", s.r_a, "distance r (Å)", None),
        (right, "l2_by_xi", s.xi, "scaled distance ξ", (s.line_xi, s.line_values)),
    ):
        with column:
            frame.plot(
                pairs_figure(pairs=s.pairs, x=x, values=s.values, x_title=title, line=line, mode=frame.mode()),
                key=place,
                alt=f"A radial function of {', '.join(s.pairs)} against the {title}",
                name=f"lesson-{place[3:]}",
            )
    rows = {r["variant"]: r for r in read_table(table_path("ablations.csv")) if r["question"] == "volumes"}
    text = (
        f"For its {len(potential.elements)}² directed pairs {PAIRS_MODEL} keeps {s.numbers_scaled:,} numbers; a radial "
        f"function of its own for each pair would take {s.numbers_table:,}. "
    )
    if {"whole", "one-scaling"} <= rows.keys():
        own, one = (float(rows[k]["inside_energy_mae_mev_per_atom"]) for k in ("whole", "one-scaling"))
        text += (
            "And the scaling is worth it: two small potentials trained alike, one with a scaling for each pair and one "
            f"with a single scaling for all, are wrong by {own:.0f} and {one:.0f} meV/atom on the same crystals."
        )
    st.markdown(text)


def _questions(found: UniversalEos | None) -> None:
    spread = "" if found is None else f" Here the spread falls to {found.spread_percent():.1f} %, not to zero."
    parts.questions(
        (
            (
                "Two numbers were fitted for each crystal. Is the collapse not trivial?",
                "At the bottom it is: the definition of $l$ makes every scaled curve start with $E^* = -1 + "
                "a^{*2}/2$. What "
                "is not trivial is everything after that. A curve of another shape, a parabola or a crystal whose "
                "bonds "
                "break suddenly, would leave the common line as soon as $a^*$ is no longer small." + spread,
            ),
            (
                "Scaling only the energies, or only the lengths, is not enough. Why?",
                "A curve has a depth and a width, and they are independent: lead and magnesium have similar depths "
                "and different widths. Together they fix $B_0 \\propto \\Delta E/(r_0 l^2)$.",
            ),
            (
                "Which B₀′ does the law predict?",
                "$B_0' = 1 + 2.3\\,\\eta/3$ with $\\eta = r_0/l$: a crystal whose well is narrow for its size "
                "stiffens fast. Soft, wide wells have a small B₀′.",
            ),
            (
                "The universal curve has no charges in it. Why do salts follow it too?",
                "Near the minimum the long attraction of charges and the short repulsion add up to a well of the "
                "same shape. Far out they must differ: ions part as $1/r$, and a potential with a cutoff cannot show "
                "that at all.",
            ),
        )
    )


def _break(name: str, found: UniversalEos | None) -> None:
    with parts.break_it(
        f"**Stretch too far.** Pull every crystal {100 * (TOO_FAR - 1):.0f} % longer and keep those whose neighbours "
        "have left the cutoff of the potential. There it has no bonds left to tell of, and its scale is a scale of "
        "nothing."
    ):
        body, foot = st.container(), st.container()
        with foot:
            far = parts.kept(
                "universal_far",
                universal_eos,
                auto=False,
                button="Break it",
                potential=parts.model(name),
                stretch=TOO_FAR,
            )
        if far is not None and found is not None:
            with body:
                lost = [m.label for m in far.materials if not m.bonded]
                frame.plot(
                    universal_figure(
                        curves=[(m.label, group(m), *far.curve(m, 1.0, 1.0)) for m in far.materials],
                        line=(a := np.linspace(-0.4, 2.0, 121), universal_energy(a)),
                        x_title="a*",
                        y_title="E*",
                        mode=frame.mode(),
                        height=420,
                    ),
                    key="l2_far",
                    alt="Scaled curves after too large a stretch",
                    name="lesson-too-far",
                )
                parts.numbers(
                    (
                        (
                            f"Spread, {100 * (STRETCH - 1):.0f} % stretch",
                            parts.plain(found.spread_percent(), 1),
                            "%",
                            "right",
                        ),
                        (
                            f"{100 * (TOO_FAR - 1):.0f} %, all crystals kept",
                            parts.plain(far.spread_percent(include_unbonded=True), 1),
                            "%",
                            "wrong",
                        ),
                        (
                            "Median ΔE / measured",
                            f"{parts.plain(float(np.median(found.depth_ratios)), 2)} → "
                            f"{parts.plain(float(np.median(far.depth_ratios)), 2)}"
                            if len(found.measured)
                            else "—",
                            "",
                            "wrong",
                        ),
                    )
                )
                if lost:
                    st.caption(f"Beyond the cutoff: {', '.join(lost)}.")
    with st.container(border=True):
        st.markdown("**Take the pairs' own scaling away.** Replace each pair's α and r⁰ by the mean of all pairs.")
        _unshared()


@parts.live
def _unshared() -> None:
    example = parts.choose(UNSHARED, key="l2_unshared")
    share = st.slider("Share that is replaced (%)", 0, 100, 25, 5, key="l2_share", bind="query-params") / 100
    s = shared_scaling(example.atoms(), parts.model(example.model).load(), share=share)
    change = s.volume_error_percent
    gone = change != change
    frame.plot(
        two_curves_figure(
            volumes_a3=s.volumes_a3,
            curves={"own scaling": s.own_ev, "partly shared": s.shared_ev},
            minima_a3=(s.own_minimum_a3, s.shared_minimum_a3),
            mode=frame.mode(),
        ),
        key="l2_shared",
        alt=f"E(V) of {example.label} with and without the scaling of each pair",
        name="lesson-shared-scaling",
    )
    parts.numbers(
        (
            ("Volume with each pair's own", parts.plain(s.own_minimum_a3, 2), "Å³/atom", "right"),
            (
                "Volume with the mean",
                "no minimum" if gone else parts.plain(s.shared_minimum_a3, 2),
                "" if gone else "Å³/atom",
                "wrong",
            ),
            ("Change", "—" if gone else parts.signed(change, 1), "%", "wrong"),
        )
    )
    st.caption(
        "The other weights stay as they were trained, so this shows what the scaling carries, not the best "
        "that a potential without it could do."
    )
