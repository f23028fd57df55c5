"""ASE calculators of potentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from sus2.native.arrays import EdgeList, Structures
from sus2.native.kernels import Kernel
from sus2.potential.evaluation import Evaluation, split
from sus2.potential.packed import pack_structures
from sus2.potential.verlet_list import SkinList
from sus2.types import Array

# Below this the search costs less than looking whether an old list still holds.
MIN_LISTED_ATOMS = 64


class ComputesArrays(Protocol):
    """What the calculator needs of sus2.potential.potential.Potential."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in type order."""

    @property
    def cutoff(self) -> float:
        """Cutoff radius, angstrom."""

    @property
    def kernel(self) -> Kernel | None:
        """The compiled kernels, where they compute."""

    def compute(self, packed: Structures, *, edges: EdgeList | None = None) -> tuple[Array, Array, Array]:
        """Site energies, forces and virials of structures.

        Parameters
        ----------
        packed
            S structures of N atoms in all.
        edges
            Their neighbours, where they are known.

        Returns
        -------
        tuple of ndarray
            (N,) eV, (N, 3) eV/angstrom and (S, 6) eV.
        """


class EvaluationCalculator(Calculator):
    """Energy, forces, stress and site energies of what has `evaluate`, in ASE's units and signs.

    Parameters
    ----------
    potential
        The potential.

    Attributes
    ----------
    implemented_properties
        What ASE may ask for.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "energies", "forces", "stress"]

    def __init__(self, potential: Any) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything for the atoms, as ASE's calculators do.

        Parameters
        ----------
        atoms
            The structure.
        properties
            What is asked for; everything is computed in any case.
        system_changes
            What has changed since the last call.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        found = self._evaluation()
        values: dict[str, Any] = {
            "energy": found.energy_ev,
            "free_energy": found.energy_ev,
            "energies": found.energies_ev,
            "forces": found.forces_ev_per_a,
        }
        # Without three lattice vectors there is no volume, hence no stress: ASE then says so itself.
        if np.isfinite(found.stress_ev_per_a3).all():
            values["stress"] = found.stress_ev_per_a3
        self.results = {k: v for k, v in values.items() if k in self.implemented_properties}

    def _evaluation(self) -> Evaluation:
        found: list[Evaluation] = self.potential.evaluate([self.atoms])
        return found[0]


class Sus2Calculator(EvaluationCalculator):
    """Energy, forces, stress and site energies of a Potential, in ASE's units and signs.

    Steps of a relaxation or of molecular dynamics share one neighbour list with a skin (sus2.potential.verlet_list).

    Parameters
    ----------
    potential
        The potential.
    """

    def __init__(self, potential: ComputesArrays) -> None:
        super().__init__(potential)
        self.neighbour_list = SkinList(potential.cutoff)

    def _evaluation(self) -> Evaluation:
        potential: ComputesArrays = self.potential
        packed = pack_structures([self.atoms], potential.elements)
        listed = len(packed.types) >= MIN_LISTED_ATOMS and potential.kernel is not None
        edges = self.neighbour_list.edges(packed) if listed else None
        return split(packed, *potential.compute(packed, edges=edges))[0]
