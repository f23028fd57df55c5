"""The commands of ``sus2 data`` print what the functions return, and errors as one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from typer.testing import CliRunner

from sus2.cli.data import data_app
from sus2.training.data.generate import Base, arrays_of, perturbed
from sus2.training.data.prototypes import build
from sus2.training.data.readers import read_training_set
from sus2.training.data.sets import set_folder, summarize
from tests.cli.test_cli import run


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    frames = []
    for k in range(3):
        atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
        atoms.rattle(0.05, seed=k)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    write(tmp_path / "cu.extxyz", frames, format="extxyz")
    return tmp_path / "cu.extxyz"


def test_check_names_the_set_and_its_hash(labelled: Path) -> None:
    result = CliRunner().invoke(data_app, ["check", str(labelled)])
    assert result.exit_code == 0
    assert "3 good structures, 12 atoms, Cu" in result.output
    assert read_training_set(labelled).hash[:16] in result.output


def test_check_refuses_in_one_line(labelled: Path, tmp_path: Path) -> None:
    lines = labelled.read_text().splitlines()
    lines[1] = lines[1].replace("energy=", "nothing=")
    (tmp_path / "bad.extxyz").write_text("\n".join(lines) + "\n")
    result = run("data", "check", str(tmp_path / "bad.extxyz"))
    assert result.returncode == 2
    assert "structure 0: its energy is missing" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "2 good" in CliRunner().invoke(data_app, ["check", "--skip", str(tmp_path / "bad.extxyz")]).output


def test_info_prints_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    folder = set_folder("toy")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"functionals": ["PBE"], "shards": 1}))
    (folder / "check-0000.json").write_text(json.dumps({"distrusted": []}))
    arrays = arrays_of(perturbed(Base("x", build("rocksalt", ["Mg", "O"]), 12), np.random.default_rng(0)))
    np.savez(folder / "structures-0000.npz", **arrays)
    sizes = np.diff(arrays["offsets"])
    np.savez(
        folder / "labels-PBE-0000.npz",
        energy=-5.0 * sizes,
        forces=np.zeros((int(sizes.sum()), 3)),
        stress=np.zeros((len(sizes), 6)),
    )
    summary = summarize("toy")
    printed = CliRunner().invoke(data_app, ["info", "toy"])
    assert f"toy: 12 structures, {summary.atoms} atoms, 2 elements" in printed.output
    as_json = json.loads(CliRunner().invoke(data_app, ["info", "toy", "--json"]).output)
    assert as_json["hashes"] == summary.hashes
    assert as_json["kinds"] == summary.kinds


def test_an_unknown_set_and_a_missing_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(tmp_path / "none"))
    for command in (["info", "none"], ["check-teachers"]):
        result = run("data", *command)
        assert result.returncode == 2
        assert result.stderr.startswith("There is no")
        assert not result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["build", "none", "--functional", "none"],
        ["crystals", "none"],
        ["information", "none"],
        ["members", "none"],
        ["calibrate", "none", "--binaries", "0"],
        ["second-opinion", "none"],
        ["judge", "none"],
        ["setup", "--teacher", "none"],
    ],
)
def test_every_command_ends_as_the_others_of_the_program_do(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(tmp_path / "none"))
    result = run("data", *command)
    assert result.returncode == 2, result
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith(".\n")
    assert not result.stderr.startswith("Error")
