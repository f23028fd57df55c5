"""Is a crystal of the kind that a potential was trained on? Elements, pairs, distances and shells near the cutoff."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from ase import Atoms

from sus2.checks import Check
from sus2.native.neighbours import neighbours
from sus2.potential.card import Card
from sus2.potential.evaluation import Calculates
from sus2.potential.mtp import ModelSpec
from sus2.registry.distances import pair_distances, trained_distances
from sus2.structures import elements_of

SHELL_WIDTH_A: Final = 0.05


def check_applicability(atoms: Atoms, potential: Calculates) -> tuple[Check, ...]:
    """Compare elements, pairs of elements and distances of a crystal with what a potential was trained on.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential; what it does not tell (a calculator without parameters or card) is not checked.

    Returns
    -------
    tuple of Check
        Elements alone where one is missing, else elements, pairs, shells at the cutoff and distances.
    """
    checks = [check_elements(atoms, potential.elements)]
    if checks[0].verdict == "fail":
        return tuple(checks)
    spec: ModelSpec | None = getattr(potential, "spec", None)
    card: Card | None = getattr(potential, "card", None)
    if spec is not None:
        checks.append(check_pairs(atoms, spec, potential.elements))
        checks.append(check_shells(atoms, spec.max_dist))
    if card is not None:
        checks.append(check_distances(atoms, card))
    return tuple(checks)


def check_elements(atoms: Atoms, elements: Iterable[str]) -> Check:
    """Count the elements of a crystal that a potential does not cover.

    Parameters
    ----------
    atoms
        The crystal.
    elements
        Chemical symbols that the potential covers.

    Returns
    -------
    Check
        Their number; "fail" from one on.
    """
    missing = sorted(set(elements_of(atoms)) - set(elements))
    return Check(
        "Elements covered",
        float(len(missing)),
        "missing",
        "fail" if missing else "pass",
        f"The potential does not cover {', '.join(missing)}; choose another."
        if missing
        else f"The potential covers {', '.join(elements_of(atoms))}.",
    )


def untrained_pairs(spec: ModelSpec, elements: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Find ordered pairs (central, neighbour) whose universal scaling still has its initial values.

    Training starts from alpha = 6.6/(rc - rmin) and r0 = (rc + rmin)/2 for every pair (SUS2-MLIP), so a pair that has
    exactly these was in no training structure.

    Parameters
    ----------
    spec
        The model.
    elements
        Its elements in type order.

    Returns
    -------
    tuple of (str, str)
        The pairs; none where the model has no tables of scaling.
    """
    symbols = tuple(elements)
    return tuple((symbols[i], symbols[j]) for i, j in _untrained(spec))


@lru_cache(maxsize=4)
def _untrained(spec: ModelSpec) -> tuple[tuple[int, int], ...]:
    """Places of the elements of pairs that have their initial scaling."""
    if spec.alpha is None or spec.r0 is None:
        return ()
    alpha = 6.6 / (spec.max_dist - spec.min_dist)
    r0 = 0.5 * (spec.max_dist + spec.min_dist)
    same = np.isclose(spec.alpha, alpha, rtol=1e-9, atol=0) & np.isclose(spec.r0, r0, rtol=1e-9, atol=0)
    return tuple((int(i), int(j)) for i, j in np.argwhere(same.all(axis=0)))


def check_pairs(atoms: Atoms, spec: ModelSpec, elements: Iterable[str]) -> Check:
    """Count the ordered pairs of elements, neighbours in a crystal, that were never trained.

    Parameters
    ----------
    atoms
        The crystal.
    spec
        The model.
    elements
        Its elements in type order.

    Returns
    -------
    Check
        Their number; "fail" from one on.
    """
    found = neighbours(atoms, spec.max_dist)
    symbols = np.array(atoms.get_chemical_symbols())
    present = set(zip(symbols[found.index_i].tolist(), symbols[found.index_j].tolist(), strict=True))
    missing = sorted(present & set(untrained_pairs(spec, elements)))
    names = ", ".join(f"{a}-{b}" for a, b in missing[:6]) + (", ..." if len(missing) > 6 else "")
    return Check(
        "Pairs of elements trained",
        float(len(missing)),
        "untrained",
        "fail" if missing else "pass",
        f"The potential has never seen {names} as central atom and neighbour, so its result is a guess."
        if missing
        else "Every pair of neighbouring elements was in the training data.",
    )


def shells_near_cutoff(
    atoms: Atoms, cutoff: float, *, width: float = SHELL_WIDTH_A
) -> tuple[tuple[str, str, float], ...]:
    """Find distances near the cutoff, where the second derivatives of the model jump.

    Parameters
    ----------
    atoms
        The crystal.
    cutoff
        Of the potential, angstrom.
    width
        How near, angstrom.

    Returns
    -------
    tuple of (str, str, float)
        Element, element (alphabetical) and distance in angstrom, each shell once: distances that differ by less than
        1e-3 A count as one.
    """
    found = neighbours(atoms, cutoff + width)
    distance = np.linalg.norm(found.vector, axis=1)
    near = np.flatnonzero(distance >= cutoff - width)
    symbols = atoms.get_chemical_symbols()
    last: dict[tuple[str, str], float] = {}
    shells: list[tuple[str, str, float]] = []
    for k in near[np.argsort(distance[near])]:
        a, b = sorted((symbols[found.index_i[k]], symbols[found.index_j[k]]))
        d = float(distance[k])
        if d - last.get((a, b), 0.0) > 1e-3:
            shells.append((a, b, d))
        last[a, b] = d
    return tuple(shells)


def check_shells(atoms: Atoms, cutoff: float) -> Check:
    """Count the shells of neighbours within SHELL_WIDTH_A of the cutoff.

    Parameters
    ----------
    atoms
        The crystal.
    cutoff
        Of the potential, angstrom.

    Returns
    -------
    Check
        Their number; "warn" from one on.
    """
    shells = shells_near_cutoff(atoms, cutoff)
    listed = ", ".join(f"{a}-{b} at {d:.3f} Å" for a, b, d in shells[:4]) + (", ..." if len(shells) > 4 else "")
    return Check(
        "Shells near the cutoff",
        float(len(shells)),
        f"within {SHELL_WIDTH_A:g} Å of {cutoff:g} Å",
        "warn" if shells else "pass",
        f"Second derivatives of the model jump where a shell crosses the cutoff: {listed}; elastic constants and "
        "phonons by finite steps may differ from the exact ones."
        if shells
        else "No shell of neighbours sits where the second derivatives of the model jump.",
    )


def check_distances(atoms: Atoms, card: Card) -> Check:
    """Compare the distances in a crystal with the shortest ones of the training data.

    Parameters
    ----------
    atoms
        The crystal.
    card
        The card of the potential.

    Returns
    -------
    Check
        Smallest ratio of a pair's shortest distance to that in the training data; nan and "warn" where there is none.
    """
    name, unit = "Shortest distance", "of the shortest in training"
    known = trained_distances(card)
    if not known:
        return Check(name, math.nan, unit, "warn", "The card of the potential does not say how close its data go.")
    found = pair_distances(atoms, card)
    unknown = sorted(p.name for p in found if p.trained_a is None)
    trained = [p for p in found if p.trained_a is not None]
    if not trained:
        what = f"The training data have no {', '.join(unknown)} distances." if unknown else "No two atoms are near."
        return Check(name, math.nan, unit, "warn", what)
    closest = min(trained, key=lambda p: p.ratio)
    meaning = (
        f"{closest.name} atoms are {closest.shortest_a:.3f} Å apart; the training data go down to "
        f"{closest.trained_a:.3f} Å."
    )
    return Check(name, closest.ratio, unit, closest.verdict, meaning)
