"""Thermal properties in the quasi-harmonic approximation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages._parts import frame
from sus2.figures.properties.thermal import free_energy_figure, gruneisen_figure, temperature_figure
from sus2.lessons.glossary import TERMS
from sus2.properties.thermal.entry import ENTRY, quantities_at
from sus2.properties.thermal.result import ThermalResult

EQUATIONS = {"vinet": "Vinet", "birch_murnaghan": "Birch-Murnaghan", "murnaghan": "Murnaghan"}
DULONG_PETIT_J_PER_K_MOL = 24.943  # 3R per mole of atoms
TABS = {
    "Volume": ("thermal_volume",),
    "Thermal expansion": ("thermal_expansion",),
    "Bulk modulus": ("thermal_bulk-modulus",),
    "Heat capacity": ("thermal_heat-capacity",),
    "Grüneisen": ("thermal_gruneisen", "thermal_modes"),
    "Free energy": ("thermal_free",),
}
MODES_MEAN = "How fast each frequency falls with volume, −d ln ω/d ln V; negative modes make crystals shrink."


def settings_panel(box: Any) -> dict[str, object]:
    with box, st.container(horizontal=True, vertical_alignment="bottom"):
        highest = st.slider(
            "Highest temperature (K)", 200, 2000, 1000, 100, key="thermal_highest", width=260, bind="query-params"
        )
        low, high = st.slider(
            "Volumes (% from the static one)",
            -15,
            25,
            (-4, 8),
            key="thermal_range",
            help="Crystals expand, so the range reaches further up than down. V(T) must stay inside. "
            "As long as it is −4 to 8, other ranges are tried where this one does not work.",
            width=300,
            bind="query-params",
        )
        points = st.slider("Number of volumes", 7, 15, 9, key="thermal_points", width=200, bind="query-params")
    with box:
        mesh = st.slider(
            "Mesh: length of the periodic box it stands for (Å)",
            20,
            100,
            60,
            10,
            key="thermal_mesh",
            help=TERMS["mesh"],
            bind="query-params",
        )
        equation = st.selectbox(
            "Equation of state",
            list(EQUATIONS),
            format_func=EQUATIONS.__getitem__,
            key="thermal_eos",
            bind="query-params",
        )
    return {
        # Untouched, the calculation finds a range that works and says which.
        "volume_range": None if (low, high) == (-4, 8) else (low / 100, high / 100),
        "n_volumes": points,
        "temperatures_k": None if highest == 1000 else [float(t) for t in range(0, highest + 1, 10)],
        "mesh": float(mesh),
        "equation": equation,
    }


def plots(result: ThermalResult, crystal: frame.Crystal) -> dict[str, frame.Drawing]:
    mode, n, formula = frame.mode(), result.n_atoms, crystal.info.formula
    thermodynamic = np.where(result.temperatures_k >= 20.0, result.gruneisen, np.nan)
    limit = ("Dulong and Petit, 3R", DULONG_PETIT_J_PER_K_MOL)
    expansion = {
        "linear, α": 1e6 * result.linear_expansion_per_k,
        "volume, 3α": 1e6 * result.thermal_expansion_per_k,
    }
    spread = {
        "volume": {"V(T)": result.uncertainty["volumes_t_a3"] / n},
        "expansion": {"linear, α": 1e6 * result.uncertainty["linear_expansion_per_k"]},
        "bulk-modulus": {"B(T)": result.uncertainty["bulk_modulus_gpa"]},
    }
    capacities = {"Cp": result.cp_j_per_k_mol / n, "Cv at V(T)": result.cv_j_per_k_mol / n}
    gruneisen = {"from thermal expansion": thermodynamic, "mean over modes": result.gruneisen_modes_average}
    made = {}
    for name, curves, label, unit, line in (
        ("volume", {"V(T)": result.volumes_t_a3 / n}, "volume", "Å³/atom", None),
        ("expansion", expansion, "coefficient of thermal expansion", "10⁻⁶/K", None),
        ("bulk-modulus", {"B(T)": result.bulk_modulus_gpa}, "isothermal bulk modulus", "GPa", None),
        ("heat-capacity", capacities, "heat capacity", "J/(K mol of atoms)", limit),
        ("gruneisen", gruneisen, "Grüneisen parameter", "", None),
    ):
        made[f"thermal_{name}"] = frame.Drawing(
            partial(
                temperature_figure,
                temperatures_k=result.temperatures_k,
                curves=curves,
                label=label,
                unit=unit,
                limit=line,
                sigma=spread.get(name, {}),
                mode=mode,
            ),
            f"{label} of {formula} against temperature",
            f"{crystal.file_name}-{name}",
        )
    made["thermal_modes"] = frame.Drawing(
        lambda: gruneisen_figure(
            frequencies_thz=result.mode_frequencies_thz, gruneisen=result.mode_gruneisen, mode=mode
        ),
        f"Mode Grüneisen parameters of {formula}",
        f"{crystal.file_name}-mode-gruneisen",
    )
    made["thermal_free"] = frame.Drawing(
        lambda: free_energy_figure(
            volumes_a3=result.volumes_a3,
            free_energies_ev=result.free_energies_ev,
            temperatures_k=result.temperatures_k,
            volumes_t_a3=result.volumes_t_a3,
            gibbs_ev=result.gibbs_ev,
            n_atoms=n,
            mode=mode,
        ),
        f"Free energy of {formula} against volume at several temperatures",
        f"{crystal.file_name}-free-energy",
    )
    return made


def sigma_at(result: ThermalResult, t: float) -> dict[str, float]:
    """One standard deviation of the numbers at a temperature, by their keys; nan where unknown."""

    def at(name: str) -> float:
        values = np.broadcast_to(np.asarray(result.uncertainty[name], dtype=float), result.temperatures_k.shape)
        return float(np.interp(t, result.temperatures_k, values))

    return {
        f"linear_expansion_{t:g}k_1e6_per_k": 1e6 * at("linear_expansion_per_k"),
        f"volume_{t:g}k_a3_per_atom": at("volumes_t_a3") / result.n_atoms,
        f"bulk_modulus_{t:g}k_gpa": at("bulk_modulus_gpa"),
    }


def free_energy_words(result: ThermalResult) -> str:
    return (
        f"{len(result.volumes_a3)} volumes, phonons on a mesh of {' × '.join(map(str, result.mesh))}, ions and shape "
        f"of the cell relaxed at each; {EQUATIONS[result.equation]} fit by phonopy. Acoustic modes at Γ are left out."
    )


def show(shown: frame.Shown, crystal: frame.Crystal) -> None:
    """Draw the result."""
    result: ThermalResult = shown.result
    frame.judge(result, result.checks)
    if result.note:
        st.warning(frame.plain(result.note))
    made = frame.drawings(plots(result, crystal))
    told = {"thermal_modes": MODES_MEAN, "thermal_free": free_energy_words(result)}

    def draw(keys: Sequence[str]) -> None:
        for key in keys:
            frame.plot_of(made, key)
            if key in told:
                st.caption(told[key])

    frame.tabs({tab: partial(draw, keys) for tab, keys in TABS.items()}, key="thermal_tab")
    hottest = int(result.temperatures_k[-1])
    # A key of its own for each axis: the kept value of a longer one would lie outside.
    t = float(
        st.slider("Temperature (K)", 0, hottest, min(300, hottest), 10, key=f"thermal_t_{hottest}", bind="query-params")
    )
    frame.headline(quantities_at(t), result, sigma=sigma_at(result, t))
    frame.trust(result)
    frame.checks(result.checks, key="thermal_checks")
    frame.export_result(ENTRY, shown, crystal, found=result.checks)


frame.heading(ENTRY)
with frame.guard():
    crystal = frame.crystal()
    model = frame.model(crystal.atoms)
    box, row = frame.settings_row()
    values = settings_panel(box)
    found = frame.compute(
        ENTRY, crystal, model, values, note="The longest calculation here: phonons at every volume.", row=row
    )
    if found is not None:
        show(found, crystal)
