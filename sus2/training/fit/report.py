"""What a card says of a trained potential: crystal properties beside their references, distances in its data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase.build import bulk

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import DataError, Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.eos.calculate import eos
from sus2.relaxation.relax import relax
from sus2.training.fit.config import Crystal
from sus2.training.fit.objective import Objective


def crystal_properties(potential: Potential, crystal: Crystal) -> dict[str, float]:
    """Lattice constant, bulk modulus and elastic constants (relaxed ions) of one crystal, with its references.

    Parameters
    ----------
    potential
        The potential.
    crystal
        With its references.

    Returns
    -------
    dict
        Keys carry their units; a reference has `reference_` before the same key.

    Raises
    ------
    DataError
        ASE does not have the prototype.
    """
    try:
        atoms = bulk(crystal.symbol, crystal.prototype, a=crystal.a, covera=crystal.covera)
    except (ValueError, KeyError, RuntimeError):
        raise DataError(f"ASE builds no crystal '{crystal.symbol}' of prototype '{crystal.prototype}'.") from None
    out: dict[str, float] = {}
    try:
        relaxed = relax(atoms, potential, fmax=1e-4).require_converged().atoms
        # A primitive cell of a cubic lattice keeps the ratio of its edge to the conventional one.
        out["a0_a"] = crystal.a * float(relaxed.cell.lengths()[0] / atoms.cell.lengths()[0])
        curve = eos(relaxed, potential, relaxed=True)
        out |= {"b0_gpa": curve.b0_gpa, "b0_prime": curve.b0_prime}
        c = second_derivatives(relaxed, potential).relaxed_elastic.stress_strain_gpa
        out |= {"c11_gpa": float(c[0, 0]), "c12_gpa": float(c[0, 1]), "c44_gpa": float(c[3, 3])}
    except Sus2Error:
        # A card that hides a crystal the potential cannot hold would be worse than one that marks it.
        out["failed"] = 1.0
    rounded = {key: round(value, 4) for key, value in out.items()}
    return rounded | {f"reference_{key}": value for key, value in crystal.references.items()}


def shortest_distances(
    parts: list[Objective], elements: tuple[str, ...], before: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Shortest distance in the data for each pair of elements that occurs below the cutoff.

    Parameters
    ----------
    parts
        Of the set.
    elements
        Chemical symbols in type order.
    before
        Those of the labels of the potential to start from, whose lesson at short range is still there.

    Returns
    -------
    dict
        Angstrom by pair.
    """
    c = len(elements)
    best = np.full((c, c), np.inf)
    for part in parts:
        e = part.edges
        centre = np.repeat(e.types, np.diff(e.first))
        np.minimum.at(best, (centre, e.types[e.j]), np.linalg.norm(e.vectors, axis=1))
    best = np.minimum(best, best.T)
    names = {
        "-".join(sorted((elements[i], elements[j]))): round(float(best[i, j]), 4)
        for i in range(c)
        for j in range(i, c)
        if np.isfinite(best[i, j])
    }
    for pair, distance in (before or {}).items():
        if set(pair.split("-")) <= set(elements):
            names[pair] = min(distance, names.get(pair, distance))
    return dict(sorted(names.items()))
