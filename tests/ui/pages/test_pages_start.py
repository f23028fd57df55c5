"""Start, and what every page says of what it answers: dashboard, gallery, header, links that lead nowhere, refusals."""

from __future__ import annotations

import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts.widgets import plain
from sus2.comparison.crystal_report import key_numbers
from sus2.settings import settings
from sus2.structures import sample, write_structure
from sus2.trust.digits import number_text
from tests.ui.pages.test_pages import SILICON, opened, upload


def html(app: AppTest) -> str:
    return " ".join(h.proto.body for h in app.get("html"))


def no_numbers(app: AppTest, plots: int = 0) -> None:
    """Nothing in the main area looks like a result; plots: of the structure."""
    assert len(app.main.get("plotly_chart")) == plots
    assert not app.main.get("arrow_data_frame")
    text = " ".join(m.value for m in app.main.markdown) + html(app)
    assert "GPa" not in text
    assert "eV" not in text


@pytest.fixture
def at_once(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app whose first page computes without a button, as it does by default."""
    monkeypatch.delenv("SUS2_MAX_START_ATOMS")
    settings.cache_clear()
    return app


def test_the_first_page_shows_what_the_functions_say(at_once: AppTest) -> None:
    app = at_once
    opened(app, "", crystal="si", model="si-mlearn-pbe")
    atoms, potential = sample("si").atoms(), sus2.load("si-mlearn-pbe")
    table = html(app)
    for n in (*key_numbers("eos", sus2.eos(atoms, potential)), *key_numbers("elastic", sus2.elastic(atoms, potential))):
        assert f">{number_text(n.value, n.digits, n.sigma)}<" in table, n.label
    assert len(app.main.get("plotly_chart")) == 6  # with a mode in motion
    assert {b.label for b in app.get("download_button")} >= {"Report (HTML)", "Report (JSON)"}
    assert "Being computed" not in " ".join(c.value for c in app.caption)


def test_a_file_that_is_dropped_fills_the_page(app: AppTest) -> None:
    opened(app, "", crystal="cu", model="sus2-universal-pbe")
    box = next(b for b in app.main.file_uploader if (b.key or "").startswith("drop_box"))
    data = write_structure(bulk("W", "bcc", a=3.2, cubic=True), "cif").encode()
    box.set_value(("tungsten.cif", data, "text/plain")).run()
    assert not app.exception
    assert not app.error
    assert len(app.session_state["crystal_key"]) == 40
    assert "tungsten" in html(app)
    no_numbers(app, plots=1)
    app.button(key="compute_overview").click().run()
    assert not app.exception
    assert "Equilibrium volume" in html(app)
    assert {"overview_eos", "overview_phonons", "overview_mode", "overview_elastic"} <= set(
        app.session_state["figures"]
    )
    _, motion = app.session_state["figures"]["overview_mode"]
    assert len(motion.to_dict()["frames"]) == 20


def test_a_potential_that_nobody_chose_follows_the_crystal_and_a_chosen_one_stays(app: AppTest) -> None:
    opened(app, "structure", crystal="cu")
    assert app.session_state["model_name"] == "sus2-universal-pbe"

    def choose(label: str, value: str) -> None:
        next(b for b in app.sidebar.selectbox if b.label == label).select(value).run()
        assert not app.exception

    choose("Crystal", "si")
    assert app.session_state["model_name"] == "si-mlearn-pbe"
    choose("Potential", "sus2-universal-r2scan")
    for crystal in ("ge", "mgo", "si"):
        choose("Crystal", crystal)
        assert app.session_state["model_name"] == "sus2-universal-r2scan"


def test_a_link_that_names_another_potential_than_the_best_has_chosen_it(app: AppTest) -> None:
    opened(app, "structure", crystal="si", model="sus2-universal-pbe")
    next(b for b in app.sidebar.selectbox if b.label == "Crystal").select("ge").run()
    assert app.session_state["model_name"] == "sus2-universal-pbe"


def test_the_gallery_finds_by_formula_and_takes(app: AppTest) -> None:
    opened(app, "", crystal="cu")
    app.text_input(key="gallery_search").set_value("O2Ti").run()
    assert {b.key for b in app.button if (b.key or "").startswith("take_")} == {"take_tio2", "take_anatase"}
    app.text_input(key="gallery_search").set_value("unobtainium").run()
    assert not [b for b in app.button if (b.key or "").startswith("take_")]
    app.text_input(key="gallery_search").set_value("W").run()
    app.button(key="take_w").click().run()
    assert not app.exception
    assert app.session_state["crystal_key"] == "w"
    assert app.query_params["crystal"] == "w"


def test_every_page_of_a_crystal_says_what_it_answers(app: AppTest) -> None:
    opened(app, "eos", crystal="cu", model="sus2-universal-pbe")
    line = html(app)
    result = sus2.eos(sample("cu").atoms(), sus2.load("sus2-universal-pbe"))
    for words in ("Copper", "(225)", "sus2-universal-pbe (PBE)"):
        assert words in line
    worst = result.trust.worst(["v0_a3_per_atom", "b0_gpa", "b0_prime"])
    assert f" {worst}</span>" in line
    app.switch_page("pages/structure.py").run()
    assert "Copper" in html(app)
    assert "no result yet" not in html(app)


@pytest.mark.parametrize(
    ("page", "key", "words"), [("eos", "unobtainium", "unobtainium"), ("elasticity", "0" * 40, "no longer kept")]
)
def test_a_link_to_a_crystal_that_is_gone_shows_no_other(app: AppTest, page: str, key: str, words: str) -> None:
    opened(app, page, crystal=key)
    assert [words in e.value for e in app.main.error] == [True]
    no_numbers(app)
    assert app.query_params["crystal"] == key
    app.sidebar.selectbox(key=box_of(app, "sample_box")).set_value("cu").run()
    assert not app.error
    assert app.main.get("plotly_chart")


def box_of(app: AppTest, name: str) -> str:
    return next(w.key for w in app.sidebar.selectbox if (w.key or "").startswith(name))


def test_the_first_page_of_such_a_link_offers_crystals_and_shows_none(app: AppTest) -> None:
    opened(app, "", crystal="unobtainium")
    assert ["unobtainium" in e.value for e in app.main.error] == [True]
    no_numbers(app)
    app.button(key="take_w").click().run()
    assert not app.error
    assert app.session_state["crystal_key"] == "w"


def test_a_link_to_a_model_that_is_gone_uses_no_other(app: AppTest) -> None:
    opened(app, "eos", crystal="cu", model="my-lost-model")
    assert [plain("my-lost-model") in e.value for e in app.main.error] == [True]
    no_numbers(app)
    assert app.query_params["model"] == "my-lost-model"
    app.sidebar.selectbox(key=box_of(app, "model_box")).set_value("sus2-universal-pbe").run()
    assert not app.error
    assert app.main.get("plotly_chart")
    assert app.query_params["model"] == "sus2-universal-pbe"


def test_a_refused_file_takes_the_place_of_the_numbers(app: AppTest) -> None:
    opened(app, "eos", crystal="cu")
    assert app.main.get("plotly_chart")
    upload(app, "broken.cif", SILICON[: len(SILICON) // 3])
    assert len(app.main.error) == 1
    no_numbers(app)
    app.button(key="upload_dismiss").click().run()
    assert not app.error
    assert app.session_state["crystal_key"] == "cu"
    assert app.main.get("plotly_chart")


def test_an_upload_leads_to_the_structure(app: AppTest) -> None:
    opened(app, "eos", crystal="cu")
    upload(app, "silicon.cif", SILICON)
    assert app.title[0].value == "Structure"
    assert "silicon.cif" in html(app)


def test_large_type_for_a_projector(app: AppTest) -> None:
    opened(app, "eos", crystal="cu")
    assert "font-size: 21px" not in html(app)
    app.toggle(key="present").set_value(True).run()
    assert not app.exception
    assert "font-size: 21px" in html(app)
    app.switch_page("pages/structure.py").run()
    assert "font-size: 21px" in html(app), "it stays from page to page"
