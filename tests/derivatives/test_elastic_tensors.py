"""Elastic constants from exact derivatives: relaxed ions, pressure, and crystals that are not stable."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from numpy.typing import NDArray

from sus2.derivatives.elastic_tensors import voigt_to_matrix
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.units import EV_PER_A3_TO_GPA
from tests.derivatives.crystals import SYNTHETIC, energy_gradient, margin, rocksalt, slope, strain_of, triclinic
from tests.helpers_spec import random_potential


def test_brugger_constants_are_second_derivatives_in_lagrangian_strain():
    atoms, potential, _ = SYNTHETIC["triclinic"]()
    second = second_derivatives(atoms, potential)
    volume, h = atoms.get_volume(), 1e-4

    def deformation(eta: NDArray) -> NDArray:
        w, u = np.linalg.eigh(np.eye(3) + 2 * eta)
        return u @ np.diag(np.sqrt(w)) @ u.T

    def along(x: float, eta: NDArray, zeta: NDArray) -> float:
        f = deformation(x * eta)
        df = (deformation(x * eta + 1e-5 * zeta) - deformation(x * eta - 1e-5 * zeta)) / 2e-5
        return float(np.tensordot(energy_gradient(atoms, potential, f), df))

    c = second.clamped_elastic.brugger_gpa / EV_PER_A3_TO_GPA
    for v, w in ((0, 0), (0, 4), (3, 3), (5, 1)):
        numeric = slope(lambda x, v=v, w=w: np.array(along(x, strain_of(v), strain_of(w))), h) / volume
        assert abs(c[v, w] - numeric) < 1e-6 * np.abs(c).max()


def test_the_three_tensors_under_pressure():
    second = second_derivatives(rocksalt(), random_potential())
    clamped = second.clamped_elastic
    p = -second.stress_ev_per_a3[0] * EV_PER_A3_TO_GPA
    assert abs(p) > 1e-2
    c, b = clamped.brugger_gpa, clamped.stress_strain_gpa
    np.testing.assert_allclose([b[0, 0], b[0, 1], b[3, 3]], [c[0, 0] - p, c[0, 1] + p, c[3, 3] - p], rtol=1e-12)


def test_relaxed_elastic_against_relaxing_each_strain_by_newton_steps():
    atoms, potential = minimum()
    second = second_derivatives(atoms, potential)
    assert second.soft_internal_modes == 0
    relaxed, clamped = second.relaxed_elastic.energy_gpa, second.clamped_elastic.energy_gpa
    assert np.linalg.eigvalsh(clamped - relaxed).min() > -1e-9 * np.abs(clamped).max()
    assert np.abs(clamped - relaxed).max() > 1e-3 * np.abs(clamped).max()
    h, volume = 2e-4, atoms.get_volume()
    assert margin(atoms, potential.cutoff) > 4 * h * potential.cutoff
    for v in (0, 5):
        e = strain_of(v)

        def gradient(x: float, e: NDArray = e) -> NDArray:
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ (np.eye(3) + x * e), scale_atoms=True)
            stress = voigt_to_matrix(potential.evaluate([at_rest(strained, potential)])[0].stress_ev_per_a3)
            return strained.get_volume() * stress @ np.linalg.inv(np.eye(3) + x * e).T

        numeric = slope(gradient, h)
        column = np.array([np.tensordot(numeric, strain_of(w)) for w in range(6)]) / volume * EV_PER_A3_TO_GPA
        np.testing.assert_allclose(relaxed[:, v], column, atol=1e-6 * np.abs(relaxed).max())


def minimum() -> tuple[Atoms, Potential]:
    """A triclinic crystal of three atoms at rest at a minimum, under stress."""
    potential = random_potential(seed=3)
    return at_rest(triclinic(["Na", "Cl"], 3, 3, volume=18), potential), potential


def at_rest(atoms: Atoms, potential: Potential) -> Atoms:
    """Zero forces at fixed cell: gradient steps along positive curvature, then Newton's."""
    atoms = atoms.copy()
    for _ in range(200):
        second = second_derivatives(atoms, potential)
        force = second.forces_ev_per_a.ravel()
        if np.abs(force).max() < 1e-13:
            break
        values, vectors = np.linalg.eigh(second.gamma_hessian_ev_per_a2)
        keep = np.abs(values) > 1e-8 * np.abs(values).max()
        step = vectors[:, keep] @ ((vectors[:, keep].T @ force) / np.abs(values[keep]))
        atoms.positions += (step * min(1.0, 0.1 / np.abs(step).max())).reshape(-1, 3)
    assert np.abs(force).max() < 1e-11
    return atoms


def test_an_unstable_crystal_has_no_relaxed_constants():
    atoms, potential, _ = SYNTHETIC["triclinic"]()
    second = second_derivatives(atoms, potential)
    assert second.soft_internal_modes > 0
    with pytest.raises(Sus2Error, match="without a restoring force"):
        _ = second.relaxed_elastic
