"""Transfer learning: from PBE to r2SCAN by six methods, the scaling law, and what each idea of the model is worth."""

from __future__ import annotations

from textwrap import wrap

import streamlit as st

from pages._parts import frame
from sus2.figures.studies.transfer import (
    ablation_figure,
    agreement_figure,
    limits_figure,
    methods_figure,
    power_law,
    scaling_figure,
    shifts_figure,
    size_figure,
)
from sus2.studies.tables import read_table, table_path

METHODS = {
    1: "1 · from scratch",
    2: "2 · trainable references",
    3: "3 · references of PBE kept",
    4: "4 · references refitted first",
    5: "5 · both functionals at once",
    6: "6 · change of the readouts alone",
}
EXPLAINED = {
    1: "A new potential from random weights, on r2SCAN alone.",
    2: "Start from the PBE potential; the energies of its elements adapt along with everything else.",
    3: "Start from the PBE potential and keep the energies of its elements; the rest has to make up for the shift.",
    4: "First refit the energies of the elements to r2SCAN, then train everything from the PBE potential.",
    5: "One potential on both functionals at once: descriptors are shared, and each functional has its own readouts.",
    6: "Keep the PBE potential and solve its readouts for the change of the labels alone, as the shipped pair is made.",
}
MEASURES = {
    "energy_mae_mev_per_atom": "Energy MAE (meV/atom)",
    "force_mae_mev_per_a": "Force MAE (meV/Å)",
    "stress_mae_gpa": "Stress MAE (GPa)",
    "formation_mae_mev_per_atom": "Formation energy MAE (meV/atom)",
    "change_median_gpa": "Change of pressure from PBE, median error (GPa)",
}
# Huang et al., npj Comput. Mater. 2025, methods 1 to 4.
PAPER = {
    "energy_mae_mev_per_atom": (27, 26, 26, 17),
    "force_mae_mev_per_a": (45, 54, 52, 38),
    "formation_mae_mev_per_atom": (43, 52, 40, 29),
}
VARIANTS = {
    "whole": "as it is",
    "one-scaling": "one scaling for all pairs",
    "linear-map": "linear map, no tanh",
    "map-L": "map L",
    "map-K": "map K",
}


def mean(rows: list[dict[str, str]], measure: str) -> float:
    """Over repetitions."""
    return sum(float(r[measure]) for r in rows) / len(rows)


def short(value: float) -> str:
    """Three digits, and no power of ten."""
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.3g}"


def show_methods(rows: list[dict[str, str]]) -> None:
    measure = st.selectbox("Measure", list(MEASURES), format_func=MEASURES.get, key="transfer_measure")
    whole = {m: [r for r in rows if r["method"] == str(m) and r["size"] == "0"] for m in METHODS}
    present = [m for m in METHODS if whole[m]]
    values = [mean(whole[m], measure) for m in present]
    paper = PAPER.get(measure, ())
    frame.plot(
        methods_figure(
            names=["<br>".join([*METHODS[m].split(" · ")[:1], *wrap(METHODS[m][4:], 14)]) for m in present],
            ours=values,
            paper=[paper[m - 1] if m <= len(paper) else None for m in present],
            label=MEASURES[measure],
            mode=frame.mode(),
        ),
        key="transfer_methods",
        alt=f"{MEASURES[measure]} of six ways to an r2SCAN potential",
        name="transfer-methods",
        panels=2,  # six names beside each other
    )
    order = sorted(zip(values, present, strict=True))
    (best, first), (worst, last) = order[0], order[-1]
    unit = MEASURES[measure].partition("(")[2].rstrip(")")
    st.markdown(
        f"**{METHODS[first][4:].capitalize()}** gives the smallest error, {short(best)} {unit}, and "
        f"**{METHODS[last][4:]}** the largest, {short(worst)} {unit}: {worst / best:.1f} times as much after "
        "the same number of updates. The figures of the paper are for CHGNet on 240,000 structures, ours for a "
        "small potential on ionic crystals whose compositions it has never seen: compare their order, not their size."
    )
    chosen = st.radio("What does a method do?", list(METHODS), format_func=METHODS.get, key="transfer_method")
    st.caption(EXPLAINED[chosen])


def show_scaling(rows: list[dict[str, str]]) -> None:
    measure = st.selectbox("Measure", list(MEASURES), format_func=MEASURES.get, key="scaling_measure")
    wanted = st.multiselect(
        "Methods",
        [m for m in METHODS if sum(r["method"] == str(m) for r in rows) > 2],
        default=[m for m in (1, 4, 5, 6) if sum(r["method"] == str(m) for r in rows) > 2],
        format_func=METHODS.get,
        key="scaling_methods",
    )
    curves = {}
    for m in wanted:
        own = [r for r in rows if r["method"] == str(m)]
        sizes = sorted({int(r["structures"]) for r in own})
        curves[METHODS[m]] = (sizes, [mean([r for r in own if int(r["structures"]) == n], measure) for n in sizes])
    if not curves:
        st.info("Choose a method to see its curve.")
        return
    frame.plot(
        scaling_figure(curves=curves, label=MEASURES[measure], mode=frame.mode()),
        key="transfer_scaling",
        alt=f"{MEASURES[measure]} against the number of structures",
        name="transfer-scaling",
    )
    for name, (x, y) in curves.items():
        st.markdown(
            f"{name[4:].capitalize()}: from {x[0]:,} to {x[-1]:,} structures the error goes from {short(y[0])} to "
            f"{short(y[-1])}, as the power {power_law(x, y):.2f} of the number of structures.".replace("-", "−")
        )
    smallest = min(min(x) for x, _ in curves.values())
    at = {name: y[list(x).index(smallest)] for name, (x, y) in curves.items() if smallest in x}
    if len(at) > 1:
        best = min(at, key=lambda n: at[n])
        st.markdown(f"With only {smallest:,} structures, **{best[4:]}** is the best choice ({short(at[best])}).")


def show_functionals(elements: tuple[str, ...]) -> None:
    shifts = {r["element"]: float(r["shift_ev_per_atom"]) for r in read_table(table_path("transfer_shifts.csv"))}
    energies = read_table(table_path("transfer_energies.csv"))
    found = {r["quantity"]: float(r["value"]) for r in read_table(table_path("transfer_agreement.csv"))}
    if not (shifts and energies and found):
        st.info("The shifts are not measured yet; run `sus2 transfer`.")
        return
    names = list(shifts)
    start = next((names.index(e) for e in elements if e in shifts), 0)
    chosen = st.selectbox("Element", names, start, key="transfer_element")
    frame.plot(
        shifts_figure(shifts_ev=shifts, chosen=chosen, mode=frame.mode()),
        key="transfer_shifts",
        alt="Shift of the energy of each element from PBE to r2SCAN",
        name="transfer-shifts",
    )
    columns = ("raw_pbe", "raw_r2scan", "formation_pbe", "formation_r2scan")
    values = {c: [float(r[f"{c}_ev_per_atom"]) for r in energies] for c in columns}
    frame.plot(
        agreement_figure(
            raw=(values["raw_pbe"], values["raw_r2scan"]),
            referenced=(values["formation_pbe"], values["formation_r2scan"]),
            names=[r["formula"] for r in energies],
            marked=[_has(r["formula"], chosen) for r in energies],
            mode=frame.mode(),
        ),
        key="transfer_agreement",
        alt="r2SCAN against PBE energies, raw and referenced",
        name="transfer-agreement",
        panels=2,
    )
    st.markdown(
        f"{chosen} moves by {shifts[chosen]:.2f} eV/atom. Over {found['crystals']:.0f} crystals the raw energies "
        f"differ by {found['raw_mae_ev_per_atom']:.3g} eV/atom (r = {found['raw_pearson_r']:.2f}); as formation "
        f"energies, from each functional's own elements, by {1e3 * found['formation_mae_ev_per_atom']:.0f} meV/atom "
        f"(r = {found['formation_pearson_r']:.3f}). One shift for each element explains all but "
        f"{1e3 * found['shift_residual_ev_per_atom']:.0f} meV/atom: that is why references are refitted first.".replace(
            "-", "−"
        )
    )


def _has(formula: str, element: str) -> bool:
    place = formula.find(element)
    while place >= 0:
        after = formula[place + len(element) : place + len(element) + 1]
        if not after.islower():
            return True
        place = formula.find(element, place + 1)
    return False


def show_ablations() -> None:
    rows = read_table(table_path("ablations.csv"))
    if not rows:
        st.info("The ablations are not measured yet; run `sus2 ablate`.")
        return
    kind = st.segmented_control("Errors of", ["Energy", "Force"], default="Energy", key="ablation_kind") or "Energy"
    entry = "energy_mae_mev_per_atom" if kind == "Energy" else "force_mae_mev_per_a"
    label = MEASURES[entry]
    own = {v: [r for r in rows if r["question"] == "volumes" and r["variant"] == v] for v in VARIANTS}
    present = [v for v in VARIANTS if own[v]]
    if present:
        st.header("One idea switched off at a time")
        inside, outside = ([mean(own[v], f"{w}_{entry}") for v in present] for w in ("inside", "outside"))
        frame.plot(
            ablation_figure(
                names=[f"{VARIANTS[v]}<br>{own[v][0]['parameters']} parameters" for v in present],
                inside=inside,
                outside=outside,
                labels=("volumes seen (0.85 to 1.15)", "volumes beyond"),
                title=label,
                mode=frame.mode(),
            ),
            key="ablation_volumes",
            alt=f"{label} with one idea switched off at a time",
            name="ablation-volumes",
        )
        if "whole" in present and "one-scaling" in present:
            a, b = present.index("whole"), present.index("one-scaling")
            st.markdown(
                f"Without a scaling of its own for each pair the error is {inside[b] / inside[a]:.1f} times as large "
                f"at volumes that were seen and {outside[b] / outside[a]:.1f} times beyond them."
            )
    pairs = [r for r in rows if r["question"] == "pairs"]
    if len(pairs) >= 2:
        st.header("Pairs of elements never seen")
        frame.plot(
            ablation_figure(
                names=[f"{r['variant']}<br>{r['parameters']} parameters" for r in pairs],
                inside=[float(r[f"inside_{entry}"]) for r in pairs],
                outside=[float(r[f"outside_{entry}"]) for r in pairs],
                labels=("pairs seen", "with a pair never seen"),
                title=label,
                mode=frame.mode(),
            ),
            key="ablation_pairs",
            alt=f"{label} of the factorised element space and the table",
            name="ablation-pairs",
        )
    sizes = [r for r in rows if r["question"] == "size"]
    if len(sizes) >= 2:
        st.header("Error against size")
        sizes.sort(key=lambda r: int(r["parameters"]))
        frame.plot(
            size_figure(
                names=[r["variant"] for r in sizes],
                parameters=[int(r["parameters"]) for r in sizes],
                energy=[float(r["inside_energy_mae_mev_per_atom"]) for r in sizes],
                force=[float(r["inside_force_mae_mev_per_a"]) for r in sizes],
                mode=frame.mode(),
            ),
            key="ablation_sizes",
            alt="Errors against the number of parameters",
            name="ablation-sizes",
            panels=2,
        )


def show_limits() -> None:
    rows = read_table(table_path("limits.csv"))
    learned = [r for r in rows if r["question"] == "learning"]
    teachers = [r for r in rows if r["question"] == "second teacher"]
    if not (learned and teachers):
        st.info("The learning curves are not measured yet; run `sus2 limits`.")
        return
    kind = st.segmented_control("Errors of", ["Energy", "Force"], default="Energy", key="limits_kind") or "Energy"
    entry = "energy_mae_mev_per_atom" if kind == "Energy" else "force_mae_mev_per_a"
    curves: dict[str, tuple[list[int], list[float], list[float]]] = {}
    for graph in dict.fromkeys(r["graph"] for r in learned):
        own = sorted((r for r in learned if r["graph"] == graph), key=lambda r: int(r["compositions"]))
        name = f"{graph} ({int(own[0]['parameters']):,} parameters)"
        curves[name] = (
            [int(r["compositions"]) for r in own],
            [float(r[f"seen_{entry}"]) for r in own],
            [float(r[f"held_out_{entry}"]) for r in own],
        )
    between = mean(teachers, f"held_out_{entry}")
    frame.plot(
        limits_figure(curves=curves, lines={"between two teachers": between}, label=MEASURES[entry], mode=frame.mode()),
        key="limits",
        alt=f"{MEASURES[entry]} against the number of compositions, for three graphs",
        name="limits",
    )
    name, (x, seen, held) = list(curves.items())[-1]
    st.markdown(
        f"The largest potential here, {name}: from {x[0]:,} to {x[-1]:,} compositions the error on held-out ones goes "
        f"from {held[0]:.3g} to {held[-1]:.3g}, while that on the ones it was trained on goes from {seen[0]:.3g} to "
        f"{seen[-1]:.3g}. Where the two meet, more data would not help, only a larger potential. Two teachers of the "
        f"same functional, TensorNet and CHGNet, differ by {between:.3g} on such structures: a student nearer to its "
        "teacher than that has learnt the teacher, not the functional."
    )
    st.caption(
        "Metals, PBE, within 10 % of the relaxed volume; the same number of updates for every point; energies of the "
        "two teachers after one shift for each element."
    )


def not_measured() -> None:
    st.info("The study is not measured yet; run `sus2 transfer`.")


frame.title(
    "Transfer learning",
    "How a potential learns a second functional: six ways from PBE to r2SCAN, how much data each needs, and what each "
    "idea in the form of SUS2 is worth. All errors (MAE, mean absolute error) are on held-out compositions.",
)
with frame.guard():
    table = read_table(table_path("transfer.csv"))
    frame.tabs(
        {
            "Methods": lambda: show_methods(table) if table else not_measured(),
            "Scaling law": lambda: show_scaling(table) if table else not_measured(),
            "Functionals": lambda: show_functionals(frame.crystal().info.elements),
            "What each idea is worth": show_ablations,
            "Limits": show_limits,
        },
        key="transfer_tab",
        keep=[
            "transfer_measure",
            "transfer_method",
            "scaling_measure",
            "scaling_methods",
            "transfer_element",
            "ablation_kind",
        ],
    )
