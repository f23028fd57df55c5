"""CHGNet beside the teachers: whether both see the same change of volume from PBE to r2SCAN.

At the relaxed PBE geometry the difference of the pressures in the two functionals says, to first order,
which way the volume goes: dV / V = (p_r2SCAN - p_PBE) / B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sus2.errors import DataError
from sus2.training.data.families import ANIONS, families_of
from sus2.training.data.prototypes import PROTOTYPES
from sus2.training.data.sets import finished_shards, load_set, set_folder
from sus2.training.teachers.build import run_second_opinion
from sus2.types import Array
from sus2.units import GPA_TO_EV_PER_A3

# Smaller pressure differences say nothing about the sign.
_CLEAR = 0.3 * GPA_TO_EV_PER_A3


@dataclass(frozen=True)
class SecondOpinion:
    """Agreement of two teachers on the sign of the volume change, in a group of crystals.

    Attributes
    ----------
    group
        Of crystals.
    crystals
        How many.
    clear
        How many where both see a pressure difference beyond 0.3 GPa.
    same_sign
        Share of equal signs among these.
    correlation
        Of the two.
    smaller_in_r2scan
        Share of crystals that are smaller in r2SCAN.
    """

    group: str
    crystals: int
    clear: int
    same_sign: float
    correlation: float
    smaller_in_r2scan: float


def second_opinion(name: str, shards: int = 1) -> list[SecondOpinion]:
    """Compare the set's teacher with CHGNet on the relaxed bases of its first shards.

    Parameters
    ----------
    name
        Of the set.
    shards
        How many.

    Returns
    -------
    list of SecondOpinion
        One for each group.

    Raises
    ------
    DataError
        No labelled shard, or chgnet cannot run.
    """
    folder = set_folder(name)
    numbers = finished_shards(name)[:shards]
    if not numbers:
        raise DataError(f"The set {name} has no labelled shard yet; go on with 'sus2 data build {name}'.")
    ours: dict[str, float] = {}
    letters: dict[str, str] = {}
    chosen = [int(n) for n in numbers]
    sets = [load_set(name, f, shards=chosen, drop=("label", "weak")) for f in ("PBE", "r2SCAN")]
    relaxed = sets[0].kind == "relaxed"
    shift = -(sets[1].stress_ev_per_a3 - sets[0].stress_ev_per_a3)[relaxed, :3].mean(axis=1)
    for i, value in zip(np.flatnonzero(relaxed).tolist(), shift.tolist(), strict=True):
        base = str(sets[0].base[i])
        ours[base] = value
        letters[base] = families_of(sets[0].to_atoms(i).get_chemical_symbols())
    theirs: dict[str, float] = {}
    for number in numbers:
        if not (folder / f"second-{number}.npz").exists():
            run_second_opinion(folder, number)
        with np.load(folder / f"second-{number}.npz", allow_pickle=False) as stored:
            change = stored["pressure_r2SCAN"] - stored["pressure_PBE"]
            theirs.update(zip(stored["base"].tolist(), change.tolist(), strict=True))
    both = [base for base in ours if base in theirs]
    groups = {"all": both, "Materials Project": [b for b in both if b.startswith("mp-")]}
    groups |= {f"family {letter}": [b for b in both if letter in letters[b]] for letter in "abc"}
    groups["oxides and halides"] = [b for b in both if _anion(b) in ANIONS]
    return [
        _agreement(group, np.array([ours[b] for b in members]), np.array([theirs[b] for b in members]))
        for group, members in groups.items()
        if len(members) > 2
    ]


def _anion(base: str) -> str:
    prototype, _, elements = base.partition(":")
    return elements.split("-")[-1] if prototype in PROTOTYPES else ""


def _agreement(group: str, ours: Array, theirs: Array) -> SecondOpinion:
    clear = (np.abs(ours) > _CLEAR) & (np.abs(theirs) > _CLEAR)
    first, second = (np.clip(values, *np.percentile(values, [1, 99])) for values in (ours, theirs))
    return SecondOpinion(
        group=group,
        crystals=len(ours),
        clear=int(clear.sum()),
        same_sign=float(np.mean(np.sign(ours[clear]) == np.sign(theirs[clear]))) if clear.any() else float("nan"),
        correlation=float(np.corrcoef(first, second)[0, 1]),
        smaller_in_r2scan=float(np.mean(ours < 0.0)),
    )
