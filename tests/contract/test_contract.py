"""What every backend must do, whatever computes the numbers; and that they agree with the model's equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from sus2.native.build import available
from sus2.potential.batch import build_batch
from sus2.potential.card import Card
from sus2.potential.evaluation import Evaluation
from sus2.potential.model import Sus2Model, energy_forces_virial
from sus2.potential.moments.graph import graph
from sus2.potential.mtp import ModelSpec
from sus2.potential.potential import Potential
from sus2.testing import CONTRACT, SINGLE_PRECISION, Tolerances
from sus2.types import Array
from tests.conftest import require
from tests.helpers_spec import extended, random_spec

ELEMENTS = ("Ga", "As")


def two_level_spec(name: str = "l3k2", scaling_map: str = "LK") -> ModelSpec:
    """A random model on one of our own graphs."""
    moments = graph(name)
    base = random_spec(2, scaling_map=scaling_map, cutoff=4.3)
    rng = np.random.default_rng(3)
    m, size = moments.radial_funcs_count, 7
    k = {"K": moments.channels, "L": moments.max_rank + 1, "LK": m}[scaling_map]
    return replace(
        base,
        max_rank=moments.max_rank,
        radial_funcs_count=m,
        radial_basis_size=size,
        basic=moments.basic,
        times=moments.times,
        mapping=moments.mapping,
        moments_count=moments.moments_count,
        alpha=1.2 + 0.2 * rng.standard_normal((k, 2, 2)),
        r0=2.5 + 0.2 * rng.standard_normal((k, 2, 2)),
        radial_weights=rng.standard_normal((m, size)) / (1 + np.arange(size)),
        radial_species=np.ones((m, 2)),
        moment_coeffs=0.3 * rng.standard_normal(len(moments.mapping)),
    )


def by_model(spec: ModelSpec, structures: list[Atoms]) -> list[Evaluation]:
    """The equations as sus2.potential.model has them, differentiated by torch."""
    out = []
    for atoms in structures:
        batch = build_batch([atoms], ELEMENTS, spec.max_dist)
        site, forces, virial = energy_forces_virial(Sus2Model(spec), batch)
        stress = virial[0].numpy()[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / batch.volume.numpy()[0]
        out.append(Evaluation(float(site.sum()), site.numpy(), forces.numpy(), stress))
    return out


class TorchOnly(Potential):
    """The same potential without the compiled kernels."""

    kernel = None  # type: ignore[assignment]


def make(backend: str, spec: ModelSpec) -> Potential:
    card = Card(name="random", functional="none", elements=ELEMENTS)
    if backend.startswith("kernels"):
        if not available():
            require("there is no C++ compiler for the fused kernels")
        return Potential(spec, card, dtype=torch.float32 if backend.endswith("32") else torch.float64)
    if backend == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")
        return TorchOnly(spec, card, device="cuda")
    return TorchOnly(spec, card, dtype=torch.float32 if backend.endswith("32") else torch.float64)


BACKENDS = ["torch", "torch-float32", "kernels", "kernels-float32", "cuda"]
SPECS: dict[str, Callable[[], ModelSpec]] = {
    "deep": random_spec,
    "l3k2": two_level_spec,
    "deep, extended": lambda: extended(random_spec()),
    "l3k2, extended": lambda: extended(two_level_spec()),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SPECS)
def potential(backend: str, request: pytest.FixtureRequest) -> Potential:
    return make(backend, SPECS[request.param]())


@pytest.fixture
def tol(backend: str) -> float:
    return 3e-4 if backend.endswith("32") else 1e-10


def crystal(seed: int = 0) -> Atoms:
    atoms = bulk("GaAs", "zincblende", a=5.2) * (1, 2, 1)
    atoms.rattle(0.15, seed=seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * np.random.default_rng(seed).normal(size=(3, 3))), True)
    return atoms


def stress_tensor(voigt: Array) -> Array:
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.parametrize("law", CONTRACT)
def test_the_public_contract(potential: Potential, backend: str, law: str) -> None:
    exact = Tolerances(1e-10, 1e-10, 1e-10, force_slope_ev_per_a=1e-3, stress_slope_gpa=0.02, jump_ev=1e-3)
    single = replace(SINGLE_PRECISION, force_slope_ev_per_a=0.5, stress_slope_gpa=20.0, jump_ev=1e-3)
    CONTRACT[law](crystal(), potential, single if backend.endswith("32") else exact)


def test_the_crystal_of_the_contract_has_forces(potential: Potential) -> None:
    """Else nothing there is tested."""
    assert np.abs(potential.evaluate([crystal()])[0].forces_ev_per_a).max() > 0.1


def test_agrees_with_the_readable_model(potential: Potential, tol: float) -> None:
    structures = [crystal(1), Atoms("Ga", positions=[[0, 0, 0]]), crystal(2)]
    for a, b in zip(potential.evaluate(structures), by_model(potential.spec, structures), strict=True):
        assert a.energy_ev == pytest.approx(b.energy_ev, abs=tol)
        assert np.allclose(a.energies_ev, b.energies_ev, atol=tol)
        assert np.allclose(a.forces_ev_per_a, b.forces_ev_per_a, atol=tol)
        assert np.allclose(a.stress_ev_per_a3, b.stress_ev_per_a3, atol=tol, equal_nan=True)


def test_atoms_without_neighbours(potential: Potential) -> None:
    lone = Atoms("Ga", positions=[[0, 0, 0]])
    apart = Atoms("GaAs", positions=[[0, 0, 0], [50, 0, 0]], cell=[100, 100, 100], pbc=True)
    a, b = potential.evaluate([lone, apart])
    shift, scale = potential.spec.shift_coeffs, potential.spec.species_coeffs
    assert shift is not None
    assert scale is not None
    assert a.energy_ev == pytest.approx(shift[0] + scale[0], abs=1e-6)
    assert b.energy_ev == pytest.approx((shift + scale).sum(), abs=1e-6)
    assert np.all(a.forces_ev_per_a == 0)
    assert np.isnan(a.stress_ev_per_a3).all()
    assert np.all(b.stress_ev_per_a3 == 0)


@pytest.mark.parametrize("backend", ["torch", "kernels"])
@pytest.mark.parametrize("name", SPECS)
def test_forces_and_stress_are_gradients(backend: str, name: str) -> None:
    potential = make(backend, SPECS[name]())
    atoms, h = crystal(), 1e-4
    r = potential.evaluate([atoms])[0]
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(4, 3))
    strain = rng.normal(size=(3, 3))
    strain = strain + strain.T
    moved, strained = [], []
    for step in (-2, -1, 1, 2):
        a = atoms.copy()
        a.positions += step * h * direction
        moved.append(a)
        b = atoms.copy()
        b.set_cell(atoms.cell.array @ (np.eye(3) + step * h * strain), scale_atoms=True)
        strained.append(b)

    def slope(structures: list[Atoms]) -> float:
        e = [x.energy_ev for x in potential.evaluate(structures)]
        return float((e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h))

    assert slope(moved) == pytest.approx(-np.sum(r.forces_ev_per_a * direction), rel=1e-7)
    expected = np.sum(stress_tensor(r.stress_ev_per_a3) * strain) * atoms.get_volume()
    assert slope(strained) == pytest.approx(expected, rel=1e-7)


def test_smooth_at_the_cutoff(potential: Potential, tol: float) -> None:
    """Energy and force of a pair vanish at the cutoff, the force like the distance to the power p - 1."""
    rc, p = potential.cutoff, potential.spec.envelope_power
    pairs = [Atoms("GaAs", positions=[[0, 0, 0], [rc + d, 0, 0]]) for d in (-2e-3, -1e-3, 0.0, 1e-3)]
    alone = potential.evaluate([Atoms("Ga", positions=[[0, 0, 0]]), Atoms("As", positions=[[0, 0, 0]])])
    free = alone[0].energy_ev + alone[1].energy_ev
    r = potential.evaluate(pairs)
    force = [abs(x.forces_ev_per_a).max() for x in r]
    for inside in r[:2]:
        assert inside.energy_ev == pytest.approx(free, abs=1e-5 + tol)
    for outside, f in zip(r[2:], force[2:], strict=True):
        assert outside.energy_ev == pytest.approx(free, abs=1e-12)
        assert f == 0.0
    assert 0 < force[1] < force[0] < 0.1
    if not str(potential.dtype).endswith("32"):
        assert force[0] / force[1] == pytest.approx(2.0 ** (p - 1), rel=0.02)


def test_calculator_gives_the_same_numbers(potential: Potential) -> None:
    atoms = crystal()
    r = potential.evaluate([atoms])[0]
    atoms.calc = potential.calculator()
    assert atoms.get_potential_energy() == r.energy_ev
    assert np.array_equal(atoms.get_forces(), r.forces_ev_per_a)
    assert np.array_equal(atoms.get_stress(), r.stress_ev_per_a3)
    atoms.positions[0, 0] += 0.1
    assert atoms.get_potential_energy() != r.energy_ev
