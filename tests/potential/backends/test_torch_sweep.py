"""The reverse sweep in torch against the model's equations differentiated by torch, and against the fused kernels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.native.arrays import Edges
from sus2.potential.backends.torch_sweep import Sweep, blocks
from sus2.potential.batch import build_batch
from sus2.potential.model import Sus2Model, energy_forces_virial
from sus2.potential.mtp import ModelSpec, read_mtp
from sus2.potential.packed import pack_structures
from sus2.potential.potential import Potential
from tests.contract.test_contract import ELEMENTS, SPECS, TorchOnly, crystal, make, two_level_spec

CASES = {
    "deep": SPECS["deep"],
    "l3k2-LK": SPECS["l3k2"],
    "l2k3-K": lambda: two_level_spec("l2k3", "K"),
    "l2k2-L": lambda: two_level_spec("l2k2", "L"),
}


def structures() -> list[Atoms]:
    lone = Atoms("Ga", positions=[[0, 0, 0]])
    chain = Atoms("GaAs", positions=[[0, 0, 0], [1.9, 0.4, 0]], cell=[3.9, 0, 0], pbc=[True, False, False])
    return [crystal(1), lone, crystal(2) * (2, 1, 1), chain]


def edges_of(spec: ModelSpec, elements: tuple[str, ...], atoms: list[Atoms]) -> tuple[Edges, object]:
    b = build_batch(atoms, elements, spec.max_dist)
    return Edges.from_lists(b.edge_i.numpy(), b.edge_j.numpy(), b.edge_vectors.numpy(), b.species.numpy()), b


def compare(spec: ModelSpec, elements: tuple[str, ...], atoms: list[Atoms], limit: float, **options: int) -> None:
    edges, batch = edges_of(spec, elements, atoms)
    site, forces, virial = Sweep(spec).evaluate(edges, **options)
    expected = energy_forces_virial(Sus2Model(spec), batch)  # type: ignore[arg-type]
    starts = np.cumsum([0, *map(len, atoms)])[:-1]
    voigt = expected[2].numpy()[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    pairs = ((site, expected[0]), (forces, expected[1]), (np.add.reduceat(virial, starts), voigt))
    for found, wanted in pairs:
        wanted = np.asarray(wanted)
        assert np.abs(found - wanted).max() <= limit * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("max_edges", [1, 37, 100_000])
def test_equals_the_model(name: str, max_edges: int) -> None:
    compare(CASES[name](), ELEMENTS, structures(), 1e-12, max_edges=max_edges)


@pytest.mark.parametrize("name", ["si-mlearn-pbe", "sus2-universal-pbe"])
def test_equals_the_model_for_shipped_potentials(name: str) -> None:
    potential = sus2.load(name)
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    # Terms of trained potentials cancel each other, which costs a digit.
    compare(potential.spec, potential.elements, [atoms, bulk("Si", a=5.0)], 1e-11)


def test_equals_the_model_for_published_potentials(shared: Path) -> None:
    for path in sorted((shared / "reference" / "models").glob("*.mtp")):
        spec = read_mtp(path)
        names = tuple(["Si", "O", "Ga", "As"][: spec.species_count])
        elements = names + ("X",) * (spec.species_count - len(names))
        atoms = bulk(names[0], "diamond", a=5.43, cubic=True)
        atoms.rattle(0.05, seed=1)
        atoms.symbols[0] = names[-1]
        # Shifts reach -6000 eV per atom: 1e-12 of that.
        compare(spec, elements, [atoms], 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_potential_without_kernels_is_the_potential_with_them(name: str) -> None:
    spec = CASES[name]()
    expected = make("kernels", spec).evaluate(structures())
    for a, b in zip(make("torch", spec).evaluate(structures()), expected, strict=True):
        assert a.energy_ev == pytest.approx(b.energy_ev, abs=1e-11)
        assert np.allclose(a.forces_ev_per_a, b.forces_ev_per_a, rtol=0, atol=1e-11)
        assert np.allclose(a.stress_ev_per_a3, b.stress_ev_per_a3, rtol=0, atol=1e-12, equal_nan=True)


def test_repulsion_without_kernels() -> None:
    """A potential with its wall, in several chunks: the same from torch and from the kernels."""
    potential = sus2.load("sus2-universal-pbe")
    assert potential.repulsion is not None
    torch_only = TorchOnly(potential.spec, potential.card)
    silicon = potential.elements.index("Si")
    bond = 0.9 * potential.repulsion.reach_a[silicon, silicon]
    close = [bulk("Si", a=4 / np.sqrt(3) * bond), bulk("NaCl", "rocksalt", a=3.6), bulk("Si", a=5.4)]
    free = Potential(potential.spec, potential.card)
    free.__dict__["repulsion"] = None
    assert abs(free.evaluate(close)[0].energy_ev - potential.evaluate(close)[0].energy_ev) > 1e-3
    for a, b in zip(torch_only.evaluate(close, max_edges=100), potential.evaluate(close), strict=True):
        assert a.energy_ev == pytest.approx(b.energy_ev, abs=1e-9)
        assert np.allclose(a.forces_ev_per_a, b.forces_ev_per_a, rtol=0, atol=1e-9)
        assert np.allclose(a.stress_ev_per_a3, b.stress_ev_per_a3, rtol=0, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu(name: str) -> None:
    spec = CASES[name]()
    edges, _ = edges_of(spec, ELEMENTS, structures())
    for dtype, limit in ((torch.float64, 1e-11), (torch.float32, 3e-4)):
        found = Sweep(spec, device="cuda", dtype=dtype).evaluate(edges)
        for a, b in zip(found, Sweep(spec).evaluate(edges), strict=True):
            assert np.abs(a - b).max() < limit


def test_blocks_hold_to_the_limit() -> None:
    counts = np.random.default_rng(0).integers(0, 50, 1000)
    found = blocks(counts, 300)
    assert found[0][0] == 0
    assert found[-1][1] == 1000
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(end == begin + 1 or (end - begin) * counts[begin:end].max() <= 300 for begin, end in found)
    assert len(found) < 350
    assert blocks(np.zeros(0, dtype=np.int64), 10) == []


def test_single_precision_sums_in_double() -> None:
    p = pack_structures([crystal(1)], ELEMENTS)
    spec = SPECS["deep"]()
    single = make("torch-float32", spec).compute(p)
    for a, b in zip(single, make("torch", spec).compute(p), strict=True):
        assert a.dtype == np.float64
        assert 0 < np.abs(a - b).max() < 3e-4
