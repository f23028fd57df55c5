"""Grids and paths of wave vectors against phonopy and SeeK-path, whose numbers they must be."""

from __future__ import annotations

import numpy as np
import pytest
import seekpath
from ase import Atoms
from ase.build import bulk

from sus2.derivatives.second_order import second_derivatives
from sus2.native.build import available
from sus2.properties.phonons import qpath
from sus2.properties.phonons.backends.grid import regular_grid
from sus2.properties.phonons.backends.waves import ExactBackend, ExactMesh, phonopy_mesh
from sus2.properties.phonons.qpath import q_path
from sus2.structures import standardise
from tests.helpers_spec import random_potential

_TETRAGONAL = 0.5 * np.array([[-5.8, 5.8, 3.2], [5.8, -5.8, 3.2], [5.8, 5.8, -3.2]])
CELLS = {
    "face-centred": bulk("NaCl", "rocksalt", a=5.6),
    "without inversion": bulk("NaCl", "zincblende", a=5.6),
    "body-centred": bulk("Na", "bcc", a=4.2),
    "hexagonal": bulk("NaCl", "wurtzite", a=4.1, c=6.6),
    "close-packed": bulk("Na", "hcp", a=3.8, c=6.1),
    "orthorhombic": Atoms("NaCl", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[3.1, 4.2, 5.3], pbc=True),
    "body-centred tetragonal": Atoms(
        "Na2", scaled_positions=[[0, 0, 0], [0.75, 0.25, 0.5]], cell=_TETRAGONAL, pbc=True
    ),
    "triclinic": Atoms(
        "NaCl",
        scaled_positions=[[0, 0, 0], [0.41, 0.52, 0.37]],
        cell=[[3.1, 0.2, 0.1], [-0.7, 4.2, 0.3], [0.4, 0.5, 4.6]],
        pbc=True,
    ),
}


@pytest.mark.skipif(not available(), reason="without a compiler phonopy makes the grids")
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("mesh", [35.0, 24.0, [4, 4, 4], [6, 5, 4]])
def test_a_grid_is_phonopys(name, mesh):
    cell = standardise(CELLS[name], "primitive", symprec=1e-3)
    second = second_derivatives(cell, random_potential())
    theirs = phonopy_mesh(second, mesh, False)
    here = regular_grid(cell, mesh)
    if here is None:
        # Neither does phonopy keep the symmetry on a regular grid there.
        broken = not np.array_equal(theirs.bz_grid.P, np.eye(3)) or len(theirs.bz_grid.rotations) == 2
        assert broken
        assert not isinstance(ExactBackend(second).mesh(mesh, True), ExactMesh)
        return
    np.testing.assert_array_equal(here.mesh_numbers, theirs.mesh_numbers)
    np.testing.assert_array_equal(here.ir_grid_points, theirs.ir_grid_points)
    np.testing.assert_array_equal(here.grid_mapping_table, theirs.grid_mapping_table)
    np.testing.assert_array_equal(here.weights, theirs.weights)
    np.testing.assert_allclose(here.qpoints - theirs.qpoints, np.round(here.qpoints - theirs.qpoints), atol=1e-12)
    # Points on the boundary of the zone have several places that are equally near.
    own, other = (np.linalg.norm(q @ np.linalg.inv(cell.cell.array).T, axis=1) for q in (here.qpoints, theirs.qpoints))
    assert (own <= other + 1e-9).all()


def test_most_of_these_grids_are_made_here():
    made = [regular_grid(standardise(c, "primitive", symprec=1e-3), [4, 4, 4]) for c in CELLS.values()]
    assert all(g is not None for g in made) or not available()


@pytest.mark.parametrize("name", CELLS)
def test_a_path_is_seekpaths_for_every_crystal_of_its_space_group(name):
    cell = CELLS[name]
    larger = cell.copy()
    larger.set_cell(cell.cell.array * 1.07, scale_atoms=True)
    turned = cell.copy()
    turned.rotate(31.0, (1, 2, 3), rotate_cell=True)
    qpath._standard.clear()
    for each in (cell, larger, turned, cell):
        found = q_path(each, 90)
        whole = seekpath.get_path_orig_cell((each.cell.array, each.get_scaled_positions(), each.numbers), symprec=1e-3)
        names = [(qpath.label(a), qpath.label(b)) for a, b in whole["path"]]
        assert list(found.segment_labels) == names
        for part, (a, b) in zip(found.segments, whole["path"], strict=True):
            np.testing.assert_allclose(found.q_fractional[part.start], whole["point_coords"][a], atol=1e-12)
            np.testing.assert_allclose(found.q_fractional[part.stop - 1], whole["point_coords"][b], atol=1e-12)


def test_a_path_that_depends_on_the_cell_is_not_kept():
    qpath._standard.clear()
    q_path(CELLS["triclinic"], 40)
    q_path(CELLS["body-centred tetragonal"], 40)
    assert not qpath._standard
