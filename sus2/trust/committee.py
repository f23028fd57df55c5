"""What the members of a committee of readouts say of a property, to first order in the difference of readouts.

By Hellmann and Feynman, the first-order change of a relaxed energy, elastic constant or frequency is the change of the
energy's derivative along the path that the potential itself relaxes along; nothing is relaxed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import ref

import numpy as np
from ase import Atoms

from sus2.derivatives.moduli import hill_moduli_gpa, invertible
from sus2.derivatives.readout import ReadoutBasis, readout_basis, strain_moves, wave_moves
from sus2.kept import Kept, fixed, kept_with
from sus2.potential.potential import Potential
from sus2.trust.members import Members, members_of
from sus2.types import Array, Index
from sus2.units import EV_PER_A3_TO_GPA, SQRT_EV_PER_AMU_A2_TO_THZ

if TYPE_CHECKING:
    from sus2.derivatives.lattice_dynamics import Modes
    from sus2.derivatives.second_order import SecondDerivatives


# Relative change of the volume for the derivatives of the energy with it.
_STEP: Final = 0.01
# Members shift a fit by this share of themselves, so that it stays linear.
_SHARE: Final = 0.02
_VOLUMES: Final = 5
_SOFT: Final = 1e-6
# The spreads of larger cells are not kept, since their second derivatives would be held with them.
MAX_KEPT_ATOMS: Final = 32
_FLOOR_THZ: Final = 0.05


@dataclass(frozen=True, eq=False)
class EosSpread:
    """Deviations of the M members from a fitted equation of state.

    Attributes
    ----------
    v0_a3
        (M,), A^3.
    b0_gpa
        (M,), GPa.
    b0_prime
        (M,).
    e0_ev
        (M,), eV.
    """

    v0_a3: Array
    b0_gpa: Array
    b0_prime: Array
    e0_ev: Array


class Committee:
    """The members of a potential, ready to be asked.

    Parameters
    ----------
    basis
        Of the potential, on the members' directions.
    members
        The members.
    """

    def __init__(self, basis: ReadoutBasis, members: Members) -> None:
        self.basis = basis
        self.members = members
        self._stiffness: Kept[Array] = Kept(4)

    def energies_ev(self, structures: Sequence[Atoms]) -> Array:
        """Energies of the members less that of the potential.

        Parameters
        ----------
        structures
            n of them.

        Returns
        -------
        ndarray
            (M, n) eV.
        """
        return self._of_members(*self.basis.energies_of_present(structures))

    def _of_members(self, present: Index, lines: Array) -> Array:
        """Contract (n, P, R) of P elements with the members, (M, n)."""
        flat = self.members.weights[:, present].reshape(self.members.count, -1)
        return np.asarray(flat @ lines.reshape(len(lines), -1).T, dtype=np.float64)

    def volume_percent(self, atoms: Atoms) -> Array:
        """Deviations of the equilibrium volume at zero pressure.

        Parameters
        ----------
        atoms
            A relaxed crystal.

        Returns
        -------
        ndarray
            (M,) percent.
        """
        small, large = (_scaled(atoms, 1.0 + s * _STEP) for s in (-1.0, 1.0))
        e = [r.energy_ev for r in self.basis.potential.evaluate([small, atoms, large])]
        curvature = (e[0] + e[2] - 2.0 * e[1]) / _STEP**2
        found = self.energies_ev([small, large])
        slope = (found[:, 1] - found[:, 0]) / (2.0 * _STEP)
        if curvature <= 0.0:
            return np.full(len(slope), np.nan)
        return np.asarray(-100.0 * slope / curvature, dtype=np.float64)

    def eos(self, volumes_a3: Array, energies_ev: Array, structures: Sequence[Atoms]) -> EosSpread:
        """Deviations of a Birch-Murnaghan fit to the members' energies at the same structures.

        Parameters
        ----------
        volumes_a3
            (n,) angstrom^3.
        energies_ev
            (n,) eV, of the potential.
        structures
            n of them.

        Returns
        -------
        EosSpread
            One number a member.
        """
        chosen = np.unique(np.linspace(0, len(structures) - 1, _VOLUMES).round().astype(int))
        # What members add is smooth in the volume: a few volumes give the cubic polynomial of it.
        known = self.energies_ev([structures[k] for k in chosen])
        scale = float(np.mean(volumes_a3))
        added = np.polynomial.polynomial.polyfit(volumes_a3[chosen] / scale - 1.0, known.T, 3)
        found = np.polynomial.polynomial.polyval(volumes_a3 / scale - 1.0, added)
        middle = birch_murnaghan(volumes_a3, energies_ev)
        moved = birch_murnaghan(volumes_a3, energies_ev + _SHARE * found)
        v0, b0, prime, e0 = ((moved - middle) / _SHARE).T
        return EosSpread(v0, b0 * EV_PER_A3_TO_GPA, prime, e0)

    def elastic_gpa(self, second: SecondDerivatives) -> Array:
        """Deviations of the relaxed-ion elastic constants; those of the last few small crystals are kept.

        Parameters
        ----------
        second
            Of the relaxed crystal.

        Returns
        -------
        ndarray
            (M, 6, 6) GPa, in the axes of the crystal as it is; not to be changed.
        """
        if len(second.atoms) > MAX_KEPT_ATOMS:
            return self._elastic_gpa(second)
        return self._stiffness.get(ref(second), lambda: fixed(self._elastic_gpa(second)))

    def _elastic_gpa(self, second: SecondDerivatives) -> Array:
        values, vectors = second._internal
        coupling = vectors.T @ second.internal_strain_ev_per_a
        hard = values > _SOFT * np.abs(values).max(initial=0.0)
        # How the atoms move with a unit of each strain so that their forces stay zero.
        response = -(vectors[:, hard] @ (coupling[hard] / values[hard][:, None])).T.reshape(6, -1, 3)
        sites = self.basis.sites(second.atoms)
        moves = strain_moves(sites.vector) + response[:, sites.edge_j] - response[:, sites.edge_i]
        pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
        both = np.concatenate([moves, np.array([moves[a] + moves[b] for a, b in pairs])])
        found = self._of_members(*self.basis.curvatures_of_present(sites, both)) * EV_PER_A3_TO_GPA / second.volume_a3
        out = np.zeros((len(found), 6, 6))
        out[:, range(6), range(6)] = found[:, :6]
        for k, (a, b) in enumerate(pairs):
            out[:, a, b] = out[:, b, a] = 0.5 * (found[:, 6 + k] - found[:, a] - found[:, b])
        return out

    def moduli_shares(self, second: SecondDerivatives) -> dict[str, float]:
        """How far the members part in Hill's moduli, over the moduli.

        Parameters
        ----------
        second
            Of the relaxed crystal.

        Returns
        -------
        dict
            k_vrh_gpa and g_vrh_gpa; empty where the crystal is at the limit of its stability.

        Raises
        ------
        Sus2Error
            The crystal has no relaxed-ion elastic constants.
        """
        tensor = second.relaxed_elastic.stress_strain_gpa
        if not invertible(tensor):
            return {}
        own = hill_moduli_gpa(tensor)
        moved = hill_moduli_gpa(tensor + _SHARE * self.elastic_gpa(second))
        names = ("k_vrh_gpa", "g_vrh_gpa")
        return {n: float(np.std(m - x) / _SHARE / abs(x)) for n, x, m in zip(names, own, moved, strict=True)}

    def frequencies_thz(self, atoms: Atoms, q_fractional: Array, modes: Modes) -> Array:
        """Deviations of the frequencies of these modes.

        Parameters
        ----------
        atoms
            A relaxed crystal.
        q_fractional
            (nq, 3).
        modes
            Of the potential at these q.

        Returns
        -------
        ndarray
            (M, nq, 3N) THz; zero for translations.
        """
        sites = self.basis.sites(atoms)
        root = np.sqrt(atoms.get_masses())[None, :, None]
        moves, scale = [], []
        for q, f, e in zip(q_fractional, modes.frequencies_thz, modes.eigenvectors, strict=True):
            patterns = e.T.reshape(len(e), -1, 3) / root
            moves.append(wave_moves(sites, atoms.cell.array, q, patterns))
            size = np.abs(f)
            scale.append(np.where(size > _FLOOR_THZ, 1.0 / (2.0 * np.maximum(size, _FLOOR_THZ)), 0.0))
        found = self._of_members(*self.basis.curvatures_of_present(sites, np.concatenate(moves)))
        out = found.reshape(len(found), len(q_fractional), -1) * SQRT_EV_PER_AMU_A2_TO_THZ**2
        return np.asarray(out * np.array(scale)[None], dtype=np.float64)


def committee_of(potential: object) -> Committee | None:
    """The committee of a potential.

    Parameters
    ----------
    potential
        Any potential.

    Returns
    -------
    Committee or None
        None where it has no members that belong to its weights, or a moment graph deeper than two levels.
    """
    members = members_of(potential)
    if members is None or not isinstance(potential, Potential):
        return None
    kept = kept_with(potential, "committee", 1, of_crystals=False)
    found: Committee | None = kept.get(members, lambda: _committee(potential, members))
    return found


def _committee(potential: Potential, members: Members) -> Committee | None:
    basis = readout_basis(potential, members.basis)
    return None if basis is None else Committee(basis, members)


def spread_of(deviations: Array) -> float:
    """Standard deviation of the members that have a number; nan where none has.

    Parameters
    ----------
    deviations
        (M, ...) of the members from their potential.

    Returns
    -------
    float
        In the unit of the deviations.
    """
    known = deviations[np.isfinite(deviations)]
    return float(known.std()) if len(known) else float("nan")


def birch_murnaghan(volumes: Array, energies: Array) -> Array:
    """V0, B0 (energy per volume), B0' and E0 of a Birch-Murnaghan fit by linear least squares; nan without minimum.

    The energy is a cubic polynomial of x = V^(-2/3) (Birch, Phys. Rev. 71, 809 (1947)).

    Parameters
    ----------
    volumes
        (n,).
    energies
        (..., n).

    Returns
    -------
    ndarray
        (..., 4).
    """
    scale = float(np.mean(volumes))
    x = (volumes / scale) ** (-2.0 / 3.0)
    # In t from -1 to 1 the fit is well conditioned.
    middle, half = 0.5 * (x.max() + x.min()), 0.5 * (x.max() - x.min())
    rows = np.atleast_2d(energies).reshape(-1, len(x))
    fits = np.polynomial.polynomial.polyfit((x - middle) / half, rows.T, 3)
    _, c1, c2, c3 = fits
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(c2**2 - 3.0 * c1 * c3)
        # The root at which the second derivative, 2 c2 + 6 c3 t, is positive.
        t0 = np.where(np.abs(c3) > 1e-12, (root - c2) / (3.0 * c3), -c1 / (2.0 * c2))
        x0 = middle + half * t0
        v0 = x0**-1.5
        d2, d3 = (2.0 * c2 + 6.0 * c3 * t0) / half**2, 6.0 * c3 / half**3
        # dx/dV = -(2/3) x^(5/2); P = -dE/dV.
        b0 = (4.0 / 9.0) * x0**5.0 * d2 * v0
        prime = 4.0 + (2.0 / 3.0) * x0 * d3 / d2
    e0 = np.polynomial.polynomial.polyval(t0, fits, tensor=False)
    out = np.array([v0 * scale, b0 / scale, prime, e0]).T
    out[~(np.isfinite(root) & (x0 > 0.0))] = np.nan
    return np.asarray(out.reshape(*energies.shape[:-1], 4))


def _scaled(atoms: Atoms, ratio: float) -> Atoms:
    out = atoms.copy()
    out.set_cell(atoms.cell.array * ratio ** (1.0 / 3.0), scale_atoms=True)
    return out
