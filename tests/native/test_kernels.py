"""The fused kernels: parameter gradient, threads, precision, and what happens without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

from sus2.derivatives.second_order import second_derivatives
from sus2.native.arrays import Edges
from sus2.native.build import available
from sus2.native.kernels import Kernel
from sus2.potential.batch import build_batch
from sus2.potential.card import Card
from sus2.potential.model import Sus2Model
from sus2.potential.potential import Potential
from sus2.potential.scalars import scalars
from tests.conftest import require
from tests.contract.test_contract import ELEMENTS, SPECS, crystal
from tests.helpers_spec import random_spec

SCRIPT = """
from tests.contract.test_contract import ELEMENTS, crystal
from tests.helpers_spec import random_spec
from sus2.potential.potential import Potential
from sus2.registry.load import Card
p = Potential(random_spec(), Card(name="x", functional="none", elements=ELEMENTS))
print(p.backend, repr(p.evaluate([crystal()])[0].energy_ev))
"""


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not available():
        require("there is no C++ compiler for the fused kernels")


def edges_of(seed: int = 0, copies: int = 3) -> tuple[Edges, list[int]]:
    structures = [crystal(seed + k) * (1, 1, 2) for k in range(copies)]
    b = build_batch(structures, ("Ga", "As"), 4.3)
    edges = Edges.from_lists(b.edge_i.numpy(), b.edge_j.numpy(), b.edge_vectors.numpy(), b.species.numpy())
    return edges, b.system.tolist()


@pytest.mark.parametrize("name", SPECS)
def test_parameter_gradient_is_that_of_double_backward(name: str) -> None:
    spec = SPECS[name]()
    edges, system = edges_of()
    rng = np.random.default_rng(1)
    n = len(edges.types)
    u, velocity, strain = rng.normal(size=n), rng.normal(size=(n, 3)), rng.normal(size=(3, 6))[system]
    found = Kernel(spec, threads=1).differentiate(edges, u, velocity, strain)

    model = Sus2Model(spec)
    i = np.repeat(np.arange(n), np.diff(edges.first))
    tensor = strain[i][:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(-1, 3, 3)
    rates = velocity[edges.j] - velocity[i] + np.einsum("exy,ey->ex", tensor, edges.vectors)
    vectors = torch.tensor(edges.vectors, requires_grad=True)
    types = torch.tensor(edges.types)
    site = model.site_energies(vectors, torch.tensor(i), torch.tensor(edges.j), types)
    (slope,) = torch.autograd.grad(site.sum(), vectors, create_graph=True)
    value = torch.tensor(u) @ (site - model.shift[types]) + (slope * torch.tensor(rates)).sum()
    by = [model.alpha, model.r0, model.weights, model.pair_factor, model.species_coeffs, model.theta]
    got = [found.alpha, found.r0, found.weights, found.pair, found.species, found.theta]
    if model.neighbour is not None:
        assert found.neighbour is not None
        by.append(model.neighbour)
        got.append(found.neighbour)
    wanted = torch.autograd.grad(value, by)
    for a, b in zip(wanted, got, strict=True):
        assert np.allclose(a.numpy(), b, rtol=0, atol=1e-12 * np.abs(b).max())


def test_threads_agree_and_runs_repeat() -> None:
    spec = random_spec()
    edges, _ = edges_of(copies=40)
    one = Kernel(spec, threads=1).evaluate(edges)
    for threads in (1, 2, 3):
        kernel = Kernel(spec, threads=threads)
        first, second = kernel.evaluate(edges), kernel.evaluate(edges)
        for a, b, c in zip(one, first, second, strict=True):
            assert np.array_equal(b, c)
            assert np.allclose(a, b, atol=1e-12)


def test_single_precision_is_close() -> None:
    edges, _ = edges_of()
    spec = random_spec()
    for a, b in zip(Kernel(spec).evaluate(edges), Kernel(spec, single_precision=True).evaluate(edges), strict=True):
        assert 0 < np.abs(a - b).max() < 3e-4


def test_wrong_shapes_are_refused() -> None:
    edges, _ = edges_of()
    n = len(edges.types)
    with pytest.raises(ValueError, match="do not fit"):
        Kernel(random_spec()).differentiate(edges, np.zeros(n), np.zeros((n, 2)), np.zeros((n, 6)))


def run(root: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_fall_back_without_a_compiler(root: Path, tmp_path: Path) -> None:
    backend, energy = run(root)
    assert backend == "kernels"
    for environment in (
        {"SUS2_KERNELS": "off"},
        {"CXX": "/nowhere/g++", "SUS2_CACHE": str(tmp_path)},
        {"CXX": "false", "SUS2_CACHE": str(tmp_path)},
    ):
        other, value = run(root, **environment)
        assert other == "torch"
        assert float(value) == pytest.approx(float(energy), abs=1e-10)


def test_a_damaged_library_is_built_again(root: Path, tmp_path: Path) -> None:
    assert run(root, SUS2_CACHE=str(tmp_path))[0] == "kernels"
    (library,) = (tmp_path / "kernels").glob("*.so")
    library.write_bytes(b"damaged")
    assert run(root, SUS2_CACHE=str(tmp_path))[0] == "kernels"


def test_a_cache_that_cannot_be_written(root: Path) -> None:
    assert run(root, SUS2_CACHE="/proc/nowhere")[0] == "torch"


def test_gallium_arsenide_neighbours_are_those_of_the_cell() -> None:
    b = build_batch([bulk("GaAs", "zincblende", a=5.65)], ("Ga", "As"), 2.5)
    edges = Edges.from_lists(b.edge_i.numpy(), b.edge_j.numpy(), b.edge_vectors.numpy(), b.species.numpy())
    assert np.diff(edges.first).tolist() == [4, 4]


class TorchOnly(Potential):
    """The same potential without the compiled kernels."""

    kernel = None  # type: ignore[assignment]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("threads", [1, 3])
def test_second_derivatives_are_those_of_the_torch_path(name: str, threads: int) -> None:
    card = Card(name="random", functional="none", elements=ELEMENTS)
    spec, atoms = SPECS[name](), crystal()
    fast = Potential(spec, card)
    fast.__dict__["kernel"] = Kernel(spec, threads=threads)
    found, expected = second_derivatives(atoms, fast), second_derivatives(atoms, TorchOnly(spec, card))
    assert found.local.packed is not None
    assert expected.local.packed is None
    for part in ("site_energies", "gradient", "jacobian", "head", "curvature"):
        a, b = getattr(found.local, part).numpy(), getattr(expected.local, part).numpy()
        assert np.abs(a - b).max() < 1e-12 * max(1.0, np.abs(b).max()), part
    for quantity in ("gamma_hessian_ev_per_a2", "internal_strain_ev_per_a", "stress_ev_per_a3", "_response"):
        a, b = getattr(found, quantity), getattr(expected, quantity)
        assert np.abs(a - b).max() < 1e-11 * max(1.0, np.abs(b).max()), quantity


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("threads", [1, 3])
def test_scalars_are_those_of_the_torch_path(name: str, threads: int) -> None:
    card = Card(name="random", functional="none", elements=ELEMENTS)
    spec, structures = SPECS[name](), [crystal() * (2, 2, 1), crystal(1)]
    fast = Potential(spec, card)
    fast.__dict__["kernel"] = Kernel(spec, threads=threads)
    found, expected = scalars(fast, structures), scalars(TorchOnly(spec, card), structures)
    assert found.shape == (sum(map(len, structures)), len(spec.mapping))
    assert np.abs(found - expected).max() < 1e-12 * max(1.0, np.abs(expected).max())
    assert scalars(fast, []).shape == (0, len(spec.mapping))
