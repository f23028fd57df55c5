"""Make a potential: for the chosen crystal, from a teacher's labels; or from one's own labelled frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages._parts import frame
from pages.potentials._card_words import typeset
from sus2.errors import Sus2Error, counted
from sus2.figures.studies.specialise import errors_figure, parity_figure
from sus2.progress import Parity
from sus2.settings import settings
from sus2.structures import with_subscripts
from sus2.training.frames.files import FORMATS
from sus2.training.frames.fit import fit_frames
from sus2.training.quick_fit.parity import ENERGY, FORCE, STRESS
from sus2.training.specialise.loop import MAX_ATOMS, specialise
from sus2.training.specialise.teachers import DEFAULT, Offer, offers

GRAPHS = {
    "l2k2": "l2k2: smallest, fastest",
    "l2k3": "l2k3",
    "l3k3": "l3k3: the usual size for one crystal",
}
SPLITS = {"auto": "automatic", "time": "by time", "composition": "by composition"}


def take(card: Any, text: str, key: str, calculation: str) -> None:
    """Offer to choose a finished potential on every page, a link that gives it to others, and its files."""
    name = frame.made.name_of(card)
    address = frame.made.address(name, calculation)
    left, right = st.columns([1, 3], vertical_alignment="center")
    if st.session_state.get("model_name") == name:
        left.markdown(f"**{frame.plain(name)}** is chosen.")
    elif left.button("Use this potential", key=f"use_{key}", type="primary"):
        st.session_state["wanted_model"] = name
        st.rerun()
    with right:
        frame.downloads(
            [
                ("Potential", f"{card.name}.mtp", "text/plain", lambda: text),
                ("Card", f"{card.name}.json", "application/json", lambda: card.model_dump_json(indent=1)),
            ],
            key=f"files_{key}",
        )
    st.caption(
        f"It can be chosen on every page, in this session alone. Whoever opens this [link](<{address}>) gets it too, "
        "for as long as this server keeps the result."
    )
    st.page_link("pages/potentials/compare.py", label="Compare it", icon=":material/compare_arrows:")
    st.page_link("pages/potentials/check.py", label="Check it for this crystal", icon=":material/fact_check:")


def kept(shown: Any) -> None:
    """Let the panel at the left know potentials that are new to this session."""
    if frame.made.keep(shown):
        st.rerun()


def live(points: Sequence[Mapping[str, float]], parity: Parity) -> None:
    """Held-out structures while the fit goes on: their labels and predictions now, and the errors so far."""
    parities("live", {name: np.array(values) for name, values in parity.items()}, 280)
    if len(points) < 2:
        return
    frame.plot(
        errors_figure(
            x=[p["seconds"] for p in points],
            curves={
                "energies (meV/atom)": [p["energy_mev_per_atom"] for p in points],
                "forces (meV/Å)": [p["force_mev_per_a"] for p in points],
            },
            label="Seconds",
            mode=frame.mode(),
        ),
        key="specialise_live",
        alt="Errors on held-out structures so far, against time",
        name="errors-so-far",
    )


def shown_number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "–"


def student(found: Any, teacher: str, key: str) -> None:
    """One specialised potential: its crystal beside the teacher's, its errors, what was not reached."""
    card = found.card
    st.subheader(f"{found.functional}")
    off = [b for b in found.table if math.isfinite(b.deviation_percent)]
    worst = max((abs(b.deviation_percent) for b in off), default=float("nan"))
    st.markdown(
        f"Made from {counted(found.structures, 'structure')} labelled by {frame.plain(teacher)}. The "
        f"numbers below deviate from the teacher's by at most {shown_number(worst)} %."
    )
    for sentence in found.shortfalls:
        st.warning(frame.plain(sentence))
    frame.table(
        [
            {
                "quantity": with_subscripts(b.quantity),
                "teacher": shown_number(b.teacher),
                "potential": shown_number(b.student),
                "spread": shown_number(b.spread),
                "deviation (%)": shown_number(b.deviation_percent),
                "unit": b.unit,
            }
            for b in found.table
        ],
        key=f"table_{found.functional}",
    )
    errors = found.errors
    where, label = (
        ("held_out", "structures held out")
        if "held_out_energy_mae_mev_per_atom" in errors
        else (
            "train",
            "the structures that it was fitted to",
        )
    )
    st.caption(
        f"On {label}: energies {errors[f'{where}_energy_mae_mev_per_atom']:.2f} meV/atom, forces "
        f"{errors[f'{where}_force_mae_mev_per_a']:.1f} meV/Å. Spread: over a committee of readouts. Against "
        "experiment, the errors of the teacher and of the functional come on top."
    )
    take(card, found.text, found.functional, key)


def choice_of_teacher() -> Offer:
    """Who labels, whether it is there, and how to get it."""
    known = {o.name: o for o in offers()}
    names = sorted(known, key=lambda n: (bool(known[n].missing), n != DEFAULT, n))
    chosen = st.selectbox(
        "Teacher",
        names,
        format_func=lambda n: f"{n} (not installed)" if known[n].missing else n,
        key="specialise_teacher",
        help="Who labels the structures. A teacher that is nearer to DFT makes a better potential and takes longer.",
    )
    offer = known[chosen]
    if offer.missing:
        st.info(frame.plain(offer.missing))
    elif offer.errors:
        st.caption(f"{' and '.join(offer.functionals)} · {frame.plain(typeset(offer.errors))}")
    return offer


def for_this_crystal() -> None:
    with frame.guard():
        crystal = frame.crystal()
        if len(crystal.atoms) > MAX_ATOMS:
            raise Sus2Error(
                f"The crystal has {len(crystal.atoms)} atoms; potentials are made for cells of up to "
                f"{MAX_ATOMS}: choose "
                "a smaller one, or train on your own frames."
            )
        left, right = st.columns(2, gap="large")
        with left:
            offer = choice_of_teacher()
        with right:
            wanted = st.multiselect(
                "Functionals",
                list(offer.functionals),
                default=list(offer.functionals)[:1],
                key=f"functionals_{offer.name}",
            )
            budget = st.slider("Seconds", 20, 600, 60, 10, key="specialise_budget")
        with st.expander("More settings"):
            spread = st.number_input(
                "Spread of elastic constants that is good enough (%)", 0.5, 50.0, 4.0, key="sp_spread"
            )
            graph = st.selectbox("Size", list(GRAPHS), index=2, format_func=GRAPHS.get, key="sp_graph")
            rivals = st.checkbox(
                "Also the ground states of its elements and other prototypes of its composition", key="sp_rivals"
            )
            seed = st.number_input("Seed", 0, 10**6, 0, key="sp_seed")
        if offer.missing or not wanted:
            return
        shown = frame.ask(
            specialise,
            auto=False,
            name="specialise",
            button="Compute",
            page="Make a potential",
            live=live,
            atoms=crystal.atoms,
            teacher=offer.name,
            functionals=tuple(wanted),
            budget_s=float(budget),
            spread_percent=float(spread),
            graph=graph,
            rivals=rivals,
            seed=int(seed),
        )
        if shown is None:
            return
        kept(shown)
        result = shown.result
        for notice in result.notices:
            st.info(frame.plain(notice))
        if len(result.rounds) > 1:
            frame.plot(
                errors_figure(
                    x=[r.seconds for r in result.rounds],
                    curves={
                        "energies (meV/atom)": [r.energy_mev_per_atom for r in result.rounds],
                        "forces (meV/Å)": [r.force_mev_per_a for r in result.rounds],
                    },
                    label="Seconds",
                    mode=frame.mode(),
                ),
                key="specialise_rounds",
                alt="Errors on held-out structures against time",
                name="specialise-errors",
            )
        for one in result.students:
            student(one, result.teacher, shown.stored.key)


def own_data() -> None:
    with frame.guard():
        uploaded = st.file_uploader(
            f"Labelled frames: {', '.join(FORMATS)}",
            key="frames_file",
            max_upload_size=settings().max_archive_mb,
            help="Energies, forces and, where there are any, stresses of DFT or AIMD. Recognised by content.",
        )
        left, right = st.columns(2)
        functional = left.text_input("Functional of the labels", "PBE", key="frames_functional")
        budget = right.slider("Seconds", 20, 600, 90, 10, key="frames_budget")
        with st.expander("More settings"):
            split = st.selectbox("Hold out", list(SPLITS), format_func=SPLITS.get, key="frames_split")
            graph = st.selectbox(
                "Size",
                ["auto", *GRAPHS],
                format_func=lambda g: "by the number of atoms" if g == "auto" else GRAPHS[g],
                key="frames_graph",
            )
            elements = st.text_input("Elements in type order (.cfg alone)", key="frames_elements", placeholder="Ga As")
            each = st.checkbox("Give each of two groups of energies a zero of its own", key="frames_zeros")
            curve = st.checkbox("How much data do I need? (a learning curve)", True, key="frames_curve")
        if uploaded is None:
            st.info("Upload a file to begin.")
            return
        shown = frame.ask(
            fit_frames,
            auto=False,
            name="fit_frames",
            button="Compute",
            live=live,
            frames=frame.contents(uploaded),
            label=uploaded.name[:80],
            functional=functional or "not stated",
            elements=elements.replace(",", " ").split() or None,
            split=split,
            zeros="each" if each else "refuse",
            budget_s=float(budget),
            graph=None if graph == "auto" else graph,
            learning=curve,
        )
        if shown is None:
            return
        kept(shown)
        fitted(shown.result, shown.stored.key)


def fitted(result: Any, key: str) -> None:
    """A potential from frames: errors, parity, learning curve."""
    for notice in result.notices:
        st.warning(frame.plain(notice))
    last = result.learning[-1]
    st.markdown(
        f"{result.frames[0]:,} frames fitted, {result.frames[1]:,} held out by {result.split}: energies "
        f"**{last.energy_mev_per_atom:.2f} meV/atom**, forces **{last.force_mev_per_a:.1f} meV/Å**"
        + (f", stresses **{last.stress_gpa:.2f} GPa**" if math.isfinite(last.stress_gpa) else "")
        + " off on average."
    )
    take(result.card, result.text, "frames", key)
    for points, label, key, alt in (
        (result.history, "Seconds", "frames_history", "Errors on held-out frames against time"),
        (result.learning, "Frames that it was fitted to", "frames_learning", "Learning curve of these frames"),
    ):
        if len(points) < 2:
            continue
        x = [p.seconds for p in points] if key == "frames_history" else [float(p.frames) for p in points]
        frame.plot(
            errors_figure(
                x=x,
                curves={
                    "energies (meV/atom)": [p.energy_mev_per_atom for p in points],
                    "forces (meV/Å)": [p.force_mev_per_a for p in points],
                },
                label=label,
                mode=frame.mode(),
            ),
            key=key,
            alt=alt,
            name=key.replace("_", "-"),
        )
        if key == "frames_learning":
            st.markdown(frame.plain(result.verdict))
    parities(
        "frames",
        {ENERGY: result.energies_ev_per_atom, FORCE: result.forces_ev_per_a, STRESS: result.stresses_gpa},
    )


def parities(where: str, found: Mapping[str, Any], height: int = 360) -> None:
    """Predictions of held-out structures against their labels, one plot for each quantity that has any."""
    kinds = [(name, values) for name, values in found.items() if values.size]
    if not kinds:
        return
    for column, (title, values) in zip(st.columns(len(kinds)), kinds, strict=True):
        name, unit = title.removesuffix(")").split(" (")
        with column:
            frame.plot(
                parity_figure(
                    labels=values[0], predicted=values[1], quantity=name, unit=unit, mode=frame.mode(), height=height
                ),
                key=f"parity_{where}_{name.lower()}",
                alt=f"{name} of held-out structures, predicted against the label",
                name=f"parity-{name.lower()}",
            )


frame.title(
    "Make a potential",
    "One potential for 89 elements cannot be right everywhere; one for a single crystal can. A larger potential, the "
    "teacher, labels structures around your crystal, and a small one is fitted to them while you wait. Or fit one to "
    "your own DFT frames.",
)
frame.tabs(
    {"For this crystal": for_this_crystal, "From my own data": own_data},
    key="specialise_tab",
    keep=["specialise_teacher", "specialise_budget", "sp_spread", "sp_graph", "sp_rivals", "sp_seed", "frames_budget"],
)
