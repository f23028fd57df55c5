"""Screening: the numbers of the functions, results that last, lost workers, other runs, broken databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from sqlalchemy import event

import sus2
from sus2.errors import StoreError, StructureError, Sus2Error
from sus2.jobs.executor import InlineExecutor, LocalExecutor
from sus2.properties.property_table import evaluate_many
from sus2.registry.reference import PotentialRef
from sus2.screening.files import items_of
from sus2.screening.run import Run
from sus2.screening.start import screen
from sus2.screening.store import ScreenStore
from sus2.screening.tables import Outcome, Source, atoms_of
from sus2.structures import content_key, sample, write_structure
from tests import helpers_screening as helpers
from tests.helpers_screening import MODEL, once, rows, silicon, triangle


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(helpers.ROOT), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def inline() -> Iterator[Executor]:
    executor = InlineExecutor()
    yield executor
    executor.shutdown()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def results(out: Path) -> dict[tuple[str, str], tuple[bool, str, dict[str, float]]]:
    """(name, property) -> ok, reason, numbers."""
    joined = "results r JOIN sources s ON s.structure = r.structure"
    found = rows(out, f"SELECT s.name, r.property, r.ok, r.reason, r.numbers FROM {joined}")
    return {(name, prop): (bool(ok), reason, json.loads(numbers)) for name, prop, ok, reason, numbers in found}


# Numbers ----------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_each_crystal_alone(inline: Executor, out: Path) -> None:
    rng = np.random.default_rng(1)
    shaken = bulk("Si", cubic=True)
    shaken.positions += 0.03 * rng.normal(size=(8, 3))
    crystals = {"shaken": shaken, "stretched": bulk("Si", a=5.6)}
    found = screen(crystals, MODEL, properties=["relax", "eos", "elastic", "phonons"], out=out, executor=inline)
    assert found.complete
    kept = results(out)
    potential = sus2.load(MODEL)
    alone = evaluate_many(crystals, potential, properties=["relax", "eos", "elastic"])
    for row in alone.rows:
        here = {k: v for p in ("relax", "eos", "elastic") for k, v in kept[row.name, p][2].items()}
        expected = {k: v for k, v in row.values.items() if k in here and k != "b0_gpa_error"}
        assert len(expected) > 15
        assert {k: here[k] for k in expected} == pytest.approx(expected, rel=1e-8, abs=1e-9)
    exact = sus2.phonons(shaken, potential)
    modes = kept["shaken", "phonons"][2]
    assert modes["highest_frequency_thz"] == pytest.approx(
        max(exact.mesh_frequencies_thz.max(), exact.band_structure().frequencies_thz.max()), abs=1e-6
    )
    # Dulong and Petit's limit is 24.94 J/K/mol; Debye's theory has silicon at four fifths of it at 300 K.
    assert 18.0 < modes["cv_300k_j_per_k_mol_atoms"] < 22.0
    assert rows(out, "SELECT DISTINCT words FROM results WHERE property = 'phonons'") == [
        ('{"dynamically": "stable"}',)
    ]


def test_settings_reach_the_functions_and_make_other_results(inline: Executor, out: Path) -> None:
    crystals = silicon(1)
    screen(crystals, MODEL, properties=["eos"], out=out, executor=inline)
    options: dict[str, Any] = {"equation": "vinet", "n_points": 7}
    again = screen(crystals, MODEL, properties=["eos"], settings={"eos": options}, out=out, executor=inline)
    assert (again.computed, again.reused) == (1, 0)
    potential = sus2.load(MODEL)
    expected = [sus2.eos(*crystals.values(), potential, **o).b0_gpa for o in ({}, options)]
    found = [v for (v,) in rows(out, "SELECT json_extract(numbers, '$.b0_gpa') FROM results ORDER BY created")]
    assert found == pytest.approx(expected, rel=1e-8)
    # The default, said aloud, is no other calculation.
    same = screen(crystals, MODEL, properties=["eos"], settings={"eos": {"n_points": 11}}, out=out, executor=inline)
    assert same.computed == 0


def test_structures_that_fail_are_recorded_and_do_not_stop_the_rest(inline: Executor, out: Path) -> None:
    crystals: dict[str, Any] = {
        "good": bulk("Si"),
        "unknown": bulk("Cu"),
        "squeezed": bulk("Si", a=2.5),
        "molecule": Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.3]]),
        "overlap": Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.05]], cell=[4, 4, 4], pbc=True),
        "good too": bulk("Si", a=5.5),
    }
    found = screen(crystals, MODEL, properties=["relax", "elastic"], out=out, executor=inline)
    assert (found.structures, found.unreadable, found.computed, found.failed) == (4, 2, 8, 4)
    assert not found.complete
    kept = results(out)
    assert kept["good", "elastic"][0]
    assert kept["good too", "relax"][0]
    assert "does not know Cu" in kept["unknown", "relax"][1]
    assert "collapsed" in kept["squeezed", "elastic"][1]
    problems = dict(rows(out, "SELECT name, problem FROM sources WHERE structure IS NULL"))
    assert "molecule" in problems["molecule"]
    assert "overlap" in problems["overlap"]


def test_by_default_the_model_that_fits_each_best(inline: Executor, out: Path) -> None:
    crystals = {"si": sample("si").atoms(), "nacl": sample("nacl").atoms(), "xe": bulk("Xe", "fcc", a=6.2)}
    found = screen(crystals, properties=["relax"], out=out, executor=inline)
    assert (found.computed, found.failed) == (3, 1)
    models = dict(rows(out, "SELECT s.name, r.potential FROM results r JOIN sources s ON s.structure = r.structure"))
    assert models["si"] == MODEL
    assert "Cl" in sus2.load(models["nacl"]).elements
    assert "No shipped model knows all of Xe" in results(out)["xe", "relax"][1]


def test_a_potential_of_ones_own_goes_along_with_its_bytes(inline: Executor, out: Path, root: Path) -> None:
    path = next((root / "pretrained").rglob(f"{MODEL}*.mtp"))
    potential = sus2.load(str(path), elements=["Si"])
    reference = PotentialRef.of(potential.card, path.read_bytes())
    screen(silicon(1), [reference, MODEL], properties=["relax"], out=out, executor=inline)
    energies = rows(out, "SELECT json_extract(numbers, '$.relaxed_energy_ev_per_atom') FROM results WHERE ok")
    assert len(energies) == 2
    assert energies[0][0] == pytest.approx(energies[1][0], abs=1e-9)


def test_what_cannot_be_asked(out: Path) -> None:
    for arguments, words in (
        ({"properties": ["colour"]}, "no property 'colour'"),
        ({"properties": []}, "No property"),
        ({"batch": 0}, "at least 1"),
        ({"potentials": 3}, "A potential is a name"),
        ({"potentials": []}, "No potential"),
    ):
        with pytest.raises(Sus2Error, match=words):
            screen(silicon(1), **({"potentials": MODEL, "out": out} | arguments))  # type: ignore[arg-type]
    with pytest.raises(StructureError, match="no file 'nowhere"):
        screen(["nowhere.cif"], MODEL, out=out)
    assert not out.exists()


# Going on ---------------------------------------------------------------------------------------------------------


def test_a_second_run_does_only_what_is_left(inline: Executor, out: Path) -> None:
    first = screen(silicon(5), MODEL, properties=["relax"], out=out, executor=inline)
    assert (first.computed, first.reused) == (5, 0)
    before = rows(out, "SELECT key, attempt FROM results ORDER BY key")
    second = screen(silicon(8), MODEL, properties=["relax"], out=out, executor=inline)
    assert (second.computed, second.reused, second.results) == (3, 5, 8)
    third = screen(silicon(8), MODEL, properties=["relax", "elastic"], out=out, executor=inline)
    assert (third.computed, third.reused) == (8, 8)
    after = set(rows(out, "SELECT key, attempt FROM results"))
    assert set(before) <= after
    once(out)


def test_equal_structures_are_computed_once(inline: Executor, out: Path) -> None:
    one = bulk("Si")
    found = screen([one, one.copy(), one.copy()], MODEL, properties=["relax"], out=out, executor=inline)
    assert (found.structures, found.computed) == (1, 1)
    assert rows(out, "SELECT COUNT(*) FROM sources") == [(3,)]


def test_what_failed_is_tried_again_where_that_is_asked(inline: Executor, out: Path) -> None:
    crystals = {"good": bulk("Si"), "squeezed": bulk("Si", a=2.5)}
    screen(crystals, MODEL, properties=["relax"], out=out, executor=inline)
    assert screen(crystals, MODEL, properties=["relax"], out=out, executor=inline).failed_before == 1
    again = screen(crystals, MODEL, properties=["relax"], out=out, executor=inline, retry_failed=True)
    assert (again.computed, again.reused, again.failed) == (1, 1, 1)


def test_an_interruption_keeps_what_is_finished(inline: Executor, out: Path) -> None:
    seen: list[str] = []

    def stop_soon(outcome: Outcome, names: Any) -> None:
        seen.append(outcome.key)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screen(silicon(12), MODEL, properties=["relax"], out=out, executor=inline, batch=1, on_outcome=stop_soon)
    kept = {k for (k,) in rows(out, "SELECT key FROM results")}
    assert set(seen) <= kept
    assert rows(out, "SELECT COUNT(*) FROM claims") == [(0,)]
    rest = screen(silicon(12), MODEL, properties=["relax"], out=out, executor=inline)
    assert rest.reused == len(kept) < 12
    once(out)


# Lost workers -----------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_in_mid_batch_costs_nothing_but_time(out: Path, tmp_path: Path) -> None:
    executor = helpers.Instead(LocalExecutor(1), helpers.deadly_once, str(tmp_path / "flag"))
    try:
        found = screen(silicon(6), MODEL, properties=["relax"], out=out, executor=executor, batch=6)
    finally:
        executor.shutdown(cancel_futures=True)
    assert (tmp_path / "flag").exists()
    assert (found.computed, found.failed) == (6, 0)
    once(out)


def test_a_structure_that_kills_its_worker_twice_is_given_up(out: Path) -> None:
    crystals = {**silicon(1), "deadly": triangle()}
    executor = helpers.Instead(LocalExecutor(1), helpers.deadly)
    try:
        found = screen(crystals, MODEL, properties=["relax"], out=out, executor=executor, batch=2)
    finally:
        executor.shutdown(cancel_futures=True)
    kept = results(out)
    assert [name for (name, _), (ok, _, _) in kept.items() if not ok] == ["deadly"]
    assert "was killed 2 times" in kept["deadly", "relax"][1]
    assert "signal 9" in kept["deadly", "relax"][1]
    assert found.computed == 2
    once(out)


def test_a_batch_is_split_until_what_kills_is_alone(out: Path) -> None:
    executor = helpers.Losing()
    crystals = {**silicon(9), "deadly": triangle(), **silicon(6, seed=1)}
    found = screen(crystals, MODEL, properties=["relax", "elastic"], out=out, executor=executor, batch=16)
    kept = results(out)
    failed = {key for key, (ok, _, _) in kept.items() if not ok}
    assert ("deadly", "relax") in failed
    # Another property of the same structure is not to blame, whatever it gives, and neither is a neighbour.
    assert "killed" not in kept["deadly", "elastic"][1]
    assert {name for name, _ in failed} == {"deadly"}
    assert found.computed == 32
    # Halves of 16 down to one, that one with both properties, then the guilty one once more.
    assert executor.lost == [16, 8, 4, 2, 1, 1]
    once(out)


def test_a_pool_that_breaks_as_a_whole_is_made_again(out: Path) -> None:
    crystals = {**silicon(2), "deadly": triangle()}

    def pool() -> Executor:
        inner = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return helpers.Instead(inner, helpers.deadly, workers=1)

    found = screen(crystals, MODEL, properties=["relax"], out=out, executor=pool, batch=1)
    kept = results(out)
    assert [name for (name, _), (ok, _, _) in kept.items() if not ok] == ["deadly"]
    assert found.computed == 3
    once(out)


def test_a_broken_executor_that_cannot_be_made_again(out: Path) -> None:
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with pytest.raises(Sus2Error, match="run the same again"):
        screen(
            {"deadly": triangle()}, MODEL, properties=["relax"], out=out, executor=helpers.Instead(pool, helpers.deadly)
        )
    pool.shutdown()


def test_a_worker_with_other_code_is_refused(inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sus2.screening.run.code_version", lambda: "0.0.1-older")
    with pytest.raises(Sus2Error, match="install the same one everywhere"):
        screen(silicon(2), MODEL, properties=["relax"], out=out, executor=inline)
    assert rows(out, "SELECT COUNT(*) FROM results") == [(0,)]


# Several runs -----------------------------------------------------------------------------------------------------


def test_two_runs_on_one_database_share_the_work(out: Path) -> None:
    found: list[Any] = []

    def one() -> None:
        executor = InlineExecutor()
        try:
            found.append(screen(silicon(70), MODEL, properties=["relax"], out=out, executor=executor, batch=4))
        finally:
            executor.shutdown()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert sum(s.computed for s in found) == 70
    assert all(s.results == 70 for s in found)
    once(out)


def claim_of_another(out: Path, crystals: dict[str, Atoms], host: str) -> tuple[ScreenStore, str]:
    """A run that has claimed these crystals and shows no sign of life."""
    from sus2.screening.work import calculation

    store = ScreenStore(out)
    other = store.begin_run({})
    with store.engine.begin() as db:
        from sus2.screening.tables import RUNS

        db.execute(RUNS.update().values(host=host, process="1 1"))
    reference = PotentialRef.of(sus2.load(MODEL).card)
    store.claim(other, [calculation("relax", a, reference, {}).key for a in crystals.values()])
    return store, other


def test_claims_of_a_dead_run_of_this_computer_are_void(inline: Executor, out: Path) -> None:
    from sus2.screening.tables import host_name

    crystals = silicon(3)
    store, _ = claim_of_another(out, crystals, host_name())
    store.close()
    assert screen(crystals, MODEL, properties=["relax"], out=out, executor=inline).computed == 3


def test_claims_of_a_silent_run_elsewhere_are_void_after_a_while(
    inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sus2.screening.run.LEASE_S", 0.5)
    crystals = silicon(3)
    store, _ = claim_of_another(out, crystals, "another computer")
    store.close()
    assert screen(crystals, MODEL, properties=["relax"], out=out, executor=inline).computed == 3


def test_what_a_living_run_has_claimed_is_awaited(inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = silicon(2)
    store, other = claim_of_another(out, crystals, "another computer")
    looks: list[int] = []
    look = Run._look_elsewhere

    def finished_elsewhere(self: Run) -> None:
        looks.append(1)
        for task in self.plan.elsewhere:
            store.put(other, [task.outcome(p, ok=True) for p in task.wanted], {}, "code")
        look(self)

    monkeypatch.setattr(Run, "_look_elsewhere", finished_elsewhere)
    found = screen(crystals, MODEL, properties=["relax"], out=out, executor=inline)
    store.close()
    assert looks
    assert (found.computed, found.reused) == (0, 2)


# The database -----------------------------------------------------------------------------------------------------


def test_a_crystal_comes_back_as_it_was(out: Path) -> None:
    atoms = bulk("Si") * (1, 2, 1)
    atoms.rattle(0.1, seed=3)
    atoms.set_masses([28.0] * 3 + [30.0])
    store = ScreenStore(out)
    store.add_sources([Source("one", "", content_key(atoms), atoms)])
    key = content_key(atoms)
    back = store.atoms([key, "no such key"])[key]
    store.close()
    assert np.array_equal(back.positions, atoms.positions)
    assert np.array_equal(back.cell.array, atoms.cell.array)
    assert np.array_equal(back.get_masses(), atoms.get_masses())
    with pytest.raises(StoreError, match="damaged"):
        atoms_of({"numbers": [14]})


def test_a_database_that_is_damaged_or_another_programs_stays_as_it_is(tmp_path: Path) -> None:
    import sqlite3

    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database at all " * 100)
    with pytest.raises(StoreError, match="not a database"):
        screen(silicon(1), MODEL, properties=["relax"], out=damaged)
    assert damaged.read_bytes().startswith(b"this is no database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE letters (text TEXT)")
    db.close()
    with pytest.raises(StoreError, match="another program's"):
        screen(silicon(1), MODEL, properties=["relax"], out=other)
    assert rows(other, "SELECT name FROM sqlite_master") == [("letters",)]


def test_a_truncated_database_is_an_error_of_one_sentence(inline: Executor, out: Path) -> None:
    screen(silicon(40), MODEL, properties=["relax"], out=out, executor=inline, batch=20)
    for suffix in ("-wal", "-shm"):
        Path(f"{out}{suffix}").unlink(missing_ok=True)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"cannot be used .*malformed|restore"):
        screen(silicon(40), MODEL, properties=["relax"], out=out, executor=inline)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder"):
        screen(silicon(1), MODEL, out=tmp_path / "none" / "results.db")
    with pytest.raises(StoreError, match="cannot be used"):
        screen(silicon(1), MODEL, out=tmp_path)
    with pytest.raises(StoreError, match="not understood"):
        screen(silicon(1), MODEL, out="nosuchdatabase://here/there")


def test_a_read_only_database(inline: Executor, out: Path) -> None:
    screen(silicon(1), MODEL, properties=["relax"], out=out, executor=inline)
    out.chmod(0o444)
    # The superuser writes where nobody else may, so the attempt is made as somebody else.
    other = "os.setuid(65534)" if os.getuid() == 0 else "pass"
    script = f"import os; from sus2.screening.store import ScreenStore; {other}; ScreenStore({str(out)!r})"
    for folder in (out.parent, *out.parent.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "StoreError" in done.stderr
    assert "read" in done.stderr.splitlines()[-1]


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(
    inline: Executor, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sus2.screening.store._TRIES", 1)
    start = ScreenStore.__init__

    def small(self: ScreenStore, path: Any) -> None:
        start(self, path)

        # SQLite's own error for a database that cannot grow is the one of a full disk.
        @event.listens_for(self.engine, "connect")
        def limit(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA max_page_count = 32")

        self.engine.dispose()

    with monkeypatch.context() as patched:
        patched.setattr(ScreenStore, "__init__", small)
        with pytest.raises(StoreError, match=r"full.*make room"):
            screen(silicon(60), MODEL, properties=["relax"], out=out, executor=inline, batch=4)
    ((kept,),) = rows(out, "SELECT COUNT(*) FROM results")
    assert 0 < kept < 60
    rest = screen(silicon(60), MODEL, properties=["relax"], out=out, executor=inline)
    assert rest.reused == kept
    assert rest.reused + rest.computed == 60


def test_passwords_are_not_shown() -> None:
    with pytest.raises(StoreError) as caught:
        ScreenStore("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


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
