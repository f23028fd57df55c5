"""What each idea of the first paper is worth, one switched off at a time, at equal effort.

Hu et al., PNAS 2025: universal scaling (a length and a stiffness for each pair) against one for all pairs; the tanh of
the scaled distance against a linear map; scaling maps K, L and LK; and, beyond the paper, the factorised element
space against the table of pairs. Metals of the distillation set, small graph; see sus2.studies.study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

import numpy as np
from ase.data import chemical_symbols

from sus2.progress import Report
from sus2.studies.study import Effort, Material, load_material, study_config, train
from sus2.studies.tables import run_rows, table_path
from sus2.training.data.dataset import TrainingSet
from sus2.training.data.families import METALS
from sus2.types import Array, Mask

# Training sees these volumes, over that of the relaxed crystal; "outside" is what lies beyond.
VOLUMES: Final = (0.85, 1.15)
HELD_PAIRS: Final = 40
# Ranks of the factorised space that give the three scaling maps nearly the same number of parameters.
_RANKS: Final = {"LK": 0, "L": 1, "K": 2}
VARIANTS: Final[Mapping[str, str]] = {
    "whole": "universal scaling, tanh, map LK",
    "one-scaling": "one scaling for all pairs",
    "linear-map": "linear map instead of the tanh",
    "map-L": "scaling map L",
    "map-K": "scaling map K",
}
GRAPHS: Final = ("l2k1", "l2k2", "l2k3", "l3k2", "l3k3")


def planned(seeds: int) -> Iterator[dict[str, Any]]:
    """Rows of the study, by question.

    Parameters
    ----------
    seeds
        How many of each.

    Yields
    ------
    dict[str, Any]
        Keys of a row.
    """
    for seed in range(seeds):
        for variant in VARIANTS:
            yield {"question": "volumes", "variant": variant, "seed": seed}
        for space in ("factorised", "table"):
            yield {"question": "pairs", "variant": space, "seed": seed}
        for graph in GRAPHS:
            yield {"question": "size", "variant": graph, "seed": seed}


def run_ablations(effort: Effort, seeds: int = 1, report: Report = print) -> None:
    """Measure what the committed table has not got yet.

    Parameters
    ----------
    effort
        Of each training.
    seeds
        How many of each row.
    report
        Told what is done.

    Raises
    ------
    DataError
        The distillation set is not built.
    """
    questions = {"volumes": _volumes, "pairs": _pairs, "size": _size}

    def work(row: Mapping[str, Any]) -> Mapping[str, Any]:
        seeded = Effort(effort.updates, effort.rate, int(row["seed"]))
        return {"updates": effort.updates, **questions[str(row["question"])](str(row["variant"]), seeded)}

    run_rows(table_path("ablations.csv"), planned(seeds), work, report)


def _volumes(variant: str, effort: Effort) -> Mapping[str, Any]:
    """Train near the relaxed volume, test there and beyond."""
    scaling_map = variant.removeprefix("map-") if variant.startswith("map-") else "LK"
    config = study_config(scaling_map=scaling_map, element_rank=_RANKS[scaling_map])

    def near(data: TrainingSet) -> Mask:
        return (data.volume_ratio >= VOLUMES[0]) & (data.volume_ratio <= VOLUMES[1])

    material = load_material(config, "PBE", effort.seed, near, linear_map=variant == "linear-map")
    space, x = material.start()
    trainable = np.ones(space.size, dtype=bool)
    if variant == "one-scaling":
        for name, part in space.slices().items():
            trainable[part] = not name.endswith(("_centre", "_neighbour"))
    if variant == "linear-map":
        # The whole range of distances fills [-1, 1] at first, as the tanh fills it at any distance.
        reach = config.cutoff_a - config.min_distance_a
        x[space.slices()["alpha_base"]] = 4.0 / reach
    x = train(material, space, x, effort, trainable=trainable)
    inside = near(material.test)
    return {"parameters": int(trainable.sum()), **_two(material, space.unpack(x), inside)}


def _pairs(variant: str, effort: Effort) -> Mapping[str, Any]:
    """Keep some pairs of elements out of training altogether; "outside" are the test structures that have them."""
    rng = np.random.default_rng((effort.seed, 13))
    pairs = list(combinations(METALS, 2))
    held = {frozenset(pairs[k]) for k in rng.choice(len(pairs), HELD_PAIRS, replace=False)}

    def without(data: TrainingSet) -> Mask:
        return ~np.array([_has(data, i, held) for i in range(len(data))])

    material = load_material(study_config(element_space=variant), "PBE", effort.seed, without)
    space, x = material.start()
    x = train(material, space, x, effort)
    return {"parameters": space.size, **_two(material, space.unpack(x), without(material.test))}


def _has(data: TrainingSet, i: int, held: set[frozenset[str]]) -> bool:
    symbols = {chemical_symbols[z] for z in data.numbers[slice(*data.offsets[i : i + 2])].tolist()}
    return any(pair <= symbols for pair in held)


def _size(variant: str, effort: Effort) -> Mapping[str, Any]:
    """All structures, one graph."""
    material = load_material(study_config(graph=variant), "PBE", effort.seed)
    space, x = material.start()
    x = train(material, space, x, effort)
    everything = np.ones(len(material.test), dtype=bool)
    return {"parameters": space.size, **_entries("inside", material, space.unpack(x), everything)}


def _two(material: Material, spec: Any, inside: Mask) -> dict[str, Any]:
    return _entries("inside", material, spec, inside) | _entries("outside", material, spec, ~inside)


def _entries(where: str, material: Material, spec: Any, mask: Mask) -> dict[str, Any]:
    test = material.objective(material.test.subset(np.flatnonzero(mask)))
    found = material.measure(spec, test)
    values: dict[str, Array | float | int] = {
        f"{where}_structures": int(mask.sum()),
        f"{where}_energy_mae_mev_per_atom": found.energy_mae_mev_per_atom,
        f"{where}_force_mae_mev_per_a": found.force_mae_mev_per_a,
        f"{where}_stress_mae_gpa": found.stress_mae_gpa,
    }
    return values
