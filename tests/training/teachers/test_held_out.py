"""What a potential is judged by: splits that keep crystals apart, pairs, errors by class of crystal."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.formula import Formula

import sus2
from sus2.errors import DataError
from sus2.training.data.crystals.crystal import Crystal
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.hold_out import TEXTBOOK, HoldOut
from sus2.training.teachers import held_out


def test_a_composition_is_in_one_split_and_textbook_compounds_train() -> None:
    rule = HoldOut(frozenset({"AuTi3"}), frozenset({"CaHfPd2"}))
    assert rule.split([22, 22, 22, 79]) == "mp"
    assert rule.split([22, 79, 22, 22, 22, 22, 22, 79], "A15") == "mp"
    assert rule.split([11, 17], "C11b") == "train"
    assert "ClNa" in TEXTBOOK
    assert rule.split([74, 74]) == "train"


def test_shares_of_the_splits_and_of_structure_types() -> None:
    rule = HoldOut(frozenset(), frozenset())
    metals = range(21, 51)
    splits = [rule.split([a, b, b]) for a in metals for b in metals if a != b]
    assert 0.05 < splits.count("test") / len(splits) < 0.11
    assert 0.02 < splits.count("val") / len(splits) < 0.06
    assert splits.count("type") == 0
    assert {rule.split([a, 51, 51], "chalcopyrite") for a in metals} <= {"test", "val", "type"}


def toy(scale: float) -> TrainingSet:
    """Rattled and paired cells of silicon, labelled by a potential whose answers are scaled."""
    potential = sus2.load("si-mlearn-pbe")
    rng = np.random.default_rng(1)
    crystals, kinds = [], []
    for name in ("a", "b", "c"):
        atoms = bulk("Si", a=5.47)
        move = rng.normal(size=(2, 3)) * 0.02
        for sign in (1, -1):
            crystals.append(atoms.copy())
            crystals[-1].positions += sign * move
            kinds.append("displaced-pair")
        crystals.append(atoms.copy())
        crystals[-1].rattle(0.1, seed=ord(name))
        kinds.append("rattle")
    found = potential.evaluate(crystals)
    return make_set(
        crystals,
        [r.energy_ev for r in found],
        [scale * r.forces_ev_per_a for r in found],
        [r.stress_ev_per_a3 for r in found],
        set_name="toy",
        kind=kinds,
        base=[x for x in "abc" for _ in range(3)],
        volume_ratio=np.ones(9),
    )


def test_errors_and_slopes_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    potential = sus2.load("si-mlearn-pbe")
    monkeypatch.setattr(held_out, "load_set", lambda *_, **__: toy(2.0))
    everything, silicon = held_out.label_errors("toy", potential, splits=("test",))
    assert (everything.name, silicon.name) == ("all", "element")
    assert everything.force_mev_per_a == silicon.force_mev_per_a > 100.0
    assert everything.energy_mev_per_atom < 1e-6
    assert everything.off == 0
    assert everything.force_slope == pytest.approx(0.5)
    assert everything.displaced_slope == pytest.approx(0.5)
    assert everything.displaced_percent == pytest.approx(50.0)


def test_pairs_are_neighbours_of_one_crystal() -> None:
    data = toy(1.0)
    assert held_out.pairs_of(data).tolist() == [[0, 1], [3, 4], [6, 7]]
    assert held_out.pairs_of(data.subset([0, 2, 4, 6, 7])).tolist() == [[3, 4]]


def test_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="no part 'speed'"):
        held_out.judged("toy", sus2.load("si-mlearn-pbe"), "speed")


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [("Si", "element"), ("LaOF", "oxyfluoride"), ("MgO", "oxide"), ("NaCl", "halide"), ("NiAl", "intermetallic")],
)
def test_classes_follow_the_elements(symbols: str, expected: str) -> None:
    assert held_out.crystal_class(list(Formula(symbols).count())) == expected


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("CaCO3", "carbonate"),
        ("CaSO4H4O2", "hydroxide, hydrate"),
        ("SiO2", "silicate"),
        ("MgO", "oxide"),
        ("FeS2", "chalcogenide"),
    ],
)
def test_oxides_of_files_are_told_apart(symbols: str, expected: str) -> None:
    assert held_out.file_class(list(Formula(symbols).count())) == expected


def test_volumes_of_files_stand_beside_those_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    potential = sus2.load("si-mlearn-pbe")
    crystals = [Crystal(n, bulk("Si", a=a), "public", True) for n, a in (("right", 5.43), ("wide", 5.7))]
    foreign = Crystal("foreign", bulk("Ge"), "public", True)
    monkeypatch.setattr(held_out, "public_domain", lambda _: [*crystals, foreign])
    everything, silicon = held_out.file_errors(potential)
    assert (everything.crystals, silicon.name, silicon.wrong_percent, silicon.failed_percent) == (
        2,
        "element",
        50.0,
        0.0,
    )
    own = sus2.relax(bulk("Si"), potential).atoms.get_volume()
    changes = [100 * abs(own / c.atoms.get_volume() - 1) for c in crystals]
    assert everything.median_percent == pytest.approx(np.mean(changes), abs=0.05)
