"""How two sets of energies agree, and the shifts of elements between two scales."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike

from sus2.errors import FitError
from sus2.types import Array


@dataclass(frozen=True)
class Agreement:
    """How y agrees with x (n points each), in their unit.

    Attributes
    ----------
    n
        Number of points.
    pearson_r
        Nan where x or y does not vary.
    mae
        Mean absolute difference.
    rmse
        Root-mean-square difference.
    mean_difference
        Of y from x.
    slope
        Of y on x; nan where x does not vary.
    intercept
        As the slope.
    """

    n: int
    pearson_r: float
    mae: float
    rmse: float
    mean_difference: float
    slope: float
    intercept: float

    def to_dict(self) -> dict[str, float | None]:
        """For JSON; nan becomes None."""
        return {k: v if math.isfinite(v) else None for k, v in asdict(self).items()}


def agreement(x: ArrayLike, y: ArrayLike) -> Agreement:
    """How one set of numbers agrees with another: Pearson's r, differences, and the line of least squares of y on x.

    Parameters
    ----------
    x
        (n,).
    y
        (n,), in the unit of x.

    Returns
    -------
    Agreement
        The numbers.

    Raises
    ------
    FitError
        Fewer than two points, or lengths that differ.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise FitError(f"At least two pairs of energies are needed to compare them, found {a.size} and {b.size}.")
    gap, u, v = b - a, a - a.mean(), b - b.mean()
    spread, other = float(u @ u), float(v @ v)
    tiny = 1e-24 * max(1.0, float(a @ a), float(b @ b))
    slope = float(u @ v) / spread if spread > tiny else math.nan
    return Agreement(
        n=len(a),
        pearson_r=float(u @ v) / math.sqrt(spread * other) if min(spread, other) > tiny else math.nan,
        mae=float(np.abs(gap).mean()),
        rmse=float(np.sqrt((gap**2).mean())),
        mean_difference=float(gap.mean()),
        slope=slope,
        intercept=float(b.mean() - slope * a.mean()),
    )


@dataclass(frozen=True)
class ShiftRegression:
    """Shifts s of elements that fit E_B - E_A = sum over elements of n_e s_e best.

    Attributes
    ----------
    shifts_ev
        Element -> its shift, eV per atom of the element.
    rms_residual_ev_per_atom
        What the shifts leave of the difference.
    determined
        Whether the compositions tell all shifts apart. Otherwise the shortest vector that fits is given, and single
        shifts mean nothing.
    fractions
        Of each structure: element -> share of its atoms.
    """

    shifts_ev: dict[str, float]
    rms_residual_ev_per_atom: float
    determined: bool
    fractions: tuple[dict[str, float], ...]

    @cached_property
    def per_atom_ev(self) -> Array:
        """The fitted shift of each structure (n,), eV per atom."""
        return np.array([sum(x * self.shifts_ev[e] for e, x in f.items()) for f in self.fractions])


def regress_shifts(structures: Sequence[Atoms], difference_ev_per_atom: ArrayLike) -> ShiftRegression:
    """Least squares of raw differences on the fractions of elements.

    Parameters
    ----------
    structures
        n crystals.
    difference_ev_per_atom
        (n,), E_B - E_A.

    Returns
    -------
    ShiftRegression
        The shifts.

    Raises
    ------
    FitError
        Lengths that differ, or no structure.
    """
    gap = np.asarray(difference_ev_per_atom, dtype=np.float64)
    if gap.shape != (len(structures),) or not len(structures):
        raise FitError(f"{len(structures)} structures but {gap.size} differences of energy; give one for each.")
    fractions = tuple({e: n / len(a) for e, n in sorted(Counter(a.get_chemical_symbols()).items())} for a in structures)
    elements = sorted({e for f in fractions for e in f}, key=chemical_symbols.index)
    matrix = np.array([[f.get(e, 0.0) for e in elements] for f in fractions])
    shifts, _, rank, _ = np.linalg.lstsq(matrix, gap, rcond=1e-10)
    return ShiftRegression(
        shifts_ev={e: float(s) for e, s in zip(elements, shifts, strict=True)},
        rms_residual_ev_per_atom=float(np.sqrt(((gap - matrix @ shifts) ** 2).mean())),
        determined=int(rank) == len(elements),
        fractions=fractions,
    )
