"""The example of the page of screenings is a database that it reads."""

from __future__ import annotations

import pytest

import sus2
from sus2.errors import Sus2Error
from sus2.screening.example import MIN_CRYSTALS, example_card, example_screening
from sus2.screening.read import read_screening
from sus2.structures.samples import samples
from tests.helpers_potential import emt


def test_the_example_is_read_back() -> None:
    potential = sus2.load("si-mlearn-pbe")
    table = read_screening(example_screening(potential))
    (row,) = table.rows
    assert row.elements == ("Si",)
    assert {"b0_gpa", "k_vrh_gpa"} <= set(table.columns)


@pytest.mark.parametrize("card", sus2.models(), ids=lambda c: c.name)
def test_an_example_has_enough_crystals_whatever_is_chosen(card: sus2.potential.card.Card) -> None:
    found = example_card(card, sus2.models())
    assert sum(set(s.elements) <= set(found.elements) for s in samples()) >= MIN_CRYSTALS
    assert found == card or len(card.elements) == 1
    assert found.functional == card.functional or "PBE" not in card.functional
    assert example_card(card, [card]) == card  # where nothing else is installed


def test_a_potential_without_samples_says_so() -> None:
    potential = emt()
    potential.elements = ("Og",)
    with pytest.raises(Sus2Error, match="none of the small sample crystals"):
        example_screening(potential)
