"""The scoreboard of a potential over the textbook, crystal by crystal, so that a long run can go on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from sus2.checks import Check
from sus2.errors import Sus2Error
from sus2.memory import highest_mib
from sus2.potential.evaluation import Calculates
from sus2.progress import Progress, part_of, silent
from sus2.structures import elements_of
from sus2.validation.behaviour import (
    WALL,
    derivative_checks,
    dynamics_checks,
    invariance_checks,
)
from sus2.validation.textbook.crystals import crystals_of, score_crystal
from sus2.validation.textbook.result import CrystalScore, DimerScore, Textbook

# Bond lengths of diatomic molecules in the gas, angstrom: Huber and Herzberg, Constants of Diatomic Molecules (1979).
BONDS_A: Final = {
    "Li-Li": 2.673,
    "Na-Na": 3.079,
    "K-K": 3.905,
    "C-C": 1.243,
    "N-N": 1.098,
    "O-O": 1.208,
    "F-F": 1.412,
    "Si-Si": 2.246,
    "S-S": 1.889,
    "Cl-Cl": 1.988,
    "Cu-Cu": 2.220,
    "F-Li": 1.564,
    "Cl-Na": 2.361,
    "Mg-O": 1.749,
    "Ca-O": 1.822,
    "B-N": 1.281,
}
_SPEED_ATOMS: Final = 64
_DYNAMICS_PS: Final = 1.0


def textbook(
    potential: Calculates,
    *,
    path: str | Path | None = None,
    dynamics_ps: float = _DYNAMICS_PS,
    progress: Progress | None = None,
) -> Textbook:
    """Score a potential on well-known crystals.

    Parameters
    ----------
    potential
        The potential.
    path
        A file to which every crystal is written when it is done (one line of JSON each). A run that finds it goes on
        where the last one was; a file of another potential is refused.
    dynamics_ps
        Length of the run at constant energy in ps; 0 leaves it out.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    Textbook
        The scores of the crystals, the dimers, and the checks of behaviour.

    Raises
    ------
    Sus2Error
        The potential covers no element of a textbook crystal, or `path` cannot be used.
    CancelledError
        From `progress`.
    """
    crystals, left_out = crystals_of(tuple(potential.elements))
    if not crystals:
        raise Sus2Error(f"{potential.name} covers the elements of no textbook crystal.")
    done = _Done(None if path is None else Path(path), potential)
    tell = progress or silent
    scores = []
    for k, (name, atoms) in enumerate(crystals.items()):
        score = done.scores.get(name)
        if score is None:
            share = 0.9 / len(crystals)
            score = score_crystal(name, atoms, potential, part_of(tell, name, k * share, share))
            done.add(score)
        scores.append(score)
    tell("two atoms", 0.9)
    pairs = sorted({p for atoms in crystals.values() for p in combinations_with_replacement(elements_of(atoms), 2)})
    dimers = tuple(d for pair in pairs if (d := _dimer(potential, *pair)) is not None)
    tell("behaviour", 0.95)
    subject = next((n for n in ("Si diamond", "MgO rocksalt", "Cu fcc") if n in crystals), next(iter(crystals)))
    checks = _behaviour(potential, crystals[subject], dynamics_ps)
    card = getattr(potential, "card", None)
    return Textbook(
        potential=potential.name,
        functional=potential.functional,
        version="" if card is None else card.version,
        crystals=tuple(scores),
        left_out=left_out,
        dimers=dimers,
        checks=tuple(checks),
        checked_on=subject,
        us_per_atom=us_per_atom(potential, crystals[subject]),
        peak_mib=highest_mib(),
    )


class _Done:
    """Scores that are on disk already, and the file that takes the new ones."""

    def __init__(self, path: Path | None, potential: Calculates) -> None:
        self.path = path
        self.scores: dict[str, CrystalScore] = {}
        if path is None:
            return
        card = getattr(potential, "card", None)
        identity = potential.name if card is None else card.identity
        head = {"textbook": 1, "potential": potential.name, "identity": hashlib.sha256(identity.encode()).hexdigest()}
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            if not lines:
                path.write_text(json.dumps(head) + "\n", encoding="utf-8")
                return
        except (OSError, UnicodeDecodeError) as error:
            raise Sus2Error(f"'{path}' cannot be used for a run that goes on later ({error}).") from None
        if _json(lines[0]) != head:
            raise Sus2Error(f"'{path}' holds a run of another potential or of another program; name another file.")
        for line in lines[1:]:
            content = _json(line)
            # The last line may be cut where a run was ended.
            if isinstance(content, dict):
                score = CrystalScore.from_dict(content)
                self.scores[score.crystal] = score

    def add(self, score: CrystalScore) -> None:
        """Write a score; nan, which JSON has not, as null."""
        if self.path is None:
            return
        content = asdict(score)
        content["softening"] = score.softening if math.isfinite(score.softening) else None
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _dimer(potential: Calculates, a: str, b: str) -> DimerScore | None:
    """The curve of two atoms; None where the potential computes no isolated ones."""
    reach = float(covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]])
    far = max(1.8 * reach, float(getattr(potential, "cutoff", 6.0)))
    x = np.concatenate([np.linspace(WALL[0] * reach, 1.4 * reach, 60), np.linspace(1.4 * reach, far, 21)[1:]])
    try:
        found = potential.evaluate([Atoms([a, b], [[0, 0, 0], [0, 0, d]]) for d in x])
    except Sus2Error:
        return None
    e = np.array([f.energy_ev for f in found])
    slope = -np.array([f.forces_ev_per_a[1, 2] for f in found])
    # A step of the energy is the mean slope times its length, to third order.
    rough = np.abs(np.diff(e) / np.diff(x) - 0.5 * (slope[1:] + slope[:-1]))
    outside = x[1:] > WALL[1] * reach
    beyond = np.flatnonzero((e[1:-1] < e[:-2]) & (e[1:-1] < e[2:]) & (x[1:-1] > WALL[1] * reach)) + 1
    pair = "-".join(sorted((a, b)))
    return DimerScore(
        pair=pair,
        wall=bool((np.diff(e[x <= WALL[1] * reach]) < 0).all()),
        minima=len(beyond),
        roughest_ev_per_a=float(rough[outside].max()),
        bond_a=float(x[beyond[e[beyond].argmin()]]) if len(beyond) else math.nan,
        measured_bond_a=BONDS_A.get(pair, math.nan),
        distances_a=tuple(np.round(x, 4).tolist()),
        energies_ev=tuple(np.round(e, 6).tolist()),
    )


def _behaviour(potential: Calculates, atoms: Atoms, dynamics_ps: float) -> list[Check]:
    out: list[Check] = []
    for name, work in (
        ("Derivatives", lambda: derivative_checks(atoms, potential)),
        ("Symmetries", lambda: invariance_checks(atoms, potential)),
        ("Dynamics", lambda: dynamics_checks(atoms, potential, dynamics_ps)[0]),
    ):
        try:
            out += work()
        except Sus2Error as error:
            out.append(Check(name, math.nan, "", "fail", str(error)))
    return out


def us_per_atom(potential: Calculates, atoms: Atoms) -> float:
    """Time of energy, forces and stress, best of three.

    Parameters
    ----------
    potential
        The potential.
    atoms
        The crystal, which is repeated to 64 atoms or more.

    Returns
    -------
    float
        Microseconds per atom.
    """
    cell = atoms.copy()
    while len(cell) < _SPEED_ATOMS:
        shortest = int(np.argmin(cell.cell.lengths()))
        cell = cell.repeat([2 if k == shortest else 1 for k in range(3)])
    cell.rattle(0.01, seed=0)
    best = math.inf
    for _ in range(3):
        # Calculators of others keep the last structure's result.
        cell.positions += 1e-4
        started = time.perf_counter()
        potential.evaluate([cell])
        best = min(best, time.perf_counter() - started)
    return 1e6 * best / len(cell)
