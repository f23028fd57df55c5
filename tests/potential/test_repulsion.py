"""The short-range repulsion: its form, its derivatives through every path, and that crystals do not feel it."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from scipy import constants

import sus2
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import PotentialFileError
from sus2.potential.card import Card, parse_card
from sus2.potential.potential import Potential
from sus2.potential.repulsion import Repulsion
from tests.contract.test_contract import ELEMENTS
from tests.helpers_spec import random_spec

REACH = float(covalent_radii[31] + covalent_radii[33])


class TorchOnly(Potential):
    kernel = None  # type: ignore[assignment]


def potential(kind: type[Potential] = Potential, repulsion: tuple[float, float] | None = (0.4, 0.9)) -> Potential:
    return kind(random_spec(), Card(name="x", functional="none", elements=ELEMENTS, repulsion=repulsion))


def squeezed(seed: int = 0) -> Atoms:
    """Pairs at 0.5 to 0.9 of the covalent radii's sum."""
    atoms = bulk("GaAs", "zincblende", a=0.65 * REACH * 4 / np.sqrt(3)).repeat((1, 1, 2))
    atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=(4, 3))
    return atoms


def test_the_energy_of_a_pair_is_that_of_the_formula() -> None:
    r = np.array([0.35, 0.6, 0.899, 0.91]) * REACH
    vectors = np.zeros((4, 3))
    vectors[:, 1] = r
    found = Repulsion(("Ga", "As"), 0.4, 0.9).terms(vectors, np.zeros(4, int), np.ones(4, int))
    a = 0.8854 * constants.value("Bohr radius") / constants.angstrom / (31**0.23 + 33**0.23)
    coulomb = constants.e / (4 * np.pi * constants.epsilon_0 * constants.angstrom)
    phi = sum(
        c * np.exp(-d * r / a)
        for c, d in ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
    )
    bare = 31 * 33 * coulomb / r * phi
    assert found.edge.tolist() == [0, 1, 2]
    assert found.energy_ev[0] == pytest.approx(0.5 * bare[0], rel=2e-3)  # 0.46850 A is 0.8854 Bohr, rounded
    assert 0 < found.energy_ev[1] < 0.5 * bare[1]
    assert 0 < found.energy_ev[2] < 1e-6 * bare[2]


@pytest.mark.parametrize("shortest", [None, {"As-Ga": 0.7 * REACH}, {"As-As": 1.0}])
def test_derivatives_of_a_pair(shortest: dict[str, float] | None) -> None:
    term = Repulsion(("Ga", "As"), 0.4, 0.9, 5.0, shortest)
    h = 1e-5

    def at(r: float):
        return term.terms(np.array([[0.0, 0.0, r]]), np.array([0]), np.array([1]))

    for r in np.array([0.3, 0.41, 0.6, 0.85]) * REACH:
        minus, now, plus = at(r - h), at(r), at(r + h)
        scale = abs(now.slope_ev_per_a[0])
        assert now.slope_ev_per_a[0] < 0
        assert (plus.energy_ev - minus.energy_ev)[0] / (2 * h) == pytest.approx(now.slope_ev_per_a[0], abs=1e-6 * scale)
        assert (plus.slope_ev_per_a - minus.slope_ev_per_a)[0] / (2 * h) == pytest.approx(
            now.bend_ev_per_a2[0], abs=1e-5 * scale
        )


def test_more_than_once_the_repulsion_begins_where_the_labels_end() -> None:
    once = Repulsion(("Ga", "As"), 0.4, 0.9)
    more = Repulsion(("Ga", "As"), 0.4, 0.9, 11.0, {"As-Ga": 0.7 * REACH, "Ga-Ga": 9.0})
    vectors = np.zeros((60, 3))
    vectors[:, 0] = np.linspace(0.5, 0.899, 60) * REACH
    zeros = np.zeros(60, int)
    a, b = once.terms(vectors, zeros, zeros + 1), more.terms(vectors, zeros, zeros + 1)
    labelled, within = a.distance_a >= 0.7 * REACH, a.distance_a < 0.7 * REACH
    assert np.array_equal(a.energy_ev[labelled], b.energy_ev[labelled])
    assert np.array_equal(a.slope_ev_per_a[labelled], b.slope_ev_per_a[labelled])
    assert np.all(b.energy_ev[within] > a.energy_ev[within])
    strong = Repulsion(("Ga", "As"), 0.899999, 0.9, 10.0)
    deep = a.distance_a < 0.62 * REACH  # past the onset: ten times the whole of V beside what fades
    extra = strong.terms(vectors, zeros, zeros + 1).energy_ev
    assert b.energy_ev[deep] == pytest.approx((a.energy_ev + extra)[deep])
    # Labels that end further out than the outer radius change nothing: what is more begins there too.
    alone = more.terms(vectors, zeros, zeros)
    assert np.all(alone.energy_ev > once.terms(vectors, zeros, zeros).energy_ev)


@pytest.mark.parametrize("kind", [Potential, TorchOnly])
def test_forces_stress_and_second_derivatives_follow_the_energy(kind: type[Potential]) -> None:
    p, atoms, h = potential(kind), squeezed(), 1e-4
    (now,) = p.evaluate([atoms])
    plain = potential(kind, None).evaluate([atoms])[0]
    assert now.energy_ev > plain.energy_ev + 1.0
    assert now.energies_ev.sum() == pytest.approx(now.energy_ev)
    second = second_derivatives(atoms, p)
    assert second.energy_ev == pytest.approx(now.energy_ev, rel=1e-12)
    assert np.allclose(second.forces_ev_per_a, now.forces_ev_per_a, atol=1e-9)
    assert np.allclose(second.stress_ev_per_a3, now.stress_ev_per_a3, atol=1e-10)
    hessian = second.gamma_hessian_ev_per_a2
    for atom, axis in ((0, 0), (1, 2), (3, 1)):
        moved = []
        for sign in (1, -1):
            copy = atoms.copy()
            copy.positions[atom, axis] += sign * h
            moved.append(p.evaluate([copy])[0])
        slope = (moved[0].energy_ev - moved[1].energy_ev) / (2 * h)
        assert -slope == pytest.approx(now.forces_ev_per_a[atom, axis], rel=1e-5, abs=1e-4)
        row = -(moved[0].forces_ev_per_a - moved[1].forces_ev_per_a).ravel() / (2 * h)
        assert np.allclose(row, hessian[3 * atom + axis], atol=1e-5 * np.abs(hessian).max())
    for v, pair in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        energies = []
        for sign in (1, -1):
            e = np.zeros((3, 3))
            e[pair] += 0.5 * sign * h
            e[pair[::-1]] += 0.5 * sign * h
            copy = atoms.copy()
            copy.set_cell(atoms.cell.array @ (np.eye(3) + e), scale_atoms=True)
            energies.append(p.evaluate([copy])[0].energy_ev)
        stress = (energies[0] - energies[1]) / (2 * h) / atoms.get_volume()
        assert stress == pytest.approx(now.stress_ev_per_a3[v], rel=1e-4, abs=1e-5)


def test_crystals_at_rest_do_not_feel_it_and_batches_do_not_mix() -> None:
    normal, close = bulk("GaAs", "zincblende", a=5.65), squeezed(1)
    p, plain = potential(), potential(repulsion=None)
    together = p.evaluate([close, normal, close])
    assert together[1].energy_ev == plain.evaluate([normal])[0].energy_ev
    alone = p.evaluate([close])[0]
    for found in (together[0], together[2]):
        assert found.energy_ev == pytest.approx(alone.energy_ev, rel=1e-12)
        assert np.allclose(found.forces_ev_per_a, alone.forces_ev_per_a, atol=1e-10)


def test_a_card_with_radii_in_the_wrong_order_is_refused() -> None:
    text = Card(name="x", functional="none", elements=ELEMENTS).model_dump_json()
    assert '"repulsion":null' in text
    with pytest.raises(PotentialFileError, match=r"repulsion.*inner fraction"):
        parse_card(text.replace('"repulsion":null', '"repulsion":[0.9,0.4]').encode())


WALLED = [c for c in sus2.models() if c.repulsion is not None or c.teacher != "none"]  # others: one element's crystals


def curves(card: Card, starts: np.ndarray) -> np.ndarray:
    """Energies of each pair alone, (pairs, 12): eight from 0.5 of the covalent radii to `starts`, four to 0.75."""
    pairs = []
    for (x, y), start in zip(combinations_with_replacement(card.elements, 2), starts, strict=True):
        reach = float(sum(covalent_radii[Atoms([x, y]).numbers]))
        places = [*np.linspace(0.5, start, 8), *np.linspace(start, 0.75, 5)[1:]]
        pairs += [Atoms([x, y], [[0, 0, 0], [0, 0, d * reach]]) for d in places]
    return np.array([e.energy_ev for e in sus2.load(card.name).evaluate(pairs)]).reshape(-1, 12)


def names_of(card: Card) -> list[str]:
    return ["-".join(sorted(pair)) for pair in combinations_with_replacement(card.elements, 2)]


@pytest.mark.parametrize("card", WALLED, ids=lambda c: c.name)
def test_shipped_potentials_repel_below_the_distances_of_their_data(card: Card) -> None:
    """From 0.65 of the covalent radii inwards or, where labels reach further, from where those of a pair end.

    Labels come first: the bond of the molecule V2, for one, is 0.58 of them.
    """
    names = names_of(card)
    reach = [float(sum(covalent_radii[Atoms(name.split("-")).numbers])) for name in names]
    ends = np.array([card.shortest_distances_a.get(n, np.inf) for n in names]) / np.array(reach)
    energies = curves(card, np.clip(ends, 0.52, 0.65))
    rises = (np.diff(energies[:, :8], axis=1) < 0).all(axis=1)  # inwards
    wall = (energies[:, 1:] < energies[:, :1]).all(axis=1)
    assert [n for n, good in zip(names, rises & wall, strict=True) if not good] == []


@pytest.mark.parametrize("card", WALLED, ids=lambda c: c.name)
def test_few_pairs_dip_at_distances_that_labels_have(card: Card) -> None:
    """A wall from 0.65 in, and nothing there as low as at 0.75: all pairs of most potentials, all but a few of two."""
    energies = curves(card, np.full(len(names_of(card)), 0.65))
    good = (np.diff(energies[:, :8], axis=1) < 0).all(axis=1) & (energies[:, :10] > energies[:, -1:]).all(axis=1)
    allowed = 0.03 if card.name.startswith("sus2-universal") else 0.0
    assert (~good).mean() <= allowed
