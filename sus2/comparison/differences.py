"""Quantities of two potentials side by side: each difference and what the cards say of its error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from sus2.potential.card import Card
from sus2.potential.evaluation import Calculates
from sus2.properties.phonons.result import BandStructure
from sus2.properties.property import Quantity
from sus2.structures import standardise
from sus2.trust.estimate import Estimate

# What is compared besides the properties of the catalogue.
LATTICE: Final = (
    Quantity("volume_a3_per_atom", "V", "Volume", "Å³/atom", 3, "Volume of the relaxed cell."),
    Quantity("a_a", "a", "Lattice constant a", "Å", 4, "Of the conventional cell."),
    Quantity("b_a", "b", "Lattice constant b", "Å", 4, "Of the conventional cell."),
    Quantity("c_a", "c", "Lattice constant c", "Å", 4, "Of the conventional cell."),
    Quantity("alpha_deg", "α", "Angle α", "°", 2, "Of the conventional cell."),
    Quantity("beta_deg", "β", "Angle β", "°", 2, "Of the conventional cell."),
    Quantity("gamma_deg", "γ", "Angle γ", "°", 2, "Of the conventional cell."),
)
PRESSURE: Final = Quantity("pressure_gpa", "P", "Pressure", "GPa", 2, "Of the crystal in the fixed cell.")
ENERGIES: Final = (
    Quantity(
        "formation_energy_ev_per_atom",
        "formation energy",
        "Formation energy",
        "eV/atom",
        3,
        "Energy against the elements in the same potential.",
    ),
    Quantity(
        "cohesive_energy_ev_per_atom",
        "cohesive energy",
        "Cohesive energy",
        "eV/atom",
        3,
        "Energy against the free atoms.",
    ),
)


@dataclass(frozen=True)
class Difference:
    """One quantity of a potential against that of the first one.

    Attributes
    ----------
    key : str
        As in `Quantity`.
    label : str
        As in `Quantity`.
    unit : str
        As in `Quantity`.
    digits : int
        As in `Quantity`.
    reference : float
        The first potential's value, in its own relaxed cell.
    value : float
        The other potential's value, in its own relaxed cell.
    fixed : float or None
        The difference with both in the one fixed cell; None where it has no meaning there.
    error : float or None
        Standard deviation of the difference: from paired members where it is calibrated, else the root of the sum of
        squares of what the cards state; None where it is unknown.
    error_source : str
        Where the error comes from, or why it is unknown.
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
        """Difference with each potential in its own relaxed cell."""
        return self.value - self.reference

    @property
    def volume_effect(self) -> float | None:
        """Contribution of the change of the cell: what it adds to the difference at a fixed cell."""
        return None if self.fixed is None else self.own - self.fixed

    @property
    def percent(self) -> float | None:
        """Difference in percent of the first potential's value; None where that is close to zero."""
        if abs(self.reference) <= 0.5 * 10.0**-self.digits:
            return None
        return 100.0 * self.own / abs(self.reference)

    @property
    def below_error(self) -> bool | None:
        """Whether the difference is smaller than its error; None where that is unknown."""
        return None if self.error is None else abs(self.own) < self.error


@dataclass(frozen=True)
class BandAgreement:
    """Frequencies against the first potential's at the same wave vector and branch.

    Attributes
    ----------
    rms_thz : float
        Root-mean-square difference.
    mean_thz : float
        Mean difference.
    slope : float
        Least-squares slope through the origin: 1 for equal stiffness, less for softer phonons.
    """

    rms_thz: float
    mean_thz: float
    slope: float


def band_agreement(reference: BandStructure, other: BandStructure) -> BandAgreement | None:
    """Compare two band structures on one path.

    Parameters
    ----------
    reference
        Of the first potential.
    other
        Of the other potential.

    Returns
    -------
    BandAgreement or None
        None where the shapes of their frequencies differ.
    """
    a, b = reference.frequencies_thz, other.frequencies_thz
    if a.shape != b.shape:
        return None
    gap = b - a
    return BandAgreement(float(np.sqrt((gap**2).mean())), float(gap.mean()), float((a * b).sum() / (a * a).sum()))


def lattice(atoms: Atoms) -> dict[Quantity, float]:
    """Read the volume of a crystal and the lattice constants of its conventional cell that symmetry leaves free.

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    dict
        Quantities of `LATTICE` and their numbers.
    """
    lengths = standardise(atoms, "conventional", symprec=1e-3).cell.cellpar()
    found = {"volume_a3_per_atom": abs(float(atoms.cell.volume)) / len(atoms), "a_a": float(lengths[0])}
    for key, k in (("b_a", 1), ("c_a", 2)):
        if not any(math.isclose(lengths[k], x, rel_tol=1e-5) for x in lengths[:k]):
            found[key] = float(lengths[k])
    for key, k in (("alpha_deg", 3), ("beta_deg", 4), ("gamma_deg", 5)):
        if min(abs(lengths[k] - 90.0), abs(lengths[k] - 120.0)) > 1e-3:
            found[key] = float(lengths[k])
    return {q: found[q.key] for q in LATTICE if q.key in found}


def differences(
    potentials: tuple[Calculates, Calculates],
    own: tuple[Mapping[Quantity, float], Mapping[Quantity, float]],
    fixed: tuple[Mapping[Quantity, float], Mapping[Quantity, float]],
    formula: str,
    estimates: Mapping[str, Estimate] | None = None,
) -> tuple[Difference, ...]:
    """Compare the quantities that two potentials both have.

    Parameters
    ----------
    potentials
        The first potential and the other.
    own
        Quantities of each in its own relaxed cell.
    fixed
        Quantities of each in the one fixed cell; may be empty.
    formula
        Formula of the crystal, for the errors that cards state of it.
    estimates
        Key of a quantity -> calibrated standard deviation of its difference.

    Returns
    -------
    tuple of Difference
        In the order of the first potential's quantities; the pressure in the fixed cell comes last.
    """
    first, second = (_by_key(q) for q in own)
    rows = []
    for quantity in own[0]:
        key = quantity.key
        if key not in second:
            continue
        between = None
        if quantity in fixed[0] and quantity in fixed[1]:
            # The cell is the same by construction.
            between = 0.0 if quantity in LATTICE else fixed[1][quantity] - fixed[0][quantity]
        error, source = _error(potentials, key, (first, second), formula, estimates or {})
        rows.append(_row(quantity, quantity.label, first[key], second[key], between, error, source))
    if PRESSURE in fixed[0] and PRESSURE in fixed[1]:
        error, source = _error(potentials, PRESSURE.key, (_by_key(fixed[0]), _by_key(fixed[1])), formula, {})
        a, b = fixed[0][PRESSURE], fixed[1][PRESSURE]
        rows.append(_row(PRESSURE, f"{PRESSURE.label} in the one fixed cell", a, b, b - a, error, source))
    return tuple(rows)


def _row(
    q: Quantity, label: str, a: float, b: float, fixed: float | None, error: float | None, source: str
) -> Difference:
    return Difference(q.key, label, q.unit, q.digits, a, b, fixed, error, source)


def _by_key(found: Mapping[Quantity, float]) -> dict[str, float]:
    return {q.key: value for q, value in found.items()}


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
    """The error of a quantity in its unit that a card states, and from what.

    From a measured property of this crystal, else the median over all crystals that the card measures; energies and
    pressures from the errors of the test set; a volume from the error of the stress, dV/V = dP/K.

    Parameters
    ----------
    card
        Of the potential, if it has one.
    key
        Of the quantity.
    values
        Key -> number, of this crystal in the potential.
    formula
        Of the crystal.

    Returns
    -------
    tuple of (float, str) or None
        None where the card states none.
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
    estimates: Mapping[str, Estimate],
) -> tuple[float | None, str]:
    if key in estimates:
        sigma = float(estimates[key].sigma)
        return sigma if math.isfinite(sigma) else None, estimates[key].reason
    found = [model_error(getattr(p, "card", None), key, v, formula) for p, v in zip(potentials, values, strict=True)]
    if found[0] is None or found[1] is None:
        silent = [p.name for p, f in zip(potentials, found, strict=True) if f is None]
        return None, f"not stated by {' and '.join(silent)}"
    sources = dict.fromkeys(f[1] for f in found if f is not None)
    return math.hypot(found[0][0], found[1][0]), "; ".join(sources)
