"""The contract of a potential: what any potential must do, as functions and as a class of tests.

One potential and one crystal::

    from sus2.testing import assert_contract

    assert_contract(atoms, potential)  # a potential of this package, or any ASE calculator

Each law as a test of its own, with pytest::

    import pytest
    from sus2.testing import PotentialContract

    class TestMine(PotentialContract):
        @pytest.fixture
        def potential(self):
            return make_mine()

        @pytest.fixture
        def atoms(self):
            return some_crystal()

The numbers behind the verdicts are the methods of sus2.testing.measures.Measures; `sus2.check` grades the same ones.
"""

from __future__ import annotations

from sus2.testing.contract import (
    CONTRACT,
    assert_calculator_agrees,
    assert_contract,
    assert_extensive,
    assert_forces,
    assert_input_unchanged,
    assert_no_leak_across_a_batch,
    assert_one_atom,
    assert_permutation_invariant,
    assert_rotation_invariant,
    assert_shapes_and_sums,
    assert_smooth_at_cutoff,
    assert_stress,
    assert_translation_invariant,
    assert_unknown_element_refused,
)
from sus2.testing.suite import PotentialContract
from sus2.testing.tolerances import SINGLE_PRECISION, Tolerances

__all__ = [
    "CONTRACT",
    "SINGLE_PRECISION",
    "PotentialContract",
    "Tolerances",
    "assert_calculator_agrees",
    "assert_contract",
    "assert_extensive",
    "assert_forces",
    "assert_input_unchanged",
    "assert_no_leak_across_a_batch",
    "assert_one_atom",
    "assert_permutation_invariant",
    "assert_rotation_invariant",
    "assert_shapes_and_sums",
    "assert_smooth_at_cutoff",
    "assert_stress",
    "assert_translation_invariant",
    "assert_unknown_element_refused",
]
