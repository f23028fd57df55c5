"""How symmetry limits the elastic constants, and which stress a strain calls up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.errors import Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.ieee_axes import crystal_axes, symmetrised
from sus2.properties.elastic.result import ElasticResult
from sus2.relaxation.relax import relax
from sus2.structures import to_atoms
from sus2.structures.description import CrystalSystem
from sus2.types import Array, Mask
from sus2.units import EV_PER_A3_TO_GPA
from sus2.voigt import PAIRS

MAX_STRAIN_PERCENT = 20.0
_SYMPREC_A = 1e-4
# Relative size below which an entry of the invariant tensors is rounding.
_ROUNDING = 1e-8


@dataclass(frozen=True, eq=False)
class ElasticSymmetry:
    """What the point group leaves of the 21 elastic constants.

    Attributes
    ----------
    space_group
        Symbol of the space group.
    system
        The crystal system.
    operations
        Number of rotations and mirrors of the point group.
    independent
        How many numbers remain.
    nonzero
        (6, 6) which entries of the tensor may differ from zero, in the Cartesian axes of the crystal as given.
    """

    space_group: str
    system: CrystalSystem
    operations: int
    independent: int
    nonzero: Mask


@dataclass(frozen=True, eq=False)
class StrainResponse:
    """Stress of a strained crystal, Voigt order xx yy zz yz xz xy, GPa, in the IEEE axes of `elastic`.

    Attributes
    ----------
    strain_percent
        (6,) engineering shear.
    stress_gpa
        (6,) computed in the strained cell with the ions at rest.
    clamped_gpa
        (6,) with the ions carried along.
    linear_gpa
        (6,) C times the strain.
    symmetry
        Of the strained crystal.
    """

    strain_percent: Array
    stress_gpa: Array
    clamped_gpa: Array
    linear_gpa: Array
    symmetry: ElasticSymmetry

    @property
    def nonlinearity_percent(self) -> float:
        """Largest difference of the computed stress from C times the strain, percent of the largest stress of it."""
        largest = float(np.abs(self.linear_gpa).max())
        if largest == 0.0:
            return 0.0
        return 100.0 * float(np.abs(self.stress_gpa - self.linear_gpa).max()) / largest


@dataclass(frozen=True, eq=False)
class Cauchy:
    """C12 and C44 of n cubic crystals; equal where only central forces act.

    Attributes
    ----------
    labels
        Of the crystals.
    c12_gpa
        (n,) with relaxed ions.
    c44_gpa
        (n,) with relaxed ions.
    clamped_c12_gpa
        (n,) with clamped ions.
    clamped_c44_gpa
        (n,) with clamped ions.
    """

    labels: tuple[str, ...]
    c12_gpa: Array
    c44_gpa: Array
    clamped_c12_gpa: Array
    clamped_c44_gpa: Array

    @cached_property
    def ratio(self) -> Array:
        """C12/C44 of clamped ions, 1 for central forces."""
        return self.clamped_c12_gpa / self.clamped_c44_gpa


def elastic_symmetry(atoms: Atoms) -> ElasticSymmetry:
    """Independent elastic constants: the dimension of the tensors that no operation of the point group changes.

    Counted by averaging the 21 unit tensors over the point group of the actual crystal (Nye, Physical Properties of
    Crystals, 1985).

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    ElasticSymmetry
        In its own axes.

    Raises
    ------
    StructureError
        The crystal cannot be used.
    """
    axes = crystal_axes(to_atoms(atoms), _SYMPREC_A)
    invariant = []
    for i in range(6):
        for j in range(i, 6):
            unit = np.zeros((6, 6))
            unit[i, j] = unit[j, i] = 1.0
            invariant.append(symmetrised(unit, axes.rotations))
    table = np.array(invariant)
    return ElasticSymmetry(
        space_group=axes.space_group,
        system=axes.system,
        # A centred cell lists each operation once for every lattice point in it.
        operations=len(np.unique(np.round(axes.rotations, 6), axis=0)),
        independent=int(np.linalg.matrix_rank(table.reshape(21, 36), tol=_ROUNDING)),
        nonzero=np.abs(table).max(axis=0) > _ROUNDING,
    )


def strain_response(result: ElasticResult, potential: Calculates, strain_percent: ArrayLike) -> StrainResponse:
    """Strain the crystal of an elastic result and compute its stress anew.

    Cell vectors are multiplied by 1 + e with the symmetric strain e in the IEEE axes.

    Parameters
    ----------
    result
        With the relaxed crystal and C.
    potential
        The potential.
    strain_percent
        (6,) Voigt, engineering shear.

    Returns
    -------
    StrainResponse
        Computed and linear.

    Raises
    ------
    Sus2Error
        Not six numbers, a strain beyond 20 %, or what relax raises.
    """
    strain = np.asarray(strain_percent, dtype=np.float64)
    if strain.shape != (6,) or not np.isfinite(strain).all() or np.abs(strain).max() > MAX_STRAIN_PERCENT:
        raise Sus2Error(
            f"A strain has six components of at most {MAX_STRAIN_PERCENT:g} %, in the order xx yy zz yz xz xy."
        )
    e = np.zeros((3, 3))
    for k, (i, j) in enumerate(PAIRS):
        e[i, j] = e[j, i] = strain[k] / 100.0 * (1.0 if i == j else 0.5)
    axes = result.axes
    deformation = np.eye(3) + axes.T @ e @ axes
    clamped = result.atoms.copy()
    clamped.set_cell(result.atoms.cell.array @ deformation.T, scale_atoms=True)
    relaxed = clamped
    if len(clamped) > 1:
        # A small strain leaves the symmetry within the tolerance of its search, which would then hold the ions.
        relaxed = relax(clamped, potential, cell=False, fmax=1e-4, symmetry=False).require_converged().atoms
    found = potential.evaluate([result.atoms, clamped, relaxed])
    first, *others = (_in_axes(r.stress_ev_per_a3, axes) * EV_PER_A3_TO_GPA for r in found)
    return StrainResponse(
        strain_percent=strain,
        stress_gpa=others[1] - first,
        clamped_gpa=others[0] - first,
        linear_gpa=result.c_gpa @ strain / 100.0,
        symmetry=elastic_symmetry(relaxed),
    )


def cauchy(crystals: dict[str, Atoms], potential: Potential, *, progress: Progress | None = None) -> Cauchy:
    """C12 against C44 of cubic crystals.

    Cauchy's relation C12 = C44 holds where every atom is a centre of inversion and only central forces act; Born and
    Huang, Dynamical Theory of Crystal Lattices (1954), section 11.

    Parameters
    ----------
    crystals
        By label.
    potential
        The potential.
    progress
        Told how far it is.

    Returns
    -------
    Cauchy
        In the order of the crystals.

    Raises
    ------
    Sus2Error
        A crystal that is not cubic, or what elastic raises.
    """
    rows = []
    for k, (label, atoms) in enumerate(crystals.items()):
        if progress is not None:
            progress(label, k / len(crystals))
        found = elastic(atoms, potential, cross_checks=False)
        if found.crystal_system != "cubic":
            raise Sus2Error(
                f"{label} is {found.crystal_system}, and this form of Cauchy's relation is for cubic crystals."
            )
        c, clamped = found.c_gpa, found.clamped_c_gpa
        rows.append([c[0, 1], c[3, 3], clamped[0, 1], clamped[3, 3]])
    table = np.array(rows).reshape(-1, 4)
    return Cauchy(tuple(crystals), table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def _in_axes(stress: Array, axes: Array) -> Array:
    matrix = np.zeros((3, 3))
    for k, (i, j) in enumerate(PAIRS):
        matrix[i, j] = matrix[j, i] = stress[k]
    turned = axes @ matrix @ axes.T
    return np.array([turned[i, j] for i, j in PAIRS])
