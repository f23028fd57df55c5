"""How far a structure lies from the training data, in the space of the potential's own descriptors.

For each potential a small file beside its weights (NAME.info.npz, made by `sus2 data information NAME`) keeps the
information matrix of the training set: of the scalars B_s of every atom, times its species coefficient, as they enter
the energy linearly, around the mean of the atom's element. The grade of an atom is the Mahalanobis distance to the
training atoms of its element, which is the leverage of D-optimality (Podryabinkin and Shapeev, Comput. Mater. Sci. 140,
171 (2017)), over the distance that 99.9 % of them keep: up to one it is interpolation.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.checks import Check, Verdict
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.potential.scalars import scalars
from sus2.registry.load import beside_weights, pretrained_folder
from sus2.types import Array, Index

WARN: Final = 1.0
FAIL: Final = 3.0
# The arrays of a file, besides weights_sha256 and rest.
STORED: Final = ("centre", "spread", "directions", "variance", "scale")


@dataclass(frozen=True, eq=False)
class Information:
    """What is kept of a training set of C elements and S scalars.

    Attributes
    ----------
    weights_sha256
        Of the potential.
    centre
        (C, S), mean descriptor of each element, eV.
    spread
        (S,), of each scalar around the centres, eV.
    directions
        (S, R), orthonormal, of largest variance of the scalars in units of their spread.
    variance
        (R,), along each direction.
    rest
        The variance that all other directions count with.
    scale
        (C,), the distance that 99.9 % of the training atoms keep; nan for an element without enough of them.
    """

    weights_sha256: str
    centre: Array
    spread: Array
    directions: Array
    variance: Array
    rest: float
    scale: Array

    @cached_property
    def overlaps(self) -> Array:
        """Products of the directions, (R, R): nearly the unit matrix."""
        return np.asarray(self.directions.T @ self.directions)


@dataclass(frozen=True, eq=False)
class ExtrapolationGrade:
    """How far atoms are from the training data.

    Attributes
    ----------
    grades
        One array (N,) for each structure, nan where nothing is known.
    note
        Why there is no grade, or empty.
    """

    grades: tuple[Array, ...]
    note: str

    @property
    def largest(self) -> float:
        """Over all atoms of all structures; nan without a grade."""
        known = [g[np.isfinite(g)] for g in self.grades]
        return float(max((g.max() for g in known if len(g)), default=np.nan))

    def checks(self) -> tuple[Check, ...]:
        """The grade as a check."""
        if self.note:
            return (Check("Extrapolation grade", float("nan"), "", "warn", self.note),)
        value = self.largest
        unknown = sum(int((~np.isfinite(g)).sum()) for g in self.grades)
        if unknown:
            meaning = (
                f"{unknown} {'atom is' if unknown == 1 else 'atoms are'} of an element of which the training data hold "
                "too few to tell: nothing says that energies and forces are interpolated there."
            )
            worst: Verdict = "fail" if value > FAIL else "warn"
            return (Check("Extrapolation grade", value, "", worst, meaning, WARN, FAIL),)
        meaning = (
            "Every atom has surroundings like those of the training data."
            if value <= WARN
            else "Some atom has surroundings that the training data do not hold: energies and forces are extrapolated."
        )
        verdict: Verdict = "pass" if value <= WARN else "warn" if value <= FAIL else "fail"
        return (Check("Extrapolation grade", value, "", verdict, meaning, WARN, FAIL),)


def extrapolation_grade(potential: Calculates, structures: Sequence[Atoms]) -> ExtrapolationGrade:
    """Grade every atom of some structures.

    Parameters
    ----------
    potential
        The potential.
    structures
        The structures.

    Returns
    -------
    ExtrapolationGrade
        The grades; without the file of the potential's training data its note says so.
    """
    nothing = tuple(np.full(len(a), np.nan) for a in structures)
    if not isinstance(potential, Potential):
        return ExtrapolationGrade(nothing, f"{potential.name} keeps no summary of its training data.")
    known = information(potential)
    if known is None:
        return ExtrapolationGrade(
            nothing, f"There is no summary of the training data that belongs to these weights of {potential.name}."
        )
    grades = []
    for atoms in structures:
        types = type_indices(atoms, potential.elements)
        grades.append(grade_of(known, descriptors(potential, [atoms]), types))
    return ExtrapolationGrade(tuple(grades), "")


def grade_of(known: Information, values: Array, types: Index) -> Array:
    """Grade atoms by their descriptors.

    Parameters
    ----------
    known
        What is kept of the training set, of C elements and S scalars.
    values
        (N, S) descriptors, eV.
    types
        (N,) types of the atoms, below C.

    Returns
    -------
    ndarray
        (N,) grades; nan for an element without enough training atoms.
    """
    own = (values - known.centre[types]) / known.spread
    along = own @ known.directions
    # |own - D along|^2 without D along, which is as long as own: D is what takes time to read.
    beside = (own**2).sum(axis=1) + (along * (along @ known.overlaps - 2.0 * along)).sum(axis=1)
    squares = (along**2 / known.variance).sum(axis=1) + np.maximum(beside, 0.0) / known.rest
    out: Array = np.sqrt(squares / values.shape[1]) / known.scale[types]
    return out


def descriptors(potential: Potential, structures: Sequence[Atoms]) -> Array:
    """Compute species[Z] B_s of every atom.

    Parameters
    ----------
    potential
        With S scalars.
    structures
        Of N atoms in all.

    Returns
    -------
    ndarray
        (N, S) eV, one structure after the other.

    Raises
    ------
    UnknownElementError
        An element that the potential does not cover.
    """
    types = np.concatenate([np.zeros(0, dtype=np.int64), *(type_indices(a, potential.elements) for a in structures)])
    coeffs = np.asarray(potential.spec.species_coeffs, dtype=np.float64)
    out: Array = scalars(potential, structures) * coeffs[types, None]
    return out


def information_path(name: str) -> Path:
    """Where the summary of a potential's training data is, beside its weights.

    Parameters
    ----------
    name
        Name of the potential.

    Returns
    -------
    Path
        Where no folder has the file, the place among the shipped potentials.
    """
    return beside_weights(name, ".info.npz") or pretrained_folder() / f"{name}.info.npz"


def information(potential: Potential) -> Information | None:
    """Read the summary of the training data that belongs to the weights of a potential.

    Parameters
    ----------
    potential
        The potential.

    Returns
    -------
    Information or None
        None where there is no file that belongs to these weights.

    Raises
    ------
    Sus2Error
        The file is damaged.
    """
    path = information_path(potential.name)
    if not potential.card.sha256 or not path.is_file():
        return None
    state = path.stat()
    found = _read(path, (state.st_mtime_ns, state.st_size))
    return found if found.weights_sha256 == potential.card.sha256 else None


@lru_cache(maxsize=16)
def _read(path: Path, state: tuple[int, int]) -> Information:
    """The file in one state of its content, so that one that is made again is read again."""
    try:
        with np.load(path, allow_pickle=False) as z:
            centre, spread, directions, variance, scale = (z[n].astype(np.float64) for n in STORED)
            return Information(str(z["weights_sha256"]), centre, spread, directions, variance, float(z["rest"]), scale)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise Sus2Error(f"{path.name} is damaged; make it again with 'sus2 data information'.") from None
