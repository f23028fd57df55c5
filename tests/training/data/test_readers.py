"""Reading of labelled sets: each format gives the same numbers, and broken files are refused with a sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from sus2.errors import DataError
from sus2.training.data.readers import read_cfg, read_extxyz, read_json, read_training_set
from sus2.units import KBAR_TO_EV_PER_A3


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    """Six rattled Cu-Au cells with EMT labels."""
    found = []
    for k in range(6):
        atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
        atoms.symbols[0] = "Au"
        atoms.rattle(0.06, seed=k)
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + 0.01 * k * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])), True)
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress()
        found.append(atoms)
    return found


def cfg_text(frames: list[Atoms], elements: tuple[str, ...]) -> str:
    lines = []
    for atoms in frames:
        lines += ["BEGIN_CFG", " Size", f" {len(atoms)}", " Supercell"]
        lines += [" ".join(f"{x:.12f}" for x in row) for row in atoms.cell]
        lines.append(" AtomData:  id type cartes_x cartes_y cartes_z fx fy fz")
        for i, (symbol, r, f) in enumerate(zip(atoms.symbols, atoms.positions, atoms.get_forces(), strict=True)):
            numbers = " ".join(f"{x:.12f}" for x in (*r, *f))
            lines.append(f" {i + 1} {elements.index(symbol)} {numbers}")
        lines += [" Energy", f" {atoms.get_potential_energy():.12f}"]
        xx, yy, zz, yz, xz, xy = -atoms.get_volume() * atoms.get_stress()
        lines.append(" PlusStress:  xx yy zz yz xz xy")
        lines.append(f" {xx:.12f} {yy:.12f} {zz:.12f} {yz:.12f} {xz:.12f} {xy:.12f}")
        lines += [" Feature EFS_by VASP", "END_CFG", ""]
    return "\n".join(lines)


def pymatgen_entries(frames: list[Atoms], *, mlearn: bool) -> list[dict]:
    entries = []
    for atoms in frames:
        sites = [
            {"species": [{"element": s, "occu": 1}], "abc": abc.tolist()}
            for s, abc in zip(atoms.symbols, atoms.get_scaled_positions(wrap=False), strict=True)
        ]
        structure = {"lattice": {"matrix": atoms.cell.tolist()}, "sites": sites}
        xx, yy, zz, yz, xz, xy = (-atoms.get_stress() / KBAR_TO_EV_PER_A3).tolist()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces().tolist()}
        if mlearn:
            entries.append({"structure": structure, "outputs": {**labels, "virial_stress": [xx, yy, zz, xy, yz, xz]}})
        else:
            entries.append({"structure": structure, **labels, "stress": [xx, yy, zz, yz, xz, xy]})
    return entries


def same_labels(data, frames: list[Atoms]) -> None:
    assert len(data) == len(frames)
    for i, atoms in enumerate(frames):
        got = data.to_atoms(i)
        assert got.get_chemical_symbols() == atoms.get_chemical_symbols()
        assert np.allclose(got.cell, atoms.cell, atol=1e-9)
        assert np.allclose(got.positions, atoms.positions, atol=1e-8)
        assert got.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        assert np.allclose(got.get_forces(), atoms.get_forces(), atol=1e-7)
        assert np.allclose(got.get_stress(), atoms.get_stress(), atol=1e-9)


def test_extended_xyz(frames: list[Atoms], tmp_path: Path) -> None:
    write(tmp_path / "set.extxyz", frames, format="extxyz")
    same_labels(read_training_set(tmp_path / "set.extxyz"), frames)


def test_extended_xyz_with_virial_and_other_key_names(frames: list[Atoms]) -> None:
    atoms = frames[2]
    virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
    lattice = " ".join(str(x) for x in atoms.cell[:].ravel())
    lines = [
        str(len(atoms)),
        f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:REF_forces:R:3 pbc="T T T" '
        f'REF_energy={atoms.get_potential_energy()} virial="{" ".join(str(x) for x in virial.ravel())}"',
    ]
    for symbol, r, f in zip(atoms.symbols, atoms.positions, atoms.get_forces(), strict=True):
        lines.append(f"{symbol} " + " ".join(str(x) for x in (*r, *f)))
    same_labels(read_extxyz("\n".join(lines) + "\n", name="x"), [atoms])


def test_cfg_also_compressed(frames: list[Atoms], tmp_path: Path) -> None:
    text = cfg_text(frames, ("Cu", "Au"))
    (tmp_path / "set.cfg").write_text(text)
    (tmp_path / "set.cfg.gz").write_bytes(gzip.compress(text.encode()))
    same_labels(read_training_set(tmp_path / "set.cfg", ["Cu", "Au"]), frames)
    same_labels(read_training_set(tmp_path / "set.cfg.gz", ["Cu", "Au"]), frames)


@pytest.mark.parametrize("mlearn", [True, False])
def test_pymatgen_json(frames: list[Atoms], tmp_path: Path, mlearn: bool) -> None:
    (tmp_path / "set.json").write_text(json.dumps(pymatgen_entries(frames, mlearn=mlearn)))
    same_labels(read_training_set(tmp_path / "set.json"), frames)


def test_ase_json(frames: list[Atoms], tmp_path: Path) -> None:
    write(tmp_path / "set.json", frames, format="json")
    same_labels(read_training_set(tmp_path / "set.json"), frames)


def test_missing_labels_are_named_by_index(frames: list[Atoms], tmp_path: Path) -> None:
    entries = pymatgen_entries(frames, mlearn=False)
    del entries[4]["forces"]
    (tmp_path / "set.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=r"set\.json has 1 bad of 6 structures \(structure 4: its forces are missing"):
        read_training_set(tmp_path / "set.json")
    assert len(read_training_set(tmp_path / "set.json", on_bad="skip")) == 5


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (" Energy\n", " Energie\n", "energy is missing"),
        ("END_CFG", "", "END_CFG is missing"),
        (" 1 1 ", " 1 7 ", "type 7 has no element"),
        (" Size\n 4", " Size\n 5", "AtomData needs 5 rows"),
    ],
)
def test_broken_cfg(frames: list[Atoms], tmp_path: Path, old: str, new: str, words: str) -> None:
    text = cfg_text(frames[:1], ("Cu", "Au")).replace(old, new, 1)
    (tmp_path / "broken.cfg").write_text(text)
    with pytest.raises(DataError, match=words):
        read_training_set(tmp_path / "broken.cfg", ["Cu", "Au"])


def test_cfg_needs_its_elements(tmp_path: Path, frames: list[Atoms]) -> None:
    (tmp_path / "set.cfg").write_text(cfg_text(frames, ("Cu", "Au")))
    with pytest.raises(DataError, match="say which elements"):
        read_training_set(tmp_path / "set.cfg")
    with pytest.raises(DataError, match="'Xx' is not an element"):
        read_cfg("", ["Xx"], name="x")


def test_partial_occupancy_is_refused(frames: list[Atoms]) -> None:
    entries = pymatgen_entries(frames[:1], mlearn=False)
    entries[0]["structure"]["sites"][0]["species"][0]["occu"] = 0.5
    with pytest.raises(DataError, match="partially occupied"):
        read_json(json.dumps(entries), name="x")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("set.json", "{", "not valid JSON"),
        ("set.json", "[1, 2]", "Structure 0 of set has neither"),
        ("set.json", "[]", "has no structure"),
        ("set.extxyz", "4\nProperties=species:S:1\nCu\n", "not valid extended XYZ"),
        ("set.pkl", "x", "is not a training set"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        read_training_set(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no training set at"):
        read_training_set(tmp_path / "none.cfg")
    (tmp_path / "bad.json.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be read"):
        read_training_set(tmp_path / "bad.json.gz")
