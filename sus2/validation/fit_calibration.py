"""Fit the calibration of a committee on crystals with known values, and say how well it covers those left out.

The relative error (value - reference) / value of a crystal is taken for a draw from Student's t distribution, whose
scale is the noise model of sus2.trust.calibration; its parameters are those of the largest likelihood with a Gaussian
prior on elements and classes. Folds are by composition: the errors of a crystal are judged by a model that has seen no
crystal of the same composition. The scale of each class is then set on these so that one sigma covers 68 %, or, where
the tails are heavier, so that two sigma cover 90 %.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from sus2.trust.calibration import (
    GRADE_FLOOR,
    SPREAD_FLOOR,
    Calibration,
    QuantityCalibration,
    relative_spreads,
    size_of,
)
from sus2.trust.crystal_class import CLASSES
from sus2.trust.estimate import GOOD, ROUGH
from sus2.types import Array, Index, Mask
from sus2.validation.records import Record
from sus2.validation.teacher_frequencies import BY_TEACHER, TEACHERS_ERROR

FOLDS: Final = 5
LEVELS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
FEWEST: Final = 12
"""Crystals that a quantity needs to be calibrated at all."""
_FEWEST_OF_CLASS: Final = 4
_DEGREES: Final = 4.0
# Precision of the prior on log sigma for one element and one class.
_ELEMENT_PRIOR: Final = 3.0
_CLASS_PRIOR: Final = 1.0
_SLOPE_PRIOR: Final = 2.0
# Relative errors below this say nothing more: references themselves differ by it.
_ERROR_FLOOR: Final = 0.003

# Quantity -> quantities whose known values it takes where it has none itself.
STANDS_FOR: Final[dict[str, tuple[str, ...]]] = {"b0_gpa": ("k_vrh_gpa",)}
# Quantity -> those whose log sigma enters, with weights: there are few known values of it.
BASES: Final[dict[str, dict[str, float]]] = {
    "c11_gpa": {"k_vrh_gpa": 0.5, "g_vrh_gpa": 0.5},
    "c33_gpa": {"k_vrh_gpa": 0.5, "g_vrh_gpa": 0.5},
    "c12_gpa": {"k_vrh_gpa": 0.5, "g_vrh_gpa": 0.5},
    "c13_gpa": {"k_vrh_gpa": 0.5, "g_vrh_gpa": 0.5},
    "c44_gpa": {"g_vrh_gpa": 1.0},
    "c66_gpa": {"g_vrh_gpa": 1.0},
    "gamma_to_thz": {"g_vrh_gpa": 0.5},
    "max_frequency_thz": {"g_vrh_gpa": 0.5},
    "mean_frequency_thz": {"g_vrh_gpa": 0.5},
    "linear_expansion_1e6_per_k": {"k_vrh_gpa": 0.5},
}
ORDER: Final = ("v0_a3_per_atom", "k_vrh_gpa", "g_vrh_gpa", "b0_gpa", "b0_prime", *BASES)


@dataclass(frozen=True)
class Coverage:
    """How often the truth lies within one and two sigma, over crystals left out of the fit.

    Attributes
    ----------
    quantity
        Its name.
    crystal_class
        One of CLASSES, or "all".
    crystals
        How many.
    one_sigma
        Share within one sigma.
    two_sigma
        Share within two sigma.
    median_error
        Relative.
    median_sigma
        Relative.
    far_off
        Share off by more than 30 % of the reference.
    good
        How many have this verdict by their sigma alone.
    good_wrong
        Of these, how many are off by more than 30 %.
    rough
        How many have this verdict by their sigma alone.
    rough_wrong
        Of these, how many are off by more than 30 %.
    curve
        Share of crystals within each multiple of sigma in LEVELS.
    """

    quantity: str
    crystal_class: str
    crystals: int
    one_sigma: float
    two_sigma: float
    median_error: float
    median_sigma: float
    far_off: float
    good: int
    good_wrong: int
    rough: int
    rough_wrong: int
    curve: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    records: list[Record]
    values: Array
    references: Array
    spreads: Array
    classes: Index
    grades: Array

    @property
    def errors(self) -> Array:
        return (self.values - self.references) / np.abs(self.values)

    def part(self, keep: Mask) -> _Rows:
        kept = [r for r, k in zip(self.records, keep, strict=True) if k]
        return _Rows(
            kept, self.values[keep], self.references[keep], self.spreads[keep], self.classes[keep], self.grades[keep]
        )


def fit_calibration(
    weights_sha256: str, records: Sequence[Record], bases: Mapping[str, Mapping[str, float]] = BASES
) -> tuple[Calibration, list[Coverage]]:
    """The calibration of a potential from records of crystals with known values.

    Parameters
    ----------
    weights_sha256
        Of the potential.
    records
        With the members' spreads.
    bases
        Quantity -> other quantities whose log sigma enters, with weights.

    Returns
    -------
    tuple of Calibration and list of Coverage
        The coverage is that of crystals whose composition was left out.
    """
    found: dict[str, QuantityCalibration] = {}
    coverage: list[Coverage] = []
    for quantity in ORDER:
        rows = _rows(quantity, records)
        if len(rows.records) < FEWEST:
            continue
        base = {k: w for k, w in bases.get(quantity, {}).items() if k in found}
        fold = np.array([_fold(r.composition) for r in rows.records])
        sigma = np.full(len(fold), np.nan)
        for k in range(FOLDS):
            out = fold == k
            if out.all() or not out.any():
                continue
            model = _fit(rows.part(~out), base, Calibration(weights_sha256=weights_sha256, quantities=found))
            sigma[out] = _sigma(model, rows.part(out), quantity, found, weights_sha256)
        model = _fit(rows, base, Calibration(weights_sha256=weights_sha256, quantities=found))
        factors = _factors(rows, sigma)
        sigma *= np.array([factors.get(CLASSES[c], 1.0) for c in rows.classes])
        found[quantity] = model.model_copy(
            update={
                "classes": {c: round(model.classes[c] + math.log(f), 4) for c, f in factors.items()},
                "crystals": {c: int((rows.classes == CLASSES.index(c)).sum()) for c in factors},
                "references": _references(quantity, rows.records),
            }
        )
        coverage += _coverage(quantity, rows, sigma)
    return Calibration(weights_sha256=weights_sha256, quantities=found), coverage


def reference_of(record: Record, quantity: str) -> tuple[float, str]:
    """The known value of a quantity of a record and its functional.

    Parameters
    ----------
    record
        Of one crystal.
    quantity
        Its name.

    Returns
    -------
    tuple of (float, str)
        Of the quantity or of one that stands for it; nan and an empty text where there is none.
    """
    for name in (quantity, *STANDS_FOR.get(quantity, ())):
        if name in record.references:
            return record.references[name], record.functionals[name]
    return math.nan, ""


def _rows(quantity: str, records: Sequence[Record]) -> _Rows:
    kept, values, references, spreads, sizes = [], [], [], [], []
    for r in records:
        value = r.values.get(quantity, math.nan)
        reference, functional = reference_of(r, quantity)
        if functional == BY_TEACHER:
            # The errors of the potential against the teacher and of the teacher against PBE add up.
            off = value - reference
            reference = value - math.copysign(math.hypot(off, TEACHERS_ERROR * reference), off)
        size = size_of(quantity, r.values)
        if not (math.isfinite(value) and math.isfinite(reference) and size > 1e-6) or r.grade > 3.0:
            continue
        kept.append(r)
        sizes.append(size)
        values.append(value)
        references.append(reference)
        spreads.append(r.spreads.get(quantity, math.nan))
    s = np.array(sizes)
    v = np.array(values)
    # Errors in units of the size, so that values - references stays what it is.
    return _Rows(
        kept,
        s,
        s - (v - np.array(references)),
        np.array(spreads) / s if kept else np.zeros(0),
        np.array([CLASSES.index(r.crystal_class) for r in kept], dtype=np.int64),
        np.array([r.grade for r in kept]),
    )


def _fold(composition: str) -> int:
    return int(hashlib.sha256(composition.encode()).hexdigest(), 16) % FOLDS


def _features(rows: _Rows, elements: Sequence[str]) -> Array:
    """Columns: one, each class, log spread, log grade, each element."""
    n = len(rows.records)
    spread = np.where(np.isfinite(rows.spreads), rows.spreads, SPREAD_FLOOR)
    grade = np.where(np.isfinite(rows.grades), rows.grades, 1.0)
    out = np.zeros((n, 3 + len(CLASSES) + len(elements)))
    out[:, 0] = 1.0
    out[np.arange(n), 1 + rows.classes] = 1.0
    out[:, 1 + len(CLASSES)] = np.log(np.maximum(spread, SPREAD_FLOOR))
    out[:, 2 + len(CLASSES)] = np.log(np.maximum(grade, GRADE_FLOOR))
    place = {e: 3 + len(CLASSES) + k for k, e in enumerate(elements)}
    for k, r in enumerate(rows.records):
        for e in r.elements:
            if e in place:
                out[k, place[e]] += 1.0 / len(r.elements)
    return out


def _fit(rows: _Rows, base: dict[str, float], lower: Calibration) -> QuantityCalibration:
    elements = sorted({e for r in rows.records for e in r.elements})
    x = _features(rows, elements)
    offset = _offset(rows, base, lower)
    error = np.maximum(np.abs(rows.errors), _ERROR_FLOOR)
    classes = len(CLASSES)
    prior = np.concatenate(
        [[1e-6], np.full(classes, _CLASS_PRIOR), np.full(2, _SLOPE_PRIOR), np.full(len(elements), _ELEMENT_PRIOR)]
    )
    centre = np.zeros(len(prior))
    centre[1 + classes] = 0.0 if base else 0.5

    def loss(p: Array) -> tuple[float, Array]:
        log_sigma = offset + x @ p
        z2 = (error * np.exp(-log_sigma)) ** 2
        value = log_sigma.sum() + 0.5 * (_DEGREES + 1.0) * np.log1p(z2 / _DEGREES).sum()
        slope = 1.0 - (_DEGREES + 1.0) * z2 / (_DEGREES + z2)
        away = p - centre
        return float(value + 0.5 * (prior * away**2).sum()), x.T @ slope + prior * away

    start = centre.copy()
    start[0] = float(np.log(np.median(error)) - np.median(offset + x @ centre))
    bounds = [(None, None)] * (1 + classes) + [(0.0, 1.0), (0.0, 1.0)] + [(None, None)] * len(elements)
    p = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    counts = np.bincount(rows.classes, minlength=classes)
    return QuantityCalibration(
        classes={c: float(p[0] + p[1 + k]) for k, c in enumerate(CLASSES) if counts[k] >= _FEWEST_OF_CLASS},
        spread=round(float(p[1 + classes]), 4),
        grade=round(float(p[2 + classes]), 4),
        elements={e: round(float(v), 3) for e, v in zip(elements, p[3 + classes :], strict=True)},
        base=base,
    )


def _offset(rows: _Rows, base: dict[str, float], lower: Calibration) -> Array:
    out = np.zeros(len(rows.records))
    for k, r in enumerate(rows.records):
        spreads = relative_spreads(r.values, r.spreads)
        for name, weight in base.items():
            found = lower.relative_sigma(name, r.crystal_class, r.elements, r.grade, spreads)
            out[k] += weight * (math.log(found) if math.isfinite(found) else 0.0)
    return out


def _sigma(
    model: QuantityCalibration, rows: _Rows, quantity: str, found: dict[str, QuantityCalibration], sha256: str
) -> Array:
    whole = Calibration(weights_sha256=sha256, quantities={**found, quantity: model})
    return np.array(
        [
            whole.relative_sigma(quantity, r.crystal_class, r.elements, r.grade, relative_spreads(r.values, r.spreads))
            for r in rows.records
        ]
    )


def _factors(rows: _Rows, sigma: Array) -> dict[str, float]:
    """Factor on sigma of each class, drawn to that of all classes where a class has few crystals."""
    z = np.abs(rows.errors) / sigma
    known = np.isfinite(z)
    if not known.any():
        return {}
    overall = _factor(z[known])
    out: dict[str, float] = {}
    for k, name in enumerate(CLASSES):
        own = known & (rows.classes == k)
        n = int(own.sum())
        if n >= _FEWEST_OF_CLASS:
            share = n / (n + 6.0)
            out[name] = math.exp(share * math.log(_factor(z[own])) + (1.0 - share) * math.log(overall))
    return out


def _factor(z: Array) -> float:
    return float(max(np.quantile(z, 0.68), 0.5 * np.quantile(z, 0.905), 1e-3))


def _coverage(quantity: str, rows: _Rows, sigma: Array) -> list[Coverage]:
    z = np.abs(rows.errors) / sigma
    off = np.abs(rows.errors) * np.abs(rows.values)
    truth = np.array([abs(reference_of(r, quantity)[0]) for r in rows.records])
    out = []
    for name in ("all", *CLASSES):
        own = np.isfinite(z) & ((rows.classes == CLASSES.index(name)) if name != "all" else True)
        if own.sum() < _FEWEST_OF_CLASS:
            continue
        out.append(
            Coverage(
                quantity,
                name,
                int(own.sum()),
                float((z[own] < 1.0).mean()),
                float((z[own] < 2.0).mean()),
                float(np.median(np.abs(rows.errors)[own])),
                float(np.median(sigma[own])),
                float((off[own] > ROUGH * truth[own]).mean()),
                *_verdicts(sigma[own], off[own] > ROUGH * truth[own]),
                tuple(round(float((z[own] < level).mean()), 4) for level in LEVELS),
            )
        )
    return out


def _verdicts(sigma: Array, wrong: Mask) -> tuple[int, int, int, int]:
    """Crystals called good and, of these, wrong ones; the same of rough ones."""
    good, rough = sigma < GOOD, (sigma >= GOOD) & (sigma < ROUGH)
    return int(good.sum()), int((good & wrong).sum()), int(rough.sum()), int((rough & wrong).sum())


def _references(quantity: str, records: Sequence[Record]) -> str:
    kinds: dict[str, int] = {}
    for r in records:
        _, functional = reference_of(r, quantity)
        kinds[functional] = kinds.get(functional, 0) + 1
    return ", ".join(f"{n} of {f}" for f, n in sorted(kinds.items()))
