"""What lesson 8 measures: a small potential fitted to more and more structures of one crystal, beside its teacher.

Structures are snapshots: random volumes, strains and displacements, with none of the small strains and displacements
that sus2.specialise labels for elastic constants and frequencies. What the student knows of these it has from forces
and stresses far from rest, as a fit to dynamics would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import CancelledError, Sus2Error
from sus2.jobs.calculation import Calculation
from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.ieee_axes import primitive_cell
from sus2.properties.phonons.qpath import QPath, q_path
from sus2.registry.load import models
from sus2.registry.reference import PotentialRef
from sus2.relaxation.relax import relax
from sus2.structures.formula import formula_units
from sus2.structures.samples import sample
from sus2.training.data.generate import Made, supercell
from sus2.training.quick_fit.fit import Fit, Recipe
from sus2.training.specialise.beside import Axes
from sus2.training.specialise.labels import Labeller
from sus2.training.specialise.response import independent, measured_exactly
from sus2.training.specialise.structures import deformed, moves, plain, random_strain
from sus2.training.specialise.trial import properties
from sus2.types import Array

COUNTS: Final = (10, 30, 100, 300)
SMALL: Final = "l2k2"
LARGE: Final = "l3k3"
TEACHER: Final = "sus2-universal-pbe"
CRYSTAL: Final = "si"
HELD_OUT: Final = 40
# Ratios of the volume that snapshots have, and of the volumes of E(V).
_SNAPSHOTS: Final = (0.90, 1.12)
_CURVE: Final = (0.70, 1.45)
_STRAIN: Final = 0.04
_MOVES_A: Final = (0.03, 0.20)
_ATOMS: Final = 4
_Q_POINTS: Final = 60
_STEPS: Final = 5
_SYMPREC_A: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Learned:
    """A potential fitted to so many structures, and what it says of its crystal.

    Attributes
    ----------
    structures : int
        That it was fitted to.
    train_mev_per_a : float
        Mean absolute error of force components on the structures that it was fitted to.
    held_out_mev_per_a : float
        The same on others.
    train_mev_per_atom : float
        Mean absolute error of energies on the structures that it was fitted to.
    held_out_mev_per_atom : float
        The same on others.
    energies_ev : ndarray
        E(V) at the volumes of the study (n,), eV per atom above its lowest point; nan where atoms are lost.
    v0_a3 : float
        Volume at rest per atom; nan where the potential has no rest near the crystal.
    b0_gpa : float
        Bulk modulus there, nan likewise.
    c_gpa : ndarray
        Elastic constants (6, 6), nan likewise.
    bands_thz : ndarray
        Frequencies (m, 3N) along the path of the study at the potential's own rest, imaginary ones negative; nan
        likewise.
    processor_us_per_atom : float
        Processor time of one evaluation of energy, forces and stress, microseconds per atom.
    problem : str
        Why there is no rest, one sentence; empty where there is one.
    """

    structures: int
    train_mev_per_a: float
    held_out_mev_per_a: float
    train_mev_per_atom: float
    held_out_mev_per_atom: float
    energies_ev: Array
    v0_a3: float
    b0_gpa: float
    c_gpa: Array
    bands_thz: Array
    processor_us_per_atom: float
    problem: str


@dataclass(frozen=True, eq=False)
class LearningStudy:
    """One form fitted to more and more structures.

    Attributes
    ----------
    formula : str
        Of the crystal.
    teacher : str
        Name of the potential that labels.
    graph : str
        Moment graph of the student.
    parameters : int
        Numbers that are fitted.
    volumes_a3 : ndarray
        Of E(V) (n,), per atom.
    labelled_a3 : tuple of float
        Smallest and largest volume of the snapshots, per atom.
    path : QPath
        Of the bands.
    reference : Learned
        The same of the teacher, its errors zero.
    fits : tuple of Learned
        By ascending number of structures.
    atoms : int
        In each snapshot.
    """

    formula: str
    teacher: str
    graph: str
    parameters: int
    volumes_a3: Array
    labelled_a3: tuple[float, float]
    path: QPath
    reference: Learned
    fits: tuple[Learned, ...]
    atoms: int

    @property
    def constants(self) -> tuple[tuple[int, int], ...]:
        """Places of the independent elastic constants."""
        return tuple(independent(self.reference.c_gpa))

    def elastic_error_percent(self, found: Learned) -> float:
        """Largest deviation of an independent elastic constant from the teacher's.

        Parameters
        ----------
        found
            One of the fits.

        Returns
        -------
        float
            Percent of the teacher's; nan where a constant is not finite.
        """
        c, d = self.reference.c_gpa, found.c_gpa
        off = [100.0 * abs(d[i, j] - c[i, j]) / abs(c[i, j]) for i, j in self.constants]
        return max(off, default=math.nan) if np.isfinite(off).all() else math.nan

    def frequency_error_thz(self, found: Learned) -> float:
        """Root mean square of the differences of frequencies along the path from the teacher's.

        Parameters
        ----------
        found
            One of the fits.

        Returns
        -------
        float
            THz.
        """
        return float(np.sqrt(np.mean((found.bands_thz - self.reference.bands_thz) ** 2)))


def snapshots(atoms: Atoms, count: int, seed: int) -> list[Made]:
    """Random volumes, strains and displacements of a crystal in small supercells.

    Parameters
    ----------
    atoms
        The crystal at rest.
    count
        How many.
    seed
        Of everything random; the first ones are the same for each count.

    Returns
    -------
    list of Made
        They.
    """
    rng = np.random.default_rng((seed, 8))
    low, high = _SNAPSHOTS
    cell = plain(atoms)
    big = supercell(cell, max(len(cell), _ATOMS))
    found = []
    for _ in range(count):
        ratio = float(rng.uniform(low, high))
        gradient = np.eye(3) + random_strain(float(rng.uniform(0.0, _STRAIN)), rng)
        made = deformed(big, gradient * (ratio / np.linalg.det(gradient)) ** (1.0 / 3.0))
        made.positions += moves(len(made), float(np.exp(rng.uniform(*np.log(_MOVES_A)))), rng)
        found.append(Made(made, "rattle", "snapshots", ratio))
    return found


def learning_study(
    atoms: Atoms,
    potential: Potential,
    *,
    counts: Sequence[int] = COUNTS,
    graph: str = SMALL,
    seed: int = 0,
    progress: Progress | None = None,
) -> LearningStudy:
    """Fit one form to more and more snapshots of a crystal, each time from nothing.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The teacher.
    counts
        Numbers of structures, ascending; each set contains those before.
    graph
        Moment graph of the student.
    seed
        Of structures and radial functions at the start.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    LearningStudy
        The students beside their teacher.

    Raises
    ------
    Sus2Error
        Counts that are not ascending numbers of at least 5, or no structure can be labelled.
    """
    if not counts or min(counts) < 5 or max(counts) > 1000 or list(counts) != sorted(set(counts)):
        raise Sus2Error("Give ascending numbers of structures between 5 and 1000.")
    done = 0.0

    def tick(words: str) -> None:
        if progress is not None:
            progress(words, done)

    cell = primitive_cell(atoms, _SYMPREC_A)
    rest = relax(cell, potential, fmax=1e-4, stress_gpa=0.01).require_converged().atoms
    path = q_path(rest, _Q_POINTS)
    v0 = abs(float(rest.cell.volume)) / len(rest)
    volumes, labelled = np.linspace(*_CURVE, 46) * v0, (_SNAPSHOTS[0] * v0, _SNAPSHOTS[1] * v0)
    frame = Axes.of(rest, measured_exactly(second_derivatives(rest, potential), path.q_fractional).c_gpa)
    reference = _learned(rest, potential, path, volumes, frame, 0, (0.0, 0.0, 0.0, 0.0))
    labeller = Labeller(potential, None, tick)
    held = labeller.label(snapshots(rest, HELD_OUT, seed + 1))
    pool = labeller.label(snapshots(rest, max(counts), seed))
    if held is None or pool is None:
        raise Sus2Error(f"{potential.name} could not label snapshots of this crystal.")
    elements = tuple(dict.fromkeys(rest.get_chemical_symbols()))
    card = Card(name="student", functional=potential.functional, elements=elements)
    fits = []
    parameters = 0
    total = sum(counts)
    for k, count in enumerate(counts):
        done = sum(counts[:k]) / total
        fit = Fit(elements, Recipe(graph=graph, starts=1, search_steps=_STEPS, search_share=1.0), seed, tick)
        fit.add(pool.subset(np.arange(min(count, len(pool)))))
        fit.add(held, held_out=True)
        fit.begin()
        own, others = fit.errors(held_out=False), fit.errors()
        errors = (
            own.force_mae_mev_per_a,
            others.force_mae_mev_per_a,
            own.energy_mae_mev_per_atom,
            others.energy_mae_mev_per_atom,
        )
        fits.append(_learned(rest, fit.potential(card), path, volumes, frame, fit.structures, errors))
        parameters = fit.size
    return LearningStudy(
        formula=formula_units(rest).formula,
        teacher=potential.name,
        graph=graph,
        parameters=parameters,
        volumes_a3=volumes,
        labelled_a3=labelled,
        path=path,
        reference=reference,
        fits=tuple(fits),
        atoms=int(pool.sizes[0]),
    )


def _learned(
    rest: Atoms,
    potential: Potential,
    path: QPath,
    volumes: Array,
    frame: Axes,
    structures: int,
    errors: tuple[float, float, float, float],
) -> Learned:
    """What a potential says of the crystal near the teacher's rest."""
    curve = _curve(rest, potential, volumes)
    nan, cost = math.nan, _cost(rest, potential)
    none = np.full((len(path.q_fractional), 3 * len(rest)), nan)
    try:
        found = properties(rest, potential, path.q_fractional)[1]
    except CancelledError:
        raise
    except Sus2Error as error:
        return Learned(structures, *errors, curve, nan, nan, np.full((6, 6), nan), none, cost, str(error))
    return Learned(
        structures,
        *errors,
        energies_ev=curve,
        v0_a3=found.v0_a3 / len(rest),
        b0_gpa=found.b0_gpa,
        c_gpa=frame.turned(found).c_gpa,
        bands_thz=found.frequencies_thz,
        processor_us_per_atom=cost,
        problem="",
    )


def _curve(rest: Atoms, potential: Potential, volumes: Array) -> Array:
    """E(V) with the atoms where symmetry has them, eV per atom above the lowest point within the snapshots' volumes."""
    n = len(rest)
    v0 = abs(float(rest.cell.volume)) / n
    scaled = [deformed(plain(rest), np.eye(3) * (v / v0) ** (1.0 / 3.0)) for v in volumes]
    energies = np.array([e.energy_ev for e in potential.evaluate(scaled)]) / n
    inside = (volumes >= _SNAPSHOTS[0] * v0) & (volumes <= _SNAPSHOTS[1] * v0)
    out: Array = energies - energies[inside].min()
    return out


def _cost(rest: Atoms, potential: Potential) -> float:
    """Processor time of one evaluation, microseconds per atom; the fastest of some, as others may use the machine."""
    many = supercell(plain(rest), 64)
    potential.evaluate([many])
    times = []
    for _ in range(3):
        began = time.process_time()
        potential.evaluate([many])
        times.append(time.process_time() - began)
    return 1e6 * min(times) / len(many)


def learning_arguments(model: Any, graph: str = SMALL, crystal: str = CRYSTAL) -> dict[str, Any]:
    """Arguments of learning_study in lesson 8.

    Parameters
    ----------
    model
        Called with the name of a potential; gives it or what stands for it.
    graph
        Moment graph of the student.
    crystal
        Key of a sample.

    Returns
    -------
    dict
        By name.
    """
    return {"atoms": sample(crystal).atoms(), "potential": model(TEACHER), "graph": graph}


def learning_calculations() -> list[Calculation]:
    """What lesson 8 asks at its first view; nothing where its teacher is not installed."""
    cards = {card.name: card for card in models()}
    if TEACHER not in cards:
        return []
    return [
        Calculation.of(learning_study, **learning_arguments(lambda name: PotentialRef.of(cards[name]), graph))
        for graph in (SMALL, LARGE)
    ]
