"""sus2.fit_frames: a potential from a user's own labelled frames, without an expert."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from sus2.errors import CancelledError, DataError, Sus2Error, printable
from sus2.native.build import available
from sus2.potential.card import Card, parse_card, write_weights
from sus2.potential.evaluation import Calculates
from sus2.potential.mtp import format_mtp
from sus2.potential.potential import Potential
from sus2.progress import Parity, Progress, Stage
from sus2.registry.load import load, load_bytes
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.objective import Errors, LossWeights
from sus2.training.frames.check import Checked, Split, Zeros, check_frames
from sus2.training.frames.curve import Point, how_much_data
from sus2.training.frames.files import read_frames
from sus2.training.quick_fit.fit import Fit, Recipe
from sus2.training.quick_fit.parity import ENERGY, FORCE, STRESS, compared
from sus2.types import Array

WEIGHTS: Final = LossWeights(
    energy_ev_per_atom=0.002, energy_relative=0.005, force_ev_per_a=0.05, force_relative=0.08, virial_ev_per_atom=0.02
)
# From this many atoms to train on, a smaller graph and shorter reach: what is fitted must fit into minutes.
_MANY_ATOMS: Final = 4000
# Tells the sign and the order of stresses.
_REFEREE: Final = "sus2-universal-pbe"
_SHARES: Final = (0.125, 0.25, 0.5)
_CURVE_STEPS: Final = 15
_PARITY: Final = 4000


@dataclass(frozen=True, eq=False)
class FramesFit:
    """A potential from frames.

    Attributes
    ----------
    text
        The weights, as an `.mtp` file has them.
    card_json
        The card.
    history
        Errors on held-out frames as the fit went on; the first is that of the first usable potential.
    learning
        Errors from shares of the frames, all of them last.
    energies_ev_per_atom
        (2, K), labels and predictions of held-out frames.
    forces_ev_per_a
        (2, K), the same of force components, a part of them where they are many.
    stresses_gpa
        (2, K), the same of stress components.
    frames
        Number that were trained on and number that were held out.
    split
        How they were split.
    notices
        What the user should know.
    seconds
        That it took.
    """

    text: str
    card_json: str
    history: tuple[Point, ...]
    learning: tuple[Point, ...]
    energies_ev_per_atom: Array
    forces_ev_per_a: Array
    stresses_gpa: Array
    frames: tuple[int, int]
    split: str
    notices: tuple[str, ...]
    seconds: float

    @cached_property
    def card(self) -> Card:
        """What it is, how wrong it is, and where not to trust it."""
        return parse_card(self.card_json.encode(), source="fitted potential")

    @cached_property
    def potential(self) -> Potential:
        """The potential, ready for every property."""
        made = load_bytes(self.text.encode(), name=self.card.name, card=self.card)
        assert isinstance(made, Potential)
        return made

    @property
    def verdict(self) -> str:
        """What the learning curve says about more data, one sentence."""
        return how_much_data(self.learning)

    def write(self, folder: str | Path) -> Path:
        """Write NAME.mtp and its card to a folder.

        Parameters
        ----------
        folder
            Made if it is not there.

        Returns
        -------
        Path
            The file of weights.

        Raises
        ------
        Sus2Error
            The folder cannot be written.
        """
        return write_weights(folder, self.text, self.card)


def fit_frames(
    frames: TrainingSet | str | Path | bytes,
    *,
    label: str = "",
    functional: str = "not stated",
    elements: Sequence[str] | None = None,
    split: Split = "auto",
    zeros: Zeros = "refuse",
    budget_s: float = 90.0,
    graph: str | None = None,
    cutoff_a: float | None = None,
    learning: bool = True,
    seed: int = 0,
    first: Callable[[Potential], None] | None = None,
    live: Callable[[Point], None] | None = None,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FramesFit:
    """Fit a potential to labelled frames of DFT or AIMD, without settings.

    Parameters
    ----------
    frames
        A file (extended XYZ, OUTCAR, vasprun.xml, MLIP-2 .cfg, ASE or pymatgen JSON), its bytes, or a set.
    label
        What names the potential, and the file in messages; the file's name by default.
    functional
        Of the labels, for the card.
    elements
        The element of each type number, which .cfg files alone need.
    split
        How frames are held out: "time", "composition" or "auto".
    zeros
        "refuse" two groups of energies that differ by a constant, or give "each" an energy zero.
    budget_s
        Seconds after which nothing new is begun.
    graph
        Moment graph; by default by the number of atoms.
    cutoff_a
        Cutoff radius, angstrom; by default by the number of atoms.
    learning
        Whether to fit shares of the frames too, for the learning curve.
    seed
        Of everything random.
    first
        Called with the first usable potential.
    live
        Called with the errors on held-out frames after each step.
    progress
        Called with the stage (with the errors so far) and the fraction of the budget that is used.
    cancel
        Asked often; True ends the fit with CancelledError.

    Returns
    -------
    FramesFit
        The potential, its errors and its learning curve.

    Raises
    ------
    DataError
        The file cannot be read, or its labels cannot be trained on; the message names the frame.
    CancelledError
        It was cancelled.
    Sus2Error
        There is no C++ compiler, or an argument makes no sense.
    """
    started = time.monotonic()
    if not available():
        raise Sus2Error(
            "Fitting a potential needs the compiled kernels, and there is no C++ compiler here; install one, "
            "such as g++."
        )
    if not budget_s > 0:
        raise Sus2Error(f"The budget ({budget_s} s) must be positive.")
    stages, errors_so_far = ["reading"], [""]
    numbers: dict[str, float] = {}
    new: list[Parity] = []

    def tick(stage: str) -> None:
        if cancel is not None and cancel():
            raise CancelledError("The fit was cancelled.")
        stages[0] = stage or stages[0]
        if progress is not None:
            said = Stage(stages[0] + errors_so_far[0], numbers, new.pop() if new else None)
            progress(said, min(0.99, (time.monotonic() - started) / budget_s))

    tick("reading")
    data = _read(frames, label, elements)
    tick("checking labels")
    checked = check_frames(data, split=split, zeros=zeros, referee=_referee(), pulse=lambda: tick(""))
    chosen = tuple(checked.data.elements)
    train, held = checked.data.subset(checked.train), checked.data.subset(checked.held)
    recipe = _recipe(int(train.sizes.sum()), graph, cutoff_a)
    fit = Fit(chosen, recipe, seed, tick)
    fit.add(train)
    fit.add(held, held_out=True)
    until = started + budget_s
    history: list[Point] = []

    def note(found: Errors) -> None:
        point = _point(found, started, fit.structures)
        history.append(point)
        numbers.update(
            seconds=point.seconds, energy_mev_per_atom=point.energy_mev_per_atom, force_mev_per_a=point.force_mev_per_a
        )
        new[:] = [fit.parity()]
        errors_so_far[0] = f" · {point.energy_mev_per_atom:.1f} meV/atom, {point.force_mev_per_a:.0f} meV/Å held out"
        if live is not None:
            live(point)

    fit.begin()
    fit.project()
    note(fit.errors())
    card = Card(name=_named(frames, label, chosen), functional=functional, elements=chosen)
    if first is not None:
        first(fit.potential(card))
    begun = fit.state
    share = 0.6 if learning else 1.0
    now = time.monotonic()
    fit.improve(4 * recipe.steps, now + share * max(0.0, until - now), note, share=0.34)
    fit.improve(recipe.steps, now + share * max(0.0, until - now), note)
    final = fit.state
    curve: list[Point] = []
    if learning and len(train) >= 16:
        for part in _SHARES:
            if time.monotonic() > until:
                break
            assert begun is not None
            small = Fit(chosen, recipe, seed, tick, parts=[], held=fit.held)
            count = max(4, round(part * len(train)))
            small.add(train.subset(np.unique(np.linspace(0, len(train) - 1, count).round().astype(int))))
            small.begin()
            small.improve(_CURVE_STEPS, until)
            # What the clock cut short would look like an error of few frames.
            if time.monotonic() <= until:
                curve.append(_point(small.errors(), started, count))
        # The parts that the fit is judged by are shared, and were normed for the small one alike.
    fit.state = final
    everything = fit.errors()
    curve.append(_point(everything, started, len(train)))
    return _result(fit, checked, card, held, tuple(history), tuple(curve), everything, time.monotonic() - started)


def _read(frames: TrainingSet | str | Path | bytes, name: str, elements: Sequence[str] | None) -> TrainingSet:
    if isinstance(frames, TrainingSet):
        return frames
    if isinstance(frames, bytes):
        return read_frames(name or "the file", frames, elements)
    path = Path(frames)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}).") from None
    return read_frames(path.name, content, elements)


def _referee() -> Calculates | None:
    try:
        return load(_REFEREE)
    except Sus2Error:
        return None


def _named(frames: object, name: str, elements: Sequence[str]) -> str:
    stem = name or (Path(frames).name if isinstance(frames, str | Path) else "") or "-".join(elements)
    stem = stem.split(".")[0] or "-".join(elements)
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in printable(stem, 60))
    return safe or "fitted"


def _recipe(atoms: int, graph: str | None, cutoff_a: float | None) -> Recipe:
    many = atoms > _MANY_ATOMS
    share = min(1.0, 1500.0 / max(atoms, 1))
    return Recipe(
        graph=graph or ("l2k2" if many else "l3k3"),
        cutoff_a=cutoff_a or (5.0 if many else 6.0),
        starts=2,
        search_steps=6,
        search_share=share,
        steps=10,
        weights=WEIGHTS,
    )


def _point(found: Errors, started: float, frames: int) -> Point:
    return Point(
        time.monotonic() - started,
        frames,
        found.energy_mae_mev_per_atom,
        found.force_mae_mev_per_a,
        found.stress_mae_gpa,
    )


def _result(
    fit: Fit,
    checked: Checked,
    card: Card,
    held: TrainingSet,
    history: tuple[Point, ...],
    curve: tuple[Point, ...],
    found: Errors,
    seconds: float,
) -> FramesFit:
    text = format_mtp(fit.spec)
    trained = {f"train_{k}": v for k, v in asdict(fit.errors(held_out=False)).items()}
    numbers = {f"held_out_{k}": v for k, v in asdict(found).items()} | trained
    data = checked.data
    card = card.model_copy(
        update={
            "summary": f"Fitted to {fit.structures} frames of {' '.join(fit.elements)}.",
            "data": f"{fit.structures} frames, {len(held)} others held out by {checked.split}.",
            "data_sha256": data.hash,
            "errors": {k: round(float(v), 4) for k, v in numbers.items() if np.isfinite(v)},
            "limits": "What is unlike the frames that it was fitted to is extrapolation.",
            "command": "sus2 fit",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "version": "1",
        }
    )
    potential = fit.potential(card)
    beside = compared(fit.held, fit.spec)
    forces = beside[FORCE]
    return FramesFit(
        text=text,
        card_json=potential.card.model_dump_json(),
        history=history,
        learning=curve,
        energies_ev_per_atom=beside[ENERGY],
        forces_ev_per_a=forces[:, :: max(1, forces.shape[1] // _PARITY)],
        stresses_gpa=beside.get(STRESS, np.zeros((2, 0))),
        frames=(fit.structures, len(held)),
        split=checked.split,
        notices=checked.notices,
        seconds=seconds,
    )
