"""What the program says of quasi-harmonic properties."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sus2.errors import counted
from sus2.properties.property import Download, Option, Page, Property, Quantity, never
from sus2.trust.digits import number_text

if TYPE_CHECKING:
    from sus2.properties.thermal.result import ThermalResult

ROOM_K = 300.0
_CURVES = (
    "temperatures_k",
    "volumes_t_a3",
    "thermal_expansion_per_k",
    "bulk_modulus_gpa",
    "cp_j_per_k_mol",
    "cv_j_per_k_mol",
    "gibbs_ev",
    "gruneisen",
    "gruneisen_modes_average",
    "linear_expansion_per_k",
)
_UNCERTAIN = ("volumes_t_a3", "thermal_expansion_per_k", "bulk_modulus_gpa", "linear_expansion_per_k")


def _sigma_name(name: str) -> str:
    """The name of a column of standard deviations: the unit stays at the end."""
    for unit in ("_a3", "_per_k", "_gpa"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_sigma{unit}"
    return f"{name}_sigma"


def curves_csv(result: ThermalResult) -> str:
    """Write the curves against temperature as CSV, with standard deviations (empty where unknown).

    Parameters
    ----------
    result
        The properties.

    Returns
    -------
    str
        One row for each temperature; the units stand in the names of the columns.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_CURVES, *(_sigma_name(name) for name in _UNCERTAIN)])
    curves = [getattr(result, name) for name in _CURVES]
    curves += [np.broadcast_to(result.uncertainty[name], curves[0].shape) for name in _UNCERTAIN]
    for row in zip(*curves, strict=True):
        writer.writerow(["" if np.isnan(x) else repr(float(x)) for x in row])
    return out.getvalue()


def quantities_at(temperature_k: float) -> tuple[Quantity, ...]:
    """Describe the quantities at a temperature.

    Parameters
    ----------
    temperature_k
        The temperature, K.

    Returns
    -------
    tuple of Quantity
        Expansion of volume and length, volume, bulk modulus, heat capacity.
    """
    t = f"{temperature_k:g}"

    def reached(result: ThermalResult) -> bool:
        return float(result.temperatures_k[-1]) >= temperature_k

    return (
        Quantity(
            f"thermal_expansion_{t}k_1e6_per_k",
            f"α (volume) at {t} K",
            f"Volume expansion α, {t} K",
            "10⁻⁶/K",
            2,
            "Quasi-harmonic thermal expansion of the volume, (1/V) dV/dT; three times the mean linear expansion.",
            lambda r: 1e6 * r.at("thermal_expansion_per_k", temperature_k),
            compared=reached,
        ),
        Quantity(
            f"linear_expansion_{t}k_1e6_per_k",
            f"α (linear) at {t} K",
            f"Linear expansion α, {t} K",
            "10⁻⁶/K",
            2,
            "Linear thermal expansion, the mean over directions: a third of that of the volume.",
            lambda r: 1e6 * r.at("thermal_expansion_per_k", temperature_k) / 3.0,
            headline=True,
            tabulated=False,
            compared=never,
        ),
        Quantity(
            f"volume_{t}k_a3_per_atom",
            f"V at {t} K",
            f"Volume, {t} K",
            "Å³/atom",
            3,
            "Volume of lowest quasi-harmonic free energy.",
            lambda r: r.at("volumes_t_a3", temperature_k) / r.n_atoms,
            headline=True,
            compared=reached,
        ),
        Quantity(
            f"bulk_modulus_{t}k_gpa",
            f"B at {t} K",
            f"Bulk modulus B, {t} K",
            "GPa",
            1,
            "Isothermal bulk modulus with zero-point and thermal motion.",
            lambda r: r.at("bulk_modulus_gpa", temperature_k),
            headline=True,
            compared=reached,
        ),
        Quantity(
            f"cp_{t}k_j_per_k_mol_atoms",
            f"Cₚ at {t} K",
            f"Heat capacity Cₚ, {t} K",
            "J/K/mol atoms",
            2,
            "Quasi-harmonic heat capacity at constant pressure, per mole of atoms.",
            lambda r: float(np.interp(temperature_k, r.temperatures_k, np.asarray(r.cp_j_per_k_mol_atoms))),
            headline=True,
            compared=reached,
        ),
    )


def _show(result: ThermalResult, temperature: float = ROOM_K) -> list[str]:
    lines = [f"{temperature:g} K. {result.note}".rstrip()]
    for label, name, scale, digits, unit in (
        ("V", "volumes_t_a3", 1.0, 3, f"Å³ for {counted(len(result.atoms), 'atom')}"),
        ("α", "thermal_expansion_per_k", 1e6, 2, "× 10⁻⁶/K, of the volume"),
        ("B", "bulk_modulus_gpa", 1.0, 1, "GPa"),
        ("Cₚ", "cp_j_per_k_mol", 1.0, 2, "J/K/mol"),
    ):
        sigma, word = _error(result, name, temperature)
        number = number_text(scale * result.at(name, temperature), digits, scale * sigma)
        lines.append(f"  {label:<6}{number} {unit}{word}")
    return lines


def _error(result: ThermalResult, name: str, temperature: float) -> tuple[float, str]:
    """One standard deviation and its verdict in brackets, for curves that have one; else nan."""
    estimate = result.trust.estimates.get(name)
    if estimate is None:
        return math.nan, ""
    sigma = np.broadcast_to(estimate.sigma, result.temperatures_k.shape)
    if not np.isfinite(sigma).all():
        return math.nan, " (error unknown)"
    return float(np.interp(temperature, result.temperatures_k, sigma)), f" ({estimate.verdict})"


def _within_reach(settings: Mapping[str, Any], temperature: float = ROOM_K) -> None:
    """Refuse a temperature to print that will not be computed."""
    # Here, because they import torch.
    from sus2.properties.thermal.calculate import checked_temperatures
    from sus2.properties.thermal.result import check_within

    check_within(temperature, checked_temperatures(settings.get("temperatures_k")))


ENTRY = Property(
    name="thermal",
    title="thermal properties",
    function="sus2.properties.thermal.calculate:thermal",
    help="Quasi-harmonic volume, expansion, bulk modulus and heat capacity.",
    quantities=quantities_at(ROOM_K),
    options=(Option("temperature", float, ROOM_K, "Temperature to print, K.", shown=True, least=0.0),),
    memory={"thermal": ("phonons",)},
    cost=12.0,
    in_fixed_cell=False,
    relaxed=lambda t: t.atoms,
    show=_show,
    before=_within_reach,
    downloads=(Download("Curves (CSV)", "csv", "text/csv", curves_csv),),
    seen='result.at("thermal_expansion_per_k", 300), result.at("bulk_modulus_gpa", 300)',
    page=Page(
        "Thermal properties",
        "thermostat",
        "Thermal expansion, stiffness and heat capacity against temperature, in the quasi-harmonic approximation.",
        "properties/thermal",
    ),
)
