"""What is wrong with a set of frames, and how it is split: one sentence for each finding, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from sus2.errors import DataError
from sus2.potential.evaluation import Calculates
from sus2.training.data.dataset import BadLabel, TrainingSet, bad_labels, fit_references
from sus2.training.frames.stresses import as_meant, stress_convention
from sus2.types import Index, Mask

Split = Literal["auto", "time", "composition"]
Zeros = Literal["refuse", "each"]

FEWEST: Final = 5
FEW: Final = 30
# Atoms of all frames that are fitted; more only judge.
MOST_ATOMS: Final = 40_000
_HELD_OUT: Final = 0.15
_BLOCKS: Final = 10
_COMPOSITIONS: Final = 8
# Two groups of energies are two zeros beyond this gap, eV/atom, and so many times the spread within a group.
_GAP_EV: Final = 0.15
_GAP_SPREADS: Final = 6.0
_SHOWN: Final = 5


@dataclass(frozen=True, eq=False)
class Checked:
    """Frames that can be trained on.

    Attributes
    ----------
    data
        They, in the order of the file.
    bad
        Frames that were left out, by index in the file, with the reason.
    notices
        What the user should know, one sentence each.
    split
        "time" or "composition".
    train
        Places in `data` of frames to train on.
    held
        Places in `data` of frames to judge by.
    """

    data: TrainingSet
    bad: tuple[BadLabel, ...]
    notices: tuple[str, ...]
    split: str
    train: Index
    held: Index


def check_frames(
    data: TrainingSet,
    *,
    split: Split = "auto",
    zeros: Zeros = "refuse",
    referee: Calculates | None = None,
    pulse: Callable[[], None] | None = None,
) -> Checked:
    """Find what is wrong with frames, leave out what cannot be trained on, and split the rest.

    Parameters
    ----------
    data
        Frames as they were read.
    split
        "time": of ten stretches of consecutive frames the end of each is held out; "composition": whole compositions
        are; "auto": by composition where there are eight or more.
    zeros
        What is done with two groups of energies that differ by a constant: "refuse", or an energy zero for "each".
    referee
        A potential that tells another sign or order of stresses; None to take them as they were read.
    pulse
        Called often; what it raises ends the check.

    Returns
    -------
    Checked
        The usable frames and what was found.

    Raises
    ------
    DataError
        Too few usable frames, or two energy zeros.
    """
    bad = tuple(bad_labels(data, pulse))
    good = np.setdiff1d(np.arange(len(data)), [b.index for b in bad])
    notices = [_left_out(bad, len(data))] if bad else []
    if len(good) < FEWEST:
        why = f": {_listed(bad)}" if bad else ""
        raise DataError(
            f"There {'is' if len(good) == 1 else 'are'} {len(good)} usable of {len(data)} frames{why}; at least "
            f"{FEWEST} "
            "are needed, and thirty or more to judge the result."
        )
    data = data.subset(good)
    found = two_zeros(data)
    if found is not None:
        lower, gap = found
        names = _ranges(good[lower])
        alike = (
            f"{int(lower.sum())} of {len(data)} frames ({names}) have energies {gap:.3g} eV/atom below those of "
            f"the others, "
            "which forces and volumes do not explain: two functionals or two programs with different zeros"
        )
        if zeros == "refuse":
            raise DataError(f"{alike}; train on one of them, or give each an energy zero of its own.")
        energy = data.energy_ev.copy()
        energy[lower] += gap * data.sizes[lower]
        data = replace(data, energy_ev=energy)
        notices.append(f"{alike}; their energies were shifted onto each other, forces were left as they are.")
    convention = None if referee is None else stress_convention(data, referee)
    if convention is not None:
        data, said = as_meant(data, convention)
        notices.append(said)
    if not np.isfinite(data.stress_ev_per_a3).any():
        notices.append(
            "No frame has a stress, so volumes and elastic constants are learnt from energies and forces alone."
        )
    if len(data) < FEW:
        notices.append(
            f"{len(data)} frames are few: errors on those held out mean little, and what is unlike them is "
            f"extrapolation."
        )
    chosen: str = split
    if split == "auto":
        chosen = "composition" if len(np.unique(data.composition)) >= _COMPOSITIONS else "time"
    held = _by_composition(data) if chosen == "composition" else _by_time(len(data))
    train = np.setdiff1d(np.arange(len(data)), held)
    kept = _within(data, train)
    if len(kept) < len(train):
        notices.append(
            f"Of {len(train):,} frames to train on {len(kept):,}, spread evenly over the file, are fitted: together "
            f"{int(data.sizes[kept].sum()):,} atoms, more would hardly change so small a potential."
        )
    return Checked(data, bad, tuple(notices), chosen, kept, _within(data, held, MOST_ATOMS // 4))


def two_zeros(data: TrainingSet) -> tuple[Mask, float] | None:
    """The frames whose energies have a zero of their own, where there are two groups.

    Energies are those beyond a fit to the composition. A group by other forces, stresses or volumes is no other zero.

    Parameters
    ----------
    data
        Labelled frames, S of them.

    Returns
    -------
    tuple of ndarray and float, or None
        The frames of the lower group (S,) and its distance from the other, eV/atom; None for one group.
    """
    if len(data) < 2 * FEWEST:
        return None
    sizes = data.sizes.astype(float)
    rest = (data.energy_ev - data.counts() @ fit_references(data)) / sizes
    order = np.argsort(rest)
    gaps = np.diff(rest[order])
    k = int(np.argmax(gaps))
    gap = float(gaps[k])
    lower: Mask = np.zeros(len(data), dtype=bool)
    lower[order[: k + 1]] = True
    if min(lower.sum(), (~lower).sum()) < 2 or gap < _GAP_EV:
        return None
    spread = max(float(np.std(rest[lower])), float(np.std(rest[~lower])), 1e-3)
    if gap < _GAP_SPREADS * spread:
        return None
    force = np.sqrt(np.add.reduceat((data.forces_ev_per_a**2).sum(axis=1), data.offsets[:-1]) / sizes)
    volume = data.volumes_a3 / sizes
    for values in (force, volume):
        a, b = values[lower], values[~lower]
        width = max(float(np.std(a)), float(np.std(b)), 0.05 * float(np.mean(values)), 1e-9)
        if abs(float(np.median(a) - np.median(b))) > 2.0 * width:
            return None
    return lower, float(np.median(rest[~lower]) - np.median(rest[lower]))


def _by_time(count: int) -> Index:
    held = [
        part[len(part) - max(1, round(_HELD_OUT * len(part))) :]
        for part in np.array_split(np.arange(count), _blocks(count))
    ]
    return np.concatenate(held).astype(np.int64)


def _blocks(count: int) -> int:
    return max(1, min(_BLOCKS, count // 7))


def _by_composition(data: TrainingSet) -> Index:
    names = np.unique(data.composition)
    chosen = np.random.default_rng(0).permutation(names)[: max(1, round(_HELD_OUT * len(names)))]
    held: Index = np.flatnonzero(np.isin(data.composition, chosen)).astype(np.int64)
    # Elements that nothing else has must be trained on.
    left = np.setdiff1d(np.arange(len(data)), held)
    if len(left) < FEWEST or set(data.subset(left).elements) != set(data.elements):
        return _by_time(len(data))
    return held


def _within(data: TrainingSet, places: Index, most: int = MOST_ATOMS) -> Index:
    total = int(data.sizes[places].sum())
    if total <= most:
        return places
    count = max(FEWEST, int(len(places) * most / total))
    return places[np.unique(np.linspace(0, len(places) - 1, count).round().astype(int))]


def _left_out(bad: tuple[BadLabel, ...], total: int) -> str:
    return f"{len(bad)} of {total} frames {'is' if len(bad) == 1 else 'are'} left out: {_listed(bad)}."


def _listed(bad: tuple[BadLabel, ...]) -> str:
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return "; ".join(f"frame {b.index}: {b.reason}" for b in bad[:_SHOWN]) + more


def _ranges(places: Index) -> str:
    """1-3, 7, 9-12 for whole numbers."""
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    words = [f"{r[0]}" if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs[:_SHOWN]]
    return ", ".join(words) + (", ..." if len(runs) > _SHOWN else "")
