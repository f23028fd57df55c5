"""Grueneisen parameters: how fast frequencies fall with the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import constants

from sus2.properties.phonons.result import IMAGINARY_THZ
from sus2.types import Array, ComplexArray, Index

if TYPE_CHECKING:
    from phonopy.phonon.mesh import Mesh


class HasDynamicalMatrix(Protocol):
    """Second derivatives at one volume, exact or by finite displacements."""

    @property
    def volume_a3(self) -> float:
        """Volume of the cell."""
        ...

    def dynamical_matrix(self, q_fractional: ArrayLike) -> ComplexArray:
        """Dynamical matrices at some q.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N, 3N), eV/(A^2 amu).
        """
        ...


def mode_gruneisen(
    mesh: Mesh, centre: HasDynamicalMatrix, smaller: HasDynamicalMatrix, larger: HasDynamicalMatrix
) -> Array:
    """gamma = -V/(2 w^2) <e| dD/dV |e> (Hellmann-Feynman) on a mesh.

    Parameters
    ----------
    mesh
        With frequencies, at the volume of `centre`.
    centre
        Derivatives at the volume of the mesh.
    smaller
        At a volume below it.
    larger
        At a volume above it.

    Returns
    -------
    ndarray
        (nq, 3N), nan where a mode has no frequency.
    """
    q = np.asarray(mesh.qpoints)
    change = (larger.dynamical_matrix(q) - smaller.dynamical_matrix(q)) / (larger.volume_a3 - smaller.volume_a3)
    values, vectors = np.linalg.eigh(centre.dynamical_matrix(q))
    frequencies = np.asarray(mesh.frequencies)
    inner = vectors.conj().transpose(0, 2, 1) @ change @ vectors
    slopes = np.diagonal(inner, axis1=1, axis2=2).real.copy()
    for k, block in _degenerate(frequencies):
        slopes[k, block] = np.linalg.eigvalsh(inner[k, block, block])
    values[np.abs(frequencies) < IMAGINARY_THZ] = np.nan
    return -0.5 * centre.volume_a3 * slopes / values


def _degenerate(frequencies: Array) -> list[tuple[int, slice]]:
    out = []
    for k, row in enumerate(frequencies):
        edges = np.flatnonzero(np.diff(row) > 1e-4) + 1
        for a, b in zip([0, *edges], [*edges, len(row)], strict=True):
            if b - a > 1:
                out.append((k, slice(int(a), int(b))))
    return out


def average_gruneisen(frequencies: Array, gamma: Array, weights: Index, temperatures: Array) -> Array:
    """sum(gamma Cv)/sum(Cv) over the modes.

    Parameters
    ----------
    frequencies
        (nq, 3N) THz.
    gamma
        (nq, 3N) Grueneisen parameters; modes where they are nan are left out.
    weights
        (nq,), how many points of the whole mesh each point stands for.
    temperatures
        (nt,) K.

    Returns
    -------
    ndarray
        (nt,); nan at 0 K, where no mode has a heat capacity.
    """
    use = np.isfinite(gamma)
    f = np.where(use, np.abs(frequencies), 1.0)
    weight = np.where(use, weights[:, None], 0)
    value = np.where(use, gamma, 0.0)
    out = np.full(len(temperatures), np.nan)
    for k, t in enumerate(temperatures):
        if t > 0:
            x = np.minimum(constants.h * 1e12 * f / (constants.k * t), 500.0)
            heat = weight * (x / (2.0 * np.sinh(0.5 * x))) ** 2
            out[k] = (heat * value).sum() / heat.sum() if heat.sum() > 1e-30 else np.nan
    return out
