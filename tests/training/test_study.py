"""The studies: descents of equal effort, tables that go on, ways to a second functional, switches of the ablations."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from sus2.native.kernels import Kernel
from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.studies import ablations, study, transfer
from sus2.studies import limits as what_limits
from sus2.studies.study import Effort, Material
from sus2.studies.tables import append_row, read_table, run_rows
from sus2.studies.transfer import TransferStudy
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit.objective import Objective
from tests.helpers_spec import random_spec

ELEMENTS = ("Ga", "As")
TEACHERS = {"PBE": random_spec(2), "r2SCAN": random_spec(2)}
SHIFT = np.array([-7.0, 3.0])


def crystals(count: int, seed: int) -> list[Atoms]:
    out = [bulk("Ga", "fcc", a=4.2), bulk("As", "fcc", a=4.4)]
    for k in range(count):
        rng = np.random.default_rng((seed, k))
        atoms = bulk("GaAs", "zincblende", a=5.2)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.04 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


def labelled(functional: str, count: int, seed: int) -> TrainingSet:
    spec = TEACHERS[functional]
    if functional == "r2SCAN":  # the same physics on another scale of energy
        spec = replace(spec, shift_coeffs=spec.shift_coeffs + SHIFT, species_coeffs=1.02 * spec.species_coeffs)
    teacher = Potential(spec, Card(name="t", functional=functional, elements=ELEMENTS))
    atoms = crystals(count, seed)
    found = teacher.evaluate(atoms)
    data = make_set(
        atoms,
        [r.energy_ev for r in found],
        [r.forces_ev_per_a for r in found],
        [r.stress_ev_per_a3 for r in found],
        set_name="random",
    )
    kind = np.array(["relaxed", "relaxed", *["rattle", "relaxed"] * (count // 2)])
    ratio = np.where(np.arange(len(data)) % 3 == 0, 1.3, 1.0)
    return replace(data, kind=kind, volume_ratio=ratio)


def relaxed(functional: str) -> TrainingSet:
    data = labelled(functional, 10, 0)
    return data.subset(np.flatnonzero(data.kind == "relaxed"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studies on a tiny set of two elements, in chunks of four."""
    real = study.study_config

    def config(*args: object, **changes: object):
        tiny = {"elements": ELEMENTS, "cutoff_a": 4.0, "radial_basis_size": 5, "graph": "l2k1"}
        return real(*args, **(tiny | changes))

    def load(config, functional, seed, keep=None, *, linear_map=False) -> Material:
        train, test = labelled(functional, 10, 0), labelled(functional, 4, 1)
        if keep is not None:
            train = train.subset(np.flatnonzero(keep(train)))
        return Material(config, train, test, seed, linear_map=linear_map)

    monkeypatch.setattr(study, "CHUNK", 4)
    for module in (ablations, what_limits):
        monkeypatch.setattr(module, "study_config", config)
        monkeypatch.setattr(module, "load_material", load)
    form = {"readout": "element", "readout_prior": 1e-5, "amplitudes": True}
    monkeypatch.setattr(transfer, "transfer_material", lambda f, seed: load(config(**form), f, seed))
    monkeypatch.setattr(transfer, "relaxed_crystals", relaxed)


@pytest.mark.usefixtures("small")
def test_all_methods_learn_and_the_refitted_references_start_best() -> None:
    found = {m: TransferStudy(Effort(40)).run(m, 0) for m in transfer.METHODS}
    assert {row["structures"] for row in found.values()} == {12}
    for row in found.values():
        assert all(np.isfinite(value) for key, value in row.items() if key != "change_sign_percent")
    # The functionals differ by shifts and a factor, so refitted references leave almost nothing to learn.
    assert found[4]["energy_mae_mev_per_atom"] < 0.2 * found[3]["energy_mae_mev_per_atom"]
    assert found[4]["energy_mae_mev_per_atom"] < found[2]["energy_mae_mev_per_atom"]


@pytest.mark.usefixtures("small")
def test_the_change_alone_keeps_what_the_first_potential_misses() -> None:
    """The errors of the second potential are those of the first on its own labels, but for what the change misses."""
    run = TransferStudy(Effort(40))
    space, start = run.pretrained
    _, x = run._changed(None)
    readout = space.slices()["theta_element"]
    assert not np.allclose(x[readout], start[readout])
    rest = np.ones(space.size, dtype=bool)
    rest[readout] = rest[space.slices()["shift"]] = False
    assert np.array_equal(x[rest], start[rest])
    missed = [
        (m.held_out.predict(space.unpack(y)).energy_ev - m.held_out.data.energy_ev) / m.held_out.sizes
        for m, y in ((run.pbe, start), (run.r2scan, x))
    ]
    assert np.abs(missed[1] - missed[0]).mean() < 0.1 * np.abs(missed[0]).mean()


@pytest.mark.usefixtures("small")
def test_frozen_references_stay_and_shared_parameters_are_shared() -> None:
    run = TransferStudy(Effort(20))
    space, x = run.pretrained
    shift = space.slices()["shift"]
    frozen = np.ones(space.size, dtype=bool)
    frozen[shift] = False
    moved = study.train(run.r2scan, space, x, run.effort, trainable=frozen)
    assert np.array_equal(moved[shift], x[shift])
    assert not np.allclose(moved, x)
    _, both = run._both(None)
    assert both.shape == x.shape
    assert not np.allclose(both[shift], x[shift], atol=1.0)  # on the scale of r2SCAN


@pytest.mark.usefixtures("small")
def test_shifts_between_the_functionals_are_found() -> None:
    shifts, rows, summary = transfer.shifts_of_elements()
    for element, shift in zip(ELEMENTS, SHIFT, strict=True):
        assert shifts[element] == pytest.approx(shift, abs=0.3)
    assert rows
    assert summary["formation_mae_ev_per_atom"] < 0.1 < summary["raw_mae_ev_per_atom"]


@pytest.mark.usefixtures("small")
def test_ablations_switch_off_what_they_say() -> None:
    whole = ablations._volumes("whole", Effort(20))
    one = ablations._volumes("one-scaling", Effort(20))
    linear = ablations._volumes("linear-map", Effort(20))
    assert whole["inside_structures"] + whole["outside_structures"] == 6
    assert one["parameters"] < whole["parameters"]
    assert linear["parameters"] == whole["parameters"]
    assert linear["inside_energy_mae_mev_per_atom"] != whole["inside_energy_mae_mev_per_atom"]


@pytest.mark.usefixtures("small")
def test_learning_curves_train_on_what_they_say() -> None:
    few, all_of_them = (what_limits.learned("l2k1", share, Effort(60)) for share in (0.01, 1.0))
    assert few["compositions"] == 3  # the elements and one compound
    assert all_of_them["compositions"] == 3
    untrained = what_limits.learned("l2k1", 1.0, Effort(1))
    assert all_of_them["seen_energy_mae_mev_per_atom"] < 0.5 * untrained["seen_energy_mae_mev_per_atom"]
    assert all_of_them["held_out_force_mae_mev_per_a"] < untrained["held_out_force_mae_mev_per_a"]


def test_shares_of_compositions_grow_and_keep_the_elements() -> None:
    data = labelled("PBE", 20, 0)
    names = np.array(["Ga", "As", *[f"Ga{k // 2 + 1}As" for k in range(20)]])
    data = replace(data, composition=names)
    masks = [what_limits.some_compositions(data, share, 1) for share in (0.1, 0.4, 1.0)]
    for small, large in pairwise(masks):
        assert small.sum() < large.sum()
        assert np.all(large[small])
    for mask in masks:
        assert mask[:2].all()
        chosen = set(names[mask].tolist())
        assert np.array_equal(mask, np.isin(names, sorted(chosen)))  # a composition is in or out as a whole
    assert masks[-1].all()


def test_two_teachers_disagree_by_what_shifts_of_elements_leave() -> None:
    data = labelled("PBE", 20, 0)
    noise = np.where(np.arange(len(data)) % 2, 0.04, -0.04) * data.sizes
    noise[:2] = 0.0  # the elements
    found = what_limits.disagreement(
        data, data.energy_ev + data.counts() @ np.array([2.0, -3.0]) + noise, data.forces_ev_per_a - 0.25
    )
    assert found["held_out_energy_mae_mev_per_atom"] == pytest.approx(40.0 * 20 / 22, rel=0.02)
    assert found["held_out_force_mae_mev_per_a"] == pytest.approx(250.0)


def test_gradient_with_a_linear_map() -> None:
    spec, data, h = random_spec(3), labelled("PBE", 4, 5), 1e-6
    objective = Objective(data, ELEMENTS, spec.max_dist, threads=1, linear_map=True)
    plain = Objective(data, ELEMENTS, spec.max_dist, threads=1)
    value, gradient, _ = objective.value_and_gradient(spec)
    assert value != pytest.approx(plain.value_and_gradient(spec)[0])
    assert spec.alpha is not None
    assert spec.r0 is not None
    assert spec.radial_weights is not None
    for name, table, place in (
        ("alpha", spec.alpha, (0, 0, 1)),
        ("r0", spec.r0, (0, 1, 0)),
        ("radial_weights", spec.radial_weights, (1, 2)),
    ):
        moved = []
        for sign in (1, -1):
            changed = table.copy()
            changed[place] += sign * h
            moved.append(objective.value_and_gradient(replace(spec, **{name: changed}))[0])
        expected = getattr(gradient, "weights" if name == "radial_weights" else name)[place]
        assert (moved[0] - moved[1]) / (2 * h) == pytest.approx(expected, rel=1e-5, abs=1e-6 * abs(value))


def test_a_linear_map_is_the_tanh_for_small_arguments() -> None:
    spec = random_spec(3)
    assert spec.alpha is not None
    flat = replace(spec, alpha=1e-5 * spec.alpha)
    objective = Objective(labelled("PBE", 2, 5), ELEMENTS, spec.max_dist, threads=1)
    a = Kernel(flat, threads=1).evaluate(objective.edges)
    b = Kernel(flat, threads=1, linear_map=True).evaluate(objective.edges)
    for x, y in zip(a, b, strict=True):
        assert np.allclose(x, y, rtol=1e-7, atol=1e-9)


def test_a_study_that_was_stopped_goes_on(tmp_path: Path) -> None:
    path, done = tmp_path / "x.csv", []

    def work(row):
        done.append(row["size"])
        if len(done) == 3:
            raise KeyboardInterrupt
        return {"error": 0.5 * row["size"]}

    rows = [{"method": "a", "size": k} for k in range(5)]
    with pytest.raises(KeyboardInterrupt):
        run_rows(path, rows, work, lambda text: None)
    run_rows(path, rows, work, lambda text: None)
    assert done == [0, 1, 2, 2, 3, 4]
    assert [row["error"] for row in read_table(path)] == ["0.0000", "0.5000", "1.0000", "1.5000", "2.0000"]
    append_row(path, {"method": "b", "other": 1})
    assert read_table(path)[-1] == {"method": "b", "size": "", "error": "", "other": "1"}
