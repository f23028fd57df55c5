"""The readouts of all elements solved at once, and models that learn a change of labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.config import Readouts, read_config
from sus2.training.fit.normal_equations import normal_equations, readout_curvature
from sus2.training.fit.objective import Objective
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.readouts import solved_readouts
from sus2.training.fit.run import _Run, fit
from tests.training.fit.small_sets import FORMS, config_file, disturbed, labelled, quadratic

SPACE = ParameterSpace(FORMS["extended"], "factorised", 1)
PRIOR = 1e-3


def paired(data: TrainingSet) -> TrainingSet:
    """The set with its first two structures of one size as a pair of strains."""
    kind = data.kind.astype("U16").copy()
    base = data.base.astype("U16").copy()
    order = np.argsort(data.sizes, kind="stable")
    data = data.subset(order)
    kind[:2], base[:2] = "strain-pair", "one"
    return replace(data, kind=kind, base=base)


@pytest.mark.parametrize("apart", [False, True])
def test_they_are_those_of_the_normal_equations(apart: bool) -> None:
    part = quadratic(paired(labelled()), pair=5.0, pair_apart=apart)
    assert len(part.pairs.first) == 1
    spec = SPACE.unpack(disturbed(SPACE, 0.1))
    centre = spec.readout + 0.3
    found = solved_readouts(spec, [part], readout_curvature([part], spec), prior=PRIOR, centre=centre, iterations=400)
    matrix, right = normal_equations([part], spec, linear=True)
    size = spec.readout.size
    matrix[np.arange(size), np.arange(size)] += PRIOR
    right[:size] -= PRIOR * (spec.readout - centre).ravel()
    change = np.linalg.lstsq(matrix, right, rcond=1e-14)[0]
    exact = replace(
        spec,
        moment_coeffs=spec.readout + change[:size].reshape(spec.readout.shape),
        shift_coeffs=spec.shift_coeffs + change[size:],
    )

    def loss(s: object) -> float:
        return part.value(part.predict(s)) + PRIOR * float(((s.readout - centre) ** 2).sum())  # type: ignore[attr-defined,arg-type]

    assert loss(found) == pytest.approx(loss(exact), rel=1e-4)
    assert loss(found) < 0.2 * loss(spec)


def test_few_steps_already_lower_the_loss() -> None:
    part = quadratic(labelled())
    spec = SPACE.unpack(disturbed(SPACE, 0.1))
    h = readout_curvature([part], spec)
    losses = [part.value(part.predict(spec))]
    for steps in (1, 4, 16):
        found = solved_readouts(spec, [part], h, prior=0.0, centre=spec.readout, iterations=steps)
        losses.append(part.value(part.predict(found)))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.1 * losses[0]


def test_readouts_of_some_elements_are_solved_while_the_others_rest() -> None:
    part = quadratic(labelled())
    spec = SPACE.unpack(disturbed(SPACE, 0.1))
    moving = np.array([False, True])
    found = solved_readouts(
        spec,
        [part],
        readout_curvature([part], spec),
        prior=PRIOR,
        centre=spec.readout,
        iterations=400,
        moving=moving,
    )
    assert np.array_equal(found.readout[0], spec.readout[0])
    assert found.shift_coeffs[0] == spec.shift_coeffs[0]
    matrix, right = normal_equations([part], spec, linear=True)
    size = spec.readout.size
    matrix[np.arange(size), np.arange(size)] += PRIOR
    own = np.flatnonzero(np.concatenate([np.repeat(moving, spec.readout.shape[1]), moving]))
    change = np.zeros(len(right))
    change[own] = np.linalg.lstsq(matrix[np.ix_(own, own)], right[own], rcond=1e-14)[0]
    exact = replace(
        spec,
        moment_coeffs=spec.readout + change[:size].reshape(spec.readout.shape),
        shift_coeffs=spec.shift_coeffs + change[size:],
    )

    def loss(s: object) -> float:
        return part.value(part.predict(s)) + PRIOR * float(((s.readout - spec.readout) ** 2).sum())  # type: ignore[attr-defined,arg-type]

    assert loss(found) == pytest.approx(loss(exact), rel=1e-4)
    assert loss(found) < 0.5 * loss(spec)


def test_what_the_first_model_misses_is_no_part_of_a_change() -> None:
    first = labelled()
    second = replace(
        first,
        energy_ev=first.energy_ev + 0.1,
        forces_ev_per_a=1.1 * first.forces_ev_per_a,
        stress_ev_per_a3=0.9 * first.stress_ev_per_a3,
    )
    spec = SPACE.unpack(disturbed(SPACE, 0.1))
    part = quadratic(second)
    p = part.predict(spec)
    part.learn_change(spec, first)
    energy, forces, virial = part.miss(p)
    assert energy == pytest.approx(np.full(len(first), 0.1))
    assert forces == pytest.approx(0.1 * first.forces_ev_per_a)
    assert virial == pytest.approx(-0.1 * first.stress_ev_per_a3 * first.volumes_a3[:, None])
    part.learn_change(spec, second)
    assert part.value(p) == pytest.approx(0.0, abs=1e-20)


def test_a_run_with_the_stage_lowers_the_loss_and_keeps_the_radial_part(tmp_path: Path) -> None:
    changes = {"readout": "element", "readout_rank": 2, "stages": [{"kind": "readouts", "iterations": 12}]}
    config = read_config(config_file(tmp_path, **changes))
    found = fit(config, folder=tmp_path / "run", threads=1)
    untrained = fit(
        config.model_copy(
            update={
                "stages": read_config(
                    config_file(tmp_path, **changes | {"stages": [{"kind": "readouts", "iterations": 1}]})
                ).stages
            }
        ),
        folder=tmp_path / "short",
        threads=1,
    )
    assert np.array_equal(found.spec.radial_weights, untrained.spec.radial_weights)
    assert found.errors["train"].force_mae_mev_per_a < untrained.errors["train"].force_mae_mev_per_a


def test_a_share_of_the_way_to_what_was_found(tmp_path: Path) -> None:
    def readout(**stage: object) -> np.ndarray:
        stages = [{"kind": "readouts", "iterations": 3, **stage}]
        config = read_config(config_file(tmp_path, readout="element", stages=stages))
        spec = fit(config, folder=tmp_path / str(len(list(tmp_path.iterdir()))), threads=1).spec
        return np.column_stack([spec.readout, spec.shift_coeffs])

    none, half, whole = readout(share=1e-9), readout(share=0.5), readout()
    assert np.abs(whole - none).max() > 0.01
    assert half == pytest.approx(0.5 * (none + whole), abs=1e-5)


def test_a_stage_of_some_elements_looks_at_their_structures_alone_and_finds_the_same(tmp_path: Path) -> None:
    stages = [{"kind": "readouts", "iterations": 200, "elements": ["Ga"], "prior": 1e-3}]
    changes = {"readout": "element", "batches": 3, "stages": stages, "repulsion": [0.4, 0.6]}
    config = read_config(config_file(tmp_path, **changes))
    run = _Run(config, 1)
    numbers = run.parts[0].data.numbers.copy()
    numbers[: run.parts[0].data.offsets[1]] = 33
    run.parts[0] = replace_data(run, numbers)
    parts = run.having(("Ga",))
    assert sum(len(p.data) for p in parts) == sum(len(p.data) for p in run.parts) - 1
    spec = run.space.unpack(run.start)
    arguments = {"prior": 1e-3, "centre": spec.readout, "iterations": 200, "moving": np.array([True, False])}
    whole = solved_readouts(spec, run.parts, run.readout_curvature(), **arguments)  # type: ignore[arg-type]
    stage = config.stages[0]
    assert isinstance(stage, Readouts)
    found = run.space.unpack(run.solved(run.start, stage))
    assert found.readout == pytest.approx(whole.readout, abs=2e-3 * np.abs(whole.readout - spec.readout).max())
    with pytest.raises(DataError, match="nothing to solve"):
        run.having(("Si",))


def replace_data(run: _Run, numbers: np.ndarray) -> Objective:
    """The first minibatch with other elements."""
    part = run.parts[0]
    return run.objective(replace(part.data, numbers=numbers), part.norm, repulsion=False)


def test_the_last_state_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    # The second stage pulls everything back to the start, which is worse for what is held out too.
    back = {"kind": "readouts", "iterations": 50, "prior": 1e6}
    stages = [{"kind": "readouts", "iterations": 12}, back]
    found = {}
    for keep in ("best", "last"):
        config = read_config(config_file(tmp_path, readout="element", stages=stages, keep=keep))
        found[keep] = fit(config, folder=tmp_path / keep, threads=1).errors["validation"]
    assert found["best"].force_mae_mev_per_a < 0.9 * found["last"].force_mae_mev_per_a
