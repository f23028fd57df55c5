"""Energy, forces and stress of a structure, and what every potential must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from sus2.native.arrays import Structures
from sus2.potential.packed import determinants
from sus2.types import Array

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Energy and its first derivatives for one structure of N atoms.

    Attributes
    ----------
    energy_ev
        Total energy, eV.
    energies_ev
        (N,) site energies, eV.
    forces_ev_per_a
        (N, 3) eV/angstrom.
    stress_ev_per_a3
        (6,) eV/angstrom^3, Voigt xx yy zz yz xz xy, positive in tension (ASE's sign); nan without a 3D cell.
    """

    energy_ev: float
    energies_ev: Array
    forces_ev_per_a: Array
    stress_ev_per_a3: Array


@runtime_checkable
class Calculates(Protocol):
    """What every property function needs of a potential; any other calculator can meet it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def functional(self) -> str:
        """The density functional whose energies it gives."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols that it covers."""

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure.

        Parameters
        ----------
        structures
            ASE Atoms or pymatgen Structures.

        Returns
        -------
        list of Evaluation
            In their order.
        """

    def calculator(self) -> Calculator:
        """An ASE calculator that gives the same numbers."""


def split(packed: Structures, site: Array, forces: Array, virial: Array) -> list[Evaluation]:
    """Make one Evaluation for each structure.

    Parameters
    ----------
    packed
        S structures as arrays.
    site
        (N,) site energies, eV.
    forces
        (N, 3) eV/angstrom.
    virial
        (S, 6) dE/d(strain), eV, Voigt xx yy zz yz xz xy.

    Returns
    -------
    list of Evaluation
        The stress is the virial over the volume.
    """
    if not len(packed.cells):
        return []
    volume = np.abs(determinants(packed.cells))
    stress = virial / np.where(volume > 1e-9, volume, np.nan)[:, None]
    energies = np.add.reduceat(site, packed.first[:-1]).tolist()
    counts = np.diff(packed.first)
    if (counts == counts[0]).all():
        rows = zip(energies, site.reshape(-1, counts[0]), forces.reshape(-1, counts[0], 3), stress, strict=True)
    else:
        ends = packed.first[1:-1]
        rows = zip(energies, np.split(site, ends), np.split(forces, ends), stress, strict=True)
    out = []
    make = Evaluation.__new__
    for energy, each, force, sigma in rows:
        result = make(Evaluation)
        # A frozen dataclass's own constructor takes longer than a small structure's forces.
        values = result.__dict__
        values["energy_ev"] = energy
        values["energies_ev"] = each
        values["forces_ev_per_a"] = force
        values["stress_ev_per_a3"] = sigma
        out.append(result)
    return out
