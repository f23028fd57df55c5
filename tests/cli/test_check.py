"""`sus2 check`: files that cannot be written, and options that exclude each other."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import run


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("check", "si", "--model", "si-mlearn-pbe", "--html", str(tmp_path / "file" / "report.html"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_quick_check_has_no_report(tmp_path: Path) -> None:
    done = run("check", "si", "--quick", "--html", str(tmp_path / "report.html"))
    assert done.returncode == 2
    assert "--quick" in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_the_report_shows_the_reference(tmp_path: Path) -> None:
    table = tmp_path / "ev.txt"
    table.write_text("\n".join(f"{v} {0.002 * (v - 40.9) ** 2}" for v in (36, 38, 40, 41, 42, 44, 46)))
    page = tmp_path / "report.html"
    done = run("check", "si", "--model", "si-mlearn-pbe", "--reference", str(table), "--html", str(page), "--json")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["reference"]["kind"] == "energies"
    text = page.read_text(encoding="utf-8")
    assert "Against the reference" in text
    assert "Energy from the minimum" in text
