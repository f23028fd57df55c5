"""Building of the second set, shard by shard: crystals as users have them, labelled by several teachers.

A set's folder holds, beside the files that :mod:`sus2.training.data.sets` reads, ``catalogue/base-K.npz`` (crystals
before relaxation) and a folder for each teacher with the structures that it labels and its own labels: ``relax``,
``tensornet``, ``nequix``, ``metals``, ``sevennet``. Every file is written whole or not at all, so a build that was
stopped at any moment goes on when it is started again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import DataError
from sus2.progress import Report
from sus2.training.data.crystals import blend, catalogue
from sus2.training.data.crystals.blended_set import FUNCTIONALS, blend_set
from sus2.training.data.crystals.crystal import Crystal
from sus2.training.data.crystals.shard_files import packed, read, subset, unpacked, write
from sus2.training.data.crystals.variations import Variation, varied
from sus2.training.data.dataset import reduced_formula
from sus2.training.data.families import MAGNETIC, families_of
from sus2.training.data.hold_out import HoldOut, hold_out
from sus2.training.data.reference_sets import shared_root
from sus2.training.data.sets import set_folder
from sus2.training.teachers.build import run_script, run_worker

NEQUIX_WORKER = Path(__file__).with_name("nequix_worker.py")
SEVENNET_WORKER = Path(__file__).with_name("sevennet_worker.py")
CRYSTALS_PER_SHARD: Final = 250
DIMERS_PER_SHARD: Final = 4000
# Shards of dimers have numbers from here on, and are made after these shards of crystals.
FIRST_DIMERS: Final = 9000
_AFTER: Final = (3, 7, 11, 13)
# The first shards have more structures of each crystal.
_RICH: Final = 18
_RELATIVES: Final = ("aflow", "aflow-sub")


def build_crystal_set(
    name: str, shards: int | None = None, seed: int = 0, sevennet: bool = True, report: Report = print
) -> Path:
    """Make and label the set, or go on with one.

    Parameters
    ----------
    name
        Of the set.
    shards
        Stop after so many shards (the most important crystals come first); None for all.
    seed
        Of every random choice.
    sevennet
        Whether the volumes of r2SCAN are corrected by SevenNet-MF-0, at two more labels of each crystal.
    report
        Called with a line for each step.

    Returns
    -------
    Path
        The set's folder.

    Raises
    ------
    DataError
        The set exists with another seed, or a teacher cannot run.
    """
    folder = set_folder(name)
    _claim(folder, name, seed)
    numbers = _write_catalogue(folder / "catalogue", seed, report)
    for number in numbers[:shards]:
        _label_shard(folder, number, seed, sevennet, report)
    blend_set(folder, report)
    return folder


def _claim(folder: Path, name: str, seed: int) -> None:
    content = {
        "format": 2,
        "name": name,
        "seed": seed,
        "functionals": list(FUNCTIONALS),
        "teachers": {
            "PBE": f"{blend.NEQUIX}, {blend.TENSORNET} where that has +U, {blend.METALS} for metals of groups 4 to 11",
            "r2SCAN": f"PBE and the difference of {blend.TENSORNET}, pressure of sevennet-mf-0",
        },
    }
    path = folder / "manifest.json"
    if path.exists():
        known = json.loads(path.read_text())
        if {key: known.get(key) for key in content} != content:
            raise DataError(f"The set {name} was begun with another plan; choose another name or remove {folder}.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "shards": 0}, indent=2) + "\n")


def _write_catalogue(folder: Path, seed: int, report: Report) -> list[str]:
    """The crystals of all shards, once; gives the numbers of the shards in the order of their making."""
    listed = folder / "order.json"
    if listed.exists():
        order: list[str] = json.loads(listed.read_text())
        return order
    folder.mkdir(parents=True, exist_ok=True)
    rule = hold_out()
    numbers: list[str] = []
    for stage, crystals in catalogue.stages(seed):
        before = len(numbers)
        for chunk in _chunks(crystals, CRYSTALS_PER_SHARD):
            numbers.append(f"{len(numbers):04d}")
            write(folder / f"base-{numbers[-1]}.npz", **_base_arrays(chunk, rule))
        report(f"{stage}: {len(crystals)} crystals in {len(numbers) - before} shards")
    order = list(numbers)
    for k, chunk in enumerate(_chunks(catalogue.dimers(), DIMERS_PER_SHARD)):
        number = f"{FIRST_DIMERS + k}"
        write(folder / f"base-{number}.npz", **_base_arrays(chunk, rule))
        order.insert(order.index(f"{_AFTER[k]:04d}") + 1, number)
    partial = folder / ".order.json"
    partial.write_text(json.dumps(order))
    partial.replace(listed)
    return order


def _chunks(crystals: Sequence[Crystal], size: int) -> Iterator[Sequence[Crystal]]:
    for k in range(0, len(crystals), size):
        yield crystals[k : k + size]


def _base_arrays(crystals: Sequence[Crystal], rule: HoldOut) -> dict[str, np.ndarray]:
    splits = [
        "train"
        if c.source == "dimer"
        else rule.split(c.atoms.numbers.tolist(), c.prototype, substituted=c.source in _RELATIVES)
        for c in crystals
    ]
    return {
        **packed([c.atoms for c in crystals]),
        "name": np.array([c.name for c in crystals]),
        "source": np.array([c.source for c in crystals]),
        "relax": np.array([c.relax for c in crystals]),
        "prototype": np.array([c.prototype for c in crystals]),
        "detail": np.array([c.detail for c in crystals]),
        "split": np.array(splits),
    }


def _label_shard(folder: Path, number: str, seed: int, sevennet: bool, report: Report) -> None:
    """Everything that teachers do for one shard; steps that are done are skipped."""
    tensornet, nequix, corrections = (folder / teacher for teacher in ("tensornet", "nequix", "sevennet"))
    target = tensornet / f"structures-{number}.npz"
    if not target.exists():
        base = read(folder / "catalogue" / f"base-{number}.npz")
        structures = _structures(base, _at_rest(folder / "relax", number, base, report), int(number), seed)
        chosen = np.flatnonzero(blend.from_nequix(structures))
        write(nequix / f"structures-{number}.npz", **subset(structures, chosen), index=chosen)
        calm = np.flatnonzero((structures["kind"] == "relaxed") & (structures["source"] != "dimer"))
        if len(calm):
            write(corrections / f"structures-{number}.npz", **subset(structures, calm), base=structures["base"][calm])
        write(target, **structures)
        report(f"shard {number}: {len(structures['kind'])} structures of {len(np.unique(structures['base']))} crystals")
    run_worker("label", tensornet, FUNCTIONALS, number, report)
    ask_nequix(nequix, blend.NEQUIX, number, report)
    label_metals(folder, number, report)
    if sevennet and (corrections / f"structures-{number}.npz").exists():
        weights = shared_root() / "teachers" / "sevennet-mf-0" / "7net-mf-0-stripped.pth"
        arguments = ["label", str(corrections), "--shard", number, "--teacher", "PBE", "--teacher", "r2SCAN"]
        run_script(SEVENNET_WORKER, arguments, report, {"SUS2_SEVENNET": str(weights)})


def ask_nequix(folder: Path, model: str, number: str, report: Report) -> None:
    """Let a Nequix model label a shard of a folder; nothing is done where its labels are there.

    Parameters
    ----------
    folder
        With the structures.
    model
        Name of the weights, such as sus2.training.data.crystals.blend.NEQUIX.
    number
        Of the shard.
    report
        Called with a line for each step.
    """
    weights = shared_root() / "teachers" / "nequix" / f"torch-{model}.pt"
    run_script(NEQUIX_WORKER, ["label", str(folder), "--weights", str(weights), "--shard", number], report)


def label_metals(folder: Path, number: str, report: Report = print) -> None:
    """Label the crystals of one metal in a shard with the teacher of metals; what is done is skipped.

    Parameters
    ----------
    folder
        Of the set.
    number
        Of the shard, which has structures.
    report
        Called with a line for each step.
    """
    target = folder / "metals" / f"structures-{number}.npz"
    if not target.exists():
        structures = read(folder / "tensornet" / target.name)
        chosen = np.flatnonzero(blend.of_one_metal(structures))
        if not len(chosen):
            return
        write(target, **subset(structures, chosen), index=chosen)
    ask_nequix(folder / "metals", blend.METALS, number, report)


def _at_rest(folder: Path, number: str, base: dict[str, np.ndarray], report: Report) -> list[Atoms | None]:
    """The crystals of a shard, those from prototypes relaxed by TensorNet; None where that does not converge."""
    crystals: list[Atoms | None] = list(unpacked(base))
    moving = np.flatnonzero(base["relax"])
    if not len(moving):
        return crystals
    if not (folder / f"relaxed-{number}.npz").exists():
        write(folder / f"base-{number}.npz", **subset(base, moving))
        run_worker("relax", folder, FUNCTIONALS[:1], number, report)
    relaxed = read(folder / f"relaxed-{number}.npz")
    start = 0
    for row, k in enumerate(moving.tolist()):
        atoms = crystals[k]
        assert atoms is not None
        rows = slice(start, start + len(atoms))
        start = rows.stop
        good = bool(relaxed["converged"][row])
        rested = Atoms(atoms.numbers, relaxed["positions"][rows], cell=relaxed["cells"][row], pbc=True)
        crystals[k] = rested if good else None
    return crystals


def _structures(
    base: dict[str, np.ndarray], crystals: Sequence[Atoms | None], number: int, seed: int
) -> dict[str, np.ndarray]:
    """All structures of a shard, crystal by crystal, the two of a pair after each other."""
    rng = np.random.default_rng([7 + seed, number])
    rich = number < _RICH
    made: list[Variation] = []
    owner: list[int] = []
    for k, atoms in enumerate(crystals):
        if atoms is None:
            continue
        if base["source"][k] == "dimer":
            new = [Variation(atoms, "dimer", float("nan"))]
        else:
            detail = int(base["detail"][k])
            usual = base["source"][k] == "mp" and not rich
            new = varied(atoms, min(detail, 1) if usual else detail, rng, rich=rich)
        made += new
        owner += [k] * len(new)
    symbols = [set(v.atoms.get_chemical_symbols()) for v in made]
    structures = {
        **packed([v.atoms for v in made]),
        "kind": np.array([v.kind for v in made]),
        "volume_ratio": np.array([v.volume_ratio for v in made]),
        "base": base["name"][owner],
        "source": base["source"][owner],
        "split": base["split"][owner],
        "prototype": base["prototype"][owner],
        "composition": np.array([reduced_formula(v.atoms.numbers) for v in made]),
        "families": np.array([families_of(s) for s in symbols]),
        "flag": np.array(["magnetic" if s & MAGNETIC else "" for s in symbols]),
    }
    return {**structures, "pair": blend.pair_numbers(structures)}
