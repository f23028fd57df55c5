"""Compare: what the choice of the functional, or of the potential, changes for this crystal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

import sus2
from pages._parts import frame
from pages._parts.widgets import signed
from pages.potentials._compare_many import show_batch
from sus2.comparison.compare import pair_of_functionals
from sus2.comparison.differences import Difference
from sus2.comparison.energies import EnergyScales
from sus2.comparison.references import read_free_atoms
from sus2.comparison.result import Comparison
from sus2.figures.comparison.compare import difference_colour
from sus2.figures.comparison.report import comparison_figures, comparison_html
from sus2.figures.properties.phonons import FREQUENCY_UNITS, FrequencyUnit
from sus2.lessons.glossary import TERMS
from sus2.structures import elements_of
from sus2.trust.digits import digits_of, error_text

MAX_EFFECTS = 4  # of the list beside the first plot; all numbers are under a tab
HEIGHT = 320  # of that plot, which is seen as a whole on a low screen
AUTO_ATOMS = 8  # samples up to this size are compared without waiting for the button
CELLS = {"own": "each in its own relaxed cell", "fixed": "all in one fixed cell"}


def chosen_models(crystal: frame.Crystal) -> list[frame.Model]:
    """The potentials to compare, the first is the reference; a pair of functionals by default."""
    covering = [m for m in frame.models() if not m.missing(crystal.atoms)]
    if len(covering) < 2:
        return covering
    names = [m.name for m in covering]
    # The choice made by hand stays as long as it fits the crystal.
    linked = st.query_params.get_all("compare_potential")
    kept = [n for n in st.session_state.get("compare_chosen", linked) if n in names]
    now = st.session_state.get("model_name") or ""
    pair = pair_of_functionals([m.card for m in covering], elements_of(crystal.atoms), now)
    usual = [c.name for c in pair] if pair else names[:2]
    if len(kept) < 2:
        kept = usual
    functionals = {m.name: m.card.functional for m in covering}
    wanted = st.multiselect(
        "Potentials; the first is the reference",
        names,
        default=kept,
        format_func=lambda n: f"{n} · {functionals[n]}",
        key=f"compare_models_{'_'.join(names)}",
    )
    st.session_state["compare_chosen"] = wanted
    if wanted != linked:
        # As for all settings, the address carries what is not the default.
        st.query_params["compare_potential"] = wanted if wanted != usual else []
    return [next(m for m in covering if m.name == n) for n in wanted]


def settings_panel(box: Any) -> dict[str, Any]:
    with box:
        fixed = st.radio(
            "The one fixed cell",
            ["first", "given"],
            format_func={"first": "the relaxed cell of the first potential", "given": "the cell as given"}.__getitem__,
            horizontal=True,
            key="compare_fixed",
            bind="query-params",
        )
        expansion = st.checkbox(
            "Thermal expansion (quasi-harmonic, slower)",
            False,
            key="compare_expansion",
            bind="query-params",
            help=TERMS["quasi-harmonic approximation"],
        )
        file = st.file_uploader(
            "Energies of free atoms, for cohesive energies",
            key="compare_atoms",
            max_upload_size=1,
            help="CSV with the columns Element, PBE, r2SCAN (or the names of the potentials), in eV, on the scale of "
            "the data that the potentials were fitted to.",
        )
    free = None if file is None else read_free_atoms(frame.contents(file).decode("utf-8", errors="replace"))
    return {"fixed_cell": fixed, "quasi_harmonic": expansion, "free_atoms_ev": free}


def difference_table(comparison: Comparison, rows: Sequence[Difference], label: str) -> None:
    """The rows with the size of each difference as its colour."""
    shown = []
    for d in rows:
        n = digits_of(d.digits, d.error)
        judged = {True: "below it", False: "above it", None: ""}[d.below_error]
        shown.append(
            {
                "quantity": d.label,
                "unit": d.unit,
                comparison.labels[0]: frame.number(d.reference, n),
                label: frame.number(d.value, n),
                "difference": signed(d.own, n),
                "%": "" if d.percent is None else signed(d.percent, 1),
                "in one fixed cell": "" if d.fixed is None else signed(d.fixed, n),
                "from the cell": "" if d.volume_effect is None else signed(d.volume_effect, n),
                "error (1 σ)": "" if d.error is None else f"± {error_text(d.digits, d.error)}, {judged}",
                "source of the error": d.error_source,
            }
        )
    colours = [difference_colour(d.percent) for d in rows]
    table = (
        pd.DataFrame(shown).style.apply(lambda _: colours, subset=["difference"]).apply(lambda _: colours, subset=["%"])
    )
    st.dataframe(table, hide_index=True, key=f"compare_table_{label}", height=36 * (len(shown) + 1))


def show(shown: frame.Shown, crystal: frame.Crystal) -> None:
    c: Comparison = shown.result
    picture, words = st.columns([3, 2], gap="medium")
    with picture:
        curve = comparison_figures(comparison=c, mode=frame.mode()).get("eos")
        if curve is not None:
            curve.update_layout(height=HEIGHT)
            show_figure(c, crystal, curve, "eos", "Energy against volume, each above its own minimum")
    with words:
        for name, label in zip(c.names[1:], c.labels[1:], strict=True):
            st.markdown(f"**{frame.plain(c.labels[0])} → {frame.plain(label)}**, the largest effects first:")
            effects(c, name)
    frame.tabs(
        {
            "More plots": lambda: show_figures(c, crystal),
            "All numbers": lambda: show_numbers(c),
            "Energies and their zeros": lambda: show_energies(c),
        },
        key="compare_tab",
        keep=["compare_cells", "compare_unit"],
    )
    with st.expander("In words"):
        for name in c.names[1:]:
            st.markdown(frame.plain(c.summary[name]))
    if c.problems:
        with st.expander(f"Not computed ({len(c.problems)})", expanded=True):
            for problem in c.problems:
                st.markdown(f"- {frame.plain(problem)}")
    stem = f"{crystal.file_name}-compare"
    frame.export(
        shown,
        crystal,
        stem=stem,
        content=lambda: {"comparison": c.to_dict()},
        files=[("Differences (CSV)", f"{stem}.csv", "text/csv", c.to_csv)],
        seen="result.summary",
    )
    st.download_button(
        "Report (HTML, one page)",
        lambda: comparison_html(comparison=c),
        f"{stem}.html",
        "text/html",
        key="compare_html",
        on_click="ignore",
        icon=":material/download:",
    )


def show_numbers(c: Comparison) -> None:
    for name, label in zip(c.names[1:], c.labels[1:], strict=True):
        tiles(c, name, label)
        difference_table(c, c.differences[name], label)
    st.caption(
        f"The fixed cell is the {c.fixed_cell}, with the atoms at rest in it: what differs there is due to the "
        "force constants, the rest comes with the change of the cell. The error is one standard deviation of "
        "the difference; a difference below it means nothing."
    )


def effects(c: Comparison, name: str) -> None:
    """The largest differences as a short list."""
    st.markdown("\n".join(f"- {frame.plain(line)}" for line in c.largest_effects(name, MAX_EFFECTS)))


def tiles(c: Comparison, name: str, label: str) -> None:
    by_key = {d.key: d for d in c.differences[name]}
    columns = st.columns(4)
    for column, key in zip(
        columns, ("volume_a3_per_atom", "k_vrh_gpa", "g_vrh_gpa", "mean_frequency_thz"), strict=True
    ):
        d = by_key.get(key)
        if d is None or d.percent is None:
            continue
        digits = digits_of(d.digits, d.error)
        ends = f"{frame.number(d.reference, digits)} → {frame.number(d.value, digits)} {d.unit}"
        error = "error unknown" if d.error is None else f"error ± {error_text(d.digits, d.error)} {d.unit}"
        with column.container(border=True):
            st.markdown(d.label, help=f"{c.labels[0]} → {label}. Error of the difference: {d.error_source}.")
            st.markdown(
                f"<span style='font-size:1.55rem;font-weight:600'>{signed(d.percent, 1)}"
                "<span style='font-size:1rem;font-weight:400'> %</span></span>",
                unsafe_allow_html=True,
            )
            st.caption(f"{ends}  \n{error}")


def show_figures(c: Comparison, crystal: frame.Crystal) -> None:
    left, right = st.columns([3, 1])
    cells = left.segmented_control(
        "Cells",
        list(CELLS),
        format_func=CELLS.__getitem__,
        default="own",
        key="compare_cells",
        bind="query-params",
        label_visibility="collapsed",
    )
    chosen = right.segmented_control(
        "Unit",
        list(FREQUENCY_UNITS),
        default="THz",
        key="compare_unit",
        bind="query-params",
        label_visibility="collapsed",
    )
    unit: FrequencyUnit = chosen or "THz"
    found = comparison_figures(comparison=c, cells=cells or "own", unit=unit, mode=frame.mode())
    told = {
        "bands": ("Phonons at the same wave vectors", "Phonon bands and densities of states"),
        "effects": ("Where the differences come from", "Shares of the cell and of the force constants"),
        "elastic": ("Elastic constants", "Elastic constants and moduli"),
        "thermal": ("Vibrational free energy, entropy, heat capacity", "Thermal functions against temperature"),
    }
    for key, (title, alt) in told.items():
        if key in found:
            st.markdown(f"**{title}**")
            show_figure(c, crystal, found[key], key, alt)


def show_figure(c: Comparison, crystal: frame.Crystal, figure: Any, key: str, alt: str) -> None:
    """Draw one figure of a comparison."""
    frame.plot(
        figure,
        key=f"compare_{key}",
        alt=f"{alt} of {c.formula} from {' and '.join(c.names)}",
        name=f"{crystal.file_name}-{key}",
        panels=3 if key == "thermal" else 1,
    )


def show_energies(c: Comparison) -> None:
    e = c.energies
    if e is None:
        st.info("Energies were not requested.")
        return
    st.markdown(
        "Each functional has its own zero of energy, so raw energies of two functionals are never subtracted here. "
        "What can be compared is the energy against the elements, each relaxed in the same potential."
    )
    rows = []
    for k, name in enumerate(c.names):
        formation, cohesive = e.formation_ev_per_atom[k], e.cohesive_ev_per_atom[k]
        rows.append(
            {
                "potential": name,
                "raw energy (eV/atom)": frame.number(e.raw[k].ev_per_atom, 4),
                "shift of its scale": "" if k == 0 else signed(e.raw_shift_ev_per_atom(k), 4),
                "explained by the elements": explained(c, k),
                "formation energy (eV/atom)": "" if formation is None else signed(formation, 4),
                "referenced difference": referenced(e, k),
                "cohesive energy (eV/atom)": "" if cohesive is None else frame.number(cohesive, 3),
            }
        )
    frame.table(rows, key="compare_energies")
    elements = []
    for references in e.references:
        for r in references.found.values():
            volume = "" if r.volume_a3_per_atom is None else frame.number(r.volume_a3_per_atom, 3)
            elements.append(
                {
                    "potential": references.potential,
                    "element": r.element,
                    "structure": r.structure,
                    "from": r.source,
                    "energy (eV/atom)": frame.number(r.energy_ev_per_atom, 4),
                    "volume (Å³/atom)": volume,
                }
            )
    if elements:
        st.markdown("**Elemental references**")
        frame.table(elements, key="compare_references")


def explained(c: Comparison, k: int) -> str:
    shift = None if k == 0 or c.energies is None else c.energies.reference_shift_ev_per_atom(k, c.own[0].atoms)
    return "" if shift is None else signed(shift, 4)


def referenced(energies: EnergyScales, k: int) -> str:
    difference = None if k == 0 else energies.referenced_difference_ev_per_atom(k)
    return "" if difference is None else signed(difference, 4)


def show_one(models: Sequence[frame.Model], crystal: frame.Crystal) -> None:
    box, row = frame.settings_row()
    values = settings_panel(box)
    found = frame.ask(
        sus2.compare,
        auto=crystal.is_sample and len(crystal.atoms) <= AUTO_ATOMS,
        page="Compare",
        row=row,
        atoms=crystal.atoms,
        potentials=models,
        **values,
    )
    if found is not None:
        show(found, crystal)


frame.title(
    "Compare",
    "What the choice of functional changes: lattice, stiffness, vibrations and energies of this crystal.",
)
with frame.guard():
    crystal = frame.crystal()
    models = chosen_models(crystal)
    if len(models) < 2:
        known = " and ".join(m.name for m in models) or "No potential"
        st.info(f"{known} alone cannot be compared: two potentials must cover {', '.join(elements_of(crystal.atoms))}.")
        st.button("Compare PBE and r2SCAN for copper", on_click=frame.choose_crystal, args=("cu",), key="compare_cu")
    else:
        frame.tabs(
            {"This crystal": lambda: show_one(models, crystal), "Many structures": lambda: show_batch(models)},
            key="compare_what",
        )
