"""`sus2 report`: one page, JSON, and what cannot be written."""

from __future__ import annotations

import json
from pathlib import Path

from sus2.trust.digits import number_text
from tests.cli.test_cli import run


def test_a_page_and_json_of_one_crystal(tmp_path: Path) -> None:
    page = tmp_path / "si.html"
    done = run("report", "si", "--model", "si-mlearn-pbe", "--no-compare", "--out", str(page), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["crystal"]["formula"] == "Si"
    assert {n["key"] for n in told["numbers"]} >= {"b0_gpa", "g_vrh_gpa", "highest_frequency_thz"}
    text = page.read_text(encoding="utf-8")
    b0 = next(n for n in told["numbers"] if n["key"] == "b0_gpa")
    assert number_text(b0["value"], 2, b0["sigma"]) in text
    assert "Young" in text


def test_another_ending_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    done = run("report", "si", "--out", str(tmp_path / "si.pdf"))
    assert done.returncode == 2
    assert done.stderr.strip() == "'si.pdf': give the output file the ending .html or .json."
    assert not list(tmp_path.iterdir())
