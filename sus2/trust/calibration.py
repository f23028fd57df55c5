"""From the spread of a committee to one standard deviation of the error: NAME.calibration (JSON) beside the weights.

For each quantity the logarithm of the relative standard deviation is linear in what is known before the truth is: the
class of the crystal, the logarithm of the members' relative spread, that of the extrapolation grade, and the elements
(a crystal of elements whose other crystals came out wrong deserves less trust). Fitted on crystals with known values
(sus2.validation.fit_calibration); what differs from them too much gets no number at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.registry.load import beside_weights, pretrained_folder

SUFFIX: Final = ".calibration"
SPREAD_FLOOR: Final = 1e-3
"""Relative spreads below this count as this."""
GRADE_FLOOR: Final = 0.2
FAR_GRADE: Final = 3.0
"""Extrapolation grades above this have no calibrated error: nothing of that kind was checked."""


class QuantityCalibration(BaseModel):
    """The noise model of one quantity; see relative_sigma.

    Attributes
    ----------
    model_config
        Of pydantic.
    classes
        Class -> intercept, the logarithm of a relative standard deviation.
    spread
        Coefficient of the logarithm of the members' relative spread.
    grade
        Coefficient of the logarithm of the extrapolation grade.
    elements
        Element -> what it adds, averaged over the elements of the crystal.
    base
        Other quantities whose log sigma enters, with weights: for quantities with few known values.
    crystals
        Class -> number of crystals it was fitted on.
    references
        What it was fitted against.
    teacher
        Relative error of what it was fitted against, where that is a teacher: added in quadrature.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: dict[str, float]
    spread: float = 0.0
    grade: float = 0.0
    elements: dict[str, float] = Field(default_factory=dict)
    base: dict[str, float] = Field(default_factory=dict)
    crystals: dict[str, int] = Field(default_factory=dict)
    references: str = ""
    teacher: float = 0.0


class Calibration(BaseModel):
    """The noise models of a potential, by quantity.

    Attributes
    ----------
    model_config
        Of pydantic.
    weights_sha256
        Of the weights that it belongs to.
    quantities
        Quantity -> its noise model.
    differences
        Of the difference from another potential, relative to the value in that potential; their spreads are those of
        differences of paired members.
    against_sha256
        Weights of that other potential; empty without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights_sha256: str
    quantities: dict[str, QuantityCalibration]
    differences: dict[str, QuantityCalibration] = Field(default_factory=dict)
    against_sha256: str = ""

    def of_differences(self) -> Calibration:
        """The noise models of differences, as a calibration of their own."""
        return Calibration(weights_sha256=self.weights_sha256, quantities=self.differences)

    def relative_sigma(
        self, quantity: str, crystal_class: str, elements: Sequence[str], grade: float, spreads: Mapping[str, float]
    ) -> float:
        """One standard deviation of the error over the number.

        Parameters
        ----------
        quantity
            Of those that are calibrated.
        crystal_class
            As sus2.trust.crystal_class names it.
        elements
            Of the crystal.
        grade
            Largest extrapolation grade; nan counts as one.
        spreads
            Quantity -> relative spread of the members; a missing one counts as the floor.

        Returns
        -------
        float
            Nan for a quantity or class without calibration, and for crystals too far from the training data.
        """
        if grade > FAR_GRADE:
            return math.nan
        found = self._log_sigma(quantity, crystal_class, elements, grade, spreads)
        return math.hypot(math.exp(found), self.quantities[quantity].teacher) if math.isfinite(found) else math.nan

    def needed(self, quantity: str) -> set[str]:
        """Other quantities whose spreads enter the standard deviation of one.

        Parameters
        ----------
        quantity
            Its name.

        Returns
        -------
        set of str
            Empty for a quantity without calibration.
        """
        model = self.quantities.get(quantity)
        return set() if model is None else set(model.base).union(*(self.needed(other) for other in model.base))

    def _log_sigma(
        self, quantity: str, crystal_class: str, elements: Sequence[str], grade: float, spreads: Mapping[str, float]
    ) -> float:
        model = self.quantities.get(quantity)
        if model is None or crystal_class not in model.classes:
            return math.nan
        out = model.classes[crystal_class]
        spread = spreads.get(quantity, math.nan)
        out += model.spread * math.log(max(spread if math.isfinite(spread) else SPREAD_FLOOR, SPREAD_FLOOR))
        out += model.grade * math.log(max(grade if math.isfinite(grade) else 1.0, GRADE_FLOOR))
        out += sum(model.elements.get(e, 0.0) for e in elements) / max(len(elements), 1)
        for other, weight in model.base.items():
            out += weight * self._log_sigma(other, crystal_class, elements, grade, spreads)
        return out


def size_of(quantity: str, values: Mapping[str, float]) -> float:
    """What a standard deviation of a quantity is relative to: its size, for C12 and C13 at least half of the moduli.

    C12 and C13 are differences of moduli and may be next to zero, where a relative error has no meaning.

    Parameters
    ----------
    quantity
        As the calibration names it.
    values
        Quantity -> number of the crystal.

    Returns
    -------
    float
        In the unit of the quantity.
    """
    value = abs(values.get(quantity, math.nan))
    if quantity in ("c12_gpa", "c13_gpa"):
        return max(value, 0.5 * abs(values.get("k_vrh_gpa", 0.0)))
    return value


def relative_spreads(values: Mapping[str, float], spreads: Mapping[str, float]) -> dict[str, float]:
    """Spreads in units of the sizes of their quantities.

    Parameters
    ----------
    values
        Quantity -> number of the crystal.
    spreads
        Quantity -> standard deviation of the members, in its unit.

    Returns
    -------
    dict
        Quantity -> spread over size.
    """
    return {q: s / size_of(q, values) for q, s in spreads.items() if size_of(q, values) > 1e-9}


def calibration_path(name: str) -> Path:
    """Where the calibration of a potential is: beside its weights, else in the folder of shipped weights.

    Parameters
    ----------
    name
        Of the potential.

    Returns
    -------
    Path
        It need not exist.
    """
    return beside_weights(name, SUFFIX) or pretrained_folder() / f"{name}{SUFFIX}"


def calibration_of(potential: object) -> Calibration | None:
    """The calibration that belongs to these weights.

    Parameters
    ----------
    potential
        Any potential.

    Returns
    -------
    Calibration or None
        None for a potential that has none, or whose calibration belongs to other weights.

    Raises
    ------
    Sus2Error
        The file is damaged.
    """
    if not isinstance(potential, Potential) or not potential.card.sha256:
        return None
    return calibration_by_name(potential.name, potential.card.sha256)


def calibration_by_name(name: str, weights_sha256: str) -> Calibration | None:
    """As calibration_of, for weights that need not be loaded.

    Parameters
    ----------
    name
        Of the potential.
    weights_sha256
        Of its file.

    Returns
    -------
    Calibration or None
        None where it has none, or it belongs to other weights.
    """
    path = calibration_path(name)
    if not path.is_file():
        return None
    state = path.stat()
    found = _read(path, (state.st_mtime_ns, state.st_size))
    return found if found.weights_sha256 == weights_sha256 else None


@lru_cache(maxsize=32)
def _read(path: Path, state: tuple[int, int]) -> Calibration:
    """The file in one state of its content, so that one that is made again is read again."""
    try:
        return Calibration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        raise Sus2Error(f"{path.name} is damaged; make it again with 'sus2 data calibrate'.") from None
