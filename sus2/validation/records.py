"""Properties of crystals with known values, beside the committee's spread: what a calibration is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.derivatives.lattice_dynamics import Modes
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.elastic.trust import elastic_spread
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.result import EosResult
from sus2.properties.phonons.trust import frequency_spread
from sus2.properties.thermal.calculate import thermal
from sus2.registry.applicability import extrapolation_grade
from sus2.relaxation.relax import relax
from sus2.structures import elements_of, standardise
from sus2.trust.committee import Committee, committee_of, spread_of
from sus2.trust.crystal_class import crystal_class
from sus2.trust.known_values import known_values, references
from sus2.trust.known_values.structure_type import structure_type
from sus2.types import Array

FMAX_EV_PER_A: Final = 1e-4
CONSTANTS: Final = {
    "c11_gpa": (0, 0),
    "c12_gpa": (0, 1),
    "c13_gpa": (0, 2),
    "c33_gpa": (2, 2),
    "c44_gpa": (3, 3),
    "c66_gpa": (5, 5),
}
"""Elastic constants of a record and their places in the tensor."""
EXPANSION: Final = "linear_expansion_1e6_per_k"
_ROOM_K: Final = 298.0
_TEMPERATURES_K: Final = [10.0 * k for k in range(41)]
# Wave vectors of the highest and of the mean frequency.
WAVE_VECTORS: Final = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0]]
# A crystal that changes its volume by more than this is another one; its numbers say nothing about those of the table.
FAR_PERCENT: Final = 40.0


@dataclass(frozen=True)
class Record:
    """One crystal in one potential.

    Attributes
    ----------
    name
        For people.
    potential
        Name of the potential.
    formula
        Reduced formula.
    composition
        Reduced formula; crystals of one composition are left out of a fit together.
    crystal_class
        One of CLASSES of sus2.trust.crystal_class.
    elements
        Chemical symbols.
    grade
        Largest extrapolation grade of its atoms.
    values
        Quantity -> number, in the quantity's unit.
    spreads
        Quantity -> standard deviation of the members.
    references
        Quantity -> known value.
    functionals
        Quantity -> functional of the known value.
    failure
        What went wrong; empty where nothing did.
    members
        Quantity -> deviation of each member.
    weights_sha256
        Of the potential.
    kind
        As sus2.trust.known_values.structure_type names it.
    """

    name: str
    potential: str
    formula: str
    composition: str
    crystal_class: str
    elements: tuple[str, ...]
    grade: float
    values: dict[str, float]
    spreads: dict[str, float]
    references: dict[str, float]
    functionals: dict[str, str]
    failure: str = ""
    members: dict[str, list[float]] = field(default_factory=dict)
    weights_sha256: str = ""
    kind: str = ""

    @property
    def formula_hill(self) -> str:
        """The reduced formula in Hill order, as sus2.trust.known_values looks crystals up."""
        return str(Atoms(self.formula).symbols.formula.reduce()[0].format("hill"))


def record_of(
    name: str,
    atoms: Atoms,
    potential: Potential,
    *,
    extra: dict[str, tuple[float, str]] | None = None,
    with_eos: bool = True,
) -> Record:
    """Compute what is known of one crystal.

    Parameters
    ----------
    name
        For people.
    atoms
        The crystal.
    potential
        With members, or the spreads are nan.
    extra
        More references, quantity -> (value, functional).
    with_eos
        Whether to take E(V).

    Returns
    -------
    Record
        One that failed says why.
    """
    start = standardise(atoms, "primitive", symprec=1e-3)
    formula, _ = start.symbols.formula.reduce()
    found_references = {
        q: (r.value, r.functional) for q, r in references(known_values(start), potential.functional, start).items()
    }
    known = found_references | (extra or {})
    values: dict[str, float] = {}
    moved: dict[str, Array] = {}
    grade, failure = math.nan, ""
    try:
        relaxed = relax(start, potential, fmax=FMAX_EV_PER_A, stress_gpa=2e-3).require_converged()
        grade = extrapolation_grade(potential, [relaxed.atoms]).largest
        if abs(relaxed.volume_change_percent) > FAR_PERCENT:
            raise Sus2Error(f"The volume changes by {relaxed.volume_change_percent:.0f} %.")
        tensor = elastic(relaxed.atoms, potential, relaxed=True, cross_checks=False)
        values, moved = member_values(potential, relaxed.atoms, tensor, None)
        if with_eos:
            curve = eos(relaxed.atoms, potential, relaxed=True)
            with_curve = member_values(potential, relaxed.atoms, None, curve)
            values |= with_curve[0]
            moved |= with_curve[1]
        if EXPANSION in known:
            heated = thermal(relaxed.atoms, potential, relaxed=True, temperatures_k=_TEMPERATURES_K)
            values[EXPANSION] = 1e6 / 3.0 * heated.at("thermal_expansion_per_k", _ROOM_K)
    except (Sus2Error, ArithmeticError, ValueError) as error:
        failure = str(error)
    return Record(
        name,
        potential.name,
        formula.format("metal"),
        formula.format("metal"),
        crystal_class(start),
        tuple(elements_of(start)),
        grade,
        values,
        {q: spread_of(m) for q, m in moved.items()},
        {q: v for q, (v, _) in known.items()},
        {q: f for q, (_, f) in known.items()},
        failure,
        {q: [float(f"{x:.4g}") for x in m] for q, m in moved.items()},
        potential.card.sha256,
        structure_type(start),
    )


def member_values(
    potential: Potential, atoms: Atoms, tensor: ElasticResult | None, curve: EosResult | None
) -> tuple[dict[str, float], dict[str, Array]]:
    """The numbers of one crystal and how far the members of the committee are from them.

    Parameters
    ----------
    potential
        With members, or there are no deviations.
    atoms
        The crystal at rest.
    tensor
        Its elastic constants at zero pressure, by exact derivatives; frequencies go with them. None for neither.
    curve
        Its equation of state, or None.

    Returns
    -------
    tuple of dict
        Quantity -> number, and quantity -> deviations (M,), in the unit of the quantity.
    """
    committee = committee_of(potential)
    values = {"v0_a3_per_atom": abs(float(atoms.cell.volume)) / len(atoms)}
    moved: dict[str, Array] = {}
    if committee is not None:
        moved["v0_a3_per_atom"] = committee.volume_percent(atoms) / 100.0 * values["v0_a3_per_atom"]
    if tensor is not None:
        _harmonic(tensor, potential, committee, values, moved)
    if curve is not None:
        values["b0_gpa"], values["b0_prime"] = curve.b0_gpa, curve.b0_prime
        if committee is not None:
            found = committee.eos(curve.volumes_a3, curve.energies_ev, curve.structures)
            moved["b0_gpa"], moved["b0_prime"] = found.b0_gpa, found.b0_prime
    return values, moved


def _harmonic(
    tensor: ElasticResult,
    potential: Potential,
    committee: Committee | None,
    values: dict[str, float],
    moved: dict[str, Array],
) -> None:
    """Add the elastic constants, moduli and frequencies of a crystal at rest, and how the members move them."""
    values |= {n: float(tensor.c_gpa[p]) for n, p in CONSTANTS.items()}
    values["k_vrh_gpa"], values["g_vrh_gpa"] = tensor.k_vrh_gpa, tensor.g_vrh_gpa
    second = second_derivatives(tensor.atoms, potential)
    modes = second.modes(WAVE_VECTORS)
    values |= frequencies_of(modes)
    if committee is None:
        return
    found = elastic_spread(committee, tensor, second)
    moved |= {n: found.c_gpa[:, p[0], p[1]] for n, p in CONSTANTS.items()}
    moved["k_vrh_gpa"], moved["g_vrh_gpa"] = found.k_vrh_gpa, found.g_vrh_gpa
    frequencies = frequency_spread(committee, tensor.atoms, np.array(WAVE_VECTORS), modes)
    own = modes.frequencies_thz
    if "gamma_to_thz" in values:
        moved["gamma_to_thz"] = frequencies[:, 0, _lowest_optical(own[0])]
    k = np.unravel_index(int(own.argmax()), own.shape)
    moved["max_frequency_thz"] = frequencies[:, k[0], k[1]]
    moved["mean_frequency_thz"] = frequencies.mean(axis=(1, 2))


def frequencies_of(modes: Modes) -> dict[str, float]:
    """The frequencies that a record holds.

    Parameters
    ----------
    modes
        At WAVE_VECTORS.

    Returns
    -------
    dict
        max_frequency_thz, mean_frequency_thz and, where there is an optical mode, gamma_to_thz: the lowest at the zone
        centre. Without LO-TO splitting the optical modes of cubic binary crystals are one.
    """
    own = modes.frequencies_thz
    out = {"max_frequency_thz": float(own.max()), "mean_frequency_thz": float(np.abs(own).mean())}
    return {"gamma_to_thz": float(own[0][_lowest_optical(own[0])]), **out} if own.shape[1] > 3 else out


def _lowest_optical(frequencies_thz: Array) -> int:
    """Place of the lowest optical mode among the frequencies (3N,) at the zone centre."""
    return int(np.min(np.argsort(np.abs(frequencies_thz))[3:]))


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records, one JSON object a line.

    Parameters
    ----------
    path
        The file, which is overwritten.
    records
        What to write.
    """
    path.write_text("".join(json.dumps(asdict(r)) + "\n" for r in records), encoding="utf-8")


def read_records(path: Path) -> list[Record]:
    """Read records as write_records wrote them.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of Record
        In the order of the file.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Record(**{**row, "elements": tuple(row["elements"])}) for row in rows]
