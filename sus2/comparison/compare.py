"""One crystal in two or more potentials: what the choice of the functional changes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from ase import Atoms

from sus2.comparison.energies import energy_scales
from sus2.comparison.result import Comparison, Mode, Side
from sus2.errors import CancelledError, ConvergenceError, StructureError, Sus2Error, UnknownElementError
from sus2.potential.card import Card
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of
from sus2.properties.catalogue import catalogue
from sus2.properties.phonons.calculate import MESH_LENGTH_A, phonons
from sus2.properties.phonons.qpath import QPath
from sus2.properties.phonons.report import PhononReport
from sus2.properties.phonons.result import BandStructure, PhononResult
from sus2.properties.property import Property
from sus2.registry.external import require_potentials
from sus2.registry.load import ranking
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import check_crystal, elements_of, formula_units, standardise, to_atoms
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["PROPERTIES", "compare", "pair_of_functionals"]

T = TypeVar("T")

PROPERTIES = ("eos", "elastic", "phonons", "energies")
"""What is compared by default: properties of the catalogue, and "energies"."""
FMAX_EV_PER_A = 1e-4
STRESS_GPA = 1e-3
# Two relaxed cells that differ by more than this are not the same crystal on one path.
_SAME_CELL = (0.15, 8.0)


def compare(
    atoms: Atoms | Structure,
    potentials: Sequence[Calculates],
    *,
    properties: Sequence[str] = PROPERTIES,
    fixed_cell: Literal["first", "given"] = "first",
    free_atoms_ev: Mapping[str, Mapping[str, float]] | None = None,
    quasi_harmonic: bool = False,
    points: int = 200,
    mesh: float = MESH_LENGTH_A,
    progress: Progress | None = None,
) -> Comparison:
    """Compare one crystal in two or more potentials: lattice, properties, phonons on one q-path, energies.

    Each property is computed twice: with every potential in its own relaxed cell, and with all in one fixed cell with
    the ions relaxed in it. The difference at the fixed cell is that of the force constants, the rest is the change of
    the cell. A property that fails for one potential is left out with a sentence in `problems`.

    Parameters
    ----------
    atoms
        The crystal.
    potentials
        Two or more potentials with different names; the first is the reference. SUS2 potentials give exact second
        derivatives, others finite differences.
    properties
        Names of the catalogue, and "energies".
    fixed_cell
        The one fixed cell: the relaxed cell of the first potential, or the cell of `atoms`.
    free_atoms_ev
        Functional or name of a potential -> element -> energy of the free atom in eV, for cohesive energies.
    quasi_harmonic
        Compute quasi-harmonic properties too; the same as "thermal" among `properties`.
    points
        Number of wave vectors on the path of the band structures.
    mesh
        Mesh of wave vectors, as in `sus2.phonons`.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    Comparison
        The sides, their differences and a summary.

    Raises
    ------
    Sus2Error
        If there are fewer than two potentials, two of one name, or an unknown property.
    StructureError
        If `atoms` is no crystal that can be used.
    UnknownElementError
        If a potential does not cover an element.
    ConvergenceError
        If a potential cannot hold the crystal.
    """
    require_potentials(potentials)
    start = to_atoms(atoms)
    check_crystal(start)
    wanted = [*properties, *(["thermal"] if quasi_harmonic and "thermal" not in properties else [])]
    _check_arguments(start, potentials, wanted, fixed_cell)
    start.set_constraint()
    start = standardise(start, "primitive", symprec=1e-3)
    steps = _Steps(progress, 2 * len(potentials) + ("energies" in properties) * len(potentials))
    own: list[Side] = []
    shared: tuple[QPath, Atoms] | None = None
    for p in potentials:
        report = steps.next(f"{p.name}, own cell")
        relaxed = _held(start, p, report)
        own.append(_side(p, "own", relaxed, wanted, shared, points, mesh, report))
        found = own[-1].results.get("phonons")
        if shared is None and found is not None:
            shared = found.bands.path, found.phonons.atoms
    cell = own[0].atoms if fixed_cell == "first" else start
    fixed: list[Side] = []
    for p in potentials:
        report = steps.next(f"{p.name}, fixed cell")
        relaxed = _held(cell, p, report, cell=False)
        fixed.append(_side(p, "fixed", relaxed, wanted, shared, points, mesh, report))
    energies = None
    if "energies" in wanted:
        energies = energy_scales([(s.potential, s.relaxation) for s in own], free_atoms_ev or {}, steps.next)
    steps.done()
    found = Comparison(
        formula=_formula(start),
        potentials=tuple(potentials),
        own=tuple(own),
        fixed=tuple(fixed),
        fixed_cell=f"relaxed cell of {potentials[0].name}" if fixed_cell == "first" else "cell as given",
        path=None if shared is None else shared[0],
        energies=energies,
    )
    _ = found.differences  # computed here, so that they are stored with the result
    return found


def pair_of_functionals(cards: Sequence[Card], elements: Sequence[str], first: str = "") -> tuple[Card, Card] | None:
    """Two potentials that know the elements and differ in the functional alone, as their elements tell.

    PBE comes before other functionals, and then what sus2.registry.load.ranking puts first.

    Parameters
    ----------
    cards
        To choose from.
    elements
        Chemical symbols.
    first
        Name of a card that should be one of the two.

    Returns
    -------
    tuple of Card or None
        None where there is no such pair.
    """
    covering = [found.card for found in ranking(elements, cards)]
    pairs = [
        (a, b)
        for a in sorted(covering, key=lambda c: c.functional != "PBE")
        for b in covering
        if a.functional != b.functional and set(a.elements) == set(b.elements)
    ]
    with_first = [p for p in pairs if first in (p[0].name, p[1].name)]
    return next(iter(with_first + pairs), None)


def _side(
    potential: Calculates,
    mode: Mode,
    relaxation: RelaxResult,
    wanted: Sequence[str],
    shared: tuple[QPath, Atoms] | None,
    points: int,
    mesh: float,
    progress: Progress | None,
) -> Side:
    atoms = relaxation.atoms
    where = "its own cell" if mode == "own" else "the fixed cell"
    exact = isinstance(potential, Potential)
    results: dict[str, Any] = {}
    problems: list[str] = []

    def attempt(what: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except CancelledError:
            raise
        except Sus2Error as error:
            problems.append(f"{potential.name}, {what} in {where}: {error}")
            return None

    def computed(entry: Property) -> Any:
        settings = entry.for_potential(exact=exact)
        if entry.name != "phonons":
            return entry.compute(atoms, potential, relaxed=True, progress=progress, **settings)
        method: Literal["exact", "finite"] = "exact" if exact else "finite"
        waves = phonons(atoms, potential, relaxed=True, method=method, mesh=mesh, progress=progress)
        report = PhononReport(waves, _bands(waves, shared, points))
        _ = report.dos  # computed here, so that it is stored with the result
        if report.harmonic:
            _ = report.thermal
        else:
            lowest = abs(waves.imaginary_modes[0].frequency_thz)
            problems.append(
                f"{potential.name}, {where}: no thermal functions, since some modes are imaginary (down to "
                f"{lowest:.2f}i THz)."
            )
        return report

    for name, entry in catalogue().items():
        if name in wanted and (mode == "own" or entry.in_fixed_cell):
            if name == "thermal" and "phonons" in results and not results["phonons"].harmonic:
                continue
            found = attempt(entry.title, lambda entry=entry: computed(entry))  # type: ignore[misc]
            if found is not None:
                results[name] = found
    stress = potential.evaluate([atoms])[0].stress_ev_per_a3 * EV_PER_A3_TO_GPA
    return Side(
        potential=potential,
        mode=mode,
        atoms=atoms,
        relaxation=relaxation,
        energy_ev_per_atom=relaxation.energy_ev / len(atoms),
        pressure_gpa=-float(stress[:3].mean()),
        results=results,
        problems=tuple(problems),
    )


def _bands(waves: PhononResult, shared: tuple[QPath, Atoms] | None, points: int) -> BandStructure:
    """Bands on the shared path; its fractional q mean the same only in the same kind of cell."""
    if shared is None:
        return waves.band_structure(points)
    path, cell = shared
    a, b = cell.cell.cellpar(), waves.atoms.cell.cellpar()
    lengths, angles = _SAME_CELL
    if (
        len(cell) != len(waves.atoms)
        or np.abs(b[:3] / a[:3] - 1).max() > lengths
        or np.abs(b[3:] - a[3:]).max() > angles
    ):
        raise StructureError(
            "the crystal became another one than with the first potential, so there is no common q-path."
        )
    return waves.band_structure(path=path)


def _held(atoms: Atoms, potential: Calculates, progress: Progress | None, *, cell: bool = True) -> RelaxResult:
    """The converged relaxation; the error names the potential that cannot hold the crystal."""
    try:
        return relax(
            atoms, potential, cell=cell, fmax=FMAX_EV_PER_A, stress_gpa=STRESS_GPA, progress=progress
        ).require_converged()
    except ConvergenceError as error:
        raise ConvergenceError(f"{potential.name}: {error}") from None


class _Steps:
    """Progress of one step after another as one fraction."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.k = progress, total, 0

    def next(self, name: str) -> Progress | None:
        """What the next step calls."""
        progress, k, self.k = self.progress, self.k, self.k + 1
        if progress is None:
            return None
        progress(name, k / self.total)
        return part_of(progress, name, k / self.total, 1.0 / self.total)

    def done(self) -> None:
        if self.progress is not None:
            self.progress("done", 1.0)


def _check_arguments(
    atoms: Atoms, potentials: Sequence[Calculates], properties: Sequence[str], fixed_cell: str
) -> None:
    if len(potentials) < 2:
        raise Sus2Error(f"A comparison needs at least two potentials, not {len(potentials)}.")
    names = [p.name for p in potentials]
    if len(set(names)) < len(names):
        raise Sus2Error(f"Potentials need different names to be told apart, not {', '.join(names)}.")
    known = [*(name for name in catalogue() if name != "relax"), "energies"]
    unknown = [x for x in properties if x not in known]
    if unknown:
        raise Sus2Error(f"The properties are {', '.join(known)}, not '{unknown[0]}'.")
    if fixed_cell not in ("first", "given"):
        raise Sus2Error(f"fixed_cell must be 'first' or 'given', not '{fixed_cell}'.")
    for p in potentials:
        missing = [e for e in elements_of(atoms) if e not in p.elements]
        if missing:
            raise UnknownElementError(f"{p.name} does not cover {', '.join(missing)}; choose another potential.")


def _formula(atoms: Atoms) -> str:
    return formula_units(atoms).formula
