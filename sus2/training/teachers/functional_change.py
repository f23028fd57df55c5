"""What the labels of a set say of the change from PBE to r2SCAN: volume and elastic constants of each crystal at rest.

From the crystal at rest and the pairs of small strains of it, labelled in both functionals, with the atoms held at
their fractional places: the stress at rest gives the volume without pressure (Murnaghan, Proc. Natl. Acad. Sci. 30, 244
(1944), with B' = 4), the differences of stress within the pairs the elastic constants, as far as the symmetry of the
crystal lets them be told from the strains that were made, and the differences of forces within the pairs of
displacements how frequencies change (Slater, Introduction to Chemical Physics (1939): their Grueneisen constant is
B'/2 - 1/6).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import DataError, Sus2Error
from sus2.properties.elastic.directions import hill_average
from sus2.properties.elastic.ieee_axes import CrystalAxes, choose_frame, crystal_axes, rotated
from sus2.training.data.dataset import TrainingSet, reduced_formula
from sus2.training.data.sets import SetSplit, load_set
from sus2.training.teachers.held_out import pairs_of
from sus2.trust.crystal_class import crystal_class
from sus2.trust.known_values.structure_type import structure_type
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA
from sus2.voigt import PAIRS

PRIME: Final = 4.0
SYMPREC_A: Final = 1e-3
# Unknown constants must be determined at least so well by the strains, and reproduce the stresses to this share.
_CONDITION: Final = 0.02
_REST: Final = 0.15
# Softer crystals than this (GPa), and pressures beyond this share of the bulk modulus, say nothing.
_SOFTEST_GPA: Final = 3.0
_FAR: Final = 0.12
_KINDS: Final = ("relaxed", "strain-pair", "displaced-pair")
_LEAST_STRAIN: Final = 2e-3
_SPLITS: Final[tuple[SetSplit, ...]] = ("test", "val", "type", "mp")


@dataclass(frozen=True)
class FunctionalChange:
    """The change of one crystal from PBE to r2SCAN by the labels.

    Attributes
    ----------
    base : str
        Name of the crystal in its set.
    formula : str
        Reduced formula in Hill order.
    kind : str
        As sus2.trust.known_values.structure_type names it; empty where the crystal has no symmetry.
    ratios : dict
        Quantity, named as the calibration does, -> r2SCAN over PBE, each at its own volume.
    """

    base: str
    formula: str
    kind: str
    ratios: dict[str, float]


def functional_changes(name: str, crystals: Iterable[Atoms]) -> list[FunctionalChange]:
    """The changes of crystals at rest of a set that the labels determine.

    Parameters
    ----------
    name
        A set with labels in PBE and r2SCAN.
    crystals
        Whose compositions are wanted.

    Returns
    -------
    list of FunctionalChange
        In the order of the set.

    Raises
    ------
    DataError
        There is no such set, or it has not both functionals.
    """
    wanted = sorted({reduced_formula(a.numbers.tolist()) for a in crystals})
    parts = []
    for functional in ("PBE", "r2SCAN"):
        data = load_set(name, functional)
        parts.append(data.subset(np.isin(data.composition, wanted) & np.isin(data.kind, _KINDS)))
    found = (change_of(base, labels) for base, labels in _by_base(name, parts))
    return [c for c in found if c is not None]


def held_out_changes(name: str, of_each_class: int = 60) -> list[tuple[Atoms, FunctionalChange]]:
    """Crystals of a set that were not trained on, with the change of their elastic constants by the labels.

    Parameters
    ----------
    name
        A set with labels in PBE and r2SCAN.
    of_each_class
        At most so many of each class of crystal, the first ones of the set.

    Returns
    -------
    list of (Atoms, FunctionalChange)
        The crystal at rest, and its change; in the order of the set.

    Raises
    ------
    DataError
        There is no such set, or it has not both functionals.
    """
    parts = []
    for functional in ("PBE", "r2SCAN"):
        split = TrainingSet.concatenate([load_set(name, functional, None, s) for s in _SPLITS])
        parts.append(split.subset(np.isin(split.kind, _KINDS)))
    found: list[tuple[Atoms, FunctionalChange]] = []
    counts: Counter[str] = Counter()
    for base, labels in _by_base(name, parts):
        atoms = labels[0].to_atoms(0)
        kind = crystal_class(atoms)
        if counts[kind] == of_each_class:
            continue
        change = change_of(base, labels)
        if change is not None and change.kind and "g_vrh_gpa" in change.ratios:
            counts[kind] += 1
            # Volumes of most of these are TensorNet's alone, which knows their change less well than known values do.
            ratios = {q: r for q, r in change.ratios.items() if q != "v0_a3_per_atom"}
            found.append((atoms, replace(change, ratios=ratios)))
    return found


def _by_base(name: str, parts: Sequence[TrainingSet]) -> Iterator[tuple[str, list[TrainingSet]]]:
    """The labels of each crystal in both functionals, in the order of the set."""
    if len(parts[0]) != len(parts[1]) or (parts[0].base != parts[1].base).any():
        raise DataError(f"The structures of {name} differ between PBE and r2SCAN.")
    order = np.argsort(parts[0].base, kind="stable")
    names, first = np.unique(parts[0].base[order], return_index=True)
    groups = sorted(zip(names.tolist(), np.split(order, first[1:]), strict=True), key=lambda g: int(g[1].min()))
    for base, rows in groups:
        yield str(base), [p.subset(np.sort(rows)) for p in parts]


def changes_by_crystal(found: Iterable[FunctionalChange]) -> dict[tuple[str, str], dict[str, float]]:
    """The changes by formula and structure type, the first of each.

    Parameters
    ----------
    found
        In the order of the set, whose first shards have the corrected volumes.

    Returns
    -------
    dict
        (formula in Hill order, structure type) -> quantity -> r2SCAN over PBE.
    """
    out: dict[tuple[str, str], dict[str, float]] = {}
    for c in found:
        if c.kind:
            out.setdefault((c.formula, c.kind), c.ratios)
    return out


def change_of(base: str, labels: Sequence[TrainingSet]) -> FunctionalChange | None:
    """The change of one crystal by its labels in PBE and r2SCAN.

    Parameters
    ----------
    base
        Name of the crystal.
    labels
        The crystal at rest and the pairs made from it, in PBE and in r2SCAN.

    Returns
    -------
    FunctionalChange or None
        None where the labels do not tell, and for crystals too soft or too far from rest in one functional.
    """
    rest = np.flatnonzero(labels[0].kind == "relaxed")
    if not len(rest):
        return None
    atoms = labels[0].to_atoms(int(rest[0]))
    try:
        axes = crystal_axes(atoms, SYMPREC_A)
        free = free_tensors(axes.rotations)
        sides = [_at_rest(d, int(rest[0]), axes, free) for d in labels]
    except (Sus2Error, np.linalg.LinAlgError, ValueError):
        return None
    if any(s is None for s in sides):
        return None
    pbe, other = (s for s in sides if s is not None)
    ratios = {q: other[q] / pbe[q] for q in pbe if q in other and pbe[q] > 0.0 and other[q] > 0.0}
    stiff = ratios.pop("stiffness", math.nan)
    if math.isfinite(stiff):
        # From the one cell of the labels to each functional's own by Slater's rule for Grueneisen's constant.
        lines = math.sqrt(stiff) * ratios["v0_a3_per_atom"] ** -(PRIME / 2.0 - 1.0 / 6.0)
        ratios |= dict.fromkeys(("gamma_to_thz", "max_frequency_thz", "mean_frequency_thz"), lines)
    formula = atoms.symbols.formula.reduce()[0].format("hill")
    return FunctionalChange(base, formula, structure_type(atoms), ratios)


def _at_rest(data: TrainingSet, rest: int, axes: CrystalAxes, free: Array) -> dict[str, float] | None:
    """Volume per atom without pressure and elastic constants there, in GPa, by the labels of one functional."""
    atoms = data.to_atoms(rest)
    tensor = clamped_tensor_gpa(data, free)
    found: dict[str, float] = {}
    if tensor is None:
        bulk = _bulk_gpa(data)
    else:
        mean = hill_average(tensor)
        bulk = mean.k_gpa
        c = rotated(tensor, choose_frame(tensor, axes.frames))
        names = {"c11_gpa": (0, 0), "c12_gpa": (0, 1), "c13_gpa": (0, 2), "c33_gpa": (2, 2), "c44_gpa": (3, 3)}
        found = {"g_vrh_gpa": mean.g_gpa, **{n: float(c[p]) for n, p in names.items()}}
    pressure = -float(data.stress_ev_per_a3[rest, :3].mean()) * EV_PER_A3_TO_GPA
    k0 = bulk - PRIME * pressure
    if not bulk >= _SOFTEST_GPA or k0 <= 0.0 or abs(pressure) > _FAR * bulk:
        return None
    volume = float(atoms.get_volume()) / len(atoms) * (bulk / k0) ** (1.0 / PRIME)
    # All constants are taken to fall with the volume as the bulk modulus does.
    softer = {q: k0 / bulk * v for q, v in {**found, "k_vrh_gpa": bulk, "b0_gpa": bulk}.items()}
    return {"v0_a3_per_atom": volume, **softer, "stiffness": _stiffness(data)}


def _bulk_gpa(data: TrainingSet) -> float:
    """Bulk modulus from the first pair of strains that changes the volume; nan without one."""
    for a, b in pairs_of(data).tolist():
        strain = float(np.log(data.volumes_a3[a] / data.volumes_a3[b]))
        if data.kind[a] == "strain-pair" and abs(strain) > _LEAST_STRAIN:
            change = data.stress_ev_per_a3[a, :3].mean() - data.stress_ev_per_a3[b, :3].mean()
            return float(change) / strain * EV_PER_A3_TO_GPA
    return math.nan


def _stiffness(data: TrainingSet) -> float:
    """Work of the forces along the displacements of the pairs, eV per cell, which grows as frequencies squared."""
    total = 0.0
    for a, b in pairs_of(data).tolist():
        if data.kind[a] == "displaced-pair":
            one, other = (slice(int(data.offsets[k]), int(data.offsets[k + 1])) for k in (a, b))
            moved = data.positions[one] - data.positions[other]
            total -= float((moved * (data.forces_ev_per_a[one] - data.forces_ev_per_a[other])).sum())
    return total


def clamped_tensor_gpa(data: TrainingSet, free: Array) -> Array | None:
    """The elastic constants (6, 6) of one crystal with its atoms at fractional places, from its pairs of strains.

    Parameters
    ----------
    data
        The crystal at rest and its pairs of strains.
    free
        Of the point group, see free_tensors.

    Returns
    -------
    ndarray or None
        In the axes of the cell, GPa; None where the strains do not determine all that symmetry leaves free.
    """
    rest = np.flatnonzero(data.kind == "relaxed")
    pairs = [(a, b) for a, b in pairs_of(data).tolist() if data.kind[a] == "strain-pair"]
    pairs = [(a, b) for a, b in pairs if data.sizes[a] == data.sizes[rest[0]]]
    if not len(rest) or not pairs:
        return None
    atoms = data.to_atoms(int(rest[0]))
    strains, stresses = [], []
    for a, b in pairs:
        # Rows of a cell are lattice vectors: cell = rest (1 + strain).
        gap = np.linalg.solve(atoms.cell.array, data.cells[a] - data.cells[b])
        e = 0.5 * (gap + gap.T)
        strains.append([e[0, 0], e[1, 1], e[2, 2], 2.0 * e[1, 2], 2.0 * e[0, 2], 2.0 * e[0, 1]])
        stresses.append(data.stress_ev_per_a3[a] - data.stress_ev_per_a3[b])
    x = np.concatenate([np.array([f @ s for f in free]).T for s in strains])
    y = np.concatenate(stresses)
    scale = float(np.linalg.norm(strains))
    values = np.linalg.svd(x / scale, compute_uv=False)
    if len(values) < len(free) or values[-1] < _CONDITION:
        return None
    amounts = np.linalg.lstsq(x, y, rcond=None)[0]
    if np.linalg.norm(y - x @ amounts) > _REST * np.linalg.norm(y):
        return None
    return np.asarray(np.tensordot(amounts, free, 1) * EV_PER_A3_TO_GPA)


def free_tensors(rotations: Array) -> Array:
    """A basis of the elastic constants that a point group allows.

    Parameters
    ----------
    rotations
        (n, 3, 3), the point group.

    Returns
    -------
    ndarray
        (k, 6, 6) stiffnesses in Voigt's notation: 3 for cubic crystals, 21 without symmetry.
    """
    strains = np.zeros((6, 3, 3))
    for a, (i, j) in enumerate(PAIRS):
        strains[a, i, j] = strains[a, j, i] = 1.0 if i == j else math.sqrt(0.5)
    # How the rotations turn Kelvin's orthonormal strains, and the mean over them of what they do to pairs of these.
    turned = np.einsum("aij,nik,bkl,njl->nab", strains, rotations, strains, rotations, optimize=True)
    mean = np.einsum("nab,ncd->acbd", turned, turned, optimize=True).reshape(36, 36) / len(rotations)
    swapped = mean.reshape(6, 6, 36).transpose(1, 0, 2).reshape(36, 36)
    values, vectors = np.linalg.eigh(0.25 * (mean + mean.T + swapped + swapped.T))
    kept = vectors[:, values > 0.5].T.reshape(-1, 6, 6)
    weight = np.array([1.0, 1.0, 1.0, *[math.sqrt(2.0)] * 3])
    return np.asarray(kept / weight[:, None] / weight)
