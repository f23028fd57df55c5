"""Crystal axes of elastic tensors: the IEEE setting, from the lattice and point group of the actual cell.

IEEE Std 176-1987, section 3, as far as an elastic tensor can tell the axes apart: cubic, x1 x2 x3 along a b c;
tetragonal and hexagonal, x3 along c and x1 along a; trigonal, x3 along the three-fold axis and x1 along a two-fold
axis (or the normal of a mirror), the sense given by the obverse setting of a rhombohedral lattice; orthorhombic,
c < a < b along x3 x1 x2; monoclinic, x2 along the unique axis, x3 along the shortest lattice vector normal to it and
beta obtuse; triclinic, x3 along the shortest vector c and x2 normal to the plane of c and a, c < a < b.
Where these rules leave a choice between axes that the lattice cannot tell apart (the sense of x1 of quartz), that with
the larger first constants is taken, so that one crystal always has one tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import spglib
from ase import Atoms

from sus2.derivatives.elastic_tensors import tensor_to_voigt, voigt_to_tensor
from sus2.errors import StructureError
from sus2.structures.description import CrystalSystem, crystal_system
from sus2.structures.symmetry import KIND, dataset, right_handed, standard_cell
from sus2.types import Array

# Lengths and angles nearer than this (relative) are not told apart.
_SAME = 1e-4
# Order in which constants decide between equivalent axes: first those whose sign depends on the axes.
_DECIDING = (
    *((0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5)),
    *((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (0, 1), (0, 2), (1, 2)),
)


@dataclass(frozen=True, eq=False)
class CrystalAxes:
    """The axes of a crystal that elastic constants refer to.

    Attributes
    ----------
    space_group
        For example "Fd-3m (227)".
    system
        The crystal system.
    rotations
        (n, 3, 3), the point group in the Cartesian frame of the cell.
    frames
        (k, 3, 3), the sets of axes, one per row, that the IEEE rules allow.
    """

    space_group: str
    system: CrystalSystem
    rotations: Array
    frames: Array


def primitive_cell(atoms: Atoms, symprec: float) -> Atoms:
    """A primitive cell in the orientation of a crystal, coordinates as they are.

    Parameters
    ----------
    atoms
        The crystal.
    symprec
        Tolerance of spglib, angstrom.

    Returns
    -------
    Atoms
        The cell.

    Raises
    ------
    StructureError
        spglib finds no symmetry.
    """
    found = standard_cell(right_handed(atoms)[0], symprec, primitive=True, idealise=False)
    if found is None:
        raise StructureError(f"spglib finds no symmetry within {symprec:g} Å; check the coordinates.")
    lattice, scaled, numbers = found
    return Atoms(numbers=numbers % KIND, scaled_positions=scaled, cell=lattice, pbc=True)


def crystal_axes(atoms: Atoms, symprec: float) -> CrystalAxes:
    """Point group and IEEE axes of a crystal.

    Parameters
    ----------
    atoms
        The crystal.
    symprec
        Tolerance of spglib, angstrom.

    Returns
    -------
    CrystalAxes
        In the Cartesian frame of the cell.

    Raises
    ------
    StructureError
        spglib finds no symmetry, or a monoclinic crystal has no two-fold axis.
    """
    cell, _ = right_handed(atoms)
    data = dataset(cell, symprec)
    if data is None:
        raise StructureError(f"spglib finds no symmetry within {symprec:g} Å; check the coordinates.")
    lattice = np.asarray(cell[0])
    columns = lattice.T
    rotations = _orthogonal(columns @ data.rotations @ np.linalg.inv(columns))
    conventional = (columns @ np.linalg.inv(data.transformation_matrix)).T
    system = crystal_system(data.number)
    frames = _frames(system, conventional, lattice, rotations, rhombohedral=data.international.startswith("R"))
    return CrystalAxes(f"{data.international} ({data.number})", system, rotations, frames)


def symmetrised(c: Array, rotations: Array) -> Array:
    """Mean of a stiffness over the point group, and over the exchange of its index pairs.

    Parameters
    ----------
    c
        (..., 6, 6).
    rotations
        (n, 3, 3), the point group.

    Returns
    -------
    ndarray
        (..., 6, 6), in the unit of c.
    """
    tensor = voigt_to_tensor(0.5 * (c + np.swapaxes(c, -1, -2)))
    each = rotations.reshape(-1, *(1 for _ in c.shape[:-2]), 3, 3)
    voigt = tensor_to_voigt(_turn(tensor, each).mean(axis=0))
    return np.asarray(0.5 * (voigt + np.swapaxes(voigt, -1, -2)))


def rotated(c: Array, frame: Array) -> Array:
    """A stiffness in other axes.

    Parameters
    ----------
    c
        (..., 6, 6).
    frame
        (3, 3), the axes, one per row.

    Returns
    -------
    ndarray
        (..., 6, 6), in the unit of c.
    """
    return tensor_to_voigt(_turn(voigt_to_tensor(c), frame))


def choose_frame(c: Array, frames: Array, *, like: Array | None = None) -> Array:
    """Choose one of equivalent frames.

    Parameters
    ----------
    c
        (6, 6), the stiffness in the frame of the cell.
    frames
        (k, 3, 3), the axes of each, one per row.
    like
        (6, 6), a tensor; by default the larger deciding constants decide.

    Returns
    -------
    ndarray
        (3, 3), the frame with the larger deciding constants, or with the tensor nearest to `like`.
    """
    tensors = [rotated(c, f) for f in frames]
    if like is not None:
        return frames[int(np.argmin([np.abs(t - like).max() for t in tensors]))]
    left = list(range(len(frames)))
    tolerance = 1e-5 * float(np.abs(c).max())
    for i, j in _DECIDING:
        top = max(tensors[k][i, j] for k in left)
        left = [k for k in left if tensors[k][i, j] >= top - tolerance]
    return frames[left[0]]


def _turn(tensor: Array, r: Array) -> Array:
    """Tensors (..., 3, 3, 3, 3) in axes turned by r (..., 3, 3): pairs of indices turn by the product of r with r."""
    both = np.einsum("...ac,...bd->...abcd", r, r)
    both = both.reshape(*both.shape[:-4], 9, 9)
    out = both @ tensor.reshape(*tensor.shape[:-4], 9, 9) @ np.swapaxes(both, -1, -2)
    return np.asarray(out.reshape(*out.shape[:-2], 3, 3, 3, 3))


def _frames(system: str, conventional: Array, lattice: Array, rotations: Array, *, rhombohedral: bool) -> Array:
    if system == "triclinic":
        return np.array(_triclinic(lattice))
    if system == "monoclinic":
        return np.array(_monoclinic(lattice, rotations))
    a, b, c = (_unit(v) for v in conventional)
    if system == "cubic":
        return _orthogonal(np.array([a, b, c]))[None]
    if system == "orthorhombic":
        return np.array(_orthorhombic(conventional))
    base = _orthogonal(np.array([a, np.cross(c, a), c]))
    if system == "hexagonal":
        return base[None]
    x, y, z = np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])
    if system == "tetragonal":
        return np.array([np.eye(3) @ base, x @ base])
    two_fold = _two_fold_axes(rotations, base[2])
    if two_fold:
        nearest = max(two_fold, key=lambda axis: abs(float(axis @ base[0])))
        first = nearest * (1.0 if nearest @ base[0] > 0 else -1.0)
        base = _orthogonal(np.array([first, np.cross(base[2], first), base[2]]))
        return base[None] if rhombohedral else np.array([base, z @ base])
    return np.array([base, x @ base] if rhombohedral else [base, x @ base, y @ base, z @ base])


def _two_fold_axes(rotations: Array, along: Array) -> list[Array]:
    """Unit vectors of the two-fold axes (and normals of mirrors) that are normal to `along`."""
    found = []
    for r in rotations:
        proper = r * np.linalg.det(r)
        if abs(np.trace(proper) + 1.0) < 1e-3:
            values, vectors = np.linalg.eigh(0.5 * (proper + proper.T))
            axis = vectors[:, int(np.argmax(values))]
            if abs(axis @ along) < 1e-3:
                found.append(axis)
    return found


def _orthorhombic(conventional: Array) -> list[Array]:
    lengths = np.linalg.norm(conventional, axis=1)
    frames = []
    for k3, k1, k2 in permutations(range(3)):
        slack = 1.0 + _SAME
        if lengths[k3] <= lengths[k1] * slack and lengths[k1] <= lengths[k2] * slack:
            x3, x1 = _unit(conventional[k3]), _unit(conventional[k1])
            frames.append(_orthogonal(np.array([x1, np.cross(x3, x1), x3])))
    return frames


def _monoclinic(lattice: Array, rotations: Array) -> list[Array]:
    axis = None
    for r in rotations:
        proper = r * np.linalg.det(r)
        if abs(np.trace(proper) + 1.0) < 1e-3:
            values, vectors = np.linalg.eigh(0.5 * (proper + proper.T))
            axis = vectors[:, int(np.argmax(values))]
    if axis is None:
        raise StructureError("The two-fold axis of this monoclinic crystal was not found; give a better structure.")
    flat = [v for v in _lattice_vectors(lattice) if abs(_unit(v) @ axis) < 1e-3]
    frames = []
    for c in _shortest(flat):
        for a in _shortest([v for v in flat if np.linalg.norm(np.cross(v, c)) > 1e-3]):
            if _unit(a) @ _unit(c) < _SAME:
                x3 = _unit(c)
                x1 = _unit(a - (a @ x3) * x3)
                frames.append(np.array([x1, np.cross(x3, x1), x3]))
    return frames


def _triclinic(lattice: Array) -> list[Array]:
    vectors = _lattice_vectors(lattice)
    frames = []
    for c in _shortest(vectors):
        for a in _shortest([v for v in vectors if np.linalg.norm(np.cross(v, c)) > 1e-3]):
            for b in _shortest([v for v in vectors if abs(np.linalg.det([a, v, c])) > 1e-3]):
                right = np.linalg.det([a, b, c]) > 0
                if right and _unit(b) @ _unit(c) < _SAME and _unit(a) @ _unit(c) < _SAME:
                    frames.append(_axes(a, c))
    # With all angles acute no right-handed choice of shortest vectors has both obtuse.
    return frames or _triclinic_any(vectors)


def _triclinic_any(vectors: Sequence[Array]) -> list[Array]:
    frames = []
    for c in _shortest(vectors):
        for a in _shortest([v for v in vectors if np.linalg.norm(np.cross(v, c)) > 1e-3]):
            frames.append(_axes(a, c))
    return frames


def _axes(a: Array, c: Array) -> Array:
    x3 = _unit(c)
    x1 = _unit(a - (a @ x3) * x3)
    return np.array([x1, np.cross(x3, x1), x3])


def _lattice_vectors(lattice: Array) -> list[Array]:
    """The short lattice vectors of a reduced cell, both senses of each."""
    reduced = spglib.niggli_reduce(lattice)
    reduced = lattice if reduced is None else reduced
    return [np.array(n) @ reduced for n in product(range(-2, 3), repeat=3) if any(n)]


def _shortest(vectors: Sequence[Array]) -> list[Array]:
    lengths = np.array([np.linalg.norm(v) for v in vectors])
    return [v for v, length in zip(vectors, lengths, strict=True) if length <= lengths.min() * (1.0 + _SAME)]


def _unit(v: Array) -> Array:
    return v / np.linalg.norm(v)


def _orthogonal(m: Array) -> Array:
    """The nearest orthogonal matrices."""
    u, _, vt = np.linalg.svd(m)
    return u @ vt
