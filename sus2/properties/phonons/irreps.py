"""Irreducible representations of the modes at Gamma, and which of them light can excite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from phonopy.phonon.irreps import IrRepLabels

from sus2.errors import Sus2Error
from sus2.properties.phonons.backends import phonopy_of

if TYPE_CHECKING:
    from sus2.properties.phonons.result import PhononResult

# Frequencies that differ by less, THz, are those of one representation.
_EQUAL_THZ: Final = 1e-3
# Below, THz, a set of three is that of the translations.
_ACOUSTIC_THZ: Final = 0.05


@dataclass(frozen=True)
class GammaModes:
    """Modes at Gamma of one frequency.

    Attributes
    ----------
    frequency_thz : float
        Negative for an imaginary frequency.
    branches : tuple of int
        From 0.
    label : str
        Of the irreducible representation in Mulliken's notation, as phonopy names it; empty where it has no name.
    infrared : bool
        Whether light of that frequency is absorbed: the representation is contained in that of a vector.
    raman : bool
        Whether light is scattered with that shift: it is contained in that of a symmetric tensor.
    acoustic : bool
        Whether the modes are translations of the crystal.
    """

    frequency_thz: float
    branches: tuple[int, ...]
    label: str
    infrared: bool
    raman: bool
    acoustic: bool

    @property
    def activity(self) -> str:
        """What excites the modes, in words."""
        if self.acoustic:
            return "acoustic"
        return ", ".join(w for w, active in (("IR", self.infrared), ("Raman", self.raman)) if active) or "silent"


def gamma_modes(result: PhononResult) -> tuple[GammaModes, ...]:
    """Irreducible representations of the modes at Gamma, by phonopy.

    A set of modes is infrared active where n = 1/g sum over R of conj(chi(R)) tr R is not zero, and Raman active where
    the same holds with (tr(R)^2 + tr(R^2))/2 (Bilbao Crystallographic Server, SAM; Dresselhaus, Group Theory, chapter
    8). Without Born charges all directions of approach to Gamma are alike, so longitudinal modes are not told apart.

    Parameters
    ----------
    result
        Phonons of a crystal.

    Returns
    -------
    tuple of GammaModes
        By frequency.

    Raises
    ------
    Sus2Error
        phonopy cannot find the representations of this crystal.
    """
    if result.second is not None:
        # All that Gamma asks for: force constants summed over all cells.
        ph = phonopy_of(result.atoms, np.eye(3, dtype=np.int64))
        ph.force_constants = result.second.supercell_force_constants(np.eye(3, dtype=np.int64))
    else:
        ph = result.phonopy
    try:
        found = ph.run_irreps([0.0, 0.0, 0.0], degeneracy_tolerance=_EQUAL_THZ)
        rotations = found.conventional_rotations
        names = IrRepLabels(found.characters, rotations, ph.primitive_symmetry.pointgroup_symbol, False).irrep_labels
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        raise Sus2Error(f"The representations of the modes at Γ cannot be found ({error}).") from None
    trace = np.array([np.trace(r) for r in rotations], dtype=float)
    square = np.array([np.trace(r @ r) for r in rotations], dtype=float)
    tensor = 0.5 * (trace**2 + square)
    out = []
    for k, branches in enumerate(found.band_indices):
        conjugate = found.characters[k].conj()
        frequency = float(np.mean(found.frequencies[list(branches)]))
        name = names[k] if names else None
        out.append(
            GammaModes(
                frequency_thz=frequency,
                branches=tuple(int(b) for b in branches),
                label=str(name) if name else "",
                infrared=bool(abs((conjugate * trace).mean()) > 0.5),
                raman=bool(abs((conjugate * tensor).mean()) > 0.5),
                acoustic=abs(frequency) < _ACOUSTIC_THZ and len(branches) >= 3,
            )
        )
    return tuple(out)
