"""The laws that a potential must obey, as functions that raise AssertionError where it does not.

Every function takes the crystal first, then a potential of this package, another object that meets
sus2.potential.evaluation.Calculates, or an ASE calculator. The crystal is rattled first, so that nothing vanishes by
its symmetry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.registry.external import wrap_calculator
from sus2.structures import elements_of
from sus2.testing import measures, structures
from sus2.testing.measures import Deviation
from sus2.testing.tolerances import Tolerances

AnyPotential: TypeAlias = Calculates | Calculator
_DEFAULT: Final = Tolerances()


def assert_shapes_and_sums(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require arrays of the right shapes, finite numbers, site energies that sum to the energy and no net force.

    Parameters
    ----------
    atoms
        A crystal that the potential knows.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    found = p.evaluate([crystal])
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


def assert_rotation_invariant(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require the energy not to change, and forces and stress to rotate, as the crystal rotates.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.rotation(crystal, p), tolerances, "rotated")


def assert_translation_invariant(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require nothing to change as the crystal is shifted or its atoms are wrapped into the cell.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.translation(crystal, p), tolerances, "shifted")


def assert_permutation_invariant(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require nothing but the order of the results to change with the order of the atoms.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.permutation(crystal, p), tolerances, "with its atoms in another order")


def assert_extensive(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require a supercell to have the energy per atom, the forces and the stress of the cell.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.extensivity(crystal, p, (2, 1, 2)), tolerances, "repeated")


def assert_forces(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require forces to be the negative slope of the energy.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    gap = measures.force_slope_ev_per_a(crystal, p)
    _within(gap, tolerances.force_slope_ev_per_a, "forces and slopes of the energy differ", "eV/Å")


def assert_stress(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require the stress to be the slope of the energy by the strain, over the volume, positive in tension.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    gap = measures.stress_slope_gpa(crystal, p)
    _within(gap, tolerances.stress_slope_gpa, "stress and slope of the energy differ", "GPa")


def assert_smooth_at_cutoff(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require energy and force of two atoms to have no jump from bonding distance to beyond the cutoff.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _within(measures.jump_at_cutoff_ev(crystal, p), tolerances.jump_ev, "two atoms pulled apart see a jump", "eV")


def assert_no_leak_across_a_batch(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require structures to have the same results alone, together and in another order.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.leak_across_a_batch(crystal, p), tolerances, "beside other structures")


def assert_input_unchanged(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require an evaluation to leave the structure that it is given as it was.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    changed = measures.what_changed(crystal, p)
    _require(not changed, f"an evaluation changed {', '.join(changed)} of the structure that it was given")


def assert_one_atom(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require one atom alone to have a finite energy and no force.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    (r,) = p.evaluate([structures.lone_atom(crystal, p)])
    _require(bool(np.isfinite(r.energy_ev)), f"one atom alone has the energy {r.energy_ev}")
    _within(float(np.abs(r.forces_ev_per_a).max()), tolerances.force_ev_per_a, "one atom alone has a force", "eV/Å")


def assert_calculator_agrees(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require the ASE calculator of the potential to give the numbers of its evaluation.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    _compare(measures.calculator_deviation(crystal, p), tolerances, "through its calculator")


def assert_unknown_element_refused(atoms: Atoms, potential: AnyPotential, tolerances: Tolerances = _DEFAULT) -> None:
    """Require an element that the potential does not know to be refused in one sentence.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    tolerances
        What counts as rounding.
    """
    crystal, p = _prepared(atoms, potential)
    unknown = [s for s in chemical_symbols[1:] if s not in p.elements]
    if not unknown:
        return
    crystal.symbols[0] = unknown[0]
    try:
        p.evaluate([crystal])
    except Sus2Error:
        return
    except Exception as error:
        raise AssertionError(f"{unknown[0]} ends in {type(error).__name__}, not in a Sus2Error.") from error
    raise AssertionError(f"{unknown[0]} is not among the elements of the potential, which computes it all the same.")


Law: TypeAlias = Callable[[Atoms, AnyPotential, Tolerances], None]
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


def _prepared(atoms: Atoms, potential: AnyPotential) -> tuple[Atoms, Calculates]:
    """A crystal of several atoms with forces, and the potential behind the common interface."""
    crystal = structures.rattled(atoms if len(atoms) > 1 else atoms.repeat((2, 1, 1)))
    if isinstance(potential, Calculator):
        name = type(potential).__name__
        return crystal, wrap_calculator(potential, name=name, elements=elements_of(crystal))
    return crystal, potential


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
