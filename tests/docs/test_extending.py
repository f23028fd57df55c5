"""docs/extending as written: a property, a potential and a teacher are added from the code of its pages."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from typer.testing import CliRunner

import sus2
from sus2 import properties
from sus2.cli import main as cli
from sus2.cli.properties import command_of
from sus2.errors import DataError, PotentialFileError
from sus2.jobs.executor import InlineExecutor
from sus2.jobs.memory import peak_mib
from sus2.jobs.reproduce import as_command, as_python
from sus2.potential.card import read_card, write_card
from sus2.properties import catalogue
from sus2.properties.property_table import evaluate_many
from sus2.registry.load import model_folders, models, pretrained_folder
from sus2.screening.columns import screen_columns
from sus2.screening.read import read_screening
from sus2.screening.start import screen
from sus2.structures import sample
from sus2.testing import CONTRACT
from sus2.training.data.sets import load_set, set_folder
from sus2.training.teachers import build as teacher
from sus2.training.teachers.ase_teacher import serve
from sus2.training.teachers.build import BuildPlan, build_set
from tests.docs.test_docs import blocks, run, script
from tests.ui.conftest import app  # noqa: F401  (a fixture)

PAGES = Path(__file__).resolve().parents[2] / "docs" / "extending"
_FILE = re.compile(r"^```python\n# ([\w/]+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def files(page: str) -> dict[str, str]:
    """The Python files that a page shows, by the name in their first line."""
    return dict(_FILE.findall((PAGES / page).read_text(encoding="utf-8")))


SILICON = "si-mlearn-pbe"

# A property -------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The folder of the page as if it lay in sus2/properties, and its line in the catalogue."""
    found = files("property.md")
    folder = tmp_path / "sus2" / "properties" / "einstein"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name, code in found.items():
        if name.startswith("sus2/"):
            (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(properties, "__path__", [*properties.__path__, str(folder.parent)])
    monkeypatch.setattr(catalogue, "FOLDERS", (*catalogue.FOLDERS, "einstein"))
    importlib.invalidate_caches()
    yield found
    for name in [m for m in sys.modules if m.startswith("sus2.properties.einstein")]:
        sys.modules.pop(name)
    vars(properties).pop("einstein", None)
    catalogue._entries.cache_clear()
    catalogue._columns.cache_clear()


def einstein_of(atoms: Atoms) -> Any:
    module = importlib.import_module("sus2.properties.einstein.calculate")
    return module.einstein(atoms, sus2.load(SILICON))


def test_the_page_shows_one_folder_and_one_line() -> None:
    text = (PAGES / "property.md").read_text(encoding="utf-8")
    shown = {name.rpartition("/")[0] for name in files("property.md") if name.startswith("sus2/")}
    assert shown == {"sus2/properties/einstein"}
    assert '`"einstein",` in `FOLDERS`' in text


def test_a_property_passes_its_own_test(package: dict[str, str]) -> None:
    space: dict[str, object] = {}
    exec(compile(package["tests/properties/test_einstein.py"], "test_einstein.py", "exec"), space)
    tests = [value for name, value in space.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()  # type: ignore[operator]


def test_a_property_is_a_calculation_and_its_result_is_kept(
    package: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    space: dict[str, Any] = {}
    exec(compile(package["ask.py"], "ask.py", "exec"), space)
    direct = einstein_of(bulk("Si"))
    kept = space["found"].result()
    assert type(kept) is type(direct)
    np.testing.assert_array_equal(kept.frequencies_thz, direct.frequencies_thz)
    assert capsys.readouterr().out.startswith(space["calculation"].key[:8])
    assert as_command(space["calculation"], structure="x.json") == f"sus2 einstein x.json --model {SILICON} --json"
    assert "einstein(" in as_python(space["calculation"], file="x.json")


def test_a_property_has_a_memory_estimate(package: dict[str, str]) -> None:
    small, large = (peak_mib("einstein", [bulk("Si", cubic=True) * (n, 1, 1)], [5.0]) for n in (1, 8))
    assert small is not None
    assert large is not None
    assert large > small


def test_a_property_is_a_command_with_the_same_numbers(package: dict[str, str]) -> None:
    commands = typer.Typer()
    commands.command("einstein")(command_of(catalogue.catalogue()["einstein"]))
    commands.command()(cli.models)
    done = CliRunner().invoke(commands, ["einstein", "si", "--model", SILICON, "--json"])
    assert done.exit_code == 0, done.output
    direct = einstein_of(sample("si").atoms())
    assert json.loads(done.stdout)["frequencies_thz"] == direct.frequencies_thz.tolist()
    text = CliRunner().invoke(commands, ["einstein", "si", "--model", SILICON]).stdout
    highest = next(line.split() for line in text.splitlines() if "highest" in line)
    assert highest[-2:] == [f"{direct.frequencies_thz.max():.3f}", "THz"]


def test_a_property_has_columns_in_tables_and_screening(package: dict[str, str], tmp_path: Path) -> None:
    direct = einstein_of(bulk("Si"))
    expected = {
        "einstein_lowest_thz": direct.frequencies_thz.min(),
        "einstein_highest_thz": direct.frequencies_thz.max(),
    }
    (row,) = evaluate_many({"si": bulk("Si")}, sus2.load(SILICON), properties=["einstein"]).rows
    assert {k: row.values[k] for k in expected} == expected
    assert row.texts["held"] == "yes"
    executor = InlineExecutor()
    screen({"si": bulk("Si")}, SILICON, properties=["einstein"], out=tmp_path / "x.db", executor=executor)
    executor.shutdown()
    (kept,) = read_screening(tmp_path / "x.db").rows
    assert kept.numbers == pytest.approx(expected, rel=1e-12)
    assert set(expected) <= set(screen_columns())


def test_a_property_has_rows_in_a_comparison(package: dict[str, str]) -> None:
    other = sus2.load("sus2-universal-pbe")
    found = sus2.compare(bulk("Si"), [sus2.load(SILICON), other], properties=["einstein"])
    rows = {d.key: d for d in found.differences[other.name]}
    d = rows["einstein_highest_thz"]
    assert (d.label, d.unit) == ("Highest Einstein frequency", "THz")
    assert d.reference == found.own[0].results["einstein"].frequencies_thz.max()
    assert d.fixed is not None


def test_a_property_has_a_page(package: dict[str, str], app: AppTest) -> None:  # noqa: F811
    app.query_params["crystal"] = "si"
    app.query_params["model"] = SILICON
    app.run()
    app._page_hash = calc_hash("einstein")  # a page without a script has no other name
    app.run()
    assert not app.exception
    assert app.title[0].value == "Einstein frequencies"
    shown = " ".join(m.value for m in app.markdown)
    direct = einstein_of(sample("si").atoms())
    assert f"{direct.frequencies_thz.max():.3f}" in shown


# A potential ------------------------------------------------------------------------------------------------------


def test_a_potential_in_a_folder(tmp_path: Path) -> None:
    found = blocks((PAGES / "model.md").read_text(encoding="utf-8"))
    assert [kind for kind, _ in found] == ["python", "bash"]
    done = run(script(found), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "group-si" in done.stdout
    assert "in group-si (PBE)" in done.stdout
    assert "Birch-Murnaghan" in done.stdout


def test_a_plug_in_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the page, installed: its module and the entry point that its pyproject.toml makes."""
    page = (PAGES / "potential.md").read_text(encoding="utf-8")
    ((name, code),) = files("potential.md").items()
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    (tmp_path / name).write_text(code, encoding="utf-8")
    line = re.search(r"^copper-emt = \"(.*)\"$", page, re.MULTILINE)
    assert line is not None
    info = tmp_path / "my_potentials-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-potentials\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[sus2.potentials]\ncopper-emt = {line[1]}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    card = next(c for c in models() if c.name == "copper-emt")
    assert (card.licence, card.version) == ("LGPL-2.1", "my-potentials 1.0")
    assert sus2.eos(bulk("Cu"), sus2.load("copper-emt")).b0_gpa == pytest.approx(134.4, abs=0.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of SUS2_MODELS with one potential, `mine`."""
    (tmp_path / "mine.mtp").write_bytes((pretrained_folder() / "si-mlearn-pbe.mtp").read_bytes())
    card = read_card(pretrained_folder() / "si-mlearn-pbe.json")
    write_card(card.model_copy(update={"name": "mine"}), tmp_path / "mine.json")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SUS2_MODELS", f"{tmp_path}{os.pathsep}{tmp_path / 'empty'}{os.pathsep}")
    return tmp_path


def test_it_is_found_by_name_among_the_shipped(folder: Path) -> None:
    assert model_folders() == [pretrained_folder(), folder, folder / "empty"]
    names = [card.name for card in models()]
    assert names == sorted(names)
    assert {"mine", "si-mlearn-pbe"} <= set(names)
    energies = [sus2.load(name).evaluate([bulk("Si")])[0].energy_ev for name in ("mine", "si-mlearn-pbe")]
    assert energies[0] == energies[1]


def test_a_shipped_name_cannot_be_taken(folder: Path) -> None:
    (folder / "si-mlearn-pbe.mtp").write_bytes(b"nonsense")
    (folder / "si-mlearn-pbe.json").write_bytes((pretrained_folder() / "si-mlearn-pbe.json").read_bytes())
    assert sus2.load("si-mlearn-pbe").card == next(c for c in models() if c.name == "si-mlearn-pbe")


def test_a_folder_that_is_missing_is_said(folder: Path) -> None:
    (folder / "empty").rmdir()
    for ask in (models, lambda: sus2.load("mine"), lambda: sus2.load("si-mlearn-pbe")):
        with pytest.raises(PotentialFileError, match=r"SUS2_MODELS names '.*empty', where there is no folder: make it"):
            ask()


def test_what_is_wrong_with_a_folder_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.json").write_bytes((folder / "mine.json").read_bytes())
    with pytest.raises(PotentialFileError, match=r"other.json: the card names 'mine'"):
        models()
    (folder / "mine.mtp").write_bytes(b"MTP\n")
    with pytest.raises(PotentialFileError, match="sha256"):
        sus2.load("mine")
    for name in ("../mine", "sub/mine", f"{folder}/mine"):
        with pytest.raises(PotentialFileError, match=r"no potential|needs|card"):
            sus2.load(name)


# A teacher --------------------------------------------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_teacher.py"
    path.write_text(files("teacher.md")["my_teacher.py"], encoding="utf-8")
    monkeypatch.setenv("SUS2_TEACHER_WORKER", str(path))
    monkeypatch.delenv("SUS2_TEACHER_PYTHON", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PAGES.parent.parent))
    monkeypatch.setenv("SUS2_CACHE", os.environ.get("SUS2_CACHE") or str(Path.home() / ".cache" / "sus2"))
    return path


def test_a_teacher_builds_a_set(worker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "set_folder", lambda name: tmp_path / "sets" / name)
    monkeypatch.setattr("sus2.training.data.sets.set_folder", lambda name: tmp_path / "sets" / name)
    plan = BuildPlan("small", functionals=("PBE",), limit=1, crystals="decorations")
    lines: list[str] = []
    build_set(plan, lines.append)
    assert json.loads((tmp_path / "sets" / "small" / "manifest.json").read_text())["teachers"] == {"PBE": "my_teacher"}
    data = load_set("small", "PBE", drop=())
    assert len(data.energy_ev) >= 3
    potential = sus2.load("sus2-universal-pbe")
    for k in range(len(data.energy_ev)):
        label = potential.evaluate([data.to_atoms(k)])[0]
        assert data.energy_ev[k] == pytest.approx(label.energy_ev, abs=1e-8)
    # Everything is there: started again, nothing is done again.
    before = len(lines)
    build_set(plan, lines.append)
    assert [line for line in lines[before:] if "labels" in line] == []


def test_another_teacher_is_another_plan(worker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setattr(teacher, "_build_shard", lambda *args: None)
    plan = BuildPlan("one", functionals=("PBE",), limit=1, crystals="decorations")
    build_set(plan, lambda line: None)
    assert set_folder("one").is_dir()
    monkeypatch.delenv("SUS2_TEACHER_WORKER")
    with pytest.raises(DataError, match="another plan"):
        build_set(plan, lambda line: None)
    other = BuildPlan("two", functionals=("HSE",), limit=1, crystals="decorations")
    with pytest.raises(DataError, match="no teacher of HSE"):
        build_set(other, lambda line: None)
    monkeypatch.setenv("SUS2_TEACHER_WORKER", str(tmp_path / "nothing.py"))
    with pytest.raises(DataError, match="There is no teacher"):
        build_set(other, lambda line: None)


def test_a_functional_that_the_teacher_has_not(worker: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(worker), "label", str(tmp_path), "--teacher", "HSE"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.strip() == "This teacher has PBE, not HSE."


def stored(path: Path, crystals: list[Atoms], **more: object) -> None:
    offsets = np.cumsum([0, *map(len, crystals)])
    numbers, positions = (np.concatenate([getattr(a, name) for a in crystals]) for name in ("numbers", "positions"))
    np.savez(
        path, numbers=numbers, positions=positions, cells=[a.cell.array for a in crystals], offsets=offsets, **more
    )


def test_relaxations_of_a_teacher(tmp_path: Path) -> None:
    stored(tmp_path / "base-0000.npz", [bulk("Cu", a=3.75), bulk("Cu", a=9.0), bulk("Al", a=4.0, cubic=True)])
    serve({"PBE": EMT}, ["relax", str(tmp_path), "--teacher", "PBE"])
    with np.load(tmp_path / "relaxed-0000.npz") as found:
        assert found["positions"].shape == (6, 3)
        # Atoms out of each other's reach have no force and no stress: they are at rest, as they were.
        assert found["converged"][[0, 2]].all()
        assert np.linalg.det(found["cells"][0]) == pytest.approx(3.59**3 / 4, rel=0.01)
        relaxed = bulk("Cu")
        relaxed.set_cell(found["cells"][0], scale_atoms=True)
        relaxed.calc = EMT()
        assert found["energy"][0] == pytest.approx(relaxed.get_potential_energy(), abs=1e-9)
        assert np.abs(relaxed.get_stress()).max() < 0.004


def test_dynamics_of_a_teacher(tmp_path: Path) -> None:
    crystals = [bulk("Cu", cubic=True), bulk("Al", cubic=True)]
    masses = np.concatenate([a.get_masses() for a in crystals])
    shots = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        stored(folder / "start-0003.npz", crystals, masses=masses, temperature=[300.0, 900.0], seed=seed)
        serve({"PBE": EMT}, ["dynamics", str(folder), "--teacher", "PBE", "--shard", "0003"])
        with np.load(folder / "snapshots-0003.npz") as found:
            assert found["valid"].shape == (3, 2)
            assert found["valid"].all()
            shots.append(found["positions"])
    moved = np.abs(shots[0] - np.concatenate([a.positions for a in crystals]))
    assert moved.shape == (3, 8, 3)
    assert 0.01 < moved[:, :4].max() < moved[:, 4:].max() < 2.0
    assert not np.allclose(shots[0], shots[1])


def test_a_calculator_that_fails_is_told(tmp_path: Path) -> None:
    stored(tmp_path / "structures-0000.npz", [bulk("Fe")])
    with pytest.raises(SystemExit, match=r"calculator failed in structures-0000.npz"):
        serve({"PBE": EMT}, ["label", str(tmp_path), "--teacher", "PBE"])
    assert not list(tmp_path.glob("labels*"))


# The test kit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(files("testing.md")))
def test_the_tests_of_the_page_pass(name: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / Path(name).name).write_text(files("testing.md")[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_the_page_names_every_law() -> None:
    text = (PAGES / "testing.md").read_text(encoding="utf-8")
    for name, law in CONTRACT.items():
        assert f"| {name} | `{law.__name__}` |" in text
