"""The wheel: what is in it, and that it works outside the checkout.

By default the wheel is installed beside the libraries of the environment that runs the tests; with
SUS2_EMPTY_ENVIRONMENT set (`make wheel`, continuous integration) every library is installed anew into an empty one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import sus2
from tests.helpers_server import serving
from tests.ui.conftest import browser, settled  # noqa: F401

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder, root])
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def outside(wheel: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the checkout; in its `environment` the wheel is installed."""
    folder = tmp_path_factory.mktemp("outside")
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", environment])
    pip = [*PIP, "--python", environment / "bin" / "python", "install", "--no-compile"]
    if os.environ.get("SUS2_EMPTY_ENVIRONMENT"):
        # torch first, by itself, as the Makefile does, so that nothing else decides which build is installed.
        constraints = ["--constraint", root / "constraints.txt"]
        _run([*pip, *constraints, "torch"])
        _run([*pip, *constraints, f"{wheel}[app]"])
    else:
        _run([*pip, "--no-deps", wheel])
        libraries = {p for p in sys.path if p.endswith("site-packages")}
        (_packages(folder) / "libraries.pth").write_text("\n".join(sorted(libraries)))
    return folder


def _packages(outside: Path) -> Path:
    return next((outside / "environment" / "lib").glob("python3.*")) / "site-packages"


def _run(command: list[object], **options: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert isinstance(done.stdout, str)
    return done.stdout


def _environment(outside: Path, **more: str) -> dict[str, str]:
    """As a user has it who knows nothing of the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SUS2_", "VIRTUAL_ENV", "STREAMLIT_"))}
    return {**kept, "HOME": str(outside), "SUS2_CACHE": str(outside / "cache"), "PYTHONDONTWRITEBYTECODE": "1", **more}


def _sus2(outside: Path, *arguments: str, **more: str) -> str:
    program = outside / "environment" / "bin" / "sus2"
    return _run([program, *arguments], cwd=outside, env=_environment(outside, **more))


def test_the_wheel_has_the_app_and_the_weights_and_nothing_else(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = _run(["git", "-C", root, "ls-files"]).splitlines() if (root / ".git").exists() else []
    places = {"sus2/": "sus2/", "pages/": "sus2/_app/pages/", "pretrained/": "sus2/pretrained/"}
    wanted = {
        "sus2/_app/app.py",
        "sus2/_app/.streamlit/config.toml",
        "sus2/native/kernels.cpp",
        "sus2/native/kernels.h",
    }
    for path in tracked:
        if (root / path).exists():
            wanted |= {there + path.removeprefix(here) for here, there in places.items() if path.startswith(here)}
    assert wanted <= names, sorted(wanted - names)
    for card in sus2.models():
        assert {f"sus2/pretrained/{card.name}.mtp", f"sus2/pretrained/{card.name}.yaml"} <= names
    assert {n.split("/")[0] for n in names} == {"sus2", f"sus2-{sus2.__version__}.dist-info"}
    assert not [n for n in names if re.search(r"(^|/)(test_|conftest|tests/|notes|\.git|\.ci|__pycache__)", n)]
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_command_line_of_the_wheel(outside: Path, wheel: Path) -> None:
    before = {p for p in _packages(outside).rglob("*") if "__pycache__" not in p.parts}
    where = _run(
        [outside / "environment" / "bin" / "python", "-c", "import sus2; print(sus2.__file__)"],
        cwd=outside,
        env=_environment(outside),
    )
    assert where.startswith(str(outside)), "the wheel is hidden by another sus2"
    listed = [c["name"] for c in json.loads(_sus2(outside, "models", "--json"))]
    cards = {Path(n).stem for n in zipfile.ZipFile(wheel).namelist() if re.fullmatch(r"sus2/pretrained/[^/]+\.yaml", n)}
    assert set(listed) == cards
    assert {"si-mlearn-pbe", "sus2-universal-pbe"} <= cards
    fit = json.loads(_sus2(outside, "eos", "si", "--model", "si-mlearn-pbe", "--json"))["fits"]["birch-murnaghan"]
    here = sus2.eos(next(s for s in sus2.structures.samples() if s.key == "si").atoms(), sus2.load("si-mlearn-pbe"))
    assert fit["b0_gpa"] == pytest.approx(here.b0_gpa, rel=1e-8)
    assert fit["v0_a3"] == pytest.approx(here.v0_a3, rel=1e-10)
    after = {p for p in _packages(outside).rglob("*") if "__pycache__" not in p.parts}
    assert after == before, "an installation may be read-only: nothing is written into it"


def test_the_compiled_kernels_are_built_in_the_cache_and_not_needed(outside: Path) -> None:
    report = "import sus2.native.kernels as k; print(k.available())"
    python = outside / "environment" / "bin" / "python"
    compiler = bool(os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++"))
    built = _run([python, "-c", report], cwd=outside, env=_environment(outside)).strip()
    assert built == str(compiler)
    assert bool(list((outside / "cache" / "kernels").glob("*.so"))) == compiler
    # Where nothing can be written (not even by root), the same numbers come from torch, without a word.
    nowhere = {"SUS2_CACHE": "/proc/nowhere"} if Path("/proc").is_dir() else {"CXX": "/no/compiler"}
    done = subprocess.run(
        [python, "-c", report],
        cwd=outside,
        env=_environment(outside, **nowhere),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")
    energies = []
    for more in ({}, nowhere):
        out = json.loads(_sus2(outside, "eos", "si", "--model", "si-mlearn-pbe", "--points", "5", "--json", **more))
        energies.append(out["fits"]["birch-murnaghan"]["e0_ev"])
    assert energies[0] == pytest.approx(energies[1], abs=1e-8)


@pytest.fixture(scope="module")
def address(outside: Path) -> Iterator[str]:
    """Where the app of the wheel answers."""
    program = [outside / "environment" / "bin" / "sus2"]
    with serving(outside, outside, program=program, environment=_environment(outside)) as url:
        yield url


@pytest.mark.browser
def test_the_app_of_the_wheel(address: str, browser: Browser) -> None:  # noqa: F811
    page = browser.new_page()
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(address)
    page.get_by_text("Begin with one of these").wait_for()
    settled(page)
    page.locator("[data-testid=stSidebarNav] a", has_text="Equation of state").click()
    page.get_by_role("heading", name="Equation of state").wait_for()
    page.get_by_role("button", name="Compute").click()
    page.locator(".js-plotly-plot").first.wait_for()
    assert problems == []
    page.close()
