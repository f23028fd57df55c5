"""What the studies share: sets cut into chunks, a descent of a fixed number of updates, errors on what was held out.

Studies compare variants at equal effort, so every variant gets the same number of updates with minibatches of the
same size, however much data it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import numpy as np

from sus2.potential.mtp import ModelSpec
from sus2.training.data.dataset import TrainingSet, fit_references
from sus2.training.fit.config import Source, TrainConfig
from sus2.training.fit.least_squares import project_linear
from sus2.training.fit.objective import LossWeights, Objective, errors
from sus2.training.fit.optimise import Prior, adam_update
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.sources import read_source
from sus2.training.fit.start import initial_spec
from sus2.types import Array, Mask

CHUNK: Final = 100
EXTREME: Final = ("dimer", "wall", "atom")
# Structures whose linear part is solved exactly before a descent from random weights.
_PROJECTED: Final = 1500


@dataclass(frozen=True)
class Effort:
    """What a descent costs and where it begins.

    Attributes
    ----------
    updates
        Number of steps.
    rate
        Largest learning rate, falling on a half cosine.
    seed
        Of all choices.
    """

    updates: int = 3000
    rate: float = 0.01
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """Errors on held-out structures.

    Attributes
    ----------
    energy_mae_mev_per_atom
        Of energies.
    force_mae_mev_per_a
        Of force components.
    stress_mae_gpa
        Of stress components.
    formation_mae_mev_per_atom
        Of energies of relaxed crystals against their relaxed elements.
    """

    energy_mae_mev_per_atom: float
    force_mae_mev_per_a: float
    stress_mae_gpa: float
    formation_mae_mev_per_atom: float


class Material:
    """Structures of one functional for a study: training chunks in a fixed random order, test set, elements."""

    def __init__(
        self, config: TrainConfig, train: TrainingSet, test: TrainingSet, seed: int, *, linear_map: bool = False
    ) -> None:
        self.config = config
        self.linear_map = linear_map
        order = np.random.default_rng((seed, 11)).permutation(len(train))
        self.train = train.subset(order)
        self.test = test
        self.chunks = [
            self.objective(self.train.subset(np.arange(k, min(k + CHUNK, len(train)))))
            for k in range(0, len(train), CHUNK)
        ]
        self.held_out = self.objective(test)
        self.elements_alone = self.objective(_ground_states(train))

    def objective(self, data: TrainingSet) -> Objective:
        """The loss of a set with the weights of the configuration.

        Parameters
        ----------
        data
            The set.

        Returns
        -------
        Objective
            In single precision.
        """
        c = self.config
        return Objective(
            data,
            c.elements,
            c.cutoff_a,
            LossWeights(**c.weights.model_dump()),
            threads=1,
            single_precision=True,
            linear_map=self.linear_map,
        )

    def start(self, chunks: int | None = None) -> tuple[ParameterSpace, Array]:
        """Random radial weights, references fitted to the labels, the linear part solved exactly.

        Parameters
        ----------
        chunks
            How many chunks are used; all by default.

        Returns
        -------
        tuple
            The space of parameters, and the place in it.
        """
        some = self.chunks[:chunks]
        spec = initial_spec(self.config)
        labels = TrainingSet.concatenate([c.data for c in some])
        spec = _with_shift(spec, fit_references(labels, self.config.elements))
        space = ParameterSpace(spec, self.config.element_space, self.config.element_rank)
        x = space.pack(spec)
        strength = np.zeros(space.size)
        strength[space.slices()["theta"]] = self.config.theta_prior
        if space.own_readout:
            strength[space.slices()["theta_element"]] = self.config.readout_prior
        prior = Prior(strength, np.zeros(space.size))
        return space, project_linear(space, x, some[: max(1, _PROJECTED // CHUNK)], prior)

    def measure(self, spec: ModelSpec, test: Objective | None = None) -> Measured:
        """Errors on the held-out structures, or on others.

        Parameters
        ----------
        spec
            The potential.
        test
            The others; the held-out ones by default.

        Returns
        -------
        Measured
            Mean absolute errors.
        """
        test = test or self.held_out
        found = errors([test], spec)
        return Measured(
            found.energy_mae_mev_per_atom, found.force_mae_mev_per_a, found.stress_mae_gpa, self._formation(spec, test)
        )

    def _formation(self, spec: ModelSpec, test: Objective) -> float:
        def per_element(energies: Array, objective: Objective) -> Array:
            out = np.full(len(self.config.elements), np.nan)
            pure = objective.counts.argmax(axis=1)
            for k in np.argsort(energies / objective.sizes)[::-1]:  # the lowest comes last
                out[pure[k]] = energies[k] / objective.sizes[k]
            return out

        alone = self.elements_alone
        wrong = per_element(alone.predict(spec).energy_ev, alone) - per_element(alone.data.energy_ev, alone)
        rest = np.flatnonzero(test.data.kind == "relaxed")
        miss = test.predict(spec).energy_ev[rest] - test.data.energy_ev[rest] - test.counts[rest] @ np.nan_to_num(wrong)
        return float(1e3 * np.abs(miss / test.sizes[rest]).mean())


def _with_shift(spec: ModelSpec, shift: Array) -> ModelSpec:
    return replace(spec, shift_coeffs=shift)


def _ground_states(train: TrainingSet) -> TrainingSet:
    """Relaxed crystals of the elements, which are in training always."""
    pure = train.counts().astype(bool).sum(axis=1) == 1
    return train.subset(np.flatnonzero(pure & (train.kind == "relaxed")))


def load_material(
    config: TrainConfig,
    functional: str,
    seed: int,
    keep: Callable[[TrainingSet], Mask] | None = None,
    *,
    linear_map: bool = False,
) -> Material:
    """The training split of the configuration's sources and the test split of the first, all ordinary structures.

    Parameters
    ----------
    config
        With the sources.
    functional
        "PBE" or "r2SCAN".
    seed
        Of the order of the chunks.
    keep
        Which structures of the training split take part.
    linear_map
        As Objective has it.

    Returns
    -------
    Material
        Ready to be trained on.
    """
    sources = [s.model_copy(update={"functional": functional}) for s in config.sources]
    train = ordinary(TrainingSet.concatenate([read_source(s, config, "train") for s in sources]))
    test = ordinary(read_source(sources[0], config, "test"))
    if keep is not None:
        train = train.subset(np.flatnonzero(keep(train)))
    return Material(config, train, test, seed, linear_map=linear_map)


def ordinary(data: TrainingSet) -> TrainingSet:
    """A set without dimers, walls and free atoms.

    Parameters
    ----------
    data
        The set.

    Returns
    -------
    TrainingSet
        What is left.
    """
    return data.subset(np.flatnonzero(~np.isin(data.kind, EXTREME)))


def descend(
    loss: Callable[[Array, int], Array],
    x: Array,
    parts: int,
    steps: Array,
    effort: Effort,
    trainable: Mask | None = None,
) -> Array:
    """Descend by Adam on minibatches, taken in random order again and again.

    Parameters
    ----------
    loss
        loss(x, k) gives the gradient on minibatch k.
    x
        (n,) where it begins.
    parts
        Number of minibatches.
    steps
        (n,) typical changes of the parameters.
    effort
        Updates, rate and seed.
    trainable
        (n,) which parameters move; all by default.

    Returns
    -------
    ndarray
        (n,) where it ends.
    """
    rng = np.random.default_rng((effort.seed, 12))
    moments = (np.zeros_like(x), np.zeros_like(x))
    order: list[int] = []
    for step in range(1, effort.updates + 1):
        order = order or rng.permutation(parts).tolist()
        gradient = loss(x, order.pop())
        if trainable is not None:
            gradient = np.where(trainable, gradient, 0.0)
        rate = 0.5 * effort.rate * (1.0 + np.cos(np.pi * step / effort.updates))
        x, moments = adam_update(x, gradient, moments, step=step, rate=rate, steps=steps)
    return x


def train(
    material: Material,
    space: ParameterSpace,
    x: Array,
    effort: Effort,
    *,
    chunks: int | None = None,
    trainable: Mask | None = None,
    steps: Array | None = None,
) -> Array:
    """Descend on the first chunks of a material.

    Parameters
    ----------
    material
        Structures.
    space
        Of the parameters.
    x
        (n,) where it begins.
    effort
        Updates, rate and seed.
    chunks
        How many; all by default.
    trainable
        (n,) which parameters move; all by default.
    steps
        (n,) typical changes; those of steps_of by default.

    Returns
    -------
    ndarray
        (n,) where it ends.
    """
    some: Sequence[Objective] = material.chunks[:chunks]

    def gradient(x: Array, k: int) -> Array:
        _, tables, shift = some[k].value_and_gradient(space.unpack(x))
        return space.gradient(x, tables, shift)

    return descend(gradient, x, len(some), steps_of(space) if steps is None else steps, effort, trainable)


def steps_of(space: ParameterSpace) -> Array:
    """Typical changes of the parameters; references may move by tens of eV from one functional to another.

    Parameters
    ----------
    space
        Of the n parameters.

    Returns
    -------
    ndarray
        (n,).
    """
    steps = space.steps
    steps[space.slices()["shift"]] *= 10.0
    return steps


# Tables of results ----------------------------------------------------------------------------------------------


def measured(values: Measured) -> dict[str, float]:
    """Errors as entries of a row.

    Parameters
    ----------
    values
        The errors.

    Returns
    -------
    dict
        By column.
    """
    return asdict(values)


MEASURES: Final = tuple(f.name for f in fields(Measured))


def study_config(graph: str = "l2k2", scaling_map: str = "LK", **changes: Any) -> TrainConfig:
    """The model of the studies: metals of the distillation set, a small graph, the factorised element space.

    Parameters
    ----------
    graph
        Name of the moment graph.
    scaling_map
        Which radial functions share a scaling.
    **changes
        Of the configuration.

    Returns
    -------
    TrainConfig
        Checked.
    """
    from sus2.training.data.families import METALS

    return TrainConfig.model_validate(
        {
            "name": "study",
            "functional": "PBE",
            "elements": METALS,
            "graph": graph,
            "scaling_map": scaling_map,
            "cutoff_a": 6.0,
            "min_distance_a": 1.2,
            "element_space": "factorised",
            "dtype": "float32",
            "sources": [Source(kind="distilled", name="tensornet-matpes", families=("a",)).model_dump()],
            "weights": {"energy_ev_per_atom": 0.01, "virial_ev_per_atom": 0.03},
            "stages": [{"kind": "project"}],
        }
        | changes
    )
