"""Distillation sets on disk: reading, filters by family, split and flag, sane labels, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.training.data.generate import Base, Made, arrays_of, dimers, perturbed
from sus2.training.data.prototypes import build
from sus2.training.data.sets import finished_shards, insane_labels, load_set, remove_set, set_folder, summarize
from sus2.training.teachers.second_opinion import second_opinion

FUNCTIONALS = ("PBE", "r2SCAN")


def shard(number: int) -> list[Made]:
    rng = np.random.default_rng(number)
    bases = [
        Base("CsCl:Al-Cu", build("CsCl", ["Al", "Cu"]), 20),
        Base("rocksalt:Mg-O", build("rocksalt", ["Mg", "O"]), 20),
        Base("fcc:Na", build("fcc", ["Na"]), 5),
        Base("zincblende:Ga-As", build("zincblende", ["Ga", "As"]), 20),
    ]
    return [made for base in bases for made in perturbed(base, rng)]


def labels(made: list[Made], shift: float) -> dict[str, np.ndarray]:
    """A smooth well around the base's volume: energy per atom (v - 1)^2, zero forces, matching stress."""
    ratio = np.array([m.volume_ratio for m in made])
    sizes = np.array([len(m.atoms) for m in made])
    volume = np.array([m.atoms.get_volume() for m in made]) / ratio
    stress = np.zeros((len(made), 6))
    stress[:, :3] = (2.0 * (ratio - 1.0) * sizes / volume)[:, None]
    return {
        "energy": sizes * ((ratio - 1.0) ** 2 + shift),
        "forces": np.zeros((int(sizes.sum()), 3)),
        "stress": stress,
    }


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of three shards, the last not labelled by the second functional."""
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    folder = set_folder("toy")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"functionals": FUNCTIONALS, "shards": 3}))
    for number in range(3):
        made = shard(number)
        np.savez(folder / f"structures-{number:04d}.npz", **arrays_of(made))
        (folder / f"check-{number:04d}.json").write_text(json.dumps({"distrusted": []}))
        for k, functional in enumerate(FUNCTIONALS[: 1 if number == 2 else 2]):
            np.savez(folder / f"labels-{functional}-{number:04d}.npz", **labels(made, -3.0 - k))
    return folder


def test_only_shards_with_all_labels_are_read(built: Path) -> None:
    assert finished_shards("toy") == ["0000", "0001"]
    data = load_set("toy", "PBE")
    assert len(data) == 2 * 65
    assert set(data.set_name.tolist()) == {"toy-PBE"}
    second = load_set("toy", "PBE", shards=[1])
    assert len(second) == 65
    assert np.array_equal(second.energy_ev, data.energy_ev[65:])
    with pytest.raises(DataError, match="no labels of shard 2 yet"):
        load_set("toy", "PBE", shards=[0, 2])


def test_splits_that_a_set_holds_go_before_those_by_composition(built: Path) -> None:
    path = built / "structures-0000.npz"
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    given = np.where(arrays["composition"] == "MgO", "type", np.where(arrays["composition"] == "Na", "mp", "train"))
    np.savez(path, **arrays, split=given)
    for split, composition in (("type", "MgO"), ("mp", "Na")):
        held_out = load_set("toy", "PBE", split=split, shards=[0], drop=())  # type: ignore[arg-type]
        assert set(held_out.composition.tolist()) == {composition}
    assert "MgO" not in load_set("toy", "PBE", split="train", shards=[0]).composition
    assert summarize("toy").splits["type"] == int((given == "type").sum())


def test_functionals_hold_the_same_structures(built: Path) -> None:
    one, two = (load_set("toy", f) for f in FUNCTIONALS)
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.volume_ratio, two.volume_ratio)
    assert np.allclose(one.energy_ev - two.energy_ev, one.sizes)
    assert one.hash != two.hash


def test_filters(built: Path) -> None:
    metals = load_set("toy", "PBE", families="a")
    assert set(metals.composition.tolist()) == {"AlCu"}
    several = load_set("toy", "PBE", families=["b", "c"])
    assert set(several.composition.tolist()) == {"MgO", "AsGa"}
    assert set(load_set("toy", "PBE", drop=("weak", "label")).composition.tolist()) == {"AlCu", "MgO", "AsGa"}
    parts = [load_set("toy", "PBE", split=split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(load_set("toy", "PBE"))
    assert "Na" in set(parts[0].composition.tolist())


def test_distrusted_bases_are_flagged(built: Path) -> None:
    for number in ("0000", "0001"):
        (built / f"check-{number}.json").write_text(json.dumps({"distrusted": ["CsCl:Al-Cu"]}))
    kept = load_set("toy", "PBE", drop=("label", "weak"))
    assert set(kept.composition.tolist()) == {"MgO", "AsGa"}
    data = load_set("toy", "PBE")
    assert set(data.composition[data.flag == "weak"].tolist()) == {"AlCu", "Na"}


def test_insane_labels_in_one_functional_are_dropped_in_all(built: Path) -> None:
    path = built / "labels-r2SCAN-0000.npz"
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    arrays["forces"][0] = 60.0
    arrays["energy"][3] += 1e4
    np.savez(path, **arrays)
    sets = [load_set("toy", f) for f in FUNCTIONALS]
    assert [len(s) for s in sets] == [128, 128]
    assert len(load_set("toy", "PBE", drop=())) == 130


def test_insane_label_rules() -> None:
    made = shard(0)
    structures, good = arrays_of(made), labels(made, -3.0)
    assert not insane_labels(structures, good["energy"], good["forces"], good["stress"]).any()
    kinds = structures["kind"].tolist()
    squeezed = next(i for i, m in enumerate(made) if m.volume_ratio < 0.8)
    bad = {key: value.copy() for key, value in good.items()}
    bad["stress"][squeezed] = 0.1
    wall = kinds.index("wall")
    bad["energy"][wall] = len(made[wall].atoms) * -3.5
    bad["energy"][kinds.index("strain")] = np.nan
    found = insane_labels(structures, bad["energy"], bad["forces"], bad["stress"])
    assert set(np.flatnonzero(found)) == {squeezed, wall, kinds.index("strain")}


def test_a_dimer_that_attracts_deep_in_its_wall_is_insane() -> None:
    made = dimers(["Cu"], np.random.default_rng(0), per_pair=30)
    structures = arrays_of(made)
    pull = np.tile([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], (30, 1))
    found = insane_labels(structures, np.zeros(30), pull, np.zeros((30, 6)))
    near = np.array([m.atoms.get_distance(0, 1) < 0.8 * 2.64 for m in made])
    assert near.any()
    assert np.array_equal(found, near)
    assert not insane_labels(structures, np.zeros(30), -pull, np.zeros((30, 6))).any()


def test_summary_and_removal(built: Path) -> None:
    summary = summarize("toy")
    assert (summary.shards_done, summary.shards, summary.structures) == (2, 3, 130)
    assert summary.families == {"a": 40, "b": 40, "c": 40, "d": 130}
    assert sum(summary.splits.values()) == 130
    assert summary.hashes["PBE"] == load_set("toy", "PBE", drop=()).hash
    remove_set("toy")
    assert not built.exists()


def test_refusals(built: Path) -> None:
    with pytest.raises(DataError, match="There is no set 'other'"):
        load_set("other", "PBE")
    with pytest.raises(DataError, match="has no labels of 'LDA'; it has PBE and r2SCAN"):
        load_set("toy", "LDA")
    with pytest.raises(DataError, match=r"'\.\./x' cannot name a set"):
        set_folder("../x")
    for path in built.glob("labels-*"):
        path.unlink()
    with pytest.raises(DataError, match="no labelled shard yet"):
        load_set("toy", "PBE")


def test_second_opinion_compares_signs_of_the_volume_change(built: Path, tmp_path: Path) -> None:
    """With pressures of a second teacher at hand, no environment is needed: the signs are just counted."""
    path = built / "labels-r2SCAN-0000.npz"
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    with np.load(built / "structures-0000.npz") as stored:
        kind, base = stored["kind"], stored["base"]
    relaxed = np.flatnonzero(kind == "relaxed")
    change = {"CsCl:Al-Cu": -0.02, "rocksalt:Mg-O": -0.03, "fcc:Na": 0.01, "zincblende:Ga-As": 0.02}
    for i in relaxed:
        arrays["stress"][i, :3] -= change[str(base[i])]
    np.savez(path, **arrays)
    theirs = np.array([change[str(base[i])] * (-1.0 if base[i] == "zincblende:Ga-As" else 0.5) for i in relaxed])
    np.savez(built / "second-0000.npz", base=base[relaxed], pressure_PBE=theirs * 0.0, pressure_r2SCAN=theirs)
    rows = {row.group: row for row in second_opinion("toy")}
    assert rows["all"].crystals == 3  # elemental sodium is flagged as weak
    assert rows["all"].clear == 3
    assert rows["all"].same_sign == pytest.approx(2 / 3)
    assert rows["all"].smaller_in_r2scan == pytest.approx(2 / 3)
