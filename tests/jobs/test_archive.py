"""Results as bytes and back."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import sus2
from sus2.errors import StoreError
from sus2.jobs import archive
from sus2.potential.potential import Potential
from sus2.properties.phonons.report import phonon_report
from sus2.structures import sample


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, through dataclasses, arrays and crystals."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, Atoms):
        return isinstance(b, Atoms) and a == b
    if isinstance(a, Potential):
        return a is b
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if is_dataclass(a):
        if type(a).__name__ == "SecondDerivatives":
            return same(a.atoms, b.atoms)
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


@pytest.mark.parametrize("function", [sus2.relax, sus2.eos, sus2.elastic, sus2.thermal, phonon_report])
def test_a_result_comes_back_to_the_last_bit(function: Any, silicon: Potential) -> None:
    result = function(sample("si").atoms(), silicon)
    back = archive.unpack(archive.pack(result), lambda _: silicon)
    assert same(result, back)


@pytest.mark.parametrize("method", ["exact", "finite"])
def test_phonons_that_come_back_compute_as_before(method: Any, silicon: Potential) -> None:
    result = sus2.phonons(sample("si").atoms(), silicon, method=method)
    back = archive.unpack(archive.pack(result), lambda _: silicon)
    q = [[0.0, 0.0, 0.0], [0.1, 0.25, 0.4]]
    assert np.array_equal(result.frequencies_thz(q), back.frequencies_thz(q))
    assert "imaginary_modes" not in back.__dict__
    assert result.stable
    kept = archive.unpack(archive.pack(result), lambda _: silicon)
    assert kept.__dict__["imaginary_modes"] == result.imaginary_modes


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | hnp.arrays(st.sampled_from([np.float64, np.int64, np.bool_, np.complex128]), hnp.array_shapes(max_side=3)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_values_come_back(value: Any) -> None:
    assert same(value, archive.unpack(archive.pack(value), lambda _: None))


def test_masses_stay_with_a_crystal() -> None:
    atoms = sample("si").atoms()
    atoms.set_masses([30.0] * len(atoms))
    assert np.array_equal(archive.unpack(archive.pack(atoms), lambda _: None).get_masses(), atoms.get_masses())


@dataclass(frozen=True)
class Foreign:
    x: int


@pytest.mark.parametrize("value", [Foreign(1), object(), np.array([object()]), {1, 2}, archive.pack])
def test_what_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(StoreError):
        archive.pack(value)


def made(tree: Any, name: str = "tree.json") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(name, tree if isinstance(tree, str) else json.dumps(tree))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK nonsense",
        made("{", "tree.json"),
        made({}, "other.json"),
        made({"$": "dataclass", "type": "os:system", "fields": {}, "kept": {}}),
        made({"$": "dataclass", "type": "sus2.jobs.executor:LocalExecutor", "fields": {}, "kept": {}}),
        made({"$": "dataclass", "type": "sus2.jobs.archive:pack", "fields": {}, "kept": {}}),
        made({"$": "dataclass", "type": "sus2.nowhere:Thing", "fields": {}, "kept": {}}),
        made({"$": "array", "k": 0}),
        made({"$": "array", "k": "../../etc/passwd"}),
        made({"$": "unknown"}),
        made("[" * 100_000),
    ],
)
def test_damaged_and_hostile_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(StoreError):
        archive.unpack(content, lambda _: None)


def test_a_pickled_array_is_never_loaded() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("tree.json", json.dumps({"$": "array", "k": 0}))
        array = io.BytesIO()
        np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        z.writestr("0.npy", array.getvalue())
    with pytest.raises(StoreError):
        archive.unpack(out.getvalue(), lambda _: None)


def test_any_flipped_byte_is_an_error_or_the_same_kind_of_result(silicon: Potential) -> None:
    content = archive.pack(sus2.relax(sample("si").atoms(), silicon))
    rng = np.random.default_rng(0)
    for k in rng.integers(0, len(content), 200):
        broken = bytearray(content)
        broken[k] ^= 0xFF
        try:
            back = archive.unpack(bytes(broken), lambda _: silicon)
        except StoreError:
            continue
        assert type(back).__name__ == "RelaxResult"
