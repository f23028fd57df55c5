"""Equation of state: E(V) of the relaxed crystal, its fits, and P(V)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st
from ase import Atoms

from pages._parts import frame
from sus2.figures.diffraction import powder_figure
from sus2.figures.properties.eos import eos_figure, pressure_figure
from sus2.figures.structure import structure_figure
from sus2.lessons.glossary import TERMS
from sus2.properties.eos.checks import check_eos
from sus2.properties.eos.entry import ENTRY
from sus2.properties.eos.equations import MODELS, EosFit
from sus2.properties.eos.error_band import energy_sigma_ev
from sus2.properties.eos.result import EosResult
from sus2.registry.checks import check_applicability
from sus2.structures.diffraction import RADIATIONS, powder_pattern


def settings_panel(box: Any) -> tuple[str, dict[str, object]]:
    with box, st.container(horizontal=True, vertical_alignment="bottom"):
        equation = st.selectbox(
            "Equation",
            list(MODELS),
            format_func=lambda n: MODELS[n].label,
            key="eos_equation",
            width=260,
            bind="query-params",
        )
        percent = st.slider(
            "Range of volumes (± %)",
            2,
            20,
            6,
            key="eos_range",
            help="In volume, not in length: ±6 % of the volume is about ±2 % of the lattice constant.",
            width=260,
            bind="query-params",
        )
        points = st.slider("Points", 7, 25, 11, 2, key="eos_points", width=200, bind="query-params")
    with box:
        ions = st.checkbox("Relax the atoms at each volume", True, key="eos_ions", bind="query-params")
        shape = st.checkbox("Relax the shape of the cell at each volume", True, key="eos_shape", bind="query-params")
        symmetry = st.checkbox("Keep the symmetry", True, key="eos_symmetry", bind="query-params")
        fmax = st.select_slider(
            "Largest remaining force (eV/Å)",
            [1e-2, 1e-3, 1e-4],
            1e-3,
            format_func=lambda x: f"{x:g}",
            key="eos_fmax",
            bind="query-params",
        )
    return equation, {
        "n_points": points,
        "volume_range": percent / 100,
        "relax_ions": ions,
        "relax_shape": shape,
        "symmetry": symmetry,
        "fmax": fmax,
    }


Made = Callable[[], Mapping[str, frame.Drawing]]


def show(shown: frame.Shown, equation: str, crystal: frame.Crystal, model: frame.Model) -> None:
    """Draw the result."""
    result: EosResult = shown.result
    fit = result.fits.get(equation, result.fit)
    if fit.model != equation:
        st.warning(f"{MODELS[equation].label} cannot be fitted to these points; {MODELS[fit.model].label} is shown.")
    checks = [*check_eos(result), *check_applicability(result.atoms_at_v0, model.load())]
    frame.judge(result, checks)
    at_v0 = result.atoms_at_v0

    def made() -> dict[str, frame.Drawing]:
        return plots(result, fit, at_v0, crystal)

    frame.drawings(made())
    frame.tabs(
        {
            "Energy": lambda: show_energy(result, made),
            "Pressure": lambda: show_pressure(result, fit, made),
            "Relaxed structure": lambda: show_relaxed(result, at_v0, crystal, made),
            "Powder pattern": lambda: show_powder(at_v0, crystal),
            "All fits": lambda: show_fits(result),
        },
        key="eos_tab",
        keep=["eos_all", "eos_band", "eos_radiation"],
    )
    # The quantities are read from the chosen fit, which may be another one than the result's own.
    frame.headline(ENTRY.quantities, replace(result, fit=fit))
    frame.trust(result)
    frame.checks(checks, key="eos_checks")
    frame.export_result(
        ENTRY,
        shown,
        crystal,
        content=lambda: {"equation": fit.model, "result": result.to_dict()},
        found=checks,
        seen=f'result.fits["{fit.model}"]',
    )


def plots(result: EosResult, fit: EosFit, at_v0: Atoms, crystal: frame.Crystal) -> dict[str, frame.Drawing]:
    n, mode, formula = result.n_atoms, frame.mode(), crystal.info.formula
    band = partial(energy_sigma_ev, result, fit=fit)
    shown = list(result.fits) if st.session_state.get("eos_all") else None
    return {
        "eos_curve": frame.Drawing(
            lambda: eos_figure(
                volumes_a3=result.volumes_a3,
                energies_ev=result.energies_ev,
                fits=result.fits,
                chosen=fit.model,
                n_atoms=n,
                shown=shown,
                sigma_ev=band if st.session_state.get("eos_band", True) else None,
                v0_sigma_a3_per_atom=float(result.uncertainty["v0_a3_per_atom"]),
                mode=mode,
            ),
            f"Energy against volume of {formula} with its fit and residuals",
            f"{crystal.file_name}-eos",
        ),
        "eos_pressure": frame.Drawing(
            lambda: pressure_figure(
                volumes_a3=result.volumes_a3, pressures_gpa=result.pressures_gpa, fit=fit, n_atoms=n, mode=mode
            ),
            f"Pressure against volume of {formula}",
            f"{crystal.file_name}-pressure",
        ),
        "eos_relaxed": frame.Drawing(
            lambda: structure_figure(atoms=at_v0, mode=mode, height=360),
            f"Relaxed unit cell of {formula}",
            f"{crystal.file_name}-relaxed",
        ),
    }


def show_energy(result: EosResult, made: Made) -> None:
    frame.plot_of(made(), "eos_curve")
    with st.container(horizontal=True):
        st.toggle("Show all four equations", False, key="eos_all")
        if any(math.isfinite(result.uncertainty[q]) for q in ("v0_a3", "b0_gpa")):
            st.toggle(
                "Error band",
                True,
                key="eos_band",
                help=f"{TERMS['error band']} It ends at zero: E₀ is the lowest energy.",
            )


def show_pressure(result: EosResult, fit: EosFit, made: Made) -> None:
    st.markdown(
        "The points are the stress of the potential, the curve is the derivative of the fitted energy: two routes to "
        f"the same pressure. They differ by at most **{result.pressure_deviation_gpa:.3g} GPa** here."
    )
    frame.plot_of(made(), "eos_pressure")
    squeeze(result, fit)


def show_fits(result: EosResult) -> None:
    n = result.n_atoms
    frame.table(
        [
            {
                "equation": MODELS[name].label,
                "V₀ (Å³/atom)": frame.number(f.v0_a3 / n, 4, f.v0_a3_error / n),
                "B₀ (GPa)": frame.number(f.b0_gpa, 2, f.b0_gpa_error),
                "B₀′": frame.number(f.b0_prime, 3, f.b0_prime_error),
                "E₀ (eV/atom)": frame.number(f.e0_ev / n, 5, f.e0_ev_error / n),
                "rms residual (meV/atom)": f"{1e3 * f.rms_residual_ev / n:.4f}",
                "source": MODELS[name].citation,
            }
            for name, f in result.fits.items()
        ],
        key="eos_fits",
    )
    st.caption(
        f"The equations differ by at most {result.b0_spread_percent:.1f} % in B₀. Standard errors measure the fit "
        "to the computed points alone, not the error of the potential."
    )


def squeeze(result: EosResult, fit: EosFit) -> None:
    """What the fit says at a volume that a slider sets."""
    widest = int(100 * (result.volumes_a3.max() / fit.v0_a3 - 1.0))
    narrowest = -int(100 * (1.0 - result.volumes_a3.min() / fit.v0_a3))
    percent = st.slider(
        "Volume (% away from V₀)", float(narrowest), float(widest), 0.0, 0.1, key=f"eos_squeeze_{narrowest}_{widest}"
    )
    v, n = fit.v0_a3 * (1.0 + percent / 100.0), result.n_atoms
    pressure, modulus = float(fit.pressure_gpa(v)), float(fit.bulk_modulus_gpa(v))
    lift = 1e3 * (float(fit.energy_ev(v)) - fit.e0_ev) / n
    for column, (label, value, unit, meaning) in zip(
        st.columns(4),
        (
            ("Volume", frame.number(v / n, 3), "Å³/atom", "Volume set by the slider."),
            (
                "Pressure",
                frame.number(pressure, 2),
                "GPa",
                "Pressure needed to hold this volume; negative under tension.",
            ),
            (
                "Bulk modulus there",
                frame.number(modulus, 1),
                "GPa",
                "−V dP/dV at this volume; B₀′ is its slope with pressure.",
            ),
            ("Energy above E₀", frame.number(lift, 2), "meV/atom", "Work of compression or expansion."),
        ),
        strict=True,
    ):
        frame.quantity(column, label, value, unit, meaning)


def show_powder(at_v0: Atoms, crystal: frame.Crystal) -> None:
    radiation = st.segmented_control(
        "Radiation",
        list(RADIATIONS),
        default="CuKa",
        required=True,
        format_func=lambda name: name.replace("Ka", " Kα"),
        key="eos_radiation",
        bind="query-params",
    )
    pattern = powder_pattern(at_v0, radiation)
    frame.plot(
        powder_figure(
            two_theta_deg=pattern.two_theta_deg,
            intensities=pattern.intensities,
            indices=pattern.indices,
            mode=frame.mode(),
        ),
        key="eos_powder",
        alt=f"X-ray powder pattern of relaxed {crystal.info.formula}",
        name=f"{crystal.file_name}-powder",
    )
    st.caption(
        f"Of the relaxed crystal, by pymatgen: λ = {pattern.wavelength_a:.5f} Å, atoms at rest, indices of the "
        "conventional cell, the first of lines that coincide."
    )
    stem = f"{crystal.file_name}-powder"
    frame.downloads([("Lines (CSV)", f"{stem}.csv", "text/csv", pattern.to_csv)], key=stem)


def show_relaxed(result: EosResult, at_v0: Atoms, crystal: frame.Crystal, made: Made) -> None:
    view, facts = st.columns([1, 1])
    with view:
        frame.plot_of(made(), "eos_relaxed")
    with facts:
        before, after = crystal.atoms.cell.cellpar(), at_v0.cell.cellpar()
        frame.table(
            [
                {
                    "": name,
                    "as given": f"{x:.4f} {unit}",
                    "relaxed": f"{y:.4f} {unit}",
                    "change": f"{100 * (y / x - 1):+.2f} %".replace("-", "−"),
                }
                for name, unit, x, y in zip("abcαβγ", ["Å"] * 3 + ["°"] * 3, before, after, strict=True)
            ],
            key="eos_cell",
        )
        r = result.relaxation
        if r is not None:
            ends = f"{frame.space_groups(r.spacegroup_before)} to {frame.space_groups(r.spacegroup_after)}"
            kept = "kept" if r.symmetry_kept else f"changed from {ends}"
            st.markdown(
                f"Converged in {r.steps} steps; largest remaining force {r.max_force_ev_per_a:.1e} eV/Å, largest "
                f"stress {r.max_stress_gpa:.1e} GPa; symmetry {kept}."
            )


frame.heading(ENTRY)
with frame.guard():
    crystal = frame.crystal()
    model = frame.model(crystal.atoms)
    box, row = frame.settings_row()
    equation, values = settings_panel(box)
    found = frame.compute(ENTRY, crystal, model, values, row=row)
    if found is not None:
        show(found, equation, crystal, model)
