"""What specialising gives: one potential for each functional, its card, and the teacher's crystal beside its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.card import Card, parse_card, write_weights
from sus2.potential.potential import Potential
from sus2.registry.load import load_bytes, models
from sus2.types import Array

# What is good: the figures that a specialised potential should reach against its teacher.
V0_PERCENT: Final = 0.3
B0_PERCENT: Final = 4.0
C_PERCENT: Final = 8.0
C_GPA: Final = 5.0
FREQUENCY_THZ: Final = 0.2
# A potential that misses them by more than this factor is no first choice.
_FIRST_CHOICE: Final = 2.0


@dataclass(frozen=True)
class Beside:
    """One quantity of the crystal, as the teacher and as the student have it.

    Attributes
    ----------
    quantity
        "V0", "B0", "C11" ..., "frequencies".
    unit
        A^3, GPa or THz.
    teacher
        The teacher's; nan for frequencies, whose difference is the root mean square over modes and wave vectors.
    student
        The student's; for frequencies that difference.
    spread
        Standard deviation over a committee of readouts; nan where unknown.
    """

    quantity: str
    unit: str
    teacher: float
    student: float
    spread: float

    @property
    def deviation_percent(self) -> float:
        """Of the student from the teacher; nan for frequencies."""
        if not (math.isfinite(self.teacher) and self.teacher):
            return float("nan")
        return 100.0 * (self.student - self.teacher) / abs(self.teacher)

    @property
    def allowed(self) -> float:
        """How far the student may be from the teacher; infinite for what has no limit of its own."""
        if self.quantity == "V0":
            return abs(self.teacher) * V0_PERCENT / 100.0
        if self.quantity == "B0":
            return abs(self.teacher) * B0_PERCENT / 100.0
        if self.quantity.startswith("C"):
            return max(abs(self.teacher) * C_PERCENT / 100.0, C_GPA)
        return FREQUENCY_THZ if self.quantity.startswith("frequencies") else float("inf")

    @property
    def off(self) -> float:
        """How far it is: of the teacher's value, for frequencies the difference itself; nan where unknown."""
        return abs(self.student) if self.quantity.startswith("frequencies") else abs(self.student - self.teacher)


@dataclass(frozen=True, eq=False)
class Student:
    """One specialised potential.

    Attributes
    ----------
    functional
        The teacher's functional.
    text
        The weights, as an `.mtp` file has them (or in the extended form).
    card_json
        The card.
    atoms
        The crystal at this potential's rest; at the teacher's where it has none.
    table
        Its properties beside the teacher's.
    frequencies_thz
        (Q, 3N) of the student at `q`.
    teacher_frequencies_thz
        (Q, 3N) of the teacher.
    q
        Wave vectors (Q, 3), fractional.
    errors
        Errors on structures that were held out and in training, units in the keys.
    structures
        Labelled structures that it was trained on.
    shortfalls
        What was asked for and not reached, one sentence each.
    """

    functional: str
    text: str
    card_json: str
    atoms: Atoms
    table: tuple[Beside, ...]
    frequencies_thz: Array
    teacher_frequencies_thz: Array
    q: Array
    errors: Mapping[str, float]
    structures: int
    shortfalls: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the potential."""
        return self.card.name

    @cached_property
    def card(self) -> Card:
        """What it is, how wrong it is, and where not to trust it."""
        return parse_card(self.card_json.encode(), source=f"specialised {self.functional}")

    @cached_property
    def potential(self) -> Potential:
        """The potential, ready for every property."""
        made = load_bytes(self.text.encode(), name=self.card.name, card=self.card)
        assert isinstance(made, Potential)
        return made

    def write(self, folder: str | Path) -> Path:
        """Write NAME.mtp and its card NAME.json.

        Parameters
        ----------
        folder
            Where; made if it is not there.

        Returns
        -------
        Path
            The file of weights, which sus2.load takes.

        Raises
        ------
        Sus2Error
            The folder cannot be written.
        """
        return write_weights(folder, self.text, self.card)

    @property
    def reason(self) -> str:
        """Why it is the first choice for its crystal, one sentence; empty where it is none.

        It is none where it misses what was asked for by more than a factor of two, or where its teacher is one of the
        shipped potentials, which then is at least as good and states its own errors.
        """
        judged = [b for b in self.table if math.isfinite(b.allowed)]
        if not all(b.off <= _FIRST_CHOICE * b.allowed for b in judged):
            return ""
        if any(c.name == self.card.teacher and not c.plugin for c in models()):
            return ""
        volume, thz = self.value("V0").deviation_percent, self.value("frequencies, rms difference").student
        constants = [abs(b.deviation_percent) for b in self.table if b.quantity.startswith("C")]
        words = f", elastic constants by up to {max(constants):.1f} %" if constants else ""
        return (
            f"{self.name} was made for this crystal from labels of {self.card.teacher}: its volume differs by "
            f"{abs(volume):.2f} % from the teacher's{words}, frequencies by {thz:.2f} THz."
        )

    def value(self, quantity: str) -> Beside:
        """A line of the table.

        Parameters
        ----------
        quantity
            Its name, as "V0", "C11" or "frequencies, rms difference".

        Returns
        -------
        Beside
            The line.

        Raises
        ------
        Sus2Error
            There is none of that name; the message lists them.
        """
        for line in self.table:
            if line.quantity == quantity:
                return line
        raise Sus2Error(f"There is no {quantity} in the table; there are {', '.join(b.quantity for b in self.table)}.")


@dataclass(frozen=True)
class Round:
    """One pass of the loop.

    Attributes
    ----------
    seconds
        Since the beginning.
    structures
        Labelled structures so far.
    energy_mev_per_atom
        Mean absolute error on what is held out.
    force_mev_per_a
        Likewise, of force components.
    spread_percent
        Largest relative spread of B0 and the elastic constants; nan where unknown.
    grade
        Largest extrapolation grade that the trial met.
    problems
        What went wrong in the trial.
    """

    seconds: float
    structures: int
    energy_mev_per_atom: float
    force_mev_per_a: float
    spread_percent: float
    grade: float
    problems: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Specialised:
    """Potentials for one crystal.

    Attributes
    ----------
    atoms
        The crystal as it was given.
    teacher
        Name of the teacher.
    students
        One for each functional.
    rounds
        The passes of the loop.
    seconds
        That it took.
    reached
        Whether all that was asked for was reached.
    notices
        What the user should know.
    """

    atoms: Atoms
    teacher: str
    students: tuple[Student, ...]
    rounds: tuple[Round, ...]
    seconds: float
    reached: bool
    notices: tuple[str, ...]

    def __iter__(self) -> Iterator[Student]:
        return iter(self.students)

    def __getitem__(self, functional: str) -> Student:
        """The potential of a functional; raises Sus2Error where there is none."""
        for student in self.students:
            if student.functional == functional:
                return student
        have = ", ".join(s.functional for s in self.students)
        raise Sus2Error(f"There is no specialised potential for {functional}, only for {have}.")

    @property
    def potentials(self) -> tuple[Potential, ...]:
        """The potentials."""
        return tuple(s.potential for s in self.students)

    def write(self, folder: str | Path) -> list[Path]:
        """Write all weights and cards to a folder.

        Parameters
        ----------
        folder
            Where; made if it is not there.

        Returns
        -------
        list of Path
            The files of weights.

        Raises
        ------
        Sus2Error
            The folder cannot be written.
        """
        return [s.write(folder) for s in self.students]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "teacher": self.teacher,
            "seconds": self.seconds,
            "reached": self.reached,
            "notices": list(self.notices),
            "potentials": [
                {
                    "name": s.name,
                    "functional": s.functional,
                    "structures": s.structures,
                    "errors": {k: _number(v) for k, v in s.errors.items()},
                    "table": [
                        {
                            "quantity": b.quantity,
                            "unit": b.unit,
                            "teacher": _number(b.teacher),
                            "student": _number(b.student),
                            "spread": _number(b.spread),
                        }
                        for b in s.table
                    ],
                    "shortfalls": list(s.shortfalls),
                }
                for s in self.students
            ],
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
