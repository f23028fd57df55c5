"""The second set: which structures a crystal gets, labels of several teachers on one zero, a build that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers

from sus2.errors import DataError
from sus2.training.data.crystals import blend, fillings, substitution
from sus2.training.data.crystals.blended_set import UNCHANGED, blend_set
from sus2.training.data.crystals.crystal import ELEMENTS, Crystal
from sus2.training.data.crystals.shard_files import packed, read, unpacked
from sus2.training.data.crystals.variations import PAIR_STRAIN, displaced_pair, strain_pair, varied
from sus2.training.data.hold_out import HoldOut
from sus2.training.data.sets import load_set
from sus2.training.teachers import crystal_set
from sus2.training.teachers.crystal_set import build_crystal_set
from sus2.training.teachers.crystal_tests import build_crystal_tests, teacher_properties

OFFSET = {"Al": 0.2, "Mg": -0.3, "O": 0.2, "Ni": 0.7, "Si": 0.1}


def test_the_two_of_a_pair_lie_on_both_sides_of_the_crystal() -> None:
    atoms = bulk("MgO", "rocksalt", a=4.2)
    rng = np.random.default_rng(0)
    plus, minus = strain_pair(atoms, rng, along_axes=True)
    assert np.allclose((plus.cell.array + minus.cell.array) / 2.0, atoms.cell.array)
    strain = np.linalg.solve(atoms.cell.array, plus.cell.array) - np.eye(3)
    assert np.count_nonzero(np.abs(strain) > 1e-9) == 3
    assert np.abs(strain).max() == pytest.approx(PAIR_STRAIN)
    plus, minus = displaced_pair(atoms, rng)
    assert len(plus) == len(minus) >= 2
    assert 0.005 < float(np.abs(plus.positions - minus.positions).max()) / 2.0 < 0.05


def test_variations_start_with_the_crystal_and_keep_pairs_together() -> None:
    made = varied(bulk("W", cubic=False), 2, np.random.default_rng(1), rich=True)
    kinds = [v.kind for v in made]
    assert kinds[0] == "relaxed"
    assert kinds.count("strain-pair") == 4
    assert kinds.count("displaced-pair") == 4
    first = kinds.index("displaced-pair")
    assert kinds[first : first + 4] == ["displaced-pair"] * 4
    assert len(varied(bulk("W"), 0, np.random.default_rng(1))) < len(made)
    for v in made:
        if v.kind == "volume":
            assert v.atoms.get_volume() == pytest.approx(v.volume_ratio * bulk("W").get_volume())


def test_nequix_labels_all_but_plus_u_and_halogen_molecules() -> None:
    assert blend.with_plus_u([28, 8])
    assert not blend.with_plus_u([28, 16])
    assert not blend.with_plus_u([12, 8])
    dimers = [Atoms(pair, [[0, 0, 0], [2, 0, 0]], cell=[9, 9, 9], pbc=True) for pair in ("F2", "FCl", "NiO")]
    arrays = packed([*dimers, bulk("NiO", "rocksalt", a=4.2)])
    arrays["kind"] = np.array(["dimer", "dimer", "dimer", "relaxed"])
    assert blend.from_nequix(arrays).tolist() == [False, True, True, False]


def test_offsets_bring_one_teacher_to_the_zero_of_the_other() -> None:
    rng = np.random.default_rng(2)
    counts = np.zeros((60, 95))
    counts[:, [3, 8, 12]] = rng.integers(0, 4, (60, 3)) + np.eye(3)[rng.integers(0, 3, 60)]
    truth = np.zeros(95)
    truth[[3, 8, 12]] = 0.1, -0.4, 0.8
    noise = np.where(rng.random(60) < 0.1, 2.0, 0.0)
    found = blend.fit_offsets(counts, counts @ truth + noise * counts.sum(axis=1))
    assert np.allclose(found[[3, 8, 12]], truth[[3, 8, 12]], atol=0.02)
    assert not found[20:].any()


def test_substitution_keeps_the_structure_and_finds_new_formulas() -> None:
    parent = Crystal("mp-1", bulk("MgO", "rocksalt", a=4.2), "mp", False, "rocksalt")
    taken = {substitution.key(parent)}
    found = substitution.substituted([parent], np.random.default_rng(0), 6, "sub", taken)
    assert len({c.name for c in found}) == 6
    assert len(taken) == 7
    for crystal in found:
        assert np.allclose(crystal.atoms.get_scaled_positions(), parent.atoms.get_scaled_positions())
        assert set(crystal.atoms.get_chemical_symbols()) <= set(substitution.LIKE["Mg"]) | set(
            substitution.LIKE["O"]
        ) | {"Mg", "O"}


def test_salts_have_the_charges_of_their_sites() -> None:
    names = {c.name for c in fillings.binary_salts()}
    assert {"rocksalt:Na-Cl", "fluorite:Ca-F", "corundum:Al-O", "rutile:Ti-O"} <= names
    assert "rutile:Na-Cl" not in names
    assert len(ELEMENTS) == 89


def energy(atoms: Atoms, teacher: str) -> tuple[float, np.ndarray, np.ndarray]:
    """A spring to 10 A^3 per atom; TensorNet has another zero, r2SCAN another volume."""
    n, v = len(atoms), atoms.get_volume() / len(atoms)
    shift = {"nequix": 0.0, "metals": 0.4, "PBE": 0.0, "r2SCAN": -0.5}[teacher]
    e = 0.01 * n * (v - 10.0 - shift) ** 2
    if teacher == "metals":
        e += 0.7 * n
    elif teacher != "nequix":
        e -= sum(OFFSET[s] for s in atoms.get_chemical_symbols())
    slope = 0.02 * (v - 10.0 - shift)
    return e, np.zeros((n, 3)), np.array([slope] * 3 + [0.0] * 3)


def fake_label(folder: Path, number: str, functional: str, teacher: str) -> None:
    target = folder / f"labels-{functional}-{number}.npz"
    if not target.exists():
        found = [energy(a, teacher) for a in unpacked(read(folder / f"structures-{number}.npz"))]
        e, f, s = zip(*found, strict=True)
        np.savez(target, energy=np.array(e), forces=np.concatenate(f), stress=np.array(s))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A catalogue of a few crystals and a dimer, with teachers that are springs; what they were asked for."""
    asked: list[str] = []

    def worker(task: str, folder: Path, functionals: list[str], shard: str, report: object = None) -> None:
        asked.append(task)
        if task == "relax":
            base = read(folder / f"base-{shard}.npz")
            np.savez(
                folder / f"relaxed-{shard}.npz",
                positions=base["positions"],
                cells=base["cells"],
                converged=np.ones(len(base["cells"]), dtype=bool),
            )
            return
        for functional in functionals:
            fake_label(folder, shard, functional, functional)

    def script(path: Path, arguments: list[str], *_: object) -> None:
        asked.append(path.stem)
        if path.stem == "nequix_worker":
            folder = Path(arguments[1])
            fake_label(folder, arguments[-1], "PBE", "metals" if folder.name == "metals" else "nequix")

    crystals = [
        Crystal("rocksalt:Mg-O", bulk("MgO", "rocksalt", a=4.3), "textbook", True, "rocksalt"),
        Crystal("rocksalt:Ni-O", bulk("NiO", "rocksalt", a=4.3), "textbook", False, "rocksalt"),
        Crystal("ground:Mg", bulk("Mg", "hcp", a=3.2), "element", False, "hcp"),
        Crystal("ground:Al", bulk("Al", "fcc", a=3.4), "element", False, "fcc"),
        Crystal("ground:Ni", bulk("Ni", "fcc", a=3.5), "element", False, "fcc"),
        Crystal("CsCl:Ni-Mg", bulk("NiMg", "cesiumchloride", a=2.7), "intermetallic", False, "CsCl"),
        Crystal("CsCl:Ni-Si", bulk("NiSi", "cesiumchloride", a=2.7), "intermetallic", False, "C11b"),
    ]
    box = Atoms("SiO", [[1, 1, 1], [2.6, 1, 1]], cell=[13, 12, 12], pbc=True)
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setenv("SUS2_SHARED", str(tmp_path))
    monkeypatch.setattr(crystal_set.catalogue, "stages", lambda seed: iter([("textbook", crystals)]))
    monkeypatch.setattr(crystal_set.catalogue, "dimers", lambda: [Crystal("dimer:Si-O", box, "dimer", False, "dimer")])
    monkeypatch.setattr(crystal_set, "hold_out", lambda: HoldOut(frozenset(), frozenset()))
    monkeypatch.setattr(crystal_set, "_AFTER", (0,))
    monkeypatch.setattr(crystal_set, "run_worker", worker)
    monkeypatch.setattr(crystal_set, "run_script", script)
    return asked


def test_a_build_goes_on_and_all_labels_share_one_zero(calls: list[str]) -> None:
    lines: list[str] = []
    build_crystal_set("toy", shards=1, sevennet=False, report=lines.append)
    assert calls == ["relax", "label", "nequix_worker", "nequix_worker"]
    build_crystal_set("toy", sevennet=False, report=lines.append)
    assert calls.count("relax") == 1
    pbe = load_set("toy", "PBE", drop=())
    assert set(pbe.kind.tolist()) > {"dimer", "relaxed", "strain-pair", "displaced-pair"}
    crystals = np.flatnonzero(pbe.kind != "dimer")
    spring = [energy(pbe.to_atoms(i), "nequix")[0] for i in crystals.tolist()]
    assert np.allclose(pbe.energy_ev[crystals], spring, atol=0.01 * pbe.sizes[crystals])
    scan = load_set("toy", "r2SCAN", drop=())
    calm = np.flatnonzero(pbe.kind == "relaxed")
    change = (scan.stress_ev_per_a3 - pbe.stress_ev_per_a3)[calm, 0]
    assert np.allclose(change, 0.01)
    assert set(load_set("toy", "PBE", split="type").composition.tolist()) <= {"NiSi"}
    with pytest.raises(DataError, match="another plan"):
        build_crystal_set("toy", seed=1, report=lines.append)


def test_nickel_oxide_comes_from_the_teacher_without_plus_u(calls: list[str], tmp_path: Path) -> None:
    build_crystal_set("toy", sevennet=False, report=lambda _: None)
    arrays = read(tmp_path / "sets" / "toy" / "structures-0000.npz")
    teacher = dict(zip(arrays["base"].tolist(), arrays["teacher"].tolist(), strict=True))
    assert teacher["rocksalt:Ni-O"] == blend.TENSORNET
    assert {teacher["rocksalt:Mg-O"], teacher["CsCl:Ni-Mg"], teacher["ground:Mg"]} == {blend.NEQUIX}
    assert teacher["ground:Ni"] == blend.METALS
    assert (np.bincount(arrays["pair"][arrays["pair"] >= 0]) == 2).all()


def test_sevennet_moves_the_volume_of_r2scan_and_nothing_else(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sus2.training.data.crystals.blended_set.UNCHANGED", (atomic_numbers["Al"],))
    folder = build_crystal_set("toy", sevennet=False, report=lambda _: None)
    before = load_set("toy", "r2SCAN", drop=())
    rested = read(folder / "sevennet" / "structures-0000.npz")
    count = len(rested["base"])
    for functional, stress in (("PBE", 0.0), ("r2SCAN", 0.03)):
        voigt = np.tile([stress] * 3 + [0.0] * 3, (count, 1))
        forces = np.zeros((len(rested["numbers"]), 3))
        np.savez(
            folder / "sevennet" / f"labels-{functional}-0000.npz", energy=np.zeros(count), forces=forces, stress=voigt
        )
    blend_set(folder, lambda _: None)
    after = load_set("toy", "r2SCAN", drop=())
    crystals = (after.kind != "dimer") & (after.composition != "Al")
    # SevenNet says 0.03 where the other difference says 0.01 at the volume of the crystal.
    assert np.allclose((after.stress_ev_per_a3 - before.stress_ev_per_a3)[crystals, :3], 0.02, atol=1e-9)
    kept = after.composition == "Al"
    assert kept.any()
    assert np.allclose((after.stress_ev_per_a3 - before.stress_ev_per_a3)[kept, :3], -0.01, atol=1e-9)
    calm = np.flatnonzero(after.kind == "relaxed")
    assert np.allclose(after.energy_ev[calm], before.energy_ev[calm])
    assert np.array_equal(after.forces_ev_per_a, before.forces_ev_per_a)


def test_the_change_of_functional_of_wide_crystals_is_none_but_for_the_volume(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(UNCHANGED) < set(blend.WIDE)
    assert atomic_numbers["K"] in blend.WIDE
    monkeypatch.setattr(blend, "WIDE", (atomic_numbers["Al"],))
    build_crystal_set("toy", sevennet=False, report=lambda _: None)
    pbe, scan = (load_set("toy", f, drop=()) for f in ("PBE", "r2SCAN"))
    crystals = pbe.kind != "dimer"
    wide = crystals & (pbe.composition == "Al")
    assert wide.any()
    assert np.array_equal(scan.stress_ev_per_a3[wide], pbe.stress_ev_per_a3[wide])
    # Energies change by the same for each atom: what TensorNet says of the crystal at rest.
    change = (scan.energy_ev - pbe.energy_ev)[wide] / pbe.sizes[wide]
    assert np.ptp(change) < 1e-9
    assert change == pytest.approx(((scan.energy_ev - pbe.energy_ev) / pbe.sizes)[wide & (pbe.kind == "relaxed")][0])
    others = crystals & (pbe.composition != "Al")
    assert (scan.stress_ev_per_a3[others, 0] != pbe.stress_ev_per_a3[others, 0]).all()


def test_crystal_tests_of_the_second_set_are_labelled_by_its_teacher(calls: list[str], tmp_path: Path) -> None:
    build_crystal_set("toy", sevennet=False, report=lambda _: None)
    before = calls.count("nequix_worker")
    folder = build_crystal_tests("toy", report=lambda _: None)
    assert calls.count("nequix_worker") == before + 1
    rows = json.loads((folder / "crystals.json").read_text())
    # Cubic and not magnetic, known and trained on: magnesium is hexagonal, nickel magnetic.
    assert [(r["base"], r["group"]) for r in rows] == [("ground:Al", "seen")]
    assert not list(folder.glob("labels-r2SCAN-*"))
    (found,) = teacher_properties(folder, "PBE")
    assert found is not None
    assert found.v0_a3_per_atom == pytest.approx(10.0, rel=1e-3)


def test_metals_keep_the_volumes_of_the_other_teacher(calls: list[str], tmp_path: Path) -> None:
    folder = build_crystal_set("toy", sevennet=False, report=lambda _: None)
    shards = [read(p) for p in sorted(folder.glob("structures-*.npz"))]
    metals = np.concatenate([s["teacher"] for s in shards]) == blend.METALS
    found = load_set("toy", "PBE", drop=())
    crystals = np.flatnonzero(metals)
    assert len(crystals) > 3
    volumes = (found.volumes_a3 / found.sizes)[crystals]
    # The springs of both are alike, so that the term which moves the rest moves all of the curve.
    assert found.stress_ev_per_a3[crystals, 0] == pytest.approx(0.02 * (volumes - 10.0), abs=1e-6)
    rest = found.kind[crystals] == "relaxed"
    assert np.abs(volumes[rest] - 10.0).max() > 0.01
