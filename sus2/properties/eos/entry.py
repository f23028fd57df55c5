"""What the program says of the equation of state."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

import numpy as np

from sus2.properties.eos.equations import MODELS
from sus2.properties.property import Download, Option, Page, Property, Quantity, never

if TYPE_CHECKING:
    from sus2.properties.eos.result import EosResult


def points_csv(result: EosResult) -> str:
    """Write the points of an equation of state as CSV.

    Parameters
    ----------
    result
        The equation of state.

    Returns
    -------
    str
        One row a volume: volume, energy, pressure, residual and standard deviation of E - E0, empty where unknown.
    """
    from sus2.properties.eos.error_band import energy_sigma_ev

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["volume_a3", "energy_ev", "pressure_gpa", f"residual_{result.model}_ev", "energy_above_e0_sigma_ev"]
    )
    sigma = energy_sigma_ev(result, result.volumes_a3)
    columns = (
        result.volumes_a3,
        result.energies_ev,
        result.pressures_gpa,
        result.residual_ev,
        np.full(len(result.volumes_a3), math.nan) if sigma is None else sigma,
    )
    for row in zip(*columns, strict=True):
        writer.writerow(["" if math.isnan(x) else repr(float(x)) for x in row])
    return out.getvalue()


def _lines(result: EosResult) -> list[str]:
    return [f"{MODELS[result.model].label}, rms residual {result.rms_residual_mev_per_atom:.4f} meV/atom"]


ENTRY = Property(
    name="eos",
    title="equation of state",
    function="sus2.properties.eos.calculate:eos",
    help="Equation of state: V0, B0, B0', E0 with their standard errors.",
    quantities=(
        Quantity(
            "v0_a3_per_atom",
            "V₀",
            "Equilibrium volume V₀",
            "Å³/atom",
            3,
            "Volume at the minimum of the fitted E(V): zero pressure and temperature, without zero-point motion.",
            error=lambda e: e.v0_a3_error / e.n_atoms,
            headline=True,
        ),
        Quantity(
            "b0_gpa",
            "B₀",
            "Bulk modulus B₀",
            "GPa",
            2,
            "Resistance to compression: volume times the curvature of the fitted E(V) at its minimum.",
            error=lambda e: e.b0_gpa_error,
            headline=True,
        ),
        Quantity(
            "b0_gpa_error",
            "standard error of B₀",
            "Standard error of B₀",
            "GPa",
            2,
            "Of the fit alone.",
            compared=never,
        ),
        Quantity(
            "b0_prime",
            "B₀′",
            "Pressure derivative B₀′",
            "",
            2,
            "dB/dP at zero pressure: how fast the crystal stiffens under pressure, about 4 for most crystals.",
            error=lambda e: e.b0_prime_error,
            headline=True,
        ),
        Quantity(
            "e0_ev_per_atom",
            "E₀",
            "Energy E₀",
            "eV/atom",
            4,
            "Energy at the minimum of the fitted E(V), on the potential's own scale: only differences between "
            "structures with the same elements in the same potential have a meaning.",
            error=lambda e: e.e0_ev_error / e.n_atoms,
            headline=True,
            compared=never,
        ),
    ),
    options=(
        Option("equation", str, "birch-murnaghan", f"One of: {', '.join(MODELS)}."),
        Option("n_points", int, 11, "Number of volumes.", "points"),
        Option("volume_range", float, 0.06, "Largest change of the volume, as a fraction of it."),
    ),
    begins_with_relaxation=True,
    in_fixed_cell=False,
    together="sus2.properties.together:equations_of_state",
    memory={"eos": ()},
    relaxed=lambda e: e.atoms_at_v0,
    lines=_lines,
    downloads=(Download("Points (CSV)", "csv", "text/csv", points_csv),),
    seen="result.v0_a3, result.b0_gpa, result.b0_prime",
    page=Page(
        "Equation of state",
        "show_chart",
        "Energy against volume, E(V): equilibrium volume, bulk modulus and its pressure derivative.",
        "properties/eos",
        max_auto_atoms=12,
    ),
)
