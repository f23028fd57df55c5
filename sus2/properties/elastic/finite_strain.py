"""Elastic constants from stresses of strained cells: our own stencil, pymatgen, and the `elastic` package.

All return d(Cauchy stress)/d(strain), GPa, (6, 6) in Voigt order with engineering shear, in the Cartesian frame of the
cell that they are given, without symmetrisation.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from sus2.derivatives.elastic_tensors import voigt_to_matrix
from sus2.errors import Sus2Error
from sus2.progress import Progress
from sus2.relaxation.relax_many import relax_many
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA
from sus2.voigt import PAIRS

if TYPE_CHECKING:
    from sus2.potential.evaluation import Calculates


STRAIN_STEP = 0.005
# Forces left on the atoms of a strained cell enter divided by the strain, so they must be far below usual limits.
FMAX_EV_PER_A = 2e-5
ACCEPTED_EV_PER_A = 1e-4
# Networks in single precision scatter by 1e-5 to 1e-4 eV/A: asked for less, a relaxation goes on to its last step and
# fails. Beyond the second limit the forces left over are no longer small beside those that a strain of 1 % makes.
NOISE_TO_FMAX = 4.0
NOISIEST_EV_PER_A = 2e-3


def force_noise_ev_per_a(atoms: Atoms, potential: Calculates) -> float:
    """Scatter of the forces between rigid translations of a crystal, which change nothing but the rounding errors.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.

    Returns
    -------
    float
        Largest range of a component of a force over four translations, eV/angstrom.
    """
    moved = []
    for shift in np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3)):
        copy = atoms.copy()
        copy.positions += shift
        moved.append(copy)
    forces = np.array([e.forces_ev_per_a for e in potential.evaluate(moved)])
    return float(np.ptp(forces, axis=0).max())


def stresses_ev_per_a3(
    structures: Sequence[Atoms], potential: Calculates, *, relax_ions: bool, progress: Progress | None, stage: str
) -> tuple[list[Atoms], list[Array]]:
    """The stresses of strained cells.

    Parameters
    ----------
    structures
        The cells.
    potential
        The potential.
    relax_ions
        Bring the ions to rest first.
    progress
        Called with the stage and the fraction of the relaxations that is done.
    stage
        Its words.

    Returns
    -------
    tuple of (list of Atoms, list of ndarray)
        The cells, with their ions at rest if asked, and their stresses (6,), eV/A^3.

    Raises
    ------
    ConvergenceError
        The ions of a cell do not come to rest.
    CancelledError
        From `progress`.
    """
    cells = list(structures)
    if relax_ions:

        def relaxed(_: str, fraction: float) -> None:
            if progress is not None:
                progress(stage, fraction)

        # Of the last one, which symmetry leaves the least.
        noise = NOISE_TO_FMAX * force_noise_ev_per_a(cells[-1], potential)
        fmax = min(max(FMAX_EV_PER_A, noise), 0.5 * NOISIEST_EV_PER_A)
        accepted = max(ACCEPTED_EV_PER_A, 2.0 * fmax)
        for k, found in enumerate(relax_many(cells, potential, cell=False, fmax=fmax, progress=relaxed)):
            # Near a kink of the potential the last digits of the forces may not come down.
            if found.failure or found.max_force_ev_per_a > accepted:
                found.require_converged()
            cells[k] = found.atoms
    return cells, [e.stress_ev_per_a3 for e in potential.evaluate(cells)]


def finite_differences(
    atoms: Atoms, potential: Calculates, *, relax_ions: bool, progress: Progress | None = None
) -> Array:
    """Five-point differences of the stress at strains of 0.5 and 1 %: the error is of fourth order in the strain.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    relax_ions
        Whether ions are at rest in the strained cells, or carried along.
    progress
        Called with the stage and the fraction of the relaxations that is done.

    Returns
    -------
    ndarray
        (6, 6) GPa.

    Raises
    ------
    ConvergenceError
        The ions of a strained cell do not come to rest.
    CancelledError
        From `progress`.
    """
    steps = STRAIN_STEP * np.array([-2.0, -1.0, 1.0, 2.0])
    weights = np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * STRAIN_STEP)
    cells = []
    for v in range(6):
        for step in steps:
            strain = np.zeros((3, 3))
            i, j = PAIRS[v]
            # Engineering shear: half of it in each of the two components.
            strain[i, j] = strain[j, i] = step if i == j else 0.5 * step
            cells.append(_deformed(atoms, np.eye(3) + strain))
    _, stress = stresses_ev_per_a3(
        cells, potential, relax_ions=relax_ions, progress=progress, stage="straining the cell"
    )
    by_strain = np.array(stress).reshape(6, 4, 6)
    return np.einsum("s,vsk->kv", weights, by_strain) * EV_PER_A3_TO_GPA


def by_pymatgen(atoms: Atoms, potential: Calculates, *, relax_ions: bool, progress: Progress | None = None) -> Array:
    """pymatgen's deformed structures at strains of 0.5 and 1 % and its fit of independent strains.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    relax_ions
        Whether ions are at rest in the strained cells, or carried along.
    progress
        Called with the stage and the fraction of the relaxations that is done.

    Returns
    -------
    ndarray
        (6, 6) GPa.

    Raises
    ------
    ConvergenceError
        The ions of a strained cell do not come to rest.
    CancelledError
        From `progress`.
    """
    from pymatgen.analysis.elasticity import DeformedStructureSet, ElasticTensor, Strain, Stress
    from pymatgen.io.ase import AseAtomsAdaptor

    steps = [k * STRAIN_STEP for k in (-2, -1, 1, 2)]
    structure = AseAtomsAdaptor.get_structure(
        Atoms(atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)
    )
    strained = DeformedStructureSet(structure, norm_strains=steps, shear_strains=steps, symmetry=False)
    cells = [_plain(AseAtomsAdaptor.get_atoms(s)) for s in strained]
    _, stress = stresses_ev_per_a3(
        cells, potential, relax_ions=relax_ions, progress=progress, stage="straining the cell (pymatgen)"
    )
    strains = [Strain.from_deformation(d) for d in strained.deformations]
    start = potential.evaluate([atoms])[0].stress_ev_per_a3
    with warnings.catch_warnings():
        # It warns of a tensor that is not yet symmetrised; we do that afterwards.
        warnings.simplefilter("ignore")
        found = ElasticTensor.from_independent_strains(
            strains,
            [Stress(voigt_to_matrix(s)) for s in stress],
            eq_stress=Stress(voigt_to_matrix(start)),
            vasp=False,
        )
    return np.array(found.voigt, dtype=float) * EV_PER_A3_TO_GPA


def by_elastic_package(
    conventional: Atoms, potential: Calculates, *, relax_ions: bool, progress: Progress | None = None
) -> Array:
    """The `elastic` package on the standard conventional cell, the only one in which its equations hold.

    Parameters
    ----------
    conventional
        That cell.
    potential
        The potential.
    relax_ions
        Whether ions are at rest in the strained cells, or carried along.
    progress
        Called with the stage and the fraction of the relaxations that is done.

    Returns
    -------
    ndarray
        (6, 6) GPa.

    Raises
    ------
    Sus2Error
        The package is not installed.
    ConvergenceError
        The ions of a strained cell do not come to rest.
    CancelledError
        From `progress`.
    """
    try:
        import elastic as package
    except ModuleNotFoundError:
        raise Sus2Error(
            "The optional package elastic is not installed: install it with pip install 'sus2[elastic]', or choose "
            "another method."
        ) from None
    start = conventional.copy()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strained = package.get_elementary_deformations(start, n=5, d=100.0 * 2 * STRAIN_STEP)
        cells, stress = stresses_ev_per_a3(
            strained,
            potential,
            relax_ions=relax_ions,
            progress=progress,
            stage="straining the cell (elastic)",
        )
        for cell, s in zip(cells, stress, strict=True):
            cell.calc = SinglePointCalculator(cell, stress=s)
        start.calc = SinglePointCalculator(start, stress=potential.evaluate([conventional])[0].stress_ev_per_a3)
        _, fit = package.get_elastic_tensor(start, cells)
        names = package.elastic.get_cij_order(start)
        lattice = package.elastic.get_lattice_type(start)[0]
    return _filled(dict(zip(names, np.asarray(fit[0], dtype=float), strict=True)), lattice) * EV_PER_A3_TO_GPA


METHODS: dict[str, Callable[..., Array]] = {
    "finite": finite_differences,
    "pymatgen": by_pymatgen,
    "elastic-package": by_elastic_package,
}


def _filled(values: dict[str, float], lattice: int) -> Array:
    """The whole tensor from the independent constants of that package (lattice type 1 triclinic ... 7 cubic)."""
    c = np.zeros((6, 6))
    for name, value in values.items():
        i, j = int(name[-2]) - 1, int(name[-1]) - 1
        c[i, j] = c[j, i] = value

    def same(pairs: Sequence[tuple[tuple[int, int], float]], source: tuple[int, int]) -> None:
        for (i, j), factor in pairs:
            c[i, j] = c[j, i] = factor * c[source]

    if lattice == 7:
        same([((1, 1), 1), ((2, 2), 1)], (0, 0))
        same([((0, 2), 1), ((1, 2), 1)], (0, 1))
        same([((4, 4), 1), ((5, 5), 1)], (3, 3))
    elif lattice in (4, 5, 6):
        same([((1, 1), 1)], (0, 0))
        same([((1, 2), 1)], (0, 2))
        same([((4, 4), 1)], (3, 3))
        if lattice != 4:
            c[5, 5] = 0.5 * (c[0, 0] - c[0, 1])
        if lattice == 5:
            same([((1, 3), -1), ((4, 5), 1)], (0, 3))
    return c


def _deformed(atoms: Atoms, gradient: Array) -> Atoms:
    out = _plain(atoms)
    out.set_cell(np.asarray(atoms.cell) @ gradient.T, scale_atoms=True)
    return out


def _plain(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, cell=np.asarray(atoms.cell), positions=atoms.positions, pbc=True)
