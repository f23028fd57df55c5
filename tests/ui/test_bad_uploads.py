"""Hostile files through the app: every one ends as a crystal or as one sentence, and markup stays text."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages._parts.widgets import plain
from sus2.potential.card import Card
from sus2.registry.load import pretrained_folder
from tests.bad_input import bases
from tests.bad_input.corpus import corpus
from tests.bad_input.texts import MARKUP

POSCAR = bases.structures()["poscar"][1]
# What takes text as Markdown or HTML.
RENDERED = ("markdown", "caption", "error", "warning", "info", "success", "title", "header", "subheader", "html")
CHOSEN = (
    "cells: cell nan",
    "cells: cell thin",
    "cells: cell left-handed",
    "cells: the same place",
    "cells: counts 1000000",
    "extended_xyz: pbc T T F",
    "extended_xyz: a comment of braces",
    "cif_files: occupancy 0.5",
    "cif_files: symbol D",
    "cif_files: symbol Na9+",
    "cif_files: operation __import__('os'),y,z",
    "cif_files: thousands of operations",
    "json_files: deep list",
    "json_files: occu",
    "bytes: in utf-16",
    "bytes: NUL bytes",
    "bytes: only a byte-order mark",
    "bytes: five megabytes of newlines",
    "pickles: pickle 0",
    "pickles: pickle 2 as a trajectory",
    "a thousand atoms",
    "hundred megabytes of text",
)


@pytest.fixture(autouse=True)
def nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Programs fail, so does the canary of the pickles, and nothing new comes into the working folder.

    (That no reader unpickles is tested in tests/bad_input/test_bad_input.py: streamlit pickles what it caches itself.)
    """
    monkeypatch.setenv("SUS2_CACHE", str(tmp_path / "cache"))

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("something was to be run")

    monkeypatch.setattr(os, "system", refuse)
    before = set(_here())
    yield
    assert set(_here()) == before


def _here() -> list[Path]:
    """What is in the working folder, less what pytest itself writes there whenever it likes."""
    return [path for path in Path.cwd().iterdir() if path.name != ".pytest_cache"]


def rendered(app: AppTest) -> list[tuple[str, str]]:
    """All text of the page that is shown as Markdown or HTML, with the kind of what shows it."""
    found = []
    for kind in RENDERED:
        for element in app.get(kind):
            proto = getattr(element, "proto", None)
            found.append((kind, str(getattr(proto, "body", "") or getattr(element, "value", ""))))
    assert found
    return found


def all_is_text(app: AppTest, word: str) -> None:
    for kind, text in rendered(app):
        written = escape(word) if kind == "html" else plain(word)
        if written != word:  # else nothing in it is markup
            assert word not in text.replace(written, "")


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    app.sidebar.file_uploader[0].set_value((name, data, "application/octet-stream"))
    app.run()
    assert not app.exception, name
    return app


def sentence(app: AppTest) -> str | None:
    assert len(app.error) <= 1
    if not app.error:
        return None
    text = str(app.main.error[0].value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 800
    return text


def test_names_and_symbols_with_markup_stay_text(app: AppTest) -> None:
    app.run()
    app.switch_page("pages/structure.py").run()
    for word in MARKUP:
        upload(app, f"{word}.vasp", POSCAR.replace(b"0.25 0.25 0.25", f"0.25 0.25 0.2{len(word)}".encode()))
        assert sentence(app) is None, word
        all_is_text(app, word)
    for word in MARKUP[:12]:
        upload(app, "x.vasp", POSCAR.replace(b"Si\n2", f"{word}\n2".encode()))
        assert sentence(app) is not None, word
        all_is_text(app, word)


def test_files_of_the_corpus_end_as_a_sentence_or_a_crystal(app: AppTest) -> None:
    cases = {c.name: c for c in corpus() if c.kind == "structure"}
    app.run()
    refused = 0
    for start in CHOSEN:
        case = next((c for name, c in cases.items() if name.startswith(start)), None)
        if case is None:
            assert start == "json_files: occu"
            case = next(c for name, c in cases.items() if name.startswith("json_files: site occu"))
        before = app.session_state["crystal_key"]
        upload(app, case.filename, case.make())
        if sentence(app) is not None:
            refused += 1
            assert app.session_state["crystal_key"] == before
    assert refused >= 15


def test_many_files_whose_names_are_markup(app: AppTest) -> None:
    app.run()
    app.switch_page("pages/many_structures.py").run()
    good = [(f"{word}.vasp", POSCAR, "text/plain") for word in MARKUP[:12]]
    bad = [(f"{word}.cif", b"nothing", "text/plain") for word in MARKUP[12:]]
    app.main.file_uploader[0].set_value(good + bad)
    app.run()
    assert not app.exception
    for word in MARKUP:
        all_is_text(app, word)


def test_a_potential_and_its_names_with_markup(app: AppTest) -> None:
    raw = bases.potential().replace(b"potential_name = random", f"potential_name = {MARKUP[0]}".encode())
    app.run()
    app.switch_page("pages/potentials/models.py").run()
    app.file_uploader(key="own_file").set_value((f"{MARKUP[1]}.mtp", raw, "text/plain"))
    app.text_input(key="own_elements").set_value("Si")
    app.text_input(key="own_functional").set_value(MARKUP[2])
    next(b for b in app.button if b.label == "Load").click()
    app.run()
    assert not app.exception
    assert not app.error
    for word in MARKUP[:3]:
        all_is_text(app, word)


@pytest.mark.parametrize("how", ["truncated", "bit", "nan", "pickle"])
def test_damaged_weights_are_refused_on_the_models_page(app: AppTest, how: str) -> None:
    raw = (pretrained_folder() / "si-mlearn-pbe.mtp").read_bytes()
    damaged = {
        "truncated": raw[: len(raw) // 2],
        "bit": raw[:200] + bytes([raw[200] ^ 0x80]) + raw[201:],
        "nan": raw.replace(b"species_coeffs = {", b"species_coeffs = {nan, ", 1),
        "pickle": b"cos\nsystem\n(S'x'\ntR.",
    }[how]
    app.run()
    app.switch_page("pages/potentials/models.py").run()
    app.file_uploader(key="own_file").set_value(("mine.mtp", damaged, "text/plain"))
    app.text_input(key="own_elements").set_value("Si")
    next(b for b in app.button if b.label == "Load").click()
    app.run()
    assert not app.exception
    assert len(app.main.error) == 1
    assert "\n" not in app.main.error[0].value


def test_cards_are_plain_text() -> None:
    card = Card(name=MARKUP[0], functional=MARKUP[1], elements=("Si",))
    assert json.loads(card.model_dump_json())["name"] == MARKUP[0]
    assert all(c not in plain(card.name) for c in "<>")
