"""The moment graph: invariance, independence, counts and the table of products."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import special_ortho_group

from sus2.errors import GraphError
from sus2.potential.moments.contractions import Contraction, all_contractions, independent, same_channel_contractions
from sus2.potential.moments.graph import (
    PRESETS,
    MomentGraph,
    basic_moments,
    evaluate_graph,
    graph,
    moment_graph,
    multiplications,
)
from sus2.potential.moments.quadratic_form import graph_levels, two_level
from sus2.potential.mtp import ModelSpec, format_mtp, parse_mtp, read_mtp
from sus2.types import Array, Index


@cache
def made(name: str) -> MomentGraph:
    return graph(name)


COUNTS = {
    "l2k1": 14,
    "l2k2": 62,
    "l2k3": 175,
    "l3k1": 23,
    "l3k2": 109,
    "l3k3": 322,
    "full-l2k1": 19,
    "full-l2k2": 117,
    "full-l2k3": 410,
    "full-l3k1": 39,
    "full-l3k2": 300,
    "full-l3k3": 1175,
}

RULES = ("same-channel", "all")

PRIME = 2_147_483_647


def environments(radial_funcs: int, count: int, seed: int, neighbours: int = 24) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    n = rng.normal(size=(count, neighbours, 3))
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    return n, rng.normal(size=(count, neighbours, radial_funcs)) / np.sqrt(neighbours)


def descriptors(g: MomentGraph | ModelSpec, n: Array, radial: Array) -> Array:
    return evaluate_graph(g, basic_moments(g.basic, n, radial))


def rank(columns: Array) -> int:
    s = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), compute_uv=False)
    return int(np.count_nonzero(s > 1e-10 * s[0]))


def rank_modulo(table: Index) -> int:
    """Rank over the integers modulo PRIME, by elimination: exact, no tolerance."""
    a = table.copy() % PRIME
    found = 0
    for column in range(a.shape[1]):
        candidates = np.flatnonzero(a[found:, column])
        if not len(candidates):
            continue
        a[[found, found + candidates[0]]] = a[[found + candidates[0], found]]
        a[found] = a[found] * pow(int(a[found, column]), -1, PRIME) % PRIME
        below = a[found + 1 :, column].copy()
        a[found + 1 :] = (a[found + 1 :] - below[:, None] * a[found]) % PRIME
        found += 1
        if found == len(a):
            break
    return found


def spec_of(g: MomentGraph) -> ModelSpec:
    return ModelSpec(
        potential_name="x",
        scaling=1.0,
        max_rank=g.max_rank,
        scaling_map="K",
        species_count=1,
        potential_tag="",
        radial_basis_type="RBChebyshev_sss",
        min_dist=1.0,
        max_dist=5.0,
        radial_basis_size=8,
        radial_funcs_count=g.radial_funcs_count,
        e0=None,
        moments_count=g.moments_count,
        basic=g.basic,
        times=g.times,
        mapping=g.mapping,
    )


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_counts(name: str, count: int) -> None:
    g = made(name)
    assert len(g.mapping) == len(g.contractions) == count
    assert len(set(g.contractions)) == len(set(g.formulas)) == len(set(g.mapping.tolist())) == count
    assert g.tensor_counts.max() == 4
    assert max(c.body_order for c in g.contractions) == 5


@pytest.mark.parametrize("name", [*PRESETS, "full-l3k2"])
def test_full_rank_on_random_environments(name: str) -> None:
    g = made(name)
    count = len(g.mapping)
    assert rank(descriptors(g, *environments(g.radial_funcs_count, 2 * count + 20, 1))) == count


@pytest.mark.parametrize("name", ["l2k2", "l2k3", "l3k2", "full-l2k2", "full-l3k1"])
def test_full_rank_exactly(name: str) -> None:
    g = made(name)
    count = len(g.mapping)
    m = np.zeros((g.moments_count, count + 5), dtype=np.int64)
    m[: len(g.basic)] = np.random.default_rng(0).integers(0, PRIME, size=(len(g.basic), count + 5))
    for p, q, factor, t in g.times:
        m[t] = (m[t] + factor * (m[p] * m[q] % PRIME)) % PRIME
    assert rank_modulo(m[g.mapping].T) == count


def test_no_relation_for_any_number_of_channels() -> None:
    # A scalar has at most four tensors, so four channels contain every pattern of equal and distinct ones.
    scalars = all_contractions(3, 4)
    assert independent(scalars) == scalars


def test_dependent_scalars_are_dropped() -> None:
    # (1_a x 1_a):(1_b x 1_b) is (1_a . 1_b)^2 written with another order of its tensors.
    a, b = (1, 0), (1, 1)
    square = Contraction((a, b, a, b), (1, 0, 0, 0, 0, 1))
    mixed = Contraction((a, b, a, b), (0, 0, 1, 1, 0, 0))
    other = Contraction((a, b, a, b), (0, 1, 0, 0, 1, 0))
    assert independent([square, mixed, other]) == [square, other]


@pytest.mark.parametrize("name", [*PRESETS, "full-l3k2"])
def test_invariance(name: str) -> None:
    g = made(name)
    n, radial = environments(g.radial_funcs_count, 6, 2)
    reference = descriptors(g, n, radial)
    scale = np.abs(reference).max(axis=0)
    turn = special_ortho_group.rvs(3, random_state=3)
    order = np.random.default_rng(4).permutation(n.shape[1])
    for changed in (
        descriptors(g, n @ turn.T, radial),
        descriptors(g, -n @ turn.T, radial),
        descriptors(g, n[:, order], radial[:, order]),
    ):
        assert np.max(np.abs(changed - reference) / scale) < 1e-10


@pytest.mark.parametrize("name", ["l2k2", "l3k2", "full-l3k2"])
def test_table_equals_the_contractions(name: str) -> None:
    """The table of products against full tensors summed as the formulas say."""
    g = made(name)
    n, radial = environments(g.radial_funcs_count, 3, 5, neighbours=6)
    dense = {}
    for rank_, k in product(range(g.max_rank + 1), range(g.channels)):
        tensor = radial[:, :, k * (g.max_rank + 1) + rank_]
        for _ in range(rank_):
            tensor = np.einsum("EN...,ENx->EN...x", tensor, n)
        dense[rank_, k] = tensor.sum(axis=1)
    direct = np.stack(
        [
            np.einsum(",".join("Z" + i for i in c.indices) + "->Z", *(dense[t] for t in c.tensors), optimize=True)
            for c in g.contractions
        ],
        axis=1,
    )
    np.testing.assert_allclose(descriptors(g, n, radial), direct, rtol=1e-10, atol=1e-12)


@given(st.integers(0, 3), st.integers(1, 2), st.integers(1, 4), st.sampled_from(RULES), st.integers(0, 2**32 - 1))
def test_any_size(max_rank: int, channels: int, max_tensors: int, rule: str, seed: int) -> None:
    g = moment_graph(max_rank, channels, max_tensors, rule=rule)
    # smaller numbers of tensors are a part of larger ones, and same-channel is a part of all
    assert g.contractions == tuple(
        c for c in moment_graph(max_rank, channels, rule=rule).contractions if len(c.tensors) <= max_tensors
    )
    assert set(g.contractions) <= set(all_contractions(max_rank, channels))
    # rows in order: by level, every factor complete before its first use, rows of a target together
    level = graph_levels(g)
    assert level.max() <= 2
    assert np.all(np.diff(g.times[:, 3]) >= 0)
    assert np.all(np.diff(level) >= 0)
    assert np.all(g.times[:, :2] < g.times[:, 3:])
    assert np.all(g.times[:, 2] != 0)
    assert len(np.unique(g.times[:, [0, 1, 3]], axis=0)) == len(g.times)
    # every moment that is computed is used
    needed = set(g.mapping.tolist()) | set(g.times[:, :2].ravel().tolist())
    assert set(range(len(g.basic), g.moments_count)) <= needed
    # head equals rows
    rng = np.random.default_rng(seed)
    basic, theta = rng.normal(size=(3, len(g.basic))), rng.normal(size=len(g.mapping))
    head = two_level(g)
    scalars = evaluate_graph(g, basic)
    np.testing.assert_allclose(head.scalars(basic), scalars, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(head.value(basic, theta), scalars @ theta, rtol=1e-9, atol=1e-9)


def test_graphs_do_not_share_their_arrays() -> None:
    first = graph("l2k1")
    first.times[:] = 0
    assert np.all(graph("l2k1").times[:, 2] != 0)


@pytest.mark.parametrize("name", PRESETS)
def test_file_round_trip(name: str) -> None:
    g = made(name)
    back = parse_mtp(format_mtp(spec_of(g)))
    for key in ("basic", "times", "mapping"):
        assert np.array_equal(getattr(back, key), getattr(g, key))
    assert back.moments_count == g.moments_count


def test_formula() -> None:
    g = made("l2k1")
    assert g.formulas[0] == "M(0,0)"
    assert "M(0,1)_i M(0,1)_j M(0,2)_ij" in g.formulas
    assert "M(0,2)_ij M(0,2)_ik M(0,2)_jl M(0,2)_kl" in g.formulas
    products = [c for c in g.contractions if c.components == 2 and len(c.tensors) == 2]
    assert [c.formula for c in products] == ["M(0,0) M(0,0)"]


def test_trace_is_a_moment_of_lower_rank() -> None:
    """The reason for leaving out self-contractions: sum_x M(k,2)_xx = sum_j R_mu(r_ij)."""
    g = made("l2k1")
    n, radial = environments(g.radial_funcs_count, 4, 6)
    m = basic_moments(g.basic, n, radial)
    diagonal = [i for i, (mu, *powers) in enumerate(g.basic) if mu == 2 and max(powers) == 2]
    assert len(diagonal) == 3
    np.testing.assert_allclose(m[:, diagonal].sum(axis=1), radial[:, :, 2].sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["l2k9", "l7k2", "l2k0", "l6k1"])
def test_size_out_of_range(name: str) -> None:
    with pytest.raises(GraphError, match="max_rank"):
        graph(name)


def test_bad_arguments() -> None:
    with pytest.raises(GraphError, match="no moment graph 'big'"):
        graph("big")
    with pytest.raises(GraphError, match="tensors"):
        moment_graph(2, 2, 5)
    with pytest.raises(GraphError, match="rule"):
        moment_graph(2, 2, rule="some")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- published graphs


@pytest.mark.parametrize(
    ("file", "name", "published_rank"),
    [("m3gnet_l2k2", "l2k2", 59), ("m3gnet_l2k3", "l2k3", 169), ("perovskite", "l3k3", 310)],
)
def test_published_basis_lies_within_ours(shared: Path, file: str, name: str, published_rank: int) -> None:
    spec, g = read_mtp(shared / "reference" / "models" / f"{file}.mtp"), made(name)
    assert len(spec.mapping) == len(g.mapping)
    assert np.array_equal(spec.basic, g.basic)
    n, radial = environments(g.radial_funcs_count, 2 * len(g.mapping) + 100, 7)
    ours, theirs = descriptors(g, n, radial), descriptors(spec, n, radial)
    assert rank(theirs) == published_rank
    assert rank(np.hstack([ours, theirs])) == len(g.mapping)
    q = np.linalg.qr(ours)[0]
    left = theirs - q @ (q.T @ theirs)
    assert np.max(np.linalg.norm(left, axis=0) / np.linalg.norm(theirs, axis=0)) < 1e-10
    assert multiplications(g) < multiplications(spec)


@pytest.mark.parametrize(("max_rank", "channels"), [(2, 2), (3, 2), (4, 1)])
def test_same_channel_scalars_are_independent(max_rank: int, channels: int) -> None:
    scalars = same_channel_contractions(max_rank, channels)
    assert independent(scalars) == scalars
