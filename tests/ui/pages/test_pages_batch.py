"""Many structures: upload, problems, one run, table, downloads and plot."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, molecule
from streamlit.testing.v1 import AppTest

import sus2
from pages._many import written
from sus2.figures.properties.table import OTHERS
from sus2.properties.property_table import evaluate_many
from sus2.structures import sample, samples, write_structure
from sus2.trust.digits import number_text
from tests.ui.pages.test_pages import open_tab

SILICON = bulk("Si", "diamond", a=5.3)
FILES = [
    ("si.cif", write_structure(SILICON, "cif").encode(), "text/plain"),
    ("ge.vasp", write_structure(bulk("Ge", "diamond", a=5.66), "poscar").encode(), "text/plain"),
    ("water.xyz", write_structure(molecule("H2O"), "extxyz").encode(), "text/plain"),
    ("notes.txt", b"nothing here", "text/plain"),
]


def opened(app: AppTest, model: str = "si-mlearn-pbe") -> AppTest:
    app.query_params["crystal"] = "si"
    app.query_params["model"] = model
    app.run()
    app.switch_page("pages/many_structures.py").run()
    assert not app.exception
    assert not app.error
    return app


def upload(app: AppTest, files: list[tuple[str, bytes, str]]) -> AppTest:
    app.main.file_uploader[0].set_value(files)
    app.run()
    assert not app.exception
    return app


def compute(app: AppTest, *properties: str) -> AppTest:
    app.pills(key="batch_properties").set_value(list(properties)).run()
    app.button(key="compute_evaluate_many").click().run()
    assert not app.exception
    return app


def table(app: AppTest, column: str) -> Any:
    (found,) = [d.value for d in app.dataframe if column in d.value.columns]
    return found.set_index("name")


def reasons(app: AppTest) -> dict[str, str]:
    """The sentences of all tables of problems, by name."""
    tables = [t.value for t in (*app.table, *app.dataframe) if "problem" in t.value.columns]
    return {
        str(name).replace("\\", ""): str(why).replace("\\", "")
        for t in tables
        for name, why in zip(t["name"], t["problem"], strict=True)
    }


def test_it_opens_with_the_samples_that_the_model_knows(app: AppTest) -> None:
    opened(app, "sus2-universal-pbe")
    found = table(app, "energy_ev_per_atom")
    known = set(sus2.load("sus2-universal-pbe").elements)
    assert set(found.index) == {s.name for s in samples() if set(s.elements) <= known}
    copper = sus2.load("sus2-universal-pbe").evaluate([sample("cu").atoms()])[0]
    assert found.loc["Copper", "energy_ev_per_atom"] == copper.energy_ev / 4


def test_a_potential_of_one_element_does_not_make_an_example_of_one_crystal(app: AppTest) -> None:
    opened(app, "si-mlearn-pbe")
    found = table(app, "energy_ev_per_atom")
    assert len(found) > 8
    universal = sus2.load("sus2-universal-pbe").evaluate([sample("cu").atoms()])[0]
    assert found.loc["Copper", "energy_ev_per_atom"] == universal.energy_ev / 4
    assert any("si\\-mlearn\\-pbe covers too few" in c.value for c in app.caption)


def test_files_that_cannot_be_used_do_not_stop_the_others(app: AppTest) -> None:
    upload(opened(app), FILES)
    assert list(table(app, "atoms").index) == ["si.cif", "ge.vasp"]
    why = reasons(app)
    assert set(why) == {"ge.vasp", "water.xyz", "notes.txt"}
    assert "does not cover Ge" in why["ge.vasp"]
    assert "molecule" in why["water.xyz"]
    assert "no format" in why["notes.txt"]
    assert any("does not cover all" in i.value and "covers all" in i.value for i in app.info)
    compute(app, "energy", "eos")
    found = table(app, "b0_gpa")
    assert list(found.index) == ["si.cif", "ge.vasp"]
    alone = sus2.eos(SILICON, sus2.load("si-mlearn-pbe"))
    assert found.loc["si.cif", "b0_gpa"] == pytest.approx(alone.b0_gpa, rel=1e-9)
    assert np.isnan(found.loc["ge.vasp", "b0_gpa"])
    assert "does not cover Ge" in reasons(app)["ge.vasp"]


def test_a_zip_archive_relaxation_and_its_downloads(app: AppTest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for a in (5.3, 5.4, 5.5):
            archive.writestr(f"set/si-{a}.cif", write_structure(bulk("Si", "diamond", a=a), "cif"))
    upload(opened(app), [("all.zip", packed.getvalue(), "application/zip")])
    compute(app, "relax", "elastic")
    found = table(app, "relaxed_volume_a3_per_atom")
    assert list(found.index) == ["set/si-5.3.cif", "set/si-5.4.cif", "set/si-5.5.cif"]
    assert np.ptp(found["relaxed_volume_a3_per_atom"]) < 0.02
    assert np.ptp(found["k_vrh_gpa"]) < 0.1
    assert set(found["relaxed_space_group"]) == {"Fd-3m (227)"}
    names = [b.proto.label for b in app.get("download_button")]
    assert names == ["Table (CSV)", "Everything (JSON)", "Relaxed crystals (extended XYZ)"]
    open_tab(app, "batch_tab", "Plot")
    figure = app.session_state["figures"]["batch_scatter"][1]
    assert np.array_equal(figure.data[0].x, found["volume_a3_per_atom"])
    assert np.array_equal(figure.data[0].y, found["k_vrh_gpa"])


def test_any_two_numbers_against_each_other(app: AppTest) -> None:
    opened(app, "sus2-universal-pbe")
    found = table(app, "energy_ev_per_atom")
    open_tab(app, "batch_tab", "Plot")
    app.selectbox(key="batch_x_energy").set_value("density_g_per_cm3").run()
    app.selectbox(key="batch_y_energy").set_value("energy_ev_per_atom").run()
    assert not app.exception
    figure = app.session_state["figures"]["batch_scatter"][1]
    assert np.array_equal(figure.data[0].x, found["density_g_per_cm3"])
    assert np.array_equal(figure.data[0].y, found["energy_ev_per_atom"])
    assert figure.layout.xaxis.title.text == "density (g/cm³)"
    app.selectbox(key="batch_groups").set_value("by space group").run()
    assert not app.exception
    figure = app.session_state["figures"]["batch_scatter"][1]
    often = found["space_group"].value_counts()
    names = {t.name for t in figure.data}
    assert names - {OTHERS} <= set(found["space_group"])
    assert OTHERS in names
    assert often[list(names - {OTHERS})].min() >= often[list(set(often.index) - names)].max()


def test_known_values_stand_beside_the_table(app: AppTest) -> None:
    opened(app, "sus2-universal-pbe")
    found = table(app, "energy_ev_per_atom")["density_g_per_cm3"].dropna()
    rows = "\n".join(f'"{name}",{value + 0.5}' for name, value in found.items())
    open_tab(app, "batch_tab", "Known values")
    app.file_uploader(key="batch_known").set_value(("known.csv", f"name,density\n{rows}".encode(), "text/csv")).run()
    assert not app.exception
    (parity,) = [d.value for d in app.dataframe if "mean absolute error" in d.value.columns]
    assert parity["crystals"].iloc[0] == len(found)
    assert float(parity["mean absolute error"].iloc[0]) == pytest.approx(0.5, abs=1e-3)
    app.file_uploader(key="batch_known").set_value(("known.csv", b"name,colour\nCopper,red", "text/csv")).run()
    assert not app.exception
    assert "none of its columns" in app.error[-1].value


def test_nothing_to_compute(app: AppTest) -> None:
    opened(app)
    app.pills(key="batch_properties").set_value([]).run()
    assert any("at least one property" in i.value for i in app.info)
    upload(app, [FILES[3]])
    assert any("None of these files" in i.value for i in app.info)
    app.button(key="batch_forget").click().run()
    assert not app.exception
    assert any("sample crystals" in c.value for c in app.caption)


def test_the_files_stay_on_a_page_change(app: AppTest) -> None:
    upload(opened(app), FILES[:1])
    app.switch_page("pages/structure.py").run()
    app.switch_page("pages/many_structures.py").run()
    assert not app.exception
    assert list(table(app, "energy_ev_per_atom").index) == ["si.cif"]


def test_long_lists_of_problems(app: AppTest) -> None:
    upload(opened(app), [FILES[0], *((f"{k}.txt", b"nothing", "text/plain") for k in range(20))])
    assert set(reasons(app)) == {f"{k}.txt" for k in range(20)}
    assert any("20 files hold no crystal" in w.value for w in app.warning)


def test_a_relaxation_that_fails_says_what_is_missing(app: AppTest) -> None:
    squeezed = bulk("Si", "diamond", a=2.4)
    upload(opened(app), [("squeezed.cif", write_structure(squeezed, "cif").encode(), "text/plain"), FILES[0]])
    compute(app, "energy", "relax", "eos")
    why = reasons(app)
    assert list(why) == ["squeezed.cif"]
    assert why["squeezed.cif"].startswith("No relaxation, no equation of state: ")


def test_numbers_of_the_table_end_where_their_error_begins() -> None:
    crystals = {name: sample(name).atoms() for name in ("cu", "sic")}
    found = evaluate_many(crystals, sus2.load("sus2-universal-pbe"), properties=["relax"])
    row = found.rows[0]
    key = "relaxed_volume_a3_per_atom"
    row.sigmas[key], row.values[key] = 0.21, 12.0991
    found.rows[1].sigmas.pop(key, None)
    shown = written(found, found.table())
    assert shown.data[key][0] == 12.0991, "it is sorted by the number itself"
    text = shown.to_html()
    assert ">12.10<" in text
    assert f">{number_text(found.rows[1].values[key], 3)}<" in text
    assert ">Fm3\N{COMBINING OVERLINE}m (225)<" in text
