"""`sus2 info`: what a bug report needs, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import sus2
from sus2.cli import info
from tests.cli.test_cli import program

# Some wheels name their CUDA in this alone, others in what pip knows too.
TORCH = torch.__version__.partition("+")[0]


def test_information_for_programs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    (tmp_path / "kept").write_bytes(bytes(2**20))
    done = program(root, "info", "--json")
    found = json.loads(done.stdout)
    assert found["sus2"].startswith(sus2.__version__)
    assert found["packages"]["torch"].partition("+")[0] == TORCH
    assert found["kernels"]["in use"].startswith("none")
    assert "/no/such/compiler" in found["kernels"]["problem"]
    assert found["cache"] == {"folder": str(tmp_path), "writable": "yes", "size": "1.0 MiB in 1 files"}
    assert found["potentials"] == [c.name for c in sus2.models()]


def test_information_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = "kernels.cpp:1: error\nkernels.cpp:2: error"
    monkeypatch.setattr(info.build, "status", lambda: info.build.Status("", problem=said))
    info.show_info()
    text = capsys.readouterr().out
    assert "none: torch computes" in text
    assert "kernels.cpp:2: error" in text
    assert "sus2-universal-pbe" in text
    assert f"torch          {TORCH}" in text


@pytest.mark.parametrize(("cuda", "says"), [(None, "without CUDA"), ("13.0", "no device answers")])
def test_why_there_is_no_gpu(cuda: str | None, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert says in info._devices()["cuda"]


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class About:
        name, total_memory = "A card", 80 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda k: About)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert info._devices()["cuda:0"] == "A card, 80 GiB, CUDA 13.0"


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert info._cache(tmp_path / "file" / "below")["writable"].startswith("no")
