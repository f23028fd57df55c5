"""The documentation is sound: docstrings, links, names; the reference builds without a warning; faults are found."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pydantic
import pytest

from tests.conftest import require


@pytest.fixture(scope="module")
def api(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_api", root / "docs" / "scripts" / "api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_missing_and_no_link_is_broken(api: ModuleType) -> None:
    assert api.check() == []


def test_the_reference_builds_without_a_warning(api: ModuleType, root: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("pdoc") is None:
        require("pdoc is not installed (the extra docs)")
    # pdoc looks into pydantic's own classes, of which older versions give it warnings or errors.
    if f"pydantic=={pydantic.VERSION}" not in (root / "constraints.txt").read_text(encoding="utf-8").split():
        pytest.skip("the reference is built with the versions of constraints.txt, and others are installed")
    code = "import importlib.util as u, sys, pathlib; s = u.spec_from_file_location('api', sys.argv[1]);"
    code += "m = u.module_from_spec(s); s.loader.exec_module(m); print(*m.build(pathlib.Path(sys.argv[2])), sep='\\n')"
    command = [sys.executable, "-c", code, str(root / "docs" / "scripts" / "api.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    for name in ("index.html", "sus2.html", "sus2/properties/eos.html", "sus2/training/fit.html"):
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert "standard errors" in (tmp_path / "out" / "sus2/properties/eos/equations.html").read_text(encoding="utf-8")


def test_every_page_is_in_the_index(root: Path) -> None:
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (root / "docs").rglob("*.md"):
        name = page.relative_to(root / "docs").as_posix()
        assert name == "README.md" or f"({name})" in index, f"docs/README.md does not list {name}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "sus2").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "sus2" / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "tests" / "test_a.py").write_text("def test_b(): ...\n")
    (tmp_path / "docs" / "other.md").write_text("# One & two\n\n## `code` of it\n\n## Twice\n\n## Twice\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a](nowhere.md)", "nowhere.md leads nowhere"),
        ("![a](images/no.png)", "images/no.png leads nowhere"),
        ("| [![a](no.png)](other.md) |", "no.png leads nowhere"),
        ("[a](other.md#three)", "no such heading"),
        ("[a](#here)", "no such heading"),
        ("[a](../../etc)", "lead"),
        ("`sus2.properties.eos.calculate.no_such_thing`", "there is no sus2.properties.eos.calculate.no_such_thing"),
        ("`tests/test_no.py`", "there is no tests/test_no.py"),
        ("`tests/test_a.py::test_c`", "tests/test_a.py has no test_c"),
    ],
)
def test_a_fault_of_a_page_is_found(api: ModuleType, project: Path, text: str, says: str) -> None:
    (project / "docs" / "page.md").write_text(f"# Page\n\n{text}\n")
    (found,) = api.check(project)
    assert says in found
    assert "page.md" in found


def test_what_is_right_is_let_be(api: ModuleType, project: Path) -> None:
    text = "# Page\n\n[a](other.md) [b](other.md#one--two) [c](other.md#code-of-it) [d](other.md#twice-1) [e](#page)\n"
    text += "[f](https://example.org/x.md) `sus2.properties.eos.calculate.eos(atoms)` "
    text += "`tests/test_a.py::test_b`\n\n```md\n[g](no.md)\n```\n"
    (project / "docs" / "page.md").write_text(text)
    assert api.check(project) == []


def test_a_missing_docstring_is_found(api: ModuleType, project: Path) -> None:
    (project / "sus2" / "a.py").write_text('"""Module."""\n\n\ndef f(): ...\n\n\ndef _g(): ...\n\n\nclass C: ...\n')
    (project / "sus2" / "_b.py").write_text("def f(): ...\n")
    assert api.check(project) == ["a.py:4: f has no docstring", "a.py:10: C has no docstring"]
