"""A potential for one crystal: its table, its files, the same again from one seed, stopped and resumed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.calculators.emt import EMT

import sus2
from sus2.errors import CancelledError, DataError, StructureError, Sus2Error, UnknownElementError
from sus2.jobs import archive
from sus2.training.specialise.loop import specialise
from sus2.training.specialise.result import Specialised
from sus2.training.specialise.structures import dimensions

QUICK: dict[str, Any] = {"functionals": ("PBE",), "graph": "l2k1", "rounds": 1, "budget_s": 600.0}


@pytest.fixture(scope="module")
def copper() -> Specialised:
    """Copper by a calculator of ASE, whose elastic constants are known."""
    return specialise(bulk("Cu", "fcc", a=3.6), EMT(), **QUICK)


def test_the_crystal_is_the_teachers(copper: Specialised) -> None:
    (student,) = copper
    assert student.card.teacher == "EMT"
    assert student.value("V0").student == pytest.approx(student.value("V0").teacher, rel=0.005)
    assert student.value("B0").student == pytest.approx(student.value("B0").teacher, rel=0.1)
    # The table is what sus2.elastic says of the potential.
    c = sus2.elastic(bulk("Cu", "fcc", a=3.6), student.potential, cross_checks=False)
    assert c.c_gpa[0, 0] == pytest.approx(student.value("C11").student, rel=0.01)
    assert c.c_gpa[3, 3] == pytest.approx(student.value("C44").student, rel=0.01)
    assert student.errors["held_out_force_mae_mev_per_a"] < 120


def test_what_is_not_reached_is_said(copper: Specialised) -> None:
    assert copper.reached == (not copper["PBE"].shortfalls)
    with pytest.raises(Sus2Error, match="only for PBE"):
        copper["r2SCAN"]
    with pytest.raises(Sus2Error, match="no C99"):
        copper["PBE"].value("C99")


def test_weights_and_card_are_a_potential_like_any_other(copper: Specialised, tmp_path: Path) -> None:
    (path,) = copper.write(tmp_path)
    again = sus2.load(str(path))
    atoms = bulk("Cu", "fcc", a=3.5) * (2, 1, 1)
    atoms.rattle(0.05, seed=1)
    ours, theirs = (p.evaluate([atoms])[0] for p in (copper["PBE"].potential, again))
    assert ours.energy_ev == theirs.energy_ev
    assert "Only for Cu" in again.card.limits


def test_the_result_is_kept_whole(copper: Specialised) -> None:
    again = archive.unpack(archive.pack(copper), lambda wanted: None)
    assert again.to_dict() == copper.to_dict()
    assert again["PBE"].potential.evaluate([copper.atoms])[0].energy_ev == pytest.approx(
        copper["PBE"].potential.evaluate([copper.atoms])[0].energy_ev
    )


def test_one_seed_one_result_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    atoms = bulk("Si", "diamond", a=5.43)
    seen: list[str] = []

    def stop(stage: str, fraction: float) -> None:
        seen.append(stage)
        if "start 2" in stage:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        specialise(atoms, "si-mlearn-pbe", folder=tmp_path / "a", progress=stop, **QUICK)
    labels = tmp_path / "a" / "labels-PBE.npz"
    assert labels.is_file()
    asked = labels.stat().st_mtime_ns
    words: list[str] = []
    one = specialise(atoms, "si-mlearn-pbe", folder=tmp_path / "a", progress=lambda s, f: words.append(s), **QUICK)
    assert "PBE: 0 labels of si-mlearn-pbe" in seen
    assert not any(
        w.startswith("PBE: 0 labels") for w in words[: words.index(next(w for w in words if "start 1" in w))]
    )
    assert asked
    two = specialise(atoms, "si-mlearn-pbe", **QUICK)
    assert one["PBE"].text == two["PBE"].text
    # A run that has ended is not repeated.
    assert specialise(atoms, "si-mlearn-pbe", folder=tmp_path / "a", **QUICK).seconds == one.seconds
    with pytest.raises(DataError, match="belongs to another crystal"):
        specialise(atoms, "si-mlearn-pbe", folder=tmp_path / "a", **(QUICK | {"seed": 1}))


def test_cancel_is_asked_often() -> None:
    times: list[float] = []

    def cancel() -> bool:
        times.append(time.process_time())
        return len(times) > 60

    with pytest.raises(CancelledError):
        specialise(bulk("Si", "diamond", a=5.43), "si-mlearn-pbe", cancel=cancel, **QUICK)
    # Seconds of this process alone: the machine may be busy.
    assert max(np.diff(times)) < 2.0


def test_a_budget_of_nothing_still_gives_a_potential_and_says_so() -> None:
    found = specialise(bulk("Si", "diamond", a=5.43), "si-mlearn-pbe", **(QUICK | {"budget_s": 0.01}))
    assert found.students
    assert any("budget" in n for n in found.notices)


@pytest.mark.parametrize(
    ("atoms", "teacher", "more", "kind", "words"),
    [
        (molecule("H2O"), "sus2-universal-pbe", {}, StructureError, "cell|period"),
        (
            Atoms("N2", [[0, 0, 0], [1.1, 0, 0]], cell=[10] * 3, pbc=True),
            "sus2-universal-pbe",
            {},
            StructureError,
            "This is a molecule with empty space around it",
        ),
        (bulk("Si"), "mo-mlearn-pbe", {}, UnknownElementError, "does not cover Si"),
        (bulk("Si"), "no-such-teacher", {}, Sus2Error, "no potential 'no-such-teacher'"),
        (bulk("Si"), "si-mlearn-pbe", {"functionals": ("r2SCAN",)}, Sus2Error, "gives PBE, not r2SCAN"),
        (bulk("Si"), "si-mlearn-pbe", {"functionals": ()}, Sus2Error, "at least one functional"),
        (bulk("Si"), "si-mlearn-pbe", {"budget_s": 0.0}, Sus2Error, "must be positive"),
        (bulk("Si"), "si-mlearn-pbe", {"start": "x"}, Sus2Error, "start must be one of"),
        (bulk("Si", cubic=True) * (2, 2, 2), "si-mlearn-pbe", {}, Sus2Error, "up to 60"),
        (bulk("Si"), 7, {}, Sus2Error, "cannot be a teacher"),
    ],
)
def test_bad_input_is_one_sentence(
    atoms: Atoms, teacher: Any, more: dict[str, Any], kind: type[Sus2Error], words: str
) -> None:
    with pytest.raises(kind, match=words):
        specialise(atoms, teacher, **(QUICK | more))


def test_what_is_a_crystal_and_what_has_a_vacuum() -> None:
    layers = graphene(vacuum=1.7)
    layers.pbc = True
    sheet = graphene(vacuum=6.0)
    sheet.pbc = True
    for atoms, count in (
        (bulk("Cs", "bcc", a=6.14), 3),
        (bulk("NaCl", "rocksalt", a=5.64), 3),
        (layers, 3),
        (sheet, 2),
        (Atoms("N", cell=[3.0, 12.0, 12.0], pbc=True), 1),
        (Atoms("He", cell=[9.0] * 3, pbc=True), 0),
    ):
        assert dimensions(atoms, 6.0) == count


def test_a_first_choice_is_near_its_teacher_and_says_how_near(copper: Specialised) -> None:
    student = copper["PBE"]
    near = tuple(replace(b, student=0.1 if b.quantity.startswith("freq") else 1.001 * b.teacher) for b in student.table)
    good = replace(student, table=near)
    assert "made for this crystal from labels of EMT" in good.reason
    assert "0.10 % from the teacher's, elastic constants by up to 0.1 %, frequencies by 0.10 THz" in good.reason
    far = tuple(replace(b, student=1.01 * b.teacher) if b.quantity == "V0" else b for b in near)
    assert replace(student, table=far).reason == ""
    lost = tuple(replace(b, student=float("nan")) for b in near)
    assert replace(student, table=lost).reason == ""
    # A shipped potential is no worse than its student, and states its own errors.
    card = student.card.model_copy(update={"teacher": "sus2-universal-pbe"})
    assert replace(good, card_json=card.model_dump_json()).reason == ""


def test_no_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sus2.training.specialise.loop.available", lambda: False)
    with pytest.raises(Sus2Error, match="C\\+\\+ compiler"):
        specialise(bulk("Si"), "si-mlearn-pbe", **QUICK)


def test_a_teacher_without_its_environment_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_TEACHERS", str(tmp_path))
    with pytest.raises(DataError, match="The weights of nequix-omat-1 are not at"):
        specialise(bulk("Si"), "nequix-omat-1", **QUICK)
    (tmp_path / "nequix").mkdir()
    (tmp_path / "nequix" / "torch-nequix-omat-1.pt").write_bytes(b"")
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(tmp_path / "none"))
    with pytest.raises(DataError, match="sus2 data setup"):
        specialise(bulk("Si"), "nequix-omat-1", **QUICK)
