"""How the compiled kernels are found and built: choices, errors that are kept, and no call that Linux alone has."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sus2.errors import Sus2Error
from sus2.native import build


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process that has looked for no kernels yet, with a cache of its own."""
    monkeypatch.setattr(build, "_found", build._found.__wrapped__)
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path))
    monkeypatch.delenv("SUS2_KERNELS", raising=False)
    return monkeypatch


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_what_the_compiler_said_is_kept(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh.setenv("CXX", program(tmp_path / "cxx", "echo 'kernels.cpp:1: error: no room' >&2; exit 3"))
    assert build.library() is None
    found = build.status()
    assert (found.level, found.path) == ("", None)
    assert "ended with code 3" in found.problem
    assert "kernels.cpp:1: error: no room" in found.problem


def test_without_a_compiler_the_reason_is_said(fresh: pytest.MonkeyPatch) -> None:
    fresh.delenv("CXX", raising=False)
    fresh.setenv("PATH", "/nowhere")
    assert build.library() is None
    assert "no C++ compiler" in build.status().problem


def test_a_compiler_with_arguments(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "said"
    compiler = program(tmp_path / "cxx", f'echo "$@" > {log}; exit 1')
    fresh.setenv("CXX", f"{compiler} -stdlib=mine")
    assert build.library() is None
    said = log.read_text()
    assert said.startswith("-stdlib=mine -O3")
    assert "native" in said


@pytest.mark.parametrize("choice", ["off", "OFF", "0", "torch"])
def test_switched_off(fresh: pytest.MonkeyPatch, choice: str) -> None:
    fresh.setenv("SUS2_KERNELS", choice)
    assert build.library() is None
    assert "SUS2_KERNELS" in build.status().problem


@pytest.mark.parametrize(("choice", "says"), [("fast", "give one of auto, native"), ("avx2", "carries no compiled")])
def test_a_choice_that_cannot_be_had_is_refused(fresh: pytest.MonkeyPatch, choice: str, says: str) -> None:
    """Never silently another build than the one that was asked for; a checkout carries none."""
    fresh.setenv("SUS2_KERNELS", choice)
    with pytest.raises(Sus2Error, match=says):
        build.library()


def test_damaged_libraries_of_a_wheel(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh.setattr(build, "_packaged_path", lambda level: tmp_path / f"kernels-{level}{build.SUFFIX}")
    for level in build.levels_here():
        (tmp_path / f"kernels-{level}{build.SUFFIX}").write_bytes(b"damaged")
    fresh.setenv("CXX", "/no/compiler")
    assert build.library() is None
    fresh.setenv("SUS2_KERNELS", "baseline")
    with pytest.raises(Sus2Error, match="cannot be loaded"):
        build.library()


def test_the_highest_level_that_the_processor_runs(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The choice among the libraries of a wheel, for processors that this one may not be."""

    class Library:
        def __init__(self, level: int) -> None:
            self.level = level

        def sus2_level(self) -> int:
            return self.level

    fresh.setattr(build, "_packaged_path", lambda level: tmp_path / f"kernels-{level}{build.SUFFIX}")
    for level in build.LEVELS:
        (tmp_path / f"kernels-{level}{build.SUFFIX}").touch()
    for highest, wanted in enumerate(build.LEVELS):
        fresh.setattr(build, "_typed", lambda path, highest=highest: Library(highest))
        assert build.status().level == wanted
        fresh.setenv("SUS2_KERNELS", "avx512")
        if wanted == "avx512":
            assert build.status().level == "avx512"
        else:
            with pytest.raises(Sus2Error, match="does not run the kernels 'avx512'"):
                build.status()
        fresh.delenv("SUS2_KERNELS")
    fresh.setattr(build, "_typed", lambda path: Library(-1))
    fresh.setenv("CXX", "/no/compiler")
    assert build.library() is None


def test_threads_and_flags_elsewhere(fresh: pytest.MonkeyPatch) -> None:
    """macOS and Windows have no os.sched_getaffinity; AArch64 has one level."""
    fresh.setenv("OMP_NUM_THREADS", "")
    fresh.delattr(os, "sched_getaffinity", raising=False)
    assert build.default_threads() == (os.cpu_count() or 1)
    fresh.setenv("OMP_NUM_THREADS", "3")
    assert build.default_threads() == 3
    fresh.setattr(build.platform, "machine", lambda: "aarch64")
    assert list(build.levels_here()) == ["baseline"]
    fresh.setattr(build.platform, "machine", lambda: "AMD64")
    assert list(build.levels_here()) == ["baseline", "avx2", "avx512"]


def test_nothing_but_the_standard_library_is_needed_to_build(root: Path) -> None:
    """A wheel is built where neither numpy nor torch is installed."""
    code = "import runpy; m = runpy.run_path('sus2/native/build.py', run_name='build'); print(m['compiler_version']())"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_first_result_does_not_wait_for_torch(root: Path) -> None:
    if not build.available():
        pytest.skip("without compiled kernels torch computes")
    code = (
        "import sys, sus2; p = sus2.load('sus2-universal-pbe'); p.evaluate([sus2.structures.sample('nacl').atoms()]);"
    )
    code += "print(*sorted({'torch', 'pymatgen', 'phonopy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
