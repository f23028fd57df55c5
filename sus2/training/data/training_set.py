"""Sets of labelled structures as flat arrays: making, splitting, hashing.

A set holds S structures with N atoms in all. Units: angstrom, eV, eV/A, eV/A^3; stress is Voigt
(xx yy zz yz xz xy), positive in tension (ASE sign), NaN where a label is missing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols

from sus2.errors import DataError
from sus2.types import Array, Index, Mask, StrArray

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class TrainingSet:
    """S labelled structures with N atoms in all, one row per atom or per structure.

    Atoms of structure i are rows ``offsets[i]:offsets[i + 1]``.

    Attributes
    ----------
    numbers
        (N,), atomic numbers.
    positions
        (N, 3), A.
    cells
        (S, 3, 3), A, rows are lattice vectors.
    pbc
        (S, 3), in which directions it is periodic.
    offsets
        (S + 1,), first atom of each structure.
    energy_ev
        (S,), total energies.
    forces_ev_per_a
        (N, 3).
    stress_ev_per_a3
        (S, 6).
    kind
        (S,), how the structure was made.
    composition
        (S,), reduced formula.
    set_name
        (S,), of the set it came with.
    weight
        (S,), in the loss.
    families
        (S,), letters of the families it serves.
    base
        (S,), the crystal it was made from.
    flag
        (S,), why its label should be used with care or not at all; "" for most.
    volume_ratio
        (S,), volume over that of the relaxed base; nan if unknown.
    """

    numbers: Index
    positions: Array
    cells: Array
    pbc: Mask
    offsets: Index
    energy_ev: Array
    forces_ev_per_a: Array
    stress_ev_per_a3: Array
    kind: StrArray
    composition: StrArray
    set_name: StrArray
    weight: Array
    families: StrArray
    base: StrArray
    flag: StrArray
    volume_ratio: Array

    def __len__(self) -> int:
        return len(self.energy_ev)

    @property
    def sizes(self) -> Index:
        """Number of atoms of each structure, (S,)."""
        return np.diff(self.offsets)

    @property
    def system(self) -> Index:
        """Structure index of each atom, (N,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of all elements in the set, by atomic number."""
        return tuple(chemical_symbols[z] for z in np.unique(self.numbers))

    @property
    def volumes_a3(self) -> Array:
        """Cell volumes, (S,) A^3; zero for structures without a cell."""
        volumes: Array = np.abs(np.linalg.det(self.cells))
        return volumes

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the names, shapes and little-endian bytes of all arrays."""
        digest = hashlib.sha256()
        for field in fields(self):
            array = getattr(self, field.name)
            digest.update(f"{field.name}{array.shape}".encode())
            if array.dtype.kind == "U":
                digest.update("\0".join(array.tolist()).encode())
            else:
                kind = {"f": "<f8", "i": "<i8", "b": "|b1"}[array.dtype.kind]
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()

    def counts(self, elements: Sequence[str] | None = None) -> Array:
        """Atoms of each element in each structure.

        Parameters
        ----------
        elements
            Columns of the table; by default all of the set, by atomic number.

        Returns
        -------
        ndarray
            (S, C).

        Raises
        ------
        DataError
            The set has an element that is not among them.
        """
        names = tuple(elements) if elements is not None else self.elements
        column = np.full(len(chemical_symbols), -1)
        for i, name in enumerate(names):
            column[chemical_symbols.index(name)] = i
        where = column[self.numbers]
        if np.any(where < 0):
            z = int(self.numbers[where < 0][0])
            raise DataError(f"The set has {chemical_symbols[z]}, which is not among {' '.join(names)}.")
        table = np.zeros((len(self), len(names)))
        np.add.at(table, (self.system, where), 1.0)
        return table

    def subset(self, index: Mask | Index | Sequence[int]) -> TrainingSet:
        """Pick structures.

        Parameters
        ----------
        index
            A boolean mask (S,), or indices.

        Returns
        -------
        TrainingSet
            In the order of the indices.
        """
        picked = np.asarray(index)
        picked = np.flatnonzero(picked) if picked.dtype == bool else picked.astype(np.int64)
        sizes = self.sizes[picked]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        atoms = np.repeat(self.offsets[picked] - offsets[:-1], sizes) + np.arange(offsets[-1])
        values = {}
        for field in fields(self):
            array = getattr(self, field.name)
            if field.name in ("numbers", "positions", "forces_ev_per_a"):
                values[field.name] = array[atoms]
            elif field.name != "offsets":
                values[field.name] = array[picked]
        return TrainingSet(offsets=offsets, **values)

    def in_split(self, split: Split) -> TrainingSet:
        """The structures whose composition belongs to a split, see :func:`split_of`."""
        lookup = {name: split_of(name) for name in np.unique(self.composition).tolist()}
        return self.subset(np.array([lookup[name] == split for name in self.composition.tolist()], dtype=bool))

    def with_weights(self, weight: Array) -> TrainingSet:
        """The same set with other weights, (S,)."""
        return replace(self, weight=np.broadcast_to(np.asarray(weight, dtype=float), (len(self),)).copy())

    def to_atoms(self, i: int) -> Atoms:
        """One structure, with its labels as a single-point calculator.

        Parameters
        ----------
        i
            Its place.

        Returns
        -------
        Atoms
            Without a stress where it has none.
        """
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        atoms = Atoms(self.numbers[rows], self.positions[rows], cell=self.cells[i], pbc=self.pbc[i])
        results: dict[str, object] = {"energy": float(self.energy_ev[i]), "forces": self.forces_ev_per_a[rows].copy()}
        if np.all(np.isfinite(self.stress_ev_per_a3[i])):
            results["stress"] = self.stress_ev_per_a3[i].copy()
        atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    @staticmethod
    def concatenate(sets: Sequence[TrainingSet]) -> TrainingSet:
        """Join sets, one after the other.

        Parameters
        ----------
        sets
            At least one.

        Returns
        -------
        TrainingSet
            All of them.

        Raises
        ------
        DataError
            There is none.
        """
        if not sets:
            raise DataError("No training set was given to join; give at least one.")
        sizes = np.concatenate([s.sizes for s in sets])
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        values = {
            f.name: np.concatenate([getattr(s, f.name) for s in sets])
            for f in fields(TrainingSet)
            if f.name != "offsets"
        }
        return TrainingSet(offsets=offsets, **values)


def reduced_formula(numbers: Iterable[int]) -> str:
    """Reduced formula, symbols in alphabetical order: [12, 8, 12, 8] -> 'MgO'."""
    values, counts = np.unique(np.fromiter(numbers, dtype=np.int64), return_counts=True)
    divisor = math.gcd(*counts.tolist())
    parts = sorted((chemical_symbols[z], n // divisor) for z, n in zip(values, counts, strict=True))
    return "".join(symbol + (str(n) if n > 1 else "") for symbol, n in parts)


def split_of(composition: str) -> Split:
    """Which split a reduced formula belongs to: 80 / 10 / 10 by its hash; elements always train."""
    if sum(letter.isupper() for letter in composition) <= 1:
        return "train"
    bucket = int.from_bytes(hashlib.sha256(composition.encode()).digest()[:4], "little") % 10
    return "test" if bucket == 0 else "val" if bucket == 1 else "train"


def make_set(
    structures: Sequence[Atoms],
    energy_ev: Sequence[float] | Array,
    forces_ev_per_a: Sequence[Array],
    stress_ev_per_a3: Sequence[Array | None],
    *,
    set_name: str,
    kind: str | Sequence[str] = "data",
    families: str | Sequence[str] = "",
    base: Sequence[str] | None = None,
    flag: str | Sequence[str] = "",
    volume_ratio: Array | None = None,
) -> TrainingSet:
    """Make a set from ASE structures and their labels, weights one.

    Parameters
    ----------
    structures
        S structures.
    energy_ev
        (S,), total energies.
    forces_ev_per_a
        (n, 3) of each structure of n atoms.
    stress_ev_per_a3
        (6,) of each, Voigt, ASE sign; None where it has none.
    set_name
        Of the set.
    kind
        How they were made, of all or of each.
    families
        Letters of the families that they serve, of all or of each.
    base
        The crystal that each was made from.
    flag
        Why a label should be used with care, of all or of each.
    volume_ratio
        (S,), volume over that of the relaxed base; nan by default.

    Returns
    -------
    TrainingSet
        Labels are not checked.

    Raises
    ------
    DataError
        Forces of another shape than the structure has atoms.
    """
    count = len(structures)
    for i, (atoms, forces) in enumerate(zip(structures, forces_ev_per_a, strict=True)):
        if np.shape(forces) != (len(atoms), 3):
            raise DataError(
                f"Structure {i} of {set_name} has {len(atoms)} atoms but forces of shape "
                f"{np.shape(forces)}; give one force for each atom."
            )
    sizes = [len(a) for a in structures]
    stress = np.full((count, 6), np.nan)
    for i, value in enumerate(stress_ev_per_a3):
        if value is not None:
            stress[i] = value
    return TrainingSet(
        numbers=np.concatenate([a.numbers for a in structures] or [[]]).astype(np.int64),
        positions=np.concatenate([a.positions for a in structures] or [np.zeros((0, 3))]).astype(float),
        cells=np.array([np.asarray(a.cell) for a in structures], dtype=float).reshape(count, 3, 3),
        pbc=np.array([a.pbc for a in structures], dtype=bool).reshape(count, 3),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        energy_ev=np.asarray(energy_ev, dtype=float).reshape(count),
        forces_ev_per_a=np.concatenate([np.asarray(f, dtype=float) for f in forces_ev_per_a] or [np.zeros((0, 3))]),
        stress_ev_per_a3=stress,
        kind=_names(kind, count),
        composition=np.array([reduced_formula(a.numbers) for a in structures], dtype=np.str_).reshape(count),
        set_name=_names(set_name, count),
        weight=np.ones(count),
        families=_names(families, count),
        base=_names(list(base) if base is not None else "", count),
        flag=_names(flag, count),
        volume_ratio=np.full(count, np.nan) if volume_ratio is None else np.asarray(volume_ratio, dtype=float),
    )


def _names(value: str | Sequence[str], count: int) -> StrArray:
    return np.array([value] * count if isinstance(value, str) else list(value), dtype=np.str_).reshape(count)
