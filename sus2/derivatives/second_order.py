"""Exact second derivatives from the primitive cell alone: D(q), force constants, elasticity, sound.

No supercell, no displacement amplitude and no strain amplitude enters. The potential is strictly local, so force
constants end at twice its cutoff and the sums below are finite. Its second derivatives jump where a shell of
neighbours crosses the cutoff; an atom exactly there counts as outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from sus2.derivatives.elastic_tensors import ElasticTensors, SoundSpeeds, christoffel, elastic_tensors, unit_vectors
from sus2.derivatives.local_hessian import (
    LocalHessian,
    forces,
    local_hessian,
    real_space_force_constants,
    response,
    strain_gradient,
)
from sus2.derivatives.supercell import fold
from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.structures import to_atoms
from sus2.units import AMU_PER_A3_TO_KG_PER_M3, EV_PER_A3_TO_GPA, SQRT_EV_PER_AMU_A2_TO_THZ, THZ_A_TO_M_PER_S

if TYPE_CHECKING:
    from pymatgen.core import Structure

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_Q_CHUNK_ELEMENTS = 8_000_000  # complex numbers held at once by a batch of q: 128 MB
# An internal eigenvalue below this fraction of the largest one is no restoring force.
_SOFT_FRACTION = 1e-6
_COUPLING_FRACTION = 1e-7
_GAMMA_DIRECTION = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)


@dataclass(frozen=True, eq=False)
class Modes:
    """frequencies_thz (nq, 3N), ascending, imaginary as negative; eigenvectors (nq, 3N, 3N), one per column."""

    frequencies_thz: Array
    eigenvectors: ComplexArray


@dataclass(frozen=True, eq=False)
class SecondDerivatives:
    """Second derivatives of one crystal of N atoms; everything is computed at its first use.

    local: the low-rank expansion of the site energies, from which all of it follows.
    """

    atoms: Atoms
    potential_name: str
    local: LocalHessian

    # ---- what the same expansion gives at first order

    @property
    def energy_ev(self) -> float:
        return float(self.local.site_energies.sum())

    @cached_property
    def forces_ev_per_a(self) -> Array:
        """(N, 3)."""
        return _numpy(forces(self.local, len(self.atoms)))

    @cached_property
    def stress_ev_per_a3(self) -> Array:
        """(6,), Voigt xx yy zz yz xz xy, positive in tension."""
        return _numpy(strain_gradient(self.local)) / self.volume_a3

    @property
    def volume_a3(self) -> float:
        return float(abs(np.linalg.det(self.atoms.cell.array)))

    # ---- force constants

    @cached_property
    def _real_space(self) -> tuple[NDArray[np.int64], torch.Tensor]:
        return real_space_force_constants(self.local, len(self.atoms))

    @property
    def lattice_vectors(self) -> NDArray[np.int64]:
        """Lattice vectors R of the force constants, (nR, 3) in units of the cell vectors."""
        return self._real_space[0]

    @cached_property
    def force_constants_ev_per_a2(self) -> Array:
        """Phi(j in cell 0, k in cell R) = d2E/du_j du_k, (nR, N, N, 3, 3), exact and zero beyond 2 rc."""
        return _numpy(self._real_space[1])

    @cached_property
    def gamma_hessian_ev_per_a2(self) -> Array:
        """d2E/du2 for displacements of the lattice period, (3N, 3N)."""
        return self._response[:-6, :-6]

    def supercell_force_constants(self, supercell_matrix: ArrayLike, *, full: bool = False) -> Array:
        """Force constants of a periodic supercell in phonopy's layout, eV/A^2.

        (N, M, 3, 3), rows the atoms of the primitive cell (phonopy's compact form), or (M, M, 3, 3) with
        `full`; atoms in the order of phonopy.structure.cells.get_supercell. Every entry sums over all periodic
        images, so that the dynamical matrix at commensurate q is exact in any supercell, however small.
        supercell_matrix: (3,), or (3, 3) with columns the supercell vectors in units of the cell's (phonopy's
        convention). Raises Sus2Error for a matrix that is not of whole numbers or has no volume.
        """
        return fold(self.atoms, self.lattice_vectors, self.force_constants_ev_per_a2, supercell_matrix, full)

    # ---- reciprocal space

    @cached_property
    def _half(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mass-weighted blocks of R = 0 (halved) and of one of each pair R, -R: (nH, 3) and (nH, (3N)^2)."""
        lattice, phi = self._real_space
        order = lattice @ np.array([1_000_003**2, 1_000_003, 1])
        keep = torch.as_tensor(np.flatnonzero(order >= 0), device=phi.device)
        n = 3 * len(self.atoms)
        mass = torch.as_tensor(self._masses, device=phi.device).repeat_interleave(3)
        blocks = phi[keep].transpose(2, 3).reshape(-1, n, n) / torch.sqrt(mass[:, None] * mass[None, :])
        vectors = torch.as_tensor(lattice, dtype=torch.float64, device=phi.device)[keep]
        blocks[(vectors == 0).all(1)] *= 0.5
        return vectors, blocks.reshape(-1, n * n)

    @property
    def _masses(self) -> Array:
        masses = np.asarray(self.atoms.get_masses(), dtype=np.float64)
        if not (masses > 0).all():
            raise Sus2Error(f"Atomic masses must be positive, found {masses.min():g} amu; set them on the structure.")
        return masses

    def _chunks(self, q_fractional: ArrayLike, per_q: int) -> Iterator[torch.Tensor]:
        q = np.asarray(q_fractional, dtype=np.float64).reshape(-1, 3)
        if not np.isfinite(q).all():
            raise Sus2Error("A q-point has coordinates that are not finite numbers; correct it.")
        step = max(1, _Q_CHUNK_ELEMENTS // max(per_q, len(self._half[0])))
        tensor = torch.as_tensor(q, device=self.local.vector.device)
        yield from (tensor[k : k + step] for k in range(0, len(q), step))

    def _dynamical(self, q: torch.Tensor, gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """D(q) (nq, 3N, 3N) and, if asked, dD/dq (nq, 3, 3N, 3N) with q in 1/A without 2 pi."""
        vectors, blocks = self._half
        n = 3 * len(self.atoms)
        angle = 2.0 * torch.pi * q @ vectors.T
        cos, sin = torch.cos(angle), torch.sin(angle)

        def hermitian(re: torch.Tensor, im: torch.Tensor) -> torch.Tensor:
            half = torch.complex(re @ blocks, im @ blocks).reshape(-1, n, n)
            return half + half.mH

        # A lattice-periodic sum first; atom positions in the phases are a diagonal unitary transformation.
        device = q.device
        scaled = torch.as_tensor(self.atoms.cell.scaled_positions(self.atoms.positions), device=device)
        phase = torch.exp(2j * torch.pi * (q @ scaled.T)).repeat_interleave(3, dim=1)
        turn = phase.conj()[:, :, None] * phase[:, None, :]
        periodic = hermitian(cos, sin)
        dynamical = turn * periodic
        if not gradient:
            return dynamical, None
        cartesian = vectors @ torch.as_tensor(self.atoms.cell.array, device=device)
        x = torch.as_tensor(self.atoms.positions, device=device).repeat_interleave(3, dim=0)
        out = []
        for axis in range(3):
            length = 2.0 * torch.pi * cartesian[:, axis]
            between = 2j * torch.pi * (x[None, :, axis] - x[:, None, axis])
            out.append(turn * (hermitian(-sin * length, cos * length) + between * periodic))
        return dynamical, torch.stack(out, dim=1)

    def dynamical_matrix(self, q_fractional: ArrayLike) -> ComplexArray:
        """D(q), (nq, 3N, 3N), eV/(A^2 amu), at q in units of the reciprocal cell vectors, (nq, 3).

        D_jk(q) = sum_R Phi(j 0, k R) / sqrt(m_j m_k) exp(2 pi i q (r_k + R - r_j)): phases carry the positions of
        the atoms, which is phonopy's convention (https://phonopy.github.io/phonopy/formulation.html), so
        eigenvectors agree with phonopy's up to the phase of each mode. Raises Sus2Error for q not finite.
        """
        n = 3 * len(self.atoms)
        parts = [_numpy(self._dynamical(q, False)[0]) for q in self._chunks(q_fractional, n * n)]
        return np.concatenate(parts) if parts else np.zeros((0, n, n), dtype=np.complex128)

    def dynamical_matrix_gradient(self, q_fractional: ArrayLike) -> ComplexArray:
        """dD/dq along x, y, z, (nq, 3, 3N, 3N), eV/(A amu), for q in 1/A without the factor 2 pi."""
        n = 3 * len(self.atoms)
        parts = []
        for q in self._chunks(q_fractional, 4 * n * n):
            gradient = self._dynamical(q, True)[1]
            assert gradient is not None
            parts.append(_numpy(gradient))
        return np.concatenate(parts) if parts else np.zeros((0, 3, n, n), dtype=np.complex128)

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Frequencies, (nq, 3N) THz, ascending; imaginary ones as negative numbers."""
        n = 3 * len(self.atoms)
        parts = [_numpy(torch.linalg.eigvalsh(self._dynamical(q, False)[0])) for q in self._chunks(q_fractional, n * n)]
        return _to_thz(np.concatenate(parts) if parts else np.zeros((0, n)))

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies and mass-weighted eigenvectors (columns, unit length, phonopy's phases)."""
        n = 3 * len(self.atoms)
        values, vectors = [np.zeros((0, n))], [np.zeros((0, n, n), dtype=np.complex128)]
        for q in self._chunks(q_fractional, 2 * n * n):
            w, v = torch.linalg.eigh(self._dynamical(q, False)[0])
            values.append(_numpy(w))
            vectors.append(_numpy(v))
        return Modes(_to_thz(np.concatenate(values)), np.concatenate(vectors))

    def group_velocities_thz_a(
        self,
        q_fractional: ArrayLike,
        *,
        direction: ArrayLike = _GAMMA_DIRECTION,
        degenerate_thz: float = 1e-4,
        floor_thz: float = 1e-3,
    ) -> Array:
        """d(frequency)/dq by Hellmann-Feynman, (nq, 3N, 3), THz A = 100 m/s, in the order of the frequencies.

        v = <e| dD/dq |e> / (2 nu) in units of frequency. Inside a set of modes closer than `degenerate_thz`
        the slope depends on where q moves: the set is first made to diagonalise dD/dq along `direction`
        (Cartesian), as in first-order degenerate perturbation theory; slopes along it are then those of the branches.
        Modes below `floor_thz` (the acoustic ones at Gamma) have no such slope: nan; see sound_speeds.
        """
        n = 3 * len(self.atoms)
        along = torch.as_tensor(unit_vectors(direction)[0])
        out = [np.zeros((0, n, 3))]
        for q in self._chunks(q_fractional, 6 * n * n):
            d, gradient = self._dynamical(q, True)
            assert gradient is not None
            w, e = torch.linalg.eigh(d)
            projected = e.mH[:, None] @ gradient @ e[:, None]  # (nq, 3, 3N, 3N) in the basis of modes
            frequency = _to_thz(_numpy(w))
            slope = _numpy(torch.diagonal(projected, dim1=2, dim2=3).real.transpose(1, 2)).copy()
            close = np.diff(frequency, axis=1) < degenerate_thz
            for iq in np.flatnonzero(close.any(1)):
                for block in _runs(close[iq]):
                    inner = projected[iq, :, block, block]
                    _, u = torch.linalg.eigh(torch.einsum("a,ajk->jk", along.to(inner), inner))
                    slope[iq, block] = _numpy(torch.diagonal(u.mH @ inner @ u, dim1=1, dim2=2).real.T)
            speed = np.abs(frequency)
            speed[speed < floor_thz] = np.nan
            out.append(slope * SQRT_EV_PER_AMU_A2_TO_THZ**2 / (2.0 * speed[:, :, None]))
        return np.concatenate(out)

    def group_velocities_m_per_s(self, q_fractional: ArrayLike) -> Array:
        """The same in m/s, (nq, 3N, 3)."""
        return self.group_velocities_thz_a(q_fractional) * THZ_A_TO_M_PER_S

    # ---- strain

    @cached_property
    def _response(self) -> Array:
        """d2E by displacements and strains, (3N + 6, 3N + 6), symmetric."""
        out = _numpy(response(self.local, len(self.atoms)))
        return 0.5 * (out + out.T)

    @cached_property
    def internal_strain_ev_per_a(self) -> Array:
        """Lambda = d2E/(du d(strain)), (3N, 6), eV/A: minus the forces that a unit strain makes.

        Voigt order with engineering shear; u are Cartesian displacements of the strained crystal. At non-zero forces
        it depends on that choice; where the forces vanish it does not.
        """
        return self._response[:-6, -6:]

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
        return values[: 3 * n - 3], vectors[:, : 3 * n - 3]

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
                f"Relaxed-ion elastic constants do not exist here: {int(moved.sum())} zone-centre mode(s) that strain "
                f"excites have no restoring force (lowest {values[moved].min():.3g} eV/A^2); relax the structure "
                "along the unstable mode first, or use the clamped-ion constants."
            )
        hard = coupling[~soft]
        softening = hard.T @ (hard / values[~soft][:, None])
        return elastic_tensors((self._response[-6:, -6:] - softening) / self.volume_a3, self.stress_ev_per_a3)

    def sound_speeds(self, directions: ArrayLike, *, relaxed: bool = True) -> SoundSpeeds:
        """Long waves along Cartesian directions (nd, 3) by the Christoffel equation.

        rho v^2 w_i = (C_ijkl n_j n_l + s_jl n_j n_l d_ik) w_k with the Brugger constants C of relaxed (or clamped) ions
        and the present stress s (Barron & Klein 1965): the slopes of the acoustic branches.
        Raises Sus2Error as relaxed_elastic does, and for a direction of no length.
        """
        tensors = self.relaxed_elastic if relaxed else self.clamped_elastic
        stress_gpa = self.stress_ev_per_a3 * EV_PER_A3_TO_GPA
        return christoffel(tensors.brugger_gpa, stress_gpa, self.density_kg_per_m3, directions)

    @property
    def density_kg_per_m3(self) -> float:
        return float(self._masses.sum() / self.volume_a3 * AMU_PER_A3_TO_KG_PER_M3)


def second_derivatives(atoms: Atoms | Structure, potential: Potential) -> SecondDerivatives:
    """Exact second derivatives of a periodic crystal; the structure is taken as it is, not relaxed.

    Raises StructureError (coordinates, cell), UnknownElementError, and Sus2Error where the structure is not periodic
    in three directions.
    """
    crystal = to_atoms(atoms)
    if not crystal.pbc.all():
        raise Sus2Error(
            "Second derivatives need a crystal that is periodic in three directions; give a cell and set pbc to True."
        )
    return SecondDerivatives(crystal, potential.name, local_hessian(crystal, potential))


def _runs(close: NDArray[np.bool_]) -> Iterator[slice]:
    """Slices of consecutive modes that are degenerate with their neighbours."""
    start = 0
    for k in range(len(close) + 1):
        if k == len(close) or not close[k]:
            if k > start:
                yield slice(start, k + 1)
            start = k + 1


def _numpy(x: torch.Tensor) -> NDArray:
    return x.detach().cpu().numpy()


def _to_thz(eigenvalues: Array) -> Array:
    return np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues)) * SQRT_EV_PER_AMU_A2_TO_THZ
