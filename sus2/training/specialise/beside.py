"""The student's crystal beside the teacher's: one line for each quantity, and what was asked for and not reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from ase import Atoms

from sus2.properties.elastic.ieee_axes import choose_frame, crystal_axes, rotated, symmetrised
from sus2.training.specialise.response import Measured, bulk_modulus, frequency_difference_thz, independent
from sus2.training.specialise.result import C_GPA, C_PERCENT, FREQUENCY_THZ, Beside
from sus2.types import Array

_SYMPREC_A: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Axes:
    """The IEEE axes of a crystal, in which elastic constants are given, and its point group.

    Attributes
    ----------
    rotations
        (n, 3, 3), of the point group.
    frame
        (3, 3), rows are the axes.
    """

    rotations: Array
    frame: Array

    @classmethod
    def of(cls, atoms: Atoms, c_gpa: Array) -> Axes:
        """The axes of a crystal.

        Parameters
        ----------
        atoms
            The crystal.
        c_gpa
            Its elastic constants (6, 6) in the axes of its cell, by which equivalent axes are told apart; nan where
            unknown.

        Returns
        -------
        Axes
            As sus2.properties.elastic.ieee_axes has them.
        """
        found = crystal_axes(atoms, _SYMPREC_A)
        if not np.isfinite(c_gpa).all():
            return cls(found.rotations, found.frames[0])
        return cls(found.rotations, choose_frame(symmetrised(c_gpa, found.rotations), found.frames))

    def turned(self, measured: Measured) -> Measured:
        """The same with its elastic constants in these axes, averaged over the point group.

        Parameters
        ----------
        measured
            With constants in the axes of the cell.

        Returns
        -------
        Measured
            As it came where the constants are not finite.
        """
        if not np.isfinite(measured.c_gpa).all():
            return measured
        return replace(measured, c_gpa=rotated(symmetrised(measured.c_gpa, self.rotations), self.frame))


def spread_percent(reference: Measured, spread: Measured) -> float:
    """The largest relative spread of the independent elastic constants.

    That of small ones is relative to 100 C_GPA / C_PERCENT.

    Parameters
    ----------
    reference
        What the spread is relative to.
    spread
        Standard deviations in its place.

    Returns
    -------
    float
        Percent; nan where none is finite.
    """
    c, floor = reference.c_gpa, 100.0 * C_GPA / C_PERCENT
    values = [100.0 * spread.c_gpa[i, j] / max(abs(c[i, j]), floor) for i, j in independent(c)]
    return max((float(v) for v in values if np.isfinite(v)), default=float("nan"))


def beside(theirs: Measured, ours: Measured | None, spread: Measured) -> tuple[Beside, ...]:
    """All lines.

    Parameters
    ----------
    theirs
        The teacher's.
    ours
        The student's; None where it has no rest near the crystal.
    spread
        Standard deviations over the committee.

    Returns
    -------
    tuple of Beside
        V0, B0, the independent elastic constants, the highest frequency and the difference of all frequencies.
    """
    nan = float("nan")
    c, d = theirs.c_gpa, np.full((6, 6), nan) if ours is None else ours.c_gpa
    lines = [
        Beside("V0", "Å³", theirs.v0_a3, nan if ours is None else ours.v0_a3, spread.v0_a3),
        Beside("B0", "GPa", _modulus(c), _modulus(d), nan),
    ]
    for i, j in independent(c):
        lines.append(Beside(f"C{i + 1}{j + 1}", "GPa", float(c[i, j]), float(d[i, j]), float(spread.c_gpa[i, j])))
    off = nan if ours is None else frequency_difference_thz(ours.frequencies_thz, theirs.frequencies_thz)
    top = nan if ours is None else float(ours.frequencies_thz.max())
    lines.append(Beside("highest frequency", "THz", float(theirs.frequencies_thz.max()), top, nan))
    lines.append(Beside("frequencies, rms difference", "THz", nan, off, nan))
    return tuple(lines)


def _modulus(c_gpa: Array) -> float:
    return bulk_modulus(c_gpa) if np.isfinite(c_gpa).all() else float("nan")


def worst(theirs: Measured, ours: Measured | None) -> float:
    """How far the student is off, in units of what is allowed: the largest over all lines, infinite without a rest.

    Parameters
    ----------
    theirs
        The teacher's.
    ours
        The student's; None where it has no rest near the crystal.

    Returns
    -------
    float
        At most 1 where it is good enough.
    """
    if ours is None:
        return float("inf")
    nothing = Measured(float("nan"), float("nan"), np.full((6, 6), np.nan), ours.q, ours.frequencies_thz)
    lines = [b for b in beside(theirs, ours, nothing) if np.isfinite(b.allowed)]
    off = [b.off / b.allowed for b in lines if np.isfinite(b.teacher) or b.quantity.startswith("frequencies")]
    return float("inf") if not np.isfinite(off).all() else max(off)


def frequencies_off(theirs: Measured, ours: Measured | None) -> bool:
    """Whether the student's frequencies are further from the teacher's than allowed.

    Parameters
    ----------
    theirs
        The teacher's.
    ours
        The student's; None where it has no rest near the crystal.

    Returns
    -------
    bool
        False where it has none.
    """
    return ours is not None and frequency_difference_thz(ours.frequencies_thz, theirs.frequencies_thz) > FREQUENCY_THZ


def shortfalls(
    theirs: Measured, ours: Measured | None, spread: Measured, wanted_percent: float, problems: Sequence[str]
) -> tuple[str, ...]:
    """What was asked for and is not there, one sentence each.

    Parameters
    ----------
    theirs
        The teacher's.
    ours
        The student's; None where it has no rest near the crystal.
    spread
        Standard deviations over the committee.
    wanted_percent
        Spread of elastic constants that is good enough.
    problems
        What went wrong in the trial.

    Returns
    -------
    tuple of str
        Empty where all was reached.
    """
    if ours is None:
        return tuple(problems) or ("The potential has no rest near the crystal.",)
    said = list(problems)
    for line in beside(theirs, ours, spread):
        if line.quantity.startswith("frequencies"):
            if not line.student <= FREQUENCY_THZ:
                said.append(f"Frequencies differ from the teacher's by {line.student:.2f} THz (rms).")
            continue
        if np.isfinite(line.teacher) and not line.off <= line.allowed:
            said.append(
                f"{line.quantity} is {line.student:.4g} {line.unit} where the teacher has "
                f"{line.teacher:.4g} {line.unit}."
            )
    share = spread_percent(theirs, spread)
    if not np.isfinite(share) and np.isfinite(theirs.c_gpa).all():
        said.append("The committee of readouts has no elastic constants, so their spread is unknown.")
    elif share > wanted_percent:
        said.append(
            f"Elastic constants spread by {share:.1f} % over the committee, {wanted_percent:g} % were asked for."
        )
    return tuple(said)
