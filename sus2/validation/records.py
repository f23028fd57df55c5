"""Properties of crystals with known values, beside the committee's spread: what a calibration is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.trust import elastic_spread
from sus2.properties.eos.calculate import eos
from sus2.properties.phonons.trust import frequency_spread
from sus2.registry.applicability import extrapolation_grade
from sus2.relaxation.relax import relax
from sus2.structures import elements_of, standardise
from sus2.trust.committee import Committee, committee_of, spread_of
from sus2.trust.crystal_class import crystal_class
from sus2.trust.known_values import known_values, references

FMAX_EV_PER_A: Final = 1e-4
# A crystal that changes its volume by more than this is another one; its numbers say nothing about those of the table.
FAR_PERCENT: Final = 40.0


@dataclass(frozen=True)
class Record:
    """One crystal in one potential.

    values, spreads: quantity -> number and standard deviation of the members, in the quantity's unit;
    references: quantity -> known value; functionals: quantity -> its functional; failure: why nothing was computed.
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
    spreads: dict[str, float] = {}
    grade, failure = math.nan, ""
    committee = committee_of(potential)
    try:
        relaxed = relax(start, potential, fmax=FMAX_EV_PER_A, stress_gpa=2e-3).require_converged()
        grade = extrapolation_grade(potential, [relaxed.atoms]).largest
        if abs(relaxed.volume_change_percent) > FAR_PERCENT:
            raise Sus2Error(f"The volume changes by {relaxed.volume_change_percent:.0f} %.")
        values["v0_a3_per_atom"] = relaxed.volume_a3 / len(start)
        if committee is not None:
            percent = spread_of(committee.volume_percent(relaxed.atoms))
            spreads["v0_a3_per_atom"] = percent / 100.0 * values["v0_a3_per_atom"]
        _harmonic(relaxed.atoms, potential, committee, values, spreads)
        if with_eos:
            found = eos(relaxed.atoms, potential, relaxed=True)
            values["b0_gpa"], values["b0_prime"] = found.b0_gpa, found.b0_prime
            if committee is not None:
                s = committee.eos(found.volumes_a3, found.energies_ev, found.structures)
                spreads["b0_gpa"], spreads["b0_prime"] = spread_of(s.b0_gpa), spread_of(s.b0_prime)
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
        spreads,
        {q: v for q, (v, _) in known.items()},
        {q: f for q, (_, f) in known.items()},
        failure,
    )


def _harmonic(
    atoms: Atoms, potential: Potential, committee: Committee | None, values: dict[str, float], spreads: dict[str, float]
) -> None:
    tensor = elastic(atoms, potential, relaxed=True, cross_checks=False)
    names = [f"c{n}_gpa" for n in ("11", "12", "13", "33", "44", "66")]
    places = [(0, 0), (0, 1), (0, 2), (2, 2), (3, 3), (5, 5)]
    values |= {n: float(tensor.c_gpa[p]) for n, p in zip(names, places, strict=True)}
    values["k_vrh_gpa"], values["g_vrh_gpa"] = tensor.k_vrh_gpa, tensor.g_vrh_gpa
    second = second_derivatives(tensor.atoms, potential)
    modes = second.modes([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0]])
    own = modes.frequencies_thz
    if own.shape[1] > 3:
        # Without LO-TO splitting the optical modes of cubic binary crystals are one.
        optical = own[0][np.sort(np.argsort(np.abs(own[0]))[3:])]
        values["gamma_to_thz"] = float(optical[0])
    values["max_frequency_thz"] = float(own.max())
    values["mean_frequency_thz"] = float(np.abs(own).mean())
    if committee is None:
        return
    found = elastic_spread(committee, tensor, second)
    spreads |= {n: float(found.c_gpa.std(axis=0)[p]) for n, p in zip(names, places, strict=True)}
    spreads["k_vrh_gpa"], spreads["g_vrh_gpa"] = spread_of(found.k_vrh_gpa), spread_of(found.g_vrh_gpa)
    moved = frequency_spread(committee, tensor.atoms, np.array([[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0.0]]), modes)
    if own.shape[1] > 3:
        spreads["gamma_to_thz"] = float(moved[:, 0, np.sort(np.argsort(np.abs(own[0]))[3:])[0]].std())
    k = np.unravel_index(int(own.argmax()), own.shape)
    spreads["max_frequency_thz"] = float(moved[:, k[0], k[1]].std())
    spreads["mean_frequency_thz"] = float(moved.mean(axis=(1, 2)).std())


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records, one JSON object a line."""
    path.write_text("".join(json.dumps(asdict(r)) + "\n" for r in records), encoding="utf-8")


def read_records(path: Path) -> list[Record]:
    """Records as write_records wrote them."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Record(**{**row, "elements": tuple(row["elements"])}) for row in rows]
