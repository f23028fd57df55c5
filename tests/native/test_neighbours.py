"""The compiled neighbour search against vesin, many structures in one call, and memory limits that change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sus2.errors import StructureError, UnknownElementError
from sus2.native import kernels
from sus2.native.arrays import Edges, Structures
from sus2.native.build import available
from sus2.native.neighbours import Neighbours, _complete, by_vesin, find_edges, neighbours
from sus2.potential.packed import determinants, pack_structures
from sus2.potential.potential import Potential
from sus2.types import Array
from tests.conftest import require
from tests.contract.test_contract import ELEMENTS, SPECS, crystal, make

CUTOFF = 4.05
Rows = list[tuple[int, ...]]


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not available():
        require("there is no C++ compiler for the fused kernels")


def rows(n: Neighbours, cutoff: float) -> Rows:
    """Edges as integers, those at the cutoff itself (where rounding decides) left out."""
    inside = np.linalg.norm(n.vector, axis=1) < cutoff * (1 - 1e-9)
    table = np.column_stack([n.index_i, n.index_j, n.shift])[inside]
    return [tuple(int(x) for x in row) for row in table[np.lexsort(table.T)]]


def part_of(structures: Structures, begin: int, end: int) -> Structures:
    """Structures begin..end alone."""
    s = structures
    atoms = slice(s.first[begin], s.first[end])
    return Structures(
        s.first[begin : end + 1] - s.first[begin],
        s.positions[atoms],
        s.cells[begin:end],
        s.periodic[begin:end],
        s.types[atoms],
    )


def search(structures: Structures, k: int, method: int) -> Neighbours:
    first, j, shift, vector = find_edges(part_of(structures, k, k + 1), CUTOFF, method=method)
    return Neighbours(np.repeat(np.arange(len(first) - 1), np.diff(first)), j, shift.astype(np.int64), vector)


def packed(atoms: Atoms) -> Structures:
    return pack_structures([atoms], ["Si"])


@st.composite
def cells(draw: st.DrawFn) -> Atoms:
    """Tiny, flat, skewed and left-handed cells with one to five atoms anywhere, periodic in any directions."""
    scale = draw(st.sampled_from([1.6, 4.0, 9.0]))
    skewed = np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3)
    # Without the axes nearly all cells that are drawn first are singular.
    cell = (skewed + draw(st.sampled_from([1.0, -1.0])) * np.eye(3)) * scale
    cell[draw(st.integers(0, 2))] *= draw(st.sampled_from([1.0, 1.0, 0.4, 4.0]))
    cell[1] += draw(st.sampled_from([0.0, 0.0, 3.0])) * cell[0]
    n = draw(st.integers(1, 5))
    positions = np.random.default_rng(draw(st.integers(0, 10**6))).uniform(-8, 8, (n, 3))
    pbc = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    return Atoms(f"Si{n}", positions=positions, cell=cell, pbc=pbc)


def sound(atoms: Atoms) -> bool:
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    volume = abs(np.linalg.det(atoms.cell.array))
    return bool(lengths.min() > 0.8 and volume > max(0.03 * np.prod(lengths), 0.7))


@settings(max_examples=100)
@given(cells())
def test_same_edges_as_vesin_in_any_cell(atoms: Atoms) -> None:
    assume(sound(atoms))
    pbc = np.array(atoms.pbc)
    box = atoms.cell.array if pbc.any() else np.eye(3)
    expected = by_vesin(atoms.positions, box, pbc, CUTOFF)
    for method in (1, 2):
        found = search(packed(atoms), 0, method)
        assert rows(found, CUTOFF) == rows(expected, CUTOFF)
        vector = atoms.positions[found.index_j] - atoms.positions[found.index_i] + found.shift @ atoms.cell.array
        assert np.allclose(vector, found.vector, atol=1e-10)


@settings(max_examples=25)
@given(st.lists(cells(), min_size=1, max_size=5), st.integers(30, 90), st.integers(0, 10**6))
def test_mixed_sizes_in_one_call(small: list[Atoms], n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    large = Atoms(f"Si{n}", positions=rng.uniform(-3, 15, (n, 3)), cell=rng.uniform(6, 12, 3), pbc=rng.random(3) < 0.7)
    structures = [a for a in small if sound(a)] + [large, *[a for a in small if sound(a)][:1]]
    together = pack_structures(structures, ["Si"])
    first, j, shift, vector = find_edges(together, CUTOFF)
    for k, atoms in enumerate(structures):
        begin, end = together.first[k], together.first[k + 1]
        part = slice(first[begin], first[end])
        i = np.repeat(np.arange(end - begin), np.diff(first[begin : end + 1]))
        pbc = np.array(atoms.pbc)
        expected = by_vesin(atoms.positions, atoms.cell.array if pbc.any() else np.eye(3), pbc, CUTOFF)
        assert rows(Neighbours(i, j[part], shift[part].astype(int), vector[part]), CUTOFF) == rows(expected, CUTOFF)


SHAPES = {
    "slab": fcc111("Si", (2, 2, 2), a=4.0, vacuum=5.0),
    "molecule": molecule("Si2H6"),
    "supercell": bulk("Si") * (4, 4, 4),
    "flat flake": Atoms("Si60", positions=np.random.default_rng(0).uniform(0, 9, (60, 3)) * [1, 1, 0]),
    "chain": Atoms("Si2", positions=[[0, 0, 0], [1.3, 0, 0]], cell=[2.6, 0, 0], pbc=[True, False, False]),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("cutoff", [2.7, 6.1])
def test_slabs_molecules_and_chains(name: str, cutoff: float) -> None:
    atoms = SHAPES[name]
    pbc = np.array(atoms.pbc)
    box = _complete(atoms.cell.array.copy(), pbc) if pbc.any() else np.eye(3)
    assert rows(neighbours(atoms, cutoff), cutoff) == rows(by_vesin(atoms.positions, box, pbc, cutoff), cutoff)


def test_every_edge_has_its_exact_opposite() -> None:
    atoms = bulk("Si") * (3, 3, 3)
    atoms.rattle(0.3, seed=1)
    found = neighbours(atoms, 5.0)
    table = {
        (i, j, *s): v
        for i, j, s, v in zip(
            found.index_i.tolist(), found.index_j.tolist(), found.shift.tolist(), found.vector.tolist(), strict=True
        )
    }
    for (i, j, *s), v in table.items():
        assert table[j, i, *(-x for x in s)] == [-x for x in v]


def many(count: int) -> list[Atoms]:
    mixed = [crystal(k) * (1, 1, 1 + k % 3) for k in range(count)]
    slab = fcc111("Ga", (1, 1, 3), 4.0, vacuum=4.0)
    return [*mixed, Atoms("Ga", positions=[[0, 0, 0]]), crystal(1) * (3, 3, 2), slab]


@pytest.mark.parametrize("backend", ["torch", "kernels"])
@pytest.mark.parametrize("name", SPECS)
def test_the_memory_limit_changes_nothing(backend: str, name: str) -> None:
    potential = make(backend, SPECS[name]())
    structures = many(6)
    expected = potential.evaluate(structures)
    for limit in (1, 300, 3000):
        for a, b in zip(potential.evaluate(structures, max_edges=limit), expected, strict=True):
            assert a.energy_ev == pytest.approx(b.energy_ev, abs=1e-11)
            assert np.allclose(a.forces_ev_per_a, b.forces_ev_per_a, rtol=0, atol=1e-12)
            assert np.allclose(a.stress_ev_per_a3, b.stress_ev_per_a3, rtol=0, atol=1e-12, equal_nan=True)


def test_edges_of_the_call_and_of_the_list_give_the_same() -> None:
    """The search inside the kernels, and the kernels over edges that are given."""
    potential = make("kernels", SPECS["deep"]())
    assert potential.kernel is not None
    p = pack_structures(many(4), ELEMENTS)
    first, j, _, vectors = find_edges(p, potential.cutoff)
    owner = np.repeat(p.first[:-1], np.diff(p.first))
    edges = Edges(first, vectors, j + np.repeat(owner, np.diff(first)), p.types)
    for a, b in zip(potential.kernel.evaluate(edges), potential.kernel.evaluate_structures(p)[:3], strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-12)


def test_threads_agree() -> None:
    p = pack_structures([crystal(k) * (2, 2, 1 + k % 2) for k in range(50)], ELEMENTS)
    spec = SPECS["deep"]()
    one = kernels.Kernel(spec, threads=1).evaluate_structures(p)[:3]
    for threads in (2, 3):
        kernel = kernels.Kernel(spec, threads=threads)
        for a, b, c in zip(one, kernel.evaluate_structures(p)[:3], kernel.evaluate_structures(p)[:3], strict=True):
            assert np.array_equal(b, c)
            assert np.allclose(a, b, rtol=0, atol=1e-12)


def test_short_edges_are_reported() -> None:
    p = pack_structures([crystal(k) for k in range(40)], ELEMENTS)
    kernel = kernels.Kernel(SPECS["deep"](), threads=2)
    reach = np.array([[2.3, 2.6], [2.6, 3.5]])
    close = kernel.evaluate_structures(p, short_reach=reach)[3]
    assert close is not None
    first, j, _, vectors = find_edges(p, kernel.spec.max_dist)
    i = np.repeat(np.arange(len(p.types)), np.diff(first))
    j = j + np.repeat(np.repeat(p.first[:-1], np.diff(p.first)), np.diff(first))
    near = np.linalg.norm(vectors, axis=1) < reach[p.types[i], p.types[j]]
    assert 0 < near.sum() < len(i)
    assert np.array_equal(close.i, i[near])
    assert np.array_equal(close.j, j[near])
    assert np.array_equal(close.vectors, vectors[near])


def test_more_short_edges_than_room() -> None:
    p = pack_structures([crystal(k) for k in range(40)], ELEMENTS)
    close = kernels.Kernel(SPECS["deep"](), threads=1).evaluate_structures(p, short_reach=np.full((2, 2), 4.3))[3]
    assert close is not None
    assert len(close.i) == len(find_edges(p, 4.0)[1]) > 1024 + len(p.types)


def volumes(structures: list[Atoms]) -> Array:
    return determinants(np.array([a.cell.array for a in structures]))


def test_packing_reads_and_checks() -> None:
    structures = many(5)
    p = pack_structures(structures, ELEMENTS)
    assert p.first.tolist() == np.cumsum([0, *map(len, structures)]).tolist()
    assert np.array_equal(p.positions, np.concatenate([a.positions for a in structures]))
    assert [ELEMENTS[t] for t in p.types] == [s for a in structures for s in a.get_chemical_symbols()]
    assert np.allclose(volumes(structures), [np.linalg.det(a.cell.array) for a in structures])
    with pytest.raises(UnknownElementError, match="Cu"):
        pack_structures([crystal(), bulk("Cu")], ELEMENTS)
    for wrong in (
        Atoms(),
        Atoms("Ga", positions=[[np.nan, 0, 0]]),
        Atoms("Ga", cell=[3, 3, 0], pbc=True),
        Atoms("Ga", cell=[[3, 0, 0], [3, 0, 0], [0, 0, 3]], pbc=True),
        Atoms("X"),
        Atoms("Ga", cell=[3, 3, np.inf], pbc=True),
        Atoms("Ga", cell=[3, 0, 0], pbc=[1, 1, 0]),
    ):
        with pytest.raises(StructureError):
            pack_structures([crystal(), wrong], ELEMENTS)


def test_nothing_gives_nothing() -> None:
    potential: Potential = make("kernels", SPECS["deep"]())
    assert potential.evaluate([]) == []
