"""Training: gradients, optimisers, runs that are stopped and go on, cards."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from sus2.errors import DataError
from sus2.potential.card import Card
from sus2.potential.mtp import read_mtp
from sus2.potential.potential import Potential
from sus2.registry.load import load
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit import least_squares
from sus2.training.fit.config import TrainConfig, read_config
from sus2.training.fit.least_squares import Damped, descend, gauss_newton, loss_of, project_linear, solve_linear
from sus2.training.fit.normal_equations import normal_equations
from sus2.training.fit.objective import LossWeights, Objective, errors
from sus2.training.fit.optimise import Prior, lbfgs, total
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import _Run, fit, training_data
from sus2.training.fit.run_folder import read_state
from sus2.training.fit.sources import read_source
from sus2.training.fit.start import initial_spec
from tests.helpers_spec import extended, random_spec

ELEMENTS = ("Ga", "As")
TEACHER = random_spec(2)
FORMS = {"common": TEACHER, "extended": extended(TEACHER)}


def structures(count: int, seed: int = 0) -> list[Atoms]:
    out = []
    for k in range(count):
        rng = np.random.default_rng((seed, k))
        atoms = bulk("GaAs", "zincblende", a=5.2) * (1, 1, 1 + k % 2)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.04 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


def labelled(count: int = 12, seed: int = 0) -> TrainingSet:
    teacher = Potential(TEACHER, Card(name="t", functional="none", elements=ELEMENTS))
    atoms = structures(count, seed)
    r = teacher.evaluate(atoms)
    return make_set(
        atoms,
        [x.energy_ev for x in r],
        [x.forces_ev_per_a for x in r],
        [x.stress_ev_per_a3 for x in r],
        set_name="random",
    )


def quadratic(data: TrainingSet, **changes: float) -> Objective:
    """A loss without its robust part."""
    return Objective(data, ELEMENTS, 4.0, replace(LossWeights(robust=1e6), **changes), threads=1)


def disturbed(space: ParameterSpace, amount: float, seed: int = 1) -> np.ndarray:
    x = space.pack(space.spec)
    return x + amount * space.steps * np.random.default_rng(seed).normal(size=len(x))


def test_the_model_learns_what_the_fixed_repulsion_leaves() -> None:
    teacher = Potential(TEACHER, Card(name="t", functional="none", elements=ELEMENTS, repulsion=(0.3, 1.0)))
    atoms = [a.copy() for a in structures(4)]
    for a in atoms:
        a.set_cell(0.82 * a.cell.array, scale_atoms=True)
    r = teacher.evaluate(atoms)
    data = make_set(
        atoms,
        [x.energy_ev for x in r],
        [x.forces_ev_per_a for x in r],
        [x.stress_ev_per_a3 for x in r],
        set_name="random",
    )
    plain = Objective(data, ELEMENTS, TEACHER.max_dist, threads=1)
    without = Objective(data, ELEMENTS, TEACHER.max_dist, threads=1, repulsion=teacher.repulsion)
    assert plain.value_and_gradient(TEACHER)[0] > 1.0
    assert without.value_and_gradient(TEACHER)[0] < 1e-15
    assert np.array_equal(data.energy_ev, plain.data.energy_ev)  # the set itself is not changed


@pytest.mark.parametrize(("element_space", "rank"), [("table", 0), ("factorised", 0), ("factorised", 2)])
@pytest.mark.parametrize("virials", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_gradient_of_the_loss(element_space: str, rank: int, virials: bool, form: str) -> None:
    data = labelled(6)
    if not virials:
        data = replace(data, stress_ev_per_a3=np.full_like(data.stress_ev_per_a3, np.nan))
    space = ParameterSpace(FORMS[form], element_space, rank)  # type: ignore[arg-type]
    part = Objective(data, ELEMENTS, 4.0, threads=1)
    x = disturbed(space, 0.1)
    prior = Prior(np.full(space.size, 0.01), np.zeros(space.size))
    _, gradient = total(space, [part], x, prior)
    direction = space.steps * np.random.default_rng(2).normal(size=space.size)
    h = 1e-5
    numeric = (
        total(space, [part], x + h * direction, prior)[0] - total(space, [part], x - h * direction, prior)[0]
    ) / (2 * h)
    assert gradient @ direction == pytest.approx(numeric, rel=1e-6)


def paired(count: int, seed: int = 3) -> TrainingSet:
    """Structures in pairs of displaced and of strained cells, with a single one between them."""
    data = labelled(count, seed)
    kind, base = data.kind.astype("U20"), data.base.astype("U20")
    for k in range(0, count - 2, 5):  # sizes alternate, so every other structure is made like the one before
        kind[k], kind[k + 2] = "strain-pair", "displaced-pair"
        base[k : k + 2], base[k + 2 : k + 4] = f"a{k}", f"b{k}"
    atoms = [data.to_atoms(k) for k in range(count)]
    for k in range(0, count - 2, 5):
        for q in (k, k + 2):
            atoms[q + 1] = atoms[q].copy()
            atoms[q + 1].rattle(0.1, seed=q)
            kind[q + 1] = kind[q]
    r = Potential(TEACHER, Card(name="t", functional="none", elements=ELEMENTS)).evaluate(atoms)
    return make_set(
        atoms,
        [x.energy_ev for x in r],
        [x.forces_ev_per_a for x in r],
        [x.stress_ev_per_a3 for x in r],
        set_name="random",
        kind=kind.tolist(),
        base=base.tolist(),
    )


@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_labels_of_their_own(form: str) -> None:
    data, weights = paired(14), LossWeights(robust=2.0, pair=3.0)
    part = Objective(data, ELEMENTS, 4.0, weights, threads=1)
    assert part.pairs.first.tolist() == [0, 2, 5, 7, 10, 12]
    space = ParameterSpace(FORMS[form])
    x, none = disturbed(space, 0.05), Prior.none(space)
    value, gradient = total(space, [part], x, none)
    assert value > total(space, [Objective(data, ELEMENTS, 4.0, replace(weights, pair=0.0), threads=1)], x, none)[0]
    direction, h = space.steps * np.random.default_rng(2).normal(size=space.size), 1e-6
    ends = [total(space, [part], x + s * h * direction, none)[0] for s in (1, -1)]
    assert gradient @ direction == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)
    _, right = normal_equations([part], space.unpack(x), chain=space.jacobian(x))
    assert -2.0 * right == pytest.approx(gradient, rel=1e-9, abs=1e-11 * np.abs(gradient).max())
    found = errors([part], space.unpack(x))
    assert 0.0 < found.strain_response_percent < 1e3
    assert 0.0 < found.displacement_response_percent < 1e3


def test_pairs_stay_together_in_minibatches(tmp_path: Path) -> None:
    run = _Run(read_config(config_file(tmp_path, batches=4)), 1)
    parts = run.minibatches(paired(14))
    assert sum(len(p.data) for p in parts) == 14
    assert sum(len(p.pairs.first) for p in parts) == 6


@pytest.mark.parametrize("full", [True, False])
def test_a_readout_of_mixtures(full: bool) -> None:
    space = ParameterSpace(FORMS["extended"], "factorised", 1, readout_rank=2, readout_full=full)
    part = Objective(labelled(6), ELEMENTS, 4.0, threads=1)
    x, none = disturbed(space, 0.1), Prior.none(space)
    b = space.blocks(x)
    expected = b["theta"] + b["theta_left"] @ b["theta_right"] + (b["theta_element"] if full else 0.0)
    assert space.unpack(x).moment_coeffs == pytest.approx(expected, abs=1e-14)
    gradient = total(space, [part], x, none)[1]
    direction, h = space.steps * np.random.default_rng(2).normal(size=space.size), 1e-6
    ends = [total(space, [part], x + s * h * direction, none)[0] for s in (1, -1)]
    assert gradient @ direction == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)
    _, right = normal_equations([part], space.unpack(x), chain=space.jacobian(x))
    assert -2.0 * right == pytest.approx(gradient, rel=1e-8, abs=1e-11 * np.abs(gradient).max())
    again = space.unpack(space.pack(space.unpack(x)))
    assert again.moment_coeffs == pytest.approx(expected, abs=1e-9)


def test_factorised_space_expands_to_its_table() -> None:
    space = ParameterSpace(TEACHER, "factorised", 2)
    x = disturbed(space, 0.2)
    spec = space.unpack(x)
    b = space.blocks(x)
    expected = (
        b["r0_base"][1]
        + b["r0_centre"][1, 0]
        + b["r0_neighbour"][1, 1]
        + (b["r0_left"][1, :, 0] @ b["r0_right"][1, :, 1])
    )
    assert spec.r0 is not None
    assert spec.r0[1, 0, 1] == pytest.approx(expected)
    table = ParameterSpace(TEACHER)
    data = labelled(4)
    again = table.unpack(table.pack(spec))
    one, two = (quadratic(data).predict(s).energy_ev for s in (spec, again))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("form", FORMS)
def test_projection_is_the_exact_least_squares(form: str) -> None:
    space = ParameterSpace(FORMS[form])
    part = quadratic(labelled(30))
    none = Prior.none(space)
    x = disturbed(space, 0.1)
    solved = project_linear(space, x, [part], none)
    before, after = total(space, [part], x, none), total(space, [part], solved, none)
    assert after[0] < before[0]
    linear = np.r_[space.slices()["theta_element" if form == "extended" else "theta"], space.slices()["shift"]]
    assert np.abs(after[1][linear]).max() < 1e-5 * np.abs(before[1][linear]).max()


def test_gauss_newton_finds_the_teacher_again() -> None:
    space = ParameterSpace(TEACHER)
    part = quadratic(labelled(30))
    none = Prior.none(space)
    x = disturbed(space, 0.03)
    state = Damped(x, 1e-4, total(space, [part], x, none)[0])
    losses = [state.loss]
    for _ in range(12):
        state = gauss_newton(space, state, [part], none)
        losses.append(state.loss)
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < 1e-6 * losses[0]


@pytest.mark.parametrize("element_space", ["table", "factorised"])
@pytest.mark.parametrize("robust", [1e6, 1.5])
@pytest.mark.parametrize("form", FORMS)
def test_the_normal_equations_hold_the_gradient_of_the_loss(
    element_space: Literal["table", "factorised"], robust: float, form: str
) -> None:
    space = ParameterSpace(FORMS[form], element_space, 1)
    data = labelled(8)
    data.stress_ev_per_a3[3] = np.nan
    part = Objective(data, ELEMENTS, 4.0, LossWeights(robust=robust), threads=1)
    x = disturbed(space, 0.1)
    spec = space.unpack(x)
    _, right = normal_equations([part], spec, chain=space.jacobian(x))
    _, gradient = total(space, [part], x, Prior.none(space))
    assert -2.0 * right == pytest.approx(gradient, rel=1e-9, abs=1e-12 * np.abs(gradient).max())
    _, linear = normal_equations([part], spec, linear=True)
    places = np.r_[space.slices()["theta_element" if form == "extended" else "theta"], space.slices()["shift"]]
    assert -2.0 * linear == pytest.approx(gradient[places], rel=1e-9, abs=1e-12 * np.abs(gradient).max())


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_structures_of_few_elements_give_what_all_rows_together_give(linear: bool, form: str) -> None:
    elements, spec = ("Ga", "As", "In"), random_spec(3)
    spec = extended(spec) if form == "extended" else spec
    atoms = structures(9)
    for k, a in enumerate(atoms):
        a.symbols[0] = ("Ga", "In", "As")[k % 3]
        a.symbols[-1] = ("As", "Ga", "As")[k % 3]
    r = Potential(random_spec(3, seed=5), Card(name="t", functional="none", elements=elements)).evaluate(atoms)
    data = make_set(
        atoms,
        [x.energy_ev for x in r],
        [x.forces_ev_per_a for x in r],
        [x.stress_ev_per_a3 for x in r],
        set_name="random",
    )
    part = Objective(data, elements, 4.0, threads=1)
    jacobian = part.kernel(spec).jacobian(part.edges, data.offsets, linear=linear)
    jacobian = np.concatenate([jacobian, np.zeros((len(jacobian), 3))], axis=1)
    scales, miss = part.residual_scales(part.predict(spec)), part.miss(part.predict(spec))
    weight, error, at = np.zeros(len(jacobian)), np.zeros(len(jacobian)), 0
    for k in range(len(data)):
        own = slice(*data.offsets[k : k + 2])
        end = at + 3 * len(atoms[k]) + 7
        jacobian[at, -3:] = part.counts[k]
        weight[at:end] = np.r_[scales[0][k], np.repeat(scales[1][own], 3), np.full(6, scales[2][k])]
        error[at:end] = np.r_[miss[0][k], miss[1][own].ravel(), miss[2][k]]
        at = end
    matrix, right = normal_equations([part], spec, linear=linear)
    expected = jacobian.T @ (weight[:, None] * jacobian)
    assert matrix == pytest.approx(expected, rel=1e-10, abs=1e-12 * np.abs(expected).max())
    assert right == pytest.approx(jacobian.T @ (weight * error), rel=1e-9, abs=1e-12 * np.abs(expected).max())


def test_the_gauss_newton_matrix_is_the_curvature_where_the_model_fits() -> None:
    space = ParameterSpace(TEACHER)
    part = quadratic(labelled(8))
    x = space.pack(TEACHER)
    matrix, _ = normal_equations([part], TEACHER)
    direction = np.random.default_rng(5).normal(size=space.size) * space.steps
    h = 1e-4
    none = Prior.none(space)
    up, down = (loss_of(space, x + sign * h * direction, [part], none) for sign in (1, -1))
    assert direction @ matrix @ direction == pytest.approx((up + down) / (2 * h * h), rel=1e-4)


def test_variable_projection_needs_fewer_steps_than_a_fixed_linear_part_would_allow() -> None:
    """From random radial functions: the labels of another model of the same form are reproduced in a few steps."""
    start = ParameterSpace(TEACHER).pack(TEACHER)
    space = ParameterSpace(TEACHER)
    part = quadratic(labelled(40))
    none = Prior.none(space)
    weights = space.slices()["weights"]
    start[weights] = np.random.default_rng(11).normal(size=weights.stop - weights.start)
    x = solve_linear(space, start, [part], none)
    state = Damped(x, 1e-3, loss_of(space, x, [part], none))
    first = state.loss
    for _ in range(15):
        state = gauss_newton(space, state, [part], none)
    assert state.loss < 0.02 * first


def test_gauss_newton_refuses_a_model_of_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "MAX_PARAMETERS", 10)
    space = ParameterSpace(TEACHER)
    with pytest.raises(DataError, match="at most 10 parameters"):
        gauss_newton(space, Damped(space.pack(TEACHER), 1.0, 1.0), [], Prior.none(space))


def test_lbfgs_lowers_the_loss() -> None:
    space = ParameterSpace(TEACHER, "factorised")
    part = Objective(labelled(10), ELEMENTS, 4.0, threads=1)
    none = Prior.none(space)
    x = disturbed(space, 0.1)
    assert total(space, [part], lbfgs(space, x, [part], 40, none), none)[0] < 0.1 * total(space, [part], x, none)[0]


def config_file(folder: Path, **changes: object) -> Path:
    """A small run of every kind of step on labels in an extended XYZ file."""
    atoms = structures(24)
    data = labelled(24)
    for k, a in enumerate(atoms):
        a.calc = SinglePointCalculator(
            a,
            energy=data.energy_ev[k],
            forces=data.forces_ev_per_a[data.offsets[k] : data.offsets[k + 1]],
            stress=data.stress_ev_per_a3[k],
        )
    write(folder / "labels.extxyz", atoms, format="extxyz")
    content = {
        "name": "small",
        "functional": "none",
        "elements": list(ELEMENTS),
        "graph": "l2k1",
        "cutoff_a": 4.0,
        "radial_basis_size": 5,
        "element_space": "factorised",
        "batches": 3,
        "limits": "a test",
        "sources": [{"kind": "file", "path": str(folder / "labels.extxyz")}],
        "stages": [
            {"kind": "search", "starts": 2, "iterations": 1},
            {"kind": "adam", "epochs": 3},
            {"kind": "expand"},
            {"kind": "lbfgs", "rounds": 2, "iterations": 5},
            {"kind": "gauss-newton", "iterations": 2, "share": 0.5},
            {"kind": "release"},
            {"kind": "adam", "epochs": 2, "rate": 0.001},
        ],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def test_a_search_goes_on_from_the_best_of_its_starts(tmp_path: Path) -> None:
    stages = [{"kind": "search", "starts": 3, "iterations": 3, "share": 1.0}]
    changes = {"stages": stages, "element_space": "table", "validation_fraction": 0.0}
    config = read_config(config_file(tmp_path, **changes))
    run = _Run(config, 1)
    starts = [descend(run.space, run.random_start(k), run.parts, run.prior(run.start), 3) for k in range(3)]
    assert len({x.loss for x in starts}) == 3
    fit(config, folder=tmp_path / "whole", threads=1)
    state = read_state(tmp_path / "whole")
    assert state is not None
    assert np.array_equal(state.x, min(starts, key=lambda x: x.loss).x)


def test_a_distilled_set_without_held_out_structures_of_these_elements_trains_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elements are never held out: their structures in a distilled set have no validation split."""
    everything = labelled(10)

    def load_set(name: str, functional: str, families: object, split: str, shards: object) -> TrainingSet:
        return everything if split == "train" else everything.subset([])

    monkeypatch.setattr("sus2.training.fit.sources.load_set", load_set)
    file = {"kind": "file", "path": str(tmp_path / "labels.extxyz")}
    config = read_config(config_file(tmp_path, sources=[file, {"kind": "distilled", "name": "walls"}]))
    train, held, free = training_data(config)
    alone, held_alone, _ = training_data(read_config(config_file(tmp_path)))
    assert len(train) == len(alone) + 10
    assert held is not None
    assert held_alone is not None
    assert len(held) == len(held_alone)
    assert free == {"random"}
    with pytest.raises(DataError, match="has no structure made of"):
        read_source(config.sources[1], config, "test")


def test_stresses_of_a_kind_can_be_left_out(tmp_path: Path) -> None:
    source = {"kind": "file", "path": str(tmp_path / "labels.extxyz")}
    with_stress = training_data(read_config(config_file(tmp_path)))[0]
    kind = str(with_stress.kind[0])
    other = training_data(read_config(config_file(tmp_path, sources=[source | {"without_stress": ["elsewhere"]}])))[0]
    config = read_config(config_file(tmp_path, sources=[source | {"without_stress": [kind]}]))
    without = training_data(config)[0]
    assert np.isfinite(with_stress.stress_ev_per_a3).all()
    assert np.array_equal(other.stress_ev_per_a3, with_stress.stress_ev_per_a3)
    assert np.isnan(without.stress_ev_per_a3).all()
    assert np.array_equal(without.energy_ev, with_stress.energy_ev)
    part = Objective(without, ELEMENTS, 4.0, threads=1)
    assert not part.has_virial.any()
    assert not part.residual_scales(part.predict(TEACHER))[2].any()


def weights(folder: Path) -> bytes:
    return (folder / "small.mtp").read_bytes()


class Stop(Exception):
    pass


def test_a_run_that_is_stopped_after_every_step_ends_the_same(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    whole = fit(config, folder=tmp_path / "whole", threads=1)
    assert whole.errors["train"].energy_mae_mev_per_atom > 0
    stops = 0

    def stop(text: str, fraction: float) -> None:
        raise Stop

    for _ in range(20):
        try:
            fit(config, folder=tmp_path / "parts", threads=1, progress=stop)
            break
        except Stop:
            stops += 1
    assert stops == 13  # 2 starts, 3 epochs, expand, 2 rounds, 2 iterations, release, 2 epochs
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_killed_run_goes_on(tmp_path: Path, root: Path) -> None:
    path = config_file(tmp_path, stages=[{"kind": "adam", "epochs": 40}])
    script = (
        "import sys; from pathlib import Path; from sus2.training.fit.config import read_config; "
        "from sus2.training.fit.run import fit; "
        "fit(read_config(sys.argv[1]), folder=Path(sys.argv[2]), threads=1)"
    )
    folder = tmp_path / "killed"
    run = subprocess.Popen([sys.executable, "-c", script, str(path), str(folder)], cwd=root)
    deadline = time.monotonic() + 60
    while not (folder / "state.npz").exists() and run.poll() is None and time.monotonic() < deadline:
        os.sched_yield()
    run.send_signal(signal.SIGKILL)
    run.wait()
    fit(read_config(path), folder=folder, threads=1)
    fit(read_config(path), folder=tmp_path / "whole", threads=1)
    assert weights(folder) == weights(tmp_path / "whole")


def test_the_run_folder_tells_everything(tmp_path: Path) -> None:
    result = fit(read_config(config_file(tmp_path)), folder=tmp_path / "run", threads=1)
    for name in ("config.json", "revision.txt", "history.csv", "curves.html", "small.mtp", "small.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    card = result.card
    assert card.sha256 == hashlib.sha256(weights(tmp_path / "run")).hexdigest()
    assert set(card.shortest_distances_a) == {"As-As", "As-Ga", "Ga-Ga"}
    assert card.errors["train_energy_mae_mev_per_atom"] == pytest.approx(
        result.errors["train"].energy_mae_mev_per_atom, abs=1e-4
    )
    assert load(tmp_path / "run" / "small.mtp").elements == ELEMENTS


def test_released_structures_count_as_much_as_those_of_their_source(tmp_path: Path) -> None:
    path = tmp_path / "labels.extxyz"
    config_file(tmp_path)
    other = path.rename(tmp_path / "other.extxyz")
    config_file(tmp_path)
    sources = [{"kind": "file", "path": str(path), "weight": 3.0, "emphasis": {"": 2.0}}]
    test = [{"kind": "file", "path": str(path)}, {"kind": "file", "path": str(other)}]
    run = _Run(read_config(config_file(tmp_path, sources=sources, test=test)), 1)
    before, after = len(run.train) + len(run.validation or ()), run.released().train
    assert len(after) == before + 48
    assert after.weight.tolist() == [6.0] * (before + 24) + [1.0] * 24


def test_after_a_release_the_card_keeps_the_errors_of_the_state_before(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    stages = yaml.safe_load(path.read_text())["stages"]
    released = fit(read_config(path), folder=tmp_path / "long", threads=1)
    before = fit(read_config(config_file(tmp_path, stages=stages[:-2])), folder=tmp_path / "short", threads=1)
    assert released.errors["train"].energy_mae_mev_per_atom == pytest.approx(
        before.errors["train"].energy_mae_mev_per_atom, rel=0.5
    )
    assert released.card.data_sha256 != before.card.data_sha256  # the held-out structures are in it
    assert not np.array_equal(released.spec.moment_coeffs, before.spec.moment_coeffs)
    with np.load(tmp_path / "short" / "state.npz") as state:
        last = ParameterSpace(before.spec).unpack(state["x"])
    assert read_mtp(tmp_path / "long" / "held-out.mtp").moment_coeffs == pytest.approx(last.moment_coeffs, abs=0)


def test_a_folder_of_another_configuration_is_refused(tmp_path: Path) -> None:
    fit(read_config(config_file(tmp_path)), folder=tmp_path / "run", threads=1)
    with pytest.raises(DataError, match="another configuration"):
        fit(read_config(config_file(tmp_path, seed=5)), folder=tmp_path / "run", threads=1)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    fit(config, folder=tmp_path / "run", threads=1)
    (tmp_path / "run" / "state.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"state\.npz"):
        fit(config, folder=tmp_path / "run", threads=1)


def test_a_second_set_finds_its_own_zero_of_energy(tmp_path: Path) -> None:
    data = labelled(16, seed=4)
    atoms = structures(16, seed=4)
    for k, a in enumerate(atoms):
        shift = 100.0 * a.get_chemical_symbols().count("Ga")
        a.calc = SinglePointCalculator(
            a, energy=data.energy_ev[k] + shift, forces=data.forces_ev_per_a[data.offsets[k] : data.offsets[k + 1]]
        )
    write(tmp_path / "other.extxyz", atoms, format="extxyz")
    path = config_file(tmp_path, stages=[{"kind": "lbfgs", "rounds": 4, "iterations": 60}])
    alone = fit(read_config(path), folder=tmp_path / "alone", threads=1)
    content = yaml.safe_load(path.read_text())
    content["sources"].append({"kind": "file", "path": str(tmp_path / "other.extxyz")})
    path.write_text(yaml.safe_dump(content))
    both = fit(read_config(path), folder=tmp_path / "both", threads=1)
    one, two = alone.errors["train"].energy_mae_mev_per_atom, both.errors["train"].energy_mae_mev_per_atom
    assert two < one + 50  # the other zero is 50 eV/atom away


def test_starting_model_is_that_of_the_paper() -> None:
    content = {"name": "x", "functional": "f", "elements": ["Si"], "sources": [{"kind": "nacl"}]}
    config = TrainConfig.model_validate(content | {"stages": [{"kind": "project"}]})
    spec = initial_spec(config)
    assert spec.alpha is not None
    assert spec.alpha[0, 0, 0] == pytest.approx(6.6 / 3.5)
    assert np.array_equal(initial_spec(config).radial_weights, spec.radial_weights)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"cutoff_a": -1}, "cutoff_a"), ({"stages": [{"kind": "magic"}]}, "stages"), ({"colour": 1}, "colour")],
)
def test_bad_configurations_name_the_key(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_config(config_file(tmp_path, **change))


def test_every_shipped_configuration_reads(root: Path) -> None:
    for path in (root / "pretrained").glob("*.yaml"):
        assert read_config(path).name == path.stem
