"""The Model check page: the report of the function, and a user's reference scored."""

from __future__ import annotations

import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts.widgets import check_rows, checks_line, plain
from sus2.checks import Check, Verdict
from sus2.structures.samples import sample
from tests.ui.pages.test_pages import open_tab, opened


def test_the_report_is_that_of_the_function(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    report = sus2.check(sample("si").atoms(), sus2.load("si-mlearn-pbe"))
    passed = sum(c.verdict == "pass" for c in report.checks)
    assert any(f"{passed} checks pass" in m.value for m in (*app.success, *app.info, *app.warning))
    assert "Model check" in app.title[0].value
    assert not app.error


@pytest.mark.parametrize(
    ("crystal", "model", "bad"), [("si", "si-mlearn-pbe", False), ("w", "sus2-universal-pbe", True)]
)
def test_checks_are_read_in_full_and_those_that_do_not_pass_at_once(
    app: AppTest, crystal: str, model: str, bad: bool
) -> None:
    def rows() -> list[str]:
        return [text for t in app.table if "verdict" in t.value.columns for text in t.value["check"]]

    opened(app, "check", crystal=crystal, model=model)
    report = sus2.check(sample(crystal).atoms(), sus2.load(model))
    assert bad == any(c.verdict == "fail" for c in report.checks)
    worse = [c for c in report.checks if c.verdict != "pass"]
    assert rows() == ([row["check"] for row in check_rows(worse)] if bad else [])
    open_tab(app, "fold_check_checks_passed" if bad else "fold_check_checks", True)
    assert rows() == [row["check"] for row in check_rows(report.checks)]


def test_the_worst_checks_come_first_and_their_text_is_no_markup() -> None:
    names: list[tuple[str, Verdict]] = [("a", "pass"), ("b", "fail"), ("c", "warn"), ("d", "fail"), ("e", "pass")]
    rows = check_rows([Check(n, 0.123456, "x_y", v, "2 * 3", 0.5) for n, v in names])
    assert [r["check"][:5] for r in rows] == ["**b**", "**d**", "**c**", "**a**", "**e**"]
    assert [r["verdict"][2:] for r in rows] == ["fail", "fail", "warn", "pass", "pass"]
    assert all(r["check"].endswith(plain("2 * 3")) and r["value"] == plain("0.123 x_y") for r in rows)
    assert rows[0]["passes up to"] == plain("0.5 x_y")


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        (("pass", "pass"), "all 2 pass"),
        (("pass", "warn", "pass"), "1 of 3 warns"),
        (("warn", "warn"), "2 of 2 warn"),
        (("fail", "warn", "warn"), "1 of 3 fails, 2 warn"),
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
    found = table.set_index("quantity").loc["Error of V₀", "si-mlearn-pbe"]
    assert float(found) == pytest.approx(100 / relative - 100, abs=0.05)


def test_the_textbook_scores_the_potential(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    app.button(key="compute_textbook").click().run()
    assert not app.exception
    table = next(d.value for d in app.dataframe if "softening" in d.value.columns)
    row = table.set_index("crystal").loc["Si diamond"]
    assert row["stable"] == "yes"
    v0 = sus2.eos(bulk("Si", a=5.43), sus2.load("si-mlearn-pbe")).v0_a3_per_atom
    assert row["V0 (Å³/atom)"].startswith(f"{v0:.4g} (")
    assert any("si-mlearn-pbe on 1 textbook crystals" in m.value.replace("\\", "") for m in app.markdown)


def test_a_file_that_is_no_reference_gets_a_sentence(app: AppTest) -> None:
    opened(app, "check", crystal="si", model="si-mlearn-pbe")
    app.file_uploader(key="reference_file").set_value(("x.dat", b"1 2 3\n4 5 6\n", "text/plain"))
    app.run()
    assert not app.exception
    assert "at least five rows" in app.error[-1].value
