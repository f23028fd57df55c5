"""The .mtp file: read and written without loss, refused in one clear sentence."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from sus2.errors import PotentialFileError
from sus2.potential.card import Card
from sus2.potential.moments.graph import graph
from sus2.potential.mtp import ModelSpec, format_mtp, parse_mtp, read_mtp, write_mtp
from sus2.potential.potential import Potential
from tests.helpers_spec import random_spec

TEXT = format_mtp(random_spec())
LINES = TEXT.splitlines()
FILES = ["alloy", "hh130", "m3gnet_l2k2", "m3gnet_l2k3", "perovskite", "solid_electrolytes"]


def same(a: ModelSpec, b: ModelSpec) -> bool:
    for field in fields(ModelSpec):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if not (np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y):
            return False
    return True


def refuse(text: str, *words: str) -> None:
    with pytest.raises(PotentialFileError) as caught:
        parse_mtp(text, source="mine.mtp")
    message = str(caught.value)
    assert message.startswith("mine.mtp")
    assert "\n" not in message
    for word in words:
        assert word in message, message


def change(key: str, value: str) -> str:
    """The valid text with the value of one key replaced."""
    out, n = re.subn(rf"(?m)^(\s*{re.escape(key)} = ).*$", lambda m: m[1] + value, TEXT)
    assert n == 1
    return out


@pytest.mark.parametrize("name", FILES)
def test_published_files_round_trip_bit_for_bit(shared: Path, name: str) -> None:
    spec = read_mtp(shared / "reference" / "models" / f"{name}.mtp")
    assert spec.trained
    assert same(spec, parse_mtp(format_mtp(spec)))


@pytest.mark.parametrize("scaling_map", ["K", "L", "LK"])
def test_round_trip(scaling_map: str, tmp_path: Path) -> None:
    spec = replace(random_spec(3, scaling_map=scaling_map), e0=-1.25, potential_tag="a tag")
    write_mtp(spec, tmp_path / "x.mtp")
    assert same(spec, read_mtp(tmp_path / "x.mtp"))


def test_untrained_files_round_trip() -> None:
    bare = dict.fromkeys(
        ("shift_coeffs", "alpha", "r0", "radial_weights", "radial_species", "species_coeffs", "moment_coeffs")
    )
    spec = replace(random_spec(), **bare)
    again = parse_mtp(format_mtp(spec))
    assert not again.trained
    assert same(spec, again)


def test_name_and_scaling_may_be_missing() -> None:
    spec = parse_mtp("\n".join(s for s in LINES if not s.startswith(("potential_name", "scaling ="))))
    assert spec.potential_name == ""
    assert spec.scaling == 1.0


def test_parameters_are_counted_as_the_reference_does(shared: Path) -> None:
    assert read_mtp(shared / "reference" / "models" / "alloy.mtp").parameter_count == 17233


@pytest.mark.parametrize("cut", range(1, len(LINES)))
def test_truncated_after_any_line(cut: int) -> None:
    refuse("\n".join(LINES[:cut]))


@pytest.mark.parametrize("share", np.linspace(0.02, 0.98, 25))
def test_truncated_within_a_line(share: float) -> None:
    refuse(TEXT[: int(share * len(TEXT))])


MLIP2 = """MTP
version = 1.1.0
potential_name = MTP1m
species_count = 1
potential_tag =
radial_basis_type = RBChebyshev
    min_dist = 2
    max_dist = 5
    radial_basis_size = 8
    radial_funcs_count = 2
alpha_moments_count = 18
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("first line",)),
        ("hello", ("first line", "line 1")),
        (MLIP2, ("plain MLIP-2 MTP", "scaling_map")),
        (TEXT.replace("species_count", "lmax = 3\nspecies_count", 1), ("SUS2-SH",)),
        (change("version", "2.0"), ("version",)),
        (change("L", "two"), ("'L'", "line")),
        (change("L", "-1"), ("'L'",)),
        (change("scaling_map", "Q"), ("scaling_map",)),
        (change("scaling", "nan"), ("scaling",)),
        (change("radial_basis_type", "RBChebyshev"), ("radial_basis_type",)),
        (change("max_dist", "inf"), ("max_dist",)),
        (change("max_dist", "-3.0"), ("max_dist",)),
        (change("species_count", "3"), ("shift_coeffs", "3")),
        (change("species_count", "1_0"), ("species_count",)),
        (change("species_count", "999999999999"), ("species_count",)),
        (change("radial_funcs_count", "7"), ("radial_funcs_count",)),
        (change("radial_basis_size", "5"), ("radial_coeffs",)),
        (change("shift_coeffs", "{1.0, nan}"), ("shift_coeffs", "nan")),
        (change("species_coeffs", "{1.0, 2.0"), ("species_coeffs",)),
        (change("species_coeffs", "{1.0, x}"), ("species_coeffs",)),
        (change("alpha_index_basic_count", "19"), ("alpha_index_basic", "19")),
        (change("alpha_index_times_count", "1"), ("alpha_index_times", "1")),
        (change("alpha_scalar_moments", "2"), ("alpha_moment_mapping", "2")),
        (change("alpha_moments_count", "12"), ("alpha_index_basic_count",)),
        (change("alpha_moment_mapping", "{" + ", ".join(["99"] * 9) + "}"), ("alpha_moment_mapping", "99")),
        (TEXT.replace("{0, 10, 1, 20}", "{0, 10, 1, 999}", 1), ("alpha_index_times", "999")),
        (TEXT.replace("{0, 10, 1, 20}", "{0, 25, 1, 20}", 1), ("alpha_index_times", "before")),
        (TEXT.replace("{0, 10, 1, 20}", "{0, 10, 1, 3}", 1), ("alpha_index_times", "overwrites")),
        (TEXT.replace("{0, 0, 0, 0}", "{77, 0, 0, 0}", 1), ("alpha_index_basic", "77")),
        (TEXT.replace("{0, 0, 0, 0}", "{0, 0, 5, 0}", 1), ("alpha_index_basic", "rank")),
        (TEXT.replace("0-0", "0-1", 1), ("radial_coeffs", "0-1")),
        (TEXT + "more = 1\n", ("unexpected",)),
    ],
)
def test_refused_with_a_sentence(text: str, words: tuple[str, ...]) -> None:
    refuse(text, *words)


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.mtp").write_bytes(bytes(range(256)))
    with pytest.raises(PotentialFileError, match="not a text file"):
        read_mtp(tmp_path / "b.mtp")
    with pytest.raises(PotentialFileError, match="cannot be read"):
        read_mtp(tmp_path / "missing.mtp")


@given(st.data())
def test_mutations_give_a_model_or_a_sentence(data: st.DataObject) -> None:
    """Whatever is overwritten, cut out or put in, nothing but our own error comes out."""
    text = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 40))
        text[at : at + length] = data.draw(st.binary(max_size=12))
    message = ""
    try:
        parse_mtp(bytes(text).decode("utf-8", errors="replace"))
    except PotentialFileError as error:
        message = str(error)
    assert "\n" not in message


def test_graphs_of_our_own_make_valid_files() -> None:
    moments = graph("l2k2")
    spec = replace(
        random_spec(),
        basic=moments.basic,
        times=moments.times,
        mapping=moments.mapping,
        moments_count=moments.moments_count,
        moment_coeffs=np.zeros(len(moments.mapping)),
    )
    assert same(spec, parse_mtp(format_mtp(spec)))


def test_a_part_of_the_species_gives_the_same_energies() -> None:
    whole = random_spec()
    atoms = bulk("As", "fcc", a=4.1)
    part = whole.with_species([1])
    assert part.species_count == 1
    both = Potential(whole, Card(name="x", functional="none", elements=("Ga", "As")))
    alone = Potential(part, Card(name="x", functional="none", elements=("As",)))
    assert alone.evaluate([atoms])[0].energy_ev == pytest.approx(both.evaluate([atoms])[0].energy_ev, rel=1e-13)
    swapped = Potential(whole.with_species([1, 0]), Card(name="x", functional="none", elements=("As", "Ga")))
    mixed = bulk("GaAs", "zincblende", a=5.2)
    assert swapped.evaluate([mixed])[0].energy_ev == pytest.approx(both.evaluate([mixed])[0].energy_ev, rel=1e-13)
