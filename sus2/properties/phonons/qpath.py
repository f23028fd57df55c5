"""High-symmetry paths through the Brillouin zone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import seekpath
from ase import Atoms

from sus2.errors import StructureError
from sus2.structures import SUBSCRIPTS
from sus2.structures.symmetry import Cell, dataset, standing
from sus2.types import Array

# Bravais lattices whose path depends on the space group alone, not on the lengths of the cell.
_ONE_PATH: Final = frozenset({"cP", "cF", "cI", "tP", "oP", "hP"})
_GREEK = {"GAMMA": "Γ", "SIGMA": "Σ", "DELTA": "Δ", "LAMBDA": "Λ"}


@dataclass(frozen=True, eq=False)
class QPath:
    """Straight segments between points of high symmetry.

    Attributes
    ----------
    q_fractional
        (n, 3), in units of the reciprocal cell vectors.
    distance_per_a
        (n,), length along the path, 1/angstrom without 2 pi; it stands still where the path breaks.
    segments
        Slice of the points of each.
    segment_labels
        Names of both ends of each.
    connected
        Whether each segment starts where the one before ends; False for the first.
    """

    q_fractional: Array
    distance_per_a: Array
    segments: tuple[slice, ...]
    segment_labels: tuple[tuple[str, str], ...]
    connected: tuple[bool, ...]

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(distance, label) of every end, labels joined by `|` at breaks."""
        out: list[tuple[float, str]] = []
        for part, (start, end), joined in zip(self.segments, self.segment_labels, self.connected, strict=True):
            x0, x1 = float(self.distance_per_a[part.start]), float(self.distance_per_a[part.stop - 1])
            if not out:
                out.append((x0, start))
            elif not joined:
                out[-1] = (x0, f"{out[-1][1]}|{start}")
            out.append((x1, end))
        return tuple(out)


def q_path(atoms: Atoms, points: int = 200, *, symprec: float = 1e-3) -> QPath:
    """The SeeK-path of a primitive cell, its points in proportion to the lengths of the segments.

    Hinuma et al., Comput. Mater. Sci. 128, 140 (2017).

    Parameters
    ----------
    atoms
        The primitive cell.
    points
        About so many q in all, at least two on each segment.
    symprec
        Tolerance of the symmetry search, angstrom.

    Returns
    -------
    QPath
        In the reciprocal vectors of that cell.

    Raises
    ------
    StructureError
        No symmetry is found.
    """
    places, names = _points(standing(atoms), symprec)
    reciprocal = np.linalg.inv(atoms.cell.array).T
    ends = [(places[a], places[b]) for a, b in names]
    lengths = np.array([np.linalg.norm((b - a) @ reciprocal) for a, b in ends])
    counts = np.maximum(2, np.round(points * lengths / lengths.sum()).astype(int))
    q, distance, segments, start, offset = [], [], [], 0, 0.0
    for (a, b), length, count in zip(ends, lengths, counts, strict=True):
        t = np.linspace(0.0, 1.0, count)
        q.append(a + t[:, None] * (b - a))
        distance.append(offset + t * length)
        segments.append(slice(start, start + int(count)))
        start, offset = start + int(count), offset + float(length)
    connected = [k > 0 and names[k][0] == names[k - 1][1] for k in range(len(names))]
    return QPath(
        q_fractional=np.concatenate(q),
        distance_per_a=np.concatenate(distance),
        segments=tuple(segments),
        segment_labels=tuple((label(a), label(b)) for a, b in names),
        connected=tuple(connected),
    )


@dataclass(frozen=True, eq=False)
class _Standard:
    """What seekpath says of a space group whose path does not depend on the lengths of the cell.

    coordinates: in the reciprocal vectors of its standard primitive cell; primitive (3, 3): that cell in columns, in
    units of the conventional one.
    """

    coordinates: dict[str, list[float]]
    names: list[tuple[str, str]]
    primitive: Array


# By number, as crystals come by.
_standard: Final[dict[int, _Standard]] = {}


def _points(cell: Cell, symprec: float) -> tuple[dict[str, Array], list[tuple[str, str]]]:
    """Points of high symmetry in the reciprocal vectors of a cell, and the names of the ends of each segment."""
    found = dataset(cell, symprec)
    known = None if found is None else _standard.get(found.number)
    if known is None:
        try:
            with warnings.catch_warnings():
                # Cells at the border of two cases of one Bravais lattice have two equivalent paths.
                warnings.simplefilter("ignore", seekpath.hpkot.EdgeCaseWarning)
                whole = seekpath.get_path(cell, symprec=symprec)
        except seekpath.hpkot.SymmetryDetectionError:
            raise StructureError("No symmetry was found for the path of the band structure; check the cell.") from None
        known = _Standard(whole["point_coords"], whole["path"], np.array(whole["primitive_transformation_matrix"]))
        reciprocal, rotation = np.array(whole["reciprocal_primitive_lattice"]) / (2.0 * np.pi), whole["rotation_matrix"]
        if whole["bravais_lattice"] in _ONE_PATH:
            _standard[int(whole["spacegroup_number"])] = known
    else:
        reciprocal = np.linalg.inv((found.std_lattice.T @ known.primitive).T).T
        rotation = found.std_rotation_matrix
    turned = reciprocal @ np.array(rotation) @ np.array(cell[0]).T
    return {name: np.array(c) @ turned for name, c in known.coordinates.items()}, known.names


def label(name: str) -> str:
    """SeeK-path's name of a point as it is printed: GAMMA -> Γ, X_1 -> X₁.

    Parameters
    ----------
    name
        As SeeK-path has it.

    Returns
    -------
    str
        With Greek letters and digits as subscripts.
    """
    head, _, tail = name.partition("_")
    return _GREEK.get(head, head) + tail.translate(SUBSCRIPTS)
