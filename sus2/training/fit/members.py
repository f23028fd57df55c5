"""Committees of readouts from what a labelled set still asks of a finished potential.

The potentials are small beside what they describe: their errors are those of a model that cannot do better everywhere
at once, not those of too few data, and the posterior of a readout that is taken for right is far too narrow. So each
base crystal (its volumes, strains and displacements) is fitted exactly by the smallest change of the readout, measured
by what that change does to all other training data, as in the pointwise optimal parameters of Swinburne and Perez
(Mach. Learn.: Sci. Technol. 6, 015008 (2025)). Members are random mixtures of these changes: where crystals of some
elements ask for different readouts, members differ. Differences of energies within a base crystal alone are used, so
energy zeros of data sets do not matter.

Potentials of two functionals have members in pairs: those of the second add to each change that the first one's labels
ask of the first the smallest further change that makes the second's energies right. What both potentials get wrong
alike then moves both members of a pair alike, and cancels in differences of functionals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from sus2.derivatives.readout import ReadoutBasis
from sus2.errors import DataError
from sus2.potential.potential import Potential
from sus2.registry.applicability import descriptors
from sus2.registry.load import load_moments, pretrained_folder
from sus2.training.data.dataset import TrainingSet
from sus2.training.data.reference_sets import acwf_set
from sus2.training.data.sets import load_set
from sus2.training.fit.config import read_config
from sus2.training.fit.sources import training_data
from sus2.trust.members import Members, members_path, write_members
from sus2.types import Array, Index

MEMBERS: Final = 16
DIRECTIONS: Final = 96
BASES: Final = 900
PER_BASE: Final = 7
# Structures that find the directions of readouts.
_SAMPLE: Final = 800
_FAR: Final = ("dimer", "wall", "atom")
# Errors of energies within a base crystal that count as one, eV/atom, and their part relative to the energy.
_ENERGY_EV: Final = 0.002
_RELATIVE: Final = 0.03
# Structures further above the lowest of their base than this teach nothing about properties near the minimum.
_HIGHEST_EV: Final = 0.5
_RIDGE: Final = 1e-3
_VARIANCE_FLOOR: Final = 1e-6


def write_members_of(name: str, sets: tuple[str, ...] = (), seed: int = 0, pair: str = "") -> Path:
    """Draw the members of a shipped potential and write them beside its weights.

    Parameters
    ----------
    name
        The potential.
    sets
        Built sets to take the labels from, ``acwf`` among them; by default those of its configuration.
    seed
        Of every random choice.
    pair
        A potential of another functional, with the same elements and scalars, whose members were drawn with this seed
        and these sets: the members become those of pairs.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        A set is not built, or has too few structures of these elements; or the two cannot have members in pairs.
    """
    potential = load_moments(name)
    twin = load_moments(pair) if pair else None
    if twin is not None and not pairs_with(twin, potential):
        raise DataError(f"{name} and {pair} differ in more than the functional, so their members cannot be in pairs.")
    data = _labels(potential, sets)
    path = members_path(name)
    lead = None if twin is None else (twin, _labels(twin, sets))
    write_members(path, draw_members(potential, data, seed=seed, pair=lead))
    return path


def pairs_with(first: Potential, second: Potential) -> bool:
    """Whether members of two potentials can be in pairs: other functionals, the same elements and number of scalars.

    Parameters
    ----------
    first
        The potential whose members are drawn first.
    second
        The other.

    Returns
    -------
    bool
        Whether they can.
    """
    same = first.elements == second.elements and len(first.spec.mapping) == len(second.spec.mapping)
    return same and first.functional != second.functional


def _labels(potential: Potential, sets: tuple[str, ...]) -> TrainingSet:
    if sets:
        parts = [acwf_set() if s == "acwf" else load_set(s, potential.functional, drop=("label", "weak")) for s in sets]
        return TrainingSet.concatenate(parts) if len(parts) > 1 else parts[0]
    config = read_config(pretrained_folder() / f"{potential.name}.yaml")
    # Of sets whose structures belong to crystals, where there are some.
    crystals = tuple(s for s in config.sources if s.kind == "distilled") or config.sources
    crystals = tuple(s.model_copy(update={"containing": ()}) for s in crystals)
    data, _, _ = training_data(config.model_copy(update={"stability_ev_per_atom": None, "sources": crystals}))
    return data


def draw_members(
    potential: Potential,
    data: TrainingSet,
    *,
    count: int = MEMBERS,
    seed: int = 0,
    pair: tuple[Potential, TrainingSet] | None = None,
) -> Members:
    """Members of a potential from a labelled set.

    Parameters
    ----------
    potential
        Its readout is the middle of the committee.
    data
        Labels in its functional; structures with elements that it does not cover are left out.
    count
        Number of members.
    seed
        Of every random choice.
    pair
        A potential whose members are drawn from that set with the same seed, for members in pairs with these.

    Returns
    -------
    Members
        For these weights.

    Raises
    ------
    DataError
        The set has fewer than ten base crystals of several structures.
    """
    data = _usable(data, potential.elements)
    rng = np.random.default_rng(seed)
    lead, taught = (potential, data) if pair is None else (pair[0], _usable(pair[1], pair[0].elements))
    directions = _directions(lead, taught, rng)
    basis = ReadoutBasis(potential, directions)
    lead_basis = basis if pair is None else ReadoutBasis(lead, directions)
    groups = _groups(taught, rng)
    own = _by_base(data) if pair is not None else {}
    if len(groups) < 10:
        raise DataError(f"Only {len(groups)} crystals of the set have several structures; members need at least ten.")
    kinds = len(potential.elements)
    total = np.zeros((count, kinds, directions.shape[1]))
    seen = np.zeros(kinds)
    for base, rows in groups:
        change = _change(lead, lead_basis, taught, rows)
        if change is not None and pair is not None:
            change = _change(potential, basis, data, _same(taught, rows, data, own.get(base)), change)
        if change is None:
            continue
        # The mixture is drawn from the name, so that pairs mix the same crystals alike.
        mix = np.random.default_rng([seed, *base.encode()]).normal(size=count)
        total += mix[:, None, None] * change
        seen += np.abs(change).sum(axis=1) > 0
    weights = total / np.sqrt(np.maximum(seen, 1.0))[None, :, None]
    return Members(potential.card.sha256, directions, weights, "" if pair is None else lead.card.sha256)


def _usable(data: TrainingSet, elements: tuple[str, ...]) -> TrainingSet:
    from ase.data import atomic_numbers

    known = np.isin(data.numbers, [atomic_numbers[e] for e in elements])
    inside = np.logical_and.reduceat(known, data.offsets[:-1])
    near = np.isnan(data.volume_ratio) | (np.abs(data.volume_ratio - 1.0) < 0.2)
    return data.subset(inside & near & ~np.isin(data.kind, _FAR) & (data.sizes <= 64))


def _directions(potential: Potential, data: TrainingSet, rng: np.random.Generator) -> Array:
    """Directions of readouts (S, R) along which the sites of the set vary, each of unit variance, eV."""
    picked = rng.permutation(len(data))[:_SAMPLE]
    structures = [data.to_atoms(int(i)) for i in picked]
    values = descriptors(potential, structures)
    place = {symbol: k for k, symbol in enumerate(potential.elements)}
    types = np.array([place[s] for a in structures for s in a.get_chemical_symbols()])
    for z in np.unique(types):
        values[types == z] -= values[types == z].mean(axis=0)
    spread = np.maximum(values.std(axis=0), 1e-12)
    w, vectors = np.linalg.eigh(np.atleast_2d(np.cov((values / spread).T)))
    kept = min(DIRECTIONS, len(w))
    variance = np.maximum(w[-kept:], _VARIANCE_FLOOR * w[-1])
    out: Array = vectors[:, -kept:] / spread[:, None] / np.sqrt(variance)
    return out


def _groups(data: TrainingSet, rng: np.random.Generator) -> list[tuple[str, Index]]:
    order = np.argsort(data.base, kind="stable")
    names, first = np.unique(data.base[order], return_index=True)
    parts = np.split(order, first[1:])
    chosen = [(str(n), rows) for n, rows in zip(names, parts, strict=True) if len(rows) >= 3 and n]
    if not chosen:
        # Sets that name no base crystal: neighbours in the file are taken together.
        chosen = [(f"part {k}", np.arange(k, min(k + PER_BASE, len(data)))) for k in range(0, len(data) - 2, PER_BASE)]
    keep = rng.permutation(len(chosen))[:BASES]
    return [(chosen[k][0], np.sort(rng.permutation(chosen[k][1])[:PER_BASE])) for k in np.sort(keep)]


def _by_base(data: TrainingSet) -> dict[str, Index]:
    order = np.argsort(data.base, kind="stable")
    names, first = np.unique(data.base[order], return_index=True)
    return {str(n): rows for n, rows in zip(names, np.split(order, first[1:]), strict=True)}


def _same(data: TrainingSet, rows: Index, other: TrainingSet, candidates: Index | None) -> Index:
    """Rows of another set, among the candidates, that are the same structures; those that it does not have are left."""
    found = []
    for row in rows:
        mine = data.to_atoms(int(row))
        for c in candidates if candidates is not None else ():
            theirs = other.to_atoms(int(c))
            if not np.array_equal(mine.numbers, theirs.numbers):
                continue
            if np.allclose(mine.cell.array, theirs.cell.array) and np.allclose(mine.positions, theirs.positions):
                found.append(int(c))
                break
    return np.array(found, dtype=np.int64)


def _change(
    potential: Potential,
    basis: ReadoutBasis,
    data: TrainingSet,
    rows: Index,
    start: Array | None = None,
) -> Array | None:
    """The change of the readout (C, R) nearest to `start` that makes the energies within a base crystal right."""
    if len(rows) < 3:
        return None
    counts = data.sizes[rows]
    per_atom = data.energy_ev[rows] / counts
    above = per_atom - per_atom.min()
    structures = [data.to_atoms(int(i)) for i in rows]
    formulas = {tuple(sorted(zip(*np.unique(a.numbers, return_counts=True), strict=True))) for a in structures}
    keep = above < _HIGHEST_EV
    if keep.sum() < 3:
        return None
    reduced = {tuple(np.round(np.bincount(a.numbers, minlength=119) / len(a), 6)) for a in structures}
    if len(formulas) > 1 and len(reduced) > 1:
        return None
    structures = [a for a, k in zip(structures, keep, strict=True) if k]
    counts, per_atom, above = counts[keep], per_atom[keep], above[keep]
    ours = np.array([r.energy_ev for r in potential.evaluate(structures)]) / counts
    miss = per_atom - ours
    lines = basis.energies(structures) / counts[:, None, None]
    weight = 1.0 / (_ENERGY_EV + _RELATIVE * above)
    share = weight**2 / (weight**2).sum()
    miss = weight * (miss - share @ miss)
    lines = weight[:, None, None] * (lines - np.tensordot(share, lines, 1))
    flat = lines.reshape(len(lines), -1)
    gram = flat @ flat.T
    gram[np.diag_indices_from(gram)] += _RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    if start is not None:
        miss = miss - flat @ start.ravel()
    change: Array = (flat.T @ np.linalg.solve(gram, miss)).reshape(lines.shape[1:])
    if start is not None:
        change = start + change
    return change if np.isfinite(change).all() else None
