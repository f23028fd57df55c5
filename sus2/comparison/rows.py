"""The numbers of a comparison as rows: each quantity, its difference and what the cards say of its error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sus2.structures import standardise
from sus2.units import EV_TO_KJ_PER_MOL

if TYPE_CHECKING:
    from sus2.comparison.compare import Side
    from sus2.potential.card import Card
    from sus2.potential.evaluation import Calculates
    from sus2.properties.elastic.result import ElasticResult
    from sus2.properties.phonons.result import BandStructure

Array = NDArray[np.float64]

TEMPERATURE_K: Final = 300.0
# Independent constants by crystal system (Nye, Physical Properties of Crystals); others have all 21.
_INDEPENDENT: Final[dict[str, tuple[str, ...]]] = {
    "cubic": ("11", "12", "44"),
    "hexagonal": ("11", "12", "13", "33", "44"),
    "trigonal": ("11", "12", "13", "14", "33", "44"),
    "tetragonal": ("11", "12", "13", "33", "44", "66"),
    "orthorhombic": ("11", "12", "13", "22", "23", "33", "44", "55", "66"),
}
# key: (label, unit, digits)
QUANTITIES: Final[dict[str, tuple[str, str, int]]] = {
    "volume_a3_per_atom": ("Volume", "Å³/atom", 3),
    "a_a": ("Lattice constant a", "Å", 4),
    "b_a": ("Lattice constant b", "Å", 4),
    "c_a": ("Lattice constant c", "Å", 4),
    "alpha_deg": ("Angle α", "°", 2),
    "beta_deg": ("Angle β", "°", 2),
    "gamma_deg": ("Angle γ", "°", 2),
    "pressure_gpa": ("Pressure", "GPa", 2),
    "v0_a3_per_atom": ("EOS volume V₀", "Å³/atom", 3),
    "b0_gpa": ("EOS bulk modulus B₀", "GPa", 1),
    "b0_prime": ("EOS B₀′", "", 2),
    "k_vrh_gpa": ("Bulk modulus K", "GPa", 1),
    "g_vrh_gpa": ("Shear modulus G", "GPa", 1),
    "e_vrh_gpa": ("Young's modulus E", "GPa", 1),
    "nu_vrh": ("Poisson's ratio", "", 3),
    "universal_anisotropy": ("Universal anisotropy", "", 2),
    "debye_temperature_k": ("Debye temperature", "K", 0),
    "max_frequency_thz": ("Highest phonon frequency", "THz", 2),
    "mean_frequency_thz": ("Mean phonon frequency", "THz", 2),
    "min_frequency_thz": ("Lowest phonon frequency", "THz", 2),
    "zero_point_energy_mev_per_atom": ("Zero-point energy", "meV/atom", 1),
    "helmholtz_kj_per_mol_atoms": ("Vibrational free energy, 300 K", "kJ/mol atoms", 2),
    "entropy_j_per_k_mol_atoms": ("Vibrational entropy, 300 K", "J/K/mol atoms", 2),
    "heat_capacity_j_per_k_mol_atoms": ("Heat capacity Cv, 300 K", "J/K/mol atoms", 2),
    "thermal_expansion_1e6_per_k": ("Thermal expansion (volume), 300 K", "10⁻⁶/K", 1),
    "formation_energy_ev_per_atom": ("Formation energy", "eV/atom", 3),
    "cohesive_energy_ev_per_atom": ("Cohesive energy", "eV/atom", 3),
}


@dataclass(frozen=True)
class Difference:
    """One quantity of a potential against that of the first one, in `unit`.

    reference, value: in each potential's own relaxed cell; own: value - reference; fixed: the same difference with
    both in the one fixed cell (None where it has no meaning there); error: of the difference, from what the cards
    state (root of the sum of squares), with its source in error_source; None where they state nothing.
    """

    key: str
    label: str
    unit: str
    digits: int
    reference: float
    value: float
    fixed: float | None
    error: float | None
    error_source: str

    @property
    def own(self) -> float:
        return self.value - self.reference

    @property
    def volume_effect(self) -> float | None:
        """What the change of the cell adds to the difference at a fixed cell."""
        return None if self.fixed is None else self.own - self.fixed

    @property
    def percent(self) -> float | None:
        """The difference in percent of the first potential's value; None where that is next to zero."""
        if abs(self.reference) <= 0.5 * 10.0**-self.digits:
            return None
        return 100.0 * self.own / abs(self.reference)

    @property
    def below_error(self) -> bool | None:
        """Whether the difference is smaller than the stated error of the models; None where none is stated."""
        return None if self.error is None else abs(self.own) < self.error


@dataclass(frozen=True)
class BandAgreement:
    """Frequencies against the first potential's at the same q and branch.

    rms_thz, mean_thz: root-mean-square and mean difference; slope: least squares through zero (1: as stiff, less:
    softer).
    """

    rms_thz: float
    mean_thz: float
    slope: float


def band_agreement(reference: BandStructure, other: BandStructure) -> BandAgreement | None:
    """None where the two have not the same number of branches."""
    a, b = reference.frequencies_thz, other.frequencies_thz
    if a.shape != b.shape:
        return None
    gap = b - a
    return BandAgreement(float(np.sqrt((gap**2).mean())), float(gap.mean()), float((a * b).sum() / (a * a).sum()))


def quantities(side: Side) -> dict[str, float]:
    """Every number of one potential in one cell, by the keys of QUANTITIES and c11_gpa, ..."""
    n = len(side.atoms)
    out = {"volume_a3_per_atom": abs(float(side.atoms.cell.volume)) / n, **_lattice(side)}
    if side.mode == "fixed":
        out["pressure_gpa"] = side.pressure_gpa
    if side.eos is not None:
        out |= {
            "v0_a3_per_atom": side.eos.v0_a3_per_atom,
            "b0_gpa": side.eos.b0_gpa,
            "b0_prime": side.eos.b0_prime,
        }
    if side.elastic is not None:
        out |= _elastic(side.elastic)
    if side.bands is not None and side.phonons is not None:
        mesh = side.phonons.mesh_frequencies_thz
        out["max_frequency_thz"] = float(max(side.bands.frequencies_thz.max(), mesh.max()))
        lowest = float(min(side.bands.frequencies_thz.min(), mesh.min()))
        if lowest < -0.05:
            out["min_frequency_thz"] = lowest
        else:
            out["mean_frequency_thz"] = _mean_frequency(side)
    if side.thermal is not None:
        t, atoms = side.thermal, side.thermal.n_atoms
        out["zero_point_energy_mev_per_atom"] = 1e3 * t.zero_point_energy_kj_per_mol / EV_TO_KJ_PER_MOL / atoms
        for key, values in (
            ("helmholtz_kj_per_mol_atoms", t.helmholtz_kj_per_mol),
            ("entropy_j_per_k_mol_atoms", t.entropy_j_per_k_mol),
            ("heat_capacity_j_per_k_mol_atoms", t.heat_capacity_j_per_k_mol),
        ):
            out[key] = float(np.interp(TEMPERATURE_K, t.temperatures_k, values)) / atoms
    if side.quasi_harmonic is not None and side.quasi_harmonic.temperatures_k[-1] >= TEMPERATURE_K:
        out["thermal_expansion_1e6_per_k"] = 1e6 * side.quasi_harmonic.at("thermal_expansion_per_k", TEMPERATURE_K)
    return {k: v for k, v in out.items() if math.isfinite(v)}


def differences(
    potentials: tuple[Calculates, Calculates],
    own: tuple[Mapping[str, float], Mapping[str, float]],
    fixed: tuple[Mapping[str, float], Mapping[str, float]],
    formula: str,
) -> tuple[Difference, ...]:
    """Rows for the quantities that both potentials have, in the order of QUANTITIES, elastic constants after them."""
    first, second = own
    keys = [k for k in QUANTITIES if k in first and k in second]
    keys += [k for k in first if k not in QUANTITIES and k in second]
    rows = []
    for key in keys:
        label, unit, digits = describe_quantity(key)
        between = fixed[1][key] - fixed[0][key] if key in fixed[0] and key in fixed[1] else None
        if key.startswith(("volume", "a_", "b_a", "c_a", "alpha_deg", "beta", "gamma")):
            between = 0.0 if between is not None else None
        error, source = _error(potentials, key, (first, second), formula)
        rows.append(Difference(key, label, unit, digits, first[key], second[key], between, error, source))
    if "pressure_gpa" in fixed[0] and "pressure_gpa" in fixed[1]:
        error, source = _error(potentials, "pressure_gpa", fixed, formula)
        label, unit, digits = QUANTITIES["pressure_gpa"]
        pair = fixed[0]["pressure_gpa"], fixed[1]["pressure_gpa"]
        label = f"{label} in the one fixed cell"
        rows.append(Difference("pressure_gpa", label, unit, digits, *pair, pair[1] - pair[0], error, source))
    return tuple(rows)


def describe_quantity(key: str) -> tuple[str, str, int]:
    """Label, unit and digits of a quantity."""
    if key in QUANTITIES:
        return QUANTITIES[key]
    return f"C{key[1:3]}", "GPa", 1


def _lattice(side: Side) -> dict[str, float]:
    lengths = standardise(side.atoms, "conventional", symprec=1e-3).cell.cellpar()
    out = {"a_a": float(lengths[0])}
    for key, k in (("b_a", 1), ("c_a", 2)):
        if not any(math.isclose(lengths[k], x, rel_tol=1e-5) for x in lengths[:k]):
            out[key] = float(lengths[k])
    for key, k in (("alpha_deg", 3), ("beta_deg", 4), ("gamma_deg", 5)):
        if min(abs(lengths[k] - 90.0), abs(lengths[k] - 120.0)) > 1e-3:
            out[key] = float(lengths[k])
    return out


def _elastic(result: ElasticResult) -> dict[str, float]:
    names: Iterable[str] = _INDEPENDENT.get(
        result.crystal_system, tuple(f"{i + 1}{j + 1}" for i in range(6) for j in range(i, 6))
    )
    out: dict[str, float] = {}
    if result.stable:
        out |= {
            name: float(getattr(result, name))
            for name in ("k_vrh_gpa", "g_vrh_gpa", "e_vrh_gpa", "nu_vrh", "universal_anisotropy", "debye_temperature_k")
        }
    return out | {f"c{n}_gpa": float(result.c_gpa[int(n[0]) - 1, int(n[1]) - 1]) for n in names}


def _mean_frequency(side: Side) -> float:
    assert side.dos is not None
    f, g = side.dos.frequencies_thz, side.dos.total_per_thz
    return float(np.trapezoid(f * g, f) / np.trapezoid(g, f))


# ---- what the cards say of errors

_CARD_KEYS: Final[dict[str, tuple[str, float]]] = {
    "volume_a3_per_atom": ("a0_a", 3.0),
    "v0_a3_per_atom": ("a0_a", 3.0),
    "a_a": ("a0_a", 1.0),
    "b_a": ("a0_a", 1.0),
    "c_a": ("a0_a", 1.0),
    "b0_gpa": ("b0_gpa", 1.0),
    "k_vrh_gpa": ("b0_gpa", 1.0),
    "b0_prime": ("b0_prime", 1.0),
    "c11_gpa": ("c11_gpa", 1.0),
    "c12_gpa": ("c12_gpa", 1.0),
    "c44_gpa": ("c44_gpa", 1.0),
}
_SETS: Final = ("test_near_equilibrium", "test", "validation")


def model_error(card: Card | None, key: str, values: Mapping[str, float], formula: str) -> tuple[float, str] | None:
    """The error of a quantity in its unit that a card states, and from what; None where it states none.

    From a measured property of this crystal, else the median over all crystals that the card measures; energies and
    pressures from the errors of the test set; a volume from the error of the stress, dV/V = dP/K.
    """
    if card is None:
        return None
    for name in _SETS:
        energy, stress = card.errors.get(f"{name}_energy_mae_mev_per_atom"), card.errors.get(f"{name}_stress_mae_gpa")
        words = name.replace("_", " ")
        if key in ("formation_energy_ev_per_atom", "cohesive_energy_ev_per_atom") and energy is not None:
            return energy / 1e3, f"{words} error of the energy"
        if key == "pressure_gpa" and stress is not None:
            return stress, f"{words} error of the stress"
    if key not in _CARD_KEYS:
        return None
    quantity, power = _CARD_KEYS[key]
    relative = {
        crystal: abs(numbers[quantity] / numbers[f"reference_{quantity}"] - 1.0)
        for crystal, numbers in card.properties.items()
        if quantity in numbers and numbers.get(f"reference_{quantity}")
    }
    same = [error for crystal, error in relative.items() if crystal.split()[0] == formula]
    if same:
        return power * same[0] * abs(values[key]), f"measured for {formula}"
    if relative:
        return power * float(np.median(list(relative.values()))) * abs(
            values[key]
        ), f"median of {len(relative)} crystals"
    stiffness = values.get("k_vrh_gpa", values.get("b0_gpa"))
    for name in _SETS:
        stress = card.errors.get(f"{name}_stress_mae_gpa")
        if quantity == "a0_a" and stress is not None and stiffness:
            words = name.replace("_", " ")
            return power / 3.0 * stress / stiffness * abs(values[key]), f"{words} error of the stress over K"
    return None


def _error(
    potentials: tuple[Calculates, Calculates],
    key: str,
    values: tuple[Mapping[str, float], Mapping[str, float]],
    formula: str,
) -> tuple[float | None, str]:
    found = [model_error(getattr(p, "card", None), key, v, formula) for p, v in zip(potentials, values, strict=True)]
    if found[0] is None or found[1] is None:
        silent = [p.name for p, f in zip(potentials, found, strict=True) if f is None]
        return None, f"not stated by {' and '.join(silent)}"
    sources = dict.fromkeys(f[1] for f in found if f is not None)
    return math.hypot(found[0][0], found[1][0]), "; ".join(sources)
