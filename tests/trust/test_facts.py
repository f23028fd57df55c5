"""What is kept of a crystal between the estimates of its properties, and that it is never another crystal's."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

import sus2
from sus2.derivatives.second_order import second_derivatives, second_derivatives_in_any_cell
from sus2.kept import forget_all
from sus2.registry.applicability import extrapolation_grade
from sus2.structures import standardise
from sus2.trust import facts as facts_module
from sus2.trust.committee import committee_of
from sus2.trust.facts import facts_of
from tests.helpers_spec import random_potential

CRYSTALS = {
    "rocksalt": bulk("MgO", "rocksalt", a=4.25),
    "larger": bulk("MgO", "rocksalt", a=4.40),
    "caesium chloride": bulk("MgO", "cesiumchloride", a=2.65),
    "zincblende": bulk("MgO", "zincblende", a=4.60),
}


@pytest.fixture(scope="module")
def universal():
    return sus2.load("sus2-universal-pbe")


def test_crystals_of_one_formula_keep_their_own_facts(universal):
    def told(atoms):
        found = facts_of(universal, atoms)
        return found.grade, found.crystal_class, found.distances, dict(found.references)

    alone = {}
    for name, atoms in CRYSTALS.items():
        forget_all()
        alone[name] = told(atoms)
    forget_all()
    for _ in range(2):
        for name, atoms in CRYSTALS.items():
            assert told(atoms) == alone[name]
    assert len({v[0] for v in alone.values()}) == len(CRYSTALS)
    assert alone["rocksalt"][3].keys() != alone["zincblende"][3].keys()


def test_a_cell_that_changes_is_looked_at_anew(universal):
    atoms = CRYSTALS["rocksalt"].copy()
    before = facts_of(universal, atoms).grade
    atoms.set_cell(atoms.cell.array * 1.05, scale_atoms=True)
    after = facts_of(universal, atoms).grade
    assert after == extrapolation_grade(universal, [atoms]).largest != before
    # What was kept for the first is not changed with the caller's object.
    assert facts_of(universal, CRYSTALS["rocksalt"]).grade == before


def test_other_potentials_have_other_facts(universal):
    other = sus2.load("si-mlearn-pbe")
    atoms = bulk("Si")
    assert facts_of(universal, atoms) is not facts_of(other, atoms)
    assert facts_of(universal, atoms).grade != facts_of(other, atoms).grade


def test_a_crystal_is_looked_up_once_for_all_its_properties(universal, monkeypatch):
    asked = []
    real = facts_module.known_values
    monkeypatch.setattr(facts_module, "known_values", lambda atoms: asked.append(atoms) or real(atoms))
    forget_all()
    relaxed = sus2.relax(bulk("GaAs", "zincblende", a=5.8), universal, fmax=1e-4)
    crystal = relaxed.atoms
    results = [
        relaxed,
        sus2.eos(crystal, universal, relaxed=True),
        sus2.elastic(crystal, universal, relaxed=True),
        sus2.phonons(crystal, universal, relaxed=True, mesh=10.0),
    ]
    together = [r.trust for r in results]
    assert len(asked) == 1
    for result, kept in zip(results, together, strict=True):
        forget_all()
        del result.__dict__["trust"]
        alone = result.trust
        for name, estimate in alone.estimates.items():
            np.testing.assert_allclose(kept.estimates[name].sigma, estimate.sigma, rtol=1e-6)
            assert kept.estimates[name].reason == estimate.reason
    assert len(asked) == 5


def test_second_derivatives_are_those_of_the_very_cell():
    potential = random_potential()
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    forget_all()
    first = second_derivatives(atoms, potential)
    assert second_derivatives(atoms.copy(), potential) is first
    moved = atoms.copy()
    moved.positions[0, 0] += 1e-3
    scaled = atoms.copy()
    scaled.set_cell(atoms.cell.array * 1.001, scale_atoms=True)
    heavy = atoms.copy()
    heavy.set_masses([23.0, 37.0])
    shifted = atoms.copy()
    shifted.positions += atoms.cell.array[0]
    for other in (moved, scaled, heavy, shifted):
        assert second_derivatives(other, potential) is not first
    assert second_derivatives(atoms, random_potential(seed=1)) is not first
    turned = standardise(atoms, "primitive")
    assert second_derivatives_in_any_cell(turned, potential) is first
    assert second_derivatives_in_any_cell(scaled, potential) is not first
    # The caller's object may change, and large cells are not kept.
    atoms.positions[0, 0] += 0.5
    assert first.atoms.positions[0, 0] != atoms.positions[0, 0]
    large = bulk("NaCl", "rocksalt", a=5.6).repeat((3, 3, 2))
    assert second_derivatives(large, potential) is not second_derivatives(large, potential)


def test_what_is_kept_does_not_keep_a_potential_alive(universal):
    potential = sus2.load("sus2-universal-pbe")
    assert potential is not universal
    sus2.elastic(CRYSTALS["rocksalt"], potential)
    facts_of(potential, CRYSTALS["rocksalt"])
    second_derivatives_in_any_cell(CRYSTALS["rocksalt"], potential)
    committee = committee_of(potential)
    committee.elastic_gpa(second_derivatives(CRYSTALS["rocksalt"], potential))
    known = ref(potential)
    del potential, committee
    gc.collect()
    assert known() is None


def test_second_derivatives_that_are_shared_cannot_be_changed():
    potential = random_potential()
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    found = second_derivatives(atoms, potential)
    shared = (
        *(found.force_constants_ev_per_a2, found.gamma_hessian_ev_per_a2, found.forces_ev_per_a),
        *(found.stress_ev_per_a3, found.internal_strain_ev_per_a, found.internal_eigenvalues_ev_per_a2),
        *(found.relaxed_elastic.energy_gpa, found.atoms.positions, found.atoms.cell.array, found.atoms.numbers),
    )
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array += 1
    # The caller's crystal and copies are the caller's.
    atoms.positions += 0.1
    copy = found.atoms.copy()
    copy.rattle(0.1)
    assert second_derivatives(bulk("NaCl", "rocksalt", a=5.6), potential) is found
    found.group_velocities_thz_a([[0.1, 0.2, 0.3]])


def test_second_derivatives_carry_nothing_else_of_a_crystal_to_the_next_one():
    potential = random_potential()
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.info["notices"] = ["of the first file"]
    atoms.set_constraint(FixAtoms([0]))
    atoms.set_initial_magnetic_moments([1.0, -1.0])
    second_derivatives(atoms, potential)
    found = second_derivatives(bulk("NaCl", "rocksalt", a=5.6), potential).atoms
    assert not found.info
    assert not found.constraints
    assert not found.has("initial_magmoms")
