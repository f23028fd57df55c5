"""The training loss: its gradient, pairs of structures as labels, and the forms of the parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit.config import read_config
from sus2.training.fit.loss import LossWeights, Pairs, Prediction
from sus2.training.fit.normal_equations import normal_equations
from sus2.training.fit.objective import Objective, errors
from sus2.training.fit.optimise import Prior, total
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import _Run
from sus2.types import Array
from tests.training.fit.small_sets import (
    ELEMENTS,
    FORMS,
    TEACHER,
    config_file,
    disturbed,
    labelled,
    quadratic,
    structures,
)


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


@pytest.mark.parametrize("parts", [{}, {"pair_apart": True}, {"pair_apart": True, "pair_along": 0.4}])
@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_labels_of_their_own(form: str, parts: dict[str, Any]) -> None:
    data, weights = paired(14), LossWeights(robust=2.0, pair=3.0, **parts)
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


@pytest.mark.parametrize("along", [1.0, 0.4])
def test_pressure_and_deviator_of_a_pair_apart_are_the_same_in_any_axes(along: float) -> None:
    data = paired(14)
    space = ParameterSpace(FORMS["extended"])
    spec = space.unpack(disturbed(space, 0.05))
    found = []
    for angle in (0.0, 37.0):
        atoms = [data.to_atoms(k) for k in range(len(data))]
        for a in atoms:
            a.rotate(angle, "z", rotate_cell=True)
        labels = Potential(TEACHER, Card(name="t", functional="none", elements=ELEMENTS)).evaluate(atoms)
        turned = make_set(
            atoms,
            [x.energy_ev for x in labels],
            [x.forces_ev_per_a for x in labels],
            [x.stress_ev_per_a3 for x in labels],
            set_name="random",
            kind=data.kind.tolist(),
            base=data.base.tolist(),
        )
        weights = LossWeights(pair=3.0, pair_apart=True, pair_along=along)
        part = Objective(turned, ELEMENTS, 4.0, weights, threads=1)
        found.append(part.pairs.reduced(part.predict(spec))[1])
    assert found[1] == pytest.approx(found[0], rel=1e-6)


def test_shear_does_not_hide_behind_a_larger_pressure() -> None:
    data = paired(14).subset(np.array([0, 1]))
    virial = np.array([[0.0] * 6, [10.0, 10.0, 10.0, 0.5, 0.0, 0.0]])
    without_shear = Prediction(data.energy_ev, data.forces_ev_per_a, virial * [1, 1, 1, 0, 0, 0])
    whole, apart = (
        Pairs.of(data, virial, LossWeights(pair_apart=a)).reduced(without_shear)[1].tolist() for a in (False, True)
    )
    assert 0.0 < whole[0] < 0.5
    assert apart[0] == pytest.approx(0.0, abs=1e-12)
    assert apart[1] > 10.0


def test_how_stiff_a_crystal_is_has_an_error_of_its_own() -> None:
    data = paired(14).subset(np.array([0, 1]))
    shear = np.array([4.0, -1.0, -3.0, 0.5, 0.0, 2.0])
    virial = np.stack([np.zeros(6), shear + np.array([10.0, 10.0, 10.0, 0.0, 0.0, 0.0])])
    across = np.array([0.0, 0.0, 0.0, 0.0, 2.0, 0.0])  # as long as a part of the label, and across it

    def lengths(change: Array, along: float) -> Array:
        weights = LossWeights(pair_apart=True, pair_along=along)
        guess = Prediction(data.energy_ev, data.forces_ev_per_a, np.stack([np.zeros(6), change]))
        return Pairs.of(data, virial, weights).reduced(guess)[1]

    pressure, stiff, rest = lengths(virial[1] + 0.1 * shear, 0.5)
    assert (pressure, rest) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert stiff == pytest.approx(2.0 * lengths(virial[1] + 0.1 * shear, 1.0)[1], rel=1e-9)
    pressure, stiff, rest = lengths(virial[1] + across, 0.5)
    assert (pressure, stiff) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert rest == pytest.approx(lengths(virial[1] + across, 1.0)[1], rel=1e-9)


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
