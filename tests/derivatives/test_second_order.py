"""Exact second derivatives against autograd in supercells, finite differences, phonopy and symmetry."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import get_supercell

from sus2.derivatives.elastic_tensors import tensor_to_voigt, voigt_to_tensor
from sus2.derivatives.second_order import SecondDerivatives, second_derivatives
from sus2.derivatives.supercell import supercell_matrix_of
from sus2.errors import Sus2Error, UnknownElementError
from sus2.potential.batch import build_batch
from sus2.potential.potential import Potential
from sus2.registry.load import load
from sus2.types import Array, ComplexArray
from sus2.units import EV_PER_A3_TO_GPA
from tests.derivatives.crystals import (
    SYNTHETIC,
    energy_gradient,
    margin,
    phonopy_of,
    rocksalt,
    slope,
    strain_of,
    triclinic,
)
from tests.helpers_spec import random_potential

Q = np.array([[0.0, 0.0, 0.0], [0.13, -0.21, 0.37], [0.5, 0.0, 0.25], [1.21, 0.4, -0.7]])


def published(shared, name: str) -> Potential:
    models = json.loads((shared / "reference" / "models.json").read_text())
    path = shared / "reference" / "models" / f"{name}.mtp"
    return load(path, elements=models[name]["elements"], functional="PBE")


def supercell_of(atoms: Atoms, matrix: list[list[int]]) -> Atoms:
    cell = PhonopyAtoms(symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array, positions=atoms.positions)
    big = get_supercell(cell, matrix)
    return Atoms(big.symbols, cell=big.cell, positions=big.positions, pbc=True)


def autograd_hessian(atoms: Atoms, potential: Potential) -> Array:
    """(M, M, 3, 3) by reverse-over-reverse differentiation of the model: nothing shared with the code under test."""
    batch = build_batch([atoms], potential.elements, potential.cutoff)

    def energy(x: torch.Tensor) -> torch.Tensor:
        vectors = x[batch.edge_j] - x[batch.edge_i] + batch.edge_offset
        return potential.model.site_energies(vectors, batch.edge_i, batch.edge_j, batch.species).sum()

    return torch.autograd.functional.hessian(energy, batch.positions.clone()).numpy().transpose(0, 2, 1, 3)


@pytest.fixture(scope="module", params=list(SYNTHETIC))
def case(request) -> tuple[Atoms, Potential, list[list[int]], SecondDerivatives]:
    atoms, potential, matrix = SYNTHETIC[request.param]()
    return atoms, potential, matrix, second_derivatives(atoms, potential)


def test_folded_force_constants_are_the_autograd_hessian_of_the_supercell(case):
    atoms, potential, matrix, second = case
    exact = autograd_hessian(supercell_of(atoms, matrix), potential)
    ours = second.supercell_force_constants(matrix, full=True)
    assert np.abs(ours - exact).max() < 1e-12 * np.abs(exact).max()


def test_dynamical_matrix_is_that_of_phonopy_at_commensurate_q(case):
    atoms, potential, matrix, second = case
    sites = second.supercell_force_constants(matrix)
    assert sites.shape[0] == len(atoms)
    exact = autograd_hessian(supercell_of(atoms, matrix), potential)
    ph = phonopy_of(atoms, matrix)
    ph.force_constants = exact
    q = np.array([[0, 0, 0], [1, 0, 0], [1, 1, -1]]) @ np.linalg.inv(np.array(matrix, dtype=float))
    theirs = np.array([phonopy_matrix(ph, x) for x in q])
    assert np.abs(second.dynamical_matrix(q) - theirs).max() < 1e-10 * np.abs(theirs).max()


def phonopy_matrix(ph: Phonopy, q: Array) -> ComplexArray:
    return ph.run_qpoints([q], with_dynamical_matrices=True).dynamical_matrices[0]


def test_first_derivatives_agree_with_the_potential(case):
    atoms, potential, _, second = case
    reference = potential.evaluate([atoms])[0]
    assert second.energy_ev == pytest.approx(reference.energy_ev, abs=1e-10)
    np.testing.assert_allclose(second.forces_ev_per_a, reference.forces_ev_per_a, atol=1e-11)
    np.testing.assert_allclose(second.stress_ev_per_a3, reference.stress_ev_per_a3, atol=1e-12)


def test_sum_rule_and_symmetries(case):
    *_, second = case
    phi, lattice = second.force_constants_ev_per_a2, second.lattice_vectors
    scale = np.abs(phi).max()
    assert np.abs(phi.sum(axis=(0, 2))).max() < 1e-10 * scale
    total = phi.sum(axis=0).transpose(0, 2, 1, 3).reshape(second.gamma_hessian_ev_per_a2.shape)
    assert np.abs(second.gamma_hessian_ev_per_a2 - total).max() < 1e-12 * scale
    place = {tuple(r): k for k, r in enumerate(lattice)}
    opposite = np.array([place[tuple(-r)] for r in lattice])
    assert np.abs(phi - phi[opposite].transpose(0, 2, 1, 4, 3)).max() < 1e-12 * scale
    d = second.dynamical_matrix(Q)
    assert np.abs(d - d.conj().transpose(0, 2, 1)).max() < 1e-15 * np.abs(d).max()
    # A reciprocal lattice vector changes phases only.
    np.testing.assert_allclose(second.frequencies_thz(Q), second.frequencies_thz(Q + np.array([1, -2, 0])), atol=1e-5)
    assert np.abs(second.frequencies_thz([[0, 0, 0]])).min() < 1e-4


def test_force_constants_end_at_twice_the_cutoff(case):
    atoms, potential, _, second = case
    x = atoms.positions
    between = second.lattice_vectors @ atoms.cell.array
    distance = np.linalg.norm(between[:, None, None] + x[None, None] - x[None, :, None], axis=-1)
    size = np.abs(second.force_constants_ev_per_a2).max(axis=(3, 4))
    assert (size[distance >= 2 * potential.cutoff] == 0).all()
    assert size[distance < potential.cutoff].max() > 0


def test_elastic_and_internal_strain_against_finite_strain(case):
    atoms, potential, _, second = case
    h = 1e-4
    assert margin(atoms, potential.cutoff) > 3.1 * h * potential.cutoff, "a shell crosses the cutoff: choose another"
    volume = atoms.get_volume()
    energy, measured = np.zeros((6, 6)), np.zeros((6, 6))
    internal = np.zeros((len(atoms), 3, 6))
    for v in range(6):
        e = strain_of(v)
        gradient = slope(lambda x, e=e: energy_gradient(atoms, potential, np.eye(3) + x * e), h)
        energy[:, v] = [np.tensordot(gradient, strain_of(w)) / volume for w in range(6)]

        def strained(x: float, e: NDArray = e) -> Atoms:
            new = atoms.copy()
            new.set_cell(atoms.cell.array @ (np.eye(3) + x * e), scale_atoms=True)
            return new

        def response(x: float, f: Callable = strained) -> NDArray:
            result = potential.evaluate([f(x)])[0]
            return np.concatenate([result.stress_ev_per_a3, result.forces_ev_per_a.ravel()])

        both = slope(response, h)
        measured[:, v] = both[:6]
        internal[:, :, v] = -both[6:].reshape(-1, 3)
    clamped = second.clamped_elastic
    scale = np.abs(energy).max()
    assert np.abs(clamped.energy_gpa / EV_PER_A3_TO_GPA - energy).max() < 1e-6 * scale
    assert np.abs(clamped.stress_strain_gpa / EV_PER_A3_TO_GPA - measured).max() < 1e-6 * scale
    ours = second.internal_strain_ev_per_a.reshape(-1, 3, 6)
    assert np.abs(ours - internal).max() < 1e-6 * max(np.abs(internal).max(), scale)


def test_rotation_origin_and_supercell_do_not_matter():
    atoms, potential, _ = SYNTHETIC["triclinic"]()
    atoms = atoms[:7]
    second = second_derivatives(atoms, potential)
    reference, c = second.frequencies_thz(Q), second.clamped_elastic.energy_gpa
    rotation, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))
    rotation *= np.linalg.det(rotation)
    turned = Atoms(atoms.symbols, cell=atoms.cell.array @ rotation.T, positions=atoms.positions @ rotation.T, pbc=True)
    other = second_derivatives(turned, potential)
    np.testing.assert_allclose(other.frequencies_thz(Q)[1:], reference[1:], atol=1e-8)
    r = rotation
    rotated = tensor_to_voigt(np.einsum("ai,bj,ck,dl,ijkl->abcd", r, r, r, r, voigt_to_tensor(c)))
    np.testing.assert_allclose(other.clamped_elastic.energy_gpa, rotated, atol=1e-10 * np.abs(c).max())

    moved = atoms.copy()
    moved.positions += [0.3, -1.7, 9.1]
    moved.wrap()
    other = second_derivatives(moved, potential)
    np.testing.assert_allclose(other.frequencies_thz(Q)[1:], reference[1:], atol=1e-8)

    big = make_supercell(atoms, [[1, 1, 0], [0, 2, 0], [0, 0, 1]])  # rows are its lattice vectors
    other = second_derivatives(big, potential)
    np.testing.assert_allclose(other.clamped_elastic.energy_gpa, c, atol=1e-10 * np.abs(c).max())
    # Its zone centre holds the q that its two cells resolve: those with (1, 1, 0) q and (0, 2, 0) q whole.
    both = np.sort(second.frequencies_thz([[0.5, 0.5, 0.0], [0, 0, 0]]).ravel())
    np.testing.assert_allclose(np.sort(other.frequencies_thz([[0, 0, 0]]).ravel()), both, atol=1e-5)


def test_an_atom_without_neighbours_and_a_single_site():
    potential = random_potential(("Na",), cutoff=4.0)
    second = second_derivatives(Atoms("Na", cell=[9, 9, 9], pbc=True), potential)
    assert np.abs(second.force_constants_ev_per_a2).max() == 0
    assert np.abs(second.frequencies_thz(Q)).max() == 0
    assert np.abs(second.relaxed_elastic.energy_gpa).max() == 0


def test_float32_potentials_give_float64_derivatives():
    one = random_potential()
    two = Potential(one.spec, one.card, dtype=torch.float32)
    a, b = (second_derivatives(rocksalt(), p).force_constants_ev_per_a2 for p in (one, two))
    assert b.dtype == np.float64
    np.testing.assert_array_equal(a, b)


def test_wrong_input_is_refused_in_a_sentence():
    potential = random_potential()
    box = molecule("NaCl")
    with pytest.raises(Sus2Error):
        second_derivatives(box, potential)
    slab = rocksalt()
    slab.pbc = [True, True, False]
    with pytest.raises(Sus2Error, match="periodic in three"):
        second_derivatives(slab, potential)
    with pytest.raises(UnknownElementError):
        second_derivatives(bulk("Cu"), potential)
    second = second_derivatives(rocksalt(), potential)
    with pytest.raises(Sus2Error, match="finite"):
        second.dynamical_matrix([[np.nan, 0, 0]])
    with pytest.raises(Sus2Error, match="whole numbers"):
        second.supercell_force_constants([1.5, 1, 1])
    with pytest.raises(Sus2Error, match="direction"):
        second.sound_speeds([[0, 0, 0]])


def test_input_is_not_modified():
    atoms = rocksalt()
    before = atoms.copy()
    second_derivatives(atoms, random_potential()).modes(Q)
    assert atoms == before


PUBLISHED = [
    ("alloy", bulk("Si", "diamond", a=5.47), [[2, 0, 0], [0, 2, 0], [0, 0, 1]]),
    ("solid_electrolytes", bulk("LiCl", "rocksalt", a=5.1), [[2, 0, 0], [0, 1, 0], [0, 0, 1]]),
    (
        "perovskite",
        Atoms(
            "SrTiO3",
            cell=[3.94, 3.96, 4.01],
            pbc=True,
            scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.52], [0.5, 0.5, 0], [0.5, 0, 0.49], [0, 0.5, 0.5]],
        ),
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ),
    ("alloy", triclinic(["Cu", "Al", "Ni"], 22, 7, volume=13.0), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
]


@pytest.mark.parametrize(("name", "atoms", "matrix"), PUBLISHED, ids=["Si", "LiCl", "SrTiO3", "triclinic-22"])
def test_published_potentials_against_autograd(shared, name, atoms, matrix):
    potential = published(shared, name)
    second = second_derivatives(atoms, potential)
    supercell = supercell_of(atoms, matrix)
    exact = autograd_hessian(supercell, potential)
    full = second.supercell_force_constants(matrix, full=True)
    assert np.abs(full - exact).max() < 1e-12 * np.abs(exact).max()
    ph = phonopy_of(atoms, matrix)
    ph.force_constants = second.supercell_force_constants(matrix)
    q = np.array([1, 1, 0]) @ np.linalg.inv(np.array(matrix, dtype=float))
    theirs = phonopy_matrix(ph, q)
    assert np.abs(second.dynamical_matrix(q)[0] - theirs).max() < 1e-10 * np.abs(theirs).max()
    assert np.abs(second.force_constants_ev_per_a2.sum(axis=(0, 2))).max() < 1e-10 * np.abs(exact).max()


def test_supercell_matrices_with_negative_entries_fold_right():
    atoms, potential, _ = SYNTHETIC["polar"]()
    atoms.rattle(0.05, seed=1)
    matrix = [[1, -1, 0], [1, 1, 0], [0, -1, 2]]
    assert np.linalg.det(supercell_matrix_of(matrix)) > 1
    exact = autograd_hessian(supercell_of(atoms, matrix), potential)
    ours = second_derivatives(atoms, potential).supercell_force_constants(matrix, full=True)
    assert np.abs(ours - exact).max() < 1e-12 * np.abs(exact).max()
