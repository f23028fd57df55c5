"""One crystal in two or more potentials: what the choice of the functional changes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.comparison.energies import EnergyScales, energy_scales
from sus2.comparison.export import comparison_dict, differences_csv
from sus2.comparison.rows import BandAgreement, Difference, band_agreement, differences, quantities
from sus2.comparison.words import summary_of
from sus2.errors import CancelledError, ConvergenceError, StructureError, Sus2Error, UnknownElementError
from sus2.potential.card import Card
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.result import EosResult
from sus2.properties.phonons.calculate import MESH_LENGTH_A, phonons
from sus2.properties.phonons.qpath import QPath
from sus2.properties.phonons.result import BandStructure, PhononDos, PhononResult, PhononThermal
from sus2.properties.thermal.calculate import thermal
from sus2.properties.thermal.result import ThermalResult
from sus2.registry.load import ranking
from sus2.relaxation.relax import relax
from sus2.relaxation.result import RelaxResult
from sus2.structures import check_crystal, elements_of, standardise, to_atoms
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["PROPERTIES", "Comparison", "EnergyScales", "Side", "compare", "pair_of_functionals"]

Array = NDArray[np.float64]
Mode = Literal["own", "fixed"]
T = TypeVar("T")

PROPERTIES = ("eos", "elastic", "phonons", "energies")
FMAX_EV_PER_A = 1e-4
STRESS_GPA = 1e-3
ZERO_EV_PER_ATOM = 1e-4
# Two relaxed cells that differ by more than this are not the same crystal on one path.
_SAME_CELL = (0.15, 8.0)


@dataclass(frozen=True, eq=False)
class Side:
    """One potential in one cell: its own relaxed one (mode "own") or the fixed one, with the ions at rest.

    atoms: the standard primitive cell; energy_ev_per_atom on the potential's own scale; what was not asked for or
    could not be computed is None, the reasons are in problems. The equation of state belongs to the own cell alone.
    """

    potential: Calculates
    mode: Mode
    atoms: Atoms
    relaxation: RelaxResult
    energy_ev_per_atom: float
    pressure_gpa: float
    eos: EosResult | None
    elastic: ElasticResult | None
    phonons: PhononResult | None
    bands: BandStructure | None
    dos: PhononDos | None
    thermal: PhononThermal | None
    quasi_harmonic: ThermalResult | None
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.potential.name

    @cached_property
    def quantities(self) -> dict[str, float]:
        """Every number of this side, units in the keys."""
        return quantities(self)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two or more potentials for one crystal; differences are against the first.

    own, fixed: a Side of each potential in its own relaxed cell and in the one fixed cell; path: the q-path of all
    bands; fixed_cell: what that cell is, in words; problems: what could not be computed, one sentence each.
    """

    formula: str
    potentials: tuple[Calculates, ...]
    own: tuple[Side, ...]
    fixed: tuple[Side, ...]
    fixed_cell: str
    path: QPath | None
    energies: EnergyScales | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.potentials)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Short names: the functionals where they differ from each other, else the names."""
        functionals = tuple(p.functional for p in self.potentials)
        return functionals if len(set(functionals)) == len(functionals) else self.names

    @cached_property
    def differences(self) -> dict[str, tuple[Difference, ...]]:
        """Rows of each other potential against the first."""
        extra: list[dict[str, float]] = [{} for _ in self.potentials]
        if self.energies is not None:
            # An element in its ground state is its own reference.
            single = len(set(self.own[0].atoms.numbers.tolist())) == 1
            for k, e in enumerate(self.energies.formation_ev_per_atom):
                if e is not None and not (single and abs(e) < ZERO_EV_PER_ATOM):
                    extra[k]["formation_energy_ev_per_atom"] = e
            for k, e in enumerate(self.energies.cohesive_ev_per_atom):
                extra[k] |= {} if e is None else {"cohesive_energy_ev_per_atom": e}
        return {
            self.names[k]: differences(
                (self.potentials[0], self.potentials[k]),
                (self.own[0].quantities | extra[0], self.own[k].quantities | extra[k]),
                (self.fixed[0].quantities, self.fixed[k].quantities) if self.fixed else ({}, {}),
                self.formula,
            )
            for k in range(1, len(self.potentials))
        }

    @cached_property
    def band_agreement(self) -> dict[str, dict[Mode, BandAgreement]]:
        """Agreement of all frequencies on the path with the first potential's, in both modes."""
        out: dict[str, dict[Mode, BandAgreement]] = {}
        for k, name in enumerate(self.names[1:], 1):
            out[name] = {}
            sides: tuple[tuple[Mode, tuple[Side, ...]], ...] = (("own", self.own), ("fixed", self.fixed))
            for mode, row in sides:
                first, other = (row[0].bands, row[k].bands) if row else (None, None)
                found = band_agreement(first, other) if first is not None and other is not None else None
                if found is not None:
                    out[name][mode] = found
        return out

    @cached_property
    def summary(self) -> dict[str, str]:
        """What changes from the first potential to each other one: a paragraph made from these numbers."""
        lowest = [s.quantities.get("min_frequency_thz") for s in self.own]
        return {
            name: summary_of(
                formula=self.formula,
                functionals=(self.labels[0], self.labels[k]),
                rows=self.differences[name],
                bands=self.band_agreement[name],
                lowest_thz=(lowest[0], lowest[k]),
            )
            for k, name in enumerate(self.names[1:], 1)
        }

    @property
    def problems(self) -> tuple[str, ...]:
        notes = self.energies.notes if self.energies is not None else ()
        return tuple(dict.fromkeys([p for s in (*self.own, *self.fixed) for p in s.problems] + list(notes)))

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and texts, with units in the names, for JSON."""
        return comparison_dict(self)

    def to_csv(self) -> str:
        """The rows of all differences as CSV."""
        return differences_csv(self.names[0], self.differences)


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
    """One crystal in two or more potentials: lattice, E(V), elasticity, phonons on one q-path, thermal, energies.

    Each property is computed twice: with every potential in its own relaxed cell, and with all in one fixed cell
    ("first": the relaxed cell of the first potential; "given": the cell of atoms) with the ions relaxed in it. The
    difference at the fixed cell is that of the force constants, the rest is the change of the cell.

    properties: any of PROPERTIES; free_atoms_ev: functional or name of a potential -> element -> energy of the free
    atom, for cohesive energies; quasi_harmonic: thermal expansion too (takes longer); points, mesh: as in phonons.
    SUS2 potentials give exact second derivatives, others finite differences.

    A property that fails for one potential is left out with a sentence in `problems`. Raises Sus2Error (fewer than two
    potentials, equal names, unknown property), StructureError, UnknownElementError, ConvergenceError (a potential
    cannot hold the crystal), CancelledError (from progress).
    """
    start = to_atoms(atoms)
    check_crystal(start)
    _check_arguments(start, potentials, properties, fixed_cell)
    start.set_constraint()
    start = standardise(start, "primitive", symprec=1e-3)
    steps = _Steps(progress, 2 * len(potentials) + ("energies" in properties) * len(potentials))
    own: list[Side] = []
    shared: tuple[QPath, Atoms] | None = None
    for p in potentials:
        report = steps.next(f"{p.name}, own cell")
        relaxed = _held(start, p, report)
        own.append(_side(p, "own", relaxed, properties, shared, quasi_harmonic, points, mesh, report))
        if shared is None and own[-1].phonons is not None and own[-1].bands is not None:
            shared = own[-1].bands.path, own[-1].phonons.atoms
    cell = own[0].atoms if fixed_cell == "first" else start
    fixed: list[Side] = []
    for p in potentials:
        report = steps.next(f"{p.name}, fixed cell")
        relaxed = _held(cell, p, report, cell=False)
        fixed.append(_side(p, "fixed", relaxed, properties, shared, False, points, mesh, report))
    energies = None
    if "energies" in properties:
        energies = energy_scales([(s.potential, s.relaxation) for s in own], free_atoms_ev or {}, steps.next)
    steps.done()
    return Comparison(
        formula=_formula(start),
        potentials=tuple(potentials),
        own=tuple(own),
        fixed=tuple(fixed),
        fixed_cell=f"relaxed cell of {potentials[0].name}" if fixed_cell == "first" else "cell as given",
        path=None if shared is None else shared[0],
        energies=energies,
    )


def pair_of_functionals(cards: Sequence[Card], elements: Sequence[str], first: str = "") -> tuple[Card, Card] | None:
    """Two potentials that know the elements and differ in the functional alone, as their elements tell; or None.

    PBE comes before other functionals, and then what sus2.registry.load.ranking puts first; first: the name of a card
    that should be one of the two.
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
    properties: Sequence[str],
    shared: tuple[QPath, Atoms] | None,
    quasi_harmonic: bool,
    points: int,
    mesh: float,
    progress: Progress | None,
) -> Side:
    atoms = relaxation.atoms
    method: Literal["exact", "finite"] = "exact" if isinstance(potential, Potential) else "finite"
    problems: list[str] = []

    def attempt(what: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except CancelledError:
            raise
        except Sus2Error as error:
            where = "its own cell" if mode == "own" else "the fixed cell"
            problems.append(f"{potential.name}, {what} in {where}: {error}")
            return None

    curve = tensor = waves = bands = dos = heat = expansion = None
    if "eos" in properties and mode == "own":
        curve = attempt("equation of state", lambda: eos(atoms, potential, relaxed=True, progress=progress))
    if "elastic" in properties:
        tensor = attempt(
            "elasticity",
            lambda: elastic(atoms, potential, relaxed=True, method=method, cross_checks=False, progress=progress),
        )
    if "phonons" in properties:
        waves = attempt(
            "phonons",
            lambda: phonons(atoms, potential, relaxed=True, method=method, mesh=mesh, progress=progress),
        )
    if waves is not None:
        bands = attempt("bands", lambda: _bands(waves, shared, points))
        dos = waves.dos()
        found = waves.thermal()
        # Imaginary modes have no free energy, so thermal functions without them would be wrong.
        heat = (
            found if found.imaginary_fraction == 0 and (bands is None or bands.frequencies_thz.min() > -0.05) else None
        )
        if heat is None:
            where = "its own cell" if mode == "own" else "the fixed cell"
            problems.append(f"{potential.name}, {where}: no thermal functions. {waves.stability}")
    if quasi_harmonic and heat is not None:
        expansion = attempt("thermal expansion", lambda: thermal(atoms, potential, relaxed=True, progress=progress))
    stress = potential.evaluate([atoms])[0].stress_ev_per_a3 * EV_PER_A3_TO_GPA
    return Side(
        potential=potential,
        mode=mode,
        atoms=atoms,
        relaxation=relaxation,
        energy_ev_per_atom=relaxation.energy_ev / len(atoms),
        pressure_gpa=-float(stress[:3].mean()),
        eos=curve,
        elastic=tensor,
        phonons=waves,
        bands=bands,
        dos=dos,
        thermal=heat,
        quasi_harmonic=expansion,
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
        return lambda stage, fraction: progress(f"{name}: {stage}", (k + min(1.0, max(0.0, fraction))) / self.total)

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
    unknown = [x for x in properties if x not in PROPERTIES]
    if unknown:
        raise Sus2Error(f"The properties are {', '.join(PROPERTIES)}, not '{unknown[0]}'.")
    if fixed_cell not in ("first", "given"):
        raise Sus2Error(f"fixed_cell must be 'first' or 'given', not '{fixed_cell}'.")
    for p in potentials:
        missing = [e for e in elements_of(atoms) if e not in p.elements]
        if missing:
            raise UnknownElementError(f"{p.name} does not know {', '.join(missing)}; choose another potential.")


def _formula(atoms: Atoms) -> str:
    from pymatgen.core import Composition

    return str(Composition(atoms.get_chemical_formula()).reduced_formula)
