"""Densities of states by the linear tetrahedron method on a mesh of phonopy.

phonopy's own weights (Rust) cover every sample for every tetrahedron; the compiled kernel visits only those that a
tetrahedron reaches. Both use phonopy's grid and tetrahedra and agree to rounding; without a compiler phonopy serves.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy.phonon.tetrahedron_method import get_integration_weights, get_tetrahedra_relative_gr_grid_address

from sus2.native.build import library
from sus2.properties.phonons.backends.grid import addresses
from sus2.properties.phonons.backends.waves import AnyMesh, ExactMesh
from sus2.types import Array, Index


def tetrahedron_dos(mesh: AnyMesh, parts: Array, samples: Array) -> Array:
    """States per THz and cell at some frequencies.

    MacDonald, Vosko and Coleridge, J. Phys. C 12, 2991 (1979).

    Parameters
    ----------
    mesh
        With frequencies (points, bands), THz.
    parts
        (points, bands, parts), what each mode counts for in each part, for example 1.
    samples
        (samples,), evenly spaced frequencies, THz.

    Returns
    -------
    ndarray
        (samples, parts).
    """
    weighted = np.ascontiguousarray(parts * mesh.weights[:, None, None], dtype=np.float64)
    cells = float(mesh.weights.sum())
    built = library()
    found = _with_phonopy(mesh, weighted, samples) if built is None else _compiled(built, mesh, weighted, samples)
    return found / cells


def _compiled(built: ctypes.CDLL, mesh: AnyMesh, weighted: Array, samples: Array) -> Array:
    values = np.ascontiguousarray(mesh.frequencies, dtype=np.float64)
    corners = _corners(mesh)
    out = np.zeros((len(samples), weighted.shape[2]))
    step = float(samples[1] - samples[0])
    built.sus2_tetrahedra(
        _pointer(values),
        _pointer(corners),
        _pointer(weighted),
        *map(ctypes.c_int64, values.shape),
        ctypes.c_int64(corners.shape[1]),
        ctypes.c_int64(weighted.shape[2]),
        ctypes.c_double(float(samples[0])),
        ctypes.c_double(step),
        ctypes.c_int64(len(samples)),
        _pointer(out),
    )
    # Six tetrahedra fill a cell of the mesh, each with four corners: phonopy's g has a factor of 3, and I one of 1/3.
    return out / 6.0


def _corners(mesh: AnyMesh) -> Index:
    """Irreducible points at the corners of the tetrahedra around each irreducible point, itself first, (n, 24, 4)."""
    if isinstance(mesh, ExactMesh):
        d = mesh.mesh_numbers
        grid: Any = SimpleNamespace(microzone_lattice=mesh.grid.microzone, P=np.eye(3, dtype=np.int64))
    else:
        grid, d = mesh.bz_grid, np.asarray(mesh.bz_grid.D_diag)
    around = get_tetrahedra_relative_gr_grid_address(grid)
    # The point itself stands at (0, 0, 0), at a place that differs between tetrahedra.
    own = np.argmin(np.abs(around).sum(axis=2), axis=1)
    around = np.array([np.roll(corners, -k, axis=0) for corners, k in zip(around, own, strict=True)])
    # Many corners are shared: each of the few different steps is taken once.
    steps, which = np.unique(around.reshape(-1, 3), axis=0, return_inverse=True)
    places = (addresses(mesh.ir_grid_points, d)[:, None] + steps) % d
    index = places[..., 0] + d[0] * (places[..., 1] + d[1] * places[..., 2])
    place_of = np.empty(len(mesh.grid_mapping_table), dtype=np.int64)
    place_of[mesh.ir_grid_points] = np.arange(len(mesh.ir_grid_points))
    corners = place_of[mesh.grid_mapping_table[index]][:, which.ravel()]
    return np.ascontiguousarray(corners.reshape(len(corners), *around.shape[:2]))


def _with_phonopy(mesh: AnyMesh, weighted: Array, samples: Array) -> Array:
    grid = mesh.bz_grid
    shares = get_integration_weights(
        samples,
        mesh.frequencies,
        grid,
        grid_points=grid.grg2bzg[mesh.ir_grid_points],
        bzgp2irgp_map=np.searchsorted(mesh.ir_grid_points, mesh.grid_mapping_table[grid.bzg2grg]),
        function="I",
    )
    return np.einsum("qfb,qbe->fe", shares, weighted, optimize=True)


def _pointer(x: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)
