"""How much memory a calculation takes, estimated before it starts, so that one that cannot end well is refused.

The estimate is the peak of the process that calculates. What grows with the square of the number N of atoms are the
exact force constants: a block of 72 N^2 bytes for each lattice vector between atoms that a third one sees. It was
fitted to measured peaks and is tested to be right within a factor of two (tests/jobs/test_memory.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.derivatives.supercell import supercell_matrix_of
from sus2.errors import Sus2Error
from sus2.jobs.calculation import Calculation
from sus2.memory import allowed_mib, gib
from sus2.potential.mtp.compact import MAGIC, SUFFIX, cutoff_of_compact
from sus2.potential.potential import Potential
from sus2.properties.catalogue import catalogue, property_of
from sus2.registry.load import weights_of
from sus2.registry.memory import stated_mib_per_atom
from sus2.registry.others.plugins import found
from sus2.registry.reference import PotentialRef
from sus2.structures import standardise
from sus2.types import Array

BASE_MIB: Final = 330.0
"""A process with this package, torch and a potential loaded."""
_DEFAULT_CUTOFF_A: Final = 6.0
_MIB: Final = 2.0**20
_Q_ON_PATH: Final = 220
_Q_CHUNK_ELEMENTS: Final = 8_000_000  # as in sus2.derivatives.second_order
_COPIES_AT_Q: Final = 3.0
_DOS_POINTS: Final = 401
_COPIES_IN_DOS: Final = 2.7
_RESPONSE_BLOCKS: Final = 11.0
_MAX_DISTANCE = re.compile(rb"^\s*max_dist\s*=\s*([0-9.eE+-]+)\s*$", re.MULTILINE)
# Functions that compute several properties; what one property does is in its entry of the catalogue.
_SEVERAL: Final[dict[str, tuple[str, ...]]] = {
    "compare": ("phonons", "dos"),
    "report": ("phonons", "dos", "elastic"),
    "check": ("phonons", "dos"),
    "compare_batch": (),
    "evaluate_many": (),
    "evaluate_recommended": (),
    "convex_hull": (),
}


def peak_mib(
    function: str,
    structures: Sequence[Atoms],
    cutoffs_a: Sequence[float],
    options: Mapping[str, Any] | None = None,
    mib_per_atom: float = 0.0,
) -> float | None:
    """Estimated peak of the process that runs a public function.

    Parameters
    ----------
    function
        Its name.
    structures
        The crystals among its arguments.
    cutoffs_a
        Of each potential, angstrom.
    options
        Its settings; method, mesh, supercell, dos, cross_checks and properties count.
    mib_per_atom
        Of one evaluation by a potential of others, as its owner says.

    Returns
    -------
    float or None
        MiB; None for a function that is not estimated, or without structures.
    """
    options = options or {}
    kinds = _kinds(function, options)
    if kinds is None or not structures:
        return None
    reach = max(cutoffs_a, default=_DEFAULT_CUTOFF_A)
    several = 1.0 + 0.3 * (max(len(cutoffs_a), 1) - 1)
    grown = max(_grown(kinds, atoms, reach, options) for atoms in structures)
    others = max(_evaluated_atoms(kinds, atoms, reach, options) for atoms in structures) if mib_per_atom else 0
    return BASE_MIB + several * grown + mib_per_atom * others


def check_memory(
    function: str,
    structures: Sequence[Atoms],
    cutoffs_a: Sequence[float],
    options: Mapping[str, Any] | None = None,
    mib_per_atom: float = 0.0,
) -> None:
    """Refuse a calculation that takes more memory than is allowed (settings) or free.

    Parameters
    ----------
    function
        Name of a public function.
    structures
        The crystals among its arguments.
    cutoffs_a
        Of each potential, angstrom.
    options
        Its settings, as for peak_mib.
    mib_per_atom
        As for peak_mib.

    Raises
    ------
    Sus2Error
        The estimate exceeds it.
    """
    needed = peak_mib(function, structures, cutoffs_a, options, mib_per_atom)
    if needed is None or needed <= (allowed := allowed_mib()):
        return
    # Symmetry is looked for only where it decides: the functions that cost most reduce the cell first.
    if _reduces(function):
        needed = peak_mib(function, [_primitive(a) for a in structures], cutoffs_a, options, mib_per_atom) or 0.0
    if needed > allowed:
        raise Sus2Error(
            f"This calculation would take about {gib(needed)} of memory and {gib(allowed)} are allowed here: use the "
            "primitive cell or a smaller supercell, or raise max_memory_mb (SUS2_MAX_MEMORY_MB) where there is more."
        )


def check_calculation(calculation: Calculation) -> None:
    """Refuse a calculation as check_memory does.

    Parameters
    ----------
    calculation
        The calculation.

    Raises
    ------
    Sus2Error
        The estimate exceeds what is allowed or free.
    """
    references = list(calculation.references())
    cutoffs = [cutoff_of(reference) for reference in references]
    options = _as_computed(calculation.arguments, any(r.kind != "external" for r in references))
    check_memory(calculation.name, list(calculation.structures()), cutoffs, options, stated_of(references))


def stated_of(references: Sequence[PotentialRef]) -> float:
    """What the owners of plug-ins say that one evaluation takes, without making them.

    Parameters
    ----------
    references
        By what names the potentials.

    Returns
    -------
    float
        MiB for each atom, the largest of them; 0 where nobody says.
    """
    plugins = [found().plugins.get(r.name) for r in references if r.kind == "external"]
    return max((p.memory_mb_per_atom for p in plugins if p is not None), default=0.0)


def cutoff_of(reference: PotentialRef) -> float:
    """Cutoff of a potential, without loading it.

    Parameters
    ----------
    reference
        By what names the potential.

    Returns
    -------
    float
        Angstrom; 6 where its file does not say.
    """
    if reference.raw is not None:
        return _stated_cutoff(reference.raw)
    return _shipped_cutoff(reference.name)


@lru_cache(maxsize=64)
def _shipped_cutoff(name: str) -> float:
    path = weights_of(name)
    if path is None:
        return _DEFAULT_CUTOFF_A
    try:
        with path.open("rb") as file:
            return _stated_cutoff(file.read() if path.suffix == SUFFIX else file.read(4096))
    except (OSError, ValueError):
        return _DEFAULT_CUTOFF_A


def _stated_cutoff(raw: bytes) -> float:
    if raw.startswith(MAGIC):
        try:
            value = cutoff_of_compact(raw)
        except Sus2Error:
            return _DEFAULT_CUTOFF_A
        return value if 0.0 < value <= 100.0 else _DEFAULT_CUTOFF_A
    match = _MAX_DISTANCE.search(raw[:4096])
    try:
        value = float(match.group(1)) if match else _DEFAULT_CUTOFF_A
    except ValueError:
        return _DEFAULT_CUTOFF_A
    return value if 0.0 < value <= 100.0 else _DEFAULT_CUTOFF_A


# The parts of the estimate ------------------------------------------------------------------------------------------


def _kinds(function: str, options: Mapping[str, Any]) -> set[str] | None:
    finite = options.get("method", "exact") != "exact"
    entry = property_of(function)
    if entry is not None:
        kinds = set(entry.memory.get(function, ()))
    elif function in _SEVERAL:
        kinds = set(_SEVERAL[function])
    else:
        return None
    if function in ("evaluate_many", "evaluate_recommended"):
        wanted = [entry for name, entry in catalogue().items() if name in options.get("properties", ())]
        kinds |= {kind for entry in wanted for kind in entry.memory.get(entry.function.partition(":")[2], ())}
    if not options.get("dos", True):
        kinds -= {"dos"}
    if finite:
        # Supercells with forces: their own cost is small beside that of phonopy's matrices.
        kinds = kinds - {"elastic"} | ({"finite"} if "phonons" in kinds else set())
    return kinds


def _as_computed(options: Mapping[str, Any], exact: bool) -> Mapping[str, Any]:
    """The settings with the method that potentials without exact derivatives take."""
    return options if exact or options.get("method") else {**options, "method": "finite"}


def _evaluated_atoms(kinds: set[str], atoms: Atoms, reach: float, options: Mapping[str, Any]) -> int:
    """Atoms of the largest structure that is evaluated."""
    if "finite" not in kinds:
        return len(atoms)
    # Here, because it imports phonopy, which the process of the pages does without.
    from sus2.properties.phonons.backends import supercell_of_length

    given = options.get("supercell")
    matrix = supercell_of_length(atoms, max(12.0, 2.0 * reach)) if given is None else supercell_matrix_of(given)
    return len(atoms) * round(abs(float(np.linalg.det(matrix))))


def _grown(kinds: set[str], atoms: Atoms, reach: float, options: Mapping[str, Any]) -> float:
    n = len(atoms)
    block = 72.0 * n * n / _MIB
    total = 5.0 + 0.02 * n + min(n, 150) ** 2 * 9 * 8 * 6 / _MIB
    if "elastic" in kinds or ("phonons" in kinds and "finite" not in kinds):
        everything, seen = _blocks(atoms, reach)
        total += block * max(everything + seen if _uses_lattice(kinds, options) else 0.0, _RESPONSE_BLOCKS)
    if "finite" in kinds:
        wide = max(12.0, 2.0 * reach)
        images = math.prod(max(1, math.ceil(wide / h)) for h in _heights(atoms))
        total += 6.0 * block * images
    if "phonons" in kinds:
        points = _mesh_points(atoms, options.get("mesh", 60.0))
        at_once = max(9.0 * n * n, min(_Q_CHUNK_ELEMENTS, max(points, _Q_ON_PATH) * 9.0 * n * n))
        total += _COPIES_AT_Q * 16.0 * at_once / _MIB
        if "dos" in kinds:
            total += _COPIES_IN_DOS * _DOS_POINTS * points * 3 * n * 8.0 / _MIB
    return total


def _uses_lattice(kinds: set[str], options: Mapping[str, Any]) -> bool:
    return "phonons" in kinds or bool(options.get("cross_checks", True))


def _blocks(atoms: Atoms, reach: float) -> tuple[float, float]:
    """Lattice vectors that room is made for, and those that occur, between neighbours of one atom."""
    shifts = [math.ceil(reach / h) for h in _heights(atoms)]
    seen = [min(2 * s, math.ceil(2.0 * reach / h)) for s, h in zip(shifts, _heights(atoms), strict=True)]
    return math.prod(4.0 * s + 1.0 for s in shifts), math.prod(2.0 * s + 1.0 for s in seen)


def _heights(atoms: Atoms) -> Array:
    """Distances of opposite faces of the cell, (3,), angstrom."""
    return np.asarray(1.0 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0))


def _mesh_points(atoms: Atoms, mesh: Any) -> float:
    """q-points of the mesh by time reversal alone."""
    from sus2.properties.phonons.calculate import checked_mesh  # here, because it imports phonopy

    numbers = np.asarray(checked_mesh(mesh), dtype=np.float64)
    if numbers.shape != (3,):
        lengths = np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
        numbers = np.maximum(np.round(float(numbers) * lengths), 1.0)
    return 0.5 * float(np.prod(numbers)) + 0.5


def _reduces(function: str) -> bool:
    entry = property_of(function)
    return bool(entry.memory.get(function) if entry is not None else _SEVERAL.get(function))


def _primitive(atoms: Atoms) -> Atoms:
    try:
        found = standardise(atoms, "primitive")
    except Sus2Error:
        return atoms
    return found if len(found) < len(atoms) else atoms


def guarded(function: Callable[..., Any], atoms: Atoms, potential: Any, **options: Any) -> Any:
    """Call function(atoms, potential, **options) where memory is enough.

    Parameters
    ----------
    function
        A public function.
    atoms
        The crystal.
    potential
        The potential.
    **options
        Its settings.

    Returns
    -------
    Any
        What the function returns.

    Raises
    ------
    Sus2Error
        Memory would not be enough, or what the function raises.
    """
    several = potential if isinstance(potential, list | tuple) else [potential]
    stated = max((stated_mib_per_atom(p) for p in several), default=0.0)
    settings = _as_computed(options, any(isinstance(p, Potential) for p in several))
    check_memory(function.__name__, [atoms], cutoffs_of(potential), settings, stated)
    return function(atoms, potential, **options)


def cutoffs_of(potentials: Any) -> list[float]:
    """Cutoffs of a loaded potential or of several.

    Parameters
    ----------
    potentials
        One, or a list or tuple of them.

    Returns
    -------
    list of float
        Angstrom; 6 for one that names none.
    """
    several = potentials if isinstance(potentials, list | tuple) else [potentials]
    return [float(getattr(potential, "cutoff", _DEFAULT_CUTOFF_A)) for potential in several]
