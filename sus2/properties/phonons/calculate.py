"""Phonons of a crystal: exact from the primitive cell, or by finite displacements in a supercell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2.derivatives.second_order import second_derivatives
from sus2.derivatives.supercell import supercell_matrix_of
from sus2.errors import Sus2Error, printable
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of
from sus2.properties.phonons.backends import (
    SYMPREC_A,
    finite_differences,
    nac_parameters,
    phonopy_of,
    supercell_of_length,
)
from sus2.properties.phonons.result import Method, PhononResult, three_numbers
from sus2.registry.external import require_potential
from sus2.relaxation.relax import relax
from sus2.structures import standardise, to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

RELAX_FMAX_EV_PER_A = 1e-4
MESH_LENGTH_A = 60.0
MIN_SUPERCELL_A = 12.0
_RELAX_SHARE = 0.3


def phonons(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    relaxed: bool = False,
    method: Method | None = None,
    mesh: float | Sequence[int] = MESH_LENGTH_A,
    supercell: ArrayLike | None = None,
    displacement_a: float = 0.01,
    born: str | None = None,
    progress: Progress | None = None,
) -> PhononResult:
    """Compute the phonons of a crystal in its standard primitive cell.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential; the exact method needs one of this package.
    relaxed
        Take the crystal as it is instead of relaxing it first.
    method
        "exact", second derivatives of the potential, or "finite", phonopy's displacements with the forces of any
        potential. By default exact where the potential has second derivatives, else finite.
    mesh
        Three numbers, or a length in angstrom (numbers times cell vectors).
    supercell
        (3,) or (3, 3), columns, for finite displacements and for the files of both methods; by default at least max(12
        A, 2 rc) wide, and 4 rc for the exact method without BORN file, where phonopy then interpolates exactly (the
        non-analytical term costs much more in a large supercell).
    displacement_a
        Of the finite displacements, angstrom.
    born
        The text of a BORN file for the atoms of that primitive cell.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    PhononResult
        Frequencies at any q; bands, density of states and thermal functions at their first use.

    Raises
    ------
    StructureError
        The structure is no crystal.
    UnknownElementError
        The potential does not cover an element.
    ConvergenceError
        The relaxation did not end.
    CancelledError
        From `progress`.
    Sus2Error
        The BORN file, supercell or mesh cannot be used, or the potential has not this method.
    """
    require_potential(potential)
    start = to_atoms(atoms)
    if not (np.isfinite(displacement_a) and 1e-5 <= displacement_a <= 0.5):
        raise Sus2Error(f"The displacement must lie between 1e-5 and 0.5 Å, found {displacement_a:g}.")
    method = method or best_method(potential)
    if method not in ("exact", "finite"):
        raise Sus2Error(f"The method must be 'exact' or 'finite', not '{method}'.")
    if method == "exact" and not isinstance(potential, Potential):
        raise Sus2Error(f"Exact phonons need a SUS2 potential, which {potential.name} is not; use method='finite'.")
    points = checked_mesh(mesh)
    given = None if supercell is None else supercell_matrix_of(supercell)
    relaxation = None
    if not relaxed:
        # Displacements take longer than the relaxation; exact derivatives take no time beside it.
        first = part_of(progress, "", 0.0, _RELAX_SHARE) if progress is not None and method == "finite" else progress
        relaxation = relax(start, potential, fmax=RELAX_FMAX_EV_PER_A, progress=first).require_converged()
        start = relaxation.atoms
    primitive = standardise(start, "primitive", symprec=max(SYMPREC_A, 1e-3))
    reach = float(getattr(potential, "cutoff", 0.5 * MIN_SUPERCELL_A))
    matrix = given
    if matrix is None:
        matrix = supercell_of_length(
            primitive, 4 * reach if method == "exact" and born is None else max(MIN_SUPERCELL_A, 2 * reach)
        )
    second, finite = None, None
    if method == "exact":
        assert isinstance(potential, Potential)
        second = second_derivatives(primitive, potential)
    else:
        done = _RELAX_SHARE if relaxation is not None else 0.0
        second_part = None if progress is None else part_of(progress, "", done, 1.0 - done)
        finite = finite_differences(primitive, potential, matrix, displacement_a, second_part)
    result = PhononResult(
        potential=potential,
        atoms=primitive,
        method=method,
        relaxation=relaxation,
        second=second,
        supercell_matrix=matrix,
        mesh=points,
        born=born,
        _finite=finite,
    )
    if born is not None:
        nac_parameters(born, phonopy_of(primitive, np.eye(3)))
    return result


def best_method(potential: Calculates) -> Method:
    """The method that the properties take by default: exact derivatives where the potential has them.

    Parameters
    ----------
    potential
        The potential.

    Returns
    -------
    str
        "exact" for a potential of this package, else "finite".
    """
    return "exact" if isinstance(potential, Potential) else "finite"


def checked_mesh(mesh: float | Sequence[int]) -> float | tuple[int, int, int]:
    """A mesh of q points as it was given.

    Parameters
    ----------
    mesh
        Three numbers, or a length in angstrom.

    Returns
    -------
    float or tuple of int
        The same.

    Raises
    ------
    Sus2Error
        It is neither, or out of range.
    """
    try:
        numbers = np.asarray(mesh, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape == () and np.isfinite(numbers) and 1.0 <= numbers <= 1000.0:
        return float(numbers)
    if numbers.shape == (3,) and (numbers >= 1).all() and (numbers <= 500).all() and (numbers % 1 == 0).all():
        return three_numbers(numbers)
    raise Sus2Error(
        f"The mesh must be three whole numbers or a length between 1 and 1000 Å, found {printable(str(mesh))}."
    )
