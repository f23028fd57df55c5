"""Elastic tensors at finite stress and the sound waves they carry (Voigt xx yy zz yz xz xy, engineering shear)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sus2.errors import Sus2Error
from sus2.kept import fixed
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA
from sus2.voigt import INDEX, PAIRS


@dataclass(frozen=True, eq=False)
class ElasticTensors:
    """The three tensors that all go by the name of elastic constants; they agree at zero stress.

    Attributes
    ----------
    energy_gpa
        (6, 6), d2E/(V d(e)2) in a symmetric strain e, r -> (1 + e) r.
    brugger_gpa
        (6, 6), in the Lagrangian strain (F^T F - 1)/2; it has the full symmetry of an elastic tensor.
    stress_strain_gpa
        (6, 6), d(Cauchy stress)/d(e), the coefficients of Barron & Klein, Proc. Phys. Soc. 85, 523 (1965), and Wallace,
        Phys. Rev. 162, 776 (1967), that a stress-strain measurement finds and that decide on stability under load; not
        symmetric where the stress is not hydrostatic.
    """

    energy_gpa: Array
    brugger_gpa: Array
    stress_strain_gpa: Array


@dataclass(frozen=True, eq=False)
class SoundSpeeds:
    """Speeds of sound along some directions.

    Attributes
    ----------
    directions
        (nd, 3), unit vectors.
    speeds_m_per_s
        (nd, 3), ascending, nan where unstable.
    polarisations
        (nd, 3, 3), one per row.
    """

    directions: Array
    speeds_m_per_s: Array
    polarisations: Array


def elastic_tensors(energy: Array, stress: Array) -> ElasticTensors:
    """All three tensors of elastic constants from second derivatives of the energy and the present stress.

    With e = eta - eta^2/2 + ..., E'' in eta is E'' in e minus (s_ik d_jl + s_jk d_il + s_il d_jk + s_jl d_ik)/4;
    Wallace (1967), eq. 2.24: B = C + (s_ik d_jl + s_jk d_il + s_il d_jk + s_jl d_ik - 2 s_ij d_kl)/2.

    Parameters
    ----------
    energy
        (6, 6) d2E/(V d(e)2), eV/A^3.
    stress
        (6,) present stress, eV/A^3.

    Returns
    -------
    ElasticTensors
        In GPa.
    """
    s = voigt_to_matrix(stress)
    d = np.eye(3)
    mixed = tensor_to_voigt(
        np.einsum("ik,jl->ijkl", s, d)
        + np.einsum("jk,il->ijkl", s, d)
        + np.einsum("il,jk->ijkl", s, d)
        + np.einsum("jl,ik->ijkl", s, d)
    )
    brugger = energy - 0.25 * mixed
    measured = brugger + 0.5 * mixed - tensor_to_voigt(np.einsum("ij,kl->ijkl", s, d))
    return ElasticTensors(*(fixed(x * EV_PER_A3_TO_GPA) for x in (energy, brugger, measured)))


def christoffel(brugger_gpa: Array, stress_gpa: Array, density_kg_per_m3: float, directions: ArrayLike) -> SoundSpeeds:
    """Sound speeds by the Christoffel equation.

    rho v^2 w_i = (C_ijkl n_j n_l + s_jl n_j n_l d_ik) w_k (Barron & Klein 1965).

    Parameters
    ----------
    brugger_gpa
        (6, 6).
    stress_gpa
        (6,).
    density_kg_per_m3
        Of the crystal.
    directions
        (nd, 3), Cartesian.

    Returns
    -------
    SoundSpeeds
        Of three waves in each direction.

    Raises
    ------
    Sus2Error
        A direction of no length.
    """
    n = unit_vectors(directions)
    c = voigt_to_tensor(brugger_gpa)
    matrix = np.einsum("ijkl,dj,dl->dik", c, n, n)
    matrix += np.einsum("jl,dj,dl->d", voigt_to_matrix(stress_gpa), n, n)[:, None, None] * np.eye(3)
    values, vectors = np.linalg.eigh(matrix)
    values[values < 0] = np.nan
    return SoundSpeeds(n, np.sqrt(values * 1e9 / density_kg_per_m3), vectors.transpose(0, 2, 1))


def voigt_to_matrix(voigt: Array) -> Array:
    """Stress in Voigt order (6,) as a symmetric (3, 3) matrix.

    Parameters
    ----------
    voigt
        (6,) xx yy zz yz xz xy.

    Returns
    -------
    ndarray
        (3, 3).
    """
    out = np.zeros((3, 3))
    for v, (i, j) in enumerate(PAIRS):
        out[i, j] = out[j, i] = voigt[v]
    return out


def voigt_to_tensor(c: Array) -> Array:
    """(6, 6) stiffness in Voigt order, engineering shear, as (3, 3, 3, 3).

    Parameters
    ----------
    c
        (..., 6, 6).

    Returns
    -------
    ndarray
        (..., 3, 3, 3, 3).
    """
    index = np.array(INDEX)
    return np.asarray(c)[..., index[:, :, None, None], index[None, None, :, :]]


def tensor_to_voigt(c: Array) -> Array:
    """(3, 3, 3, 3) stiffness with minor symmetries as (6, 6) in Voigt order.

    Parameters
    ----------
    c
        (..., 3, 3, 3, 3).

    Returns
    -------
    ndarray
        (..., 6, 6).
    """
    i, j = np.array(PAIRS).T
    return c[..., i[:, None], j[:, None], i[None, :], j[None, :]]


def unit_vectors(directions: ArrayLike) -> Array:
    """Directions as unit vectors.

    Parameters
    ----------
    directions
        (nd, 3) or (3,).

    Returns
    -------
    ndarray
        (nd, 3).

    Raises
    ------
    Sus2Error
        A direction without length.
    """
    d = np.asarray(directions, dtype=np.float64).reshape(-1, 3)
    length = np.linalg.norm(d, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise Sus2Error("A direction must be a finite vector of some length.")
    return d / length
