"""Blocks of the trainable numbers: to factors and back, what pulls at them, how fast they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.training.fit.config import read_config
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import _Run, fit
from sus2.training.fit.run_folder import read_state
from tests.helpers_spec import random_spec
from tests.training.fit.small_sets import config_file, disturbed


@pytest.mark.parametrize("rank", [2, 3])
def test_a_table_that_came_from_factors_goes_back_to_factors(rank: int) -> None:
    """So a run in the factorised space starts from the weights of another such run; one more product can grow."""
    elements = ("Ga", "As", "In", "P")
    made = ParameterSpace(random_spec(len(elements)), "factorised", 2)
    spec = made.unpack(disturbed(made, 0.2))
    space = ParameterSpace(spec, "factorised", rank)
    x = space.pack(spec)
    again = space.unpack(x)
    assert again.r0 == pytest.approx(spec.r0, abs=1e-12)
    assert again.alpha == pytest.approx(spec.alpha, rel=1e-12)
    assert np.all(np.any(space.blocks(x)["r0_left"] != 0.0, axis=-1))
    assert np.all(np.any(space.blocks(x)["r0_right"][:, :2] != 0.0, axis=-1))
    assert not space.blocks(x)["r0_right"][:, 2:].any()


def test_priors_pull_the_blocks_that_they_name(tmp_path: Path) -> None:
    changes = {"element_rank": 2, "product_prior": 0.5, "pair_prior": 0.25, "theta_prior": 0.125}
    run = _Run(read_config(config_file(tmp_path, **changes)), 1)
    x = disturbed(run.space, 0.2)
    factors = run.space.blocks(run.prior(x).strength)
    assert all(np.all(v == 0.5 * (n.endswith(("_left", "_right")))) for n, v in factors.items() if n != "theta")
    assert np.all(factors["theta"] == 0.125)
    assert not run.prior(x).centre.any()
    table = run.table.pack(run.space.unpack(x))
    pairs, centre = run.table.blocks(run.prior(table).strength), run.table.blocks(run.prior(table).centre)
    assert all(np.all(v == 0.25 * (n in {"alpha", "r0"})) for n, v in pairs.items() if n != "theta")
    assert np.array_equal(centre["r0"], run.table.blocks(table)["r0"])


def test_blocks_of_parameters_move_at_their_own_rates(tmp_path: Path) -> None:
    """The first update of Adam is the rate in each parameter that the loss depends on."""
    moved = []
    for rates in ({}, {"weights": 0.25, "theta": 0.5, "alpha": 0.0}):
        stages = [{"kind": "adam", "epochs": 1, "rate": 0.002, "block_rates": rates}]
        config = read_config(config_file(tmp_path, stages=stages, batches=1, theta_prior=0.0))
        run = _Run(config, 1)
        fit(config, folder=tmp_path / f"run{len(moved)}", threads=1)
        state = read_state(tmp_path / f"run{len(moved)}")
        assert state is not None
        moved.append(run.space.blocks(state.x - run.start))
    for name in moved[0]:
        factor = {"weights": 0.25, "theta": 0.5, "alpha": 0.0}.get(name, 1.0)
        assert moved[1][name] == pytest.approx(factor * moved[0][name], rel=1e-4, abs=1e-12)
    assert np.abs(moved[0]["theta"]).max() == pytest.approx(0.002, rel=1e-3)


def test_a_rate_of_a_block_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    stages = [{"kind": "adam", "block_rates": {"wights": 0.5}}]
    with pytest.raises(DataError, match="there is no block 'wights'"):
        read_config(config_file(tmp_path, stages=stages))


def test_a_run_goes_on_from_a_shared_readout(tmp_path: Path) -> None:
    """A published model is where a readout of each element starts: the same model, but for its zero of energy."""
    first = fit(read_config(config_file(tmp_path)), folder=tmp_path / "first", threads=1)
    changes = {
        "readout": "element",
        "readout_rank": 2,
        "amplitudes": True,
        "start_prior": 0.1,
        "element_space": "table",
    }
    weights = tmp_path / "first" / "small.mtp"
    stages = [{"kind": "adam", "epochs": 2, "rate": 1e-3}]
    config = read_config(config_file(tmp_path, start_from=str(weights), stages=stages, **changes))
    run = _Run(config, 1)
    start = run.space.unpack(run.start)
    assert start.own_readout
    assert start.readout == pytest.approx(np.tile(first.spec.moment_coeffs, (2, 1)), abs=1e-12)
    assert start.shift_coeffs == pytest.approx(first.spec.shift_coeffs, abs=0.2)
    prior = run.prior(run.start)
    blocks, centre = run.space.blocks(prior.strength), run.space.blocks(prior.centre)
    assert np.all(blocks["r0"] == 0.1)
    assert np.array_equal(centre["r0"], first.spec.r0)
    assert np.all(blocks["theta"] == pytest.approx(0.001))
    assert not blocks["shift"].any()
    again = fit(config, folder=tmp_path / "second", threads=1)
    assert not np.array_equal(again.spec.readout[0], again.spec.readout[1])
