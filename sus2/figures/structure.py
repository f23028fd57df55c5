"""A crystal in three dimensions, drawn by plotly alone so that it needs no network."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Final, Literal

import numpy as np
import plotly.graph_objects as go
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike

from sus2.figures.drawn import NON_METALS, bonded_pairs, colour, drawn_atoms, radii_a
from sus2.figures.plain import Figure, Properties, mesh3d, scatter3d
from sus2.figures.polyhedra import polyhedra_mesh
from sus2.figures.theme import FONT, ORANGE, VERMILION, Mode, grid, ink, paper
from sus2.structures.polyhedra import polyhedra
from sus2.types import Array, Index

Labels = Literal["symbols", "sites"]

ARROW_A = 1.4
"""Length of the arrow of the largest force, angstrom."""
SMALLEST_FORCE_EV_PER_A = 1e-3
LETTER_A = 0.35
"""From the surface of the largest sphere at a corner of the cell to the middle of an axis's letter, angstrom."""
_ARROW_SIDES = 12
# Thicker than a bond, along which forces often point.
_ARROW_RADIUS_A = 0.14
_MAX_NOTES = 150
_BOND_RADIUS_A = 0.11
_LIGHT = {"ambient": 0.5, "diffuse": 0.62, "specular": 0.22, "roughness": 0.4, "fresnel": 0.05}
_TURNS = 24
EYE: Final = {"x": 0.6, "y": -1.4, "z": 0.44}
# From the upper left, over the viewer's shoulder: plotly's light moves with the camera, its z points away.
_LIGHT_POSITION = {"x": -60_000, "y": 80_000, "z": -100_000}
_FINE_LIMIT = 150


def structure_figure(
    *,
    atoms: Atoms,
    supercell: tuple[int, int, int] = (1, 1, 1),
    bonds: bool = True,
    cell: bool = True,
    boundary_atoms: bool = True,
    polyhedra_drawn: bool = False,
    labels: Labels | None = None,
    forces_ev_per_a: ArrayLike | None = None,
    atom_scale: float = 1.0,
    legend: bool = True,
    mode: Mode = "light",
    height: int = 520,
) -> go.Figure:
    """Spheres in Jmol's colours, bonds, and the edges of the unit cell.

    A bond is at most 1.25 times the shortest one of both its ends.

    Parameters
    ----------
    atoms
        Periodic in three directions.
    supercell
        Repetitions along a, b, c.
    bonds
        Whether bonds are drawn.
    cell
        Whether the edges of the cell are drawn.
    boundary_atoms
        Whether the images on the faces, edges and corners of the box are drawn too.
    polyhedra_drawn
        Whether polyhedra are drawn around metal atoms whose four or more bonded non-metals are all drawn.
    labels
        Write the symbols, or the symbols with the numbers of the sites (from 1, in the order of atoms).
    forces_ev_per_a
        (N, 3): arrows, the longest of them ARROW_A long, those below SMALLEST_FORCE_EV_PER_A left out.
    atom_scale
        1 draws 0.42 of the covalent radius.
    legend
        Whether the elements are named.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    block = atoms.repeat(supercell)
    i, j, shifts = bonded_pairs(block) if bonds else (np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3), int))
    sites, positions, lines = drawn_atoms(block, i, j, shifts, boundary_atoms)
    numbers = block.numbers[sites]
    figure = Figure()
    notes: list[dict[str, object]] = []
    detail = 2 if len(numbers) <= _FINE_LIMIT else 1
    for z in sorted(set(numbers.tolist())):
        mine = numbers == z
        radius = atom_scale * float(radii_a(np.array([z]))[0])
        figure.add_trace(_spheres(positions[mine], radius, colour(z), chemical_symbols[z], detail))
        ends = [(a, b) for a, b, za in lines if za == z]
        if ends:
            figure.add_trace(_cylinders(np.array(ends), _BOND_RADIUS_A * atom_scale, colour(z), detail))
    if polyhedra_drawn:
        corners = np.isin(block.numbers, NON_METALS)
        for z, (points, triangles) in polyhedra(block, sites, positions, bonded_pairs(block), corners).items():
            figure.add_trace(polyhedra_mesh(points, triangles, colour(z), chemical_symbols[z]))
    if labels:
        texts = _label_texts(numbers, sites % len(atoms), labels)
        if len(texts) <= _MAX_NOTES:
            notes = _notes(positions, texts, mode)
        else:
            # Above the spheres, which would hide them.
            above = positions + 1.05 * atom_scale * radii_a(numbers)[:, None] * np.array([0.0, 0.0, 1.0])
            figure.add_trace(_labels(above, texts, mode))
    if forces_ev_per_a is not None:
        forces = np.asarray(forces_ev_per_a, dtype=float)[sites % len(atoms)]
        radii = atom_scale * radii_a(numbers)
        for trace in _arrows(positions, radii, forces, mode):
            figure.add_trace(trace)
    if cell:
        beyond = atom_scale * float(radii_a(numbers).max(initial=0.0)) + LETTER_A
        for trace in _cell_traces(np.asarray(atoms.cell), supercell, beyond, mode):
            figure.add_trace(trace)
    hidden = {"visible": False}
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT},
        showlegend=legend,
        legend={
            "x": 0.01,
            "y": 0.99,
            "font": {"size": 15, "color": ink(mode)},
            "bgcolor": "rgba(0,0,0,0)",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        scene={
            "xaxis": hidden,
            "yaxis": hidden,
            "zaxis": hidden,
            "aspectmode": "data",
            "bgcolor": "rgba(0,0,0,0)",
            "camera": {"eye": EYE, "projection": {"type": "orthographic"}},
            "dragmode": "orbit",
            "annotations": notes or None,
        },
        uirevision="structure",
    )
    return figure


@lru_cache(maxsize=4)
def _unit_sphere(detail: int) -> tuple[Array, Index]:
    """An icosahedron, each triangle split in four detail times, on the unit sphere."""
    g = (1 + 5**0.5) / 2
    v: list[tuple[float, float, float]] = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g)]
    v += [(0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2)]
    faces += [(10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5)]
    faces += [(2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]
    points = [np.array(p) / np.linalg.norm(p) for p in v]
    for _ in range(detail):
        middle: dict[tuple[int, int], int] = {}
        split = []
        for a, b, c in faces:
            ids = []
            for p, q in ((a, b), (b, c), (c, a)):
                key = (min(p, q), max(p, q))
                if key not in middle:
                    m = points[p] + points[q]
                    middle[key] = len(points)
                    points.append(m / np.linalg.norm(m))
                ids.append(middle[key])
            x, y, z = ids
            split += [(a, x, z), (b, y, x), (c, z, y), (x, y, z)]
        faces = split
    return np.array(points), np.array(faces)


def _spheres(centres: Array, radius: float, rgb: str, symbol: str, detail: int) -> Properties:
    points, faces = _unit_sphere(detail)
    vertices = (centres[:, None, :] + radius * points[None]).reshape(-1, 3)
    triangles = (np.arange(len(centres))[:, None, None] * len(points) + faces[None]).reshape(-1, 3)
    x, y, z = np.round(vertices, 3).astype(np.float32).T
    return mesh3d(
        x=x,
        y=y,
        z=z,
        i=triangles[:, 0],
        j=triangles[:, 1],
        k=triangles[:, 2],
        color=rgb,
        name=symbol,
        showlegend=True,
        hovertemplate=f"{symbol}<extra></extra>",
        lighting=_LIGHT,
        lightposition=_LIGHT_POSITION,
        flatshading=False,
    )


def _cylinders(ends: Array, radius: float, rgb: str, detail: int) -> Properties:
    """ends: (n, 2, 3), one cylinder from each first to each second point."""
    sides = 10 if detail == 2 else 6
    axis = ends[:, 1] - ends[:, 0]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    u, w = _across(axis)
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = radius * (np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * w[:, None])
    vertices = np.concatenate([ends[:, :1] + ring, ends[:, 1:] + ring], axis=1)
    k = np.arange(sides)
    n = (k + 1) % sides
    faces = np.concatenate([np.stack([k, n, k + sides], 1), np.stack([n, n + sides, k + sides], 1)])
    triangles = (np.arange(len(ends))[:, None, None] * 2 * sides + faces[None]).reshape(-1, 3)
    x, y, z = np.round(vertices.reshape(-1, 3), 3).astype(np.float32).T
    return mesh3d(
        x=x,
        y=y,
        z=z,
        i=triangles[:, 0],
        j=triangles[:, 1],
        k=triangles[:, 2],
        color=rgb,
        hoverinfo="skip",
        showlegend=False,
        lighting=_LIGHT,
        lightposition=_LIGHT_POSITION,
    )


def _across(axis: Array) -> tuple[Array, Array]:
    """Two unit vectors (n, 3) at right angles to each of the unit vectors (n, 3) and to each other."""
    helper = np.where(np.abs(axis[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return u, np.cross(axis, u)


def _labels(positions: Array, symbols: list[str], mode: Mode) -> Properties:
    x, y, z = positions.T
    return scatter3d(
        x=x,
        y=y,
        z=z,
        mode="text",
        text=symbols,
        textfont={"color": ink(mode), "size": 14},
        hoverinfo="skip",
        showlegend=False,
    )


def _notes(positions: Array, texts: list[str], mode: Mode) -> list[dict[str, object]]:
    """Labels in front of everything: text in the scene itself disappears inside the spheres."""
    return [
        {
            "x": x,
            "y": y,
            "z": z,
            "text": text,
            "showarrow": False,
            "font": {"color": ink(mode), "size": 13, "family": FONT},
            "bgcolor": paper(mode),
            "opacity": 0.8,
            "borderpad": 1,
        }
        for (x, y, z), text in zip(np.round(positions, 3).tolist(), texts, strict=True)
    ]


def _label_texts(numbers: Index, sites: Index, labels: Labels) -> list[str]:
    symbols = [chemical_symbols[z] for z in numbers]
    if labels == "symbols":
        return symbols
    return [f"{symbol}{site + 1}" for symbol, site in zip(symbols, sites, strict=True)]


def _arrows(positions: Array, radii: Array, forces: Array, mode: Mode) -> list[Properties]:
    """Arrows from the surface of the atoms, one trace, with the size of the largest force in the legend."""
    sizes = np.linalg.norm(forces, axis=1)
    largest = float(sizes.max(initial=0.0))
    shown = sizes >= max(SMALLEST_FORCE_EV_PER_A, 0.01 * largest)
    if not shown.any():
        return []
    vectors = forces[shown] * (ARROW_A / largest)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    axis = vectors / lengths
    u, w = _across(axis)
    angle = 2 * np.pi * np.arange(_ARROW_SIDES) / _ARROW_SIDES
    around = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * w[:, None]
    head = np.minimum(0.5, 0.6 * lengths)
    start = positions[shown] + 0.95 * radii[shown, None] * axis
    tip = start + vectors
    neck = tip - axis * head
    shaft = np.minimum(_ARROW_RADIUS_A, 0.3 * head)[:, None]
    rings = [start[:, None] + shaft * around, neck[:, None] + shaft * around]
    rings.append(neck[:, None] + (0.55 * head)[:, None] * around)
    vertices = np.concatenate([*rings, tip[:, None]], axis=1)
    k = np.arange(_ARROW_SIDES)
    n = (k + 1) % _ARROW_SIDES
    faces = [
        np.stack(f, 1)
        for r in (0, 1)
        for f in (
            (k + r * _ARROW_SIDES, n + r * _ARROW_SIDES, k + (r + 1) * _ARROW_SIDES),
            (n + r * _ARROW_SIDES, n + (r + 1) * _ARROW_SIDES, k + (r + 1) * _ARROW_SIDES),
        )
    ]
    last = 3 * _ARROW_SIDES
    faces.append(np.stack([k + 2 * _ARROW_SIDES, n + 2 * _ARROW_SIDES, np.full_like(k, last)], 1))
    triangles = (np.arange(len(vectors))[:, None, None] * (last + 1) + np.concatenate(faces)[None]).reshape(-1, 3)
    x, y, z = np.round(vertices.reshape(-1, 3), 3).astype(np.float32).T
    return [
        mesh3d(
            x=x,
            y=y,
            z=z,
            i=triangles[:, 0],
            j=triangles[:, 1],
            k=triangles[:, 2],
            color=ORANGE if mode == "dark" else VERMILION,
            name=f"force, at most {largest:.3g} eV/Å",
            text=np.repeat([f"{f:.4g} eV/Å" for f in sizes[shown]], last + 1),
            hovertemplate="force %{text}<extra></extra>",
            showlegend=True,
            lighting=_LIGHT,
            lightposition=_LIGHT_POSITION,
        )
    ]


def _cell_traces(cell: Array, supercell: tuple[int, int, int], beyond_a: float, mode: Mode) -> list[Properties]:
    """Edges of every repeated cell, the first one stronger, and the names of the axes, that far beyond its corners."""
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [(p, q) for p in range(8) for q in range(p + 1, 8) if np.abs(corners[p] - corners[q]).sum() == 1]
    traces = []
    for origin in product(*(range(n) for n in supercell)):
        first = origin == (0, 0, 0)
        points: list[Array] = []
        for p, q in edges:
            points += [(corners[p] + origin) @ cell, (corners[q] + origin) @ cell, np.full(3, np.nan)]
        x, y, z = np.array(points).T
        line = {"color": "#8794A1" if first else grid(mode), "width": 3 if first else 1.5}
        traces.append(scatter3d(x=x, y=y, z=z, mode="lines", line=line, hoverinfo="skip", showlegend=False))
    x, y, z = _letters(cell, beyond_a).T
    traces.append(
        scatter3d(
            x=x,
            y=y,
            z=z,
            mode="text",
            text=["<i>a</i>", "<i>b</i>", "<i>c</i>"],
            textfont={"color": ink(mode), "size": 16},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    return traces


def _letters(cell: Array, beyond_a: float) -> Array:
    """Places (3, 3) of the axes' names, that far from their ends and, as the cell is seen at first, from all corners.

    Beside the end of its axis, outward: further along the axis a letter may cover an atom.
    """
    eye = np.array([EYE[k] for k in "xyz"])
    across = np.linalg.svd(eye[None])[2][1:]
    turns = np.linspace(0.0, 2.0 * np.pi, _TURNS, endpoint=False)
    steps = np.column_stack([np.cos(turns), np.sin(turns)])
    corners = np.array(list(product((0, 1), repeat=3))) @ cell @ across.T
    outward = (cell - cell.sum(axis=0) / 2.0) @ across.T
    places = []
    for end, out in zip(cell, outward, strict=True):
        seen = end @ across.T + beyond_a * steps
        apart = np.linalg.norm(seen[:, None] - corners[None], axis=2).min(axis=1)
        best = int(np.argmax(np.minimum(apart, beyond_a) + 0.2 * steps @ out / max(float(np.linalg.norm(out)), 1e-9)))
        places.append(end + beyond_a * steps[best] @ across)
    return np.array(places)
