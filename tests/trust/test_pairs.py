"""Members of two potentials in pairs: what both get wrong alike cancels in their difference."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.comparison.compare import compare
from sus2.derivatives.readout import ReadoutBasis
from sus2.derivatives.second_order import second_derivatives
from sus2.potential.potential import Potential
from sus2.properties.elastic.ieee_axes import crystal_axes, symmetrised
from sus2.properties.elastic.trust import elastic_spread
from sus2.registry.load import load_moments
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit.members import draw_members
from sus2.training.teachers.functional_change import change_of, free_tensors, held_out_changes
from sus2.trust.calibration import Calibration, QuantityCalibration
from sus2.trust.committee import Committee, spread_of
from sus2.trust.members import Members, read_members, write_members
from sus2.validation.calibrate import calibrate, read_coverage
from sus2.validation.differences import difference_records, difference_spread, with_changes
from sus2.validation.records import Record, write_records
from tests.helpers_twins import twin


@pytest.fixture(scope="module")
def lithium() -> Potential:
    return load_moments("li-mlearn-pbe")


def _labelled(potential: Potential, errors: np.ndarray) -> TrainingSet:
    """Twelve bcc crystals, each in four shapes, with the potential's own energies and these errors of them."""
    rng = np.random.default_rng(0)
    structures, bases = [], []
    for base in range(12):
        for _ in range(4):
            atoms = bulk("Li", "bcc", a=3.43 + 0.02 * base, cubic=True)
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
            structures.append(atoms)
            bases.append(f"crystal {base}")
    found = potential.evaluate(structures)
    energies = np.array([r.energy_ev for r in found]) + errors
    forces, stress = [r.forces_ev_per_a for r in found], [r.stress_ev_per_a3 for r in found]
    return make_set(structures, energies, forces, stress, set_name="made", base=bases, volume_ratio=np.ones(48))


def test_second_members_are_the_first_ones_and_what_the_second_gets_wrong_besides(lithium: Potential) -> None:
    rng = np.random.default_rng(1)
    common, besides = 0.02 * rng.normal(size=48), 0.002 * rng.normal(size=48)
    other = twin(lithium, functional="r2SCAN")
    first = draw_members(lithium, _labelled(lithium, common))
    lead = (lithium, _labelled(lithium, common))
    second = draw_members(other, _labelled(other, common + besides), pair=lead)
    alone = draw_members(other, _labelled(other, besides))
    assert second.in_pairs_with(first)
    assert not alone.in_pairs_with(first)
    # The fit is linear in what is missing, but for the weights of energies, which follow the labels.
    apart = second.weights - first.weights
    scale = np.abs(alone.weights).max()
    assert np.abs(apart - alone.weights).max() < 0.3 * scale
    assert np.abs(first.weights).max() > 3.0 * scale


def test_the_pair_is_kept_in_the_file(tmp_path, lithium: Potential) -> None:
    rng = np.random.default_rng(0)
    scalars = len(lithium.spec.mapping)
    made = Members("second", rng.normal(size=(scalars, 2)), rng.normal(size=(3, 1, 2)), "first")
    write_members(tmp_path / "m.npz", made)
    found = read_members(tmp_path / "m.npz")
    assert found.in_pairs_with(Members("first", made.basis, made.weights))
    assert not found.in_pairs_with(Members("other", made.basis, made.weights))
    assert not Members("", made.basis, made.weights).in_pairs_with(Members("", made.basis, made.weights))


def test_spread_of_a_difference() -> None:
    first = np.random.default_rng(2).normal(size=400)
    assert difference_spread(1.2, first, 1.2 * first, paired=True) == pytest.approx(0.0, abs=1e-12)
    assert difference_spread(1.2, first, 1.2 * first, paired=False) == pytest.approx(
        math.sqrt(2.0) * 1.2 * spread_of(first)
    )


@pytest.mark.parametrize("paired", [True, False])
def test_differences_of_a_comparison_have_the_calibrated_spread(
    monkeypatch: pytest.MonkeyPatch, lithium: Potential, paired: bool
) -> None:
    other = twin(lithium, functional="r2SCAN", strength=1.21, card={"sha256": "second"})
    change = 1e-3 * np.asarray(lithium.spec.moment_coeffs)
    amounts = np.random.default_rng(3).normal(size=(16, 1, 1))
    members = {
        lithium.name: Members(lithium.card.sha256, change[:, None], amounts),
        "twin": Members("second", change[:, None], amounts, lithium.card.sha256 if paired else ""),
    }
    model = QuantityCalibration(classes={"metal": 0.0}, spread=1.0, crystals={"metal": 20})
    calibrations = {
        lithium.name: Calibration(weights_sha256=lithium.card.sha256, quantities={"k_vrh_gpa": model}),
        "twin": Calibration(
            weights_sha256="second",
            quantities={"k_vrh_gpa": model},
            differences={"k_vrh_gpa": model, "v0_a3_per_atom": model.model_copy(update={"classes": {}})},
            against_sha256=lithium.card.sha256,
        ),
    }
    for where in ("sus2.trust.committee.members_of", "sus2.comparison.paired.members_of"):
        monkeypatch.setattr(where, lambda p: members[p.name])
    monkeypatch.setattr("sus2.trust.assess.calibration_of", lambda p: calibrations[p.name])
    found = compare(bulk("Li", "bcc", a=3.45), [lithium, other], properties=("elastic",))
    k = next(d for d in found.differences["twin"] if d.key == "k_vrh_gpa")
    sigma = found.uncertainty["twin"]["k_vrh_gpa"]
    assert k.error == sigma
    if paired:
        # All members are 1.21 times as stiff in the twin: nothing is left but the floor of spreads, a thousandth.
        assert sigma == pytest.approx(1e-3 * k.reference, rel=1e-6)
        assert "paired members" in k.error_source
    else:
        own = sus2.elastic(found.own[0].atoms, lithium, relaxed=True, cross_checks=False)
        committee = Committee(ReadoutBasis(lithium, change[:, None]), members[lithium.name])
        alone = elastic_spread(committee, own, second_derivatives(own.atoms, lithium)).k_vrh_gpa.std()
        assert sigma == pytest.approx(math.sqrt(2.0) * 1.21 * alone, rel=1e-2)
    # Not calibrated for metals, and not calibrated at all.
    for key in ("volume_a3_per_atom", "g_vrh_gpa"):
        assert math.isnan(found.uncertainty["twin"][key])
    assert f"{sigma}" in found.to_csv()


def _record(name: str, value: float, reference: dict[str, tuple[float, str]], members: list[float]) -> Record:
    return Record(
        name=name,
        potential="p",
        formula="Li",
        composition="Li",
        crystal_class="metal",
        elements=("Li",),
        grade=0.5,
        values={"k_vrh_gpa": value},
        spreads={"k_vrh_gpa": 1.0},
        references={q: v for q, (v, _) in reference.items()},
        functionals={q: f for q, (_, f) in reference.items()},
        members={"k_vrh_gpa": members},
        kind="229",
    )


def test_references_of_another_functional_and_of_differences() -> None:
    changes = {("Li", "229"): {"k_vrh_gpa": 1.10}}
    first = [_record("a", 20.0, {"k_vrh_gpa": (15.0, "PBE")}, [1.0, -1.0])]
    second = [_record("a", 21.0, {"k_vrh_gpa": (15.0, "PBE")}, [1.05, -1.05])]
    (moved,) = with_changes(second, changes)
    assert moved.references["k_vrh_gpa"] == pytest.approx(16.5)
    assert with_changes(second, {})[0].references == {}
    # 5 % is computed, 10 % is taught: the record is off by a twentieth of the first number.
    (row,) = difference_records(first, second, changes, {"a"}, paired=True)
    assert (row.values["k_vrh_gpa"] - row.references["k_vrh_gpa"]) / 20.0 == pytest.approx(-0.05)
    assert row.spreads["k_vrh_gpa"] == pytest.approx(0.0, abs=1e-12)
    # A crystal that was trained on judges nothing, unless it is known in both functionals.
    assert difference_records(first, second, changes, set(), paired=True)[0].references == {}
    known = [_record("a", 21.0, {"k_vrh_gpa": (15.3, "r2SCAN")}, [1.05, -1.05])]
    (row,) = difference_records(first, known, changes, set(), paired=True)
    assert (row.values["k_vrh_gpa"] - row.references["k_vrh_gpa"]) / 20.0 == pytest.approx(0.05 - 0.02)


def _labels_of_both(lithium: Potential, base: str = "Li", a: float = 3.45) -> list[TrainingSet]:
    """A bcc crystal at rest and a pair each of strains and displacements, labelled in two functionals."""
    other = twin(lithium, functional="r2SCAN", strength=1.21, stretch=1.01)
    rest = sus2.relax(bulk("Li", "bcc", a=a, cubic=True), lithium, fmax=1e-5).atoms
    structures, kinds = [rest], ["relaxed"]

    def add(kind: str, change: np.ndarray) -> None:
        for sign in (1.0, -1.0):
            atoms: Atoms = rest.copy()
            if kind == "strain-pair":
                atoms.set_cell(atoms.cell.array @ (np.eye(3) + sign * change), scale_atoms=True)
            else:
                atoms.positions += sign * change
            structures.append(atoms)
            kinds.append(kind)

    add("strain-pair", np.array([[0.01, 0.0, 0.0], [0.0, 0.0, 0.004], [0.0, 0.004, 0.0]]))
    add("displaced-pair", 0.02 * np.random.default_rng(0).normal(size=(2, 3)))
    labels = []
    for p in (lithium, other):
        found = p.evaluate(structures)
        e, f, s = ([getattr(r, n) for r in found] for n in ("energy_ev", "forces_ev_per_a", "stress_ev_per_a3"))
        labels.append(make_set(structures, e, f, s, set_name="made", kind=kinds, base=[base] * len(kinds)))
    return labels


def test_the_change_by_labels_is_that_of_the_potentials_that_made_them(lithium: Potential) -> None:
    labels = _labels_of_both(lithium)
    change = change_of("Li", labels)
    assert change is not None
    assert (change.formula, change.kind[:3]) == ("Li", "229")
    assert change.ratios["v0_a3_per_atom"] == pytest.approx(1.01**3, rel=2e-3)
    # B' = 4 and one fall of all constants with the volume are approximations, here over 3 % of it.
    for name, within in (("k_vrh_gpa", 0.05), ("c11_gpa", 0.05), ("c44_gpa", 0.08)):
        assert change.ratios[name] == pytest.approx(1.21 / 1.01**3, rel=within), name
    assert change.ratios["mean_frequency_thz"] == pytest.approx(1.1 / 1.01, rel=0.05)


def test_crystals_that_were_held_out_judge_the_change_of_all_but_volumes(
    monkeypatch: pytest.MonkeyPatch, lithium: Potential
) -> None:
    made = {base: _labels_of_both(lithium, base) for base in ("one", "two", "three")}
    asked = []

    def loaded(name: str, functional: str, families: None, split: str) -> TrainingSet:
        asked.append(split)
        k = ("PBE", "r2SCAN").index(functional)
        bases = {"test": ("one", "two"), "mp": ("three",)}.get(split, ())
        parts = [made[b][k] for b in bases]
        return TrainingSet.concatenate(parts) if parts else made["one"][k].subset([])

    monkeypatch.setattr("sus2.training.teachers.functional_change.load_set", loaded)
    found = held_out_changes("made", 2)
    assert "train" not in asked
    assert [c.base for _, c in found] == ["one", "two"]  # the first ones, no more than asked for
    atoms, change = found[0]
    assert "v0_a3_per_atom" not in change.ratios
    assert change.ratios["c44_gpa"] == pytest.approx(1.21 / 1.01**3, rel=0.08)
    assert atoms.get_chemical_symbols() == ["Li", "Li"]


def test_symmetry_leaves_as_many_constants_as_it_should() -> None:
    crystals = {
        3: bulk("Cu"),
        5: bulk("Mg"),
        21: Atoms("H", cell=[[1, 0, 0], [0.1, 1.2, 0], [0.2, 0.3, 1.4]], pbc=True),
    }
    for count, atoms in crystals.items():
        rotations = crystal_axes(atoms, 1e-3).rotations
        free = free_tensors(rotations)
        assert len(free) == count
        for c in free:
            np.testing.assert_allclose(symmetrised(c, rotations), c, atol=1e-12)


def test_calibration_of_the_second_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lithium: Potential
) -> None:
    """Numbers of both are 20 % off, the difference by 1 %: members in pairs know it."""
    other = twin(lithium, name="second", functional="r2SCAN", card={"sha256": "second"})
    rng = np.random.default_rng(0)
    rows: dict[str, list[Record]] = {lithium.name: [], "second": []}
    changes: dict[tuple[str, str], dict[str, float]] = {}
    for k in range(120):
        formula = f"Li{k + 1}O"
        both, own = 0.2 * rng.normal(), 0.01 * rng.normal()
        moved = rng.normal(size=16)
        reference = {"k_vrh_gpa": (100.0, "PBE")}
        for name, value, scale in ((lithium.name, 100.0 * (1 + both), 1.0), ("second", 110.0 * (1 + both + own), 1.1)):
            members = (20.0 * scale * moved + (rng.normal(size=16) if name == "second" else 0.0)).tolist()
            row = _record(f"mp-{k}", value, reference, members)
            sha = lithium.card.sha256 if name == lithium.name else "second"
            rows[name].append(
                replace(
                    row,
                    formula=formula,
                    composition=formula,
                    potential=name,
                    weights_sha256=sha,
                    spreads={"k_vrh_gpa": spread_of(np.array(members))},
                )
            )
        changes[(rows["second"][-1].formula_hill, "229")] = {"k_vrh_gpa": 1.10}
    for name, found in rows.items():
        write_records(tmp_path / f"{name}.jsonl", found)
    members = {
        lithium.name: Members(lithium.card.sha256, np.ones((1, 1)), np.ones((16, 1, 1))),
        "second": Members("second", np.ones((1, 1)), np.ones((16, 1, 1)), lithium.card.sha256),
    }
    where = "sus2.validation.calibrate"
    monkeypatch.setattr(f"{where}.load_moments", lambda name: {lithium.name: lithium, "second": other}[name])
    monkeypatch.setattr(f"{where}.members_of", lambda p: members[p.name])
    monkeypatch.setattr(f"{where}.calibration_path", lambda name: tmp_path / f"{name}.calibration")
    held_out = {r.name for r in rows["second"]}
    made = calibrate("second", [], records=tmp_path, changes=changes, held_out=held_out, report=lambda text: None)
    written = Calibration.model_validate_json((tmp_path / "second.calibration").read_text())
    assert written == made.calibration
    assert written.against_sha256 == lithium.card.sha256
    alone = written.relative_sigma("k_vrh_gpa", "metal", ["Li"], 0.5, {"k_vrh_gpa": 0.2})
    paired = written.of_differences().relative_sigma("k_vrh_gpa", "metal", ["Li"], 0.5, {"k_vrh_gpa": 0.01})
    assert 0.13 < alone < 0.3
    assert 0.006 < paired < 0.02
    assert [c.crystals for c in made.of_differences] == [120, 120]
    assert read_coverage(tmp_path / "second.coverage.json")["differences"] == made.of_differences
    # Without labels nothing judges r2SCAN here, and nothing is said.
    bare = calibrate("second", [], records=tmp_path, report=lambda text: None).calibration
    assert bare.quantities == {}
    assert bare.differences == {}
