"""Elasticity: the tensor, averages, directions, stability, and the same by other methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages._parts import frame
from sus2.figures.properties.elastic import (
    LABELS,
    bars_figure,
    cuts_figure,
    independent_constants,
    surface_figure,
    tensor_figure,
)
from sus2.properties.elastic.entry import ENTRY
from sus2.properties.elastic.methods_compared import other_methods
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.elastic.writing import constants_latex, constants_markdown
from sus2.trust.digits import digits_of

TWO_VALUED = ("shear_modulus", "poissons_ratio")  # depend on a second direction
METHODS = {
    "exact": "Exact second derivatives",
    "finite": "Finite strain, five-point",
    "pymatgen": "Finite strain, pymatgen",
    "elastic-package": "Finite strain, elastic package",
}


def settings_panel(box: Any, exact: bool) -> dict[str, object]:
    with box, st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.selectbox(
            "Method",
            [m for m in METHODS if exact or m != "exact"],
            format_func=METHODS.__getitem__,
            key="elastic_method" if exact else "elastic_method_finite",
            width=340,
            bind="query-params",
        )
        pressure = st.number_input(
            "Pressure (GPa)",
            -5.0,
            100.0,
            0.0,
            1.0,
            key="elastic_pressure",
            help="The crystal is relaxed at this pressure; its stress-strain coefficients are shown.",
            width=200,
            bind="query-params",
        )
    return {"method": method, "pressure_gpa": float(pressure)}


WRITERS = {"Markdown": constants_markdown, "LaTeX": constants_latex}
Made = Callable[[], Mapping[str, frame.Drawing]]


def show(shown: frame.Shown, crystal: frame.Crystal, model: frame.Model, values: Mapping[str, Any]) -> None:
    """Draw the result."""
    result: ElasticResult = shown.result
    frame.judge(result, result.checks)
    if not result.stable:
        st.error(frame.plain(result.stability), icon=":material/error:")

    def made() -> dict[str, frame.Drawing]:
        return plots(result, crystal)

    frame.drawings(made())
    frame.tabs(
        {
            "Tensor": lambda: show_tensor(result, made),
            "Directions": lambda: show_directions(result, made),
            "Averages and sound": lambda: show_averages(result),
            "Methods compared": lambda: show_methods(result, crystal, model, values),
        },
        key="elastic_tab",
        keep=["elastic_copy", "elastic_ions", "elastic_quantity", "elastic_sheet"],
    )
    if result.stable:
        frame.headline(ENTRY.quantities, result)
    frame.trust(result)
    frame.checks(result.checks, key="elastic_checks")
    frame.export_result(ENTRY, shown, crystal, found=result.checks)


def plots(result: ElasticResult, crystal: frame.Crystal) -> dict[str, frame.Drawing]:
    mode, formula, stem = frame.mode(), crystal.info.formula, crystal.file_name
    ions = st.session_state.get("elastic_ions")
    quantity = st.session_state.get("elastic_quantity") or next(iter(LABELS))
    sheet = (quantity in TWO_VALUED and st.session_state.get("elastic_sheet")) or "maximum"
    made = {
        "elastic_tensor": frame.Drawing(
            lambda: tensor_figure(
                c_gpa=result.clamped_c_gpa if ions == "clamped" else result.c_gpa,
                difference_from_gpa=result.clamped_c_gpa if ions == "difference" else None,
                sigma_gpa=None if ions == "difference" else result.uncertainty["c_gpa"],
                mode=mode,
            ),
            f"Elastic tensor of {formula} in GPa",
            f"{stem}-elastic-tensor",
        )
    }
    if result.stable:
        made["elastic_surface"] = frame.Drawing(
            lambda: surface_figure(c_gpa=result.c_gpa, quantity=quantity, sheet=sheet, mode=mode),
            f"{LABELS[quantity][0]} of {formula} as a surface over all directions",
            f"{stem}-{quantity}",
        )
        made["elastic_cuts"] = frame.Drawing(
            lambda: cuts_figure(c_gpa=result.c_gpa, quantity=quantity, mode=mode),
            f"{LABELS[quantity][0]} of {formula} in three planes",
            f"{stem}-{quantity}-cuts",
            panels=3,
        )
    return made


def show_tensor(result: ElasticResult, made: Made) -> None:
    st.segmented_control(
        "Atoms under strain",
        ["relaxed", "clamped", "difference"],
        default="relaxed",
        key="elastic_ions",
        label_visibility="collapsed",
    )
    frame.plot_of(made(), "elastic_tensor")
    if result.stable:
        st.success(frame.plain(result.stability))
    what = "Stress-strain (Birch) coefficients" if result.pressure_gpa else "Elastic constants"
    st.caption(
        f"{what} in the IEEE axes of a {result.crystal_system} crystal, "
        f"{frame.plain(frame.space_groups(result.space_group))}; "
        f"symmetrisation removed at most {result.symmetrisation_removed_gpa:.1g} GPa."
    )
    st.caption(
        "*Clamped*: the atoms are carried along with the strained cell. *Relaxed*: they move to rest in it, as in "
        "experiments."
    )
    with st.expander("Constants to copy"):
        style = st.segmented_control("Format", list(WRITERS), default="Markdown", required=True, key="elastic_copy")
        st.code(WRITERS[style](result), language=None)


def show_directions(result: ElasticResult, made: Made) -> None:
    if not result.stable:
        st.info("Moduli in directions come from the compliance, which an unstable crystal does not have.")
        return
    left, right = st.columns(2)
    quantity = left.selectbox(
        "Quantity",
        list(LABELS),
        format_func=lambda q: LABELS[q][0][0].upper() + LABELS[q][0][1:],
        key="elastic_quantity",
    )
    if quantity in TWO_VALUED:
        right.segmented_control(
            "Over the transverse direction", ["minimum", "maximum"], default="maximum", key="elastic_sheet"
        )
    for key in ("elastic_surface", "elastic_cuts"):
        frame.plot_of(made(), key)
    names = ("youngs_modulus_gpa", "linear_compressibility_per_tpa", "shear_modulus_gpa", "poissons_ratio")
    frame.table(
        [
            {
                "quantity": f"{label} ({unit})" if unit else label,
                "smallest": frame.number(e.minimum, 3),
                "along": vector(e.at_minimum),
                "largest": frame.number(e.maximum, 3),
                "along ": vector(e.at_maximum),
            }
            for (label, unit), e in zip(
                (LABELS[q] for q in ("youngs_modulus", "compressibility", "shear_modulus", "poissons_ratio")),
                (result.extremes[n] for n in names),
                strict=True,
            )
        ],
        key="elastic_extremes",
    )


def vector(v: Sequence[float]) -> str:
    return "(" + ", ".join(frame.number(x if abs(x) > 5e-4 else 0.0, 3) for x in v) + ")"


def show_averages(result: ElasticResult) -> None:
    rows, sigma = [], result.uncertainty
    if result.stable:
        for name, mean in (
            ("Voigt (upper bound)", result.voigt),
            ("Reuss (lower bound)", result.reuss),
            ("Hill", result.hill),
            ("Hill, clamped ions", result.clamped_hill),
        ):
            rows.append(
                {
                    "average": name,
                    "K (GPa)": frame.number(mean.k_gpa, digits_of(2, sigma["k_vrh_gpa"])),
                    "G (GPa)": frame.number(mean.g_gpa, digits_of(2, sigma["g_vrh_gpa"])),
                    "E (GPa)": frame.number(mean.e_gpa, digits_of(2, sigma["e_vrh_gpa"])),
                    "ν": frame.number(mean.nu, digits_of(4, sigma["nu_vrh"])),
                }
            )
        frame.table(rows, key="elastic_averages")
        zener = result.zener_anisotropy
        facts = [
            ("Universal anisotropy A<sub>U</sub>", frame.number(result.universal_anisotropy, 4)),
            ("Log-Euclidean anisotropy A<sub>L</sub>", frame.number(result.log_euclidean_anisotropy, 4)),
            *([("Zener's 2C<sub>44</sub>/(C<sub>11</sub> − C<sub>12</sub>)", frame.number(zener, 4))] if zener else []),
            ("Pugh's ratio K/G", frame.number(result.pugh_ratio, 3)),
            (
                "Debye temperature",
                f"{result.debye_temperature_k:.1f} K from Christoffel's equation over all directions, "
                f"{result.debye_temperature_vrh_k:.1f} K from Hill's moduli",
            ),
            ("Mean speed of sound", f"{result.mean_sound_speed_m_per_s:.0f} m/s"),
            ("Density", f"{result.density_kg_per_m3:.1f} kg/m³"),
        ]
        frame.facts(facts)
        directions = {"[100]": (1, 0, 0), "[110]": (1, 1, 0), "[111]": (1, 1, 1), "[001]": (0, 0, 1)}
        speeds = result.sound_speeds_m_per_s(list(directions.values()))
        frame.table(
            [
                {
                    "direction (x₁ x₂ x₃)": name,
                    "slowest (m/s)": f"{a:.0f}",
                    "middle (m/s)": f"{b:.0f}",
                    "fastest (m/s)": f"{c:.0f}",
                }
                for name, (a, b, c) in zip(directions, speeds, strict=True)
            ],
            key="elastic_sound",
        )
    frame.facts([("Eigenvalues of the tensor (GPa)", ", ".join(frame.number(x, 2) for x in result.eigenvalues_gpa))])


def show_methods(result: ElasticResult, crystal: frame.Crystal, model: frame.Model, values: Mapping[str, Any]) -> None:
    st.markdown(
        "The same crystal strained by ±0.5 and ±1 %, with the atoms relaxed in each strained cell: with our own "
        "stencil, through pymatgen, and with the elastic package (on the standard conventional cell). They check the "
        "exact result and show the error of finite strains."
    )
    found = frame.ask(
        other_methods,
        auto=False,
        button="Compare methods",
        atoms=result.atoms,
        potential=model,
        but=values["method"],
        pressure_gpa=values["pressure_gpa"],
    )
    if found is None:
        return
    others, problems = found.result.results, found.result.problems
    for method, problem in problems.items():
        frame.error(f"{METHODS[method]}: {problem}")
    tensors = {METHODS[result.method]: result.c_gpa, **{METHODS[o.method]: o.c_gpa for o in others}}
    places = independent_constants(result.c_gpa, others=[o.c_gpa for o in others])
    groups = {name: {k: float(c[p]) for k, p in places.items()} for name, c in tensors.items()}
    groups[f"{METHODS[result.method]}, clamped ions"] = {k: float(result.clamped_c_gpa[p]) for k, p in places.items()}
    frame.plot(
        bars_figure(groups=groups, mode=frame.mode()),
        key="elastic_bars",
        alt=f"Elastic constants of {crystal.info.formula} by method",
        name=f"{crystal.file_name}-elastic-methods",
    )
    rows = [
        {
            "constant (GPa)": k,
            **{name: frame.number(values[k], 3) for name, values in groups.items()},
            **{
                f"difference, {METHODS[o.method]}": frame.number(float(o.c_gpa[p] - result.c_gpa[p]), 3) for o in others
            },
        }
        for k, p in places.items()
    ]
    frame.table(rows, key="elastic_differences")
    extra = [c for o in others for c in o.checks if c.name == "Scope of the elastic package"]
    frame.checks([*(result.check_against(o) for o in others), *extra], key="elastic_method_checks")


frame.heading(ENTRY)
with frame.guard():
    crystal = frame.crystal()
    model = frame.model(crystal.atoms)
    box, row = frame.settings_row()
    values = settings_panel(box, model.is_exact)
    found = frame.compute(ENTRY, crystal, model, values, row=row)
    if found is not None:
        show(found, crystal, model, values)
