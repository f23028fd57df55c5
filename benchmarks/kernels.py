"""Energy, forces and stress: the fused kernels beside the torch model, one thread, neighbour list excluded.

A calibration kernel (a matrix product) is timed in the same run, so that tables of different machines compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from ase.build import bulk

from sus2.batch import build_batch
from sus2.kernels import Edges, Kernel
from sus2.model import Sus2Model, energy_forces_virial
from sus2.training.config import TrainConfig
from sus2.training.fit import initial_spec


def best(work: Callable[[], object], repeats: int = 7) -> float:
    """Shortest of several runs, seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    torch.set_num_threads(1)
    matrix = np.random.default_rng(0).normal(size=(1024, 1024))
    print(f"calibration: {2 * 1024**3 / best(lambda: matrix @ matrix) / 1e9:.1f} GFLOP/s (numpy, 1024 x 1024)\n")
    print("| graph | neighbours | torch + autograd | kernels float64 | ratio | float32 | gradient of a loss |")
    print("|---|---|---|---|---|---|---|")
    for name, cutoff in (("l2k2", 6.0), ("l2k3", 6.0), ("l2k3", 7.6), ("l3k3", 6.0)):
        content = {"name": "x", "functional": "none", "elements": ["Si"], "graph": name, "cutoff_a": cutoff}
        content |= {"radial_basis_size": 10, "scaling_map": "K"}
        config = TrainConfig.model_validate(content | {"sources": [{"kind": "nacl"}], "stages": [{"kind": "project"}]})
        start = initial_spec(config)
        theta = np.random.default_rng(1).normal(size=len(start.mapping))
        spec = replace(start, moment_coeffs=theta)
        atoms = bulk("Si", cubic=True) * (4, 4, 4)
        atoms.rattle(0.05, seed=1)
        batch = build_batch([atoms], ["Si"], cutoff)
        edges = Edges.from_lists(
            batch.edge_i.numpy(), batch.edge_j.numpy(), batch.edge_vectors.numpy(), batch.species.numpy()
        )
        model = Sus2Model(spec).requires_grad_(False)
        n = len(atoms)
        double, single = Kernel(spec, threads=1), Kernel(spec, threads=1, single_precision=True)
        u, v, w = np.ones(n), np.ones((n, 3)), np.ones((n, 6))
        times = [
            1e6 / n * best(work)
            for work in (
                lambda: energy_forces_virial(model, batch),  # noqa: B023
                lambda: double.evaluate(edges),  # noqa: B023
                lambda: single.evaluate(edges),  # noqa: B023
                lambda: double.differentiate(edges, u, v, w),  # noqa: B023
            )
        ]
        print(
            f"| {name} | {len(edges.j) / n:.0f} | {times[0]:.1f} | {times[1]:.2f} | {times[0] / times[1]:.0f} | "
            f"{times[2]:.2f} | {times[3]:.2f} |"
        )
    print("\nTimes in microseconds for each atom.")


if __name__ == "__main__":
    main()
