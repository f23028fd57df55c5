"""Group velocities, speeds of sound, and the limit of small displacements."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from sus2.derivatives.second_order import second_derivatives
from sus2.units import THZ_A_TO_M_PER_S
from tests.derivatives.crystals import SYNTHETIC, margin, phonopy_of, rocksalt, slope
from tests.derivatives.test_elastic_tensors import minimum
from tests.helpers_spec import random_potential


def test_gradient_and_group_velocities_against_differences():
    atoms, potential, _ = SYNTHETIC["triclinic"]()
    atoms = atoms[:5]
    second = second_derivatives(atoms, potential)
    h = 1e-3
    q0 = np.array([0.13, -0.21, 0.37])
    gradient = second.dynamical_matrix_gradient(q0)[0]
    velocity = second.group_velocities_thz_a(q0)[0]
    for axis in range(3):
        step = atoms.cell.array @ np.eye(3)[axis]  # fractional change of q for 1/A along the axis

        numeric = slope(lambda x, s=step: second.dynamical_matrix(q0 + x * s)[0], h)
        assert np.abs(gradient[axis] - numeric).max() < 1e-8 * np.abs(gradient).max()

        def squared(x: float, s: NDArray = step) -> NDArray:
            frequency = second.frequencies_thz(q0 + x * s)[0]
            return frequency * np.abs(frequency)

        ours = 2 * np.abs(second.frequencies_thz(q0)[0]) * velocity[:, axis]
        np.testing.assert_allclose(ours, slope(squared, h), atol=1e-6 * np.abs(ours).max())


def test_group_velocities_of_degenerate_branches():
    second = second_derivatives(bulk("Na", "fcc", a=4.2), random_potential(("Na",), cutoff=4.3))
    q0 = np.array([0.2, 0.0, 0.2])  # along x... of the conventional cell, where two branches coincide
    frequencies = second.frequencies_thz(q0)[0]
    assert np.diff(frequencies).min() < 1e-6
    cell = np.array(bulk("Na", "fcc", a=4.2).cell.array)
    direction = np.array([1.0, 1.0, 0.3]) / np.linalg.norm([1.0, 1.0, 0.3])
    velocity = second.group_velocities_thz_a(q0, direction=direction)[0] @ direction
    step = 1e-4 * cell @ direction
    up, down = (second.frequencies_thz(q0 + s * step)[0] for s in (1, -1))
    ahead, behind = (up - frequencies) / 1e-4, (frequencies - down) / 1e-4
    np.testing.assert_allclose(np.sort(velocity), np.sort(ahead), atol=2e-3 * np.abs(velocity).max())
    np.testing.assert_allclose(np.sort(velocity), np.sort(behind), atol=2e-3 * np.abs(velocity).max())


@pytest.mark.parametrize("clamp", ["cubic", "low symmetry"])
def test_sound_speeds_are_slopes_of_acoustic_branches_even_under_stress(clamp):
    if clamp == "cubic":
        atoms, potential = bulk("Na", "fcc", a=4.0), random_potential(("Na",), cutoff=4.3, seed=4)
    else:
        atoms, potential = minimum()
    second = second_derivatives(atoms, potential)
    assert np.abs(second.stress_ev_per_a3).max() > 1e-3
    directions = np.array([[1.0, 0.2, -0.4], [0.3, -0.5, 1.0]])
    sound = second.sound_speeds(directions)
    assert np.isfinite(sound.speeds_m_per_s).sum() >= 4
    for n, speeds in zip(sound.directions, sound.speeds_m_per_s, strict=True):
        size = 2e-4
        low = second.frequencies_thz(size * atoms.cell.array @ n)[0]
        branches = low[np.argsort(np.abs(low))[:3]] / size * THZ_A_TO_M_PER_S
        real = np.isfinite(speeds)
        np.testing.assert_allclose(np.sort(branches)[real], speeds[real], rtol=1e-5)


def test_phonopy_finite_displacements_approach_quadratically():
    potential = random_potential(seed=2)
    atoms = rocksalt()
    matrix = np.diag([2, 2, 2])
    assert margin(atoms, potential.cutoff) > 0.03
    exact = second_derivatives(atoms, potential).supercell_force_constants(matrix)
    scale, errors = np.abs(exact).max(), []
    for amplitude in (0.01, 0.001):
        ph = phonopy_of(atoms, matrix)
        ph.generate_displacements(distance=amplitude)
        cells = [
            Atoms(c.symbols, cell=c.cell, positions=c.positions, pbc=True) for c in ph.supercells_with_displacements
        ]
        ph.forces = np.array([r.forces_ev_per_a for r in potential.evaluate(cells)])
        ph.produce_force_constants(calculate_full_force_constants=False)
        errors.append(np.abs(ph.force_constants - exact).max() / scale)
    assert errors[0] < 1e-3
    assert errors[1] < 0.02 * errors[0] + 1e-9
