"""The labels that a configuration names, as training sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from sus2.errors import DataError
from sus2.training.data.dataset import Split, TrainingSet
from sus2.training.data.readers import read_training_set
from sus2.training.data.reference_sets import acwf_set, diamond_set, matpes_elements, mlearn_set, nacl_set
from sus2.training.data.sets import load_set
from sus2.training.fit.config import Source, TrainConfig


def read_source(source: Source, config: TrainConfig, split: Split) -> TrainingSet:
    """The labels of one source; `split` is train, val or test where the source has such splits.

    Only `val` may be empty: elements are never held out.
    """
    if source.kind == "file":
        data = read_training_set(source.path, config.elements, on_bad=source.on_bad)
    elif source.kind == "mlearn":
        if not source.element:
            raise DataError("A source of kind 'mlearn' needs its 'element'.")
        data = mlearn_set(source.element, "test" if split == "test" else "training")
    elif source.kind == "diamond":
        data = diamond_set("train" if split == "train" else "valid")
    elif source.kind == "nacl":
        data = nacl_set()
    elif source.kind == "acwf":
        data = acwf_set()
    elif source.kind == "matpes-elements":
        data = matpes_elements("r2SCAN" if source.functional == "r2SCAN" else "PBE")
    else:
        wanted = source.functional or config.functional
        data = load_set(source.name, wanted, source.families or None, split, source.shards)
    known = np.isin(data.numbers, [atomic_numbers[e] for e in config.elements])
    inside = np.logical_and.reduceat(known, data.offsets[:-1]) if len(data) else np.zeros(0, dtype=bool)
    data = data.subset(np.flatnonzero(inside))
    if not len(data) and split != "val":
        raise DataError(f"Source '{source.kind}' has no structure made of {', '.join(config.elements)} alone.")
    weight, stress = data.weight * source.weight, data.stress_ev_per_a3.copy()
    for text, factor in source.emphasis.items():
        weight = np.where(_named(data, text), weight * factor, weight)
    for text in source.without_stress:
        stress[_named(data, text)] = np.nan
    return replace(data.with_weights(weight), stress_ev_per_a3=stress)


def _named(data: TrainingSet, text: str) -> NDArray[np.bool_]:
    """Structures whose kind or base crystal contains the text."""
    found: NDArray[np.bool_] = (np.char.find(data.kind, text) >= 0) | (np.char.find(data.base, text) >= 0)
    return found
