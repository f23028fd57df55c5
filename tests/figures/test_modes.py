"""Modes in motion: how far the atoms move, what is drawn, and the file of the film."""

from __future__ import annotations

import io

import numpy as np
import pytest
from ase.build import bulk
from PIL import Image

from sus2.figures.properties.modes import MAX_BONDED, mode_figure, mode_gif, scaled_motion

BLOCK = bulk("NaCl", "rocksalt", a=5.6).repeat(2)
U = np.tile([[1.0, 0.0, 0.0], [-0.5j, 0.0, 0.0]], (8, 1))


def test_the_largest_displacement_is_the_amplitude_and_comes_first() -> None:
    u = scaled_motion(1j * U, 0.3)
    assert np.linalg.norm(u.real, axis=1).max() == pytest.approx(0.3)
    assert np.allclose(np.abs(u / U[0, 0])[0, 0], 0.3)
    assert not scaled_motion(np.zeros((2, 3)), 0.3).any()


def test_the_pictures_are_one_period_and_keep_what_stands_still() -> None:
    fig = mode_figure(atoms=BLOCK, displacements=U, cells=(2, 2, 2), arrows=True, frames=8, amplitude_a=0.4)
    names = [t.name for t in fig.data]
    assert {"Na", "Cl", "motion"} <= set(names)
    moving = fig.frames[0].traces
    assert set(moving) < set(range(len(fig.data)))
    for k, trace in zip(moving, fig.frames[0].data, strict=True):
        assert np.allclose(trace.x, fig.data[k].x)
    # Half a period later every sphere is on the other side of its place.
    na = names.index("Na")
    ahead, behind = (np.asarray(fig.frames[k].data[na].x, dtype=float) for k in (0, 4))
    assert np.allclose(ahead - behind, 0.8, atol=2e-3)
    speeds = [
        mode_figure(atoms=BLOCK, displacements=U, speed=s, frames=8).layout.updatemenus[0].buttons[0].args[1]["frame"]
        for s in (1.0, 2.0)
    ]
    assert speeds[0]["duration"] == 2.0 * speeds[1]["duration"]


def test_bonds_are_left_out_where_there_are_many_atoms() -> None:
    few = mode_figure(atoms=BLOCK, displacements=U, cells=(2, 2, 2), frames=2)
    without = mode_figure(atoms=BLOCK, displacements=U, cells=(2, 2, 2), frames=2, bonds=False)
    assert len(few.data) > len(without.data)
    large = bulk("NaCl", "rocksalt", a=5.6).repeat(4)
    assert len(large) > MAX_BONDED
    much = mode_figure(atoms=large, displacements=np.tile(U, (8, 1)), cells=(4, 4, 4), frames=2, cell=False)
    assert [t.name for t in much.data] == ["Na", "Cl"] or [t.name for t in much.data] == ["Cl", "Na"]


def test_the_film_repeats() -> None:
    with Image.open(io.BytesIO(mode_gif(atoms=BLOCK, displacements=U, frames=4))) as film:
        assert film.n_frames == 4
        assert film.info.get("loop", 1) == 0
        first = np.asarray(film.convert("RGB"), dtype=int)
        film.seek(2)
        assert np.abs(np.asarray(film.convert("RGB"), dtype=int) - first).max() > 50
        assert first.shape == np.asarray(film.convert("RGB")).shape
