"""The labels that a configuration names, as training sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase.data import atomic_numbers

from sus2.errors import DataError
from sus2.training.data.dataset import Split, TrainingSet, fit_references, reduced_formula
from sus2.training.data.readers import read_training_set
from sus2.training.data.reference_sets import acwf_set, diamond_set, matpes_elements, mlearn_set, nacl_set
from sus2.training.data.sets import SetSplit, load_set
from sus2.training.data.stability import weighted_by_stability
from sus2.training.fit.config import Source, TrainConfig
from sus2.trust.known_values import known_crystals
from sus2.trust.known_values.structure_type import structure_type
from sus2.types import Array, Index, Mask


def read_source(
    source: Source, config: TrainConfig, split: Split, textbook: frozenset[str] = frozenset()
) -> TrainingSet:
    """The labels of one source.

    Only `val` may be empty: elements are never held out.

    Parameters
    ----------
    source
        The source.
    config
        Of the training.
    split
        "train", "val" or "test", where the source has such splits.
    textbook
        Names of base crystals that other sources have found to be those of the textbook.

    Returns
    -------
    TrainingSet
        Labelled.
    """
    if source.kind == "file":
        data = read_training_set(source.path, config.elements, on_bad=source.on_bad)
    elif source.kind == "mlearn":
        if not source.element:
            raise DataError("A source of kind 'mlearn' needs its 'element'.")
        data = mlearn_set(source.element, "test" if split == "test" else "training")
    elif source.kind == "diamond":
        data = diamond_set("train" if split == "train" else "valid")
    elif source.kind == "nacl":
        data = nacl_set()
    elif source.kind == "acwf":
        data = acwf_set()
    elif source.kind == "matpes-elements":
        data = matpes_elements("r2SCAN" if source.functional == "r2SCAN" else "PBE")
    else:
        functional = source.functional or config.functional
        data = load_set(source.name, functional, source.families or None, split, source.shards)
    known = np.isin(data.numbers, [atomic_numbers[e] for e in config.elements if e not in source.without])
    inside = np.logical_and.reduceat(known, data.offsets[:-1]) if len(data) else np.zeros(0, dtype=bool)
    data = data.subset(np.flatnonzero(inside))
    if source.containing:
        data = having(data, source.containing)
    if not len(data) and split != "val":
        raise DataError(f"Source '{source.kind}' has no structure made of the elements of the run alone.")
    weight, stress = data.weight * source.weight, data.stress_ev_per_a3.copy()
    for text, factor in source.emphasis.items():
        weight = np.where(_named(data, text), weight * factor, weight)
    for formula, factor in source.compositions.items():
        weight = np.where(data.composition == formula, weight * factor, weight)
    if source.textbook != 1.0:
        book = of_textbook_crystals(data) | np.isin(data.base, sorted(textbook))
        weight = np.where(book, weight * source.textbook, weight)
    for text in source.without_stress:
        stress[_named(data, text)] = np.nan
    return replace(data.with_weights(weight), stress_ev_per_a3=stress)


def having(data: TrainingSet, elements: Sequence[str]) -> TrainingSet:
    """The structures with at least one of these elements.

    Parameters
    ----------
    data
        The set.
    elements
        Chemical symbols.

    Returns
    -------
    TrainingSet
        Empty where no structure has one.
    """
    if not len(data):
        return data
    wanted = np.isin(data.numbers, [atomic_numbers[e] for e in elements])
    return data.subset(np.flatnonzero(np.logical_or.reduceat(wanted, data.offsets[:-1])))


def in_minibatches(data: TrainingSet, count: int, seed: int) -> list[Index]:
    """A random division of a set; the two of a pair stay together.

    Parameters
    ----------
    data
        The set.
    count
        Of the parts, at most.
    seed
        Of the random numbers.

    Returns
    -------
    list of ndarray
        Places of each part's structures, rising.
    """
    # Neighbours of a kind "...-pair" stay together.
    paired = np.char.endswith(data.kind[:-1], "-pair") & (data.base[:-1] == data.base[1:])
    paired &= data.kind[:-1] == data.kind[1:]
    unit = np.concatenate([[0], np.cumsum(~paired)])
    order = np.random.default_rng(seed).permutation(unit[-1] + 1)
    return [np.flatnonzero(np.isin(unit, part)) for part in np.array_split(order, min(count, len(order)))]


def _named(data: TrainingSet, text: str) -> Mask:
    """Structures whose kind or base crystal contains the text."""
    found: Mask = (np.char.find(data.kind, text) >= 0) | (np.char.find(data.base, text) >= 0)
    return found


def of_textbook_crystals(data: TrainingSet) -> Mask:
    """Which structures are made of crystals with known values, in the structure type that these crystals have.

    Parameters
    ----------
    data
        A set with the crystals at rest.

    Returns
    -------
    ndarray
        (S,) of bool; dimers are none.
    """
    types = {(reduced_formula(a.numbers), structure_type(a)) for a in known_crystals().values()}
    formulas = [formula for formula, _ in types]
    rest = np.flatnonzero((data.kind == "relaxed") & np.isin(data.composition, formulas))
    found = [str(data.base[k]) for k in rest if (data.composition[k], structure_type(data.to_atoms(int(k)))) in types]
    return np.asarray(np.isin(data.base, found) & (data.kind != "dimer"))


def training_data(config: TrainConfig) -> tuple[TrainingSet, TrainingSet | None, set[str]]:
    """The sets to train on and to judge by.

    Validation is the `val` split (by composition) of distilled sources, a random share of frames of the others.
    Free sets start on the first source's zero by the difference of their elemental references.

    Parameters
    ----------
    config
        Names the sources.

    Returns
    -------
    tuple of TrainingSet, TrainingSet or None, and set of str
        Training set, validation set (None without one), and the names of the sets whose energy zero is free.

    Raises
    ------
    DataError
        Labels that are missing or cannot be used.
    """
    train, held, free = [], [], set()
    apart = _kept_apart(config)
    textbook: frozenset[str] = frozenset()
    rng = np.random.default_rng(config.seed + 1)
    zero: Array | None = None
    for source in config.sources:
        data = read_source(source, config, "train", textbook)
        other = read_source(source, config, "val", textbook) if source.kind == "distilled" else None
        if source.textbook != 1.0:
            textbook |= frozenset(data.base[of_textbook_crystals(data)].tolist())
        if other is None:
            # What a set keeps apart is not learnt from another one.
            data = data.subset(np.flatnonzero(~np.isin(data.composition, sorted(apart))))
            order = rng.permutation(len(data))
            cut = round(config.validation_fraction * len(data))
            other = data.subset(np.sort(order[:cut])) if cut else None
            data = data.subset(np.sort(order[cut:]))
        if zero is None:
            zero = fit_references(data, config.elements)
        elif not source.same_zero:
            free |= set(data.set_name.tolist())
            shift = zero - fit_references(data, config.elements)
            data = replace(data, energy_ev=data.energy_ev + data.counts(config.elements) @ shift)
            if other is not None:
                other = replace(other, energy_ev=other.energy_ev + other.counts(config.elements) @ shift)
        train.append(data)
        if other is not None and len(other):
            held.append(other)
    joined, kept = TrainingSet.concatenate(train), TrainingSet.concatenate(held) if held else None
    return weighted(config, joined), kept and weighted(config, kept), free


def _kept_apart(config: TrainConfig) -> set[str]:
    """Compositions that the distilled sources hold out, where there are other sources as well."""
    if all(s.kind == "distilled" for s in config.sources):
        return set()
    splits: tuple[SetSplit, ...] = ("val", "test", "type", "mp")
    names = [(s.name, s.functional or config.functional) for s in config.sources if s.kind == "distilled"]
    return {c for name, f in names for split in splits for c in load_set(name, f, None, split, ()).composition.tolist()}


def weighted(config: TrainConfig, data: TrainingSet, splits: tuple[Split, ...] = ("train",)) -> TrainingSet:
    """The set with the weights by stability that the configuration asks for.

    The hull is that of all crystals of the distilled sources in these splits, of whatever family and elements.

    Parameters
    ----------
    config
        Says the energy above the hull by which weights fall, if any.
    data
        The set.
    splits
        Of the crystals of the hull.

    Returns
    -------
    TrainingSet
        The set itself where no weights are asked for.
    """
    if config.stability_ev_per_atom is None:
        return data
    whole: dict[str, tuple[str, ...]] = {"families": (), "containing": ()}
    distilled = [s.model_copy(update=whole) for s in config.sources if s.kind == "distilled"]
    phases = TrainingSet.concatenate([read_source(s, config, split) for s in distilled for split in splits])
    return weighted_by_stability(data, phases, config.stability_ev_per_atom)


def as_trained(source: Source, config: TrainConfig) -> Source:
    """A test source with the weights of the training source of the same set, where there is one.

    Parameters
    ----------
    source
        To test on.
    config
        With the sources that are trained on.

    Returns
    -------
    Source
        With their weight and emphasis.
    """
    for other in config.sources:
        if (other.kind, other.name, other.path) == (source.kind, source.name, source.path):
            return source.model_copy(update={"weight": other.weight, "emphasis": other.emphasis})
    return source
