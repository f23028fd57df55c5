"""A small picture of a unit cell as SVG: for galleries, where a plot for each crystal would be too much."""

from __future__ import annotations

from itertools import product
from urllib.parse import quote

import numpy as np
from ase import Atoms

from sus2.figures.drawn import NON_METALS, bonded_pairs, colour, drawn_atoms, radii_a
from sus2.types import Array

_EYE = np.array([0.6, -1.4, 0.44])  # the camera of structure_figure
_BOX = 256
_EDGES = [(p, q) for p in range(8) for q in range(p + 1, 8) if (p ^ q).bit_count() == 1]


def thumbnail_svg(*, atoms: Atoms, size: int = 64) -> str:
    """Atoms as discs in Jmol's colours, bonds and the edges of the cell, seen as structure_figure shows them at first.

    Metals have no bonds here, which would hide their atoms.

    Parameters
    ----------
    atoms
        Periodic in three directions.
    size
        Width and height, pixels.

    Returns
    -------
    str
        SVG: short, without line breaks, needs nothing else; its colours fit light and dark pages.
    """
    i, j, shifts = bonded_pairs(atoms)
    sites, positions, halves = drawn_atoms(atoms, i, j, shifts, True)
    numbers = atoms.numbers[sites]
    radii = radii_a(numbers)
    corners = np.array(list(product((0.0, 1.0), repeat=3))) @ np.asarray(atoms.cell)
    to_view = _view()
    flat, ends = positions @ to_view, corners @ to_view
    low = np.minimum((flat[:, :2] - radii[:, None]).min(axis=0), ends[:, :2].min(axis=0))
    high = np.maximum((flat[:, :2] + radii[:, None]).max(axis=0), ends[:, :2].max(axis=0))
    scale = (_BOX - 8.0) / float((high - low).max())
    shift = 0.5 * _BOX - 0.5 * scale * (low + high) * np.array([1.0, -1.0])

    def place(points: Array) -> Array:
        return np.rint(scale * points[:, :2] * np.array([1.0, -1.0]) + shift)

    drawn = [(-np.inf, _line(place(ends[[a, b]]), " class='e'")) for a, b in _EDGES]
    if np.isin(numbers, NON_METALS).any():
        # Each bond has two halves, of which one is drawn at its full length.
        bonds = {tuple(np.rint(20 * middle)): np.array([start, 2 * middle - start]) for start, middle, _ in halves}
        drawn += [(float((b @ to_view)[:, 2].mean()), _line(place(b @ to_view))) for b in bonds.values()]
    for (x, y), depth, radius, z in zip(place(flat).astype(int), flat[:, 2], radii, numbers, strict=True):
        disc = f"<circle cx='{x}' cy='{y}' r='{scale * radius:.0f}' fill='{_hex(int(z))}'/>"
        drawn.append((float(depth), disc))
    body = "".join(text for _, text in sorted(drawn, key=lambda d: d[0]))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{size}' height='{size}' viewBox='0 0 {_BOX} {_BOX}'><style>"
        f"path{{stroke:#9aa5b0;stroke-width:{max(4.0, 0.18 * scale):.0f}}}.e{{stroke-width:3}}"
        f"circle{{stroke:#0006;stroke-width:2}}</style>{body}</svg>"
    )


def data_address(svg: str) -> str:
    """A picture as an address that stands for itself, for CSS and for img elements.

    Parameters
    ----------
    svg
        The picture.

    Returns
    -------
    str
        Nothing in it is markup.
    """
    return "data:image/svg+xml," + quote(svg, safe=" =:/'()!*;,{}")


def _view() -> Array:
    """(3, 3): columns are the directions to the right, up and towards the viewer."""
    towards = _EYE / np.linalg.norm(_EYE)
    right = np.cross([0.0, 0.0, 1.0], towards)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(towards, right), towards])


def _line(ends: Array, more: str = "") -> str:
    (x, y), (u, v) = ends.astype(int).tolist()
    return f"<path{more} d='M{x} {y}L{u} {v}'/>"


def _hex(z: int) -> str:
    r, g, b = (int(x) for x in colour(z)[4:-1].split(","))
    return f"#{r:02x}{g:02x}{b:02x}"
