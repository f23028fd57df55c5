"""Tables of known values: how columns and crystals are recognised, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.properties.property_table import PropertyRow, PropertyTable
from sus2.validation.reference_table import read_reference_columns


def table() -> PropertyTable:
    rows = [("a/cu.cif", "Cu", 140.0), ("al.vasp", "Al", 77.0), ("al-2.vasp", "Al", 76.0)]
    return PropertyTable(
        "p", "PBE", ("eos",), tuple(PropertyRow(n, f, "", 1, {"b0_gpa": b}, {}, {}, None, None) for n, f, b in rows)
    )


@pytest.mark.parametrize("heading", ["b0_gpa", "B₀ (GPa)", "B₀", " bulk modulus B₀ "])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_known_by_key_heading_and_words(heading: str, delimiter: str) -> None:
    text = f"name{delimiter}{heading}\nA/CU{delimiter}137.5\nal-2.vasp{delimiter}n/a\nnobody{delimiter}1\n"
    found = read_reference_columns(text.encode(), "k.csv", table())
    np.testing.assert_array_equal(found["b0_gpa"], [137.5, np.nan, np.nan])


def test_a_formula_stands_for_a_crystal_where_it_is_the_only_one() -> None:
    found = read_reference_columns(b"formula,b0_gpa\nCu,137.5\nAl,79\n", "k.csv", table())
    np.testing.assert_array_equal(found["b0_gpa"], [137.5, np.nan, np.nan])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"name,colour\nal.vasp,red\n", "none of its columns"),
        (b"b0_gpa\n1\n", "'name' or 'formula'"),
        (b"name,b0_gpa\nnobody,1\n", "compare the names"),
        (b"name,b0_gpa\nal.vasp,inf\n", "compare the names"),
        (b"\xff\xfe\x00", "no text"),
        (b"", "none of its columns"),
    ],
)
def test_tables_that_cannot_be_used(raw: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_reference_columns(raw, "k.csv", table())
