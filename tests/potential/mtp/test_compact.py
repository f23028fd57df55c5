"""The binary form of a potential and the extended text form: the same model, and clear words about anything else."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import sus2
from sus2.cli.main import app
from sus2.errors import PotentialFileError
from sus2.potential.card import Card, write_card
from sus2.potential.mtp import ModelSpec, format_mtp, parse_mtp, read_mtp
from sus2.potential.mtp.compact import format_compact, parse_compact, read_compact, rounded, write_compact
from sus2.potential.potential import Potential
from sus2.registry.load import load_bytes
from tests.contract.test_contract import ELEMENTS, crystal
from tests.helpers_spec import extended, random_spec

FORMS = {"published": random_spec(2), "extended": extended(random_spec(2))}


def same(a: ModelSpec, b: ModelSpec) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(ModelSpec) if f.name != "e0")


def repacked(raw: bytes, **changes: object) -> bytes:
    """The archive with other arrays; None takes one out."""
    with np.load(io.BytesIO(raw)) as content:
        arrays = dict(content) | {k: np.asarray(v) for k, v in changes.items() if v is not None}
    for name, value in changes.items():
        if value is None:
            del arrays[name]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(form: str, tmp_path: Path) -> None:
    spec = FORMS[form]
    write_compact(spec, tmp_path / "x.sus2")
    again = read_compact(tmp_path / "x.sus2")
    assert same(again, rounded(spec))
    assert format_compact(again) == (tmp_path / "x.sus2").read_bytes()
    assert np.array_equal(again.shift_coeffs, spec.shift_coeffs)
    assert again.alpha == pytest.approx(spec.alpha, rel=1e-6)


def test_the_extended_text_there_and_back() -> None:
    spec = FORMS["extended"]
    text = format_mtp(spec)
    assert "version = 2.0.0" in text
    assert same(parse_mtp(text), spec)
    assert "version = 1.1.0" in format_mtp(FORMS["published"])


@pytest.mark.parametrize("change", ["envelope_power", "neighbour_coeffs", "moment_coeffs"])
def test_each_part_of_the_extended_form_alone(change: str) -> None:
    spec = replace(FORMS["published"], **{change: getattr(FORMS["extended"], change)})
    assert spec.extended
    assert same(parse_mtp(format_mtp(spec)), spec)
    assert same(parse_compact(format_compact(spec)), rounded(spec))


def test_elements_are_picked_from_an_extended_model() -> None:
    spec = extended(random_spec(3))
    some = spec.with_species([2, 0])
    assert np.array_equal(some.readout, spec.readout[[2, 0]])
    assert some.neighbour_coeffs is not None
    assert spec.neighbour_coeffs is not None
    assert np.array_equal(some.neighbour_coeffs, spec.neighbour_coeffs[:, [2, 0]])
    atoms = crystal()
    card = Card(name="x", functional="none", elements=("As", "Ga"))
    whole = Potential(spec, Card(name="x", functional="none", elements=("Ga", "In", "As")))
    assert Potential(some, card).evaluate([atoms])[0].energy_ev == pytest.approx(
        whole.evaluate([atoms])[0].energy_ev, abs=1e-12
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 2.0.0", "version = 3.0.0", "a newer release may read"),
        ("envelope_power = 3", "envelope_power = 4", "between 2 and 3"),
        ("version = 2.0.0", "version = 1.1.0", "envelope_power"),
        ("element_moment_coeffs = {", "element_moment_coeffs = {1.0, ", "must have 18 numbers"),
        ("neighbour_coeffs = {", "neighbour_coeffs = {nan, ", "12 numbers"),
    ],
)
def test_a_damaged_extended_text(old: str, new: str, words: str) -> None:
    text = format_mtp(FORMS["extended"])
    assert old in text
    with pytest.raises(PotentialFileError, match=words) as caught:
        parse_mtp(text.replace(old, new, 1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "version 2 of the binary form is not supported"),
        ({"format": "something"}, "damaged, or no potential"),
        ({"alpha": None}, "'alpha' is missing"),
        ({"alpha": np.zeros((2, 2))}, "'alpha' has shape"),
        ({"moment_coeffs": np.full(9, np.nan)}, "not finite"),
        ({"mapping": np.full(9, 10**6)}, "out of range"),
        ({"max_dist": -1.0}, "cutoff"),
        ({"max_dist": np.ones(2)}, "must be one value"),
        ({"species_count": 10**9}, "out of range"),
        ({"species_count": 2.0}, "wrong kind"),
        ({"times": np.zeros((3, 3), dtype=int)}, "'times' has shape"),
        ({"envelope_power": 7}, "power 7"),
        ({"radial_funcs_count": 5}, "no multiple"),
        ({"scaling_map": "X"}, "unknown"),
        ({"new_idea": np.ones(3)}, "'new_idea' is unknown"),
        ({"potential_name": 3}, "wrong kind"),
    ],
)
def test_a_damaged_archive(changes: dict[str, object], words: str) -> None:
    raw = repacked(format_compact(FORMS["extended"]), **changes)
    with pytest.raises(PotentialFileError, match=words) as caught:
        parse_compact(raw, source="mine.sus2")
    assert str(caught.value).startswith("mine.sus2")
    assert "\n" not in str(caught.value)


def test_a_cut_archive() -> None:
    raw = format_compact(FORMS["extended"])
    for stop in range(0, len(raw) - 1, len(raw) // 40):
        with pytest.raises(PotentialFileError):
            parse_compact(raw[:stop])


def test_pickled_objects_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, format=np.array({"a": 1}, dtype=object))
    with pytest.raises(PotentialFileError, match="damaged, or no potential"):
        parse_compact(buffer.getvalue())


def test_loaded_by_path_by_name_and_from_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FORMS["extended"]
    write_compact(spec, tmp_path / "mine.sus2")
    write_card(Card(name="mine", functional="PBE", elements=ELEMENTS), tmp_path / "mine.json")
    monkeypatch.setenv("SUS2_MODELS", str(tmp_path))
    found = [
        sus2.load(tmp_path / "mine.sus2"),
        sus2.load("mine"),
        load_bytes((tmp_path / "mine.sus2").read_bytes(), name="mine", elements=ELEMENTS),
    ]
    energies = [p.evaluate([crystal()])[0].energy_ev for p in found]
    assert energies[0] == energies[1] == energies[2]


def test_the_exported_text_is_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_compact(FORMS["extended"], tmp_path / "mine.sus2")
    write_card(Card(name="mine", functional="PBE", elements=ELEMENTS), tmp_path / "mine.json")
    monkeypatch.setenv("SUS2_MODELS", str(tmp_path))
    done = CliRunner().invoke(app, ["export", "mine", str(tmp_path / "text.mtp")])
    assert done.exit_code == 0, done.output
    assert same(read_mtp(tmp_path / "text.mtp"), read_compact(tmp_path / "mine.sus2"))
    one, two = (sus2.load(p).evaluate([crystal()])[0].energy_ev for p in ("mine", tmp_path / "text.mtp"))
    assert one == two
