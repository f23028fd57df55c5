"""Known values: a crystal is found whatever its cell, and is not taken for another of the same composition."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import sus2.trust.known_values as package
from sus2.structures import standardise
from sus2.structures.samples import sample
from sus2.trust.known_values import known_crystals, known_values, references
from sus2.trust.known_values.lookup import UNITS
from sus2.trust.known_values.structure_type import structure_type

FOLDER = Path(package.__file__).parent


def _of(atoms, quantity: str, functional: str) -> list[float]:
    return [v.value for v in known_values(atoms) if v.quantity == quantity and v.functional == functional]


def test_tungsten_is_known_whatever_its_cell_and_orientation() -> None:
    crystal = bulk("W", "bcc", a=3.2, cubic=True)
    turned = crystal.repeat((2, 1, 1))
    turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
    for atoms in (crystal, turned, bulk("W", "bcc", a=3.4)):
        assert _of(atoms, "c44_gpa", "experiment") == [160.6]
        assert _of(atoms, "b0_gpa", "PBE")[0] == pytest.approx(301.5, abs=0.5)
    assert _of(bulk("W", "fcc", a=4.0), "c44_gpa", "experiment") == []


def test_polymorphs_are_told_apart() -> None:
    diamond, graphite = known_crystals()["C diamond"], known_crystals()["C graphite"]
    assert _of(diamond, "c44_gpa", "experiment") == [578.0]
    assert _of(graphite, "c44_gpa", "experiment") == [4.5]
    quartz, stishovite = known_crystals()["SiO2 quartz"], known_crystals()["SiO2 rutile"]
    assert _of(quartz, "c11_gpa", "experiment") == [86.8]
    assert _of(stishovite, "c11_gpa", "experiment") == [453.0]


def test_a_file_with_rounded_positions_is_found() -> None:
    atoms = sample("tio2").atoms()
    atoms.positions += np.random.default_rng(0).normal(scale=0.01, size=atoms.positions.shape)
    assert _of(atoms, "c44_gpa", "experiment") == [124.0]


def test_every_value_has_unit_source_and_a_sane_size() -> None:
    seen = 0
    for name, atoms in known_crystals().items():
        for value in known_values(atoms):
            seen += 1
            assert value.unit == UNITS[value.quantity]
            assert value.source, name
            assert math.isfinite(value.value), name
            assert value.calculated == (value.functional != "experiment")
    assert seen > 1300
    with (FOLDER / "mp_moduli.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1944
    assert all(float(r["k_vrh_gpa"]) > 0 and r["structure_type"] for r in rows)


def test_structure_type_of_a_materials_project_crystal_is_that_of_its_prototype() -> None:
    with (FOLDER / "mp_moduli.csv").open() as file:
        types = {r["formula"]: r["structure_type"] for r in csv.DictReader(file) if r["formula"] in ("MgO", "TiC")}
    for formula in types:
        atoms = standardise(bulk(formula, "rocksalt", a=4.3), "primitive")
        assert structure_type(atoms) in types.values()


def test_moduli_follow_from_elastic_constants_and_volumes_from_lattice_constants() -> None:
    tungsten = bulk("W", "bcc", a=3.18)
    found = references(known_values(tungsten), "PBE", tungsten)
    assert found["g_vrh_gpa"].value == pytest.approx(160.0, abs=3.0)
    assert found["g_vrh_gpa"].functional == "experiment"
    gallium = bulk("GaAs", "zincblende", a=5.7)
    assert references(known_values(gallium), "PBE", gallium)["v0_a3_per_atom"].value == pytest.approx(23.75, abs=0.1)


def test_nothing_is_known_of_an_unheard_of_crystal() -> None:
    assert known_values(bulk("CsLi", "cesiumchloride", a=4.0)) == ()
