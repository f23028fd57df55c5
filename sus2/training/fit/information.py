"""Summaries of training sets for the extrapolation grade, see sus2.registry.applicability."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from sus2.potential.potential import Potential
from sus2.registry.applicability import STORED, Information, descriptors, grade_of, information_path
from sus2.registry.load import load_moments, pretrained_folder
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.config import Readouts, read_config
from sus2.training.fit.sources import training_data

STRUCTURES: Final = 6000
# Directions that are kept; all others count as varying like the next one.
DIRECTIONS: Final = 320
# Kinds that a potential is shown but not meant for: an atom like theirs is no interpolation.
_FAR: Final = ("dimer", "wall", "atom")
# Directions that the training set does not vary in count as varying by this share of the largest variance.
_RIDGE: Final = 1e-7
_FEWEST: Final = 30


def summarise(potential: Potential, data: TrainingSet, seed: int = 0) -> Information:
    """The summary of (a random part of) a training set.

    Parameters
    ----------
    potential
        Whose features are summed up.
    data
        The set.
    seed
        Of the random numbers.

    Returns
    -------
    Information
        The summary.
    """
    ordinary = np.flatnonzero(~np.isin(data.kind, _FAR))
    picked = np.random.default_rng(seed).permutation(ordinary)[:STRUCTURES]
    structures = [data.to_atoms(int(i)) for i in picked]
    values = descriptors(potential, structures)
    place = {symbol: k for k, symbol in enumerate(potential.elements)}
    types = np.array([place[s] for a in structures for s in a.get_chemical_symbols()])
    counts = np.bincount(types, minlength=len(place))
    centre = np.tile(values.mean(axis=0), (len(place), 1))
    for z in np.flatnonzero(counts):
        centre[z] = values[types == z].mean(axis=0)
    # Scalars differ by orders of magnitude: each in units of its own spread, then the directions of variance.
    spread = np.maximum(values.std(axis=0), 1e-12)
    w, vectors = np.linalg.eigh(np.atleast_2d(np.cov(((values - centre[types]) / spread).T)))
    kept = min(DIRECTIONS, len(w))
    floor = max(_RIDGE * w[-1], w[-kept - 1] if kept < len(w) else 0.0)
    variance = np.maximum(w[-kept:], floor)
    ones = np.ones(len(place))
    known = Information("", centre, spread, vectors[:, -kept:], variance, floor, ones)
    distances = grade_of(known, values, types)
    scale = np.array(
        [np.quantile(distances[types == z], 0.999) if counts[z] >= _FEWEST else np.nan for z in range(len(place))]
    )
    return replace(known, weights_sha256=potential.card.sha256, scale=scale)


def write_information(name: str) -> Path:
    """Make the summary of a shipped potential from the training set of its configuration.

    Parameters
    ----------
    name
        Of the potential.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The set is not built.
    """
    potential = load_moments(name)
    config = read_config(pretrained_folder() / f"{name}.yaml")
    path = information_path(name)
    readouts = config.start_from and all(isinstance(stage, Readouts) for stage in config.stages)
    if readouts and (known := information_path(config.start_from)).exists():
        # The features are those of the potential to start from, and so is what they have been trained on.
        with np.load(known, allow_pickle=False) as stored:
            arrays = {n: stored[n] for n in (*STORED, "rest")}
        digest = potential.card.sha256
    else:
        # A summary has no weights, so the hulls need not be found.
        data, _, _ = training_data(config.model_copy(update={"stability_ev_per_atom": None}))
        found = summarise(potential, data)
        arrays = {n: getattr(found, n).astype(np.float32) for n in STORED} | {"rest": np.array(found.rest)}
        digest = found.weights_sha256
    with path.open("wb") as file:
        np.savez_compressed(file, weights_sha256=np.array(digest), **arrays)
    return path
