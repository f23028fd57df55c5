"""Questions: one key exactly where the answer is the same, and answers that reproduce."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

import sus2
from sus2.errors import StoreError, Sus2Error
from sus2.jobs.calculation import Calculation, compute
from sus2.jobs.reproduce import as_command, as_python
from sus2.potential.mtp import format_mtp
from sus2.properties.phonons.report import phonon_report
from sus2.registry.load import load_bytes, models
from sus2.registry.reference import PotentialRef
from sus2.structures import sample
from tests.helpers_spec import random_spec

CARDS = {c.name: c for c in models()}
SI = PotentialRef.of(CARDS["si-mlearn-pbe"])


def asked(**changes: Any) -> Calculation:
    return Calculation.of(sus2.eos, **{"atoms": sample("si").atoms(), "potential": SI, **changes})


def test_the_key_names_what_the_answer_depends_on() -> None:
    moved = sample("si").atoms()
    moved.positions[0, 0] += 1e-3
    heavy = sample("si").atoms()
    heavy.set_masses([30.0] * len(heavy))
    other = PotentialRef.of(CARDS["sus2-universal-pbe"])
    single = PotentialRef.of(CARDS["si-mlearn-pbe"], precision="float32")
    keys = [
        q.key
        for q in (
            asked(),
            asked(atoms=moved),
            asked(atoms=heavy),
            asked(potential=other),
            asked(potential=single),
            asked(n_points=13),
            asked(volume_range=0.08),
            asked(equation="vinet"),
            Calculation.of(sus2.elastic, atoms=sample("si").atoms(), potential=SI),
        )
    ]
    assert len(set(keys)) == len(keys)


def test_what_does_not_matter_has_no_part_in_the_key() -> None:
    relabelled = sample("si").atoms()
    relabelled.info["name"] = "silicon"
    assert asked().key == asked(atoms=relabelled).key == asked(n_points=11, volume_range=0.06).key
    assert asked(n_points=np.int64(13)).key == asked(n_points=13).key


def test_the_code_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = asked().key
    monkeypatch.setattr("sus2.jobs.calculation.code_version", lambda: "another")
    assert asked().key != before


@pytest.mark.parametrize(
    "path",
    [
        "os:system",
        "sus2.properties.eos.calculate:_fit_dict",
        "sus2.properties.eos.calculate:EosResult",
        "sus2.nowhere:f",
        "sus2.properties.eos.calculate",
    ],
)
def test_only_public_functions_of_this_package_are_called(path: str) -> None:
    with pytest.raises(Sus2Error, match="no function of this package"):
        compute(Calculation(path, {}))


def test_a_value_that_has_no_key_is_refused() -> None:
    with pytest.raises(Sus2Error, match="cannot be part"):
        _ = asked(equation=object()).key


def test_an_answer_is_the_result_of_the_function() -> None:
    found = compute(asked(n_points=9))
    direct = sus2.eos(sample("si").atoms(), sus2.load("si-mlearn-pbe"), n_points=9)
    assert found.result().to_dict() == direct.to_dict()
    assert found.seconds > 0
    assert found.machine["sus2"] == sus2.__version__


def test_errors_of_the_function_come_through() -> None:
    with pytest.raises(sus2.Sus2Error, match="Xe"):
        compute(asked(atoms=Atoms("Xe", cell=[6.0] * 3, pbc=True)))


def own() -> PotentialRef:
    raw = format_mtp(random_spec(1)).encode()
    return PotentialRef.of(load_bytes(raw, name="mine", elements=["Si"]).card, raw)


def test_a_potential_of_ones_own_travels_with_the_question() -> None:
    reference = own()
    assert reference.kind == "own"
    assert reference.load().name == "mine"
    assert reference.load() is reference.load()


def test_a_result_whose_potential_is_not_there_says_so() -> None:
    found = compute(Calculation.of(sus2.phonons, atoms=sample("si").atoms(), potential=SI))
    with pytest.raises(StoreError, match="needs the potential"):
        replace(found, packed=rewritten(found.packed, SI.identity, "0" * 64)).result()


def rewritten(packed: bytes, old: str, new: str) -> bytes:
    """The same archive with one text in its tree replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(old.encode(), new.encode()) if name == "tree.json" else content)
    return out.getvalue()


# Written out ------------------------------------------------------------------------------------------------------


def crystals() -> dict[str, Atoms]:
    strained = sample("si").atoms()
    strained.set_cell(strained.cell.array * (1.0 + 1.0 / 3e4), scale_atoms=True)
    strained.positions[1] += 1.0 / 7e3
    large = sample("si").atoms() * (2, 2, 2)
    large.positions[3] += 1.0 / 9e3
    return {"sample": sample("si").atoms(), "own": strained, "large": large}


@pytest.mark.parametrize("which", ["sample", "own", "large"])
def test_the_python_text_gives_the_same_digits(which: str, tmp_path: Path, root: Path) -> None:
    atoms = crystals()[which]
    calculation = asked(atoms=atoms, n_points=7, volume_range=0.05)
    (tmp_path / "r.json").write_text(json.dumps(document(atoms)))
    script = as_python(calculation, file="r.json", seen="result.volumes_a3.tolist(), result.energies_ev.tolist()")
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    result = compute(calculation).result()
    assert found.stdout.strip() == f"{result.volumes_a3.tolist()} {result.energies_ev.tolist()}"


@pytest.mark.parametrize("which", ["sample", "own", "large"])
def test_the_command_gives_the_same_digits(which: str, tmp_path: Path, root: Path) -> None:
    atoms = crystals()[which]
    calculation = asked(atoms=atoms, n_points=7, relax_ions=False)
    (tmp_path / "r.json").write_text(json.dumps(document(atoms)))
    command = as_command(calculation, structure="r.json")
    assert command is not None
    found = subprocess.run(
        command.replace("sus2", f"{sys.executable} -m sus2.cli", 1),
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    shown = json.loads(found.stdout)
    expected = compute(calculation).result().to_dict()
    assert {k: shown[k] for k in expected} == expected


def document(atoms: Atoms) -> dict[str, Any]:
    """The part of a result's file that holds the crystal."""
    return {
        "crystal": {
            "symbols": atoms.get_chemical_symbols(),
            "cell_a": atoms.cell.tolist(),
            "positions_a": atoms.positions.tolist(),
        }
    }


def test_what_no_command_can_ask_has_none() -> None:
    follow = Calculation.of(phonon_report, atoms=sample("si").atoms(), potential=SI, born="text")
    assert as_command(follow, structure="x.json") is not None
    many = Calculation.of(sus2.compare_batch, structures={"a": sample("si").atoms()}, potentials=[SI, SI])
    assert as_command(many, structure="x.json") is None
    assert "sus2.compare_batch(structures=structures" in as_python(many, file="x.json")


def test_several_and_own_potentials_are_written_out() -> None:
    text = as_python(asked(potential=own()), file="x.json")
    assert "sus2.load(\"mine.mtp\", elements=['Si'])" in text
    command = as_command(asked(potential=own()), structure="x.json")
    assert command is not None
    assert "--model mine.mtp --elements Si" in command
