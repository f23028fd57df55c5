from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st

from sus2.settings import settings
from sus2.structures import content_key, write_structure
from sus2.structures.archives import StructureFiles, read_structures

SILICON = bulk("Si", "diamond", 5.43)
COPPER = bulk("Cu", "fcc", 3.6)
CIF = write_structure(SILICON, "cif").encode()
POSCAR = write_structure(COPPER, "poscar").encode()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def frames(*structures: Atoms) -> bytes:
    out = io.StringIO()
    write(out, list(structures), format="extxyz")
    return out.getvalue().encode()


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def only_problem(found: StructureFiles) -> str:
    assert len(found.problems) == 1
    ((name, sentence),) = found.problems.items()
    assert name in sentence or name.split("/")[-1] in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_files_and_archives_together() -> None:
    found = read_structures([("si.cif", CIF), ("more.zip", zipped(("a/cu.vasp", POSCAR), ("a/", b"")))])
    assert list(found.structures) == ["si.cif", "a/cu.vasp"]
    assert not found.problems
    assert found.structures["si.cif"].get_chemical_formula() == "Si2"
    assert content_key(found.structures["a/cu.vasp"]) == content_key(COPPER)


def test_one_bad_file_does_not_stop_the_others() -> None:
    archive = zipped(("bad.cif", b"data_x\n"), ("notes.txt", b"hello"), ("good.cif", CIF), ("empty.cif", b""))
    found = read_structures([("all.zip", archive)])
    assert list(found.structures) == ["good.cif"]
    assert set(found.problems) == {"bad.cif", "notes.txt", "empty.cif"}
    assert all(name in sentence and sentence.endswith(".") for name, sentence in found.problems.items())


def test_hidden_files_and_folders_are_passed_over() -> None:
    archive = zipped(("__MACOSX/._si.cif", b"\0\1"), (".DS_Store", b"x"), ("si.cif", CIF), (".git/config", b"x"))
    found = read_structures([("all.zip", archive)])
    assert list(found.structures) == ["si.cif"]
    assert not found.problems


def test_paths_are_only_shown() -> None:
    tricks = ["../../etc/passwd", "/abs/olute.cif", "..\\..\\w.cif", "C:\\x\\y.cif", "a/\x1b[31mred\u202e.cif"]
    tricks.append("l" * 200)
    found = read_structures([("all.zip", zipped(*((t, CIF) for t in tricks)))])
    assert list(found.structures) == [
        "etc/passwd",
        "abs/olute.cif",
        "w.cif",
        "x/y.cif",
        "a/[31mred.cif",
        "l" * 37 + "...",
    ]


def test_equal_names_are_told_apart() -> None:
    files = [("x/a.cif", CIF), ("a.cif", CIF), ("../a.cif", POSCAR), ("a.cif", b"")]
    found = read_structures(files)
    assert list(found.structures) == ["x/a.cif", "a.cif", "a.cif (2)"]
    assert list(found.problems) == ["a.cif (3)"]


def test_every_frame_of_an_xyz_file() -> None:
    rows = [bulk("Si", "diamond", a) for a in (5.3, 5.4, 5.5)]
    found = read_structures([("steps.xyz", frames(*rows))])
    assert list(found.structures) == ["steps.xyz #1", "steps.xyz #2", "steps.xyz #3"]
    for atoms, row in zip(found.structures.values(), rows, strict=True):
        assert np.allclose(atoms.cell, row.cell)
    assert list(read_structures([("one.xyz", frames(SILICON))]).structures) == ["one.xyz"]


def test_a_frame_that_is_no_crystal() -> None:
    found = read_structures([("two.xyz", frames(SILICON, molecule("H2O")))])
    assert list(found.structures) == ["two.xyz #1"]
    assert "molecule" in only_problem(found)


def test_frames_that_are_cut_off() -> None:
    whole = frames(SILICON, SILICON)
    for data in (whole[:-30], whole[: whole.rindex(b"\nSi ")]):
        found = read_structures([("cut.xyz", data)])
        assert list(found.structures) == ["cut.xyz #1"]
        assert list(found.problems) == ["cut.xyz #2"]


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.cif")
    info.external_attr = 0o120777 << 16
    return info


def encrypted() -> bytes:
    data = bytearray(zipped(("a.cif", CIF)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | 1)
    return bytes(data)


def damaged() -> bytes:
    data = bytearray(zipped(("a.cif", CIF), method=zipfile.ZIP_STORED))
    data[60] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped(("inner.zip", zipped(("a.cif", CIF)))), "archive or compressed file itself"),
        (zipped(("a.cif.gz", b"\x1f\x8b\x08" + b"x" * 40)), "compressed file itself"),
        (zipped(("a.tar", b"\0" * 257 + b"ustar" + b"\0" * 300)), "archive or compressed"),
        (zipped((link(), b"/etc/passwd")), "is a link"),
        (zipped(("a.cif", CIF), method=zipfile.ZIP_LZMA), "not read here"),
        (zipped(("a.cif", CIF), method=zipfile.ZIP_BZIP2), "not read here"),
        (encrypted(), "encrypted"),
        (damaged(), "damaged"),
        (zipped(("a.cif", CIF))[:-30], "damaged zip archive"),
        (zipped(), "no files"),
        (zipped(("bomb.cif", b" " * 50_000_000)), "more than 5 MiB, the limit for one file"),
        (zipped(("bomb.cif", b"\0" * 5_000_000)), "not a text file"),
    ],
)
def test_archives_that_are_refused(data: bytes, words: str) -> None:
    found = read_structures([("some.zip", data)])
    assert words in only_problem(found)
    assert not found.structures


def test_the_unpacked_size_is_limited_in_all(limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SUS2_MAX_UNPACKED_MB", "6")
    bomb = [(f"{k}.cif", b" " * 4_000_000) for k in range(6)]
    found = read_structures([("bomb.zip", zipped(*bomb)), ("good.zip", zipped(("si.cif", CIF)))])
    assert not found.structures
    assert "empty" in found.problems["0.cif"]
    assert "limit" in found.problems["1.cif"]
    assert "6 MiB" in found.problems["bomb.zip"]
    assert "6 MiB" in found.problems["good.zip"]
    assert len(found.problems) == 4


def test_the_number_of_members_is_limited(limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SUS2_MAX_ARCHIVE_MEMBERS", "10")
    assert "more than 10 members" in only_problem(
        read_structures([("many.zip", zipped(*((f"{k}.cif", b"") for k in range(11))))])
    )
    assert len(read_structures([("few.zip", zipped(*((f"{k}.cif", CIF) for k in range(10))))]).structures) == 10


def test_the_size_of_an_archive_is_limited(limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SUS2_MAX_ARCHIVE_MB", "1")
    noise = np.random.default_rng(0).integers(0, 256, 1_200_000, dtype=np.uint8).tobytes()
    assert "at most 1 MiB" in only_problem(read_structures([("large.zip", zipped(("x", noise)))]))


def test_the_number_of_crystals_is_limited(limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SUS2_MAX_STRUCTURES", "2")
    found = read_structures([("steps.xyz", frames(SILICON, SILICON, SILICON, SILICON)), ("si.cif", CIF)])
    assert len(found.structures) == 2
    assert set(found.problems) == {"steps.xyz #3", "si.cif"}
    assert all("at most 2 crystals" in p for p in found.problems.values())


def test_false_sizes_do_not_pass_the_limits(limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SUS2_MAX_UPLOAD_MB", "1")
    data = bytearray(zipped(("bomb.cif", b" " * 8_000_000)))
    # The sizes that the archive states: ten bytes.
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(signature) + offset, 10)
    found = read_structures([("false.zip", bytes(data))])
    assert only_problem(found)
    assert not found.structures


ARCHIVE = zipped(("a.cif", CIF), ("b/c.vasp", POSCAR), ("d.txt", b"nothing"))


@given(st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_archives_raise_nothing(changes: list[tuple[int, int]]) -> None:
    data = bytearray(ARCHIVE)
    for at, value in changes:
        data[at] = value
    found = read_structures([("x.zip", bytes(data))])
    assert all(sentence.endswith(".") for sentence in found.problems.values())
