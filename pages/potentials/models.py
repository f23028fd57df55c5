"""Models: what each potential covers, how wrong it is, where not to trust it; and loading one's own."""

from __future__ import annotations

import re

import streamlit as st

from pages._parts import frame
from pages.potentials._card_words import error_rows, property_rows, typeset
from sus2.errors import Sus2Error
from sus2.figures.elements import elements_figure
from sus2.registry.others import plugins
from sus2.registry.others.file_formats import READ, SUFFIXES
from sus2.structures import with_subscripts


def card(model: frame.Model, crystal: frame.Crystal) -> None:
    c = model.card
    st.header(c.name)
    st.markdown(
        f"**{frame.plain(c.functional)}** · {len(c.elements)} {'element' if len(c.elements) == 1 else 'elements'}"
        + (" · your own, kept for this session" if model.is_own else "")
    )
    if c.summary:
        st.markdown(frame.plain(typeset(c.summary)))
    frame.plot(
        elements_figure(covered=c.elements, highlighted=crystal.info.elements, mode=frame.mode()),
        key=f"elements_{c.name}",
        alt=f"Periodic table of the {len(c.elements)} elements that {c.name} covers",
        name=f"{c.name}-elements",
    )
    st.caption(
        f"Filled: elements that the potential covers. Framed: elements of {with_subscripts(crystal.info.formula)}."
    )
    if c.limits != "not stated":
        st.warning(f"**Where not to trust it.** {frame.plain(typeset(c.limits))}")
    st.markdown("**Errors on the structures that it was trained on, and on others**")
    if c.errors:
        frame.table(error_rows(c.errors), key=f"errors_{c.name}")
    else:
        st.markdown("The card states none.")
    if c.properties:
        st.markdown("**Crystals in this potential**")
        frame.table(property_rows(c.properties), key=f"properties_{c.name}")

    def origin() -> None:
        for label, text in (
            ("training data", c.data),
            ("teacher", c.teacher),
            ("licence", c.licence),
            ("SHA-256 of the file", c.sha256),
            ("version", c.version),
            ("made by the plug-in", c.plugin),
        ):
            if text:
                st.markdown(f"*{label}*: {frame.plain(typeset(text))}")
        if c.command:
            st.code(c.command, language="bash")

    frame.folded("Data, licence and how it was made", origin, key=f"fold_{c.name}")


def own_model_form() -> None:
    st.markdown(
        f"A file of {READ}. An `.mtp` file does not name its elements, so give them in the order of its types; the "
        "others name them. It is checked first and kept for this session only."
    )
    with st.form("own_model", border=True):
        uploaded = st.file_uploader("Potential file", key="own_file", max_upload_size=64)
        left, right = st.columns(2)
        elements = left.text_input("Elements in type order (.mtp alone)", key="own_elements", placeholder="Ga As")
        functional = right.text_input("Functional of its data", key="own_functional", placeholder="PBE")
        pressed = st.form_submit_button("Load", type="primary")
    st.markdown(
        "**MACE, SevenNet, MatterSim, Orb, CHGNet and other checkpoints** are files that can run code when they are "
        "opened, so they are never loaded from an upload. Whoever runs this server adds them, as "
        "`docs/extending/potential.md` says: a table `[potentials.NAME]` in the settings file with `factory`, "
        "`weights`, `elements` and `functional`, or a package with an entry point `sus2.potentials`. They then stand "
        "in every list here."
    )
    if not pressed:
        return
    if uploaded is None:
        frame.error("Choose a potential's file first.")
        return
    symbols = re.findall(r"[A-Za-z]+", elements) or None
    stem = next((uploaded.name.removesuffix(s) for s in SUFFIXES if uploaded.name.endswith(s)), uploaded.name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:60] or "own"
    try:
        model = frame.add_model(frame.contents(uploaded), name=name, elements=symbols, functional=functional)
    except Sus2Error as problem:
        frame.error(str(problem))
        return
    st.session_state["loaded_model"] = model.name
    st.session_state["wanted_model"] = model.name
    st.rerun()


# What the table of all models shows of a card's errors: held-out ones before those on the training data.
COMPARED = {
    "energy (meV/atom)": ("test_near_equilibrium_energy_mae_mev_per_atom", "test_energy_mae_mev_per_atom"),
    "forces (meV/Å)": ("test_near_equilibrium_force_mae_mev_per_a", "test_force_mae_mev_per_a"),
    "volume V₀ (%)": ("unseen_crystals_v0_percent", "seen_crystals_v0_percent"),
    "bulk modulus (%)": ("unseen_crystals_b0_percent", "seen_crystals_b0_percent"),
    "elastic constants (%)": ("unseen_crystals_c_percent", "seen_crystals_c_percent"),
    "frequencies at Γ (THz)": ("unseen_crystals_gamma_thz", "seen_crystals_gamma_thz"),
}


def side_by_side(known: list[frame.Model], crystal: frame.Crystal) -> None:
    rows = []
    stated = {label: keys for label, keys in COMPARED.items() if any(k in m.card.errors for m in known for k in keys)}
    for m in known:
        missing = m.missing(crystal.atoms)
        row = {
            "potential": m.name,
            "functional": m.card.functional,
            "elements": len(m.elements),
            f"covers {with_subscripts(crystal.info.formula)}": f"without {' '.join(missing)}" if missing else "yes",
            "trained on": "not stated"
            if m.card.plugin
            else ("DFT" if m.card.teacher == "none" and m.card.errors else m.card.teacher),
        }
        for label, keys in stated.items():
            found = next((m.card.errors[k] for k in keys if k in m.card.errors), None)
            row[label] = "not stated" if found is None else f"{found:.3g}"
        rows.append(row)
    frame.table(rows, key="models_table")
    st.caption(
        "Mean absolute errors on held-out structures near equilibrium, where the card has them, against the data or "
        "the teacher that it was trained on. An error against experiment adds that of the functional."
    )
    one = next((m for m in known if m.is_own and not m.missing(crystal.atoms)), None)
    if one is not None:
        st.markdown(
            f"**{frame.plain(one.name)}** is your own. What it says about "
            f"{with_subscripts(crystal.info.formula)} beside a shipped potential, number by number:"
        )
        st.page_link("pages/potentials/compare.py", label="Compare it", icon=":material/compare_arrows:")
        st.page_link("pages/potentials/check.py", label="Check it for this crystal", icon=":material/fact_check:")


frame.title(
    "Models",
    "Every potential carries a card: what it was trained on, how wrong it was on data it had not seen, and where not "
    "to trust it.",
)
with frame.guard():
    crystal = frame.crystal()
    known = {m.name: m for m in frame.models()}
    for problem in plugins.found().problems:
        st.warning(frame.plain(problem))
    if "loaded_model" in st.session_state:
        st.success(f"{frame.plain(st.session_state.pop('loaded_model'))} is loaded and chosen.")
    cards, together, own = st.tabs(["Cards", "Side by side", "Load your own"])
    with cards:
        if known:
            chosen = st.session_state.get("model_name")
            names = list(known)
            name = st.selectbox(
                "Card", names, index=names.index(chosen) if chosen in names else 0, key=f"card_of_{chosen}", width=420
            )
            card(known[name], crystal)
        else:
            st.info("No potential is installed yet.")
    with together:
        side_by_side(list(known.values()), crystal)
    with own:
        own_model_form()
