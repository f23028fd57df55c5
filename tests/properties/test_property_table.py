from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.properties.property_table import PropertyTable, columns, evaluate_many, properties
from sus2.structures import sample
from sus2.units import EV_PER_A3_TO_GPA
from tests.helpers_potential import emt

METALS = {"copper": bulk("Cu", "fcc", 3.7), "gold": bulk("Au", "fcc", 4.1, cubic=True)}


@pytest.fixture(scope="module")
def everything() -> PropertyTable:
    return evaluate_many(
        {"si": sample("si").atoms(), "primitive": bulk("Si")},
        sus2.load("si-mlearn-pbe"),
        properties=tuple(properties()),
    )


def test_the_numbers_are_those_of_each_function(everything: PropertyTable) -> None:
    potential = sus2.load("si-mlearn-pbe")
    for row, atoms in zip(everything.rows, (sample("si").atoms(), bulk("Si")), strict=True):
        v = row.values
        found = potential.evaluate([atoms])[0]
        assert v["energy_ev_per_atom"] == found.energy_ev / len(atoms)
        assert v["pressure_gpa"] == -found.stress_ev_per_a3[:3].mean() * EV_PER_A3_TO_GPA
        relaxed = sus2.relax(atoms, potential)
        assert v["relaxed_energy_ev_per_atom"] == relaxed.energy_ev / len(atoms)
        assert v["volume_change_percent"] == relaxed.volume_change_percent
        assert np.array_equal(row.relaxed.positions, relaxed.atoms.positions)
        curve = sus2.eos(atoms, potential)
        assert (v["b0_gpa"], v["v0_a3_per_atom"]) == (curve.b0_gpa, curve.v0_a3_per_atom)
        tensor = sus2.elastic(atoms, potential, cross_checks=False)
        assert (v["k_vrh_gpa"], v["nu_vrh"]) == (tensor.k_vrh_gpa, tensor.nu_vrh)
        assert row.space_group == row.texts["relaxed_space_group"] == "Fd-3m (227)"
        assert row.complete


def test_supercells_of_one_crystal_agree(everything: PropertyTable) -> None:
    for name in ("relaxed_energy_ev_per_atom", "v0_a3_per_atom", "b0_gpa", "g_vrh_gpa"):
        a, b = everything.column(name)
        assert a == pytest.approx(b, rel=1e-3)


def test_every_column_has_its_words(everything: PropertyTable) -> None:
    assert set(everything.columns) == set(columns())
    assert {of for of, _ in columns().values()} == {"structure", *properties()}
    assert all(c.meaning.endswith(".") for _, c in columns().values())


def test_only_what_was_asked_for() -> None:
    found = evaluate_many(METALS, emt())
    assert set(found.columns) == {c for c, (of, _) in columns().items() if of in ("structure", "energy")}
    assert found.rows[0].relaxed is None


def test_a_failure_does_not_stop_the_rest() -> None:
    crowded = bulk("Cu", "fcc", 3.6, cubic=True)
    crowded.positions[1] = crowded.positions[0] + [0.1, 0, 0]
    structures = {
        "overlap": crowded,
        "molecule": molecule("H2O"),
        "unknown": bulk("Si"),
        "nothing": Atoms(),
        "squeezed": bulk("Ni", "fcc", 1.7),
        "copper": METALS["copper"],
    }
    found = evaluate_many(structures, emt(), properties=["eos", "energy", "relax"])
    by_name = {row.name: row for row in found.rows}
    assert list(by_name) == list(structures)
    assert found.properties == ("energy", "relax", "eos")
    assert "overlap" in by_name["overlap"].problems["structure"]
    assert "molecule" in by_name["molecule"].problems["structure"]
    assert by_name["unknown"].problems["structure"] == "test does not cover Si."
    assert by_name["unknown"].formula == "Si"
    assert "no atoms" in by_name["nothing"].problems["structure"]
    assert set(by_name["squeezed"].problems) == {"relax", "eos"}
    assert by_name["squeezed"].problems["relax"] == by_name["squeezed"].problems["eos"]
    assert math.isfinite(by_name["squeezed"].values["energy_ev_per_atom"])
    assert [row.name for row in found.complete] == ["copper"]
    assert np.isnan(found.column("b0_gpa")).tolist() == [True] * 5 + [False]


def test_export_is_read_back() -> None:
    found = evaluate_many({"=cmd()": METALS["copper"], "si": bulk("Si")}, emt(), properties=["eos"])
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [r["name"] for r in rows] == ["'=cmd()", "si"]
    assert float(rows[0]["b0_gpa"]) == found.rows[0].values["b0_gpa"]
    assert rows[1]["b0_gpa"] == ""
    assert "does not cover Si" in rows[1]["problems"]
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["rows"][0]["values"]["b0_gpa"] == found.rows[0].values["b0_gpa"]
    assert content["rows"][1]["problems"]["structure"] == rows[1]["problems"]


def test_numbers_that_do_not_exist_are_null() -> None:
    row = evaluate_many(METALS, emt()).rows[0]
    row.values["pressure_gpa"] = math.nan
    result = PropertyTable("x", "y", ("energy",), (row,))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["rows"][0]["values"]["pressure_gpa"] is None
    assert result.table()[0]["pressure_gpa"] is None


def test_other_calculators_have_elastic_constants_by_finite_strain() -> None:
    found = evaluate_many({"cu": METALS["copper"]}, emt(), properties=["elastic"])
    alone = sus2.elastic(METALS["copper"], emt(), method="finite", cross_checks=False)
    assert found.rows[0].values["k_vrh_gpa"] == alone.k_vrh_gpa


def test_progress_grows_and_can_cancel() -> None:
    seen: list[tuple[str, float]] = []
    evaluate_many(METALS, emt(), properties=["relax", "eos"], progress=lambda s, f: seen.append((s, f)))
    assert seen[0] == ("copper", 0.0)
    assert seen[-1] == ("done", 1.0)
    assert any(s.startswith("gold: ") for s, _ in seen)
    assert all(0.0 <= f <= 1.0 for _, f in seen)
    assert all(f >= 0.5 for s, f in seen if s.startswith("gold"))

    def stop(stage: str, fraction: float) -> None:
        if stage.startswith("gold"):
            raise CancelledError("stopped.")

    with pytest.raises(CancelledError):
        evaluate_many(METALS, emt(), properties=["relax"], progress=stop)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: evaluate_many({}, emt()), "no structures"),
        (lambda: evaluate_many(METALS, emt(), properties=["bands"]), "no property 'bands'; choose of energy"),
        (lambda: evaluate_many(METALS, emt(), properties=[]), "No property is chosen"),
    ],
)
def test_what_cannot_be_asked(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(Sus2Error, match=words):
        ask()
