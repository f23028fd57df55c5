"""The public test kit: sound potentials pass, and every way of breaking the contract is found by its own law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

import sus2
from sus2.errors import Sus2Error
from sus2.potential.evaluation import Evaluation
from sus2.potential.potential import Potential
from sus2.testing import CONTRACT, PotentialContract, Tolerances, assert_contract, assert_smooth_at_cutoff

SILICON = bulk("Si", a=5.47)
ARGON = bulk("Ar", a=5.3, cubic=True)


class TestShipped(PotentialContract):
    """The class, as a user's tests take it."""

    @pytest.fixture(params=["si-mlearn-pbe", "sus2-universal-pbe"])
    def potential(self, request: pytest.FixtureRequest) -> Potential:
        return sus2.load(request.param)

    @pytest.fixture
    def atoms(self, potential: Potential) -> Atoms:
        return SILICON if potential.elements == ("Si",) else bulk("NaCl", "rocksalt", a=5.68)


def test_an_ase_calculator_passes_as_it_is() -> None:
    smooth = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5, ro=6.0, smooth=True)
    assert_contract(ARGON, smooth, Tolerances(energy_ev_per_atom=1e-8))


def test_emt_passes_as_it_is() -> None:
    assert_contract(bulk("Cu"), EMT())


def test_a_pair_potential_that_is_cut_off_jumps() -> None:
    hard = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0, smooth=False)
    with pytest.raises(AssertionError, match="see a jump"):
        assert_smooth_at_cutoff(ARGON, hard)


class Broken:
    """A potential with one fault."""

    name, functional = "broken", "none"

    def __init__(self, inner: Potential, spoil: Callable[..., Any]) -> None:
        self.inner, self.spoil = inner, spoil
        self.elements, self.cutoff = inner.elements, inner.cutoff

    def calculator(self) -> Calculator:
        return self.inner.calculator()

    def evaluate(self, structures: Sequence[Any]) -> list[Evaluation]:
        found: list[Evaluation] = self.spoil(structures, self.inner.evaluate)
        return found


def each(change: Callable[[Atoms, Evaluation], Evaluation]) -> Callable[..., Any]:
    return lambda structures, evaluate: [change(a, r) for a, r in zip(structures, evaluate(structures), strict=True)]


def energy(by: Callable[[Atoms], float]) -> Callable[..., Any]:
    return each(lambda a, r: replace(r, energy_ev=r.energy_ev + by(a)))


def moves_its_input(structures: Sequence[Atoms], evaluate: Callable[..., Any]) -> Any:
    found = evaluate(structures)
    structures[0].positions += 1e-3
    return found


def takes_the_first_of_the_batch(structures: Sequence[Atoms], evaluate: Callable[..., Any]) -> Any:
    found = evaluate(structures)
    return [replace(r, energy_ev=r.energy_ev + 1e-4 * found[0].energy_ev * (k > 0)) for k, r in enumerate(found)]


def knows_everything(structures: Sequence[Atoms], evaluate: Callable[..., Any]) -> Any:
    return evaluate([Atoms("Si" * len(a), positions=a.positions, cell=a.cell, pbc=a.pbc) for a in structures])


FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "site energies": ("shapes and sums", each(lambda a, r: replace(r, energies_ev=r.energies_ev * 1.001))),
    "a net force": ("shapes and sums", each(lambda a, r: replace(r, forces_ev_per_a=r.forces_ev_per_a + 0.01))),
    "flat forces": ("shapes and sums", each(lambda a, r: replace(r, forces_ev_per_a=r.forces_ev_per_a.ravel()))),
    "an axis": ("rotation", energy(lambda a: 1e-3 * float(a.cell.array[0, 0]))),
    "an origin": ("translation", energy(lambda a: 1e-3 * float(np.cos(a.positions[0, 0])))),
    "the first atom": ("permutation", energy(lambda a: 1e-3 * float(a.get_scaled_positions()[0, 0]))),
    "the root of the size": ("size extensivity", energy(lambda a: 1e-3 * len(a) ** 0.5)),
    "weak forces": ("forces", each(lambda a, r: replace(r, forces_ev_per_a=0.99 * r.forces_ev_per_a))),
    "the sign of the stress": ("stress", each(lambda a, r: replace(r, stress_ev_per_a3=-r.stress_ev_per_a3))),
    "a step": (
        "smooth at the cutoff",
        energy(lambda a: 1e-3 * float(len(a) == 2 and a.get_distance(0, 1) < 4.0)),
    ),
    "the batch": ("no leak across a batch", takes_the_first_of_the_batch),
    "its input": ("input unchanged", moves_its_input),
    "no number for one atom": ("one atom", energy(lambda a: float("nan") if len(a) == 1 else 0.0)),
    "another calculator": ("calculator", energy(lambda a: 1e-3 * len(a))),
    "all elements": ("unknown element", knows_everything),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_breaks_its_law(fault: str) -> None:
    law, spoil = FAULTS[fault]
    sound = sus2.load("si-mlearn-pbe")
    CONTRACT[law](SILICON, sound, Tolerances())
    with pytest.raises((AssertionError, ValueError)):
        CONTRACT[law](SILICON, Broken(sound, spoil), Tolerances())


def test_all_broken_laws_are_named() -> None:
    sound = sus2.load("si-mlearn-pbe")
    broken = Broken(sound, each(lambda a, r: replace(r, energy_ev=r.energy_ev + 1e-3 * len(a) ** 0.5)))
    with pytest.raises(AssertionError, match="size extensivity") as caught:
        assert_contract(SILICON, broken)
    assert "calculator" in str(caught.value)
    assert "rotation" not in str(caught.value)


def test_an_element_that_ends_in_another_error_is_no_refusal() -> None:
    def fails(structures: Sequence[Atoms], evaluate: Callable[..., Any]) -> Any:
        try:
            return evaluate(structures)
        except Sus2Error:
            raise KeyError("H") from None

    with pytest.raises(AssertionError, match="ends in KeyError"):
        CONTRACT["unknown element"](SILICON, Broken(sus2.load("si-mlearn-pbe"), fails), Tolerances())
