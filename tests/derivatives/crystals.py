"""Crystals and differences for the tests of exact derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from sus2.derivatives.elastic_tensors import voigt_to_matrix
from sus2.native.neighbours import neighbours
from sus2.potential.potential import Potential
from sus2.types import Array
from tests.helpers_spec import random_potential


def triclinic(symbols: list[str], n: int, seed: int, volume: float = 15.0) -> Atoms:
    """n atoms on a jittered grid of a skewed cell."""
    rng = np.random.default_rng(seed)
    side = (n * volume) ** (1 / 3)
    cell = side * (np.eye(3) + 0.2 * np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    grid = int(np.ceil(n ** (1 / 3)))
    points = np.stack(np.meshgrid(*[np.arange(grid)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n] / grid
    scaled = points + rng.uniform(-0.06, 0.06, (n, 3))
    return Atoms([symbols[k % len(symbols)] for k in range(n)], cell=cell, scaled_positions=scaled, pbc=True)


def rocksalt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.0)


def molecular() -> Atoms:
    """Two far dimers in a box: no bond crosses the cell, every block of force constants is local."""
    return Atoms(
        "NaClNaCl",
        positions=[[1, 1, 1], [2.9, 1.3, 1.2], [7, 7, 7], [7.2, 8.7, 7.9]],
        cell=[[12, 0, 0], [1, 12, 0], [0, 2, 12]],
        pbc=True,
    )


SYNTHETIC: dict[str, Callable[[], tuple[Atoms, Potential, list[list[int]]]]] = {
    "monatomic": lambda: (
        bulk("Na", "fcc", a=4.2),
        random_potential(("Na",), cutoff=4.3, scaling_map="L"),
        [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
    ),
    "polar": lambda: (rocksalt(), random_potential(), [[2, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "molecular": lambda: (molecular(), random_potential(seed=3), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "triclinic": lambda: (
        triclinic(["Na", "Cl", "Cl"], 20, 1),
        random_potential(seed=5, scaling_map="LK"),
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ),
}


def energy_gradient(atoms: Atoms, potential: Potential, f: Array) -> Array:
    """dE/dF (3, 3), eV, of the crystal deformed by r -> F r."""
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ f.T, scale_atoms=True)
    stress = voigt_to_matrix(potential.evaluate([strained])[0].stress_ev_per_a3)
    return strained.get_volume() * stress @ np.linalg.inv(f).T


def slope(function: Callable[[float], NDArray], h: float) -> NDArray:
    """First derivative at zero, central differences of order six."""
    return sum(c * (function(k * h) - function(-k * h)) for k, c in ((1, 0.75), (2, -0.15), (3, 1 / 60))) / h


def strain_of(voigt: int) -> Array:
    unit = np.zeros(6)
    unit[voigt] = 1.0 if voigt < 3 else 0.5
    return voigt_to_matrix(unit)


def margin(atoms: Atoms, cutoff: float) -> float:
    """Distance of the nearest shell from the cutoff: what finite differences must not cross."""
    r = np.linalg.norm(neighbours(atoms, cutoff + 0.5).vector, axis=1)
    return float(np.abs(r - cutoff).min())


def phonopy_of(atoms: Atoms, matrix) -> Phonopy:
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        positions=atoms.positions,
        masses=atoms.get_masses(),
    )
    return Phonopy(cell, matrix, primitive_matrix=np.eye(3), log_level=0)
