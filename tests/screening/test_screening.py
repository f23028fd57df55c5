"""Screening: the numbers of the functions, and results that last."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import StructureError, Sus2Error
from sus2.properties.property_table import evaluate_many
from sus2.registry.reference import PotentialRef
from sus2.screening.start import screen
from sus2.screening.tables import Outcome
from sus2.structures import sample
from tests.helpers_screening import MODEL, once, rows, silicon
from tests.screening.runs import results


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
    assert "does not cover Cu" in kept["unknown", "relax"][1]
    assert "collapsed" in kept["squeezed", "elastic"][1]
    problems = dict(rows(out, "SELECT name, problem FROM sources WHERE structure IS NULL"))
    assert "molecule" in problems["molecule"]
    assert "overlap" in problems["overlap"]


def test_by_default_the_model_that_fits_each_best(inline: Executor, out: Path) -> None:
    crystals = {"si": sample("si").atoms(), "nacl": sample("nacl").atoms(), "rn": bulk("Rn", "fcc", a=6.6)}
    found = screen(crystals, properties=["relax"], out=out, executor=inline)
    assert (found.computed, found.failed) == (3, 1)
    models = dict(rows(out, "SELECT s.name, r.potential FROM results r JOIN sources s ON s.structure = r.structure"))
    assert models["si"] == MODEL
    assert "Cl" in sus2.load(models["nacl"]).elements
    assert "No shipped model covers all of Rn" in results(out)["rn", "relax"][1]


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
        ({"potentials": 3}, "A potential from sus2.load"),
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
