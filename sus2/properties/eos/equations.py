"""Equations of state E(V), P(V), B(V) of four models and their least-squares fits.

Every model has the same four parameters: V0, E0, B0 and B0' = dB/dP, all at zero pressure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from sus2.errors import FitError
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

MIN_POINTS: Final = 5
ROSE_CUBIC: Final = 0.05
_STEP: Final = 1e-20  # imaginary, so no difference of nearly equal numbers is taken


@dataclass(frozen=True)
class EnergyModel:
    """One equation of state: functions of volume (any shape, A^3) and the parameters.

    energy(v, v0, e0, b0, b0_prime) in eV, pressure(v, v0, b0, b0_prime) and bulk_modulus(v, v0, b0, b0_prime) in the
    unit of b0; b0 in eV/A^3 for energies in eV.
    """

    name: str
    label: str
    citation: str
    energy: Callable[[Any, Any, Any, Any, Any], Any]
    pressure: Callable[[Any, Any, Any, Any], Any]
    bulk_modulus: Callable[[Any, Any, Any, Any], Any]


def birch_murnaghan_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """E = E0 + (9/2) B0 V0 f^2 [1 + (B0' - 4) f], f = [(V0/V)^(2/3) - 1] / 2 (third order).

    F. Birch, Phys. Rev. 71, 809 (1947), doi 10.1103/PhysRev.71.809.
    """
    f = _eulerian_strain(v, v0)
    return e0 + 4.5 * b0 * v0 * f**2 * (1.0 + (b0_prime - 4.0) * f)


def birch_murnaghan_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = -dE/dV = 3 B0 f (1 + 2f)^(5/2) [1 + (3/2)(B0' - 4) f]; Birch 1947."""
    f = _eulerian_strain(v, v0)
    return 3.0 * b0 * f * (1.0 + 2.0 * f) ** 2.5 * (1.0 + 1.5 * (b0_prime - 4.0) * f)


def birch_murnaghan_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = -V dP/dV = B0 (1 + 2f)^(5/2) [(1 + 2f)(1 + 2af) + 5f(1 + af)], a = (3/2)(B0' - 4); Birch 1947."""
    f, a = _eulerian_strain(v, v0), 1.5 * (b0_prime - 4.0)
    scale = (1.0 + 2.0 * f) ** 2.5
    return b0 * scale * ((1.0 + 2.0 * f) * (1.0 + 2.0 * a * f) + 5.0 * f * (1.0 + a * f))


def murnaghan_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """E = E0 + B0 V0 { [y^(1-B0') - 1] / [B0'(B0' - 1)] + (y - 1)/B0' }, y = V/V0; B0' neither 0 nor 1.

    F. D. Murnaghan, Proc. Natl. Acad. Sci. 30, 244 (1944), doi 10.1073/pnas.30.9.244 (its P(V), integrated).
    """
    log_y = np.log(v / v0)
    excess = np.expm1((1.0 - b0_prime) * log_y) / (b0_prime - 1.0) + np.expm1(log_y)
    return e0 + b0 * v0 * excess / b0_prime


def murnaghan_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = (B0/B0') [(V0/V)^B0' - 1]; Murnaghan 1944."""
    return b0 / b0_prime * np.expm1(-b0_prime * np.log(v / v0))


def murnaghan_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = B0 + B0' P = B0 (V0/V)^B0'; Murnaghan 1944."""
    return b0 * (v / v0) ** (-b0_prime)


def vinet_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """E = E0 + (9 B0 V0/eta^2) {1 - [1 + eta(x - 1)] exp[-eta(x - 1)]}, x = (V/V0)^(1/3), eta = (3/2)(B0' - 1).

    P. Vinet, J. Ferrante, J. R. Smith and J. H. Rose, J. Phys. C 19, L467 (1986), doi 10.1088/0022-3719/19/20/001.
    """
    return _universal_energy(v, v0, e0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def vinet_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = 3 B0 (1 - x)/x^2 exp[eta(1 - x)]; Vinet et al. 1986."""
    return _universal_pressure(v, v0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def vinet_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = (B0/x^2) [2 + (eta - 1) x - eta x^2] exp[eta(1 - x)]; Vinet et al. 1986."""
    return _universal_bulk_modulus(v, v0, b0, 1.5 * (b0_prime - 1.0), 0.0)


def rose_energy(v: Any, v0: Any, e0: Any, b0: Any, b0_prime: Any) -> Any:
    """The universal equation of state: E = E0 + Ec [1 - (1 + a + 0.05 a^3) exp(-a)].

    a = eta [(V/V0)^(1/3) - 1], eta = (3/2.3)(B0' - 1) and Ec = 9 B0 V0/eta^2. J. H. Rose, J. R. Smith, F. Guinea and
    J. Ferrante, Phys. Rev. B 29, 2963 (1984), doi 10.1103/PhysRevB.29.2963: their scaled form with the cubic term, from
    which (dB/dP)_0 = 1 + 2.3 eta/3. Without that term it is the Vinet equation. Ec is the cohesive energy of a
    crystal that follows this curve out to free atoms; here it is a result of B0 and B0', not fitted on its own.
    """
    return _universal_energy(v, v0, e0, b0, _rose_eta(b0_prime), ROSE_CUBIC)


def rose_pressure(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """P = 3 B0 (1 - x)/x^2 (1 - 0.15 a + 0.05 a^2) exp(-a), a = eta(x - 1); Rose et al. 1984."""
    return _universal_pressure(v, v0, b0, _rose_eta(b0_prime), ROSE_CUBIC)


def rose_bulk_modulus(v: Any, v0: Any, b0: Any, b0_prime: Any) -> Any:
    """B = (B0/x^2) [q(2 - x) + a x(q' - q)] exp(-a), q = 1 - 0.15 a + 0.05 a^2; Rose et al. 1984."""
    return _universal_bulk_modulus(v, v0, b0, _rose_eta(b0_prime), ROSE_CUBIC)


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
    """The model of this name ("birch-murnaghan", "vinet", "murnaghan", "rose"); raises FitError for another."""
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    if key not in MODELS:
        raise FitError(f"There is no equation of state '{name}'; choose one of {', '.join(MODELS)}.")
    return MODELS[key]


@dataclass(frozen=True, eq=False)
class EosFit:
    """A least-squares fit of one model to n points.

    The _error fields are standard errors: the square roots of the diagonal of s^2 (J^T J)^-1 with
    s^2 = sum of squared residuals/(n - 4). covariance (4, 4): of v0_a3, e0_ev, b0_gpa, b0_prime in this order;
    residual_ev (n,): given minus fitted energy.
    """

    model: str
    v0_a3: float
    e0_ev: float
    b0_gpa: float
    b0_prime: float
    v0_a3_error: float
    e0_ev_error: float
    b0_gpa_error: float
    b0_prime_error: float
    covariance: Array
    residual_ev: Array

    @property
    def rms_residual_ev(self) -> float:
        """Root mean square of the residuals, eV."""
        return float(np.sqrt(np.mean(self.residual_ev**2)))

    @property
    def cohesive_energy_ev(self) -> float | None:
        """Depth Ec = 9 B0 V0/eta^2 that the curve implies, eV per cell; None where the model has none."""
        if self.model not in ("vinet", "rose") or self.b0_prime == 1.0:
            return None
        eta = _rose_eta(self.b0_prime) if self.model == "rose" else 1.5 * (self.b0_prime - 1.0)
        return float(9.0 * self.b0_gpa / EV_PER_A3_TO_GPA * self.v0_a3 / eta**2)

    def energy_ev(self, volumes_a3: ArrayLike) -> Array:
        """E(V) in eV."""
        v = np.asarray(volumes_a3, dtype=float)
        b0 = self.b0_gpa / EV_PER_A3_TO_GPA
        return np.asarray(MODELS[self.model].energy(v, self.v0_a3, self.e0_ev, b0, self.b0_prime))

    def pressure_gpa(self, volumes_a3: ArrayLike) -> Array:
        """P(V) = -dE/dV in GPa."""
        v = np.asarray(volumes_a3, dtype=float)
        return np.asarray(MODELS[self.model].pressure(v, self.v0_a3, self.b0_gpa, self.b0_prime))

    def bulk_modulus_gpa(self, volumes_a3: ArrayLike) -> Array:
        """B(V) = -V dP/dV in GPa."""
        v = np.asarray(volumes_a3, dtype=float)
        return np.asarray(MODELS[self.model].bulk_modulus(v, self.v0_a3, self.b0_gpa, self.b0_prime))


def fit_eos(volumes_a3: ArrayLike, energies_ev: ArrayLike, model: str = "birch-murnaghan") -> EosFit:
    """Fit an equation of state to energies (n,) in eV at volumes (n,) in A^3, of the same cell.

    Raises FitError: unknown model, fewer than five different volumes, numbers that are not finite, no minimum
    within the range of volumes, negative bulk modulus.
    """
    chosen = energy_model(model)
    v, e = _checked(volumes_a3, energies_ev)
    e_shift, v_scale = float(e.min()), float(v.mean())
    e_fit = e - e_shift
    guess = _initial_guess(v, e_fit)
    # Variables of order one, energies in units of the harmonic energy at the edge of the range.
    e_scale = 0.5 * guess[2] * guess[0] * (np.ptp(v) / (2.0 * guess[0])) ** 2
    b_scale = e_scale / v_scale

    def residuals(p: Any) -> Any:
        fitted = chosen.energy(v, p[0] * v_scale, p[1] * e_scale, p[2] * b_scale, p[3])
        return (fitted - e_fit) / e_scale

    def jacobian(p: Any) -> Any:
        # Complex steps, all at once: derivatives exact to rounding, so the covariance is that of the model.
        q = (p + 1j * _STEP * np.eye(4)).T[:, :, None]
        moved = chosen.energy(v, q[0] * v_scale, q[1] * e_scale, q[2] * b_scale, q[3])
        return np.imag(moved).T / (_STEP * e_scale)

    start = np.array([guess[0] / v_scale, guess[1] / e_scale, guess[2] / b_scale, guess[3]])
    with np.errstate(all="ignore"):
        found = least_squares(residuals, start, jac=jacobian, x_scale="jac", ftol=1e-15, xtol=1e-12, gtol=1e-14)
    p = found.x
    to_physical = np.array([v_scale, e_scale, b_scale * EV_PER_A3_TO_GPA, 1.0])
    v0, e0, b0, b0_prime = (float(x) for x in p * to_physical)
    if not np.isfinite(p).all() or b0 <= 0 or v0 <= 0:
        raise FitError(f"The {chosen.label} fit has no minimum with a positive bulk modulus; check the points.")
    if not v.min() <= v0 <= v.max():
        raise FitError(_outside(v, v0 > v.max()))
    degrees = len(v) - 4
    variance = 2.0 * found.cost / degrees
    covariance = np.asarray(variance * np.linalg.pinv(found.jac.T @ found.jac, hermitian=True))
    covariance = covariance * np.outer(to_physical, to_physical)
    errors = np.sqrt(np.diag(covariance))
    return EosFit(
        model=chosen.name,
        v0_a3=v0,
        e0_ev=e0 + e_shift,
        b0_gpa=b0,
        b0_prime=b0_prime,
        v0_a3_error=float(errors[0]),
        e0_ev_error=float(errors[1]),
        b0_gpa_error=float(errors[2]),
        b0_prime_error=float(errors[3]),
        covariance=covariance,
        residual_ev=-np.asarray(found.fun) * e_scale,
    )


def _checked(volumes_a3: ArrayLike, energies_ev: ArrayLike) -> tuple[Array, Array]:
    try:
        v = np.asarray(volumes_a3, dtype=float)
        e = np.asarray(energies_ev, dtype=float)
    except (TypeError, ValueError):
        raise FitError("Volumes and energies must be numbers; correct the table.") from None
    if v.ndim != 1 or v.shape != e.shape:
        raise FitError(f"There must be one energy for each volume; there are {v.size} volumes and {e.size} energies.")
    if not (np.isfinite(v).all() and np.isfinite(e).all()):
        raise FitError("A volume or an energy is not a finite number; remove that point.")
    if (v <= 0).any():
        raise FitError(f"A volume is {v.min():g} Å³; volumes must be positive.")
    if len(np.unique(v)) < MIN_POINTS:
        raise FitError(
            f"An equation of state has four parameters: give at least {MIN_POINTS} different volumes, "
            f"not {len(np.unique(v))}."
        )
    return v, e


def _initial_guess(v: Array, e: Array) -> tuple[float, float, float, float]:
    """V0, E0, B0 (eV/A^3), B0' of the cubic in (V0/V)^(2/3), which is the linear form of Birch-Murnaghan."""
    if np.ptp(e) == 0.0:
        raise FitError("All energies are equal; check the table.")
    # Normalised to [-1, 1]: powers of the raw strain are nearly collinear.
    s = v ** (-2.0 / 3.0)
    middle, half = 0.5 * (s.max() + s.min()), 0.5 * float(np.ptp(s))
    e_range = float(np.ptp(e))
    cubic = np.polynomial.Polynomial.fit((s - middle) / half, e / e_range, 3, domain=[-1, 1])
    slope, curvature, third = cubic.deriv(1), cubic.deriv(2), cubic.deriv(3)
    roots = slope.roots()
    real = [float(t.real) for t in roots if abs(t.imag) < 1e-9]
    inside = [t for t in real if abs(t) <= 1.0 + 1e-6 and curvature(t) > 1e-12]
    if not inside:
        parabola = np.polynomial.Polynomial.fit(v, e / e_range, 2, domain=[v.min(), v.max()])
        if parabola.convert(domain=[-1, 1], window=[-1, 1]).coef[-1] * float(np.ptp(v)) ** 2 < -1e-6:
            raise FitError(
                "The energies curve downwards, so the bulk modulus would be negative; check the points or the range."
            )
        raise FitError(_outside(v, float(v[e.argmin()]) > float(v.mean())))
    t = inside[0]
    s0 = middle + half * t
    first, second = e_range * curvature(t) / half**2, e_range * third(t) / half**3
    # With f = (s/s0 - 1)/2: E = E0 + 9/2 B0 V0 f^2 + 9/2 B0 V0 (B0' - 4) f^3.
    v0 = s0**-1.5
    second_f, third_f = first * (2.0 * s0) ** 2, second * (2.0 * s0) ** 3
    b0 = second_f / (9.0 * v0)
    b0_prime = 4.0 + third_f / (3.0 * second_f)
    # A noisy cubic term may start the search in a place where Murnaghan and Vinet are not defined.
    return v0, e_range * float(cubic(t)), b0, float(np.clip(b0_prime, 1.5, 12.0))


def _outside(v: Array, above: bool) -> str:
    return (
        f"The energies have no minimum between {v.min():.4g} and {v.max():.4g} Å³: they fall towards "
        f"{'larger' if above else 'smaller'} volumes; choose volumes around the equilibrium."
    )


def _eulerian_strain(v: Any, v0: Any) -> Any:
    return 0.5 * np.expm1(-2.0 / 3.0 * np.log(v / v0))


def _rose_eta(b0_prime: Any) -> Any:
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
