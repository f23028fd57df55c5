"""Relaxation: both criteria, symmetry, target pressure, fixed volume, collapse, cancelling."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from sus2.errors import CancelledError, ConvergenceError, StructureError
from sus2.relaxation.minimiser import MAX_DENSE_ATOMS
from sus2.relaxation.relax import relax
from sus2.relaxation.symmetry import spacegroup, symmetry_constraint
from sus2.units import EV_PER_A3_TO_GPA
from tests.helpers_potential import AsePotential, argon, emt


def strained(atoms: Atoms, volume: float = 1.0, shear: float = 0.0) -> Atoms:
    deformation = np.eye(3) * volume ** (1 / 3)
    deformation[0, 1] = shear
    result = atoms.copy()
    result.set_cell(np.asarray(atoms.cell) @ deformation.T, scale_atoms=True)
    return result


def rattled(atoms: Atoms, size: float, seed: int = 0) -> Atoms:
    result = atoms.copy()
    result.positions += np.random.default_rng(seed).normal(0.0, size, result.positions.shape)
    return result


def hcp_ti() -> Atoms:
    return crystal(["Ti"], [(1 / 3, 2 / 3, 0.25)], spacegroup=194, cellpar=[2.93, 2.93, 4.65, 90, 90, 120])


class Broken(Calculator):
    """Energies without a minimum, or that are not numbers."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, pull_ev_per_a3: float) -> None:
        super().__init__()
        self.pull = pull_ev_per_a3

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, list(properties), list(system_changes))
        energy = self.pull * self.atoms.cell.volume
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": np.zeros((len(self.atoms), 3)) * self.pull,
            "stress": np.array([self.pull] * 3 + [0.0] * 3),
        }


@pytest.mark.parametrize("volume", [0.85, 1.0, 1.15])
@pytest.mark.parametrize("symmetry", [True, False])
def test_same_minimum_from_any_volume(volume: float, symmetry: bool) -> None:
    start = strained(bulk("Cu", "fcc", 3.6, cubic=True), volume)
    r = relax(start, emt(), symmetry=symmetry).require_converged()
    assert r.atoms.cell.lengths() == pytest.approx(3.5898, abs=2e-4)
    assert r.max_force_ev_per_a <= 1e-3
    assert r.max_stress_gpa <= 0.01
    assert r.volume_change_percent == pytest.approx(100 * (r.volume_a3 / start.cell.volume - 1))
    assert r.spacegroup_before == r.spacegroup_after == "Fm-3m (225)"
    assert r.energies_ev[-1] == r.energy_ev
    assert r.steps == len(r.energies_ev) - 1


def test_criteria_are_those_of_the_calculator() -> None:
    r = relax(rattled(strained(bulk("Cu", cubic=True), 1.05, 0.05), 0.1), emt()).require_converged()
    [e] = emt().evaluate([r.atoms])
    assert np.linalg.norm(e.forces_ev_per_a, axis=1).max() == pytest.approx(r.max_force_ev_per_a, rel=1e-6)
    assert np.abs(e.stress_ev_per_a3).max() * EV_PER_A3_TO_GPA == pytest.approx(r.max_stress_gpa, rel=1e-6)
    assert e.energy_ev == pytest.approx(r.energy_ev, abs=1e-12)


def test_rattled_sheared_crystal_finds_its_symmetry() -> None:
    perfect = relax(bulk("Cu"), emt())
    r = relax(rattled(strained(bulk("Cu", cubic=True).repeat(2), 1.1, 0.08), 0.1), emt()).require_converged()
    assert r.spacegroup_before == "P1 (1)"
    assert r.energy_ev / 32 == pytest.approx(perfect.energy_ev, abs=2e-6)
    assert not r.symmetry_kept


def test_agrees_with_ase_alone() -> None:
    start = rattled(strained(bulk("Ni", cubic=True), 0.95), 0.05)
    ours = relax(start, emt(), fmax=1e-4, stress_gpa=1e-3).require_converged()
    other = start.copy()
    other.calc = emt().calculator()
    BFGS(FrechetCellFilter(other), logfile=None).run(fmax=1e-4, steps=500)
    assert ours.energy_ev == pytest.approx(other.get_potential_energy(), abs=1e-6)
    assert ours.volume_a3 == pytest.approx(other.cell.volume, rel=1e-4)


def test_needs_fewer_evaluations_than_the_defaults_of_ase() -> None:
    start = rattled(strained(bulk("Cu", cubic=True).repeat(2), 1.1, 0.08), 0.1)
    ours = relax(start, emt(), fmax=1e-3, stress_gpa=0.01).require_converged()
    other = start.copy()
    other.calc = emt().calculator()
    default = BFGS(FrechetCellFilter(other), logfile=None)
    for _ in default.irun(fmax=0.0, steps=300):
        force = np.linalg.norm(other.get_forces(), axis=1).max()
        if force <= 1e-3 and np.abs(other.get_stress()).max() * EV_PER_A3_TO_GPA <= 0.01:
            break
    assert ours.steps < 0.8 * default.nsteps


def test_input_is_not_modified_and_result_is_bare() -> None:
    start = strained(bulk("Cu"), 1.1)
    start.set_constraint(FixAtoms([0]))
    before = (start.positions.copy(), start.cell.array.copy())
    r = relax(start, emt())
    assert np.array_equal(start.positions, before[0])
    assert np.array_equal(start.cell.array, before[1])
    assert r.atoms.calc is None
    assert not r.atoms.constraints


def test_target_pressure() -> None:
    r = relax(bulk("Cu"), emt(), pressure_gpa=10.0).require_converged()
    [e] = emt().evaluate([r.atoms])
    assert -e.stress_ev_per_a3[:3] * EV_PER_A3_TO_GPA == pytest.approx(10.0, abs=0.01)
    assert r.max_stress_gpa <= 0.01
    assert r.volume_a3 < relax(bulk("Cu"), emt()).volume_a3


def test_positions_only_keeps_the_cell() -> None:
    start = rattled(bulk("Cu", cubic=True), 0.1)
    r = relax(start, emt(), cell=False).require_converged()
    assert np.array_equal(r.atoms.cell.array, start.cell.array)
    assert r.max_force_ev_per_a <= 1e-3
    assert r.max_stress_gpa > 0.01


def test_cell_only_keeps_fractional_positions() -> None:
    start = rattled(strained(bulk("Cu", cubic=True), 1.05), 0.1)
    r = relax(start, emt(), positions=False).require_converged()
    assert r.atoms.get_scaled_positions() == pytest.approx(start.get_scaled_positions(), abs=1e-12)
    assert r.max_stress_gpa <= 0.01
    assert r.max_force_ev_per_a > 1e-3


def test_nothing_free_is_one_evaluation() -> None:
    r = relax(strained(bulk("Cu"), 1.1), emt(), positions=False, cell=False)
    assert (r.steps, r.converged) == (0, True)
    assert r.max_stress_gpa > 0.01


def test_fixed_volume_relaxes_the_shape() -> None:
    start = crystal(["Cu"], [(0, 0, 0)], spacegroup=139, cellpar=[2.6, 2.6, 3.5, 90, 90, 90], primitive_cell=True)
    r = relax(start, emt(), fixed_volume=True).require_converged()
    assert r.volume_a3 == pytest.approx(start.cell.volume, rel=1e-12)
    [e] = emt().evaluate([r.atoms])
    stress = e.stress_ev_per_a3 * EV_PER_A3_TO_GPA
    assert np.ptp(stress[:3]) < 0.03
    assert abs(stress[:3].mean()) > 0.1
    assert r.energy_ev < r.energies_ev[0]


def test_molecule_in_vacuum() -> None:
    r = relax(Atoms("Cu2", [(0, 0, 0), (0, 0, 2.5)]), emt(), cell=False).require_converged()
    assert r.spacegroup_before == "none"
    assert math.isnan(r.max_stress_gpa)
    with pytest.raises(StructureError, match="cell"):
        relax(Atoms("Cu2", [(0, 0, 0), (0, 0, 2.5)]), emt())


def test_unconverged_is_reported_and_refused() -> None:
    r = relax(rattled(strained(bulk("Cu", cubic=True), 1.1), 0.1), emt(), max_steps=1)
    assert not r.converged
    assert r.steps == 1
    with pytest.raises(ConvergenceError, match=r"1 steps.*force.*stress"):
        r.require_converged()


@pytest.mark.parametrize(("pull", "message"), [(1.0, "collapsed"), (-1.0, "flew apart"), (math.nan, "became infinite")])
def test_collapse_is_one_clear_error(pull: float, message: str) -> None:
    with pytest.raises(ConvergenceError, match=message):
        relax(bulk("Na"), AsePotential(lambda: Broken(pull)))


def test_atoms_on_top_of_each_other_are_found() -> None:
    close = Atoms("Au2", [(0, 0, 0), (0, 0, 0.9)], cell=[8, 8, 8], pbc=True)
    with pytest.raises(ConvergenceError, match=r"Au-Au atoms came within 0\.90"):
        relax(close, AsePotential(lambda: Broken(0.0)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fmax": 0.0},
        {"stress_gpa": -1.0},
        {"max_steps": -1},
        {"fixed_volume": True, "pressure_gpa": 1.0},
        {"cell": False, "pressure_gpa": 1.0},
    ],
)
def test_contradictions_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConvergenceError):
        relax(bulk("Cu"), emt(), **wrong)


def test_progress_rises_and_can_cancel() -> None:
    seen: list[float] = []

    def watch(stage: str, fraction: float) -> None:
        assert stage == "relaxing"
        seen.append(fraction)

    relax(rattled(bulk("Cu", cubic=True), 0.1), emt(), progress=watch)
    assert seen[-1] == 1.0
    assert all(0.0 <= f <= 1.0 for f in seen)

    def cancel(stage: str, fraction: float) -> None:
        if len(seen) > 2:
            raise CancelledError("stopped")
        seen.append(fraction)

    seen.clear()
    with pytest.raises(CancelledError):
        relax(rattled(bulk("Cu", cubic=True), 0.1), emt(), progress=cancel)
    assert len(seen) == 3


def test_large_cells_take_the_limited_memory_path() -> None:
    start = rattled(strained(bulk("Cu", cubic=True).repeat((4, 4, 3)), 1.03), 0.02)
    assert len(start) > MAX_DENSE_ATOMS
    r = relax(start, emt(), fmax=0.01, stress_gpa=0.05).require_converged()
    assert r.energy_ev / len(start) == pytest.approx(relax(bulk("Cu"), emt()).energy_ev, abs=1e-4)


# The constraint: a projection, exact, whatever the setting of the cell.


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["right-handed", "left-handed"])
@pytest.mark.parametrize("turned", [False, True])
def test_symmetry_survives_noise_of_the_forces(order: tuple[int, int, int], turned: bool) -> None:
    """Forces and stress with random errors: without the projection the space group would be lost."""
    start = bulk("NiAl", "cesiumchloride", a=2.9)
    start = strained(start, 1.1)
    start.set_cell(np.asarray(start.cell)[list(order)], scale_atoms=False)
    if turned:
        start.rotate(33.0, (1, 2, 3), rotate_cell=True)
    rng = np.random.default_rng(1)

    class Noisy(type(emt().calculator())):  # type: ignore[misc]
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results["forces"] = self.results["forces"] + rng.normal(0, 0.02, (len(start), 3))
            self.results["stress"] = self.results["stress"] + rng.normal(0, 0.002, 6)

    kept = relax(start, AsePotential(Noisy), max_steps=15)
    assert kept.symmetry_constrained
    assert spacegroup(kept.atoms, symprec=1e-8) == "Pm-3m (221)"
    lost = relax(start, AsePotential(Noisy), max_steps=15, symmetry=False)
    assert lost.spacegroup_after == "P1 (1)"


def test_constraint_projects_twice_as_once_and_agrees_with_ase() -> None:
    from ase.constraints import FixSymmetry

    atoms = hcp_ti()
    ours = symmetry_constraint(atoms)
    assert ours is not None
    theirs = FixSymmetry(atoms.copy())
    rng = np.random.default_rng(0)
    forces, stress = rng.normal(size=(2, 3)), rng.normal(size=6)
    for project, raw in (("adjust_forces", forces), ("adjust_stress", stress)):
        once, other = raw.copy(), raw.copy()
        getattr(ours, project)(atoms, once)
        getattr(theirs, project)(atoms, other)
        twice = once.copy()
        getattr(ours, project)(atoms, twice)
        assert once == pytest.approx(other, abs=1e-12)
        assert twice == pytest.approx(once, abs=1e-12)
        assert np.abs(once - raw).max() > 0.1


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(1e-6, 3e-4))
def test_symmetrise_makes_an_approximate_symmetry_exact(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    atoms = hcp_ti()
    atoms.set_cell(np.asarray(atoms.cell) + rng.uniform(-size, size, (3, 3)), scale_atoms=True)
    atoms.positions += rng.uniform(-size, size, atoms.positions.shape)
    constraint = symmetry_constraint(atoms)
    assert constraint is not None
    if len(constraint.rotations) < 24:
        return
    moved = atoms.copy()
    constraint.symmetrise(moved)
    assert spacegroup(moved, symprec=1e-9) == "P6_3/mmc (194)"
    assert np.abs(np.asarray(moved.cell) - np.asarray(atoms.cell)).max() < 4 * size
    assert np.abs(moved.positions - atoms.positions).max() < 6 * size


def test_nothing_to_keep() -> None:
    assert symmetry_constraint(rattled(bulk("Cu", cubic=True), 0.1)) is None
    big = bulk("Cu", cubic=True).repeat(4)
    assert symmetry_constraint(big) is None
    r = relax(strained(big, 1.02), emt(), fmax=0.01, stress_gpa=0.05)
    assert r.symmetry_kept
    assert not r.symmetry_constrained


def test_weak_crystal() -> None:
    start = strained(bulk("Ar", "fcc", 5.3, cubic=True), 1.1)
    r = relax(start, argon()).require_converged()
    assert 5.0 < r.atoms.cell.lengths()[0] < 5.4


def published(shared: Path, name: str):
    from sus2.registry.load import load

    elements = json.loads((shared / "reference" / "models.json").read_text())[name]["elements"]
    return load(shared / "reference" / "models" / f"{name}.mtp", elements=elements)


@pytest.mark.parametrize("volume", [0.85, 1.15])
def test_published_alloy_potential(shared: Path, volume: float) -> None:
    """PBE lattice constants: Cu 3.635, Al 4.041, Ni 3.518, NiAl 2.894 A; the potential is within half a percent."""
    potential = published(shared, "alloy")
    for start, pbe in (
        (bulk("Cu", "fcc", 3.6, cubic=True), 3.635),
        (bulk("Al", "fcc", 4.0, cubic=True), 4.041),
        (bulk("Ni", "fcc", 3.5, cubic=True), 3.518),
        (bulk("NiAl", "cesiumchloride", a=2.9), 2.894),
    ):
        r = relax(strained(start, volume), potential).require_converged()
        assert r.atoms.cell.lengths() == pytest.approx(pbe, rel=5e-3)
        assert r.symmetry_kept


def test_published_half_heusler_potential(shared: Path) -> None:
    """TiNiSn, PBE 5.95 A, from a rattled conventional cell."""
    start = crystal(
        ["Ti", "Ni", "Sn"],
        [(0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0, 0, 0)],
        spacegroup=216,
        cellpar=[5.9] * 3 + [90] * 3,
    )
    r = relax(rattled(start, 0.1), published(shared, "hh130")).require_converged()
    assert r.atoms.cell.lengths() == pytest.approx(5.95, rel=3e-3)
    assert r.spacegroup_after == "F-43m (216)"


def test_collapse_of_a_published_potential_is_reported(shared: Path) -> None:
    """The universal potential has no minimum for diamond near its true volume when compressed."""
    with pytest.raises(ConvergenceError, match="collapsed"):
        relax(strained(bulk("C", "diamond", 3.57), 0.9), published(shared, "m3gnet_l2k3"))
