"""Structures of the distillation set: base crystals, and what is made of each relaxed base.

Everything follows from the seed. Lengths in angstrom, temperatures in kelvin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, covalent_radii

from sus2.training.data.dataset import reduced_formula
from sus2.training.data.decorations import decorations
from sus2.training.data.families import UNIVERSAL, families_of, recipes, teacher_flag
from sus2.training.data.prototypes import build
from sus2.training.data.reference_sets import binary_crystals, matpes_elements
from sus2.types import Array

# Teachers are not trusted below this share of the relaxed volume: their energy turns over there.
LOWEST_WALL_VOLUME = 0.62


@dataclass(frozen=True)
class Base:
    """A crystal to perturb.

    Attributes
    ----------
    name
        Of the crystal.
    atoms
        Its structure.
    count
        How many structures to make of it.
    """

    name: str
    atoms: Atoms
    count: int


@dataclass(frozen=True)
class Made:
    """A structure made from a base.

    Attributes
    ----------
    atoms
        The structure.
    kind
        How it was made.
    base
        From what.
    volume_ratio
        Its volume over the base's.
    """

    atoms: Atoms
    kind: str
    base: str
    volume_ratio: float


def base_crystals(seed: int = 0, largest: int = 20) -> list[Base]:
    """Prototypes of all families, the binary crystals of the shared data, and the elements' ground states.

    Parameters
    ----------
    seed
        Of the random numbers.
    largest
        Crystals of more atoms, or of elements outside the universal family, are left out.

    Returns
    -------
    list of Base
        To be perturbed.
    """
    found = [Base(f"{name}:{'-'.join(elements)}", build(name, elements), 0) for name, elements in recipes(seed)]
    found += [Base(name, atoms, 0) for name, atoms, _, _ in binary_crystals()]
    ground = matpes_elements("PBE")
    found += [Base(f"ground:{ground.base[i]}", ground.to_atoms(i), 0) for i in range(len(ground))]
    kept = [
        Base(base.name, base.atoms, _how_many(base))
        for base in found
        if len(base.atoms) <= largest and set(base.atoms.get_chemical_symbols()) <= set(UNIVERSAL)
    ]
    order = np.random.default_rng(seed).permutation(len(kept))
    return [kept[k] for k in order]


def decorated_crystals(seed: int = 0) -> list[Base]:
    """Prototypes decorated at random (sus2.training.data.decorations), four structures of each.

    Parameters
    ----------
    seed
        Of the random numbers.

    Returns
    -------
    list of Base
        To be perturbed.
    """
    return [Base(f"{name}:{'-'.join(elements)}", build(name, elements), 4) for name, elements in decorations(seed)]


def _how_many(base: Base) -> int:
    """Structures per base: most for the small families and for crystals known to exist."""
    families = families_of(base.atoms.get_chemical_symbols())
    elemental = len(set(base.atoms.get_chemical_symbols())) == 1
    if elemental:
        count = 14 if len(families) > 1 else 6
    elif "b" in families:
        count = 24
    elif "c" in families:
        count = 10
    elif "a" in families:
        count = 7
    else:
        count = 3
    if base.name.startswith(("mp-", "ground:")):
        count = max(8, count)
    return count if len(base.atoms) <= 12 else max(4, count // 2)


def supercell(atoms: Atoms, target: int) -> Atoms:
    """Repeat along the shortest vectors until the cell has enough atoms.

    Parameters
    ----------
    atoms
        The crystal.
    target
        Number of atoms that is aimed at.

    Returns
    -------
    Atoms
        A copy.
    """
    repeats = np.ones(3, dtype=int)
    lengths = np.linalg.norm(atoms.cell[:], axis=1)
    while True:
        axis = int(np.argmin(repeats * lengths))
        grown = repeats.copy()
        grown[axis] += 1
        if len(atoms) * int(np.prod(grown)) > target:
            return atoms.repeat(tuple(int(r) for r in repeats))
        repeats = grown


def perturbed(base: Base, rng: np.random.Generator) -> list[Made]:
    """The structures made from a relaxed base: itself, then volumes, strains, rattles, displacements, walls.

    Parameters
    ----------
    base
        The crystal.
    rng
        Random numbers.

    Returns
    -------
    list of Made
        As many as the base asks for.
    """
    made = [Made(base.atoms.copy(), "relaxed", base.name, 1.0)]
    kinds = ("volume", "strain", "rattle", "rattle-volume", "displaced", "wall")
    shares = (0.17, 0.18, 0.29, 0.24, 0.08, 0.04)
    strata = rng.permutation(max(base.count, 1))
    for k, kind in enumerate(rng.choice(kinds, size=max(0, base.count - 1), p=shares)):
        made.append(_one(base, str(kind), (strata[k] + rng.random()) / len(strata), rng))
    return made


def _one(base: Base, kind: str, quantile: float, rng: np.random.Generator) -> Made:
    """One structure; ``quantile`` spreads the volumes of a base evenly over their range."""
    atoms = base.atoms
    ratio = 1.0
    if kind == "volume":
        ratio = 0.75 + 0.60 * quantile
    elif kind == "wall":
        ratio = LOWEST_WALL_VOLUME + (0.75 - LOWEST_WALL_VOLUME) * quantile
    elif kind == "strain":
        ratio = float(rng.uniform(0.94, 1.06))
    elif kind == "rattle":
        ratio = float(rng.uniform(0.92, 1.09))
    elif kind == "rattle-volume":
        ratio = 0.76 + 0.58 * quantile
    elif kind == "displaced":
        ratio = float(rng.uniform(0.97, 1.03))
    if kind in ("rattle", "rattle-volume", "displaced"):
        atoms = supercell(atoms, int(rng.choice([4, 6, 8, 12, 20], p=[0.3, 0.25, 0.25, 0.15, 0.05])))
    deform = np.eye(3)
    if kind == "strain":
        deform = _random_strain(float(rng.uniform(0.005, 0.08)), rng)
    elif kind.startswith("rattle"):
        deform = _random_strain(float(rng.uniform(0.0, 0.04)), rng)
    deform = deform * (ratio / np.linalg.det(deform)) ** (1.0 / 3.0)
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell[:] @ deform, scale_atoms=True)
    if kind.startswith("rattle"):
        atoms.positions += _rattle(len(atoms), float(np.exp(rng.uniform(np.log(0.02), np.log(0.28)))), rng)
    elif kind == "displaced":
        atoms.positions[int(rng.integers(len(atoms)))] += float(rng.uniform(0.03, 0.25)) * _direction(rng)
    elif kind == "strain" and len(atoms) > 1:
        atoms.positions += _rattle(len(atoms), 0.02, rng)
    return Made(atoms, kind, base.name, ratio)


def _random_strain(size: float, rng: np.random.Generator) -> Array:
    """Deformation gradient 1 + e with a random symmetric e whose largest component is ``size``."""
    e = rng.uniform(-1.0, 1.0, (3, 3))
    e = 0.5 * (e + e.T)
    strain: Array = np.eye(3) + size * e / np.abs(e).max()
    return strain


def _rattle(count: int, size: float, rng: np.random.Generator) -> Array:
    """Normal displacements of standard deviation ``size`` per component, cut at 2.5 of it, without drift."""
    moves: Array = size * np.clip(rng.standard_normal((count, 3)), -2.5, 2.5)
    return moves - moves.mean(axis=0) if count > 1 else moves


def _direction(rng: np.random.Generator) -> Array:
    v: Array = rng.standard_normal(3)
    return v / np.linalg.norm(v)


def dimers(elements: Sequence[str], rng: np.random.Generator, per_pair: int = 1) -> list[Made]:
    """Two atoms in an empty periodic box, 0.6 to 1.7 times the sum of covalent radii apart.

    Parameters
    ----------
    elements
        Chemical symbols.
    rng
        Random numbers.
    per_pair
        Distances for each pair.

    Returns
    -------
    list of Made
        Of all pairs.
    """
    made = []
    for k, x in enumerate(elements):
        for y in elements[k:]:
            reach = covalent_radii[atomic_numbers[x]] + covalent_radii[atomic_numbers[y]]
            for _ in range(per_pair):
                distance = reach * float(rng.uniform(0.6, 1.7))
                box = np.diag([distance + 12.0, 12.5, 13.0])
                atoms = Atoms([x, y], [[1.0, 1.0, 1.0], [1.0 + distance, 1.0, 1.0]], cell=box, pbc=True)
                made.append(Made(atoms, "dimer", f"dimer:{x}-{y}", float("nan")))
    return made


def free_atoms(elements: Sequence[str]) -> list[Made]:
    """One atom in an empty periodic box, for each element.

    Parameters
    ----------
    elements
        Chemical symbols.

    Returns
    -------
    list of Made
        In their order.
    """
    box = np.diag([13.0, 13.5, 14.0])
    return [
        Made(Atoms([x], [[1.0, 1.0, 1.0]], cell=box, pbc=True), "atom", f"atom:{x}", float("nan")) for x in elements
    ]


def dynamics_starts(bases: Sequence[Base], rng: np.random.Generator, count: int) -> list[tuple[Made, float]]:
    """Supercells of 8 to 16 atoms from which short dynamics starts.

    Parameters
    ----------
    bases
        Crystals to choose from.
    rng
        Random numbers.
    count
        How many.

    Returns
    -------
    list of tuple
        A structure and a temperature (K) each.
    """
    pool = [k for k, base in enumerate(bases) if len(base.atoms) <= 16 and base.count >= 6]
    chosen = rng.choice(pool, size=min(count, len(pool)), replace=False)
    starts = []
    for k in chosen:
        base = bases[int(k)]
        ratio = float(rng.uniform(0.95, 1.12))
        atoms = supercell(base.atoms, int(rng.choice([8, 12, 16])))
        atoms.set_cell(atoms.cell[:] * ratio ** (1.0 / 3.0), scale_atoms=True)
        temperature = float(rng.choice([300.0, 600.0, 1000.0, 1500.0, 2200.0]))
        starts.append((Made(atoms, "dynamics", base.name, ratio), temperature))
    return starts


def arrays_of(made: Sequence[Made]) -> dict[str, np.ndarray]:
    """Structures as plain arrays, as the shards hold them (no labels).

    Parameters
    ----------
    made
        The structures.

    Returns
    -------
    dict
        Arrays by name.
    """
    return {
        "numbers": np.concatenate([m.atoms.numbers for m in made]).astype(np.int16),
        "positions": np.concatenate([m.atoms.positions for m in made]),
        "cells": np.array([m.atoms.cell[:] for m in made]),
        "offsets": np.concatenate([[0], np.cumsum([len(m.atoms) for m in made])]).astype(np.int64),
        "kind": np.array([m.kind for m in made]),
        "base": np.array([m.base for m in made]),
        "composition": np.array([reduced_formula(m.atoms.numbers) for m in made]),
        "families": np.array([families_of(m.atoms.get_chemical_symbols()) for m in made]),
        "flag": np.array([teacher_flag(m.atoms.get_chemical_symbols()) for m in made]),
        "volume_ratio": np.array([m.volume_ratio for m in made]),
    }


def masses_of(made: Sequence[Made]) -> Array:
    """Atomic masses of all atoms of some structures, one after the other.

    Parameters
    ----------
    made
        The structures.

    Returns
    -------
    ndarray
        (N,) amu.
    """
    return np.concatenate([atomic_masses[m.atoms.numbers] for m in made])
