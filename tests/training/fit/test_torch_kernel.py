"""The torch path of training: equal to the compiled kernels, on every device that there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from sus2.errors import GraphError, Sus2Error
from sus2.native.arrays import Edges, ParameterGradient
from sus2.native.kernels import Kernel
from sus2.potential.mtp import ModelSpec
from sus2.training.fit import objective as objective_module
from sus2.training.fit import torch_kernel
from sus2.training.fit.config import TrainConfig, read_config
from sus2.training.fit.objective import Device, Objective
from sus2.training.fit.optimise import Prior, total
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import fit
from sus2.training.fit.start import initial_spec
from sus2.training.fit.torch_kernel import TorchKernel, device_of, padded
from tests.helpers_spec import extended, random_spec
from tests.training.fit.small_sets import ELEMENTS, config_file, labelled

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def model(graph: str, scaling_map: Literal["K", "L", "LK"]) -> ModelSpec:
    """Random numbers everywhere."""
    config = TrainConfig.model_validate(
        {
            "name": "x",
            "functional": "none",
            "elements": ELEMENTS,
            "graph": graph,
            "cutoff_a": 4.0,
            "radial_basis_size": 6,
            "scaling_map": scaling_map,
            "sources": [{"kind": "nacl"}],
            "stages": [{"kind": "project"}],
        }
    )
    start, rng = initial_spec(config), np.random.default_rng(3)
    assert start.alpha is not None
    assert start.r0 is not None
    return replace(
        start,
        alpha=start.alpha * rng.uniform(0.8, 1.2, start.alpha.shape),
        r0=start.r0 + rng.normal(scale=0.1, size=start.r0.shape),
        radial_species=rng.uniform(0.8, 1.2, (6, 2))[np.zeros(start.radial_funcs_count, dtype=int)],
        species_coeffs=np.array([0.8, 1.3]),
        moment_coeffs=rng.normal(size=len(start.mapping)),
        shift_coeffs=np.array([-1.0, -2.0]),
    )


def assert_equal(found: ParameterGradient, expected: ParameterGradient, tolerance: float) -> None:
    assert (found.neighbour is None) == (expected.neighbour is None)
    names = ("alpha", "r0", "weights", "pair", "species", "theta") + ("neighbour",) * (found.neighbour is not None)
    for name in names:
        a, b = getattr(found, name), getattr(expected, name)
        assert a.shape == b.shape
        assert a == pytest.approx(b, rel=0.0, abs=tolerance * np.abs(b).max()), name


@pytest.mark.parametrize("graph", ["l2k2", "l3k1"])
@pytest.mark.parametrize("scaling_map", ["K", "L", "LK"])
@pytest.mark.parametrize("form", ["published", "extended"])
def test_equal_to_the_compiled_kernels(
    graph: str, scaling_map: Literal["K", "L", "LK"], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = model(graph, scaling_map)
    spec = extended(spec) if form == "extended" else spec
    edges = Objective(labelled(6), ELEMENTS, 4.0, threads=1).edges
    monkeypatch.setattr(torch_kernel, "EDGES_PER_BLOCK_CPU", 100)  # several blocks of atoms
    table = padded(edges, 4.0, torch.device("cpu"))
    assert len(table) > 2
    n, rng = len(edges.types), np.random.default_rng(4)
    rates = rng.normal(size=n), rng.normal(size=(n, 3)), rng.normal(size=(n, 6))
    compiled, here = Kernel(spec, threads=1), TorchKernel(spec)
    for a, b in zip(here.evaluate(table, n), compiled.evaluate(edges), strict=True):
        assert a == pytest.approx(b, rel=1e-11, abs=1e-11)
    assert_equal(here.differentiate(table, *rates), compiled.differentiate(edges, *rates), 1e-12)


def test_atoms_without_neighbours() -> None:
    spec = model("l2k1", "K")
    none = np.zeros(0, dtype=np.int64)
    edges = Edges.from_lists(none, none, np.zeros((0, 3)), np.array([0, 1, 1]))
    table = padded(edges, 4.0, torch.device("cpu"))
    rates = np.ones(3), np.ones((3, 3)), np.ones((3, 6))
    kernel = TorchKernel(spec)
    site, forces, virial = kernel.evaluate(table, 3)
    assert site == pytest.approx(Kernel(spec, threads=1).evaluate(edges)[0])
    assert not forces.any()
    assert not virial.any()
    assert_equal(kernel.differentiate(table, *rates), Kernel(spec, threads=1).differentiate(edges, *rates), 1e-12)


def loss_and_gradient(spec: ModelSpec, device: Device) -> tuple[float, np.ndarray]:
    space = ParameterSpace(spec)
    part = Objective(labelled(8), ELEMENTS, 4.0, threads=1, device=device)
    return total(space, [part], space.pack(spec), Prior.none(space))


def test_a_training_step_is_the_same_through_torch() -> None:
    spec = model("l2k2", "LK")
    loss, gradient = loss_and_gradient(spec, "cpu")
    other, same = loss_and_gradient(spec, "torch")
    assert other == pytest.approx(loss, rel=1e-10)
    assert same == pytest.approx(gradient, rel=0.0, abs=1e-10 * np.abs(gradient).max())


@needs_cuda
def test_a_training_step_is_the_same_on_a_gpu() -> None:
    spec = model("l2k2", "LK")
    loss, gradient = loss_and_gradient(spec, "cpu")
    other, same = loss_and_gradient(spec, "cuda")
    assert other == pytest.approx(loss, rel=1e-10)
    assert same == pytest.approx(gradient, rel=0.0, abs=1e-10 * np.abs(gradient).max())


def test_where_nothing_can_be_compiled_training_goes_through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = model("l2k1", "K")
    expected = loss_and_gradient(spec, "cpu")
    monkeypatch.setattr(objective_module, "available", lambda: False)
    monkeypatch.setattr(objective_module.Objective, "kernel", None)
    loss, gradient = loss_and_gradient(spec, "cpu")
    assert loss == pytest.approx(expected[0], rel=1e-10)
    assert gradient == pytest.approx(expected[1], rel=0.0, abs=1e-10 * np.abs(expected[1]).max())


def test_a_run_through_torch_ends_like_one_through_the_kernels(tmp_path: Path) -> None:
    folder = tmp_path
    stages = [{"kind": "project"}, {"kind": "adam", "epochs": 2}]
    config = read_config(config_file(folder, stages=stages))
    one = fit(config, folder=folder / "kernels", threads=1)
    torch_config = config.model_copy(update={"device": "torch"})
    two = fit(torch_config, folder=folder / "torch", threads=1)
    assert two.spec.moment_coeffs == pytest.approx(one.spec.moment_coeffs, rel=1e-6)
    assert two.errors["train"].energy_mae_mev_per_atom == pytest.approx(one.errors["train"].energy_mae_mev_per_atom)


def test_a_missing_gpu_and_a_deep_graph_are_told() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(Sus2Error, match="no CUDA device for training here; set 'device: cpu'"):
            device_of("cuda")
    with pytest.raises(GraphError, match="levels deep"):
        TorchKernel(random_spec(2))
