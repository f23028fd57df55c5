"""Sets of labelled structures as flat arrays: reading, checking, splitting, hashing.

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
from ase.data import chemical_symbols, covalent_radii
from ase.geometry import complete_cell
from numpy.typing import NDArray

from sus2.errors import DataError, StructureError
from sus2.native.neighbours import neighbours
from sus2.structures.crystal import check_cell

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StrArray = NDArray[np.str_]
OnBad = Literal["refuse", "skip"]
Split = Literal["train", "val", "test"]

# Closer than this fraction of the sum of covalent radii, two atoms are taken to lie on top of each other.
OVERLAP_FRACTION = 0.3
# Ratios by which an energy is wrong when it was written in another unit: Hartree, Rydberg, kJ/mol, kcal/mol, meV.
_UNIT_RATIOS = {"Hartree": 27.2114, "Rydberg": 13.6057, "kJ/mol": 96.4853, "kcal/mol": 23.0605, "meV": 1000.0}


@dataclass(frozen=True)
class TrainingSet:
    """Labelled structures, one row per atom or per structure.

    Atom rows: ``numbers`` (N,), ``positions`` (N, 3) A, ``forces_ev_per_a`` (N, 3). Structure rows:
    ``cells`` (S, 3, 3) A (rows are lattice vectors), ``pbc`` (S, 3), ``energy_ev`` (S,) total energies,
    ``stress_ev_per_a3`` (S, 6), ``kind`` (S,) how the structure was made, ``composition`` (S,) reduced
    formula, ``set_name`` (S,), ``weight`` (S,), ``families`` (S,) letters of the families it serves,
    ``base`` (S,) the crystal it was made from, ``flag`` (S,) why its label should be used with care or
    not at all ("" for most), ``volume_ratio`` (S,) volume over that of the relaxed base (NaN if unknown).
    Atoms of structure i are rows ``offsets[i]:offsets[i + 1]``.
    """

    numbers: IntArray
    positions: FloatArray
    cells: FloatArray
    pbc: NDArray[np.bool_]
    offsets: IntArray
    energy_ev: FloatArray
    forces_ev_per_a: FloatArray
    stress_ev_per_a3: FloatArray
    kind: StrArray
    composition: StrArray
    set_name: StrArray
    weight: FloatArray
    families: StrArray
    base: StrArray
    flag: StrArray
    volume_ratio: FloatArray

    def __len__(self) -> int:
        return len(self.energy_ev)

    @property
    def sizes(self) -> IntArray:
        """Number of atoms of each structure, (S,)."""
        return np.diff(self.offsets)

    @property
    def system(self) -> IntArray:
        """Structure index of each atom, (N,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of all elements in the set, by atomic number."""
        return tuple(chemical_symbols[z] for z in np.unique(self.numbers))

    @property
    def volumes_a3(self) -> FloatArray:
        """Cell volumes, (S,) A^3; zero for structures without a cell."""
        volumes: FloatArray = np.abs(np.linalg.det(self.cells))
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

    def counts(self, elements: Sequence[str] | None = None) -> FloatArray:
        """Atoms of each element in each structure, (S, C), columns in the order of ``elements``."""
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

    def subset(self, index: NDArray[np.bool_] | IntArray | Sequence[int]) -> TrainingSet:
        """The structures picked by a boolean mask (S,) or by indices, in that order."""
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

    def with_weights(self, weight: FloatArray) -> TrainingSet:
        """The same set with other weights, (S,)."""
        return replace(self, weight=np.broadcast_to(np.asarray(weight, dtype=float), (len(self),)).copy())

    def to_atoms(self, i: int) -> Atoms:
        """Structure i as ASE Atoms; its labels are attached as a single-point calculator."""
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        atoms = Atoms(self.numbers[rows], self.positions[rows], cell=self.cells[i], pbc=self.pbc[i])
        results: dict[str, object] = {"energy": float(self.energy_ev[i]), "forces": self.forces_ev_per_a[rows].copy()}
        if np.all(np.isfinite(self.stress_ev_per_a3[i])):
            results["stress"] = self.stress_ev_per_a3[i].copy()
        atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    @staticmethod
    def concatenate(sets: Sequence[TrainingSet]) -> TrainingSet:
        """One set after the other."""
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


@dataclass(frozen=True)
class BadLabel:
    """One structure that must not be trained on: its index in the set or file and the reason."""

    index: int
    reason: str


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
    energy_ev: Sequence[float] | FloatArray,
    forces_ev_per_a: Sequence[FloatArray],
    stress_ev_per_a3: Sequence[FloatArray | None],
    *,
    set_name: str,
    kind: str | Sequence[str] = "data",
    families: str | Sequence[str] = "",
    base: Sequence[str] | None = None,
    flag: str | Sequence[str] = "",
    volume_ratio: FloatArray | None = None,
) -> TrainingSet:
    """A set from ASE structures and their labels, units as in TrainingSet; DataError for forces of another shape."""
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


def bad_labels(data: TrainingSet) -> list[BadLabel]:
    """Every structure whose labels or positions are unusable, by index, with the reason.

    Checked: finite positions, cell, energy and forces; atoms nearer than 0.3 times the sum of their
    covalent radii; energies that lie outside all others by a unit (see :func:`_energy_outliers`).
    """
    found: dict[int, str] = {}
    for i in range(len(data)):
        rows = slice(int(data.offsets[i]), int(data.offsets[i + 1]))
        forces = data.forces_ev_per_a[rows]
        if rows.start == rows.stop:
            found[i] = "it has no atoms"
        elif not (np.all(np.isfinite(data.positions[rows])) and np.all(np.isfinite(data.cells[i]))):
            found[i] = "a position or the cell is not a finite number"
        elif not np.isfinite(data.energy_ev[i]):
            found[i] = f"its energy is missing or not a finite number ({data.energy_ev[i]})"
        elif np.all(np.isnan(forces)):
            found[i] = "its forces are missing"
        elif not np.all(np.isfinite(forces)):
            found[i] = f"the force on atom {int(np.flatnonzero(~np.isfinite(forces).all(axis=1))[0])} is not finite"
        elif (
            np.any(np.isinf(data.stress_ev_per_a3[i]))
            or np.isnan(data.stress_ev_per_a3[i]).any() != np.isnan(data.stress_ev_per_a3[i]).all()
        ):
            found[i] = "its stress is not finite"
        elif reason := _bad_cell(data, i) or _overlap(data, i):
            found[i] = reason
    good = np.array([i for i in range(len(data)) if i not in found], dtype=np.int64)
    for i, reason in _energy_outliers(data.subset(good)):
        found[int(good[i])] = reason
    return [BadLabel(i, found[i]) for i in sorted(found)]


def _bad_cell(data: TrainingSet, i: int) -> str | None:
    if not data.pbc[i].any():
        return None
    try:
        check_cell(complete_cell(data.cells[i]))
    except StructureError as error:
        return str(error).rstrip(".")
    return None


def _overlap(data: TrainingSet, i: int) -> str | None:
    rows = slice(int(data.offsets[i]), int(data.offsets[i + 1]))
    numbers = data.numbers[rows]
    radii = covalent_radii[numbers]
    # A cell that is not in use may be anything.
    cell = data.cells[i] if data.pbc[i].any() else None
    atoms = Atoms(numbers, data.positions[rows], cell=cell, pbc=data.pbc[i])
    found = neighbours(atoms, 2.0 * OVERLAP_FRACTION * float(radii.max()))
    first, second, distance = found.index_i, found.index_j, np.linalg.norm(found.vector, axis=1)
    close = distance < OVERLAP_FRACTION * (radii[first] + radii[second])
    if not np.any(close):
        return None
    k = int(np.flatnonzero(close)[0])
    return f"atoms {int(first[k])} and {int(second[k])} lie on top of each other ({distance[k]:.3f} A apart)"


def fit_references(data: TrainingSet, elements: Sequence[str] | None = None, iterations: int = 30) -> FloatArray:
    """Elemental energies (C,) eV: a robust (iteratively reweighted, L1-like) fit of energy per atom to composition.

    A small ridge towards the mean energy per atom keeps elements that never vary apart well defined.
    """
    counts = data.counts(elements)
    sizes = np.maximum(counts.sum(axis=1), 1.0)
    fractions = counts / sizes[:, None]
    target = data.energy_ev / sizes
    centre = float(np.median(target)) if len(target) else 0.0
    references = np.full(counts.shape[1], centre)
    weight = np.ones(len(target))
    for _ in range(iterations):
        normal = fractions.T @ (weight[:, None] * fractions) + 1e-8 * np.eye(counts.shape[1])
        new = centre + np.linalg.solve(normal, fractions.T @ (weight * (target - centre)))
        weight = 1.0 / np.maximum(np.abs(target - fractions @ new), 0.05)
        if np.allclose(new, references, atol=1e-6):
            break
        references = new
    return references


def _energy_outliers(data: TrainingSet) -> list[tuple[int, str]]:
    """Condensed structures whose energy per atom lies off the elemental fit without large forces or stress.

    A compressed cell may lie far above the others, but then its forces or stress are large; an isolated
    atom may too, but then its cell is nearly empty; neither is reported.
    """
    if len(data) < 3 * len(data.elements) + 5:
        return []
    sizes = data.sizes.astype(float)
    predicted = data.counts() @ fit_references(data)
    residual = (data.energy_ev - predicted) / sizes
    spread = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    sphere = 4.0 / 3.0 * np.pi * covalent_radii[data.numbers] ** 3
    volumes = data.volumes_a3
    filled = np.bincount(data.system, weights=sphere, minlength=len(data)) > 0.1 * np.maximum(volumes, 1e-9)
    condensed = filled & data.pbc.all(axis=1)
    force = np.zeros(len(data))
    np.maximum.at(force, data.system, np.abs(data.forces_ev_per_a).max(axis=1))
    stress = np.nan_to_num(np.abs(data.stress_ev_per_a3)).max(axis=1)
    calm = (force < 20.0) & (stress < 0.6)
    off = (np.abs(residual) > max(2.0, 15.0 * spread)) & condensed & (calm | (residual < 0.0))
    found = []
    for i in np.flatnonzero(off).tolist():
        ratio = data.energy_ev[i] / predicted[i] if predicted[i] else 0.0
        guess = _unit_guess(ratio, int(sizes[i]))
        found.append(
            (
                i,
                f"its energy ({data.energy_ev[i] / sizes[i]:.3f} eV/atom) is {residual[i]:+.2f} eV/atom off "
                f"the elemental fit of the set{guess}",
            )
        )
    return found


def _unit_guess(ratio: float, size: int) -> str:
    if ratio <= 0.0:
        return ""
    for unit, factor in _UNIT_RATIOS.items():
        power = -1.0 if unit in ("Hartree", "Rydberg") else 1.0
        if abs(math.log(ratio / factor**power)) < 0.2:
            return f", as if it were in {unit}"
    if size > 1 and abs(math.log(ratio * size)) < 0.2:
        return ", as if it were per atom"
    return ""


def checked(data: TrainingSet, on_bad: OnBad = "refuse", source: str = "The training set") -> TrainingSet:
    """The set itself when all labels are good; else refuse it (DataError names the first five) or leave the bad out."""
    bad = bad_labels(data)
    if not bad:
        return data
    if on_bad == "refuse":
        listed = "; ".join(f"structure {b.index}: {b.reason}" for b in bad[:5])
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(
            f"{source} has {len(bad)} bad of {len(data)} structures ({listed}{more}); "
            "correct them or skip bad structures on request."
        )
    if len(bad) == len(data):
        raise DataError(f"{source} has no usable structure (structure 0: {bad[0].reason}).")
    keep = np.ones(len(data), dtype=bool)
    keep[[b.index for b in bad]] = False
    return data.subset(keep)
