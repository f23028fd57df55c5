"""What a training leaves: weights, their card and its errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sus2.potential.card import Card
from sus2.potential.mtp import ModelSpec
from sus2.training.fit.config import TrainConfig
from sus2.training.fit.objective import Errors


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a finished run leaves.

    Attributes
    ----------
    spec
        The weights.
    card
        Their card.
    errors
        By set: train, and validation, test and test_near_equilibrium where there are such structures.
    folder
        With everything.
    """

    spec: ModelSpec
    card: Card
    errors: dict[str, Errors]
    folder: Path


def card_of(
    config: TrainConfig,
    raw: bytes,
    data_sha256: str,
    errors: Mapping[str, float],
    distances: dict[str, float],
) -> Card:
    """The card of trained weights, before the errors of properties are on it.

    Parameters
    ----------
    config
        Of the training.
    raw
        The file of weights.
    data_sha256
        Of the training set.
    errors
        By name with unit.
    distances
        Shortest distance of each pair of elements, A.

    Returns
    -------
    Card
        The card.
    """
    return Card(
        name=config.name,
        functional=config.functional,
        elements=config.elements,
        summary=config.summary,
        data=config.data,
        data_sha256=data_sha256,
        teacher=config.teacher,
        errors={key: round(v, 4) for key, v in errors.items() if np.isfinite(v)},
        shortest_distances_a=distances,
        repulsion=config.repulsion,
        repulsion_strength=config.repulsion_strength,
        compounds_only=config.compounds_only,
        limits=config.limits,
        command=f"sus2 train pretrained/{config.name}.yaml",
        licence=config.licence,
        sha256=hashlib.sha256(raw).hexdigest(),
        version="1",
    )
