"""Equations of state as functions, and their fit to a table of energies."""

from __future__ import annotations

import ase.eos
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonopy.qha.eos import fit_to_eos, get_eos
from pymatgen.analysis.eos import EOS
from scipy import stats

from sus2.errors import FitError
from sus2.properties.eos.equations import MODELS, energy_model, fit_eos
from sus2.units import EV_PER_A3_TO_GPA

NAMES = list(MODELS)


parameters = {
    "v0": st.floats(8.0, 400.0),
    "e0": st.floats(-900.0, 10.0),
    "b0": st.floats(0.01, 3.0),
    "b0_prime": st.floats(2.0, 7.5),
}


# The functions E(V), P(V), B(V).


@pytest.mark.parametrize("name", NAMES)
@given(**parameters, ratio=st.floats(0.8, 1.25))
def test_pressure_and_bulk_modulus_are_the_derivatives(name, v0, e0, b0, b0_prime, ratio) -> None:
    """By complex steps, exact to rounding: P = -dE/dV, B = -V dP/dV."""
    m, v, h = MODELS[name], ratio * v0, 1e-30
    slope = m.energy(v + 1j * h, v0, e0, b0, b0_prime).imag / h
    assert m.pressure(v, v0, b0, b0_prime) == pytest.approx(-slope, abs=1e-12 * b0, rel=1e-10)
    if name in ("birch-murnaghan", "murnaghan"):
        slope = m.pressure(v + 1j * h, v0, b0, b0_prime).imag / h
        expected = -v * slope
    else:
        step = 1e-5 * v
        above, below = (m.pressure(v + s, v0, b0, b0_prime) for s in (step, -step))
        expected = -v * (above - below) / (2 * step)
    assert m.bulk_modulus(v, v0, b0, b0_prime) == pytest.approx(expected, rel=1e-7, abs=1e-8 * b0)


@pytest.mark.parametrize("name", NAMES)
@given(**parameters)
def test_parameters_mean_what_they_say(name, v0, e0, b0, b0_prime) -> None:
    m = MODELS[name]
    assert m.energy(v0, v0, e0, b0, b0_prime) == pytest.approx(e0, abs=1e-12)
    assert m.pressure(v0, v0, b0, b0_prime) == pytest.approx(0.0, abs=1e-12)
    assert m.bulk_modulus(v0, v0, b0, b0_prime) == pytest.approx(b0, rel=1e-12)
    above, below = (v0 * (1 + s) for s in (1e-5, -1e-5))
    change = m.bulk_modulus(above, v0, b0, b0_prime) - m.bulk_modulus(below, v0, b0, b0_prime)
    by_pressure = m.pressure(above, v0, b0, b0_prime) - m.pressure(below, v0, b0, b0_prime)
    assert change / by_pressure == pytest.approx(b0_prime, rel=1e-6)


@pytest.mark.parametrize("name", ["birch-murnaghan", "murnaghan", "vinet"])
@given(**parameters)
@settings(max_examples=20)
def test_functions_are_those_of_pymatgen_and_phonopy(name, v0, e0, b0, b0_prime) -> None:
    v = v0 * np.linspace(0.85, 1.15, 9)
    ours = MODELS[name].energy(v, v0, e0, b0, b0_prime)
    scale = b0 * v0
    theirs = EOS(name.replace("-", "_"))
    assert ours == pytest.approx(theirs.model(v, e0)._func(v, (e0, b0, b0_prime, v0)), abs=1e-11 * scale + 1e-10)
    assert ours == pytest.approx(get_eos(name.replace("-", "_"))(v, [e0, b0, b0_prime, v0]), abs=1e-11 * scale + 1e-10)


def test_vinet_is_continuous_where_its_formula_divides_by_zero() -> None:
    v = np.linspace(9.0, 11.0, 7)
    at = MODELS["vinet"].energy(v, 10.0, 0.0, 1.0, 1.0)
    near = MODELS["vinet"].energy(v, 10.0, 0.0, 1.0, 1.0 + 1e-7)
    assert at == pytest.approx(near, abs=1e-9)
    assert at == pytest.approx(4.5 * 10.0 * (np.cbrt(v / 10) - 1) ** 2)


def test_rose_is_the_universal_equation_of_state() -> None:
    """E = E0 + Ec [1 - (1 + a + 0.05 a^3) exp(-a)], a = eta (x - 1), and (dB/dP)_0 = 1 + 2.3 eta/3 (Rose 1984)."""
    v0, b0, eta = 12.0, 0.9, 5.1
    depth = 9 * b0 * v0 / eta**2
    v = np.linspace(9.0, 30.0, 15)
    a = eta * (np.cbrt(v / v0) - 1)
    expected = -1.0 + depth * (1 - (1 + a + 0.05 * a**3) * np.exp(-a))
    assert MODELS["rose"].energy(v, v0, -1.0, b0, 1 + 2.3 * eta / 3) == pytest.approx(expected, abs=1e-12)
    near = v0 * np.linspace(0.94, 1.06, 11)
    fit = fit_eos(near, MODELS["rose"].energy(near, v0, -1.0, b0, 1 + 2.3 * eta / 3), "rose")
    assert fit.cohesive_energy_ev == pytest.approx(depth, rel=1e-6)
    assert fit_eos(near, expected_bm(near), "birch-murnaghan").cohesive_energy_ev is None


def expected_bm(v: np.ndarray) -> np.ndarray:
    return MODELS["birch-murnaghan"].energy(v, 12.0, -1.0, 0.9, 4.5)


def test_names() -> None:
    assert energy_model("Birch_Murnaghan") is MODELS["birch-murnaghan"]
    with pytest.raises(FitError, match="choose one of birch-murnaghan, vinet, murnaghan, rose"):
        energy_model("birch")


# Fits.


@pytest.mark.parametrize("name", NAMES)
@given(**parameters, shift=st.floats(-0.3, 0.3), n=st.integers(5, 21), reach=st.floats(0.04, 0.15))
@settings(max_examples=40)
def test_exact_data_give_back_the_parameters(name, v0, e0, b0, b0_prime, shift, n, reach) -> None:
    v = v0 * (1 + reach * (np.linspace(-1, 1, n) + shift))
    fit = fit_eos(v, MODELS[name].energy(v, v0, e0, b0, b0_prime), name)
    assert fit.v0_a3 == pytest.approx(v0, rel=1e-6)
    assert fit.e0_ev == pytest.approx(e0, abs=1e-8 + 1e-9 * b0 * v0)
    # Energies near 1000 eV have a rounding error of 1e-13 eV, which soft small cells feel.
    rounding = 3e-13 * max(1.0, abs(e0) / 100) / (b0 * v0 * reach**2)
    assert fit.b0_gpa == pytest.approx(b0 * EV_PER_A3_TO_GPA, rel=1e-6 + 100 * rounding)
    assert fit.b0_prime == pytest.approx(b0_prime, rel=1e-4 + 1000 * rounding / reach)


@pytest.mark.parametrize("name", NAMES)
@given(**parameters, cells=st.integers(2, 8))
@settings(max_examples=20)
def test_more_cells_scale_volume_and_energy_only(name, v0, e0, b0, b0_prime, cells) -> None:
    assume(abs(e0) < 100)
    v = v0 * np.linspace(0.94, 1.06, 11)
    noise = 1e-4 * b0 * v0 * np.random.default_rng(0).normal(size=11)
    e = MODELS[name].energy(v, v0, e0, b0, b0_prime) + noise
    one, many = fit_eos(v, e, name), fit_eos(cells * v, cells * e, name)
    assert many.v0_a3 == pytest.approx(cells * one.v0_a3, rel=1e-8)
    assert many.e0_ev == pytest.approx(cells * one.e0_ev, rel=1e-8, abs=1e-9 * cells * b0 * v0)
    assert many.b0_gpa == pytest.approx(one.b0_gpa, rel=1e-6)
    assert many.b0_prime == pytest.approx(one.b0_prime, rel=1e-5, abs=1e-5)
    assert many.v0_a3_error == pytest.approx(cells * one.v0_a3_error, rel=1e-4)
    assert many.b0_prime_error == pytest.approx(one.b0_prime_error, rel=1e-4)


NOISY_V = 40.0 * np.linspace(0.94, 1.06, 11)

NOISY_E = MODELS["vinet"].energy(NOISY_V, 40.1, -10.0, 0.6, 4.6) + 2e-4 * np.random.default_rng(7).normal(size=11)


@pytest.mark.parametrize("name", ["birch-murnaghan", "murnaghan", "vinet"])
def test_fit_is_that_of_pymatgen_phonopy_and_ase(name: str) -> None:
    ours = fit_eos(NOISY_V, NOISY_E, name)
    found = (ours.v0_a3, ours.e0_ev, ours.b0_gpa / EV_PER_A3_TO_GPA, ours.b0_prime)
    key = name.replace("-", "_")
    other = EOS(key).fit(NOISY_V, NOISY_E)
    assert found == pytest.approx((other.v0, other.e0, other.b0, other.b1), rel=1e-5)
    e, b, bp, v = fit_to_eos(NOISY_V, NOISY_E, get_eos(key))
    assert found == pytest.approx((v, e, b, bp), rel=1e-5)
    if name != "murnaghan":
        theirs = ase.eos.EquationOfState(NOISY_V, NOISY_E, eos=name.replace("-", ""))
        v0, e0, b0 = theirs.fit(warn=False)
        assert found[:3] == pytest.approx((v0, e0, b0), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_standard_errors_are_those_of_curve_fit(name: str) -> None:
    from scipy.optimize import curve_fit

    m, fit = MODELS[name], fit_eos(NOISY_V, NOISY_E, name)
    start = [fit.v0_a3, fit.e0_ev, fit.b0_gpa / EV_PER_A3_TO_GPA, fit.b0_prime]
    _, covariance = curve_fit(lambda v, *p: m.energy(v, *p), NOISY_V, NOISY_E, p0=start, diag=1 / np.abs(start))
    scale = np.array([1.0, 1.0, EV_PER_A3_TO_GPA, 1.0])
    assert fit.covariance == pytest.approx(covariance * np.outer(scale, scale), rel=1e-3, abs=1e-12)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(
        (fit.v0_a3_error, fit.e0_ev_error, fit.b0_gpa_error, fit.b0_prime_error)
    )
    assert fit.residual_ev == pytest.approx(NOISY_E - fit.energy_ev(NOISY_V), abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_error_bars_have_the_right_size(name: str) -> None:
    """(fit - truth) C^-1 (fit - truth)/4 follows F(4, n - 4), so its probability integral is uniform."""
    truth = np.array([40.1, -10.0, 0.6 * EV_PER_A3_TO_GPA, 4.6])
    clean = MODELS[name].energy(NOISY_V, 40.1, -10.0, 0.6, 4.6)
    rng = np.random.default_rng(11)
    chances = []
    for _ in range(150):
        fit = fit_eos(NOISY_V, clean + 1e-4 * rng.normal(size=11), name)
        d = np.array([fit.v0_a3, fit.e0_ev, fit.b0_gpa, fit.b0_prime]) - truth
        s = np.sqrt(np.diag(fit.covariance))
        statistic = (d / s) @ np.linalg.solve(fit.covariance / np.outer(s, s), d / s) / 4
        chances.append(stats.f.cdf(statistic, 4, 7))
    assert stats.kstest(chances, "uniform").pvalue > 1e-3


def test_energies_far_from_zero_lose_nothing() -> None:
    clean = MODELS["birch-murnaghan"].energy(NOISY_V, 40.1, -12_000.0, 0.6, 4.6)
    fit = fit_eos(NOISY_V, clean)
    assert fit.b0_gpa == pytest.approx(0.6 * EV_PER_A3_TO_GPA, rel=1e-7)
    assert fit.e0_ev == pytest.approx(-12_000.0, abs=1e-9)


V = np.linspace(37.0, 43.0, 9)


@pytest.mark.parametrize(
    ("volumes", "energies", "message"),
    [
        (V[:4], V[:4], "at least 5 different volumes, not 4"),
        ([40.0] * 9, V, "not 1"),
        (V, V[:5], "9 volumes and 5 energies"),
        (V, np.where(V > 42, np.nan, V), "not a finite number"),
        (V - 40, V, "must be positive"),
        (V, (V - 60) ** 2, "fall towards larger volumes"),
        (V, (V - 20) ** 2, "fall towards smaller volumes"),
        (V, V, "no minimum"),
        (V, -((V - 40.0) ** 2), "curve downwards"),
        (V, 0 * V, "equal"),
        (["a"] * 9, V, "must be numbers"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_unusable_tables_are_refused(name: str, volumes, energies, message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit_eos(volumes, energies, name)


@given(st.lists(st.tuples(st.floats(1.0, 100.0), st.floats(-1e4, 1e4)), min_size=5, max_size=12))
def test_any_table_gives_a_fit_or_a_fit_error(rows: list[tuple[float, float]]) -> None:
    v, e = (np.array(x) for x in zip(*rows, strict=True))
    try:
        fit = fit_eos(v, e)
    except FitError:
        return
    assert fit.b0_gpa > 0
    assert v.min() <= fit.v0_a3 <= v.max()
