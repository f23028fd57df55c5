"""The Transfer learning page: every tab says what its table says."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from sus2.studies.tables import read_table, table_path
from tests.ui.pages.test_pages import open_tab, opened


def test_the_page_shows_the_committed_study(app: AppTest) -> None:
    opened(app, "transfer", crystal="cu")
    rows = [r for r in read_table(table_path("transfer.csv")) if r["size"] == "0"]
    assert {r["method"] for r in rows} == {"1", "2", "3", "4", "5", "6"}
    text = " ".join(m.value for m in app.markdown)
    errors = [float(r["energy_mae_mev_per_atom"]) for r in rows]
    assert f"{min(errors):.3g}" in text
    assert f"{max(errors) / min(errors):.1f} times" in text
    shifts = {r["element"]: r["shift_ev_per_atom"] for r in read_table(table_path("transfer_shifts.csv"))}
    open_tab(app, "transfer_tab", "Functionals")
    app.selectbox(key="transfer_element").set_value("Pt").run(timeout=60)
    text = " ".join(m.value for m in app.markdown)
    assert f"Pt moves by {float(shifts['Pt']):.2f} eV/atom".replace("-", "−") in text


@pytest.mark.parametrize("measure", ["force_mae_mev_per_a", "stress_mae_gpa", "change_median_gpa"])
def test_every_measure_and_no_method(app: AppTest, measure: str) -> None:
    opened(app, "transfer")
    app.selectbox(key="transfer_measure").set_value(measure).run(timeout=60)
    open_tab(app, "transfer_tab", "Scaling law")
    app.selectbox(key="scaling_measure").set_value(measure)
    app.multiselect(key="scaling_methods").set_value([])
    app.run(timeout=60)
    assert not app.exception
    assert "Choose a method" in " ".join(i.value for i in app.info)
    open_tab(app, "transfer_tab", "What each idea is worth")
    app.segmented_control(key="ablation_kind").set_value("Force").run(timeout=60)
    assert not app.exception


@pytest.mark.parametrize("kind", ["Energy", "Force"])
def test_limits_are_those_of_the_committed_study(app: AppTest, kind: str) -> None:
    opened(app, "transfer")
    open_tab(app, "transfer_tab", "Limits")
    app.segmented_control(key="limits_kind").set_value(kind).run(timeout=60)
    assert not app.exception
    entry = "energy_mae_mev_per_atom" if kind == "Energy" else "force_mae_mev_per_a"
    rows = read_table(table_path("limits.csv"))
    (between,) = [float(r[f"held_out_{entry}"]) for r in rows if r["question"] == "second teacher"]
    largest = [r for r in rows if r["graph"] == "l3k5"]
    text = " ".join(m.value for m in app.markdown)
    assert f"differ by {between:.3g} on such structures" in text
    assert f"goes from {float(largest[0][f'seen_{entry}']):.3g} to {float(largest[-1][f'seen_{entry}']):.3g}" in text
