"""Sites of a CIF file: rows as they are listed, their images under the operations, and what lies on one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Final

import numpy as np

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.cif.operations import Operations
from sus2.types import Array

MERGE_A: Final = 0.05
"""Images of a site that come this close are one atom, angstrom; more where the file rounds more coarsely."""
MAX_MERGE_A: Final = 0.25
OVERLAP_A: Final = 0.5
FULL: Final = 0.995
"""Occupancies from here to 1.005 are whole atoms."""
MAX_POSITIONS_PER_ATOM: Final = 6
_THIRDS: Final = tuple(k / 6 for k in (1, 2, 4, 5))


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the atom-site loop.

    Attributes
    ----------
    label
        Of the site.
    symbol
        Chemical symbol.
    mass
        Where it is not the natural one.
    fractional
        (3,) coordinates.
    rounding
        (3,) how coarsely these are rounded.
    occupancy
        From 0 to 1.
    multiplicity
        That the file states.
    type_text
        Type symbol as it stands in the file.
    """

    label: str
    symbol: str
    mass: float | None
    fractional: Array
    rounding: Array
    occupancy: float = 1.0
    multiplicity: int | None = None
    type_text: str = ""


@dataclass(eq=False)
class Place:
    """Equivalent points of the cell and what is on each of them.

    Attributes
    ----------
    points
        (n, 3) fractional.
    content
        Element and mass -> occupancy.
    labels
        Of the rows that are there.
    texts
        Their type symbols.
    """

    points: Array
    content: dict[tuple[str, float | None], float] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Sum of the occupancies."""
        return sum(self.content.values())

    @property
    def is_whole(self) -> bool:
        """Whether one kind of atom is always there."""
        return len(self.content) == 1 and FULL <= self.total <= 2.0 - FULL

    def __str__(self) -> str:
        parts = ", ".join(f"{symbol} {occupancy:.4g}" for (symbol, _), occupancy in self.content.items())
        return parts


@dataclass(frozen=True, eq=False)
class Expanded:
    """Every place of the cell.

    Attributes
    ----------
    places
        What is where.
    counts
        Images of each row, before rows on one place were put together.
    """

    places: list[Place]
    counts: list[int]

    def composition(self) -> dict[str, float]:
        """Count the atoms in the cell.

        Returns
        -------
        dict
            By element.
        """
        found: dict[str, float] = {}
        for place in self.places:
            for (symbol, _), occupancy in place.content.items():
                found[symbol] = found.get(symbol, 0.0) + occupancy * len(place.points)
        return found

    @property
    def n_points(self) -> int:
        """Points of the cell that are occupied."""
        return sum(len(p.points) for p in self.places)


def rounded(text: str, value: float) -> tuple[float, float]:
    """Make thirds and sixths of a coordinate exact where the digits mean them (0.333, 0.6667).

    Parameters
    ----------
    text
        As in the file.
    value
        Its number.

    Returns
    -------
    tuple of float
        The coordinate, and by how much its digits may be off.
    """
    digits = text.split("(")[0].partition(".")[2]
    if "/" in text or not digits.isdigit():
        return value, 1e-6 if "/" in text else 0.0
    unit = 10.0 ** -len(digits)
    if 3 <= len(digits) <= 15:
        whole = math.floor(value)
        for third in _THIRDS:
            if abs(value - whole - third) <= 0.500001 * unit:
                return whole + third, 0.0
    return value, 0.5 * unit if len(digits) < 6 else 0.0


def expand(rows: Sequence[Row], operations: Operations, cell: Array) -> Expanded:
    """All images of rows in the cell; rows of one place are put together.

    Parameters
    ----------
    rows
        Of the atom-site loop.
    operations
        Of the space group.
    cell
        (3, 3) angstrom.

    Returns
    -------
    Expanded
        Every place.

    Raises
    ------
    StructureError
        More than the settings allow.
    """
    limit = settings().max_atoms
    if len(rows) > limit:
        raise StructureError(f"The structure has {len(rows):,} atoms; at most {limit:,} are allowed here.")
    places: list[Place] = []
    counts, total = [], 0
    everything = np.empty((0, 3))
    owner = np.empty(0, dtype=int)
    for row in rows:
        tolerance = merge_tolerance(row, cell)
        points = orbit(row.fractional, operations, cell, tolerance)
        counts.append(len(points))
        there = _first_near(points[0], everything, cell, tolerance)
        if there is not None and len(places[owner[there]].points) == len(points):
            _join(places[owner[there]], row, cell, tolerance)
            continue
        place = Place(points, {(row.symbol, row.mass): row.occupancy}, [row.label], [row.type_text])
        places.append(place)
        total += len(points)
        if total > MAX_POSITIONS_PER_ATOM * limit:
            raise StructureError(
                f"Its sites and symmetry operations make more than {MAX_POSITIONS_PER_ATOM * limit:,} atoms; at most "
                f"{limit:,} are allowed here."
            )
        everything = np.concatenate([everything, points])
        owner = np.concatenate([owner, np.full(len(points), len(places) - 1)])
    return Expanded(places, counts)


def merge_tolerance(row: Row, cell: Array) -> float:
    """How far images of a row may be apart and still be one atom.

    Parameters
    ----------
    row
        Of the atom-site loop, with the rounding of its coordinates.
    cell
        (3, 3), A.

    Returns
    -------
    float
        A, from MERGE_A to MAX_MERGE_A.
    """
    lengths = np.linalg.norm(cell, axis=1)
    return float(np.clip(3.5 * (row.rounding * lengths).max(), MERGE_A, MAX_MERGE_A))


def orbit(fractional: Array, operations: Operations, cell: Array, tolerance: float) -> Array:
    """The different images of a point, which is moved onto its special position first where it is near one.

    Parameters
    ----------
    fractional
        (3,).
    operations
        Of the space group.
    cell
        (3, 3) angstrom.
    tolerance
        Distance within which images are one, angstrom.

    Returns
    -------
    ndarray
        (n, 3) fractional.
    """
    point = fractional
    for _ in range(4):
        difference = operations.rotations @ point + operations.translations - point
        difference -= np.rint(difference)
        near = np.linalg.norm(difference @ cell, axis=1) < tolerance
        shift = difference[near].mean(axis=0) if near.any() else np.zeros(3)
        point = point + shift
        if np.abs(shift).max() < 1e-12:
            break
    images = (operations.rotations @ point + operations.translations) % 1.0
    # Cells of 1e-5, off the decimals and fractions that coordinates are made of.
    keys = np.floor(images * 1e5 + 0.1371).astype(np.int64) % 100_000
    _, first = np.unique(keys, axis=0, return_index=True)
    return images[np.sort(first)]


def unsplit(places: Sequence[Place], cell: Array) -> list[Place]:
    """Leave one image of sites that are one atom split over several points; some files do not say so.

    Such images come closer than atoms can.

    Parameters
    ----------
    places
        Of the cell.
    cell
        (3, 3) angstrom.

    Returns
    -------
    list of Place
        With the occupancy that leaves one of them.
    """
    found = []
    for place in places:
        share = 1
        if place.is_whole and len(place.points) > 1:
            difference = place.points[1:] - place.points[0]
            difference -= np.rint(difference)
            share += int((np.linalg.norm(difference @ cell, axis=1) < OVERLAP_A).sum())
        content = {kind: amount / share for kind, amount in place.content.items()} if share > 1 else place.content
        found.append(Place(place.points, content, place.labels, place.texts))
    return found


def primitive(places: Sequence[Place], operations: Operations, cell: Array) -> tuple[list[Place], Array]:
    """The places in a primitive cell of a centred lattice.

    Parameters
    ----------
    places
        Of the given cell.
    operations
        Of the space group.
    cell
        (3, 3) angstrom.

    Returns
    -------
    tuple
        Places and cell; the given ones where there is no centring.
    """
    pure = operations.translations[(operations.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
    corners = np.array(list(product((0, 1), repeat=3)))
    vectors = np.concatenate([np.eye(3), *(t - corners for t in pure if np.abs(t).max() > 1e-6)])
    vectors = vectors[np.argsort(np.linalg.norm(vectors @ cell, axis=1), kind="stable")]
    for rows in combinations(range(len(vectors)), 3):
        basis = vectors[list(rows)]
        volume = float(np.linalg.det(basis))
        if abs(abs(volume) - 1.0 / len(pure)) < 1e-6:
            break
    else:
        return list(places), cell
    basis = basis if volume > 0 else basis[[1, 0, 2]]
    found = []
    for place in places:
        points = (place.points @ np.linalg.inv(basis)) % 1.0
        keys = np.floor(points * 1e5 + 0.1371).astype(np.int64) % 100_000
        _, first = np.unique(keys, axis=0, return_index=True)
        found.append(Place(points[np.sort(first)], place.content, place.labels, place.texts))
    return found, basis @ cell


def overlap(places: Sequence[Place], cell: Array) -> bool:
    """Whether two places come closer than atoms can, or different whole atoms share one."""
    if any(p.total > 2.0 - FULL for p in places):
        return True
    points = np.concatenate([p.points for p in places])
    return _closest(points, cell) < OVERLAP_A


def _closest(points: Array, cell: Array) -> float:
    """A distance within OVERLAP_A between two of the points (n, 3), or infinity, angstrom."""
    from scipy.spatial import cKDTree

    # In fractions of a box, periodic; a distance d needs at most d / height in each coordinate.
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    scaled = (points % 1.0) % 1.0
    tree = cKDTree(scaled * heights, boxsize=heights)
    pairs = tree.query_pairs(2.0 * OVERLAP_A, output_type="ndarray")
    if not len(pairs) or len(pairs) > 500_000:
        return math.inf if not len(pairs) else 0.0
    difference = points[pairs[:, 0]] - points[pairs[:, 1]]
    difference -= np.rint(difference)
    return float(np.linalg.norm(difference @ cell, axis=1).min())


def _first_near(point: Array, points: Array, cell: Array, tolerance: float) -> int | None:
    difference = points - point
    difference -= np.rint(difference)
    near = np.flatnonzero(np.linalg.norm(difference @ cell, axis=1) < tolerance)
    return int(near[0]) if len(near) else None


def _join(place: Place, row: Row, cell: Array, tolerance: float) -> None:
    """Put a row onto a place that is taken: a second kind of atom, more of the same, or the same once again."""
    kind = (row.symbol, row.mass)
    before = place.content.get(kind)
    listed_here = _first_near(row.fractional, place.points[:1], cell, tolerance) is not None
    if before is None:
        place.content[kind] = row.occupancy
    elif (listed_here or row.type_text not in place.texts) and before + row.occupancy <= 2.0 - FULL:
        # Fe2+ and Fe3+ on one place.
        place.content[kind] = before + row.occupancy
    else:
        place.content[kind] = max(before, row.occupancy)
    place.labels.append(row.label)
    place.texts.append(row.type_text)


def described(places: Sequence[Place]) -> str:
    """Say in half a sentence what is disordered: the content of up to three places."""
    mixed = [p for p in places if not p.is_whole]
    parts = [f"{printable(p.labels[0], 20)}: {printable(str(p), 60)}" for p in mixed[:3]]
    return "; ".join(parts) + ("; ..." if len(mixed) > 3 else "")
