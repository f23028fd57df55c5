"""Differences of functionals: what they should be, how wrong they are, and how far paired members part in them.

A difference is relative to the number in the first potential, so that its errors can be compared between crystals: with
x the number in the first and y that in the second potential, d = (y - x)/|x|. Member m of the one belongs to member m
of the other, and moves d by (dy - y/x dx)/|x| to first order: what both get wrong alike cancels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from sus2.trust.calibration import QuantityCalibration
from sus2.trust.committee import spread_of
from sus2.types import Array
from sus2.validation.fit_calibration import ORDER, Coverage, fit_calibration
from sus2.validation.records import Record
from sus2.validation.teacher_frequencies import BY_TEACHER

Changes = Mapping[tuple[str, str], Mapping[str, float]]
"""Formula in Hill order and structure type of a crystal -> quantity -> value in one functional over that in PBE."""

OF_TEACHER: Final = "PBE and the teacher's change"
"""How the functional of such a reference is called."""
# dB/dP of PBE is 20 % off in the potentials, and changes far less with the functional.
_UNCHANGED: Final = frozenset({"b0_prime"})
_FEWEST: Final = 8


def with_changes(records: Sequence[Record], changes: Changes) -> list[Record]:
    """Records of a potential of another functional than PBE, with PBE references brought to that functional.

    Parameters
    ----------
    records
        Their PBE references are multiplied by the change of the crystal; those without a known change are left out.
    changes
        By crystal.

    Returns
    -------
    list of Record
        In the same order.
    """
    out = []
    for r in records:
        ratios = changes.get((r.formula_hill, r.kind), {})
        references, functionals = {}, {}
        for quantity, value in r.references.items():
            functional = r.functionals[quantity]
            if functional == BY_TEACHER:
                continue
            if functional == "PBE":
                if quantity not in ratios and quantity not in _UNCHANGED:
                    continue
                value, functional = value * ratios.get(quantity, 1.0), OF_TEACHER
            references[quantity], functionals[quantity] = value, functional
        out.append(replace(r, references=references, functionals=functionals))
    return out


def difference_spread(ratio: float, first: Array, second: Array, *, paired: bool) -> float:
    """How far members part in the difference of two potentials.

    Parameters
    ----------
    ratio
        The number in the second potential over that in the first, y/x.
    first
        (M,) deviations of the members of the first, dx.
    second
        (M,) those of the second, dy.
    paired
        Whether member m of the one belongs to member m of the other; else they are taken for independent.

    Returns
    -------
    float
        Standard deviation of dy - y/x dx, in the unit of the deviations.
    """
    x, y = ratio * np.asarray(first), np.asarray(second)
    if paired and len(x) == len(y):
        return spread_of(y - x)
    return math.hypot(spread_of(x), spread_of(y))


def difference_records(
    first: Sequence[Record], second: Sequence[Record], changes: Changes, held_out: Collection[str], *, paired: bool
) -> list[Record]:
    """Records of the difference of two potentials, for fit_calibration.

    Parameters
    ----------
    first
        In the PBE potential.
    second
        In the other one.
    changes
        What the teacher says of the change.
    held_out
        Names of crystals that the potentials were not trained on; the teacher's change of others judges nothing.
    paired
        Whether their members are.

    Returns
    -------
    list of Record
        The value is that in the first potential; it differs from the reference as the differences differ. All-electron
        values in both functionals go before the teacher's change.
    """
    out = []
    of_first = {r.name: r for r in first if not r.failure}
    for b in second:
        a = of_first.get(b.name)
        if a is None or b.failure:
            continue
        taught = changes.get((b.formula_hill, b.kind), {}) if b.name in held_out else {}
        references, functionals, spreads = {}, {}, {}
        for quantity in a.values.keys() & b.values.keys():
            x, y = a.values[quantity], b.values[quantity]
            change, functional = _known_change(quantity, a, b), "r2SCAN and PBE"
            if not math.isfinite(change):
                change, functional = taught.get(quantity, math.nan) - 1.0, OF_TEACHER
            if not (math.isfinite(change) and x > 0.0):
                continue
            # The difference that should be, of the size of the number in the first potential.
            references[quantity], functionals[quantity] = x - (y - x - change * x), functional
            if quantity in a.members and quantity in b.members:
                moved = (np.array(a.members[quantity]), np.array(b.members[quantity]))
                spreads[quantity] = difference_spread(y / x, *moved, paired=paired)
        grade = max((g for g in (a.grade, b.grade) if math.isfinite(g)), default=math.nan)
        out.append(replace(a, grade=grade, references=references, functionals=functionals, spreads=spreads, members={}))
    return out


def _known_change(quantity: str, first: Record, second: Record) -> float:
    """The relative change by values that are known in both functionals; nan without."""
    x, y = first.references.get(quantity), second.references.get(quantity)
    if x is None or y is None:
        return math.nan
    functionals = (first.functionals[quantity], second.functionals[quantity])
    return y / x - 1.0 if functionals == ("PBE", "r2SCAN") else math.nan


def teacher_error(first: Sequence[Record], second: Sequence[Record], changes: Changes, quantity: str) -> float:
    """How far the teacher's change is from that of known values, relative.

    Parameters
    ----------
    first
        With references in PBE.
    second
        With references in the other functional.
    changes
        What the teacher says.
    quantity
        Of these.

    Returns
    -------
    float
        1.48 times the median of the deviations, a standard deviation that outliers do not move; zero where fewer than
        eight crystals are known in both functionals.
    """
    of_first = {r.name: r for r in first}
    off = []
    for b in second:
        taught = changes.get((b.formula_hill, b.kind), {}).get(quantity)
        known = _known_change(quantity, of_first[b.name], b) if b.name in of_first else math.nan
        if taught is not None and math.isfinite(known):
            off.append(abs(taught - 1.0 - known))
    return 1.48 * float(np.median(off)) if len(off) >= _FEWEST else 0.0


def fit_differences(
    first: Sequence[Record], second: Sequence[Record], changes: Changes, held_out: Collection[str], *, paired: bool
) -> tuple[dict[str, QuantityCalibration], list[Coverage]]:
    """The calibration of differences of two potentials.

    Parameters
    ----------
    first
        In the PBE potential.
    second
        In the other one, references as they are in the tables.
    changes
        What the teacher says of the change.
    held_out
        Names of crystals that the potentials were not trained on.
    paired
        Whether their members are.

    Returns
    -------
    tuple of dict and list of Coverage
        As fit_calibration has them, with the teacher's own error where values in both functionals are known.
    """
    rows = difference_records(first, second, changes, held_out, paired=paired)
    found, coverage = fit_calibration("", rows, {})
    quantities = {
        q: found.quantities[q].model_copy(update={"teacher": round(teacher_error(first, second, changes, q), 5)})
        for q in ORDER
        if q in found.quantities
    }
    if "k_vrh_gpa" in quantities:
        # The bulk modulus of an equation of state is the same quantity; no crystal with one was held out.
        quantities.setdefault("b0_gpa", quantities["k_vrh_gpa"])
    return quantities, coverage
