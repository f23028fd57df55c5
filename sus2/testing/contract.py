"""The laws that a potential must obey, as functions that raise AssertionError where it does not.

Every function takes the crystal first, then a potential of this package, another object that meets
sus2.potential.evaluation.Calculates, or an ASE calculator. The crystal is rattled first, so that nothing vanishes by
its symmetry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.registry.external import wrap_calculator
from sus2.structures import elements_of
from sus2.testing import structures
from sus2.testing.measures import Deviation, Measures
from sus2.testing.tolerances import Tolerances

AnyPotential: TypeAlias = Calculates | Calculator
_DEFAULT: Final = Tolerances()
_TAKES: Final = """

    Parameters
    ----------
    atoms
        A crystal that the potential covers.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """


class Law(Protocol):
    """A function that raises AssertionError where a potential breaks a law."""

    __name__: str

    def __call__(self, atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = ...) -> None:
        """Try the law."""


def _law(require: Callable[[Measures, Tolerances], None]) -> Law:
    """A law as users call it, with what all of them take in its docstring."""

    def law(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
        require(_prepared(atoms, potential), tolerances)

    law.__name__, law.__qualname__ = require.__name__, require.__qualname__
    law.__doc__ = f"{require.__doc__}{_TAKES}"
    return law


@_law
def assert_shapes_and_sums(measured: Measures, tolerances: Tolerances) -> None:
    """Require arrays of the right shapes, finite numbers, site energies that sum to the energy and no net force."""
    crystal = measured.atoms
    found = measured.potential.evaluate([crystal])
    _require(len(found) == 1, f"one structure gives {len(found)} results")
    r, n = found[0], len(crystal)
    shapes = {
        "energies_ev": (np.shape(r.energies_ev), (n,)),
        "forces_ev_per_a": (np.shape(r.forces_ev_per_a), (n, 3)),
        "stress_ev_per_a3": (np.shape(r.stress_ev_per_a3), (6,)),
    }
    for name, (shape, expected) in shapes.items():
        _require(shape == expected, f"{name} has the shape {shape}, not {expected}")
    _require(isinstance(r.energy_ev, float) and np.isfinite(r.energy_ev), f"the energy is {r.energy_ev!r}")
    _require(bool(np.isfinite(r.forces_ev_per_a).all()), "a force is not finite")
    _require(bool(np.isfinite(r.stress_ev_per_a3).all()), "the stress of a crystal is not finite")
    gap = abs(float(np.sum(r.energies_ev)) - r.energy_ev) / n
    _within(gap, tolerances.energy_ev_per_atom, "site energies and the energy differ", "eV/atom")
    net = float(np.abs(r.forces_ev_per_a.sum(axis=0)).max()) / n
    _within(net, tolerances.force_ev_per_a, "the forces have a sum, per atom,", "eV/Å")


@_law
def assert_rotation_invariant(measured: Measures, tolerances: Tolerances) -> None:
    """Require the energy not to change, and forces and stress to rotate, as the crystal rotates."""
    _compare(measured.rotation(), tolerances, "rotated")


@_law
def assert_translation_invariant(measured: Measures, tolerances: Tolerances) -> None:
    """Require nothing to change as the crystal is shifted or its atoms are wrapped into the cell."""
    _compare(measured.translation(), tolerances, "shifted")


@_law
def assert_permutation_invariant(measured: Measures, tolerances: Tolerances) -> None:
    """Require nothing but the order of the results to change with the order of the atoms."""
    _compare(measured.permutation(), tolerances, "with its atoms in another order")


@_law
def assert_extensive(measured: Measures, tolerances: Tolerances) -> None:
    """Require a supercell to have the energy per atom, the forces and the stress of the cell."""
    _compare(measured.extensivity((2, 1, 2)), tolerances, "repeated")


@_law
def assert_forces(measured: Measures, tolerances: Tolerances) -> None:
    """Require forces to be the negative slope of the energy."""
    gap = measured.force_slope_ev_per_a()
    _within(gap, tolerances.force_slope_ev_per_a, "forces and slopes of the energy differ", "eV/Å")


@_law
def assert_stress(measured: Measures, tolerances: Tolerances) -> None:
    """Require the stress to be the slope of the energy by the strain, over the volume, positive in tension."""
    gap = measured.stress_slope_gpa()
    _within(gap, tolerances.stress_slope_gpa, "stress and slope of the energy differ", "GPa")


@_law
def assert_smooth_at_cutoff(measured: Measures, tolerances: Tolerances) -> None:
    """Require energy and force of two atoms to have no jump from bonding distance to beyond the cutoff."""
    _within(measured.jump_at_cutoff_ev(), tolerances.jump_ev, "two atoms pulled apart see a jump", "eV")


@_law
def assert_no_leak_across_a_batch(measured: Measures, tolerances: Tolerances) -> None:
    """Require structures to have the same results alone, together and in another order."""
    _compare(measured.leak_across_a_batch(), tolerances, "beside other structures")


@_law
def assert_input_unchanged(measured: Measures, tolerances: Tolerances) -> None:
    """Require an evaluation to leave the structure that it is given as it was."""
    changed = measured.what_changed()
    _require(not changed, f"an evaluation changed {', '.join(changed)} of the structure that it was given")


@_law
def assert_one_atom(measured: Measures, tolerances: Tolerances) -> None:
    """Require one atom alone to have a finite energy and no force."""
    alone = structures.lone_atom(measured.atoms, measured.potential)
    (r,) = measured.potential.evaluate([alone])
    _require(bool(np.isfinite(r.energy_ev)), f"one atom alone has the energy {r.energy_ev}")
    _within(float(np.abs(r.forces_ev_per_a).max()), tolerances.force_ev_per_a, "one atom alone has a force", "eV/Å")


@_law
def assert_calculator_agrees(measured: Measures, tolerances: Tolerances) -> None:
    """Require the ASE calculator of the potential to give the numbers of its evaluation."""
    _compare(measured.calculator_deviation(), tolerances, "through its calculator")


@_law
def assert_unknown_element_refused(measured: Measures, tolerances: Tolerances) -> None:
    """Require an element that the potential does not cover to be refused in one sentence."""
    unknown = [s for s in chemical_symbols[1:] if s not in measured.potential.elements]
    if not unknown:
        return
    crystal = measured.atoms.copy()
    crystal.symbols[0] = unknown[0]
    try:
        measured.potential.evaluate([crystal])
    except Sus2Error:
        return
    except Exception as error:
        raise AssertionError(f"{unknown[0]} ends in {type(error).__name__}, not in a Sus2Error.") from error
    raise AssertionError(f"{unknown[0]} is not among the elements of the potential, which computes it all the same.")


CONTRACT: Final[dict[str, Law]] = {
    "shapes and sums": assert_shapes_and_sums,
    "rotation": assert_rotation_invariant,
    "translation": assert_translation_invariant,
    "permutation": assert_permutation_invariant,
    "size extensivity": assert_extensive,
    "forces": assert_forces,
    "stress": assert_stress,
    "smooth at the cutoff": assert_smooth_at_cutoff,
    "no leak across a batch": assert_no_leak_across_a_batch,
    "input unchanged": assert_input_unchanged,
    "one atom": assert_one_atom,
    "calculator": assert_calculator_agrees,
    "unknown element": assert_unknown_element_refused,
}
"""The laws by name, for ``pytest.mark.parametrize("law", CONTRACT.values(), ids=CONTRACT)``."""


def assert_contract(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require all laws, and name every one that is broken.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    broken = []
    for name, law in CONTRACT.items():
        try:
            law(atoms, potential, tolerances)
        except AssertionError as error:
            broken.append(f"{name}: {error}")
    _require(not broken, "the contract of a potential is broken:\n  " + "\n  ".join(broken))


def _prepared(atoms: Atoms, potential: AnyPotential) -> Measures:
    """A crystal of several atoms with forces, and the potential behind the common interface."""
    crystal = structures.rattled(atoms if len(atoms) > 1 else atoms.repeat((2, 1, 1)))
    if isinstance(potential, Calculator):
        name = type(potential).__name__
        potential = wrap_calculator(potential, name=name, elements=elements_of(crystal))
    return Measures(crystal, potential)


def _compare(found: Deviation, tolerances: Tolerances, words: str) -> None:
    _within(found.energy_ev_per_atom, tolerances.energy_ev_per_atom, f"{words}, energies change", "eV/atom")
    _within(found.force_ev_per_a, tolerances.force_ev_per_a, f"{words}, forces change", "eV/Å")
    if np.isfinite(found.stress_ev_per_a3):
        limit = tolerances.stress_ev_per_a3
        _within(found.stress_ev_per_a3, limit, f"{words}, stresses change", "eV/Å³")


def _within(value: float, limit: float, words: str, unit: str) -> None:
    # Written so that a nan never passes.
    _require(value <= limit, f"{words} by {value:.3g} {unit}, more than {limit:g}")


def _require(condition: bool, words: str) -> None:
    if not condition:
        raise AssertionError(words[0].upper() + words[1:] + ".")
