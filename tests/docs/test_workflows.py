"""What runs elsewhere: the workflows call targets of the Makefile alone, and the container asks the right address."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml

# Programs of the system that the targets need, which each system installs in its own way.
INSTALLERS = ("sudo apt-get ", "choco install ")


def test_workflows_run_targets_of_the_makefile(root: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    called = set()
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    for path in files:
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        for job in jobs.values():
            assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
            commands = [step["run"] for step in job["steps"] if "run" in step]
            own = [c.split()[1] for c in commands if c.startswith("make ")]
            assert all(c.startswith(INSTALLERS) for c in commands if not c.startswith("make "))
            assert set(own) <= targets, path.name
            called |= set(own)
    assert called == {"test", "others", "lint", "docs", "audit", "wheel", "container"}
    assert len(files) == 2


@pytest.mark.parametrize(("base", "expected"), [("", "/"), ("sus2", "/sus2/"), ("/sus2/", "/sus2/")])
def test_the_container_asks_for_its_health_below_its_base_path(
    root: Path, monkeypatch: pytest.MonkeyPatch, base: str, expected: str
) -> None:
    text = (root / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    (command,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.M)
    asked: list[str] = []
    monkeypatch.setenv("SUS2_BASE_PATH", base)
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: asked.append(url))
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    exec(compile(code, "HEALTHCHECK", "exec"), {})
    assert asked == [f"http://127.0.0.1:8501{expected}_stcore/health"]
