from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from sus2.errors import StructureError
from sus2.potential.card import Card
from sus2.registry.checks import check_distances
from sus2.registry.distances import distance_verdict, pair_distances, trained_distances
from sus2.registry.load import models
from sus2.structures import describe, sample, samples, shortest_distance
from sus2.structures.shells import distinct, shortest_by_pair, surroundings

CARD = Card(name="x", functional="PBE", elements=("Na", "Cl"), shortest_distances_a={"Cl-Na": 2.5, "Na-Na": 3.0})


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("si", {"Si": 4}),
        ("cu", {"Cu": 12}),
        ("w", {"W": 8}),
        ("mg", {"Mg": 12}),
        ("nacl", {"Na": 6, "Cl": 6}),
        ("cscl", {"Cs": 8, "Cl": 8}),
        ("caf2", {"Ca": 8, "F": 4}),
        ("tio2", {"Ti": 6, "O": 3}),
        ("srtio3", {"Sr": 12, "Ti": 6, "O": 2}),
        ("quartz", {"Si": 4, "O": 2}),
    ],
)
def test_coordination_of_known_crystals(key: str, numbers: dict[str, int]) -> None:
    found = surroundings(sample(key).atoms())
    assert {(s.element, s.coordination) for s in found} == set(numbers.items())


def test_shells_of_silicon() -> None:
    a0 = 5.431
    first = surroundings(bulk("Si", "diamond", a0), reach_a=1.01 * a0)[0]
    assert [(s.element, s.count) for s in first.shells] == [("Si", 4), ("Si", 12), ("Si", 12), ("Si", 6)]
    expected = [a0 * x for x in (3**0.5 / 4, 0.5**0.5, 11**0.5 / 4, 1.0)]
    assert [s.distance_a for s in first.shells] == pytest.approx(expected)
    assert max(s.spread_a for s in first.shells) < 1e-9
    assert first.nearest_a == pytest.approx(expected[0])


def test_shells_are_of_one_element_each() -> None:
    site = surroundings(sample("srtio3").atoms(), reach_a=4.0)[0]
    assert site.element == "Sr"
    assert [(s.element, s.count) for s in site.shells] == [("O", 12), ("Ti", 8), ("Sr", 6)]


@given(st.floats(0.005, 0.2), st.integers(0, 20))
def test_every_neighbour_is_in_one_shell(tolerance: float, seed: int) -> None:
    atoms = sample("quartz").atoms()
    atoms.positions += np.random.default_rng(seed).normal(0, 0.05, atoms.positions.shape)
    reach = 4.5
    i, d = neighbor_list("id", atoms, reach)
    for site in surroundings(atoms, reach_a=reach, tolerance_a=tolerance):
        mine = d[i == site.site]
        assert sum(s.count for s in site.shells) == len(mine)
        assert sum(s.count * s.distance_a for s in site.shells) == pytest.approx(mine.sum())
        assert site.nearest_a == pytest.approx(mine.min())


def test_every_atom_finds_its_neighbours_by_default() -> None:
    # Two close hydrogen atoms and one far from everything.
    atoms = Atoms("H3", positions=[[0, 0, 0], [0, 0, 0.8], [5, 5, 5]], cell=[10, 10, 10], pbc=True)
    found = surroundings(atoms)
    assert all(math.isfinite(s.nearest_a) and s.shells for s in found)
    assert [s.coordination for s in found[:2]] == [1, 1]


def test_an_atom_alone_within_reach() -> None:
    lonely = surroundings(bulk("Cu"), reach_a=2.0)[0]
    assert (lonely.nearest_a, lonely.coordination, lonely.shells) == (math.inf, 0, ())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reach_a": 0.0}, "reach of 0 Å"),
        ({"reach_a": 30.0}, "up to 20 Å"),
        ({"reach_a": math.nan}, "out of range"),
        ({"tolerance_a": -1.0}, "tolerance of -1 Å"),
    ],
)
def test_options_out_of_range(options: dict[str, float], words: str) -> None:
    with pytest.raises(StructureError, match=words):
        surroundings(bulk("Cu"), **options)


def test_too_many_pairs_are_refused() -> None:
    with pytest.raises(StructureError, match="look less far"):
        surroundings(bulk("Cu", cubic=True).repeat(6), reach_a=20.0)


@pytest.mark.parametrize("key", [s.key for s in samples()])
def test_shortest_by_pair_against_all_distances(key: str) -> None:
    atoms = sample(key).atoms()
    found = shortest_by_pair(atoms, 7.0)
    assert min(found.values()) == pytest.approx(shortest_distance(atoms))
    i, j, d = neighbor_list("ijd", atoms, 7.0)
    for (a, b), distance in found.items():
        assert a <= b
        mine = ((atoms.symbols[i] == a) & (atoms.symbols[j] == b)).nonzero()[0]
        assert distance == pytest.approx(d[mine].min())


def test_verdicts() -> None:
    assert [distance_verdict(r) for r in (1.2, 1.0, 0.95, 0.9, 0.89, math.nan)] == [
        "pass",
        "pass",
        "warn",
        "warn",
        "fail",
        "fail",
    ]


def test_pairs_against_the_training_data() -> None:
    def verdicts(a0: float) -> dict[str, str]:
        return {p.name: p.verdict for p in pair_distances(bulk("NaCl", "rocksalt", a0), CARD)}

    # Half the lattice constant between Na and Cl, 0.707 of it between Na and Na; the card has no Cl-Cl.
    assert verdicts(5.64) == {"Cl-Na": "pass", "Na-Na": "pass", "Cl-Cl": "warn"}
    assert verdicts(4.8) == {"Cl-Na": "warn", "Na-Na": "pass", "Cl-Cl": "warn"}
    assert verdicts(3.6) == {"Cl-Na": "fail", "Na-Na": "fail", "Cl-Cl": "warn"}
    pairs = {p.name: p for p in pair_distances(bulk("NaCl", "rocksalt", 4.8), CARD)}
    assert pairs["Cl-Na"].ratio == pytest.approx(2.4 / 2.5)
    assert math.isnan(pairs["Cl-Cl"].ratio)
    assert "no Cl-Cl distances" in pairs["Cl-Cl"].meaning
    assert "2.500 Å" in pairs["Cl-Na"].meaning


def test_a_card_that_says_nothing() -> None:
    found = pair_distances(bulk("Cu"), Card(name="x", functional="PBE", elements=("Cu",)))
    assert [(p.name, p.verdict) for p in found] == [("Cu-Cu", "warn")]


@pytest.mark.parametrize("key", ["si", "cu", "srtio3", "nacl"])
def test_the_check_is_the_worst_pair(key: str) -> None:
    atoms = sample(key).atoms()
    for card in models():
        pairs = [p for p in pair_distances(atoms, card) if p.trained_a is not None]
        check = check_distances(atoms, card)
        if pairs:
            assert check.value == min(p.ratio for p in pairs)
            assert check.verdict == min(pairs, key=lambda p: p.ratio).verdict
        assert set(trained_distances(card)) >= {p.pair for p in pairs}


@pytest.mark.parametrize("key", [s.key for s in samples()])
def test_equivalent_atoms_are_one_kind(key: str) -> None:
    atoms = sample(key).atoms()
    kinds = distinct(surroundings(atoms.repeat((2, 1, 1))))
    # The two sites of graphite differ only in what lies above them, beyond the distance that is looked at.
    assert len(kinds) == len(describe(atoms).orbits) - (key == "graphite")
    assert sorted(k for kind in kinds for k in kind) == list(range(2 * len(atoms)))


def test_a_displaced_atom_is_a_kind_of_its_own() -> None:
    atoms = sample("nacl").atoms().repeat(2)
    atoms.positions[5] += [0.1, 0.0, 0.0]
    kinds = distinct(surroundings(atoms))
    assert (5,) in kinds
    assert len(kinds) > 2
