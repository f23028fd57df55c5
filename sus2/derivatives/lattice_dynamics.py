"""Force constants, dynamical matrices, frequencies and group velocities of a crystal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from sus2.derivatives.elastic_tensors import unit_vectors
from sus2.derivatives.local_hessian import (
    LocalHessian,
    forces,
    real_space_force_constants,
    response,
    strain_gradient,
)
from sus2.derivatives.supercell import fold
from sus2.errors import Sus2Error
from sus2.kept import fixed
from sus2.types import Array, ComplexArray, Index, Mask
from sus2.units import SQRT_EV_PER_AMU_A2_TO_THZ, THZ_A_TO_M_PER_S

_Q_CHUNK_ELEMENTS = 8_000_000  # complex numbers held at once by a batch of q: 128 MB
# An internal eigenvalue below this fraction of the largest one is no restoring force.
_SOFT_FRACTION = 1e-6
_COUPLING_FRACTION = 1e-7
_GAMMA_DIRECTION = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)


@dataclass(frozen=True, eq=False)
class Modes:
    """Frequencies and eigenvectors of a crystal of N atoms at some q.

    Attributes
    ----------
    frequencies_thz
        (nq, 3N), ascending, imaginary as negative.
    eigenvectors
        (nq, 3N, 3N), one per column.
    """

    frequencies_thz: Array
    eigenvectors: ComplexArray


@dataclass(frozen=True, eq=False)
class LatticeDynamics:
    """First derivatives, force constants and waves of one crystal of N atoms; each is computed at its first use.

    Attributes
    ----------
    atoms
        The crystal.
    potential_name
        Of the potential.
    local
        The low-rank expansion of the site energies, from which all of it follows.
    """

    atoms: Atoms
    potential_name: str
    local: LocalHessian

    # ---- what the same expansion gives at first order

    @property
    def energy_ev(self) -> float:
        """Energy of the cell."""
        return float(self.local.site_energies.sum())

    @cached_property
    def forces_ev_per_a(self) -> Array:
        """(N, 3)."""
        return fixed(as_numpy(forces(self.local, len(self.atoms))))

    @cached_property
    def stress_ev_per_a3(self) -> Array:
        """(6,), Voigt xx yy zz yz xz xy, positive in tension."""
        return fixed(as_numpy(strain_gradient(self.local)) / self.volume_a3)

    @property
    def volume_a3(self) -> float:
        """Volume of the cell."""
        return float(abs(np.linalg.det(self.atoms.cell.array)))

    # ---- force constants

    @cached_property
    def _real_space(self) -> tuple[Index, torch.Tensor]:
        return real_space_force_constants(self.local, len(self.atoms))

    @cached_property
    def _response(self) -> Array:
        """d2E by displacements and strains, (3N + 6, 3N + 6), symmetric."""
        out = as_numpy(response(self.local, len(self.atoms)))
        return fixed(0.5 * (out + out.T))

    @property
    def lattice_vectors(self) -> Index:
        """Lattice vectors R of the force constants, (nR, 3) in units of the cell vectors."""
        return self._real_space[0].copy()

    @cached_property
    def force_constants_ev_per_a2(self) -> Array:
        """Phi(j in cell 0, k in cell R) = d2E/du_j du_k, (nR, N, N, 3, 3), exact and zero beyond 2 rc."""
        return fixed(as_numpy(self._real_space[1]))

    @cached_property
    def gamma_hessian_ev_per_a2(self) -> Array:
        """d2E/du2 for displacements of the lattice period, (3N, 3N)."""
        return fixed(self._response[:-6, :-6])

    def supercell_force_constants(self, supercell_matrix: ArrayLike, *, full: bool = False) -> Array:
        """Force constants of a periodic supercell in phonopy's layout.

        Every entry sums over all periodic images, so that the dynamical matrix at commensurate q is exact in any
        supercell, however small.

        Parameters
        ----------
        supercell_matrix
            (3,), or (3, 3) with columns the supercell vectors in units of the cell's (phonopy's convention).
        full
            Whether rows are all M atoms of the supercell, not the N of the cell.

        Returns
        -------
        ndarray
            (N, M, 3, 3) or (M, M, 3, 3), eV/A^2, atoms in the order of phonopy.structure.cells.get_supercell.

        Raises
        ------
        Sus2Error
            A matrix that is not of whole numbers or has no volume.
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
        yield from (tensor[k : k + step] for k in range(0, max(1, len(q)), step))

    def _each(
        self, q_fractional: ArrayLike, per_q: int, compute: Callable[[torch.Tensor], tuple[Any, ...]]
    ) -> tuple[NDArray, ...]:
        """What `compute` gives for some points at a time, joined."""
        parts = [compute(q) for q in self._chunks(q_fractional, per_q)]
        return tuple(np.concatenate(x) for x in zip(*parts, strict=True))

    def _hermitian(self, re: torch.Tensor, im: torch.Tensor) -> torch.Tensor:
        """(nq, 3N, 3N): sum over R of the blocks with factors (nq, nH), those of R and -R together."""
        n = 3 * len(self.atoms)
        blocks = self._half[1]
        half = torch.complex(re @ blocks, im @ blocks).reshape(-1, n, n)
        return half + half.mH

    def _angles(self, q: torch.Tensor) -> torch.Tensor:
        return 2.0 * torch.pi * q @ self._half[0].T

    def _turn(self, q: torch.Tensor) -> torch.Tensor:
        """(nq, 3N, 3N): the positions of the atoms in the phases, a diagonal unitary transformation."""
        scaled = torch.as_tensor(self.atoms.cell.scaled_positions(self.atoms.positions), device=q.device)
        phase = torch.exp(2j * torch.pi * (q @ scaled.T)).repeat_interleave(3, dim=1)
        return phase.conj()[:, :, None] * phase[:, None, :]

    def _dynamical(self, q: torch.Tensor) -> torch.Tensor:
        """D(q) (nq, 3N, 3N)."""
        angle = self._angles(q)
        return self._turn(q) * self._hermitian(torch.cos(angle), torch.sin(angle))

    def _gradient(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """D(q) and dD/dq (nq, 3, 3N, 3N) with q in 1/A without 2 pi."""
        angle = self._angles(q)
        cos, sin = torch.cos(angle), torch.sin(angle)
        turn, periodic = self._turn(q), self._hermitian(cos, sin)
        cartesian = self._half[0] @ torch.as_tensor(self.atoms.cell.array.copy(), device=q.device)
        x = torch.as_tensor(self.atoms.get_positions(), device=q.device).repeat_interleave(3, dim=0)
        out = []
        for axis in range(3):
            length = 2.0 * torch.pi * cartesian[:, axis]
            between = 2j * torch.pi * (x[None, :, axis] - x[:, None, axis])
            out.append(turn * (self._hermitian(-sin * length, cos * length) + between * periodic))
        return turn * periodic, torch.stack(out, dim=1)

    def dynamical_matrix(self, q_fractional: ArrayLike) -> ComplexArray:
        """The dynamical matrix.

        D_jk(q) = sum_R Phi(j 0, k R) / sqrt(m_j m_k) exp(2 pi i q (r_k + R - r_j)): phases carry the positions of
        the atoms, which is phonopy's convention (https://phonopy.github.io/phonopy/formulation.html), so
        eigenvectors agree with phonopy's up to the phase of each mode.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N, 3N), eV/(A^2 amu).

        Raises
        ------
        Sus2Error
            q is not finite.
        """
        n = 3 * len(self.atoms)
        return self._each(q_fractional, n * n, lambda q: (as_numpy(self._dynamical(q)),))[0]

    def dynamical_matrix_gradient(self, q_fractional: ArrayLike) -> ComplexArray:
        """Derivatives of the dynamical matrix by q along x, y, z.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3, 3N, 3N), eV/(A amu), for q in 1/A without the factor 2 pi.
        """
        n = 3 * len(self.atoms)
        return self._each(q_fractional, 4 * n * n, lambda q: (as_numpy(self._gradient(q)[1]),))[0]

    def frequencies_thz(self, q_fractional: ArrayLike) -> Array:
        """Phonon frequencies.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N) THz, ascending; imaginary ones as negative numbers.
        """
        n = 3 * len(self.atoms)
        found = self._each(q_fractional, n * n, lambda q: (as_numpy(torch.linalg.eigvalsh(self._dynamical(q))),))
        return _to_thz(found[0])

    def modes(self, q_fractional: ArrayLike) -> Modes:
        """Frequencies and mass-weighted eigenvectors.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        Modes
            Eigenvectors are columns of unit length, with phonopy's phases.
        """
        n = 3 * len(self.atoms)
        values, vectors = self._each(
            q_fractional, 2 * n * n, lambda q: tuple(map(as_numpy, torch.linalg.eigh(self._dynamical(q))))
        )
        return Modes(_to_thz(values), vectors)

    def group_velocities_thz_a(
        self,
        q_fractional: ArrayLike,
        *,
        direction: ArrayLike = _GAMMA_DIRECTION,
        degenerate_thz: float = 1e-4,
        floor_thz: float = 1e-3,
    ) -> Array:
        """Group velocities d(frequency)/dq by Hellmann-Feynman.

        v = <e| dD/dq |e> / (2 nu) in units of frequency. Inside a degenerate set the slope depends on where q moves:
        the set is first made to diagonalise dD/dq along `direction`, as in first-order degenerate perturbation theory.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.
        direction
            Cartesian; along it slopes of degenerate modes are those of the branches.
        degenerate_thz
            Modes closer than this are a degenerate set.
        floor_thz
            Modes below this (the acoustic ones at Gamma) have no slope: nan; see sound_speeds.

        Returns
        -------
        ndarray
            (nq, 3N, 3), THz A = 100 m/s, in the order of the frequencies.
        """
        n = 3 * len(self.atoms)
        along = torch.as_tensor(unit_vectors(direction)[0])

        def velocities(q: torch.Tensor) -> tuple[Array]:
            d, gradient = self._gradient(q)
            w, e = torch.linalg.eigh(d)
            projected = e.mH[:, None] @ gradient @ e[:, None]  # (nq, 3, 3N, 3N) in the basis of modes
            frequency = _to_thz(as_numpy(w))
            slope = as_numpy(torch.diagonal(projected, dim1=2, dim2=3).real.transpose(1, 2)).copy()
            close = np.diff(frequency, axis=1) < degenerate_thz
            for iq in np.flatnonzero(close.any(1)):
                for block in _runs(close[iq]):
                    inner = projected[iq, :, block, block]
                    _, u = torch.linalg.eigh(torch.einsum("a,ajk->jk", along.to(inner), inner))
                    slope[iq, block] = as_numpy(torch.diagonal(u.mH @ inner @ u, dim1=1, dim2=2).real.T)
            speed = np.abs(frequency)
            speed[speed < floor_thz] = np.nan
            return (slope * SQRT_EV_PER_AMU_A2_TO_THZ**2 / (2.0 * speed[:, :, None]),)

        return self._each(q_fractional, 6 * n * n, velocities)[0]

    def group_velocities_m_per_s(self, q_fractional: ArrayLike) -> Array:
        """Group velocities in m/s.

        Parameters
        ----------
        q_fractional
            (nq, 3), in units of the reciprocal cell vectors.

        Returns
        -------
        ndarray
            (nq, 3N, 3).
        """
        return self.group_velocities_thz_a(q_fractional) * THZ_A_TO_M_PER_S


def _runs(close: Mask) -> Iterator[slice]:
    """Slices of consecutive modes that are degenerate with their neighbours."""
    start = 0
    for k in range(len(close) + 1):
        if k == len(close) or not close[k]:
            if k > start:
                yield slice(start, k + 1)
            start = k + 1


def as_numpy(x: torch.Tensor) -> NDArray:
    """A tensor of any device as an array of this process.

    Parameters
    ----------
    x
        The tensor.

    Returns
    -------
    ndarray
        In its shape.
    """
    return x.detach().cpu().numpy()


def _to_thz(eigenvalues: Array) -> Array:
    return np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues)) * SQRT_EV_PER_AMU_A2_TO_THZ
