"""Least-squares fits of equations of state; the models themselves are in sus2.properties.eos.forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from sus2.errors import FitError
from sus2.properties.eos.forms import MODELS, ROSE_CUBIC, EnergyModel, energy_model, rose_eta
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

__all__ = [
    "MAX_POINTS",
    "MIN_POINTS",
    "MODELS",
    "ROSE_CUBIC",
    "EnergyModel",
    "EosFit",
    "energy_model",
    "fit_eos",
    "fit_models",
]

MIN_POINTS: Final = 5
MAX_POINTS: Final = 10_000
_MOST_STEPS: Final = 12
_SMALL_STEP: Final = 1e-11
_FLAT_STEP: Final = 1e-6
_STEP: Final = 1e-20  # imaginary, so no difference of nearly equal numbers is taken


@dataclass(frozen=True, eq=False)
class EosFit:
    """A least-squares fit of one model to n points.

    Errors are standard errors: the square roots of the diagonal of s^2 (J^T J)^-1 with s^2 = sum of squared
    residuals/(n - 4).

    Attributes
    ----------
    model
        As in MODELS.
    v0_a3
        Volume of the minimum, A^3.
    e0_ev
        Energy there, eV.
    b0_gpa
        Bulk modulus there, GPa.
    b0_prime
        dB/dP there.
    v0_a3_error
        Of v0_a3.
    e0_ev_error
        Of e0_ev.
    b0_gpa_error
        Of b0_gpa.
    b0_prime_error
        Of b0_prime.
    covariance
        (4, 4), of v0_a3, e0_ev, b0_gpa, b0_prime in this order.
    residual_ev
        (n,), given minus fitted energy.
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
        eta = rose_eta(self.b0_prime) if self.model == "rose" else 1.5 * (self.b0_prime - 1.0)
        return float(9.0 * self.b0_gpa / EV_PER_A3_TO_GPA * self.v0_a3 / eta**2)

    def energy_ev(self, volumes_a3: ArrayLike) -> Array:
        """E(V) of the fit.

        Parameters
        ----------
        volumes_a3
            In any shape, A^3.

        Returns
        -------
        ndarray
            In that shape, eV.
        """
        v = np.asarray(volumes_a3, dtype=float)
        b0 = self.b0_gpa / EV_PER_A3_TO_GPA
        return np.asarray(MODELS[self.model].energy(v, self.v0_a3, self.e0_ev, b0, self.b0_prime))

    def pressure_gpa(self, volumes_a3: ArrayLike) -> Array:
        """P(V) = -dE/dV of the fit.

        Parameters
        ----------
        volumes_a3
            In any shape, A^3.

        Returns
        -------
        ndarray
            In that shape, GPa.
        """
        v = np.asarray(volumes_a3, dtype=float)
        return np.asarray(MODELS[self.model].pressure(v, self.v0_a3, self.b0_gpa, self.b0_prime))

    def bulk_modulus_gpa(self, volumes_a3: ArrayLike) -> Array:
        """B(V) = -V dP/dV of the fit.

        Parameters
        ----------
        volumes_a3
            In any shape, A^3.

        Returns
        -------
        ndarray
            In that shape, GPa.
        """
        v = np.asarray(volumes_a3, dtype=float)
        return np.asarray(MODELS[self.model].bulk_modulus(v, self.v0_a3, self.b0_gpa, self.b0_prime))


def fit_eos(volumes_a3: ArrayLike, energies_ev: ArrayLike, model: str = "birch-murnaghan") -> EosFit:
    """Fit an equation of state to energies at volumes of the same cell.

    Parameters
    ----------
    volumes_a3
        (n,), A^3.
    energies_ev
        (n,), eV.
    model
        A name of MODELS.

    Returns
    -------
    EosFit
        Parameters with their standard errors.

    Raises
    ------
    FitError
        Unknown model, numbers that are no good, fewer than five different volumes, no minimum within them, B0 <= 0.
    """
    return fit_models(volumes_a3, energies_ev, (model,))[energy_model(model).name]


def fit_models(volumes_a3: ArrayLike, energies_ev: ArrayLike, models: Sequence[str]) -> dict[str, EosFit]:
    """Fit several equations of state to the same energies.

    Parameters
    ----------
    volumes_a3
        (n,), A^3.
    energies_ev
        (n,), eV.
    models
        Names of MODELS. The first must have a fit; others that have none are left out.

    Returns
    -------
    dict
        Name -> fit, in their order.

    Raises
    ------
    FitError
        As fit_eos, of the first.
    """
    chosen = [energy_model(name) for name in models]
    v, e = _checked(volumes_a3, energies_ev)
    guess = _initial_guess(v, e - float(e.min()))
    out: dict[str, EosFit] = {}
    for model in chosen:
        try:
            out[model.name] = _fit(model, v, e, guess)
        except FitError:
            if not out:
                raise
    return out


def _fit(chosen: EnergyModel, v: Array, e: Array, guess: tuple[float, float, float, float]) -> EosFit:
    e_shift, v_scale = float(e.min()), float(v.mean())
    e_fit = e - e_shift
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
        found = _gauss_newton(residuals, jacobian, start)
        if found is None:
            whole = least_squares(residuals, start, jac=jacobian, x_scale="jac", ftol=1e-15, xtol=1e-12, gtol=1e-14)
            found = whole.x, whole.fun, whole.jac
    p, misfit, slopes = found
    to_physical = np.array([v_scale, e_scale, b_scale * EV_PER_A3_TO_GPA, 1.0])
    v0, e0, b0, b0_prime = (float(x) for x in p * to_physical)
    if not np.isfinite(p).all() or b0 <= 0 or v0 <= 0:
        raise FitError(f"The {chosen.label} fit has no minimum with a positive bulk modulus; check the points.")
    if not v.min() <= v0 <= v.max():
        raise FitError(_outside(v, v0 > v.max()))
    degrees = len(v) - 4
    variance = float(misfit @ misfit) / degrees
    covariance = np.asarray(variance * np.linalg.pinv(slopes.T @ slopes, hermitian=True))
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
        residual_ev=-np.asarray(misfit) * e_scale,
    )


def _gauss_newton(
    residuals: Callable[[Array], Array], jacobian: Callable[[Array], Array], start: Array
) -> tuple[Array, Array, Array] | None:
    """The minimum, the residuals and the Jacobian there; None where whole steps do not lead down to it at once.

    Good points lie on such a curve, so a few steps arrive where a search with a trust region takes ten times as long.
    """
    p, misfit = start, residuals(start)
    for _ in range(_MOST_STEPS):
        slopes = jacobian(p)
        if not (np.isfinite(misfit).all() and np.isfinite(slopes).all()):
            return None
        step = np.linalg.lstsq(slopes, -misfit, rcond=None)[0]
        after = residuals(p + step)
        length = float(np.abs(step).max() / np.abs(p).max())
        small = length < _SMALL_STEP
        # So near the minimum the sum of squares does not change any more.
        if length > _FLAT_STEP and not float(after @ after) < float(misfit @ misfit):
            return None
        p, misfit = p + step, after
        if small:
            return p, misfit, jacobian(p)
    return None


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
