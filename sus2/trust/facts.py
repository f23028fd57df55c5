"""What estimates of different properties ask of one crystal in one potential, each found once."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ase import Atoms

from sus2.checks import Check
from sus2.kept import kept_with
from sus2.potential.potential import Potential
from sus2.registry.applicability import Information, extrapolation_grade, information
from sus2.registry.checks import check_pairs
from sus2.registry.distances import PairDistance, pair_distances
from sus2.structures.symmetry import crystal_key
from sus2.trust.crystal_class import CrystalClass, crystal_class
from sus2.trust.known_values import Reference, known_values, references

if TYPE_CHECKING:
    from sus2.derivatives.second_order import SecondDerivatives


class Facts:
    """What is asked of a crystal that its cell, origin and orientation do not change.

    Parameters
    ----------
    potential
        Any potential.
    atoms
        The crystal.
    """

    def __init__(self, potential: object, atoms: Atoms) -> None:
        self.potential = potential
        self.atoms = atoms
        self._grade: tuple[Information | None, float] | None = None

    @cached_property
    def crystal_class(self) -> CrystalClass:
        """As sus2.trust.crystal_class names it."""
        return crystal_class(self.atoms)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """What is known of this crystal, one value of each quantity."""
        functional = getattr(self.potential, "functional", "PBE")
        return references(known_values(self.atoms), functional, self.atoms)

    @cached_property
    def pairs(self) -> Check:
        """Whether its pairs of elements were trained; of a potential of this package."""
        assert isinstance(self.potential, Potential)
        return check_pairs(self.atoms, self.potential.spec, self.potential.elements)

    @cached_property
    def distances(self) -> tuple[PairDistance, ...]:
        """Its shortest distances beside those of the training data; of a potential of this package."""
        assert isinstance(self.potential, Potential)
        return pair_distances(self.atoms, self.potential.card)

    @property
    def grade(self) -> float:
        """Largest extrapolation grade of its atoms; nan without a summary of the training data."""
        if not isinstance(self.potential, Potential):
            return math.nan
        # The summary may be made anew while the program runs.
        known = information(self.potential)
        if self._grade is None or self._grade[0] is not known:
            self._grade = known, extrapolation_grade(self.potential, [self.atoms]).largest
        return self._grade[1]

    @property
    def second(self) -> SecondDerivatives | None:
        """Second derivatives in some cell of the crystal; None where the potential has none."""
        if not isinstance(self.potential, Potential):
            return None
        # Here, because it imports torch.
        from sus2.derivatives.second_order import second_derivatives_in_any_cell

        return second_derivatives_in_any_cell(self.atoms, self.potential)


_KEPT: Final = 8


def facts_of(potential: object, atoms: Atoms) -> Facts:
    """The facts of a crystal; those of the last few are kept, by the exact geometry and the potential.

    Parameters
    ----------
    potential
        Any potential.
    atoms
        The crystal.

    Returns
    -------
    Facts
        Shared by all standard cells of the crystal that differ from it by rounding alone.
    """
    if not isinstance(potential, Potential) or not atoms.pbc.all():
        return Facts(potential, atoms)
    found: Facts = kept_with(potential, "facts", _KEPT).get(crystal_key(atoms), lambda: Facts(potential, atoms.copy()))
    return found
