"""Second derivatives from labels of small strains and displacements are those of the exact method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.derivatives.second_order import second_derivatives
from sus2.relaxation.relax import relax
from sus2.training.quick_fit.fit import Fit, Recipe
from sus2.training.specialise.beside import frequencies_off, worst
from sus2.training.specialise.labels import Labeller, pairs_of
from sus2.training.specialise.response import (
    Measured,
    at_rest_under_strain,
    bulk_modulus,
    commensurate,
    independent,
    measured,
    measured_exactly,
    relaxed_ions,
)
from sus2.training.specialise.structures import STRAIN, around, response_structures, rivals, too_close
from sus2.units import EV_PER_A3_TO_GPA


def silent(words: str) -> None:
    """Says nothing."""


@pytest.mark.parametrize("element", ["si", "mo"])
def test_response_of_labels_is_the_exact_one(element: str) -> None:
    potential = sus2.load(f"{element}-mlearn-pbe")
    start = bulk("Si", "diamond", a=5.43) if element == "si" else bulk("Mo", "bcc", a=3.15)
    atoms = relax(start, potential, fmax=1e-5, stress_gpa=1e-3).atoms
    response = response_structures(atoms, element)
    labels = Labeller(potential, None, silent).label(response.made)
    assert labels is not None
    found = measured(response, labels)
    exact = measured_exactly(second_derivatives(atoms, potential), found.q)
    assert found.c_gpa == pytest.approx(exact.c_gpa, abs=0.01 * np.abs(exact.c_gpa).max())
    assert found.frequencies_thz == pytest.approx(exact.frequencies_thz, abs=0.05)
    assert found.b0_gpa == pytest.approx((exact.c_gpa[0, 0] + 2 * exact.c_gpa[0, 1]) / 3, rel=0.02)
    # Silicon's C44 with ions at rest is well below that with clamped ones, so the internal strain was not forgotten.
    names = independent(found.c_gpa)
    assert names == [(0, 0), (0, 1), (3, 3)]
    bent = at_rest_under_strain(response, found, element)
    if element == "mo":
        assert bent == []
        return
    # Strained with the ions at rest: no forces, and stresses that are the elastic constants themselves.
    pairs = Labeller(potential, None, silent).label(bent)
    assert pairs is not None
    clamped = np.abs(labels.forces_ev_per_a[labels.offsets[1] : labels.offsets[13]]).max()
    assert np.abs(pairs.forces_ev_per_a).max() < 0.05 * clamped
    stress = (pairs.stress_ev_per_a3[6] - pairs.stress_ev_per_a3[7]) / (4.0 * STRAIN) * EV_PER_A3_TO_GPA
    assert stress[3] == pytest.approx(exact.c_gpa[3, 3], rel=0.02)


def test_an_unstable_mode_counts_where_strain_excites_it() -> None:
    clamped = np.diag([2.0, 2.0, 2.0, 0.6, 0.6, 0.6])
    hessian = np.diag([0.0, 0.0, 0.0, 20.0, 10.0, -1.0])
    coupling = np.zeros((6, 6))
    coupling[3, 0] = 4.0
    coupling[5] = 1e-3  # noise of labels: by symmetry there is none
    found = relaxed_ions(clamped, coupling, hessian, 50.0)
    softer = clamped.copy()
    softer[0, 0] -= 4.0**2 / 20.0 / 50.0
    assert found == pytest.approx(softer, abs=1e-6)
    coupling[5, 1] = 2.0
    assert np.isnan(relaxed_ions(clamped, coupling, hessian, 50.0)).all()


def test_bulk_modulus_of_no_tensor_is_unknown() -> None:
    assert np.isnan(bulk_modulus(np.zeros((6, 6))))


def test_wave_vectors_of_a_supercell() -> None:
    q = commensurate((2, 2, 1))
    assert len(q) == 4
    assert len(commensurate((3, 1, 1))) == 2


def test_structures_are_those_of_the_seed_and_pairs_stay_together() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    one, same, other = (around(atoms, "NaCl", s, atoms_wanted=200) for s in (0, 0, 1))
    assert all(np.array_equal(a.atoms.positions, b.atoms.positions) for a, b in zip(one, same, strict=True))
    assert any(
        a.atoms.positions.shape != b.atoms.positions.shape or not np.allclose(a.atoms.positions, b.atoms.positions)
        for a, b in zip(one, other, strict=False)
    )
    assert {m.kind for m in one} >= {"volume", "rattle", "strain", "displaced", "strain-pair"}
    volumes = [m.volume_ratio for m in one if m.kind == "volume"]
    assert min(volumes) >= 0.8
    assert max(volumes) <= 1.25
    assert len(pairs_of(one)) == sum(m.kind == "strain-pair" for m in one) / 2


def test_rivals_have_the_composition_or_are_elements() -> None:
    found = rivals(bulk("MgO", "rocksalt", a=4.2))
    formulas = {cell.get_chemical_formula() for _, cell in found}
    names = [name for name, _ in found]
    assert "Mg ground state" in names
    assert any("zincblende" in n or "CsCl" in n for n in names)
    assert all(set(cell.get_chemical_symbols()) <= {"Mg", "O"} for _, cell in found), formulas


def test_atoms_that_are_too_close_are_seen_across_the_boundary() -> None:
    atoms = bulk("Cu", "fcc", a=3.6)
    assert not too_close(atoms)
    assert too_close(bulk("Cu", "fcc", a=1.5))


def test_how_far_off_is_the_worst_of_what_has_a_limit() -> None:
    q = np.zeros((1, 3))
    c = np.diag([200.0, 200.0, 200.0, 80.0, 80.0, 80.0])
    c[:3, :3] += 100.0 * (1.0 - np.eye(3))
    theirs = Measured(20.0, 133.3, c, q, np.array([[1.0, 2.0, 3.0]]))
    assert worst(theirs, theirs) == 0.0
    assert worst(theirs, None) == float("inf")
    # 0.3 % of the volume are allowed, 0.2 THz (rms) of the frequencies.
    assert worst(theirs, replace(theirs, v0_a3=20.03)) == pytest.approx(0.5)
    off = replace(theirs, frequencies_thz=theirs.frequencies_thz + 0.3)
    assert worst(theirs, off) == pytest.approx(1.5)
    assert (frequencies_off(theirs, off), frequencies_off(theirs, theirs), frequencies_off(theirs, None)) == (
        True,
        False,
        False,
    )
    assert worst(theirs, replace(off, c_gpa=np.full((6, 6), np.nan))) == float("inf")


def test_labels_that_weigh_more_are_fitted_more_closely() -> None:
    atoms = bulk("Si", "diamond", a=5.43)
    made = [*response_structures(atoms, "Si").made, *around(atoms, "Si", 0, atoms_wanted=60)]
    labels = Labeller(sus2.load("si-mlearn-pbe"), None, silent).label(made)
    assert labels is not None
    misses = []
    for factor in (1.0, 100.0):
        fit = Fit(("Si",), Recipe(graph="l2k1", starts=1, search_steps=0, search_share=1.0), 0, silent)
        fit.add(labels)
        if factor > 1.0:
            fit.emphasise("displaced-pair", factor)
        fit.begin()
        # The robust loss is reweighted at each solution.
        for _ in range(2):
            fit.project()
        miss = 0.0
        for part in fit.parts:
            displaced = (part.data.kind[part.pairs.first] == "displaced-pair")[part.pairs.of_pair]
            miss += float((part.pairs.miss(part.predict(fit.spec))[0][displaced] ** 2).sum())
        misses.append(miss)
    assert misses[1] < misses[0]
