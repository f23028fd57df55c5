"""One crystal of the textbook: volume, moduli, frequencies, stability, and how the energy goes far from the minimum."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of, silent
from sus2.properties.elastic.calculate import elastic
from sus2.properties.eos.calculate import eos
from sus2.properties.phonons.calculate import phonons
from sus2.relaxation.relax import relax
from sus2.trust.known_values.lookup import known_crystals, known_values
from sus2.trust.known_values.reference import references
from sus2.validation.behaviour import wide_volume_checks
from sus2.validation.textbook.result import QUANTITIES, CrystalScore

_PROTOTYPES: Final = {
    "diamond": "Si Ge C",
    "bcc": "Li Na K V Nb Mo Ta W",
    "fcc": "Al Ni Cu Pd Ag Pt Au",
    "hcp": "Mg Ti",
    "rocksalt": "LiF NaCl MgO CaO TiC",
    "zincblende": "SiC AlAs GaAs GaN BN ZnS",
    "fluorite": "CaF2",
    "rutile": "TiO2",
    "cesiumchloride": "NiAl",
    "perovskite": "SrTiO3",
}
TEXTBOOK: Final = tuple(f"{formula} {kind}" for kind, formulas in _PROTOTYPES.items() for formula in formulas.split())
"""Crystals of the scoreboard, by formula and prototype. Cubic SrTiO3 is unstable at rest, which a potential must find:
it is scored for its volume and moduli, and does not count as unstable."""
NOT_STABLE_AT_REST: Final = ("SrTiO3 perovskite",)

_SMALL_A: Final = 0.02
_LARGE_A: Final = 0.2
_MESH_EXACT_A: Final = 30.0
_MESH_FINITE_A: Final = 20.0
# Networks in single precision come no closer to rest.
_FMAX_EXACT: Final = 1e-4
_FMAX_FINITE: Final = 3e-3


def crystals_of(elements: tuple[str, ...]) -> tuple[dict[str, Atoms], tuple[str, ...]]:
    """Crystals of the textbook whose elements are known, and the names of the others.

    Parameters
    ----------
    elements
        Chemical symbols that a potential covers.

    Returns
    -------
    tuple of dict and tuple
        Name -> primitive cell at about its volume; names that are left out.
    """
    everything = known_crystals()
    inside = {n: everything[n] for n in TEXTBOOK if set(everything[n].get_chemical_symbols()) <= set(elements)}
    return inside, tuple(n for n in TEXTBOOK if n not in inside)


def score_crystal(name: str, atoms: Atoms, potential: Calculates, progress: Progress | None = None) -> CrystalScore:
    """Relax a crystal and compute what is scored.

    Parameters
    ----------
    name
        Its name in the report.
    atoms
        Its primitive cell.
    potential
        The potential.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    CrystalScore
        Steps that fail are named in its problems.

    Raises
    ------
    CancelledError
        From `progress`.
    """
    started = time.perf_counter()
    exact = isinstance(potential, Potential)
    problems: list[str] = []
    tell = progress or silent

    def tried(what: str, fraction: float, work: Callable[[Progress], Any], share: float = 0.1) -> Any:
        tell(what, fraction)
        try:
            return work(part_of(tell, what, fraction, share))
        except CancelledError:
            raise
        except Sus2Error as error:
            problems.append(f"{what}: {error}")
            return None

    values: dict[str, float] = {}
    known = known_values(atoms)
    fmax = _FMAX_EXACT if exact else _FMAX_FINITE
    relaxation = tried("relaxation", 0.0, lambda part: relax(atoms, potential, fmax=fmax, progress=part), 0.2)
    crystal = atoms if relaxation is None else relaxation.atoms
    if relaxation is not None and not relaxation.converged:
        problems.append(f"relaxation: it ended with forces of {relaxation.max_force_ev_per_a:.1e} eV/Å.")
    equation = tried("equation of state", 0.2, lambda part: eos(crystal, potential, relaxed=True, progress=part), 0.2)
    if equation is not None:
        values |= {"v0_a3_per_atom": equation.v0_a3_per_atom, "b0_gpa": equation.b0_gpa}
    minima = tried("wide volumes", 0.4, lambda part: int(wide_volume_checks(crystal, potential)[0][0].value))
    tensor = tried(
        "elastic constants",
        0.5,
        lambda part: elastic(crystal, potential, relaxed=True, cross_checks=False, progress=part),
        0.2,
    )
    if tensor is not None:
        values |= {"k_vrh_gpa": tensor.k_vrh_gpa, "g_vrh_gpa": tensor.g_vrh_gpa}
    mesh = _MESH_EXACT_A if exact else _MESH_FINITE_A
    waves = tried(
        "phonons", 0.7, lambda part: phonons(crystal, potential, relaxed=True, mesh=mesh, progress=part), 0.25
    )
    stable = None if waves is None else bool(waves.stable)
    # Without the splitting of long waves the optical modes of cubic crystals of two atoms are one.
    if waves is not None and len(waves.atoms) == 2:
        values["gamma_to_thz"] = float(waves.frequencies_thz([[0.0, 0.0, 0.0]])[0, 3:].max())
    softening = tried("softening", 0.95, lambda part: softening_factor(crystal, potential))
    own = references(known, potential.functional, atoms)
    measured = references([k for k in known if not k.calculated], "experiment", atoms)
    return CrystalScore(
        crystal=name,
        values=values,
        references={q: (own[q].value, own[q].functional) for q in QUANTITIES if q in own},
        measured={q: measured[q].value for q in QUANTITIES if q in measured},
        elastically_stable=None if tensor is None else bool(tensor.stable),
        dynamically_stable=True if stable is False and name in NOT_STABLE_AT_REST else stable,
        minima=0 if minima is None else minima,
        softening=math.nan if softening is None else softening,
        problems=tuple(problems),
        seconds=time.perf_counter() - started,
    )


def softening_factor(atoms: Atoms, potential: Calculates, patterns: int = 4, seed: int = 0) -> float:
    """Restoring force per displacement at 0.2 angstrom over that at 0.02 angstrom, along random displacements.

    Parameters
    ----------
    atoms
        A relaxed crystal.
    potential
        The potential.
    patterns
        How many random displacements of a small supercell.
    seed
        Of these.

    Returns
    -------
    float
        1 for a harmonic crystal; nan where there is no restoring force at the small amplitude.
    """
    cell = atoms.copy()
    while len(cell) < 8:
        shortest = int(np.argmin(cell.cell.lengths()))
        cell = cell.repeat([2 if k == shortest else 1 for k in range(3)])
    rng = np.random.default_rng(seed)
    slopes = {_SMALL_A: 0.0, _LARGE_A: 0.0}
    for _ in range(patterns):
        pattern = rng.normal(size=cell.positions.shape)
        pattern -= pattern.mean(axis=0)
        pattern /= np.sqrt((pattern**2).sum(axis=1).mean())
        for size in slopes:
            moved = []
            for sign in (1.0, -1.0):
                copy = cell.copy()
                copy.positions += sign * size * pattern
                moved.append(copy)
            plus, minus = potential.evaluate(moved)
            slopes[size] -= float(((plus.forces_ev_per_a - minus.forces_ev_per_a) * pattern).sum()) / (2.0 * size)
    return slopes[_LARGE_A] / slopes[_SMALL_A] if slopes[_SMALL_A] > 0.0 else math.nan
