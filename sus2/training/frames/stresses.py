"""Whether the stresses of frames have the sign and the order of components that their format says.

Programs differ in both: VASP prints xy yz xz and compression positive, others yz xz xy and tension positive, and sets
have been published with two orders in one file. No frame shows it alone, but any potential that is roughly right about
a material knows which cells are compressed and which way they are sheared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np

from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.training.data.dataset import TrainingSet
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

# Frames that are looked at, and the atoms that they have together at most.
_FRAMES: Final = 60
_ATOMS: Final = 12_000
_FEWEST: Final = 8
# Stresses that vary by less say nothing, GPa.
_VARY_GPA: Final = 0.1
# Correlations: of the convention that is right, and by how much it has to be better than the format's.
_RIGHT: Final = 0.8
_BETTER: Final = 0.4
_SHEARS: Final = ("yz", "xz", "xy")
_READ: Final = (0, 1, 2)


@dataclass(frozen=True)
class Convention:
    """How stresses have to be read instead.

    Attributes
    ----------
    sign
        1 or -1.
    order
        Places of yz, xz and xy among the shear stresses as they were read.
    correlation
        With the stresses of the potential, read so.
    """

    sign: int
    order: tuple[int, ...]
    correlation: float


def stress_convention(data: TrainingSet, potential: Calculates) -> Convention | None:
    """Another sign or order in which the stresses agree with a potential, where they do not agree as they are.

    Parameters
    ----------
    data
        Labelled frames.
    potential
        Roughly right about the material.

    Returns
    -------
    Convention or None
        None where they agree as they are, or where nothing can be said: elements that the potential does not cover,
        fewer than eight frames with a stress, or stresses that hardly vary.
    """
    some = np.flatnonzero(np.isfinite(data.stress_ev_per_a3).all(axis=1))
    if len(some) < _FEWEST or not set(data.elements) <= set(potential.elements):
        return None
    count = int(max(_FEWEST, min(len(some), _FRAMES, _ATOMS / data.sizes[some].mean())))
    some = some[np.unique(np.linspace(0, len(some) - 1, count).round().astype(int))]
    try:
        found = potential.evaluate([data.to_atoms(int(k)) for k in some])
    except Sus2Error:
        return None
    ours = _centred(np.array([r.stress_ev_per_a3 for r in found]))
    theirs = _centred(data.stress_ev_per_a3[some])
    sign, correlation = 1, 0.0
    order: tuple[int, ...] = _READ
    agree = _correlation(ours[:, :3], theirs[:, :3])
    if agree < -_RIGHT:
        sign, correlation = -1, -agree
    shears = {p: _correlation(ours[:, 3:], sign * theirs[:, 3:][:, p]) for p in permutations(range(3))}
    best = max(shears, key=lambda p: shears[p])
    if shears[best] > _RIGHT and shears[best] > shears[order] + _BETTER:
        order, correlation = best, shears[best]
    return None if (sign, order) == (1, _READ) else Convention(sign, order, correlation)


def _centred(stress: Array) -> Array:
    """GPa, without what all frames have: a potential may be off by a pressure."""
    out: Array = EV_PER_A3_TO_GPA * (stress - stress.mean(axis=0))
    return out


def _correlation(a: Array, b: Array) -> float:
    """Of the entries of two tables; 0 where one of them hardly varies."""
    if min(a.std(), b.std()) < _VARY_GPA:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def as_meant(data: TrainingSet, convention: Convention) -> tuple[TrainingSet, str]:
    """Frames with their stresses in this convention, and a sentence that says what was done.

    Parameters
    ----------
    data
        Labelled frames.
    convention
        What stress_convention found.

    Returns
    -------
    tuple of TrainingSet and str
        The frames, and the sentence.
    """
    stress = convention.sign * data.stress_ev_per_a3[:, [0, 1, 2, *(3 + k for k in convention.order)]]
    said = []
    if convention.sign < 0:
        said.append("have the opposite sign (tension positive is expected)")
    if convention.order != _READ:
        read = ", ".join(_SHEARS[k] for k in convention.order)
        said.append(f"name their shears in another order: what was read as {read} is yz, xz, xy")
    return replace(data, stress_ev_per_a3=stress), (
        f"The stresses {' and '.join(said)}; read so they agree with the universal potential (r = "
        f"{convention.correlation:.2f}), so they were taken so. Check the file if that is not what you meant."
    )
