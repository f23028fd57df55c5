"""Labels of structures beside what a potential says of them, as the plots of a fit that goes on show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sus2.potential.mtp import ModelSpec
from sus2.progress import Parity
from sus2.training.fit.objective import Objective
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

# Points of each plot that is drawn anew at every step.
SHOWN: Final = 400
ENERGY: Final = "Energy (eV/atom)"
FORCE: Final = "Force (eV/Å)"
STRESS: Final = "Stress (GPa)"


def compared(parts: Sequence[Objective], spec: ModelSpec) -> dict[str, Array]:
    """Labels and predictions, the fixed repulsion with them.

    Parameters
    ----------
    parts
        Labelled structures.
    spec
        The model.

    Returns
    -------
    dict of str to ndarray
        (2, K) by the quantity with its unit: ENERGY for each structure, FORCE and STRESS by components; what has no
        label is left out.
    """
    found: dict[str, list[Array]] = {ENERGY: [], FORCE: [], STRESS: []}
    for part in parts:
        p, given, fitted = part.predict(spec), part.given, part.data
        energies = p.energy_ev + given.energy_ev - fitted.energy_ev
        found[ENERGY].append(np.array([given.energy_ev, energies]) / part.sizes)
        forces = p.forces_ev_per_a + given.forces_ev_per_a - fitted.forces_ev_per_a
        found[FORCE].append(np.array([given.forces_ev_per_a.ravel(), forces.ravel()]))
        use = part.has_virial
        stress = p.virial_ev[use] / given.volumes_a3[use, None]
        stress = stress + (given.stress_ev_per_a3 - fitted.stress_ev_per_a3)[use]
        labels = given.stress_ev_per_a3[use]
        found[STRESS].append(EV_PER_A3_TO_GPA * np.array([labels.ravel(), stress.ravel()]))
    joined = {name: np.concatenate(values, axis=1) for name, values in found.items() if values}
    return {name: values for name, values in joined.items() if values.size}


def shown(found: dict[str, Array], most: int = SHOWN) -> Parity:
    """The same as plain numbers, some evenly chosen ones of many.

    Parameters
    ----------
    found
        Of `compared`.
    most
        Points of each quantity.

    Returns
    -------
    Parity
        Labels and predictions by the quantity.
    """
    out = {}
    for name, (labels, predicted) in found.items():
        step = -(-len(labels) // most)
        out[name] = (labels[::step].tolist(), predicted[::step].tolist())
    return out
