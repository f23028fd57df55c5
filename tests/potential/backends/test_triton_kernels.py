"""The Triton kernels in Triton's interpreter on the CPU (and on a GPU where there is one) against the model."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import numpy as np
import pytest
import torch

from sus2.potential.backends.torch_sweep import Sweep
from tests.conftest import require
from tests.contract.test_contract import ELEMENTS
from tests.potential.backends.test_torch_sweep import CASES, edges_of, structures


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    if importlib.util.find_spec("triton") is None:
        require("Triton is not installed (it is built for Linux on x86-64 alone)")
    return importlib.import_module("sus2.potential.backends.triton_kernels")


@pytest.fixture
def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("name", CASES)
def test_equals_the_sweep(kernels: ModuleType, device: str, name: str) -> None:
    spec = CASES[name]()
    edges, _ = edges_of(spec, ELEMENTS, structures())
    found = kernels.TritonSweep(spec, device=device).evaluate(edges)
    for a, b in zip(found, Sweep(spec).evaluate(edges), strict=True):
        assert np.abs(a - b).max() <= 1e-12 * max(1.0, np.abs(b).max())


def test_single_precision(kernels: ModuleType, device: str) -> None:
    spec = CASES["deep"]()
    edges, _ = edges_of(spec, ELEMENTS, structures()[:2])
    found = kernels.TritonSweep(spec, device=device, dtype=torch.float32).evaluate(edges)
    for a, b in zip(found, Sweep(spec).evaluate(edges), strict=True):
        assert a.dtype == np.float64
        assert 0 < np.abs(a - b).max() < 3e-4


def test_without_edges(kernels: ModuleType, device: str) -> None:
    spec = CASES["deep"]()
    edges, _ = edges_of(spec, ELEMENTS, structures()[1:2])
    site, forces, virial = kernels.TritonSweep(spec, device=device).evaluate(edges)
    assert site == pytest.approx(Sweep(spec).evaluate(edges)[0])
    assert not forces.any()
    assert not virial.any()
