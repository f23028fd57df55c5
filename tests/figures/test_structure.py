from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from sus2.figures.structure import ARROW_A, SMALLEST_FORCE_EV_PER_A, structure_figure
from sus2.structures import sample

SALT = sample("nacl").atoms()


def arrows(figure: go.Figure) -> go.Mesh3d | None:
    found = [t for t in figure.data if (t.name or "").startswith("force")]
    return found[0] if found else None


def test_arrows_point_along_the_forces() -> None:
    forces = np.zeros((8, 3))
    forces[1] = [0.3, 0.0, 0.0]
    forces[4] = [0.0, 0.0, -0.6]
    trace = arrows(structure_figure(atoms=SALT, forces_ev_per_a=forces, boundary_atoms=False))
    assert trace is not None
    assert trace.name == "force, at most 0.6 eV/Å"
    vertices = np.array([trace.x, trace.y, trace.z]).T.reshape(2, -1, 3)
    inside = SALT.get_positions(wrap=True)
    for points, site in zip(vertices, (1, 4), strict=True):
        tip = points[-1] - inside[site]
        assert np.allclose(np.cross(tip, forces[site]), 0, atol=2e-3)
        assert tip @ forces[site] > 0
        extent = np.ptp(points @ (forces[site] / np.linalg.norm(forces[site])))
        assert extent == pytest.approx(ARROW_A * np.linalg.norm(forces[site]) / 0.6, abs=5e-3)
    assert max(np.max(trace.i), np.max(trace.j), np.max(trace.k)) < len(trace.x)


def test_images_carry_the_force_of_their_atom() -> None:
    forces = np.zeros((8, 3))
    forces[0] = [0.0, 0.1, 0.0]
    # Atom 0 sits on a corner: eight images in one cell, twelve in two.
    for repeat, number in (((1, 1, 1), 8), ((2, 1, 1), 12)):
        trace = arrows(structure_figure(atoms=SALT, supercell=repeat, forces_ev_per_a=forces))
        assert trace is not None
        assert len(trace.x) % number == 0
        tips = np.array(trace.y).reshape(number, -1)[:, -1]
        assert np.ptp(tips % SALT.cell[1, 1]) < 2e-3


def test_forces_that_vanish_draw_nothing() -> None:
    assert arrows(structure_figure(atoms=SALT, forces_ev_per_a=np.full((8, 3), 0.1 * SMALLEST_FORCE_EV_PER_A))) is None
    assert arrows(structure_figure(atoms=SALT, forces_ev_per_a=np.zeros((8, 3)))) is None


def test_labels_number_the_atoms_of_the_cell() -> None:
    figure = structure_figure(atoms=SALT, supercell=(2, 1, 1), labels="sites", boundary_atoms=False)
    notes = figure.layout.scene.annotations
    assert sorted(n.text for n in notes) == sorted(2 * [f"{s}{k + 1}" for k, s in enumerate(SALT.symbols)])
    by_text = {n.text: (n.x, n.y, n.z) for n in notes}
    wrapped = SALT.get_positions(wrap=True)
    assert np.allclose(np.mod(by_text["Cl4"], SALT.cell[0, 0]), np.mod(wrapped[3], SALT.cell[0, 0]), atol=2e-3)


def test_many_labels_are_drawn_in_the_scene() -> None:
    figure = structure_figure(atoms=SALT, supercell=(3, 3, 3), labels="symbols")
    assert not figure.layout.scene.annotations
    (texts,) = [t.text for t in figure.data if t.type == "scatter3d" and t.mode == "text" and len(t.text) > 3]
    assert set(texts) == {"Na", "Cl"}


def test_polyhedra_are_the_octahedra_of_a_perovskite() -> None:
    figure = structure_figure(atoms=sample("srtio3").atoms(), polyhedra_drawn=True)
    meshes = [t for t in figure.data if (t.name or "").startswith("polyhedra")]
    assert [t.name for t in meshes] == ["polyhedra of Ti"]
    corners = np.array([meshes[0].x, meshes[0].y, meshes[0].z]).T
    assert len(corners) == 6
    assert len(meshes[0].i) == 8
    np.testing.assert_allclose(np.linalg.norm(corners - corners.mean(axis=0), axis=1), 3.905 / 2, atol=2e-3)
    # Two cells have two of them; without images on the faces the oxygen atoms around titanium are not all drawn.
    for repeat, images, count in (((2, 1, 1), True, 12), ((1, 1, 1), False, 0)):
        figure = structure_figure(
            atoms=sample("srtio3").atoms(), supercell=repeat, boundary_atoms=images, polyhedra_drawn=True
        )
        assert sum(len(t.x) for t in figure.data if (t.name or "").startswith("polyhedra")) == count
    assert not any("polyhedra" in (t.name or "") for t in structure_figure(atoms=SALT).data)
