"""How much memory a potential of others takes for one large structure: as its owner says, or measured on small ones.

Networks of many bodies take tens of MiB for each atom of a dense crystal, and a large cell or the supercell of the
phonons then more than a computer has, whose system ends the process without a word.
"""

from __future__ import annotations

import math
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import spglib
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import ArrayLike, NDArray

from sus2.errors import Sus2Error
from sus2.memory import allowed_mib, gib, peak_of_mib, resident_mib
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.settings import settings

SMALL_ATOMS: Final = (8, 24)
"""At least so many atoms are in the two structures that are measured; the second is at least twice the first."""
LARGE_ATOMS: Final = 100
"""From so many atoms on a structure is judged before it is evaluated: what is measured costs little beside it."""
_ORDERED_A: Final = (0.1, 0.4)
"""Displacements within which a structure counts as a repeated cell, tried in this order."""
_passed: WeakKeyDictionary[Calculates, int] = WeakKeyDictionary()


def stated_mib_per_atom(potential: Calculates) -> float:
    """What the owner of a potential says that one evaluation takes.

    Parameters
    ----------
    potential
        The potential.

    Returns
    -------
    float
        MiB for each atom; 0 where nothing is said.
    """
    return float(getattr(potential, "memory_mb_per_atom", 0.0))


def evaluation_mib(potential: Calculates, atoms: Atoms, n_atoms: int) -> float:
    """Memory of the process while a supercell is evaluated, extrapolated from two small ones in proportion to atoms.

    Parameters
    ----------
    potential
        The potential.
    atoms
        A small cell of the crystal.
    n_atoms
        Atoms of the supercell.

    Returns
    -------
    float
        MiB; nan where nothing is stated and the system does not tell, or the supercell is as small as those.
    """
    stated = stated_mib_per_atom(potential)
    if stated:
        present = resident_mib()
        return (0.0 if math.isnan(present) else present) + stated * n_atoms
    small = _repeated(atoms, SMALL_ATOMS[0])
    large = _repeated(small, max(SMALL_ATOMS[1], 2 * len(small)))
    if len(large) >= n_atoms:
        return math.nan
    first = peak_of_mib(lambda: potential.evaluate([small]))
    second = peak_of_mib(lambda: potential.evaluate([large]))
    slope = (second - first) / (len(large) - len(small))
    return second + max(slope, 0.0) * (n_atoms - len(large))


def check_supercell(potential: Calculates, atoms: Atoms, supercell_matrix: ArrayLike) -> None:
    """Refuse a supercell whose evaluation would take more memory than is allowed (settings) or free.

    Potentials of this package are left alone: what they take for each atom is small.

    Parameters
    ----------
    potential
        The potential.
    atoms
        The cell that is repeated.
    supercell_matrix
        (3, 3) whole numbers, columns the supercell vectors.

    Raises
    ------
    Sus2Error
        One sentence: what it would take, what is allowed, and which supercell fits; or the potential fails.
    """
    if isinstance(potential, Potential):
        return
    matrix = np.asarray(supercell_matrix)
    n_atoms = len(atoms) * round(abs(float(np.linalg.det(matrix))))
    needed = evaluation_mib(potential, atoms, n_atoms)
    present, allowed = _limits()
    if math.isnan(needed):
        return
    if needed <= allowed:
        _passed[potential] = max(n_atoms, _passed.get(potential, 0))
        return
    fitting = max(int((allowed - present) / (needed - present) * n_atoms), 0)
    raise Sus2Error(
        f"{potential.name} would take about {gib(needed)} of memory for a supercell of {n_atoms} atoms and "
        f"{gib(allowed)} are allowed here: {_what_fits(matrix, len(atoms), fitting)}, or raise "
        "max_memory_mb (SUS2_MAX_MEMORY_MB) where there is more."
    )


def check_structure(potential: Calculates, atoms: Atoms) -> None:
    """Refuse a structure of many atoms whose evaluation would take more memory than is allowed (settings) or free.

    Potentials of this package are left alone. Where nothing is stated, two small crystals like the structure are
    evaluated, once for each potential and size: its primitive cell where it is ordered, else one of the same elements
    and density, which takes about half as much to as much. Vacuum is taken as if it were filled.

    Parameters
    ----------
    potential
        The potential.
    atoms
        The structure.

    Raises
    ------
    Sus2Error
        One sentence: what it would take and what is allowed.
    """
    n_atoms = len(atoms)
    if isinstance(potential, Potential) or n_atoms < LARGE_ATOMS or n_atoms <= _passed.get(potential, 0):
        return
    try:
        needed = evaluation_mib(potential, _like(atoms), n_atoms)
    except Sus2Error:
        # It does not compute such a crystal, which says nothing of this structure.
        needed = math.nan
    _, allowed = _limits()
    if needed > allowed:
        raise Sus2Error(
            f"{potential.name} would take about {gib(needed)} of memory for {n_atoms} atoms and {gib(allowed)} are "
            "allowed here: take a smaller cell, or raise max_memory_mb (SUS2_MAX_MEMORY_MB) where there is more."
        )
    _passed[potential] = n_atoms


def _limits() -> tuple[float, float]:
    """Memory that this process has, and that it may have, MiB."""
    present = resident_mib()
    present = 0.0 if math.isnan(present) else present
    # What is free comes on top of what this process has already.
    return present, allowed_mib() + (0.0 if settings().max_memory_mb else present)


def _like(atoms: Atoms) -> Atoms:
    """A small crystal in whose repetitions an atom has about as many neighbours as in a large structure."""
    if atoms.cell.rank == 3 and atoms.pbc.all():
        for within_a in _ORDERED_A:
            found = spglib.find_primitive(
                (np.asarray(atoms.cell), atoms.get_scaled_positions(), atoms.numbers), within_a
            )
            if found is not None and len(found[2]) <= SMALL_ATOMS[1]:
                return Atoms(found[2], scaled_positions=found[1], cell=found[0], pbc=True)
    # In disorder, or around a defect: the same density, and shells that are smeared out as there.
    filled = atoms.cell.rank == 3
    side = (atoms.get_volume() / len(atoms)) ** (1 / 3) if filled else 2.0 * covalent_radii[atoms.numbers].mean()
    symbols = atoms.numbers[np.linspace(0, len(atoms) - 1, SMALL_ATOMS[0]).round().astype(int)]
    places = np.indices((2, 2, 2)).reshape(3, -1).T + np.random.default_rng(0).uniform(-0.2, 0.2, (SMALL_ATOMS[0], 3))
    return Atoms(symbols, places * side, cell=[2.0 * side] * 3, pbc=True)


def _what_fits(matrix: NDArray[np.int64], n_cell: int, fitting: int) -> str:
    """The largest supercell of the same shape that fits, as what to do."""
    repeats = np.diag(matrix).copy()
    if np.count_nonzero(matrix - np.diag(repeats)):
        return f"give a supercell of at most {fitting} atoms"
    while repeats.max() > 1 and n_cell * int(np.prod(repeats)) > fitting:
        repeats[repeats == repeats.max()] -= 1
    if n_cell * int(np.prod(repeats)) > fitting:
        return "take a potential that needs less"
    return f"a supercell of [{', '.join(str(int(k)) for k in repeats)}] fits (supercell=)"


def _repeated(atoms: Atoms, at_least: int) -> Atoms:
    """The cell repeated along its shortest vectors."""
    cell = atoms.copy()
    while len(cell) < at_least:
        shortest = int(np.argmin(cell.cell.lengths()))
        cell = cell.repeat([2 if k == shortest else 1 for k in range(3)])
    return cell
