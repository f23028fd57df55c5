"""What lesson 7 measures: errors of a potential beside the errors that it predicts, and where it knows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.progress import Progress
from sus2.properties.eos.calculate import eos
from sus2.registry.applicability import extrapolation_grade
from sus2.trust.assess import Assessor
from sus2.trust.committee import spread_of
from sus2.trust.estimate import word_of
from sus2.types import Array

if TYPE_CHECKING:
    from sus2.potential.evaluation import Calculates

QUANTITIES: Final = ("v0_a3_per_atom", "b0_gpa")


@dataclass(frozen=True)
class TrustPoint:
    """A computed number of a crystal, the error that is predicted for it, and the known value.

    Attributes
    ----------
    label
        Of the crystal.
    quantity
        One of QUANTITIES.
    value
        Computed.
    sigma
        One standard deviation by the calibration alone, as if nothing were known of this crystal; nan where unknown.
    known
        Of the potential's functional, or of the nearest one.
    functional
        Of the known value.
    source
        Of the known value.
    """

    label: str
    quantity: str
    value: float
    sigma: float
    known: float
    functional: str
    source: str

    @property
    def error(self) -> float:
        """Computed minus known."""
        return self.value - self.known

    @property
    def sigmas(self) -> float:
        """The error in units of the predicted one."""
        return self.error / self.sigma

    @property
    def verdict(self) -> str:
        """What the page would say of the number."""
        return word_of(self.sigma / abs(self.value))


def trust_study(
    crystals: Mapping[str, Atoms], potential: Calculates, *, progress: Progress | None = None
) -> tuple[TrustPoint, ...]:
    """Equations of state of crystals beside known values.

    Parameters
    ----------
    crystals
        By label; those without a known value, or that the potential cannot hold, are left out.
    potential
        With a committee and a calibration.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    tuple of TrustPoint
        In the order of the crystals.
    """
    out: list[TrustPoint] = []
    for k, (label, atoms) in enumerate(crystals.items()):
        if progress is not None:
            progress(label, k / len(crystals))
        try:
            result = eos(atoms, potential)
            found = Assessor(potential, result.atoms)
        except CancelledError:
            raise
        except Sus2Error:
            continue
        spreads = dict.fromkeys(QUANTITIES, float("nan"))
        if found.committee is not None:
            spread = found.committee.eos(result.volumes_a3, result.energies_ev, result.structures)
            own = (spread_of(spread.v0_a3 / result.n_atoms), spread_of(spread.b0_gpa))
            spreads = dict(zip(QUANTITIES, own, strict=True))
        for quantity in QUANTITIES:
            reference = found.references.get(quantity)
            if reference is None:
                continue
            value = float(getattr(result, quantity))
            # known="": the error as it is predicted for crystals of which nothing is known.
            sigma = float(found.estimate(quantity, value, spreads[quantity], known="").sigma)
            out.append(
                TrustPoint(label, quantity, value, sigma, reference.value, reference.functional, reference.source)
            )
    return tuple(out)


def grades_when_squeezed(atoms: Atoms, potential: Calculates, ratios: Sequence[float]) -> Array:
    """Extrapolation grade of a crystal at other volumes.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        With a summary of its training data.
    ratios
        (n,) volumes over that of the crystal.

    Returns
    -------
    ndarray
        (n,) the largest grade of its atoms: up to 1 is inside the training data.
    """
    scaled = []
    for ratio in ratios:
        one = atoms.copy()
        one.set_cell(atoms.cell.array * ratio ** (1.0 / 3.0), scale_atoms=True)
        scaled.append(one)
    found = extrapolation_grade(potential, scaled)
    return np.array([float(np.max(grades)) for grades in found.grades])
