"""Energy, forces and stress: the fused kernels beside the torch paths, neighbour list excluded."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from _harness import Suite, best
from ase.build import bulk

import sus2
from sus2.native.arrays import Edges
from sus2.native.kernels import Kernel
from sus2.potential.backends.torch_sweep import Sweep
from sus2.potential.batch import build_batch
from sus2.potential.model import Sus2Model, energy_forces_virial
from sus2.potential.mtp import ModelSpec
from sus2.training.fit.config import TrainConfig
from sus2.training.fit.start import initial_spec

A0 = 5.43
LARGE_A = 6.62  # 55 neighbours in silicon that moves
SHAPES = (("l2k2", 6.0), ("l2k3", 6.0), ("l2k3", 7.6), ("l3k3", 6.0), ("l3k5", LARGE_A))


def shape(graph: str, cutoff: float) -> ModelSpec:
    """A model of this shape with random coefficients."""
    content = {"name": "x", "functional": "none", "elements": ["Si"], "graph": graph, "cutoff_a": cutoff}
    content |= {"radial_basis_size": 10, "scaling_map": "K"}
    config = TrainConfig.model_validate(content | {"sources": [{"kind": "nacl"}], "stages": [{"kind": "project"}]})
    start = initial_spec(config)
    return replace(start, moment_coeffs=np.random.default_rng(1).normal(size=len(start.mapping)))


def main() -> None:
    suite = Suite("kernels", "Energy, forces and stress, neighbour list excluded")
    universal = sus2.load("sus2-universal-pbe")
    models = [
        *((graph, shape(graph, r), ["Si"], A0, r) for graph, r in SHAPES),
        # The same shape with a readout of each element, in a cell of as many neighbours.
        (universal.name, universal.spec, universal.elements, A0 * universal.cutoff / LARGE_A, universal.cutoff),
    ]
    for graph, spec, elements, a, cutoff in models:
        atoms = bulk("Si", cubic=True, a=a) * (4, 4, 4)
        atoms.rattle(0.05, seed=1)
        batch = build_batch([atoms], elements, cutoff)
        edges = Edges.from_lists(
            batch.edge_i.numpy(), batch.edge_j.numpy(), batch.edge_vectors.numpy(), batch.species.numpy()
        )
        n = len(atoms)
        table = f"{graph}, {len(edges.j) / n:.0f} neighbours"
        model, sweep = Sus2Model(spec).requires_grad_(False), Sweep(spec)
        single_sweep = Sweep(spec, dtype=torch.float32)
        double, two = Kernel(spec, threads=1), Kernel(spec, threads=2)
        single = Kernel(spec, threads=1, single_precision=True)
        u, v, w = np.ones(n), np.ones((n, 3)), np.ones((n, 6))
        autograd = "torch model, autograd"
        for name, work, against in (
            (autograd, lambda: energy_forces_virial(model, batch), ""),  # noqa: B023
            ("torch reverse sweep", lambda: sweep.evaluate(edges), autograd),  # noqa: B023
            ("torch reverse sweep, float32", lambda: single_sweep.evaluate(edges), autograd),  # noqa: B023
            ("fused kernels", lambda: double.evaluate(edges), autograd),  # noqa: B023
            ("fused kernels, two threads", lambda: two.evaluate(edges), "fused kernels"),  # noqa: B023
            ("fused kernels, float32", lambda: single.evaluate(edges), autograd),  # noqa: B023
            ("gradient of a training loss", lambda: double.differentiate(edges, u, v, w), ""),  # noqa: B023
        ):
            clock = time.perf_counter if "two" in name else time.process_time
            suite.add(table, name, 1e6 / n * best(work, 9, clock=clock), "us/atom", size=n, against=against)
    suite.save()


if __name__ == "__main__":
    main()
