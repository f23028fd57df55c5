"""The harness of the benchmarks: ratios, kept results, regressions, the report. Nothing here is timed."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sus2.kept import Kept


@pytest.fixture
def harness(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    module = importlib.import_module("_harness")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "calibrate", lambda: 50.0)
    yield module
    for name in ("_harness", "_report"):
        sys.modules.pop(name, None)


def run(harness: ModuleType, slow: float, fast: float) -> None:
    suite = harness.Suite("demo", "A demonstration")
    suite.add("table", "slow", slow, "us/atom", size=8)
    suite.add("table", "fast", fast, "us/atom", size=8, against="slow")
    suite.add("table", "lonely", 3.0, "kB/atom", size=9, against="slow")
    suite.save()


def test_rows_ratios_and_kept_runs(harness: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(harness, 10.0, 2.0)
    (kept,) = json.loads((tmp_path / "demo.json").read_text())
    assert [r["ratio"] for r in kept["rows"]] == [None, 5.0, None]
    assert kept["rows"][2]["against"] == ""
    assert "SLOWER" not in capsys.readouterr().out
    run(harness, 10.0, 2.5)
    assert "SLOWER" not in capsys.readouterr().out
    run(harness, 10.0, 6.0)
    out = capsys.readouterr().out
    assert "SLOWER" in out
    assert "fast, 8: 6 us/atom, was 2.5" in out
    for _ in range(20):
        run(harness, 1.0, 1.0)
    assert len(json.loads((tmp_path / "demo.json").read_text())) == harness.KEPT_RUNS


def test_another_machine_is_measured_by_its_calibration(harness: ModuleType) -> None:
    old = {"table": "t", "name": "n", "size": 1, "value": 10.0, "ratio": None, "unit": "us/atom", "against": ""}
    before = {"date": "x", "calibration_gflops": 100.0, "rows": [old]}
    row = harness.Row("t", "n", 19.0, "us/atom")
    assert harness.regressions(before, [row], 50.0) == []  # half as fast a machine
    assert len(harness.regressions(before, [row], 100.0)) == 1
    assert len(harness.regressions(before, [harness.Row("t", "n", 11.0, "us/atom")], 200.0)) == 1


def test_best_is_the_shortest(harness: ModuleType) -> None:
    ticks = iter([0.0, 9.0, 10.0, 13.0, 20.0, 21.0, 30.0, 35.0])
    calls = []
    assert harness.best(lambda: calls.append(1), 3, clock=lambda: next(ticks)) == 1.0
    assert len(calls) == 4


def test_a_missing_package_is_said(harness: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.optional("json") is json
    assert harness.optional("no_such_package_here") is None
    assert "not installed" in capsys.readouterr().out


def test_the_report(harness: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(harness, 10.0, 2.0)
    report = importlib.import_module("_report")
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "DOCS", tmp_path)
    report.main()
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| fast | 8 | 2 | us/atom | 5 times faster than: slow |" in text
    assert "plotly" in (tmp_path / "benchmarks.html").read_text()[:20_000].lower()


def test_no_run_knows_the_crystal_of_the_run_before(harness: ModuleType) -> None:
    kept, known = Kept[int](4), []

    def work() -> None:
        known.append(len(kept))
        kept.get("crystal", lambda: 1)

    harness.best(work, 3)
    assert known == [0, 0, 0, 0]
