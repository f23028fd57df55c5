"""Modes in motion: the crystal of the structure viewer, moving along one of its phonons."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from ase import Atoms
from ase.data import chemical_symbols
from ase.utils import rotate
from numpy.typing import ArrayLike

from sus2.figures.drawn import bonded_pairs, colour, radii_a
from sus2.figures.plain import Figure, Properties
from sus2.figures.structure import EYE, LETTER_A, _arrows, _cell_traces, _cylinders, _spheres
from sus2.figures.theme import FONT, Mode, grid, ink, paper
from sus2.types import Array, ComplexArray, Index

PERIOD_S = 1.5
"""Of one oscillation at speed 1."""
MAX_BONDED = 64
"""With more atoms no bonds are drawn: each picture of the motion would hold all of them."""
_FINE = 30
_ZOOM = 1.6
_HIDDEN = {"visible": False, "showspikes": False}


def scaled_motion(displacements: ArrayLike, amplitude_a: float) -> ComplexArray:
    """Scale a mode, with the phase that shows most at the start.

    Parameters
    ----------
    displacements
        (n, 3) complex.
    amplitude_a
        Largest displacement, angstrom.

    Returns
    -------
    ndarray
        (n, 3) complex, angstrom.
    """
    u = np.asarray(displacements, dtype=np.complex128)
    total = (u**2).sum()
    if abs(total) > 1e-12:
        u = u * np.exp(-0.5j * np.angle(total))
    largest = float(np.linalg.norm(u.real, axis=1).max(initial=0.0))
    return u * (amplitude_a / largest) if largest > 0.0 else u


def mode_figure(
    *,
    atoms: Atoms,
    displacements: ArrayLike,
    cells: tuple[int, int, int] = (1, 1, 1),
    amplitude_a: float = 0.3,
    speed: float = 1.0,
    bonds: bool = True,
    cell: bool = True,
    arrows: bool = False,
    frames: int = 20,
    mode: Mode = "light",
    height: int = 480,
) -> go.Figure:
    """One period of a mode, played and stopped by the figure itself.

    Parameters
    ----------
    atoms
        The block of primitive cells at rest.
    displacements
        (n, 3) complex, scaled here.
    cells
        Of the block along each axis.
    amplitude_a
        Largest displacement, angstrom.
    speed
        1 is a period in PERIOD_S seconds.
    bonds
        Whether bonds are drawn, between atoms of a block of at most MAX_BONDED.
    cell
        Whether the edges of the cell are drawn.
    arrows
        Whether arrows lead from the atoms at rest along their motion.
    frames
        Pictures of a period.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    u = scaled_motion(displacements, amplitude_a)
    rest = atoms.get_positions()
    pairs = _pairs(atoms) if bonds and len(atoms) <= MAX_BONDED else (np.zeros(0, int), np.zeros(0, int))
    detail = 1 if len(atoms) <= _FINE else 0

    def moving(phase: float) -> list[Properties]:
        return _traces(atoms.numbers, rest + (u * np.exp(1j * phase)).real, pairs, detail)

    first = moving(0.0)
    beyond = float(radii_a(atoms.numbers).max(initial=0.0)) + LETTER_A
    still = _cell_traces(np.asarray(atoms.cell) / np.array(cells)[:, None], cells, beyond, mode) if cell else []
    if arrows:
        told = {"name": "motion", "hovertemplate": "direction of motion<extra></extra>"}
        still += [{**trace, **told} for trace in _arrows(rest, radii_a(atoms.numbers), u.real, mode)]
    steps = 2.0 * np.pi * np.arange(frames) / frames
    # Only the places change from picture to picture.
    pictures = [
        {
            "name": str(k),
            "traces": list(range(len(first))),
            "data": [{key: t[key] for key in ("type", "x", "y", "z")} for t in moving(float(phase))],
        }
        for k, phase in enumerate(steps)
    ]
    made = Figure(data=[*first, *still], frames=pictures)
    play = {
        "frame": {"duration": 1000.0 * PERIOD_S / speed / frames, "redraw": True},
        "fromcurrent": True,
        "transition": {"duration": 0},
        "mode": "immediate",
    }
    low = rest.min(axis=0) - amplitude_a - 1.0
    high = rest.max(axis=0) + amplitude_a + 1.0
    axes = {f"{name}axis": {**_HIDDEN, "range": [low[k], high[k]]} for k, name in enumerate("xyz")}
    span = high - low
    made.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 46},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": ink(mode)},
        showlegend=True,
        legend={"x": 0.01, "y": 0.99, "bgcolor": "rgba(0,0,0,0)", "itemclick": False, "itemdoubleclick": False},
        scene={
            **axes,
            "aspectmode": "manual",
            "aspectratio": {name: float(_ZOOM * s / span.max()) for name, s in zip("xyz", span, strict=True)},
            "bgcolor": "rgba(0,0,0,0)",
            "camera": {"eye": EYE, "projection": {"type": "orthographic"}},
            "dragmode": "orbit",
        },
        uirevision="motion",
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "x": 0.0,
                "xanchor": "left",
                "y": 0.0,
                "yanchor": "top",
                "pad": {"t": 6},
                "showactive": False,
                "font": {"color": ink(mode)},
                "bgcolor": paper(mode),
                "bordercolor": grid(mode),
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, play]},
                    {
                        "label": "Pause",
                        "method": "animate",
                        "args": [[None], {"frame": {"duration": 0, "redraw": False}, "mode": "immediate"}],
                    },
                ],
            }
        ],
    )
    return made


def _pairs(atoms: Atoms) -> tuple[Index, Index]:
    """Bonded atoms of the block itself: those across its faces would have to move with another phase."""
    i, j, shifts = bonded_pairs(atoms)
    inside = ~shifts.any(axis=1)
    return i[inside], j[inside]


def _traces(numbers: Index, places: Array, pairs: tuple[Index, Index], detail: int) -> list[Properties]:
    """Spheres and half-bonds of each element, always in the same order."""
    i, j = pairs
    middle = 0.5 * (places[i] + places[j])
    made = []
    for z in sorted(set(numbers.tolist())):
        mine = numbers == z
        made.append(_spheres(places[mine], float(radii_a(np.array([z]))[0]), colour(z), chemical_symbols[z], detail))
        ends = numbers[i] == z
        if ends.any():
            made.append(_cylinders(np.stack([places[i][ends], middle[ends]], axis=1), 0.11, colour(z), 1))
    return made


def mode_gif(
    *,
    atoms: Atoms,
    displacements: ArrayLike,
    amplitude_a: float = 0.3,
    speed: float = 1.0,
    frames: int = 20,
    rotation: str = "-80x,-20y,5z",
) -> bytes:
    """One period of a mode as an animated GIF that repeats, drawn by ASE and matplotlib.

    Parameters
    ----------
    atoms
        As in mode_figure.
    displacements
        As in mode_figure.
    amplitude_a
        As in mode_figure.
    speed
        As in mode_figure.
    frames
        Pictures of a period.
    rotation
        Of the view, in ASE's notation.

    Returns
    -------
    bytes
        The file.
    """
    from ase.visualize.plot import animate
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    u = scaled_motion(displacements, amplitude_a)
    rest = atoms.get_positions()
    pictures = []
    for k in range(frames):
        moved = atoms.copy()
        moved.set_positions(rest + (u * np.exp(2j * np.pi * k / frames)).real)
        pictures.append(moved)
    # A figure of its own: pyplot's are shared by all threads of the server.
    figure = Canvas(figsize=(4.8, 4.8), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    radii = radii_a(atoms.numbers)
    # One frame for all pictures, or the crystal would shake.
    corners = np.array(list(product((0, 1), repeat=3))) @ np.asarray(atoms.cell)
    seen = np.concatenate([rest, corners]) @ rotate(rotation)
    reach = amplitude_a + float(radii.max())
    box = (*(seen.min(axis=0)[:2] - reach), *(seen.max(axis=0)[:2] + reach))
    colours = {z: np.array(_rgb(colour(z))) for z in set(atoms.numbers.tolist())}
    film = animate(
        pictures,
        ax=axes,
        rotation=rotation,
        radii=radii,
        bbox=box,
        colors=np.array([colours[z] for z in atoms.numbers.tolist()]),
        show_unit_cell=2,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mode.gif"
        film.save(str(path), writer=PillowWriter(fps=max(1, round(frames * speed / PERIOD_S))))
        return path.read_bytes()


def _rgb(css: str) -> tuple[float, float, float]:
    r, g, b = (int(v) / 255.0 for v in css.removeprefix("rgb(").removesuffix(")").split(","))
    return r, g, b
