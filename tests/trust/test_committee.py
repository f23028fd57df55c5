"""What a committee says to first order is what potentials with its readouts say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from sus2.derivatives.readout import ReadoutBasis
from sus2.derivatives.second_order import second_derivatives
from sus2.potential.potential import Potential
from sus2.properties.eos.equations import fit_eos
from sus2.registry.load import load_moments
from sus2.structures import standardise
from sus2.structures.samples import sample
from sus2.trust.committee import Committee, birch_murnaghan
from sus2.trust.members import Members, members_of, write_members
from sus2.units import EV_PER_A3_TO_GPA


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return load_moments("si-mlearn-pbe")


def _with_readout(potential: Potential, theta: np.ndarray) -> Potential:
    return Potential(replace(potential.spec, moment_coeffs=theta), potential.card)


def _one(potential: Potential, change: np.ndarray) -> Committee:
    kinds = len(potential.elements)
    members = Members("", change[:, None], np.ones((1, kinds, 1)))
    return Committee(ReadoutBasis(potential, members.basis), members)


def _crystal() -> Atoms:
    atoms = standardise(sample("si").atoms(), "primitive")
    atoms.rattle(0.02, seed=3)
    return atoms


def test_energies_are_those_of_the_changed_readout(silicon: Potential) -> None:
    theta = np.asarray(silicon.spec.moment_coeffs)
    change = 1e-3 * theta * np.random.default_rng(0).normal(size=theta.shape)
    structures = [_crystal(), _crystal().repeat((2, 1, 1))]
    told = _one(silicon, change).energies_ev(structures)[0]
    changed = _with_readout(silicon, theta + change)
    for k, atoms in enumerate(structures):
        true = changed.evaluate([atoms])[0].energy_ev - silicon.evaluate([atoms])[0].energy_ev
        assert told[k] == pytest.approx(true, rel=1e-8)


def test_elastic_constants_and_frequencies_change_as_told(silicon: Potential) -> None:
    theta = np.asarray(silicon.spec.moment_coeffs)
    change = 1e-7 * theta * np.random.default_rng(1).normal(size=theta.shape)
    atoms = standardise(sample("si").atoms(), "primitive")
    committee = _one(silicon, change)
    second, changed = (second_derivatives(atoms, p) for p in (silicon, _with_readout(silicon, theta + change)))
    told = committee.elastic_gpa(second)[0]
    true = changed.relaxed_elastic.energy_gpa - second.relaxed_elastic.energy_gpa
    assert np.abs(told - true).max() < 2e-3 * np.abs(true).max()
    q = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.11, 0.23, 0.37]])
    moved = committee.frequencies_thz(atoms, q, second.modes(q))[0]
    expected = changed.frequencies_thz(q) - second.frequencies_thz(q)
    # At Gamma the translations are left out; elsewhere single modes change to first order.
    assert np.abs(moved[2] - expected[2]).max() < 1e-2 * np.abs(expected[2]).max() + 1e-9
    assert moved[0][3:].mean() == pytest.approx(expected[0][3:].mean(), rel=1e-2)
    assert np.abs(moved[0][:3]).max() == 0.0


def test_fit_is_that_of_the_equation_of_state(silicon: Potential) -> None:
    atoms = standardise(sample("si").atoms(), "primitive")
    volumes = float(atoms.get_volume()) * np.linspace(0.94, 1.06, 11)
    structures = []
    for v in volumes:
        a = atoms.copy()
        a.set_cell(atoms.cell.array * (v / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
        structures.append(a)
    energies = np.array([r.energy_ev for r in silicon.evaluate(structures)])
    fit = fit_eos(volumes, energies)
    v0, b0, prime, e0 = birch_murnaghan(volumes, energies)
    assert v0 == pytest.approx(fit.v0_a3, rel=1e-5)
    assert b0 * EV_PER_A3_TO_GPA == pytest.approx(fit.b0_gpa, rel=1e-3)
    assert prime == pytest.approx(fit.b0_prime, rel=1e-2)
    assert e0 == pytest.approx(fit.e0_ev, abs=1e-6)
    theta = np.asarray(silicon.spec.moment_coeffs)
    change = 1e-4 * theta * np.random.default_rng(2).normal(size=theta.shape)
    told = _one(silicon, change).eos(volumes, energies, structures)
    other = _with_readout(silicon, theta + change).evaluate(structures)
    true = birch_murnaghan(volumes, np.array([r.energy_ev for r in other])) - np.array([v0, b0, prime, e0])
    assert told.v0_a3[0] == pytest.approx(true[0], rel=2e-2)
    assert told.b0_gpa[0] == pytest.approx(true[1] * EV_PER_A3_TO_GPA, rel=0.15)
    assert _one(silicon, change).volume_percent(structures[5])[0] == pytest.approx(100 * true[0] / v0, rel=0.1)


def test_members_of_other_weights_are_not_taken(tmp_path, monkeypatch, silicon: Potential) -> None:
    path = tmp_path / "members.npz"
    rng = np.random.default_rng(0)
    scalars = len(silicon.spec.mapping)
    made = Members(silicon.card.sha256, rng.normal(size=(scalars, 3)), rng.normal(size=(4, 1, 3)))
    write_members(path, made)
    monkeypatch.setattr("sus2.trust.members.members_path", lambda name: path)
    found = members_of(silicon)
    assert found is not None
    assert np.allclose(found.weights, made.weights, rtol=1e-3, atol=1e-6)
    assert np.allclose(found.basis, made.basis, rtol=2e-3, atol=1e-3 * np.abs(made.basis).max())
    write_members(path, replace(made, weights_sha256="other"))
    assert members_of(silicon) is None
    path.write_bytes(b"nonsense")
    with pytest.raises(Exception, match="damaged"):
        members_of(silicon)
