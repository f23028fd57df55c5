"""Quasi-harmonic properties against direct sums, direct minimisation and thermodynamic identities."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from scipy import constants
from scipy.optimize import minimize_scalar

import sus2
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import CancelledError, FitError, Sus2Error
from sus2.properties.thermal.calculate import thermal
from sus2.properties.thermal.result import ThermalResult
from sus2.registry.load import load

MESH = (6, 6, 6)
AXIS = np.arange(0.0, 601.0, 20.0)


@pytest.fixture(scope="module")
def silicon():
    return load("si-mlearn-pbe")


@pytest.fixture(scope="module")
def result(silicon) -> ThermalResult:
    return thermal(bulk("Si"), silicon, mesh=MESH, temperatures_k=AXIS)


def grid_frequencies(cell, potential) -> np.ndarray:
    """All modes of the full mesh without the three acoustic ones at Gamma, THz."""
    q = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3, indexing="ij"), -1).reshape(-1, 3)
    f = second_derivatives(cell, potential).frequencies_thz(q)
    return np.concatenate([f[0, 3:], f[1:].ravel()])


def helmholtz_ev(cell, potential, temperature: float) -> float:
    """E + F_vib of the harmonic crystal by a direct sum."""
    e = grid_frequencies(cell, potential) * constants.h * 1e12 / constants.e
    kt = constants.k * temperature / constants.e
    return potential.evaluate([cell])[0].energy_ev + (0.5 * e + kt * np.log1p(-np.exp(-e / kt))).sum() / 216


def scaled(cell, volume: float):
    out = cell.copy()
    out.set_cell(cell.cell * (volume / cell.cell.volume) ** (1 / 3), scale_atoms=True)
    return out


def test_volume_is_that_of_the_lowest_free_energy(silicon, result):
    """Diamond has no free parameters: minimise F(V) directly, without any fit."""
    t = 300.0
    v = result.at("volumes_t_a3", t)
    found = minimize_scalar(
        lambda x: helmholtz_ev(scaled(result.atoms, x), silicon, t), bracket=(0.99 * v, v, 1.01 * v), tol=1e-9
    )
    assert v == pytest.approx(found.x, rel=2e-4)
    assert result.at("gibbs_ev", t) == pytest.approx(found.fun, abs=2e-5)
    h = 0.01 * v
    energies = [helmholtz_ev(scaled(result.atoms, x), silicon, t) for x in (v - h, v, v + h)]
    b = v * (energies[0] - 2 * energies[1] + energies[2]) / h**2 * 160.21766208
    assert result.at("bulk_modulus_gpa", t) == pytest.approx(b, rel=0.02)


def test_mode_gruneisen_parameters_are_slopes_of_frequencies(silicon, result):
    h = 1e-4
    cell = result.atoms
    q = [[0.5, 0.5, 0.0], [1 / 6, 0.0, 0.0], [0.0, 0.0, 0.0]]
    up, down = (
        second_derivatives(scaled(cell, cell.cell.volume * (1 + s)), silicon).frequencies_thz(q) for s in (h, -h)
    )
    expected = -(np.log(np.abs(up)) - np.log(np.abs(down))) / (2 * h)
    centre = second_derivatives(cell, silicon).frequencies_thz(q)
    for k in range(3):
        # The mesh has one point of each star: find it by its frequencies.
        distance = np.abs(result.mode_frequencies_thz - centre[k]).max(axis=1)
        row = int(distance.argmin())
        assert distance[row] < 1e-5
        start = 3 if k == 2 else 0
        np.testing.assert_allclose(np.sort(result.mode_gruneisen[row, start:]), np.sort(expected[k, start:]), atol=0.03)
    gamma = int(np.abs(result.mode_frequencies_thz[:, :3]).max(axis=1).argmin())
    assert np.isnan(result.mode_gruneisen[gamma, :3]).all()
    assert np.isfinite(np.delete(result.mode_gruneisen, gamma, axis=0)).all()
    assert result.mode_weights.sum() == 216


def test_thermodynamic_identities(result):
    t = result.temperatures_k
    np.testing.assert_array_equal(t, AXIS)
    warm = slice(8, -1)
    slope = np.gradient(result.volumes_t_a3, t) / result.volumes_t_a3
    np.testing.assert_allclose(result.thermal_expansion_per_k[warm], slope[warm], atol=2e-7)
    volume = result.volumes_t_a3 * constants.angstrom**3 * constants.N_A
    more = result.thermal_expansion_per_k**2 * result.bulk_modulus_gpa * 1e9 * volume * t
    np.testing.assert_allclose((result.cp_j_per_k_mol - result.cv_j_per_k_mol)[warm], more[warm], atol=0.03)
    gamma = result.thermal_expansion_per_k * result.bulk_modulus_gpa * 1e9 * volume / result.cv_j_per_k_mol.clip(1e-9)
    np.testing.assert_allclose(result.gruneisen[warm], gamma[warm], atol=0.01)
    np.testing.assert_allclose(result.gruneisen[warm], result.gruneisen_modes_average[warm], atol=0.15)
    dulong_petit = 6 * constants.R
    assert 0.9 * dulong_petit < result.cv_j_per_k_mol[-1] < dulong_petit
    assert result.cp_j_per_k_mol[0] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(result.cp_j_per_k_mol_atoms * 2, result.cp_j_per_k_mol)


def test_silicon_expands_negatively_when_cold(result):
    """Experiment (Lyon et al. 1977): alpha < 0 between about 20 and 120 K; Cp(300 K) is 19.8 J/(K mol of atoms)."""
    assert result.at("thermal_expansion_per_k", 80.0) < 0 < result.at("thermal_expansion_per_k", 400.0)
    assert result.at("cp_j_per_k_mol_atoms", 300.0) == pytest.approx(19.8, rel=0.08)


def test_record(result):
    assert result.note == ""
    assert result.left_out_a3 == ()
    assert len(result.volumes_a3) == 9
    text = json.loads(json.dumps(result.to_dict()))
    assert text["temperatures_k"][1] == 20.0
    assert text["gruneisen_modes_average"][0] is None
    verdicts = {c.name: c.verdict for c in result.checks}
    assert verdicts["V(T) within the volumes"] == "pass"
    assert verdicts["Volumes with imaginary modes"] == "pass"
    with pytest.raises(Sus2Error, match="outside"):
        result.at("volumes_t_a3", 5000.0)
    assert sus2.thermal is thermal


def test_supercells_and_turned_cells_give_the_same(silicon, result):
    other = bulk("Si", cubic=True)
    other.rotate(31, (1, 2, 3), rotate_cell=True)
    other = make_supercell(other, np.diag([1, 1, 2]))
    found = thermal(other, silicon, mesh=MESH, temperatures_k=AXIS, n_volumes=7)
    assert found.n_atoms == 2
    np.testing.assert_allclose(found.volumes_t_a3, result.volumes_t_a3, rtol=2e-4)


def test_an_axis_that_goes_too_far_is_cut(silicon):
    short = thermal(
        bulk("Si"),
        silicon,
        mesh=MESH,
        temperatures_k=np.arange(0.0, 2001.0, 100.0),
        volume_range=(-0.02, 0.012),
        n_volumes=7,
    )
    assert short.temperatures_k[-1] < 2000.0
    assert short.volumes_t_a3.max() < short.volumes_a3.max()
    assert f"end at {short.temperatures_k[-1]:g} K instead of {short.requested_temperature_k:g} K" in short.note
    assert f"{100 * short.volume_range[1]:.0f} % above the static one" in short.note
    assert next(c for c in short.checks if c.name.startswith("V(T)")).verdict == "warn"


def test_volumes_with_imaginary_modes_are_named_and_left_out(silicon):
    """Diamond turns unstable when it is squeezed by a quarter."""
    found = thermal(bulk("Si"), silicon, mesh=(4, 4, 4), volume_range=(-0.3, 0.1), n_volumes=9)
    assert found.left_out_a3
    assert len(found.volumes_a3) + len(found.left_out_a3) == 9
    assert max(found.left_out_a3) < found.volumes_a3.min()
    assert max(found.left_out_thz) < 0
    assert f"{found.left_out_a3[0] / 2:.3f}" in found.note
    assert next(c for c in found.checks if c.name == "Volumes with imaginary modes").verdict == "warn"
    with pytest.raises(Sus2Error, match=r"Only \d of 7 volumes"):
        # Molybdenum stretched by half.
        thermal(bulk("Mo"), load("mo-mlearn-pbe"), mesh=(4, 4, 4), volume_range=(-0.01, 0.5), n_volumes=7)


def test_an_unstable_phase_is_refused(silicon):
    with pytest.raises(Sus2Error, match=r"imaginary modes .* static"):
        thermal(bulk("Si", "fcc", a=3.87), silicon, mesh=(4, 4, 4))


def test_refusals(silicon):
    with pytest.raises(Sus2Error, match="7 to 101 volumes"):
        thermal(bulk("Si"), silicon, n_volumes=5)
    with pytest.raises(Sus2Error, match="range of volumes"):
        thermal(bulk("Si"), silicon, volume_range=(0.01, 0.05))
    with pytest.raises(FitError, match="equation"):
        thermal(bulk("Si"), silicon, equation="linear")
    for axis in ([0, 10, 5, 20], [0, 10, 30, 40], [-10, 0, 10, 20], [0, 10]):
        with pytest.raises(Sus2Error, match=r"emperatures"):
            thermal(bulk("Si"), silicon, temperatures_k=axis)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        thermal(bulk("Si"), silicon, progress=stop)


def test_finite_displacements_give_what_exact_derivatives_give(silicon):
    class Foreign:
        """The same potential without its second derivatives."""

        name, functional, elements, cutoff = silicon.name, silicon.functional, silicon.elements, silicon.cutoff
        evaluate, calculator = silicon.evaluate, silicon.calculator

    exact, finite = (thermal(bulk("Si"), p, mesh=15.0, n_volumes=7) for p in (silicon, Foreign()))
    np.testing.assert_allclose(finite.volumes_t_a3, exact.volumes_t_a3, rtol=1e-5)
    np.testing.assert_allclose(finite.linear_expansion_per_k[5:], exact.linear_expansion_per_k[5:], atol=1e-8)
    warm = exact.temperatures_k > 100.0
    np.testing.assert_allclose(finite.gruneisen_modes_average[warm], exact.gruneisen_modes_average[warm], rtol=5e-3)
