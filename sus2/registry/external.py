"""Any ASE calculator behind the interface of our own potentials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

from sus2.errors import Sus2Error, UnknownElementError, printable
from sus2.potential.card import Card
from sus2.potential.evaluation import Evaluation
from sus2.registry.memory import check_structure
from sus2.structures import elements_of, to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["WrappedCalculator", "require_potential", "require_potentials", "wrap_calculator"]


@dataclass(frozen=True, eq=False)
class WrappedCalculator:
    """An ASE calculator that meets sus2.potential.evaluation.Calculates; make one with wrap_calculator.

    Attributes
    ----------
    name
        What it is called.
    functional
        The density functional whose energies it gives.
    elements
        Chemical symbols that it covers.
    ase
        The calculator.
    card
        Errors and reference energies of the model, where somebody states them.
    memory_mb_per_atom
        What one evaluation takes for each atom of a dense crystal, MiB; 0 where it is not known.
    """

    name: str
    functional: str
    elements: tuple[str, ...]
    ase: Calculator
    card: Card | None = None
    memory_mb_per_atom: float = 0.0

    def __repr__(self) -> str:
        return f"WrappedCalculator({self.name!r}, {len(self.elements)} elements, {self.functional})"

    def calculator(self) -> Calculator:
        """The calculator itself."""
        return self.ase

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure, one after the other.

        Parameters
        ----------
        structures
            ASE Atoms or pymatgen Structures.

        Returns
        -------
        list of Evaluation
            Site energies are the calculator's, or equal shares of the energy where it has none; the stress is nan
            without a three-dimensional cell.

        Raises
        ------
        StructureError
            A structure that cannot be used.
        UnknownElementError
            An element that the calculator does not cover.
        Sus2Error
            The calculator failed, gave numbers that are not finite, or would take more memory than is allowed.
        """
        return [self._one(to_atoms(s)) for s in structures]

    def _one(self, atoms: Atoms) -> Evaluation:
        missing = sorted(set(elements_of(atoms)) - set(self.elements))
        if missing:
            raise UnknownElementError(f"{self.name} does not cover {', '.join(missing)}; choose another potential.")
        check_structure(self, atoms)
        atoms.calc = self.ase
        try:
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(), dtype=np.float64)
            stress = np.array(atoms.get_stress(), dtype=np.float64) if atoms.cell.rank == 3 else np.full(6, np.nan)
        except (Sus2Error, MemoryError):
            raise
        except Exception as error:  # calculators of others raise what they like
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise Sus2Error(f"{self.name} cannot compute {atoms.get_chemical_formula('metal')}: {text}.") from None
        # Some calculators announce site energies and compute none, so only those in their results count.
        found = self.ase.results.get("energies")
        sites = np.full(len(atoms), energy / len(atoms)) if found is None else np.array(found, dtype=np.float64)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise Sus2Error(f"{self.name} gives energies or forces that are not finite for this structure.")
        return Evaluation(energy, sites, forces, stress)


def wrap_calculator(
    calculator: Calculator | Callable[[], Calculator],
    *,
    name: str,
    elements: Sequence[str],
    functional: str = "not stated",
    card: Card | None = None,
    memory_mb_per_atom: float = 0.0,
) -> WrappedCalculator:
    """Any ASE calculator as a potential for every property and comparison.

    Elastic constants and phonons then take method="finite", which compare chooses.

    Parameters
    ----------
    calculator
        The calculator, or a function that makes one.
    name
        What it is to be called.
    elements
        Chemical symbols that it covers.
    functional
        The density functional whose energies it gives.
    card
        Errors and reference energies of the model, if they are known.
    memory_mb_per_atom
        What one evaluation takes for each atom of a dense crystal, MiB. Without it that is measured on small cells
        before phonons are computed in a large supercell.

    Returns
    -------
    WrappedCalculator
        The potential.

    Raises
    ------
    Sus2Error
        The elements are none or unknown, or no calculator was given.
    """
    made: Any = calculator if isinstance(calculator, Calculator) else calculator()
    if not hasattr(made, "get_potential_energy") or not hasattr(made, "implemented_properties"):
        raise Sus2Error(f"{name}: {type(made).__name__} is not an ASE calculator.")
    unknown = [e for e in elements if atomic_numbers.get(e, 0) < 1]
    if unknown or not elements:
        raise Sus2Error(f"{name}: name the chemical elements that it covers, not {', '.join(unknown) or 'none'}.")
    return WrappedCalculator(name, functional, tuple(elements), made, card, memory_mb_per_atom)


def require_potential(*potentials: object) -> None:
    """Refuse what is no potential, so that a function of properties ends with a sentence before it begins.

    Parameters
    ----------
    *potentials
        What was given as potentials.

    Raises
    ------
    Sus2Error
        One sentence that says how to make a potential of it.
    """
    for given in potentials:
        # Either is enough for some of the properties.
        if not isinstance(given, type) and (hasattr(given, "evaluate") or hasattr(given, "calculator")):
            continue
        if isinstance(given, Calculator) or (isinstance(given, type) and issubclass(given, Calculator)):
            kind = given if isinstance(given, type) else type(given)
            raise Sus2Error(
                f"{kind.__name__} is an ASE calculator: make a potential of it with "
                f"sus2.wrap_calculator({kind.__name__}(...), name='{kind.__name__}', elements=[...])."
            )
        if isinstance(given, str | PathLike):
            raise Sus2Error(f"A loaded potential is needed here: sus2.load('{printable(str(given))}').")
        if isinstance(given, list | tuple | dict | set):
            raise Sus2Error(f"One potential is needed here, not a {type(given).__name__} of them.")
        raise Sus2Error(
            "A potential from sus2.load or sus2.wrap_calculator is needed after the structure, found "
            f"{'None' if given is None else 'an object of the type ' + type(given).__name__}."
        )


def require_potentials(potentials: object) -> None:
    """Refuse what is no sequence of potentials.

    Parameters
    ----------
    potentials
        What was given as a sequence of potentials.

    Raises
    ------
    Sus2Error
        One sentence that says what to give instead.
    """
    if not isinstance(potentials, Sequence) or isinstance(potentials, str):
        raise Sus2Error("Give the potentials as a list: [first, second].")
    require_potential(*potentials)
