"""The labels that a configuration names, and how much they count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit import sources
from sus2.training.fit.config import Source, TrainConfig, read_config
from sus2.training.fit.sources import of_textbook_crystals, read_source
from tests.training.fit.small_sets import config_file


def test_textbook_crystals_are_known_in_their_own_structure_alone() -> None:
    salt, dense, unknown = (
        bulk("NaCl", "rocksalt", a=5.7),
        bulk("NaCl", "cesiumchloride", a=3.5),
        bulk("Po", "fcc", a=5),
    )
    strained = salt.copy()
    strained.set_cell(salt.cell.array * [[1.01], [1.0], [1.0]], scale_atoms=True)
    pair = salt.copy()
    structures = [salt, strained, dense, unknown, pair]
    data = make_set(
        structures,
        np.zeros(5),
        [np.zeros((len(a), 3)) for a in structures],
        np.zeros((5, 6)),
        set_name="made",
        kind=["relaxed", "strain-pair", "relaxed", "relaxed", "dimer"],
        base=["rocksalt:Na-Cl", "rocksalt:Na-Cl", "CsCl:Na-Cl", "FCC:Po", "rocksalt:Na-Cl"],
    )
    assert of_textbook_crystals(data).tolist() == [True, True, False, False, False]


def test_weights_of_a_composition_and_elements_left_out(tmp_path: Path) -> None:
    structures = [bulk("Cu"), bulk("CuZn", "cesiumchloride", a=2.95), bulk("Zn"), bulk("CuZn", "rocksalt", a=5.0)]
    for atoms in structures:
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)), stress=np.zeros(6))
    write(tmp_path / "alloys.extxyz", structures)
    config = read_config(config_file(tmp_path)).model_copy(update={"elements": ("Cu", "Zn")})
    source = Source(kind="file", path=str(tmp_path / "alloys.extxyz"), compositions={"CuZn": 0.1, "Zn": 3.0})
    assert read_source(source, config, "train").weight.tolist() == [1.0, 0.1, 3.0, 0.1]
    kept = read_source(source.model_copy(update={"without": ("Cu",)}), config, "train")
    assert kept.composition.tolist() == ["Zn"]
    with pytest.raises(DataError, match="no structure made of"):
        read_source(source.model_copy(update={"without": ("Cu", "Zn")}), config, "train")


def test_what_a_set_keeps_apart_is_not_learnt_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [bulk("Cu"), bulk("Zn"), bulk("CuZn", "cesiumchloride", a=2.95), bulk("Cu", a=3.7), bulk("Zn")]
    for k, atoms in enumerate(structures):
        results = {"energy": -1.0 - k, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "alloys.extxyz", structures)
    config = read_config(config_file(tmp_path))
    whole = read_source(Source(kind="file", path=str(tmp_path / "alloys.extxyz")), config_of(config), "train")
    alloy = np.flatnonzero(whole.composition == "CuZn")
    held = {"val": whole.subset(alloy), "train": whole.subset(np.flatnonzero(whole.composition != "CuZn"))}
    empty = whole.subset(np.zeros(0, dtype=int))

    def load(name: str, functional: str, families: object = None, split: str = "", shards: object = ()) -> TrainingSet:
        return held.get(split, empty)

    monkeypatch.setattr(sources, "load_set", load)
    file = Source(kind="file", path=str(tmp_path / "alloys.extxyz"))
    both = config_of(config).model_copy(
        update={"sources": (file, Source(kind="distilled", name="made")), "validation_fraction": 0.0}
    )
    learnt, judged, _ = sources.training_data(both)
    assert learnt.composition.tolist() == ["Cu", "Zn", "Cu", "Zn"] * 2
    assert judged is not None
    assert judged.composition.tolist() == ["CuZn"]
    alone, _, _ = sources.training_data(both.model_copy(update={"sources": (file,)}))
    assert "CuZn" in alone.composition.tolist()


def config_of(config: TrainConfig) -> TrainConfig:
    return config.model_copy(update={"elements": ("Cu", "Zn")})


def test_what_was_made_from_a_textbook_crystal_counts_as_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    salt, metal = bulk("NaCl", "rocksalt", a=5.7), bulk("Na")
    structures = [salt, metal, bulk("Cl", "fcc", a=4)]
    rest = make_set(
        structures,
        np.zeros(3),
        [np.zeros((len(a), 3)) for a in structures],
        np.zeros((3, 6)),
        set_name="crystals",
        kind=["relaxed"] * 3,
        base=["rocksalt:Na-Cl", "other", "third"],
    )
    made = make_set(
        [salt, salt],
        np.zeros(2),
        [np.zeros((2, 3))] * 2,
        np.zeros((2, 6)),
        set_name="made",
        kind=["strain-response-pair"] * 2,
        base=["rocksalt:Na-Cl", "unknown"],
    )
    sets = {"crystals": rest, "made": made}

    def load(name: str, functional: str, families: object = None, split: str = "", shards: object = ()) -> TrainingSet:
        return sets[name] if split == "train" else sets[name].subset(np.zeros(0, dtype=int))

    monkeypatch.setattr(sources, "load_set", load)
    config = read_config(config_file(tmp_path)).model_copy(
        update={
            "elements": ("Na", "Cl"),
            "sources": tuple(
                Source(kind="distilled", name=name, textbook=8.0, same_zero=name == "made") for name in sets
            ),
        }
    )
    learnt, _, _ = sources.training_data(config)
    assert learnt.weight[-2:].tolist() == [8.0, 1.0]
    assert learnt.weight[0] == 8.0
