"""Labels that must not be trained on: what is not finite, overlaps, or lies off the energies of its elements.

The sets themselves are those of sus2.training.data.training_set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import complete_cell

from sus2.errors import DataError, StructureError
from sus2.native.neighbours import neighbours
from sus2.structures.crystal import check_cell
from sus2.training.data.training_set import Split, TrainingSet, make_set, reduced_formula, split_of
from sus2.types import Array

__all__ = [
    "OVERLAP_FRACTION",
    "BadLabel",
    "OnBad",
    "Split",
    "TrainingSet",
    "bad_labels",
    "checked",
    "fit_references",
    "make_set",
    "reduced_formula",
    "split_of",
]

OnBad = Literal["refuse", "skip"]

# Structures that are checked between two looks at whether that is still wanted.
_PULSE_EVERY = 256
# Closer than this fraction of the sum of covalent radii, two atoms are taken to lie on top of each other.
OVERLAP_FRACTION = 0.3
# Ratios by which an energy is wrong when it was written in another unit: Hartree, Rydberg, kJ/mol, kcal/mol, meV.
_UNIT_RATIOS = {"Hartree": 27.2114, "Rydberg": 13.6057, "kJ/mol": 96.4853, "kcal/mol": 23.0605, "meV": 1000.0}


@dataclass(frozen=True)
class BadLabel:
    """One structure that must not be trained on.

    Attributes
    ----------
    index
        Its place in the set or file.
    reason
        Half a sentence.
    """

    index: int
    reason: str


def bad_labels(data: TrainingSet, pulse: Callable[[], None] | None = None) -> list[BadLabel]:
    """Every structure whose labels or positions are unusable.

    Checked: finite positions, cell, energy, forces and stress; atoms nearer than 0.3 times the sum of their covalent
    radii; energies that lie outside all others by a unit (see :func:`_energy_outliers`).

    Parameters
    ----------
    data
        The set.
    pulse
        Called often; what it raises ends the check.

    Returns
    -------
    list of BadLabel
        In the order of the set.
    """
    found: dict[int, str] = {}
    for i in range(len(data)):
        if pulse is not None and i % _PULSE_EVERY == 0:
            pulse()
        rows = slice(int(data.offsets[i]), int(data.offsets[i + 1]))
        forces = data.forces_ev_per_a[rows]
        if rows.start == rows.stop:
            found[i] = "it has no atoms"
        elif not (np.all(np.isfinite(data.positions[rows])) and np.all(np.isfinite(data.cells[i]))):
            found[i] = "a position or the cell is not a finite number"
        elif not np.isfinite(data.energy_ev[i]):
            found[i] = f"its energy is missing or not a finite number ({data.energy_ev[i]})"
        elif np.all(np.isnan(forces)):
            found[i] = "its forces are missing"
        elif not np.all(np.isfinite(forces)):
            found[i] = f"the force on atom {int(np.flatnonzero(~np.isfinite(forces).all(axis=1))[0])} is not finite"
        elif (
            np.any(np.isinf(data.stress_ev_per_a3[i]))
            or np.isnan(data.stress_ev_per_a3[i]).any() != np.isnan(data.stress_ev_per_a3[i]).all()
        ):
            found[i] = "its stress is not finite"
        elif reason := _bad_cell(data, i) or _overlap(data, i):
            found[i] = reason
    good = np.array([i for i in range(len(data)) if i not in found], dtype=np.int64)
    for i, reason in _energy_outliers(data.subset(good)):
        found[int(good[i])] = reason
    return [BadLabel(i, found[i]) for i in sorted(found)]


def _bad_cell(data: TrainingSet, i: int) -> str | None:
    if not data.pbc[i].any():
        return None
    try:
        check_cell(complete_cell(data.cells[i]))
    except StructureError as error:
        return str(error).rstrip(".")
    return None


def _overlap(data: TrainingSet, i: int) -> str | None:
    rows = slice(int(data.offsets[i]), int(data.offsets[i + 1]))
    numbers = data.numbers[rows]
    radii = covalent_radii[numbers]
    # A cell that is not in use may be anything.
    cell = data.cells[i] if data.pbc[i].any() else None
    atoms = Atoms(numbers, data.positions[rows], cell=cell, pbc=data.pbc[i])
    found = neighbours(atoms, 2.0 * OVERLAP_FRACTION * float(radii.max()))
    first, second, distance = found.index_i, found.index_j, np.linalg.norm(found.vector, axis=1)
    close = distance < OVERLAP_FRACTION * (radii[first] + radii[second])
    if not np.any(close):
        return None
    k = int(np.flatnonzero(close)[0])
    return f"atoms {int(first[k])} and {int(second[k])} lie on top of each other ({distance[k]:.3f} A apart)"


def fit_references(data: TrainingSet, elements: Sequence[str] | None = None, iterations: int = 30) -> Array:
    """Elemental energies: a robust (iteratively reweighted, L1-like) fit of energy per atom to composition.

    A small ridge towards the median energy per atom keeps elements that never vary apart well defined.

    Parameters
    ----------
    data
        The set.
    elements
        Of the result; by default all of the set, by atomic number.
    iterations
        Most of them.

    Returns
    -------
    ndarray
        (C,), eV.

    Raises
    ------
    DataError
        The set has an element that is not among `elements`.
    """
    counts = data.counts(elements)
    sizes = np.maximum(counts.sum(axis=1), 1.0)
    fractions = counts / sizes[:, None]
    target = data.energy_ev / sizes
    centre = float(np.median(target)) if len(target) else 0.0
    references = np.full(counts.shape[1], centre)
    weight = np.ones(len(target))
    for _ in range(iterations):
        normal = fractions.T @ (weight[:, None] * fractions) + 1e-8 * np.eye(counts.shape[1])
        new = centre + np.linalg.solve(normal, fractions.T @ (weight * (target - centre)))
        weight = 1.0 / np.maximum(np.abs(target - fractions @ new), 0.05)
        if np.allclose(new, references, atol=1e-6):
            break
        references = new
    return references


def _energy_outliers(data: TrainingSet) -> list[tuple[int, str]]:
    """Condensed structures whose energy per atom lies off the elemental fit without large forces or stress.

    A compressed cell may lie far above the others, but then its forces or stress are large; an isolated
    atom may too, but then its cell is nearly empty; neither is reported.
    """
    if len(data) < 3 * len(data.elements) + 5:
        return []
    sizes = data.sizes.astype(float)
    predicted = data.counts() @ fit_references(data)
    residual = (data.energy_ev - predicted) / sizes
    spread = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    sphere = 4.0 / 3.0 * np.pi * covalent_radii[data.numbers] ** 3
    volumes = data.volumes_a3
    filled = np.bincount(data.system, weights=sphere, minlength=len(data)) > 0.1 * np.maximum(volumes, 1e-9)
    condensed = filled & data.pbc.all(axis=1)
    force = np.zeros(len(data))
    np.maximum.at(force, data.system, np.abs(data.forces_ev_per_a).max(axis=1))
    stress = np.nan_to_num(np.abs(data.stress_ev_per_a3)).max(axis=1)
    calm = (force < 20.0) & (stress < 0.6)
    off = (np.abs(residual) > max(2.0, 15.0 * spread)) & condensed & (calm | (residual < 0.0))
    found = []
    for i in np.flatnonzero(off).tolist():
        ratio = data.energy_ev[i] / predicted[i] if predicted[i] else 0.0
        guess = _unit_guess(ratio, int(sizes[i]))
        found.append(
            (
                i,
                f"its energy ({data.energy_ev[i] / sizes[i]:.3f} eV/atom) is {residual[i]:+.2f} eV/atom off "
                f"the elemental fit of the set{guess}",
            )
        )
    return found


def _unit_guess(ratio: float, size: int) -> str:
    if ratio <= 0.0:
        return ""
    for unit, factor in _UNIT_RATIOS.items():
        power = -1.0 if unit in ("Hartree", "Rydberg") else 1.0
        if abs(math.log(ratio / factor**power)) < 0.2:
            return f", as if it were in {unit}"
    if size > 1 and abs(math.log(ratio * size)) < 0.2:
        return ", as if it were per atom"
    return ""


def checked(data: TrainingSet, on_bad: OnBad = "refuse", source: str = "The training set") -> TrainingSet:
    """The set itself when all labels are good; else refuse it, or leave the bad ones out.

    Parameters
    ----------
    data
        The set.
    on_bad
        What to do.
    source
        What the message calls it.

    Returns
    -------
    TrainingSet
        With good labels alone.

    Raises
    ------
    DataError
        Bad labels that are to be refused, of which the first five are named, or no good one.
    """
    bad = bad_labels(data)
    if not bad:
        return data
    if on_bad == "refuse":
        listed = "; ".join(f"structure {b.index}: {b.reason}" for b in bad[:5])
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(
            f"{source} has {len(bad)} bad of {len(data)} structures ({listed}{more}); "
            "correct them or skip bad structures on request."
        )
    if len(bad) == len(data):
        raise DataError(f"{source} has no usable structure (structure 0: {bad[0].reason}).")
    keep = np.ones(len(data), dtype=bool)
    keep[[b.index for b in bad]] = False
    return data.subset(keep)
