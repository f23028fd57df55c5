"""The wheel: what is in it, and that it works outside the checkout.

By default the wheel is installed beside the libraries of the environment that runs the tests; with
SUS2_EMPTY_ENVIRONMENT set (`make wheel`, continuous integration) every library is installed anew into an empty one.
SUS2_WHEEL names a wheel that is tried instead of one made here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import sus2
from sus2.native import build
from sus2.registry.load import weights_of
from tests.conftest import require
from tests.helpers_server import serving
from tests.ui.conftest import browser, settled  # noqa: F401

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, kernels included."""
    if os.environ.get("SUS2_WHEEL"):
        return root / os.environ["SUS2_WHEEL"]
    try:
        build.compiler()
    except OSError as error:
        require(f"a wheel needs a C++ compiler, but {error}")
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
        "sus2/native/source/kernels.cpp",
        "sus2/native/source/kernels.h",
    }
    for path in tracked:
        if (root / path).exists():
            wanted |= {there + path.removeprefix(here) for here, there in places.items() if path.startswith(here)}
    assert wanted <= names, sorted(wanted - names)
    for card in sus2.models():
        weights = weights_of(card.name)
        assert weights is not None
        assert {f"sus2/pretrained/{weights.name}", f"sus2/pretrained/{card.name}.yaml"} <= names
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


FIRST_RESULT = """
import json, sus2
from sus2.native import build
potential = sus2.load("si-mlearn-pbe")
found = potential.evaluate([sus2.structures.sample("si").atoms()])[0]
print(json.dumps([potential.backend, build.status().level, build.status().problem, found.energy_ev]))
"""


def _first_result(outside: Path, **more: str) -> tuple[str, str, str, float]:
    python = outside / "environment" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", FIRST_RESULT], cwd=outside, env=_environment(outside, **more), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    backend, level, problem, energy = json.loads(done.stdout)
    return backend, level, problem, energy


def test_the_tag_names_the_platform(wheel: Path) -> None:
    python, abi, platform = wheel.stem.split("-")[-3:]
    assert (python, abi) == ("py3", "none")
    assert platform.startswith(("linux_", "manylinux_", "musllinux_", "macosx_", "win_"))
    (about,) = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(".dist-info/WHEEL")]
    text = zipfile.ZipFile(wheel).read(about).decode()
    assert "Root-Is-Purelib: false" in text
    assert set(re.findall(r"Tag: py3-none-(.+)", text)) == set(platform.split("."))


def test_compiled_kernels_without_a_compiler(
    wheel: Path, outside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every level that this processor runs gives the same energy, and nothing is built."""
    libraries = [n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("sus2/native/lib/kernels-")]
    assert {Path(n).stem for n in libraries} == {f"kernels-{level}" for level in build.levels_here()}
    alone = {"CXX": "/no/compiler", "SUS2_CACHE": str(tmp_path)}
    backend, best, problem, energy = _first_result(outside, **alone)
    assert (backend, problem) == ("kernels", "")
    levels = list(build.levels_here())
    for level in levels[: levels.index(best) + 1]:
        assert _first_result(outside, SUS2_KERNELS=level, **alone) == (
            "kernels",
            level,
            "",
            pytest.approx(energy, abs=1e-10),
        )
    # Where nothing can be written (not even by root) it is the same.
    nowhere = "/proc/nowhere" if Path("/proc").is_dir() else "/no/folder"
    assert _first_result(outside, CXX="/no/compiler", SUS2_CACHE=nowhere)[:2] == ("kernels", best)
    assert _first_result(outside, SUS2_KERNELS="off")[0::3] == ("torch", pytest.approx(energy, abs=1e-8))
    assert list(tmp_path.iterdir()) == []
    times, before = [], os.times()
    for _ in range(3):
        start = time.perf_counter()
        _first_result(outside, **alone)
        times.append(time.perf_counter() - start)
    after = os.times()
    cpu = (after.children_user + after.children_system - before.children_user - before.children_system) / 3
    with capsys.disabled():
        print(f"\n[first energy {min(times):.2f} s after the start of Python, {cpu:.2f} s of a processor, {best}]")


def test_a_build_for_this_very_processor_where_it_is_asked_for(outside: Path, tmp_path: Path) -> None:
    compiler = bool(os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++"))
    if not compiler:
        require("there is no C++ compiler")
    found = _first_result(outside, SUS2_KERNELS="native", SUS2_CACHE=str(tmp_path), CXX=os.environ.get("CXX", ""))
    assert found[:3] == ("kernels", "native", "")
    assert list((tmp_path / "kernels").iterdir())
    # What cannot be built is said, and the wheel's own kernels compute.
    backend, level, problem, _ = _first_result(outside, SUS2_KERNELS="native", CXX="/no/compiler")
    assert backend == "kernels"
    assert level in build.levels_here()
    assert "/no/compiler" in problem
    assert "/no/compiler" in _sus2(outside, "info", SUS2_KERNELS="native", CXX="/no/compiler")


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
    page.get_by_text("Your own crystal").wait_for()
    settled(page)
    page.locator("[data-testid=stSidebarNav] a", has_text="Equation of state").click()
    page.get_by_role("heading", name="Equation of state").wait_for()
    page.get_by_role("button", name="Compute").click()
    page.locator(".js-plotly-plot").first.wait_for()
    assert problems == []
    page.close()
