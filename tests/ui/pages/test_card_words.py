"""The words, units and signs of a model's card."""

from __future__ import annotations

import re

import pytest

import sus2
from pages.potentials._card_words import error_rows, property_rows, quantity, typeset
from sus2.errors import counted

RAW = re.compile(r"_|\b(mev|gpa|thz|mae|rmse|b0|v0|a0|c\d\d)\b")


@pytest.mark.parametrize(
    ("key", "words", "unit"),
    [
        ("force_mae_mev_per_a", "Forces, mean absolute error", "meV/Å"),
        ("energy_rmse_mev_per_atom", "Energy, root mean square error", "meV/atom"),
        ("strain_response_percent", "Response to strain", "%"),
        ("c44_gpa", "Elastic constant C₄₄", "GPa"),
        ("b0_prime", "B₀′", ""),
        ("highest_frequency_at_q_thz", "Highest frequency at q", "THz"),
    ],
)
def test_a_key_is_words_and_a_unit(key: str, words: str, unit: str) -> None:
    assert quantity(key) == (words, unit)


@pytest.mark.parametrize("card", sus2.models(), ids=lambda c: c.name)
def test_no_raw_key_of_a_shipped_card_is_shown(card: sus2.potential.card.Card) -> None:
    rows = [*error_rows(card.errors), *property_rows(card.properties)]
    for row in rows:
        assert not RAW.search(f"{row['quantity']} {row['unit']}"), row
    stated = sum(len(entries) for entries in card.properties.values()) + len(card.errors)
    shown = sum(bool(v) for row in rows for k, v in row.items() if k not in ("quantity", "unit", "crystal"))
    assert shown == stated
    for text in (card.limits, card.summary, card.data):
        assert not re.search(r"eV/A\b|A\^|\d A\b|\bC[1-6]{2}\b", typeset(text)), typeset(text)


def test_a_reference_stands_beside_its_value() -> None:
    (row,) = property_rows({"Si": {"c11_gpa": 161.04, "reference_c11_gpa": 160.0}})
    assert (row["quantity"], row["potential"], row["reference"]) == ("Elastic constant C₁₁", "161", "160")


def test_letters_that_are_no_units_stay() -> None:
    text = "A crystal of A2B, Zuo et al., J. Phys. Chem. A 124, and 3 Atoms."
    assert typeset(text) == text
    assert typeset("5.1 A^3 per atom, 3.56 A, 0.9 meV/A.") == "5.1 Å³ per atom, 3.56 Å, 0.9 meV/Å."


@pytest.mark.parametrize(("count", "text"), [(0, "0 crystals"), (1, "1 crystal"), (2400, "2,400 crystals")])
def test_a_noun_follows_its_number(count: int, text: str) -> None:
    assert counted(count, "crystal") == text
