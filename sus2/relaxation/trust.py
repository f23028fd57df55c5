"""How far to trust a relaxed volume."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from ase import Atoms

from sus2.potential.potential import Potential
from sus2.trust.assess import assessor
from sus2.trust.committee import spread_of
from sus2.trust.estimate import Estimate, Trust, safely, unknown

# A typical energy of formation, eV/atom: what an error of an energy is relative to.
ENERGY_SCALE_EV_PER_ATOM: Final = 0.25
# Standard deviation of a normal error over its mean size; the root of the mean square is that of a few far crystals.
_OF_MEAN: Final = float(np.sqrt(np.pi / 2.0))


class Relaxed(Protocol):
    """What is needed of a relaxation, see sus2.relaxation.result."""

    @property
    def potential(self) -> object: ...

    @property
    def atoms(self) -> Atoms: ...

    @property
    def volume_a3(self) -> float: ...

    @property
    def cell_free(self) -> bool: ...

    @property
    def pressure_gpa(self) -> float: ...


@safely
def trust_relaxation(result: Relaxed) -> Trust:
    """Estimates of the errors of a relaxed crystal.

    Parameters
    ----------
    result
        Of a periodic crystal; for others, and where the cell was held, the volume has no estimate.

    Returns
    -------
    Trust
        Of volume_a3 and energy_ev.
    """
    found = assessor(result.potential, result.atoms) if result.atoms.pbc.all() else None
    if found is None:
        nothing = unknown("The crystal cannot be judged.")
        return Trust({"volume_a3": nothing, "energy_ev": nothing})
    n = len(result.atoms)
    volume = unknown("The cell was not relaxed.")
    if result.cell_free and abs(result.pressure_gpa) < 1e-9:
        per_atom = result.volume_a3 / n
        percent = np.nan if found.committee is None else spread_of(found.committee.volume_percent(result.atoms))
        volume = scaled(found.estimate("v0_a3_per_atom", per_atom, percent / 100.0 * per_atom), n)
    limits = (found.blocked,) if found.blocked else ()
    return Trust({"volume_a3": volume, "energy_ev": energy_estimate(result.potential, n, found.blocked)}, limits)


def scaled(found: Estimate, factor: float) -> Estimate:
    """An estimate of a quantity times a factor.

    Parameters
    ----------
    found
        Of the quantity.
    factor
        The factor.

    Returns
    -------
    Estimate
        With the same relative error.
    """
    return Estimate(found.sigma * factor, found.relative, found.reason)


def energy_estimate(potential: object, n_atoms: int, blocked: str) -> Estimate:
    """Of the energy of a cell: from the held-out crystals near equilibrium that the card tells of.

    Parameters
    ----------
    potential
        Any potential.
    n_atoms
        In the cell.
    blocked
        Why nothing can be said, in one sentence; empty where something can.

    Returns
    -------
    Estimate
        In eV, relative to ENERGY_SCALE_EV_PER_ATOM; unknown where blocked, or where the card tells no error.
    """
    errors = potential.card.errors if isinstance(potential, Potential) else {}
    mean = errors.get("test_near_equilibrium_energy_mae_mev_per_atom", errors.get("test_energy_mae_mev_per_atom"))
    if blocked or mean is None:
        return unknown(blocked or "The card tells no error of energies.")
    sigma = _OF_MEAN * mean / 1e3
    reason = (
        f"Held-out crystals are {mean:.0f} meV/atom off in the mean, beside a typical energy of formation, "
        f"{ENERGY_SCALE_EV_PER_ATOM:g} eV/atom."
    )
    return Estimate(n_atoms * sigma, sigma / ENERGY_SCALE_EV_PER_ATOM, reason)
