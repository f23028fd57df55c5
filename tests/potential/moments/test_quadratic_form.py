"""The quadratic form of moment graphs: the value of the table, from fewer multiplications."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sus2.errors import GraphError
from sus2.potential.moments.graph import (
    PRESETS,
    MomentGraph,
    evaluate_graph,
    graph,
    multiplications,
)
from sus2.potential.moments.quadratic_form import two_level
from sus2.potential.mtp import ModelSpec, read_mtp


@cache
def made(name: str) -> MomentGraph:
    return graph(name)


MODELS = ("alloy", "hh130", "m3gnet_l2k2", "m3gnet_l2k3", "perovskite", "solid_electrolytes")


@pytest.mark.parametrize("file", MODELS)
def test_head_of_published_graphs(shared: Path, file: str) -> None:
    spec = read_mtp(shared / "reference" / "models" / f"{file}.mtp")
    check_head(spec, 8)


# ---------------------------------------------------------------------------------------------- quadratic head


def check_head(g: MomentGraph | ModelSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    basic, theta = rng.normal(size=(5, len(g.basic))), rng.normal(size=len(g.mapping))
    head = two_level(g)
    scalars = evaluate_graph(g, basic)
    scale = np.abs(scalars).max(axis=0)
    assert np.max(np.abs(head.scalars(basic) - scalars) / scale) < 1e-12
    energy = scalars @ theta
    f = head.features(basic)
    assert f.shape == (5, head.feature_count)
    lin, q = head.matrix(theta)
    assert np.array_equal(q, q.T)
    np.testing.assert_allclose(f @ lin + np.einsum("ei,ij,ej->e", f, q, f), energy, rtol=1e-10)
    np.testing.assert_allclose(head.value(basic, theta), energy, rtol=1e-10)
    np.testing.assert_allclose(head.value(basic[0], theta), energy[0], rtol=1e-10)
    # the layout that kernels rely on
    assert np.array_equal(head.moment_of_feature[: head.basic_count], np.arange(len(g.basic)))
    assert np.all(np.diff(head.product_offsets) > 0)
    assert head.product_offsets[0] == 0
    assert head.product_offsets[-1] == len(head.products)
    assert np.all(head.products[:, 0] <= head.products[:, 1])
    assert head.products[:, :2].max() < head.basic_count
    assert len(np.unique(head.pairs, axis=0)) == len(head.pairs)
    assert np.all(head.pairs[:, 0] <= head.pairs[:, 1])
    assert np.all(np.diff(head.quadratic[:, 0]) >= 0)


@pytest.mark.parametrize("name", [*PRESETS, "full-l2k3", "full-l3k2"])
def test_head(name: str) -> None:
    check_head(made(name), 9)


@dataclass(frozen=True)
class Plain:
    basic: NDArray[np.int64]
    times: NDArray[np.int64]
    moments_count: int
    mapping: NDArray[np.int64]


def plain(times: list[tuple[int, int, int, int]], moments: int, mapping: list[int]) -> Plain:
    basic = np.array([(0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)])
    return Plain(basic, np.array(times, dtype=np.int64).reshape(-1, 4), moments, np.array(mapping))


def test_head_of_a_graph_in_odd_order() -> None:
    """Rows not stored by level, repeated products, a basic scalar, one named twice, levels mixed in a target."""
    g = plain(
        [
            (1, 0, 2, 4),  # 4 = 2 m0 m1 + 3 m0 m1 + m2^2
            (0, 1, 3, 4),
            (4, 0, 1, 6),  # 6 = m0 M4 - m1 m2 + 4 M5 M4
            (2, 2, 1, 3),
            (1, 2, -1, 6),
            (1, 1, 1, 5),
            (4, 5, 4, 6),
            (5, 5, 7, 7),  # no scalar
        ],
        8,
        [6, 0, 3, 6],
    )
    head = two_level(g)
    assert head.feature_count == 3 + 3
    m = np.array([1.3, -0.7, 0.4])
    m4, m5 = 5 * m[0] * m[1], m[1] ** 2
    big = m[0] * m4 - m[1] * m[2] + 4 * m5 * m4
    np.testing.assert_allclose(head.scalars(m), [big, m[0], m[2] ** 2, big], rtol=1e-14)
    theta = np.array([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(head.value(m, theta), evaluate_graph(g, m) @ theta, rtol=1e-14)


def test_head_without_products() -> None:
    head = two_level(plain([], 3, [2, 0]))
    assert head.scalars([1.0, 2.0, 3.0]).tolist() == [3.0, 1.0]
    assert head.value([1.0, 2.0, 3.0], [1.0, 5.0]) == 8.0


def test_refused_graphs() -> None:
    deep = [(0, 0, 1, 3), (3, 3, 1, 4), (4, 0, 1, 5)]
    with pytest.raises(GraphError, match="3 levels deep"):
        two_level(plain(deep, 6, [5]))
    assert two_level(plain(deep, 6, [4])).scalar_count == 1  # what no scalar needs does not matter
    with pytest.raises(GraphError, match="row 1 uses a moment before"):
        two_level(plain([(3, 0, 1, 4), (0, 0, 1, 3)], 5, [4]))
    with pytest.raises(GraphError, match="row 3 changes moment 3 after its use"):
        two_level(plain([(0, 0, 1, 3), (3, 0, 1, 4), (1, 1, 1, 3)], 5, [4]))
    with pytest.raises(GraphError, match="Scalar 2 names a moment that nothing computes"):
        two_level(plain([(0, 0, 1, 3)], 5, [3, 4]))


def test_wrong_shapes() -> None:
    head = two_level(made("l2k1"))
    with pytest.raises(GraphError, match="10 basic moments are needed, found 4"):
        head.features(np.ones(4))
    with pytest.raises(GraphError, match=r"theta must have shape \(14,\), found \(3,\)"):
        head.coefficients(np.ones(3))


def test_multiplications() -> None:
    g = replace(made("l2k1"), times=np.array([(0, 0, 1, 10), (0, 1, 2, 10)]), mapping=np.array([10]))
    assert multiplications(g) == 1 + 2 + 1
