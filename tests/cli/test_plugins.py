"""A plug-in of the settings works in every command, and its numbers are those of the functions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.structures import sample
from tests.cli.test_cli import run

EMT = (
    '[potentials.emt]\nfunctional = "none"\nelements = ["Al", "Ni", "Cu", "Pd", "Ag", "Au"]\nlicence = "LGPL-2.1"\n'
    'factory = "ase.calculators.emt:EMT"\n'
)


@pytest.fixture(autouse=True)
def emt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text(EMT, encoding="utf-8")
    monkeypatch.setenv("SUS2_SETTINGS", str(tmp_path / "settings.toml"))


def answer(*arguments: str | Path) -> dict[str, object]:
    done = run(*arguments)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_it_is_listed_with_its_card() -> None:
    done = run("models")
    (line,) = [x for x in done.stdout.splitlines() if x.split()[:1] == ["emt"]]
    assert "none" in line


@pytest.mark.parametrize("command", ["eos", "elastic", "thermal"])
def test_properties(command: str) -> None:
    # A coarse mesh: that the numbers are the same is what counts.
    settings = {"mesh": 10.0} if command == "thermal" else {}
    found = answer(command, "cu", "--model", "emt", "--json", *[f"--set={k}={v}" for k, v in settings.items()])
    direct = getattr(sus2, command)(sample("cu").atoms(), sus2.load("emt"), **settings).to_dict()
    assert found["potential"] == "emt"
    assert {k: found[k] for k in direct} == json.loads(json.dumps(direct))
    if command == "elastic":
        assert found["method"] == "finite"


def test_phonons_by_displacements() -> None:
    found = answer("phonons", "cu", "--model", "emt", "--json", "--set", "mesh=10.0")
    direct = sus2.phonons(sample("cu").atoms(), sus2.load("emt"), mesh=10.0)
    assert (found["potential"], found["stable"], direct.method) == ("emt", True, "finite")
    highest = max(float(np.max(rows)) for rows in found["frequencies_thz"].values())  # type: ignore[attr-defined]
    assert highest == pytest.approx(float(direct.frequencies_thz([0.5, 0.0, 0.5]).max()), rel=1e-6)


def test_model_check() -> None:
    found = answer("check", "cu", "--model", "emt", "--json")
    direct = sus2.check(sample("cu").atoms(), sus2.load("emt"))
    assert [c["name"] for c in found["checks"]] == [c.name for c in direct.checks]  # type: ignore[attr-defined]
    assert found["verdict"] == direct.verdict


def test_compared_with_a_shipped_one() -> None:
    found = answer(
        "compare", "cu", "--model", "sus2-universal-pbe", "--model", "emt", "--set", 'properties=["eos"]', "--json"
    )
    assert "emt" in json.dumps(found)


def test_screening(tmp_path: Path) -> None:
    from sus2.jobs.executor import InlineExecutor
    from sus2.screening.read import read_screening
    from sus2.screening.start import screen

    executor = InlineExecutor()
    screen({"cu": bulk("Cu")}, "emt", properties=["eos"], out=tmp_path / "x.db", executor=executor)
    executor.shutdown()
    (row,) = read_screening(tmp_path / "x.db").rows
    assert row.numbers["b0_gpa"] == pytest.approx(134.4, abs=0.5)
