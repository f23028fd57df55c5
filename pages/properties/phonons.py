"""Phonons: bands and density of states, thermal functions, modes in motion, soft modes followed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

import sus2
from pages._parts import frame
from pages.properties import _modes
from sus2.figures.properties.phonons import FREQUENCY_UNITS, FrequencyUnit, bands_figure, thermal_figure
from sus2.lessons.glossary import TERMS
from sus2.properties.phonons.checks import check_phonons
from sus2.properties.phonons.entry import ENTRY
from sus2.properties.phonons.report import PhononReport, phonopy_files
from sus2.properties.phonons.result import PhononThermal
from sus2.registry.checks import check_applicability
from sus2.structures import with_subscripts

ROOM_K = 300
FROM_FREQUENCIES = (
    "One standard deviation, from that of the mean frequency, taken as an error that all frequencies share."
)
NOT_CALIBRATED = "The error of the mean frequency is not calibrated for this potential and crystal."
MAX_BRANCHES = 24  # bands of more branches cover each other
METHODS = {
    "exact": "Exact second derivatives, from the primitive cell alone",
    "finite": "Finite displacements in a supercell (phonopy)",
}


def settings_panel(box: Any, exact: bool) -> dict[str, object]:
    method = box.selectbox(
        "Method",
        list(METHODS) if exact else ["finite"],
        format_func=METHODS.__getitem__,
        key="phonon_method" if exact else "phonon_method_finite",
        width=520,
        bind="query-params",
    )
    values: dict[str, object] = {"method": method}
    with box:
        values["mesh"] = float(
            st.slider(
                "Mesh: length of the periodic box it stands for (Å)",
                20,
                120,
                60,
                10,
                key="phonon_mesh",
                help=TERMS["mesh"],
                bind="query-params",
            )
        )
        if method == "finite":
            values["displacement_a"] = st.select_slider(
                "Displacement (Å)", [0.001, 0.003, 0.01, 0.03], 0.01, key="phonon_displacement", bind="query-params"
            )
            repeats = st.select_slider(
                "Supercell, primitive cells along each axis",
                ["12 Å wide", 2, 3, 4, 5, 6],
                key="phonon_supercell",
                help="A small one takes less time and memory; a check says what is lost at its edge.",
                bind="query-params",
            )
            if isinstance(repeats, int):
                values["supercell"] = [repeats] * 3
        born = st.file_uploader(
            "BORN file of phonopy, for LO-TO splitting",
            key="phonon_born",
            max_upload_size=1,
            help=TERMS["LO-TO splitting"],
        )
        if born is not None:
            values["born"] = frame.contents(born).decode("utf-8", errors="replace")
    return values


def as_zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


Made = Callable[[], Mapping[str, frame.Drawing]]


def show(shown: frame.Shown, crystal: frame.Crystal, model: frame.Model, values: Mapping[str, Any]) -> None:
    """Draw the result."""
    report: PhononReport = shown.result
    result, bands = report.phonons, report.bands
    frame.judge(result)
    if not result.stable:
        st.warning(frame.space_groups(result.stability))
        worst = result.imaginary_modes[0]
        _modes.follow(result, worst.q_fractional, worst.branch, crystal, model, name="follow_strongest")

    def made() -> dict[str, frame.Drawing]:
        return plots(report, crystal)

    frame.drawings(made())
    frame.tabs(
        {
            "Bands and density of states": lambda: show_bands(report, crystal, made),
            "Modes in motion": lambda: _modes.show_motion(result, bands, crystal, model),
            "Thermal functions": lambda: show_heat(report, crystal, made),
        },
        key="phonon_tab",
        keep=[
            "phonon_unit",
            "phonon_band",
            "phonon_point",
            "phonon_branch",
            "phonon_temperature",
            "phonon_motion_amplitude",
        ],
    )
    if result.stable:
        st.success(frame.space_groups(result.stability))
    frame.trust(result)
    finite = None
    if values["method"] == "exact":
        finite = frame.ask(
            sus2.phonons,
            auto=False,
            name="phonon_finite",
            button="Compare methods",
            note="With finite displacements in a supercell; the checks below then say how far they agree.",
            atoms=result.atoms,
            potential=model,
            relaxed=True,
            method="finite",
        )
    checks = [
        *check_phonons(result, finite.result if finite else None, bands=bands),
        *check_applicability(result.atoms, model.load()),
    ]
    frame.checks(checks, key="phonon_checks")
    stem = f"{crystal.file_name}-phonons"
    frame.export_result(ENTRY, shown, crystal, found=checks)
    files = frame.ask(
        phonopy_files,
        auto=False,
        button="Prepare files",
        note="phonopy.yaml, FORCE_CONSTANTS, band.yaml and mesh.yaml, for viewers.",
        atoms=result.atoms,
        potential=model,
        **values,
    )
    if files is not None:
        names = ", ".join(files.result)
        frame.downloads(
            [(f"{names} (zip)", f"{stem}-phonopy.zip", "application/zip", lambda: as_zip(files.result))], key=stem
        )


def plots(report: PhononReport, crystal: frame.Crystal) -> dict[str, frame.Drawing]:
    bands, dos, thermal = report.bands, report.dos, report.thermal
    mode, formula = frame.mode(), crystal.info.formula
    unit: FrequencyUnit = st.session_state.get("phonon_unit") or "THz"
    t = float(st.session_state.get("phonon_temperature", ROOM_K))
    made = {
        "phonon_bands": frame.Drawing(
            lambda: bands_figure(
                distance_per_a=bands.path.distance_per_a,
                segments=bands.path.segments,
                ticks=bands.path.ticks,
                frequencies_thz=bands.frequencies_thz,
                dos_frequencies_thz=dos.frequencies_thz,
                dos_total_per_thz=dos.total_per_thz,
                dos_projected_per_thz=dos.projected_per_thz,
                sigma_thz=sigma_of(report),
                unit=unit,
                pick=True,
                mode=mode,
            ),
            f"Phonon bands and density of states of {formula}",
            f"{crystal.file_name}-phonons",
        )
    }
    if thermal is not None:
        z = thermal.formula_units
        made["phonon_thermal"] = frame.Drawing(
            lambda: thermal_figure(
                temperatures_k=thermal.temperatures_k,
                helmholtz_kj_per_mol=thermal.helmholtz_kj_per_mol / z,
                entropy_j_per_k_mol=thermal.entropy_j_per_k_mol / z,
                heat_capacity_j_per_k_mol=thermal.heat_capacity_j_per_k_mol / z,
                sigma={name: spread / z for name, spread in report.thermal_sigma.items()},
                chosen_k=t,
                per="formula units",
                mode=mode,
            ),
            f"Thermal functions of {formula} against temperature",
            f"{crystal.file_name}-thermal",
            panels=3,
        )
    return made


def sigma_of(report: PhononReport) -> np.ndarray | None:
    """One standard deviation of the bands where it is wanted and known."""
    sigma = report.sigma_thz
    drawn = st.session_state.get("phonon_band", sigma.shape[1] <= MAX_BRANCHES)
    return sigma if drawn and np.isfinite(sigma).any() else None


def show_bands(report: PhononReport, crystal: frame.Crystal, made: Made) -> None:
    result, bands, dos = report.phonons, report.bands, report.dos
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Unit",
            list(FREQUENCY_UNITS),
            default="THz",
            key="phonon_unit",
            bind="query-params",
            label_visibility="collapsed",
        )
        if np.isfinite(report.sigma_thz).any():
            st.toggle(
                "Error band",
                bands.frequencies_thz.shape[1] <= MAX_BRANCHES,
                key="phonon_band",
                help=TERMS["error band"],
            )
    picked = frame.plot_of(made(), "phonon_bands", pick=True)
    st.caption(
        f"Path of SeeK-path, 200 points; density of states on a mesh of {' × '.join(map(str, dos.mesh))}. "
        f"Imaginary frequencies are drawn below zero. Click a point of a band to see that mode move. {result.note}"
    )
    if picked is not None:
        point, branch = picked
        q = bands.path.q_fractional[point]
        st.header(f"Mode {branch + 1} at q = ({', '.join(f'{x:.3f}' for x in q)})".replace("-", "−"))
        _modes.show_modes(result, q, [branch], crystal, key="phonon_picked", name=f"q of point {point + 1}")


def show_heat(report: PhononReport, crystal: frame.Crystal, made: Made) -> None:
    thermal: PhononThermal | None = report.thermal
    if thermal is None:
        st.info(
            "Thermal functions need real frequencies everywhere: follow the imaginary mode to a stable phase first."
        )
        return
    t = st.slider("Temperature (K)", 0, 1000, ROOM_K, 10, key="phonon_temperature", bind="query-params")
    k = int(np.argmin(np.abs(thermal.temperatures_k - t)))
    z = thermal.formula_units
    for column, (label, name, unit, meaning) in zip(
        st.columns(3),
        (
            ("Free energy F", "helmholtz_kj_per_mol", "kJ/mol", "Harmonic, zero-point energy included."),
            ("Entropy S", "entropy_j_per_k_mol", "J/K/mol", "Of the vibrations alone."),
            ("Heat capacity Cv", "heat_capacity_j_per_k_mol", "J/K/mol", "At constant volume."),
        ),
        strict=True,
    ):
        value, sigma = float(getattr(thermal, name)[k]) / z, float(report.thermal_sigma[name][k]) / z
        reason = FROM_FREQUENCIES if np.isfinite(sigma) else NOT_CALIBRATED
        frame.estimated(column, label, value, 3, unit, meaning, sigma, reason)
    frame.plot_of(made(), "phonon_thermal")
    st.caption(
        f"Per mole of formula units of {with_subscripts(crystal.info.formula)}; acoustic modes at Γ are left out."
    )


frame.heading(ENTRY)
with frame.guard():
    crystal = frame.crystal()
    model = frame.model(crystal.atoms)
    box, row = frame.settings_row()
    values = settings_panel(box, model.is_exact)
    found = frame.compute(ENTRY, crystal, model, values, row=row)
    if found is not None:
        show(found, crystal, model, values)
