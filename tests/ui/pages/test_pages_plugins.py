"""A potential of others, listed in the settings, on the pages: Model check and Phonons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts import selection
from sus2.settings import settings
from sus2.structures import sample
from tests.ui.pages.test_pages import opened

TABLE = '[potentials.emt]\nfunctional = "none"\nelements = ["Cu", "Au"]\nfactory = "ase.calculators.emt:EMT"\n'


@pytest.fixture
def listed(app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AppTest]:
    """The app of a server whose settings list EMT."""
    (tmp_path / "settings.toml").write_text(TABLE, encoding="utf-8")
    monkeypatch.setenv("SUS2_SETTINGS", str(tmp_path / "settings.toml"))
    selection._cards.clear()
    yield app
    selection._cards.clear()


def test_model_check_is_that_of_the_function(listed: AppTest) -> None:
    opened(listed, "check", crystal="cu", model="emt")
    assert listed.session_state["model_name"] == "emt"
    report = sus2.check(sample("cu").atoms(), sus2.load("emt"))
    passed = sum(c.verdict == "pass" for c in report.checks)
    assert passed > 5
    assert any(f"{passed} checks pass" in m.value for m in (*listed.success, *listed.info, *listed.warning))
    assert not listed.error


def test_what_would_take_too_much_memory_is_refused_in_one_sentence(
    listed: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text(TABLE + "memory_mb_per_atom = 100\n", encoding="utf-8")
    selection._cards.clear()
    monkeypatch.setenv("SUS2_MAX_MEMORY_MB", "4096")
    settings.cache_clear()
    opened(listed, "phonons", crystal="cu", model="emt")
    said = [e.value for e in (*listed.error, *listed.warning) if "memory" in e.value]
    assert len(said) == 1, [e.value for e in listed.error]
    # 125 atoms take 12.2 GiB, and this process has something already.
    assert re.search(r"1[234]\.\d GiB of memory and 4\.0 GiB are allowed here", said[0].replace("\\", "")), said[0]


def test_the_example_of_a_screening_has_the_numbers_of_the_functions(listed: AppTest) -> None:
    opened(listed, "screening", crystal="cu", model="emt")
    (button,) = [b for b in listed.button if b.label == "Show an example"]
    button.click().run()
    assert not listed.exception
    assert not listed.error
    (table,) = [d.value for d in listed.dataframe if "b0_gpa" in d.value.columns]
    assert set(table["formula"]) == {"Cu4", "Au4", "AuCu3"}
    assert set(table["potential"]) == {"emt"}
    copper = table.set_index("formula").loc["Cu4"]
    emt, crystal = sus2.load("emt"), sample("cu").atoms()
    assert copper["b0_gpa"] == pytest.approx(sus2.eos(crystal, emt).b0_gpa, rel=1e-9)
    assert copper["k_vrh_gpa"] == pytest.approx(sus2.elastic(crystal, emt, method="finite").k_vrh_gpa, rel=1e-9)


def test_a_missing_folder_of_potentials_is_a_sentence_on_every_page(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    selection._cards.clear()
    monkeypatch.setenv("SUS2_MODELS", str(tmp_path / "gone"))
    for page in ("", "eos", "models"):
        opened(app, page)
        (said,) = [e.value for e in app.error]
        assert "SUS2_MODELS" in said.replace("\\", "")
        assert app.title
    (tmp_path / "gone").mkdir()
    app.run()
    assert not app.error, "the folder is there again"
