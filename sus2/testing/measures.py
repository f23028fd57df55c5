"""How far a potential is from the laws that it must obey, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from sus2.potential.evaluation import Calculates, Evaluation
from sus2.structures import elements_of
from sus2.testing.structures import deformed, lone_atom, rattled, reach_a
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

SLOPE_STEP: Final = 2e-3
"""Step of finite differences, angstrom for positions and without unit for strains."""
_PAIR_STEP_A: Final = 0.02
_STENCIL: Final = (-2, -1, 1, 2)
_WEIGHTS: Final = np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * SLOPE_STEP)


@dataclass(frozen=True)
class Deviation:
    """Largest differences of two results that should be the same.

    Attributes
    ----------
    energy_ev_per_atom
        Of the energy, eV/atom.
    force_ev_per_a
        Of a component of a force, eV/angstrom.
    stress_ev_per_a3
        Of a component of the stress, eV/angstrom^3; nan where neither result has one.
    """

    energy_ev_per_atom: float
    force_ev_per_a: float
    stress_ev_per_a3: float


@dataclass(frozen=True)
class Measures:
    """How far a potential is from the laws, on one crystal; neither is changed.

    Attributes
    ----------
    atoms
        The crystal.
    potential
        The potential.
    """

    atoms: Atoms
    potential: Calculates

    def rotation(self, seed: int = 0) -> Deviation:
        """Compare a crystal with a rotated copy, whose forces and stress must rotate with it.

        Parameters
        ----------
        seed
            Of the random rotation (never a reflection).

        Returns
        -------
        Deviation
            After the results were rotated back.
        """
        r, _ = np.linalg.qr(np.random.default_rng((seed, 2)).normal(size=(3, 3)))
        r[:, 0] *= np.sign(np.linalg.det(r))
        copy = self.atoms.copy()
        copy.set_cell(self.atoms.cell.array @ r.T)
        copy.positions = self.atoms.positions @ r.T
        here, there = self.potential.evaluate([self.atoms, copy])
        expected = Evaluation(
            here.energy_ev,
            here.energies_ev,
            here.forces_ev_per_a @ r.T,
            full_3x3_to_voigt_6_stress(r @ voigt_6_to_full_3x3_stress(here.stress_ev_per_a3) @ r.T),
        )
        return _deviation(expected, there)

    def translation(self) -> Deviation:
        """Compare a crystal with copies that are shifted as a whole, and with atoms wrapped into the cell.

        Returns
        -------
        Deviation
            The larger one.
        """
        moved = self.atoms.copy()
        moved.positions += [13.7, -5.1, 0.3]
        wrapped = moved.copy()
        wrapped.wrap()
        here, *there = self.potential.evaluate([self.atoms, moved, wrapped])
        return _largest([_deviation(here, other) for other in there])

    def permutation(self) -> Deviation:
        """Compare a crystal with a copy whose atoms are in the opposite order.

        Returns
        -------
        Deviation
            After the results were put in the first order.
        """
        order = np.arange(len(self.atoms))[::-1]
        here, there = self.potential.evaluate([self.atoms, self.atoms[order]])
        expected = Evaluation(
            here.energy_ev, here.energies_ev[order], here.forces_ev_per_a[order], here.stress_ev_per_a3
        )
        return _deviation(expected, there)

    def extensivity(self, repeat: tuple[int, int, int] = (2, 1, 1)) -> Deviation:
        """Compare a crystal with a supercell of it, which has as many times its energy and equal forces.

        Parameters
        ----------
        repeat
            How often the cell is repeated.

        Returns
        -------
        Deviation
            Of the energy per atom, the forces in the supercell and the stress.
        """
        count = int(np.prod(repeat))
        here, there = self.potential.evaluate([self.atoms, self.atoms.repeat(repeat)])
        expected = Evaluation(
            count * here.energy_ev,
            np.tile(here.energies_ev, count),
            np.tile(here.forces_ev_per_a, (count, 1)),
            here.stress_ev_per_a3,
        )
        return _deviation(expected, there)

    def force_slope_ev_per_a(self, seed: int = 0) -> float:
        """Compare forces with fourth-order differences of the energy.

        Parameters
        ----------
        seed
            Of the choice of three coordinates.

        Returns
        -------
        float
            Largest difference, eV/angstrom.
        """
        rng = np.random.default_rng((seed, 1))
        picked = [(int(rng.integers(len(self.atoms))), axis) for axis in range(3)]
        moved = []
        for atom, axis in picked:
            for step in _STENCIL:
                copy = self.atoms.copy()
                copy.positions[atom, axis] += step * SLOPE_STEP
                moved.append(copy)
        (now,) = self.potential.evaluate([self.atoms])
        slopes = _energies(self.potential, moved).reshape(-1, 4) @ _WEIGHTS
        return max(abs(-s - now.forces_ev_per_a[i, x]) for s, (i, x) in zip(slopes, picked, strict=True))

    def stress_slope_gpa(self) -> float:
        """Compare the stress with fourth-order differences of the energy by a uniaxial and a shear strain.

        Returns
        -------
        float
            Largest difference, GPa.
        """
        strained = []
        for a, b in ((0, 0), (1, 2)):
            for step in _STENCIL:
                e = np.zeros((3, 3))
                e[a, b] += 0.5 * step * SLOPE_STEP
                e[b, a] += 0.5 * step * SLOPE_STEP
                strained.append(deformed(self.atoms, np.eye(3) + e))
        (now,) = self.potential.evaluate([self.atoms])
        stress = (_energies(self.potential, strained).reshape(-1, 4) @ _WEIGHTS) / self.atoms.get_volume()
        return max(abs(s - now.stress_ev_per_a3[k]) for s, k in zip(stress, (0, 3), strict=True)) * EV_PER_A3_TO_GPA

    def interaction_beyond_cutoff_ev(self) -> float:
        """Compare two atoms far apart with each of them alone.

        Returns
        -------
        float
            Energy that is left at two and a half times the reach of the potential, eV.
        """
        a, b = (elements_of(self.atoms) * 2)[:2]
        far = 2.5 * float(getattr(self.potential, "cutoff", 6.0))
        one, other, both = self.potential.evaluate(
            [Atoms([a], [[0, 0, 0]]), Atoms([b], [[0, 0, 0]]), Atoms([a, b], [[0, 0, 0], [far, 0, 0]])]
        )
        return abs(both.energy_ev - one.energy_ev - other.energy_ev)

    def jump_at_cutoff_ev(self) -> float:
        """Pull two atoms apart beyond the reach of the potential and look for jumps of energy and force.

        Returns
        -------
        float
            Largest difference, over a step, of the energy from the integral of the force by the trapezoidal rule, eV.
        """
        a, b = (elements_of(self.atoms) * 2)[:2]
        near = 1.3 * float(covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]])
        far = max(reach_a(self.potential), near) + 0.5
        box = 2.5 * far
        r = np.arange(near, far, _PAIR_STEP_A)
        pairs = [Atoms([a, b], [[0, 0, 0], [0, 0, d]], cell=[box, box, box + far], pbc=True) for d in r]
        found = self.potential.evaluate(pairs)
        energy = np.array([e.energy_ev for e in found])
        slope = np.array([-e.forces_ev_per_a[1, 2] for e in found])
        residue = np.diff(energy) - 0.5 * _PAIR_STEP_A * (slope[1:] + slope[:-1])
        # What the rule leaves of a smooth curve changes little from step to step; a jump is in one step alone.
        return float(np.abs(residue[1:-1] - 0.5 * (residue[2:] + residue[:-2])).max())

    def leak_across_a_batch(self, seed: int = 0) -> Deviation:
        """Compare structures that are evaluated together, in two orders, with each of them alone.

        Parameters
        ----------
        seed
            Of the displacements in copies of the crystal.

        Returns
        -------
        Deviation
            The largest one.
        """
        structures = [
            self.atoms,
            lone_atom(self.atoms, self.potential),
            rattled(self.atoms, seed + 1),
            self.atoms.repeat((1, 2, 1)),
        ]
        alone = [self.potential.evaluate([a])[0] for a in structures]
        together = self.potential.evaluate(structures)
        backwards = self.potential.evaluate(structures[::-1])[::-1]
        return _largest([_deviation(x, y) for many in (together, backwards) for x, y in zip(alone, many, strict=True)])

    def what_changed(self) -> tuple[str, ...]:
        """Look at what an evaluation does to the structure that it is given.

        Returns
        -------
        tuple of str
            What is no longer as it was: names of arrays, "cell", "pbc", "info", "constraints", "calculator".
        """
        given = self.atoms.copy()
        given.calc = None
        before = given.copy()
        self.potential.evaluate([given])
        changed = [
            name
            for name in sorted({*given.arrays, *before.arrays})
            if not np.array_equal(given.arrays.get(name, ()), before.arrays.get(name, ()))
        ]
        same = {
            "cell": np.array_equal(given.cell.array, before.cell.array),
            "pbc": np.array_equal(given.pbc, before.pbc),
            "info": given.info.keys() == before.info.keys(),
            "constraints": len(given.constraints) == len(before.constraints),
            "calculator": given.calc is None,
        }
        return (*changed, *(name for name, kept in same.items() if not kept))

    def calculator_deviation(self) -> Deviation:
        """Compare a potential with its own ASE calculator.

        Returns
        -------
        Deviation
            Of energy, forces and stress.
        """
        (here,) = self.potential.evaluate([self.atoms])
        copy = self.atoms.copy()
        copy.calc = self.potential.calculator()
        there = Evaluation(
            float(copy.get_potential_energy()),
            here.energies_ev,
            np.asarray(copy.get_forces(), dtype=np.float64),
            np.asarray(copy.get_stress(), dtype=np.float64),
        )
        return _deviation(here, there)


def _energies(potential: Calculates, structures: Sequence[Atoms]) -> Array:
    return np.array([e.energy_ev for e in potential.evaluate(structures)])


def _deviation(expected: Evaluation, found: Evaluation) -> Deviation:
    stress = np.abs(expected.stress_ev_per_a3 - found.stress_ev_per_a3)
    return Deviation(
        abs(found.energy_ev - expected.energy_ev) / len(found.forces_ev_per_a),
        float(np.abs(found.forces_ev_per_a - expected.forces_ev_per_a).max()),
        float(stress.max()),
    )


def _largest(found: Sequence[Deviation]) -> Deviation:
    return Deviation(
        max(d.energy_ev_per_atom for d in found),
        max(d.force_ev_per_a for d in found),
        float(np.nanmax([*(d.stress_ev_per_a3 for d in found), 0.0])),
    )
