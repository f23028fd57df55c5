"""The fit of one small potential to the labels of one crystal, and a committee of its readouts.

From random radial functions: Gauss-Newton steps with variable projection from several starts on a part of the set, the
best on the whole of it (sus2.training.fit.least_squares). From a potential of many elements: its radial functions and
readout for these elements, pulled weakly to where they were. More labels go on from where the fit stands; structures
that were there before keep their neighbour lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from sus2.potential.card import Card
from sus2.potential.mtp import ModelSpec
from sus2.potential.potential import Potential
from sus2.potential.repulsion import Repulsion
from sus2.progress import Parity, Tick
from sus2.training.data.dataset import TrainingSet, fit_references
from sus2.training.fit.config import Project, Source, TrainConfig
from sus2.training.fit.least_squares import Damped, descend, gauss_newton, loss_of, project_linear, solve_linear
from sus2.training.fit.objective import Errors, Objective, errors
from sus2.training.fit.optimise import Prior
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.report import shortest_distances
from sus2.training.fit.start import aligned, initial_spec
from sus2.training.quick_fit.committee import reweighted
from sus2.training.quick_fit.parity import compared, shown
from sus2.training.quick_fit.recipe import Recipe
from sus2.types import Array, Index

REPULSION: Final = (0.55, 0.75)
REPULSION_STRENGTH: Final = 10.0
# Atoms of one part of a set: what a step does between two looks at whether it is still wanted.
_PART_ATOMS: Final = 600


@dataclass
class Fit:
    """A fit that goes on: parameters, labels and errors so far.

    Attributes
    ----------
    elements
        Symbols in the order of the potential's types.
    recipe
        Form, size and steps.
    seed
        Of the random starts and of the committee.
    tick
        Called with what is done, often; it may raise CancelledError.
    start
        Model of these elements to start from; None: random starts.
    parts
        Labels that it is trained on.
    held
        Labels that are held out.
    space
        Of the parameters, once there is one.
    state
        Where it is.
    origin
        Parameters that it began with.
    """

    elements: tuple[str, ...]
    recipe: Recipe
    seed: int
    tick: Tick
    start: ModelSpec | None = None
    parts: list[Objective] = field(default_factory=list)
    held: list[Objective] = field(default_factory=list)
    space: ParameterSpace | None = None
    state: Damped | None = None
    origin: Array | None = None

    # ---- labels

    def add(self, data: TrainingSet, *, held_out: bool = False) -> None:
        """More labels, to train on or to judge by.

        Parameters
        ----------
        data
            The labels.
        held_out
            Whether they only judge.
        """
        target = self.held if held_out else self.parts
        for rows in _portions(data):
            self.tick("neighbours")
            target.append(
                Objective(
                    data.subset(rows),
                    self.elements,
                    self.cutoff,
                    self.recipe.weights,
                    repulsion=Repulsion(self.elements, *REPULSION),
                )
            )
        self._norm()
        for part in [*self.parts, *self.held]:
            part.pulse = self._pulse

    def emphasise(self, kind: str, factor: float) -> None:
        """Let labels of a kind weigh more than before.

        Parameters
        ----------
        kind
            Of structures that it is trained on.
        factor
            By which their weight grows.
        """
        for part in self.parts:
            more = np.where(part.data.kind == kind, factor, 1.0)
            part.data = part.data.with_weights(part.data.weight * more)
            part.pairs = replace(part.pairs, weight=part.pairs.weight * more[part.pairs.first])
        self._norm()

    def _norm(self) -> None:
        """Divide the loss by the weights as they are now."""
        norm = sum(float(p.data.weight.sum()) for p in self.parts)
        for part in self.parts:
            part.norm = norm
        for part in self.held:
            part.norm = max(sum(float(p.data.weight.sum()) for p in self.held), 1e-9)
        if self.state is not None:
            self.state = replace(self.state, loss=loss_of(self._space, self.state.x, self.parts, self._prior()))

    @property
    def cutoff(self) -> float:
        """Cutoff radius, A."""
        return self.start.max_dist if self.start is not None else self.recipe.cutoff_a

    @property
    def structures(self) -> int:
        """Number of structures that it is trained on."""
        return sum(len(p.data) for p in self.parts)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self._space.size

    @property
    def training_set(self) -> TrainingSet:
        """All of them, less the fixed repulsion."""
        return TrainingSet.concatenate([p.data for p in self.parts])

    # ---- steps

    def begin(self) -> None:
        """Find a first set of parameters."""
        if self.start is not None:
            spec = aligned(self.start, self.parts)
            self.space = ParameterSpace(spec)
            x = self.origin = self.space.pack(spec)
            self.tick("first readout")
            x = solve_linear(self.space, x, self.parts, self._prior())
            self.state = Damped(x, 1e-2, loss_of(self.space, x, self.parts, self._prior()))
            return
        best: Damped | None = None
        some = self.parts[: max(1, round(self.recipe.search_share * len(self.parts)))]
        for k in range(self.recipe.starts):
            self.tick(f"start {k + 1} of {self.recipe.starts}")
            spec = self._random(k)
            if self.space is None:
                self.space = ParameterSpace(spec)
            found = descend(self.space, self.space.pack(spec), some, self._prior(), self.recipe.search_steps)
            if np.isfinite(found.loss) and (best is None or found.loss < best.loss):
                best = found
        assert self.space is not None
        if best is None:
            best = Damped(self.space.pack(self._random(0)), 1e-3, float("inf"))
        self.state = replace(best, loss=loss_of(self.space, best.x, self.parts, self._prior()))

    def project(self) -> None:
        """Solve the readout on all labels at the radial functions as they are, where that lowers the loss."""
        assert self.state is not None
        self.tick("readout on all labels")
        x = project_linear(self._space, self.state.x, self.parts, self._prior())
        self.state = replace(self.state, x=x, loss=loss_of(self._space, x, self.parts, self._prior()))

    def improve(
        self,
        steps: int,
        until: float = float("inf"),
        report: Callable[[Errors], None] | None = None,
        share: float = 1.0,
    ) -> int:
        """Gauss-Newton steps on all labels.

        Parameters
        ----------
        steps
            Most steps.
        until
            Stop at this reading of time.monotonic().
        report
            Called after each step with the errors on what is held out, where something is.
        share
            Share of the parts of the labels that the steps see.

        Returns
        -------
        int
            Steps that were taken.
        """
        assert self.state is not None
        some = self.parts[: max(1, round(share * len(self.parts)))]
        state = self.state
        if len(some) < len(self.parts):
            state = replace(state, loss=loss_of(self._space, state.x, some, self._prior()))
        done = 0
        while done < steps and time.monotonic() <= until:
            done += 1
            self.tick(f"fit, step {done}")
            before = state.loss
            state = self.state = gauss_newton(self._space, state, some, self._prior())
            if report is not None and self.held:
                report(self.errors())
            if not state.loss < before * (1.0 - 1e-3):
                break
        if len(some) < len(self.parts):
            self.state = replace(state, loss=loss_of(self._space, state.x, self.parts, self._prior()))
            self.project()
        return done

    def errors(self, *, held_out: bool = True) -> Errors:
        """Errors on what is held out, or in training."""
        return errors(self.held if held_out else self.parts, self.spec)

    def parity(self) -> Parity:
        """Labels and predictions of what is held out, a part of them where they are many."""
        return shown(compared(self.held, self.spec))

    @property
    def spec(self) -> ModelSpec:
        """The model as it stands."""
        assert self.state is not None
        return self._space.unpack(self.state.x)

    @property
    def distances(self) -> dict[str, float]:
        """Shortest distances of each pair of elements in the labels, A."""
        return shortest_distances(self.parts, self.elements)

    def potential(self, card: Card, spec: ModelSpec | None = None) -> Potential:
        """The potential as it stands, with the distances and the repulsion that belong to it.

        Parameters
        ----------
        card
            Its card, whose distances and repulsion are replaced.
        spec
            Another state of the model; by default that of now.

        Returns
        -------
        Potential
            On the CPU, in double precision.
        """
        own = card.model_copy(
            update={
                "shortest_distances_a": self.distances,
                "repulsion": REPULSION,
                "repulsion_strength": REPULSION_STRENGTH,
            }
        )
        return Potential(spec or self.spec, own)

    def committee(self, members: int) -> list[ModelSpec]:
        """Models with readouts solved on random choices of the labels (bootstrap), pairs and their crystal together.

        Parameters
        ----------
        members
            Number of models.

        Returns
        -------
        list of ModelSpec
            With the radial functions of the fit.
        """
        assert self.state is not None
        found = []
        for m in range(members):
            self.tick(f"committee, member {m + 1}")
            rng = np.random.default_rng((self.seed, 77, m))
            drawn = [reweighted(part, rng) for part in self.parts]
            x = solve_linear(self._space, self.state.x, drawn, self._prior())
            found.append(self._space.unpack(x))
        return found

    # ---- inside

    @property
    def _space(self) -> ParameterSpace:
        assert self.space is not None
        return self.space

    def _pulse(self) -> None:
        self.tick("")

    def _random(self, k: int) -> ModelSpec:
        r = self.recipe
        shortest = min(self.distances.values(), default=2.0)
        config = TrainConfig(
            name="specialised",
            functional="",
            elements=self.elements,
            graph=r.graph,
            cutoff_a=r.cutoff_a,
            min_distance_a=max(0.5, 0.9 * shortest),
            radial_basis_size=r.radial_basis_size,
            seed=self.seed + k,
            sources=(Source(kind="file"),),
            stages=(Project(),),
        )
        return replace(initial_spec(config), shift_coeffs=fit_references(self.training_set, self.elements))

    def _prior(self) -> Prior:
        space = self._space
        strength, target, slices = np.zeros(space.size), np.zeros(space.size), space.slices()
        if self.origin is None:
            for name in {"theta", "theta_element"} & set(slices):
                strength[slices[name]] = self.recipe.theta_prior
            return Prior(strength, target)
        for name in set(slices) - {"species", "shift"}:
            # Readouts are larger than other parameters.
            strength[slices[name]] = self.recipe.start_prior * (0.01 if name.startswith("theta") else 1.0)
            target[slices[name]] = self.origin[slices[name]]
        return Prior(strength, target)


def _portions(data: TrainingSet) -> list[Index]:
    """Structures in portions of about _PART_ATOMS atoms, drawn evenly over the set, pairs together."""
    kinds, bases = data.kind.tolist(), data.base.tolist()
    units: list[list[int]] = []
    for k in range(len(data)):
        paired = units and len(units[-1]) == 1 and kinds[k].endswith("-pair")
        if paired and (kinds[units[-1][0]], bases[units[-1][0]]) == (kinds[k], bases[k]):
            units[-1].append(k)
        else:
            units.append([k])
    count = max(1, round(int(data.sizes.sum()) / _PART_ATOMS))
    return [
        np.array([i for unit in units[c::count] for i in unit], dtype=np.int64) for c in range(min(count, len(units)))
    ]
