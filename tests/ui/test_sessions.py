"""Sessions do not see each other's uploads, models or results, unless by a link; what one may send is limited."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from ase.build import bulk
from streamlit.testing.v1 import AppTest

from sus2.jobs import queue as jobs_queue
from sus2.potential.mtp import format_mtp
from sus2.settings import settings
from sus2.structures import write_structure
from tests.helpers_spec import random_spec
from tests.ui.pages.test_pages import SILICON, opened, upload

SECRET = "secret-alloy.cif"
ODD = write_structure(bulk("Si", "diamond", a=5.4321), "cif").encode()


def another(app: AppTest) -> AppTest:
    """A second session of the same server."""
    return AppTest.from_file(app._script_path, default_timeout=120)


def words(app: AppTest) -> str:
    """Everything that a page says, and what its boxes offer."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.title, app.table, app.dataframe)
    said = [str(element.value) for kind in kinds for element in kind]
    offered = [str(box.options) for box in (*app.selectbox, *app.multiselect)]
    kept = [str(app.session_state[k]) for k in ("own_crystals", "own_models") if k in app.session_state]
    return " ".join(said + offered + kept)


def test_an_upload_is_seen_by_nobody_else_but_by_its_link(kept: AppTest, root: Path) -> None:
    opened(kept, "eos", model="si-mlearn-pbe")
    upload(kept, SECRET, ODD)
    assert SECRET.replace("-", "\\-").replace(".", "\\.") in words(kept)
    key = kept.session_state["crystal_key"]

    other = another(kept)
    for name in ("start", "structure", "eos", "history", "compare", "models", "check"):
        opened(other, name)
        assert "secret" not in words(other), name
        assert key not in words(other)
    assert "own_crystals" not in other.session_state

    guest = another(kept)
    opened(guest, "eos", crystal=key, model="si-mlearn-pbe")
    assert guest.session_state["crystal_key"] == key
    assert "secret" in words(guest)


def test_a_model_is_seen_by_nobody_else(kept: AppTest) -> None:
    spec = random_spec(species=1, seed=5)
    opened(kept, "models")
    kept.file_uploader(key="own_file").set_value(("confidential.mtp", format_mtp(spec).encode(), "text/plain"))
    kept.text_input(key="own_elements").set_value("Si")
    next(b for b in kept.button if b.label == "Load").click()
    kept.run()
    assert not kept.exception
    assert "confidential" in words(kept)
    other = another(kept)
    for name in ("models", "eos", "compare"):
        opened(other, name, model="confidential")
        said = [str(e.value) for e in other.error]  # repeats the name that the address asks for
        assert "confidential" not in words(other).replace(" ".join(said), ""), name
        assert not any("confidential" in str(box.options) for box in other.selectbox), name
    assert other.session_state["model_name"] != "confidential"


def test_the_history_is_ones_own(kept: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "user", {})  # AppTest says that everybody is one signed-in user
    opened(kept, "eos", crystal="si", model="si-mlearn-pbe")
    opened(kept, "history")
    assert len(kept.dataframe) == 1
    other = another(kept)
    opened(other, "history")
    assert any("Nothing yet" in i.value for i in other.info)
    assert other.session_state["owner"] != kept.session_state["owner"]
    store = jobs_queue.job_queue().store
    assert store is not None
    (entry,) = store.history(kept.session_state["owner"])
    store.forget(other.session_state["owner"], [entry.id])
    assert len(store.history(kept.session_state["owner"])) == 1, "deleted by somebody else"


def test_a_session_uploads_no_more_than_it_may(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_MAX_SESSION_MB", "1")
    settings.cache_clear()
    opened(app, "start")
    large = SILICON + b"\n#" + b"x" * (700 * 1024)
    upload(app, "first.cif", large)
    assert not app.error
    assert "first" in words(app)
    upload(app, "second.cif", large)
    assert "This session has uploaded 0.7 MiB" in app.error[0].value.replace("\\", "")
    assert "first" in words(app), "the crystal from before stays"
    app.run()
    upload(app, "third.cif", SILICON)
    assert not app.error, "a small one still fits"
    fresh = another(app)
    opened(fresh, "start")
    upload(fresh, "second.cif", large)
    assert not fresh.error
