"""What is installed: whose licence binds stays an extra; pins and advisories are read rightly."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name


def script(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, root / "docs" / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def licences(root: Path) -> ModuleType:
    return script(root, "licences")


@pytest.fixture(scope="module")
def audit(root: Path) -> ModuleType:
    return script(root, "audit")


def test_nothing_that_a_server_needs_is_under_the_gpl(licences: ModuleType) -> None:
    entries = {e.name: e for e in licences.installed()}
    assert {"torch", "streamlit", "phonopy", "ase"} <= {n for n, e in entries.items() if e.needed}
    assert not [e for e in entries.values() if e.needed and (e.binding or e.licence == "unknown")]
    if "elastic" in entries:
        assert entries["elastic"].binding
        assert entries["elastic"].asked_by == ("elastic",)


def test_the_page_names_all_that_is_needed(licences: ModuleType, audit: ModuleType, root: Path) -> None:
    text = (root / "docs" / "licences.md").read_text(encoding="utf-8")
    pinned = audit.pins((root / "constraints.txt").read_text(encoding="utf-8"))
    needed = [e for e in licences.installed() if e.needed]
    if any(pinned.get(canonicalize_name(e.name), v) != v for e in needed for v in [e.version.split("+")[0]]):
        pytest.skip("the page is of the versions of constraints.txt, and others are installed")
    for e in needed:
        assert f"| {e.version} | {e.licence}" in text, f"run python docs/scripts/licences.py: {e.name} has changed"


@pytest.mark.parametrize(
    ("metadata", "licence", "binding"),
    [
        ("License-Expression: MIT", "MIT", False),
        ("License-Expression: GPL-3.0-or-later", "GPL-3.0-or-later", True),
        ("License-Expression: AGPL-3.0-only", "AGPL-3.0-only", True),
        ("License-Expression: LGPL-2.1-or-later", "LGPL-2.1-or-later", False),
        ("License-Expression: GPL-2.0-only OR MIT", "GPL-2.0-only OR MIT", False),
        (
            "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            "GNU General Public License v3 (GPLv3)",
            True,
        ),
        (
            "Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)",
            "GNU Lesser General Public License v3 (LGPLv3)",
            False,
        ),
        ("License: BSD", "BSD", False),
        ("Summary: says nothing", "unknown", False),
    ],
)
def test_licences_are_read_from_metadata(
    metadata: str, licence: str, binding: bool, licences: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "a-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: a\nVersion: 1\n{metadata}\n")
    found = licences.licence_of(PathDistribution(folder))
    assert found == licence
    assert licences.Entry("a", "1", found, "", ("",)).binding is binding


def test_pins_are_compared(audit: ModuleType) -> None:
    wanted = audit.pins("# a comment\nPy_YAML==1.0  # why\nnumpy==2.0\nunused==3\n\n")
    assert wanted == {"py-yaml": "1.0", "numpy": "2.0", "unused": "3"}
    found = {"py-yaml": "1.0", "numpy": "2.1", "extra": "5", "other": "6"}
    problems = audit.compared(wanted, found, {"numpy", "extra"})
    assert [p.split()[0] for p in problems] == ["numpy", "extra"]
    assert "2.1 is installed, but constraints.txt has 2.0" in problems[0]


def test_a_report_of_a_service_that_knows_nothing_is_no_report(audit: ModuleType) -> None:
    known = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}, {"id": "CVE-2"}]}
    skipped = {"name": "b", "skip_reason": "not found"}
    looked_up, weak = audit.advisories(json.dumps({"dependencies": [known, skipped]}))
    assert looked_up == ["a"]
    assert weak == ["a 1: CVE-1, repaired in 1.1.", "a 1: CVE-2, not repaired yet."]
    assert audit.advisories(json.dumps({"dependencies": [skipped]})) == ([], [])
    assert audit.advisories("") == audit.advisories("[1]") == ([], [])
