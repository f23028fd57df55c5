"""The teachers in their own environment: the fast evaluation is matgl's, a stopped build goes on to the same set."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.training.data.sets import cache_root, load_set, set_folder
from sus2.training.teachers import build as teacher
from sus2.training.teachers.build import BuildPlan, build_set, check_teachers, run_worker, teacher_python
from sus2.training.teachers.remote import TEACHERS


@pytest.fixture
def environment(shared: Path) -> str:
    try:
        return str(teacher_python())
    except DataError as error:
        pytest.skip(str(error))


def test_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(tmp_path / "python"))
    with pytest.raises(DataError, match="build it with 'sus2 data setup'"):
        teacher_python()
    monkeypatch.delenv("SUS2_TEACHER_PYTHON")
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    with pytest.raises(DataError, match="no teacher environment"):
        run_worker("label", tmp_path, ["PBE"])


def test_one_teacher_is_installed_by_itself_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[list[str]] = []

    def run(step: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        steps.append(step)
        offline = "torch" in step and not online
        error = "WARNING: Retrying\nERROR: No matching distribution found for torch\n" if offline else ""
        return subprocess.CompletedProcess(step, int(offline), "", error)

    monkeypatch.setattr(teacher.subprocess, "run", run)
    online = True
    python = teacher.setup(
        lambda line: None, teacher="chgnet", folder=tmp_path / "env", torch_index="https://example.org"
    )
    assert python.is_relative_to(tmp_path / "env")
    assert steps[1][-3:] == ["torch", "--index-url", "https://example.org"]
    assert steps[2][-1].startswith("chgnet==")
    online = False
    with pytest.raises(
        DataError, match=r"could not be built .*No matching distribution found for torch\. Without a network"
    ):
        teacher.setup(lambda line: None, teacher="nequix", folder=tmp_path)
    with pytest.raises(DataError, match="There is no teacher 'gpt' to install; there are nequix, chgnet, sevennet"):
        teacher.setup(teacher="gpt")


def test_a_teacher_whose_package_has_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chgnet, sevennet = TEACHERS["chgnet"], TEACHERS["sevennet-mf-0"]
    monkeypatch.setenv("SUS2_TEACHERS", str(tmp_path))
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(tmp_path / "bin" / "python"))
    assert "is not installed: 'make app TEACHER=chgnet'" in chgnet.missing()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert "chgnet is not in the teachers' environment: 'make app TEACHER=chgnet'" in chgnet.missing()
    assert "The weights of sevennet-mf-0 are not at" in sevennet.missing()
    for package in ("chgnet", "sevenn"):
        (tmp_path / "lib" / "python3.12" / "site-packages" / package).mkdir(parents=True)
    assert not chgnet.missing()
    assert chgnet.functionals == ("PBE", "r2SCAN")
    assert sevennet.sources() == {"PBE": "7net-mf-0", "r2SCAN": "7net-mf-0"}
    weights = tmp_path / "sevennet-mf-0" / "7net-mf-0-stripped.pth"
    weights.parent.mkdir()
    weights.touch()
    assert sevennet.sources() == {"PBE": str(weights), "r2SCAN": str(weights)}


def test_a_failing_worker_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'matgl is broken' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", str(script))
    with pytest.raises(DataError, match=r"The teacher failed at label of shard 0001: matgl is broken"):
        run_worker("label", tmp_path, ["PBE"], "0001")


def test_another_plan_under_the_same_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setattr(teacher, "_build_shard", lambda *args: None)
    build_set(BuildPlan("one", limit=4), report=lambda line: None)
    build_set(BuildPlan("one", limit=4), report=lambda line: None)
    with pytest.raises(DataError, match="begun with another plan"):
        build_set(BuildPlan("one", limit=5), report=lambda line: None)
    with pytest.raises(DataError, match="another plan"):
        build_set(BuildPlan("one", limit=4, crystals="decorations"), report=lambda line: None)


def test_evaluation_is_matgls_own(environment: str) -> None:
    reports = check_teachers()
    assert sum(report["functional"] in ("PBE", "r2SCAN") for report in reports) == 6
    assert sum("Nequix" in report["functional"] for report in reports) == 3
    assert max(report["difference"] for report in reports) < 1e-4
    energies = {(r["functional"], r["crystal"]): r["energy_ev_per_atom"] for r in reports}
    # The nonsense of other matgl versions is eV/atom away.
    assert energies["PBE", "MgO"] == pytest.approx(-5.86, abs=0.1)
    assert energies["PBE", "Si"] == pytest.approx(-5.24, abs=0.1)


def test_stopped_build_goes_on_to_the_same_set(
    environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_TEACHER_PYTHON", environment)
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.setattr(teacher, "UNIVERSAL", ("Mg", "O", "Si"))
    plan = BuildPlan("small", limit=3, dynamics_per_shard=1)
    silent = {"report": lambda line: None}
    build_set(plan, **silent)
    folder = set_folder("small")
    before = {f: load_set("small", f, drop=()).hash for f in ("PBE", "r2SCAN")}
    # A kill leaves whole files and perhaps a partial one.
    for name in ("labels-r2SCAN-0000.npz", "structures-0000.npz"):
        (folder / name).unlink()
    (folder / ".labels-r2SCAN-0000.npz.77.partial").write_bytes(b"half")
    build_set(plan, **silent)
    assert {f: load_set("small", f, drop=()).hash for f in ("PBE", "r2SCAN")} == before
    assert not list(folder.glob(".*.partial"))
    data = load_set("small", "PBE", drop=())
    assert np.isfinite(data.energy_ev).all()
    calm = data.subset(data.kind == "relaxed")
    assert len(calm) == 3
    assert np.abs(calm.forces_ev_per_a).max() < 0.3
    assert os.environ["SUS2_CACHE"] == str(tmp_path)
