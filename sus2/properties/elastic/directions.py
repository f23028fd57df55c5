"""Elastic moduli as functions of direction and as averages, from a (6, 6) stiffness in GPa.

n are unit vectors (nd, 3); S is the compliance tensor. J. F. Nye, Physical Properties of Crystals (1985); A. Marmier
et al., Comput. Phys. Commun. 181, 2102 (2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from sus2.derivatives.elastic_tensors import unit_vectors, voigt_to_tensor
from sus2.derivatives.moduli import hill_moduli_gpa, reuss_moduli_gpa, voigt_moduli_gpa
from sus2.errors import Sus2Error
from sus2.types import Array

_KELVIN = np.diag([1.0, 1.0, 1.0, np.sqrt(2.0), np.sqrt(2.0), np.sqrt(2.0)])
_ENGINEERING = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


@dataclass(frozen=True)
class Averages:
    """Moduli of a polycrystal.

    Attributes
    ----------
    k_gpa
        Bulk modulus.
    g_gpa
        Shear modulus.
    """

    k_gpa: float
    g_gpa: float

    @property
    def e_gpa(self) -> float:
        """E = 9KG/(3K + G)."""
        return 9.0 * self.k_gpa * self.g_gpa / (3.0 * self.k_gpa + self.g_gpa)

    @property
    def nu(self) -> float:
        """(3K - 2G)/(6K + 2G)."""
        return (3.0 * self.k_gpa - 2.0 * self.g_gpa) / (6.0 * self.k_gpa + 2.0 * self.g_gpa)


@dataclass(frozen=True)
class Extremes:
    """Smallest and largest value over all directions.

    Attributes
    ----------
    minimum
        The smallest.
    maximum
        The largest.
    at_minimum
        Unit vector of the smallest.
    at_maximum
        Unit vector of the largest.
    """

    minimum: float
    maximum: float
    at_minimum: tuple[float, float, float]
    at_maximum: tuple[float, float, float]


def kelvin(c_gpa: ArrayLike) -> Array:
    """The stiffness in Kelvin's orthonormal basis, whose eigenvalues do not depend on the axes.

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    ndarray
        (6, 6) GPa.
    """
    return _KELVIN @ np.asarray(c_gpa, dtype=float) @ _KELVIN


def compliance(c_gpa: ArrayLike) -> Array:
    """The compliance tensor of a stiffness.

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    ndarray
        (3, 3, 3, 3), 1/GPa.

    Raises
    ------
    Sus2Error
        A stiffness that has no inverse.
    """
    c = np.asarray(c_gpa, dtype=float)
    if not np.isfinite(c).all() or np.linalg.cond(kelvin(c)) > 1e12:
        raise Sus2Error(
            "The elastic tensor is singular, so it has no compliance; the crystal is at its stability limit."
        )
    return voigt_to_tensor(np.linalg.inv(c) / np.outer(_ENGINEERING, _ENGINEERING))


def voigt_average(c_gpa: Array) -> Averages:
    """Moduli at uniform strain (Voigt 1928): the upper bounds.

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    Averages
        Of a polycrystal.
    """
    k, g = voigt_moduli_gpa(c_gpa)
    return Averages(float(k), float(g))


def reuss_average(c_gpa: Array) -> Averages:
    """Moduli at uniform stress (Reuss 1929): the lower bounds.

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    Averages
        Of a polycrystal.

    Raises
    ------
    numpy.linalg.LinAlgError
        A stiffness that has no inverse.
    """
    k, g = reuss_moduli_gpa(c_gpa)
    return Averages(float(k), float(g))


def hill_average(c_gpa: Array) -> Averages:
    """Mean of the moduli of Voigt and Reuss (Hill 1952).

    Parameters
    ----------
    c_gpa
        (6, 6).

    Returns
    -------
    Averages
        Of a polycrystal.

    Raises
    ------
    numpy.linalg.LinAlgError
        A stiffness that has no inverse.
    """
    k, g = hill_moduli_gpa(c_gpa)
    return Averages(float(k), float(g))


def youngs_modulus_gpa(c_gpa: ArrayLike, directions: ArrayLike) -> Array:
    """Young's modulus E(n) = 1/(S_ijkl n_i n_j n_k n_l).

    Parameters
    ----------
    c_gpa
        (6, 6).
    directions
        (nd, 3), of any length.

    Returns
    -------
    ndarray
        (nd,) GPa.

    Raises
    ------
    Sus2Error
        A stiffness that has no inverse, or a direction without length.
    """
    n = unit_vectors(directions)
    return 1.0 / np.einsum("ijkl,di,dj,dk,dl->d", compliance(c_gpa), n, n, n, n, optimize=True)


def linear_compressibility_per_tpa(c_gpa: ArrayLike, directions: ArrayLike) -> Array:
    """Linear compressibility under hydrostatic pressure, beta(n) = S_ijkk n_i n_j.

    Parameters
    ----------
    c_gpa
        (6, 6).
    directions
        (nd, 3), of any length.

    Returns
    -------
    ndarray
        (nd,) 1/TPa.

    Raises
    ------
    Sus2Error
        A stiffness that has no inverse, or a direction without length.
    """
    n = unit_vectors(directions)
    return 1e3 * np.einsum("ijkk,di,dj->d", compliance(c_gpa), n, n)


def shear_modulus_gpa(c_gpa: ArrayLike, directions: ArrayLike) -> Array:
    """Smallest and largest G(n, m) = 1/(4 S_ijkl n_i m_j n_k m_l) over m normal to n.

    The form is quadratic in m, so its extremes are eigenvalues in the plane normal to n.

    Parameters
    ----------
    c_gpa
        (6, 6).
    directions
        (nd, 3), of any length.

    Returns
    -------
    ndarray
        (nd, 2) GPa.

    Raises
    ------
    Sus2Error
        A stiffness that has no inverse, or a direction without length.
    """
    n = unit_vectors(directions)
    values = _in_plane(np.einsum("ijkl,di,dk->djl", compliance(c_gpa), n, n, optimize=True), n)
    return 0.25 / values[:, ::-1]


def poissons_ratio(c_gpa: ArrayLike, directions: ArrayLike) -> Array:
    """Smallest and largest nu(n, m) = -S_ijkl n_i n_j m_k m_l E(n) over m normal to n.

    Parameters
    ----------
    c_gpa
        (6, 6).
    directions
        (nd, 3), of any length.

    Returns
    -------
    ndarray
        (nd, 2).

    Raises
    ------
    Sus2Error
        A stiffness that has no inverse, or a direction without length.
    """
    n = unit_vectors(directions)
    form = np.einsum("ijkl,di,dj->dkl", compliance(c_gpa), n, n, optimize=True)
    return -_in_plane(form, n)[:, ::-1] * youngs_modulus_gpa(c_gpa, n)[:, None]


def sphere(count: int = 4000) -> Array:
    """Nearly uniform unit vectors, by the golden spiral.

    Parameters
    ----------
    count
        Number of them.

    Returns
    -------
    ndarray
        (count, 3).
    """
    k = np.arange(count) + 0.5
    z, angle = 1.0 - 2.0 * k / count, np.pi * (1.0 + np.sqrt(5.0)) * k
    r = np.sqrt(1.0 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)


def extremes(value: Callable[[Array], Array]) -> Extremes:
    """Extremes of a function over the sphere.

    Parameters
    ----------
    value
        Of unit vectors (nd, 3): (nd,), or (nd, 2) with a lower and an upper sheet.

    Returns
    -------
    Extremes
        Refined from the best of the vectors of sphere().
    """
    n = sphere()
    found = value(n).reshape(len(n), -1)

    def refine(start: Array, sheet: int, sign: float) -> tuple[float, tuple[float, float, float]]:
        def at(x: Array) -> float:
            return sign * float(value(_from_angles(x)[None]).reshape(1, -1)[0, sheet])

        angles = np.array([np.arccos(np.clip(start[2], -1, 1)), np.arctan2(start[1], start[0])])
        best = minimize(at, angles, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10})
        a, b, c = (float(x) for x in _from_angles(best.x))
        return sign * float(best.fun), (a, b, c)

    low, at_low = refine(n[int(found[:, 0].argmin())], 0, 1.0)
    high, at_high = refine(n[int(found[:, -1].argmax())], found.shape[1] - 1, -1.0)
    return Extremes(low, high, at_low, at_high)


def _from_angles(x: Array) -> Array:
    return np.array([np.sin(x[0]) * np.cos(x[1]), np.sin(x[0]) * np.sin(x[1]), np.cos(x[0])])


def _in_plane(form: Array, n: Array) -> Array:
    """Ascending eigenvalues (nd, 2) of quadratic forms (nd, 3, 3) in the planes normal to n."""
    helper = np.eye(3)[np.abs(n).argmin(axis=1)]
    p = np.cross(n, helper)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    basis = np.stack([p, np.cross(n, p)], axis=1)
    return np.linalg.eigvalsh(basis @ form @ basis.transpose(0, 2, 1))
