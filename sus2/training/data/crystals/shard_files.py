"""Files of a set's shards: crystals as arrays, written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms


def packed(crystals: Sequence[Atoms]) -> dict[str, np.ndarray]:
    """The geometry of crystals as arrays.

    Parameters
    ----------
    crystals
        At least one.

    Returns
    -------
    dict
        numbers (N,), positions (N, 3) angstrom, cells (S, 3, 3) angstrom, offsets (S + 1,).
    """
    return {
        "numbers": np.concatenate([a.numbers for a in crystals]).astype(np.int16),
        "positions": np.concatenate([a.positions for a in crystals]),
        "cells": np.array([a.cell.array for a in crystals]),
        "offsets": np.concatenate([[0], np.cumsum([len(a) for a in crystals])]).astype(np.int64),
    }


def unpacked(arrays: dict[str, np.ndarray]) -> list[Atoms]:
    """The crystals whose geometry these arrays hold, periodic in all directions.

    Parameters
    ----------
    arrays
        As `packed` makes them; others are left alone.

    Returns
    -------
    list of Atoms
        One for each structure.
    """
    offsets = arrays["offsets"]
    return [
        Atoms(arrays["numbers"][a:b], arrays["positions"][a:b], cell=arrays["cells"][k], pbc=True)
        for k, (a, b) in enumerate(pairwise(offsets.tolist()))
    ]


def read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file.

    Parameters
    ----------
    path
        Of an npz file without pickled objects.

    Returns
    -------
    dict
        By name.
    """
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def write(path: Path, **arrays: Any) -> None:
    """Write arrays to a file, whole or not at all.

    Parameters
    ----------
    path
        Of the npz file; its folder is made.
    **arrays
        By name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    partial.replace(path)


def subset(arrays: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """The geometry of some structures.

    Parameters
    ----------
    arrays
        As `packed` makes them.
    chosen
        Places of the structures.

    Returns
    -------
    dict
        As `packed` makes them.
    """
    crystals = unpacked(arrays)
    return packed([crystals[k] for k in chosen.tolist()])
