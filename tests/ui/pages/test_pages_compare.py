"""The Compare page shows the numbers of the functions, and says what it cannot compare."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts import frame, selection
from sus2.comparison.compare_batch import ordered_alloys
from sus2.structures import sample, write_structure
from sus2.trust.digits import digits_of
from tests.ui.pages.test_pages import open_tab

PAIR = ("sus2-universal-pbe", "sus2-universal-r2scan")


def opened(app: AppTest, crystal: str) -> AppTest:
    app.query_params["crystal"] = crystal
    app.run()
    app.switch_page("pages/potentials/compare.py").run()
    assert not app.exception
    assert not app.error
    return app


def shown(app: AppTest) -> str:
    return " ".join(m.value for m in app.markdown)


def plain(text: str) -> str:
    from pages._parts.frame import plain as escaped

    return escaped(text)


def test_a_sample_is_compared_at_once(app: AppTest) -> None:
    opened(app, "cu")
    c = sus2.compare(sample("cu").atoms(), [sus2.load(name) for name in PAIR])
    assert plain(c.summary[PAIR[1]]) in shown(app)
    open_tab(app, "compare_tab", "All numbers")
    table = next(d.value for d in app.dataframe if "in one fixed cell" in d.value.columns)
    for d in c.differences[PAIR[1]]:
        row = table[table["quantity"] == d.label].iloc[0]
        digits = digits_of(d.digits, d.error)
        assert row["PBE"] == f"{d.reference:.{digits}f}".replace("-", "−")
        assert row["r2SCAN"] == f"{d.value:.{digits}f}".replace("-", "−")
    open_tab(app, "compare_tab", "Energies and their zeros")
    energies = next(d.value for d in app.dataframe if "raw energy (eV/atom)" in d.value.columns)
    assert c.energies is not None
    assert energies["shift of its scale"].iloc[1] == f"{c.energies.raw_shift_ev_per_atom(1):+.4f}".replace("-", "−")
    assert "never subtracted" in shown(app)


def test_many_structures_before_and_after_referencing(app: AppTest) -> None:
    opened(app, "cu")
    b = sus2.compare_batch(ordered_alloys(["Al", "Cu", "Pd", "Ag"]), [sus2.load(name) for name in PAIR])
    open_tab(app, "compare_what", "Many structures")
    table = next(d.value for d in app.dataframe if "Pearson r" in d.value.columns)
    assert table["mean absolute difference (meV/atom)"].iloc[0] == f"{1e3 * b.before.mae:.1f}"
    assert b.after is not None
    assert table["Pearson r"].iloc[1] == f"{b.after.pearson_r:.4f}".replace("-", "−")


def test_a_single_model_is_not_compared(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [m for m in frame.models() if m.name == "si-mlearn-pbe" or m.name == "mo-mlearn-pbe"]
    monkeypatch.setattr(frame, "models", lambda: some)
    opened(app, "si")
    assert any("alone cannot be compared" in i.value for i in app.info)
    app.button(key="compare_cu").click().run()
    assert not app.exception
    assert app.session_state["crystal_key"] == "cu"


def test_plug_ins_are_offered(app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        '[potentials.emt]\nfunctional = "none"\nelements = ["Cu"]\nfactory = "ase.calculators.emt:EMT"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SUS2_SETTINGS", str(tmp_path / "settings.toml"))
    selection._cards.clear()
    opened(app, "cu")
    box = next(m for m in app.multiselect if m.label.startswith("Potentials"))
    assert "emt · none" in box.options
    box.set_value([PAIR[0], "emt"]).run()
    app.button(key="compute_compare").click().run()
    assert not app.exception
    assert not app.error
    assert "From PBE to none" in shown(app)
    selection._cards.clear()


def test_cells_units_and_own_settings(app: AppTest) -> None:
    opened(app, "cu")
    before = shown(app)
    app.radio(key="compare_fixed").set_value("given").run()
    assert not app.exception
    assert not app.error
    assert shown(app) != before
    open_tab(app, "compare_tab", "All numbers")
    assert any("cell as given" in c.value for c in app.caption)


def test_an_uploaded_alloy(app: AppTest) -> None:
    opened(app, "cu")
    alloy = bulk("Cu", cubic=True)
    alloy.symbols[0] = "Au"
    app.sidebar.file_uploader[0].set_value(
        ("alloy.cif", write_structure(alloy, "cif").encode(), "application/octet-stream")
    )
    app.run()
    app.switch_page("pages/potentials/compare.py").run()  # an upload leads to the page of the structure
    app.button(key="compute_compare").click().run()
    assert not app.exception
    assert not app.error
    assert "formation energy goes from" in shown(app)


def test_free_atoms_that_cannot_be_read_are_named(app: AppTest) -> None:
    opened(app, "cu")
    box = next(f for f in app.file_uploader if f.key == "compare_atoms")
    box.set_value(("atoms.csv", b"Cu,-0.6\n", "text/csv"))
    app.run()
    assert any("first row" in e.value for e in app.error)
    box = next(f for f in app.file_uploader if f.key == "compare_atoms")
    box.set_value(("atoms.csv", b"Element,PBE,r2SCAN\nCu,-0.6,-6.96\n", "text/csv"))
    app.run()
    assert not app.error
    assert "ohesive energy goes from" in shown(app)
