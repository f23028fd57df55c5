"""The contract of a potential as a class that pytest collects from a subclass."""

from __future__ import annotations

from typing import ClassVar

from ase import Atoms

from sus2.testing import contract
from sus2.testing.contract import AnyPotential
from sus2.testing.tolerances import Tolerances


class PotentialContract:
    """Tests of all laws; a subclass named Test... gives the fixtures `potential` and `atoms`.

    Attributes
    ----------
    tolerances
        What counts as rounding; set it in the subclass, for example to sus2.testing.SINGLE_PRECISION.
    """

    tolerances: ClassVar[Tolerances] = Tolerances()

    def test_shapes_and_sums(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Shapes, finite numbers, sums."""
        contract.assert_shapes_and_sums(atoms, potential, self.tolerances)

    def test_rotation(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Rotation invariance."""
        contract.assert_rotation_invariant(atoms, potential, self.tolerances)

    def test_translation(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Translation invariance."""
        contract.assert_translation_invariant(atoms, potential, self.tolerances)

    def test_permutation(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Permutation invariance."""
        contract.assert_permutation_invariant(atoms, potential, self.tolerances)

    def test_size_extensivity(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Size extensivity."""
        contract.assert_extensive(atoms, potential, self.tolerances)

    def test_forces(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Forces against the energy."""
        contract.assert_forces(atoms, potential, self.tolerances)

    def test_stress(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Stress against the energy."""
        contract.assert_stress(atoms, potential, self.tolerances)

    def test_smooth_at_cutoff(self, atoms: Atoms, potential: AnyPotential) -> None:
        """No jump where atoms leave each other's reach."""
        contract.assert_smooth_at_cutoff(atoms, potential, self.tolerances)

    def test_no_leak_across_a_batch(self, atoms: Atoms, potential: AnyPotential) -> None:
        """Alone or together, the results are the same."""
        contract.assert_no_leak_across_a_batch(atoms, potential, self.tolerances)

    def test_input_unchanged(self, atoms: Atoms, potential: AnyPotential) -> None:
        """The given structure stays as it was."""
        contract.assert_input_unchanged(atoms, potential, self.tolerances)

    def test_one_atom(self, atoms: Atoms, potential: AnyPotential) -> None:
        """One atom alone."""
        contract.assert_one_atom(atoms, potential, self.tolerances)

    def test_calculator(self, atoms: Atoms, potential: AnyPotential) -> None:
        """The ASE calculator gives the same numbers."""
        contract.assert_calculator_agrees(atoms, potential, self.tolerances)

    def test_unknown_element(self, atoms: Atoms, potential: AnyPotential) -> None:
        """An unknown element is refused."""
        contract.assert_unknown_element_refused(atoms, potential, self.tolerances)
