"""Potentials by name and by file: cards, sha256, elements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sus2
from sus2.errors import PotentialFileError
from sus2.potential.card import Card, parse_card, read_card, write_card
from sus2.potential.mtp import write_mtp
from sus2.registry.load import load_bytes, pretrained_folder, recommend
from sus2.registry.others.file_formats import SUFFIXES
from tests.helpers_spec import random_spec


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_mtp(random_spec(2), tmp_path / "mine.mtp")
    return tmp_path


def test_every_shipped_potential_loads_and_matches_its_card() -> None:
    cards = sus2.models()
    assert len(cards) >= 1
    for card in cards:
        potential = sus2.load(card.name)
        assert potential.elements == card.elements
        assert len(card.sha256) == 64
        assert card.limits != "not stated"
        assert card.errors


def test_every_shipped_weights_file_has_a_card() -> None:
    weights = {p.stem for ending in SUFFIXES for p in pretrained_folder().glob(f"*{ending}")}
    assert weights == {c.name for c in sus2.models()}


def test_file_with_elements(files: Path) -> None:
    potential = sus2.load(files / "mine.mtp", elements=["Ga", "As"], functional="PBE")
    assert potential.elements == ("Ga", "As")
    assert (potential.name, potential.functional) == ("mine", "PBE")


def test_file_with_a_card_beside_it(files: Path) -> None:
    write_card(Card(name="mine", functional="r2SCAN", elements=("Ga", "As")), files / "mine.json")
    assert sus2.load(files / "mine.mtp").functional == "r2SCAN"
    assert read_card(files / "mine.json").elements == ("Ga", "As")


@pytest.mark.parametrize(
    ("elements", "words"),
    [(None, "does not name its elements"), (["Ga"], "2 species"), (["Ga", "Xx"], "'Xx'"), (["Ga", "Ga"], "twice")],
)
def test_elements_that_do_not_fit(files: Path, elements: list[str] | None, words: str) -> None:
    with pytest.raises(PotentialFileError, match=words):
        sus2.load(files / "mine.mtp", elements=elements)


def test_weights_that_do_not_match_their_card(files: Path) -> None:
    card = Card(name="mine", functional="PBE", elements=("Ga", "As"), sha256="0" * 64)
    write_card(card, files / "mine.json")
    with pytest.raises(PotentialFileError, match="sha256"):
        sus2.load(files / "mine.mtp")


@pytest.mark.parametrize("name", ["nothing", "../pretrained/nothing", "/etc/passwd", "a/b.mtp", ""])
def test_unknown_names_list_what_there_is(name: str) -> None:
    with pytest.raises(PotentialFileError) as caught:
        sus2.load(name)
    assert "\n" not in str(caught.value)


def card(**changes: object) -> bytes:
    return json.dumps({"name": "x", "functional": "PBE", "elements": ["Si"]} | changes).encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"not json", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "the card"),
        (json.dumps({"name": "x", "functional": "PBE"}).encode(), "'elements'"),
        (card(extra=1), "'extra'"),
        (card(errors={"a": "b"}), "'errors.a'"),
    ],
)
def test_bad_cards(raw: bytes, words: str) -> None:
    with pytest.raises(PotentialFileError) as caught:
        parse_card(raw, source="mine.json")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_uploads_of_bytes_that_are_no_text() -> None:
    with pytest.raises(PotentialFileError, match="not a text file"):
        load_bytes(b"\xff\xfe\x00", name="upload", elements=["Si"])


def card(name: str, elements: str, *, teacher: str = "T", functional: str = "PBE", pairs: str = "") -> Card:
    return Card(
        name=name,
        elements=tuple(elements.split()),
        teacher=teacher,
        functional=functional,
        shortest_distances_a=dict.fromkeys(pairs.split(), 2.0),
    )


def test_the_best_potential_for_some_elements_and_why() -> None:
    wide = card("wide", "Si Ge O", pairs="Si-Si Ge-Si Ge-Ge")
    scan = card("scan", "Si Ge", functional="r2SCAN", pairs="Si-Si Ge-Si Ge-Ge")
    narrow = card("narrow", "Si Ge", pairs="Si-Si Ge-Ge")
    real = card("real", "Si", teacher="none", pairs="Si-Si")
    cards = [wide, scan, narrow, real]

    found = recommend(["Si"], cards)
    assert found is not None
    assert found.card is real
    assert "DFT itself" in found.reason
    found = recommend(["Ge"], cards)
    assert found is not None
    assert found.card is narrow  # PBE and the fewest elements
    assert "closest fit of 3" in found.reason
    found = recommend(["Si", "Ge"], cards)
    assert found is not None
    assert found.card is wide  # the narrow one has never seen Si beside Ge
    found = recommend(["O"], cards)
    assert found is not None
    assert "no O-O neighbours" in found.reason
    assert recommend(["Cu"], cards) is None


def test_shipped_potentials_are_recommended_for_their_own_elements() -> None:
    for element, name in (("Si", "si-mlearn-pbe"), ("Mo", "mo-mlearn-pbe")):
        found = recommend([element])
        assert found is not None
        assert found.card.name == name
