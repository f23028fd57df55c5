"""The Model check page: the report of the function, and a user's reference scored."""

from __future__ import annotations

import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from pages._widgets import checks_line, plain
from sus2.checks import Check, Verdict
from sus2.samples import sample
from tests.ui.test_pages import opened


def test_the_report_is_that_of_the_function(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    report = sus2.sanity(sus2.load("si-mlearn-pbe"), sample("si").atoms())
    passed = sum(c.verdict == "pass" for c in report.checks)
    assert any(f"{passed} checks pass" in m.value for m in (*app.success, *app.info, *app.warning))
    assert "Model check" in app.title[0].value
    assert not app.error


def test_checks_are_read_in_full_and_the_worst_come_first(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    report = sus2.sanity(sus2.load("si-mlearn-pbe"), sample("si").atoms())
    (found,) = [t.value for t in app.table if "verdict" in t.value.columns]
    assert len(found) == len(report.checks)
    worst_first = sorted(report.checks, key=lambda c: -["pass", "look", "fail"].index(c.verdict))
    for row, check in zip(found.to_dict("records"), worst_first, strict=True):
        assert row["verdict"].endswith(check.verdict)
        assert plain(check.name) in row["check"]
        assert plain(check.meaning) in row["check"]
        assert row["value"].startswith(plain(f"{check.value:.3g}"))


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        (("pass", "pass"), "all 2 pass"),
        (("pass", "look", "pass"), "1 of 3 asks for a look"),
        (("look", "look"), "2 of 2 ask for a look"),
        (("fail", "look", "look"), "1 of 3 fails, 2 ask for a look"),
        (("fail", "fail"), "2 of 2 fail"),
    ],
)
def test_the_line_above_the_checks(verdicts: tuple[Verdict, ...], line: str) -> None:
    assert checks_line([Check("n", 0.0, "", v, "m") for v in verdicts]) == line


@pytest.mark.parametrize("relative", [1.0, 1.1])
def test_a_table_of_energies_is_scored(app: AppTest, relative: float) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    own = sus2.eos(bulk("Si", a=5.43), sus2.load("si-mlearn-pbe"))
    rows = "\n".join(f"{relative * v} {e}" for v, e in zip(own.volumes_a3, own.energies_ev, strict=True))
    app.file_uploader(key="reference_file").set_value(("ev.dat", rows.encode(), "text/plain"))
    app.run()
    assert not app.exception
    table = app.dataframe[-1].value
    found = table.loc["v0_error_percent", "si-mlearn-pbe"]
    assert float(found) == pytest.approx(100 / relative - 100, abs=0.05)


def test_a_file_that_is_no_reference_gets_a_sentence(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    app.file_uploader(key="reference_file").set_value(("x.dat", b"1 2 3\n4 5 6\n", "text/plain"))
    app.run()
    assert not app.exception
    assert "at least five rows" in app.error[-1].value
