"""Broken and hostile files in the formats of others: one sentence each, and never anything but our own error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sus2.errors import PotentialFileError
from sus2.potential.mtp import format_mtp
from sus2.registry.load import load_bytes
from tests.helpers_spec import random_spec
from tests.potential.formats import files

GOOD = {
    "nep.txt": files.nep(["Ga", "As"], zbl="1.0 2.0"),
    "x.mtp": files.moment_tensor(2),
    "x.alloy": files.setfl(["Ga", "As"], points=60),
    "x.fs": files.setfl(["Ga", "As"], finnis_sinclair=True, points=60),
    "x.tersoff": files.tersoff(),
    "x.sw": files.SW_SILICON,
}
WORDS = ("nan", "inf", "-1", "0", "1e999", "99999999999999999999", "1_000", "٣", "Xx", "", "{", "\x00", "../../etc")


def mutations(text: str, rng: np.random.Generator) -> Iterator[str]:
    """Cut, doubled and exchanged lines, and words that make no sense in the places of others."""
    lines = text.splitlines()
    for k in rng.integers(0, len(text), 12):
        yield text[: int(k)]
    for k in rng.integers(0, len(lines), 8):
        yield "\n".join(lines[:k] + lines[k + 1 :])
        yield "\n".join([*lines[:k], lines[k], *lines[k:]])
        yield "\n".join([*lines[k:], *lines[:k]])
    # The first lines say how much follows, so most of the words that are changed are there.
    for _ in range(60):
        k = int(rng.integers(0, min(len(lines), 14) if rng.random() < 0.8 else len(lines)))
        words = lines[k].split(" ")
        words[int(rng.integers(0, len(words)))] = WORDS[int(rng.integers(0, len(WORDS)))]
        yield "\n".join([*lines[:k], " ".join(words), *lines[k + 1 :]])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_every_mutation_is_one_sentence_or_a_potential(name: str) -> None:
    elements = ["Ga", "As"] if name.endswith("mtp") else None
    load_bytes(GOOD[name].encode(), name=name, elements=elements)
    refused = 0
    for text in mutations(GOOD[name], np.random.default_rng(len(name))):
        try:
            load_bytes(text.encode(), name=name, elements=elements)
        except PotentialFileError as error:
            refused += 1
            sentence = str(error)
            assert "\n" not in sentence
            assert sentence.endswith(".")
            assert len(sentence) < 500
    assert refused > 20


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"PK\x03\x04\x14\x00archive/data.pkl", "a torch or zip file"),
        (b"\x80\x04\x95\x10\x00", "a pickle"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\xff\xfe\x00\x01", "not a text file"),
        (b"hello", "no potential that can be read"),
        (b"", "no potential that can be read"),
        (b"nep5 1 Si\n", "NEP versions 3 and 4"),
        (b"nep4_dipole 1 Si\n", "NEP versions 3 and 4"),
        (b"nep4 99999999 Si\n", "between 1 and 118"),
        (b"nep4 1 Si\ncutoff 8 4\nn_max 30 30\nbasis_size 30 30\nl_max 8 2 1\nANN 1000 0\n1\n", "the file ends within"),
        (b"a\nb\nc\n1 Si\n1000000 0.1 1000000 0.1 5.0\n14 28.0 5.4 dia\n", "would have"),
        (b"Si Si Si 1 2 3\n", "no potential that can be read"),
    ],
)
def test_what_is_none_of_them_is_named(raw: bytes, words: str) -> None:
    with pytest.raises(PotentialFileError, match=words) as caught:
        load_bytes(raw, name="upload")
    assert "\n" not in str(caught.value)


def test_magnetic_and_foreign_moment_tensors_are_named() -> None:
    text = files.moment_tensor(2)
    for old, new, words in (
        ("radial_basis_type = RBChebyshev", "radial_basis_type = RBShapeev", "RBShapeev"),
        ("version = 1.1.0", "version = 9.0", "version 9.0"),
        ("species_count = 2", "species_count = 2\nmagnetic_basis_type = BChebyshev", "magnetic"),
        ("\t\t1-1\n", "\t\t0-0\n", "twice"),
    ):
        with pytest.raises(PotentialFileError, match=words):
            load_bytes(text.replace(old, new).encode(), name="x", elements=["Ga", "As"])


@pytest.mark.parametrize(
    "text",
    [
        "SUS2-SH\nversion = 1.0\n",
        files.moment_tensor(1).replace("radial_basis_type", "sh_l_max = 3\nsh_k_max = 2\nradial_basis_type", 1),
        format_mtp(random_spec(1)) + "sh_product_count = 1\nsh_products = {{0, 0, 1, 0.57735}}\n",
    ],
)
def test_files_of_spherical_harmonics_are_told_why_not(text: str) -> None:
    with pytest.raises(PotentialFileError, match=r"SUS2-SH .* weighted by coupling coefficients") as caught:
        load_bytes(text.encode(), name="x.mtp", elements=["Si"])
    assert "\n" not in str(caught.value)


def test_a_file_of_too_many_numbers_is_refused_before_they_fill_the_memory() -> None:
    with pytest.raises(PotentialFileError, match="more than 4,000,000 numbers"):
        load_bytes((GOOD["nep.txt"] + "0 0 0 0\n" * 1_000_001).encode(), name="nep.txt")
