"""Many structures at once against one at a time."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones

import sus2
from sus2.errors import CancelledError, ConvergenceError
from sus2.potential.potential import Potential
from sus2.relaxation import minimiser
from sus2.relaxation.relax import relax
from sus2.relaxation.relax_many import relax_many
from sus2.relaxation.result import RelaxResult
from sus2.types import Array
from tests.helpers_potential import AsePotential, argon, emt
from tests.helpers_spec import random_potential


@pytest.fixture(scope="module")
def potential() -> Potential:
    return sus2.load("sus2-universal-pbe")


class ThroughAse:
    """Only the calculator of a potential, with which relax takes the minimiser and the filter of ASE."""

    def __init__(self, potential: Potential) -> None:
        self.calculator = potential.calculator


def strained(atoms: Atoms, seed: int, strain: float = 0.03, rattle: float = 0.05) -> Atoms:
    rng = np.random.default_rng(seed)
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.normal(size=(3, 3))), scale_atoms=True)
    out.positions += rattle * rng.normal(size=out.positions.shape)
    return out


def crystals() -> list[Atoms]:
    wurtzite = bulk("GaN", "wurtzite", a=3.3, c=5.2)
    left_handed = bulk("GaAs", "zincblende", a=5.9)
    left_handed.set_cell(left_handed.cell.array[[1, 0, 2]])
    internal = bulk("Si", cubic=True)
    internal.positions[0, 0] += 0.1
    return [
        bulk("Si", a=5.7),
        bulk("GaAs", "zincblende", a=5.5),
        wurtzite,
        left_handed,
        internal,
        strained(bulk("Ge", a=5.7), 1),
        strained(bulk("GaAs", "zincblende", a=5.7, cubic=True), 2),
    ]


def same_minimum(a: RelaxResult, b: RelaxResult, energy: float = 1e-5, volume: float = 2e-3) -> None:
    assert a.converged
    assert b.converged
    n = len(a.atoms)
    assert a.energy_ev / n == pytest.approx(b.energy_ev / n, abs=energy)
    assert a.volume_a3 == pytest.approx(b.volume_a3, rel=volume)
    for name in ("spacegroup_before", "spacegroup_after", "symmetry_constrained", "start_volume_a3"):
        assert getattr(a, name) == getattr(b, name)


def test_the_minima_of_one_at_a_time(potential: Potential) -> None:
    structures = crystals()
    copies = [a.copy() for a in structures]
    found = relax_many(structures, potential)
    assert structures == copies  # the input is left alone
    for atoms, result in zip(structures, found, strict=True):
        same_minimum(result, relax(atoms, ThroughAse(potential)))
        now = potential.evaluate([result.atoms])[0]
        assert now.energy_ev == pytest.approx(result.energy_ev, abs=1e-9)
        assert np.linalg.norm(now.forces_ev_per_a, axis=1).max() <= 1e-3 * (1 + 1e-9)
        assert result.energies_ev[-1] == result.energy_ev
        assert result.steps == len(result.energies_ev) - 1
        assert result.atoms.calc is None


def test_a_batch_is_its_structures(potential: Potential) -> None:
    structures = crystals()
    together = relax_many(structures, potential)
    for atoms, result in zip(structures, together, strict=True):
        (alone,) = relax_many([atoms], potential)
        assert alone.steps == result.steps
        assert np.allclose(alone.atoms.positions, result.atoms.positions, atol=1e-9)
        assert np.allclose(alone.atoms.cell.array, result.atoms.cell.array, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [{"cell": False}, {"positions": False}, {"pressure_gpa": 5.0}, {"fixed_volume": True}, {"symmetry": False}],
)
def test_every_kind_of_relaxation(potential: Potential, options: dict[str, bool]) -> None:
    structures = [crystals()[k] for k in (1, 2, 4, 6)]
    for atoms, result in zip(structures, relax_many(structures, potential, **options), strict=True):
        expected = relax(atoms, ThroughAse(potential), **options)
        same_minimum(result, expected)
        if options.get("fixed_volume"):
            assert result.volume_a3 == pytest.approx(atoms.get_volume(), rel=1e-9)
        if options.get("cell") is False:
            assert np.array_equal(result.atoms.cell.array, expected.atoms.cell.array)
        if options.get("positions") is False:
            assert np.allclose(result.atoms.get_scaled_positions(), expected.atoms.get_scaled_positions(), atol=1e-9)


def test_tight_tolerances_meet_in_one_point(potential: Potential) -> None:
    structures = [crystals()[2], crystals()[5]]
    found = relax_many(structures, potential, fmax=1e-6, stress_gpa=1e-4)
    for atoms, result in zip(structures, found, strict=True):
        expected = relax(atoms, ThroughAse(potential), fmax=1e-6, stress_gpa=1e-4)
        same_minimum(result, expected, energy=1e-9, volume=1e-6)
        assert np.allclose(result.atoms.cell.lengths(), expected.atoms.cell.lengths(), rtol=1e-5)
        assert np.allclose(result.atoms.cell.angles(), expected.atoms.cell.angles(), rtol=1e-5)


def test_any_calculator() -> None:
    metal = emt()
    start = [strained(bulk("Cu", cubic=True), 3), bulk("Al", a=4.3)]
    for atoms, result in zip(start, relax_many(start, metal), strict=True):
        same_minimum(result, relax(atoms, metal))
    pair = Atoms("Ar2", positions=[[0, 0, 0], [4.1, 0, 0]], cell=[30, 30, 30], pbc=True)
    (result,) = relax_many([pair], argon(), cell=False, fmax=1e-6)
    assert result.converged
    assert result.atoms.get_distance(0, 1) == pytest.approx(3.4 * 2 ** (1 / 6), abs=2e-3)


def test_molecules_without_a_cell() -> None:
    gas = random_potential(("Na", "Cl"))
    pair = Atoms("NaCl", positions=[[0, 0, 0], [2.6, 0, 0]])
    (result,) = relax_many([pair], gas, cell=False)
    expected = relax(pair, ThroughAse(gas), cell=False)
    assert (result.converged, result.failure == "") == (expected.converged, True)
    assert result.energy_ev == pytest.approx(expected.energy_ev, abs=1e-4)


def test_failures_are_marked_and_stop_nobody(potential: Potential) -> None:
    good = bulk("Si", a=5.6)
    overlap = bulk("Si", cubic=True)
    overlap.positions[1] = overlap.positions[0] + [0.75, 0, 0]
    foreign = bulk("Po", "sc", a=3.35)
    structures = [good, foreign, molecule("CH4"), Atoms(), overlap, Atoms("Si", [[np.nan] * 3], cell=[3] * 3), good]
    found = relax_many(structures, potential)
    assert [r.converged for r in found] == [True, False, False, False, False, False, True]
    for result, words in zip(found[1:6], ("Po", "H|molecule", "no atoms", "collapsed|apart", "finite"), strict=True):
        with pytest.raises(ConvergenceError, match=words):
            result.require_converged()
        assert result.failure
    assert found[0].failure == ""
    assert found[6].energy_ev == found[0].energy_ev


def test_a_collapse_on_the_way_is_a_failure() -> None:
    """Attraction without a floor: the volume leaves its bounds after a few steps."""
    soft = AsePotential(lambda: LennardJones(sigma=2.0, epsilon=0.5, rc=6.0, smooth=True), ("Ar",))
    (result,) = relax_many([bulk("Ar", a=5.0)], soft)
    assert not result.converged
    assert "collapsed" in result.failure
    with pytest.raises(ConvergenceError, match="collapsed"):
        relax(bulk("Ar", a=5.0), soft)


def test_a_cell_that_one_step_crushes_stops_nobody_else(potential: Potential, monkeypatch: pytest.MonkeyPatch) -> None:
    step = minimiser.Run.step

    def crush(run: minimiser.Run, slope: Array) -> None:
        step(run, slope)
        if len(run.atoms) == 1:
            run.q[-1] = -100.0 * np.sign(np.trace(run.cell_directions[:, -1].reshape(3, 3)))

    monkeypatch.setattr(minimiser.Run, "step", crush)
    crushed, good = relax_many([bulk("Cu", a=3.9), bulk("Si", a=5.6)], potential)
    assert good.converged
    assert not crushed.converged
    assert "collapsed: its volume became 0.00 times" in crushed.failure


def test_too_few_steps_are_not_converged(potential: Potential) -> None:
    structures = [bulk("Si", a=5.8), sus2.relax(bulk("Si"), potential, fmax=1e-4).atoms]
    first, second = relax_many(structures, potential, max_steps=1)
    assert (first.converged, first.steps, first.failure) == (False, 1, "")
    assert (second.converged, second.steps) == (True, 0)
    with pytest.raises(ConvergenceError, match="did not converge"):
        first.require_converged()


def test_large_structures_go_one_by_one(potential: Potential, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[relax_many.__module__]  # sus2.relax_many is the function
    monkeypatch.setattr(module, "MAX_DENSE_ATOMS", 4)
    atoms = crystals()[4]
    asked: list[int] = []

    def one(atoms: Atoms, *_: object, **options: object) -> RelaxResult:
        asked.append(len(atoms))
        return relax(atoms, potential)

    monkeypatch.setattr(module, "relax", one)
    found, small = relax_many([atoms, bulk("Si", a=5.6)], potential)
    assert asked == [8]
    assert found.converged
    assert small.converged


def test_one_structure_is_a_batch_of_one(potential: Potential) -> None:
    fractions: list[float] = []
    atoms = crystals()[2]
    (many,) = relax_many([atoms], potential)
    one = relax(atoms, potential, progress=lambda _, fraction: fractions.append(fraction))
    assert one.energies_ev == many.energies_ev
    assert np.array_equal(one.atoms.positions, many.atoms.positions)
    assert len(fractions) == len(one.energies_ev)
    assert fractions[-1] == 1.0
    assert all(0.0 <= f <= 1.0 for f in fractions)
    overlap = bulk("Si", cubic=True)
    overlap.positions[1] = overlap.positions[0] + [0.75, 0, 0]
    for path in (potential, ThroughAse(potential)):
        with pytest.raises(ConvergenceError, match=r"collapsed|apart"):
            relax(overlap, path)


def test_arguments_and_cancelling(potential: Potential) -> None:
    for wrong in ({"fmax": 0.0}, {"fixed_volume": True, "pressure_gpa": 1.0}, {"cell": False, "pressure_gpa": 1.0}):
        with pytest.raises(ConvergenceError):
            relax_many([bulk("Si")], potential, **wrong)
    assert relax_many([], potential) == []

    def stop(stage: str, fraction: float) -> None:
        assert stage == "relaxing"
        assert 0.0 <= fraction <= 1.0
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        relax_many([bulk("Si", a=5.8)], potential, progress=stop)
