"""A committee of readouts beside the weights: NAME.members.npz, made by ``sus2 data members NAME``.

The energy is linear in the readout theta, so a committee needs no more than other readouts on the same descriptors.
Member m adds to each site of element Z the energy species[Z] * (weights[m, Z] . basis^T B), with B the S scalars of the
site and R directions that all members share. How members are drawn: sus2.training.fit.members.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.registry.load import beside_weights, pretrained_folder
from sus2.types import Array

SUFFIX: Final = ".members.npz"


@dataclass(frozen=True, eq=False)
class Members:
    """Readouts of M members for C elements (in the order of the card) on S scalars.

    Attributes
    ----------
    weights_sha256 : str
        Of the weights that they belong to.
    basis : ndarray of shape (S, R)
        Directions in the space of readouts.
    weights : ndarray of shape (M, C, R)
        What each member adds, in units of the directions.
    pair_sha256 : str
        Weights of the potential of another functional with whose members these are in pairs; empty without.
    """

    weights_sha256: str
    basis: Array
    weights: Array
    pair_sha256: str = ""

    def in_pairs_with(self, other: Members) -> bool:
        """Whether member m of one belongs to member m of the other.

        Parameters
        ----------
        other
            Members of another potential.

        Returns
        -------
        bool
            Whether one names the weights of the other, and both have as many members.
        """
        ours = {(self.pair_sha256, other.weights_sha256), (other.pair_sha256, self.weights_sha256)}
        return self.count == other.count and any(a and a == b for a, b in ours)

    @property
    def count(self) -> int:
        """Number of members."""
        return len(self.weights)


def members_path(name: str) -> Path:
    """Where the members of a potential are.

    Parameters
    ----------
    name
        Name of the potential.

    Returns
    -------
    Path
        Beside its weights; in the folder of shipped weights where there are none.
    """
    return beside_weights(name, SUFFIX) or pretrained_folder() / f"{name}{SUFFIX}"


def members_of(potential: object) -> Members | None:
    """The members that belong to these weights.

    Parameters
    ----------
    potential
        Any potential.

    Returns
    -------
    Members or None
        None for a potential that has none, or whose members belong to other weights.

    Raises
    ------
    Sus2Error
        The file is damaged.
    """
    if not isinstance(potential, Potential) or not potential.card.sha256:
        return None
    path = members_path(potential.name)
    if not path.is_file():
        return None
    state = path.stat()
    found = _read(path, (state.st_mtime_ns, state.st_size))
    fits = found.weights.shape[1] == len(potential.elements) and len(found.basis) == len(potential.spec.mapping)
    return found if found.weights_sha256 == potential.card.sha256 and fits else None


@lru_cache(maxsize=16)
def _read(path: Path, state: tuple[int, int]) -> Members:
    """The file in one state of its content, so that one that is made again is read again."""
    return read_members(path)


def read_members(path: Path) -> Members:
    """Read members as write_members wrote them.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Members
        In double precision.

    Raises
    ------
    Sus2Error
        The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as z:
            basis, weights = (z[n].astype(np.float64) for n in ("basis", "weights"))
            pair = str(z["pair_sha256"]) if "pair_sha256" in z.files else ""
            # Columns of the basis differ by orders of magnitude, so half precision keeps them with a scale of each.
            return Members(str(z["weights_sha256"]), basis * z["scale"].astype(np.float64), weights, pair)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise Sus2Error(f"{path.name} is damaged; make it again with 'sus2 data members'.") from None


def write_members(path: Path, members: Members) -> None:
    """Write members in half precision.

    Parameters
    ----------
    path
        The file.
    members
        What to write.
    """
    scale = np.maximum(np.abs(members.basis).max(axis=0), 1e-30)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            weights_sha256=np.array(members.weights_sha256),
            pair_sha256=np.array(members.pair_sha256),
            basis=(members.basis / scale).astype(np.float16),
            scale=scale.astype(np.float32),
            weights=members.weights.astype(np.float16),
        )
