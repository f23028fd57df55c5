"""Small random potentials for tests: a hand-written moment graph, no data needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sus2.potential.card import Card
from sus2.potential.mtp import ModelSpec
from sus2.potential.potential import Potential


def random_spec(species: int = 2, *, cutoff: float = 4.0, seed: int = 0, scaling_map: str = "K") -> ModelSpec:
    """Rank 2, two radial channels, products three levels deep (deeper than the published graphs).

    Basic moments per channel: 1 of rank 0, 3 of rank 1, 6 of rank 2. Scalars: both rank-0 moments s_k and their
    product, v0.v0, v0.v1, T0:T0, T0:T1, v0.T1.v0 and s0 (v0.T1.v0).
    """
    rng = np.random.default_rng(seed)
    powers = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    powers += [(2, 0, 0), (0, 2, 0), (0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    basic = np.array([(3 * k + sum(p), *p) for k in range(2) for p in powers])
    times: list[tuple[int, int, int, int]] = []
    top = len(basic)

    def new() -> int:
        nonlocal top
        top += 1
        return top - 1

    def dot(a: int, b: int, multipliers: list[int]) -> int:
        target = new()
        times.extend((a + k, b + k, m, target) for k, m in enumerate(multipliers))
        return target

    s0, v0, t0, s1, v1, t1 = 0, 1, 4, 10, 11, 14
    rank2 = [1, 1, 1, 2, 2, 2]
    product = new()
    times.append((s0, s1, 1, product))
    scalars = [s0, s1, product]
    scalars += [dot(v0, v0, [1, 1, 1]), dot(v0, v1, [1, 1, 1]), dot(t0, t0, rank2), dot(t0, t1, rank2)]
    place = {(0, 0): 0, (1, 1): 1, (2, 2): 2, (1, 2): 3, (0, 2): 4, (0, 1): 5}
    tv = [new() for _ in range(3)]
    for a in range(3):
        times += [(t1 + place[min(a, b), max(a, b)], v0 + b, 1, tv[a]) for b in range(3)]
    vtv = new()
    times += [(v0 + a, tv[a], 1, vtv) for a in range(3)]
    deep = new()
    times.append((s0, vtv, 1, deep))
    scalars += [vtv, deep]

    size, funcs = 6, 6
    blocks = {"K": 2, "L": 3, "LK": 6}[scaling_map]
    alpha = 1.5 + 0.3 * rng.standard_normal((blocks, species, species))
    return ModelSpec(
        potential_name="random",
        scaling=0.05,
        max_rank=2,
        scaling_map=scaling_map,
        species_count=species,  # type: ignore[arg-type]
        potential_tag="",
        radial_basis_type="RBChebyshev_sss",
        min_dist=1.0,
        max_dist=cutoff,
        radial_basis_size=size,
        radial_funcs_count=funcs,
        e0=None,
        moments_count=top,
        basic=basic,
        times=np.array(times),
        mapping=np.array(scalars),
        shift_coeffs=rng.standard_normal(species),
        alpha=alpha,
        r0=2.4 + 0.2 * rng.standard_normal((blocks, species, species)),
        radial_weights=rng.standard_normal((funcs, size)) / (1 + np.arange(size)),
        radial_species=np.tile(1.0 + 0.2 * rng.standard_normal(species), (funcs, 1)),
        species_coeffs=1.0 + 0.2 * rng.standard_normal(species),
        moment_coeffs=0.5 * rng.standard_normal(len(scalars)),
    )


def extended(spec: ModelSpec, seed: int = 7) -> ModelSpec:
    """The same shape with a readout of each element, amplitudes by the neighbour's element and a cubic envelope."""
    rng = np.random.default_rng(seed)
    c, scalars = spec.species_count, len(spec.mapping)
    return replace(
        spec,
        moment_coeffs=spec.readout + 0.3 * rng.standard_normal((c, scalars)),
        envelope_power=3,
        neighbour_coeffs=1.0 + 0.3 * rng.standard_normal((spec.radial_funcs_count, c)),
        scaling=0.7 * spec.scaling,
    )


def random_potential(elements: tuple[str, ...] = ("Na", "Cl"), **options: object) -> Potential:
    """A ready potential of random_spec."""
    spec = random_spec(len(elements), **options)  # type: ignore[arg-type]
    return Potential(spec, Card(name="random", functional="none", elements=elements))
