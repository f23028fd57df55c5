"""The minimiser of one structure or many at once: one batch of energies and forces for each step of all of them.

The coordinates of a structure with lattice C0 (rows) and deformation F = exp(U), U symmetric, are y with positions
x = y F, and U. With forces f and the virial W = V sigma (+ P V for a target pressure)

    dE/dy = -f F^T,    dE/dF = F^-1 W,    dE/dU = Q (L o (Q^T (dE/dF) Q)) Q^T,

where U = Q diag(u) Q^T and L_ab = (exp(u_a) - exp(u_b)) / (u_a - u_b). Only directions that keep the space group are
variables, so a highly symmetric crystal has few. It is BFGS with the step and the first Hessian of
ase.optimize.BFGS; a structure leaves the batch when it meets its tolerances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from sus2.errors import ConvergenceError, StructureError
from sus2.potential.evaluation import Calculates, Evaluation
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.relaxation.criteria import check_sane, stress_deviation_gpa, suspects_of
from sus2.relaxation.result import RelaxResult
from sus2.relaxation.symmetry import KeepSymmetry, spacegroup, spacegroup_and_constraint
from sus2.structures.crystal import SYMPREC_A, to_atoms
from sus2.structures.symmetry import Cell, keep_for_scaled, right_handed
from sus2.types import Array
from sus2.units import GPA_TO_EV_PER_A3
from sus2.voigt import INDEX

# Measured on metals, half-Heuslers, oxides and halides at +-15 % volume and rattled: an initial curvature of
# 30 eV/A^2 with cell coordinates scaled by sqrt(N) takes a third to a half of the evaluations of ASE's defaults
# (70 eV/A^2, N), because the curvature of log-strain scaled so is near that of an atom's displacement.
CURVATURE_EV_PER_A2 = 30.0
MIN_CELL_FACTOR = 1.5
# The dense Hessian of BFGS costs (3N)^3 per step; its limited-memory form takes the same path.
MAX_DENSE_ATOMS = 150
MAX_STEP_A = 0.2


@dataclass(frozen=True)
class Options:
    """The arguments of sus2.relax.

    Attributes
    ----------
    positions
        Whether atoms may move.
    cell
        Whether the cell may change.
    fmax
        Largest force left on an atom, eV/angstrom.
    stress_gpa
        Largest deviation left in a component of the stress, GPa.
    pressure_gpa
        Target pressure, GPa.
    fixed_volume
        Relax the shape of the cell only.
    max_steps
        Most steps.
    """

    positions: bool
    cell: bool
    fmax: float
    stress_gpa: float
    pressure_gpa: float
    fixed_volume: bool
    max_steps: int


@dataclass(eq=False)
class Run:
    """One structure on its way: y and U as y0 + directions @ q[:p] and cell_directions @ q[p:] / factor."""

    atoms: Atoms
    given: Cell | None  # for spglib; None where it is not a crystal
    before: str
    constrained: bool
    start_volume: float
    lattice: Array
    origin: Array
    directions: Array  # (3N, p)
    cell_directions: Array  # (9, c)
    factor: float
    q: Array
    hessian: Array
    previous: tuple[Array, Array] | None = None
    energies: list[float] = field(default_factory=list)
    force: float = math.nan
    stress: float = math.nan
    converged: bool = False
    failure: str = ""

    def strain(self) -> Array:
        """U, (3, 3)."""
        p = self.directions.shape[1]
        return np.asarray((self.cell_directions @ self.q[p:]).reshape(3, 3) / self.factor, dtype=np.float64)

    def place(self, deformation: Array) -> None:
        """Put the atoms where q says."""
        p = self.directions.shape[1]
        y = self.origin + (self.directions @ self.q[:p]).reshape(-1, 3)
        if self.cell_directions.shape[1]:
            self.atoms.cell[:] = self.lattice @ deformation
            y = y @ deformation
        self.atoms.positions[:] = y

    def step(self, slope: Array) -> None:
        """One step of BFGS down the gradient, as in ase.optimize.BFGS.

        Parameters
        ----------
        slope
            (p + c,), dE/dq.
        """
        if self.previous is not None:
            moved, change = self.q - self.previous[0], slope - self.previous[1]
            if np.abs(moved).max(initial=0.0) >= 1e-7:
                turned = self.hessian @ moved
                a, b = float(moved @ change), float(moved @ turned)
                if a != 0.0 and b != 0.0:
                    self.hessian += np.outer(change, change) / a - np.outer(turned, turned) / b
        self.previous = (self.q.copy(), slope)
        values, vectors = np.linalg.eigh(self.hessian)
        move = -vectors @ ((slope @ vectors) / np.abs(values))
        p = self.directions.shape[1]
        rows = [(self.directions @ move[:p]).reshape(-1, 3), (self.cell_directions @ move[p:]).reshape(-1, 3)]
        longest = max(float(np.linalg.norm(r, axis=1).max(initial=0.0)) for r in rows)
        self.q = self.q + move * min(1.0, MAX_STEP_A / longest if longest > 0 else 1.0)


def relax_one(
    atoms: Atoms, potential: Calculates, symmetry: bool, options: Options, progress: Progress | None
) -> RelaxResult:
    """Relax one checked structure.

    Parameters
    ----------
    atoms
        The structure, which is moved.
    potential
        The potential.
    symmetry
        Keep its space group.
    options
        The arguments of sus2.relax.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    RelaxResult
        What it came to.

    Raises
    ------
    ConvergenceError
        The relaxation had to be given up.
    """
    run = start(atoms, symmetry, options)
    active, first = [run], 0.0
    while active:
        active = advance(active, potential, options)
        if run.failure:
            raise ConvergenceError(run.failure)
        if progress is not None:
            force = run.force / options.fmax if options.positions else 0.0
            excess = max(force, run.stress / options.stress_gpa if options.cell else 0.0)
            first = max(first, excess)
            done = 1.0 if excess <= 1.0 else 1.0 - math.log(excess) / math.log(first)
            progress("relaxing", min(1.0, max(0.0, done)))
    return result_of(run, options, potential)


def start(atoms: Atoms, symmetry: bool, options: Options) -> Run:
    """Make a run of a checked crystal.

    Parameters
    ----------
    atoms
        The crystal, which the run moves.
    symmetry
        Keep its space group.
    options
        The arguments of sus2.relax.

    Returns
    -------
    Run
        Before its first step.
    """
    given = right_handed(atoms)[0] if atoms.pbc.all() else None
    before, constraint = spacegroup_and_constraint(atoms, constraint=symmetry)
    start_volume = abs(float(atoms.cell.volume))
    if constraint is not None:
        constraint.symmetrise(atoms, change_cell=options.cell)
        if options.fixed_volume:
            atoms.set_cell(atoms.cell * (start_volume / abs(atoms.cell.volume)) ** (1 / 3), scale_atoms=True)
    directions = _atom_directions(atoms, constraint) if options.positions else np.zeros((3 * len(atoms), 0))
    cell_directions = _cell_directions(atoms, constraint, options) if options.cell else np.zeros((9, 0))
    size = directions.shape[1] + cell_directions.shape[1]
    return Run(
        atoms=atoms,
        given=given,
        before=before,
        constrained=constraint is not None,
        start_volume=start_volume,
        lattice=np.array(atoms.cell.array),
        origin=atoms.positions.copy(),
        directions=directions,
        cell_directions=cell_directions,
        factor=max(MIN_CELL_FACTOR, math.sqrt(len(atoms))),
        q=np.zeros(size),
        hessian=CURVATURE_EV_PER_A2 * np.eye(size),
    )


def _turns(atoms: Atoms, constraint: KeepSymmetry) -> Array:
    """The operations on Cartesian row vectors: v -> v @ turn, (n, 3, 3)."""
    lattice = np.array(atoms.cell.array)
    return np.asarray(np.linalg.inv(lattice) @ constraint.rotations.transpose(0, 2, 1) @ lattice, dtype=np.float64)


def _atom_directions(atoms: Atoms, constraint: KeepSymmetry | None) -> Array:
    """Orthonormal displacements (3N, p) that keep the symmetry."""
    n = len(atoms)
    if constraint is None:
        return np.eye(3 * n)
    mean = np.zeros((n, n, 3, 3))
    every = np.arange(n)
    for source, turn in zip(constraint.source, _turns(atoms, constraint), strict=True):
        mean[every, source] += turn.T
    mean /= len(constraint.source)
    return _range_of(mean.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n))


def _cell_directions(atoms: Atoms, constraint: KeepSymmetry | None, options: Options) -> Array:
    """Orthonormal symmetric matrices U (9, c) that keep the symmetry, traceless at fixed volume."""
    basis = np.eye(9).reshape(9, 3, 3)
    images = 0.5 * (basis + basis.transpose(0, 2, 1))
    if options.fixed_volume:
        images = images - np.trace(images, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3.0
    if constraint is not None:
        turns = _turns(atoms, constraint)
        images = (turns.transpose(0, 2, 1)[:, None] @ images @ turns[:, None]).mean(axis=0)
    return _range_of(images.reshape(9, 9))


def _range_of(projector: Array) -> Array:
    """Orthonormal basis (n, rank) of the space that an orthogonal projector keeps."""
    values, vectors = np.linalg.eigh(0.5 * (projector + projector.T))
    return np.ascontiguousarray(vectors[:, values > 0.5])


def advance(runs: list[Run], potential: Calculates, options: Options) -> list[Run]:
    """Evaluate where all runs are and move those that go on.

    Parameters
    ----------
    runs
        Structures on their way.
    potential
        The potential, which evaluates them in one batch.
    options
        The arguments of sus2.relax.

    Returns
    -------
    list of Run
        Those that go on.
    """
    spectrum, frames = np.linalg.eigh(np.stack([run.strain() for run in runs]))
    growth = np.exp(spectrum)
    deformation = (frames * growth[:, None, :]) @ frames.transpose(0, 2, 1)
    sound = []
    for run, f in zip(runs, deformation, strict=True):
        run.place(f)
        if not (np.isfinite(f).all() and np.isfinite(run.atoms.positions).all()):
            run.failure = f"{run.atoms.get_chemical_formula('metal')}: the steps of the relaxation became infinite."
        sound.append(not run.failure)
    kept = [k for k, good in enumerate(sound) if good]
    try:
        found = potential.evaluate([runs[k].atoms for k in kept])
    except StructureError:
        # One step can take a cell to where nothing can be computed any more; the others go on.
        kept = [k for k in kept if _is_computable(runs[k])]
        found = potential.evaluate([runs[k].atoms for k in kept])
    suspects = suspects_of([runs[k].atoms for k in kept])
    onward = []
    for k, result, suspect in zip(kept, found, suspects, strict=True):
        run = runs[k]
        _judge(run, result, suspect, options)
        if run.converged or run.failure or len(run.energies) > options.max_steps or not len(run.q):
            continue
        run.step(_slope(run, result, deformation[k], (spectrum[k], growth[k], frames[k]), options))
        onward.append(run)
    return onward


def _is_computable(run: Run) -> bool:
    """Whether the run is at a crystal; if not, its failure says so."""
    try:
        to_atoms(run.atoms)
        return True
    except StructureError as error:
        run.failure = f"{run.atoms.get_chemical_formula('metal')}: the relaxation left all sense. {error}"
    try:
        check_sane(run.atoms, 0.0, np.zeros((len(run.atoms), 3)), run.start_volume)
    except ConvergenceError as error:
        run.failure = str(error)
    return False


def _judge(run: Run, result: Evaluation, suspect: bool, options: Options) -> None:
    forces = result.forces_ev_per_a
    run.energies.append(result.energy_ev)
    ratio = abs(float(run.atoms.cell.volume)) / run.start_volume if run.start_volume > 0 else 1.0
    if suspect or not (math.isfinite(result.energy_ev) and np.isfinite(forces).all() and 0.5 < ratio < 2.0):
        try:
            check_sane(run.atoms, result.energy_ev, forces, run.start_volume)
        except ConvergenceError as error:
            run.failure = str(error)
    run.force = float(np.linalg.norm(forces, axis=1).max())
    if run.atoms.pbc.all():
        run.stress = stress_deviation_gpa(result.stress_ev_per_a3, options.pressure_gpa, options.fixed_volume)
    still = not options.positions or run.force <= options.fmax
    unstrained = not options.cell or run.stress <= options.stress_gpa
    run.converged = still and unstrained and not run.failure


def _slope(run: Run, result: Evaluation, f: Array, spectrum: tuple[Array, Array, Array], options: Options) -> Array:
    """dE/dq (p + c,)."""
    to_y = -result.forces_ev_per_a @ f.T
    parts = [run.directions.T @ to_y.ravel()]
    if run.cell_directions.shape[1]:
        volume = abs(float(run.atoms.cell.volume))
        pressure = options.pressure_gpa * GPA_TO_EV_PER_A3
        virial = volume * (result.stress_ev_per_a3[np.array(INDEX)] + pressure * np.eye(3))
        u, growth, frame = spectrum
        gap = u[:, None] - u
        near = np.abs(gap) < 1e-7
        # Where two eigenvalues meet, the divided difference is the exponential of their mean.
        quotient = np.where(near, np.exp(0.5 * (u[:, None] + u)), (growth[:, None] - growth) / np.where(near, 1.0, gap))
        to_f = frame.T @ np.linalg.solve(f, virial) @ frame
        to_u = frame @ (quotient * to_f) @ frame.T
        parts.append(run.cell_directions.T @ to_u.ravel() / run.factor)
    return np.concatenate(parts)


def result_of(run: Run, options: Options, potential: Calculates) -> RelaxResult:
    """What a run has come to, with a copy of its atoms."""
    final = run.atoms.copy()
    if run.given is not None and not run.failure:
        keep_for_scaled(run.given, right_handed(final)[0], SYMPREC_A)
    return RelaxResult(
        potential=potential if isinstance(potential, Potential) else None,
        atoms=final,
        converged=run.converged,
        steps=max(0, len(run.energies) - 1),
        max_force_ev_per_a=run.force,
        max_stress_gpa=run.stress,
        energy_ev=run.energies[-1] if run.energies else math.nan,
        energies_ev=tuple(run.energies),
        volume_a3=abs(float(final.cell.volume)),
        start_volume_a3=run.start_volume,
        pressure_gpa=options.pressure_gpa,
        spacegroup_before=run.before,
        spacegroup_after=spacegroup(final),
        symmetry_constrained=run.constrained,
        positions_free=options.positions,
        cell_free=options.cell,
        force_tolerance_ev_per_a=options.fmax,
        stress_tolerance_gpa=options.stress_gpa,
        failure=run.failure,
    )
