"""How far the crystals of a distillation set are from stability, in the energies of their own teacher.

Most decorations of a prototype are no crystals that anybody would meet: rocksalt of carbon and oxygen, fluorite of
nitrogen and oxygen. A small potential that is asked to fit them as well fits the others worse.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Final

import numpy as np
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet

# Kinds of structures that teach short distances, not crystals.
CLOSE_KINDS: Final = ("dimer", "wall", "atom")


def energies_above_hull(data: TrainingSet, phases: TrainingSet) -> dict[str, float]:
    """Energy above the convex hull of each base crystal of a set.

    Each base counts with its structure of lowest energy, which is the relaxed one where that is in the set.

    Parameters
    ----------
    data
        The set.
    phases
        The hull is that of its bases, whose energies must have the same zero.

    Returns
    -------
    dict
        eV/atom by base; 0 for a crystal below the hull.

    Raises
    ------
    DataError
        The hull lacks an element.
    """
    known: dict[frozenset[str], list[PDEntry]] = defaultdict(list)
    for entry in _lowest(phases).values():
        known[frozenset(map(str, entry.composition.elements))].append(entry)
    systems: dict[frozenset[str], list[tuple[str, PDEntry]]] = defaultdict(list)
    for base, entry in _lowest(data).items():
        systems[frozenset(map(str, entry.composition.elements))].append((base, entry))
    found = {}
    for system, entries in systems.items():
        missing = [e for e in system if not known[frozenset([e])]]
        if missing:
            raise DataError(f"No crystal of the element {missing[0]} in the set: there is no hull without it.")
        parts = [frozenset(p) for n in range(1, len(system) + 1) for p in combinations(sorted(system), n)]
        hull = PhaseDiagram([e for part in parts for e in known[part]])
        for base, entry in entries:
            _, above = hull.get_decomp_and_e_above_hull(entry, allow_negative=True)
            found[base] = max(0.0, float(above))
    return found


def weighted_by_stability(data: TrainingSet, phases: TrainingSet, scale_ev_per_atom: float) -> TrainingSet:
    """Multiply weights by 1 / (1 + (E / scale)^2), E the energy of the base crystal above the hull.

    Dimers, walls and free atoms keep their weights.

    Parameters
    ----------
    data
        The set.
    phases
        Whose bases make the hull.
    scale_ev_per_atom
        At which a weight is halved.

    Returns
    -------
    TrainingSet
        With other weights.
    """
    above = energies_above_hull(data, phases)
    energy = np.array([above.get(base, 0.0) for base in data.base.tolist()])
    factor = np.where(np.isin(data.kind, CLOSE_KINDS), 1.0, 1.0 / (1.0 + (energy / scale_ev_per_atom) ** 2))
    return data.with_weights(data.weight * factor)


def _lowest(data: TrainingSet) -> dict[str, PDEntry]:
    """Entry of the structure of lowest energy of each base crystal."""
    crystals = data.subset(~np.isin(data.kind, CLOSE_KINDS))
    counts, names = crystals.counts(), crystals.elements
    lowest: dict[str, int] = {}
    energy = crystals.energy_ev / crystals.sizes
    for i in np.argsort(energy, kind="stable").tolist():
        lowest.setdefault(str(crystals.base[i]), i)
    entries = {}
    for base, i in lowest.items():
        formula = Composition({e: n for e, n in zip(names, counts[i], strict=True) if n})
        entries[base] = PDEntry(formula, float(crystals.energy_ev[i]))
    return entries
