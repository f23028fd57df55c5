"""Formulas and symbols as they are shown."""

from __future__ import annotations

import pytest

from sus2.structures import with_subscripts


@pytest.mark.parametrize(
    ("plain", "typeset"),
    [
        ("SrTiO3", "SrTiO₃"),
        ("Ca(OH)2", "Ca(OH)₂"),
        ("C12H22O11", "C₁₂H₂₂O₁₁"),
        ("Fe0.95O", "Fe0.95O"),
        ("C44", "C₄₄"),
        ("59 structures of SiO2.", "59 structures of SiO₂."),
        ("Si", "Si"),
    ],
)
def test_numbers_behind_letters_become_subscripts(plain: str, typeset: str) -> None:
    assert with_subscripts(plain) == typeset
