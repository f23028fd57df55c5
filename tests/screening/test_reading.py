"""What a screening reads: files, folders, patterns, archives."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from sus2.errors import StructureError
from sus2.screening.files import items_of
from sus2.screening.start import screen
from sus2.structures import sample, write_structure
from tests.helpers_screening import MODEL, silicon

# Files ------------------------------------------------------------------------------------------------------------


def test_files_folders_patterns_archives(tmp_path: Path) -> None:
    import zipfile

    a, b, c = (bulk("Si", a=x) for x in (5.3, 5.4, 5.5))
    many = "".join(write_structure(x, "extxyz") for x in (a, b, c))
    folder = tmp_path / "set"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    (folder / "many.xyz").write_text(many)
    (folder / "deep" / "one.cif").write_text(write_structure(a, "cif"))
    (folder / "deep" / ".hidden" / "not.cif").write_text(write_structure(a, "cif"))
    (folder / "POSCAR_b").write_text(write_structure(b, "poscar"))
    (folder / "notes.txt").write_text("nothing")
    (folder / "bad.cif").write_text("nothing")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("x/one.vasp", write_structure(c, "poscar"))
        archive.writestr("x/many.extxyz", many)
        archive.writestr("__MACOSX/x.cif", "rubbish")
    items, count = items_of([str(folder), str(tmp_path / "*.zip"), "si"])
    found: dict[str, float | str] = {}
    for item in items:
        try:
            found[item.name.replace(str(tmp_path), "")] = round(float(item.read().cell.volume), 3)
        except StructureError as error:
            found[item.name.replace(str(tmp_path), "")] = str(error)
    va, vb, vc = (round(float(x.cell.volume), 3) for x in (a, b, c))
    assert "no format" in str(found.pop("/set/bad.cif"))
    assert found.pop("si") == round(float(sample("si").atoms().cell.volume), 3)
    assert found == {
        "/set/POSCAR_b": vb,
        "/set/deep/one.cif": va,
        "/set/many.xyz #1": va,
        "/set/many.xyz #2": vb,
        "/set/many.xyz #3": vc,
        "/set.zip/x/one.vasp": vc,
        "/set.zip/x/many.extxyz #1": va,
        "/set.zip/x/many.extxyz #2": vb,
        "/set.zip/x/many.extxyz #3": vc,
    }
    assert count == (3 + 1 + 1 + 1) + 2 + 1


def test_files_that_end_early_or_go_on_strangely(tmp_path: Path) -> None:
    frame = write_structure(bulk("Si"), "extxyz")
    (tmp_path / "cut.xyz").write_text(frame + frame[: len(frame) // 2])
    (tmp_path / "tail.xyz").write_text(f"{frame}\n\n{frame}\nthe end\n")
    (tmp_path / "empty.xyz").write_text("")
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 and nothing else")
    (tmp_path / "long.xyz").write_bytes(b"1\n" + b"x" * 8_000_000 + b"\nSi 0 0 0\n" + frame.encode())
    read: dict[str, str] = {}
    for item in items_of(str(tmp_path))[0]:
        try:
            read[Path(item.name).name] = item.read().get_chemical_formula()
        except StructureError as error:
            read[Path(item.name).name] = str(error)
    assert read["cut.xyz #1"] == "Si2"
    assert "Line" in read["cut.xyz #2"]
    assert [read[f"tail.xyz #{k}"] for k in (1, 2)] == ["Si2", "Si2"]
    assert "After frame 2" in read["tail.xyz #3"]
    assert "empty" in read["empty.xyz"]
    assert "damaged" in read["damaged.zip"]
    assert "MiB" in read["long.xyz #1"]
    assert read["long.xyz #2"] == "Si2"


def test_a_file_of_many_frames_is_not_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    frame = write_structure(bulk("Si") * (4, 4, 4), "extxyz")
    path = tmp_path / "many.xyz"
    with path.open("w") as file:
        for _ in range(2000):
            file.write(frame)
    size = path.stat().st_size
    tracemalloc.start()
    items, count = items_of(str(path))
    assert count == sum(1 for _ in items) == 2000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 10_000_000
    assert peak < 4_000_000


def test_a_file_that_was_read_before_is_not_read_again(
    inline: Executor, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.xyz"
    path.write_text("".join(write_structure(a, "extxyz") for a in silicon(4).values()))
    screen(str(path), MODEL, properties=["relax"], out=out, executor=inline)

    def refuse(name: str, data: bytes) -> Atoms:
        raise AssertionError(name)

    monkeypatch.setattr("sus2.screening.files.read_structure", refuse)
    assert screen(str(path), MODEL, properties=["relax"], out=out, executor=inline).reused == 4
