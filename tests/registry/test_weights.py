"""Weights that are cut off, changed or not those of their card are refused, at every place and in one sentence."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

import sus2
from sus2.errors import PotentialFileError, Sus2Error
from sus2.potential.card import parse_card, read_card
from sus2.registry.load import load, load_bytes, models, pretrained_folder, weights_of
from sus2.registry.reference import PotentialRef

NAME = "si-mlearn-pbe"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of a shipped potential: weights and card."""
    out = []
    for ending in (".mtp", ".json"):
        path = tmp_path / f"{NAME}{ending}"
        path.write_bytes((pretrained_folder() / path.name).read_bytes())
        out.append(path)
    return out[0], out[1]


def refused(path: Path, match: str) -> None:
    with pytest.raises(PotentialFileError, match=match) as caught:
        sus2.load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_copy_itself_is_accepted(files: tuple[Path, Path]) -> None:
    assert sus2.load(files[0]).name == NAME


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_cut_off(files: tuple[Path, Path], share: float) -> None:
    raw = files[0].read_bytes()
    files[0].write_bytes(raw[: int(share * len(raw))])
    refused(files[0], "sha256")


def test_any_flipped_bit(files: tuple[Path, Path]) -> None:
    raw = files[0].read_bytes()
    rng = random.Random(0)
    for place in [0, len(raw) - 1, *rng.sample(range(len(raw)), 60)]:
        changed = bytearray(raw)
        changed[place] ^= 1 << rng.randrange(8)
        files[0].write_bytes(bytes(changed))
        refused(files[0], "sha256")


def test_another_sha256_in_the_card(files: tuple[Path, Path]) -> None:
    card = read_card(files[1])
    for digest in ("0" * 64, card.sha256.upper(), card.sha256[:-1], "x"):
        files[1].write_text(card.model_copy(update={"sha256": digest}).model_dump_json())
        refused(files[0], "sha256")


def test_the_card_of_another_potential(files: tuple[Path, Path]) -> None:
    files[1].write_bytes((pretrained_folder() / "ge-mlearn-pbe.json").read_bytes())
    refused(files[0], "sha256")


def test_a_cut_card(files: tuple[Path, Path]) -> None:
    raw = files[1].read_bytes()
    for share in (0.0, 0.3, 0.99):
        files[1].write_bytes(raw[: int(share * len(raw))])
        refused(files[0], "not valid JSON")


def test_without_a_card_the_text_itself_is_checked() -> None:
    """A user's own file has no sha256; what is cut off is found by the reader."""
    raw = (pretrained_folder() / f"{NAME}.mtp").read_bytes().rstrip()
    for stop in random.Random(1).sample(range(len(raw)), 80):
        with pytest.raises(PotentialFileError) as caught:
            load_bytes(raw[:stop], name="mine", elements=["Si"])
        assert "\n" not in str(caught.value)


def test_a_worker_refuses_weights_that_changed_since_the_question_was_asked(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_card(files[1])
    monkeypatch.setattr("sus2.registry.load.pretrained_folder", lambda: files[0].parent)
    reference = PotentialRef.of(card, precision="float32")
    changed = files[0].read_bytes().replace(b"1", b"2", 1)
    files[0].write_bytes(changed)
    with pytest.raises(Sus2Error, match="sha256"):
        reference.load()
    new = card.model_copy(update={"sha256": hashlib.sha256(changed).hexdigest()})
    files[1].write_text(new.model_dump_json())
    with pytest.raises(Sus2Error):
        reference.load()


def test_every_shipped_card_names_the_weights_beside_it() -> None:
    for card in models():
        path = weights_of(card.name)
        assert path is not None
        raw = path.read_bytes()
        assert hashlib.sha256(raw).hexdigest() == card.sha256, card.name
        assert parse_card(card.model_dump_json().encode()).identity == card.identity


def test_the_name_of_a_potential_that_was_replaced_loads_its_successor_and_says_so() -> None:
    with pytest.warns(FutureWarning, match="sus2-universal-r2scan, which is better for its crystals"):
        found = load("sus2-ionic-r2scan")
    assert found.name == "sus2-universal-r2scan"
    assert "sus2-ionic-r2scan" not in {c.name for c in models()}
