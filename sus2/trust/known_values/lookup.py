"""Values that are known of a crystal, from committed tables: all-electron PBE, Materials Project, measurements.

A crystal is found by its composition and structure type (see structure_type); the tables hold facts with their sources.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ase import Atoms

from sus2.structures import to_atoms
from sus2.trust.known_values.structure_type import SYMPREC_A, prototype_crystal, prototype_type, structure_type

if TYPE_CHECKING:
    from pymatgen.core import Structure

_FOLDER = Path(__file__).resolve().parent
UNITS: Final[dict[str, str]] = {
    "a0_a": "Å",
    "v0_a3_per_atom": "Å³/atom",
    "b0_gpa": "GPa",
    "b0_prime": "",
    "k_vrh_gpa": "GPa",
    "g_vrh_gpa": "GPa",
    **{f"c{name}_gpa": "GPa" for name in ("11", "12", "13", "33", "44", "66")},
    "gamma_to_thz": "THz",
    "gamma_optical_thz": "THz",
    "max_frequency_thz": "THz",
    "mean_frequency_thz": "THz",
    "cohesive_energy_ev_per_atom": "eV/atom",
    "debye_temperature_k": "K",
    "linear_expansion_1e6_per_k": "10⁻⁶/K",
}
"""The quantities of the tables, named as results name them, with their units."""

ROOM_TEMPERATURE_K: Final = 298.0


@dataclass(frozen=True)
class KnownValue:
    """One value of a crystal that is known from elsewhere.

    Attributes
    ----------
    quantity : str
        Name as in results, such as ``b0_gpa`` or ``c44_gpa``; elastic constants in the IEEE setting.
    value : float
        In ``unit``.
    unit : str
        Unit for people.
    functional : str
        ``PBE``, ``r2SCAN``, ``PW91``, or ``experiment``.
    temperature_k : float or None
        Of a measurement; None for calculations without temperature and where zero-point motion was subtracted.
    source : str
        Where the value is from.
    doi : str
        Of the source; empty where there is none.
    """

    quantity: str
    value: float
    unit: str
    functional: str
    temperature_k: float | None
    source: str
    doi: str

    @property
    def calculated(self) -> bool:
        """Whether it is from density functional theory, not measured."""
        return self.functional != "experiment"


def known_values(atoms: Atoms | Structure) -> tuple[KnownValue, ...]:
    """What the committed tables know of a crystal.

    Parameters
    ----------
    atoms
        The crystal; its cell, setting and lattice constants do not matter.

    Returns
    -------
    tuple of KnownValue
        Calculated values first, then measured ones; empty where nothing is known.

    Raises
    ------
    StructureError
        No crystal.
    """
    crystal = to_atoms(atoms)
    formula = crystal.symbols.formula.reduce()[0].format("hill")
    of_formula = _table().get(formula)
    if of_formula is None:
        return ()
    for symprec in SYMPREC_A:
        found = of_formula.get(structure_type(crystal, symprec))
        if found:
            return found
    return ()


def known_crystals() -> dict[str, Atoms]:
    """Textbook crystals of which values are known, built from prototypes and lattice constants.

    Returns
    -------
    dict
        Name, such as ``W bcc``, -> primitive cell at about its volume.
    """
    out = {}
    for row in _rows("crystals.csv"):
        c = float(row["c_a"]) if row["c_a"] else None
        name = f"{row['formula']} {row['prototype']}"
        out[name] = prototype_crystal(row["formula"], row["prototype"], float(row["a_a"]), c)
    return out


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, tuple[KnownValue, ...]]]:
    """Reduced formula -> structure type -> values."""
    sources = {row["source"]: row for row in _rows("sources.csv")}
    out: dict[str, dict[str, list[KnownValue]]] = {}

    def add(formula: str, kind: str, quantity: str, text: str, functional: str, t: float | None, source: str) -> None:
        if text:
            of = sources[source]
            value = KnownValue(quantity, float(text), UNITS[quantity], functional, t, of["citation"], of["doi"])
            of_kind = out.setdefault(_hill(formula), {}).setdefault(kind, [])
            if value not in of_kind:
                of_kind.append(value)

    for row in _rows("acwf.csv"):
        kind = prototype_type(row["formula"], row["prototype"])
        for quantity in ("v0_a3_per_atom", "b0_gpa", "b0_prime"):
            add(row["formula"], kind, quantity, row[quantity], "PBE", None, row["source"])
    for row in _rows("literature.csv"):
        kind = prototype_type(row["formula"], row["prototype"])
        measured = row["functional"] == "experiment" and row["t_k"]
        t = float(row["t_k"]) if measured else None
        add(row["formula"], kind, row["quantity"], row["value"], row["functional"], t, row["source"])
    for row in _rows("mp_moduli.csv"):
        for quantity in ("k_vrh_gpa", "g_vrh_gpa"):
            add(row["formula"], row["structure_type"], quantity, row[quantity], "PBE", None, "mp-elasticity")
    for row in _rows("elastic_measured.csv"):
        kind = prototype_type(row["formula"], row["prototype"])
        for name in ("11", "12", "13", "33", "44", "66"):
            text, t = row[f"c{name}"], float(row["t_k"])
            add(row["formula"], kind, f"c{name}_gpa", text, "experiment", t, row["source"])
    for row in _rows("measured.csv"):
        unit = {"THz": "thz", "1e-6/K": "1e6_per_k"}[row["unit"]]
        kind, t = prototype_type(row["formula"], row["prototype"]), float(row["t_k"])
        add(row["formula"], kind, f"{row['quantity']}_{unit}", row["value"], "experiment", t, row["source"])
    return {
        formula: {kind: tuple(sorted(values, key=lambda v: not v.calculated)) for kind, values in kinds.items()}
        for formula, kinds in out.items()
    }


@lru_cache(maxsize=4096)
def _hill(formula: str) -> str:
    return Atoms(formula).symbols.formula.reduce()[0].format("hill")


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
