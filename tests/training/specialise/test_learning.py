"""What a small potential learns from more and more structures (lesson 8)."""

from __future__ import annotations

import numpy as np
import pytest

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.jobs import archive
from sus2.structures.samples import sample
from sus2.training.specialise.learning import learning_study, snapshots


def test_more_structures_teach_more_and_a_large_form_overfits_few() -> None:
    silicon, teacher = sample("si").atoms(), sus2.load("si-mlearn-pbe")
    found = learning_study(silicon, teacher, counts=(10, 60), graph="l2k2")
    few, many = found.fits
    assert [few.structures, many.structures] == [10, 60]
    assert many.held_out_mev_per_a < few.held_out_mev_per_a
    assert few.held_out_mev_per_a > 2.0 * few.train_mev_per_a
    assert found.elastic_error_percent(many) < found.elastic_error_percent(few)
    # The teacher's side is what the public functions say of it.
    exact = sus2.elastic(silicon, teacher, cross_checks=False)
    assert found.reference.c_gpa == pytest.approx(exact.c_gpa, abs=0.5)
    bands = sus2.phonons(silicon, teacher).band_structure(60).frequencies_thz
    assert found.reference.bands_thz == pytest.approx(bands, abs=0.02)
    # E(V) follows the teacher's where volumes were labelled, and leaves it beyond.
    inside = (found.volumes_a3 > found.labelled_a3[0]) & (found.volumes_a3 < found.labelled_a3[1])
    off = np.abs(many.energies_ev - found.reference.energies_ev)
    assert off[inside].max() < 0.02 < off[~inside].max()
    again = archive.unpack(archive.pack(found), lambda wanted: None)
    assert again.fits[0].held_out_mev_per_a == few.held_out_mev_per_a
    overfitted = learning_study(silicon, teacher, counts=(10,), graph="l3k3").fits[0]
    assert overfitted.train_mev_per_a < 0.2 * few.train_mev_per_a
    assert overfitted.held_out_mev_per_a > 50.0 * overfitted.train_mev_per_a


def test_larger_sets_contain_the_smaller_ones() -> None:
    atoms = sample("nacl").atoms()
    few, many = snapshots(atoms, 3, 0), snapshots(atoms, 9, 0)
    assert all(np.array_equal(a.atoms.positions, b.atoms.positions) for a, b in zip(few, many, strict=False))
    assert not np.array_equal(few[0].atoms.positions, snapshots(atoms, 1, 1)[0].atoms.positions)


def test_counts_that_make_no_sense_and_a_stop() -> None:
    silicon, teacher = sample("si").atoms(), sus2.load("si-mlearn-pbe")
    for counts in ((), (1,), (30, 10), (2000,)):
        with pytest.raises(Sus2Error, match="ascending numbers"):
            learning_study(silicon, teacher, counts=counts)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        learning_study(silicon, teacher, progress=stop)
