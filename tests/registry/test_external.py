"""Calculators of others meet the interface of ours, and say in one sentence what they lack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import CalculatorSetupError
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential

import sus2
from sus2.errors import Sus2Error, UnknownElementError
from sus2.potential.evaluation import Calculates
from sus2.registry.external import WrappedCalculator, wrap_calculator
from tests.helpers_potential import emt as by_hand


@pytest.fixture
def emt() -> WrappedCalculator:
    return wrap_calculator(EMT, name="EMT", elements=["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"], functional="none")


def test_it_meets_the_interface(emt: WrappedCalculator) -> None:
    assert isinstance(emt, Calculates)
    cells = [bulk("Cu", cubic=True), bulk("Al", a=4.0)]
    cells[0].rattle(0.05, seed=1)
    before = cells[0].positions.copy()
    for found, expected, atoms in zip(emt.evaluate(cells), by_hand().evaluate(cells), cells, strict=True):
        assert found.energy_ev == pytest.approx(expected.energy_ev, abs=1e-12)
        np.testing.assert_allclose(found.forces_ev_per_a, expected.forces_ev_per_a, atol=1e-12)
        np.testing.assert_allclose(found.stress_ev_per_a3, expected.stress_ev_per_a3, atol=1e-12)
        assert found.energies_ev.sum() == pytest.approx(found.energy_ev)
        assert atoms.calc is None
    np.testing.assert_array_equal(cells[0].positions, before)


def test_site_energies_may_be_announced_and_missing() -> None:
    class Silent(EMT):
        def calculate(self, *arguments: Any, **options: Any) -> None:
            super().calculate(*arguments, **options)
            del self.results["energies"]

    p = wrap_calculator(Silent, name="silent", elements=["Cu"])
    assert "energies" in p.calculator().implemented_properties
    found = p.evaluate([bulk("Cu", cubic=True)])[0]
    np.testing.assert_allclose(found.energies_ev, found.energy_ev / 4)


def test_a_molecule_has_no_stress(emt: WrappedCalculator) -> None:
    found = emt.evaluate([Atoms("Cu2", positions=[[0, 0, 0], [2.3, 0, 0]])])[0]
    assert np.isnan(found.stress_ev_per_a3).all()
    assert np.isfinite(found.forces_ev_per_a).all()


def test_properties_take_it(emt: WrappedCalculator) -> None:
    relaxed = sus2.relax(bulk("Cu"), emt)
    assert relaxed.converged
    assert sus2.eos(bulk("Cu"), emt).v0_a3 == pytest.approx(relaxed.volume_a3, rel=1e-3)


def test_unknown_elements_and_failures_are_named(emt: WrappedCalculator) -> None:
    with pytest.raises(UnknownElementError, match="EMT does not cover Si"):
        emt.evaluate([bulk("Si")])

    class Broken(EMT):
        def calculate(self, *_: object, **__: object) -> None:
            raise CalculatorSetupError("no\nlicence")

    broken = wrap_calculator(Broken(), name="broken", elements=["Cu"])
    with pytest.raises(Sus2Error, match="broken cannot compute Cu: no licence"):
        broken.evaluate([bulk("Cu")])


def test_what_is_no_calculator_is_refused() -> None:
    with pytest.raises(Sus2Error, match="str is not an ASE calculator"):
        wrap_calculator(lambda: "EMT", name="x", elements=["Cu"])  # type: ignore[arg-type, return-value]
    with pytest.raises(Sus2Error, match="not Xx"):
        wrap_calculator(EMT(), name="x", elements=["Cu", "Xx"])
    with pytest.raises(Sus2Error, match="not none"):
        wrap_calculator(EMT(), name="x", elements=[])


def test_the_properties_of_a_crystal_choose_finite_differences(emt: WrappedCalculator) -> None:
    assert sus2.elastic(bulk("Cu"), emt, cross_checks=False).method == "finite"
    with pytest.raises(Sus2Error, match="use method='finite'"):
        sus2.elastic(bulk("Cu"), emt, method="exact")


def test_any_error_of_a_calculator_is_a_sentence() -> None:
    unaware = wrap_calculator(EMT, name="EMT", elements=["Cu", "Si"])
    with pytest.raises(Sus2Error, match="EMT cannot compute Si2: No EMT-potential for Si"):  # a NotImplementedError
        unaware.evaluate([bulk("Si")])
    unaware = wrap_calculator(EMT, name="EMT", elements=["Cu", "Si"])
    with pytest.raises(Sus2Error, match="EMT cannot compute Si2: No EMT-potential for Si"):
        sus2.relax(bulk("Si"), unaware)


def test_a_relaxation_refuses_what_is_not_covered() -> None:
    """Pair potentials of ASE compute any element, with the parameters of another."""
    pair = wrap_calculator(MorsePotential(epsilon=0.3, r0=2.6), name="pair", elements=["Cu"])
    with pytest.raises(UnknownElementError, match="pair does not cover Ni"):
        sus2.relax(bulk("Ni"), pair)


COPPER = bulk("Cu")
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "relax": lambda p: sus2.relax(COPPER, p),
    "relax_many": lambda p: sus2.relax_many([COPPER], p),
    "eos": lambda p: sus2.eos(COPPER, p),
    "elastic": lambda p: sus2.elastic(COPPER, p),
    "phonons": lambda p: sus2.phonons(COPPER, p),
    "thermal": lambda p: sus2.thermal(COPPER, p),
    "compare": lambda p: sus2.compare(COPPER, [p, by_hand()]),
    "compare_batch": lambda p: sus2.compare_batch([COPPER], [p, by_hand()]),
    "check": lambda p: sus2.check(COPPER, p),
    "report": lambda p: sus2.report(COPPER, p),
    "evaluate_many": lambda p: sus2.evaluate_many([COPPER], p),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_what_is_no_potential_is_told_how_to_become_one(function: Callable[[Any], Any]) -> None:
    for given, said in (
        (EMT(), r"EMT is an ASE calculator: .* sus2.wrap_calculator\(EMT\(...\), name='EMT', elements=\[...\]\)"),
        (EMT, "EMT is an ASE calculator: "),
        ("si-mlearn-pbe", r"sus2.load\('si-mlearn-pbe'\)"),
        ([by_hand()], "One potential is needed here, not a list"),
        (None, "found None"),
        (COPPER, "after the structure, found an object of the type Atoms"),
    ):
        with pytest.raises(Sus2Error, match=said):
            function(given)


def test_potentials_to_compare_come_as_a_list() -> None:
    for compare in (sus2.compare, sus2.compare_batch):
        with pytest.raises(Sus2Error, match="potentials as a list"):
            compare(COPPER, by_hand())  # type: ignore[arg-type]


def test_a_screening_asks_for_a_name(emt: WrappedCalculator, tmp_path: Path) -> None:
    """Its workers are other processes, which cannot have a calculator of this one."""
    for given, said in ((emt, "EMT is known to this program alone.* plug-in"), (EMT(), "sus2.wrap_calculator")):
        with pytest.raises(Sus2Error, match=said):
            sus2.screen([COPPER], given, out=tmp_path / "results.db")


def test_a_table_takes_a_sequence(emt: WrappedCalculator) -> None:
    found = sus2.evaluate_many([COPPER, bulk("Al"), bulk("Cu", a=3.7)], emt)
    assert [r.name for r in found.rows] == ["Cu", "Al", "Cu #2"]
    assert [r.name for r in sus2.evaluate_many(COPPER, emt).rows] == ["Cu"]
