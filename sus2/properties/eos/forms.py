"""Equations of state E(V), P(V), B(V) of four models.

Every model has the same four parameters: V0, E0, B0 and B0' = dB/dP, all at zero pressure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sus2.errors import FitError

ROSE_CUBIC: Final = 0.05


@dataclass(frozen=True)
class EnergyModel:
    """One equation of state, functions of volume in any shape.

    Attributes
    ----------
    name
        As in MODELS.
    label
        For people.
    citation
        Its source.
    energy
        Of (v, v0, e0, b0, b0_prime), v in A^3, b0 in eV/A^3: eV.
    pressure
        Of (v, v0, b0, b0_prime), in the unit of b0.
    bulk_modulus
        Of (v, v0, b0, b0_prime), in the unit of b0.
    """

    name: str
    label: str
    citation: str
    energy: Callable[[Any, Any, Any, Any, Any], Any]
    pressure: Callable[[Any, Any, Any, Any], Any]
    bulk_modulus: Callable[[Any, Any, Any, Any], Any]


def birch_murnaghan_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """Energy of Birch and Murnaghan, third order.

    E = E0 + (9/2) B0 V0 f^2 [1 + (B0' - 4) f] with f = [(V0/V)^(2/3) - 1] / 2.

    F. Birch, Phys. Rev. 71, 809 (1947), doi 10.1103/PhysRev.71.809.

    Parameters
    ----------
    v
        Volumes, in any shape.
    v0
        Volume of the minimum, in the unit of v.
    e0
        Energy there.
    b0
        Bulk modulus there, energy over volume in these units.
    b0_prime
        dB/dP there.

    Returns
    -------
    ndarray
        In the shape of v, in the unit of e0.
    """
    f = _eulerian_strain(v, v0)
    return e0 + 4.5 * b0 * v0 * f**2 * (1.0 + (b0_prime - 4.0) * f)


def birch_murnaghan_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = -dE/dV = 3 B0 f (1 + 2f)^(5/2) [1 + (3/2)(B0' - 4) f]; Birch 1947, arguments as of the energy."""
    f = _eulerian_strain(v, v0)
    return 3.0 * b0 * f * (1.0 + 2.0 * f) ** 2.5 * (1.0 + 1.5 * (b0_prime - 4.0) * f)


def birch_murnaghan_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = -V dP/dV = B0 (1 + 2f)^(5/2) [(1 + 2f)(1 + 2af) + 5f(1 + af)], a = (3/2)(B0' - 4); Birch 1947."""
    f, a = _eulerian_strain(v, v0), 1.5 * (b0_prime - 4.0)
    scale = (1.0 + 2.0 * f) ** 2.5
    return b0 * scale * ((1.0 + 2.0 * f) * (1.0 + 2.0 * a * f) + 5.0 * f * (1.0 + a * f))


def murnaghan_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """Energy of Murnaghan: his P(V), integrated.

    E = E0 + B0 V0 { [y^(1-B0') - 1] / [B0'(B0' - 1)] + (y - 1)/B0' } with y = V/V0.

    F. D. Murnaghan, Proc. Natl. Acad. Sci. 30, 244 (1944), doi 10.1073/pnas.30.9.244.

    Parameters
    ----------
    v
        Volumes, in any shape.
    v0
        Volume of the minimum, in the unit of v.
    e0
        Energy there.
    b0
        Bulk modulus there, energy over volume in these units.
    b0_prime
        dB/dP there; neither 0 nor 1.

    Returns
    -------
    ndarray
        In the shape of v, in the unit of e0.
    """
    log_y = np.log(v / v0)
    excess = np.expm1((1.0 - b0_prime) * log_y) / (b0_prime - 1.0) + np.expm1(log_y)
    return e0 + b0 * v0 * excess / b0_prime


def murnaghan_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = (B0/B0') [(V0/V)^B0' - 1]; Murnaghan 1944, arguments as of the energy."""
    return b0 / b0_prime * np.expm1(-b0_prime * np.log(v / v0))


def murnaghan_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = B0 + B0' P = B0 (V0/V)^B0'; Murnaghan 1944."""
    return b0 * (v / v0) ** (-b0_prime)


def vinet_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """Energy of Vinet and others.

    E = E0 + (9 B0 V0/eta^2) {1 - [1 + eta(x - 1)] exp[-eta(x - 1)]} with x = (V/V0)^(1/3) and eta = (3/2)(B0' - 1).

    P. Vinet, J. Ferrante, J. R. Smith and J. H. Rose, J. Phys. C 19, L467 (1986), doi 10.1088/0022-3719/19/20/001.

    Parameters
    ----------
    v
        Volumes, in any shape.
    v0
        Volume of the minimum, in the unit of v.
    e0
        Energy there.
    b0
        Bulk modulus there, energy over volume in these units.
    b0_prime
        dB/dP there.

    Returns
    -------
    ndarray
        In the shape of v, in the unit of e0.
    """
    return _universal_energy(v, v0, e0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def vinet_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = 3 B0 (1 - x)/x^2 exp[eta(1 - x)]; Vinet et al. 1986, arguments as of the energy."""
    return _universal_pressure(v, v0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def vinet_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = (B0/x^2) [2 + (eta - 1) x - eta x^2] exp[eta(1 - x)]; Vinet et al. 1986."""
    return _universal_bulk_modulus(v, v0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def rose_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """Energy of the universal equation of state.

    E = E0 + Ec [1 - (1 + a + 0.05 a^3) exp(-a)] with a = eta [(V/V0)^(1/3) - 1], eta = (3/2.3)(B0' - 1) and
    Ec = 9 B0 V0/eta^2: the scaled form with the cubic term, from which (dB/dP)_0 = 1 + 2.3 eta/3. Without that term it
    is the Vinet equation. Ec is the cohesive energy of a crystal that follows this curve out to free atoms; here it is
    a result of B0 and B0', not fitted on its own.

    J. H. Rose, J. R. Smith, F. Guinea and J. Ferrante, Phys. Rev. B 29, 2963 (1984), doi 10.1103/PhysRevB.29.2963.

    Parameters
    ----------
    v
        Volumes, in any shape.
    v0
        Volume of the minimum, in the unit of v.
    e0
        Energy there.
    b0
        Bulk modulus there, energy over volume in these units.
    b0_prime
        dB/dP there.

    Returns
    -------
    ndarray
        In the shape of v, in the unit of e0.
    """
    return _universal_energy(v, v0, e0, b0, rose_eta(b0_prime), ROSE_CUBIC)


def rose_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = 3 B0 (1 - x)/x^2 (1 - 0.15 a + 0.05 a^2) exp(-a), a = eta(x - 1); Rose et al. 1984."""
    return _universal_pressure(v, v0, b0, rose_eta(b0_prime), ROSE_CUBIC)


def rose_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = (B0/x^2) [q(2 - x) + a x(q' - q)] exp(-a), q = 1 - 0.15 a + 0.05 a^2; Rose et al. 1984."""
    return _universal_bulk_modulus(v, v0, b0, rose_eta(b0_prime), ROSE_CUBIC)


MODELS: Final[dict[str, EnergyModel]] = {
    m.name: m
    for m in (
        EnergyModel(
            "birch-murnaghan",
            "Birch-Murnaghan (3rd order)",
            "Birch, Phys. Rev. 71, 809 (1947)",
            birch_murnaghan_energy,
            birch_murnaghan_pressure,
            birch_murnaghan_bulk_modulus,
        ),
        EnergyModel(
            "vinet",
            "Vinet",
            "Vinet, Ferrante, Smith and Rose, J. Phys. C 19, L467 (1986)",
            vinet_energy,
            vinet_pressure,
            vinet_bulk_modulus,
        ),
        EnergyModel(
            "murnaghan",
            "Murnaghan",
            "Murnaghan, Proc. Natl. Acad. Sci. 30, 244 (1944)",
            murnaghan_energy,
            murnaghan_pressure,
            murnaghan_bulk_modulus,
        ),
        EnergyModel(
            "rose",
            "Rose (universal)",
            "Rose, Smith, Guinea and Ferrante, Phys. Rev. B 29, 2963 (1984)",
            rose_energy,
            rose_pressure,
            rose_bulk_modulus,
        ),
    )
}


def energy_model(name: str) -> EnergyModel:
    """The equation of state of a name.

    Parameters
    ----------
    name
        "birch-murnaghan", "vinet", "murnaghan" or "rose"; case, blanks and underscores do not matter.

    Returns
    -------
    EnergyModel
        Its functions.

    Raises
    ------
    FitError
        There is none of that name.
    """
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    if key not in MODELS:
        raise FitError(f"There is no equation of state '{name}'; choose one of {', '.join(MODELS)}.")
    return MODELS[key]


def _eulerian_strain(v: Any, v0: Any) -> Any:
    return 0.5 * np.expm1(-2.0 / 3.0 * np.log(v / v0))


def rose_eta(b0_prime: Any) -> Any:
    """Slope eta = (3/2.3)(B0' - 1) of the scaled length in the universal equation of state."""
    return (b0_prime - 1.0) * 3.0 / (2.0 + 6.0 * ROSE_CUBIC)


def _universal_energy(v: Any, v0: Any, e0: Any, b0: Any, eta: Any, cubic: float) -> Any:
    """E0 + Ec [1 - (1 + a + c a^3) exp(-a)] with Ec = 9 B0 V0/eta^2, free of the cancellation near a = 0."""
    stretch = np.expm1(np.log(v / v0) / 3.0)
    u = -eta * stretch
    return e0 + 9.0 * b0 * v0 * stretch**2 * (_half_exponential(u) + cubic * u * np.exp(u))


def _universal_pressure(v: Any, v0: Any, b0: Any, eta: Any, cubic: float) -> Any:
    stretch = np.expm1(np.log(v / v0) / 3.0)
    a = eta * stretch
    q = 1.0 - 3.0 * cubic * a + cubic * a**2
    return -3.0 * b0 * stretch / (1.0 + stretch) ** 2 * q * np.exp(-a)


def _universal_bulk_modulus(v: Any, v0: Any, b0: Any, eta: Any, cubic: float) -> Any:
    x = np.cbrt(v / v0)
    a = eta * (x - 1.0)
    q, slope = 1.0 - 3.0 * cubic * a + cubic * a**2, -3.0 * cubic + 2.0 * cubic * a
    return b0 / x**2 * (q * (2.0 - x) + a * x * (slope - q)) * np.exp(-a)


def _half_exponential(u: Any) -> Any:
    """[1 + (u - 1) exp(u)]/u^2, which is 1/2 at 0; by its series sum u^n (n + 1)/(n + 2)! for |u| <= 1."""
    u = np.asarray(u)
    small = np.abs(u) <= 1.0
    near, far = np.where(small, u, 0.0), np.where(small, 1.0, u)
    series, term = np.zeros_like(near), np.full_like(near, 0.5)
    for n in range(20):
        series = series + term * (n + 1)
        term = term * near / (n + 3)
    return np.where(small, series, (1.0 + (far - 1.0) * np.exp(far)) / far**2)
