"""`sus2 specialise` and `sus2 fit`: what cannot be done is one sentence."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_cli import run


def test_frames_that_are_not_there_or_no_frames(tmp_path: Path) -> None:
    done = run("fit", str(tmp_path / "nothing.xyz"))
    assert done.returncode == 2
    assert "nothing.xyz cannot be read" in done.stderr
    (tmp_path / "text.xyz").write_text("no frames here\n")
    done = run("fit", str(tmp_path / "text.xyz"))
    assert done.returncode == 2
    assert "none of the files that are read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_teacher_that_is_not_there() -> None:
    done = run("specialise", "si", "--teacher", "nobody", "--functional", "PBE")
    assert done.returncode == 2
    assert "There is no potential 'nobody'" in done.stderr
    assert "nequix-omat-1" in done.stderr
    assert "Traceback" not in done.stderr
