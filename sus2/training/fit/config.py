"""What a training run is: one typed, readable file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sus2.errors import DataError, printable
from sus2.plain_yaml import read_yaml
from sus2.training.fit.parameters import STEP

MAX_CONFIG_BYTES: Final = 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """One set of labels. `path` for file, `name` and `families` for a distilled set, `element` for mlearn.

    Sets of different programs have different zeros of energy: every source after the first gets its own offset
    for each element, fitted to the model before every step, unless `same_zero` says that it shares the first's.
    """

    kind: Literal["file", "mlearn", "diamond", "nacl", "acwf", "matpes-elements", "distilled"]
    path: str = ""
    name: str = ""
    element: Literal["", "Li", "Si", "Ge", "Mo", "Cu", "Ni"] = ""
    functional: Literal["", "PBE", "r2SCAN"] = ""
    families: tuple[str, ...] = ()
    shards: tuple[int, ...] = ()
    """Of a distilled set by number; empty: all that are labelled."""
    weight: float = Field(1.0, gt=0.0)
    emphasis: dict[str, float] = Field(default_factory=dict)
    """Further weight of structures whose kind or base crystal contains the key."""
    compositions: dict[str, float] = Field(default_factory=dict)
    """Further weight of structures of these reduced formulas, as of an element with better labels in another source."""
    without: tuple[str, ...] = ()
    """Structures with one of these elements are left out."""
    containing: tuple[str, ...] = ()
    """Structures without any of these elements are left out; empty: none is."""
    textbook: float = Field(1.0, gt=0.0)
    """Further weight of the structures of crystals that users know best (sus2.trust.known_values.known_crystals)."""
    without_stress: tuple[str, ...] = ()
    """Stresses of structures whose kind or base crystal contains one of these are not used: wrong labels."""
    same_zero: bool = False
    on_bad: Literal["refuse", "skip"] = "refuse"


class Weights(_Strict):
    """Errors that count as equally bad, see sus2.training.fit.objective.LossWeights."""

    energy_ev_per_atom: float = Field(0.005, gt=0.0)
    energy_relative: float = Field(0.005, ge=0.0)
    force_ev_per_a: float = Field(0.1, gt=0.0)
    force_relative: float = Field(0.1, ge=0.0)
    virial_ev_per_atom: float = Field(0.03, gt=0.0)
    virial_relative: float = Field(0.05, ge=0.0)
    robust: float = Field(3.0, gt=0.0)
    pair: float = Field(1.0, ge=0.0)
    """Weight of the differences within pairs of strained and of displaced cells beside that of each member."""
    pair_force_ev_per_a: float = Field(0.02, gt=0.0)
    pair_force_relative: float = Field(0.08, ge=0.0)
    pair_virial_ev_per_atom: float = Field(0.01, gt=0.0)
    pair_virial_relative: float = Field(0.06, ge=0.0)
    pair_apart: bool = False
    """Pressure and deviator of a difference of virials each with an error and a scale of its own."""
    pair_along: float = Field(1.0, gt=0.0, le=1.0)
    """With pair_apart: scale of the deviator's part along the label's own, in shares of that of the rest."""


class Project(_Strict):
    """Solve theta and shifts exactly at a fixed radial part, on a share of the minibatches."""

    kind: Literal["project"] = "project"
    share: float = Field(1.0, gt=0.0, le=1.0)


class Lbfgs(_Strict):
    """Rounds of full-batch L-BFGS, each followed by an exact solution of the linear part."""

    kind: Literal["lbfgs"] = "lbfgs"
    rounds: int = Field(10, ge=1)
    iterations: int = Field(100, ge=1)


class GaussNewton(_Strict):
    """Levenberg-Marquardt steps over all parameters with theta and shifts eliminated, on a share of the minibatches.

    A small share finds its way from a random start at a fraction of the cost.
    """

    kind: Literal["gauss-newton"] = "gauss-newton"
    share: float = Field(1.0, gt=0.0, le=1.0)
    iterations: int = Field(30, ge=1)


class Search(_Strict):
    """Gauss-Newton steps from several random starts (seeds counted from the run's) on a share of the minibatches.

    The start with the lowest loss there goes on.
    """

    kind: Literal["search"] = "search"
    starts: int = Field(5, ge=2, le=100)
    iterations: int = Field(16, ge=1)
    share: float = Field(0.1, gt=0.0, le=1.0)


class Adam(_Strict):
    """Passes over minibatches with a learning rate that falls along a half cosine."""

    kind: Literal["adam"] = "adam"
    epochs: int = Field(100, ge=1)
    rate: float = Field(0.01, gt=0.0)
    final_rate: float = Field(0.0, ge=0.0)
    block_rates: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """Factors on the rate of single blocks of parameters (sus2.training.fit.parameters.STEP); zero lets one rest."""
    precondition: float | None = Field(None, gt=0.0)
    """Move the readouts of elements in the coordinates of sus2.training.fit.precondition, with this floor."""

    @field_validator("block_rates")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(STEP))
        if unknown:
            raise ValueError(f"there is no block '{unknown[0]}'; there are {', '.join(STEP)}")
        return value


class Expand(_Strict):
    """Go over from the factorised element space to a table of pairs, held near it by `pair_prior`."""

    kind: Literal["expand"] = "expand"


class Release(_Strict):
    """From here on the held-out compositions are trained on too.

    The card keeps the errors of the last state before, which never saw them. What follows should be short: nothing is
    left to judge it.
    """

    kind: Literal["release"] = "release"


class Readouts(_Strict):
    """Solve the readouts of all elements and the shifts by conjugate gradients at a fixed radial part."""

    kind: Literal["readouts"] = "readouts"
    iterations: int = Field(20, ge=1)
    elements: tuple[str, ...] = ()
    """Those whose readout and shift are solved, the others rest; empty: all."""
    prior: float | None = Field(None, ge=0.0)
    """Pull of the readouts to where the run began; by default `readout_prior`."""
    share: float = Field(1.0, gt=0.0, le=1.0)
    """Of the way to what was found: less than one carries less noise to compositions that nobody has seen."""


AnyStage = Project | Lbfgs | GaussNewton | Search | Adam | Expand | Release | Readouts
Stage = Annotated[AnyStage, Field(discriminator="kind")]


class Crystal(_Strict):
    """A crystal whose measured properties go into the card beside reference values (units in the keys)."""

    symbol: str
    prototype: str
    a: float = Field(gt=0.0)
    covera: float | None = None
    references: dict[str, float] = Field(default_factory=dict)
    source: str = ""


class TrainConfig(_Strict):
    """Everything that decides a potential, apart from the data themselves."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")
    functional: str
    elements: tuple[str, ...] = Field(min_length=1)
    summary: str = ""
    data: str = ""
    teacher: str = "none"
    limits: str = "not stated"
    licence: str = "BSD-3-Clause"

    graph: str = "l2k3"
    cutoff_a: float = Field(5.0, gt=1.0, le=20.0)
    min_distance_a: float = Field(1.5, ge=0.0)
    radial_basis_size: int = Field(8, ge=2, le=64)
    scaling_map: Literal["K", "L", "LK"] = "LK"
    element_space: Literal["table", "factorised"] = "table"
    element_rank: int = Field(0, ge=0, le=16)
    readout: Literal["common", "element", "low-rank"] = "common"
    """common: one theta for all elements, as published models have; element: one of each, shrunk to what elements have
    in common; low-rank: a mixture of `readout_rank` of them for each element, and nothing of its own."""
    readout_rank: int = Field(0, ge=0, le=64)
    """Mixtures beside the common readout, see sus2.training.fit.parameters."""
    amplitudes: bool = False
    """An amplitude of each radial function and neighbour's element."""
    envelope_power: Literal[2, 3] = 2
    """p of the envelope (r - rc)^p: 2 as in published models, 3 for continuous second derivatives at the cutoff."""
    scaling: float = Field(0.02, gt=0.0)
    repulsion: tuple[float, float] | None = None
    """A fixed repulsion beside the model, see sus2.registry.load.Card; the labels are taken without it."""
    repulsion_strength: float = Field(1.0, gt=0.0, le=100.0)
    """Factor on the repulsion that the finished potential has; training subtracts it once, whatever the factor, because
    what is more begins at the shortest distance of the labels, for each pair."""
    compounds_only: bool = False
    """See sus2.registry.load.Card."""

    sources: tuple[Source, ...] = Field(min_length=1)
    test: tuple[Source, ...] = ()
    stability_ev_per_atom: float | None = Field(None, gt=0.0)
    """Scale of the weights by stability of distilled crystals, see sus2.training.data.stability."""
    validation_fraction: float = Field(0.1, ge=0.0, lt=1.0)
    weights: Weights = Weights()
    theta_prior: float = Field(1e-7, ge=0.0)
    readout_prior: float = Field(1e-7, ge=0.0)
    """Pull of each element's theta to the common one."""
    amplitude_prior: float = Field(1e-4, ge=0.0)
    """Pull of the amplitudes to one."""
    pair_prior: float = Field(0.0, ge=0.0)
    """Pull of alpha and r0 of a table of pairs to where the table began."""
    product_prior: float = Field(0.0, ge=0.0)
    """Pull to zero of the products of a factorised element space, which say what is particular to a pair."""
    batches: int = Field(1, ge=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    keep: Literal["best", "last"] = "best"
    """The state that is kept: that of the least loss on what is held out, or the last."""
    patience: int = Field(20, ge=1)
    start_from: str = ""
    """A potential to start from; run:NAME is the state of a run before its held-out compositions were released."""
    start_prior: float = Field(0.0, ge=0.0)
    """Pull of every parameter to where the run began (a hundredth of it for theta), but for shifts and `species`: a run
    on few compositions then keeps what many have taught. What is particular to an element's readout is pulled by
    `readout_prior`, to where it began if the run began with readouts of elements."""
    change_from: str = ""
    """A functional with labels of the same structures: the model keeps the errors that the potential to start from has
    in it and learns the change of the labels alone, so that the errors cancel in differences of the two."""
    seed: int = 0
    dtype: Literal["float64", "float32"] = "float64"
    device: Literal["cpu", "cuda", "torch"] = "cpu"
    """cpu: compiled kernels; cuda: torch on a GPU, where last digits may differ between runs; torch: torch on the CPU.
    Gauss-Newton and projections use the compiled kernels in any case."""
    crystals: tuple[Crystal, ...] = ()


def read_config(path: str | Path) -> TrainConfig:
    """Read a YAML configuration.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    TrainConfig
        Checked.

    Raises
    ------
    DataError
        It is none; one sentence that names the key.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise DataError(f"{path.name}: larger than {MAX_CONFIG_BYTES // 2**20} MiB, not a configuration.")
        content = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name}: not a text file in UTF-8; correct the file.") from None
    except ValueError as error:
        raise DataError(f"{path.name}: {error}; correct the file.") from None
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = printable(".".join(map(str, first["loc"])))
        raise DataError(f"{path.name}: key '{key}': {printable(first['msg'])}.") from None
