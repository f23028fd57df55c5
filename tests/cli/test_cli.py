"""The command line gives the numbers of the functions, and one sentence where something is wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from ase.build import bulk

import sus2
from sus2.cli.main import main
from sus2.native.build import available
from sus2.structures import sample, write_structure
from sus2.trust.digits import digits_of, number_text


def program(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sus2.cli", *arguments], cwd=root, capture_output=True, text=True, check=False
    )


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has loaded the libraries."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["sus2", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def silicon(tmp_path: Path) -> str:
    path = tmp_path / "si.cif"
    path.write_text(write_structure(bulk("Si", "diamond", a=5.5, cubic=True), "cif"))
    return str(path)


def test_equation_of_state_to_the_last_digit(root: Path, silicon: str) -> None:
    done = program(root, "eos", silicon, "--model", "si-mlearn-pbe", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    from sus2.structures import read_structure

    e = sus2.eos(read_structure("si.cif", Path(silicon).read_bytes()), sus2.load("si-mlearn-pbe"))
    text = json.dumps(found)
    for value in (e.v0_a3, e.b0_gpa, e.b0_prime, e.e0_ev):
        assert repr(value) in text


def test_elastic_constants_and_phonons_to_the_last_digit(silicon: str, tmp_path: Path) -> None:
    from sus2.structures import read_structure

    atoms = read_structure("si.cif", Path(silicon).read_bytes())
    potential = sus2.load("si-mlearn-pbe")
    done = run("elastic", silicon, "--json")
    assert json.loads(done.stdout)["c_gpa"] == sus2.elastic(atoms, potential).c_gpa.tolist()
    done = run("phonons", silicon, "--json", "--output", str(tmp_path / "files"))
    found = json.loads(done.stdout)
    assert found["stable"]
    result = sus2.phonons(atoms, potential)
    q = list(found["q_fractional"].values())
    assert list(found["frequencies_thz"].values()) == result.frequencies_thz(q).tolist()
    assert (tmp_path / "files" / "band.yaml").is_file()


def test_thermal_properties_to_the_last_digit() -> None:
    done = run("thermal", "si", "--json")
    expected = sus2.thermal(sample("si").atoms(), sus2.load("si-mlearn-pbe"))
    assert json.loads(done.stdout)["volumes_t_a3"] == expected.to_dict()["volumes_t_a3"]
    assert "J/K/mol" in run("thermal", "si", "--temperature", "500").stdout


def test_printed_numbers_end_where_their_error_begins() -> None:
    atoms = sample("batio3").atoms()
    potential = sus2.load("sus2-universal-pbe")
    e, c = sus2.eos(atoms, potential), sus2.elastic(atoms, potential)
    sigma = e.uncertainty["b0_gpa"]
    assert sigma > 9.5, "else this test is of another number"
    assert f"{e.b0_gpa:.0f} ± {sigma:.0f} GPa" in run("eos", "batio3", "--model", potential.name).stdout
    printed = run("elastic", "batio3", "--model", potential.name).stdout
    assert f"K {c.k_vrh_gpa:.0f} ± {c.uncertainty['k_vrh_gpa']:.0f}" in printed
    first = next(line for line in printed.splitlines() if line.split()[-3:] == ["0", "0", "0"])
    assert first.split()[0] == number_text(c.c_gpa[0, 0], digits_of(1, c.uncertainty["c_gpa"][0, 0]))


def test_checks_set_the_exit_code(silicon: str) -> None:
    done = run("check", silicon)
    assert done.returncode in (0, 1)
    assert "pass" in done.stdout
    assert ("fail" in {line.split()[0] for line in done.stdout.splitlines()}) == (done.returncode == 1)


def test_relaxation_writes_the_structure(silicon: str, tmp_path: Path) -> None:
    done = run("relax", silicon, "--output", str(tmp_path / "out.cif"))
    assert done.returncode == 0, done.stderr
    assert "Si" in (tmp_path / "out.cif").read_text()


def test_models_are_listed() -> None:
    done = run("models")
    assert done.returncode == 0
    for card in sus2.models():
        assert card.name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eos", "missing.cif"), "no file"),
        (("eos", "si", "--model", "nothing"), "no potential"),
        (("eos", "cu", "--model", "si-mlearn-pbe"), "does not cover Cu"),
        (("train", "missing.yaml"), "cannot be read"),
        (("eos", "si", "--set", "relaxed=nonsense"), "relaxed takes true or false"),
        (("relax", "si", "--set", "max_steps=many"), "max_steps takes a whole number"),
        (("relax", "si", "--model", "si-mlearn-pbe", "--fmax", "inf"), "positive and finite"),
        (("eos", "si", "--model", "si-mlearn-pbe", "--points", "1000000000"), "at most 10,000 points"),
        (("elastic", "si", "--pressure-gpa", "nan"), "--pressure-gpa is not a number"),
        (("relax", "si", "--output", "nowhere/si.cif"), "there is no folder 'nowhere'"),
        (("report", "si", "--out", "nowhere/si.html"), "there is no folder 'nowhere'"),
        (("compare", "si", "--csv", "nowhere/si.csv"), "there is no folder 'nowhere'"),
        (("check", "si", "--html", "nowhere/si.html"), "there is no folder 'nowhere'"),
    ],
)
def test_errors_are_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_the_program_ends_with_the_sentence_alone(root: Path) -> None:
    done = program(root, "eos", "missing.cif")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == run("eos", "missing.cif").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_sentence(root: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sus2.cli", "samples"], cwd=root, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "The output cannot be written: no space is left on the device; make room and try again."
    )


def test_training_from_the_command_line(tmp_path: Path) -> None:
    from tests.training.fit.small_sets import config_file

    path = config_file(tmp_path, stages=[{"kind": "project"}])
    done = run("train", str(path), "--folder", str(tmp_path / "run"), "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "small.mtp").is_file()
    assert "meV/atom" in done.stdout


def test_import_is_light(root: Path) -> None:
    """The command line answers --help without torch."""
    script = "import sys, sus2.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


def test_a_result_with_its_estimates_does_without_torch(root: Path) -> None:
    """torch takes over a second of a processor to import, more than all else that an equation of state needs."""
    if not available():
        pytest.skip("without compiled kernels torch computes")
    script = "import sys; from sus2.cli.main import app; sys.argv[0] = 'sus2'; app(standalone_mode=False)"
    script += "; sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", script, "eos", "si", "--model", "sus2-universal-pbe"]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "±" in done.stdout


def test_many_structures_give_a_line_each(silicon: str) -> None:
    done = run("eos", silicon, "missing.cif", "si", "--model", "si-mlearn-pbe", "--json")
    assert done.returncode == 1
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert "no file" in second["error"]
    assert first["structure"] == silicon
    assert (
        third["fits"]["birch-murnaghan"]["b0_gpa"] == sus2.eos(sample("si").atoms(), sus2.load("si-mlearn-pbe")).b0_gpa
    )


def test_settings_by_name() -> None:
    done = run("eos", "si", "--model", "si-mlearn-pbe", "--set", "n_points=7", "--set", "relax_ions=false", "--json")
    assert len(json.loads(done.stdout)["volumes_a3"]) == 7
    done = run("eos", "si", "--set", "n_pints=7")
    assert done.returncode == 2
    assert "n_points" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("thermal", "--temperature", "1e9"), "1e+09 K lies outside the computed temperatures, 0 to 1000 K"),
        (("thermal", "--temperature", "inf"), "inf K lies outside"),
        (("thermal", "--temperature", "900", "--set", "temperatures_k=[0,100,200,300]"), "900 K lies outside"),
        (("thermal", "--set", "temperatures_k=[0,1e300,2e300,3e300]"), "four temperatures between 0 and 100,000 K"),
        (("thermal", "--set", "temperatures_k=hot"), "four temperatures between 0 and 100,000 K"),
        (("thermal", "--set", "volume_range=3"), "The range of volumes is 3; give two fractions"),
        (("thermal", "--set", "n_volumes=1000000"), "Use 7 to 101 volumes, not 1000000"),
        (("thermal", "--set", "mesh=1e9"), "a length between 1 and 1000 Å, found 1000000000.0"),
        (("thermal", "--set", "mesh=[1,2]"), "The mesh must be three whole numbers"),
        (("phonons", "--set", "mesh=fine"), "The mesh must be three whole numbers"),
        (("phonons", "--set", "supercell=large"), "A supercell matrix must be 3 or 3x3 whole numbers"),
    ],
)
def test_what_can_be_judged_is_judged_before_anything_is_computed(
    arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(*_: object, **__: object) -> None:
        raise AssertionError("the crystal is relaxed")

    for module in ("thermal", "phonons"):
        monkeypatch.setattr(f"sus2.properties.{module}.calculate.relax", computed)
    command, *rest = arguments
    done = run(command, "si", "--model", "si-mlearn-pbe", *rest)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.parametrize("command", [("models",), ("eos", "si"), ("eos", "si", "-m", "si-mlearn-pbe"), ("app",)])
def test_a_missing_folder_of_potentials_is_one_sentence(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("the server starts"))
    monkeypatch.setenv("SUS2_MODELS", str(tmp_path / "gone"))
    done = run(*command)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"SUS2_MODELS names '{tmp_path / 'gone'}', where there is no folder" in done.stderr
