"""Energies of different functionals made comparable: elemental references, formation and cohesive energies.

The zero of a total energy is a convention of each functional (and of its pseudopotentials), so raw energies of two
functionals have no common scale; differences to the same elements, each in its own functional, have one.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ase import Atoms
from ase.build import bulk, molecule
from ase.data import atomic_numbers, reference_states
from ase.spacegroup import crystal

from sus2.comparison.agreement import Agreement, ShiftRegression, agreement, regress_shifts
from sus2.errors import CancelledError, DataError, EnergyScaleError, StructureError, Sus2Error
from sus2.progress import Progress
from sus2.relaxation.relax import relax

if TYPE_CHECKING:
    from sus2.potential.evaluation import Calculates

__all__ = [
    "MOLECULES",
    "Agreement",
    "ElementReference",
    "PotentialEnergy",
    "References",
    "ShiftRegression",
    "agreement",
    "cohesive_energy_ev_per_atom",
    "elemental_references",
    "ground_state",
    "read_free_atoms",
    "regress_shifts",
]

Source = Literal["relaxed crystal", "relaxed molecule", "card"]

MOLECULES: Final = {"H": "H2", "N": "N2", "O": "O2", "F": "F2", "Cl": "Cl2"}
_BOX_A = 12.0
_BUILT = ("fcc", "bcc", "hcp", "diamond", "sc", "rhombohedral", "bct")
# ASE's table has these without their atoms (or, for tin, the phase that is stable when warm). J. Donohue, The
# Structures of the Elements (Wiley, 1974); lengths in angstrom.
_SPECIAL: Final[dict[str, tuple[str, int, tuple[tuple[float, float, float], ...], tuple[float, ...]]]] = {
    "B": (
        "alpha-rhombohedral",
        166,
        ((0.1188, -0.1188, -0.1088), (0.1967, -0.1967, 0.0244)),
        (4.908, 4.908, 12.567, 90, 90, 120),
    ),
    "P": ("black", 64, ((0.0, 0.1017, 0.0806),), (3.3136, 10.478, 4.3763, 90, 90, 90)),
    "Ga": ("alpha", 64, ((0.0, 0.1549, 0.0810),), (4.523, 7.661, 4.524, 90, 90, 90)),
    "Se": ("trigonal", 152, ((0.2254, 0.0, 1 / 3),), (4.366, 4.366, 4.954, 90, 90, 120)),
    "Te": ("trigonal", 152, ((0.2636, 0.0, 1 / 3),), (4.457, 4.457, 5.929, 90, 90, 120)),
}


@dataclass(frozen=True)
class PotentialEnergy:
    """An energy on the scale of one potential; only energies of the same scale can be subtracted.

    Attributes
    ----------
    ev_per_atom
        The energy.
    potential
        Name of the potential.
    functional
        Of the potential.
    """

    ev_per_atom: float
    potential: str
    functional: str

    def __sub__(self, other: PotentialEnergy) -> float:
        """Difference in eV per atom; raises EnergyScaleError for two different potentials."""
        if (self.potential, self.functional) != (other.potential, other.functional):
            raise EnergyScaleError(
                f"The raw energies of {self.potential} ({self.functional}) and {other.potential} ({other.functional}) "
                "cannot be subtracted, because each functional has its own zero of energy: compare formation energies, "
                "each against its own elements."
            )
        return self.ev_per_atom - other.ev_per_atom

    def raw_shift_ev_per_atom(self, other: PotentialEnergy) -> float:
        """How far apart the two scales put the same crystal: a shift of scales, no property of the crystal.

        Parameters
        ----------
        other
            Of the same crystal, in any potential.

        Returns
        -------
        float
            This energy less the other, eV per atom.
        """
        return self.ev_per_atom - other.ev_per_atom


@dataclass(frozen=True)
class ElementReference:
    """Energy per atom of an element in its ground state in one potential, and where it comes from.

    Attributes
    ----------
    element
        Its symbol.
    structure
        Name of the structure.
    source
        What was computed, or that the card says it.
    energy_ev_per_atom
        The energy.
    volume_a3_per_atom
        None for a molecule or a card.
    """

    element: str
    structure: str
    source: Source
    energy_ev_per_atom: float
    volume_a3_per_atom: float | None = None


@dataclass(frozen=True)
class References:
    """Elemental references of one potential.

    Attributes
    ----------
    potential
        Name of the potential.
    functional
        Of the potential.
    found
        Element -> its reference.
    missing
        Element -> why there is none, one sentence each.
    """

    potential: str
    functional: str
    found: dict[str, ElementReference]
    missing: dict[str, str]

    def formation_energy_ev_per_atom(self, atoms: Atoms, energy_ev: float) -> float:
        """E_f = (E - sum of the energies of its elements) / N.

        Parameters
        ----------
        atoms
            The crystal, N atoms.
        energy_ev
            Its energy in this potential.

        Returns
        -------
        float
            eV per atom.

        Raises
        ------
        DataError
            A reference is missing.
        """
        absent = [self.missing.get(e, f"no reference of {e}.") for e in _symbols(atoms) if e not in self.found]
        if absent:
            raise DataError(f"No formation energy with {self.potential}: {' '.join(absent)}")
        return _less(atoms, energy_ev, {e: r.energy_ev_per_atom for e, r in self.found.items()})

    def to_dict(self) -> dict[str, Any]:
        """Numbers and texts only, for JSON."""
        found = {e: asdict(r) for e, r in self.found.items()}
        return {"potential": self.potential, "functional": self.functional, "found": found, "missing": self.missing}


def cohesive_energy_ev_per_atom(atoms: Atoms, energy_ev: float, free_atoms_ev: Mapping[str, float]) -> float:
    """E_coh = (sum of the free atoms - E) / N, positive for a bound crystal.

    Parameters
    ----------
    atoms
        The crystal, N atoms.
    energy_ev
        Its energy.
    free_atoms_ev
        Element -> energy of the free atom.

    Returns
    -------
    float
        eV per atom.

    Raises
    ------
    DataError
        A free atom is missing.
    """
    absent = [e for e in _symbols(atoms) if e not in free_atoms_ev]
    if absent:
        raise DataError(f"No cohesive energy: the energy of the free atom of {', '.join(absent)} is not given.")
    return -_less(atoms, energy_ev, free_atoms_ev)


def read_free_atoms(text: str) -> dict[str, dict[str, float]]:
    """Read energies of free atoms from CSV with the columns Element, PBE, r2SCAN, ...

    Parameters
    ----------
    text
        The table, energies in eV; what is not finite is left out.

    Returns
    -------
    dict
        Functional -> element -> eV.

    Raises
    ------
    DataError
        No such table, or a row that cannot be read, which is named.
    """
    rows = [row for row in csv.reader(io.StringIO(text)) if any(c.strip() for c in row)]
    if len(rows) < 2 or len(rows[0]) < 2 or rows[0][0].strip().lower() != "element":
        raise DataError("Energies of free atoms: the first row must read Element and then functionals, as PBE,r2SCAN.")
    names = [name.strip() for name in rows[0][1:]]
    out: dict[str, dict[str, float]] = {name: {} for name in names}
    for k, row in enumerate(rows[1:], 2):
        symbol = row[0].strip()
        if atomic_numbers.get(symbol, 0) < 1:
            raise DataError(f"Energies of free atoms, row {k}: '{symbol[:10]}' is not a chemical element.")
        for name, value in zip(names, row[1:], strict=False):
            try:
                number = float(value)
            except ValueError:
                raise DataError(f"Energies of free atoms, row {k}: '{value[:20]}' is not a number (eV).") from None
            if math.isfinite(number):
                out[name][symbol] = number
    return out


def ground_state(symbol: str) -> tuple[Atoms, str]:
    """The element in its standard state at low temperature (near experiment).

    Parameters
    ----------
    symbol
        Of the element.

    Returns
    -------
    tuple of Atoms and str
        H2, N2, O2, F2 and Cl2 in a box without neighbours, else a crystal; and the name of the structure.

    Raises
    ------
    StructureError
        No structure of it is built in.
    """
    if symbol in MOLECULES:
        name = MOLECULES[symbol]
        return Atoms(molecule(name), cell=[_BOX_A] * 3, pbc=False), name
    if symbol in _SPECIAL:
        name, group, sites, cellpar = _SPECIAL[symbol]
        made = crystal([symbol] * len(sites), sites, spacegroup=group, cellpar=cellpar, primitive_cell=True)
        return Atoms(made.numbers, positions=made.positions, cell=made.cell, pbc=True), name
    if symbol == "Sn":
        return bulk("Sn", "diamond", a=6.49), "diamond"
    state = reference_states[atomic_numbers.get(symbol, 0)] or {}
    if state.get("symmetry") not in _BUILT:
        raise StructureError(f"No ground-state structure of {symbol[:10]} is built in.")
    return bulk(symbol), str(state["symmetry"])


def elemental_references(
    potential: Calculates, elements: Iterable[str], *, progress: Progress | None = None
) -> References:
    """The ground state of each element, relaxed in the potential itself; the card's energy where that fails.

    Parameters
    ----------
    potential
        The potential.
    elements
        Chemical symbols.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    sus2.comparison.references.References
        What cannot be computed is in `missing`.

    Raises
    ------
    CancelledError
        From `progress`.
    """
    card = getattr(potential, "card", None)
    stated: Mapping[str, float] = {} if card is None else card.reference_energies_ev
    found: dict[str, ElementReference] = {}
    missing: dict[str, str] = {}
    wanted = list(dict.fromkeys(elements))
    for k, element in enumerate(wanted):
        if progress is not None:
            progress(f"{element} in {potential.name}", k / len(wanted))
        try:
            found[element] = _reference(potential, element)
        except CancelledError:
            raise
        except Sus2Error as error:
            if element in stated:
                found[element] = ElementReference(element, "as its card says", "card", stated[element])
            else:
                missing[element] = f"{element} has no reference ({error})"
    return References(potential.name, potential.functional, found, missing)


def _reference(potential: Calculates, element: str) -> ElementReference:
    atoms, name = ground_state(element)
    periodic = bool(atoms.pbc.all())
    result = relax(atoms, potential, cell=periodic).require_converged()
    n = len(atoms)
    volume = result.volume_a3 / n if periodic else None
    source: Source = "relaxed crystal" if periodic else "relaxed molecule"
    return ElementReference(element, name, source, result.energy_ev / n, volume)


def _symbols(atoms: Atoms) -> list[str]:
    return list(dict.fromkeys(atoms.get_chemical_symbols()))


def _less(atoms: Atoms, energy_ev: float, parts_ev: Mapping[str, float]) -> float:
    counts = Counter(atoms.get_chemical_symbols())
    return (energy_ev - sum(n * parts_ev[e] for e, n in counts.items())) / len(atoms)
