"""The extrapolation grade: one for the outskirts of the training data, more beyond, none without their summary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.registry import applicability as extrapolation
from sus2.registry.applicability import (
    ExtrapolationGrade,
    descriptors,
    extrapolation_grade,
    grade_of,
    information,
    information_path,
)
from sus2.training.data.dataset import make_set
from sus2.training.fit.information import summarise


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


def rattled(size: float, seed: int) -> Atoms:
    atoms = bulk("Si", a=5.47).repeat((2, 2, 1))
    atoms.rattle(size, seed=seed)
    return atoms


def test_descriptors_give_the_energy(silicon: Potential) -> None:
    structures = [rattled(0.1, 0), bulk("Si", a=5.3), rattled(0.2, 1)]
    values = descriptors(silicon, structures)
    assert values.shape == (18, len(silicon.spec.mapping))
    spec = silicon.spec
    assert spec.shift_coeffs is not None
    assert spec.species_coeffs is not None
    energies = values @ spec.moment_coeffs + spec.shift_coeffs[0] + spec.species_coeffs[0]
    expected = np.concatenate([r.energies_ev for r in silicon.evaluate(structures)])
    assert np.allclose(energies, expected, atol=1e-9)


def test_training_atoms_are_interpolation_and_far_ones_are_not(silicon: Potential) -> None:
    structures = [rattled(0.02 * (1 + k % 3), k) for k in range(40)]
    zero = [np.zeros((len(a), 3)) for a in structures]
    data = make_set(structures, [0.0] * 40, zero, [np.zeros(6)] * 40, set_name="x")
    known = summarise(silicon, data)
    types = np.zeros(8, dtype=int)

    def grade(atoms: Atoms) -> float:
        return float(grade_of(known, descriptors(silicon, [atoms]), types).max())

    inside = [grade(rattled(0.03, 100 + k)) for k in range(10)]
    outside = [grade(rattled(0.4, 100 + k)) for k in range(10)]
    assert max(inside) < 3.0
    assert min(outside) > 3.0 * max(inside)


@pytest.mark.parametrize("kept", [20, 1000])
def test_the_grade_is_the_mahalanobis_distance(silicon: Potential, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr("sus2.training.fit.information.DIRECTIONS", kept)
    structures = [rattled(0.02 * (1 + k % 3), k) for k in range(40)]
    zero = [np.zeros((len(a), 3)) for a in structures]
    known = summarise(silicon, make_set(structures, [0.0] * 40, zero, [np.zeros(6)] * 40, set_name="x"))
    count = len(silicon.spec.mapping)
    assert known.directions.shape == (count, min(kept, count))
    # The covariance in full: that of the training atoms, with all small variances lifted to `rest`.
    values = descriptors(silicon, structures)
    own = (values - values.mean(axis=0)) / values.std(axis=0)
    w, vectors = np.linalg.eigh(np.cov(own.T))
    inverse = (vectors / np.maximum(w, known.rest)) @ vectors.T
    far = descriptors(silicon, [rattled(0.2, 7)])
    step = (far - values.mean(axis=0)) / values.std(axis=0)
    distance = np.sqrt(np.einsum("ns,st,nt->n", step, inverse, step) / count)
    assert np.allclose(grade_of(known, far, np.zeros(8, dtype=int)) * known.scale[0], distance, rtol=1e-6)


def test_every_shipped_potential_knows_its_data(silicon: Potential) -> None:
    for card in sus2.models():
        potential = sus2.load(card.name)
        assert information(potential) is not None, f"run 'sus2 data information {card.name}'"
        assert information_path(card.name).stat().st_size < 3_000_000
    calm = extrapolation_grade(silicon, [bulk("Si", a=5.47)])
    assert calm.note == ""
    assert calm.largest < 1.0
    assert calm.checks()[0].verdict == "pass"
    wild = extrapolation_grade(silicon, [bulk("Si", a=5.47), bulk("Si", "fcc", a=2.6)])
    assert wild.checks()[0].verdict == "fail"
    assert len(wild.grades) == 2


def test_other_weights_and_other_calculators_have_no_grade(silicon: Potential) -> None:
    other = Potential(silicon.spec, silicon.card.model_copy(update={"sha256": "0" * 64}))
    found = extrapolation_grade(other, [bulk("Si")])
    assert np.isnan(found.largest)
    assert "no summary" in found.checks()[0].meaning
    own = Potential(replace(silicon.spec), silicon.card.model_copy(update={"name": "mine", "sha256": ""}))
    assert information(own) is None


def test_a_damaged_file_is_named(silicon: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "damaged.info.npz"
    path.write_bytes(b"PK\x03\x04 not a zip")
    monkeypatch.setattr(extrapolation, "information_path", lambda name: path)
    with pytest.raises(Sus2Error, match=r"damaged\.info\.npz is damaged"):
        extrapolation_grade(silicon, [bulk("Si")])


def test_atoms_of_which_nothing_is_known_do_not_pass() -> None:
    known = ExtrapolationGrade((np.array([0.2, np.nan]), np.array([0.5])), "")
    (check,) = known.checks()
    assert check.verdict == "warn"
    assert check.value == 0.5
    assert check.meaning.startswith("1 atom is of an element")
    (all_unknown,) = ExtrapolationGrade((np.full(3, np.nan),), "").checks()
    assert all_unknown.verdict == "warn"
    assert "3 atoms are" in all_unknown.meaning
    (far,) = ExtrapolationGrade((np.array([np.nan, 9.0]),), "").checks()
    assert far.verdict == "fail"


def test_a_summary_that_is_made_again_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    potential = sus2.load("si-mlearn-pbe")
    source = information_path(potential.name)
    path = tmp_path / source.name
    path.write_bytes(source.read_bytes())
    monkeypatch.setattr(extrapolation, "information_path", lambda name: path)
    before = extrapolation.information(potential)
    assert before is not None
    with np.load(path) as z:
        arrays = {k: z[k] for k in z.files}
    np.savez(path, **{**arrays, "scale": 2.0 * arrays["scale"]})
    after = extrapolation.information(potential)
    assert after is not None
    assert np.allclose(after.scale, 2.0 * before.scale)
    path.unlink()
    assert extrapolation.information(potential) is None
