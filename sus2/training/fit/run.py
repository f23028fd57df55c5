"""Train a SUS2 potential: data, stages, checkpoints, a run folder with curves, and the final card.

A run is a list of small steps, each a pure function of the state before it. The state is written after every
step, so a run that is killed at any moment continues from there and ends with the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sus2.errors import DataError
from sus2.native.build import cache_folder
from sus2.potential.card import write_card
from sus2.potential.mtp import ModelSpec, format_mtp, write_mtp
from sus2.potential.mtp.compact import SUFFIX, format_compact, rounded
from sus2.potential.potential import Potential
from sus2.potential.repulsion import Repulsion
from sus2.progress import Progress
from sus2.training.data.dataset import TrainingSet, fit_references
from sus2.training.fit.config import (
    Adam,
    AnyStage,
    Expand,
    GaussNewton,
    Lbfgs,
    Project,
    Readouts,
    Release,
    Search,
    TrainConfig,
)
from sus2.training.fit.least_squares import Damped, descend, gauss_newton, loss_of, project_linear
from sus2.training.fit.normal_equations import estimated_curvature
from sus2.training.fit.objective import LossWeights, Objective, errors
from sus2.training.fit.optimise import Prior, adam_epoch, lbfgs, prior_of
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.precondition import Preconditioner
from sus2.training.fit.readouts import solved_readouts
from sus2.training.fit.report import crystal_properties, shortest_distances
from sus2.training.fit.result import TrainResult, card_of
from sus2.training.fit.run_folder import State, claim, read_state, write_history, write_state
from sus2.training.fit.sources import as_trained, having, in_minibatches, read_source, training_data, weighted
from sus2.training.fit.start import (
    EXTREME,
    HELD_OUT,
    align_zeros,
    aligned,
    alikeness,
    distances_of_start,
    in_form,
    initial_spec,
    starting_point,
)
from sus2.training.teachers.crystal_tests import crystal_errors
from sus2.types import Array, Index


class _Run:
    """Data and objectives of one run; `steps` lists the stages' steps in order."""

    def __init__(self, config: TrainConfig, threads: int | None) -> None:
        self.config = config
        self.train, self.validation, self.free = training_data(config)
        self.weights = LossWeights(**config.weights.model_dump())
        self.threads = threads
        self.parts = self.minibatches(self.train)
        self.checks = self.objective(self.validation) if self.validation is not None else None
        start = initial_spec(config)
        self.own_start = False
        self.curvature: NDArray[np.float32] | None = None
        self.preconditioners = dict[float, Preconditioner]()
        if config.start_from:
            found = starting_point(config.start_from, config.elements)
            self.own_start = found.own_readout
            start = in_form(config, replace(found, potential_name=config.name))
            if config.change_from:
                self.learn_change(start)
            # Elements that rest keep their zero of energy, but another functional has another one.
            if config.change_from or not all(isinstance(s, Readouts) and s.elements for s in config.stages):
                start = aligned(start, self.parts)
        else:
            start = replace(start, shift_coeffs=fit_references(self.train, config.elements))
        readout: dict[str, Any] = {"readout_rank": config.readout_rank, "readout_full": config.readout != "low-rank"}
        self.space = ParameterSpace(start, config.element_space, config.element_rank, **readout)
        self.table = ParameterSpace(start, **readout)
        self.start = self.space.pack(start)
        if config.readout_rank and not self.own_start:
            mixtures = alikeness(config.elements, config.readout_rank, config.seed)
            self.space.blocks(self.start)["theta_left"][:] = mixtures

    def learn_change(self, start: ModelSpec) -> None:
        """Replace the labels by what the model to start from gives and their change from those of its functional."""
        config = self.config.model_copy(update={"functional": self.config.change_from})
        train, validation, _ = training_data(config)
        if len(train) != len(self.train) or (train.base != self.train.base).any():
            raise DataError(f"The structures differ between {self.config.functional} and {self.config.change_from}.")
        for part, chunk in zip(self.parts, self.chunks(train), strict=True):
            part.learn_change(start, train.subset(chunk))
        if self.checks is not None and validation is not None:
            self.checks.learn_change(start, validation)

    def readout_curvature(self) -> NDArray[np.float32]:
        """How the loss curves by the readout of each element, at the start."""
        if self.curvature is None:
            self.curvature = self._curvature(self.parts)
        return self.curvature

    def _curvature(self, parts: list[Objective]) -> NDArray[np.float32]:
        if "theta_element" not in self.space.slices():
            raise DataError("A stage that solves or preconditions the readouts needs 'readout: element'.")
        return estimated_curvature(parts, self.space.unpack(self.start))

    def preconditioner(self, floor: float) -> Preconditioner:
        """That of a stage, from the curvature at the start."""
        if floor not in self.preconditioners:
            self.preconditioners[floor] = Preconditioner.of(self.readout_curvature(), floor)
        return self.preconditioners[floor]

    def solved(self, x: Array, stage: Readouts) -> Array:
        """The vector with readouts and shifts solved at its radial part."""
        spec = self.space.unpack(x)
        # What has none of the elements that move says nothing of them.
        parts = self.having(stage.elements) if stage.elements else self.parts
        found = solved_readouts(
            spec,
            parts,
            self._curvature(parts) if stage.elements else self.readout_curvature(),
            prior=self.config.readout_prior if stage.prior is None else stage.prior,
            centre=self.space.unpack(self.start).readout,
            iterations=stage.iterations,
            moving=np.isin(self.config.elements, stage.elements) if stage.elements else None,
        )
        assert found.shift_coeffs is not None  # of a trained model
        out = x.copy()
        blocks = self.space.blocks(out)
        blocks["theta_element"] += stage.share * (found.readout - spec.readout)
        blocks["shift"] += stage.share * (found.shift_coeffs - blocks["shift"])
        return out

    def having(self, elements: tuple[str, ...]) -> list[Objective]:
        """The minibatches' structures with one of these elements, with the labels that they have by now."""
        some = having(TrainingSet.concatenate([part.data for part in self.parts]), elements)
        if not len(some):
            raise DataError(f"No structure has one of {', '.join(elements)}: there is nothing to solve.")
        count = math.ceil(len(self.parts) * len(some) / len(self.train))
        norm = float(self.train.weight.sum())
        # The repulsion is no part of these labels any more.
        return [self.objective(some.subset(c), norm, repulsion=False) for c in self.chunks(some, count)]

    def random_start(self, k: int) -> Array:
        """An untrained model of the k-th seed from the run's, with elemental references."""
        spec = initial_spec(self.config.model_copy(update={"seed": self.config.seed + k}))
        return self.space.pack(replace(spec, shift_coeffs=self.space.spec.shift_coeffs))

    def minibatches(self, data: TrainingSet) -> list[Objective]:
        """The set in random parts of one common norm."""
        norm = float(data.weight.sum())
        return [self.objective(data.subset(c), norm) for c in self.chunks(data)]

    def chunks(self, data: TrainingSet, count: int = 0) -> list[Index]:
        """The structures of each minibatch, of which there are as many as the configuration says if `count` is zero."""
        return in_minibatches(data, count or self.config.batches, self.config.seed + 2)

    def test_set(self) -> TrainingSet | None:
        """The held-out compositions of the configuration's test sources."""
        parts = [read_source(s, self.config, "test") for s in self.config.test]
        return TrainingSet.concatenate(parts) if parts else None

    def released(self) -> _Run:
        """The same run with the held-out structures among its training data, and none to validate on.

        They count as much there as the training data of the same kind.
        """
        out = copy(self)
        config, more = self.config, [self.validation]
        if config.test:
            # A crystal that is among the test structures alone competes with those of its elements from now on.
            test = TrainingSet.concatenate([read_source(as_trained(s, config), config, "test") for s in config.test])
            more.append(weighted(config, test, ("train", "test")))
        out.train = TrainingSet.concatenate([self.train, *(d for d in more if d is not None)])
        out.validation = out.checks = None
        out.parts = out.minibatches(out.train)
        return out

    def align(self, x: Array) -> None:
        """Move the energies of sets with a zero of their own onto the model's: one offset for each element.

        A function of x and the original labels alone, so a resumed run does the same.
        """
        if self.free:
            align_zeros(self.parts, self.checks, self.space_of(x).unpack(x), self.free)

    def space_of(self, x: Array) -> ParameterSpace:
        """The space that a vector belongs to: the run's own, or the table of pairs after an expansion."""
        return self.space if len(x) == self.space.size else self.table

    def prior(self, centre: Array) -> Prior:
        """The pull that the configuration asks for."""
        return prior_of(self.config, self.space_of(centre), self.start, self.own_start, centre)

    def objective(self, data: TrainingSet, norm: float | None = None, *, repulsion: bool = True) -> Objective:
        c = self.config
        return Objective(
            data,
            c.elements,
            c.cutoff_a,
            self.weights,
            norm=norm,
            threads=self.threads,
            single_precision=c.dtype == "float32",
            device=c.device,
            repulsion=Repulsion(c.elements, *c.repulsion) if repulsion and c.repulsion is not None else None,
        )

    def steps(self) -> Iterator[tuple[AnyStage, int, int]]:
        for stage in self.config.stages:
            count = 1
            if isinstance(stage, Lbfgs):
                count = stage.rounds
            elif isinstance(stage, GaussNewton):
                count = stage.iterations
            elif isinstance(stage, Adam):
                count = stage.epochs
            elif isinstance(stage, Search):
                count = stage.starts
            for k in range(count):
                yield stage, k, count

    def advance(self, state: State, stage: AnyStage, k: int, count: int) -> State:
        """One step of one stage."""
        prior, space, parts = self.prior(state.centre), self.space_of(state.x), self.parts
        x, moments, updates, damping = state.x, state.moments, state.updates, state.damping
        centre, best, held_out = state.centre, state.best_loss, state.held_out
        loss: float | None = None
        self.align(x)
        if isinstance(stage, Project):
            x = project_linear(space, x, parts[: math.ceil(stage.share * len(parts))], prior)
        elif isinstance(stage, Readouts):
            x = self.solved(x, stage)
        elif isinstance(stage, Lbfgs):
            x = lbfgs(space, x, parts, stage.iterations, prior)
            x = project_linear(space, x, parts, prior)
        elif isinstance(stage, GaussNewton):
            some = parts[: math.ceil(stage.share * len(parts))]
            moved = gauss_newton(space, Damped(x, damping, loss_of(space, x, some, prior)), some, prior)
            x, damping = moved.x, moved.damping
        elif isinstance(stage, Search):
            some = parts[: math.ceil(stage.share * len(parts))]
            found = descend(space, self.random_start(k), some, prior, stage.iterations)
            if k == 0 or found.loss < loss_of(space, x, some, prior):
                x, damping = found.x, found.damping
        elif isinstance(stage, Release):
            held_out = x
            best = float("inf")
        elif isinstance(stage, Expand):
            x = centre = self.table.pack(space.unpack(x))
            space, best = self.table, float("inf")
        else:
            if k == 0:
                moments, updates = (np.zeros(space.size), np.zeros(space.size)), 0
            fall = 0.5 * (1.0 + np.cos(np.pi * k / count))
            rate = stage.final_rate + (stage.rate - stage.final_rate) * fall
            rng = np.random.default_rng((self.config.seed, state.step))
            x, moments, updates, loss = adam_epoch(
                space,
                x,
                moments,
                parts,
                step=updates,
                rate=rate,
                rng=rng,
                prior=prior,
                steps=space.scaled_steps(stage.block_rates),
                preconditioner=None if stage.precondition is None else self.preconditioner(stage.precondition),
            )
        none = Prior.none(space)
        # A pass over minibatches has met the whole set: its loss on the way costs nothing more.
        loss = loss_of(space, x, parts, none) if loss is None else loss
        if not np.isfinite(loss):
            raise DataError(f"The loss became {loss} in stage '{stage.kind}': lower its rate or check the labels.")
        held = loss_of(space, x, [self.checks], none) if self.checks is not None else loss
        # Once they are released the held-out compositions judge nothing, so the last state is kept.
        better = held < best or len(held_out) > 0 or self.config.keep == "last"
        row = {"step": state.step + 1, "stage": stage.kind, "loss": loss, "validation_loss": held}
        if self.checks is not None:
            row |= {f"validation_{k}": v for k, v in asdict(errors([self.checks], space.unpack(x))).items()}
        return replace(
            state,
            step=state.step + 1,
            x=x,
            moments=moments,
            updates=updates,
            damping=damping,
            best_x=x if better else state.best_x,
            best_loss=held if better else best,
            centre=centre,
            since_best=0 if better else state.since_best + 1,
            held_out=held_out,
            history=(*state.history, row),
        )


def fit(
    config: TrainConfig, *, folder: Path | None = None, threads: int | None = None, progress: Progress | None = None
) -> TrainResult:
    """Train as the configuration says, or continue a run that was stopped.

    A finished run with the same configuration is not repeated.

    Parameters
    ----------
    config
        What decides the potential.
    folder
        Of the run, by default runs/NAME in the cache. It keeps config.json, state.npz (written after every step),
        history.csv, curves.html, the weights (NAME.mtp, NAME.sus2 in the extended form) and NAME.json.
    threads
        Of the kernels; by default sus2.native.build.default_threads.
    progress
        Called after each step with what was done and the fraction of all; may raise CancelledError.

    Returns
    -------
    TrainResult
        The weights with their card.

    Raises
    ------
    DataError
        Labels that cannot be used, or a folder of another configuration.
    CancelledError
        From `progress`; the steps so far are kept.
    """
    folder = folder or cache_folder() / "runs" / config.name
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, config)
    started = run = _Run(config, threads)
    steps = list(run.steps())
    state = read_state(folder) or State.first(run.start)
    if len(state.held_out):
        run = started.released()
    while state.step < len(steps):
        stage, k, count = steps[state.step]
        if state.since_best >= config.patience and run.checks is not None:
            break
        state = run.advance(state, stage, k, count)
        if len(state.held_out) and run is started:
            run = run.released()
        write_state(folder, state)
        if progress is not None:
            last = state.history[-1]
            text = f"{stage.kind} {k + 1}/{count}  loss {last['loss']:.4g}"
            if run.checks is not None:
                text += (
                    f"  validation {last['validation_loss']:.4g}: E {last['validation_energy_mae_mev_per_atom']:.2f} "
                    f"meV/atom  F {last['validation_force_mae_mev_per_a']:.1f} meV/A"
                )
            progress(text, state.step / len(steps))
    return _finish(started, run, state, folder)


def _finish(started: _Run, run: _Run, state: State, folder: Path) -> TrainResult:
    """Weights and card of the last state; errors are those of the state that never saw the held-out compositions."""
    config = started.config
    spec = run.space_of(state.best_x).unpack(state.best_x)
    judged = state.held_out if len(state.held_out) else state.best_x
    blind = started.space_of(judged).unpack(judged)
    started.align(judged)
    # Where a change was learnt, the labels of these are no labels of the functional.
    found = {} if config.change_from else {"train": errors(started.parts, blind)}
    if started.checks is not None and not config.change_from:
        found["validation"] = errors([started.checks], blind)
    test = started.test_set()
    if test is not None:
        found["test"] = errors([started.objective(test)], blind)
        near = np.flatnonzero((np.abs(test.volume_ratio - 1.0) <= 0.1) & ~np.isin(test.kind, EXTREME))
        if len(near):
            found["test_near_equilibrium"] = errors([started.objective(test.subset(near))], blind)
    # Readouts of all elements are megabytes of text: such weights are kept in the compact form.
    suffix = SUFFIX if spec.extended else ".mtp"
    spec = rounded(spec) if spec.extended else spec
    raw = format_compact(spec) if spec.extended else format_mtp(spec).encode()
    numbers = {f"{name}_{key}": v for name, e in found.items() for key, v in asdict(e).items()}
    before = distances_of_start(config.start_from) if config.start_from else {}
    card = card_of(config, raw, run.train.hash, numbers, shortest_distances(run.parts, config.elements, before))
    for source in config.test:
        if source.kind == "distilled":
            family = "".join(source.families)[:1] or "d"
            pair = {"seen": Potential(spec, card), "unseen": Potential(blind, card)}
            card = card.model_copy(update={"errors": card.errors | crystal_errors(source.name, pair, family)})
    if config.crystals:
        potential = Potential(spec, card)
        found_properties = {f"{x.symbol} {x.prototype}": crystal_properties(potential, x) for x in config.crystals}
        card = card.model_copy(update={"properties": found_properties})
    (folder / f"{config.name}{suffix}").write_bytes(raw)
    write_mtp(blind, folder / HELD_OUT)
    write_card(card, folder / f"{config.name}.json")
    write_history(folder, state)
    return TrainResult(spec, card, found, folder)
