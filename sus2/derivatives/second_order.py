"""Exact second derivatives from the primitive cell alone: D(q), force constants, elasticity, sound.

No supercell, no displacement amplitude and no strain amplitude enters. The potential is strictly local, so force
constants end at twice its cutoff and the sums below are finite. Its second derivatives jump where a shell of
neighbours crosses the cutoff; an atom exactly there counts as outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from sus2 import _moved
from sus2.derivatives.elastic_tensors import ElasticTensors, SoundSpeeds, christoffel, elastic_tensors
from sus2.derivatives.lattice_dynamics import LatticeDynamics
from sus2.derivatives.local_hessian import LocalHessian, local_hessian  # noqa: F401  (of the inherited constructor)
from sus2.errors import Sus2Error, counted
from sus2.kept import Kept, fixed
from sus2.potential.potential import Potential
from sus2.structures import to_atoms
from sus2.structures.symmetry import crystal_key
from sus2.types import Array
from sus2.units import AMU_PER_A3_TO_KG_PER_M3, EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure


_Q_CHUNK_ELEMENTS = 8_000_000  # complex numbers held at once by a batch of q: 128 MB
# An internal eigenvalue below this fraction of the largest one is no restoring force.
_SOFT_FRACTION = 1e-6
_COUPLING_FRACTION = 1e-7
MAX_KEPT_ATOMS: Final = 32
"""Second derivatives of larger cells are not kept, as they hold much memory."""
_kept: Final[Kept[SecondDerivatives]] = Kept(6)
_of_crystals: Final[Kept[SecondDerivatives]] = Kept(6)
_GAMMA_DIRECTION = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)


@dataclass(frozen=True, eq=False)
class SecondDerivatives(LatticeDynamics):
    """Second derivatives of one crystal of N atoms; everything is computed at its first use.

    local: the low-rank expansion of the site energies, from which all of it follows.
    """

    # ---- strain

    @cached_property
    def internal_strain_ev_per_a(self) -> Array:
        """Lambda = d2E/(du d(strain)), (3N, 6), eV/A: minus the forces that a unit strain makes.

        Voigt order with engineering shear; u are Cartesian displacements of the strained crystal. At non-zero forces
        it depends on that choice; where the forces vanish it does not.
        """
        return fixed(self._response[:-6, -6:])

    @cached_property
    def clamped_elastic(self) -> ElasticTensors:
        """Elastic constants with every atom carried along by the strain (clamped ions)."""
        return elastic_tensors(self._response[-6:, -6:] / self.volume_a3, self.stress_ev_per_a3)

    @cached_property
    def internal_eigenvalues_ev_per_a2(self) -> Array:
        """Eigenvalues of the Gamma Hessian without the three translations, (3N - 3,), ascending."""
        return self._internal[0]

    @cached_property
    def _internal(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors (3N, 3N - 3) of the Gamma Hessian orthogonal to uniform translations."""
        n = len(self.atoms)
        hessian = self.gamma_hessian_ev_per_a2
        # Springs on the three translations, stiffer than any mode, put them last.
        spring = 2.0 * max(float(np.abs(hessian).sum(axis=1).max()), 1.0)
        values, vectors = np.linalg.eigh(hessian + spring / n * np.tile(np.eye(3), (n, n)))
        return fixed(values[: 3 * n - 3]), fixed(vectors[:, : 3 * n - 3])

    @property
    def soft_internal_modes(self) -> int:
        """Number of zone-centre internal modes without a restoring force (negative or zero curvature)."""
        values = self.internal_eigenvalues_ev_per_a2
        return int((values <= _SOFT_FRACTION * np.abs(values).max(initial=0.0)).sum())

    @cached_property
    def relaxed_elastic(self) -> ElasticTensors:
        """Elastic constants with the atoms at rest under strain: C = C0 - Lambda^T Phi^-1 Lambda / V.

        Born & Huang, Dynamical Theory of Crystal Lattices (1954), section 27; Phi^-1 leaves out translations. A
        zone-centre mode without a restoring force that no strain couples to (by symmetry) takes no part; one that
        couples raises Sus2Error, for the crystal then is not at a minimum.
        """
        values, vectors = self._internal
        coupling = vectors.T @ self.internal_strain_ev_per_a  # (3N - 3, 6)
        largest = np.abs(values).max(initial=0.0)
        soft = values <= _SOFT_FRACTION * largest
        scale = np.sqrt(max(largest, 1e-12) * max(np.abs(self._response[-6:, -6:]).max(), 1e-12))
        moved = soft & (np.abs(coupling) > _COUPLING_FRACTION * scale).any(1)
        if moved.any():
            raise Sus2Error(
                f"Relaxed-ion elastic constants do not exist here: strain excites "
                f"{counted(int(moved.sum()), 'mode')} at Γ without a restoring force (lowest "
                f"{values[moved].min():.3g} eV/Å²). Relax the structure along the unstable mode first, or use the "
                "clamped-ion constants."
            )
        hard = coupling[~soft]
        softening = hard.T @ (hard / values[~soft][:, None])
        return elastic_tensors((self._response[-6:, -6:] - softening) / self.volume_a3, self.stress_ev_per_a3)

    def sound_speeds(self, directions: ArrayLike, *, relaxed: bool = True) -> SoundSpeeds:
        """Long waves by the Christoffel equation.

        rho v^2 w_i = (C_ijkl n_j n_l + s_jl n_j n_l d_ik) w_k with the Brugger constants C of relaxed (or clamped) ions
        and the present stress s (Barron & Klein 1965).

        Parameters
        ----------
        directions
            (nd, 3), Cartesian.
        relaxed
            Whether ions relax with the strain.

        Returns
        -------
        SoundSpeeds
            The slopes of the acoustic branches.

        Raises
        ------
        Sus2Error
            As relaxed_elastic, and for a direction of no length.
        """
        tensors = self.relaxed_elastic if relaxed else self.clamped_elastic
        stress_gpa = self.stress_ev_per_a3 * EV_PER_A3_TO_GPA
        return christoffel(tensors.brugger_gpa, stress_gpa, self.density_kg_per_m3, directions)

    @property
    def density_kg_per_m3(self) -> float:
        """Mass over volume."""
        return float(self._masses.sum() / self.volume_a3 * AMU_PER_A3_TO_KG_PER_M3)


def second_derivatives(atoms: Atoms | Structure, potential: Potential) -> SecondDerivatives:
    """Exact second derivatives of a periodic crystal.

    Those of the last few small crystals are kept, by their exact geometry, masses and potential: elastic constants,
    phonons and the errors of both ask for the same ones.

    Parameters
    ----------
    atoms
        A crystal, taken as it is, not relaxed.
    potential
        Of moment tensors.

    Returns
    -------
    SecondDerivatives
        In float64; not to be changed.

    Raises
    ------
    StructureError
        Coordinates or cell.
    UnknownElementError
        An element that the potential does not cover.
    Sus2Error
        The structure is not periodic in three directions.
    """
    crystal = to_atoms(atoms)
    if not crystal.pbc.all():
        raise Sus2Error(
            "Second derivatives need a crystal that is periodic in three directions; give a cell and set pbc to True."
        )
    if len(crystal) > MAX_KEPT_ATOMS:
        return SecondDerivatives(crystal, potential.name, local_hessian(crystal, potential))
    arrays = (crystal.cell.array, crystal.positions, crystal.numbers, crystal.get_masses())
    # What is kept neither keeps the potential alive nor takes what else this caller's crystal carries to another's.
    key = (ref(potential), *(np.ascontiguousarray(x).tobytes() for x in arrays))
    bare = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
    if crystal.has("masses"):
        bare.set_masses(crystal.get_masses())
    for x in (bare.positions, bare.numbers, bare.cell.array):
        fixed(x)
    found = _kept.get(key, lambda: SecondDerivatives(bare, potential.name, local_hessian(bare, potential)))
    same = (ref(potential), crystal_key(crystal))
    if _of_crystals.known(same) is None:
        _of_crystals.put(same, found)
    return found


def second_derivatives_in_any_cell(atoms: Atoms, potential: Potential) -> SecondDerivatives:
    """Second derivatives of a crystal, for what does not depend on its cell, orientation and masses.

    Parameters
    ----------
    atoms
        A periodic crystal.
    potential
        Of moment tensors.

    Returns
    -------
    SecondDerivatives
        Those that are kept of another standard cell of the same crystal, where there are any.

    Raises
    ------
    Sus2Error
        As second_derivatives.
    """
    return _of_crystals.known((ref(potential), crystal_key(atoms))) or second_derivatives(atoms, potential)


def __getattr__(name: str) -> Any:
    return _moved.left("derivatives.second_order", name)
