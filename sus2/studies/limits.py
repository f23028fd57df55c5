"""What limits the errors on compositions that training never saw: data, size of the model, or the labels themselves.

Learning curves of the metals (PBE): three graphs, each trained on a sixteenth, a quarter and all of the compositions
of three distillation sets, at equal numbers of updates; errors near equilibrium on compositions that were trained on
and on held-out ones. Where both errors are large and close the model is too small; where they are far apart there are
too few compositions. Beside them a second teacher of the same functional, CHGNet: what two teachers disagree on, no
student of one of them can be said to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from sus2.progress import Report
from sus2.studies.study import Effort, load_material, ordinary, study_config, train
from sus2.studies.tables import run_rows, table_path
from sus2.training.data.dataset import TrainingSet, fit_references
from sus2.training.data.generate import Made, arrays_of
from sus2.training.data.sets import set_folder
from sus2.training.fit.config import Source, TrainConfig
from sus2.training.fit.sources import read_source
from sus2.training.teachers.build import run_second_opinion
from sus2.types import Array, Mask

GRAPHS: Final = ("l2k2", "l3k3", "l3k5")
SHARES: Final = (0.0625, 0.25, 1.0)
SETS: Final = ("tensornet-matpes", "tensornet-decorations", "tensornet-decorations-2")
# What did best in the trials of docs/training.md.
BLOCK_RATES: Final = {"weights": 0.3, "theta": 0.5, "pair": 0.3333, "species": 0.3333}
RATE: Final = 0.04
# Trained structures whose errors are measured, and held-out ones that the second teacher labels.
_MEASURED: Final = 2000
_LABELLED: Final = 600


def planned(seeds: int) -> Iterator[dict[str, Any]]:
    """Rows of the study, cheapest first.

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
        yield {"question": "second teacher", "graph": "", "share": 1.0, "seed": seed}
        for graph in GRAPHS:
            for share in SHARES:
                yield {"question": "learning", "graph": graph, "share": share, "seed": seed}


def run_limits(updates: int = 6000, seeds: int = 1, report: Report = print) -> None:
    """Measure what the committed table has not got yet.

    Parameters
    ----------
    updates
        Of each training.
    seeds
        How many of each row.
    report
        Told what is done.

    Raises
    ------
    DataError
        The distillation sets are not built, or the teachers' environment is not there.
    """

    def work(row: Mapping[str, Any]) -> Mapping[str, Any]:
        seed = int(row["seed"])
        if row["question"] == "second teacher":
            return {"updates": updates, **second_teacher(seed)}
        return {"updates": updates, **learned(str(row["graph"]), float(row["share"]), Effort(updates, RATE, seed))}

    run_rows(table_path("limits.csv"), planned(seeds), work, report)


def near_equilibrium(data: TrainingSet) -> Mask:
    """Structures within 10 % of their relaxed volume.

    Parameters
    ----------
    data
        A set of n.

    Returns
    -------
    ndarray
        (n,) whether they are.
    """
    return np.asarray(np.abs(data.volume_ratio - 1.0) <= 0.1)


def some_compositions(data: TrainingSet, share: float, seed: int) -> Mask:
    """Structures of a random share of the compositions and of all elements; a smaller share is part of a larger one.

    Parameters
    ----------
    data
        A set of n.
    share
        From 0 to 1.
    seed
        Of the choice.

    Returns
    -------
    ndarray
        (n,) whether they are.
    """
    names = np.unique(data.composition)
    order = np.random.default_rng((seed, 17)).permutation(len(names))
    kept = set(names[order[: max(1, round(share * len(names)))]].tolist())
    pure = data.counts().astype(bool).sum(axis=1) == 1
    return pure | np.isin(data.composition, sorted(kept))


def learned(graph: str, share: float, effort: Effort) -> dict[str, Any]:
    """Train once; errors near equilibrium on what it saw and on held-out compositions.

    Parameters
    ----------
    graph
        Name of the moment graph.
    share
        Of the compositions.
    effort
        Of the training.

    Returns
    -------
    dict
        Columns of the table.
    """
    material = load_material(
        _config(graph), "PBE", effort.seed, lambda data: some_compositions(data, share, effort.seed)
    )
    space, x = material.start()
    x = train(material, space, x, effort, steps=space.scaled_steps(BLOCK_RATES))
    spec = space.unpack(x)
    seen = np.flatnonzero(near_equilibrium(material.train))[:_MEASURED]
    held = np.flatnonzero(near_equilibrium(material.test))
    found: dict[str, Any] = {
        "parameters": space.size,
        "structures": len(material.train),
        "compositions": len(np.unique(material.train.composition)),
    }
    for name, data, chosen in (("seen", material.train, seen), ("held_out", material.test, held)):
        e = material.measure(spec, material.objective(data.subset(chosen)))
        found |= {
            f"{name}_energy_mae_mev_per_atom": e.energy_mae_mev_per_atom,
            f"{name}_force_mae_mev_per_a": e.force_mae_mev_per_a,
        }
    return found


def _config(graph: str) -> TrainConfig:
    sources = [Source(kind="distilled", name=n, families=("a",), same_zero=n != SETS[0]).model_dump() for n in SETS]
    return study_config(graph=graph, element_rank=2, sources=sources)


def second_teacher(seed: int) -> dict[str, Any]:
    """Energies and forces of CHGNet (PBE) against the first teacher's, on held-out structures near equilibrium.

    Energies count after one shift for each element, fitted to the difference.

    Parameters
    ----------
    seed
        Of the choice of structures.

    Returns
    -------
    dict
        Columns of the table.
    """
    config = _config(GRAPHS[0])
    test = ordinary(read_source(config.sources[0], config, "test"))
    chosen = np.flatnonzero(near_equilibrium(test))
    chosen = np.sort(np.random.default_rng((seed, 18)).permutation(chosen)[:_LABELLED])
    data = test.subset(chosen)
    folder = set_folder("limits-second-teacher")
    folder.mkdir(parents=True, exist_ok=True)
    shard = f"{seed:04d}"
    made = [Made(data.to_atoms(i), str(data.kind[i]), str(data.base[i]), 1.0) for i in range(len(data))]
    with (folder / f"structures-{shard}.npz").open("wb") as file:
        np.savez(file, **arrays_of(made))  # type: ignore[arg-type]
    (folder / f"second-{shard}.npz").unlink(missing_ok=True)
    run_second_opinion(folder, shard, labels=True)
    with np.load(folder / f"second-{shard}.npz", allow_pickle=False) as stored:
        energy, forces = stored["energy_ev"], stored["forces_ev_per_a"]
    found = disagreement(data, energy, forces)
    return {"structures": len(data), "compositions": len(np.unique(data.composition)), **found}


def disagreement(data: TrainingSet, energy_ev: Array, forces_ev_per_a: Array) -> dict[str, float]:
    """Mean absolute differences of other labels, energies after one shift for each element.

    Parameters
    ----------
    data
        A labelled set of n.
    energy_ev
        (n,) other energies.
    forces_ev_per_a
        (N, 3) other forces.

    Returns
    -------
    dict
        Columns of the table, meV/atom and meV/angstrom.
    """
    difference = replace(data, energy_ev=energy_ev - data.energy_ev)
    rest = difference.energy_ev - difference.counts() @ fit_references(difference)
    return {
        "held_out_energy_mae_mev_per_atom": float(1e3 * np.abs(rest / data.sizes).mean()),
        "held_out_force_mae_mev_per_a": float(1e3 * np.abs(forces_ev_per_a - data.forces_ev_per_a).mean()),
    }
