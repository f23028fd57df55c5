"""A potential that is a sum of site energies, each a differentiable function of the vectors to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from sus2.errors import Sus2Error
from sus2.native.neighbours import neighbours
from sus2.potential.batch import build_batch, pack
from sus2.potential.calculator import EvaluationCalculator
from sus2.potential.card import Card, OfCard
from sus2.potential.evaluation import Evaluation
from sus2.potential.model import energy_forces_virial
from sus2.structures import to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

# Edges differentiated at once: the descriptors of a NEP take about 3 kB for each of them.
MAX_EDGES: Final = 60_000


class SiteEnergies(Protocol):
    """What a file format brings: its equations with the numbers of the file.

    Attributes
    ----------
    elements
        Chemical symbols in type order.
    cutoff
        Cutoff radius, angstrom.
    """

    elements: tuple[str, ...]
    cutoff: float

    def site_energies(self, edge_vectors: Tensor, edge_i: Tensor, edge_j: Tensor, species: Tensor) -> Tensor:
        """Site energies of N atoms with E edges.

        Parameters
        ----------
        edge_vectors
            (E, 3) from each central atom to its neighbour, angstrom.
        edge_i
            (E,) central atoms, ascending.
        edge_j
            (E,) neighbours.
        species
            (N,) types.

        Returns
        -------
        Tensor
            (N,) eV.
        """
        ...


class SitePotential(OfCard):
    """A file of another program as a potential for every property and comparison.

    It meets sus2.potential.evaluation.Calculates. First derivatives are exact, by reverse differentiation; second
    derivatives come from finite differences of them.

    Parameters
    ----------
    form
        The equations with the numbers of the file.
    card
        Its name, functional and what else is known.
    """

    def __init__(self, form: SiteEnergies, card: Card) -> None:
        self.form = form
        self.card = card

    @property
    def cutoff(self) -> float:
        """Cutoff radius, angstrom."""
        return self.form.cutoff

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure.

        Parameters
        ----------
        structures
            Structures of its elements.

        Returns
        -------
        list of Evaluation
            One for each structure.

        Raises
        ------
        StructureError
            Bad coordinates, or no atoms.
        UnknownElementError
            An element that the potential does not cover.
        Sus2Error
            The energies or forces are not finite.
        """
        atoms = [to_atoms(s) for s in structures]
        out: list[Evaluation] = []
        for part, lists in pack((neighbours(a, self.cutoff) for a in atoms), MAX_EDGES):
            batch = build_batch(atoms[part], self.elements, self.cutoff, lists=lists)
            site, forces, virial = energy_forces_virial(self.form, batch)
            stress = (virial / batch.volume[:, None, None]).numpy()[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            each = [x.split(list(batch.n_atoms)) for x in (site, forces)]
            for k, (energies, force) in enumerate(zip(*each, strict=True)):
                if not (torch.isfinite(energies).all() and torch.isfinite(force).all()):
                    formula = atoms[part][k].get_chemical_formula("metal")
                    raise Sus2Error(f"{self.name} gives energies or forces that are not finite for {formula}.")
                out.append(Evaluation(float(energies.sum()), energies.numpy(), force.numpy(), stress[k]))
        return out

    def calculator(self) -> Calculator:
        """Make an ASE calculator of this potential.

        Returns
        -------
        Calculator
            With energy, forces, stress and site energies.
        """
        return EvaluationCalculator(self)
