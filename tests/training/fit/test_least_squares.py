"""Optimisers of a model on labels that another model made."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.training.data.dataset import make_set
from sus2.training.fit import least_squares
from sus2.training.fit.least_squares import Damped, gauss_newton, loss_of, project_linear, solve_linear
from sus2.training.fit.normal_equations import normal_equations
from sus2.training.fit.objective import LossWeights, Objective
from sus2.training.fit.optimise import Prior, lbfgs, total
from sus2.training.fit.parameters import ParameterSpace
from tests.helpers_spec import extended, random_spec
from tests.training.fit.small_sets import ELEMENTS, FORMS, TEACHER, disturbed, labelled, quadratic, structures


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
