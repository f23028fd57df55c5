"""Readouts of elements in coordinates in which the loss curves alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.training.fit.config import TrainConfig, read_config
from sus2.training.fit.normal_equations import normal_equations, readout_curvature
from sus2.training.fit.optimise import Prior, adam_epoch
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.precondition import Preconditioner
from sus2.training.fit.run import fit
from tests.training.fit.small_sets import FORMS, config_file, disturbed, labelled, quadratic

SPACE = ParameterSpace(FORMS["extended"], "factorised", 1)


def test_curvature_is_the_block_of_the_normal_equations() -> None:
    part = quadratic(labelled())
    spec = SPACE.unpack(disturbed(SPACE, 0.1))
    scalars = len(spec.mapping)
    whole, _ = normal_equations([part], spec, linear=True)
    blocks = readout_curvature([part], spec)
    for z in range(2):
        own = slice(z * scalars, (z + 1) * scalars)
        assert blocks[z] == pytest.approx(whole[own, own], rel=1e-4, abs=1e-6 * np.abs(whole).max())


def test_stiff_directions_are_slowed_to_one_curvature_and_soft_ones_go_as_before() -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([1e4, 1e2, 1.0, 1e-3, 1e-7, 0.0])
    matrix = (directions * values) @ directions.T
    floor = 6 / values.sum()  # in units of which the mean eigenvalue makes one
    p = Preconditioner.of(matrix[None].astype(np.float32), floor)
    map_ = np.stack([p(e) for e in np.eye(6)])
    seen = np.diag(directions.T @ map_ @ matrix @ map_ @ directions)
    assert seen == pytest.approx(values / (1 + values), rel=1e-2, abs=1e-4)
    assert p(directions[:, 5]) == pytest.approx(directions[:, 5], abs=1e-4)


def test_soft_directions_are_found_sooner() -> None:
    data, start = labelled(), disturbed(SPACE, 0.0)
    right = quadratic(data).predict(SPACE.unpack(start))
    stress = right.virial_ev / data.volumes_a3[:, None]
    part = quadratic(
        replace(data, energy_ev=right.energy_ev, forces_ev_per_a=right.forces_ev_per_a, stress_ev_per_a3=stress)
    )
    own = SPACE.slices()["theta_element"]
    steps = np.zeros(SPACE.size)
    steps[own] = SPACE.steps[own]  # only the readouts move
    p = Preconditioner.of(readout_curvature([part], SPACE.unpack(start)), 1e-4)
    # Off in all directions by as much loss: far in the soft ones.
    start[own] += p(np.random.default_rng(3).normal(size=own.stop - own.start))
    losses = {}
    for name, by, rate in (("plain", None, 0.03), ("plain, slower", None, 0.003), ("preconditioned", p, 0.1)):
        x, moments, count = start, (np.zeros(SPACE.size), np.zeros(SPACE.size)), 0
        for k in range(60):
            x, moments, count, losses[name] = adam_epoch(
                SPACE,
                x,
                moments,
                [part],
                step=count,
                rate=rate * (1 - k / 60),
                rng=np.random.default_rng(k),
                prior=Prior.none(SPACE),
                steps=steps,
                preconditioner=by,
            )
    assert losses["preconditioned"] < 0.3 * min(losses["plain"], losses["plain, slower"])


def test_a_run_with_the_stage_ends_with_the_same_bits_and_needs_readouts_of_elements(tmp_path: Path) -> None:
    stage = {"kind": "adam", "epochs": 2, "rate": 0.01, "precondition": 1e-3, "block_rates": {"theta_element": 10.0}}
    changes = {"readout": "element", "readout_rank": 2, "stages": [stage]}
    config = read_config(config_file(tmp_path, **changes))
    first, again = (fit(config, folder=tmp_path / name, threads=1) for name in ("one", "two"))
    assert np.array_equal(first.spec.readout, again.spec.readout)
    assert not np.array_equal(first.spec.readout[0], first.spec.readout[1])
    common = TrainConfig.model_validate(config.model_dump() | {"readout": "common", "readout_rank": 0})
    with pytest.raises(DataError, match="needs 'readout: element'"):
        fit(common, folder=tmp_path / "common", threads=1)
