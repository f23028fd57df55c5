"""Potentials of others that take much memory: measured on small cells, refused with one sentence before it is taken."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

import sus2
from sus2 import memory
from sus2.errors import Sus2Error
from sus2.properties.phonons.calculate import phonons
from sus2.registry.external import WrappedCalculator, wrap_calculator
from sus2.registry.memory import check_supercell, evaluation_mib
from sus2.settings import settings

MIB_PER_ATOM = 2
linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux's /proc")


class Greedy(EMT):
    """EMT that fills memory in proportion to the atoms while it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.densities: list[float] = []

    def calculate(
        self, atoms: Atoms | None = None, properties: tuple[str, ...] = ("energy",), changes: list[str] = all_changes
    ) -> None:
        assert atoms is not None
        self.sizes.append(len(atoms))
        self.densities.append(len(atoms) / atoms.get_volume())
        filled = np.ones((len(atoms) * MIB_PER_ATOM, 2**17))
        super().calculate(atoms, list(properties), changes)
        assert filled[-1, -1] == 1.0


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def greedy(stated: float = 0.0) -> tuple[WrappedCalculator, Greedy]:
    made = Greedy()
    return wrap_calculator(made, name="greedy", elements=["Cu"], memory_mb_per_atom=stated), made


@linux
def test_the_peak_of_some_work() -> None:
    before = memory.highest_mib()
    small = memory.peak_of_mib(lambda: np.ones(2**17))
    large = memory.peak_of_mib(lambda: np.ones(200 * 2**17))
    assert 180.0 < large - small < 220.0
    assert memory.highest_mib() >= max(before, large) - 1.0, "counting anew forgets nothing"
    assert memory.resident_mib() < large


@linux
def test_a_large_supercell_from_two_small_ones() -> None:
    potential, made = greedy()
    wanted = evaluation_mib(potential, bulk("Cu"), 216)
    assert max(made.sizes) < 64
    found = memory.peak_of_mib(lambda: potential.evaluate([bulk("Cu") * (6, 6, 6)]))
    assert wanted == pytest.approx(found, rel=0.2)
    assert found - memory.resident_mib() > 300.0


def test_what_is_stated_is_not_measured() -> None:
    potential, made = greedy(stated=10.0)
    assert evaluation_mib(potential, bulk("Cu"), 100) == pytest.approx(memory.resident_mib() + 1000.0, rel=0.05)
    assert not made.sizes


def test_small_supercells_are_computed_at_once() -> None:
    potential, made = greedy()
    assert math.isnan(evaluation_mib(potential, bulk("Cu"), 8))
    assert not made.sizes


@linux
def test_phonons_are_refused_and_say_what_fits(limit: pytest.MonkeyPatch) -> None:
    potential, made = greedy()
    copper = bulk("Cu")
    limit.setenv("SUS2_MAX_MEMORY_MB", str(int(memory.resident_mib()) + 180))
    with pytest.raises(Sus2Error, match=r"greedy would take .* 125 atoms .* a supercell of \[4, 4, 4\] fits") as caught:
        phonons(copper, potential, relaxed=True)
    assert "\n" not in str(caught.value)
    assert max(made.sizes) < 64
    found = phonons(copper, potential, relaxed=True, supercell=[4, 4, 4])
    assert found.stable
    assert max(made.sizes) == 64


def test_nothing_fits_and_other_shapes(limit: pytest.MonkeyPatch) -> None:
    potential, _ = greedy(stated=50.0)
    limit.setenv("SUS2_MAX_MEMORY_MB", "1")
    with pytest.raises(Sus2Error, match="take a potential that needs less, or raise max_memory_mb"):
        check_supercell(potential, bulk("Cu"), np.diag([6, 6, 6]))
    limit.setenv("SUS2_MAX_MEMORY_MB", str(int(memory.resident_mib()) + 1000))
    settings.cache_clear()
    with pytest.raises(Sus2Error, match=r"give a supercell of at most (19|20|21) atoms"):
        check_supercell(potential, bulk("Cu"), [[-3, 3, 3], [3, -3, 3], [3, 3, -3]])


@linux
@pytest.mark.parametrize("stated", [0.0, float(MIB_PER_ATOM)])
def test_a_large_cell_is_refused_before_it_is_evaluated(limit: pytest.MonkeyPatch, stated: float) -> None:
    potential, made = greedy(stated)
    cell = bulk("Cu", cubic=True) * (5, 5, 5)
    cell.rattle(0.05, seed=0)  # what has symmetry is computed in a smaller cell
    limit.setenv("SUS2_MAX_MEMORY_MB", str(int(memory.resident_mib()) + 500))
    computed: tuple[Callable[..., Any], ...] = (sus2.relax, partial(sus2.eos, relaxed=True), sus2.elastic)
    for compute in computed:
        with pytest.raises(Sus2Error, match=r"greedy would take about \d\.\d GiB of memory for 500 atoms") as caught:
            compute(cell, potential)
        assert "\n" not in str(caught.value)
        assert "take a smaller cell" in str(caught.value)
    assert max(made.sizes, default=0) < 64
    settings.cache_clear()
    limit.setenv("SUS2_MAX_MEMORY_MB", str(int(memory.resident_mib()) + 2000))
    potential.evaluate([cell])
    cell.rattle(0.05, seed=1)
    potential.evaluate([cell])
    assert made.sizes[-2:] == [500, 500], "what passed is not measured again"


@linux
def test_what_a_structure_takes_is_measured_on_small_crystals_like_it() -> None:
    potential, made = greedy()
    thermal = bulk("Cu", cubic=True) * (3, 3, 3)
    thermal.rattle(0.05, seed=0)
    potential.evaluate([thermal])
    assert made.sizes == [8, 32, 108]
    potential, made = greedy()
    defect = bulk("Cu", cubic=True) * (3, 3, 3)
    del defect[[0, 40]]
    potential.evaluate([defect])
    assert made.sizes == [8, 32, 106]
    assert made.densities[0] == pytest.approx(made.densities[-1])


@linux
def test_who_computes_no_small_crystal_is_not_judged_by_one() -> None:
    class LargeAlone(Greedy):
        def calculate(self, atoms: Atoms | None = None, *arguments: Any) -> None:
            assert atoms is not None
            if len(atoms) < 100:
                raise ValueError("too small")
            super().calculate(atoms, *arguments)

    made = LargeAlone()
    potential = wrap_calculator(made, name="large", elements=["Cu"])
    assert len(potential.evaluate([bulk("Cu") * (5, 5, 5)])) == 1
    assert made.sizes == [125]


def test_free_memory_comes_on_top_of_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    potential, _ = greedy(stated=10.0)
    monkeypatch.setattr(memory, "free_mib", lambda: 2300.0)
    check_supercell(potential, bulk("Cu"), np.diag([6, 6, 6]))
    monkeypatch.setattr(memory, "free_mib", lambda: 2000.0)
    with pytest.raises(Sus2Error, match="216 atoms"):
        check_supercell(potential, bulk("Cu"), np.diag([6, 6, 6]))


def test_our_own_are_left_alone(limit: pytest.MonkeyPatch) -> None:
    limit.setenv("SUS2_MAX_MEMORY_MB", "1")
    check_supercell(sus2.load("si-mlearn-pbe"), bulk("Si"), np.diag([9, 9, 9]))
