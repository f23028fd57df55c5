"""Errors of a potential on what training never saw, and the classes of crystals by which they are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_OXYANIONS: Final = (
    ("H", "hydroxide, hydrate"),
    ("C", "carbonate"),
    ("N", "nitrate"),
    ("S", "sulfate"),
    ("P", "phosphate"),
    ("Si", "silicate"),
)
_HALIDES, _CHALCOGENS, _PNICTIDES = {"F", "Cl", "Br", "I"}, {"S", "Se", "Te"}, {"N", "P", "As", "Sb"}


def crystal_class(symbols: Sequence[str]) -> str:
    """The class of a crystal by its elements: element, oxide, oxyfluoride, fluoride, halide, chalcogenide, ..."""
    found = set(symbols)
    if len(found) == 1:
        return "element"
    if "O" in found:
        return "oxyfluoride" if "F" in found else "oxide"
    if "F" in found:
        return "fluoride"
    for name, members in (("halide", _HALIDES), ("chalcogenide", _CHALCOGENS), ("pnictide", _PNICTIDES)):
        if found & members:
            return name
    if "H" in found:
        return "hydride"
    return "carbide, boride, silicide" if found & {"C", "B", "Si"} else "intermetallic"


def file_class(symbols: Sequence[str]) -> str:
    """The class of a crystal by its elements, with hydrates, sulfates, carbonates, ... apart from other oxides."""
    found = set(symbols)
    if "O" in found:
        for element, name in _OXYANIONS:
            if element in found:
                return name
    return crystal_class(symbols)


@dataclass(frozen=True)
class LabelErrors:
    """Errors over the structures of one class; slopes are those of the student over the teacher.

    Energies are compared after a fit of one offset for each element.

    Attributes
    ----------
    name
        Of the class.
    structures
        How many.
    off
        How many of them are wrong by more than 1 eV/atom; these count in no mean.
    energy_mev_per_atom
        Mean absolute error.
    force_mev_per_a
        Mean absolute error of a component.
    force_slope
        Median over the rattled structures.
    stress_gpa
        Mean absolute error of a component.
    strain_percent
        Median over pairs of strained cells of the relative error of their difference of stresses.
    strain_slope
        Median over these pairs.
    displaced_percent
        The same of pairs of displaced cells and their difference of forces.
    displaced_slope
        Median over these pairs.
    """

    name: str
    structures: int
    off: int
    energy_mev_per_atom: float
    force_mev_per_a: float
    force_slope: float
    stress_gpa: float
    strain_percent: float
    strain_slope: float
    displaced_percent: float
    displaced_slope: float


@dataclass(frozen=True)
class VolumeErrors:
    """Relaxed volumes of crystals of one class.

    Attributes
    ----------
    name
        Of the class.
    crystals
        How many.
    median_percent
        Median absolute deviation of those that relaxed.
    wrong_percent
        Share of these that is off by more than a tenth.
    failed_percent
        Share of all whose relaxation failed or did not converge.
    """

    name: str
    crystals: int
    median_percent: float
    wrong_percent: float
    failed_percent: float


@dataclass(frozen=True)
class ModuliErrors:
    """K and G (Hill's means) beside the Materials Project.

    Attributes
    ----------
    crystals
        How many.
    failed
        Of them without a rest or without moduli.
    k_mae_gpa
        Mean absolute error of K.
    g_mae_gpa
        Mean absolute error of G.
    k_median_percent
        Median signed error of K.
    g_median_percent
        Median signed error of G.
    """

    crystals: int
    failed: int
    k_mae_gpa: float
    g_mae_gpa: float
    k_median_percent: float
    g_median_percent: float
