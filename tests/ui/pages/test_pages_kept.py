"""Results that are kept: the store behind the pages, the history, and what is computed before anybody comes."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from sus2.jobs import queue as jobs_queue
from sus2.jobs.examples import example_calculations
from tests.ui.pages.test_pages import opened


def captions(app: AppTest) -> str:
    return " ".join(c.value for c in app.caption)


def test_the_same_question_is_answered_from_the_store_and_says_so(kept: AppTest) -> None:
    opened(kept, "eos", crystal="si", model="si-mlearn-pbe")
    assert "Computed in" in captions(kept)
    store = jobs_queue.job_queue().store
    assert store is not None
    assert store.size()[0] == 1
    with store._open() as db:
        db.execute("UPDATE results SET created = created - 1000000")
    jobs_queue.job_queue.cache_clear()  # another server on the same store
    import streamlit as st

    st.cache_resource.clear()
    kept.run()
    assert "From the cache: computed in" in captions(kept)
    assert jobs_queue.job_queue().under_way("") == []


def test_what_was_asked_is_listed_and_deleted(kept: AppTest) -> None:
    opened(kept, "history")
    assert any("Nothing yet" in i.value for i in kept.info)
    kept.switch_page("pages/properties/eos.py").run()
    kept.switch_page("pages/properties/elasticity.py").run()
    kept.switch_page("pages/history.py").run()
    assert not kept.exception
    table = kept.dataframe[0].value
    assert list(table["page"]) == ["Elasticity", "Equation of state"]
    assert set(table["potential"]) == {"si-mlearn-pbe"}
    kept.text_input(key="history_search").set_value("equation").run()
    assert len(kept.dataframe[0].value) == 1
    kept.text_input(key="history_search").set_value("").run()
    kept.button(key="history_delete").click().run()
    assert any("Nothing yet" in i.value for i in kept.info)
    store = jobs_queue.job_queue().store
    assert store is not None
    assert store.size() == (0, 0)


def test_a_server_without_a_store_says_so(app: AppTest) -> None:
    opened(app, "history")
    assert any("caches no results" in i.value for i in app.info)


def test_the_first_questions_of_the_pages_are_known_before(kept: AppTest) -> None:
    keys = {q.name: q.key for q in example_calculations()}
    for page in ("eos", "elasticity", "phonons", "thermal", "check", "compare"):
        opened(kept, page, crystal="si")
    asked = {job.calculation.name: key for key, job in jobs_queue.job_queue()._jobs.items()}
    assert {name: asked.get(name) for name in keys} == keys
