"""Second derivatives of the scalars along moves: the compiled and the torch way, and differences of energies."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import sus2
from sus2.derivatives.readout import ReadoutBasis, Sites, strain_moves
from sus2.native.build import available
from sus2.native.neighbours import neighbours
from sus2.structures import sample

needs_kernels = pytest.mark.skipif(not available(), reason="no compiled kernels")


@pytest.fixture(params=["sus2-universal-pbe", "si-mlearn-pbe"])
def basis(request: pytest.FixtureRequest) -> ReadoutBasis:
    potential = sus2.load(request.param)
    rng = np.random.default_rng(5)
    return ReadoutBasis(potential, rng.normal(size=(len(potential.spec.mapping), 3)))


def crystal(basis: ReadoutBasis) -> Atoms:
    atoms = sample("tio2" if "Ti" in basis.potential.elements else "si").atoms()
    atoms.rattle(0.03, seed=2)
    return atoms


def sites_by_torch(basis: ReadoutBasis, atoms: Atoms, sites: Sites) -> Sites:
    return basis._sites_by_torch(neighbours(atoms, basis.potential.cutoff), sites.types)


@needs_kernels
def test_compiled_jets_are_those_of_torch(basis: ReadoutBasis) -> None:
    atoms = crystal(basis)
    found = basis.sites(atoms)
    wanted = sites_by_torch(basis, atoms, found)
    for name in ("moments", "first", "second"):
        value = getattr(wanted, name)
        np.testing.assert_allclose(getattr(found, name), value, rtol=0.0, atol=1e-13 * np.abs(value).max())


@needs_kernels
@pytest.mark.parametrize("waves", [False, True])
@pytest.mark.parametrize("count", [1, 16, 21])
def test_compiled_curvatures_are_those_of_numpy(basis: ReadoutBasis, waves: bool, count: int) -> None:
    sites = basis.sites(crystal(basis))
    rng = np.random.default_rng(1)
    moves = rng.normal(size=(count, len(sites.edge_i), 3))
    if waves:
        moves = moves + 1j * rng.normal(size=moves.shape)
    kinds = np.unique(sites.types, return_inverse=True)[1]
    found, wanted = (one(sites, kinds, moves) for one in (basis._curvatures_by_kernel, basis._curvatures))
    np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-12 * np.abs(wanted).max())


def test_curvatures_are_differences_of_energies(basis: ReadoutBasis) -> None:
    atoms = crystal(basis)
    sites = basis.sites(atoms)
    found = basis.curvatures(sites, strain_moves(sites.vector))[:3].sum(axis=1)  # (3, R), strains along the axes
    step = 1e-3
    for axis in range(3):
        energies = []
        for sign in (-1.0, 0.0, 1.0):
            stretch = np.eye(3)
            stretch[axis, axis] += sign * step
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ stretch, scale_atoms=True)
            energies.append(basis.energies([strained])[0].sum(axis=0))
        wanted = (energies[0] - 2.0 * energies[1] + energies[2]) / step**2
        np.testing.assert_allclose(found[axis], wanted, rtol=2e-4, atol=2e-4 * np.abs(wanted).max())
