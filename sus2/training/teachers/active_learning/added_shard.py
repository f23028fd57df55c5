"""Shards of structures that were made for one potential, labelled by Nequix-OMat-1 and added to a set of their own.

A set of them is read like any other (:mod:`sus2.training.data.sets`). What has +U in that teacher is left out, and
splits are those of the second set, so that held-out compositions stay held out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms

from sus2.progress import Report
from sus2.training.data.crystals import blend
from sus2.training.data.crystals.shard_files import packed, read, write
from sus2.training.data.dataset import reduced_formula
from sus2.training.data.families import families_of
from sus2.training.data.hold_out import hold_out
from sus2.training.data.sets import finished_shards, set_folder
from sus2.training.teachers.crystal_set import ask_nequix


def add_shard(
    name: str,
    make: Callable[[np.random.Generator], list[tuple[str, Atoms]]],
    kind: str,
    seed: int = 0,
    report: Report = print,
) -> Path:
    """Add a shard to a set; the set is made if there is none.

    Parameters
    ----------
    name
        Of the set.
    make
        Gives the structures, each with the name of the crystal that it was made from.
    kind
        Of the structures; where it ends with "-pair", two that follow each other are one.
    seed
        Of the random numbers; every shard has its own.
    report
        Called with a line for each step.

    Returns
    -------
    Path
        The set's folder. Raises DataError where there is no teacher.
    """
    folder = set_folder(name)
    done = len(finished_shards(name)) if (folder / "manifest.json").exists() else 0
    number = f"{done:04d}"
    made = [(b, a) for b, a in make(np.random.default_rng([seed, done])) if not blend.with_plus_u(a.numbers)]
    if not made:
        report("nothing to label")
        return folder
    bases, crystals = zip(*made, strict=True)
    geometry = packed(crystals)
    write(folder / "nequix" / f"structures-{number}.npz", **geometry, index=np.arange(len(made)))
    ask_nequix(folder / "nequix", blend.NEQUIX, number, report)
    labels = read(folder / "nequix" / f"labels-PBE-{number}.npz")
    rule = hold_out()
    write(
        folder / f"structures-{number}.npz",
        **geometry,
        kind=np.full(len(made), kind),
        volume_ratio=np.full(len(made), np.nan),
        base=np.array(bases),
        split=np.array([rule.split(a.numbers.tolist()) for a in crystals]),
        composition=np.array([reduced_formula(a.numbers) for a in crystals]),
        families=np.array([families_of(set(a.get_chemical_symbols())) for a in crystals]),
        flag=np.full(len(made), ""),
        teacher=np.full(len(made), blend.NEQUIX),
    )
    write(folder / f"labels-PBE-{number}.npz", **{key: labels[key] for key in ("energy", "forces", "stress")})
    (folder / f"check-{number}.json").write_text(json.dumps({"distrusted": []}))
    content = {"format": 2, "name": name, "functionals": ["PBE"], "shards": done + 1}
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n")
    report(f"shard {number}: {len(made)} structures of {len(set(bases))} crystals")
    return folder
