"""What the tutorials tell people to type works: their blocks marked `test`, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
_FENCE = re.compile(r"^```(python|bash) test\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of the marked blocks."""
    return _FENCE.findall(text)


# Commands of ours run in the same process, which saves them importing everything again; the rest in bash.
_PRELUDE = """
import contextlib, shlex, subprocess, sys

def sus2_command(line):
    from sus2.cli import main as cli
    words, out = shlex.split(line), None
    if ">" in words:
        words, out = words[: words.index(">")], words[words.index(">") + 1]
    sys.argv = words
    with open(out, "w") if out else contextlib.nullcontext(sys.stdout) as file, contextlib.redirect_stdout(file):
        try:
            cli.main()
        except SystemExit as error:
            if error.code:
                raise SystemExit(f"{line}: exit code {error.code}")

def bash(code):
    lines = code.strip().splitlines()
    sys.stdout.flush()
    if all(line.startswith("sus2 ") for line in lines):
        for line in lines:
            sus2_command(line)
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True)
"""


def script(found: list[tuple[str, str]]) -> str:
    """One Python program: the blocks of a page share their names, those of bash run between them."""
    return "\n".join([_PRELUDE, *(code if kind == "python" else f"bash({code!r})" for kind, code in found)])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_tutorial_runs(page: Path, tmp_path: Path) -> None:
    found = blocks(page.read_text(encoding="utf-8"))
    assert len(found) >= 3, "mark blocks as ```python test or ```bash test"
    done = run(script(found), tmp_path)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "Traceback" not in done.stderr
    assert done.stdout.strip()


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a folder of its own, with `sus2` as the command of this checkout."""
    command = folder / "bin" / "sus2"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sus2.cli "$@"\n')
    command.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in ("SUS2_SETTINGS", "SUS2_MODELS")}
    environment["PATH"] = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    environment["COLUMNS"] = "200"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_every_tutorial_is_there() -> None:
    assert {p.stem for p in PAGES} == {"scientist", "teacher", "developer"}


def test_blocks_run_in_order_and_share_names(tmp_path: Path) -> None:
    text = "```python test\nx = 1\nopen('a', 'w').write('7')\n```\n\n```bash\nfalse\n```\n```bash test\ncat a\n```\n"
    text += "```python test\nprint('', x + int(open('a').read()))\n```\n"
    assert [language for language, _ in blocks(text)] == ["python", "bash", "python"]
    assert run(script(blocks(text)), tmp_path).stdout.split() == ["7", "8"]


def test_a_broken_block_is_found(tmp_path: Path) -> None:
    for code in ("sus2 eos nothing.cif\n", "false | cat\n"):
        (folder := tmp_path / code[:4]).mkdir()
        assert run(script([("bash", code)]), folder).returncode != 0
