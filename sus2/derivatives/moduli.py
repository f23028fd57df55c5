"""Moduli of a polycrystal from stiffnesses, many at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from sus2.types import Array

_SINGULAR: Final = 1e10


def invertible(c_gpa: Array) -> bool:
    """Whether a stiffness has an inverse that means something.

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    bool
        False at the limit of stability.
    """
    return bool(np.linalg.cond(c_gpa) < _SINGULAR)


def hill_moduli_gpa(c_gpa: Array) -> tuple[Array, Array]:
    """Bulk and shear moduli by the mean of Voigt's and Reuss's (Hill 1952).

    Parameters
    ----------
    c_gpa
        (..., 6, 6).

    Returns
    -------
    tuple of ndarray
        K and G, (...).

    Raises
    ------
    numpy.linalg.LinAlgError
        A stiffness that has no inverse.
    """
    (kv, gv), (kr, gr) = voigt_moduli_gpa(c_gpa), reuss_moduli_gpa(c_gpa)
    return 0.5 * (kv + kr), 0.5 * (gv + gr)


def voigt_moduli_gpa(c_gpa: Array) -> tuple[Array, Array]:
    """Bulk and shear moduli at uniform strain (Voigt 1928).

    Parameters
    ----------
    c_gpa
        (..., 6, 6).

    Returns
    -------
    tuple of ndarray
        K and G, (...).
    """
    a, b, d = _sums(np.asarray(c_gpa, dtype=np.float64))
    return (a + 2 * b) / 9.0, (a - b + 3 * d) / 15.0


def reuss_moduli_gpa(c_gpa: Array) -> tuple[Array, Array]:
    """Bulk and shear moduli at uniform stress (Reuss 1929).

    Parameters
    ----------
    c_gpa
        (..., 6, 6).

    Returns
    -------
    tuple of ndarray
        K and G, (...).

    Raises
    ------
    numpy.linalg.LinAlgError
        A stiffness that has no inverse.
    """
    a, b, d = _sums(np.asarray(np.linalg.inv(np.asarray(c_gpa)), dtype=np.float64))
    return 1.0 / (a + 2 * b), 15.0 / (4 * a - 4 * b + 3 * d)


def _sums(c: Array) -> tuple[Array, Array, Array]:
    """Sums of the constants of stretching, of those that couple stretches, and of those of shear."""
    a = np.trace(c[..., :3, :3], axis1=-2, axis2=-1)
    b = c[..., 0, 1] + c[..., 0, 2] + c[..., 1, 2]
    return a, b, np.trace(c[..., 3:, 3:], axis1=-2, axis2=-1)
