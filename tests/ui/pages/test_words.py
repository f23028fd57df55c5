"""Words of the pages: space groups typeset, quantities by their names."""

from __future__ import annotations

import pytest

from pages._parts.frame import quantity_words, space_groups


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("Fd-3m (227)", "Fd3\N{COMBINING OVERLINE}m (227)"),
        ("P6_3/mmc (194)", "P6₃/mmc (194)"),
        (
            "P-1 (2) lies 0.10 meV/atom below P4_2/mnm (136).",
            "P1\N{COMBINING OVERLINE} (2) lies 0.10 meV/atom below P4₂/mnm (136).",
        ),
        ("F-1 and P_2 without a number, Cu (29)", "F-1 and P_2 without a number, Cu (29)"),
    ],
)
def test_space_groups_are_typeset(text: str, typeset: str) -> None:
    assert space_groups(text) == typeset


def test_quantities_have_names() -> None:
    assert quantity_words("c44_gpa") == "Elastic constant C₄₄"
    assert quantity_words("b0_gpa") == "Bulk modulus B₀"
    assert quantity_words("a0_a") == "Lattice constant a"
    assert quantity_words("some_new_thing") == "some new thing"
