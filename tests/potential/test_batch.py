"""Neighbour lists and batches against ASE, in cells of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from sus2.errors import StructureError, UnknownElementError
from sus2.native.neighbours import neighbours
from sus2.potential.batch import build_batch, pack
from sus2.types import Array, Index

TWO = [[0, 0, 0], [0.3, 0.6, 0.1]]
LEFT_HANDED = Atoms("NaCl", scaled_positions=TWO, cell=[[0, 4, 0], [4, 0, 0], [0, 0, 4]], pbc=True)
SKEWED = Atoms("Si2", scaled_positions=TWO, cell=[[3, 0, 0], [5.5, 2.5, 0], [1, -4, 2.8]], pbc=True)
OUTSIDE = Atoms("Si", positions=[[37.0, -12.0, 5.0]], cell=[3, 3, 3], pbc=True)
CASES = {
    "one atom": bulk("Cu"),
    "left-handed": LEFT_HANDED,
    "skewed": SKEWED,
    "outside the cell": OUTSIDE,
    "slab": fcc111("Al", (2, 2, 2), vacuum=5.0),
    "wire": Atoms("C2", positions=[[0, 0, 0], [1.3, 0, 0]], cell=[2.6, 0, 0], pbc=[True, False, False]),
    "molecule": molecule("C2H6"),
    "molecule in a box": Atoms("H2", positions=[[0, 0, 0], [0.74, 0, 0]], cell=[2, 2, 2], pbc=False),
}


Edge = tuple[int, int, tuple[float, ...]]


def ordered(i: Index, j: Index, vector: Array) -> list[Edge]:
    return sorted((int(a), int(b), tuple(v.round(6) + 0.0)) for a, b, v in zip(i, j, vector, strict=True))


def edges(atoms: Atoms, cutoff: float) -> list[Edge]:
    n = neighbours(atoms, cutoff)
    return ordered(n.index_i, n.index_j, n.vector)


def edges_of_ase(atoms: Atoms, cutoff: float) -> list[Edge]:
    return ordered(*neighbor_list("ijD", atoms, cutoff))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cutoff", [2.7, 6.1])
def test_edges_are_those_of_ase(name: str, cutoff: float) -> None:
    assert edges(CASES[name], cutoff) == edges_of_ase(CASES[name], cutoff)


@settings(max_examples=40)
@given(
    st.lists(st.floats(-6, 6), min_size=9, max_size=9),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(1, 4),
    st.integers(0, 10**6),
)
def test_edges_in_random_cells(numbers: list[float], pbc: list[bool], n: int, seed: int) -> None:
    cell = np.array(numbers).reshape(3, 3)
    lengths = np.linalg.norm(cell, axis=1)
    if lengths.min() < 1.5 or abs(np.linalg.det(cell)) < 0.1 * np.prod(lengths):
        return
    positions = np.random.default_rng(seed).uniform(-8, 8, (n, 3))
    atoms = Atoms(f"Si{n}", positions=positions, cell=cell, pbc=pbc)
    assert edges(atoms, 4.05) == edges_of_ase(atoms, 4.05)


def test_vectors_follow_from_indices_and_shifts() -> None:
    n = neighbours(SKEWED, 5.0)
    expected = SKEWED.positions[n.index_j] - SKEWED.positions[n.index_i] + n.shift @ SKEWED.cell.array
    assert np.allclose(n.vector, expected, atol=1e-12)
    assert np.all(np.diff(n.index_i) >= 0)


def test_a_batch_is_its_structures_one_after_another() -> None:
    structures = [CASES["left-handed"], Atoms("Cl", positions=[[0, 0, 0]]), CASES["left-handed"] * (1, 1, 2)]
    batch = build_batch(structures, ["Na", "Cl"], 4.5)
    assert batch.n_atoms == (2, 1, 4)
    assert batch.system.tolist() == [0, 0, 1, 2, 2, 2, 2]
    assert bool((batch.system[batch.edge_i] == batch.system[batch.edge_j]).all())
    assert np.isnan(batch.volume[1].item())
    assert float(batch.edge_vectors.norm(dim=1).max()) < 4.5


def test_packing_keeps_the_order_and_the_limit() -> None:
    lists = [neighbours(a, 5.0) for a in CASES.values()]
    groups = list(pack(lists, 200))
    assert [k for part, _ in groups for k in range(part.start, part.stop)] == list(range(len(lists)))
    assert all(len(g) == 1 or sum(len(n.index_i) for n in g) <= 200 for _, g in groups)


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms("Si", positions=[[np.nan, 0, 0]], cell=[3, 3, 3], pbc=True), "not finite"),
        (Atoms("Si", cell=[[3, 0, 0], [3, 0, 0], [0, 0, 3]], pbc=True), "no volume"),
        (Atoms("Si", cell=[3, 3, 0], pbc=True), "no lattice vector"),
    ],
)
def test_cells_that_cannot_be(atoms: Atoms, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        neighbours(atoms, 5.0)


def test_nothing_to_evaluate() -> None:
    with pytest.raises(StructureError, match="no structure"):
        build_batch([], ["Si"], 5.0)
    with pytest.raises(StructureError, match="no atoms"):
        build_batch([Atoms()], ["Si"], 5.0)
    with pytest.raises(UnknownElementError, match="Cu"):
        build_batch([bulk("Cu")], ["Si"], 5.0)
